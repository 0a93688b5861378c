"""Batches of data in files."""
from __future__ import annotations

import array as _array
import math
import os
import random as _random
import struct

from .. import _core
from ..base import dtype_name
from .ndarray_iter import NDArrayIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._typing import DTypeLike, ShapeLike
    from ..ndarray import NDArray


def _read(path: str | os.PathLike[str]) -> bytes:
    path = os.fspath(path)
    if not os.path.exists(path) and os.path.exists(path + ".gz"):
        path += ".gz"
    with open(path, "rb") as f:
        raw = f.read()
    if raw[:2] != b"\x1f\x8b":
        return raw
    import gzip
    return gzip.decompress(raw)


def read_idx(path: str | os.PathLike[str]) -> NDArray:
    """A uint8 array from a file in MNIST's idx format, plain or compressed. Raises ValueError for other files."""
    raw = _read(path)
    if len(raw) < 4 or raw[:3] != b"\0\0\x08" or not 1 <= raw[3] <= 4:
        raise ValueError(f"{path}: found {raw[:4]!r} at the start, expected an idx file of unsigned bytes")
    rank = raw[3]
    start = 4 + 4 * rank
    if len(raw) < start:
        raise ValueError(f"{path}: found {len(raw)} bytes, expected at least {start}")
    shape = struct.unpack(f">{rank}I", raw[4:start])
    if len(raw) - start != math.prod(shape):
        raise ValueError(f"{path}: found {len(raw) - start} bytes of data, expected {math.prod(shape)} "
                         f"for shape {shape}")
    return _core.array_from_buffer(memoryview(raw)[start:].cast("B", shape), None, "cpu", 0)


class MNISTIter(NDArrayIter):
    """Images and labels in MNIST's format, plain or .gz. The last batch, where it is not full, is dropped.

    Data are float32 from 0 to 1 of shape (batch_size, 1, rows, columns), or (batch_size, rows * columns) if flat;
    labels float32 of shape (batch_size,). With num_parts, only the part_index-th of as many equal parts. Raises
    ValueError for files that are no images or labels, or do not go together.
    """

    def __init__(self, image: str | os.PathLike[str] = "./train-images-idx3-ubyte",
                 label: str | os.PathLike[str] = "./train-labels-idx1-ubyte", batch_size: int = 128,
                 shuffle: bool = True, flat: bool = False, seed: int = 0, silent: bool = False, num_parts: int = 1,
                 part_index: int = 0, data_name: str = "data", label_name: str = "softmax_label", **_: object) -> None:
        images, labels = read_idx(image), read_idx(label)
        if images.ndim != 3 or labels.ndim != 1 or images.shape[0] != labels.shape[0]:
            raise ValueError(f"found shapes {images.shape} in {image} and {labels.shape} in {label}, expected "
                             "(count, rows, columns) and (count,)")
        count = images.shape[0]
        if shuffle:
            order = _array.array("i", range(count))
            _random.Random(seed).shuffle(order)
            rows = _core.array_from_buffer(order, "int32", "cpu", 0)
            images, labels = images.take(rows, axis=0), labels.take(rows, axis=0)
        if num_parts > 1:
            size = count // num_parts
            images = images[part_index * size:(part_index + 1) * size]
            labels = labels[part_index * size:(part_index + 1) * size]
            count = size
        images = images.astype("float32") * (1.0 / 256)
        shape = (count, -1) if flat else (count, 1, *images.shape[1:])
        super().__init__(images.reshape(shape), labels.astype("float32"), batch_size,
                         last_batch_handle="discard", data_name=data_name, label_name=label_name)


class CSVIter(NDArrayIter):
    """Rows of numbers separated by commas, of data_shape and label_shape each; labels are 0 without label_csv.

    The last batch, where it is not full, is filled from the start; its `pad` says how many rows that are. round_batch
    is accepted and changes nothing. Raises ValueError for a row that has too few or too many numbers.
    """

    def __init__(self, data_csv: str | os.PathLike[str], data_shape: ShapeLike, batch_size: int,
                 label_csv: str | os.PathLike[str] | None = None, label_shape: ShapeLike = (1,),
                 round_batch: bool = True, dtype: DTypeLike = "float32", data_name: str = "data",
                 label_name: str = "label", **_: object) -> None:
        data = _read_csv(data_csv, data_shape, dtype)
        if label_csv is None or label_csv == "NULL":
            labels = _core.invoke("_zeros", (), {"shape": (data.shape[0],), "dtype": "float32", "ctx": "cpu(0)"}, None)
        else:
            labels = _read_csv(label_csv, label_shape, dtype)
            if label_shape in (1, (1,), [1]):
                labels = labels.reshape((-1,))
        super().__init__(data, labels, batch_size, data_name=data_name, label_name=label_name)


def _read_csv(path: str | os.PathLike[str], shape: ShapeLike, dtype: DTypeLike) -> NDArray:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    width = math.prod(shape)
    values = _array.array("d")
    rows = 0
    for number, line in enumerate(_read(path).decode().splitlines(), 1):
        if not line.strip():
            continue
        cells = [float(cell) for cell in line.split(",")]
        if len(cells) != width:
            raise ValueError(f"{path}:{number}: found {len(cells)} values, expected {width} for shape {shape}")
        values.extend(cells)
        rows += 1
    if not rows:
        raise ValueError(f"{path} has no rows")
    return _core.array_from_buffer(values, dtype_name(dtype), "cpu", 0).reshape((rows, *shape))
