"""Blocks: layers and networks that run line by line, and hybrid ones that also become one graph."""
from __future__ import annotations

import os
import re
import warnings
from collections import OrderedDict

from .. import _core, _precision, initializer, ndarray, symbol
from ..base import MXNetError, dtype_name
from ..context import current_context
from ..ndarray import NDArray, load, save
from ..symbol import Symbol
from . import _tracing
from ._graph import CachedGraph
from ._scope import NameScope, names_for
from ._structure import flatten, regroup
from ._summary import summarize
from ._tracing import Tracing, is_about_symbols, is_tracing, line_of
from .parameter import DeferredInitializationError, Parameter, ParameterDict, brief
from .utils import HookHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .._typing import DTypeLike, InitializerLike, OneOrMore
    from ..context import Context

__all__ = ["Block", "HybridBlock", "SymbolBlock"]


def _indented(text: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *("  " + line for line in others)])


class Block:
    """A layer or network. Subclasses make their layers in __init__ and compute in forward, on NDArrays.

    prefix: what the names of its parameters begin with, by default the class's name and a number. params: a ParameterDict
    of another block, to share its parameters.

        class Net(gluon.Block):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                with self.name_scope():
                    self.hidden = nn.Dense(20, activation="relu")
                    self.out = nn.Dense(10)

            def forward(self, x):
                return self.out(self.hidden(x))

    Blocks and parameters that are set as attributes belong to the block.
    """

    _is_container = False  # a plain chain of others, which tables of layers leave out

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        self._empty_prefix = prefix == ""
        self._prefix, self._params = names_for(prefix, params, self._alias())
        self._name = self._prefix[:-1] if self._prefix.endswith("_") else self._prefix
        self._child_counts: dict[str, int] = {}
        self._children: OrderedDict[str, Block] = OrderedDict()
        self._reg_params: dict[str, Parameter] = {}
        self._forward_hooks: OrderedDict[int, Any] = OrderedDict()
        self._forward_pre_hooks: OrderedDict[int, Any] = OrderedDict()

    def __repr__(self) -> str:
        inside = "\n".join(f"  ({key}): {_indented(repr(value))}" for key, value in self.__dict__.items()
                           if isinstance(value, Block))
        return f"{type(self).__name__}(\n{inside}\n)"

    def __setattr__(self, name: str, value: Any) -> None:
        existing = self.__dict__.get(name)
        if isinstance(existing, (Parameter, Block)) and not isinstance(value, type(existing)):
            raise TypeError(f"Changing attribute type for {name} from {type(existing)} to {type(value)}is not allowed.")
        if isinstance(value, Block):
            self.register_child(value, name)
        elif isinstance(value, Parameter):
            if name in self._reg_params:
                raise AssertionError(f"Overriding Parameter attribute {name} is not allowed. If you want to share parameters "
                                     "between blocks, please set 'params' at Block construction instead.")
            self._reg_params[name] = value
        super().__setattr__(name, value)

    def _alias(self) -> str:
        return type(self).__name__.lower()

    # --- names
    @property
    def prefix(self) -> str:
        """What the names of its parameters begin with."""
        return self._prefix

    @property
    def name(self) -> str:
        """The prefix without its last underscore."""
        return self._name

    def name_scope(self) -> NameScope:
        """A scope for making children: `with self.name_scope(): self.dense = nn.Dense(20)`."""
        return NameScope(self)

    @property
    def params(self) -> ParameterDict:
        """Its own parameters, without those of its children."""
        return self._params

    def collect_params(self, select: str | None = None) -> ParameterDict:
        """The parameters of this block and all below it. select: only names that this regular expression matches at
        their beginning: "conv1_weight|conv1_bias"."""
        self._warn_of_containers()
        found = ParameterDict(self._params.prefix)
        if select is None:
            found.update(self.params)
        else:
            pattern = re.compile(select)
            found.update({name: p for name, p in self.params.items() if pattern.match(name)})
        for child in self._children.values():
            found.update(child.collect_params(select))
        return found

    def _warn_of_containers(self) -> None:
        """Blocks inside plain lists and dicts are no children: their parameters would be forgotten silently."""
        children = set(map(id, self._children.values()))

        def lost(value: Any) -> bool:
            if isinstance(value, (list, tuple)):
                return any(map(lost, value))
            if isinstance(value, dict):
                return any(map(lost, value.values()))
            return isinstance(value, Block) and id(value) not in children

        for name, value in self.__dict__.items():
            if isinstance(value, (list, tuple, dict)) and not name.startswith("__") and name not in _OWN and lost(value):
                warnings.warn(f"\"{type(self).__name__}.{name}\" is an unregistered container with Blocks. Note that Blocks "
                              "inside the list, tuple or dict will not be registered automatically. Make sure to register "
                              "them using register_child() or switching to nn.Sequential/nn.HybridSequential instead. ",
                              stacklevel=3)

    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Parameter]:
        """Parameters by the path of attributes to them: what files name them by."""
        if prefix:
            prefix += "."
        found = {prefix + name: p for name, p in self._reg_params.items()}
        for name, child in self._children.items():
            found.update(child._collect_params_with_prefix(prefix + name))
        return found

    # --- children and hooks
    def register_child(self, block: Block, name: str | None = None) -> None:
        """Makes another block a child, under a name or its number."""
        self._children[str(len(self._children)) if name is None else name] = block

    def register_forward_pre_hook(self, hook: Callable[[Block, Any], Any]) -> HookHandle:
        """Calls hook(block, inputs) before each forward; the handle's detach() ends it."""
        handle = HookHandle()
        handle.attach(self._forward_pre_hooks, hook)
        return handle

    def register_forward_hook(self, hook: Callable[[Block, Any, Any], Any]) -> HookHandle:
        """Calls hook(block, inputs, outputs) after each forward; the handle's detach() ends it."""
        handle = HookHandle()
        handle.attach(self._forward_hooks, hook)
        return handle

    def register_op_hook(self, callback: Callable[[str, str, NDArray], Any], monitor_all: bool = False) -> None:
        """Calls callback(name, operator, array) for every output, with monitor_all every input too, of the operators of
        hybridized blocks below."""
        for child in self._children.values():
            child.register_op_hook(callback, monitor_all)

    def apply(self, fn: Callable[[Block], Any]) -> Block:
        """Calls fn on every block below, then on this one. Returns the block."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    # --- parameters
    def initialize(self, init: InitializerLike | str = initializer.Uniform(), ctx: OneOrMore[Context] | None = None,
                   verbose: bool = False, force_reinit: bool = False) -> None:
        """Initialises the parameters of this block and all below it; see Parameter.initialize."""
        self.collect_params().initialize(init, ctx, verbose, force_reinit)

    def cast(self, dtype: DTypeLike) -> None:
        """Changes the element type of all parameters, here and below."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self.params.values():
            parameter.cast(dtype)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridizes the hybrid blocks below; see HybridBlock.hybridize."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    # --- files
    def save_parameters(self, filename: str | os.PathLike[str], deduplicate: bool = False) -> None:
        """Writes the parameters under the paths of their attributes ("features.0.weight"), the mean over all contexts.

        deduplicate: a parameter that several paths lead to is written once. load_parameters reads the file, here and in
        MXNet; the whole file is there, or none.
        """
        params = self._collect_params_with_prefix()
        if deduplicate:
            params = {name: p for p, name in {p: name for name, p in params.items()}.items()}
        save(filename, {name: p._reduce() for name, p in params.items()})

    def save_params(self, filename: str | os.PathLike[str]) -> None:
        """The same under full names, as old versions did. Deprecated: save_parameters."""
        warnings.warn("save_params is deprecated. Please use save_parameters. Note that if you want load from SymbolBlock "
                      "later, please use export instead.", DeprecationWarning, stacklevel=2)
        self.collect_params().save(filename, strip_prefix=self.prefix)

    def load_parameters(self, filename: str | os.PathLike[str], ctx: OneOrMore[Context] | None = None,
                        allow_missing: bool = False, ignore_extra: bool = False, cast_dtype: bool = False,
                        dtype_source: str = "current") -> None:
        """Reads what save_parameters wrote, or files of full names (ParameterDict.save, export, old versions).

        ctx: where to, by default where they were initialised, else the CPU. allow_missing, ignore_extra: whether the file
        may lack parameters, or hold others. cast_dtype: whether dtypes may differ; dtype_source says which stays,
        "current" or "saved". Raises AssertionError naming what is missing or of another shape or dtype, and ValueError
        naming what is too many: then nothing has been read. (Of full names that is an AssertionError, too, as in MXNet.)
        """
        loaded = load(filename)
        params = self._collect_params_with_prefix()
        if not loaded and not params:
            return
        if not isinstance(loaded, dict):
            raise ValueError(f"[load_parameters] {filename!r}: found arrays without names, expected parameters")
        if not any("." in name for name in loaded):
            self.collect_params().load_dict(loaded, ctx, allow_missing, ignore_extra, self.prefix, filename, cast_dtype,
                                            dtype_source)
            return
        if not allow_missing:
            there = {params[name] for name in loaded if name in params}
            for name, p in params.items():
                if p not in there:
                    raise AssertionError(f"Parameter '{name}' is missing in '{filename}', which contains parameters: "
                                         f"{brief(loaded)}. Set allow_missing=True to ignore missing parameters.")
        extra = next((name for name in loaded if name not in params), None)
        if extra is not None and not ignore_extra:
            raise ValueError(f"Parameter '{extra}' loaded from '{filename}' is not present in ParameterDict, which contains "
                             f"parameters {brief(params)}. Set ignore_extra=True to ignore.")
        for name, a in loaded.items():
            if name in params:
                params[name]._load_init(a, ctx, cast_dtype=cast_dtype, dtype_source=dtype_source)

    def load_params(self, filename: str | os.PathLike[str], ctx: OneOrMore[Context] | None = None,
                    allow_missing: bool = False, ignore_extra: bool = False) -> None:
        """Deprecated: load_parameters."""
        warnings.warn("load_params is deprecated. Please use load_parameters.", DeprecationWarning, stacklevel=2)
        self.load_parameters(filename, ctx, allow_missing, ignore_extra)

    def save(self, prefix: str) -> None:
        """Writes PREFIX-model.json, which says how hybrid blocks below compute, and PREFIX-model.params.

        load() of a block made by the same program reads them. Hybrid blocks are written as graphs and must have run
        hybridized. Raises RuntimeError where one has not.
        """
        import json  # not at import: few programs save so
        self.save_parameters(f"{prefix}-model.params")
        described = {self.name: self._described()}
        _core.write_file(f"{prefix}-model.json", json.dumps(described).encode())

    def _described(self) -> dict[str, Any]:
        """What save() writes of it: of a block that is not hybrid, its children."""
        return {"orig_name": self.name, **{name: child._described() for name, child in self._children.items()}}

    def load(self, prefix: str) -> None:
        """Reads what save() wrote. Raises ValueError where the children are others."""
        import json
        with open(f"{prefix}-model.json", encoding="utf-8") as f:
            described = json.load(f)
        self._take_described(next(iter(described.values())))
        self.load_parameters(f"{prefix}-model.params")

    def _take_described(self, about: Mapping[str, Any]) -> None:
        for name, child in self._children.items():
            if name not in about:
                raise ValueError(f"[load] found no child '{name}' of {self.name} in the file, expected one: the network was "
                                 "another when it was saved")
            child._take_described(about[name])

    # --- running
    def __call__(self, *args: Any) -> Any:
        """forward(*args), with the hooks before and after it."""
        if self._forward_hooks or self._forward_pre_hooks:
            return self._hooked(self.forward, args)
        return self.forward(*args)

    def _hooked(self, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if self._forward_pre_hooks:
            for hook in list(self._forward_pre_hooks.values()):
                hook(self, args)
        out = run(*args)
        if self._forward_hooks:
            for hook in list(self._forward_hooks.values()):
                hook(self, args, out)
        return out

    def forward(self, *args: Any) -> Any:
        """What the block computes, given NDArrays."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: a subclass of Block says there what it computes")

    def summary(self, *inputs: Any) -> None:
        """Prints a table of all layers with output shapes and numbers of parameters, for these inputs.

        Raises AssertionError where a block below is hybridized: its layers do not run one by one.
        """
        def check(block: Block) -> None:
            if isinstance(block, HybridBlock) and block._active:
                raise AssertionError(f'"{block.name}" must not be hybridized to print summary.')

        self.apply(check)
        summarize(self, inputs)


_OWN = ("_children", "_reg_params", "_forward_hooks", "_forward_pre_hooks", "_child_counts")


class HybridBlock(Block):
    """A block that runs line by line, and after hybridize() as one graph.

    Subclasses say in hybrid_forward(F, x, *args, **params) what they compute, with operators of F, which is mx.nd on
    arrays and mx.sym on symbols; params are the block's own, by attribute.

        class Net(gluon.HybridBlock):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                with self.name_scope():
                    self.hidden = nn.Dense(20)
                    self.scale = self.params.get("scale", shape=(1,), init="ones")

            def hybrid_forward(self, F, x, scale):
                return F.relu(self.hidden(x)) * scale

    Its children are hybrid, too. Shapes of parameters that are unknown are found by inference at the first call.
    """

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        super().__init__(prefix, params)
        self._active = False
        self._flags: dict[str, Any] = {}
        self._graph: CachedGraph | None = None
        self._line_by_line = False  # a forward of its own that could not be traced
        self._op_hook: tuple[Any, bool] | None = None

    # Whether a subclass of the user's says in forward what it computes, and not in hybrid_forward.
    _own_forward = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        home = next(c for c in cls.__mro__ if "forward" in vars(c))
        cls._own_forward = not _is_ours(home) and cls.hybrid_forward is HybridBlock.hybrid_forward

    def __setattr__(self, name: str, value: Any) -> None:
        if not _is_ours(type(self)) and is_tracing():
            text = (f"{self.name} sets its attribute {name} while it is traced: as a graph it runs once, not with every call")
            if isinstance(value, Symbol):
                raise MXNetError(f"[hybridize] {text}, and {name} would be a symbol without a value. Return it as an output")
            warnings.warn(text, stacklevel=2)
        super().__setattr__(name, value)
        if isinstance(value, HybridBlock):
            self._clear_cached_op()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if not isinstance(self, SymbolBlock):
            state["_graph"] = None
        return state

    @property
    def _cached_graph(self) -> tuple[Any, ...]:
        """(inputs, outputs) as Symbols, once traced; ()."""
        return () if self._graph is None else (self._graph.inputs, self._graph.symbol)

    def _clear_cached_op(self) -> None:
        self._graph = None
        self._line_by_line = False

    def register_child(self, block: Block, name: str | None = None) -> None:
        """As Block's. Raises ValueError for a child that is not hybrid."""
        if not isinstance(block, HybridBlock):
            raise ValueError(f"Children of HybridBlock must also be HybridBlock, but {block} has type {type(block)}. If you "
                             "are using Sequential, please try HybridSequential instead.")
        super().register_child(block, name)
        self._clear_cached_op()

    def hybridize(self, active: bool = True, backend: str | None = None, clear: bool = True, static_alloc: bool = False,
                  static_shape: bool = False, inline_limit: int = 2, forward_bulk_size: int | None = None,
                  backward_bulk_size: int | None = None, memory_budget: int | str | None = None, **kwargs: Any) -> None:
        """From now on the block is traced at its first call and then runs as one graph, with memory planned, layers
        fused and layouts chosen; or line by line again, with active=False.

        memory_budget: the most that a training run may take, in bytes or as "300MB": values are then computed again in
        backward instead of being kept, and gradients keep their bits. clear: whether what was traced is forgotten. The
        other keywords are MXNet's; graphs run the same whatever they say, but that static_shape needs static_alloc
        (ValueError). backend: graphs need none; a name is accepted.
        """
        if static_shape and not static_alloc:
            raise ValueError("[hybridize] static_alloc must be True if static_shape is True")
        self._active = active
        self._flags = {"memory_budget": memory_budget}
        if clear:
            self._clear_cached_op()
        if active and (self._forward_hooks or self._forward_pre_hooks):
            warnings.warn(f"{self.name} is being hybridized while still having forward hook/pre-hook. If {self.name} is a "
                          "child of HybridBlock, the hooks will not take effect.", stacklevel=2)
        for child in self._children.values():
            child.hybridize(active, backend=backend, clear=clear, static_alloc=static_alloc, static_shape=static_shape,
                            inline_limit=inline_limit, forward_bulk_size=forward_bulk_size,
                            backward_bulk_size=backward_bulk_size, memory_budget=memory_budget, **kwargs)

    def optimize_for(self, x: Any, *args: Any, backend: str | None = None, clear: bool = False, static_alloc: bool = False,
                     static_shape: bool = False, inline_limit: int = 2, forward_bulk_size: int | None = None,
                     backward_bulk_size: int | None = None, **kwargs: Any) -> None:
        """hybridize(), and a run on these inputs, so that the graph is there. The passes are the same for all backends."""
        self.hybridize(True, backend, clear, static_alloc, static_shape, inline_limit, forward_bulk_size, backward_bulk_size,
                       **kwargs)
        self(x, *args)

    def cast(self, dtype: DTypeLike) -> None:
        """As Block's; what was traced is forgotten."""
        self._clear_cached_op()
        super().cast(dtype)

    def register_op_hook(self, callback: Callable[[str, str, NDArray], Any], monitor_all: bool = False) -> None:
        """Calls callback(name, operator, array) for every output, with monitor_all every input too, of every operator
        while the block runs hybridized: it then runs operator by operator."""
        self._op_hook = callback, monitor_all
        super().register_op_hook(callback, monitor_all)

    # --- tracing
    def _trace(self, args: Sequence[Any]) -> CachedGraph:
        """The graph of hybrid_forward for arguments of this structure, made at the first call."""
        if self._graph is None:
            row, form = flatten(args, "input")
            names = ["data"] if len(row) == 1 else [f"data{i}" for i in range(len(row))]
            inputs = [symbol.var(name) for name in names]
            given = regroup(inputs, form)
            out = self._traced(given) if self._active else self._symbolic(given)
            outs, out_form = flatten(out, "output")
            whole = symbol.Group(outs) if len(outs) != 1 else outs[0]
            self._graph = CachedGraph(inputs, _precision.traced(whole, names), form, out_form)
        return self._graph

    def _traced(self, args: Sequence[Any]) -> Any:
        """The outputs for symbols, which a graph will give in the place of Python. Raises MXNetError naming the line that
        does not take symbols."""
        try:
            with Tracing(arrays=self._own_forward):
                if self._own_forward:
                    with self.name_scope():
                        return self.forward(*args)
                return self._symbolic(args)
        except Exception as error:
            if not is_about_symbols(error):
                raise
            raise MXNetError(f"[hybridize] {self.name} cannot run as a graph because of {line_of(error)} ({error}). A graph is made "
                             "before there are values or shapes: use operators, or do not hybridize this block") from error

    def _symbolic(self, args: Sequence[Any]) -> Any:
        """hybrid_forward on symbols."""
        params = {name: p.var() for name, p in self._reg_params.items()}
        with self.name_scope():
            return self.hybrid_forward(symbol, *args, **params)

    def infer_shape(self, *args: Any) -> None:
        """Finds the shapes of all parameters below from those of the inputs. Raises ValueError where some stay unknown."""
        self._infer("infer_shape", "shape", args)

    def infer_type(self, *args: Any) -> None:
        """Finds the dtypes of all parameters below from those of the inputs."""
        self._infer("infer_type", "dtype", args)

    def _infer(self, infer: str, attribute: str, args: Sequence[Any]) -> None:
        graph = self._trace(args)
        known = graph.known(args, attribute)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            arguments, _, aux = getattr(graph.symbol, infer)(**known)
        if arguments is None:
            raise ValueError(str(said[0].message) if said else f"[{infer}] {self.name}: found too little to infer from")
        found = dict(zip(graph.symbol.list_arguments(), arguments)) | dict(zip(graph.symbol.list_auxiliary_states(), aux))
        for p in self.collect_params().values():
            if p.name in found:
                setattr(p, attribute, found[p.name])

    def _finish_deferred(self, args: Sequence[Any]) -> None:
        """Initialises what waits for shapes, now that there are inputs."""
        try:
            self.infer_shape(*args)
        except Exception as error:
            raise ValueError("Deferred initialization failed because shape cannot be inferred. " + str(error)) from error

    # --- running
    def __call__(self, *args: Any) -> Any:
        """forward(*args), with the hooks before and after it; as a graph where hybridized.

        A subclass that has a forward of its own in the place of hybrid_forward is traced, too, with symbols for its arrays
        and functions of mx.nd that make nodes. Where a line needs values or shapes, that is a warning which names it, and
        the block runs line by line; its children are graphs all the same.
        """
        if not (self._forward_hooks or self._forward_pre_hooks or self._op_hook or _tracing.entered) and \
                type(self).forward is _FORWARD and "forward" not in self.__dict__:
            # What forward() does with arrays, where it needs no more than a look.
            if not self._active:
                params = _core.params_beside(args, self._reg_params, current_context())
                if params is not None:
                    return self.hybrid_forward(ndarray, *args, **params)
            elif self._graph is not None:
                out = self._graph.run_beside(args)
                if out is not None:
                    return out
        if self._own_forward and self._active and not self._line_by_line and not is_tracing() and self._has_graph(args):
            return self._hooked(lambda *given: self._run_graph(given), args)
        if self._forward_hooks or self._forward_pre_hooks:
            return self._hooked(self.forward, args)
        return self.forward(*args)

    def _has_graph(self, args: Sequence[Any]) -> bool:
        """Whether a forward of its own is a graph, which is found out at the first call with arrays."""
        if not isinstance(_first(*args), NDArray):
            return False
        if self._graph is None:
            try:
                self._trace(args)
            except Exception as error:
                self._line_by_line = True
                warnings.warn(f"{self.name} runs line by line: {error}", stacklevel=3)
        return self._graph is not None

    def forward(self, x: Any, *args: Any) -> Any:
        """hybrid_forward on NDArrays, as a graph where hybridized, or on Symbols.

        Raises ValueError for both at once, and for arrays on several devices.
        """
        lead = x if isinstance(x, (NDArray, Symbol)) else _first(x, *args)
        if isinstance(lead, NDArray):
            if self._active:
                return self._run_graph((x, *args))
            ctx = lead.context
            try:
                params = {name: p.data(ctx) for name, p in self._reg_params.items()}
            except DeferredInitializationError:
                self._finish_deferred((x, *args))
                for p in self.params.values():
                    p._finish_deferred_init()
                params = {name: p.data(ctx) for name, p in self._reg_params.items()}
            if current_context() is ctx:  # as nearly always
                return self.hybrid_forward(ndarray, x, *args, **params)
            with ctx:
                return self.hybrid_forward(ndarray, x, *args, **params)
        if isinstance(lead, Symbol):
            return self._symbolic((x, *args))
        raise TypeError(f"[{self.name}] found {type(x).__name__} as its first input, expected an NDArray or a Symbol")

    def _run_graph(self, args: Sequence[Any]) -> Any:
        graph = self._trace(args)
        try:
            return graph.run(self, args)
        except DeferredInitializationError:
            self._finish_deferred(args)
            for p in self.collect_params().values():
                p._finish_deferred_init()
            return graph.run(self, args)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """What the block computes, by operators of F. x, args: NDArrays or Symbols; kwargs: its own parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no hybrid_forward: a subclass of HybridBlock says there what it "
                                  "computes")

    # --- files
    def export(self, path: str, epoch: int = 0, remove_amp_cast: bool = True) -> None:
        """Writes PATH-symbol.json and PATH-0000.params (the epoch in four digits), as Module's checkpoints are.

        SymbolBlock.imports reads them, and so do Module, the predictors and MXNet. Inputs are called "data", or "data0",
        "data1" ... Raises RuntimeError where the block has not run hybridized.
        """
        if self._graph is None:
            raise RuntimeError("Please first call block.hybridize() and then run forward with this block at least once "
                               "before calling export.")
        out = self._graph.symbol
        out.save(f"{path}-symbol.json", remove_amp_cast=remove_amp_cast)
        arguments, states = set(out.list_arguments()), set(out.list_auxiliary_states())
        arrays = {}
        for name, p in self.collect_params().items():
            if name in arguments:
                arrays[f"arg:{name}"] = p._reduce()
            elif name in states:
                arrays[f"aux:{name}"] = p._reduce()
        save(f"{path}-{epoch:04d}.params", arrays)

    def _described(self) -> dict[str, Any]:
        if self._graph is None:
            raise RuntimeError(f"[save] {self.name} has not run hybridized: call hybridize(), and the network once, before "
                               "saving it")
        graph = self._graph
        return {"orig_name": self.name, "in_format": graph.in_form, "out_format": graph.out_form,
                "inputs": [i.tojson() for i in graph.inputs], "symbol": graph.symbol.tojson(remove_amp_cast=False),
                "hybridized": self._active}

    def _take_described(self, about: Mapping[str, Any]) -> None:
        inputs = [symbol.load_json(text) for text in about["inputs"]]
        out, params = symbol.load_json(about["symbol"]), self.collect_params()
        # The parameters were called after the block that was saved.
        old = about["orig_name"] + "_"
        renamed = {name: self.prefix + name[len(old):] for name in out.list_inputs() if name.startswith(old)}
        out = out(**{name: params[new].var() for name, new in renamed.items() if new in params})
        self._active = about.get("hybridized", True)
        self._graph = CachedGraph(inputs, out, about["in_format"], about["out_format"])


_FORWARD = HybridBlock.forward


def _is_ours(kind: type[Any]) -> bool:
    return kind.__module__.startswith(f"{__name__.partition('.')[0]}.")


def _first(*args: Any) -> Any:
    """The first array or symbol of nested arguments."""
    for a in args:
        if isinstance(a, (NDArray, Symbol)):
            return a
        if isinstance(a, (list, tuple)) and (found := _first(*a)) is not None:
            return found
    return None


class SymbolBlock(HybridBlock):
    """A block that computes a Symbol: networks made by the symbolic interface, or exported by others.

    outputs: a Symbol, or a list of them. inputs: the variables among its arguments that are inputs; the others are
    parameters. params: a ParameterDict that holds parameters to use, by name.
    """

    def __init__(self, outputs: OneOrMore[Symbol], inputs: OneOrMore[Symbol], params: ParameterDict | None = None) -> None:
        super().__init__(prefix=None, params=None)
        self._prefix = ""
        self._params = ParameterDict("", params)
        if isinstance(inputs, Symbol) and len(inputs) == 1:
            inputs = [inputs]
        variables, in_form = flatten(inputs, "input")
        outs, out_form = flatten(outputs[0] if isinstance(outputs, (list, tuple)) and len(outputs) == 1 else outputs, "output")
        whole = symbol.Group(outs) if len(outs) != 1 else outs[0]
        for v in variables:
            if v.get_children() is not None:
                raise AssertionError(f"Input symbols must be variable, but {v.name} is an output of operators")
        names = {v.name for v in variables}
        dtypes = _param_dtypes(variables, whole)
        for name in whole.list_arguments():
            if name not in names:
                self.params.get(name, allow_deferred_init=True, dtype=dtypes[name])
        for name in whole.list_auxiliary_states():
            if name not in names:
                self.params.get(name, grad_req="null", allow_deferred_init=True, dtype=dtypes[name])
        common = os.path.commonprefix(list(self._params.keys()))
        self._reg_params = {name[len(common):]: p for name, p in self._params.items()}
        self._graph = CachedGraph(variables, whole, in_form, out_form)

    @staticmethod
    def imports(symbol_file: str | os.PathLike[str], input_names: OneOrMore[str],
                param_file: str | os.PathLike[str] | None = None, ctx: OneOrMore[Context] | None = None,
                allow_missing: bool = False, ignore_extra: bool = False) -> SymbolBlock:
        """A block of files that export() or Module's checkpoints wrote, here or in MXNet.

        input_names: which variables are inputs. Without param_file the parameters are still to be initialised. Their
        dtypes are the file's. Raises AssertionError as load_parameters does.
        """
        out = symbol.load(symbol_file)
        names = [input_names] if isinstance(input_names, str) else list(input_names)
        for name in names:
            if name not in out.list_inputs():
                raise ValueError(f"[imports] {symbol_file!r}: found no input '{name}', expected names of {brief(out.list_inputs())}")
        inputs = [symbol.var(name, dtype="float32" if param_file is None else None) for name in names]
        block = SymbolBlock(out, inputs)
        if param_file is not None:
            block.collect_params().load(param_file, ctx, allow_missing, ignore_extra, cast_dtype=True, dtype_source="saved")
        return block

    def __repr__(self) -> str:
        assert self._graph is not None
        outs, ins = self._graph.symbol, self._graph.inputs
        return f"{type(self).__name__}(\n{outs if len(outs) > 1 else repr(outs)} : {len(ins)} -> {len(outs)}\n)"

    def forward(self, x: Any, *args: Any) -> Any:
        """The outputs, of NDArrays or Symbols."""
        assert self._graph is not None
        lead = _first(x, *args)
        if isinstance(lead, NDArray):
            with lead.context:
                return self._run_graph((x, *args))
        row, form = flatten((x, *args), "input")
        if form != self._graph.in_form:
            raise AssertionError(f"Invalid input format: found {form}, expected {self._graph.in_form}")
        whole = self._graph.symbol(**{str(i.name): s for i, s in zip(self._graph.inputs, row)})
        return regroup(list(whole), self._graph.out_form)

    def _clear_cached_op(self) -> None:
        if self._graph is not None:  # the graph is what the block is
            self._graph.forget()

    def cast(self, dtype: DTypeLike) -> None:
        """Changes the element type of all parameters; batch norms keep theirs in float32 in half precision."""
        self._clear_cached_op()
        Block.cast(self, dtype)
        if dtype_name(dtype) == "float16":
            kept = re.compile(".*(gamma|beta|running_mean|running_var|moving_mean|moving_var)$")
            for name, p in self.params.items():
                if kept.match(name):
                    p.cast("float32")

    def reset_ctx(self, ctx: OneOrMore[Context]) -> None:
        """Moves all parameters to other contexts."""
        self.collect_params().reset_ctx(ctx)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Not used: the symbol says what is computed."""
        raise NotImplementedError("[SymbolBlock] has no hybrid_forward: its symbol says what it computes")


def _param_dtypes(inputs: Sequence[Symbol], out: Symbol) -> dict[str, Any]:
    """The dtypes of all inputs of `out` as inference finds them, float32 where it does not."""
    known = {str(i.name): d for i in inputs if (d := i.infer_type()[1]) is not None and (d := d[0]) is not None}
    found = out.infer_type_partial(**known)
    names = out.list_arguments(), out.list_auxiliary_states()
    types = found[0], found[2]
    return {n: t or "float32" for some, its in zip(names, types) for n, t in zip(some, its)}
