"""Samplers: the order in which a loader takes the samples of a dataset, and how it parts them into batches."""
from __future__ import annotations

import array

from ..._shuffle import shuffle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

__all__ = ["BatchSampler", "FilterSampler", "RandomSampler", "Sampler", "SequentialSampler"]


class Sampler:
    """What samplers have in common: they can be gone through again and again, and say how many they give."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} does not say which samples come")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many samples come")


class SequentialSampler(Sampler):
    """The indices start, start + 1, ...: `length` of them."""

    def __init__(self, length: int, start: int = 0) -> None:
        self._length = length
        self._start = start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._start + self._length))

    def __len__(self) -> int:
        return self._length


class RandomSampler(Sampler):
    """The indices below `length` in an order that is new each time.

    NumPy's seed fixes the orders that follow, as in MXNet, or `mx.random.seed` where NumPy was never seeded.
    """

    def __init__(self, length: int) -> None:
        self._length = length

    def __iter__(self) -> Iterator[int]:
        indices = array.array("q", range(self._length))
        shuffle(indices)
        return iter(indices)

    def __len__(self) -> int:
        return self._length


class FilterSampler(Sampler):
    """The indices of those samples for which fn(sample) is true, which is asked once, here."""

    def __init__(self, fn: Callable[[Any], Any], dataset: Any) -> None:
        self._fn = fn
        self._dataset = dataset
        self._indices = [i for i in range(len(dataset)) if fn(dataset[i])]

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)


class BatchSampler(Sampler):
    """Lists of `batch_size` indices of another sampler.

    sampler: a Sampler, or any iterable with a length.
    last_batch: what becomes of indices too few for a batch at the end: "keep" gives them as they are, "discard" drops them,
        "rollover" puts them at the start of the next time.

    Raises ValueError for another last_batch, and for a batch_size below 1.
    """

    def __init__(self, sampler: Any, batch_size: int, last_batch: str = "keep") -> None:
        if last_batch not in ("keep", "discard", "rollover"):
            raise ValueError(f"last_batch must be one of 'keep', 'discard', or 'rollover', but got {last_batch}")
        if batch_size < 1:
            raise ValueError(f"[BatchSampler] batch_size is {batch_size}, expected 1 or more")
        self._sampler = sampler
        self._batch_size = batch_size
        self._last_batch = last_batch
        self._left: Sequence[Any] = []  # by the last time, where it rolls over

    def __iter__(self) -> Iterator[list[Any]]:
        batch, self._left = [*self._left], []
        for index in self._sampler:
            batch.append(index)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch and self._last_batch == "keep":
            yield batch
        elif self._last_batch == "rollover":
            self._left = batch

    def __len__(self) -> int:
        count = len(self._sampler)
        if self._last_batch == "keep":
            return -(-count // self._batch_size)
        return (count + len(self._left)) // self._batch_size
