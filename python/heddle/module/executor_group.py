"""The executors of one module: one per device, each with its share of the batch."""
from __future__ import annotations

from ..executor import Executor
from ..io import DataDesc
from ..ndarray import NDArray, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base import DType
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .._typing import Arrays, GradReq, Groups, OneOrMore, Shape
    from ..context import Context
    from ..io import DataBatch
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..symbol import Symbol


def split_input_slice(batch_size: int, work_load_list: Sequence[float]) -> list[slice]:
    """Slices of a batch in proportion to the loads."""
    total = sum(work_load_list)
    counts = [round(load * batch_size / total) for load in work_load_list]
    counts[-1] += batch_size - sum(counts)
    slices, end = [], 0
    for count in counts:
        begin, end = end, min(end + count, batch_size)
        if begin >= end:
            raise ValueError("Too many slices such that some splits are empty")
        slices.append(slice(begin, end))
    return slices


_split_input_slice = split_input_slice


def _batch_axis(description: DataDesc) -> int:
    return DataDesc.get_batch_axis(getattr(description, "layout", None))


def _part(array: NDArray, rows: slice, axis: int) -> Any:
    """The rows of an array along an axis; -1: all of it."""
    if axis == -1 or rows is None or rows == slice(0, array.shape[axis]):
        return array
    if axis == 0:
        return array[rows]
    return op.slice_axis(array, axis=axis, begin=rows.start, end=rows.stop)


class DataParallelExecutorGroup:
    """Executors with the same parameters on several devices."""

    def __init__(self, symbol: Symbol, contexts: list[Context], workload: Sequence[float], data_shapes: list[DataDesc],
                 label_shapes: list[DataDesc] | None, param_names: Sequence[str], for_training: bool,
                 inputs_need_grad: bool, fixed_param_names: Sequence[str] | None = None, grad_req: GradReq = "write",
                 state_names: Sequence[str] | None = None, group2ctxs: list[Groups] | None = None,
                 shared_group: DataParallelExecutorGroup | None = None) -> None:
        self.symbol = symbol
        self.contexts = contexts
        self.workload = workload
        self.param_names = param_names
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self.state_names = state_names or []
        self.group2ctxs = group2ctxs
        self.arg_names = symbol.list_arguments()
        self.aux_names = symbol.list_auxiliary_states()
        self.grad_req = self._requests(grad_req, [d.name for d in data_shapes], fixed_param_names or [])
        self._bind(data_shapes, label_shapes, shared_group)

    def _requests(self, grad_req: Any, data_names: Sequence[str], fixed: Sequence[str]) -> dict[str, str]:
        if not self.for_training:
            return dict.fromkeys(self.arg_names, "null")
        requests = {}
        for at, name in enumerate(self.arg_names):
            if name in self.param_names:
                given = (grad_req if isinstance(grad_req, str) else grad_req.get(name, "write")
                         if isinstance(grad_req, dict) else grad_req[at])
                requests[name] = "null" if name in fixed else given
            else:
                requests[name] = "write" if name in data_names and self.inputs_need_grad else "null"
        return requests

    def _describe(self, data_shapes: list[DataDesc], label_shapes: list[DataDesc] | None) -> None:
        """Takes the shapes, and decides who gets which part of a batch."""
        self.data_shapes, self.label_shapes = data_shapes, label_shapes
        self.data_layouts = [_batch_axis(d) for d in data_shapes]
        self.label_layouts = [_batch_axis(d) for d in label_shapes or []]
        sizes = {d.shape[axis] for d, axis in zip(data_shapes, self.data_layouts) if axis != -1}
        if len(sizes) > 1:
            raise ValueError(f"found batches of {', '.join(map(str, sorted(sizes)))} in {data_shapes}, "
                             "expected the same size for all data")
        self.batch_size = sizes.pop() if sizes else 1
        alone = len(self.contexts) == 1
        self.slices = [slice(0, self.batch_size)] if alone else split_input_slice(self.batch_size, self.workload)

    def _shapes_of(self, at: int) -> dict[str, Shape]:
        """Input names to the shapes that device `at` sees."""
        shapes = {}
        for d, axis in zip((*self.data_shapes, *(self.label_shapes or [])),
                           (*self.data_layouts, *self.label_layouts)):
            shape = list(d.shape)
            if axis != -1:
                shape[axis] = self.slices[at].stop - self.slices[at].start
            shapes[d.name] = tuple(shape)
        return shapes

    def _bind(self, data_shapes: list[DataDesc], label_shapes: list[DataDesc] | None,
              shared_group: DataParallelExecutorGroup | None) -> None:
        self._describe(data_shapes, label_shapes)
        dtypes = {d.name: d.dtype for d in (*data_shapes, *(label_shapes or []))}
        self.execs: list[Executor] = []
        for at, context in enumerate(self.contexts):
            shared = shared_group.execs[at] if shared_group else None
            known = {n: s for n, s in self._shapes_of(at).items() if n in self.arg_names}
            groups = self.group2ctxs[at] if self.group2ctxs else None
            self.execs.append(self._bind_one(context, known, dtypes, groups, shared))
        self._collect()

    def _bind_one(self, context: Context, known: dict[str, Any], dtypes: Mapping[str, DType], groups: Groups | None,
                  shared: Executor | None) -> Executor:
        dtypes = {n: t for n, t in dtypes.items() if n in known}
        if shared is None:
            return self.symbol.simple_bind(context, self.grad_req, dtypes, group2ctx=groups, **known)
        # Parameters, their gradients and auxiliary states are the other executor's own arrays.
        args = {n: shared.arg_dict[n] for n in self.param_names if n in shared.arg_dict}
        grads = {n: shared.grad_dict[n] for n in args
                 if self.grad_req[n] != "null" and shared.grad_dict.get(n) is not None}
        aux = {n: shared.aux_dict[n] for n in self.aux_names if n in shared.aux_dict}
        return Executor._bind(self.symbol, context, known, dtypes, args, grads, aux, self.grad_req, groups)

    def _collect(self) -> None:
        """Lists of each parameter's arrays, one per device; inputs likewise."""
        def per_device(names: Sequence[str], of: Callable[[Executor], dict[str, Any]]) -> Any:
            return [[of(e)[name] for e in self.execs] for name in names]

        have = [n for n in self.param_names if n in self.arg_names]
        self.param_arrays = per_device(have, lambda e: e.arg_dict)
        self.grad_arrays = per_device(have, lambda e: e.grad_dict) if self.for_training else []
        self.aux_arrays = per_device(self.aux_names, lambda e: e.aux_dict)
        self._inputs = [(d.name, axis, "data", i) for i, (d, axis) in enumerate(zip(self.data_shapes,
                                                                                    self.data_layouts))]
        self._inputs += [(d.name, axis, "label", i) for i, (d, axis) in
                         enumerate(zip(self.label_shapes or [], self.label_layouts))]
        self._targets = [(kind, i, axis, [e.arg_dict[name] for e in self.execs])
                         for name, axis, kind, i in self._inputs if name in self.arg_names]
        self._output_axes = [_batch_axis_of_output(self.symbol, i) for i in range(len(self.symbol))]

    def reshape(self, data_shapes: list[DataDesc], label_shapes: list[DataDesc] | None) -> None:
        """Executors for other shapes, with the same parameters."""
        if data_shapes == self.data_shapes and label_shapes == self.label_shapes:
            return
        self._describe(data_shapes, label_shapes)
        shapes: list[dict[str, Any]] = [{n: s for n, s in self._shapes_of(at).items() if n in self.arg_names}
                                        for at in range(len(self.execs))]
        self.execs = [e.reshape(allow_up_sizing=True, **known) for e, known in zip(self.execs, shapes)]
        self._collect()

    # --- running
    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Copies the batch in, and runs the network."""
        labels = data_batch.label or []
        for kind, i, axis, targets in self._targets:
            if kind == "label" and i >= len(labels):
                continue
            source = data_batch.data[i] if kind == "data" else labels[i]
            for rows, target in zip(self.slices, targets):
                _load(source, rows, axis, target)
        is_train = self.for_training if is_train is None else is_train
        for e in self.execs:
            e.forward(is_train)

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        """Gradients; out_grads for the outputs that are not losses."""
        if not self.for_training:
            raise RuntimeError("re-bind with for_training=True to run backward")
        if out_grads is None:
            for e in self.execs:
                e.backward()
            return
        grads = [out_grads] if isinstance(out_grads, NDArray) else out_grads
        for e, rows, context in zip(self.execs, self.slices, self.contexts):
            e.backward([_part(g, rows, axis).as_in_context(context)
                        for g, axis in zip(grads, self._output_axes)])

    # --- results
    def get_output_shapes(self) -> list[tuple[str, Shape]]:
        """(name, shape) of the outputs for the whole batch."""
        shapes = []
        for i, (name, axis) in enumerate(zip(self.symbol.list_outputs(), self._output_axes)):
            shape = list(self.execs[0].outputs[i].shape)
            if axis != -1 and len(self.execs) > 1:
                shape[axis] = self.batch_size
            shapes.append((name, tuple(shape)))
        return shapes

    def _merge(self, arrays: list[Any], axes: Sequence[int], merge: bool) -> Any:
        """Lists per value of arrays per device; joined if wanted."""
        if not merge:
            return arrays
        if len(self.execs) == 1:
            return [a[0] for a in arrays]
        first = self.contexts[0]
        return [a[0] if axis == -1 else op.concat(*[p.as_in_context(first) for p in a], dim=axis)
                for a, axis in zip(arrays, axes)]

    def get_outputs(self, merge_multi_context: bool = True, begin: int = 0, end: int | None = None) -> Any:
        """The outputs."""
        end = len(self.symbol) if end is None else end
        arrays = [[e.outputs[i] for e in self.execs] for i in range(begin, end)]
        return self._merge(arrays, self._output_axes[begin:end], merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data."""
        if not self.inputs_need_grad:
            raise RuntimeError("bind with inputs_need_grad=True to have gradients of the data")
        arrays = [[e.grad_dict[d.name] for e in self.execs] for d in self.data_shapes]
        return self._merge(arrays, self.data_layouts, merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> Any:
        """The values of the states."""
        arrays = [[e.arg_dict[name] for e in self.execs] for name in self.state_names]
        return self._merge(arrays, [0] * len(arrays), merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets the states: each to an array, or all to one number."""
        if (states is None) == (value is None):
            raise ValueError("give either states or value")
        for i, name in enumerate(self.state_names):
            for at, e in enumerate(self.execs):
                e.arg_dict[name][:] = value if states is None else (
                    states[i][at] if isinstance(states[i], (list, tuple)) else states[i])

    def set_params(self, arg_params: Arrays, aux_params: Arrays, allow_extra: bool = False) -> None:
        """Copies parameters to every device."""
        for e in self.execs:
            e.copy_params_from(arg_params, aux_params, allow_extra)

    def get_params(self, arg_params: Arrays, aux_params: Arrays) -> None:
        """Copies parameters out, averaged over the devices."""
        names = [n for n in self.param_names if n in self.arg_names]
        for found, target in ((zip(names, self.param_arrays), arg_params),
                              (zip(self.aux_names, self.aux_arrays), aux_params)):
            for name, arrays in found:
                value = arrays[0]
                if len(arrays) > 1:
                    context = target[name].context
                    value = op.add_n(*[a.as_in_context(context) for a in arrays]) / len(arrays)
                value._copyto(target[name])

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric."""
        names = [d.name for d in self.label_shapes or []]
        outputs = self.symbol.list_outputs()
        for at, (e, rows) in enumerate(zip(self.execs, self.slices)):
            parts = labels[at] if pre_sliced else [
                _part(label, rows, axis) for label, axis in zip(labels, self.label_layouts or [0] * len(labels))]
            eval_metric.update_dict(dict(zip(names or map(str, range(len(parts))), parts)),
                                    dict(zip(outputs, e.outputs)))

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch every executor."""
        for e in self.execs:
            mon.install(e)


def _batch_axis_of_output(symbol: Symbol, index: int) -> int:
    return DataDesc.get_batch_axis(symbol[index].attr("__layout__"))


def _load(source: Any, rows: slice, axis: int, target: NDArray) -> None:
    """Copies one device's part of an input."""
    part = _part(source, rows, axis) if isinstance(source, NDArray) else source
    if isinstance(part, NDArray) and part.shape == target.shape:
        part._copyto(target)
    elif isinstance(part, NDArray) and part.size == target.size:
        part.reshape(target.shape)._copyto(target)
    else:
        target[:] = part
