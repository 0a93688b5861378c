"""Executors on several devices, each with its share of a batch: what FeedForward's loops were made of."""
from __future__ import annotations

import logging

from .executor import Executor
from .io import DataDesc
from .ndarray import NDArray, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._typing import Arrays, OneOrMore
    from .context import Context
    from .io import DataBatch, DataIter
    from .metric import EvalMetric
    from .monitor import Monitor
    from .symbol import Symbol

__all__ = ["DataParallelExecutorGroup", "DataParallelExecutorManager", "split_input_slice"]


def split_input_slice(batch_size: int, work_load_list: Sequence[float]) -> list[slice]:
    """Slices of a batch in proportion to the loads. Raises ValueError where one would be empty."""
    total = sum(work_load_list)
    counts = [round(load * batch_size / total) for load in work_load_list]
    counts[-1] += batch_size - sum(counts)
    slices, end = [], 0
    for count in counts:
        begin, end = end, min(end + count, batch_size)
        if begin >= end:
            raise ValueError(f"Too many slices such that some splits are empty: found a batch of {batch_size} for "
                             f"loads {list(work_load_list)}, expected a sample for each")
        slices.append(slice(begin, end))
    return slices


_split_input_slice = split_input_slice


def _check_arguments(symbol: Symbol) -> None:
    """Raises ValueError where two arguments, or two auxiliary states, have one name."""
    for what, names in (("argument", symbol.list_arguments()), ("auxiliary param", symbol.list_auxiliary_states())):
        for at, name in enumerate(names):
            if name in names[:at]:
                raise ValueError(f'Find duplicated {what} name "{name}", please make the weight name non-duplicated '
                                 f"(using name arguments), {what}s are {names}")


def part_of(array: NDArray, rows: slice | None, axis: int) -> NDArray:
    """The rows of an array along an axis; axis -1, or no rows: all of it."""
    if axis == -1 or rows is None or rows == slice(0, array.shape[axis]):
        return array
    if axis == 0:
        return array[rows]
    return op.slice_axis(array, axis=axis, begin=rows.start, end=rows.stop)


def load_into(source: Any, rows: slice | None, axis: int, target: NDArray) -> None:
    """Copies one device's part of an input."""
    part = part_of(source, rows, axis) if isinstance(source, NDArray) else source
    if isinstance(part, NDArray) and part.shape == target.shape:
        part._copyto(target)
    elif isinstance(part, NDArray) and part.size == target.size:
        part.reshape(target.shape)._copyto(target)
    else:
        target[:] = part


def _load_general(data: Sequence[Any], targets: Sequence[Any]) -> None:
    """Copies arrays into targets: each an array, or (rows, array) pairs with one per device."""
    for source, target in zip(data, targets):
        pairs = [(None, target)] if isinstance(target, NDArray) else target
        for rows, array in pairs:
            load_into(source, rows, 0, array)


def _load_data(batch: DataBatch, targets: Sequence[Any]) -> None:
    """Copies the data of a batch."""
    _load_general(batch.data, targets)


def _load_label(batch: DataBatch, targets: Sequence[Any]) -> None:
    """Copies the labels of a batch."""
    _load_general(batch.label or [], targets)


def merged_into(values: Sequence[NDArray], target: NDArray) -> None:
    """The mean of the devices' copies of one parameter."""
    value = values[0]
    if len(values) > 1:
        value = op.add_n(*[v.as_in_context(target.context) for v in values]) / len(values)
    value._copyto(target)


class DataParallelExecutorGroup:
    """One executor per device, for one symbol.

    sym: the network. arg_names, param_names: its arguments, and those of them that are trained. slices: the devices'
    rows of a batch. train_data: an iterator, or what has its provide_data and provide_label. shared_group: another
    group, whose parameters, gradients and auxiliary states are used.
    """

    def __init__(self, sym: Symbol, arg_names: Sequence[str], param_names: Sequence[str], ctx: Sequence[Context],
                 slices: Sequence[slice], train_data: DataIter, shared_group: DataParallelExecutorGroup | None = None) -> None:
        _check_arguments(sym)
        self.sym = sym
        self.arg_names = list(arg_names)
        self.param_names = [name for name in arg_names if name in param_names]
        self.param_idx = [i for i, name in enumerate(arg_names) if name in param_names]
        self.aux_names = sym.list_auxiliary_states()
        self.slices = list(slices)
        described = [d if isinstance(d, DataDesc) else DataDesc(*d)
                     for d in (*train_data.provide_data, *(train_data.provide_label or []))]
        self.data_names = [d[0] for d in train_data.provide_data]
        self.label_names = [d[0] for d in train_data.provide_label or []]
        self.train_execs: list[Executor] = [self._bind(described, i, ctx[i], shared_group.train_execs[i] if shared_group else None)
                            for i in range(len(ctx))]
        self.data_arrays = [[(rows, e.arg_dict[name]) for rows, e in zip(self.slices, self.train_execs)]
                            for name in self.data_names]
        self.label_arrays = [[(rows, e.arg_dict[name]) for rows, e in zip(self.slices, self.train_execs)]
                             for name in self.label_names if name in self.arg_names]
        self.param_arrays = [[e.arg_arrays[i] for e in self.train_execs] for i in self.param_idx]
        self.grad_arrays = [[e.grad_arrays[i] for e in self.train_execs] for i in self.param_idx]
        self.aux_arrays = [[e.aux_arrays[i] for e in self.train_execs] for i in range(len(self.aux_names))]

    def _bind(self, described: list[DataDesc], at: int, ctx: Context, shared: Executor | None) -> Executor:
        rows = self.slices[at].stop - self.slices[at].start
        known: dict[str, Any] = {d.name: (rows, *d.shape[1:]) for d in described if d.name in self.arg_names}
        dtypes = {d.name: d.dtype for d in described if d.name in known}
        requests = {name: "write" if name in self.param_names else "null" for name in self.arg_names}
        if shared is None:
            return self.sym.simple_bind(ctx, requests, dtypes, **known)
        args = {n: shared.arg_dict[n] for n in self.param_names}
        return Executor._bind(self.sym, ctx, known, dtypes, args, {n: shared.grad_dict[n] for n in args},
                              {n: shared.aux_dict[n] for n in self.aux_names}, requests, None)

    def load_data_batch(self, data_batch: DataBatch) -> None:
        """Copies a batch to the devices."""
        _load_data(data_batch, self.data_arrays)
        _load_label(data_batch, self.label_arrays)

    def forward(self, is_train: bool = False) -> None:
        """Runs the network on what was loaded."""
        for e in self.train_execs:
            e.forward(is_train)

    def backward(self) -> None:
        """Gradients of the parameters."""
        for e in self.train_execs:
            e.backward()

    def update_metric(self, metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric; pre_sliced: labels are lists, one per device."""
        for at, (e, rows) in enumerate(zip(self.train_execs, self.slices)):
            metric.update(labels[at] if pre_sliced else [part_of(label, rows, 0) for label in labels], e.outputs)


class DataParallelExecutorManager:
    """A DataParallelExecutorGroup, or with sym_gen one per bucket, which share their parameters.

    symbol: the network. ctx: the devices. train_data: an iterator; with sym_gen, of batches with a bucket_key.
    arg_names, param_names, aux_names: the symbol's arguments, those of them that are trained, its auxiliary states.
    work_load_list: shares of the batch, equal by default. Raises ValueError for duplicate names.
    """

    def __init__(self, symbol: Symbol, ctx: OneOrMore[Context], train_data: DataIter, arg_names: Sequence[str],
                 param_names: Sequence[str], aux_names: Sequence[str],
                 work_load_list: Sequence[float] | None = None, logger: Any = None,
                 sym_gen: Callable[[Any], Symbol] | None = None) -> None:
        self.logger = logger or logging
        self.ctx: list[Context] = list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]  # type: ignore[list-item]
        self.logger.info("Start training with %s", self.ctx)
        loads = work_load_list or [1] * len(self.ctx)
        if len(loads) != len(self.ctx):
            raise ValueError(f"found {len(loads)} work loads for {len(self.ctx)} devices, expected one for each")
        self.slices = split_input_slice(train_data.batch_size, loads)
        self.symbol = symbol
        self.arg_names, self.param_names, self.aux_names = list(arg_names), list(param_names), list(aux_names)
        self.sym_gen = sym_gen
        self.execgrp = DataParallelExecutorGroup(symbol, self.arg_names, self.param_names, self.ctx, self.slices, train_data)
        self.curr_execgrp: DataParallelExecutorGroup = self.execgrp
        self.execgrp_bucket: dict[Any, DataParallelExecutorGroup] = {}
        if sym_gen is not None:
            self.execgrp_bucket[getattr(train_data, "default_bucket_key", None)] = self.execgrp

    def install_monitor(self, monitor: Monitor) -> None:
        """Lets a Monitor watch the executors. Raises NotImplementedError with sym_gen."""
        if self.sym_gen is not None:
            raise NotImplementedError("Monitoring is not implemented for bucketing")
        for e in self.execgrp.train_execs:
            monitor.install(e)

    def set_params(self, arg_params: Arrays, aux_params: Arrays) -> None:
        """Copies parameters to all devices."""
        for e in self.execgrp.train_execs:
            e.copy_params_from(arg_params, aux_params)

    def copy_to(self, arg_params: Arrays, aux_params: Arrays) -> None:
        """Copies parameters out, into arrays by name: means over the devices."""
        for names, found, target in ((self.param_names, self.param_arrays, arg_params),
                                     (self.aux_names, self.aux_arrays, aux_params)):
            for name, arrays in zip(names, found):
                merged_into(arrays, target[name])

    @property
    def param_arrays(self) -> list[list[NDArray]]:
        """The parameters: for each, its arrays on the devices."""
        return self.execgrp.param_arrays

    @property
    def grad_arrays(self) -> list[list[Any]]:
        """The parameters' gradients: for each, its arrays on the devices."""
        return self.execgrp.grad_arrays

    @property
    def aux_arrays(self) -> list[list[NDArray]]:
        """The auxiliary states: for each, its arrays on the devices."""
        return self.execgrp.aux_arrays

    def load_data_batch(self, data_batch: DataBatch) -> None:
        """Copies a batch to the devices; with sym_gen, to the group of its bucket."""
        if self.sym_gen is not None:
            key: Any = data_batch.bucket_key
            if key not in self.execgrp_bucket:
                described: Any = data_batch
                symbol = self.sym_gen(key)
                self.execgrp_bucket[key] = DataParallelExecutorGroup(
                    symbol, symbol.list_arguments(), self.param_names, self.ctx, self.slices, described, self.execgrp)
            self.curr_execgrp = self.execgrp_bucket[key]
        self.curr_execgrp.load_data_batch(data_batch)

    def forward(self, is_train: bool = False) -> None:
        """Runs the network on what was loaded."""
        self.curr_execgrp.forward(is_train=is_train)

    def backward(self) -> None:
        """Gradients of the parameters."""
        self.curr_execgrp.backward()

    def update_metric(self, metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric."""
        self.curr_execgrp.update_metric(metric, labels, pre_sliced)
