"""Loaders of batches as iterators that modules take."""
from __future__ import annotations

from ..base import dtype_name
from ..io import DataDesc, DataIter
from ..ndarray import NDArray, concat, zeros
from ..ndarray.functions import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from .._typing import DTypeLike

__all__ = ["DataLoaderIter"]


class DataLoaderIter(DataIter):
    """Batches of anything that can be gone through again and again and gives pairs (data, label), such as a DataLoader.

    loader: what gives the pairs, of arrays whose first axis counts samples; the first pair says how many a batch has.
    data_name, label_name: names of the arrays.
    dtype: of data and labels.

    Zeros fill a smaller last batch; its pad says how many samples that are. Raises ValueError for a loader without batches.
    """

    def __init__(self, loader: Iterable[tuple[Any, Any]], data_name: str = "data", label_name: str = "softmax_label",
                 dtype: DTypeLike = "float32") -> None:
        first = next(iter(loader), None)
        if first is None:
            raise ValueError("found a loader without batches, expected at least one")
        data, label = first
        super().__init__(data.shape[0])
        self.dtype = dtype
        self.provide_data = [DataDesc(data_name, data.shape, dtype)]
        self.provide_label = [DataDesc(label_name, label.shape, dtype)]
        self._loader = loader
        self._current_batch: tuple[Any, Any] | None = None
        self.reset()

    def reset(self) -> None:
        self._iter: Iterator[tuple[Any, Any]] = iter(self._loader)

    def iter_next(self) -> bool:
        self._current_batch = next(self._iter, None)
        return self._current_batch is not None

    def _filled(self, which: int) -> NDArray:
        assert self._current_batch is not None
        value = self._current_batch[which]
        value = value if isinstance(value, NDArray) else array(value)
        if value.dtype != dtype_name(self.dtype):
            value = value.astype(self.dtype)
        pad = self.getpad()
        return concat(value, zeros((pad, *value.shape[1:]), dtype=self.dtype), dim=0) if pad else value

    def getdata(self) -> Sequence[NDArray]:
        return [self._filled(0)]

    def getlabel(self) -> Sequence[NDArray]:
        return [self._filled(1)]

    def getpad(self) -> int:
        """How many samples the current batch lacks."""
        assert self._current_batch is not None
        return self.batch_size - int(self._current_batch[0].shape[0])

    def getindex(self) -> None:
        """None: loaders do not say."""
