"""Batches, what they look like, and iterators over other iterators."""
import queue
import threading
from collections import namedtuple

from ..base import as_dtype, dtype_name, mx_real_t


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):
    """The name and shape of an input; also its dtype, and its layout, whose N is the batch axis."""

    def __new__(cls, name, shape, dtype=mx_real_t, layout="NCHW"):
        self = super().__new__(cls, name, tuple(shape))
        self.dtype = as_dtype(dtype_name(dtype))
        self.layout = layout
        return self

    def __repr__(self):
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    def __getnewargs__(self):
        return self.name, self.shape, self.dtype, self.layout

    @staticmethod
    def get_batch_axis(layout):
        """The place of N in a layout; 0 when there is no layout, -1 when it has no N."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes, types):
        """DataDescs of pairs (name, shape) and pairs (name, dtype)."""
        types = dict(types) if types is not None else {}
        return [DataDesc(name, shape, types.get(name, mx_real_t)) for name, shape in shapes]


class DataBatch:
    """Arrays of data and labels; the last `pad` samples only fill the batch up."""

    def __init__(self, data, label=None, pad=None, index=None, bucket_key=None, provide_data=None,
                 provide_label=None):
        for name, arrays in (("Data", data), ("Label", label)):
            if arrays is not None and not isinstance(arrays, (list, tuple)):
                raise TypeError(f"{name} must be list of NDArrays")
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __str__(self):
        return (f"{type(self).__name__}: data shapes: {[d.shape for d in self.data]} "
                f"label shapes: {[label.shape for label in self.label or []]}")


class DataIter:
    """Gives batches until the epoch ends; reset() starts the next one.

    Subclasses define next(), or iter_next() and the functions that get parts of a batch.
    """

    def __init__(self, batch_size=0):
        self.batch_size = batch_size

    def __iter__(self):
        return self

    def __next__(self):
        return self.next()

    def reset(self):
        """Starts over."""

    def next(self):
        """The next batch; StopIteration at the end of the epoch."""
        if self.iter_next():
            return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())
        raise StopIteration

    def iter_next(self):
        """Moves on; False at the end of the epoch."""
        raise NotImplementedError(f"{type(self).__name__} defines neither next() nor iter_next()")

    def getdata(self):
        """The data of the current batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its data is")

    def getlabel(self):
        """The labels of the current batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its labels are")

    def getindex(self):
        """The numbers of the samples of the current batch, or None."""

    def getpad(self):
        """How many samples only fill the current batch up."""
        raise NotImplementedError(f"{type(self).__name__} does not say how much its batches are padded")


class _Current(DataIter):
    """An iterator whose iter_next() sets current_batch."""

    current_batch = None

    def getdata(self):
        return self.current_batch.data

    def getlabel(self):
        return self.current_batch.label

    def getindex(self):
        return self.current_batch.index

    def getpad(self):
        return self.current_batch.pad

    def next(self):
        if self.iter_next():
            return self.current_batch
        raise StopIteration


class ResizeIter(_Current):
    """Epochs of `size` batches; the other iterator starts over when it ends before that."""

    def __init__(self, data_iter, size, reset_internal=True):
        super().__init__(data_iter.batch_size)
        self.data_iter = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.provide_data = data_iter.provide_data
        self.provide_label = data_iter.provide_label
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self):
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self):
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

    def __init__(self, source):
        self._source = source
        self._orders = queue.SimpleQueue()
        self._results = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._orders.put("next")

    def _run(self):
        while (order := self._orders.get()) != "stop":
            try:
                if order == "reset":
                    self._source.reset()
                self._results.put((self._source.next(), None))
            except StopIteration:
                self._results.put((None, None))
            except Exception as error:  # belongs to the thread that takes the batch
                self._results.put((None, error))

    def take(self):
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

    def reset(self):
        self._results.get()
        self._orders.put("reset")

    def stop(self):
        self._orders.put("stop")


class PrefetchingIter(_Current):
    """Fetches the next batch of one or more iterators while the current one is used; their batches are joined."""

    def __init__(self, iters, rename_data=None, rename_label=None):
        iters = iters if isinstance(iters, list) else [iters]
        if not iters:
            raise ValueError("PrefetchingIter needs at least one iterator")
        self.iters = iters
        self.rename_data = rename_data
        self.rename_label = rename_label
        super().__init__(self.provide_data[0].shape[0])
        self._fetchers = [_Fetcher(i) for i in iters]

    def _descriptions(self, rename, which):
        found = []
        for at, it in enumerate(self.iters):
            names = rename[at] if rename else {}
            for d in getattr(it, which):
                d = d if isinstance(d, DataDesc) else DataDesc(*d)
                found.append(DataDesc(names.get(d.name, d.name), d.shape, d.dtype, d.layout))
        return found

    @property
    def provide_data(self):
        return self._descriptions(self.rename_data, "provide_data")

    @property
    def provide_label(self):
        return self._descriptions(self.rename_label, "provide_label")

    def __del__(self):
        for fetcher in getattr(self, "_fetchers", ()):
            fetcher.stop()

    def reset(self):
        for fetcher in self._fetchers:
            fetcher.reset()

    def iter_next(self):
        batches = [fetcher.take() for fetcher in self._fetchers]
        if any(b is None for b in batches):
            if not all(b is None for b in batches):
                raise RuntimeError("Number of entry mismatches between iterators")
            return False
        pads = {b.pad for b in batches}
        if len(pads) != 1:
            raise RuntimeError(f"found pads {pads} in the batches of the iterators, expected the same")
        self.current_batch = DataBatch(
            [a for b in batches for a in b.data], [a for b in batches for a in b.label or []], pads.pop(),
            batches[0].index, provide_data=self.provide_data, provide_label=self.provide_label)
        return True
