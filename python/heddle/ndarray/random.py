"""Random arrays. Parameters of a distribution are numbers, or arrays with one setting per element."""
from .. import _core
from ..base import _Null, dtype_name, is_number
from ..context import current_context
from .ndarray import NDArray

__all__ = ["uniform", "normal", "randn", "poisson", "exponential", "gamma", "negative_binomial",
           "generalized_negative_binomial", "multinomial", "shuffle", "randint"]


def _draw(scalar_op, tensor_op, params, shape, dtype, ctx, out):
    kwargs = {}
    if shape is not _Null and shape is not None:
        kwargs["shape"] = (shape,) if isinstance(shape, int) else tuple(shape)
    if dtype is not _Null and dtype is not None:
        kwargs["dtype"] = dtype_name(dtype)
    values = params.values()
    if any(isinstance(v, NDArray) for v in values):
        if not all(isinstance(v, NDArray) for v in values):
            raise ValueError(f"found {', '.join(type(v).__name__ for v in values)} as parameters, expected "
                             "all of them to be arrays or all of them numbers")
        return _core.invoke(tensor_op, tuple(values), kwargs, out)
    for name, value in params.items():
        if not is_number(value):
            raise ValueError(f"found {name} of type {type(value).__name__}, expected a number or an array")
        kwargs[name] = value
    if out is None:
        kwargs.setdefault("shape", (1,))
        kwargs["ctx"] = str(ctx or current_context())
    return _core.invoke(scalar_op, (), kwargs, out)


def uniform(low=0, high=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Numbers from [low, high), all equally likely."""
    return _draw("_random_uniform", "_sample_uniform", {"low": low, "high": high}, shape, dtype, ctx, out)


def normal(loc=0, scale=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Normally distributed numbers with mean loc and standard deviation scale."""
    return _draw("_random_normal", "_sample_normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out)


def randn(*shape, loc=0, scale=1, dtype=_Null, ctx=None, out=None):
    """normal, with the shape as positional arguments."""
    return normal(loc, scale, shape or _Null, dtype, ctx, out)


def poisson(lam=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Poisson distributed counts with mean lam."""
    return _draw("_random_poisson", "_sample_poisson", {"lam": lam}, shape, dtype, ctx, out)


def exponential(scale=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Exponentially distributed numbers with mean scale."""
    rate = 1.0 / scale
    return _draw("_random_exponential", "_sample_exponential", {"lam": rate}, shape, dtype, ctx, out)


def gamma(alpha=1, beta=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Gamma distributed numbers with shape alpha and scale beta."""
    return _draw("_random_gamma", "_sample_gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out)


def negative_binomial(k=1, p=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Failures before k successes, each having probability p."""
    return _draw("_random_negative_binomial", "_sample_negative_binomial", {"k": k, "p": p}, shape, dtype,
                 ctx, out)


def generalized_negative_binomial(mu=1, alpha=1, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Negative binomial counts with mean mu and dispersion alpha."""
    return _draw("_random_generalized_negative_binomial", "_sample_generalized_negative_binomial",
                 {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out)


def randint(low, high, shape=_Null, dtype=_Null, ctx=None, out=None, **kwargs):
    """Whole numbers from [low, high), all equally likely."""
    dtype = "int32" if dtype in (_Null, None) else dtype
    return _draw("_random_randint", None, {"low": low, "high": high}, shape, dtype, ctx, out)


def multinomial(data, shape=_Null, get_prob=False, out=None, dtype="int32", **kwargs):
    """Indices drawn with the probabilities in the last axis of data."""
    params = {"get_prob": get_prob, "dtype": dtype_name(dtype)}
    if shape is not _Null:
        params["shape"] = (shape,) if isinstance(shape, int) else tuple(shape)
    return _core.invoke("_sample_multinomial", (data,), params, out)


def shuffle(data, **kwargs):
    """The rows of data in random order."""
    return _core.invoke("_shuffle", (data,), None, kwargs.get("out"))
