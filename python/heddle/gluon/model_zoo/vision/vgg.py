"""VGG, "Very deep convolutional networks for large-scale image recognition", Simonyan and Zisserman, 2014."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ....initializer import Xavier
from ... import nn
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["VGG", "get_vgg", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

_FILTERS = 64, 128, 256, 512, 512
_LAYERS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(Network):
    """Stages of convolutions of 3x3 with pooling between, then three dense layers, for images of (3, 224, 224).

    layers, filters: convolutions in each stage, and their channels. classes: how many scores. batch_norm: a batch norm behind
    each convolution. Raises ValueError where the two lists differ in length.
    """

    def __init__(self, layers: Sequence[int], filters: Sequence[int], classes: int = 1000, batch_norm: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if len(layers) != len(filters):
            raise ValueError(f"[VGG] found {len(layers)} layers and {len(filters)} filters, expected as many")
        with self.name_scope():
            self.features = unnamed()
            for count, channels in zip(layers, filters):
                for _ in range(count):
                    self.features.add(nn.Conv2D(channels, kernel_size=3, padding=1, bias_initializer="zeros",
                                                weight_initializer=Xavier(rnd_type="gaussian", factor_type="out", magnitude=2)))
                    if batch_norm:
                        self.features.add(nn.BatchNorm())
                    self.features.add(nn.Activation("relu"))
                self.features.add(nn.MaxPool2D(strides=2))
            for _ in range(2):
                self.features.add(nn.Dense(4096, activation="relu", weight_initializer="normal", bias_initializer="zeros"),
                                  nn.Dropout(rate=0.5))
            self.output = nn.Dense(classes, weight_initializer="normal", bias_initializer="zeros")


def get_vgg(num_layers: int, pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT,
            **kwargs: Any) -> Any:
    """VGG with 11, 13, 16 or 19 layers; batch_norm=True for batch norms.

    pretrained: load the published parameters from the folder `root` onto `ctx` (model_store.get_model_file). Raises ValueError
    for another number of layers.
    """
    if num_layers not in _LAYERS:
        raise ValueError(f"[get_vgg] num_layers is {num_layers}, expected {', '.join(map(str, _LAYERS))}")
    name = f"vgg{num_layers}" + ("_bn" if kwargs.get("batch_norm") else "")
    return trained(VGG(_LAYERS[num_layers], _FILTERS, **kwargs), name, pretrained, root, ctx)


def vgg11(**kwargs: Any) -> Any:
    """VGG with 11 layers. Arguments as in get_vgg."""
    return get_vgg(11, **kwargs)


def vgg13(**kwargs: Any) -> Any:
    """VGG with 13 layers. Arguments as in get_vgg."""
    return get_vgg(13, **kwargs)


def vgg16(**kwargs: Any) -> Any:
    """VGG with 16 layers. Arguments as in get_vgg."""
    return get_vgg(16, **kwargs)


def vgg19(**kwargs: Any) -> Any:
    """VGG with 19 layers. Arguments as in get_vgg."""
    return get_vgg(19, **kwargs)


def vgg11_bn(**kwargs: Any) -> Any:
    """VGG with 11 layers and batch norms. Arguments as in get_vgg."""
    return get_vgg(11, **{**kwargs, "batch_norm": True})


def vgg13_bn(**kwargs: Any) -> Any:
    """VGG with 13 layers and batch norms. Arguments as in get_vgg."""
    return get_vgg(13, **{**kwargs, "batch_norm": True})


def vgg16_bn(**kwargs: Any) -> Any:
    """VGG with 16 layers and batch norms. Arguments as in get_vgg."""
    return get_vgg(16, **{**kwargs, "batch_norm": True})


def vgg19_bn(**kwargs: Any) -> Any:
    """VGG with 19 layers and batch norms. Arguments as in get_vgg."""
    return get_vgg(19, **{**kwargs, "batch_norm": True})
