"""Batches of arrays in memory."""
from __future__ import annotations

import array as _array
import sys

from .. import _core
from .._shuffle import shuffle as _shuffled
from ..ndarray import NDArray, op
from ..ndarray.functions import array
from .io import DataBatch, DataDesc, DataIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


def _is_in_a_file(value: Any) -> bool:
    """Whether this is a dataset of h5py, whose rows are read when a batch needs them."""
    h5py = sys.modules.get("h5py")
    return h5py is not None and isinstance(value, h5py.Dataset)


def _read(dataset: Any, rows: _array.array[int]) -> NDArray:
    """Rows of a dataset, which itself gives rows in increasing order only, and each once. Float32, as of other sources."""
    wanted = sorted(set(rows))
    begin, end = wanted[0], wanted[-1] + 1
    together = array(dataset[begin:end] if end - begin == len(wanted) else dataset[wanted])
    if rows == _array.array("i", wanted):
        return together
    place = {row: i for i, row in enumerate(wanted)}
    return op.take(together, _numbers(_array.array("i", (place[row] for row in rows))), axis=0)


def _numbers(rows: _array.array[int]) -> NDArray:
    return _core.array_from_buffer(rows, "int32", "cpu", 0)


def _sources(given: Any, default_name: str, allow_empty: bool) -> list[tuple[str, Any]]:
    """(name, NDArray or dataset of h5py) pairs of an array, a list or a dict of arrays."""
    if given is None:
        given = []
    if isinstance(given, NDArray) or not isinstance(given, (list, dict, tuple)):
        given = [given]
    if not given and not allow_empty:
        raise ValueError("found no data, expected at least one array")
    named: Iterable[tuple[str, Any]]
    if isinstance(given, dict):
        named = given.items()
    elif len(given) == 1:
        named = [(default_name, given[0])]
    else:
        named = [(f"_{i}_{default_name}", value) for i, value in enumerate(given)]
    return sorted(((name, value if isinstance(value, NDArray) or _is_in_a_file(value) else array(value)) for name, value in named),
                  key=lambda pair: pair[0])


class NDArrayIter(DataIter):
    """Batches of rows of arrays: of NDArrays, of what an NDArray can be made of, and of datasets of h5py, which are read batch
    by batch.

    The last batch of an epoch that is not full is filled from the start ("pad"), dropped ("discard"), or kept for
    the start of the next epoch ("roll_over"). Batches are copies: what is written into them changes no later epoch.
    With shuffle the order is new in every epoch; NumPy's seed fixes the orders that follow, or `mx.random.seed` where
    NumPy was never seeded.
    """

    def __init__(self, data: Any, label: Any = None, batch_size: int = 1, shuffle: bool = False,
                 last_batch_handle: str = "pad", data_name: str = "data", label_name: str = "softmax_label",
                 layout: str | None = "NCHW") -> None:
        super().__init__(batch_size)
        if last_batch_handle not in ("pad", "discard", "roll_over"):
            raise ValueError(f"found last_batch_handle {last_batch_handle!r}, expected pad, discard or roll_over")
        self.data = _sources(data, data_name, False)
        self.label = _sources(label, label_name, True)
        self.num_data = self.data[0][1].shape[0]
        for name, value in (*self.data, *self.label):
            if value.shape[0] != self.num_data:
                raise ValueError(f"{name} has {value.shape[0]} rows, expected {self.num_data}")
        self.data_list = [value for _, value in (*self.data, *self.label)]
        self.num_source = len(self.data_list)
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.layout = layout
        self._left_over = _array.array("i")
        self._all = _array.array("i", range(self.num_data))
        self._moves = _array.array("i", self._all)  # of this epoch's rows, from their places in the last
        self._start()

    @property
    def idx(self) -> Any:
        """Where this epoch's rows stood in the last: a NumPy array, or Python's where NumPy is not there."""
        numpy = sys.modules.get("numpy")
        return self._moves if numpy is None else numpy.array(self._moves)

    # --- the order of an epoch
    def _start(self) -> None:
        """The order of the next epoch: rows left over from the last one come first."""
        if self.shuffle:  # the last moves shuffled, and the last rows moved by them: MXNet's orders of a seed
            _shuffled(self._moves)
            self._all = _array.array("i", (self._all[i] for i in self._moves))
        rows = self._all
        carried = len(self._left_over)
        self._carried = carried
        self._plain = not self.shuffle and not carried  # rows in their own order
        self._order = self._left_over + rows
        self._left_over = _array.array("i")
        self._rows: NDArray | None = None
        self.cursor = -self.batch_size
        self._taken: list[NDArray] | None = None

    def hard_reset(self) -> None:
        """Starts over, without rows left over."""
        self._left_over = _array.array("i")
        self._start()

    def reset(self) -> None:
        self._start()

    def iter_next(self) -> bool:
        if self.cursor >= len(self._order):
            return False
        self.cursor += self.batch_size
        self._taken = None
        missing = self.cursor + self.batch_size - len(self._order)
        if missing <= 0:
            return True
        if self.last_batch_handle == "pad":
            return self.cursor < len(self._order)
        if self.last_batch_handle == "roll_over":
            self._left_over = self._order[self.cursor:]
        self.cursor = len(self._order)
        return False

    def next(self) -> DataBatch:
        if not self.iter_next():
            raise StopIteration
        return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())

    # --- the current batch
    def _take(self) -> list[NDArray]:
        """The rows of every source."""
        if self._taken is None:
            begin, end = self.cursor, self.cursor + self.batch_size
            if self._plain and end <= self.num_data:
                self._taken = [array(value[begin:end]) if _is_in_a_file(value) else value._slice(begin, end).copy()
                               for value in self.data_list]
            else:
                numbers = self._row_numbers(begin, end)
                self._taken = [_read(value, self._rows_of_batch(begin)) if _is_in_a_file(value) else
                               op.take(value, numbers, axis=0) for value in self.data_list]
        return self._taken

    def _row_numbers(self, begin: int, end: int) -> NDArray:
        """An int32 array of the rows of a batch."""
        if self._rows is None:
            self._rows = _numbers(self._order)
        return self._rows._slice(begin, end) if end <= len(self._order) else _numbers(self._rows_of_batch(begin))

    def _rows_of_batch(self, begin: int) -> _array.array[int]:
        """The rows of the batch that begins there, filled up with the first ones."""
        index = self._order[begin:begin + self.batch_size]
        while len(index) < self.batch_size:
            index += self._order[:self.batch_size - len(index)]
        return index

    def getdata(self) -> Sequence[NDArray]:
        return self._take()[:len(self.data)]

    def getlabel(self) -> Sequence[NDArray]:
        return self._take()[len(self.data):]

    def getpad(self) -> int | None:
        if self.last_batch_handle == "pad":
            return max(0, self.cursor + self.batch_size - len(self._order))
        return self._carried if self.last_batch_handle == "roll_over" and self.cursor == 0 else 0

    # --- what the batches look like
    def _descriptions(self, sources: list[tuple[str, Any]]) -> list[DataDesc]:
        return [DataDesc(name, (self.batch_size, *value.shape[1:]), "float32" if _is_in_a_file(value) else value.dtype, self.layout)
                for name, value in sources]

    @property
    def provide_data(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes, dtypes and layouts of the data of a batch."""
        return self._descriptions(self.data)

    @property
    def provide_label(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes, dtypes and layouts of the labels of a batch."""
        return self._descriptions(self.label)
