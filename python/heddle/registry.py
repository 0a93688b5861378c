"""Classes that are made from a name, a JSON description or a dict."""
from __future__ import annotations

import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_REGISTRIES: dict[type[Any], dict[str, type[Any]]] = {}


def get_registry(base_class: type[Any]) -> dict[str, type[Any]]:
    """A copy of the names known for a base class."""
    return dict(_REGISTRIES.get(base_class, {}))


def get_register_func(base_class: type[Any], nickname: str) -> Callable[..., Any]:
    """A decorator that registers subclasses under their lower-case names."""
    known = _REGISTRIES.setdefault(base_class, {})

    def register(klass: type[Any], name: str | None = None) -> type[Any]:
        if not issubclass(klass, base_class):
            raise TypeError(f"Can only register subclass of {base_class.__name__}")
        key = (name or klass.__name__).lower()
        if known.get(key, klass) is not klass:
            warnings.warn(f"New {nickname} {klass.__module__}.{klass.__name__} registered with name {key} is "
                          f"overriding existing {nickname} {known[key].__module__}.{known[key].__name__}",
                          UserWarning, stacklevel=2)
        known[key] = klass
        return klass

    register.__doc__ = f"Register {nickname} to the {nickname} factory"
    return register


def get_alias_func(base_class: type[Any], nickname: str) -> Callable[..., Any]:
    """A decorator that registers a class under more names."""
    register = get_register_func(base_class, nickname)

    def alias(*aliases: Any) -> Callable[..., Any]:
        def decorate(klass: type[Any]) -> type[Any]:
            for name in aliases:
                register(klass, name)
            return klass
        return decorate

    return alias


def _from_json(text: str) -> Any:
    import json  # not at import: few programs have such texts
    return json.loads(text)


def get_create_func(base_class: type[Any], nickname: str) -> Callable[..., Any]:
    """A function that makes an instance of a registered class."""
    known = _REGISTRIES.setdefault(base_class, {})

    def create(*args: Any, **kwargs: Any) -> Any:
        if args:
            name, args = args[0], args[1:]
        else:
            name = kwargs.pop(nickname)
        if isinstance(name, base_class):
            if args or kwargs:
                raise ValueError(f"{nickname} is already an instance. Additional arguments are invalid")
            return name
        if isinstance(name, dict):
            return create(**name)
        if not isinstance(name, str):
            raise TypeError(f"{nickname} must be of string type, found {type(name).__name__}")
        if name.startswith("["):
            if args or kwargs:
                raise ValueError(f"{nickname} is a JSON description. Additional arguments are invalid")
            name, kwargs = _from_json(name)
            return create(name, **kwargs)
        if name.startswith("{"):
            return create(**_from_json(name))
        if name.lower() not in known:
            raise ValueError(f"[create] {name} is not registered as a {nickname}, expected one of {', '.join(sorted(known))}")
        return known[name.lower()](*args, **kwargs)

    create.__doc__ = f"Makes a {nickname} from its name, an instance, a dict, or JSON."
    return create
