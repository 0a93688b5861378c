"""Datasets: samples by their index, and datasets made of others."""
from __future__ import annotations

import os

from ... import recordio
from ...ndarray import NDArray
from .sampler import FilterSampler, Sampler, SequentialSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["ArrayDataset", "Dataset", "RecordFileDataset", "SimpleDataset"]


class Dataset:
    """What datasets have in common. A subclass defines __getitem__ and __len__; any object with both serves a DataLoader."""

    def __getitem__(self, idx: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what its samples are")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many samples it has")

    def filter(self, fn: Callable[[Any], Any]) -> Dataset:
        """The samples for which fn(sample) is true; fn is called here, once for each of them."""
        return _SampledDataset(self, FilterSampler(fn, self))

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Part `index` of `num_shards` parts that follow each other; the first ones have a sample more where the samples
        cannot be parted evenly. Raises AssertionError, as MXNet does, for a part that there is not."""
        assert index >= 0, "Index must be non-negative"
        assert index < num_shards, f"Shard index of out bound: {index} out of {num_shards}"
        share, rest = divmod(len(self), num_shards)
        begin = share * index + min(index, rest)
        return _SampledDataset(self, SequentialSampler(share + (index < rest), begin))

    def take(self, count: int | None) -> Dataset:
        """The first `count` samples, or all where there are no more or count is None. Raises ValueError for a negative one."""
        if count is not None and count < 0:
            raise ValueError(f"[Dataset.take] count is {count}, expected 0 or more")
        return _SampledDataset(self, SequentialSampler(len(self) if count is None else min(count, len(self))))

    def sample(self, sampler: Sampler) -> Dataset:
        """The samples that a sampler names, in its order. Raises TypeError for what is no Sampler."""
        if not isinstance(sampler, Sampler):
            raise TypeError(f"Invalid sampler type: {type(sampler)}. Expected gluon.data.Sampler instead.")
        return _SampledDataset(self, sampler)

    def transform(self, fn: Callable[..., Any], lazy: bool = True) -> Dataset:
        """fn(sample) of each sample; of one that is a tuple, fn(*sample).

        lazy: fn is called each time that a sample is wanted, as random transforms need it; else here, once.
        """
        made = _LazyTransformDataset(self, fn)
        return made if lazy else SimpleDataset([made[i] for i in range(len(made))])

    def transform_first(self, fn: Callable[[Any], Any], lazy: bool = True) -> Dataset:
        """fn(first), and the rest of the sample as it is: transforms the image and leaves the label."""
        return self.transform(_TransformFirst(fn), lazy)


class SimpleDataset(Dataset):
    """The items of a list, or of anything that has a length and items by index."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __getitem__(self, idx: int) -> Any:
        return self._data[idx]

    def __len__(self) -> int:
        return len(self._data)


class _LazyTransformDataset(Dataset):
    """fn of each sample of another dataset, when it is wanted."""

    def __init__(self, data: Any, fn: Callable[..., Any]) -> None:
        self._data = data
        self._fn = fn

    def __getitem__(self, idx: int) -> Any:
        item = self._data[idx]
        return self._fn(*item) if isinstance(item, tuple) else self._fn(item)

    def __len__(self) -> int:
        return len(self._data)


class _TransformFirst:
    """Applies a function to the first of its arguments. A class, so that it can be pickled."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn

    def __call__(self, first: Any, *rest: Any) -> Any:
        return (self._fn(first), *rest) if rest else self._fn(first)


class _SampledDataset(Dataset):
    """The samples of another dataset that a sampler names."""

    def __init__(self, dataset: Any, sampler: Sampler) -> None:
        self._dataset = dataset
        self._indices: Sequence[int] = (range(sampler._start, sampler._start + len(sampler)) if isinstance(sampler, SequentialSampler)
                                        else list(sampler))

    def __getitem__(self, idx: int) -> Any:
        return self._dataset[self._indices[idx]]

    def __len__(self) -> int:
        return len(self._indices)


class ArrayDataset(Dataset):
    """Sample i holds item i of each of several arrays, lists or datasets; of one alone, the item itself.

    Items of an NDArray with one axis are NumPy's numbers where NumPy is there, so that batches keep their dtype. Raises
    AssertionError, as MXNet does, where lengths differ or nothing is given.
    """

    def __init__(self, *args: Any) -> None:
        assert args, "Needs at least 1 arrays"
        self._length = len(args[0])
        self._data = []
        for i, data in enumerate(args):
            assert len(data) == self._length, (f"All arrays must have the same length; array[0] has length {self._length} "
                                               f"while array[{i}] has {len(data)}.")
            self._data.append(_numbers(data) if isinstance(data, NDArray) and len(data.shape) == 1 else data)

    def __getitem__(self, idx: int) -> Any:
        if len(self._data) == 1:
            return self._data[0][idx]
        return tuple(data[idx] for data in self._data)

    def __len__(self) -> int:
        return self._length


def _numbers(data: NDArray) -> Any:
    """The numbers of a vector, without an array for each."""
    try:
        return data.asnumpy()
    except ImportError:
        return data


class RecordFileDataset(Dataset):
    """The records of an indexed RecordIO file, as bytes, in the order of the index.

    filename: the path of the .rec file; the index lies beside it, as .idx (`heddle.tools.rec2idx` makes one).

    Raises FileNotFoundError where there is no index, MXNetError where the file cannot be opened. Threads and processes may
    share it.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        self.filename = os.fspath(filename)
        self.idx_file = os.path.splitext(self.filename)[0] + ".idx"
        self._record = recordio.MXIndexedRecordIO(self.idx_file, self.filename, "r")

    def __getitem__(self, idx: int) -> Any:
        return self._record.read_idx(self._record.keys[idx])

    def __len__(self) -> int:
        return len(self._record.keys)


class _DownloadedDataset(Dataset):
    """Images and labels that lie in files of a known form, read whole.

    root: their folder; ~ is the home. transform: called with (image, label) of each sample.
    A subclass reads them in _get_data to _data and _label.
    """

    def __init__(self, root: str | os.PathLike[str], transform: Callable[[Any, Any], Any] | None) -> None:
        self._transform = transform
        self._data: Any = None
        self._label: Any = None
        self._root = os.path.expanduser(os.fspath(root))
        self._get_data()

    def __getitem__(self, idx: int) -> Any:
        if self._transform is not None:
            return self._transform(self._data[idx], self._label[idx])
        return self._data[idx], self._label[idx]

    def __len__(self) -> int:
        return len(self._label)

    def _get_data(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not say how its files are read")
