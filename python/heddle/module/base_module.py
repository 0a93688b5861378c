"""What all modules share: fit, score and predict, over the steps that each kind of module defines."""
from __future__ import annotations

import logging
import time
import warnings

from .. import metric as _metric
from ..initializer import Uniform
from ..io import DataBatch, DataDesc
from .._checkpoint import BatchEndParam
from .._progress import EpochBar
from ..ndarray import NDArray, array, load, op, save

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .._typing import (Arrays, BatchEnd, EpochEnd, GradReq, InitializerLike, OneOrMore, Results, RowIds, Shape,
                           Shapes)
    from ..io import DataIter
    from ..kvstore import KVStoreBase
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..optimizer import Optimizer
    from ..symbol import Symbol


def as_list(value: Any) -> list[Any]:
    """A list of callbacks or names, given one, several or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def call_all(callbacks: Any, *args: Any) -> None:
    """Calls each of the callbacks."""
    for callback in as_list(callbacks):
        callback(*args)


def descriptions(data_shapes: Shapes, label_shapes: Shapes | None) -> tuple[list[DataDesc], list[DataDesc] | None]:
    """DataDescs of (name, shape) pairs."""
    data = [d if isinstance(d, DataDesc) else DataDesc(*d) for d in data_shapes]
    labels = [d if isinstance(d, DataDesc) else DataDesc(*d) for d in label_shapes or []]
    return data, labels or None


# Names by which users' modules import what MXNet's are made of.
_as_list = as_list


def _check_input_names(symbol: Symbol, names: Sequence[str], typename: str, throw: bool) -> None:
    """ValueError, or a warning unless throw, for a name that is not among the symbol's arguments."""
    arguments = symbol.list_arguments()
    for name in names:
        if name in arguments:
            continue
        candidates = [a for a in arguments if not a.endswith(("_weight", "_bias", "_gamma", "_beta"))]
        text = (f"You created Module with Module(..., {typename}_names={names}) but input with name '{name}' is not "
                f"found in symbol.list_arguments(). Did you mean one of:\n\t" + "\n\t".join(candidates))
        if throw:
            raise ValueError(text)
        warnings.warn(text, stacklevel=4)


def _check_names_match(data_names: Sequence[str], data_shapes: Sequence[DataDesc], name: str, throw: bool) -> None:
    """ValueError, or a warning unless throw, where descriptions have other names than were promised."""
    if sorted(data_names) == sorted(d.name for d in data_shapes):
        return
    text = (f"Data provided by {name}_shapes don't match names specified by {name}_names "
            f"({[tuple(d) for d in data_shapes]} vs. {list(data_names)})")
    if throw:
        raise ValueError(text)
    if data_shapes:  # without labels there is no training, but running
        warnings.warn(text, stacklevel=5)


def _parse_data_desc(data_names: Sequence[str], label_names: Sequence[str] | None, data_shapes: Shapes,
                     label_shapes: Shapes | None) -> tuple[list[DataDesc], list[DataDesc] | None]:
    """DataDescs of (name, shape) pairs, whose names are those given. Raises ValueError for other data."""
    data, labels = descriptions(data_shapes, label_shapes)
    _check_names_match(data_names, data, "data", True)
    _check_names_match(label_names or [], labels or [], "label", False)
    return data, labels


class BaseModule:
    """A network that can be bound, given parameters and an optimizer, and run on batches.

    Used in steps: bind, init_params, init_optimizer, then forward, backward and update per batch; or fit, which
    does all of them.
    """

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Symbol = None  # type: ignore[assignment]  # modules of several have none

    @property
    def symbol(self) -> Symbol:
        """The network; None where there is not one but several."""
        return self._symbol

    # --- what each kind of module defines
    @property
    def data_names(self) -> list[str]:
        """The names of the data that forward takes."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its data is called")

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its outputs are called")

    @property
    def data_shapes(self) -> list[DataDesc]:
        """Names and shapes of the data it is bound to."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its data is")

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """Names and shapes of the labels it is bound to; None without labels."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its labels are")

    @property
    def output_shapes(self) -> list[tuple[str, Shape]]:
        """(name, shape) of the outputs."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its outputs are")

    def bind(self, data_shapes: Shapes, label_shapes: Shapes | None = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: GradReq = "write") -> None:
        """Makes what runs the network on data of these shapes. A module bound already stays as it is, unless
        force_rebind; with shared_module, the parameters are those of another module."""
        raise NotImplementedError(f"{type(self).__name__} cannot be bound")

    def init_optimizer(self, kvstore: str | KVStoreBase | None = "local", optimizer: str | Optimizer = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Decides how update() works: by which optimizer, and through which store."""
        raise NotImplementedError(f"{type(self).__name__} has no optimizer")

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Runs the network on a batch; for training if is_train, by default as it was bound."""
        raise NotImplementedError(f"{type(self).__name__} does not run")

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        """Gradients of the parameters; out_grads for the outputs that are not losses."""
        raise NotImplementedError(f"{type(self).__name__} has no gradients")

    def update(self) -> None:
        """Changes the parameters by their gradients."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        """The outputs of the last forward: arrays, or without merge_multi_context lists with one per device."""
        raise NotImplementedError(f"{type(self).__name__} has no outputs")

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data, if it was bound with inputs_need_grad; merged as in get_outputs."""
        raise NotImplementedError(f"{type(self).__name__} has no gradients")

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric; pre_sliced: labels are lists, one per device."""
        raise NotImplementedError(f"{type(self).__name__} has no outputs")

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch what runs the network."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to watch")

    def _need(self, *steps: Any) -> None:
        for step in steps:
            done = {"bind": self.binded, "init_params": self.params_initialized,
                    "init_optimizer": self.optimizer_initialized}[step]
            if not done:
                raise RuntimeError(f"{type(self).__name__}.{step}() must be called before this")

    # --- loops
    def forward_backward(self, data_batch: DataBatch) -> None:
        """forward in training mode, then backward."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def _prepare(self, batch: Any, sparse_row_id_fn: RowIds | None) -> None:
        """prepare(), which users' modules may have written for the batch alone."""
        if sparse_row_id_fn is None:
            self.prepare(batch)
        else:
            self.prepare(batch, sparse_row_id_fn=sparse_row_id_fn)

    def _update_metric(self, eval_metric: EvalMetric, batch: Any) -> None:
        """update_metric(); a list of batches holds one per device."""
        if isinstance(batch, list):
            self.update_metric(eval_metric, [b.label for b in batch], pre_sliced=True)
        else:
            self.update_metric(eval_metric, batch.label)

    def _run(self, data: DataIter, num_batch: int | None, reset: bool,
             sparse_row_id_fn: RowIds | None = None) -> Iterator[tuple[int, DataBatch]]:
        """Runs forward over an iterator; (number, batch) of each."""
        self._need("bind", "init_params")
        if reset:
            data.reset()
        for nbatch, batch in enumerate(data):
            if nbatch == num_batch:
                break
            self._prepare(batch, sparse_row_id_fn)
            self.forward(batch, is_train=False)
            yield nbatch, batch

    def score(self, eval_data: DataIter, eval_metric: Any, num_batch: int | None = None,
              batch_end_callback: OneOrMore[BatchEnd] | None = None,
              score_end_callback: OneOrMore[BatchEnd] | None = None, reset: bool = True, epoch: int = 0,
              sparse_row_id_fn: RowIds | None = None) -> Results:
        """The metric over an iterator, as (name, value) pairs.

        eval_metric: a metric, or what metric.create takes. num_batch: how many batches at most. Callbacks get a
        BatchEndParam, whose locals have eval_batch.
        """
        self._need("bind", "init_params")
        eval_metric = _metric.create(eval_metric)
        eval_metric.reset()
        actual_num_batch = 0
        for nbatch, eval_batch in self._run(eval_data, num_batch, reset, sparse_row_id_fn):
            self._update_metric(eval_metric, eval_batch)
            if batch_end_callback is not None:
                call_all(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            actual_num_batch += 1
        if score_end_callback is not None:
            call_all(score_end_callback, BatchEndParam(epoch, actual_num_batch, eval_metric, locals()))
        return eval_metric.get_global_name_value()

    def _unpadded(self, batch: DataBatch) -> list[NDArray]:
        pad = getattr(batch, "pad", None) or 0
        return [out[:out.shape[0] - pad] if pad else out for out in self.get_outputs()]

    def iter_predict(self, eval_data: DataIter, num_batch: int | None = None, reset: bool = True,
                     sparse_row_id_fn: RowIds | None = None) -> Iterator[tuple[list[NDArray], int, DataBatch]]:
        """(outputs, number, batch) for every batch, without padding."""
        for nbatch, batch in self._run(eval_data, num_batch, reset, sparse_row_id_fn):
            yield self._unpadded(batch), nbatch, batch

    def predict(self, eval_data: Any, num_batch: int | None = None, merge_batches: bool = True, reset: bool = True,
                always_output_list: bool = False, sparse_row_id_fn: RowIds | None = None) -> Any:
        """The outputs over an iterator, joined along the first axis unless merge_batches is false.

        One array for a network of one output, unless always_output_list; a list otherwise. Without merge_batches, a
        list per batch. Samples that only fill the last batch up are left out. eval_data may also be an array, one
        batch: then the first output.
        """
        self._need("bind", "init_params")
        if isinstance(eval_data, NDArray) or hasattr(eval_data, "__array__"):
            data = eval_data if isinstance(eval_data, NDArray) else array(eval_data)
            self.forward(DataBatch([data]), is_train=False)
            return self.get_outputs()[0]
        batches = []
        for _, batch in self._run(eval_data, num_batch, reset, sparse_row_id_fn):
            batches.append([out.copy() for out in self._unpadded(batch)])
        if not batches or not merge_batches:
            return batches
        if any(len(b) != len(batches[0]) for b in batches):
            raise ValueError("Cannot merge batches, as num of outputs is not the same in mini-batches. "
                             "Maybe bucketing is used?")
        outputs = [op.concat(*parts, dim=0) for parts in zip(*batches)]
        return outputs[0] if len(outputs) == 1 and not always_output_list else outputs

    def fit(self, train_data: DataIter, eval_data: DataIter | None = None, eval_metric: Any = "acc",
            epoch_end_callback: OneOrMore[EpochEnd] | None = None,
            batch_end_callback: OneOrMore[BatchEnd] | None = None, kvstore: str | KVStoreBase | None = "local",
            optimizer: str | Optimizer = "sgd", optimizer_params: Any = (("learning_rate", 0.01),),
            eval_end_callback: OneOrMore[BatchEnd] | None = None,
            eval_batch_end_callback: OneOrMore[BatchEnd] | None = None, initializer: InitializerLike = Uniform(0.01),
            arg_params: Arrays | None = None, aux_params: Arrays | None = None, allow_missing: bool = False,
            force_rebind: bool = False, force_init: bool = False, begin_epoch: int = 0, num_epoch: int | None = None,
            validation_metric: Any = None, monitor: Monitor | None = None,
            sparse_row_id_fn: RowIds | None = None) -> None:
        """Trains from begin_epoch up to num_epoch: binds, initialises what is not, then runs and scores epochs.

        eval_metric and validation_metric: metrics, or what metric.create takes. optimizer_params: the optimizer's
        keywords, as a dict or pairs. arg_params and aux_params: first values; the rest comes from the initializer.
        batch_end_callback and the eval callbacks get a BatchEndParam, epoch_end_callback (epoch, symbol, arg_params,
        aux_params). Where sys.stderr is a terminal, a bar shows how far the epoch is. Raises ValueError without num_epoch.
        """
        if num_epoch is None:
            raise ValueError("please specify number of epochs: num_epoch")
        self.bind(data_shapes=train_data.provide_data, label_shapes=train_data.provide_label, for_training=True,
                  force_rebind=force_rebind)
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(initializer=initializer, arg_params=arg_params, aux_params=aux_params, allow_missing=allow_missing,
                         force_init=force_init)
        self.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params)
        eval_metric = _metric.create(eval_metric)
        validation_metric = eval_metric if validation_metric is None else validation_metric

        bar = EpochBar(train_data, self.logger, batch_end_callback)
        for epoch in range(begin_epoch, num_epoch):
            tic = time.time()
            eval_metric.reset()
            with bar.epoch(epoch, eval_metric) as callbacks:
                self._fit_epoch(epoch, train_data, eval_metric, callbacks, monitor, sparse_row_id_fn, locals())
            for name, value in eval_metric.get_global_name_value():
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)

            arg_now, aux_now = self.get_params()
            self.set_params(arg_now, aux_now)
            for callback in as_list(epoch_end_callback):
                callback(epoch, self.symbol, arg_now, aux_now)
            if eval_data is not None:
                results = self.score(eval_data, validation_metric, score_end_callback=eval_end_callback,
                                     batch_end_callback=eval_batch_end_callback, epoch=epoch)
                for name, value in results:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    def _fit_epoch(self, epoch: int, train_data: DataIter, eval_metric: EvalMetric,
                   batch_end_callback: OneOrMore[BatchEnd] | None, monitor: Monitor | None,
                   sparse_row_id_fn: RowIds | None, around: dict[str, Any], nbatch: int = 0) -> None:
        """One pass over the training data. The next batch is fetched while this one is computed.

        around: local variables of the caller, for callbacks, which read data_batch, nbatch, train_data, self and others. nbatch: the
        number of the first batch.
        """
        data_iter = iter(train_data)
        data_batch = next(data_iter, None)
        while data_batch is not None:
            if monitor is not None:
                monitor.tic()
            self.forward_backward(data_batch)
            self.update()
            self._update_metric(eval_metric, data_batch)
            next_data_batch = next(data_iter, None)
            if next_data_batch is not None:
                self._prepare(next_data_batch, sparse_row_id_fn)
            if monitor is not None:
                monitor.toc_print()
            end_of_batch = next_data_batch is None  # noqa: F841  # a local variable that callbacks see
            if batch_end_callback is not None:
                call_all(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, {**around, **locals()}))
            data_batch = next_data_batch
            nbatch += 1

    # --- parameters
    def get_params(self) -> tuple[Arrays, Arrays]:
        """(arg_params, aux_params): names to arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def init_params(self, initializer: InitializerLike | None = Uniform(0.01), arg_params: Arrays | None = None,
                    aux_params: Arrays | None = None, allow_missing: bool = False, force_init: bool = False,
                    allow_extra: bool = False) -> None:
        """First values: from the dicts, the rest by the initializer. Does nothing the second time, unless force_init.

        Raises RuntimeError where a dict is given that lacks a parameter, unless allow_missing; ValueError where a shape
        differs. Names of no parameter are passed over.
        """
        raise NotImplementedError(f"{type(self).__name__} has no parameters")

    def set_params(self, arg_params: Arrays, aux_params: Arrays, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        """Values for the parameters; raises as init_params does.

        With allow_missing, the others keep their values, and names of no parameter raise ValueError unless allow_extra.
        """
        more = {"allow_extra": True} if allow_extra else {}  # which users' modules of old do not know
        self.init_params(initializer=None, arg_params=arg_params, aux_params=aux_params, allow_missing=allow_missing,
                         force_init=force_init, **more)

    def save_params(self, fname: str | os.PathLike[str]) -> None:
        """Writes the parameters to a file in MXNet's format, their names starting with arg: or aux:."""
        arg_params, aux_params = self.get_params()
        named = {f"arg:{name}": value for name, value in arg_params.items()}
        named.update((f"aux:{name}", value) for name, value in aux_params.items())
        save(fname, named)

    def load_params(self, fname: str | os.PathLike[str]) -> None:
        """Reads the parameters from a file that save_params wrote, here or in MXNet."""
        parts: dict[str, Arrays] = {"arg": {}, "aux": {}}
        for key, value in load(fname).items():
            kind, _, name = key.partition(":")
            if kind not in parts:
                raise ValueError(f"Invalid param file {fname}: found the name {key}")
            parts[kind][name] = value
        self.set_params(parts["arg"], parts["aux"])

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: RowIds | None = None) -> None:
        """Called with the next batch before it is run; sparse_row_id_fn says which rows of parameters it needs.

        Does nothing here, but for the warning UserWarning that sparse_row_id_fn is not needed.
        """
        if sparse_row_id_fn is not None:
            warnings.warn(f"sparse_row_id_fn is not invoked for {type(self).__name__}.", UserWarning, stacklevel=2)

    def get_states(self, merge_multi_context: bool = True) -> Any:
        """Values of the states of recurrent networks; none here."""
        self._need("bind", "init_params")
        return []

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets the states of recurrent networks; there are none here."""
        self._need("bind", "init_params")
        if states or value:
            raise ValueError(f"{type(self).__name__} has no states")
