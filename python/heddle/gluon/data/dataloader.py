"""The DataLoader: a dataset in batches, made ahead by threads or processes."""
from __future__ import annotations

import collections
import warnings
import weakref

from ..._shuffle import number as random_number
from ...context import cpu_pinned
from ...ndarray import NDArray
from ._processes import Processes
from ._tasks import Task, make_batch
from ._threads import Threads
from .batchify import default_batchify_fn, default_mp_batchify_fn
from .sampler import BatchSampler, RandomSampler, SequentialSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ...context import Context

__all__ = ["DataLoader", "default_batchify_fn", "default_mp_batchify_fn"]


class DataLoader:
    """The samples of a dataset in batches, as often as one goes through it.

    dataset: what has a length and samples by index: a Dataset, a list, an array.
    batch_size: samples in a batch.
    shuffle: another order in each epoch; see RandomSampler for the seed that decides it.
    sampler: the order instead, a Sampler or any iterable of indices with a length.
    last_batch: "keep", "discard" or "rollover", see BatchSampler; "keep" unless given.
    batch_sampler: lists of indices, instead of the four above.
    batchify_fn: makes a batch of a list of samples; default_batchify_fn unless given. More are in gluon.data.batchify.
    num_workers: how many make batches at once; 0 makes each when it is wanted.
    pin_memory, pin_device_id: put batches in memory that a GPU copies fast from.
    prefetch: batches asked for ahead; twice num_workers unless given, and 1 at least.
    thread_pool: what the workers are. None or True: threads of this process, which suit what runs in heddle's operators
        (reading, decoding, transforms, stacking), since these let other Python code run meanwhile. False: processes, which
        suit transforms in Python; arrays come back through shared memory without a copy. MXNet's False, which a call
        without the argument means there, is None here.
    timeout: after so many seconds without a batch a warning tells what is waited for, and again after as many. Nothing is
        killed for being slow.
    auto_reload: begin with the next epoch when one has ended, before it is asked for.
    start_method: of processes: "fork", which needs nothing to be pickled and is safe here at any moment, or "spawn".

    The batches of an epoch come in the order of the sampler, whoever makes them. An error in a worker is raised where its
    batch is wanted, with the worker's traceback; a process that dies is a MXNetError that names it, its signal and its
    sample. What is drawn by chance in a process depends on `mx.random.seed` and on the batch, not on the worker; in threads,
    on which comes first. Workers live as long as the loader and end with it; an epoch may be left at any time.

    Raises ValueError for arguments that exclude each other, AssertionError for a timeout that is not positive.
    """

    def __init__(self, dataset: Any, batch_size: int | None = None, shuffle: bool = False, sampler: Any = None,
                 last_batch: str | None = None, batch_sampler: Any = None,
                 batchify_fn: Callable[[Sequence[Any]], Any] | None = None, num_workers: int = 0, pin_memory: bool = False,
                 pin_device_id: int = 0, prefetch: int | None = None, thread_pool: bool | None = None, timeout: float = 120,
                 auto_reload: bool = False, *, start_method: str = "fork") -> None:
        assert timeout > 0, f"timeout must be positive, given {timeout}"
        if start_method not in ("fork", "spawn"):
            raise ValueError(f"[DataLoader] start_method is {start_method!r}, expected 'fork' or 'spawn'")
        self._dataset = dataset
        self._context = cpu_pinned(pin_device_id) if pin_memory else None
        self._timeout = timeout
        self._processes = thread_pool is False
        self._start_method = start_method
        self._batch_sampler = _batches(dataset, batch_size, shuffle, sampler, last_batch, batch_sampler)
        self._num_workers = max(0, num_workers)
        self._prefetch = max(1, int(2 * self._num_workers if prefetch is None else prefetch))
        self._batchify = batchify_fn or (default_mp_batchify_fn if self._num_workers else default_batchify_fn)
        self._auto_reload = auto_reload
        self._pool: Threads | Processes | None = None
        self._ahead: _Epoch | None = None  # begun before it is asked for
        if auto_reload:
            self.refresh()

    def __iter__(self) -> Iterator[Any]:
        if not self._num_workers:
            return self._one_by_one()
        epoch, self._ahead = self._ahead, None
        return epoch or self._begin()

    def __len__(self) -> int:
        return len(self._batch_sampler)

    def _one_by_one(self) -> Iterator[Any]:
        for number, indices in enumerate(self._batch_sampler):
            yield _on(self._context, make_batch(self._dataset, self._batchify, number, indices))

    def _begin(self) -> _Epoch:
        if self._pool is None or not self._pool.usable():
            if self._processes:
                self._pool = Processes(self._num_workers, self._dataset, self._batchify, self._start_method)
            else:
                self._pool = Threads(self._num_workers, self._dataset, self._batchify)
        again = weakref.WeakMethod(self.refresh) if self._auto_reload else None
        return _Epoch(self._pool, self._batch_sampler, self._prefetch, self._timeout, self._context, again)

    def refresh(self) -> None:
        """Drops what was made ahead of the next epoch, and begins with that anew."""
        self.clean()
        if self._num_workers:
            self._ahead = self._begin()

    def clean(self) -> None:
        """Drops what was made ahead of the next epoch."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None


def _batches(dataset: Any, batch_size: int | None, shuffle: bool, sampler: Any, last_batch: str | None, batch_sampler: Any) -> Any:
    """The lists of indices that a loader goes through."""
    if batch_sampler is not None:
        if batch_size is not None or shuffle or sampler is not None or last_batch is not None:
            raise ValueError("batch_size, shuffle, sampler and last_batch must not be specified if batch_sampler is specified.")
        return batch_sampler
    if batch_size is None:
        raise ValueError("batch_size must be specified unless batch_sampler is specified")
    if sampler is not None and shuffle:
        raise ValueError("shuffle must not be specified if sampler is specified")
    if sampler is None:
        sampler = RandomSampler(len(dataset)) if shuffle else SequentialSampler(len(dataset))
    return BatchSampler(sampler, batch_size, last_batch or "keep")


class _Epoch:
    """The batches of one epoch, in their order, some of which are being made ahead."""

    def __init__(self, pool: Threads | Processes, batches: Any, prefetch: int, timeout: float, context: Context | None,
                 again: weakref.WeakMethod[Callable[[], None]] | None) -> None:
        self._pool = pool
        self._left = enumerate(batches)
        self._prefetch = prefetch
        self._timeout = timeout
        self._context = context
        self._again = again
        self._seed = random_number() if isinstance(pool, Processes) else 0
        self._length = len(batches) if hasattr(batches, "__len__") else 0
        self._tasks: collections.deque[Task] = collections.deque()
        self._fill()

    def __iter__(self) -> _Epoch:
        return self

    def __len__(self) -> int:
        return self._length

    def _fill(self) -> None:
        while len(self._tasks) < self._prefetch:
            number, indices = next(self._left, (0, None))
            if indices is None:
                return
            task = Task(number, indices, (self._seed + 1000003 * number) % 2**31)
            self._tasks.append(task)
            self._pool.submit(task)

    def __next__(self) -> Any:
        if not self._tasks:
            again, self._again = self._again and self._again(), None
            if again is not None:
                again()
            raise StopIteration
        task = self._tasks[0]
        while (waits_for := self._pool.wait(task, self._timeout)) is not None:
            warnings.warn(f"[DataLoader] batch {task.number} has not come for {self._timeout} s; waiting for {waits_for}",
                          RuntimeWarning, stacklevel=2)
        self._tasks.popleft()
        self._fill()  # before an error is raised, so that one may go on with the next batch
        return _on(self._context, task.take())

    def close(self) -> None:
        """Has nothing more made."""
        self._left = enumerate(())
        for task in self._tasks:
            task.cancelled = True
        self._tasks.clear()

    def __del__(self) -> None:
        if hasattr(self, "_tasks"):
            self.close()


def _on(context: Context | None, batch: Any) -> Any:
    """A batch with its arrays on a device."""
    if context is None:
        return batch
    if isinstance(batch, NDArray):
        return batch.as_in_context(context)
    if isinstance(batch, (list, tuple)):
        return type(batch)(_on(context, part) for part in batch)
    return batch
