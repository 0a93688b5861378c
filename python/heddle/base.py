"""Words every module uses: errors, dtypes, and how Python values become operator parameters."""
from __future__ import annotations

import numbers
import os
import sys

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._typing import DTypeLike

MXNetError = _core.Error
MXNetIndexError = _core.IndexError
MXNetValueError = _core.ValueError


class NotImplementedForSymbol(MXNetError, NotImplementedError):
    """Raised by what arrays have and symbols cannot: a symbol has no value before it is bound."""

    def __init__(self, function: Any, alias: str | None = None, *args: Any) -> None:
        name = getattr(function, "__name__", str(function))
        operator = f" (the operator {alias})" if alias else ""
        super().__init__(f"[Symbol.{name}]{operator} found a symbol, which has no value yet, expected an NDArray: bind it, or "
                         "call its eval")


class NotSupportedForSparseNDArray(MXNetError):
    """Raised for what sparse arrays cannot do."""

    def __init__(self, function: Any, alias: str | None = None, *args: Any) -> None:
        name = getattr(function, "__name__", str(function))
        super().__init__(f"[{name}] found a sparse array, expected a dense one")


class _NullType:
    """Marks a parameter that was not given, where None means something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<default>"

    def __bool__(self) -> bool:
        return False


_Null = _NullType()

def data_dir_default() -> str:
    """Where MXNet keeps models and data unless told otherwise: ~/.mxnet."""
    return os.path.join(os.path.expanduser("~"), ".mxnet")


def data_dir() -> str:
    """Where models and data lie: $MXNET_HOME, or data_dir_default()."""
    return os.environ.get("MXNET_HOME", data_dir_default())


def py_str(x: bytes) -> str:
    """Bytes in UTF-8 as text."""
    return x.decode("utf-8")


string_types = (str,)
numeric_types = (float, int, numbers.Number)  # NumPy's numbers are of these, too
integer_types = (int, numbers.Integral)

# Names and the numbers that files and symbol attributes use for them.
DTYPE_CODES = {
    "float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7,
    "int16": 8, "uint16": 9, "uint32": 10, "uint64": 11, "bfloat16": 12,
}
_ITEM_SIZES = {
    "float32": 4, "float64": 8, "float16": 2, "uint8": 1, "int32": 4, "int8": 1, "int64": 8, "bool": 1,
    "int16": 2, "uint16": 2, "uint32": 4, "uint64": 8, "bfloat16": 2,
}


class DType(str):
    """The element type of an array: its name, equal to the NumPy type of the same name.

    A str, so that it works as a dtype in NumPy itself; NumPy is not needed to have one.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name, as a plain str."""
        return str(self)

    @property
    def __name__(self) -> str:
        """The name, as NumPy's scalar types have it, which MXNet gives."""
        return str(self)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return _ITEM_SIZES[self]

    @property
    def kind(self) -> str:
        """A letter, as in NumPy: f for floating point, i and u for whole numbers, b for bool."""
        return "b" if self == "bool" else "f" if "float" in self else "u" if self[0] == "u" else "i"

    @property
    def type(self) -> Any:
        """The NumPy scalar type."""
        import numpy
        return numpy.dtype(str(self)).type

    def __call__(self, value: Any = 0) -> Any:
        return self.type(value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        try:
            return str.__eq__(self, dtype_name(other))  # type: ignore[arg-type]  # what else raises TypeError
        except TypeError:
            return NotImplemented

    def __ne__(self, other: object) -> bool:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = str.__hash__


_DTYPES = {name: DType(name) for name in DTYPE_CODES}
_CODES = {code: name for name, code in DTYPE_CODES.items()}
_PYTHON_TYPES = {float: "float64", int: "int64", bool: "bool"}  # as in NumPy
mx_real_t = _DTYPES["float32"]


def dtype_name(dtype: DTypeLike) -> str:
    """The name of a dtype given as a name, a NumPy type or dtype, a Python type, or a type number."""
    name: Any
    if isinstance(dtype, str):
        name = str(dtype)
    elif dtype in _PYTHON_TYPES:
        name = _PYTHON_TYPES[dtype]
    elif isinstance(dtype, int):
        name = _CODES.get(dtype)
    else:
        name = getattr(dtype, "name", None)
        if not isinstance(name, str):
            name = getattr(dtype, "__name__", None)
        name = {"bool_": "bool"}.get(name, name)
    if name not in _DTYPES:
        if isinstance(dtype, str) and "numpy" in sys.modules:  # "f4", "<i8", "double"
            try:
                name = sys.modules["numpy"].dtype(dtype).name
            except TypeError:
                name = None
        if name not in _DTYPES:
            raise TypeError(f"found dtype {dtype!r}, expected one of {', '.join(_DTYPES)}")
    return name


def as_dtype(name: str) -> DType:
    """The DType of a name."""
    return _DTYPES[name]


def is_numpy(value: object) -> bool:
    """Whether value is a NumPy array; does not import NumPy to find out."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def is_number(value: object) -> bool:
    """Whether value is one number: Python's or NumPy's."""
    if isinstance(value, (int, float)):
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.number, numpy.bool_))


def param_text(key: str, value: Any) -> str:
    """An operator parameter as MXNet writes it."""
    if isinstance(value, str) and not isinstance(value, DType):
        return value
    if key == "dtype":
        return dtype_name(value)
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(_item_text, value)) + ("," if len(value) == 1 else "") + ")"
    return _item_text(value)


def _item_text(value: Any) -> str:
    if isinstance(value, (int, float, str, type(None))):
        return str(value)
    if isinstance(value, (list, tuple)):
        return param_text("", value)
    if hasattr(value, "item"):  # a NumPy scalar, whose str may carry its type
        return str(value.item())
    return str(value)
