"""Statistics of the values inside a network while it runs."""
from __future__ import annotations

import logging
import math
import re

from .ndarray import NDArray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .executor import Executor


class Monitor:
    """Every interval batches, stat_func (the root mean square by default) of outputs and parameters.

    pattern: a regular expression that the names begin with. sort: by name. monitor_all: the inputs of operators too, which
    are named after the operator, and where they are variables also by their own names.
    stat_func gives an array, or a list of them. Used by Module.fit(monitor=...), or by tic() before and toc() after a batch.
    """

    def __init__(self, interval: int, stat_func: Callable[[NDArray], Any] | None = None, pattern: str = ".*",
                 sort: bool = False, monitor_all: bool = False) -> None:
        self.stat_func = stat_func or (lambda x: x.norm() / math.sqrt(x.size))
        self.interval = interval
        self.activated = False
        self.queue: list[tuple[int, str, Any]] = []
        self.step = 0
        self.exes: list[Executor] = []
        self.re_prog = re.compile(pattern)
        self.sort = sort
        self.monitor_all = monitor_all

    def stat_helper(self, name: str, array: NDArray) -> None:
        """Takes a value, if its name is one to look at: what executors call."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def install(self, exe: Executor) -> None:
        """Watches an executor."""
        exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.exes.append(exe)

    def tic(self) -> None:
        """Starts collecting, if this batch is one to look at."""
        if self.step % self.interval == 0:
            self.queue = []
            self.activated = True
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """Ends collecting; a list of (step, name, text of the statistic)."""
        if not self.activated:
            return []
        self.activated = False
        for exe in self.exes:
            symbol = exe._symbol
            for names, arrays in ((symbol.list_arguments(), exe.arg_arrays),
                                  (symbol.list_auxiliary_states(), exe.aux_arrays)):
                for name, array in zip(names, arrays):
                    if self.re_prog.match(name):
                        self.queue.append((self.step, name, self.stat_func(array)))
        queue = sorted(self.queue, key=lambda item: item[1]) if self.sort else self.queue
        self.queue = []
        return [(step, name, _text(value)) for step, name, value in queue]

    def toc_print(self) -> None:
        """Logs what toc gives."""
        for step, name, text in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, text)


def _text(values: Any) -> str:
    texts = []
    for value in values if isinstance(values, (list, tuple)) else [values]:
        if isinstance(value, NDArray):
            texts.append(str(value.asscalar()) if value.shape == (1,) else _array_text(value))
        elif isinstance(value, (int, float)):
            texts.append(str(value))
        else:
            raise TypeError(f"[Monitor] found {type(value).__name__} from stat_func, expected an NDArray or a number")
    return "".join(f"{text}\t" for text in texts)


def _array_text(value: NDArray) -> str:
    try:
        return str(value.asnumpy())
    except ImportError:  # of NumPy
        return str(value.tolist())
