"""Names of types that several modules use. For annotations only: nothing imports this module while it runs."""
from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from ._checkpoint import BatchEndParam
from .context import Context
from .initializer import Initializer, Load, Mixed
from .io import DataBatch, DataDesc
from .ndarray import NDArray
from .symbol import Symbol

_T = TypeVar("_T")


class _Named(Protocol):
    """What NumPy's dtypes are, and heddle's."""

    @property
    def name(self) -> str: ...


class _HasArray(Protocol):
    """What NumPy's arrays are, and those of libraries that speak to it."""

    def __array__(self) -> Any: ...


OneOrMore: TypeAlias = _T | Sequence[_T]

# --- arrays
Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = int | Sequence[int]
FloatsLike: TypeAlias = float | Sequence[float]
DTypeLike: TypeAlias = str | int | type[Any] | _Named
ArrayLike: TypeAlias = "NDArray | float | Sequence[Any] | memoryview | bytes | bytearray | array[Any] | _HasArray"
Device: TypeAlias = tuple[str, int]

# --- networks
Arrays: TypeAlias = dict[str, NDArray]
GivenArrays: TypeAlias = Mapping[str, NDArray] | Sequence[NDArray | None]
GradReq: TypeAlias = str | Mapping[str, str] | Sequence[str]
Shapes: TypeAlias = Sequence[DataDesc | tuple[str, ShapeLike] | tuple[str, Shape, DTypeLike]]
Groups: TypeAlias = Mapping[str, Context]
InitializerLike: TypeAlias = Initializer | Load | Mixed | Callable[[Any, NDArray], None]
Results: TypeAlias = list[tuple[str, float]]

SymGen: TypeAlias = Callable[[Any], tuple[Symbol, Sequence[str] | None, Sequence[str] | None]]

# --- callbacks
EpochEnd: TypeAlias = Callable[[int, Symbol, Arrays, Arrays], Any]
BatchEnd: TypeAlias = Callable[[BatchEndParam], Any]
RowIds: TypeAlias = Callable[[DataBatch], Any]
