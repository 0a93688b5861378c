"""A training loop that calls handlers."""
from __future__ import annotations

import copy
import logging
import sys
import warnings

from .... import initializer as _initializer
from .... import metric as _metric
from ....context import Context, cpu, gpu, num_gpus
from ...loss import Loss, SoftmaxCrossEntropyLoss
from ...trainer import Trainer
from .batch_processor import BatchProcessor
from .event_handler import (
    BatchBegin,
    BatchEnd,
    EpochBegin,
    EpochEnd,
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    TrainBegin,
    TrainEnd,
    ValidationHandler,
    _metrics,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ....initializer import Initializer
    from ...block import Block

__all__ = ["Estimator"]

_EVENTS = {"train_begin": TrainBegin, "epoch_begin": EpochBegin, "batch_begin": BatchBegin, "batch_end": BatchEnd,
           "epoch_end": EpochEnd, "train_end": TrainEnd}


class Estimator:
    """Trains a network and evaluates it.

    net: a Block. loss: a gluon.loss.Loss. train_metrics, val_metrics: an EvalMetric or a list of them; without any, the
    accuracy for a SoftmaxCrossEntropyLoss; val_metrics are copies of train_metrics by default. initializer: for parameters
    that have no values; where all have, it is ignored with a warning. trainer: by default SGD with a rate of 0.001, with a
    warning. context: one or several, by default all GPUs, or the CPU. val_net, val_loss: for evaluation, by default net and
    loss. batch_processor: what is done with one batch.

    Raises ValueError for what is of another type.
    """

    logger: Any = None

    def __init__(self, net: Block, loss: Loss, train_metrics: Any = None, val_metrics: Any = None,
                 initializer: Initializer | None = None, trainer: Trainer | None = None, context: Any = None,
                 val_net: Block | None = None, val_loss: Loss | None = None,
                 batch_processor: BatchProcessor | None = None) -> None:
        self.net = net
        for given in (loss, val_loss):
            if given is not None and not isinstance(given, Loss):
                raise ValueError(f"loss must be a Loss, refer to gluon.loss.Loss:{given}")
        self.loss = loss
        self._train_metrics = _metrics(train_metrics, "Estimator")
        self._val_metrics = _metrics(val_metrics, "Estimator")
        self._add_default_metrics()
        self.val_loss = loss if val_loss is None else val_loss
        self.val_net = net if val_net is None else val_net
        self.logger = logging.Logger("Estimator", logging.INFO)
        self.logger.addHandler(logging.StreamHandler(sys.stdout))
        self.context = self._check_context(context)
        self._initialize(initializer)
        self.trainer = self._check_trainer(trainer)
        if batch_processor is not None and not (hasattr(batch_processor, "fit_batch")
                                                and hasattr(batch_processor, "evaluate_batch")):
            raise ValueError("batch_processor must have fit_batch and evaluate_batch: found "
                             f"{type(batch_processor).__name__}")
        self.batch_processor = batch_processor or BatchProcessor()
        self.max_epoch: int | None = None
        self.max_batch: int | None = None
        self.batch_axis = 0

    def _add_default_metrics(self) -> None:
        if not self._train_metrics and isinstance(self.loss, SoftmaxCrossEntropyLoss):
            self._train_metrics = [_metric.Accuracy()]
        if not self._val_metrics:
            self._val_metrics = [copy.deepcopy(m) for m in self._train_metrics]
        for metrics, prefix in ((self._train_metrics, "training "), (self._val_metrics, "validation ")):
            for m in metrics:
                if not m.name.startswith(prefix):
                    m.name = prefix + m.name

    @staticmethod
    def _check_context(given: Any) -> list[Context]:
        if given is None:
            return [gpu(i) for i in range(num_gpus())] or [cpu()]
        contexts = [given] if isinstance(given, Context) else list(given)
        for c in contexts:
            if not isinstance(c, Context):
                raise ValueError(f"context must be a Context or a list of Context, for example mx.cpu() or [mx.gpu(0), "
                                 f"mx.gpu(1)], refer to mxnet.Context:{given}")
        return contexts

    def _initialize(self, init: Initializer | None) -> None:
        params = self.net.collect_params()
        missing = [p for p in params.values() if p._data is None and not p._deferred_init]
        if missing:
            for p in missing:
                p.initialize(None, self.context, init or _initializer.Uniform())
        else:
            if init is not None:
                warnings.warn("Network already fully initialized, skipping initialization: use force_reinit to initialize again",
                              stacklevel=3)
            for p in params.values():
                if set(p.list_ctx()) != set(self.context):
                    p.reset_ctx(self.context)

    def _check_trainer(self, trainer: Trainer | None) -> Trainer:
        if trainer is None:
            warnings.warn("No trainer specified, default SGD optimizer with learning rate 0.001 is used.", stacklevel=3)
            return Trainer(self.net.collect_params(), "sgd", {"learning_rate": 0.001})
        if not isinstance(trainer, Trainer):
            raise ValueError(f"Trainer must be a Gluon Trainer instance, refer to gluon.Trainer:{trainer}")
        return trainer

    @property
    def train_metrics(self) -> list[Any]:
        """The metrics of training, whose names begin with "training"."""
        return self._train_metrics

    @property
    def val_metrics(self) -> list[Any]:
        """The metrics of evaluation, whose names begin with "validation"."""
        return self._val_metrics

    # --- loops
    def evaluate(self, val_data: Iterable[Any], batch_axis: int = 0, event_handlers: Any = None) -> None:
        """Runs the network on all batches of val_data and updates val_metrics. event_handlers: as in fit."""
        handlers = self._with_defaults(event_handlers, [
            (MetricHandler, lambda: MetricHandler(self.val_metrics)),
            (LoggingHandler, lambda: LoggingHandler(metrics=self.val_metrics))])
        events = self._by_event(handlers)
        self._tell(events, "epoch_begin")
        for batch in val_data:
            self._tell(events, "batch_begin", batch=batch)
            _, label, pred, loss = self.batch_processor.evaluate_batch(self, batch, batch_axis)
            self._tell(events, "batch_end", batch=batch, pred=pred, label=label, loss=loss)
        self._tell(events, "epoch_end")

    def fit(self, train_data: Iterable[Any], val_data: Iterable[Any] | None = None, epochs: int | None = None,
            event_handlers: Any = None, batches: int | None = None, batch_axis: int = 0) -> None:
        """Trains for so many epochs, or so many batches.

        train_data: batches (data, label), such as a DataLoader; it is iterated again for each epoch. val_data: evaluated
        after each epoch. event_handlers: a handler or a list of them. Those of a class that is there by default
        (StoppingHandler, GradientUpdateHandler, MetricHandler, ValidationHandler, LoggingHandler) take its place. Raises
        ValueError unless exactly one of epochs and batches is given, and for what is no handler.
        """
        if bool(epochs) == bool(batches):
            raise ValueError("Fit only support exactly one type of iteration, train by number of epochs or number of batches."
                             "Please specify one and only one of: epochs or batches.")
        self.max_epoch, self.max_batch, self.batch_axis = epochs, batches, batch_axis
        defaults: list[Any] = [
            (StoppingHandler, lambda: StoppingHandler(epochs, batches)),
            (GradientUpdateHandler, GradientUpdateHandler),
            (MetricHandler, lambda: MetricHandler(self.train_metrics))]
        if val_data is not None:
            defaults.append((ValidationHandler, lambda: ValidationHandler(val_data, self.evaluate)))
        defaults.append((LoggingHandler, lambda: LoggingHandler(metrics=self.train_metrics)))
        events = self._by_event(self._with_defaults(event_handlers, defaults))
        self._tell(events, "train_begin")
        stop = False
        while not stop:
            self._tell(events, "epoch_begin")
            any_batch = False
            for batch in train_data:
                any_batch = True
                self._tell(events, "batch_begin", batch=batch)
                _, label, pred, loss = self.batch_processor.fit_batch(self, batch, batch_axis)
                if self._tell(events, "batch_end", batch=batch, pred=pred, label=label, loss=loss):
                    break
            if not any_batch:
                raise ValueError("[fit] found no batches in train_data, expected at least one")
            stop = self._tell(events, "epoch_end")
        self._tell(events, "train_end")

    @staticmethod
    def _with_defaults(given: Any, defaults: list[Any]) -> list[Any]:
        handlers = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
        for h in handlers:
            if not isinstance(h, tuple(_EVENTS.values())):
                raise ValueError(f"event_handlers must be handlers of events: found {type(h).__name__}, expected a subclass of "
                                 f"{', '.join(k.__name__ for k in _EVENTS.values())}")
        own = list(handlers)
        return handlers + [make() for kind, make in defaults if not any(isinstance(h, kind) for h in own)]

    @staticmethod
    def _by_event(handlers: list[Any]) -> dict[str, list[Any]]:
        ordered = sorted(handlers, key=lambda h: getattr(h, "priority", 0))
        return {event: [getattr(h, event) for h in ordered if isinstance(h, kind)] for event, kind in _EVENTS.items()}

    def _tell(self, events: dict[str, list[Any]], event: str, **kwargs: Any) -> bool:
        """Calls all handlers of an event; whether one says that it is enough."""
        return any([handler(self, **kwargs) for handler in events[event]])
