"""Attributes given to every symbol made inside a block."""
from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_STATE = threading.local()

# Keys that MXNet keeps between double underscores whichever way they are written.
HIDDEN_KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")


class _AttrScopeMeta(type):
    @property
    def current(cls) -> AttrScope:
        return current()


class AttrScope(metaclass=_AttrScopeMeta):
    """Gives its attributes, which are strings, to the symbols made inside the block."""

    def __init__(self, **attributes: str) -> None:
        for key, value in attributes.items():
            if not isinstance(value, str):
                raise ValueError(f"attribute {key} has the value {value!r}, expected a string")
        self._own = attributes
        self._merged = attributes

    def get(self, attr: Mapping[str, str] | None = None) -> dict[str, str]:
        """These attributes, overridden by `attr`."""
        return {**self._merged, **(attr or {})}

    def __enter__(self) -> AttrScope:
        self._merged = current().get(self._own)
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()


def is_attribute(keyword: str) -> bool:
    """Whether a keyword of an operator's function is an attribute of the node, for training or for the user."""
    return keyword in HIDDEN_KEYS or keyword.startswith("__")


def hide(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes under the keys that files hold: "lr_mult" becomes "__lr_mult__"."""
    return {f"__{key}__" if key in HIDDEN_KEYS else key: value for key, value in attributes.items()}


def _stack() -> list[AttrScope]:
    try:
        return _STATE.stack
    except AttributeError:
        _STATE.stack = [AttrScope()]
        return _STATE.stack


def current() -> AttrScope:
    """The innermost scope."""
    return _stack()[-1]
