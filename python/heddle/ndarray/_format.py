"""Arrays as text, in the layout NumPy's users know; needs no NumPy."""
from __future__ import annotations

import math
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..base import DType
    from ..ndarray import NDArray

_SUMMARIZE_ABOVE = 1000
_EDGE = 3
_WIDTH = 75
_DIGITS = 8


def format_array(array: NDArray) -> str:
    """The values of an array; the middle of large ones is left out."""
    if array.size == 0:
        return "[]"
    summarize = array.size > _SUMMARIZE_ABOVE
    values = _edges(array, summarize)
    if array.ndim == 0:
        return _cell_format([values], array.dtype)(values)
    cell = _cell_format(list(_leaves(values)), array.dtype)
    return _nested(values, cell, len(array.shape), 1)


def _edges(array: NDArray, summarize: bool) -> Any:
    """Nested lists of what is shown; None stands for what is left out."""
    if not summarize:
        return array.tolist()
    array = array.detach()

    def walk(part: Any) -> Any:
        n = part.shape[0]
        rows = range(n) if n <= 2 * _EDGE else [*range(_EDGE), None, *range(n - _EDGE, n)]
        if part.ndim == 1:
            values = part.tolist()
            return [None if i is None else values[i] for i in rows]
        return [None if i is None else walk(part._at(i)) for i in rows]

    return walk(array)


def _leaves(values: Any) -> Iterator[Any]:
    for v in values:
        if isinstance(v, list):
            yield from _leaves(v)
        elif v is not None:
            yield v


def _cell_format(values: list[Any], dtype: DType) -> Callable[[Any], str]:
    """A function that prints one value as wide as all others."""
    if dtype == "bool":
        texts = {v: str(bool(v)) for v in values}
    elif dtype.kind != "f":
        texts = {v: str(int(v)) for v in values}
    else:
        texts = _float_texts(values, dtype)
    width = max(map(len, texts.values()))
    return lambda v: _lookup(texts, v).rjust(width)


def _lookup(texts: dict[Any, str], value: Any) -> str:
    return texts["nan"] if value != value else texts[value]


def _float_texts(values: list[Any], dtype: DType) -> dict[Any, str]:
    finite = [v for v in values if math.isfinite(v)]
    sizes = [abs(v) for v in finite if v]
    scientific = bool(sizes) and (max(sizes) >= 1e8 or min(sizes) < 1e-4
                                  or max(sizes) / min(sizes) > 1000)
    shortest = {v: _shortest(v, dtype) for v in finite}
    if scientific:
        digits = max(_mantissa_digits(shortest[v]) for v in finite)
        texts = {v: _scientific(float(shortest[v]), digits) for v in finite}
    else:
        digits = max((_fraction_digits(shortest[v]) for v in finite), default=0)
        texts = {v: (f"{float(shortest[v]):.{digits}f}" if digits else f"{v:.0f}.") for v in finite}
        texts = {v: _pad_zeros(t) for v, t in texts.items()}
    for v in values:
        if v != v:
            texts["nan"] = "nan"
        elif math.isinf(v):
            texts[v] = "inf" if v > 0 else "-inf"
    return texts


def _scientific(value: float, digits: int) -> str:
    text = f"{value:.{digits}e}"
    return text if digits else text.replace("e", ".e")


def _shortest(value: Any, dtype: DType) -> str:
    """The shortest decimal that reads back as the same value of that dtype, at most 8 digits after the point."""
    if dtype == "float64":
        return repr(value)
    code = "e" if dtype == "float16" else "f"
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            if struct.unpack(code, struct.pack(code, float(text)))[0] == value:
                break
        except OverflowError:
            continue
    return text


def _fraction_digits(text: str) -> int:
    if "e" in text:
        mantissa, exponent = text.split("e")
        digits = len(mantissa.split(".")[1]) if "." in mantissa else 0
        return min(_DIGITS, max(0, digits - int(exponent)))
    fraction = text.split(".")[1] if "." in text else ""
    return min(_DIGITS, len(fraction.rstrip("0")))


def _mantissa_digits(text: str) -> int:
    digits = text.split("e")[0].lstrip("-").replace(".", "").strip("0")
    return min(_DIGITS, max(0, len(digits) - 1))


def _pad_zeros(text: str) -> str:
    """Trailing zeros as blanks, as NumPy prints them: one value keeps the column's width."""
    if "." not in text:
        return text
    kept = text.rstrip("0")
    return kept + " " * (len(text) - len(kept))


def _nested(values: Any, cell: Callable[[Any], str], ndim: int, indent: int) -> str:
    if ndim == 1:
        return _row(["..." if v is None else cell(v) for v in values], indent)
    gap = "\n" * (ndim - 1) + " " * indent
    parts = ["..." if v is None else _nested(v, cell, ndim - 1, indent + 1) for v in values]
    return "[" + gap.join(parts) + "]"


def _row(cells: list[str], indent: int) -> str:
    lines, line = [], ""
    for c in cells:
        if line and indent + len(line) + 1 + len(c) > _WIDTH:
            lines.append(line.rstrip())
            line = c
        else:
            line = f"{line} {c}" if line else c
    lines.append(line)
    return "[" + ("\n" + " " * indent).join(lines) + "]"
