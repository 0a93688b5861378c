"""What the operator functions of arrays do with calls that the library does not take as they come."""
from __future__ import annotations

import sys
import threading

from .. import _core
from .._namespaces import Face
from ..base import _Null, dtype_name, is_number
from ..context import current_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._ops import Op

# What calls are handed to first on a thread that traces a program: call(operator, inputs, keywords), which gives
# NotImplemented for those that concern arrays only.
REDIRECT = threading.local()
_invoke = _core.invoke
_IGNORED = ("name", "attr", "__layout__")


class Arrays(Face):
    """Functions that compute at once."""

    value = _core.NDArrayBase
    type_name = "NDArray"
    trailing = {"out": "NDArray"}

    def bind(self, op: Op, name: str) -> tuple[Any, ...]:
        handle = _core.op_handle(op.name)

        def call(inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
            redirect = getattr(REDIRECT, "call", None)
            if redirect is not None and (made := redirect(op, inputs, kwargs)) is not NotImplemented:
                return made
            out = kwargs.pop("out", None)
            if op.variadic:
                if kwargs.get(op.variadic, 0) is None:
                    del kwargs[op.variadic]  # the library counts
                inputs = _by_name(op, inputs, kwargs)
            else:
                inputs = _complete(op, inputs, kwargs)
            return _invoke(handle, inputs, _parameters(op, kwargs), out)

        plain = set(op.param_names) - {"dtype", "ctx", "data", op.variadic} - set(op.input_names)
        if op.variadic:
            return call, handle, sys.maxsize, sys.maxsize, plain, ()
        least = next((at for at, name in enumerate(op.input_names) if name in op.optional), len(op.inputs))
        return call, handle, least, len(op.inputs), plain, op.param_names


def _by_name(op: Op, positional: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
    """Any number of inputs, those among kwargs in the order that the call gives their names."""
    named = {key: kwargs.pop(key) for key in list(kwargs) if isinstance(kwargs[key], _core.NDArrayBase)}
    if not named:
        return positional
    call = _core.call_info(op.name, _parameters(op, dict(kwargs)) or {}, len(positional) + len(named))
    order = [name for name, _ in call["inputs"]]
    unknown = set(named) - set(order[len(positional):])
    if unknown:
        raise TypeError(f"[{op.name}] found inputs called {sorted(unknown)}, expected {order[len(positional):]}")
    return [*positional, *(named[name] for name in order if name in named)]


def _complete(op: Op, positional: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """All inputs: those given by position, then those among kwargs."""
    inputs = list(positional)
    for name in op.input_names[len(inputs):]:
        inputs.append(kwargs.pop(name, None))
    while inputs and inputs[-1] is None:
        inputs.pop()
    for name, value in zip(op.input_names, inputs):
        if value is None and name not in op.optional:
            raise TypeError(f"[{op.name}] {name} is missing")
    return [value for value in inputs if value is not None]


def _parameters(op: Op, kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Parameters in the form the library takes."""
    for key in _IGNORED:
        kwargs.pop(key, None)
    for key in [key for key, value in kwargs.items() if value is _Null]:
        del kwargs[key]
    for key, value in kwargs.items():
        if not isinstance(value, (int, float, str, tuple, list, type(None))) and is_number(value):
            kwargs[key] = value.item()
    if "dtype" in kwargs:
        dtype = kwargs.pop("dtype")
        if dtype is not None:
            kwargs["dtype"] = dtype if dtype == "None" else dtype_name(dtype)
    if not op.inputs and not op.variadic and "ctx" in op.param_names:
        kwargs["ctx"] = str(kwargs.get("ctx") or current_context())
    elif "ctx" in kwargs:
        kwargs["ctx"] = str(kwargs["ctx"])
    return kwargs or None
