"""Symbolic expressions: networks built without data, bound to arrays later."""
from __future__ import annotations

import os
import warnings

from .. import _core, attribute
from .. import name as _name
from ..base import DTYPE_CODES, MXNetError, NotImplementedForSymbol, as_dtype, dtype_name, is_number
from ..context import current_context
from ..executor import Executor, bind_arrays, check_requests
from . import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, NoReturn

    from .._memory_plan import MemoryPlan
    from .._typing import DTypeLike, GivenArrays, GradReq, Groups, ShapeLike
    from ..context import Context
    from ..initializer import Initializer
    from ..ndarray import NDArray
    from ._methods import Methods  # those that are operators
else:
    Methods = object


class Symbol(Methods):
    """An expression over operators. Immutable; operators on symbols make new ones."""

    __slots__ = ("_core",)

    def __init__(self, core: _core.Symbol) -> None:
        self._core = core

    # --- what it is
    @property
    def name(self) -> str | None:
        """The name of the head node; None for a group."""
        return self._core.name if self._core.size == 1 else None

    def __repr__(self) -> str:
        if self._core.size == 1:
            return f"<Symbol {self.name}>"
        return f"<Symbol group [{', '.join(str(s.name) for s in self)}]>"

    def list_arguments(self) -> list[str]:
        """Names of the inputs that are not auxiliary states, in the order they are first used."""
        return self._core.arguments()

    def list_auxiliary_states(self) -> list[str]:
        """Names of the inputs that operators change, such as moving averages."""
        return self._core.auxiliary_states()

    def list_inputs(self) -> list[str]:
        """Names of all inputs."""
        return self._core.inputs()

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return self._core.outputs()

    def get_internals(self) -> Symbol:
        """Every output of every node, as a group."""
        return Symbol(self._core.internals())

    def get_children(self) -> Symbol | None:
        """The inputs of the head nodes as a group; None for a variable."""
        children = self._core.children()
        return Symbol(children) if children.size else None

    def __len__(self) -> int:
        return self._core.size

    def __bool__(self) -> bool:
        raise NotImplementedForSymbol("__bool__")

    # --- what arrays have only
    def wait_to_read(self) -> NoReturn:
        """Raises NotImplementedForSymbol, as the others here: a symbol has no value."""
        raise NotImplementedForSymbol("wait_to_read")

    def asnumpy(self) -> NoReturn:
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol("asnumpy")

    def asscalar(self) -> NoReturn:
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol("asscalar")

    def copy(self) -> NoReturn:
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol("copy")

    def as_in_context(self, context: Context | None = None) -> NoReturn:
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol("as_in_context")

    def detach(self) -> NoReturn:
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol("detach")

    def backward(self) -> NoReturn:
        """Raises NotImplementedForSymbol."""
        raise NotImplementedForSymbol("backward")

    def as_nd_ndarray(self) -> Symbol:
        """This symbol, which is of mx.sym already."""
        return self

    def __iter__(self) -> Iterator[Symbol]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int | str | slice) -> Symbol:
        size = len(self)
        if isinstance(index, str):
            if self._core.outputs().count(index) > 1:
                raise ValueError(f'There are multiple outputs with name "{index}"')
            return Symbol(self._core.output_named(index))
        if isinstance(index, slice):
            return Group([self[i] for i in range(*index.indices(size))])
        if not isinstance(index, int):
            raise TypeError("Symbol only support integer index to fetch i-th output")
        if not -size <= index < size:
            raise IndexError(f"output {index} is out of range, expected less than {size}")
        return Symbol(self._core.output(index % size))

    def __call__(self, *args: Any, **kwargs: Any) -> Symbol:
        """This expression with its variables replaced: by name, or in the order of its arguments. name: of its head from then
        on. Raises TypeError for what is no symbol, MXNetError for names that are no arguments."""
        name = kwargs.pop("name", None)
        if args and kwargs:
            raise TypeError("compose only accept input Symbols either as positional or keyword arguments, not both")
        for value in (*args, *kwargs.values()):
            if not isinstance(value, Symbol):
                raise TypeError("Compose expect `Symbol` as arguments")
        core = self._core.compose([s._core for s in args], {k: s._core for k, s in kwargs.items()})
        return Symbol(core.with_name(name) if name else core)

    def __copy__(self) -> Symbol:
        return Symbol(self._core)

    def __deepcopy__(self, _: object) -> Symbol:
        return Symbol(self._core)

    def __reduce__(self) -> tuple[Any, ...]:
        return load_json, (self.tojson(remove_amp_cast=False),)

    def __setstate__(self, state: Mapping[str, str]) -> None:
        """What pickles of MXNet hold: the JSON."""
        self._core = load_json(state["handle"])._core

    # --- attributes
    def attr(self, key: str) -> str | None:
        """An attribute of the head node, or None; None for a group."""
        if self.name is None:
            return None
        return self._core.attribute(key) or self._core.attribute(f"__{key}__") or None

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """The attributes of the head node, of a group's first one."""
        if recursive:
            raise DeprecationWarning("Symbol.list_attr with recursive=True has been deprecated. "
                                     "Please use attr_dict instead.")
        return self.attr_dict().get(str(self[0].name), {})

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """Node names to their attributes and parameters."""
        result = {}
        for node, attrs in self._core.attributes().items():
            for key in attribute.HIDDEN_KEYS:
                if f"__{key}__" in attrs:
                    attrs = {**attrs, key: attrs[f"__{key}__"]}
            if attrs:
                result[node] = attrs
        return result

    def _set_attr(self, **attrs: str) -> None:
        for key, value in attrs.items():
            if not isinstance(value, str):
                raise ValueError(f"attribute {key} has the value {value!r}, expected a string")
        self._core = self._core.with_attributes(attribute.hide(attrs))

    # --- shapes and dtypes
    def infer_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes of (arguments, outputs, auxiliary states) given some. Three Nones, and a warning,
        when they stay unknown.

        Given by name, or in the order of list_arguments(); 0 is an unknown extent. Raises MXNetError for shapes that
        contradict each other.
        """
        arguments, outputs, aux = self._infer_shape(False, args, kwargs)
        unknown = [name for name, shape in zip(self.list_arguments(), arguments) if _unknown(shape)]
        if unknown or any(_unknown(s) for s in (*outputs, *aux)):
            shapes = dict(zip(self.list_arguments(), arguments))
            listing = "".join(f"\n\t{name}: {shapes[name]}" for name in unknown[:10])
            more = "\n\t..." if len(unknown) > 10 else ""
            warnings.warn("Cannot decide shape for the following arguments (0s in shape means unknown dimensions). "
                          f"Consider providing them as input:{listing}{more}", stacklevel=2)
            return None, None, None
        return arguments, outputs, aux

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> Any:
        """The same, with 0 for unknown extents and () for unknown shapes."""
        return self._infer_shape(True, args, kwargs)

    def _infer_shape(self, partial: bool, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if args and kwargs:
            raise ValueError("Can only specify known argument shapes either by positional or kwargs way.")
        if args:
            names = self.list_arguments()
            known = {n: tuple(s) for n, s in zip(names, args) if s is not None}
        else:
            _check_names("infer_shape", kwargs, self.list_inputs())
            known = {n: (s,) if isinstance(s, int) else tuple(s) for n, s in kwargs.items()}
        inferred = self._core.infer(known, {}, True)
        return tuple([() if s is None else s for s in part] for part in inferred[:3])

    def infer_type(self, *args: Any, **kwargs: Any) -> Any:
        """Dtypes of (arguments, outputs, auxiliary states) given some; three Nones when they stay unknown.

        Given by name, or in the order of list_arguments(). Raises MXNetError for dtypes that contradict each other.
        """
        parts = self.infer_type_partial(*args, **kwargs)
        return (None, None, None) if any(t is None for part in parts for t in part) else parts

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> Any:
        """The same, with None for unknown dtypes."""
        if args and kwargs:
            raise ValueError("Can only specify known argument types either by positional or kwargs way.")
        if not args:
            _check_names("infer_type", kwargs, self.list_inputs())
        given = dict(zip(self.list_arguments(), args)) if args else kwargs
        known = {name: dtype_name(t) for name, t in given.items() if t is not None}
        inferred = self._core.infer({}, known, True)
        return tuple([None if t is None else as_dtype(t) for t in part] for part in inferred[3:6])

    # --- files
    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The graph in MXNet's JSON, without the casts of mixed precision unless remove_amp_cast=False."""
        return (_core.without_mixed_precision(self._core) if remove_amp_cast else self._core).to_json()

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Writes tojson() to a file, which is whole or not there."""
        _core.write_file(os.fspath(fname), self.tojson(remove_amp_cast).encode())

    def debug_str(self) -> str:
        """The nodes as text, as MXNet writes them."""
        import json  # not at import: few programs ask
        graph = json.loads(self.tojson(remove_amp_cast=False))
        nodes, changed = graph["nodes"], set(self.list_auxiliary_states())

        def entry(source: Sequence[int]) -> str:
            node = nodes[source[0]]
            version = f" version={int(node['name'] in changed)}" if node["op"] == "null" else ""
            return f"{node['name']}({source[1]}){version}"

        lines = []
        if len(graph["heads"]) > 1 or nodes[graph["heads"][0][0]]["op"] != "null":
            lines = ["Symbol Outputs:"]
            lines += [f"\toutput[{i}]={nodes[head[0]]['name']}({head[1]})" for i, head in enumerate(graph["heads"])]
        for node in nodes:
            if node["op"] == "null":
                lines.append(f"Variable:{node['name']}")
                continue
            lines += ["-" * 20, f"Op:{node['op']}, Name={node['name']}", "Inputs:"]
            lines += [f"\targ[{i}]={entry(source)}" for i, source in enumerate(node["inputs"])]
            if node.get("attrs"):
                lines += ["Attrs:"] + [f"\t{k}={v}" for k, v in sorted(node["attrs"].items())]
        return "\n".join(lines) + "\n"

    # --- running it
    def simple_bind(self, ctx: Context, grad_req: GradReq = "write", type_dict: Mapping[str, DTypeLike] | None = None,
                    stype_dict: Any = None, group2ctx: Groups | None = None,
                    shared_arg_names: Sequence[str] | None = None, shared_exec: Executor | None = None,
                    shared_buffer: Any = None, memory_budget: int | str | None = None, **kwargs: Any) -> Executor:
        """An Executor with arrays made for it, zero-filled; keywords are the shapes of inputs.

        grad_req: "write", "add" or "null" for all arguments, by name, or in their order. type_dict: names to dtypes,
        float32 if nothing says otherwise. group2ctx: devices of the groups that AttrScope(ctx_group=...) names.
        shared_exec: an Executor whose arrays of the names in shared_arg_names are used. memory_budget: the most that a
        run may take beside the parameters, in bytes or as "300MB"; values are then computed again in backward instead of
        being kept, and gradients keep their bits. Raises MXNetError where a shape or dtype stays unknown or contradicts
        another, and, before anything is allocated, where the budget is too small. Shapes of what is no input are ignored, as MXNet does: programs bind
        parts of networks with the labels of the whole.
        """
        inputs = self.list_inputs()
        _check_names("simple_bind", type_dict or {}, inputs)
        shapes = {name: shape for name, shape in kwargs.items() if name in inputs}
        names = self.list_arguments()
        shared = {}
        if shared_exec is not None:
            shared = {n: shared_exec.arg_dict[n] for n in shared_arg_names or () if n in shared_exec.arg_dict}
            shared = {n: a for n, a in shared.items() if n not in shapes or tuple(shapes[n]) == a.shape}
        dtypes = {n: dtype_name(t) for n, t in (type_dict or {}).items()}
        try:
            return Executor._bind(self, ctx, shapes, dtypes, shared, {}, {}, _requests(names, grad_req), group2ctx,
                                  memory_budget)
        except MXNetError:
            _check_names("simple_bind", kwargs, inputs)  # a name that is no input is more likely misspelt than not needed
            raise

    def bind(self, ctx: Context, args: GivenArrays, args_grad: GivenArrays | None = None, grad_req: GradReq = "write",
             aux_states: GivenArrays | None = None, group2ctx: Groups | None = None,
             shared_exec: Executor | None = None, memory_budget: int | str | None = None) -> Executor:
        """An Executor on the given arrays: by name, or in the order of list_arguments().

        args_grad: where gradients go; arguments without one get none. grad_req, memory_budget: as in simple_bind. Raises ValueError
        where an array is missing, MXNetError where shapes or dtypes do not go together. Several variables of one name are one,
        with one gradient, where all arrays are given by name; where any are given in a list, each has its own.
        """
        listed = any(isinstance(given, (list, tuple)) for given in (args, args_grad, aux_states, grad_req))
        symbol = self._each_its_own_name() if listed else self._one_per_name()
        own = dict(zip(symbol.list_inputs(), self.list_inputs())) if listed else {}

        def of_each(given: Any) -> Any:
            return {name: given[of] for name, of in own.items() if of in given} if listed and isinstance(given, dict) else given

        named = [of for of in own.values() if of in args_grad] if isinstance(args_grad, dict) else []
        if len(set(named)) < len(named):
            raise ValueError(f"[bind] found gradients by name, and several variables of one name in {named}, expected a list")
        names = symbol.list_arguments()
        arrays = bind_arrays("args", of_each(args), names, False)
        grads = bind_arrays("args_grad", of_each(args_grad), names, True)
        aux = bind_arrays("aux_states", of_each(aux_states or []), symbol.list_auxiliary_states(), False)
        wanted = _requests(names, of_each(grad_req))
        check_requests(wanted)
        requests = {n: r if n in grads else "null" for n, r in wanted.items()}
        return Executor._bind(symbol, ctx, {}, {}, arrays, grads, aux, requests, group2ctx, memory_budget,
                              shown=self if listed else None)

    def memory_plan(self, ctx: Context | None = None, grad_req: GradReq = "write",
                    type_dict: Mapping[str, DTypeLike] | None = None, group2ctx: Groups | None = None,
                    memory_budget: int | str | None = None, **kwargs: Any) -> MemoryPlan:
        """What simple_bind with these arguments would need, without making anything; with gradients unless grad_req is
        "null". Raises as simple_bind does."""
        inputs = self.list_inputs()
        shapes = {name: shape for name, shape in kwargs.items() if name in inputs}
        requests = _requests(self.list_arguments(), grad_req)
        return Executor._plan_of(self, ctx or current_context(), shapes,
                                 {n: dtype_name(t) for n, t in (type_dict or {}).items()}, requests, group2ctx, memory_budget)

    def _one_per_name(self) -> Symbol:
        """This expression, with one variable in place of all of a name: what is given by name is given to all of them."""
        inputs = self.list_inputs()
        doubled = {name for name in inputs if inputs.count(name) > 1}
        if not doubled:
            return self
        attrs = self._core.attributes()
        return Symbol(self._core.compose([], {n: _core.Symbol.variable(n, attrs.get(n, {})) for n in doubled}))

    def _each_its_own_name(self) -> Symbol:
        """This expression, with another name for every variable of a name but the first: what is given in a list is of one."""
        inputs = self.list_inputs()
        return self if len(set(inputs)) == len(inputs) else Symbol(self._core.with_names_told_apart())

    def eval(self, ctx: Context | None = None, **kwargs: Any) -> list[NDArray]:
        """The outputs for the given arrays, by name: bind and forward in one."""
        return self.bind(ctx or current_context(), kwargs, grad_req="null").forward()

    def grad(self, wrt: Any) -> Any:
        """Not offered, as in MXNet: bind with args_grad and call backward, or use autograd."""
        raise NotImplementedError("gradients of a Symbol come from an Executor's backward() or from autograd")

    gradient = grad

    # --- arithmetic
    def __add__(self, other: Any) -> Symbol:
        return _arithmetic("+", self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Symbol:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return _arithmetic("-", self, other, swapped=True)

    def __mul__(self, other: Any) -> Symbol:
        return _arithmetic("*", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Symbol:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return _arithmetic("/", self, other, swapped=True)

    def __mod__(self, other: Any) -> Symbol:
        return _arithmetic("%", self, other)

    def __rmod__(self, other: Any) -> Symbol:
        return _arithmetic("%", self, other, swapped=True)

    def __pow__(self, other: Any) -> Symbol:
        return _arithmetic("**", self, other)

    def __rpow__(self, other: Any) -> Symbol:
        return _arithmetic("**", self, other, swapped=True)

    def __neg__(self) -> Symbol:
        return self * -1.0

    def __abs__(self) -> Symbol:
        return self.abs()

    def __eq__(self, other: object) -> Symbol:  # type: ignore[override]
        return _arithmetic("==", self, other)

    def __ne__(self, other: object) -> Symbol:  # type: ignore[override]
        return _arithmetic("!=", self, other)

    def __gt__(self, other: Any) -> Symbol:
        return _arithmetic(">", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return _arithmetic(">=", self, other)

    def __lt__(self, other: Any) -> Symbol:
        return _arithmetic("<", self, other)

    def __le__(self, other: Any) -> Symbol:
        return _arithmetic("<=", self, other)

    __hash__ = object.__hash__

    def astype(self, dtype: DTypeLike, **kwargs: Any) -> Symbol:
        """The elements converted to a dtype."""
        return op.cast(self, dtype=dtype_name(dtype), **kwargs)

    def reshape(self, *shape: Any, **kwargs: Any) -> Symbol:
        """The elements in another shape; the codes 0, -1, -2, -3 and -4 mean what they mean in Reshape."""
        extents = shape[0] if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else shape
        if extents:
            kwargs["shape"] = tuple(extents)
        return op.reshape(self, **kwargs)

    def split_v2(self, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False) -> Symbol:
        """Parts along an axis, as a group: a number of equal ones, or those between the indices."""
        return split_v2(self, indices_or_sections, axis, squeeze_axis)

    if not TYPE_CHECKING:  # a type checker would believe it of any name
        def __getattr__(self, name: str) -> Any:
            if name in _ONLY_ARRAYS:
                raise NotImplementedError(f"{name} is not available in a Symbol: it has no values until it is bound")
            raise AttributeError(f"'Symbol' object has no attribute {name!r}")


_ONLY_ARRAYS = {"wait_to_read", "asnumpy", "asscalar", "copy", "as_in_context", "detach", "backward"}

# How a symbol's arithmetic is called and named: see _core.notation().
_NOTATION = _core.notation()


def _arithmetic(symbol: str, left: Symbol, right: Any, swapped: bool = False, hint: str | None = None) -> Symbol:
    """A node for `left symbol right`, where right is a symbol or a number; swapped: for `right symbol left`. hint: what it is
    named after, if that is not as usual."""
    _, symbols, with_number, from_number = _NOTATION[symbol]
    attrs = attribute.hide(attribute.current().get(None))
    inputs, params = [left._core], dict[str, str]()
    if isinstance(right, Symbol) and not swapped:
        operator, usual = symbols
        inputs.append(right._core)
    elif is_number(right):
        operator, usual = from_number if swapped else with_number
        params["scalar"] = str(right)
    elif symbol in ("==", "!="):
        return NotImplemented
    else:
        raise TypeError(f"type {type(right)} not supported")
    name = _name.current().get(None, hint or usual)
    return Symbol(_core.Symbol.apply(operator, params, inputs, {}, name, attrs))


def _check_names(who: str, given: Mapping[str, Any], inputs: Sequence[str]) -> None:
    """Raises MXNetError where a keyword names no input: it would say nothing of the one that was meant."""
    for name in given:
        if name not in inputs:
            raise MXNetError(f"[{who}] Keyword argument name {name} not found. Candidate arguments: {', '.join(inputs)}")


def _unknown(shape: Sequence[int]) -> bool:
    return len(shape) == 0 or 0 in shape


def _requests(names: list[str], grad_req: GradReq) -> dict[str, str]:
    """Argument names to "write", "add" or "null"."""
    if isinstance(grad_req, str):
        return dict.fromkeys(names, grad_req)
    if isinstance(grad_req, dict):
        return {name: grad_req.get(name, "null") for name in names}
    if len(grad_req) != len(names):
        raise ValueError(f"found {len(grad_req)} values in grad_req, expected {len(names)}")
    return dict(zip(names, grad_req))


def var(name: str, attr: Mapping[str, str] | None = None, shape: ShapeLike | None = None, lr_mult: float | None = None,
        wd_mult: float | None = None, dtype: DTypeLike | None = None, init: str | Initializer | None = None,
        stype: str | None = None, **kwargs: Any) -> Symbol:
    """A variable: an input that is given when the expression is bound.

    shape (0 for an unknown extent), dtype, init (an Initializer, or what its dumps() gives), and the factors lr_mult
    and wd_mult are remembered for binding and training; other keywords are attributes, __like_this__.
    """
    if not isinstance(name, str):
        raise TypeError("Expect a string for variable `name`")
    attrs = attribute.hide(attribute.current().get(attr))
    if shape is not None:
        attrs["__shape__"] = str((shape,) if isinstance(shape, int) else tuple(shape))
    if lr_mult is not None:
        attrs["__lr_mult__"] = str(lr_mult)
    if wd_mult is not None:
        attrs["__wd_mult__"] = str(wd_mult)
    if dtype is not None:
        attrs["__dtype__"] = str(DTYPE_CODES[dtype_name(dtype)])
    if init is not None:
        attrs["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype not in (None, "default"):
        raise ValueError(f"found storage type {stype!r}, expected 'default'")
    if stype is not None:
        attrs["__storage_type__"] = "0"
    for key, value in kwargs.items():
        if not (key.startswith("__") and key.endswith("__")):
            raise ValueError(f"Attribute name={key} is not supported. Additional attributes must start and "
                             "end with double underscores, e.g, __yourattr__")
        attrs[key] = str(value)
    return Symbol(_core.Symbol.variable(name, attrs))


Variable = var


def Group(symbols: Sequence[Symbol]) -> Symbol:
    """One symbol with the outputs of several."""
    symbols = list(symbols)
    if not symbols or any(not isinstance(s, Symbol) for s in symbols):
        raise TypeError("Expected a list of symbols as input")
    return Symbol(_core.Symbol.group([s._core for s in symbols]))


def split_v2(ary: Symbol, indices_or_sections: int | Sequence[int], axis: int = 0,
             squeeze_axis: bool = False) -> Symbol:
    """Parts of a symbol: a number of equal ones, or those between the indices."""
    if isinstance(indices_or_sections, int):
        return op.split(ary, num_outputs=indices_or_sections, axis=axis, squeeze_axis=squeeze_axis)
    starts, ends = [0, *indices_or_sections], [*indices_or_sections, None]
    parts = [op.slice_axis(ary, axis=axis, begin=b, end=e) for b, e in zip(starts, ends)]
    return Group([op.squeeze(p, axis=axis) for p in parts] if squeeze_axis else parts)


def load_json(json_str: str) -> Symbol:
    """A symbol from MXNet's JSON, of any version from 0.8 on.

    Raises MXNetError for what is not such JSON, and for operators that are unknown.
    """
    if not isinstance(json_str, str):
        raise TypeError("fname need to be string")
    return Symbol(_core.Symbol.from_json(json_str))


def load(fname: str | os.PathLike[str]) -> Symbol:
    """A symbol from a file that save wrote. Raises MXNetError where it cannot be read, as nd.load does."""
    try:
        with open(os.fspath(fname), encoding="utf-8") as f:
            text = f.read()
    except OSError as error:
        raise MXNetError(f"[load] {os.fspath(fname)!r}: could not open it: {error.strerror}") from error
    return load_json(text)
