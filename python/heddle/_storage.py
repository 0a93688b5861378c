"""How arrays are stored: densely. What asks for sparse storage gets one clear error."""
from __future__ import annotations

from .base import MXNetError


class SparseStorageError(MXNetError, NotImplementedError):
    """Raised by everything that would need a sparse array."""


def refuse(who: str, found: str) -> SparseStorageError:
    """The error of `who`, which would need sparse storage."""
    return SparseStorageError(f"[{who}] found {found}, expected storage type 'default': arrays here are dense, sparse storage "
                              "is not supported; convert the data to a dense array")


def check_dense(who: str, stype: str | None) -> None:
    """Raises SparseStorageError for other storage types than "default", ValueError for what is none."""
    if stype in (None, "default"):
        return
    if stype in ("csr", "row_sparse"):
        raise refuse(who, f"storage type {stype!r}")
    raise ValueError(f"[{who}] found storage type {stype!r}, expected 'default'")
