"""What the operator functions of arrays do with calls that the library does not take as they come."""
import sys

from .. import _core
from .._ops import Op
from ..base import _Null, dtype_name, is_number
from ..context import current_context

_invoke = _core.invoke
_IGNORED = ("name", "attr", "__layout__")


def make(operator, name):
    """The function of an operator: see _ops.register."""
    op = Op.of(operator)
    handle = _core.op_handle(operator)
    plain = set(op.param_names) - {"dtype", "ctx", "data", op.variadic} - set(op.input_names)
    if op.variadic:
        return _variadic(op, handle), handle, sys.maxsize, plain
    return _function(op, handle), handle, len(op.inputs), plain


def _function(op, handle):
    """f(*inputs, **parameters) for an operator with a fixed list of inputs."""

    def function(*args, **kwargs):
        out = kwargs.pop("out", None)
        inputs = _sort_out(op, args, kwargs)
        return _invoke(handle, inputs, _parameters(op, kwargs), out)

    return function


def _variadic(op, handle):
    """f(*inputs, **parameters) for an operator that takes any number of inputs."""

    def function(*args, **kwargs):
        if not args and "data" in kwargs:
            args = kwargs.pop("data")
        elif len(args) == 1 and isinstance(args[0], (list, tuple)):
            args = args[0]
        out = kwargs.pop("out", None)
        kwargs.pop(op.variadic, None)  # the library counts
        return _invoke(handle, args, _parameters(op, kwargs), out)

    return function


def _sort_out(op, args, kwargs):
    """The inputs among args and kwargs; parameters given by position move into kwargs."""
    names = op.input_names
    count = len(names)
    while count < len(args) and isinstance(args[count], _core.NDArrayBase):
        count += 1  # an input that a parameter calls for: the lengths of softmax
    inputs, extra = list(args[:count]), args[count:]
    if len(extra) > len(op.param_names):
        raise TypeError(f"[{op.name}] found {len(args)} arguments, expected at most "
                        f"{len(names) + len(op.param_names)}")
    for name, value in zip(op.param_names, extra):
        if name in kwargs:
            raise TypeError(f"[{op.name}] found two values for {name}")
        kwargs[name] = value
    for name in names[len(inputs):]:
        inputs.append(kwargs.pop(name, None))
    while inputs and inputs[-1] is None:
        inputs.pop()
    for name, value in zip(names, inputs):
        if value is None and name not in op.optional:
            raise TypeError(f"[{op.name}] {name} is missing")
    return [value for value in inputs if value is not None]


def _parameters(op, kwargs):
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
    if not op.inputs:
        kwargs["ctx"] = str(kwargs.get("ctx") or current_context())
    elif "ctx" in kwargs:
        kwargs["ctx"] = str(kwargs["ctx"])
    return kwargs or None
