"""Batches to be made: what is asked of the workers of a DataLoader, and how one is made."""
from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Task:
    """A batch that somebody waits for: afterwards `batch` is there, or `error`."""

    __slots__ = ("number", "indices", "seed", "done", "cancelled", "batch", "error")

    def __init__(self, number: int, indices: Sequence[Any], seed: int) -> None:
        self.number = number  # among the batches of its epoch
        self.indices = indices
        self.seed = seed
        self.done = threading.Event()
        self.cancelled = False  # nobody waits any more
        self.batch: Any = None
        self.error: BaseException | None = None

    def finish(self, batch: Any, error: BaseException | None) -> None:
        """Says what came of it."""
        self.batch, self.error = batch, error
        self.done.set()

    def take(self) -> Any:
        """The batch, which is given away; raises where there is an error instead."""
        batch, error = self.batch, self.error
        self.batch = self.error = None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback leads here: no circle is left
        return batch


def make_batch(dataset: Any, batchify: Callable[[Sequence[Any]], Any], number: int, indices: Sequence[Any],
               progress: Callable[[int], None] | None = None) -> Any:
    """The batch of some samples. An error of the dataset goes through with a note that names the sample.

    progress: told which of the indices is next.
    """
    samples = []
    for at, index in enumerate(indices):
        if progress is not None:
            progress(at)
        try:
            samples.append(dataset[index])
        except StopIteration as error:  # it would end the loop over the batches, silently
            raise RuntimeError(f"[DataLoader] sample {index!r} of batch {number} raised StopIteration") from error
        except Exception as error:
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"[DataLoader] while sample {index!r} of batch {number} was made")
            raise
    if progress is not None:
        progress(len(indices))
    return batchify(samples)
