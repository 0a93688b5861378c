"""Makes the operator functions of arrays: closures around one call into the library."""
from .. import _core
from .._ops import catalogue, finish, places
from ..base import _Null, dtype_name, is_number
from ..context import current_context

_invoke = _core.invoke
_IGNORED = ("name", "attr", "__layout__")


def _function(op):
    """f(*inputs, **parameters) for an operator with a fixed list of inputs."""
    handle = _core.op_handle(op.name)
    if not op.params and op.input_names == ("data",):
        return lambda data=None, *, out=None, name=None, attr=None: _invoke(handle, (data,), None, out)
    if not op.params and op.input_names == ("lhs", "rhs"):
        return lambda lhs=None, rhs=None, *, out=None, name=None, attr=None: _invoke(handle, (lhs, rhs), None, out)
    most = len(op.inputs)
    # Parameters that are passed on as they come: the quick way.
    plain = frozenset(op.param_names) - {"dtype", "ctx"} - set(op.input_names)

    def function(*args, **kwargs):
        if not kwargs:
            if 0 < len(args) <= most and args[-1] is not None:
                return _invoke(handle, args, None, None)
            out = None
        else:
            out = kwargs.pop("out", None)
            if 0 < len(args) <= most and args[-1] is not None and plain.issuperset(kwargs):
                return _invoke(handle, args, kwargs, out)
        inputs = _sort_out(op, args, kwargs)
        return _invoke(handle, inputs, _parameters(op, kwargs), out)

    return function


def _variadic(op):
    """f(*inputs, **parameters) for an operator that takes any number of inputs."""
    handle = _core.op_handle(op.name)

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


def register(modules):
    """Puts every operator's function into the modules it belongs to ("op", "_internal" ...)."""
    for name, op in catalogue():
        for place, called in places(name):
            module = modules.get(place)
            if module is not None:
                made = _variadic(op) if op.variadic else _function(op)
                setattr(module, called, finish(made, op, called, module.__name__, "NDArray", ("out",)))
    for module in modules.values():
        module.__all__ = [n for n in vars(module) if callable(getattr(module, n))]
