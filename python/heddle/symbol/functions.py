"""Functions of symbols beside the generated ones."""
from __future__ import annotations

from ..base import is_number
from . import _internal, op
from .symbol import Group, Symbol, Variable, _arithmetic, load, load_json, split_v2, var

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._typing import DTypeLike, ShapeLike

__all__ = ["Group", "Symbol", "Variable", "arange", "eye", "full", "histogram", "hypot", "linspace", "load", "load_json",
           "maximum", "minimum", "ones", "pow", "power", "split_v2", "var", "zeros"]


def _binary(name: str, doc: str, symbol: str, numbers: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function of two operands, each a symbol or a number."""

    def function(left: Any, right: Any) -> Any:
        if isinstance(left, Symbol):
            return _arithmetic(symbol, left, right)
        if isinstance(right, Symbol) and is_number(left):
            return _arithmetic(symbol, right, left, swapped=True, hint="_rpowerscalar" if symbol == "**" else None)
        if is_number(left) and is_number(right):
            return numbers(left, right)
        raise TypeError(f"types ({type(left)}, {type(right)}) not supported")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


power = _binary("power", "base ** exp, elementwise.", "**", lambda a, b: a ** b)
pow = power
maximum = _binary("maximum", "The larger of each pair.", "maximum", max)
minimum = _binary("minimum", "The smaller of each pair.", "minimum", min)
hypot = _binary("hypot", "The length of the hypotenuse over each pair.", "hypot",
                lambda a, b: (a * a + b * b) ** 0.5)


def zeros(shape: ShapeLike, dtype: DTypeLike | None = None, **kwargs: Any) -> Symbol:
    """Zeros."""
    return _internal._zeros(shape=shape, dtype=dtype or "float32", **kwargs)


def ones(shape: ShapeLike, dtype: DTypeLike | None = None, **kwargs: Any) -> Symbol:
    """Ones."""
    return _internal._ones(shape=shape, dtype=dtype or "float32", **kwargs)


def full(shape: ShapeLike, val: Any, dtype: DTypeLike | None = None, **kwargs: Any) -> Symbol:
    """One value everywhere."""
    return ones(shape, dtype, **kwargs) * val


def arange(start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1, infer_range: bool = False,
           name: str | None = None, dtype: DTypeLike | None = None) -> Symbol:
    """Numbers from start (0 if only one bound is given) up to, not including, stop."""
    if stop is None:
        start, stop = 0, start
    return _internal._arange(start=start, stop=stop, step=step, repeat=repeat, name=name,
                             dtype=dtype or "float32")


def linspace(start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None,
             dtype: DTypeLike | None = None) -> Symbol:
    """num numbers at equal distances from start to stop."""
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps else 0.0
    return arange(num, dtype=dtype) * step + start


def histogram(a: Symbol, bins: int | Symbol = 10, range: tuple[float, float] | None = None, **kwargs: Any) -> Symbol:
    """Counts and edges of the elements: bins is how many (then range says from where to where), or their edges."""
    if isinstance(bins, Symbol):
        return _internal._histogram(a, bins, **kwargs)
    if not isinstance(bins, int):
        raise ValueError(f"[histogram] found bins of type {type(bins).__name__}, expected an int or a Symbol")
    if range is None:
        raise ValueError("[histogram] found no range, expected one: a symbol has no values to find it in")
    return _internal._histogram(a, bin_cnt=bins, range=range, **kwargs)


def eye(N: int, M: int = 0, k: int = 0, dtype: DTypeLike | None = None, **kwargs: Any) -> Symbol:
    """A matrix with ones on its k-th diagonal."""
    rows = arange(N, dtype=dtype) + k
    return op.one_hot(rows, depth=M or N, dtype=dtype or "float32", **kwargs)
