"""Random arrays. Parameters of a distribution are numbers, or arrays with one setting per element."""
from __future__ import annotations

from .. import _core
from .._distributions import make, make_like
from ..base import _Null, _NullType, dtype_name, is_number
from ..context import current_context
from . import _internal
from .ndarray import NDArray

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
          ctx: Context | None, out: NDArray | None, more: dict[str, Any]) -> NDArray:
    kwargs = {key: value for key, value in more.items() if key not in ("name", "attr")}  # others the operator refuses
    if not isinstance(shape, _NullType) and shape is not None:
        kwargs["shape"] = (shape,) if isinstance(shape, int) else tuple(shape)
    if not isinstance(dtype, _NullType) and dtype is not None:
        kwargs["dtype"] = dtype_name(dtype)
    values = params.values()
    if any(isinstance(v, NDArray) for v in values):
        if not all(isinstance(v, NDArray) for v in values):
            raise ValueError(f"found {', '.join(type(v).__name__ for v in values)} as parameters, expected "
                             "all of them to be arrays or all of them numbers")
        return _core.invoke(f"_sample_{kind}", tuple(values), kwargs, out)
    for name, value in params.items():
        if not is_number(value):
            raise ValueError(f"found {name} of type {type(value).__name__}, expected a number or an array")
        kwargs[name] = value
    if out is None:
        kwargs.setdefault("shape", (1,))
        kwargs["ctx"] = str(ctx or current_context())
    return _core.invoke(f"_random_{kind}", (), kwargs, out)


(uniform, normal, randn, poisson, exponential, gamma, negative_binomial, generalized_negative_binomial,
 randint) = make(_draw, __name__)


def multinomial(data: NDArray, shape: ShapeLike | _NullType = _Null, get_prob: bool = False, out: NDArray | None = None,
                dtype: DTypeLike = "int32", **kwargs: Any) -> Any:
    """Indices drawn with the probabilities in the last axis of data; with get_prob also their log probabilities."""
    params: dict[str, Any] = {"get_prob": get_prob, "dtype": dtype_name(dtype)}
    if not isinstance(shape, _NullType):
        params["shape"] = (shape,) if isinstance(shape, int) else tuple(shape)
    return _core.invoke("_sample_multinomial", (data,), params, out)


def shuffle(data: NDArray, **kwargs: Any) -> NDArray:
    """The rows of data in random order."""
    return _core.invoke("_shuffle", (data,), None, kwargs.get("out"))


(uniform_like, normal_like, exponential_like, gamma_like, poisson_like, negative_binomial_like,
 generalized_negative_binomial_like) = make_like(_internal)
