"""Arrays joined, split, and with their axes moved."""
from __future__ import annotations

from . import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ndarray import NDArray


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Arrays joined along an axis: their other extents, and dtypes, are equal."""
    if len(arrays) == 1 and not always_copy:
        return arrays[0]
    return op.concat(*arrays, dim=axis)


def moveaxis(tensor: NDArray, source: int | Sequence[int], destination: int | Sequence[int]) -> NDArray:
    """The array with axes `source` moved to the places `destination`; the others keep their order."""
    sources = [source] if isinstance(source, int) else list(source)
    targets = [destination] if isinstance(destination, int) else list(destination)
    if len(sources) != len(targets):
        raise ValueError(f"[moveaxis] found {len(sources)} axes in source and {len(targets)} in destination, expected as many")
    rank = tensor.ndim
    sources, targets = _axes("source", sources, rank), _axes("destination", targets, rank)
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources)):
        order.insert(target, axis)
    return op.transpose(tensor, axes=tuple(order))


def _axes(what: str, axes: list[int], rank: int) -> list[int]:
    """Axes counted from 0. Raises ValueError where one is not there, or is named twice."""
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"[moveaxis] found axis {axis} in {what}, expected {-rank} to {rank - 1}")
    counted = [axis % rank for axis in axes]
    if len(set(counted)) != len(counted):
        raise ValueError(f"[moveaxis] found a repeated axis in {what}={tuple(axes)}, expected different ones")
    return counted


def split_v2(ary: NDArray, indices_or_sections: int | Sequence[int], axis: int = 0,
             squeeze_axis: bool = False) -> list[NDArray]:
    """Parts of an array along an axis: a number of equal ones, or those between the indices.

    squeeze_axis drops the axis, where parts are one element long. Raises ValueError if equal parts are not possible.
    """
    size = ary.shape[axis]
    if isinstance(indices_or_sections, int):
        if size % indices_or_sections:
            raise ValueError(f"[split_v2] array split does not result in an equal division: axis {axis} has {size} elements, "
                             f"found {indices_or_sections} sections")
        part = size // indices_or_sections
        bounds = list(range(0, size + 1, part))
    else:
        bounds = [0, *indices_or_sections, size]
    parts = [op.slice_axis(ary, axis=axis, begin=b, end=e) for b, e in zip(bounds, bounds[1:])]
    if squeeze_axis:
        shape = ary.shape[:axis] + ary.shape[axis + 1:]
        parts = [p.reshape(shape) for p in parts]
    return parts
