"""SqueezeNet, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", Iandola et al., 2016."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ... import nn
from ...contrib.nn import HybridConcurrent
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

_POOL = 0
# The first convolution's channels and kernel; then channels that each fire squeezes to, and where is pooled.
_LAYERS = {"1.0": (96, 7, (_POOL, 16, 16, 32, _POOL, 32, 48, 48, 64, _POOL, 64)),
           "1.1": (64, 3, (_POOL, 16, 16, _POOL, 32, 32, _POOL, 48, 48, 64, 64))}


def _convolution(channels: int, kernel_size: int, padding: int = 0) -> Any:
    layers = unnamed()
    layers.add(nn.Conv2D(channels, kernel_size, padding=padding), nn.Activation("relu"))
    return layers


def _fire(squeezed: int) -> Any:
    """Squeezes channels, and expands them again, half by 1x1 and half by 3x3."""
    expanded = HybridConcurrent(axis=1, prefix="")
    layers = unnamed()
    layers.add(_convolution(squeezed, 1))
    expanded.add(_convolution(4 * squeezed, 1), _convolution(4 * squeezed, 3, 1))
    layers.add(expanded)
    return layers


class SqueezeNet(Network):
    """Fires of convolutions, for images of (3, 224, 224).

    version: "1.0", or "1.1", which needs less than half the time. classes: how many scores. Raises ValueError for another
    version.
    """

    def __init__(self, version: str, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if version not in _LAYERS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: expected {', '.join(_LAYERS)}")
        channels, kernel, rest = _LAYERS[version]
        with self.name_scope():
            self.features = unnamed()
            self.features.add(nn.Conv2D(channels, kernel_size=kernel, strides=2), nn.Activation("relu"))
            for squeezed in rest:
                self.features.add(_fire(squeezed) if squeezed else nn.MaxPool2D(pool_size=3, strides=2, ceil_mode=True))
            self.features.add(nn.Dropout(0.5))
            self.output = unnamed()
            self.output.add(nn.Conv2D(classes, kernel_size=1), nn.Activation("relu"), nn.AvgPool2D(13), nn.Flatten())


def get_squeezenet(version: str, pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT,
                   **kwargs: Any) -> Any:
    """SqueezeNet "1.0" or "1.1". pretrained: load the published parameters from the folder `root` onto `ctx`
    (model_store.get_model_file)."""
    return trained(SqueezeNet(version, **kwargs), f"squeezenet{version}", pretrained, root, ctx)


def squeezenet1_0(**kwargs: Any) -> Any:
    """SqueezeNet 1.0. Arguments as in get_squeezenet."""
    return get_squeezenet("1.0", **kwargs)


def squeezenet1_1(**kwargs: Any) -> Any:
    """SqueezeNet 1.1. Arguments as in get_squeezenet."""
    return get_squeezenet("1.1", **kwargs)
