"""What the operator functions of symbols do: they make nodes."""
from __future__ import annotations

from .. import _core, attribute
from .. import name as _name
from .._namespaces import Face
from ..base import _Null, param_text
from .symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .._ops import Op


class Symbols(Face):
    """Functions that make a node, named after the function."""

    value = Symbol
    type_name = "Symbol"
    trailing = {"name": "str", "attr": "Mapping[str, str]"}
    symbolic = True

    def bind(self, op: Op, name: str) -> tuple[Any, ...]:
        hint = name.lower()

        def call(inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
            kwargs.pop("out", None)
            name, attr = kwargs.pop("name", None), kwargs.pop("attr", None)
            named = {k: kwargs.pop(k)._core for k in list(kwargs) if isinstance(kwargs[k], Symbol)}
            for key in op.input_names:
                if key in kwargs and kwargs[key] is None and not op.variadic:
                    del kwargs[key]
            return _create(op, hint, _positional(op, inputs, named), named, kwargs, name, attr)

        return call, None, 0, 0, None, ()


def _create(op: Op, hint: str, positional: Sequence[Any], named: dict[str, Any], params: dict[str, Any],
            name: str | None, attr: Mapping[str, str] | None) -> Symbol:
    """A node of an operator; the last three arguments are as users give them."""
    attrs = attribute.current().get(attr)
    texts: dict[str, str] = {}
    for key, value in params.items():
        if value is _Null or value is None and key == "dtype":
            continue
        (attrs if attribute.is_attribute(key) else texts)[key] = param_text(key, value)
    attrs = attribute.hide(attrs)
    name = _name.current().get(name, hint)
    return Symbol(_core.Symbol.apply(op.name, texts, positional, named, name, attrs))


def _positional(op: Op, inputs: Sequence[Any], named: dict[str, Any]) -> list[_core.Symbol]:
    """The library's symbols of the inputs. After a gap (None) they go to `named` instead."""
    for value in inputs:
        if value is not None and not isinstance(value, Symbol):
            raise TypeError(f"[{op.name}] found {type(value).__name__} as an input, expected a Symbol")
    if all(value is not None for value in inputs):
        return [value._core for value in inputs]
    named.update((key, value._core) for key, value in zip(op.input_names, inputs) if value is not None)
    return []
