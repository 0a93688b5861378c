"""Update rules that are tried out."""
from __future__ import annotations

from ..ndarray import contrib, zeros
from .optimizer import Optimizer, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..ndarray import NDArray

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one sum of squares per row: h += mean(g^2), w -= lr * g / sqrt(h + eps). Takes weights of two axes and
    no weight decay."""

    def __init__(self, eps: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: int, weight: NDArray) -> Any:
        if len(weight.shape) != 2:
            raise ValueError(f"[GroupAdaGrad] weight has shape {weight.shape}, expected two axes")
        return zeros((weight.shape[0], 1), weight.context, weight.dtype_name)

    def update(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        lr, wd, _ = self._begin(index)
        if wd:
            raise ValueError(f"[GroupAdaGrad] found weight decay {wd}, expected none")
        contrib.group_adagrad_update(weight, grad, state, out=weight, **self._fused(lr=lr, epsilon=self.float_stable_eps))
