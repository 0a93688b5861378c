"""Workers of a DataLoader that are threads of this process."""
from __future__ import annotations

import os
import queue
import threading
import weakref

from ._tasks import make_batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._tasks import Task


class Threads:
    """Threads that make batches. They hold the dataset and a queue, and nothing that leads to the loader: when that goes,
    they go once their batch is made."""

    def __init__(self, count: int, dataset: Any, batchify: Callable[[Sequence[Any]], Any]) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._pid = os.getpid()
        for i in range(count):
            threading.Thread(target=_work, args=(self._tasks, dataset, batchify), daemon=True, name=f"heddle-data-{i}").start()
        self.close = weakref.finalize(self, _stop, self._tasks, count)

    def usable(self) -> bool:
        """Whether the threads are there: a process that was forked has none."""
        return self.close.alive and self._pid == os.getpid()

    def submit(self, task: Task) -> None:
        """Has a batch made, after those asked for before."""
        self._tasks.put(task)

    def wait(self, task: Task, seconds: float) -> str | None:
        """Waits for a task, at most so long; returns None, or what it is still waiting for."""
        return None if task.done.wait(seconds) else f"samples {list(task.indices)}"


def _stop(tasks: queue.SimpleQueue[Task | None], count: int) -> None:
    for _ in range(count):
        tasks.put(None)


def _work(tasks: queue.SimpleQueue[Task | None], dataset: Any, batchify: Callable[[Sequence[Any]], Any]) -> None:
    while (task := tasks.get()) is not None:
        if not task.cancelled:
            try:
                task.finish(make_batch(dataset, batchify, task.number, task.indices), None)
            except BaseException as error:  # SystemExit too: somebody waits for an answer
                task.finish(None, error)
        del task  # not held while there is nothing to do
