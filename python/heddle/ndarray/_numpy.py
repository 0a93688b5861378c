"""What NumPy's functions and arrays make of arrays of ours.

NumPy's functions work by conversion, and give NumPy arrays. Python's operators between an array of NumPy and one of ours
give one of ours, in its dtype, which autograd records.
"""
from __future__ import annotations

import operator
import sys

from .. import _core
from ..base import is_number, is_numpy
from ._convert import to_ndarray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..ndarray import NDArray

# The functions behind Python's operators.
_OPERATORS = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
              "true_divide": operator.truediv, "remainder": operator.mod, "power": operator.pow, "equal": operator.eq,
              "not_equal": operator.ne, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
              "greater_equal": operator.ge}


def operand(value: Any, like: NDArray) -> Any:
    """An array of NumPy as an operand beside `like`: in its dtype, where it is. NotImplemented for other values."""
    if not is_numpy(value):
        return NotImplemented
    if like.dtype != "bfloat16" and not sys.modules["numpy"].can_cast(value.dtype, str(like.dtype), "same_kind"):
        raise TypeError(f"found an array of NumPy of {value.dtype} beside an NDArray of {like.dtype}, expected one that this "
                        "dtype can hold: convert one of them with astype")
    return to_ndarray(value, like.context, like.dtype_name)


def apply(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What NDArray.__array_ufunc__ does."""
    plain = method == "__call__" and len(inputs) == 2 and not kwargs
    if plain and ufunc.__name__ in _OPERATORS and all(map(_is_operand, inputs)):
        like = next(value for value in inputs if isinstance(value, _core.NDArrayBase))
        left, right = (operand(value, like) if is_numpy(value) else value for value in inputs)  # type: ignore[arg-type]
        return _OPERATORS[ufunc.__name__](_number(left), _number(right))
    kwargs = {key: tuple(map(_writable, value)) if key == "out" else value for key, value in kwargs.items()}
    return getattr(ufunc, method)(*map(to_numpy, inputs), **kwargs)


def to_numpy(value: Any) -> Any:
    """An array of ours as one of NumPy, also in lists; other values as they are. Raises TypeError where autograd would lose
    the value."""
    if type(value) in (list, tuple):
        return type(value)(map(to_numpy, value))
    if not isinstance(value, _core.NDArrayBase):
        return value
    if _core.is_recording() and (value._recorded or value._grad() is not None):
        raise TypeError("a NumPy function of an array that autograd records would lose its gradient: use the function of "
                        "nd, or the array's detach() or asnumpy()")
    return value.asnumpy()  # type: ignore[attr-defined]


def _is_operand(value: Any) -> bool:
    return isinstance(value, _core.NDArrayBase) or is_numpy(value) or is_number(value)


def _number(value: Any) -> Any:
    """NumPy's scalars as Python's numbers."""
    return value.item() if is_number(value) and hasattr(value, "item") else value


def _writable(value: Any) -> Any:
    if isinstance(value, _core.NDArrayBase):
        raise TypeError("a NumPy function cannot write into an NDArray: assign its result with [:]")
    return value
