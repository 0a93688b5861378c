"""MobileNet, "MobileNets: efficient convolutional neural networks for mobile vision applications", Howard et al., 2017, and
its second version, "Inverted residuals and linear bottlenecks", Sandler et al., 2018."""
from __future__ import annotations

import os

from ....context import Context, cpu
from ... import nn
from ...block import HybridBlock
from ._network import ROOT, Network, trained, unnamed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MobileNet", "MobileNetV2", "get_mobilenet", "get_mobilenet_v2", "mobilenet0_25", "mobilenet0_5", "mobilenet0_75",
           "mobilenet1_0", "mobilenet_v2_0_25", "mobilenet_v2_0_5", "mobilenet_v2_0_75", "mobilenet_v2_1_0"]

_MULTIPLIERS = {1.0: "1.0", 0.75: "0.75", 0.5: "0.5", 0.25: "0.25"}


class RELU6(HybridBlock):
    """min(max(x, 0), 6)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.clip(x, 0, 6, name="relu6")


def _add_convolution(out: Any, channels: int, kernel: int = 1, stride: int = 1, pad: int = 0, groups: int = 1,
                     activation: type[HybridBlock] | None = None) -> None:
    """Adds a convolution, a batch norm, and relu or `activation`; HybridBlock stands for none."""
    out.add(nn.Conv2D(channels, kernel, stride, pad, groups=groups, use_bias=False), nn.BatchNorm(scale=True))
    if activation is not HybridBlock:
        out.add(nn.Activation("relu") if activation is None else activation())


class LinearBottleneck(HybridBlock):
    """Expands channels `t` times, convolves each by itself, and shrinks them again without an activation; the input is added
    where the shapes allow it."""

    def __init__(self, in_channels: int, channels: int, t: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_shortcut = stride == 1 and in_channels == channels
        wide = in_channels * t
        with self.name_scope():
            self.out = nn.HybridSequential()
            _add_convolution(self.out, wide, activation=RELU6)
            _add_convolution(self.out, wide, 3, stride, 1, groups=wide, activation=RELU6)
            _add_convolution(self.out, channels, activation=HybridBlock)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        out = self.out(x)
        return F.elemwise_add(out, x) if self.use_shortcut else out


class MobileNet(Network):
    """Convolutions of each channel by itself and of all channels at one pixel in turn, for images of (3, 224, 224).

    multiplier: of the numbers of channels. classes: how many scores.
    """

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        widths = [int(width * multiplier) for width in (32, 64, *[128] * 2, *[256] * 2, *[512] * 6, *[1024] * 2)]
        strides = 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1
        with self.name_scope():
            self.features = unnamed()
            with self.features.name_scope():
                _add_convolution(self.features, widths[0], 3, 2, 1)
                for width, channels, stride in zip(widths, widths[1:], strides):
                    _add_convolution(self.features, width, 3, stride, 1, groups=width)
                    _add_convolution(self.features, channels)
                self.features.add(nn.GlobalAvgPool2D(), nn.Flatten())
            self.output = nn.Dense(classes)


class MobileNetV2(Network):
    """Linear bottlenecks, for images of (3, 224, 224).

    multiplier: of the numbers of channels. classes: how many scores.
    """

    def __init__(self, multiplier: float = 1.0, classes: int = 1000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        widths = [int(width * multiplier) for width in (32, 16, *[24] * 2, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320)]
        expansions = 1, *[6] * 16
        strides = 1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="features_")
            with self.features.name_scope():
                _add_convolution(self.features, widths[0], 3, 2, 1, activation=RELU6)
                for width, channels, t, stride in zip(widths, widths[1:], expansions, strides):
                    self.features.add(LinearBottleneck(width, channels, t, stride))
                _add_convolution(self.features, int(1280 * multiplier) if multiplier > 1.0 else 1280, activation=RELU6)
                self.features.add(nn.GlobalAvgPool2D())
            self.output = nn.HybridSequential(prefix="output_")
            with self.output.name_scope():
                self.output.add(nn.Conv2D(classes, 1, use_bias=False, prefix="pred_"), nn.Flatten())


def _name(kind: str, multiplier: float, pretrained: bool) -> str:
    if pretrained and multiplier not in _MULTIPLIERS:
        raise ValueError(f"[{kind}] multiplier is {multiplier}, expected {', '.join(_MULTIPLIERS.values())}: of others no "
                         "parameters were published")
    return kind + _MULTIPLIERS.get(multiplier, "")


def get_mobilenet(multiplier: float, pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT,
                  **kwargs: Any) -> Any:
    """MobileNet, its channels multiplied. pretrained: load the published parameters of 1, 0.75, 0.5 or 0.25 from the folder
    `root` onto `ctx` (model_store.get_model_file)."""
    return trained(MobileNet(multiplier, **kwargs), _name("mobilenet", multiplier, pretrained), pretrained, root, ctx)


def get_mobilenet_v2(multiplier: float, pretrained: bool = False, ctx: Context = cpu(), root: str | os.PathLike[str] = ROOT,
                     **kwargs: Any) -> Any:
    """MobileNet of the second version, its channels multiplied. Arguments as in get_mobilenet."""
    return trained(MobileNetV2(multiplier, **kwargs), _name("mobilenetv2_", multiplier, pretrained), pretrained, root, ctx)


def mobilenet1_0(**kwargs: Any) -> Any:
    """MobileNet. Arguments as in get_mobilenet."""
    return get_mobilenet(1.0, **kwargs)


def mobilenet0_75(**kwargs: Any) -> Any:
    """MobileNet with three quarters of the channels. Arguments as in get_mobilenet."""
    return get_mobilenet(0.75, **kwargs)


def mobilenet0_5(**kwargs: Any) -> Any:
    """MobileNet with half of the channels. Arguments as in get_mobilenet."""
    return get_mobilenet(0.5, **kwargs)


def mobilenet0_25(**kwargs: Any) -> Any:
    """MobileNet with a quarter of the channels. Arguments as in get_mobilenet."""
    return get_mobilenet(0.25, **kwargs)


def mobilenet_v2_1_0(**kwargs: Any) -> Any:
    """MobileNet of the second version. Arguments as in get_mobilenet."""
    return get_mobilenet_v2(1.0, **kwargs)


def mobilenet_v2_0_75(**kwargs: Any) -> Any:
    """MobileNet of the second version with three quarters of the channels. Arguments as in get_mobilenet."""
    return get_mobilenet_v2(0.75, **kwargs)


def mobilenet_v2_0_5(**kwargs: Any) -> Any:
    """MobileNet of the second version with half of the channels. Arguments as in get_mobilenet."""
    return get_mobilenet_v2(0.5, **kwargs)


def mobilenet_v2_0_25(**kwargs: Any) -> Any:
    """MobileNet of the second version with a quarter of the channels. Arguments as in get_mobilenet."""
    return get_mobilenet_v2(0.25, **kwargs)
