"""DenseNet, "Densely connected convolutional networks", Huang et al., 2016."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ... import nn
from ...contrib.nn import HybridConcurrent, Identity
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]

# Channels of the first convolution, channels that each layer adds, layers of each stage.
_SPECIFICATIONS = {121: (64, 32, (6, 12, 24, 16)), 161: (96, 48, (6, 12, 36, 24)), 169: (64, 32, (6, 12, 32, 32)),
                   201: (64, 32, (6, 12, 48, 32))}


def _layer(growth_rate: int, bn_size: int, dropout: float) -> Any:
    """The input, and `growth_rate` new channels beside it."""
    new = unnamed()
    new.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(bn_size * growth_rate, kernel_size=1, use_bias=False),
            nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(growth_rate, kernel_size=3, padding=1, use_bias=False))
    if dropout:
        new.add(nn.Dropout(dropout))
    both = HybridConcurrent(axis=1, prefix="")
    both.add(Identity(), new)
    return both


def _stage(count: int, bn_size: int, growth_rate: int, dropout: float, number: int) -> Any:
    layers = nn.HybridSequential(prefix=f"stage{number}_")
    with layers.name_scope():
        for _ in range(count):
            layers.add(_layer(growth_rate, bn_size, dropout))
    return layers


def _transition(channels: int) -> Any:
    layers = unnamed()
    layers.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(channels, kernel_size=1, use_bias=False),
               nn.AvgPool2D(pool_size=2, strides=2))
    return layers


class DenseNet(Network):
    """Layers that see the outputs of all before them in their stage, for images of (3, 224, 224).

    num_init_features: channels of the first convolution. growth_rate: channels that each layer adds.
    block_config: layers of each stage. bn_size: how many times growth_rate channels a layer squeezes its input to.
    dropout: the share of each layer's output that is dropped. classes: how many scores.
    """

    def __init__(self, num_init_features: int, growth_rate: int, block_config: Sequence[int], bn_size: int = 4,
                 dropout: float = 0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = unnamed()
            self.features.add(nn.Conv2D(num_init_features, kernel_size=7, strides=2, padding=3, use_bias=False), nn.BatchNorm(),
                              nn.Activation("relu"), nn.MaxPool2D(pool_size=3, strides=2, padding=1))
            channels = num_init_features
            for number, count in enumerate(block_config, 1):
                self.features.add(_stage(count, bn_size, growth_rate, dropout, number))
                channels += count * growth_rate
                if number < len(block_config):
                    channels //= 2
                    self.features.add(_transition(channels))
            self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.AvgPool2D(pool_size=7), nn.Flatten())
            self.output = nn.Dense(classes)


def get_densenet(num_layers: int, pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT,
                 **kwargs: Any) -> Any:
    """DenseNet with 121, 161, 169 or 201 layers.

    pretrained: load the published parameters from the folder `root` onto `ctx` (model_store.get_model_file). Raises ValueError
    for another number of layers.
    """
    if num_layers not in _SPECIFICATIONS:
        raise ValueError(f"[get_densenet] num_layers is {num_layers}, expected {', '.join(map(str, _SPECIFICATIONS))}")
    return trained(DenseNet(*_SPECIFICATIONS[num_layers], **kwargs), f"densenet{num_layers}", pretrained, root, ctx)


def densenet121(**kwargs: Any) -> Any:
    """DenseNet with 121 layers. Arguments as in get_densenet."""
    return get_densenet(121, **kwargs)


def densenet161(**kwargs: Any) -> Any:
    """DenseNet with 161 layers. Arguments as in get_densenet."""
    return get_densenet(161, **kwargs)


def densenet169(**kwargs: Any) -> Any:
    """DenseNet with 169 layers. Arguments as in get_densenet."""
    return get_densenet(169, **kwargs)


def densenet201(**kwargs: Any) -> Any:
    """DenseNet with 201 layers. Arguments as in get_densenet."""
    return get_densenet(201, **kwargs)
