"""AlexNet, "One weird trick for parallelizing convolutional neural networks", Krizhevsky, 2014."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ... import nn
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["AlexNet", "alexnet"]


class AlexNet(Network):
    """Five convolutions and three dense layers, for images of (3, 224, 224). classes: how many scores."""

    def __init__(self, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = unnamed()
            with self.features.name_scope():
                self.features.add(
                    nn.Conv2D(64, kernel_size=11, strides=4, padding=2, activation="relu"),
                    nn.MaxPool2D(pool_size=3, strides=2),
                    nn.Conv2D(192, kernel_size=5, padding=2, activation="relu"),
                    nn.MaxPool2D(pool_size=3, strides=2),
                    nn.Conv2D(384, kernel_size=3, padding=1, activation="relu"),
                    nn.Conv2D(256, kernel_size=3, padding=1, activation="relu"),
                    nn.Conv2D(256, kernel_size=3, padding=1, activation="relu"),
                    nn.MaxPool2D(pool_size=3, strides=2),
                    nn.Flatten(),
                    nn.Dense(4096, activation="relu"),
                    nn.Dropout(0.5),
                    nn.Dense(4096, activation="relu"),
                    nn.Dropout(0.5))
            self.output = nn.Dense(classes)


def alexnet(pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT, **kwargs: Any) -> Any:
    """AlexNet. pretrained: load the published parameters from the folder `root` onto `ctx` (model_store.get_model_file)."""
    return trained(AlexNet(**kwargs), "alexnet", pretrained, root, ctx)
