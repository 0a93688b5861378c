"""Layers side by side, sub-pixel layers, and batch norm over devices."""
from __future__ import annotations

from .... import ndarray
from ....context import num_gpus
from ...block import Block, HybridBlock
from ...nn import BatchNorm, HybridSequential, Sequential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...._typing import DTypeLike, ShapeLike

__all__ = ["Concurrent", "HybridConcurrent", "Identity", "PixelShuffle1D", "PixelShuffle2D", "PixelShuffle3D",
           "SparseEmbedding", "SyncBatchNorm"]


class Concurrent(Sequential):
    """Blocks side by side: each gets the input, and their outputs are joined along `axis`."""

    def __init__(self, axis: int = -1, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """The joined outputs."""
        return ndarray.concat(*[block(x) for block in self._children.values()], dim=self.axis)


class HybridConcurrent(HybridSequential):
    """The same, of hybrid blocks."""

    def __init__(self, axis: int = -1, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self.axis = axis

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.concat(*[block(x) for block in self._children.values()], dim=self.axis)


class Identity(HybridBlock):
    """The input as it is: for shortcuts beside other blocks."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return x


class SparseEmbedding(Block):
    """Rows of a table, as nn.Embedding. Its gradient is dense here."""

    def __init__(self, input_dim: int, output_dim: int, dtype: DTypeLike = "float32", weight_initializer: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kwargs = {"input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": True}
        self.weight = self.params.get("weight", shape=(input_dim, output_dim), init=weight_initializer, dtype=dtype,
                                      grad_stype="row_sparse", stype="row_sparse")

    def forward(self, x: Any) -> Any:
        """weight[x], with one axis more than x."""
        F: Any = ndarray
        return F.Embedding(x, self.weight.data(x.context), name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        k = self._kwargs
        return f"{type(self).__name__}({k['input_dim']} -> {k['output_dim']}, {k['dtype']})"


class SyncBatchNorm(BatchNorm):
    """Batch norm with mean and variance over the batches of all devices, along axis 1. As nn.BatchNorm else.

    num_devices: how many devices run it at once, by default all GPUs, or 1. Each must run it in every step.
    """

    def __init__(self, in_channels: int = 0, num_devices: int | None = None, momentum: float = 0.9, epsilon: float = 1e-5,
                 center: bool = True, scale: bool = True, use_global_stats: bool = False, beta_initializer: Any = "zeros",
                 gamma_initializer: Any = "ones", running_mean_initializer: Any = "zeros",
                 running_variance_initializer: Any = "ones", **kwargs: Any) -> None:
        super().__init__(1, momentum, epsilon, center, scale, use_global_stats, beta_initializer, gamma_initializer,
                         running_mean_initializer, running_variance_initializer, in_channels, **kwargs)
        devices = num_devices if num_devices is not None else max(num_gpus(), 1)
        self._kwargs: dict[str, Any] = {"eps": epsilon, "momentum": momentum, "fix_gamma": not scale,
                                        "use_global_stats": use_global_stats, "ndev": devices, "key": self.prefix}

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        return F.contrib.SyncBatchNorm(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)


class _PixelShuffle(HybridBlock):
    """What all of them are: blocks of channels become larger images. Shi et al., Real-Time Single Image and Video
    Super-Resolution, 2016."""

    def __init__(self, factor: ShapeLike, axes: int) -> None:
        super().__init__()
        factors = (factor,) * axes if isinstance(factor, int) else tuple(factor)
        if len(factors) != axes:
            raise AssertionError(f"wrong length {len(factors)}, expected {axes} factors")
        self._factors = tuple(int(f) for f in factors)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        factors = self._factors
        # (N, C f1 .. fn, d1 .. dn) to (N, C, f1 .. fn, d1 .. dn): the last factor is split off first.
        for f in reversed(factors):
            x = F.reshape(x, (0, -4, -1, f, -2))
        n = len(factors)
        order = [0, 1]
        for k in range(n):
            order += [2 + n + k, 2 + k]
        x = F.transpose(x, axes=tuple(order))  # (N, C, d1, f1, ..., dn, fn)
        return F.reshape(x, (0, 0) + (-3,) * n)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._factors[0] if len(self._factors) == 1 else self._factors})"


class PixelShuffle1D(_PixelShuffle):
    """(batch, factor channels, width) to (batch, channels, factor width). factor: a number."""

    def __init__(self, factor: ShapeLike) -> None:
        super().__init__(factor, 1)


class PixelShuffle2D(_PixelShuffle):
    """(batch, f1 f2 channels, height, width) to (batch, channels, f1 height, f2 width). factor: a number, or (f1, f2)."""

    def __init__(self, factor: ShapeLike) -> None:
        super().__init__(factor, 2)


class PixelShuffle3D(_PixelShuffle):
    """(batch, f1 f2 f3 channels, depth, height, width) to (batch, channels, f1 depth, f2 height, f3 width). factor: a
    number, or (f1, f2, f3)."""

    def __init__(self, factor: ShapeLike) -> None:
        super().__init__(factor, 3)
