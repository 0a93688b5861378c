"""Nested lists of arrays, laid out in a row and put together again."""
from __future__ import annotations

from ..ndarray import NDArray
from ..symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# A format: 0 for an array, -1 for None, n for a symbol of n > 1 outputs, a list for a list or tuple.
ABSENT = -1


def flatten(value: Any, what: str) -> tuple[list[Any], Any]:
    """(the arrays or symbols in a row, their format). None is left out of the row.

    Raises ValueError, naming `what`, for anything else than these in nested lists and tuples.
    """
    if isinstance(value, NDArray):
        return [value], 0
    if isinstance(value, Symbol):
        return [value], 0 if len(value) == 1 else len(value)
    if value is None:
        return [], ABSENT
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"When hybridized, the {what} of HybridBlock must be (nested) list of Symbol or NDArray, but got "
                         f"{value!r} of type {type(value).__name__}")
    row: list[Any] = []
    formats = []
    for item in value:
        some, its = flatten(item, what)
        row += some
        formats.append(its)
    return row, formats


def regroup(row: Sequence[Any], form: Any) -> Any:
    """What flatten() took apart: lists where lists or tuples were."""
    value, rest = _take(row, form)
    if rest:
        raise ValueError(f"found {len(rest)} values more than the format {form} has")
    return value


def _take(row: Sequence[Any], form: Any) -> tuple[Any, Sequence[Any]]:
    if form == ABSENT:
        return None, row
    if form == 0:
        return row[0], row[1:]
    if isinstance(form, int):
        return list(row[:form]), row[form:]
    values = []
    for its in form:
        value, row = _take(row, its)
        values.append(value)
    return values, row
