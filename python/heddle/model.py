"""Checkpoints, and FeedForward: MXNet's first way to train."""
from __future__ import annotations

import warnings

from ._checkpoint import BatchEndParam, load_checkpoint, load_params, save_checkpoint, split_params
from .context import Context, cpu
from .initializer import Uniform
from .io import DataIter, NDArrayIter, ResizeIter
from .module import Module
from .ndarray import concatenate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ndarray import NDArray
    from collections.abc import Sequence
    from typing import Any

    from ._typing import Arrays, BatchEnd, EpochEnd, InitializerLike, OneOrMore
    from .kvstore import KVStoreBase
    from .monitor import Monitor
    from .optimizer import Optimizer
    from .symbol import Symbol

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint", "split_params"]


class FeedForward:
    """A network with its parameters: fit, predict, score. Module does the same and more."""

    def __init__(self, symbol: Symbol, ctx: OneOrMore[Context] | None = None, num_epoch: int | None = None,
                 epoch_size: int | None = None, optimizer: str | Optimizer = "sgd",
                 initializer: InitializerLike = Uniform(0.01), numpy_batch_size: int = 128,
                 arg_params: Arrays | None = None, aux_params: Arrays | None = None, allow_extra_params: bool = False,
                 begin_epoch: int = 0, **kwargs: Any) -> None:
        warnings.warn("mxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead.",
                      DeprecationWarning, stacklevel=2)
        self.symbol = symbol
        self.ctx = [ctx or cpu()] if isinstance(ctx, (Context, type(None))) else list(ctx)
        self.num_epoch = num_epoch
        self.epoch_size = epoch_size
        self.optimizer = optimizer
        self.initializer = initializer
        self.numpy_batch_size = numpy_batch_size
        self.arg_params = arg_params
        self.aux_params = aux_params
        self.allow_extra_params = allow_extra_params
        self.begin_epoch = begin_epoch
        self.kwargs = dict(kwargs)
        self._module: Module | None = None

    # --- data
    def _as_iter(self, data: Any, label: Any = None, shuffle: bool = False) -> DataIter:
        if isinstance(data, DataIter):
            return data
        if isinstance(data, (tuple, list)) and len(data) == 2 and label is None:
            data, label = data
        return NDArrayIter(data, label, min(len(data), self.numpy_batch_size), shuffle=shuffle,
                           last_batch_handle="roll_over" if shuffle else "pad")

    def _bound(self, data: DataIter, training: bool = False) -> Module:
        """A module for the shapes of `data`, with the parameters."""
        arguments = self.symbol.list_arguments()
        labels = [d for d in data.provide_label or [] if d[0] in arguments]
        names = [d[0] for d in data.provide_data]
        label_names = [d[0] for d in labels]
        if self.arg_params is not None and not labels:  # what is neither data nor a parameter
            label_names = [a for a in arguments if a not in self.arg_params and a not in names]
        module = Module(self.symbol, names, label_names, context=self.ctx)
        module.bind(data.provide_data, labels or None, for_training=training)
        if self.arg_params is not None:
            module.init_params(self.initializer, self.arg_params, self.aux_params, allow_missing=training,
                               allow_extra=self.allow_extra_params)
        return module

    # --- training and using
    def fit(self, X: Any, y: Any = None, eval_data: Any = None, eval_metric: Any = "acc",
            epoch_end_callback: OneOrMore[EpochEnd] | None = None,
            batch_end_callback: OneOrMore[BatchEnd] | None = None, kvstore: str | KVStoreBase = "local",
            logger: Any = None, work_load_list: Sequence[float] | None = None, monitor: Monitor | None = None,
            eval_end_callback: OneOrMore[BatchEnd] | None = None,
            eval_batch_end_callback: OneOrMore[BatchEnd] | None = None) -> None:
        """Trains for num_epoch epochs."""
        if self.num_epoch is None:
            raise ValueError("num_epoch is missing: give it to FeedForward")
        data = self._as_iter(X, y, shuffle=True)
        if self.epoch_size:
            data = ResizeIter(data, self.epoch_size, reset_internal=False)
        if eval_data is not None:
            eval_data = self._as_iter(eval_data)
        self._module = module = self._bound(data, training=True)
        if logger is not None:
            module.logger = logger
        module.fit(
            data, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, self.optimizer,
            self.kwargs, eval_end_callback, eval_batch_end_callback, self.initializer, self.arg_params,
            self.aux_params, allow_missing=True, begin_epoch=self.begin_epoch, num_epoch=self.num_epoch,
            monitor=monitor)
        self.arg_params, self.aux_params = module.get_params()

    def predict(self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True) -> Any:
        """The outputs for all of X as NumPy arrays; with return_data also the data and labels."""
        data = self._as_iter(X)
        module = self._bound(data)
        outputs = module.predict(data, num_batch, reset=reset, always_output_list=True)
        outputs = [o.asnumpy() for o in outputs]
        outputs = outputs[0] if len(outputs) == 1 else outputs
        if not return_data:
            return outputs
        data.reset()
        return (outputs, *_collect(data, num_batch))

    def score(self, X: Any, eval_metric: Any = "acc", num_batch: int | None = None,
              batch_end_callback: OneOrMore[BatchEnd] | None = None, reset: bool = True) -> float:
        """The metric over X."""
        data = self._as_iter(X)
        result = self._bound(data).score(data, eval_metric, num_batch, batch_end_callback, reset=reset)
        return result[0][1]

    # --- files
    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Writes a checkpoint, for num_epoch unless an epoch is given."""
        epoch = self.num_epoch if epoch is None else epoch
        if epoch is None or self.arg_params is None:
            raise ValueError("nothing to save: call fit first, or give parameters and an epoch")
        save_checkpoint(prefix, epoch, self.symbol, self.arg_params, self.aux_params or {})

    @staticmethod
    def load(prefix: str, epoch: int, ctx: OneOrMore[Context] | None = None, **kwargs: Any) -> FeedForward:
        """A model from a checkpoint."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(symbol: Symbol, X: Any, y: Any = None, ctx: OneOrMore[Context] | None = None,
               num_epoch: int | None = None, epoch_size: int | None = None, optimizer: str | Optimizer = "sgd",
               initializer: InitializerLike = Uniform(0.01), eval_data: Any = None, eval_metric: Any = "acc",
               epoch_end_callback: OneOrMore[EpochEnd] | None = None,
               batch_end_callback: OneOrMore[BatchEnd] | None = None, kvstore: str | KVStoreBase = "local",
               logger: Any = None, work_load_list: Sequence[float] | None = None,
               eval_end_callback: OneOrMore[BatchEnd] | None = None,
               eval_batch_end_callback: OneOrMore[BatchEnd] | None = None, **kwargs: Any) -> FeedForward:
        """A model, trained."""
        model = FeedForward(symbol, ctx, num_epoch, epoch_size, optimizer, initializer, **kwargs)
        model.fit(X, y, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, logger,
                  work_load_list, eval_end_callback=eval_end_callback,
                  eval_batch_end_callback=eval_batch_end_callback)
        return model


def _collect(data: DataIter, num_batch: int | None) -> Any:
    """All data and labels of an iterator as NumPy arrays, without padding."""
    rows: dict[str, list[list[NDArray]]] = {"data": [], "label": []}
    for i, batch in enumerate(data):
        if num_batch is not None and i == num_batch:
            break
        for kind, arrays in (("data", batch.data), ("label", batch.label)):
            rows[kind].append([a[:a.shape[0] - (batch.pad or 0)] for a in arrays])
    joined = [[concatenate(list(column)).asnumpy() for column in zip(*rows[kind])] for kind in ("data", "label")]
    return tuple(part[0] if len(part) == 1 else part for part in joined)
