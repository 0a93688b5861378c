"""Reading and writing parts of arrays with NumPy's index expressions.

Parts that are contiguous are views of the array; while autograd records, and for all other parts, they
are made by operators.
"""
from __future__ import annotations

import operator

from .. import _core
from ..base import is_number, is_numpy
from . import _internal, op
from ._convert import to_ndarray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._typing import Shape
    from ..ndarray import NDArray


def get_item(array: NDArray, key: Any) -> NDArray:
    """array[key]"""
    kind = type(key)
    if kind is int and not _core.is_recording():
        row = _position(key, array.shape[0], 0)
        return array._at(row) if array.ndim > 1 else array._slice(row, row + 1)
    if kind is slice and key.step in (None, 1) and not _core.is_recording():
        begin, end, _ = key.indices(array.shape[0])
        return array._slice(begin, max(begin, end))
    items = _expand(array, key)
    if any(_is_advanced(i) for i in items):
        return _gather(array, items)
    return _basic(array, items)


def set_item(array: NDArray, key: Any, value: Any) -> None:
    """array[key] = value"""
    items = _expand(array, key)
    if any(_is_advanced(i) for i in items):
        return _scatter(array, items, value)
    part = _Part(array.shape, items)
    if part.is_whole():
        return fill(array, value)
    if part.is_contiguous() and not _core.is_recording():  # the tape knows arrays, not views of them
        return fill(part.view(array), value)
    return _assign(array, part, value) if part.size else None


def fill(array: NDArray, value: Any) -> None:
    """Writes value, broadcast, into every element of array."""
    if is_number(value):
        params = {"value": float(value), "shape": array.shape, "dtype": array.dtype_name}
        _core.invoke("_full", (), params, array)
        return
    if is_numpy(value) and value.shape == array.shape and array.dtype == value.dtype \
            and value.flags.c_contiguous:
        array._copy_from(value)
        return
    value = broadcast(_as_array(value, array), array.shape)
    value._copy_into(array)


def broadcast(value: NDArray, shape: Shape) -> NDArray:
    """value with the shape that an assignment to an array of `shape` needs."""
    if value.shape == shape:
        return value
    have = value.shape
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
    padded = (1,) * (len(shape) - len(have)) + have
    if len(padded) != len(shape) or any(h not in (1, n) for h, n in zip(padded, shape)):
        raise ValueError(f"found a value of shape {value.shape}, expected one that broadcasts to {shape}")
    value = value.reshape(padded)
    return value if padded == shape else op.broadcast_to(value, shape=shape)


def _as_array(value: Any, like: NDArray) -> NDArray:
    return to_ndarray(value, like.context, like.dtype_name)


def _position(index: int, size: int, axis: int) -> int:
    """A row number from 0, of an index that may count from the end."""
    if -size <= index < size:
        return index + size if index < 0 else index
    raise IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")


def _is_advanced(item: Any) -> bool:
    return not (item is None or isinstance(item, (int, slice)))


def _expand(array: NDArray, key: Any) -> list[Any]:
    """The key as a list with one item per axis and None for each new one."""
    items = list(key) if isinstance(key, tuple) else [key]
    items = [_item(i) for i in items]
    used = sum(i is not None and i is not Ellipsis for i in items)
    if used > array.ndim:
        raise IndexError(f"too many indices ({used}) for array with {array.ndim} dimensions")
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can have only one ellipsis")
    at = dots[0] if dots else len(items)
    return items[:at] + [slice(None)] * (array.ndim - used) + items[at + 1:]


def _item(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, (int, slice, list, tuple, range)):
        return int(item) if isinstance(item, bool) else item
    if isinstance(item, _core.NDArrayBase) or is_numpy(item) and item.ndim:
        return item
    try:
        return operator.index(item)
    except TypeError:
        raise ValueError(
            f"NDArray does not support slicing with key {item} of type {type(item)}.") from None


class _Part:
    """A rectangular part of an array: per axis a range, and the shape it is seen with."""

    def __init__(self, shape: Shape, items: list[Any]) -> None:
        self.whole_shape = shape
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.steps: list[int] = []
        self.counts: list[int] = []
        seen: list[int] = []  # the shape as it is seen
        for item in items:
            if item is None:
                seen.append(1)
                continue
            axis = len(self.starts)
            if isinstance(item, int):
                start = _position(item, shape[axis], axis)
                stop, step = start + 1, 1
            else:
                start, stop, step = item.indices(shape[axis])
                seen.append(len(range(start, stop, step)))
            self.starts.append(start)
            self.stops.append(stop)
            self.steps.append(step)
            self.counts.append(len(range(start, stop, step)))
        self.shape = tuple(seen) or (1,)
        self.size = 1
        for n in self.counts:
            self.size *= n

    def is_whole(self) -> bool:
        return tuple(self.counts) == self.whole_shape and all(s == 1 for s in self.steps)

    def _lead(self) -> int:
        """How many axes from the left hold a single row each."""
        lead = 0
        while lead < len(self.counts) and self.counts[lead] == 1:
            lead += 1
        return lead

    def is_contiguous(self) -> bool:
        lead = self._lead()
        if lead < len(self.counts) and self.steps[lead] != 1:
            return False
        return self.size > 0 and tuple(self.counts[lead + 1:]) == self.whole_shape[lead + 1:] and all(
            s == 1 for s in self.steps[lead + 1:])

    def view(self, array: NDArray) -> NDArray:
        """This part of an array, sharing its memory."""
        lead = min(self._lead(), len(self.counts) - 1)
        rows, first = 1, 0
        for n, start in zip(self.whole_shape[:lead + 1], self.starts):
            rows, first = rows * n, first * n + start
        flat = array._reshape((rows, *self.whole_shape[lead + 1:]))
        return flat._slice(first, first + self.counts[lead])._reshape(self.shape)

    def slice_params(self) -> dict[str, Any]:
        """begin, end and step for the operators that slice."""
        ends = [None if stop < 0 else stop for stop in self.stops]
        params = {"begin": tuple(self.starts), "end": tuple(ends)}
        if any(step != 1 for step in self.steps):
            params["step"] = tuple(self.steps)
        return params


def _basic(array: NDArray, items: list[Any]) -> NDArray:
    part = _Part(array.shape, items)
    if not _core.is_recording():
        if part.is_whole():
            return array._reshape(part.shape)
        if part.is_contiguous():
            return part.view(array)
    if part.size == 0:
        return _core.empty(part.shape, array.dtype_name, *array.device)
    if not part.is_whole():
        array = op.slice(array, **part.slice_params())
    return array if array.shape == part.shape else op.reshape(array, shape=part.shape)


def _assign(array: NDArray, part: _Part, value: Any) -> None:
    """Writes into a part that is not contiguous."""
    params = part.slice_params()
    if is_number(value):
        _internal._slice_assign_scalar(array, scalar=float(value), out=array, **params)
        return
    value = broadcast(_as_array(value, array), part.shape).astype(array.dtype_name, copy=False)
    _internal._slice_assign(array, value.reshape(tuple(part.counts)), out=array, **params)


# --- lists and arrays as indices ------------------------------------------------------------------


def _gather(array: NDArray, items: list[Any]) -> NDArray:
    """The elements at the indices, as NumPy orders them."""
    base, at, rows = _split(array, items)
    shape = base.shape
    rest = [axis for axis in range(len(shape)) if axis not in at]
    order = at + rest
    if order != list(range(len(order))):
        base = op.transpose(base, axes=tuple(order))
    count = 1
    for axis in at:
        count *= shape[axis]
    kept = tuple(shape[axis] for axis in rest)
    flat = op.reshape(base, shape=(count, *kept))
    taken = op.take(flat, op.reshape(rows, shape=(rows.size,)), axis=0, mode="raise")
    result = op.reshape(taken, shape=rows.shape + kept)
    if at[0] == 0 or at != list(range(at[0], at[0] + len(at))):
        return result
    lead, width = at[0], len(rows.shape)  # indices side by side stay where they were
    axes = [*range(width, width + lead), *range(width), *range(width + lead, result.ndim)]
    return op.transpose(result, axes=tuple(axes))


def _split(array: NDArray, items: list[Any]) -> tuple[NDArray, list[int], NDArray]:
    """The part of an array that the indices pick from, the axes they stand for, and row numbers."""
    plain, at, indices = [], [], []
    for item in items:
        if item is None or isinstance(item, slice):
            plain.append(item)
        else:
            at.append(len(plain))
            plain.append(slice(None))
            indices.append(item)
    base = _basic(array, plain)
    masks = [i for i in indices if _is_mask(i)]
    if masks and len(indices) > 1:
        raise IndexError("a boolean mask is supported as the only index")
    rows = _rows(indices[0], base.shape[at[0]], at[0], array)
    for axis, index in zip(at[1:], indices[1:]):
        size = base.shape[axis]
        rows = op.broadcast_add(*_same_rank(rows * size, _rows(index, size, axis, array)))
    return base, at, rows


def _same_rank(a: NDArray, b: NDArray) -> tuple[NDArray, ...]:
    rank = max(a.ndim, b.ndim)
    return tuple(v.reshape((1,) * (rank - v.ndim) + v.shape) for v in (a, b))


def _is_mask(index: Any) -> bool:
    if isinstance(index, (list, tuple)):
        first = index
        while isinstance(first, (list, tuple)) and first:
            first = first[0]
        return isinstance(first, bool)
    return getattr(index, "dtype", None) == "bool"


def _rows(index: Any, size: int, axis: int, like: NDArray) -> NDArray:
    """Row numbers from 0 as an int64 array."""
    if _is_mask(index):
        mask = index if isinstance(index, (list, tuple)) else index.tolist()
        if len(mask) != size or any(isinstance(m, list) for m in mask):
            raise IndexError(f"found a mask of {len(mask)} values for axis {axis}, expected {size}")
        index = [i for i, wanted in enumerate(mask) if wanted]
    if isinstance(index, _core.NDArrayBase):
        index = to_ndarray(index).astype("int64", copy=False)
        return index + (index < 0) * size
    if isinstance(index, int):
        index = [index]
    made = to_ndarray(list(index) if isinstance(index, (tuple, range)) else index, like.context, "int64")
    values = _flatten(made.tolist())
    for value in values:
        _position(value, size, axis)
    if any(value < 0 for value in values):
        return made + (made < 0) * size
    return made


def _flatten(values: Any) -> Any:
    return [v for part in values for v in _flatten(part)] if isinstance(values, list) else [values]


def _scatter(array: NDArray, items: list[Any], value: Any) -> None:
    """Writes to the elements at the indices."""
    ctx = "{}({})".format(*array.device)
    numbers = _core.invoke("_arange", (), {"start": 0, "stop": array.size, "dtype": "int64", "ctx": ctx}, None)
    places = _gather(numbers._reshape(array.shape), items)
    value = broadcast(_as_array(value, array), places.shape).astype(array.dtype_name, copy=False)
    if not places.size:
        return
    if _core.is_recording():
        flat = op.reshape(array, shape=(array.size,))
        flat = _internal._scatter_set_nd(flat, value.reshape((-1,)), places.reshape((1, -1)), shape=flat.shape)
        _internal._copyto(op.reshape(flat, shape=array.shape), out=array)
        return
    flat = array._reshape((array.size,))
    _internal._scatter_set_nd(flat, value.reshape((-1,)), places.reshape((1, -1)), shape=flat.shape, out=flat)
