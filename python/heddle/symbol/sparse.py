"""Sparse symbols, which are not supported: every function here raises one clear error.

The names are MXNet's, so that programs that look for them, or ask whether an array is one of these, go on.
"""
from __future__ import annotations

from .._storage import SPARSE_OPERATORS, refusing

for _name in SPARSE_OPERATORS:
    globals()[_name] = refusing(f"sym.sparse.{_name}")

__all__ = [*SPARSE_OPERATORS]
