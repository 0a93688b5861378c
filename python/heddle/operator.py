"""Operators written in Python: CustomOp and CustomOpProp, and the older NumpyOp and NDArrayOp.

A registered one is called as `mx.nd.Custom(x, op_type="name")` or stands in a network as
`mx.sym.Custom(x, op_type="name")`. Its functions run as tasks of the engine: on one of its threads, with Python's
lock, when their inputs are there. What they raise is raised again where the result is waited for.
"""
from __future__ import annotations

import itertools

from . import _core, symbol
from .base import as_dtype, dtype_name
from .context import Context, cpu
from .ndarray import array
from .ndarray.ndarray import NDArray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .symbol import Symbol

    Shapes = list[list[int]]

__all__ = ["CustomOp", "CustomOpProp", "register", "get_all_registered_operators", "PythonOp", "NumpyOp", "NDArrayOp"]


class CustomOp:
    """What an operator computes. Subclass it and give it forward, and backward where it has a gradient.

    An instance serves one call in eager code, or one bound network: what forward leaves in it, the backward of the
    same call finds.
    """

    def forward(self, is_train: bool, req: list[str], in_data: list[NDArray], out_data: list[NDArray],
                aux: list[NDArray]) -> None:
        """Writes each of `out_data` by assign(out_data[i], req[i], value)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: a subclass of CustomOp says there what it computes")

    def backward(self, req: list[str], out_grad: list[NDArray], in_data: list[NDArray], out_data: list[NDArray],
                 in_grad: list[NDArray], aux: list[NDArray]) -> None:
        """Writes each of `in_grad` by assign(in_grad[i], req[i], value).

        Arrays that declare_backward_dependency did not name are None.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward, so nothing can be differentiated through it")

    def assign(self, dst: NDArray, req: str, src: Any) -> None:
        """Stores `src`, an array or number, in `dst`: not at all ("null"), in its place ("write"), or added ("add")."""
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src
        elif req != "null":
            raise ValueError(f"[assign] req is {req!r}, expected 'null', 'write', 'inplace' or 'add'")


class CustomOpProp:
    """What an operator is: its lists and types, and how to make its CustomOp.

    The keywords of a call go to the constructor, as strings. need_top_grad: whether backward reads the gradients of
    the outputs; False for losses.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def infer_shape(self, in_shape: Shapes) -> tuple[Any, ...]:
        """(shapes of inputs, of outputs, of auxiliary states) from what is known of the inputs.

        A shape that is unknown is [], an extent 0. By default all are like the first input.
        """
        return in_shape, [in_shape[0]] * len(self.list_outputs()), [in_shape[0]] * len(self.list_auxiliary_states())

    def infer_type(self, in_type: list[Any]) -> tuple[Any, ...]:
        """(dtypes of inputs, of outputs, of auxiliary states) likewise; by default those of the first input."""
        return ([in_type[0]] * len(self.list_arguments()), [in_type[0]] * len(self.list_outputs()),
                [in_type[0]] * len(self.list_auxiliary_states()))

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """The names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """The names of arrays that calls change."""
        return []

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Those of these numbers whose arrays backward reads; the others need not be kept for it."""
        return [*(out_grad if self.need_top_grad_ else []), *in_data, *out_data]

    def create_operator(self, ctx: Context, in_shapes: Shapes, in_dtypes: list[Any]) -> CustomOp:
        """The CustomOp of a call, made before its first forward."""
        raise NotImplementedError(f"{type(self).__name__} has no create_operator: a subclass of CustomOpProp makes its CustomOp "
                                  "there")


class _Host:
    """A CustomOpProp as the library asks it. Shapes and dtypes come and go as lists, dtypes by name."""

    def __init__(self, prop: CustomOpProp) -> None:
        self._prop = prop
        self._op: CustomOp | None = None
        self._names = list(prop.list_arguments()), list(prop.list_auxiliary_states()), list(prop.list_outputs())

    def names(self) -> tuple[list[str], list[str], list[str]]:
        return self._names

    def reads(self) -> list[tuple[int, int]]:
        inputs, _, outputs = self._names
        ids = iter(range(len(inputs) + 2 * len(outputs)))
        groups = [list(itertools.islice(ids, n)) for n in (len(outputs), len(inputs), len(outputs))]
        places = {i: (kind, k) for kind, group in enumerate(groups) for k, i in enumerate(group)}
        asked = self._prop.declare_backward_dependency(*groups)
        return [places[i] for i in dict.fromkeys(asked)]

    def infer_shape(self, shapes: Shapes) -> Shapes:
        return self._complete("infer_shape", self._prop.infer_shape(shapes), list)

    def infer_type(self, names: Sequence[str | None]) -> list[str | None]:
        found = self._prop.infer_type([None if n is None else as_dtype(n) for n in names])
        return self._complete("infer_type", found, lambda d: None if d is None else dtype_name(d))

    def _complete(self, method: str, found: Sequence[Any], convert: Callable[[Any], Any]) -> list[Any]:
        """Inputs, states and outputs in one list, checked."""
        inputs, states, outputs = self._names
        if len(found) not in (2, 3):
            raise ValueError(f"{type(self._prop).__name__}.{method} gave {len(found)} lists, expected those of inputs, "
                             "outputs and auxiliary states")
        lists = found[0], found[2] if len(found) == 3 else [], found[1]
        for what, names, items in zip(("inputs", "auxiliary states", "outputs"), self._names, lists):
            if len(items) != len(names):
                raise ValueError(f"{type(self._prop).__name__}.{method} gave {len(items)} {what}, expected {len(names)}: {names}")
        return [convert(item) for items in lists for item in items]

    def forward(self, is_train: bool, req: list[str], in_data: list[NDArray], out_data: list[NDArray],
                aux: list[NDArray]) -> None:
        if self._op is None:
            ctx = in_data[0].context if in_data else cpu()
            self._op = self._prop.create_operator(ctx, [list(a.shape) for a in in_data], [a.dtype for a in in_data])
        self._op.forward(is_train=is_train, req=req, in_data=in_data, out_data=out_data, aux=aux)

    def backward(self, is_train: bool, req: list[str], out_grad: list[NDArray], in_data: list[NDArray],
                 out_data: list[NDArray], in_grad: list[NDArray], aux: list[NDArray]) -> None:
        if self._op is None:
            raise RuntimeError(f"{type(self._prop).__name__}: backward was called before forward")
        self._op.backward(req=req, out_grad=out_grad, in_data=in_data, out_data=out_data, in_grad=in_grad, aux=aux)


_registered: dict[str, Callable[..., CustomOpProp]] = {}


def register(reg_name: str) -> Callable[[Any], Any]:
    """A decorator that registers a CustomOpProp class as the op_type `reg_name`."""

    def do_register(prop_cls: Any) -> Any:
        _registered[reg_name] = prop_cls
        return prop_cls

    return do_register


def get_all_registered_operators() -> list[str]:
    """The names of all operators: the library's and the registered ones."""
    return [*(name for name, _ in _core.op_names()), *_registered]


def _host_of(kwargs: Mapping[str, str]) -> _Host:
    """The host of a call with these keywords."""
    params = dict(kwargs)
    op_type = params.pop("op_type")
    if op_type not in _registered:
        known = ", ".join(map(repr, _registered)) or "none"
        raise ValueError(f"op_type is {op_type!r}, expected a registered one: {known}")
    prop = _registered[op_type](**params)
    if not isinstance(prop, CustomOpProp):
        raise TypeError(f"op_type {op_type!r} is registered for a {type(prop).__name__}, expected a CustomOpProp")
    return _Host(prop)


_core.set_custom_factory(_host_of)


# --- the older classes ----------------------------------------------------------------------------
class PythonOp:
    """An operator whose object is put into a network by get_symbol(); use CustomOp in new programs."""

    _count = itertools.count()

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad
        self._op_type = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Symbol:
        """get_symbol()."""
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args: Any, **kwargs: Any) -> Symbol:
        """The operator applied to symbols, given by position or by name; `name` names it."""
        if not self._op_type:
            self._op_type = f"_{type(self).__name__}_{next(self._count)}"
            _registered[self._op_type] = lambda: _OldProp(self)
        return self._node(*args, info=self._op_type, **kwargs)

    def _node(self, *args: Any, **kwargs: Any) -> Symbol:
        """The operator of the library that calls it."""
        return symbol._internal._NDArray(*args, **kwargs)

    def forward(self, in_data: list[Any], out_data: list[Any]) -> None:
        """Writes into each of `out_data`; a copy of the first input by default."""
        out_data[0][:] = in_data[0]

    def backward(self, out_grad: list[Any], in_data: list[Any], out_data: list[Any], in_grad: list[Any]) -> None:
        """Writes into each of `in_grad`; 1 by default."""
        in_grad[0][:] = 1.0

    def infer_shape(self, in_shape: Shapes) -> tuple[Shapes, Shapes]:
        """(shapes of inputs, of outputs); by default the output is like the first input."""
        return in_shape, [in_shape[0]]

    def list_outputs(self) -> list[str]:
        """The names of the outputs."""
        return ["output"]

    def list_arguments(self) -> list[str]:
        """The names of the inputs."""
        return ["data"]

    def need_top_grad(self) -> bool:
        """Whether backward reads the gradients of the outputs."""
        return self.need_top_grad_

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Those of these numbers whose arrays backward reads."""
        return [*(out_grad if self.need_top_grad() else []), *in_data, *out_data]

    def _arrays(self, arrays: list[NDArray]) -> list[Any]:
        """Arrays as the functions see them."""
        return arrays


class NDArrayOp(PythonOp):
    """A PythonOp whose functions get NDArrays."""


class NumpyOp(PythonOp):
    """A PythonOp whose functions get NumPy arrays, and write into them."""

    def _node(self, *args: Any, **kwargs: Any) -> Symbol:
        return symbol._internal._Native(*args, need_top_grad=self.need_top_grad(), **kwargs)

    def _arrays(self, arrays: list[NDArray]) -> list[Any]:
        return [None if a is None else a.asnumpy() for a in arrays]


class _OldProp(CustomOpProp):
    """A PythonOp as CustomOpProp and CustomOp in one."""

    def __init__(self, op: PythonOp) -> None:
        super().__init__(op.need_top_grad())
        self._op = op

    def list_arguments(self) -> list[str]:
        return self._op.list_arguments()

    def list_outputs(self) -> list[str]:
        return self._op.list_outputs()

    def infer_shape(self, in_shape: Shapes) -> tuple[Any, ...]:
        return self._op.infer_shape(in_shape)

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        return self._op.declare_backward_dependency(out_grad, in_data, out_data)

    def create_operator(self, ctx: Context, in_shapes: Shapes, in_dtypes: list[Any]) -> CustomOp:
        return _OldOp(self._op)


class _OldOp(CustomOp):
    """What the functions of a PythonOp wrote goes where it is wanted."""

    def __init__(self, op: PythonOp) -> None:
        self._op = op

    def forward(self, is_train: bool, req: list[str], in_data: list[NDArray], out_data: list[NDArray],
                aux: list[NDArray]) -> None:
        out = self._op._arrays(out_data)
        self._op.forward(in_data=self._op._arrays(in_data), out_data=out)
        self._store(out_data, req, out)

    def backward(self, req: list[str], out_grad: list[NDArray], in_data: list[NDArray], out_data: list[NDArray],
                 in_grad: list[NDArray], aux: list[NDArray]) -> None:
        grads = self._op._arrays(in_grad)
        self._op.backward(out_grad=self._op._arrays(out_grad), in_data=self._op._arrays(in_data),
                          out_data=self._op._arrays(out_data), in_grad=grads)
        self._store(in_grad, req, grads)

    def _store(self, arrays: list[NDArray], req: list[str], written: list[Any]) -> None:
        for a, r, value in zip(arrays, req, written):
            if value is not a:
                self.assign(a, r, array(value, dtype=a.dtype))
