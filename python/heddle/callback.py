"""Functions that training calls after batches and epochs."""
from __future__ import annotations

import logging
import time

from ._checkpoint import save_checkpoint
from ._progress import Bar, values_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from ._checkpoint import BatchEndParam
    from ._typing import Arrays, BatchEnd, EpochEnd
    from .module import Module
    from .symbol import Symbol


def module_checkpoint(mod: Module, prefix: str, period: int = 1, save_optimizer_states: bool = False) -> EpochEnd:
    """After every period epochs, mod.save_checkpoint(prefix, epoch + 1)."""
    period = max(1, int(period))

    def callback(iter_no: int, sym: Symbol | None = None, arg: Arrays | None = None, aux: Arrays | None = None) -> None:
        if (iter_no + 1) % period == 0:
            mod.save_checkpoint(prefix, iter_no + 1, save_optimizer_states)

    return callback


def do_checkpoint(prefix: str, period: int = 1) -> EpochEnd:
    """After every period epochs, save_checkpoint(prefix, epoch + 1, ...)."""
    period = max(1, int(period))

    def callback(iter_no: int, sym: Symbol, arg: Arrays, aux: Arrays) -> None:
        if (iter_no + 1) % period == 0:
            save_checkpoint(prefix, iter_no + 1, sym, arg, aux)

    return callback


def log_train_metric(period: int, auto_reset: bool = False) -> BatchEnd:
    """Logs the training metric every period batches."""

    def callback(param: BatchEndParam) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return callback


class Speedometer:
    """Logs samples per second and the metric every `frequent` batches."""

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True) -> None:
        self.batch_size = batch_size
        self.frequent = frequent
        self.auto_reset = auto_reset
        self.init = False
        self.tic = 0.0
        self.last_count = 0

    def __call__(self, param: BatchEndParam) -> None:
        count = param.nbatch
        if self.last_count > count:
            self.init = False
        self.last_count = count
        if not self.init:
            self.init = True
            self.tic = time.time()
            return
        if count % self.frequent:
            return
        pairs = param.eval_metric.get_name_value() if param.eval_metric is not None else None
        elapsed = time.time() - self.tic  # after the metric: its value stands for finished work
        speed = self.frequent * self.batch_size / elapsed if elapsed else float("inf")
        if pairs is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", param.epoch, count, speed)
        else:
            first = count - self.frequent if self.auto_reset else 0
            if self.auto_reset:
                param.eval_metric.reset_local()
            logging.info("Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec" + "\t%s=%f" * len(pairs),
                         param.epoch, first, count, speed, *(item for pair in pairs for item in pair))
        self.tic = time.time()


class ProgressBar:
    """A bar for the `total` batches of an epoch on the terminal, with the time left and the metric; elsewhere nothing.

    batch_size: to show samples per second. length: of the bar. stream: sys.stderr by default. Reading the metric waits
    for the batches so far, so the bar is drawn at most every `interval` seconds.
    """

    draws_progress = True  # so Module.fit draws none

    def __init__(self, total: float, length: int = 80, batch_size: int | None = None, stream: TextIO | None = None,
                 interval: float = 0.5) -> None:
        self.total = total
        self.bar_len = length
        self.batch_size = batch_size
        self._bar = Bar(stream, interval, min(length, 40))
        self._at: tuple[int, int] | None = None

    def __call__(self, param: BatchEndParam) -> None:
        if self._at is None or param.epoch != self._at[0] or param.nbatch <= self._at[1]:
            self._bar.start(f"epoch {param.epoch}", self.total)
        self._at = param.epoch, param.nbatch
        done = param.nbatch + 1
        last = done >= self.total
        if not self._bar.live or not (last or self._bar.due()):
            return
        extra = values_text(param.eval_metric.get_name_value()) if param.eval_metric is not None else ""
        unit, scale = ("samples", self.batch_size) if self.batch_size else ("batch", 1)
        (self._bar.finish if last else self._bar.draw)(done, extra, unit, scale)


class LogValidationMetricsCallback:
    """Logs the metrics at the end of an evaluation."""

    def __call__(self, param: BatchEndParam) -> None:
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
