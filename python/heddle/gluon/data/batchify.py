"""Batchify functions: how the samples of a batch become arrays. Each takes a list of samples."""
from __future__ import annotations

from ... import _core
from ...base import is_number, is_numpy
from ...context import cpu
from ...ndarray import NDArray, array, op, zeros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..._typing import DTypeLike

__all__ = ["Append", "AsList", "Group", "Pad", "Stack", "Tuple", "default_batchify_fn", "default_mp_batchify_fn"]


def _array(value: Any) -> NDArray:
    """A sample as an array of its own dtype: whole numbers of Python are int64 and others float64, as in NumPy."""
    if isinstance(value, NDArray):
        return value
    if is_numpy(value):
        return array(value, cpu(), value.dtype)
    return _stack([value], "Stack")[0]


def _stack(samples: Sequence[Any], who: str) -> NDArray:
    """Samples of one shape along a new first axis."""
    first = samples[0]
    if isinstance(first, NDArray):
        return op.stack(*samples, axis=0)
    if all(type(v) in (int, float, bool) for v in samples):
        kinds = {type(v) for v in samples}
        name = "float64" if float in kinds else "int64" if int in kinds else "bool"
        return _core.array_from_list(list(samples), name, "cpu", 0)
    if not (is_numpy(first) or is_number(first) or isinstance(first, (list, tuple))):
        raise TypeError(f"[{who}] found samples of {type(first).__name__}, expected arrays, numbers, or tuples of them: "
                        "batchify.AsList keeps other things as they are")
    import numpy
    together = numpy.asarray([v.asnumpy() if isinstance(v, NDArray) else v for v in samples])
    if together.dtype == object or together.dtype.kind in "SUV":
        raise TypeError(f"[{who}] found samples that give {together.dtype} together, expected numbers")
    return _core.share_buffer(numpy.ascontiguousarray(together))


class Stack:
    """Arrays, numbers or lists of numbers of one shape as one array: (n, ...), n being how many samples there are.

    The dtype is that of the samples; that of Python's whole numbers is int64, of its others float64. Raises TypeError for
    what holds no numbers, MXNetError or ValueError where shapes differ.
    """

    def __call__(self, data: Sequence[Any]) -> NDArray:
        return _stack(data, "Stack")


class Pad:
    """Arrays that differ along one axis as one array: (n, ...), each filled up to the longest with `val` at its end.

    axis: where they may differ.
    val: what the rest becomes.
    ret_length: return (array, lengths), of which lengths is int32 of (n,).
    dtype: of the result; None for that of the samples.
    round_to: the length becomes a multiple of it, so that fewer shapes occur.

    Raises ValueError where they differ elsewhere, or have no such axis.
    """

    def __init__(self, axis: int = 0, val: float = 0, ret_length: bool = False, dtype: DTypeLike | None = None,
                 round_to: int | None = None) -> None:
        self._axis, self._val, self._ret_length, self._dtype, self._round_to = axis, val, ret_length, dtype, round_to

    def __call__(self, data: Sequence[Any]) -> Any:
        arrays = [_array(v) for v in data]
        rank = len(arrays[0].shape)
        if not -rank <= self._axis < rank:
            raise ValueError(f"[Pad] a sample has shape {arrays[0].shape}, expected an axis {self._axis}")
        axis = self._axis % rank
        rest = {a.shape[:axis] + a.shape[axis + 1:] for a in arrays}
        if len(rest) > 1 or any(len(a.shape) != rank for a in arrays):
            raise ValueError(f"[Pad] found shapes {sorted({a.shape for a in arrays})}, expected ones that differ along axis "
                             f"{axis} only")
        lengths = [a.shape[axis] for a in arrays]
        longest = max(lengths)
        if self._round_to is not None:
            longest = -(-longest // self._round_to) * self._round_to
        shape = list(arrays[0].shape)
        shape[axis] = longest
        batch = zeros((len(arrays), *shape), cpu(), self._dtype or arrays[0].dtype)
        if self._val:
            batch[:] = self._val
        before = (slice(None),) * axis
        for i, (value, length) in enumerate(zip(arrays, lengths)):
            if length:
                batch[(i, *before, slice(0, length))] = value
        return (batch, _core.array_from_list(lengths, "int32", "cpu", 0)) if self._ret_length else batch


class Append:
    """A list of arrays, one for each sample, that need not have a shape in common.

    expand: give each a new axis of length 1, at batch_axis.
    """

    def __init__(self, expand: bool = True, batch_axis: int = 0) -> None:
        self._expand, self._batch_axis = expand, batch_axis

    def __call__(self, data: Sequence[Any]) -> list[NDArray]:
        arrays = [_array(v) for v in data]
        return [op.expand_dims(a, axis=self._batch_axis) for a in arrays] if self._expand else arrays


class AsList:
    """The samples as they are, in a list: for texts, names and the like."""

    def __call__(self, data: Sequence[Any]) -> list[Any]:
        return list(data)


class Tuple:
    """A function for each part of the samples, which are tuples: part i of all samples goes to function i.

    fn: the functions, as arguments or as one list. Returns a tuple. Raises ValueError where a sample has another count of
    parts.
    """

    def __init__(self, fn: Any, *args: Callable[[Any], Any]) -> None:
        self._fn: tuple[Callable[[Any], Any], ...] = tuple(fn) if isinstance(fn, (list, tuple)) else (fn, *args)
        if args and isinstance(fn, (list, tuple)):
            raise ValueError(f"[{type(self).__name__}] found a list and {len(args)} functions more, expected one of the two")
        for one in self._fn:
            if not callable(one):
                raise TypeError(f"[{type(self).__name__}] found a {type(one).__name__}, expected functions")

    def __call__(self, data: Sequence[Any]) -> tuple[Any, ...]:
        for sample in data:
            if len(sample) != len(self._fn):
                raise ValueError(f"[{type(self).__name__}] a sample has {len(sample)} parts, expected one for each of "
                                 f"{len(self._fn)} functions")
        return tuple(fn([sample[i] for sample in data]) for i, fn in enumerate(self._fn))


class Group(Tuple):
    """Tuple, under the name that MXNet 2 gave it."""


def default_batchify_fn(data: Sequence[Any]) -> Any:
    """What a DataLoader does with the samples of a batch unless told otherwise: arrays and numbers are stacked, as Stack does;
    of tuples a list is made, part by part."""
    if isinstance(data[0], tuple):
        return [default_batchify_fn(part) for part in zip(*data)]
    return _stack(data, "DataLoader")


default_mp_batchify_fn = default_batchify_fn  # arrays go to another process without MXNet's shared contexts
