"""A symbol bound to arrays, ready to run."""
from __future__ import annotations

from . import _core
from ._memory_plan import MemoryPlan
from .context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._typing import Arrays, Groups, OneOrMore, ShapeLike
    from .ndarray import NDArray
    from .symbol import Symbol

_REQUESTS = {"null": 0, "write": 1, "add": 3}


def check_requests(requests: Mapping[str, str]) -> None:
    """Raises ValueError where a value of grad_req is none of null, write and add."""
    for request in requests.values():
        if request not in _REQUESTS:
            raise ValueError(f"found grad_req {request!r}, expected one of {', '.join(_REQUESTS)}")


def bind_arrays(what: str, given: Any, names: list[str], gaps: bool) -> Arrays:
    """A dict of arrays, from a dict or a list in the order of `names`."""
    if given is None:
        return {}
    if isinstance(given, dict):
        for name in names:
            if not gaps and given.get(name) is None:
                raise ValueError(f"[bind] key `{name}` is missing in `{what}`: found {', '.join(map(str, given)) or 'none'}, "
                                 f"expected {', '.join(names)}")
        return {name: given[name] for name in names if given.get(name) is not None}
    if len(given) != len(names):
        raise ValueError(f"found {len(given)} arrays in {what}, expected {len(names)}")
    missing = [name for name, array in zip(names, given) if array is None]
    if missing and not gaps:
        raise ValueError(f"{what} has no array for {', '.join(missing)}")
    return {name: array for name, array in zip(names, given) if array is not None}


class Executor:
    """Runs a bound symbol: forward, then backward. Made by Symbol.bind and Symbol.simple_bind."""

    def __init__(self, core: _core.Executor, symbol: Symbol, ctx: Context, grad_req: Mapping[str, str],
                 group2ctx: Groups | None, shown: Symbol | None = None) -> None:
        """shown: what was bound, where `symbol` tells apart its variables of one name."""
        self._core = core
        self._bound = symbol
        self._symbol = symbol if shown is None else shown
        self._ctx = ctx
        self._grad_req = grad_req
        self._group2ctx = group2ctx
        self.arg_arrays = core.args
        self.grad_arrays = core.grads
        self.aux_arrays = core.aux
        self.outputs = core.outputs
        self._dicts: dict[str, Any] = {}

    @classmethod
    def _bind(cls, symbol: Symbol, ctx: Context, shapes: Mapping[str, ShapeLike], dtypes: Mapping[str, str],
              args: Mapping[str, NDArray], grads: Mapping[str, Any], aux: Mapping[str, NDArray],
              requests: Mapping[str, str], group2ctx: Groups | None,
              memory_budget: int | str | None = None, shown: Symbol | None = None) -> Executor:
        ctx = Context(ctx)
        check_requests(requests)
        groups = {g: (c.device_type, c.device_id) for g, c in (group2ctx or {}).items()}
        core = _core.Executor.bind(
            symbol._core, ctx.device_type, ctx.device_id, shapes, dtypes, args, grads, aux,
            {name: _REQUESTS[r] for name, r in requests.items()}, 0,
            any(r != "null" for r in requests.values()), groups, memory_budget)
        return cls(core, symbol, ctx, requests, group2ctx, shown)

    @staticmethod
    def _plan_of(symbol: Symbol, ctx: Context, shapes: Mapping[str, ShapeLike], dtypes: Mapping[str, str],
                 requests: Mapping[str, str], group2ctx: Groups | None, memory_budget: int | str | None) -> MemoryPlan:
        ctx = Context(ctx)
        check_requests(requests)
        groups = {g: (c.device_type, c.device_id) for g, c in (group2ctx or {}).items()}
        return MemoryPlan(_core.Executor.plan_of(
            symbol._core, ctx.device_type, ctx.device_id, shapes, dtypes, {name: _REQUESTS[r] for name, r in requests.items()},
            any(r != "null" for r in requests.values()), groups, memory_budget))

    def plan(self, is_train: bool | None = None) -> MemoryPlan:
        """What a run takes, value by value. is_train: of a training run; by default where there are gradients."""
        if is_train is None:
            is_train = any(r != "null" for r in self._grad_req.values())
        return MemoryPlan(self._core.plan(bool(is_train)))

    def _dict(self, what: str, names: list[str], arrays: Any) -> dict[str, Any]:
        if what not in self._dicts:
            if len(set(names)) != len(names):
                raise ValueError(f"Duplicate names detected, {names}")
            self._dicts[what] = dict(zip(names, arrays))
        return self._dicts[what]

    @property
    def arg_dict(self) -> Arrays:
        """Argument names to their arrays."""
        return self._dict("arg", self._symbol.list_arguments(), self.arg_arrays)

    @property
    def grad_dict(self) -> dict[str, NDArray | None]:
        """Argument names to their gradients; None where there is none."""
        return self._dict("grad", self._symbol.list_arguments(), self.grad_arrays)

    @property
    def aux_dict(self) -> Arrays:
        """Names of auxiliary states to their arrays."""
        return self._dict("aux", self._symbol.list_auxiliary_states(), self.aux_arrays)

    @property
    def output_dict(self) -> Arrays:
        """Output names to their arrays."""
        return self._dict("output", self._symbol.list_outputs(), self.outputs)

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[NDArray]:
        """Runs the graph; keywords are copied into arguments first. Returns the outputs, the same arrays each time.

        is_train: whether backward will follow, and operators such as Dropout behave as in training. Raises TypeError
        for a keyword that is no argument, ValueError where its shape differs from the argument's.
        """
        if kwargs:
            arguments = self.arg_dict
            for name, value in kwargs.items():
                if name not in arguments:
                    raise TypeError(f"[forward] Unknown argument {name}, expected one of {', '.join(arguments)}")
                if tuple(value.shape) != arguments[name].shape:
                    raise ValueError(f"[forward] Shape not match! Argument {name}, need: {arguments[name].shape}, "
                                     f"received: {value.shape}")
                arguments[name][:] = value
        self._core.forward(bool(is_train))
        return self.outputs

    def backward(self, out_grads: OneOrMore[NDArray] | None = None, is_train: bool = True) -> None:
        """Gradients of the arguments, into grad_arrays. Follows a forward with is_train.

        out_grads: gradients of the outputs, in their order or by their names; not needed when all are losses.
        """
        if isinstance(out_grads, dict):
            out_grads = [out_grads[name] for name in self._symbol.list_outputs()]
        elif isinstance(out_grads, _core.NDArrayBase):
            out_grads = [out_grads]
        self._core.backward(out_grads, bool(is_train))

    def set_monitor_callback(self, callback: Callable[[str, NDArray], Any] | None, monitor_all: bool = False) -> None:
        """Calls callback(name, array) for the outputs of every node after its run, and with monitor_all for its inputs and
        variables before it; None ends it."""
        self._core.monitor(callback, bool(monitor_all))

    def copy_params_from(self, arg_params: Arrays, aux_params: Arrays | None = None,
                         allow_extra_params: bool = False) -> None:
        """Copies parameters in, converting their dtype.

        Raises ValueError where shapes differ, and for names that are unknown unless allow_extra_params.
        """
        for what, given, have in (("arg", arg_params, self.arg_dict), ("aux", aux_params or {}, self.aux_dict)):
            for name, array in given.items():
                if name in have:
                    if array.shape != have[name].shape:
                        raise ValueError(f"{name} has shape {array.shape}, expected {have[name].shape}")
                    array._copyto(have[name])
                elif not allow_extra_params:
                    raise ValueError(f'Find name "{name}" that is not in the {what}uments'
                                     if what == "arg" else
                                     f'Find name "{name}" that is not in the auxiliary states')

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any) -> Executor:
        """An executor for other input shapes, given by name, that shares the parameters.

        Raises MXNetError where an array would change its shape without partial_shaping, or grow without
        allow_up_sizing.
        """
        shapes = dict(kwargs)
        if self._bound is not self._symbol:
            for name, of in zip(self._bound.list_inputs(), self._symbol.list_inputs()):
                if of in kwargs:
                    shapes[name] = kwargs[of]
        core = self._core.reshape(shapes, partial_shaping, allow_up_sizing)
        return Executor(core, self._bound, self._ctx, self._grad_req, self._group2ctx, self._symbol)

    def get_optimized_symbol(self) -> Symbol:
        """The symbol this executor runs."""
        return self._symbol

    def debug_str(self) -> str:
        """The final graph, where it runs, and its memory plan. The last two lines are MXNet's, which programs parse: "Total N MB
        allocated", with N in whole MB, and the scratch memory that operators asked for beside that, which is none here."""
        return f"{self._core.describe().rstrip()}\nTotal 0 TempSpace resource requested\n"


