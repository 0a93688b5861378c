"""Contributed operators, for arrays. Filled from the catalogue when heddle is imported."""
from __future__ import annotations

import math

from .. import _core
from ..context import current_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..context import Context
    from .ndarray import NDArray


def isnan(data: NDArray) -> NDArray:
    """1 where an element is NaN, 0 elsewhere, in the dtype of data."""
    return data != data


def isinf(data: NDArray) -> NDArray:
    """1 where an element is infinite, of either sign, 0 elsewhere, in the dtype of data."""
    return data.abs() == math.inf


def isfinite(data: NDArray) -> NDArray:
    """1 where an element is neither NaN nor infinite, 0 elsewhere, in the dtype of data."""
    return data.abs() < math.inf


def rand_zipfian(true_classes: NDArray, num_sampled: int, range_max: int,
                 ctx: Context | None = None) -> tuple[NDArray, NDArray, NDArray]:
    """Classes drawn from a log-uniform distribution, P(class) = log((class + 2) / (class + 1)) / log(range_max + 1).

    Gives `num_sampled` classes below range_max (int64, drawn with repetition), how often each of `true_classes`
    (any shape) is expected among so many draws, and each of the drawn ones (float64).
    """
    log_range = math.log(range_max + 1)
    drawn = _core.invoke("_random_uniform", (), {"low": 0.0, "high": log_range, "shape": (num_sampled,),
                                                 "dtype": "float64", "ctx": str(ctx or current_context())})
    sampled = (drawn.exp() - 1).astype("int64") % range_max

    def expected(classes: NDArray) -> NDArray:
        c = classes.astype("float64")
        return ((c + 2) / (c + 1)).log() / log_range * num_sampled

    return sampled, expected(true_classes), expected(sampled)
