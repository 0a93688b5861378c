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
        return _core.array_from_list([value], name or "float32", *place)
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, _core.NDArrayBase) or hasattr(v, "__array__") for v in value):
            value = _plain(value)
        return _core.array_from_list(value, name or "float32", *place)
    if hasattr(value, "__array__") and "numpy" in sys.modules:
        known = name if name != "bfloat16" else None  # NumPy converts what the library does not know
        value = sys.modules["numpy"].ascontiguousarray(value, dtype=known)
    try:
        return _core.array_from_buffer(value, name, *place)
    except (TypeError, BufferError):
        if hasattr(value, "__iter__"):
            return _core.array_from_list(list(value), name or "float32", *place)
        raise


def _plain(value: Any) -> Any:
    """Nested lists of Python numbers."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):
        inner = value.tolist()
        return inner[0] if isinstance(value, _core.NDArrayBase) and value.shape == (1,) else inner
    return value
