"""Inception v3, "Rethinking the inception architecture for computer vision", Szegedy et al., 2015."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ... import nn
from ...contrib.nn import HybridConcurrent
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Inception3", "inception_v3"]


def _convolution(channels: int, kernel_size: Any, strides: int = 1, padding: Any = 0) -> Any:
    """A convolution, a batch norm and relu."""
    layers = unnamed()
    layers.add(nn.Conv2D(channels, kernel_size=kernel_size, strides=strides, padding=padding, use_bias=False),
               nn.BatchNorm(epsilon=0.001), nn.Activation("relu"))
    return layers


def _branch(*layers: Any) -> Any:
    """Layers one after the other: blocks, or the arguments of convolutions."""
    chain = unnamed()
    for layer in layers:
        chain.add(_convolution(*layer) if isinstance(layer, tuple) else layer)
    return chain


def _average() -> Any:
    return nn.AvgPool2D(pool_size=3, strides=1, padding=1)


def _maximum() -> Any:
    return nn.MaxPool2D(pool_size=3, strides=2)


def _a(pooled: int, prefix: str) -> Any:
    out = HybridConcurrent(axis=1, prefix=prefix)
    with out.name_scope():
        out.add(_branch((64, 1)),
                _branch((48, 1), (64, 5, 1, 2)),
                _branch((64, 1), (96, 3, 1, 1), (96, 3, 1, 1)),
                _branch(_average(), (pooled, 1)))
    return out


def _b(prefix: str) -> Any:
    out = HybridConcurrent(axis=1, prefix=prefix)
    with out.name_scope():
        out.add(_branch((384, 3, 2)),
                _branch((64, 1), (96, 3, 1, 1), (96, 3, 2)),
                _branch(_maximum()))
    return out


def _c(channels: int, prefix: str) -> Any:
    wide, tall = (channels, (1, 7), 1, (0, 3)), (channels, (7, 1), 1, (3, 0))
    out = HybridConcurrent(axis=1, prefix=prefix)
    with out.name_scope():
        out.add(_branch((192, 1)),
                _branch((channels, 1), wide, (192, *tall[1:])),
                _branch((channels, 1), tall, wide, tall, (192, *wide[1:])),
                _branch(_average(), (192, 1)))
    return out


def _d(prefix: str) -> Any:
    out = HybridConcurrent(axis=1, prefix=prefix)
    with out.name_scope():
        out.add(_branch((192, 1), (320, 3, 2)),
                _branch((192, 1), (192, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)), (192, 3, 2)),
                _branch(_maximum()))
    return out


def _fork(*before: Any) -> Any:
    """Convolutions, then a wide one and a tall one side by side."""
    chain = _branch(_branch(*before))
    both = HybridConcurrent(axis=1, prefix="")
    both.add(_branch((384, (1, 3), 1, (0, 1))), _branch((384, (3, 1), 1, (1, 0))))
    chain.add(both)
    return chain


def _e(prefix: str) -> Any:
    out = HybridConcurrent(axis=1, prefix=prefix)
    with out.name_scope():
        out.add(_branch((320, 1)),
                _fork((384, 1)),
                _fork((448, 1), (384, 3, 1, 1)),
                _branch(_average(), (192, 1)))
    return out


class Inception3(Network):
    """Convolutions of several sizes side by side, for images of (3, 299, 299). classes: how many scores."""

    def __init__(self, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = unnamed()
            self.features.add(
                _convolution(32, 3, 2), _convolution(32, 3), _convolution(64, 3, 1, 1), _maximum(),
                _convolution(80, 1), _convolution(192, 3), _maximum(),
                _a(32, "A1_"), _a(64, "A2_"), _a(64, "A3_"), _b("B_"),
                _c(128, "C1_"), _c(160, "C2_"), _c(160, "C3_"), _c(192, "C4_"),
                _d("D_"), _e("E1_"), _e("E2_"), nn.AvgPool2D(pool_size=8), nn.Dropout(0.5))
            self.output = nn.Dense(classes)


def inception_v3(pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT, **kwargs: Any) -> Any:
    """Inception v3. pretrained: load the published parameters from the folder `root` onto `ctx` (model_store.get_model_file)."""
    return trained(Inception3(**kwargs), "inceptionv3", pretrained, root, ctx)
