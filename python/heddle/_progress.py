"""A bar on the terminal that tells how far an epoch is; where there is no terminal, nothing."""
from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

    from ._checkpoint import BatchEndParam
    from ._typing import Results
    from .metric import EvalMetric

_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def values_text(pairs: Results) -> str:
    """Names and values of a metric, those aside that have none yet."""
    return ", ".join(f"{name}={value:.4g}" for name, value in pairs if not math.isnan(value))


class Bar:
    """One line of the terminal, redrawn in place:

        epoch 3:  45%|####5     | 212/470 [00:03<00:04, 61.2 batch/s, accuracy=0.93]

    stream: where it is drawn, if that is a terminal; sys.stderr by default. interval: seconds between two drawings.
    length: of the bar, by default what the terminal leaves. HEDDLE_PROGRESS=0 in the environment draws nothing.
    """

    def __init__(self, stream: TextIO | None = None, interval: float = 0.25, length: int | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.interval = interval
        self.length = length
        self.live = bool(self.stream is not None and self.stream.isatty() and os.environ.get("HEDDLE_PROGRESS") != "0")
        self._drawn = 0.0
        self._shown = False
        self._start = 0.0
        self.title = ""
        self.total: float | None = None

    def start(self, title: str, total: float | None = None) -> None:
        """A new run of `total` steps, if that is known."""
        self.title, self.total = title, total
        self._start = self._drawn = time.perf_counter()

    def due(self) -> bool:
        """Whether it is time to draw: what there is to say may cost more than the drawing."""
        return self.live and time.perf_counter() - self._drawn >= self.interval

    def draw(self, done: int, extra: str = "", unit: str = "batch", scale: float = 1) -> None:
        """Shows `done` steps, each of which stands for `scale` units."""
        if not self.live:
            return
        self._drawn = time.perf_counter()
        self._shown = True
        self.stream.write(f"\r{self.line(done, self._drawn - self._start, extra, unit, scale)}\x1b[K")
        self.stream.flush()

    def clear(self) -> None:
        """Takes the line away, for other output to come."""
        if self._shown:
            self._shown = False
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def finish(self, done: int, extra: str = "", unit: str = "batch", scale: float = 1) -> None:
        """Leaves the line as it is at the end."""
        if self.live:
            self.total = done
            self.draw(done, extra, unit, scale)
            self._shown = False
            self.stream.write("\n")
            self.stream.flush()

    def line(self, done: int, seconds: float, extra: str = "", unit: str = "batch", scale: float = 1) -> str:
        """The text after `done` steps in so many seconds."""
        speed = done * scale / seconds if seconds > 0 else 0.0
        rate = f"{speed:,.0f}" if speed >= 100 else f"{speed:.2f}"
        tail = f"{rate} {unit}/s{', ' + extra if extra else ''}]"
        width = self._columns() - 1
        if not self.total:
            return f"{self.title}: {done} [{_clock(seconds)}, {tail}"[:width]
        share = min(1.0, done / self.total)
        left = seconds * (1 - share) / share if share else 0.0
        head = f"{self.title}: {math.floor(100 * share):3d}%|"
        tail = f"| {done}/{self.total:g} [{_clock(seconds)}<{_clock(left)}, {tail}"
        length = self.length or max(4, min(40, width - len(head) - len(tail)))
        return (head + self._bar(share, length) + tail)[:width]

    def _columns(self) -> int:
        try:
            return int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):  # no terminal that tells
            return 80

    def _bar(self, share: float, length: int) -> str:
        whole, part = divmod(int(share * length * 8), 8)
        if "utf" in (getattr(self.stream, "encoding", None) or "").lower():
            text = "\u2588" * whole + (_EIGHTHS[part] if part else "")
        else:
            text = "#" * whole + (str(part) if part else "")
        return text.ljust(length)


class _Above(logging.Filter):
    """Takes a bar away before a record is written to the terminal; the next drawing brings it back."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self._bar = bar

    def filter(self, record: logging.LogRecord) -> bool:
        self._bar.clear()
        return True


def _handlers(logger: Any) -> list[logging.Handler]:
    """The handlers that write to a terminal what a logger, or the module logging, is told."""
    found: dict[int, logging.Handler] = {}
    loggers = [logging.getLogger()]
    node: logging.Logger | None = logger if isinstance(logger, logging.Logger) else None
    while node is not None and node not in loggers:
        loggers.append(node)
        node = node.parent
    for each in loggers:
        for handler in each.handlers:
            stream = getattr(handler, "stream", None)
            if stream is not None and hasattr(stream, "isatty") and stream.isatty():
                found[id(handler)] = handler
    return list(found.values())


def batches_of(data: Any) -> int | None:
    """How many batches an iterator gives, where it tells."""
    size = getattr(data, "size", None)
    if isinstance(size, int):
        return size
    count, batch = getattr(data, "num_data", None), getattr(data, "batch_size", None)
    if not isinstance(count, int) or not isinstance(batch, int) or batch < 1:
        return None
    return count // batch if getattr(data, "last_batch_handle", "pad") == "discard" else -(-count // batch)


class EpochBar:
    """The bar of a training loop, with lines of a log above it.

        bar = EpochBar(train_data, logger, callbacks)
        with bar.epoch(3, metric) as callbacks:  # those given and, where it is drawn, the bar's own
            ...  # a loop that calls callbacks after each batch

    Nothing is drawn where one of the callbacks draws a bar itself, which its attribute draws_progress says. Reading a
    metric waits for the batches so far, so it is read when the bar is drawn, and not more often.
    """

    def __init__(self, data: Any, logger: Any, callbacks: Any = None, bar: Bar | None = None) -> None:
        given = callbacks if isinstance(callbacks, (list, tuple)) else [] if callbacks is None else [callbacks]
        self._bar = bar or Bar(interval=0.5)
        self._bar.live = self._bar.live and not any(getattr(c, "draws_progress", False) for c in given)
        self._callbacks = [*given, self._step] if self._bar.live else callbacks
        self._logger = logger
        self._total = batches_of(data) if self._bar.live else None
        self._done = 0

    @contextlib.contextmanager
    def epoch(self, epoch: int, metric: EvalMetric) -> Iterator[Any]:
        """A block around the batches of an epoch; its line stays, with the metric of the whole epoch."""
        if not self._bar.live:
            yield self._callbacks
            return
        self._done = 0
        self._bar.start(f"epoch {epoch}", self._total)
        handlers, above = _handlers(self._logger), _Above(self._bar)
        for handler in handlers:
            handler.addFilter(above)
        try:
            yield self._callbacks
            self._total = self._done
            self._bar.finish(self._done, values_text(metric.get_global_name_value()))
        finally:
            self._bar.clear()
            for handler in handlers:
                handler.removeFilter(above)

    def _step(self, param: BatchEndParam) -> None:
        self._done += 1
        if self._bar.due():
            self._bar.draw(self._done, values_text(param.eval_metric.get_name_value()))
