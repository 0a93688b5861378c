"""Parameters of blocks: arrays with their gradients, one per device, and dictionaries of them."""
from __future__ import annotations

import warnings
import weakref

from .. import autograd, initializer, symbol
from ..base import MXNetError, as_dtype, dtype_name, mx_real_t
from ..context import Context, context_of, cpu, current_context
from ..ndarray import NDArray, array, load, op, save, zeros
from . import _tracing
from .utils import shape_is_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from .._typing import DTypeLike, InitializerLike, OneOrMore, ShapeLike
    from ..base import DType
    from ..symbol import Symbol

__all__ = ["Constant", "DeferredInitializationError", "Parameter", "ParameterDict", "tensor_types"]

tensor_types = (symbol.Symbol, NDArray)


class DeferredInitializationError(MXNetError):
    """Raised where a parameter is asked for its values before its shape is known."""


def _fits(shape: Sequence[int], known: Sequence[int]) -> bool:
    """Whether `shape` says nothing else than `known` does; extents that either leaves open fit."""
    return len(shape) == len(known) and all(n == k or n <= 0 or k <= 0 for n, k in zip(shape, known))


def _merged(shape: Sequence[int], known: Sequence[int]) -> tuple[int, ...]:
    return tuple(k if k > 0 else n for n, k in zip(shape, known))


def _contexts(ctx: OneOrMore[Context] | None) -> list[Context]:
    if ctx is None:
        return [current_context()]
    return [ctx] if isinstance(ctx, Context) else list(ctx)


class Parameter:
    """An array of a block with its gradient, on one or several devices.

    shape: extents, 0 (or -1) where unknown; a number is one extent. grad_req: "write", "add" or "null", what backward does
    with the gradient. lr_mult, wd_mult: factors of the trainer's rate and weight decay. init: an Initializer or its name,
    over the one that initialize() brings. allow_deferred_init: whether initialize() may come before the shape is known;
    the arrays are then made at the first forward. differentiable: False for moving averages and constants, whose
    grad_req is "null" whatever is asked. stype, grad_stype: "default", as all arrays are dense.
    """

    def __init__(self, name: str, grad_req: str = "write", shape: ShapeLike | None = None, dtype: DTypeLike = mx_real_t,
                 lr_mult: float = 1.0, wd_mult: float = 1.0, init: Any = None, allow_deferred_init: bool = False,
                 differentiable: bool = True, stype: str = "default", grad_stype: str = "default") -> None:
        for what, value in (("stype", stype), ("grad_stype", grad_stype)):
            if value not in ("default", "row_sparse", "csr"):
                raise ValueError(f"[Parameter] '{name}': found {what} {value!r}, expected 'default'")
        self.name = name
        self.lr_mult = lr_mult
        self.wd_mult = wd_mult
        self.init = init
        self._shape = (shape,) if isinstance(shape, int) else None if shape is None else tuple(shape)
        self._dtype = as_dtype(dtype_name(dtype))
        self._allow_deferred_init = allow_deferred_init
        self._differentiable = differentiable
        self._stype = stype
        self._grad_stype = grad_stype
        self._data: list[NDArray] | None = None
        self._grad: list[NDArray] | None = None
        self._ctx_list: list[Context] = []
        self._var: Symbol | None = None
        # (init, contexts, default_init, values or None) of an initialisation that waits for the shape.
        self._deferred_init: tuple[Any, ...] = ()
        self._owner: weakref.ref[Any] | None = None
        self._grad_req: str | None = None
        self.grad_req = grad_req

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name} (shape={self._shape}, dtype={self._dtype})"

    # --- what it is
    @property
    def grad_req(self) -> str:
        """What backward does with the gradient: "write", "add" or "null". Setting it makes or drops gradients."""
        assert self._grad_req is not None
        return self._grad_req

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req not in ("write", "add", "null"):
            raise ValueError(f"[Parameter] '{self.name}': grad_req must be one of \"write\", \"add\", or \"null\", "
                             f"but got \"{req}\"")
        if not self._differentiable:
            req = "null"
        if req == self._grad_req:
            return
        self._grad_req = req
        if self._data is None:
            return
        if req == "null":
            self._grad = None
            self._data = [a.detach() for a in self._data]
        else:
            self._init_grad()

    @property
    def dtype(self) -> DType:
        """The element type. Setting it casts."""
        return self._dtype

    @dtype.setter
    def dtype(self, dtype: DTypeLike) -> None:
        self.cast(dtype)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The extents, 0 or -1 where unknown; None where not even their number is known. Setting it fills in what is
        unknown. Raises AssertionError for extents that contradict those known."""
        return self._shape

    @shape.setter
    def shape(self, shape: Sequence[int]) -> None:
        if self._shape is not None and not (len(shape) == len(self._shape)
                                            and all(k <= 0 or n == k for n, k in zip(shape, self._shape))):
            raise AssertionError(f"[Parameter] '{self.name}': Expected shape {tuple(shape)} is incompatible with given "
                                 f"shape {self._shape}.")
        if self._shape != tuple(shape):
            self._shape = tuple(shape)
            self._var = None

    @property
    def stype(self) -> str:
        """The storage type it was declared with."""
        return self._stype

    @property
    def grad_stype(self) -> str:
        """The storage type its gradient was declared with."""
        return self._grad_stype

    # --- who trains it
    @property
    def _trainer(self) -> Any:
        """The Trainer that updates it, or None. Held weakly: trainers hold their parameters."""
        return None if self._owner is None else self._owner()

    def _set_trainer(self, trainer: Any) -> None:
        self._owner = None if trainer is None else weakref.ref(trainer)

    # --- first values
    def initialize(self, init: Any = None, ctx: OneOrMore[Context] | None = None,
                   default_init: InitializerLike | str = initializer.Uniform(), force_reinit: bool = False) -> None:
        """Makes the arrays and fills them.

        init: over the parameter's own, which comes before default_init. ctx: where, one context or several, the current
        one by default. An initialised parameter stays as it is, with a warning, unless force_reinit. Raises ValueError
        where the shape is not known and may not come later.
        """
        if self._data is not None and not force_reinit:
            warnings.warn(f"Parameter '{self.name}' is already initialized, ignoring. Set force_reinit=True to "
                          "re-initialize.", stacklevel=2)
            return
        self._data = self._grad = None
        if init is None:
            init = default_init if self.init is None else self.init
        contexts = _contexts(ctx)
        if not shape_is_known(self._shape):
            if not self._allow_deferred_init:
                raise ValueError(f"Cannot initialize Parameter '{self.name}' because it has invalid shape: {self._shape}.")
            self._deferred_init = (init, contexts, default_init, None)
            return
        self._deferred_init = (init, contexts, default_init, None)
        self._finish_deferred_init()

    def _finish_deferred_init(self) -> None:
        """Makes what initialize() has put off, now that the shape is known."""
        if not self._deferred_init:
            return
        init, contexts, default_init, data = self._deferred_init
        if self._shape is None or not shape_is_known(self._shape):
            raise ValueError(f"Cannot initialize Parameter '{self.name}' because it has invalid shape: {self._shape}. "
                             "Please specify in_units, in_channels, etc for `Block`s.")
        self._deferred_init = ()
        with autograd.pause():
            if data is None:
                data = zeros(self._shape, ctx=cpu(), dtype=self._dtype)
                initializer.create(default_init)(initializer.InitDesc(self.name, {"__init__": init}), data)
            self._init_impl(data, contexts)

    def _init_impl(self, data: NDArray, contexts: Sequence[Context]) -> None:
        """A copy of `data` on each context. The array itself is used where it is the caller's to give away."""
        self._ctx_list = [context_of((ctx.device_type, ctx.device_id)) for ctx in contexts]
        self._data = [data.copyto(ctx) for ctx in self._ctx_list]
        self._init_grad()

    def _init_grad(self) -> None:
        """Gradients of zeros for the arrays there are."""
        if self.grad_req == "null" or self._data is None:
            self._grad = None
            return
        self._grad = [zeros(a.shape, ctx=a.context, dtype=a.dtype_name) for a in self._data]
        autograd.mark_variables(self._data, self._grad, self.grad_req)

    def _load_init(self, data: NDArray, ctx: OneOrMore[Context] | None, cast_dtype: bool = False,
                   dtype_source: str = "current") -> None:
        """Takes the values of a file. cast_dtype: a dtype that differs is no error; dtype_source says which stays, the
        "current" one or the "saved" one."""
        if dtype_source not in ("current", "saved"):
            raise ValueError(f"[Parameter] found dtype_source {dtype_source!r}, expected 'current' or 'saved'")
        if self._shape is not None and not _fits(data.shape, self._shape):
            raise AssertionError(f"Failed loading Parameter '{self.name}' from saved params: shape incompatible expected "
                                 f"{self._shape} vs saved {data.shape}")
        self._shape = data.shape
        if data.dtype_name != self._dtype:
            if not cast_dtype:
                raise AssertionError(f"Failed loading Parameter '{self.name}' from saved params: dtype incompatible expected "
                                     f"{self._dtype} vs saved {data.dtype_name}. Set cast_dtype=True to cast the dtype of "
                                     "saved params.")
            if dtype_source == "current":
                data = data.astype(self._dtype)
            else:
                self.cast(data.dtype_name)
        contexts = None if ctx is None else _contexts(ctx)
        if self._data is None:
            if self._deferred_init:
                if contexts is not None and set(contexts) != set(self._deferred_init[1]):
                    raise AssertionError(f"Failed to load Parameter '{self.name}' on {contexts} because it was previous "
                                         f"initialized on {self.list_ctx()}.")
                contexts = list(self._deferred_init[1])
            self._deferred_init = ()
            self._var = None
            with autograd.pause():
                self._init_impl(data, contexts or [cpu()])
        else:
            if contexts is not None and set(contexts) != set(self.list_ctx()):
                raise AssertionError(f"Failed to load Parameter '{self.name}' on {contexts} because it was previous "
                                     f"initialized on {self.list_ctx()}.")
            self.set_data(data)

    # --- its values
    def _check_and_get(self, arrays: list[NDArray] | None, ctx: Any) -> Any:
        """The array of a context; all of them for ctx=list; the only one, or that of the current context, for None."""
        if arrays is not None:
            if ctx is list:
                return arrays
            if ctx is None:
                if len(arrays) == 1:
                    return arrays[0]
                ctx = current_context()
            contexts = self._ctx_list
            for i, held in enumerate(contexts):
                if held == ctx:
                    return arrays[i]
            raise RuntimeError(f"Parameter '{self.name}' was not initialized on context {ctx}. It was only initialized on "
                               f"{contexts}.")
        if self._deferred_init:
            raise DeferredInitializationError(
                f"Parameter '{self.name}' has not been initialized yet because initialization was deferred. Actual "
                "initialization happens during the first forward pass. Please pass one batch of data through the network "
                "before accessing Parameters. You can also avoid deferred initialization by specifying in_units, "
                "num_features, etc., for network layers.")
        raise RuntimeError(
            f"Parameter '{self.name}' has not been initialized. Note that you should initialize parameters and create "
            "Trainer with Block.collect_params() instead of Block.params because the later does not include Parameters of "
            "nested child Blocks")

    def data(self, ctx: Context | None = None) -> NDArray:
        """The array on a context; without one, the only array, or that of the current context.

        Raises DeferredInitializationError while the shape is unknown, RuntimeError where it was not initialised (there).
        """
        if _tracing.entered and _tracing.takes_arrays():
            traced: Any = self.var()  # for the forward that asks
            return traced
        data = self._data
        if data is not None and len(data) == 1 and (ctx is None or ctx is self._ctx_list[0] or ctx == self._ctx_list[0]):
            return data[0]
        return self._check_and_get(data, ctx)

    def list_data(self) -> list[NDArray]:
        """The arrays, one per context. Raises as data()."""
        return self._data if self._data is not None else self._check_and_get(None, list)

    def _check_grad(self) -> None:
        if self._data is not None and self._grad is None:
            raise RuntimeError(f"Cannot get gradient array for Parameter '{self.name}' because grad_req='null'")

    def grad(self, ctx: Context | None = None) -> NDArray:
        """The gradient on a context, as data(). Raises RuntimeError where grad_req is "null"."""
        self._check_grad()
        return self._check_and_get(self._grad, ctx)

    def list_grad(self) -> list[NDArray]:
        """The gradients, one per context. Raises as grad()."""
        if self._grad is None:
            self._check_grad()
            return self._check_and_get(None, list)
        return self._grad

    def row_sparse_data(self, row_id: NDArray) -> NDArray:
        """The array on the device of row_id: parameters are dense, so all rows are there."""
        return self.data(row_id.context)

    def list_row_sparse_data(self, row_id: NDArray) -> list[NDArray]:
        """All arrays, as row_sparse_data."""
        return self.list_data()

    def list_ctx(self) -> list[Context]:
        """The contexts that hold it, or will. Raises RuntimeError where it was not initialised."""
        if self._data is None:
            if self._deferred_init:
                return list(self._deferred_init[1])
            raise RuntimeError(f"Parameter '{self.name}' has not been initialized")
        return self._ctx_list

    def set_data(self, data: NDArray) -> None:
        """Copies values in, on every context, or for when it will be initialised.

        Raises AssertionError for another shape, or where initialize() was not called.
        """
        self.shape = data.shape
        if self._data is None:
            if not self._deferred_init:
                raise AssertionError(f"Parameter '{self.name}' has not been initialized")
            self._deferred_init = (*self._deferred_init[:3], data)
            return
        trainer = self._trainer
        if trainer is not None:
            trainer._forget_stored(self)
        with autograd.pause():
            for a in self._data:
                a[:] = data

    def zero_grad(self) -> None:
        """Sets the gradients to 0; does nothing without gradients."""
        for g in self._grad or ():
            g[:] = 0

    def reset_ctx(self, ctx: OneOrMore[Context]) -> None:
        """Moves it to other contexts. The values are the mean over those it was on.

        Raises ValueError where it was not initialised.
        """
        contexts = _contexts(ctx)
        if self._data is not None:
            with autograd.pause():
                self._init_impl(self._reduce(), contexts)
        elif self._deferred_init:
            init, _, default_init, data = self._deferred_init
            self._deferred_init = (init, contexts, default_init, data)
        else:
            raise ValueError(f"Cannot reset context for Parameter '{self.name}' because it has not been initialized.")

    def _reduce(self) -> NDArray:
        """The values on the CPU: the mean over all contexts."""
        arrays = [a.as_in_context(cpu()) for a in self.list_data()]
        if len(arrays) == 1:
            return arrays[0].detach()
        with autograd.pause():
            return op.add_n(*arrays) / len(arrays)

    def cast(self, dtype: DTypeLike) -> None:
        """Changes the element type of values and gradients."""
        self._dtype = as_dtype(dtype_name(dtype))
        self._var = None
        if self._data is None:
            return
        with autograd.pause():
            self._data = [a.astype(self._dtype) for a in self._data]
            if self._grad is None:
                return
            self._grad = [g.astype(self._dtype) for g in self._grad]
            autograd.mark_variables(self._data, self._grad, self.grad_req)

    def var(self) -> Symbol:
        """The variable that stands for it in symbols; the same one each time."""
        if self._var is None:
            self._var = symbol.var(self.name, shape=self._shape, dtype=self._dtype, lr_mult=self.lr_mult,
                                   wd_mult=self.wd_mult, init=self.init, stype="default")
        return self._var

    # --- copies and pickles: arrays lose their gradients there, and get them back here
    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_owner"] = state["_var"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._data is not None and self._grad is not None:
            autograd.mark_variables(self._data, self._grad, self.grad_req)


class _Given(initializer.Initializer):
    """The values of a constant."""

    def __init__(self, value: NDArray) -> None:
        super().__init__()
        self.value = value

    def __call__(self, desc: str, arr: NDArray) -> None:
        self.value._copyto(arr)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        self(name, arr)

    def dumps(self) -> str:
        return '["constant", {}]'


class Constant(Parameter):
    """A parameter that is not trained and has the values given.

    value: an NDArray, or what mx.nd.array takes. Its dtype and shape are the parameter's.
    """

    def __init__(self, name: str, value: Any) -> None:
        if not isinstance(value, NDArray):
            value = array(value)
        self.value = value
        super().__init__(name, grad_req="null", shape=value.shape, dtype=value.dtype, init=_Given(value),
                         differentiable=False)

    @property
    def grad_req(self) -> str:
        """Always "null"; asking for another is a warning."""
        return "null"

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        self._grad_req = "null"
        if req != "null":
            warnings.warn(f"Constant parameter \"{self.name}\" does not support grad_req other than \"null\", and new value "
                          f"\"{req}\" is ignored.", stacklevel=2)


class ParameterDict:
    """Parameters by their full names, in the order in which they came.

    prefix: what get() puts before names. shared: another one, whose parameters get() finds before it makes new ones.
    """

    def __init__(self, prefix: str = "", shared: ParameterDict | None = None) -> None:
        self._prefix = prefix
        self._shared = shared
        self._params: dict[str, Parameter] = {}

    def __repr__(self) -> str:
        inside = "\n".join(f"  {p!r}" for p in self.values())
        return f"{self._prefix + ' ' if self._prefix else ''}(\n{inside}\n)"

    def __getitem__(self, key: str) -> Parameter:
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __contains__(self, key: object) -> bool:
        return key in self._params

    def __len__(self) -> int:
        return len(self._params)

    def items(self) -> Any:
        """Pairs of name and parameter."""
        return self._params.items()

    def keys(self) -> Any:
        """The names."""
        return self._params.keys()

    def values(self) -> Any:
        """The parameters."""
        return self._params.values()

    @property
    def prefix(self) -> str:
        """What stands before the names of its parameters."""
        return self._prefix

    def _find(self, name: str) -> Parameter | None:
        if name not in self._params and self._shared is not None and name in self._shared._params:
            self._params[name] = self._shared._params[name]
        return self._params.get(name)

    def get(self, name: str, **kwargs: Any) -> Parameter:
        """The parameter called prefix + name, made with these keywords unless it is there.

        Raises AssertionError where one that is there says otherwise than a keyword; extents and shapes that are
        unknown on one side are filled in from the other.
        """
        name = self._prefix + name
        found = self._find(name)
        if found is None:
            found = self._params[name] = Parameter(name, **kwargs)
            return found
        for key, wanted in kwargs.items():
            stored = getattr(found, key, None)
            if stored is None:
                setattr(found, key, wanted)
            elif key == "shape" and wanted is not None:
                wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
                if not _fits(wanted, stored):
                    raise _mismatch(name, key, wanted, stored)
                found._shape = _merged(wanted, stored)
            elif key == "dtype":
                if wanted is not None and dtype_name(wanted) != stored:
                    raise _mismatch(name, key, wanted, stored)
            elif wanted is not None and wanted != stored:
                raise _mismatch(name, key, wanted, stored)
        return found

    def get_constant(self, name: str, value: Any = None) -> Parameter:
        """The constant called prefix + name, made of `value` unless it is there.

        Raises KeyError where it is not there and value is None, AssertionError where it has other values, or is not
        constant.
        """
        name = self._prefix + name
        found = self._find(name)
        if found is None:
            if value is None:
                raise KeyError(f"No constant named '{name}'. Please specify value if you want to create a new constant.")
            found = self._params[name] = Constant(name, value)
        elif value is not None:
            if not isinstance(found, Constant):
                raise AssertionError(f"Parameter '{name}' already exists but it is not a constant.")
            given = value if isinstance(value, NDArray) else array(value)
            if given.shape != found.value.shape or not bool((given == found.value).min().item()):
                raise AssertionError(f"Constant '{name}' already exists but it's value doesn't match new value")
        return found

    def update(self, other: ParameterDict | Mapping[str, Parameter]) -> None:
        """Takes in the parameters of another one. Raises AssertionError where two of one name are not the same."""
        for name, parameter in other.items():
            if self._params.setdefault(name, parameter) is not parameter:
                raise AssertionError(f"Cannot update self with other because they have different Parameters with the same "
                                     f"name '{name}'")

    def initialize(self, init: InitializerLike | str = initializer.Uniform(), ctx: OneOrMore[Context] | None = None,
                   verbose: bool = False, force_reinit: bool = False) -> None:
        """Initialises all: init is for those without one of their own. verbose: logs what is done."""
        if verbose and isinstance(init, initializer.Initializer):
            init.set_verbosity(verbose=verbose)
        for parameter in self.values():
            parameter.initialize(None, ctx, init, force_reinit=force_reinit)

    def zero_grad(self) -> None:
        """Sets all gradients to 0."""
        by_device: dict[Any, list[NDArray]] = {}
        for parameter in self.values():
            for g in parameter._grad or ():
                by_device.setdefault(g.device, []).append(g)
        for grads in by_device.values():
            op.reset_arrays(*grads)

    def reset_ctx(self, ctx: OneOrMore[Context]) -> None:
        """Moves all to other contexts."""
        for parameter in self.values():
            parameter.reset_ctx(ctx)

    def list_ctx(self) -> list[Context]:
        """The contexts that hold any of them."""
        return list(dict.fromkeys(ctx for parameter in self.values() for ctx in parameter.list_ctx()))

    def setattr(self, name: str, value: Any) -> None:
        """Sets an attribute of all: params.setattr("grad_req", "null")."""
        for parameter in self.values():
            setattr(parameter, name, value)

    # --- files
    def save(self, filename: str | os.PathLike[str], strip_prefix: str = "") -> None:
        """Writes all, under their names without strip_prefix. Raises ValueError for one that does not begin so."""
        arrays = {}
        for parameter in self.values():
            if not parameter.name.startswith(strip_prefix):
                raise ValueError(f"Prefix '{strip_prefix}' is to be striped before saving, but Parameter's name "
                                 f"'{parameter.name}' does not start with '{strip_prefix}'. this may be due to your Block "
                                 "shares parameters from other Blocks or you forgot to use 'with name_scope()' when "
                                 "creating child blocks.")
            arrays[parameter.name[len(strip_prefix):]] = parameter._reduce()
        save(filename, arrays)

    def load(self, filename: str | os.PathLike[str], ctx: OneOrMore[Context] | None = None, allow_missing: bool = False,
             ignore_extra: bool = False, restore_prefix: str = "", cast_dtype: bool = False,
             dtype_source: str = "current") -> None:
        """Reads a file that save() wrote; see load_dict."""
        found = load(filename)
        if not isinstance(found, dict):
            raise ValueError(f"[load] {filename!r}: found arrays without names, expected parameters")
        self.load_dict(found, ctx, allow_missing, ignore_extra, restore_prefix, filename, cast_dtype, dtype_source)

    def load_dict(self, param_dict: Mapping[str, NDArray], ctx: OneOrMore[Context] | None = None,
                  allow_missing: bool = False, ignore_extra: bool = False, restore_prefix: str = "",
                  filename: str | os.PathLike[str] | None = None, cast_dtype: bool = False,
                  dtype_source: str = "current") -> None:
        """Takes arrays by name, `arg:` and `aux:` left out and restore_prefix put before.

        Raises AssertionError naming a parameter that is missing unless allow_missing, or an array that is of none unless
        ignore_extra; and for another shape, or another dtype unless cast_dtype (see load_parameters).
        """
        if restore_prefix:
            for name in self.keys():
                if not name.startswith(restore_prefix):
                    raise AssertionError(f"restore_prefix is '{restore_prefix}' but Parameters name '{name}' does not start "
                                         f"with '{restore_prefix}'")
        where = f"file '{filename}'" if filename else "param_dict"
        arrays = {restore_prefix + (name[4:] if name.startswith(("arg:", "aux:")) else name): a
                  for name, a in param_dict.items()}
        if not allow_missing:
            for name in self.keys():
                if name not in arrays:
                    raise AssertionError(f"Parameter '{name[len(restore_prefix):]}' is missing in {where}, which contains "
                                         f"parameters: {brief(arrays)}. Please make sure source and target networks have the "
                                         "same prefix.")
        for name, a in arrays.items():
            if name not in self._params:
                if not ignore_extra:
                    raise AssertionError(f"Parameter '{name[len(restore_prefix):]}' loaded from {where} is not present in "
                                         f"ParameterDict, which contains parameters {brief(self.keys())}. Set ignore_extra to "
                                         "True to ignore. Please make sure source and target networks have the same prefix.")
                continue
            self[name]._load_init(a, ctx, cast_dtype=cast_dtype, dtype_source=dtype_source)


def brief(names: Any, most: int = 7) -> str:
    """The first names of many, for errors."""
    names = list(names)
    text = ", ".join(f"'{name}'" for name in names[:most])
    return text + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _mismatch(name: str, key: str, wanted: Any, stored: Any) -> AssertionError:
    return AssertionError(f"Cannot retrieve Parameter '{name}' because desired attribute does not match with stored for "
                          f"attribute '{key}': desired '{wanted}' vs stored '{stored}'.")
