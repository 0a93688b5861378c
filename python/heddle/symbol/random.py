"""Random symbols. Parameters of a distribution are numbers, or symbols with one setting per element."""
from ..base import _Null, is_number
from . import _internal
from .symbol import Symbol

__all__ = ["uniform", "normal", "randn", "poisson", "exponential", "gamma", "negative_binomial",
           "generalized_negative_binomial", "multinomial", "shuffle", "randint"]


def _draw(kind, params, shape, dtype, kwargs):
    kwargs.update(shape=shape, dtype=dtype)
    values = params.values()
    if all(isinstance(v, Symbol) for v in values):
        return getattr(_internal, f"_sample_{kind}")(*values, **kwargs)
    for name, value in params.items():
        if not is_number(value):
            raise ValueError(f"found {name} of type {type(value).__name__}, expected a number or a symbol")
    return getattr(_internal, f"_random_{kind}")(**params, **kwargs)


def uniform(low=0, high=1, shape=_Null, dtype=_Null, **kwargs):
    """Numbers from [low, high), all equally likely."""
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, kwargs)


def normal(loc=0, scale=1, shape=_Null, dtype=_Null, **kwargs):
    """Normally distributed numbers with mean loc and standard deviation scale."""
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, kwargs)


def randn(*shape, loc=0, scale=1, dtype=_Null, **kwargs):
    """normal, with the shape as positional arguments."""
    return normal(loc, scale, shape or _Null, dtype, **kwargs)


def poisson(lam=1, shape=_Null, dtype=_Null, **kwargs):
    """Poisson distributed counts with mean lam."""
    return _draw("poisson", {"lam": lam}, shape, dtype, kwargs)


def exponential(scale=1, shape=_Null, dtype=_Null, **kwargs):
    """Exponentially distributed numbers with mean scale."""
    return _draw("exponential", {"lam": 1.0 / scale}, shape, dtype, kwargs)


def gamma(alpha=1, beta=1, shape=_Null, dtype=_Null, **kwargs):
    """Gamma distributed numbers with shape alpha and scale beta."""
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, kwargs)


def negative_binomial(k=1, p=1, shape=_Null, dtype=_Null, **kwargs):
    """Failures before k successes, each having probability p."""
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, kwargs)


def generalized_negative_binomial(mu=1, alpha=1, shape=_Null, dtype=_Null, **kwargs):
    """Negative binomial counts with mean mu and dispersion alpha."""
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, kwargs)


def randint(low, high, shape=_Null, dtype=_Null, **kwargs):
    """Whole numbers from [low, high), all equally likely."""
    return _internal._random_randint(low=low, high=high, shape=shape, dtype=dtype, **kwargs)


def multinomial(data, shape=_Null, get_prob=False, dtype="int32", **kwargs):
    """Indices drawn with the probabilities in the last axis of data."""
    return _internal._sample_multinomial(data, shape=shape, get_prob=get_prob, dtype=dtype, **kwargs)


def shuffle(data, **kwargs):
    """The rows of data in random order."""
    return _internal._shuffle(data, **kwargs)
