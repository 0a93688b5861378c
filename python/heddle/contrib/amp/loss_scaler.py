"""By how much a loss is multiplied so that its gradients fit into half precision."""
from __future__ import annotations

import logging

from ... import autograd
from ...ndarray import op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...gluon import Parameter
    from ...ndarray import NDArray

__all__ = ["LossScaler"]


class LossScaler:
    """Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training", section 3.2).

    The scale starts at 2**16. A step whose gradients are not all finite halves it; 2000 steps in a row without one
    double it, up to 2**24. watch: called with every new scale.
    """

    _MOST = 2.0 ** 24
    _PATIENCE = 2000

    def __init__(self, watch: Callable[[float], None] | None = None) -> None:
        self._loss_scale = 2.0 ** 16
        self._unskipped = 0  # good steps since the scale changed
        self._watch = watch

    @property
    def loss_scale(self) -> float:
        """What losses are multiplied by now."""
        return self._loss_scale

    def has_overflow(self, params: Sequence[Parameter]) -> bool:
        """Whether the gradient of a parameter holds an infinity or a NaN; the scale changes accordingly. Waits for the
        gradients. On several devices they are those of the first, so add them up over devices before."""
        grads = [p.list_grad()[0] for p in params if p.grad_req != "null"]
        overflow = not _all_finite(grads)
        if overflow:
            self._set(self._loss_scale / 2)
            logging.info("AMP: decreasing loss scale to %f", self._loss_scale)
        else:
            self._unskipped += 1
            if self._unskipped == self._PATIENCE:
                self._set(min(self._MOST, self._loss_scale * 2))
                logging.info("AMP: increasing loss scale to %f", self._loss_scale)
        return overflow

    def _set(self, scale: float) -> None:
        self._loss_scale = scale
        self._unskipped = 0
        if self._watch is not None:
            self._watch(scale)


def _all_finite(arrays: Sequence[NDArray]) -> bool:
    if not arrays:
        return True
    with autograd.pause():
        return bool(op.multi_all_finite(*arrays).asscalar())
