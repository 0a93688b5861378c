"""Contributed operators, for symbols. Filled from the catalogue when heddle is imported."""
from __future__ import annotations

import math

from . import _internal, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .symbol import Symbol


def rand_zipfian(true_classes: Symbol, num_sampled: int, range_max: int) -> tuple[Symbol, Symbol, Symbol]:
    """Classes drawn from a log-uniform distribution, and how often they and others are expected: as in nd.contrib."""
    log_range = math.log(range_max + 1)
    drawn = _internal._random_uniform(low=0.0, high=log_range, shape=(num_sampled,), dtype="float64")
    sampled = op.cast(op.exp(drawn) - 1, dtype="int64") % range_max

    def expected(classes: Symbol) -> Symbol:
        c = op.cast(classes, dtype="float64")
        return op.log((c + 2) / (c + 1)) / log_range * num_sampled

    return sampled, expected(true_classes), expected(sampled)


def adamw_update(weight: Symbol, grad: Symbol, mean: Symbol, var: Symbol, rescale_grad: Symbol | float, lr: float, eta: float,
                 beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0, clip_gradient: float = -1,
                 **kwargs: Any) -> Symbol:
    """A step of AdamW, see _adamw_update; rescale_grad is a number or a symbol."""
    return _internal._adamw_update(weight, grad, mean, var, _scale(rescale_grad), lr=lr, eta=eta, beta1=beta1, beta2=beta2,
                                   epsilon=epsilon, wd=wd, clip_gradient=clip_gradient, **kwargs)


def mp_adamw_update(weight: Symbol, grad: Symbol, mean: Symbol, var: Symbol, weight32: Symbol, rescale_grad: Symbol | float,
                    lr: float, eta: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0,
                    clip_gradient: float = -1, **kwargs: Any) -> Symbol:
    """The same for weights in half precision, of which weight32 holds the exact ones."""
    return _internal._mp_adamw_update(weight, grad, mean, var, weight32, _scale(rescale_grad), lr=lr, eta=eta, beta1=beta1,
                                      beta2=beta2, epsilon=epsilon, wd=wd, clip_gradient=clip_gradient, **kwargs)


def _scale(rescale_grad: Symbol | float) -> Symbol:
    if isinstance(rescale_grad, (int, float)):
        return _internal._full(shape=(1,), value=float(rescale_grad))
    return rescale_grad
