"""Deformable convolutions."""
from __future__ import annotations

from ...block import HybridBlock
from ...nn import Activation
from ...nn.conv_layers import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...._typing import ShapeLike

__all__ = ["DeformableConvolution", "ModulatedDeformableConvolution"]


def _pair(value: ShapeLike) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


class _Deformable(HybridBlock):
    """A convolution that gives offsets (`per_point` numbers per point of the window), and the one that uses them."""

    _per_point = 2
    _operator = "DeformableConvolution"

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike, padding: ShapeLike, dilation: ShapeLike,
                 groups: int, num_deformable_group: int, layout: str, use_bias: bool, in_channels: int, activation: str | None,
                 weight_initializer: Any, bias_initializer: Any, offset_weight_initializer: Any, offset_bias_initializer: Any,
                 offset_use_bias: bool, prefix: str | None, params: Any) -> None:
        super().__init__(prefix=prefix, params=params)
        if layout != "NCHW":
            raise AssertionError(f"Only supports 'NCHW' layout for now: found {layout!r}")
        kernel = _pair(kernel_size)
        self._channels = channels
        self._in_channels = in_channels
        offsets = self._per_point * kernel[0] * kernel[1] * num_deformable_group
        common = {"kernel": kernel, "stride": _pair(strides), "dilate": _pair(dilation), "pad": _pair(padding),
                  "num_group": groups, "layout": layout}
        self._offsets: dict[str, Any] = {**common, "num_filter": offsets, "no_bias": not offset_use_bias}
        self._main: dict[str, Any] = {**common, "num_filter": channels, "no_bias": not use_bias,
                                      "num_deformable_group": num_deformable_group}

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Any:
            return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

        with self.name_scope():
            width = in_channels // groups
            self.offset_weight = parameter("offset_weight", (offsets, width, *kernel), offset_weight_initializer)
            self.offset_bias = parameter("offset_bias", (offsets,), offset_bias_initializer) if offset_use_bias else None
            self.deformable_conv_weight = parameter("deformable_conv_weight", (channels, width, *kernel), weight_initializer)
            self.deformable_conv_bias = parameter("deformable_conv_bias", (channels,), bias_initializer) if use_bias else None
            self.act = Activation(activation, prefix=activation + "_") if activation else None

    def hybrid_forward(self, F: Any, x: Any, offset_weight: Any, deformable_conv_weight: Any,
                       offset_bias: Any = None, deformable_conv_bias: Any = None) -> Any:
        given = [x, offset_weight] + ([] if offset_bias is None else [offset_bias])
        offsets = F.Convolution(*given, cudnn_off=True, **self._offsets)
        more = [deformable_conv_weight] + ([] if deformable_conv_bias is None else [deformable_conv_bias])
        out = getattr(F.contrib, self._operator)(x, *self._where(F, offsets), *more, name="fwd", **self._main)
        return out if self.act is None else self.act(out)

    def _where(self, F: Any, offsets: Any) -> list[Any]:
        """What the operator takes beside its input and weights."""
        return [offsets]

    def __repr__(self) -> str:
        width = (self.deformable_conv_weight.shape or (0, 0))[1]
        return described(self, f"{width or None} -> {self._channels}", self._main, self.deformable_conv_bias)


class DeformableConvolution(_Deformable):
    """A convolution whose window's points are moved by offsets that another convolution finds. Dai et al., Deformable
    Convolutional Networks, 2017.

    x: (batch, in_channels, height, width); the output has `channels` channels. offset_weight: (2 * points *
    num_deformable_group, in_channels / groups, *kernel_size). The rest is as in nn.Conv2D. op_name and adj are taken and not
    used. Raises AssertionError for another layout.
    """

    def __init__(self, channels: int, kernel_size: ShapeLike = (1, 1), strides: ShapeLike = (1, 1), padding: ShapeLike = (0, 0),
                 dilation: ShapeLike = (1, 1), groups: int = 1, num_deformable_group: int = 1, layout: str = "NCHW",
                 use_bias: bool = True, in_channels: int = 0, activation: str | None = None, weight_initializer: Any = None,
                 bias_initializer: Any = "zeros", offset_weight_initializer: Any = "zeros",
                 offset_bias_initializer: Any = "zeros", offset_use_bias: bool = True, op_name: str = "DeformableConvolution",
                 adj: Any = None, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(channels, kernel_size, strides, padding, dilation, groups, num_deformable_group, layout, use_bias,
                         in_channels, activation, weight_initializer, bias_initializer, offset_weight_initializer,
                         offset_bias_initializer, offset_use_bias, prefix, params)

    def _alias(self) -> str:
        return "deformable_conv"


class ModulatedDeformableConvolution(_Deformable):
    """The same, where each point is also weighted by a sigmoid of what the other convolution finds. Zhu et al., Deformable
    ConvNets v2, 2018. offset_weight has 3 * points * num_deformable_group rows: offsets, then weights."""

    _per_point = 3
    _operator = "ModulatedDeformableConvolution"

    def __init__(self, channels: int, kernel_size: ShapeLike = (1, 1), strides: ShapeLike = (1, 1), padding: ShapeLike = (0, 0),
                 dilation: ShapeLike = (1, 1), groups: int = 1, num_deformable_group: int = 1, layout: str = "NCHW",
                 use_bias: bool = True, in_channels: int = 0, activation: str | None = None, weight_initializer: Any = None,
                 bias_initializer: Any = "zeros", offset_weight_initializer: Any = "zeros",
                 offset_bias_initializer: Any = "zeros", offset_use_bias: bool = True,
                 op_name: str = "ModulatedDeformableConvolution", adj: Any = None, prefix: str | None = None,
                 params: Any = None) -> None:
        super().__init__(channels, kernel_size, strides, padding, dilation, groups, num_deformable_group, layout, use_bias,
                         in_channels, activation, weight_initializer, bias_initializer, offset_weight_initializer,
                         offset_bias_initializer, offset_use_bias, prefix, params)

    def _alias(self) -> str:
        return "modulated_deformable_conv"

    def _where(self, F: Any, offsets: Any) -> list[Any]:
        points = self._offsets["num_filter"] // 3
        moved = F.slice_axis(offsets, axis=1, begin=0, end=2 * points)
        weights = F.sigmoid(F.slice_axis(offsets, axis=1, begin=2 * points, end=None))
        return [moved, weights * 2]
