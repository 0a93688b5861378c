"""ResNet, "Deep residual learning for image recognition", He et al., 2015, and its second version, "Identity mappings in deep
residual networks", 2016, which normalizes before it convolves."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ... import nn
from ...block import HybridBlock
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["BasicBlockV1", "BasicBlockV2", "BottleneckV1", "BottleneckV2", "ResNetV1", "ResNetV2", "get_resnet", "resnet101_v1",
           "resnet101_v2", "resnet152_v1", "resnet152_v2", "resnet18_v1", "resnet18_v2", "resnet34_v1", "resnet34_v2",
           "resnet50_v1", "resnet50_v2"]


def _conv3x3(channels: int, stride: int, in_channels: int) -> Any:
    return nn.Conv2D(channels, kernel_size=3, strides=stride, padding=1, use_bias=False, in_channels=in_channels)


class _UnitV1(HybridBlock):
    """relu(body(x) + x), or with downsample another convolution of x."""

    def __init__(self, channels: int, stride: int, downsample: bool, in_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.body = unnamed()
        self._add_body(channels, stride, in_channels)
        self.downsample: Any = None
        if downsample:
            self.downsample = unnamed()
            self.downsample.add(nn.Conv2D(channels, kernel_size=1, strides=stride, use_bias=False, in_channels=in_channels),
                                nn.BatchNorm())

    def _add_body(self, channels: int, stride: int, in_channels: int) -> None:
        raise NotImplementedError

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        residual = x if self.downsample is None else self.downsample(x)
        return F.Activation(residual + self.body(x), act_type="relu")


class BasicBlockV1(_UnitV1):
    """Two convolutions of 3x3, beside what came in.

    channels: of the output. stride: of the first convolution. downsample: convolve what came in by 1x1, with the stride, too.
    in_channels: of the input, 0 for what comes.
    """

    def __init__(self, channels: int, stride: int, downsample: bool = False, in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, stride, downsample, in_channels, **kwargs)

    def _add_body(self, channels: int, stride: int, in_channels: int) -> None:
        self.body.add(_conv3x3(channels, stride, in_channels), nn.BatchNorm(), nn.Activation("relu"),
                      _conv3x3(channels, 1, channels), nn.BatchNorm())


class BottleneckV1(_UnitV1):
    """A convolution of 1x1 to a quarter of the channels, one of 3x3 and one of 1x1 back, beside what came in. Parameters as in
    BasicBlockV1."""

    def __init__(self, channels: int, stride: int, downsample: bool = False, in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, stride, downsample, in_channels, **kwargs)

    def _add_body(self, channels: int, stride: int, in_channels: int) -> None:
        narrow = channels // 4
        self.body.add(nn.Conv2D(narrow, kernel_size=1, strides=stride), nn.BatchNorm(), nn.Activation("relu"),
                      _conv3x3(narrow, 1, narrow), nn.BatchNorm(), nn.Activation("relu"),
                      nn.Conv2D(channels, kernel_size=1, strides=1), nn.BatchNorm())


class _UnitV2(HybridBlock):
    """Convolutions, each after a batch norm and relu, plus x, or with downsample another convolution of what follows the first
    relu."""

    def __init__(self, channels: int, stride: int, downsample: bool, in_channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._count = 0
        for convolution in self._convolutions(channels, stride, in_channels):
            self._count += 1
            setattr(self, f"bn{self._count}", nn.BatchNorm())
            setattr(self, f"conv{self._count}", convolution())
        self.downsample: Any = None
        if downsample:
            self.downsample = nn.Conv2D(channels, 1, stride, use_bias=False, in_channels=in_channels)

    def _convolutions(self, channels: int, stride: int, in_channels: int) -> Any:
        """Functions that make them, in their order."""
        raise NotImplementedError

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        residual = x
        for i in range(1, self._count + 1):
            x = F.Activation(getattr(self, f"bn{i}")(x), act_type="relu")
            if i == 1 and self.downsample is not None:
                residual = self.downsample(x)
            x = getattr(self, f"conv{i}")(x)
        return x + residual


class BasicBlockV2(_UnitV2):
    """Two convolutions of 3x3, beside what came in. Parameters as in BasicBlockV1."""

    def __init__(self, channels: int, stride: int, downsample: bool = False, in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, stride, downsample, in_channels, **kwargs)

    def _convolutions(self, channels: int, stride: int, in_channels: int) -> Any:
        return lambda: _conv3x3(channels, stride, in_channels), lambda: _conv3x3(channels, 1, channels)


class BottleneckV2(_UnitV2):
    """A convolution of 1x1 to a quarter of the channels, one of 3x3, which has the stride, and one of 1x1 back, beside what came
    in. Parameters as in BasicBlockV1."""

    def __init__(self, channels: int, stride: int, downsample: bool = False, in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, stride, downsample, in_channels, **kwargs)

    def _convolutions(self, channels: int, stride: int, in_channels: int) -> Any:
        narrow = channels // 4
        return (lambda: nn.Conv2D(narrow, kernel_size=1, strides=1, use_bias=False), lambda: _conv3x3(narrow, stride, narrow),
                lambda: nn.Conv2D(channels, kernel_size=1, strides=1, use_bias=False))


class _ResNet(Network):
    """Stages of residual units."""

    def _check(self, layers: Sequence[int], channels: Sequence[int]) -> None:
        if len(layers) != len(channels) - 1:
            raise ValueError(f"[{type(self).__name__}] found {len(layers)} layers and {len(channels)} channels, expected one "
                             "channels more than layers")

    def _add_stem(self, channels: int, thumbnail: bool) -> None:
        if thumbnail:
            self.features.add(_conv3x3(channels, 1, 0))
        else:
            self.features.add(nn.Conv2D(channels, 7, 2, 3, use_bias=False), nn.BatchNorm(), nn.Activation("relu"),
                              nn.MaxPool2D(3, 2, 1))

    def _add_stages(self, block: Any, layers: Sequence[int], channels: Sequence[int]) -> None:
        before = channels[0]
        for i, (count, width) in enumerate(zip(layers, channels[1:])):
            stage = nn.HybridSequential(prefix=f"stage{i + 1}_")
            with stage.name_scope():
                stage.add(block(width, 1 if i == 0 else 2, width != before, in_channels=before, prefix=""))
                for _ in range(count - 1):
                    stage.add(block(width, 1, False, in_channels=width, prefix=""))
            self.features.add(stage)
            before = width


class ResNetV1(_ResNet):
    """A residual network, for images of (3, 224, 224), or small ones with thumbnail.

    block: BasicBlockV1 or BottleneckV1. layers: units in each stage. channels: of the first convolution and of each stage.
    classes: how many scores. thumbnail: begin with one convolution of 3x3, and no pooling.
    Raises ValueError where channels are not one more than layers.
    """

    def __init__(self, block: Any, layers: Sequence[int], channels: Sequence[int], classes: int = 1000, thumbnail: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._check(layers, channels)
        with self.name_scope():
            self.features = unnamed()
            self._add_stem(channels[0], thumbnail)
            self._add_stages(block, layers, channels)
            self.features.add(nn.GlobalAvgPool2D())
            self.output = nn.Dense(classes, in_units=channels[-1])


class ResNetV2(_ResNet):
    """A residual network that normalizes before it convolves. block: BasicBlockV2 or BottleneckV2; the other parameters as in
    ResNetV1."""

    def __init__(self, block: Any, layers: Sequence[int], channels: Sequence[int], classes: int = 1000, thumbnail: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._check(layers, channels)
        with self.name_scope():
            self.features = unnamed()
            self.features.add(nn.BatchNorm(scale=False, center=False))
            self._add_stem(channels[0], thumbnail)
            self._add_stages(block, layers, channels)
            self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten())
            self.output = nn.Dense(classes, in_units=channels[-1])


_NARROW, _WIDE = (64, 64, 128, 256, 512), (64, 256, 512, 1024, 2048)
# Whether units are bottlenecks, units of each stage, channels.
_SPECIFICATIONS = {18: (False, (2, 2, 2, 2), _NARROW), 34: (False, (3, 4, 6, 3), _NARROW), 50: (True, (3, 4, 6, 3), _WIDE),
                   101: (True, (3, 4, 23, 3), _WIDE), 152: (True, (3, 8, 36, 3), _WIDE)}
_VERSIONS: dict[int, tuple[Any, Any, Any]] = {1: (ResNetV1, BasicBlockV1, BottleneckV1), 2: (ResNetV2, BasicBlockV2, BottleneckV2)}


def get_resnet(version: int, num_layers: int, pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT,
               **kwargs: Any) -> Any:
    """ResNet of version 1 or 2 with 18, 34, 50, 101 or 152 layers.

    pretrained: load the published parameters from the folder `root` onto `ctx` (model_store.get_model_file). Raises
    AssertionError, as MXNet does, for another version or number of layers.
    """
    assert num_layers in _SPECIFICATIONS, (f"Invalid number of layers: {num_layers}. Options are "
                                           f"{', '.join(map(str, _SPECIFICATIONS))}")
    assert version in _VERSIONS, f"Invalid resnet version: {version}. Options are 1 and 2."
    deep, layers, channels = _SPECIFICATIONS[num_layers]
    network, basic, bottleneck = _VERSIONS[version]
    net = network(bottleneck if deep else basic, layers, channels, **kwargs)
    return trained(net, f"resnet{num_layers}_v{version}", pretrained, root, ctx)


def resnet18_v1(**kwargs: Any) -> Any:
    """ResNet of version 1 with 18 layers. Arguments as in get_resnet."""
    return get_resnet(1, 18, **kwargs)


def resnet34_v1(**kwargs: Any) -> Any:
    """ResNet of version 1 with 34 layers. Arguments as in get_resnet."""
    return get_resnet(1, 34, **kwargs)


def resnet50_v1(**kwargs: Any) -> Any:
    """ResNet of version 1 with 50 layers. Arguments as in get_resnet."""
    return get_resnet(1, 50, **kwargs)


def resnet101_v1(**kwargs: Any) -> Any:
    """ResNet of version 1 with 101 layers. Arguments as in get_resnet."""
    return get_resnet(1, 101, **kwargs)


def resnet152_v1(**kwargs: Any) -> Any:
    """ResNet of version 1 with 152 layers. Arguments as in get_resnet."""
    return get_resnet(1, 152, **kwargs)


def resnet18_v2(**kwargs: Any) -> Any:
    """ResNet of version 2 with 18 layers. Arguments as in get_resnet."""
    return get_resnet(2, 18, **kwargs)


def resnet34_v2(**kwargs: Any) -> Any:
    """ResNet of version 2 with 34 layers. Arguments as in get_resnet."""
    return get_resnet(2, 34, **kwargs)


def resnet50_v2(**kwargs: Any) -> Any:
    """ResNet of version 2 with 50 layers. Arguments as in get_resnet."""
    return get_resnet(2, 50, **kwargs)


def resnet101_v2(**kwargs: Any) -> Any:
    """ResNet of version 2 with 101 layers. Arguments as in get_resnet."""
    return get_resnet(2, 101, **kwargs)


def resnet152_v2(**kwargs: Any) -> Any:
    """ResNet of version 2 with 152 layers. Arguments as in get_resnet."""
    return get_resnet(2, 152, **kwargs)
