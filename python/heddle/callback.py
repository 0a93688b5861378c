"""Functions that training calls after batches and epochs."""
from __future__ import annotations

import logging
import math
import sys
import time

from ._checkpoint import save_checkpoint

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
    """A bar for the batches of an epoch; with batch_size, also samples per second and the metric.

    On a terminal the bar is redrawn in place; elsewhere it is one line per epoch. Reading the metric waits for
    the batches so far, so the bar is drawn at most every `interval` seconds.
    """

    def __init__(self, total: float, length: int = 80, batch_size: int | None = None, stream: TextIO | None = None,
                 interval: float = 0.5) -> None:
        self.total = total
        self.bar_len = length
        self.batch_size = batch_size
        self.interval = interval
        self.stream = stream or sys.stderr
        self._epoch: int | None = None
        self._start = self._drawn = 0.0
        self._first = 0

    def __call__(self, param: BatchEndParam) -> None:
        now = time.perf_counter()
        if param.epoch != self._epoch or param.nbatch < self._first:
            self._epoch, self._start, self._drawn = param.epoch, now, 0.0
            self._first = param.nbatch
        done = param.nbatch + 1
        last = done >= self.total
        live = self.stream.isatty() and now - self._drawn >= self.interval
        if last or live:
            self._drawn = now
            self.stream.write(("\r" if self.stream.isatty() else "") + self.line(param, done)
                              + ("\n" if last else ""))
            self.stream.flush()

    def line(self, param: BatchEndParam, done: int) -> str:
        """The text of the bar after `done` batches."""
        values = param.eval_metric.get_name_value() if param.eval_metric is not None else []
        elapsed = time.perf_counter() - self._start
        share = min(1.0, done / self.total)
        filled = round(self.bar_len * share)
        text = f"[{'=' * filled}{'-' * (self.bar_len - filled)}] {math.ceil(100 * share)}%"
        if self.batch_size:
            batches = done - self._first - 1  # the clock started after the first one
            speed = batches * self.batch_size / elapsed if batches and elapsed else 0.0
            text = f"epoch {param.epoch} {text} {speed:,.0f} samples/s"
            text += "".join(f" {name}={value:.4f}" for name, value in values)
        return text


class LogValidationMetricsCallback:
    """Logs the metrics at the end of an evaluation."""

    def __call__(self, param: BatchEndParam) -> None:
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
