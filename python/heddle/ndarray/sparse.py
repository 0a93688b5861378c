"""Sparse arrays, which are not supported: every function here raises one clear error.

The names are MXNet's, so that programs that look for them, or ask whether an array is one of these, go on.
"""
from __future__ import annotations

from .._storage import SPARSE_OPERATORS, refuse, refusing
from .ndarray import NDArray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MAKERS = "csr_matrix row_sparse_array zeros empty array add subtract multiply divide".split()


class BaseSparseNDArray(NDArray):
    """What sparse arrays would be; there are none."""

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> BaseSparseNDArray:
        """Raises SparseStorageError."""
        raise refuse(f"nd.sparse.{cls.__name__}", "a call for sparse storage")


class CSRNDArray(BaseSparseNDArray):
    """What matrices of compressed rows would be; there are none."""

    __slots__ = ()


class RowSparseNDArray(BaseSparseNDArray):
    """What arrays of few rows would be; there are none."""

    __slots__ = ()


for _name in (*SPARSE_OPERATORS, *_MAKERS):
    globals()[_name] = refusing(f"nd.sparse.{_name}")

__all__ = [*SPARSE_OPERATORS, *_MAKERS, "BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray"]
