"""The executors of one module: one per device, each with its share of the batch."""
from __future__ import annotations

import logging

from ..executor import Executor
from ..executor_manager import load_into, merged_into, part_of, split_input_slice
from ..io import DataDesc
from ..ndarray import NDArray, op, zeros

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

_split_input_slice = split_input_slice


def _batch_axis(description: DataDesc) -> int:
    return DataDesc.get_batch_axis(getattr(description, "layout", None))


def _prepare_group2ctxs(group2ctxs: Any, ctx_len: int) -> list[Groups] | None:
    """A dict of groups for each device. Given: such a list, or one dict from a group to a context or to one per device."""
    if group2ctxs is None:
        return None
    if isinstance(group2ctxs, (list, tuple)):
        if len(group2ctxs) != ctx_len:
            raise ValueError(f"found {len(group2ctxs)} group2ctxs for {ctx_len} devices, expected one for each")
        return list(group2ctxs)
    if not isinstance(group2ctxs, dict):
        raise TypeError(f"found group2ctxs of type {type(group2ctxs).__name__}, expected a dict or a list of dicts")
    found: list[dict[str, Context]] = [{} for _ in range(ctx_len)]
    for group, given in group2ctxs.items():
        contexts = list(given) if isinstance(given, (list, tuple)) else [given]
        if len(contexts) == 1:
            contexts *= ctx_len
        if len(contexts) != ctx_len:
            raise ValueError(f"found {len(contexts)} contexts of group {group} for {ctx_len} devices, expected one for each")
        for at, context in enumerate(contexts):
            found[at][group] = context
    return list(found)


class DataParallelExecutorGroup:
    """Executors with the same parameters on several devices.

    param_arrays, grad_arrays and aux_arrays hold, for each name, the arrays on all devices; data_arrays and
    label_arrays likewise (rows of the batch, array) pairs.
    """

    def __init__(self, symbol: Symbol, contexts: list[Context], workload: Sequence[float] | None, data_shapes: list[DataDesc],
                 label_shapes: list[DataDesc] | None, param_names: Sequence[str], for_training: bool,
                 inputs_need_grad: bool, shared_group: DataParallelExecutorGroup | None = None, logger: Any = logging,
                 fixed_param_names: Sequence[str] | None = None, grad_req: GradReq = "write",
                 state_names: Sequence[str] | None = None, group2ctxs: Any = None,
                 memory_budget: int | str | None = None) -> None:
        self.symbol = symbol
        self.contexts = contexts
        self.workload = workload or [1] * len(contexts)
        self.param_names = param_names
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self.logger = logger
        self.fixed_param_names = list(fixed_param_names or [])
        self.state_names = list(state_names or [])
        self.memory_budget = memory_budget
        self.group2ctxs = _prepare_group2ctxs(group2ctxs, len(contexts))
        self.arg_names = symbol.list_arguments()
        self.aux_names = symbol.list_auxiliary_states()
        self.output_names = symbol.list_outputs()
        self.num_outputs = len(self.output_names)
        self.output_layouts = [_batch_axis_of_output(symbol, i) for i in range(self.num_outputs)]
        self.grad_req = self._requests(grad_req, [d.name for d in data_shapes])
        self.shared_group = shared_group
        self.execs: list[Executor] = []
        self._monitors: list[Monitor] = []
        self.bind_exec(data_shapes, label_shapes, shared_group)

    def _requests(self, grad_req: Any, data_names: Sequence[str]) -> dict[str, str]:
        if not self.for_training:
            return dict.fromkeys(self.arg_names, "null")
        if isinstance(grad_req, (list, tuple)):
            if len(grad_req) != len(self.arg_names):
                raise ValueError(f"found {len(grad_req)} entries in grad_req, expected one for each of {self.arg_names}")
            return dict(zip(self.arg_names, grad_req))
        if not isinstance(grad_req, (str, dict)):
            raise ValueError(f"found grad_req of type {type(grad_req).__name__}, expected str, list, tuple or dict")
        usual = grad_req if isinstance(grad_req, str) else "write"
        wanted = {name: usual for name in self.param_names if name not in self.fixed_param_names}
        if self.inputs_need_grad:
            wanted.update(dict.fromkeys(data_names, usual))
        if isinstance(grad_req, dict):
            wanted.update(grad_req)
        return {name: wanted.get(name, "null") for name in self.arg_names}

    # --- shapes
    def decide_slices(self, data_shapes: Sequence[DataDesc]) -> list[int]:
        """Decides which rows of a batch each device gets; the batch axis of each input, -1 where there is none.

        Raises ValueError where batch sizes differ or a device would get no rows.
        """
        axes = [_batch_axis(d) for d in data_shapes]
        self.batch_size = next((d.shape[axis] for d, axis in zip(data_shapes, axes) if axis != -1), 1)
        for d, axis in zip(data_shapes, axes):
            self._check_batch(d, axis)
        alone = len(self.contexts) == 1
        self.slices = [slice(0, self.batch_size)] if alone else split_input_slice(self.batch_size, self.workload)
        return axes

    def _check_batch(self, description: DataDesc, axis: int) -> None:
        if axis == -1:
            return
        if axis >= len(description.shape) or description.shape[axis] != self.batch_size:
            raise ValueError(f"all data must have the same batch size: batch_size = {self.batch_size}, but "
                             f"{description.name} has shape {tuple(description.shape)}")

    def _describe(self, data_shapes: list[DataDesc], label_shapes: list[DataDesc] | None) -> None:
        """Takes the shapes, and decides who gets which part of a batch."""
        self.data_layouts = self.decide_slices(data_shapes)
        self.label_layouts = [_batch_axis(d) for d in label_shapes or []]
        for d, axis in zip(label_shapes or [], self.label_layouts):
            self._check_batch(d, axis)
        self.data_shapes, self.label_shapes = data_shapes, label_shapes
        self.data_names = [d.name for d in data_shapes]
        self.label_names = [d.name for d in label_shapes or []]

    def _shapes_of(self, at: int) -> dict[str, Shape]:
        """Names of the network's inputs to the shapes that device `at` sees."""
        shapes = {}
        for d, axis in zip((*self.data_shapes, *(self.label_shapes or [])),
                           (*self.data_layouts, *self.label_layouts)):
            shape = list(d.shape)
            if axis != -1:
                shape[axis] = self.slices[at].stop - self.slices[at].start
            if d.name in self.arg_names:
                shapes[d.name] = tuple(shape)
        return shapes

    # --- binding
    def bind_exec(self, data_shapes: list[DataDesc], label_shapes: list[DataDesc] | None,
                  shared_group: DataParallelExecutorGroup | None = None, reshape: bool = False) -> None:
        """Makes the executors, or with reshape others that share the parameters of those there are."""
        self._describe(data_shapes, label_shapes)
        before, known = self.execs, [self._shapes_of(at) for at in range(len(self.contexts))]
        if reshape:
            shapes: Any = known
            self.execs = [e.reshape(allow_up_sizing=True, **s) for e, s in zip(before, shapes)]
        else:
            dtypes = {d.name: d.dtype for d in (*data_shapes, *(label_shapes or []))}
            self.execs = [self._bind_one(at, known[at], dtypes, shared_group.execs[at] if shared_group else None)
                          for at in range(len(self.contexts))]
        self._collect_arrays()
        for mon in self._monitors:
            self._watch(mon, before)

    def _bind_one(self, at: int, known: dict[str, Any], dtypes: Mapping[str, DType], shared: Executor | None) -> Executor:
        context = self.contexts[at]
        groups = self.group2ctxs[at] if self.group2ctxs else None
        dtypes = {n: t for n, t in dtypes.items() if n in known}
        if shared is None:
            return self.symbol.simple_bind(context, self.grad_req, dtypes, group2ctx=groups,
                                           memory_budget=self.memory_budget, **known)
        # Parameters, their gradients and auxiliary states are the other executor's own arrays.
        args = {n: shared.arg_dict[n] for n in self.param_names if n in shared.arg_dict}
        grads = {n: shared.grad_dict[n] for n in args
                 if self.grad_req[n] != "null" and shared.grad_dict.get(n) is not None}
        aux = {n: shared.aux_dict[n] for n in self.aux_names if n in shared.aux_dict}
        return Executor._bind(self.symbol, context, known, dtypes, args, grads, aux, self.grad_req, groups, self.memory_budget)

    def _collect_arrays(self) -> None:
        """Lists of each parameter's arrays, one per device; inputs likewise."""
        def per_device(names: Sequence[str], of: Callable[[Executor], dict[str, Any]]) -> Any:
            return [[of(e)[name] for e in self.execs] for name in names]

        def with_rows(names: Sequence[str]) -> Any:
            return [[(rows, e.arg_dict[name]) for rows, e in zip(self.slices, self.execs)]
                    for name in names if name in self.arg_names]

        self.param_names = [n for n in self.param_names if n in self.arg_names]
        self.param_arrays = per_device(self.param_names, lambda e: e.arg_dict)
        self.grad_arrays = per_device(self.param_names, lambda e: e.grad_dict) if self.for_training else []
        self.aux_arrays = per_device(self.aux_names, lambda e: e.aux_dict)
        self.state_arrays = per_device(self.state_names, lambda e: e.arg_dict)
        self.input_grad_arrays = per_device(self.data_names, lambda e: e.grad_dict) if self.inputs_need_grad else []
        self.data_arrays = with_rows(self.data_names)
        self.label_arrays = with_rows(self.label_names)
        self._targets = [("data", i, axis, [e.arg_dict[name] for e in self.execs])
                         for i, (name, axis) in enumerate(zip(self.data_names, self.data_layouts))
                         if name in self.arg_names]
        self._targets += [("label", i, axis, [e.arg_dict[name] for e in self.execs])
                          for i, (name, axis) in enumerate(zip(self.label_names, self.label_layouts))
                          if name in self.arg_names]

    def reshape(self, data_shapes: list[DataDesc], label_shapes: list[DataDesc] | None) -> None:
        """Executors for other shapes, with the same parameters."""
        if data_shapes == self.data_shapes and label_shapes == self.label_shapes:
            return
        self.bind_exec(data_shapes, label_shapes, reshape=True)

    # --- running
    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Copies the batch in, and runs the network."""
        labels = getattr(data_batch, "label", None) or []
        for kind, i, axis, targets in self._targets:
            if kind == "label" and i >= len(labels):
                continue
            source = data_batch.data[i] if kind == "data" else labels[i]
            for rows, target in zip(self.slices, targets):
                try:
                    load_into(source, rows, axis, target)
                except (ValueError, RuntimeError) as error:
                    self._check_shape(kind, i, source, error)
                    raise
        is_train = self.for_training if is_train is None else is_train
        for e in self.execs:
            e.forward(is_train)

    def _check_shape(self, kind: str, at: int, source: Any, cause: Exception) -> None:
        """Refuses an input that has not the shape it was bound with."""
        bound: Any = self.data_shapes if kind == "data" else self.label_shapes
        found = getattr(source, "shape", None)
        if found is not None and tuple(found) != tuple(bound[at].shape):
            raise ValueError(f"[forward] {kind} '{bound[at].name}' has shape {tuple(found)}, expected "
                             f"{tuple(bound[at].shape)}, as it was bound") from cause

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
            e.backward([part_of(g, rows, axis).as_in_context(context)
                        for g, axis in zip(grads, self.output_layouts)])

    # --- results
    def get_output_shapes(self) -> list[tuple[str, Shape]]:
        """(name, shape) of the outputs for the whole batch."""
        shapes = []
        for i, (name, axis) in enumerate(zip(self.output_names, self.output_layouts)):
            shape = list(self.execs[0].outputs[i].shape)
            if axis != -1 and len(self.execs) > 1:
                shape[axis] = self.batch_size
            shapes.append((name, tuple(shape)))
        return shapes

    def _merge(self, arrays: list[Any], axes: Sequence[int], merge: bool) -> Any:
        """Lists per value of arrays per device; joined if wanted."""
        return _merge_multi_context(arrays, axes) if merge else arrays

    def get_outputs(self, merge_multi_context: bool = True, begin: int = 0, end: int | None = None) -> Any:
        """The outputs from number `begin` up to `end`; without merge_multi_context lists of one array per device."""
        end = self.num_outputs if end is None else end
        arrays = [[e.outputs[i] for e in self.execs] for i in range(begin, end)]
        return self._merge(arrays, self.output_layouts[begin:end], merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data."""
        if not self.inputs_need_grad:
            raise RuntimeError("bind with inputs_need_grad=True to have gradients of the data")
        return self._merge(self.input_grad_arrays, self.data_layouts, merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> Any:
        """The values of the states."""
        return self._merge(self.state_arrays, [0] * len(self.state_arrays), merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets the states: each to an array or to arrays for the devices, or all to one number.

        Raises ValueError unless one of the two is given, with one entry per state.
        """
        if (states is None) == (value is None):
            raise ValueError(f"found {'neither' if states is None else 'both'} of states and value, expected one of them")
        if states is None:
            for arrays in self.state_arrays:
                for array in arrays:
                    array[:] = value
            return
        if len(states) != len(self.state_arrays):
            raise ValueError(f"found {len(states)} states, expected one for each of {self.state_names}")
        for given, arrays in zip(states, self.state_arrays):
            for at, (array, rows) in enumerate(zip(arrays, self.slices)):
                if isinstance(given, (list, tuple)):
                    array[:] = given[at]
                else:
                    array[:] = given if given.shape == array.shape else part_of(given, rows, 0)

    # --- parameters
    def set_params(self, arg_params: Arrays, aux_params: Arrays, allow_extra: bool = False) -> None:
        """Copies parameters to every device."""
        for e in self.execs:
            e.copy_params_from(arg_params, aux_params, allow_extra)

    def get_params(self, arg_params: Arrays, aux_params: Arrays) -> None:
        """Copies parameters out, averaged over the devices."""
        for names, found, target in ((self.param_names, self.param_arrays, arg_params),
                                     (self.aux_names, self.aux_arrays, aux_params)):
            for name, arrays in zip(names, found):
                if name not in target:
                    target[name] = zeros(arrays[0].shape, dtype=arrays[0].dtype)
                merged_into(arrays, target[name])

    # --- watching
    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric."""
        for at, (e, rows) in enumerate(zip(self.execs, self.slices)):
            parts = labels[at] if pre_sliced else [
                part_of(label, rows, axis) for label, axis in zip(labels or [], self.label_layouts or [0] * len(labels or []))]
            eval_metric.update_dict(dict(zip(self.label_names or map(str, range(len(parts))), parts)),
                                    dict(zip(self.output_names, e.outputs)))

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch every executor, those that reshape() makes too."""
        self._monitors.append(mon)
        self._watch(mon, [])

    def _watch(self, mon: Monitor, before: list[Executor]) -> None:
        """`before`: executors that these replace."""
        if before:
            mon.exes = [e for e in mon.exes if all(e is not old for old in before)]
        for e in self.execs:
            mon.install(e)


# Names by which users' groups of executors import what MXNet's is made of.
def _load_general(data: Sequence[Any], targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copies arrays into targets: each an array, or (rows along the axis, array) pairs with one per device."""
    for source, target, axis in zip(data, targets, major_axis):
        for rows, array in [(None, target)] if isinstance(target, NDArray) else target:
            load_into(source, rows, axis, array)


def _load_data(batch: DataBatch, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copies the data of a batch."""
    _load_general(batch.data, targets, major_axis)


def _load_label(batch: DataBatch, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copies the labels of a batch."""
    _load_general(batch.label or [], targets, major_axis)


def _merge_multi_context(outputs: Sequence[Sequence[NDArray]], major_axis: Sequence[int]) -> list[NDArray]:
    """Lists of one array per device, joined along the axes; axis -1: the first."""
    return [parts[0] if axis == -1 or len(parts) == 1
            else op.concat(*[p.as_in_context(parts[0].context) for p in parts], dim=axis)
            for parts, axis in zip(outputs, major_axis)]


def _batch_axis_of_output(symbol: Symbol, index: int) -> int:
    return DataDesc.get_batch_axis(symbol[index].attr("__layout__"))
