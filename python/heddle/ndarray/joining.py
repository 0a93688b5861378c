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
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    rank = tensor.ndim
    sources, targets = ([a % rank for a in axes] for axes in (sources, targets))
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources)):
        order.insert(target, axis)
    return op.transpose(tensor, axes=tuple(order))


def split_v2(ary: NDArray, indices_or_sections: int | Sequence[int], axis: int = 0,
             squeeze_axis: bool = False) -> list[NDArray]:
    """Parts of an array along an axis: a number of equal ones, or those between the indices.

    squeeze_axis drops the axis, where parts are one element long. Raises ValueError if equal parts are not possible.
    """
    size = ary.shape[axis]
    if isinstance(indices_or_sections, int):
        if size % indices_or_sections:
            raise ValueError("array split does not result in an equal division")
        part = size // indices_or_sections
        bounds = list(range(0, size + 1, part))
    else:
        bounds = [0, *indices_or_sections, size]
    parts = [op.slice_axis(ary, axis=axis, begin=b, end=e) for b, e in zip(bounds, bounds[1:])]
    if squeeze_axis:
        shape = ary.shape[:axis] + ary.shape[axis + 1:]
        parts = [p.reshape(shape) for p in parts]
    return parts
