"""Reading and writing parts of arrays with NumPy's index expressions.

Parts that are contiguous are views of the array; while autograd records, and for all other parts, they
are made by operators.
"""
from __future__ import annotations

import array as buffers
import itertools
import math
import operator

from .. import _core
from ..base import MXNetValueError, is_number, is_numpy
from . import _internal, op
from ._convert import to_ndarray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
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
    if part.is_whole() and part.shape == array.shape:
        return fill(array, value)
    if part.is_contiguous() and not _core.is_recording():  # the tape knows arrays, not views of them
        return fill(part.view(array), value)
    return _assign(array, part, value) if part.size else None


def fill(array: NDArray, value: Any) -> None:
    """Writes value, broadcast, into every element of array."""
    if is_number(value) and not _is_long(value, array):
        params = {"value": float(value), "shape": array.shape, "dtype": array.dtype_name}
        _core.invoke("_full", (), params, array)
        return
    if is_numpy(value) and value.shape == array.shape and array.dtype == value.dtype \
            and value.flags.c_contiguous:
        array._copy_from(value)
        return
    value = broadcast(_as_array(value, array), array.shape)
    value._copy_into(array)


def _is_long(value: Any, array: NDArray) -> bool:
    """Whether a number for an array of whole numbers has more digits than a float keeps."""
    return array.dtype_name == "int64" and isinstance(value, int) and abs(value) > 1 << 53


def broadcast(value: NDArray, shape: Shape) -> NDArray:
    """value with the shape that an assignment to an array of `shape` needs."""
    if value.shape == shape:
        return value
    have = value.shape
    while len(have) > len(shape) and have[0] == 1:
        have = have[1:]
    padded = (1,) * (len(shape) - len(have)) + have
    if len(padded) != len(shape) or any(h not in (1, n) for h, n in zip(padded, shape)):
        raise ValueError(f"[NDArray[...] = value] found a value of shape {value.shape}, expected one that broadcasts to {shape}")
    if 0 in shape:
        return _core.empty(shape, value.dtype_name, *value.device)
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
    return not (item is None or item is Ellipsis or isinstance(item, (int, slice)))


def _expand(array: NDArray, key: Any) -> list[Any]:
    """The key as a list with one item per axis and None for each new one."""
    return _expand_for(array.ndim, key)


def _expand_for(ndim: int, key: Any) -> list[Any]:
    items = list(key) if isinstance(key, tuple) else [key]
    items = [_item(i) for i in items]
    used = sum(_axes_of(i) for i in items)
    if used > ndim:
        raise IndexError(f"too many indices: found {used} for an array with {ndim} axes")
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can have only one ellipsis")
    at = dots[0] if dots else len(items)
    left_out: list[Any] = [slice(None)] * (ndim - used)
    if dots and not left_out and any(map(_is_advanced, items[:at])):
        left_out = [Ellipsis]  # it stands for no axis, but parts the indices on its left from those on its right
    return items[:at] + left_out + items[at + 1:]


def _axes_of(item: Any) -> int:
    """How many axes of the array an item of a key stands for."""
    if item is None or item is Ellipsis:
        return 0
    return len(_mask_shape(item)) if _is_mask(item) else 1


def _item(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, (int, slice, list, tuple, range)):
        return int(item) if isinstance(item, bool) else item
    if isinstance(item, _core.NDArrayBase) or is_numpy(item) and item.ndim:
        return item
    try:
        return operator.index(item)
    except TypeError:
        raise ValueError(
            f"NDArray does not support slicing with key {item!r}: found {type(item).__name__}, expected ints, slices, None, "
            "Ellipsis, lists or arrays") from None


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
            if item is None or item is Ellipsis:
                seen += [1] if item is None else []
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
        return _nothing_of(array, part.shape)
    if not part.is_whole():
        array = op.slice(array, **part.slice_params())
    return array if array.shape == part.shape else op.reshape(array, shape=part.shape)


def _nothing_of(array: NDArray, shape: Shape) -> NDArray:
    """An array of a shape that has no elements, which comes after `array` on the tape: Reshape has no word for it."""
    if not _core.is_recording():
        return _core.empty(shape, array.dtype_name, *array.device)
    if array.size:
        array = op.slice_axis(array, axis=0, begin=0, end=0)
    line = op.sum(array, axis=array.shape.index(0), exclude=True) if array.ndim > 1 else array
    at = shape.index(0)
    for axis in (0,) * at + (-1,) * (len(shape) - at - 1):
        line = op.expand_dims(line, axis=axis)
    others = tuple(axis for axis, n in enumerate(shape) if n != 1 and axis != at)
    return op.broadcast_axis(line, axis=others, size=tuple(shape[axis] for axis in others)) if others else line


def _assign(array: NDArray, part: _Part, value: Any) -> None:
    """Writes into a part that is not contiguous."""
    params = part.slice_params()
    if is_number(value) and not _is_long(value, array):
        _internal._slice_assign_scalar(array, scalar=float(value), out=array, **params)
        return
    value = broadcast(_as_array(value, array), part.shape).astype(array.dtype_name, copy=False)
    _internal._slice_assign(array, value.reshape(tuple(part.counts)), out=array, **params)


# --- lists and arrays as indices ------------------------------------------------------------------


class _Picked:
    """The elements that a key with lists, arrays or masks picks, as NumPy orders them.

    `plain` is the key with whole axes in place of indices; `at` are the axes of array[plain] that indices stand for, and
    `indices` what they are: whole numbers, from 0 or from the end.
    """

    def __init__(self, array: NDArray, items: list[Any]) -> None:
        self.plain: list[Any] = []
        self.at: list[int] = []
        self.indices: list[Any] = []
        self.apart = False  # whether an Ellipsis of no axes stands between them
        axis, after_dots = 0, False  # axis: of the array
        for item in items:
            if item is Ellipsis:
                after_dots = True
                continue
            if item is None or isinstance(item, slice):
                self.plain.append(item)
                axis += item is not None
                continue
            for index in _whole_numbers(item, array, axis):
                self.at.append(len(self.plain))
                self.plain.append(slice(None))
                self.indices.append(index)
                self.apart = self.apart or after_dots
                axis += 1

    def side_by_side(self) -> bool:
        """Whether what is picked stays where the indices were; else it comes first."""
        return not self.apart and self.at == list(range(self.at[0], self.at[0] + len(self.at)))

    def places(self, shape: Sequence[int], strides: Sequence[int], like: NDArray) -> NDArray:
        """The sum over the indices of index times stride, of their broadcast shape. `shape` has the extents of the axes."""
        total = None
        for index, size, stride, axis in zip(self.indices, shape, strides, self.at):
            rows = _rows(index, size, axis, like)
            if isinstance(index, _core.NDArrayBase):  # checked here: the sum would hide what is out of range
                for value in _limits(index):
                    _position(value, size, axis)
            rows = rows if stride == 1 else rows * stride
            total = rows if total is None else op.broadcast_add(*_same_rank(total, rows))
        assert total is not None
        return total


def _gather(array: NDArray, items: list[Any]) -> NDArray:
    """The elements at the indices."""
    picked = _Picked(array, items)
    base, at = _basic(array, picked.plain), picked.at
    together = picked.side_by_side()
    if not together:
        rest = [axis for axis in range(base.ndim) if axis not in at]
        base = op.transpose(base, axes=tuple(at + rest))
    first = at[0] if together else 0
    axes = base.shape[first:first + len(at)]
    alone = len(at) == 1
    places = _rows(picked.indices[0], axes[0], at[0], array) if alone else picked.places(axes, _strides(axes), array)
    shape = base.shape[:first] + places.shape + base.shape[first + len(at):]
    if 0 in shape:
        return _nothing_of(array, shape)
    if alone:
        return op.take(base, places, axis=first, mode="raise")
    flat = op.reshape(base, shape=(*base.shape[:first], math.prod(axes), *base.shape[first + len(at):]))
    return op.take(flat, places, axis=first, mode="raise")


def _scatter(array: NDArray, items: list[Any], value: Any) -> None:
    """Writes to the elements at the indices."""
    places = _places(array, items)
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


def _places(array: NDArray, items: list[Any]) -> NDArray:
    """Where the elements at the indices lie, counted over the whole array: int64, of the shape of array[items]."""
    picked = _Picked(array, items)
    strides = iter(_strides(array.shape))
    seen = []  # (extent, stride, start) of each axis of array[plain]
    extents = iter(array.shape)
    for item in picked.plain:
        if item is None:
            seen.append((1, 0, 0))
            continue
        size, stride = next(extents), next(strides)
        begin, end, step = item.indices(size)
        seen.append((len(range(begin, end, step)), stride * step, stride * begin))
    of_indices = [seen[axis] for axis in picked.at]
    places = picked.places([n for n, _, _ in of_indices], [stride for _, stride, _ in of_indices], array)
    width = places.ndim
    rest = [axis for axis in range(len(seen)) if axis not in picked.at]
    before = [axis for axis in rest if picked.side_by_side() and axis < picked.at[0]]
    order = [*before, *[None] * width, *[axis for axis in rest if axis not in before]]
    places = places._reshape((1,) * len(before) + places.shape + (1,) * (len(rest) - len(before)))
    for at, axis in enumerate(order):
        if axis is not None:
            n, stride, start = seen[axis]
            line = _counted(n, array) * stride + start
            places = op.broadcast_add(places, line._reshape((1,) * at + (n,) + (1,) * (len(order) - at - 1)))
    return places


def _strides(shape: Sequence[int]) -> list[int]:
    """How many elements each axis steps over."""
    return [math.prod(shape[axis + 1:]) for axis in range(len(shape))]


def _counted(n: int, like: NDArray) -> NDArray:
    """0, 1, ... n - 1 as int64, where `like` is."""
    ctx = "{}({})".format(*like.device)
    return _core.invoke("_arange", (), {"start": 0, "stop": n, "dtype": "int64", "ctx": ctx}, None)


def _same_rank(a: NDArray, b: NDArray) -> tuple[NDArray, ...]:
    rank = max(a.ndim, b.ndim)
    return tuple(v._reshape((1,) * (rank - v.ndim) + v.shape) for v in (a, b))


def _rows(index: Any, size: int, axis: int, like: NDArray) -> NDArray:
    """Row numbers from 0 as an int64 array. Raises IndexError where one is out of range, but not for arrays of ours, which
    may not be computed yet."""
    if isinstance(index, _core.NDArrayBase):
        made = to_ndarray(index).as_in_context(like.context).astype("int64", copy=False)
        return made + (made < 0) * size
    limits = _limits(index)
    for value in limits:
        _position(value, size, axis)
    made = to_ndarray(index, like.context, "int64")
    return made + (made < 0) * size if min(limits, default=0) < 0 else made


def _limits(index: Any) -> tuple[int, ...]:
    """The smallest and the largest number in nested lists or an array, if there is any. Waits for arrays."""
    if is_numpy(index) or isinstance(index, _core.NDArrayBase):
        return (int(index.min()), int(index.max())) if index.size else ()
    values = _flatten(index)
    return (min(values), max(values)) if values else ()


def _flatten(values: Any) -> list[Any]:
    return [v for part in values for v in _flatten(part)] if isinstance(values, (list, tuple, range)) else [values]


# --- what MXNet's scripts call of it --------------------------------------------------------------


def get_indexing_dispatch_code(key: tuple[Any, ...]) -> int:
    """0 for a key of numbers, slices, None and Ellipsis only, 1 for one with lists or arrays, 2 for (), -1 for others."""
    if not isinstance(key, tuple):
        raise TypeError(f"[get_indexing_dispatch_code] found {type(key).__name__}, expected a tuple")
    try:
        advanced = any(_is_advanced(_item(item)) for item in key if item is not Ellipsis)
    except ValueError:
        return -1
    return int(advanced) if key else 2


def indexing_key_expand_implicit_axes(key: Any, shape: Shape) -> tuple[tuple[Any, ...], int]:
    """(key with one item per axis of an array of that shape, and None for each new one; -1). Raises IndexError where it has
    too many."""
    return tuple(_expand_for(len(shape), key)), -1


def get_oshape_of_gather_nd_op(dshape: Shape, ishape: Shape) -> Shape:
    """The shape that gather_nd gives for data and indices of these shapes."""
    if ishape[0] > len(dshape):
        raise MXNetValueError(f"[gather_nd] found indices for {ishape[0]} axes, expected at most {len(dshape)}")
    return tuple(ishape[1:]) + tuple(dshape[ishape[0]:])


# --- masks ----------------------------------------------------------------------------------------


def _is_mask(index: Any) -> bool:
    if isinstance(index, (list, tuple)):
        first = index
        while isinstance(first, (list, tuple)) and first:
            first = first[0]
        return isinstance(first, bool)
    return getattr(index, "dtype", None) == "bool"


def _mask_shape(mask: Any) -> Shape:
    """The extents of a mask: nested lists, an array of NumPy or of ours."""
    if not isinstance(mask, (list, tuple)):
        return tuple(mask.shape)
    return (len(mask), *(_mask_shape(mask[0]) if mask and isinstance(mask[0], (list, tuple)) else ()))


def _whole_numbers(item: Any, array: NDArray, axis: int) -> list[Any]:
    """What an index that is no slice says, one list or array per axis that it stands for."""
    if isinstance(item, int):
        return [[item]]
    if not _is_mask(item):
        return [list(item) if isinstance(item, (tuple, range)) else item]
    shape = _mask_shape(item)
    for at, (have, want) in enumerate(zip(shape, array.shape[axis:])):
        if have != want:
            raise IndexError(f"found a mask of {have} values for axis {axis + at}, expected {want}")
    flags = bytes(_flatten(item)) if isinstance(item, (list, tuple)) else item.tobytes()
    if len(flags) != math.prod(shape):
        raise IndexError("found a mask of nested lists that differ in length")
    chosen = to_ndarray(buffers.array("q", itertools.compress(itertools.count(), flags)), array.context, "int64")
    if len(shape) == 1:
        return [chosen]
    places = op.unravel_index(chosen, shape=shape)
    return [places._at(axis) for axis in range(len(shape))]
