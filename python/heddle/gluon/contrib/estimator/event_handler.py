"""Handlers of what happens while an Estimator trains."""
from __future__ import annotations

import math
import os
import time
import warnings

from .... import metric as _metric

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["BatchBegin", "BatchEnd", "CheckpointHandler", "EarlyStoppingHandler", "EpochBegin", "EpochEnd", "EventHandler",
           "GradientUpdateHandler", "LoggingHandler", "MetricHandler", "StoppingHandler", "TrainBegin", "TrainEnd",
           "ValidationHandler"]


class EventHandler:
    """What all handlers are. A handler is of the classes of the events that it wants to hear of. `priority`, 0 by default:
    of one event, handlers with smaller ones are called first."""


def _metrics(given: Any, who: str) -> list[Any]:
    metrics = [given] if isinstance(given, _metric.EvalMetric) else list(given or [])
    for metric in metrics:
        if not isinstance(metric, _metric.EvalMetric):
            raise ValueError(f"[{who}] found a metric of type {type(metric).__name__}, expected an EvalMetric")
    return metrics


class TrainBegin(EventHandler):
    """Hears of the beginning."""

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called once, first."""


class TrainEnd(EventHandler):
    """Hears of the end."""

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called once, last."""


class EpochBegin(EventHandler):
    """Hears of the beginning of epochs."""

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called before the first batch of an epoch."""


class EpochEnd(EventHandler):
    """Hears of the end of epochs."""

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called after the last batch of an epoch. Training ends where one returns True."""
        return False


class BatchBegin(EventHandler):
    """Hears of the beginning of batches."""

    def batch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called with batch=."""


class BatchEnd(EventHandler):
    """Hears of the end of batches."""

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> Any:
        """Called with batch=, pred=, label= and loss=, lists with one per context. The epoch ends where one returns True."""
        return False


class StoppingHandler(TrainBegin, BatchEnd, EpochEnd):
    """Ends training after max_epoch epochs or max_batch batches."""

    def __init__(self, max_epoch: int | None = None, max_batch: int | None = None) -> None:
        self.max_epoch = max_epoch
        self.max_batch = max_batch
        self.current_batch = 0
        self.current_epoch = 0
        self.stop_training = False

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Takes the limits of fit()."""
        self.max_epoch = estimator.max_epoch
        self.max_batch = estimator.max_batch
        self.current_batch = 0
        self.current_epoch = 0
        self.stop_training = False

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Counts."""
        self.current_batch += 1
        self.stop_training = self.stop_training or self.current_batch == self.max_batch
        return self.stop_training

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Counts."""
        self.current_epoch += 1
        self.stop_training = self.stop_training or self.current_epoch == self.max_epoch
        return self.stop_training


class MetricHandler(EpochBegin, BatchEnd):
    """Resets metrics with each epoch and updates them with each batch; a metric of class Loss gets the losses."""

    def __init__(self, metrics: Any, priority: float = -1000) -> None:
        self.metrics = _metrics(metrics, "MetricHandler")
        self.priority = priority

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Resets."""
        for metric in self.metrics:
            metric.reset()

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Updates."""
        for metric in self.metrics:
            if isinstance(metric, _metric.Loss):
                metric.update(0, kwargs["loss"])
            else:
                metric.update(kwargs["label"], kwargs["pred"])
        return False


class ValidationHandler(TrainBegin, BatchEnd, EpochEnd):
    """Calls eval_fn(val_data=, batch_axis=, event_handlers=) every epoch_period epochs and every batch_period batches."""

    def __init__(self, val_data: Any, eval_fn: Callable[..., Any], epoch_period: int | None = 1, batch_period: int | None = None,
                 priority: float = -1000, event_handlers: Any = None) -> None:
        self.val_data = val_data
        self.eval_fn = eval_fn
        self.epoch_period = epoch_period
        self.batch_period = batch_period
        self.current_batch = 0
        self.current_epoch = 0
        self.priority = priority
        self.event_handlers = event_handlers

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Starts counting."""
        self.current_batch = 0
        self.current_epoch = 0

    def _evaluate(self, estimator: Any) -> None:
        self.eval_fn(val_data=self.val_data, batch_axis=estimator.batch_axis, event_handlers=self.event_handlers)

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Evaluates, where it is time."""
        self.current_batch += 1
        if self.batch_period and self.current_batch % self.batch_period == 0:
            self._evaluate(estimator)
        return False

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Evaluates, where it is time."""
        self.current_epoch += 1
        if self.epoch_period and self.current_epoch % self.epoch_period == 0:
            self._evaluate(estimator)
        return False


def _told(metrics: Sequence[Any]) -> str:
    return ", ".join("{}: {:.4f}".format(*metric.get()) for metric in metrics)


class LoggingHandler(TrainBegin, TrainEnd, EpochBegin, EpochEnd, BatchBegin, BatchEnd):
    """Logs what metrics say: of epochs (log_interval="epoch"), and every log_interval batches where that is a number. Raises
    ValueError for another log_interval."""

    def __init__(self, log_interval: int | str = "epoch", metrics: Any = None, priority: float = math.inf) -> None:
        if not isinstance(log_interval, int) and log_interval != "epoch":
            raise ValueError("log_interval must be either an integer or string 'epoch'")
        self.metrics = _metrics(metrics, "LoggingHandler")
        self.batch_index = 0
        self.current_epoch = 0
        self.processed_samples = 0
        self.priority = priority
        self.log_interval = log_interval
        self.log_interval_time = 0.0

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Logs the optimizer and how long training will be."""
        self.train_start = time.time()
        trainer = estimator.trainer
        estimator.logger.info("Training begin: using optimizer %s with current learning rate %.4f ",
                              type(trainer.optimizer).__name__, trainer.learning_rate)
        if estimator.max_epoch:
            estimator.logger.info("Train for %d epochs.", estimator.max_epoch)
        else:
            estimator.logger.info("Train for %d batches.", estimator.max_batch)
        self.current_epoch = 0
        self.batch_index = 0
        self.processed_samples = 0
        self.log_interval_time = 0.0

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Logs the time and the metrics."""
        text = f"Train finished using total {time.time() - self.train_start:.0f}s with {self.current_epoch} epochs. "
        estimator.logger.info((text + _told(self.metrics)).rstrip(" ,"))

    def batch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Looks at the clock."""
        if isinstance(self.log_interval, int):
            self.batch_start = time.time()

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Logs the metrics, where it is time."""
        if isinstance(self.log_interval, int):
            self.log_interval_time += time.time() - self.batch_start
            self.processed_samples += sum(y.shape[estimator.batch_axis] for y in kwargs["label"])
            if self.batch_index % self.log_interval == 0:
                text = (f"[Epoch {self.current_epoch}][Batch {self.batch_index}][Samples {self.processed_samples}] "
                        f"time/interval: {self.log_interval_time:.3f}s ")
                self.log_interval_time = 0.0
                estimator.logger.info((text + _told(self.metrics)).rstrip())
        self.batch_index += 1
        return False

    def epoch_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Logs the learning rate."""
        self.epoch_start = time.time()
        is_training = any("training" in metric.name for metric in self.metrics)
        if is_training:
            estimator.logger.info("[Epoch %d] Begin, current learning rate: %.4f", self.current_epoch,
                                  estimator.trainer.learning_rate)
        elif self.metrics:
            estimator.logger.info("Validation Begin")

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Logs the time and the metrics."""
        text = f"[Epoch {self.current_epoch}] Finished in {time.time() - self.epoch_start:.3f}s, "
        estimator.logger.info((text + _told(self.metrics)).rstrip(", "))
        self.current_epoch += 1
        self.batch_index = 0
        return False


class _Watch:
    """Whether a monitored value is better than the best so far."""

    def __init__(self, monitor: Any, mode: str, who: str) -> None:
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"ModelCheckpoint mode {mode} is unknown, fallback to auto mode. {who} supports auto, min and max.",
                          RuntimeWarning, stacklevel=4)
            mode = "auto"
        if mode == "auto":
            name = monitor.get()[0].lower()
            losses = any(word in name for word in ("loss", "error", "perplexity", "mse", "mae", "nll", "cross-entropy"))
            mode = "min" if losses else "max"
            if not losses and not any(word in name for word in ("acc", "f1", "mcc", "pearson", "top_k")):
                warnings.warn(f"`greater` operator will be used to determine if {name} has improved. Please use mode='min' if "
                              "smaller is better", stacklevel=4)
        self.mode = mode
        self.worst = math.inf if mode == "min" else -math.inf

    def __call__(self, value: float, best: float) -> bool:
        return value < best if self.mode == "min" else value > best


class CheckpointHandler(TrainBegin, BatchEnd, EpochEnd):
    """Writes the parameters, and the trainer's states, every epoch_period epochs and every batch_period batches.

    Files in model_dir: PREFIX-symbol.json for a hybridized network, PREFIX-epochEbatchB.params and .states, the newest
    max_checkpoints of them, and with save_best PREFIX-best.params and .states whenever `monitor`, a metric, is better than
    before; mode: "min", "max", or "auto" by the metric's name. verbose: 1 logs what is written. resume_from_checkpoint: the
    newest checkpoint in model_dir is read first, and training goes on from its epoch. Raises ValueError for save_best
    without a metric.
    """

    def __init__(self, model_dir: str | os.PathLike[str], model_prefix: str = "model", monitor: Any = None, verbose: int = 0,
                 save_best: bool = False, mode: str = "auto", epoch_period: int | None = 1, batch_period: int | None = None,
                 max_checkpoints: int = 5, resume_from_checkpoint: bool = False) -> None:
        self.monitor = monitor
        self.verbose = verbose
        self.model_dir = os.fspath(model_dir)
        self.model_prefix = model_prefix
        self.save_best = save_best
        if save_best and not isinstance(monitor, _metric.EvalMetric):
            raise ValueError("To save best model only, please provide one of the metric objects from estimator.train_metrics and "
                             "estimator.val_metrics as monitor.")
        self.epoch_period = epoch_period
        self.batch_period = batch_period
        self.current_batch = 0
        self.current_epoch = 0
        self.max_checkpoints = max_checkpoints
        self.resume_from_checkpoint = resume_from_checkpoint
        self.saved_checkpoints: list[str] = []
        self.trained_epoch = -1
        self.trained_batch = -1
        os.makedirs(self.model_dir, exist_ok=True)
        if save_best:
            self.monitor_op = _Watch(monitor, mode, "CheckpointHandler")
            self.best = self.monitor_op.worst

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Reads the newest checkpoint, where that is asked for."""
        self.current_batch = 0
        self.current_epoch = 0
        if self.save_best:
            self.best = self.monitor_op.worst
        if self.resume_from_checkpoint:
            self._resume(estimator)

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Writes, where it is time."""
        if self.current_batch == 0:
            self._save_symbol(estimator)
        if self.batch_period and (self.current_batch + 1) % self.batch_period == 0:
            self._save_checkpoint(estimator)
        self.current_batch += 1
        return False

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Writes, where it is time."""
        if self.epoch_period and (self.current_epoch + 1) % self.epoch_period == 0:
            self._save_checkpoint(estimator)
        self.current_epoch += 1
        return False

    def _path(self, what: str) -> str:
        return os.path.join(self.model_dir, f"{self.model_prefix}-{what}")

    def _log(self, estimator: Any, text: str) -> None:
        if self.verbose > 0:
            estimator.logger.info("[Epoch %d] CheckpointHandler: %s", self.current_epoch, text)

    def _save_symbol(self, estimator: Any) -> None:
        if getattr(estimator.net, "_cached_graph", None):
            estimator.net._cached_graph[1].save(self._path("symbol.json"))

    def _save_checkpoint(self, estimator: Any) -> None:
        epoch = self.current_epoch + max(self.trained_epoch + 1, 0)
        batch = self.current_batch + max(self.trained_batch + 1, 0)
        name = f"epoch{epoch}batch{batch}"
        self._log(estimator, f"trained total {batch + 1} batches, saving model at {self.model_dir} with prefix: "
                             f"{self.model_prefix}-{name}")
        self._save(estimator, name)
        if self.save_best:
            self._save_if_best(estimator)

    def _save_if_best(self, estimator: Any) -> None:
        name, value = self.monitor.get()
        if math.isnan(value):
            warnings.warn(RuntimeWarning(f"Skipping save best because {name} is not updated, make sure you pass one of the metric "
                                         "objects from estimator.train_metrics and estimator.val_metrics as monitor."),
                          stacklevel=2)
        elif self.monitor_op(value, self.best):
            self._log(estimator, f"{name} improved from {self.best:.5f} to {value:.5f}, updating best model at {self.model_dir} "
                                 f"with prefix: {self.model_prefix}-best")
            self.best = value
            self._write(estimator, "best")
        else:
            self._log(estimator, f"{name} did not improve from {self.best:.5f}, skipping updating best model")

    def _write(self, estimator: Any, name: str) -> None:
        estimator.net.save_parameters(self._path(name + ".params"))
        estimator.trainer.save_states(self._path(name + ".states"))

    def _save(self, estimator: Any, name: str) -> None:
        self._write(estimator, name)
        if name in self.saved_checkpoints:
            self.saved_checkpoints.remove(name)
        self.saved_checkpoints.append(name)
        while len(self.saved_checkpoints) > self.max_checkpoints:
            old = self.saved_checkpoints.pop(0)
            for end in (".params", ".states"):
                if os.path.exists(self._path(old + end)):
                    os.remove(self._path(old + end))

    def _resume(self, estimator: Any) -> None:
        import re  # not at import: few programs resume
        pattern = re.compile(re.escape(self.model_prefix) + r"-(epoch(\d+)batch(\d+))\.params$")
        found = [m for f in os.listdir(self.model_dir) if (m := pattern.match(f))]
        found.sort(key=lambda m: (int(m[2]), int(m[3])))
        self.saved_checkpoints = [m[1] for m in found]
        if not found:
            self._log(estimator, "cannot find checkpoint to resume from, training starts anew")
            return
        name, self.trained_epoch, self.trained_batch = found[-1][1], int(found[-1][2]), int(found[-1][3])
        if estimator.max_epoch:
            if estimator.max_epoch <= self.trained_epoch + 1:
                raise ValueError(f"Found checkpoint with maximum number of epoch {self.trained_epoch + 1} reached, expected "
                                 "more epochs in fit(), or a clean model_dir")
            estimator.max_epoch -= self.trained_epoch + 1
        if estimator.max_batch:
            if estimator.max_batch <= self.trained_batch + 1:
                raise ValueError(f"Found checkpoint with maximum number of batch {self.trained_batch + 1} reached, expected "
                                 "more batches in fit(), or a clean model_dir")
            estimator.max_batch -= self.trained_batch + 1
        estimator.net.load_parameters(self._path(name + ".params"), ctx=estimator.context)
        if os.path.exists(self._path(name + ".states")):
            estimator.trainer.load_states(self._path(name + ".states"))
        self._log(estimator, f"resuming from {self._path(name)}")


class EarlyStoppingHandler(TrainBegin, EpochEnd, TrainEnd):
    """Ends training when `monitor`, a metric, has not become better by more than min_delta for `patience` epochs.

    mode: "min", "max", or "auto" by the metric's name. baseline: what it has to be better than at first. Raises ValueError
    for what is no metric.
    """

    def __init__(self, monitor: Any, min_delta: float = 0, patience: int = 0, mode: str = "auto",
                 baseline: float | None = None) -> None:
        if not isinstance(monitor, _metric.EvalMetric):
            raise ValueError("Please provide one of the metric objects from estimator.train_metrics and estimator.val_metrics as "
                             "monitor.")
        self.monitor = monitor
        self.baseline = baseline
        self.patience = patience
        self.monitor_op = _Watch(monitor, mode, "EarlyStoppingHandler")
        self.min_delta = -abs(min_delta) if self.monitor_op.mode == "min" else abs(min_delta)
        self._begin()

    def _begin(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.current_epoch = 0
        self.stop_training = False
        self.best = self.monitor_op.worst if self.baseline is None else self.baseline

    def train_begin(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Forgets the run before."""
        self._begin()

    def epoch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """Looks whether the metric is better."""
        name, value = self.monitor.get()
        if math.isnan(value):
            warnings.warn(RuntimeWarning(f"{name} is not updated, make sure you pass one of the metric objects from "
                                         "estimator.train_metrics and estimator.val_metrics as monitor."), stacklevel=2)
        elif self.monitor_op(value - self.min_delta, self.best):
            self.best = value
            self.wait = 0
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.stopped_epoch = self.current_epoch
                self.stop_training = True
        self.current_epoch += 1
        return self.stop_training

    def train_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
        """Logs that it has ended training."""
        if self.stop_training:
            estimator.logger.info("[Epoch %d] EarlyStoppingHanlder: early stopping due to %s not improving", self.stopped_epoch,
                                  self.monitor.get()[0])


class GradientUpdateHandler(BatchEnd):
    """Lets the trainer take a step after each batch, before other handlers hear of it."""

    def __init__(self, priority: float = -2000) -> None:
        self.priority = priority

    def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> bool:
        """The step."""
        losses = kwargs["loss"]
        losses = losses if isinstance(losses, (list, tuple)) else [losses]
        estimator.trainer.step(sum(loss.shape[0] if loss.ndim else 1 for loss in losses))
        return False
