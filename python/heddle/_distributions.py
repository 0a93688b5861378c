"""The distributions of `nd.random` and `sym.random`, which differ in how a draw is made.

Parameters are numbers, or arrays (symbols) with one setting per element of a first part of the result's shape.
"""
from __future__ import annotations

from .base import _Null, _NullType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from ._typing import DTypeLike, ShapeLike
    from .context import Context

    Value = Any      # an array of nd, or a symbol of sym
    Operand = Any    # that, or a number


# Distributions of which there is an operator that draws as many numbers as its input has.
LIKE = ("uniform", "normal", "exponential", "gamma", "poisson", "negative_binomial", "generalized_negative_binomial")


def make_like(internal: ModuleType) -> tuple[Callable[..., Any], ...]:
    """The functions uniform_like and so on, in the order of LIKE, from the module that has their operators."""
    return tuple(getattr(internal, f"_random_{kind}_like") for kind in LIKE)


def make(draw: Callable[..., Any], module: str) -> tuple[Callable[..., Any], ...]:
    """The functions of a module, from uniform to randint.

    draw(kind, parameters, shape, dtype, ctx, out, kwargs) applies the operators _random_KIND and _sample_KIND.
    """

    def uniform(low: Operand = 0, high: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
                dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None, out: Value | None = None,
                **kwargs: Any) -> Value:
        """Numbers from [low, high), all equally likely."""
        return draw("uniform", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)

    def normal(loc: Operand = 0, scale: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
               dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None, out: Value | None = None,
               **kwargs: Any) -> Value:
        """Normally distributed numbers with mean loc and standard deviation scale."""
        return draw("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out, kwargs)

    def randn(*shape: int, loc: Operand = 0, scale: Operand = 1, dtype: DTypeLike | _NullType | None = _Null,
              ctx: Context | None = None, out: Value | None = None, **kwargs: Any) -> Value:
        """normal, with the shape as positional arguments."""
        return normal(loc, scale, shape or _Null, dtype, ctx, out, **kwargs)

    def poisson(lam: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
                dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None, out: Value | None = None,
                **kwargs: Any) -> Value:
        """Poisson distributed counts with mean lam."""
        return draw("poisson", {"lam": lam}, shape, dtype, ctx, out, kwargs)

    def exponential(scale: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
                    dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None, out: Value | None = None,
                    **kwargs: Any) -> Value:
        """Exponentially distributed numbers with mean scale."""
        return draw("exponential", {"lam": 1.0 / scale}, shape, dtype, ctx, out, kwargs)

    def gamma(alpha: Operand = 1, beta: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
              dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None, out: Value | None = None,
              **kwargs: Any) -> Value:
        """Gamma distributed numbers with shape alpha and scale beta."""
        return draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out, kwargs)

    def negative_binomial(k: Operand = 1, p: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
                          dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None,
                          out: Value | None = None, **kwargs: Any) -> Value:
        """Failures before k successes, each having probability p."""
        return draw("negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out, kwargs)

    def generalized_negative_binomial(mu: Operand = 1, alpha: Operand = 1, shape: ShapeLike | _NullType | None = _Null,
                                      dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None,
                                      out: Value | None = None, **kwargs: Any) -> Value:
        """Negative binomial counts with mean mu and dispersion alpha."""
        return draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out, kwargs)

    def randint(low: int, high: int, shape: ShapeLike | _NullType | None = _Null,
                dtype: DTypeLike | _NullType | None = _Null, ctx: Context | None = None, out: Value | None = None,
                **kwargs: Any) -> Value:
        """Whole numbers from [low, high), all equally likely; int32 unless dtype says otherwise."""
        dtype = "int32" if dtype is None or dtype is _Null else dtype
        return draw("randint", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)

    made = (uniform, normal, randn, poisson, exponential, gamma, negative_binomial, generalized_negative_binomial,
            randint)
    for function in made:
        function.__module__, function.__qualname__ = module, function.__name__
    return made
