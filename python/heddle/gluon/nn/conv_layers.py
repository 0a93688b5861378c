"""Convolutions, pooling and padding."""
from __future__ import annotations

from ..block import HybridBlock
from .activations import Activation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..._typing import ShapeLike

__all__ = ["AvgPool1D", "AvgPool2D", "AvgPool3D", "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D",
           "Conv3DTranspose", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D", "GlobalMaxPool2D",
           "GlobalMaxPool3D", "MaxPool1D", "MaxPool2D", "MaxPool3D", "ReflectionPad2D"]

_LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


def _tuple(value: ShapeLike, n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value)


def _check_layout(who: str, layout: str, axes: int) -> None:
    allowed = _LAYOUTS[axes]
    if layout not in allowed:
        raise AssertionError(f"Only supports {' and '.join(repr(a) for a in allowed)} layout for {who} for now: found "
                             f"{layout!r}")


def described(layer: Any, mapping: str, k: Mapping[str, Any], bias: Any) -> str:
    """The repr of a layer with a window, from the operator's parameters."""
    text = f"{type(layer).__name__}({mapping}, kernel_size={k['kernel']}, stride={k['stride']}"
    axes = len(k["kernel"])
    if k["pad"] != (0,) * axes:
        text += f", padding={k['pad']}"
    if k["dilate"] != (1,) * axes:
        text += f", dilation={k['dilate']}"
    if k.get("adj", (0,) * axes) != (0,) * axes:
        text += f", output_padding={k['adj']}"
    if k["num_group"] != 1:
        text += f", groups={k['num_group']}"
    if bias is None:
        text += ", bias=False"
    return text + (f", {layer.act}" if layer.act else "") + ")"


class _Conv(HybridBlock):
    """What all convolutions are. kernel_size and the others that follow it: one number per spatial axis."""

    def __init__(self, channels: int, kernel_size: tuple[int, ...], strides: ShapeLike, padding: ShapeLike,
                 dilation: ShapeLike, groups: int, layout: str, in_channels: int = 0, activation: str | None = None,
                 use_bias: bool = True, weight_initializer: Any = None, bias_initializer: Any = "zeros",
                 op_name: str = "Convolution", adj: tuple[int, ...] | None = None, prefix: str | None = None,
                 params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        axes = len(kernel_size)
        _check_layout(type(self).__name__, layout, axes)
        self._channels = channels
        self._in_channels = in_channels
        self._op_name = op_name
        self._kwargs: dict[str, Any] = {"kernel": kernel_size, "stride": _tuple(strides, axes), "dilate": _tuple(dilation, axes),
                        "pad": _tuple(padding, axes), "num_filter": channels, "num_group": groups, "no_bias": not use_bias,
                        "layout": layout}
        if adj is not None:
            self._kwargs["adj"] = adj
        with self.name_scope():
            self.weight = self.params.get("weight", shape=self._weight_shape(), init=weight_initializer,
                                          allow_deferred_init=True)
            self.bias = self.params.get("bias", shape=(channels,), init=bias_initializer,
                                        allow_deferred_init=True) if use_bias else None
            self.act = None if activation is None else Activation(activation, prefix=activation + "_")

    def _weight_shape(self) -> tuple[int, ...]:
        """As far as it is known: 0 where the input's channels are not."""
        k = self._kwargs
        mapped = (self._channels, self._in_channels // k["num_group"])
        if self._op_name == "Deconvolution":
            mapped = (self._in_channels, self._channels // k["num_group"])
        first, second = mapped
        return (first, *k["kernel"], second) if k["layout"].endswith("C") else (first, second, *k["kernel"])

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        inputs = (x, weight) if bias is None else (x, weight, bias)
        out = getattr(F, self._op_name)(*inputs, name="fwd", **self._kwargs)
        return out if self.act is None else self.act(out)

    def _alias(self) -> str:
        return "conv"

    def _mapping(self) -> str:
        shape = self.weight.shape or (0, 0)
        return f"{shape[1] if shape[1] else None} -> {shape[0]}"

    def __repr__(self) -> str:
        return described(self, self._mapping(), self._kwargs, self.bias)


class Conv1D(_Conv):
    """A convolution over series.

    x: (batch, channels, width), of a floating dtype; the output has `channels` channels. weight: (channels, in_channels
    / groups, *kernel_size); bias: (channels,), none with use_bias=False. kernel_size, strides, padding and dilation:
    one number, or one per spatial axis. groups: the channels are that many convolutions side by side. in_channels: 0 is
    found out at the first forward. activation: a name for Activation. Each spatial extent becomes (n + 2 padding -
    dilation (kernel_size - 1) - 1) // strides + 1. Raises AssertionError for an unknown layout; those with the channels
    last are known, and the operators refuse them (MXNetError).
    """

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike = 1, padding: ShapeLike = 0,
                 dilation: ShapeLike = 1, groups: int = 1, layout: str = "NCW", activation: str | None = None,
                 use_bias: bool = True, weight_initializer: Any = None, bias_initializer: Any = "zeros",
                 in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, _tuple(kernel_size, 1), strides, padding, dilation, groups, layout, in_channels,
                         activation, use_bias, weight_initializer, bias_initializer, **kwargs)


class Conv2D(_Conv):
    """A convolution over images.

    x: (batch, channels, height, width), of a floating dtype; the output has `channels` channels. weight: (channels,
    in_channels / groups, *kernel_size); bias: (channels,), none with use_bias=False. kernel_size, strides, padding and
    dilation: one number, or one per spatial axis. groups: the channels are that many convolutions side by side.
    in_channels: 0 is found out at the first forward. activation: a name for Activation. Each spatial extent becomes (n
    + 2 padding - dilation (kernel_size - 1) - 1) // strides + 1. Raises AssertionError for another layout.
    """

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike = (1, 1), padding: ShapeLike = (0, 0),
                 dilation: ShapeLike = (1, 1), groups: int = 1, layout: str = "NCHW", activation: str | None = None,
                 use_bias: bool = True, weight_initializer: Any = None, bias_initializer: Any = "zeros",
                 in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, _tuple(kernel_size, 2), strides, padding, dilation, groups, layout, in_channels,
                         activation, use_bias, weight_initializer, bias_initializer, **kwargs)


class Conv3D(_Conv):
    """A convolution over volumes.

    x: (batch, channels, depth, height, width), of a floating dtype; the output has `channels` channels. weight:
    (channels, in_channels / groups, *kernel_size); bias: (channels,), none with use_bias=False. kernel_size, strides,
    padding and dilation: one number, or one per spatial axis. groups: the channels are that many convolutions side by
    side. in_channels: 0 is found out at the first forward. activation: a name for Activation. Each spatial extent
    becomes (n + 2 padding - dilation (kernel_size - 1) - 1) // strides + 1. Raises AssertionError for an unknown
    layout; those with the channels last are known, and the operators refuse them (MXNetError).
    """

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike = (1, 1, 1), padding: ShapeLike = (0, 0, 0),
                 dilation: ShapeLike = (1, 1, 1), groups: int = 1, layout: str = "NCDHW", activation: str | None = None,
                 use_bias: bool = True, weight_initializer: Any = None, bias_initializer: Any = "zeros",
                 in_channels: int = 0, **kwargs: Any) -> None:
        super().__init__(channels, _tuple(kernel_size, 3), strides, padding, dilation, groups, layout, in_channels,
                         activation, use_bias, weight_initializer, bias_initializer, **kwargs)


class _Transpose(_Conv):
    def _mapping(self) -> str:
        shape = self.weight.shape or (0, 0)
        return f"{shape[0]} -> {shape[1]}"


class Conv1DTranspose(_Transpose):
    """The gradient of a convolution with respect to its input, as a layer: it makes series larger.

    x: (batch, channels, width), of a floating dtype. weight: (in_channels, channels / groups, *kernel_size). Each
    spatial extent becomes strides (n - 1) + dilation (kernel_size - 1) + 1 - 2 padding + output_padding. The rest is as
    in Conv1D.
    """

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike = 1, padding: ShapeLike = 0,
                 output_padding: ShapeLike = 0, dilation: ShapeLike = 1, groups: int = 1, layout: str = "NCW",
                 activation: str | None = None, use_bias: bool = True, weight_initializer: Any = None,
                 bias_initializer: Any = "zeros", in_channels: int = 0, **kwargs: Any) -> None:
        self.outpad = _tuple(output_padding, 1)
        super().__init__(channels, _tuple(kernel_size, 1), strides, padding, dilation, groups, layout, in_channels,
                         activation, use_bias, weight_initializer, bias_initializer, "Deconvolution", self.outpad, **kwargs)


class Conv2DTranspose(_Transpose):
    """The gradient of a convolution with respect to its input, as a layer: it makes images larger.

    x: (batch, channels, height, width), of a floating dtype. weight: (in_channels, channels / groups, *kernel_size).
    Each spatial extent becomes strides (n - 1) + dilation (kernel_size - 1) + 1 - 2 padding + output_padding. The rest
    is as in Conv2D.
    """

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike = (1, 1), padding: ShapeLike = (0, 0),
                 output_padding: ShapeLike = (0, 0), dilation: ShapeLike = (1, 1), groups: int = 1, layout: str = "NCHW",
                 activation: str | None = None, use_bias: bool = True, weight_initializer: Any = None,
                 bias_initializer: Any = "zeros", in_channels: int = 0, **kwargs: Any) -> None:
        self.outpad = _tuple(output_padding, 2)
        super().__init__(channels, _tuple(kernel_size, 2), strides, padding, dilation, groups, layout, in_channels,
                         activation, use_bias, weight_initializer, bias_initializer, "Deconvolution", self.outpad, **kwargs)


class Conv3DTranspose(_Transpose):
    """The gradient of a convolution with respect to its input, as a layer: it makes volumes larger.

    x: (batch, channels, depth, height, width), of a floating dtype. weight: (in_channels, channels / groups,
    *kernel_size). Each spatial extent becomes strides (n - 1) + dilation (kernel_size - 1) + 1 - 2 padding +
    output_padding. The rest is as in Conv3D.
    """

    def __init__(self, channels: int, kernel_size: ShapeLike, strides: ShapeLike = (1, 1, 1), padding: ShapeLike = (0, 0, 0),
                 output_padding: ShapeLike = (0, 0, 0), dilation: ShapeLike = (1, 1, 1), groups: int = 1, layout: str = "NCDHW",
                 activation: str | None = None, use_bias: bool = True, weight_initializer: Any = None,
                 bias_initializer: Any = "zeros", in_channels: int = 0, **kwargs: Any) -> None:
        self.outpad = _tuple(output_padding, 3)
        super().__init__(channels, _tuple(kernel_size, 3), strides, padding, dilation, groups, layout, in_channels,
                         activation, use_bias, weight_initializer, bias_initializer, "Deconvolution", self.outpad, **kwargs)


class _Pooling(HybridBlock):
    """What all pooling layers are."""

    _type = ""

    def __init__(self, pool_size: tuple[int, ...], strides: ShapeLike | None, padding: ShapeLike, ceil_mode: bool = False,
                 global_pool: bool = False, pool_type: str = "max", layout: str = "NCHW", count_include_pad: bool | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        axes = len(pool_size)
        _check_layout(type(self).__name__, layout, axes)
        self._kwargs: dict[str, Any] = {"kernel": pool_size, "stride": pool_size if strides is None else _tuple(strides, axes),
                        "pad": _tuple(padding, axes), "global_pool": global_pool, "pool_type": pool_type, "layout": layout,
                        "pooling_convention": "full" if ceil_mode else "valid"}
        if count_include_pad is not None:
            self._kwargs["count_include_pad"] = count_include_pad

    def _alias(self) -> str:
        return "pool"

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.Pooling(x, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        k = self._kwargs
        return (f"{type(self).__name__}(size={k['kernel']}, stride={k['stride']}, padding={k['pad']}, "
                f"ceil_mode={k['pooling_convention'] == 'full'}, global_pool={k['global_pool']}, "
                f"pool_type={k['pool_type']}, layout={k['layout']})")


class MaxPool1D(_Pooling):
    """The largest of each window of pool_size.

    x: (batch, channels, width). strides: pool_size by default. Each spatial extent becomes (n + 2 padding - pool_size)
    / strides + 1, rounded down, or up with ceil_mode. Raises AssertionError for another layout.
    """

    def __init__(self, pool_size: ShapeLike = 2, strides: ShapeLike | None = None, padding: ShapeLike = 0,
                 layout: str = "NCW", ceil_mode: bool = False, **kwargs: Any) -> None:
        super().__init__(_tuple(pool_size, 1), strides, padding, ceil_mode, False, "max", layout, **kwargs)


class MaxPool2D(_Pooling):
    """The largest of each window of pool_size.

    x: (batch, channels, height, width). strides: pool_size by default. Each spatial extent becomes (n + 2 padding -
    pool_size) / strides + 1, rounded down, or up with ceil_mode. Raises AssertionError for another layout.
    """

    def __init__(self, pool_size: ShapeLike = (2, 2), strides: ShapeLike | None = None, padding: ShapeLike = 0,
                 layout: str = "NCHW", ceil_mode: bool = False, **kwargs: Any) -> None:
        super().__init__(_tuple(pool_size, 2), strides, padding, ceil_mode, False, "max", layout, **kwargs)


class MaxPool3D(_Pooling):
    """The largest of each window of pool_size.

    x: (batch, channels, depth, height, width). strides: pool_size by default. Each spatial extent becomes (n + 2
    padding - pool_size) / strides + 1, rounded down, or up with ceil_mode. Raises AssertionError for another layout.
    """

    def __init__(self, pool_size: ShapeLike = (2, 2, 2), strides: ShapeLike | None = None, padding: ShapeLike = 0,
                 ceil_mode: bool = False, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__(_tuple(pool_size, 3), strides, padding, ceil_mode, False, "max", layout, **kwargs)


class AvgPool1D(_Pooling):
    """The mean of each window of pool_size, where padding counts as zeros, or not at all with count_include_pad=False.

    As MaxPool1D else.
    """

    def __init__(self, pool_size: ShapeLike = 2, strides: ShapeLike | None = None, padding: ShapeLike = 0,
                 layout: str = "NCW", ceil_mode: bool = False, count_include_pad: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(_tuple(pool_size, 1), strides, padding, ceil_mode, False, "avg", layout, count_include_pad,
                         **kwargs)


class AvgPool2D(_Pooling):
    """The mean of each window of pool_size, where padding counts as zeros, or not at all with count_include_pad=False.

    As MaxPool2D else.
    """

    def __init__(self, pool_size: ShapeLike = (2, 2), strides: ShapeLike | None = None, padding: ShapeLike = 0,
                 ceil_mode: bool = False, layout: str = "NCHW", count_include_pad: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(_tuple(pool_size, 2), strides, padding, ceil_mode, False, "avg", layout, count_include_pad,
                         **kwargs)


class AvgPool3D(_Pooling):
    """The mean of each window of pool_size, where padding counts as zeros, or not at all with count_include_pad=False.

    As MaxPool3D else.
    """

    def __init__(self, pool_size: ShapeLike = (2, 2, 2), strides: ShapeLike | None = None, padding: ShapeLike = 0,
                 ceil_mode: bool = False, layout: str = "NCDHW", count_include_pad: bool = True,
                 **kwargs: Any) -> None:
        super().__init__(_tuple(pool_size, 3), strides, padding, ceil_mode, False, "avg", layout, count_include_pad,
                         **kwargs)


class GlobalMaxPool1D(_Pooling):
    """The largest element over all spatial axes, which stay with extent 1. x: (batch, channels, width), or (batch,
    width, channels) with layout NWC."""

    def __init__(self, layout: str = "NCW", **kwargs: Any) -> None:
        super().__init__((1,), None, 0, True, True, "max", layout, **kwargs)


class GlobalMaxPool2D(_Pooling):
    """The largest element over all spatial axes, which stay with extent 1. x: (batch, channels, height, width), or
    channels last with layout NHWC."""

    def __init__(self, layout: str = "NCHW", **kwargs: Any) -> None:
        super().__init__((1, 1), None, 0, True, True, "max", layout, **kwargs)


class GlobalMaxPool3D(_Pooling):
    """The largest element over all spatial axes, which stay with extent 1. x: (batch, channels, depth, height, width),
    or channels last with layout NDHWC."""

    def __init__(self, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__((1, 1, 1), None, 0, True, True, "max", layout, **kwargs)


class GlobalAvgPool1D(_Pooling):
    """The mean over all spatial axes, which stay with extent 1. x: (batch, channels, width), or (batch, width,
    channels) with layout NWC."""

    def __init__(self, layout: str = "NCW", **kwargs: Any) -> None:
        super().__init__((1,), None, 0, True, True, "avg", layout, **kwargs)


class GlobalAvgPool2D(_Pooling):
    """The mean over all spatial axes, which stay with extent 1. x: (batch, channels, height, width), or channels last
    with layout NHWC."""

    def __init__(self, layout: str = "NCHW", **kwargs: Any) -> None:
        super().__init__((1, 1), None, 0, True, True, "avg", layout, **kwargs)


class GlobalAvgPool3D(_Pooling):
    """The mean over all spatial axes, which stay with extent 1. x: (batch, channels, depth, height, width), or channels
    last with layout NDHWC."""

    def __init__(self, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__((1, 1, 1), None, 0, True, True, "avg", layout, **kwargs)


class ReflectionPad2D(HybridBlock):
    """Mirrors the borders of (batch, channels, height, width): padding rows and columns on every side, or a tuple of
    eight, (before, after) of each axis. Raises MXNetError where an image is smaller than its padding."""

    def __init__(self, padding: Any = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(padding, int):
            padding = (0, 0, 0, 0, padding, padding, padding, padding)
        if len(padding) != 8:
            raise AssertionError(f"[ReflectionPad2D] found padding {padding}, expected a number or eight")
        self._padding = padding

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.pad(x, mode="reflect", pad_width=self._padding)
