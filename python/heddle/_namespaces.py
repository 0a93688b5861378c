"""The namespaces of operators: `nd` and `sym` are both made here, from the catalogue.

A namespace is a package with the modules op, _internal, contrib, image and linalg. What its functions work on, arrays
or symbols, is its Face; where a function is found, what its arguments mean and which methods it becomes is the same for
all.
"""
from __future__ import annotations

from . import _core
from ._ops import Op, docstring, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType
    from typing import Any

# Operators that are methods too: an array's or symbol's method of that name takes it as the first argument.
METHODS = tuple((
    "abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort "
    "broadcast_axes broadcast_like broadcast_to cbrt ceil clip cos cosh degrees depth_to_space diag exp expand_dims "
    "expm1 fix flatten flip floor log log10 log1p log2 log_softmax max mean min nanprod nansum norm one_hot ones_like "
    "pad pick prod radians rcbrt reciprocal relu repeat reshape_like rint round rsqrt shape_array sigmoid sign sin "
    "sinh size_array slice slice_axis slice_like softmax softmin sort space_to_depth split sqrt square squeeze sum "
    "swapaxes take tan tanh tile topk transpose trunc zeros_like").split())

_PLACES = (("_contrib_", "contrib"), ("_image_", "image"), ("_linalg_", "linalg"), ("linalg_", "linalg"))


class Face:
    """What the functions of one namespace take and give.

    value is the type of inputs and type_name how docstrings call it; trailing are the last keywords of signatures, to
    their types; symbolic says whether missing inputs become variables, and any number of outputs is one value.
    """

    value: type[Any] = object
    type_name = ""
    trailing: Mapping[str, str] = {}
    symbolic = False

    def bind(self, op: Op, name: str) -> tuple[Any, ...]:
        """(call, handle, least, most, plain, order) for the function `name` of an operator.

        call(inputs, kwargs) does what the function does, given the inputs by position. Calls with at most `most`
        inputs by position and with keywords that are in `plain` only go to the handle instead; so do those with at least
        `least` inputs and then parameters by position, in the order of `order`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no bind: a subclass of Face says there how its functions call "
                                  "operators")


def places(name: str) -> Iterator[tuple[str, str]]:
    """(module, name) for each place where an operator called `name` is found."""
    if name.startswith("_"):
        yield "_internal", name
    else:
        yield "op", name
    for prefix, module in _PLACES:
        if name.startswith(prefix):
            yield module, name[len(prefix):]


_filled: list[tuple[Mapping[str, ModuleType], Face, ModuleType]] = []


def fill(modules: Mapping[str, ModuleType], face: Face) -> None:
    """Puts a function for every operator under each of its names into the modules where it is found.

    modules: "op", "_internal", "contrib", "image" and "linalg" to modules of one package.
    """
    import sys
    _filled.append((modules, face, sys.modules[modules["op"].__name__.rpartition(".")[0]]))
    _put(modules, face, _core.op_names())


def add(operators: Sequence[str]) -> None:
    """The same for operators that are new since, in all namespaces; those of "op" are found in the package itself."""
    names = [(operator, aliases) for operator, aliases in _core.op_names() if operator in operators]
    for modules, face, package in _filled:
        _put(modules, face, names)
        for name in (name for operator, aliases in names for name in (operator, *aliases)):
            if hasattr(modules["op"], name) and not hasattr(package, name):
                setattr(package, name, getattr(modules["op"], name))


def _put(modules: Mapping[str, ModuleType], face: Face, names: Sequence[tuple[str, Sequence[str]]]) -> None:
    """fill() for these operators and their other names."""

    def make(operator: str, name: str) -> Any:
        op = Op.of(operator)
        call, *shortcut = face.bind(op, name)

        def function(*args: Any, **kwargs: Any) -> Any:
            return call(_inputs(op, args, kwargs, face.value), kwargs)

        return function, *shortcut

    def describe(operator: str) -> Any:
        op = Op.of(operator)
        return signature(op, face.type_name, face.trailing, face.symbolic), docstring(op, face.type_name)

    for operator, aliases in names:
        for name in (operator, *aliases):
            for place, called in places(name) if not name.startswith("_backward") else ():
                module = modules.get(place)
                if module is not None:
                    setattr(module, called, _core.function(called, module.__name__, operator, make, describe))
    for module in modules.values():
        vars(module)["__all__"] = [n for n, value in vars(module).items() if isinstance(value, _core.Function)
                                   or callable(value) and not n.startswith("_")]


def adopt(klass: type[Any], op: ModuleType) -> None:
    """Gives a class the methods that are operators, from the module op, unless it has its own."""
    for name in METHODS:
        if name not in vars(klass) and hasattr(op, name):
            setattr(klass, name, getattr(op, name))


def _inputs(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any], value: type[Any]) -> Sequence[Any]:
    """The inputs given by position; parameters given by position move into kwargs."""
    if op.variadic:
        if not args and isinstance(kwargs.get("data"), (list, tuple)):
            return kwargs.pop("data")
        return args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args

    def is_input(at: int) -> bool:
        """Whether an argument is one; softmax(x, -1) leaves out an optional one."""
        names = op.input_names[at:]
        return isinstance(args[at], value) or bool(names) and (args[at] is None or names[0] not in op.optional)

    count = next((at for at in range(len(args)) if not is_input(at)), len(args))
    extra = args[count:]
    if len(extra) > len(op.param_names):
        raise TypeError(f"[{op.name}] found {len(args)} arguments, expected at most "
                        f"{len(op.input_names) + len(op.param_names)}")
    for name, parameter in zip(op.param_names, extra):
        if name in kwargs:
            raise TypeError(f"[{op.name}] found two values for {name}")
        kwargs[name] = parameter
    return args[:count]
