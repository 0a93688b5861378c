"""Batches, what they look like, and iterators over other iterators."""
from __future__ import annotations

import queue
import threading
from collections import namedtuple

from ..base import as_dtype, dtype_name, mx_real_t

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base import DType
    from collections.abc import Sequence
    from typing import Any

    from .._typing import DTypeLike, OneOrMore, Shape
    from ..ndarray import NDArray


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):
    """The name and shape of an input; also its dtype, and its layout, whose N is the batch axis."""

    name: str
    shape: Shape
    dtype: DType
    layout: str | None

    def __new__(cls, name: str, shape: Sequence[int], dtype: DTypeLike = mx_real_t,
                layout: str | None = "NCHW") -> DataDesc:
        self = super().__new__(cls, name, tuple(shape))
        self.dtype = as_dtype(dtype_name(dtype))
        self.layout = layout
        return self

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.name, self.shape, self.dtype, self.layout

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """The place of N in a layout; 0 when there is no layout, -1 when it has no N."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Any, types: Any) -> list[DataDesc]:
        """DataDescs of pairs (name, shape) and pairs (name, dtype)."""
        types = dict(types) if types is not None else {}
        return [DataDesc(name, shape, types.get(name, mx_real_t)) for name, shape in shapes]


class DataBatch:
    """Arrays of data and labels; the last `pad` samples only fill the batch up."""

    def __init__(self, data: Sequence[NDArray] | None, label: Sequence[NDArray] | None = None, pad: int | None = None,
                 index: Any = None, bucket_key: Any = None, provide_data: list[DataDesc] | None = None,
                 provide_label: list[DataDesc] | None = None) -> None:
        for name, arrays in (("Data", data), ("Label", label)):
            if arrays is not None and not isinstance(arrays, (list, tuple)):
                raise TypeError(f"{name} must be list of NDArrays")
        self.data: Sequence[NDArray] = data  # type: ignore[assignment]  # None is rare, and then nobody looks
        self.label: Sequence[NDArray] = label  # type: ignore[assignment]
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __str__(self) -> str:
        return (f"{type(self).__name__}: data shapes: {[d.shape for d in self.data]} "
                f"label shapes: {[label.shape for label in self.label or []]}")


class DataIter:
    """Gives batches until the epoch ends; reset() starts the next one.

    Subclasses define next(), or iter_next() and the functions that get parts of a batch.
    """

    provide_data: list[DataDesc]
    provide_label: list[DataDesc]

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> DataIter:
        return self

    def __next__(self) -> DataBatch:
        return self.next()

    def reset(self) -> None:
        """Starts over."""

    def next(self) -> DataBatch:
        """The next batch; StopIteration at the end of the epoch."""
        if self.iter_next():
            return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())
        raise StopIteration

    def iter_next(self) -> bool:
        """Moves on; False at the end of the epoch."""
        raise NotImplementedError(f"{type(self).__name__} defines neither next() nor iter_next()")

    def getdata(self) -> Sequence[NDArray]:
        """The data of the current batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its data is")

    def getlabel(self) -> Sequence[NDArray]:
        """The labels of the current batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its labels are")

    def getindex(self) -> Any:
        """The numbers of the samples of the current batch, or None."""

    def getpad(self) -> int | None:
        """How many samples only fill the current batch up."""
        raise NotImplementedError(f"{type(self).__name__} does not say how much its batches are padded")


class _Current(DataIter):
    """An iterator whose iter_next() sets current_batch."""

    current_batch: DataBatch

    def getdata(self) -> Sequence[NDArray]:
        return self.current_batch.data

    def getlabel(self) -> Sequence[NDArray]:
        return self.current_batch.label

    def getindex(self) -> Any:
        return self.current_batch.index

    def getpad(self) -> int | None:
        return self.current_batch.pad

    def next(self) -> DataBatch:
        if self.iter_next():
            return self.current_batch
        raise StopIteration


class ResizeIter(_Current):
    """Epochs of `size` batches; the other iterator starts over when it ends before that."""

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self) -> None:
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True


class _Fetcher:
    """Takes batches from an iterator on a thread of its own, one ahead."""

    def __init__(self, source: DataIter) -> None:
        self._source = source
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[DataBatch | None, Exception | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._orders.put("next")

    def _run(self) -> None:
        while (order := self._orders.get()) != "stop":
            try:
                if order == "reset":
                    self._source.reset()
                self._results.put((self._source.next(), None))
            except StopIteration:
                self._results.put((None, None))
            except Exception as error:  # belongs to the thread that takes the batch
                self._results.put((None, error))

    def take(self) -> DataBatch | None:
        """The next batch, or None at the end; the one after it is being fetched."""
        batch, error = self._results.get()
        if error is not None:
            self._results.put((None, None))
            raise error
        if batch is None:
            self._results.put((None, None))  # stays at the end until reset
        else:
            self._orders.put("next")
        return batch

    def reset(self) -> None:
        self._results.get()
        self._orders.put("reset")

    def stop(self) -> None:
        self._orders.put("stop")


class PrefetchingIter(_Current):
    """Fetches the next batch of one or more iterators while the current one is used; their batches are joined."""

    def __init__(self, iters: OneOrMore[DataIter], rename_data: list[dict[str, str]] | None = None,
                 rename_label: list[dict[str, str]] | None = None) -> None:
        iters = iters if isinstance(iters, list) else [iters]  # type: ignore[list-item]
        if not iters:
            raise ValueError("PrefetchingIter needs at least one iterator")
        self.iters = iters
        self.rename_data = rename_data
        self.rename_label = rename_label
        super().__init__(self.provide_data[0].shape[0])
        self._fetchers = [_Fetcher(i) for i in iters]

    def _descriptions(self, rename: Any, which: str) -> list[DataDesc]:
        found = []
        for at, it in enumerate(self.iters):
            names = rename[at] if rename else {}
            for d in getattr(it, which):
                d = d if isinstance(d, DataDesc) else DataDesc(*d)
                found.append(DataDesc(names.get(d.name, d.name), d.shape, d.dtype, d.layout))
        return found

    @property
    def provide_data(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes, dtypes and layouts of the data of a batch."""
        return self._descriptions(self.rename_data, "provide_data")

    @property
    def provide_label(self) -> list[DataDesc]:  # type: ignore[override]
        """Names, shapes, dtypes and layouts of the labels of a batch."""
        return self._descriptions(self.rename_label, "provide_label")

    def __del__(self) -> None:
        for fetcher in getattr(self, "_fetchers", ()):
            fetcher.stop()

    def reset(self) -> None:
        for fetcher in self._fetchers:
            fetcher.reset()

    def iter_next(self) -> bool:
        taken = [fetcher.take() for fetcher in self._fetchers]
        batches = [b for b in taken if b is not None]
        if len(batches) < len(taken):
            if batches:
                raise RuntimeError("Number of entry mismatches between iterators")
            return False
        pads = {b.pad for b in batches}
        if len(pads) != 1:
            raise RuntimeError(f"found pads {pads} in the batches of the iterators, expected the same")
        self.current_batch = DataBatch(
            [a for b in batches for a in b.data], [a for b in batches for a in b.label or []], pads.pop(),
            batches[0].index, provide_data=self.provide_data, provide_label=self.provide_label)
        return True
