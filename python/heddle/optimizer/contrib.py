"""Update rules that are tried out."""
from __future__ import annotations

from .optimizer import Optimizer, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one sum of squares per row: h += mean(g^2), w -= lr * g / sqrt(h + eps). Takes weights of two axes and
    no weight decay: both raise ValueError otherwise."""

    _rule = "groupadagrad"
    _settings = {"eps": "float_stable_eps"}

    def __init__(self, eps: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps
