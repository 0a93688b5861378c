"""Arrays made of other values that hold numbers."""
from __future__ import annotations

import sys

from .. import _core
from ..base import dtype_name, is_number
from ..context import context_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._typing import DTypeLike
    from ..context import Context
    from ..ndarray import NDArray


def to_ndarray(value: Any, ctx: Context | None = None, dtype: DTypeLike | None = None) -> NDArray:
    """An array made of any value that holds numbers: an array, a buffer, lists, a number."""
    if isinstance(value, _core.NDArrayBase):
        return value  # type: ignore[return-value]  # an NDArray: the library makes no others
    device = ctx or context_of(("cpu", 0))
    name = None if dtype is None else dtype_name(dtype)
    place = device.device_type, device.device_id
    if is_number(value):
        return _core.array_from_list(value, name or "float32", *place)
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, _core.NDArrayBase) or hasattr(v, "__array__") for v in value):
            value = _plain(value)
        return _from_list(value, name or "float32", place)
    if hasattr(value, "__array__") and "numpy" in sys.modules:
        known = name if name != "bfloat16" else None  # NumPy converts what the library does not know
        value = sys.modules["numpy"].asarray(value, dtype=known, order="C")
    try:
        return _core.array_from_buffer(value, name, *place)
    except (TypeError, BufferError):
        if isinstance(value, range):
            return _from_list(list(value), name or "float32", place)
        raise TypeError(f"[array] found {type(value).__name__} to make an array of, expected an array, nested lists or a "
                        "number") from None


def _from_list(value: Any, name: str, place: tuple[str, int]) -> NDArray:
    """An array of nested lists of numbers, which may be written as texts, like columns read from a file."""
    try:
        return _core.array_from_list(value, name, *place)
    except TypeError:
        numbers = _numbers(value)
        if numbers is None:
            raise
        return _core.array_from_list(numbers, name, *place)


def _numbers(value: Any) -> Any:
    """Nested lists with texts turned into numbers; None where there is no text."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"[array] found {value!r} among the values, expected numbers") from None
    if not isinstance(value, (list, tuple)):
        return None
    made = [_numbers(v) for v in value]
    return None if all(m is None for m in made) else [v if m is None else m for m, v in zip(made, value)]


def _plain(value: Any) -> Any:
    """Nested lists of Python numbers."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        inner = value.tolist()
        return inner[0] if isinstance(value, _core.NDArrayBase) and value.shape == (1,) else inner
    return value
