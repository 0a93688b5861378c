"""Checkpoints, and FeedForward: MXNet's first way to train."""
from __future__ import annotations

import logging
import time
import warnings

from . import metric as _metric
from ._checkpoint import BatchEndParam, load_checkpoint, load_params, save_checkpoint, split_params
from ._store_steps import create_kvstore, initialize_kvstore, update_params, update_params_on_kvstore
from .callback import LogValidationMetricsCallback
from .context import Context, cpu
from .executor_manager import _check_arguments
from .initializer import Uniform
from .io import DataIter, NDArrayIter, ResizeIter
from .module import BucketingModule, Module
from .module.base_module import as_list, call_all
from .ndarray import NDArray, array
from .symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._typing import Arrays, BatchEnd, EpochEnd, InitializerLike, OneOrMore
    from .io import DataBatch
    from .kvstore import KVStoreBase
    from .monitor import Monitor
    from .optimizer import Optimizer

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint", "split_params"]

# What FeedForward is built on in MXNet, which asks for scikit-learn; heddle's needs nothing.
BASE_ESTIMATOR = object
SKLEARN_INSTALLED = False

# The names by which training loops of users import them.
_multiple_callbacks = call_all
_create_kvstore = create_kvstore
_initialize_kvstore = initialize_kvstore
_update_params = update_params
_update_params_on_kvstore = update_params_on_kvstore


class FeedForward:
    """A network with its parameters: fit, predict, score. Module does the same and more.

    symbol: the network, or a function from a bucket key to the network of that bucket. ctx: where to train, cpu() by
    default. num_epoch: for fit. epoch_size: batches per epoch, by default until the iterator ends. optimizer: a name
    or an Optimizer; more keywords are its parameters. numpy_batch_size: the batch size of arrays. arg_params, aux_params:
    parameters known already; allow_extra_params: those that the network has not are left out. memory_budget: as for Module.
    """

    def __init__(self, symbol: Symbol | Callable[[Any], Symbol], ctx: OneOrMore[Context] | None = None,
                 num_epoch: int | None = None, epoch_size: int | None = None, optimizer: str | Optimizer = "sgd",
                 initializer: InitializerLike = Uniform(0.01), numpy_batch_size: int = 128,
                 arg_params: Arrays | None = None, aux_params: Arrays | None = None, allow_extra_params: bool = False,
                 begin_epoch: int = 0, memory_budget: int | str | None = None, **kwargs: Any) -> None:
        warnings.warn("mxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead.",
                      DeprecationWarning, stacklevel=2)
        if not isinstance(symbol, Symbol) and not callable(symbol):
            raise TypeError(f"found a symbol of type {type(symbol).__name__}, expected a Symbol or a function that makes one")
        self.symbol: Any = symbol if isinstance(symbol, Symbol) else None
        self.sym_gen: Any = None if isinstance(symbol, Symbol) else symbol
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
        self.memory_budget = memory_budget
        self.kwargs = dict(kwargs)
        self.argument_checked = False
        self._pred_exec: Any = None  # the module of the last prediction
        self._pred_shapes: Any = None
        if self.sym_gen is None:
            self._check_arguments()

    def _check_arguments(self) -> None:
        """Refuses duplicate names; with allow_extra_params, drops parameters that the network has not."""
        if self.argument_checked:
            return
        _check_arguments(self.symbol)
        self.argument_checked = True
        if not self.allow_extra_params:
            return
        if self.arg_params:
            names = set(self.symbol.list_arguments())
            self.arg_params = {k: v for k, v in self.arg_params.items() if k in names}
        if self.aux_params:
            names = set(self.symbol.list_auxiliary_states())
            self.aux_params = {k: v for k, v in self.aux_params.items() if k in names}

    @staticmethod
    def _is_data_arg(name: str) -> bool:
        """Whether a name looks like an input's rather than a parameter's."""
        return name.endswith(("data", "label"))

    # --- data
    def _init_iter(self, X: Any, y: Any, is_train: bool) -> DataIter:
        """An iterator over X, or over the array X with the labels y; shuffled to train."""
        if isinstance(X, DataIter):
            return X
        if not (isinstance(X, NDArray) or hasattr(X, "__array__")):
            raise TypeError(f"X must be DataIter, NDArray or numpy.ndarray, found {type(X).__name__}")
        if y is None:
            if is_train:
                raise ValueError("y must be specified when X is numpy.ndarray")
            y = array([0.0] * len(X))
        if not (isinstance(y, NDArray) or hasattr(y, "__array__")):
            raise TypeError(f"y must be ndarray when X is numpy.ndarray, found {type(y).__name__}")
        if len(X) != len(y):
            raise ValueError(f"The numbers of data points and labels not equal: found {len(X)} and {len(y)}")
        if y.ndim == 2 and y.shape[1] == 1:
            y = y.reshape((-1,))
        if y.ndim != 1:
            raise ValueError(f"Label must be 1D or 2D (with 2nd dimension being 1), found shape {tuple(y.shape)}")
        return NDArrayIter(X, y, min(len(X), self.numpy_batch_size), shuffle=is_train,
                           last_batch_handle="roll_over" if is_train else "pad")

    def _init_eval_iter(self, eval_data: Any) -> DataIter | None:
        """An iterator over eval_data: an iterator, or a pair of data and labels."""
        if eval_data is None or isinstance(eval_data, DataIter):
            return eval_data
        if not isinstance(eval_data, (tuple, list)) or len(eval_data) != 2:
            raise TypeError("Eval data must be DataIter, or NDArray/numpy.ndarray/list pair (i.e. tuple/list of length 2), "
                            f"found {type(eval_data).__name__}")
        data, label = eval_data
        if data is None:
            raise ValueError("Eval data is NONE")
        if label is None and isinstance(data, DataIter):
            return data
        data, label = (array(part) if isinstance(part, list) else part for part in (data, label))
        return self._init_iter(data, label, is_train=True)

    # --- networks
    def _module(self, data: DataIter, labelled: bool, work_load_list: Sequence[float] | None = None) -> Any:
        """A module for the shapes of `data`; for training if labelled, else the labels may be missing."""
        names = [d[0] for d in data.provide_data]
        labels = [d[0] for d in data.provide_label or []]
        if self.sym_gen is not None:
            def generate(key: Any) -> Any:
                return self.sym_gen(key), names, labels

            return BucketingModule(generate, data.default_bucket_key, context=self.ctx,  # type: ignore[attr-defined]
                                   work_load_list=work_load_list, memory_budget=self.memory_budget)
        arguments = self.symbol.list_arguments()
        labels = [name for name in labels if name in arguments]
        if not labelled and self.arg_params is not None:  # what is neither data nor a parameter
            labels = [a for a in arguments if a not in self.arg_params and a not in names]
        return Module(self.symbol, names, labels, context=self.ctx, work_load_list=work_load_list,
                      memory_budget=self.memory_budget)

    def _bound(self, data: DataIter) -> Any:
        """A module to run on `data`, with the parameters; the one of the last time where the shapes are the same."""
        arguments = self.symbol.list_arguments() if self.symbol is not None else [d[0] for d in data.provide_label or []]
        labels = [d for d in data.provide_label or [] if d[0] in arguments]
        shapes = [(d[0], tuple(d[1])) for d in (*data.provide_data, *labels)], self.arg_params is None
        if self._pred_exec is None or self._pred_shapes != shapes:
            self._pred_exec, self._pred_shapes = self._module(data, labelled=False), shapes
            self._pred_exec.bind(data.provide_data, labels or None, for_training=False)
        module = self._pred_exec
        if self.arg_params is not None:
            module.init_params(self.initializer, self.arg_params, self.aux_params, force_init=True,
                               allow_extra=self.allow_extra_params)
        elif not module.params_initialized:
            module.init_params(self.initializer)
        return module

    def _init_params(self, inputs: Sequence[Any], overwrite: bool = False) -> tuple[list[str], list[str], list[str]]:
        """Makes parameters for inputs, (name, shape) pairs; those that are there stay, unless overwrite.

        Returns the names of the arguments, of the parameters among them, and of the auxiliary states.
        """
        given = {d[0]: tuple(d[1]) for d in inputs}
        arguments = self.symbol.list_arguments()
        module = Module(self.symbol, [n for n in given if n in arguments], [], context=self.ctx[0])
        module.bind([(n, s) for n, s in given.items() if n in arguments], None, for_training=False)
        known = (None, None) if overwrite else (self.arg_params, self.aux_params)
        module.init_params(self.initializer, *known, allow_missing=True, allow_extra=True)
        self.arg_params, self.aux_params = module.get_params()
        return arguments, [n for n in arguments if n not in given], self.symbol.list_auxiliary_states()

    # --- training and using
    def fit(self, X: Any, y: Any = None, eval_data: Any = None, eval_metric: Any = "acc",
            epoch_end_callback: OneOrMore[EpochEnd] | None = None,
            batch_end_callback: OneOrMore[BatchEnd] | None = None, kvstore: str | KVStoreBase | None = "local",
            logger: Any = None, work_load_list: Sequence[float] | None = None, monitor: Monitor | None = None,
            eval_end_callback: OneOrMore[BatchEnd] | None = LogValidationMetricsCallback(),
            eval_batch_end_callback: OneOrMore[BatchEnd] | None = None) -> None:
        """Trains from begin_epoch to num_epoch. X: an iterator, or an array with the labels y; eval_data likewise, as a
        pair. Raises ValueError without num_epoch, TypeError for what is no data."""
        if self.num_epoch is None:
            raise ValueError("num_epoch is missing: give it to FeedForward")
        logger = logger or logging
        data = self._init_iter(X, y, is_train=True)
        eval_iter = self._init_eval_iter(eval_data)
        train = data
        if self.epoch_size:
            train = ResizeIter(data, self.epoch_size, reset_internal=False)
        if self.sym_gen is not None:
            self.symbol = self.sym_gen(data.default_bucket_key)  # type: ignore[attr-defined]
            self._check_arguments()
        module = self._module(data, labelled=True, work_load_list=work_load_list)
        module.bind(data.provide_data, data.provide_label, for_training=True)
        if monitor is not None:
            module.install_monitor(monitor)
        module.init_params(self.initializer, self.arg_params, self.aux_params, allow_missing=True,
                           allow_extra=self.allow_extra_params)
        module.init_optimizer(kvstore, self.optimizer, self.kwargs)
        metric = _metric.create(eval_metric)
        logger.info("Start training with %s", self.ctx)
        for epoch in range(self.begin_epoch, self.num_epoch):
            tic = time.time()
            metric.reset()
            module._fit_epoch(epoch, train, metric, batch_end_callback, monitor, None, locals(), nbatch=1)
            logger.info("Epoch[%d] Resetting Data Iterator", epoch)
            train.reset()
            logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            self.arg_params, self.aux_params = module.get_params()
            for callback in as_list(epoch_end_callback):
                callback(epoch, self.symbol, self.arg_params, self.aux_params)
            if eval_iter is not None:
                module.score(eval_iter, metric, batch_end_callback=eval_batch_end_callback,
                             score_end_callback=eval_end_callback, epoch=epoch)
        self.arg_params, self.aux_params = module.get_params()

    def predict(self, X: Any, num_batch: int | None = None, return_data: bool = False, reset: bool = True) -> Any:
        """The outputs for all of X, or for num_batch batches of it, as NumPy arrays: one, or a list of several.

        With return_data a tuple: that, the data and the labels, likewise.
        """
        data = self._init_iter(X, None, is_train=False)
        outputs: list[list[Any]] = []
        inputs: list[list[Any]] = []
        labels: list[list[Any]] = []
        for values, _, batch in self._bound(data).iter_predict(data, num_batch, reset):
            outputs.append([value.asnumpy() for value in values])
            if return_data:
                inputs.append(_unpadded(batch.data, batch))
                labels.append(_unpadded(batch.label, batch))
        return (_joined(outputs), _joined(inputs), _joined(labels)) if return_data else _joined(outputs)

    def score(self, X: Any, eval_metric: Any = "acc", num_batch: int | None = None,
              batch_end_callback: OneOrMore[BatchEnd] | None = None, reset: bool = True) -> Any:
        """The value of the metric over X, an iterator with labels; a list of values for several metrics."""
        data = self._init_iter(X, None, is_train=False)
        metric = _metric.create(eval_metric)
        self._bound(data).score(data, metric, num_batch, batch_end_callback, reset=reset)
        return metric.get()[1]

    # --- files
    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Writes a checkpoint, for num_epoch unless an epoch is given."""
        epoch = self.num_epoch if epoch is None else epoch
        if epoch is None or self.arg_params is None:
            raise ValueError("nothing to save: call fit first, or give parameters and an epoch")
        save_checkpoint(prefix, epoch, self.symbol, self.arg_params, self.aux_params or {}, remove_amp_cast)

    @staticmethod
    def load(prefix: str, epoch: int, ctx: OneOrMore[Context] | None = None, **kwargs: Any) -> FeedForward:
        """A model from a checkpoint."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs)

    @staticmethod
    def create(symbol: Symbol | Callable[[Any], Symbol], X: Any, y: Any = None, ctx: OneOrMore[Context] | None = None,
               num_epoch: int | None = None, epoch_size: int | None = None, optimizer: str | Optimizer = "sgd",
               initializer: InitializerLike = Uniform(0.01), eval_data: Any = None, eval_metric: Any = "acc",
               epoch_end_callback: OneOrMore[EpochEnd] | None = None,
               batch_end_callback: OneOrMore[BatchEnd] | None = None, kvstore: str | KVStoreBase | None = "local",
               logger: Any = None, work_load_list: Sequence[float] | None = None,
               eval_end_callback: OneOrMore[BatchEnd] | None = LogValidationMetricsCallback(),
               eval_batch_end_callback: OneOrMore[BatchEnd] | None = None, **kwargs: Any) -> FeedForward:
        """A model, trained."""
        model = FeedForward(symbol, ctx, num_epoch, epoch_size, optimizer, initializer, **kwargs)
        model.fit(X, y, eval_data, eval_metric, epoch_end_callback, batch_end_callback, kvstore, logger,
                  work_load_list, eval_end_callback=eval_end_callback,
                  eval_batch_end_callback=eval_batch_end_callback)
        return model


def _unpadded(arrays: Sequence[NDArray] | None, batch: DataBatch) -> list[Any]:
    """The arrays of a batch as NumPy arrays, without padding."""
    pad = batch.pad or 0
    return [a[:a.shape[0] - pad].asnumpy() for a in arrays or []]


def _joined(batches: list[list[Any]]) -> Any:
    """NumPy arrays joined over the batches: one, or a list of several."""
    import numpy  # as the arrays are NumPy's
    joined = [numpy.concatenate(parts) for parts in zip(*batches)]
    return joined[0] if len(joined) == 1 else joined
