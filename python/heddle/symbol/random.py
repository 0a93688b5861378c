"""Random symbols. Parameters of a distribution are numbers, or symbols with one setting per element."""
from __future__ import annotations

from .._distributions import make, make_like
from ..base import _Null, _NullType, dtype_name, is_number
from . import _internal
from .symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._typing import DTypeLike, ShapeLike
    from ..context import Context

__all__ = ["uniform", "normal", "randn", "poisson", "exponential", "gamma", "negative_binomial",
           "generalized_negative_binomial", "multinomial", "shuffle", "randint", "uniform_like", "normal_like",
           "exponential_like", "gamma_like", "poisson_like", "negative_binomial_like",
           "generalized_negative_binomial_like"]


def _draw(kind: str, params: dict[str, Any], shape: ShapeLike | _NullType | None, dtype: DTypeLike | _NullType | None,
          ctx: Context | str | None, _: Any, kwargs: dict[str, Any]) -> Symbol:
    kwargs.update(shape=shape, dtype=dtype)
    if ctx is not None:
        kwargs["ctx"] = ctx
    values = params.values()
    if all(isinstance(v, Symbol) for v in values):
        return getattr(_internal, f"_sample_{kind}")(*values, **kwargs)
    for name, value in params.items():
        if not is_number(value):
            raise ValueError(f"found {name} of type {type(value).__name__}, expected a number or a symbol")
    return getattr(_internal, f"_random_{kind}")(**params, **kwargs)


(uniform, normal, randn, poisson, exponential, gamma, negative_binomial, generalized_negative_binomial,
 randint) = make(_draw, __name__)


def multinomial(data: Symbol, shape: ShapeLike | _NullType = _Null, get_prob: bool = True, dtype: DTypeLike = "int32",
                **kwargs: Any) -> Symbol:
    """Indices drawn with the probabilities in the last axis of data; with get_prob also their log probabilities. (As in
    MXNet, where nd.random.multinomial leaves those out by default.)"""
    if not isinstance(shape, _NullType):
        kwargs["shape"] = shape
    return _internal._sample_multinomial(data, get_prob=get_prob, dtype=dtype_name(dtype), **kwargs)


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """The rows of data in random order."""
    return _internal._shuffle(data, **kwargs)


(uniform_like, normal_like, exponential_like, gamma_like, poisson_like, negative_binomial_like,
 generalized_negative_binomial_like) = make_like(_internal)
