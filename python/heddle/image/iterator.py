"""ImageIter: batches of images from a .rec file, a list in a file, or a Python list, with augmenters in Python."""
from __future__ import annotations

import logging
import os
import random

import numpy as np

from ..base import MXNetError, numeric_types
from ..io import DataBatch, DataDesc, DataIter
from ..ndarray import NDArray, array, empty, op
from ..recordio import MXIndexedRecordIO, MXRecordIO, unpack
from .augmenters import Augmenter, CreateAugmenter
from .functions import imdecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["ImageIter"]

_HANDLES = ("pad", "discard", "roll_over")
_LABEL_TYPES = ("int32", "float32", "int64", "float64")


def _read_list(path: str | os.PathLike[str], dtype: str) -> dict[Any, tuple[Any, str]]:
    """The lines of a .lst file: key to labels and path. Lines of fewer than three fields are an error."""
    found: dict[Any, tuple[Any, str]] = {}
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            fields = line.strip().split("\t")
            if fields == [""]:
                continue
            try:
                if len(fields) < 3:
                    raise ValueError(f"{len(fields)} fields")
                found[int(fields[0])] = (array([float(field) for field in fields[1:-1]], dtype=dtype), fields[-1])
            except ValueError as error:
                raise ValueError(f"[ImageIter] line {number} of {os.fspath(path)} is {line.strip()!r} ({error}), expected "
                                 "number, labels and path, with tabs between") from None
    return found


def _labelled(entries: Sequence[Any], dtype: str) -> dict[Any, tuple[Any, str]]:
    """The same of a Python list of [label, ..., path]."""
    found: dict[Any, tuple[Any, str]] = {}
    for number, entry in enumerate(entries, 1):
        labels = entry[:-1] if len(entry) > 2 or isinstance(entry[0], numeric_types) else entry[0]
        labels = np.ravel(labels.asnumpy() if isinstance(labels, NDArray) else labels)
        found[str(number)] = (array(labels, dtype=dtype), entry[-1])
    return found


class _Begun:
    """A batch that is being filled: its arrays, and how many of its rows are."""

    def __init__(self, data: NDArray, label: NDArray) -> None:
        self.data, self.label, self.rows = data, label, 0
        self.rolled = False  # into the next epoch, because this one ended
        self.pad: int | None = None  # rows that were missing where the epoch ended


class ImageIter(DataIter):
    """Batches of images with augmenters in Python.

    batch_size: samples in a batch.
    data_shape: (3, height, width) of what the augmenters give.
    label_width: numbers in a label.
    path_imgrec: a .rec file, as im2rec makes them.
    path_imgidx: its .idx file; shuffling and parts need it.
    path_imglist: a .lst file; its labels are used instead of those of path_imgrec.
    imglist: the same as a Python list of [label, ..., path].
    path_root: the folder that paths of the list start from.
    shuffle: each epoch in an order drawn by Python's `random`.
    part_index, num_parts: keep one of so many equal parts; what is left over is in none.
    aug_list: augmenters; None is CreateAugmenter(data_shape, **kwargs).
    data_name, label_name: names of the inputs.
    dtype: of the labels as they are read: int32, float32, int64 or float64.
    last_batch_handle: what becomes of an incomplete batch: "pad" fills it from the start, "discard" drops it,
        "roll_over" completes it in the next epoch.

    Batches are float32 (batch_size, 3, height, width), labels float32 (batch_size,), or (batch_size, label_width) where
    that is more than 1. Raises ValueError where the source, the shape or a choice is wrong. next() raises MXNetError for an
    image that cannot be decoded, with its file, or its record and byte: that image alone is lost, and calling next() again
    goes on with the batch.
    """

    def __init__(self, batch_size: int, data_shape: Sequence[int], label_width: int = 1,
                 path_imgrec: str | os.PathLike[str] | None = None, path_imglist: str | os.PathLike[str] | None = None,
                 path_root: str | os.PathLike[str] | None = None, path_imgidx: str | os.PathLike[str] | None = None,
                 shuffle: bool = False, part_index: int = 0, num_parts: int = 1, aug_list: list[Augmenter] | None = None,
                 imglist: list[Any] | None = None, data_name: str = "data", label_name: str = "softmax_label",
                 dtype: str = "float32", last_batch_handle: str = "pad", **kwargs: Any) -> None:
        super().__init__(batch_size)
        self.check_data_shape(data_shape)
        if not (path_imgrec or path_imglist or isinstance(imglist, list)):
            raise ValueError(f"[{self._who}] no source, expected path_imgrec, path_imglist or imglist")
        if last_batch_handle not in _HANDLES:
            raise ValueError(f"[{self._who}] last_batch_handle is {last_batch_handle!r}, expected {', '.join(_HANDLES)}")
        if str(np.dtype(dtype)) not in _LABEL_TYPES:
            raise ValueError(f"[{self._who}] dtype is {dtype}, expected one of labels: {', '.join(_LABEL_TYPES)}")
        self.data_shape, self.label_width, self.shuffle = tuple(data_shape), label_width, shuffle
        self.path_root, self.last_batch_handle = path_root, last_batch_handle
        self.imgrec: Any = None
        self.imgidx: Any = None
        self.imglist: dict[Any, tuple[Any, str]] | None = None
        if path_imgrec and path_imgidx:
            self.imgrec = MXIndexedRecordIO(path_imgidx, path_imgrec, "r")
            self.imgidx = list(self.imgrec.keys)
        elif path_imgrec:
            self.imgrec = MXRecordIO(path_imgrec, "r")
        if path_imglist:
            self.imglist = _read_list(path_imglist, str(np.dtype(dtype)))
        elif isinstance(imglist, list):
            self.imglist = _labelled(imglist, str(np.dtype(dtype)))
        self.seq = self._part(self._sequence(num_parts), part_index, num_parts)
        self.num_image = None if self.seq is None else len(self.seq)
        self.provide_data = [DataDesc(data_name, (batch_size, *self.data_shape))]
        self.provide_label = [DataDesc(label_name, (batch_size, label_width) if label_width > 1 else (batch_size,))]
        self.auglist = CreateAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self.cur = 0
        self._allow_read = True
        self._begun: _Begun | None = None  # the batch that next() goes on with: the next epoch's, or that of an error
        self._last: Any = None  # the key of the sample that was read last
        self._at = 0  # where its record begins, in bytes
        self.reset()

    @property
    def _who(self) -> str:
        return type(self).__name__

    def _sequence(self, num_parts: int) -> list[Any] | None:
        """The keys of the samples; None where a file is read from its start to its end."""
        if self.imgrec is None:
            return list(self.imglist or ())
        if self.imgidx is not None:
            missing = [key for key in self.imgidx if self.imglist is not None and key not in self.imglist]
            if missing:
                raise ValueError(f"[{self._who}] the list has no labels for {len(missing)} records of {self.imgrec.uri}: "
                                 f"{', '.join(map(str, missing[:5]))}")
            return self.imgidx
        if self.shuffle or num_parts > 1:
            raise ValueError(f"[{self._who}] path_imgidx is missing, expected the .idx file of {self.imgrec.uri}: without it "
                             f"the file can be neither shuffled nor parted")
        return None

    def _part(self, seq: list[Any] | None, part_index: int, num_parts: int) -> list[Any] | None:
        if num_parts <= 1 or seq is None:
            return seq
        if not 0 <= part_index < num_parts:
            raise ValueError(f"[{self._who}] part_index is {part_index}, expected 0 to {num_parts - 1}")
        count = len(seq) // num_parts
        return seq[part_index * count:(part_index + 1) * count]

    def reset(self) -> None:
        """Starts the next epoch; what "roll_over" kept is its beginning."""
        if self.seq is not None and self.shuffle:
            random.shuffle(self.seq)
        if self._begun is not None and not self._begun.rolled:
            self._begun = None
        if self._begun is None:
            self._rewind()

    def hard_reset(self) -> None:
        """Starts over, and forgets what "roll_over" kept."""
        if self.seq is not None and self.shuffle:
            random.shuffle(self.seq)
        self._rewind()
        self._begun = None

    def _rewind(self) -> None:
        if self.imgrec is not None:
            self.imgrec.reset()
        self.cur = 0
        self._allow_read = True

    def next_sample(self) -> tuple[Any, bytes]:
        """(label, bytes of the file) of the next sample; StopIteration at the end."""
        if not self._allow_read:
            raise StopIteration
        if self.seq is None:
            return self._next_record()
        if self.cur >= len(self.seq):
            if self.last_batch_handle != "discard":
                self.cur = 0
            raise StopIteration
        self._last = self.seq[self.cur]
        self.cur += 1
        if self.imgrec is not None:
            self._at = self.imgrec.idx[self._last]
            header, content = unpack(self.imgrec.read_idx(self._last))
            return (header.label if self.imglist is None else self.imglist[self._last][0]), content
        assert self.imglist is not None
        label, name = self.imglist[self._last]
        return label, self.read_image(name)

    def _next_record(self) -> tuple[Any, bytes]:
        self._at = self.imgrec.tell()
        record = self.imgrec.read()
        if record is None:
            if self.last_batch_handle != "discard":
                self.imgrec.reset()
                self.cur = 0
            raise StopIteration
        self._last = self.cur
        self.cur += 1
        header, content = unpack(record)
        return header.label, content

    def _fill(self, begun: _Begun) -> None:
        """Puts samples into the rows of a batch that are not filled, as long as there are samples."""
        try:
            while begun.rows < self.batch_size:
                begun.rows += self._put(begun.data, begun.label, begun.rows)
        except StopIteration:
            if begun.rows == 0:
                raise

    def _put(self, data: NDArray, label: NDArray, row: int) -> int:
        """Puts the next sample into rows of a batch, and gives their number: 0 where it was skipped."""
        labels, content = self.next_sample()
        image = self.imdecode(content)
        try:
            self.check_valid_image([image])
        except RuntimeError as error:
            logging.debug("Invalid image, skipping:  %s", error)
            return 0
        changed = self.augmentation_transform(image)
        found = changed if isinstance(changed, list) else [changed]  # augmenters of 0.10 give lists
        if row + len(found) > self.batch_size:
            raise ValueError(f"[{self._who}] an augmenter made {len(found)} images of one, and batch_size is "
                             f"{self.batch_size}, expected a multiple of that")
        for i, one in enumerate(found):
            data[row + i] = self._fitting(self.postprocess_data(one))
            label[row + i] = self._label(labels)
        return len(found)

    def _fitting(self, image: NDArray) -> NDArray:
        if image.shape != self.data_shape:
            raise ValueError(f"[{self._who}] {self._locate()} has the shape {image.shape} after its augmenters, expected "
                             f"data_shape {self.data_shape}")
        return image

    def _label(self, labels: Any) -> Any:
        labels = np.ravel(labels.asnumpy() if isinstance(labels, NDArray) else labels)
        if len(labels) != self.label_width:
            raise ValueError(f"[{self._who}] {self._locate()} has {len(labels)} labels, expected label_width "
                             f"{self.label_width}")
        return array(labels, dtype="float32") if self.label_width > 1 else float(labels[0])

    def _new_batch(self) -> tuple[NDArray, NDArray]:
        return empty(self.provide_data[0].shape), empty(self.provide_label[0].shape)

    def next(self) -> DataBatch:
        """The next batch; StopIteration at the end of the epoch."""
        begun, self._begun = self._begun or _Begun(*self._new_batch()), None
        try:
            if begun.pad is None:
                self._fill(begun)
                begun.pad = self.batch_size - begun.rows
            if begun.pad and self.last_batch_handle == "discard":
                raise StopIteration
            if begun.pad and self.last_batch_handle == "roll_over" and not begun.rolled:
                begun.rolled = True
                self._begun = begun
                raise StopIteration
            while begun.rows < self.batch_size:  # more than once where the batch is larger than the data
                self._fill(begun)
        except StopIteration:
            raise
        except BaseException:
            self._begun = begun
            raise
        if begun.pad and self.last_batch_handle == "pad":
            self._allow_read = False
        return DataBatch([begun.data], [begun.label], pad=begun.pad)

    def check_data_shape(self, data_shape: Sequence[int]) -> None:
        """Raises ValueError for what is not (3, height, width)."""
        if len(data_shape) != 3:
            raise ValueError(f"data_shape should have length 3, with dimensions CxHxW; found {tuple(data_shape)}")
        if data_shape[0] != 3:
            raise ValueError(f"This iterator expects inputs to have 3 channels; found {data_shape[0]}")

    def check_valid_image(self, data: Sequence[NDArray]) -> None:
        """Raises RuntimeError for an image without pixels: it is skipped."""
        if len(data[0].shape) == 0:
            raise RuntimeError("Data shape is wrong")

    def _locate(self) -> str:
        """The sample that was read last, for errors."""
        if self.imgrec is not None:
            return f"record {self._last} of {self.imgrec.uri} at byte {self._at}"
        assert self.imglist is not None
        return f"filename: {self._path(self.imglist[self._last][1])}"

    def imdecode(self, s: bytes) -> NDArray:
        """The image in the bytes of a file. Raises MXNetError with the file's name where it is broken."""
        try:
            image = imdecode(s)
            image.wait_to_read()
            return image
        except MXNetError as error:
            raise MXNetError(f"Broken image {self._locate()}, {error}") from error

    def _path(self, fname: str) -> str:
        return os.path.join(self.path_root, fname) if self.path_root else fname

    def read_image(self, fname: str) -> bytes:
        """The bytes of a file, of the folder path_root."""
        with open(self._path(fname), "rb") as file:
            return file.read()

    def augmentation_transform(self, data: NDArray) -> Any:
        """What the augmenters make of an image."""
        images = [data]
        listed = False
        for aug in self.auglist:
            made = [aug(image) for image in images]
            listed = listed or isinstance(made[0], list)
            images = [one for some in made for one in (some if isinstance(some, list) else [some])]
        return images if listed else images[0]

    def postprocess_data(self, datum: NDArray) -> NDArray:
        """(height, width, channels) to (channels, height, width)."""
        return op.transpose(datum, axes=(2, 0, 1))
