"""Workers of a DataLoader that are processes.

Each is joined with this process by a socket, and ends when that is closed: also when this process was killed. Nothing is
killed for being slow; one that is gone is noticed at once. Batches come through shared memory (_shared.py).
"""
from __future__ import annotations

import collections
import mmap
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import pickle
import queue
import random
import signal
import socket
import sys
import threading
import time
import traceback
import weakref

from ... import _core
from ...base import MXNetError
from ...random import seed as start_random
from . import _shared
from ._tasks import make_batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._tasks import Task

_AHEAD = 2  # tasks a worker holds: the one it makes and the next
_PATIENCE = 5.0  # seconds for a process to end that was told to

_workers: weakref.WeakSet[_Worker] = weakref.WeakSet()


def _forget_workers() -> None:
    """In a process that was forked: the workers are not its own.

    It must not hold our ends of the sockets, or they would not see that we are gone; and multiprocessing, which takes them
    for its children, would end them when it exits.
    """
    for worker in list(_workers):
        worker.end.close()
        getattr(multiprocessing.process, "_children", set()).discard(worker.process)


os.register_at_fork(after_in_child=_forget_workers)


class WorkerTraceback(Exception):
    """Where in a worker an error was raised: the cause of what the loader raises."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return "\n" + self.text


class _Worker:
    """A process, and how it is spoken with."""

    def __init__(self, number: int, method: str, dataset: Any, batchify: Callable[[Sequence[Any]], Any]) -> None:
        self.number = number
        self.tasks: dict[int, Task] = {}  # by id, in the order in which they are made
        self.progress = mmap.mmap(-1, mmap.PAGESIZE) if method == "fork" else None  # which sample of its batch is made
        self.end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        context: Any = multiprocessing.get_context(method)
        self.process = context.Process(target=_serve, args=(theirs, dataset, batchify, self.progress), daemon=True,
                                       name=f"heddle-data-{number}")
        _workers.add(self)
        try:
            self.process.start()
        except BaseException:
            self.end.close()
            raise
        finally:
            theirs.close()

    def at(self) -> str:
        """What it does now."""
        text = f"worker {self.number} (pid {self.process.pid})"
        task = next(iter(self.tasks.values()), None)
        if task is None:
            return text
        at = len(task.indices) if self.progress is None else int.from_bytes(self.progress[:8], "little")
        if at < len(task.indices):
            return f"{text}, at sample {task.indices[at]!r} of batch {task.number}"
        return f"{text}, at batch {task.number} of samples {list(task.indices)}"


class Processes:
    """Processes that make batches.

    method: how they start, "fork" or "spawn". Tasks wait here until a worker can take them. Several threads may wait.
    """

    def __init__(self, count: int, dataset: Any, batchify: Callable[[Sequence[Any]], Any], method: str) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._ready: collections.deque[Task] = collections.deque()
        self._next_id = 0
        self._workers: list[_Worker] = []
        self.close = weakref.finalize(self, _stop, self._pid, self._workers)
        try:
            for i in range(count):
                self._workers.append(_Worker(i, method, dataset, batchify))
        except BaseException:
            self.close()
            raise

    def usable(self) -> bool:
        """Whether the workers are there and are ours."""
        return self.close.alive and self._pid == os.getpid()

    def submit(self, task: Task) -> None:
        """Has a batch made, after those asked for before."""
        with self._lock:
            self._ready.append(task)
            self._feed()

    def _feed(self) -> None:
        while self._ready:
            if self._ready[0].cancelled:
                self._ready.popleft()
                continue
            worker = min(self._workers, key=lambda w: len(w.tasks))
            if len(worker.tasks) >= _AHEAD:
                return
            task = self._ready.popleft()
            self._next_id += 1
            worker.tasks[self._next_id] = task
            try:
                _shared.send(worker.end, _shared.pack((self._next_id, task.number, task.indices, task.seed)))
            except _shared.Closed:
                self._lost(worker)

    def wait(self, task: Task, seconds: float) -> str | None:
        """Waits for a task, at most so long; returns None, or what it is still waiting for.

        Raises MXNetError where a worker is gone; all others are stopped then.
        """
        until = time.monotonic() + seconds
        with self._lock:
            while not task.done.is_set():
                if not self.close.alive:
                    raise MXNetError("[DataLoader] the workers were stopped while a batch was waited for")
                waited = {worker.end: worker for worker in self._workers} | {w.process.sentinel: w for w in self._workers}
                came = multiprocessing.connection.wait(list(waited), max(0.0, until - time.monotonic()))
                if not came:
                    return next((w.at() for w in self._workers if task in w.tasks.values()), "a free worker")
                for thing in sorted(came, key=lambda t: isinstance(t, int)):  # answers before ends
                    self._hear(waited[thing])
                self._feed()
        return None

    def _hear(self, worker: _Worker) -> None:
        try:
            key, batch, error = _shared.receive(worker.end)
        except _shared.Closed:
            return self._lost(worker)
        task = worker.tasks.pop(key)
        if error is not None:
            error = _raised(*error)
        task.finish(batch, error)

    def _lost(self, worker: _Worker) -> None:
        """Stops all workers as one is gone, and says which, how, and what it was doing."""
        at = worker.at()
        worker.process.join(_PATIENCE)
        ended = _ended(worker.process.exitcode)
        self.close()
        raise MXNetError(f"[DataLoader] {at}, {ended}") from None


def _ended(code: int | None) -> str:
    """How a process ended."""
    if code is None:
        return "speaks no more"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "no name"
    hint = ": the system does that when memory runs out" if code == -signal.SIGKILL else ""
    return f"was killed by signal {-code} ({name}){hint}"


def _raised(pickled: bytes | None, kind: str, text: str) -> BaseException:
    """The error that a worker sent, with its traceback as the cause."""
    error: BaseException | None = None
    if pickled is not None:
        try:
            error = pickle.loads(pickled)
        except Exception:
            error = None
    if not isinstance(error, BaseException):
        error = RuntimeError(f"[DataLoader] a worker raised {kind}, which cannot be pickled")
    error.__cause__ = WorkerTraceback(text)
    return error


def _stop(pid: int, workers: list[_Worker]) -> None:
    """Has the workers end, and waits until they have."""
    if pid != os.getpid():
        return  # a forked process: they are not its children
    for worker in workers:
        worker.end.close()
    for worker in workers:
        worker.process.join(_PATIENCE)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        worker.process.close()
        if worker.progress is not None:
            worker.progress.close()
    workers.clear()


# --- in the worker


def _listen(sock: socket.socket, inbox: queue.SimpleQueue[Any]) -> None:
    """Takes what is sent, so that who sends never waits; ends the process when nothing comes any more."""
    try:
        while True:
            inbox.put(_shared.receive(sock))
    except BaseException:
        os._exit(0)


def _serve(sock: socket.socket, dataset: Any, batchify: Callable[[Sequence[Any]], Any], progress: mmap.mmap | None) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who waits for the batches
    _core.set_threads(1)  # there are as many workers as somebody wanted to work at once
    inbox: queue.SimpleQueue[tuple[int, int, list[Any], int]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sock, inbox), daemon=True).start()

    def tell(at: int) -> None:
        if progress is not None:
            progress[:8] = at.to_bytes(8, "little")

    while True:
        key, number, indices, seed = inbox.get()
        tell(0)
        _start_random(seed)
        try:
            answer = _shared.pack((key, make_batch(dataset, batchify, number, indices, tell), None))
        except BaseException as error:  # SystemExit too: somebody waits for an answer
            answer = _shared.pack((key, None, _sent(error)))
        try:
            _shared.send(sock, answer)
        except _shared.Closed:
            return
        del answer


def _start_random(seed: int) -> None:
    """What is drawn in a batch depends on its seed, not on the worker that makes it."""
    random.seed(seed)
    start_random(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)


def _sent(error: BaseException) -> tuple[bytes | None, str, str]:
    """An error as it is sent: pickled where that can be undone, its type, and its traceback."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:
        return None, kind, text
    return pickled, kind, text
