"""What the operator functions of symbols do: they make nodes."""
from .. import _core, attribute
from .. import name as _name
from .._ops import Op
from ..base import _Null, param_text
from .symbol import Symbol


def create(op, hint, positional, named, params, name=None, attr=None):
    """A node of operator `op`; the last three arguments are as users give them."""
    attrs = attribute.hide(attribute.current().get(attr))
    texts = {}
    for key, value in params.items():
        if value is _Null or value is None and key == "dtype":
            continue
        (attrs if key.startswith("__") else texts)[key] = param_text(key, value)
    name = _name.current().get(name, hint)
    return Symbol(_core.Symbol.apply(op.name, texts, positional, named, name, attrs))


def make(operator, name):
    """The function of an operator: see _ops.register. Nodes are named after the function."""
    return _function(Op.of(operator), name.lower()), None, 0, None


def _function(op, hint):
    """f(*inputs, **parameters) making a node."""
    names = op.input_names
    variadic = bool(op.variadic)

    def function(*args, name=None, attr=None, **kwargs):
        kwargs.pop("out", None)
        if variadic:
            args = kwargs.pop("data", ()) if not args and "data" in kwargs else args
            if len(args) == 1 and isinstance(args[0], (list, tuple)):
                args = args[0]
        else:
            for key, value in zip(op.param_names, args[len(names):]):
                if key in kwargs:
                    raise TypeError(f"[{op.name}] found two values for {key}")
                kwargs[key] = value
            args = args[:len(names)]
        named = {k: kwargs.pop(k)._core for k in list(kwargs) if isinstance(kwargs[k], Symbol)}
        for key in names:
            if key in kwargs and kwargs[key] is None and not variadic:
                del kwargs[key]
        positional = _positional(op, args, named)
        return create(op, hint, positional, named, kwargs, name, attr)

    return function


def _positional(op, args, named):
    """The library's symbols of `args`. After a gap (None) they go to `named` instead."""
    for value in args:
        if value is not None and not isinstance(value, Symbol):
            raise TypeError(f"[{op.name}] found {value!r} as an input, expected a Symbol")
    if all(value is not None for value in args):
        return [value._core for value in args]
    named.update((key, value._core) for key, value in zip(op.input_names, args) if value is not None)
    return []
