"""Recurrent cells whose maps are convolutions."""
from __future__ import annotations

from ...rnn import HybridRecurrentCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...._typing import ShapeLike

__all__ = ["Conv1DGRUCell", "Conv1DLSTMCell", "Conv1DRNNCell", "Conv2DGRUCell", "Conv2DLSTMCell", "Conv2DRNNCell",
           "Conv3DGRUCell", "Conv3DLSTMCell", "Conv3DRNNCell"]


def _tuple(value: ShapeLike, axes: int, what: str) -> tuple[int, ...]:
    found = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(found) != axes:
        raise AssertionError(f"found {what} {found}, expected {axes} numbers")
    return found


class _ConvCell(HybridRecurrentCell):
    """What all of them are: a convolution of the input, and one of the state that keeps its size."""

    _axes = 0
    _gates = 1
    _states = 1

    def __init__(self, input_shape: Any, hidden_channels: int, i2h_kernel: ShapeLike, h2h_kernel: ShapeLike, i2h_pad: ShapeLike,
                 i2h_dilate: ShapeLike, h2h_dilate: ShapeLike, i2h_weight_initializer: Any, h2h_weight_initializer: Any,
                 i2h_bias_initializer: Any, h2h_bias_initializer: Any, conv_layout: str, activation: Any,
                 prefix: str | None, params: Any) -> None:
        super().__init__(prefix=prefix, params=params)
        axes = self._axes
        self._hidden_channels = hidden_channels
        self._input_shape = tuple(input_shape)
        self._conv_layout = conv_layout
        self._activation = activation
        self._channel_axis = conv_layout.find("C")
        h2h_kernel, h2h_dilate = _tuple(h2h_kernel, axes, "h2h_kernel"), _tuple(h2h_dilate, axes, "h2h_dilate")
        if not all(k % 2 for k in h2h_kernel):
            raise AssertionError(f"Only support odd number, get h2h_kernel= {h2h_kernel}")
        if len(self._input_shape) != axes + 1:
            raise AssertionError(f"found input_shape {self._input_shape}, expected channels and {axes} spatial extents, in the "
                                 f"order of {conv_layout}")
        common = {"num_filter": self._gates * hidden_channels, "stride": (1,) * axes, "layout": conv_layout}
        self._i2h: dict[str, Any] = {**common, "kernel": _tuple(i2h_kernel, axes, "i2h_kernel"),
                                     "pad": _tuple(i2h_pad, axes, "i2h_pad"),
                                     "dilate": _tuple(i2h_dilate, axes, "i2h_dilate")}
        self._h2h: dict[str, Any] = {**common, "kernel": h2h_kernel, "dilate": h2h_dilate,
                                     "pad": tuple(d * (k - 1) // 2 for d, k in zip(h2h_dilate, h2h_kernel))}
        channels = self._input_shape[self._channel_axis - 1]
        spatial = [n for i, n in enumerate(self._input_shape) if i != self._channel_axis - 1]
        k = self._i2h
        extents = tuple(n + 2 * p - d * (size - 1) for n, p, d, size in zip(spatial, k["pad"], k["dilate"], k["kernel"]))
        self._state_shape = self._in_layout(hidden_channels, extents)
        self._in_channels = channels
        rows = self._gates * hidden_channels

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Any:
            return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

        self.i2h_weight = parameter("i2h_weight", (rows, *self._in_layout(channels, k["kernel"])), i2h_weight_initializer)
        self.h2h_weight = parameter("h2h_weight", (rows, *self._in_layout(hidden_channels, h2h_kernel)), h2h_weight_initializer)
        self.i2h_bias = parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = parameter("h2h_bias", (rows,), h2h_bias_initializer)

    def _in_layout(self, channels: int, extents: tuple[int, ...]) -> tuple[int, ...]:
        return (channels, *extents) if self._channel_axis == 1 else (*extents, channels)

    def __repr__(self) -> str:
        shape = self.i2h_weight.shape
        act = self._activation if isinstance(self._activation, str) else repr(self._activation)
        return f"{type(self).__name__}({shape[self._channel_axis]} -> {shape[0]}, {act}, {self._conv_layout})"

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """A dict of shape and layout for each state: the batch, then channels and spatial extents."""
        return [{"shape": (batch_size, *self._state_shape), "__layout__": self._conv_layout} for _ in range(self._states)]

    def _act(self, F: Any, x: Any, **kwargs: Any) -> Any:
        return self._get_activation(F, x, self._activation, **kwargs)

    def _maps(self, F: Any, prefix: str, inputs: Any, state: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any,
              h2h_bias: Any) -> tuple[Any, Any]:
        return (F.Convolution(data=inputs, weight=i2h_weight, bias=i2h_bias, name=prefix + "i2h", **self._i2h),
                F.Convolution(data=state, weight=h2h_weight, bias=h2h_bias, name=prefix + "h2h", **self._h2h))

    def _parts(self, F: Any, x: Any, name: str) -> Any:
        return F.SliceChannel(x, num_outputs=self._gates, axis=self._channel_axis, name=name)


class _ConvRNNCell(_ConvCell):
    """h' = activation(conv(x) + conv(h))."""

    def _alias(self) -> str:
        return "conv_rnn"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any,
                       i2h_bias: Any, h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        i2h, h2h = self._maps(F, prefix, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        output = self._act(F, i2h + h2h, name=prefix + "out")
        return output, [output]


class _ConvLSTMCell(_ConvCell):
    """LSTM with convolutions."""

    _gates = 4
    _states = 2

    def _alias(self) -> str:
        return "conv_lstm"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any,
                       i2h_bias: Any, h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        i2h, h2h = self._maps(F, prefix, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        gates = self._parts(F, i2h + h2h, prefix + "slice")
        i = F.Activation(gates[0], act_type="sigmoid", name=prefix + "i")
        f = F.Activation(gates[1], act_type="sigmoid", name=prefix + "f")
        g = self._act(F, gates[2], name=prefix + "c")
        o = F.Activation(gates[3], act_type="sigmoid", name=prefix + "o")
        c = F.elemwise_add(f * states[1], i * g, name=prefix + "state")
        h = F.elemwise_mul(o, self._act(F, c), name=prefix + "out")
        return h, [h, c]


class _ConvGRUCell(_ConvCell):
    """GRU with convolutions."""

    _gates = 3

    def _alias(self) -> str:
        return "conv_gru"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any,
                       i2h_bias: Any, h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        i2h, h2h = self._maps(F, prefix, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        i2h_r, i2h_z, i2h_n = self._parts(F, i2h, prefix + "i2h_slice")
        h2h_r, h2h_z, h2h_n = self._parts(F, h2h, prefix + "h2h_slice")
        r = F.Activation(i2h_r + h2h_r, act_type="sigmoid", name=prefix + "r_act")
        z = F.Activation(i2h_z + h2h_z, act_type="sigmoid", name=prefix + "z_act")
        n = self._act(F, i2h_n + r * h2h_n, name=prefix + "h_act")
        output = F.elemwise_add((1.0 - z) * n, z * states[0], name=prefix + "out")
        return output, [output]


# --- over how many axes a cell goes, and what it takes by default
class _Over1(_ConvCell):
    _axes = 1

    def __init__(self, input_shape: Any, hidden_channels: int, i2h_kernel: ShapeLike, h2h_kernel: ShapeLike,
                 i2h_pad: ShapeLike = (0,), i2h_dilate: ShapeLike = (1,), h2h_dilate: ShapeLike = (1,),
                 i2h_weight_initializer: Any = None, h2h_weight_initializer: Any = None,
                 i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros", conv_layout: str = "NCW",
                 activation: Any = "tanh", prefix: str | None = None, params: Any = None) -> None:
        super().__init__(input_shape, hidden_channels, i2h_kernel, h2h_kernel, i2h_pad, i2h_dilate, h2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         conv_layout, activation, prefix, params)


class _Over2(_ConvCell):
    _axes = 2

    def __init__(self, input_shape: Any, hidden_channels: int, i2h_kernel: ShapeLike, h2h_kernel: ShapeLike,
                 i2h_pad: ShapeLike = (0, 0), i2h_dilate: ShapeLike = (1, 1), h2h_dilate: ShapeLike = (1, 1),
                 i2h_weight_initializer: Any = None, h2h_weight_initializer: Any = None,
                 i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros", conv_layout: str = "NCHW",
                 activation: Any = "tanh", prefix: str | None = None, params: Any = None) -> None:
        super().__init__(input_shape, hidden_channels, i2h_kernel, h2h_kernel, i2h_pad, i2h_dilate, h2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         conv_layout, activation, prefix, params)


class _Over3(_ConvCell):
    _axes = 3

    def __init__(self, input_shape: Any, hidden_channels: int, i2h_kernel: ShapeLike, h2h_kernel: ShapeLike,
                 i2h_pad: ShapeLike = (0, 0, 0), i2h_dilate: ShapeLike = (1, 1, 1), h2h_dilate: ShapeLike = (1, 1, 1),
                 i2h_weight_initializer: Any = None, h2h_weight_initializer: Any = None,
                 i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros", conv_layout: str = "NCDHW",
                 activation: Any = "tanh", prefix: str | None = None, params: Any = None) -> None:
        super().__init__(input_shape, hidden_channels, i2h_kernel, h2h_kernel, i2h_pad, i2h_dilate, h2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         conv_layout, activation, prefix, params)


# --- both together
class Conv1DRNNCell(_ConvRNNCell, _Over1):
    """h' = activation(conv(x) + conv(h)), over series.

    inputs: (batch, *input_shape), in the order of conv_layout, NCW (others have no kernel); states: [h], it with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv2DRNNCell(_ConvRNNCell, _Over2):
    """h' = activation(conv(x) + conv(h)), over images.

    inputs: (batch, *input_shape), in the order of conv_layout, NCHW (others have no kernel); states: [h], it with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv3DRNNCell(_ConvRNNCell, _Over3):
    """h' = activation(conv(x) + conv(h)), over volumes.

    inputs: (batch, *input_shape), in the order of conv_layout, NCDHW (others have no kernel); states: [h], it with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv1DLSTMCell(_ConvLSTMCell, _Over1):
    """LSTM with convolutions in the place of its linear maps, over series. Shi et al., Convolutional LSTM Network, 2015.

    inputs: (batch, *input_shape), in the order of conv_layout, NCW (others have no kernel); states: [h, c], each with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv2DLSTMCell(_ConvLSTMCell, _Over2):
    """LSTM with convolutions in the place of its linear maps, over images. Shi et al., Convolutional LSTM Network, 2015.

    inputs: (batch, *input_shape), in the order of conv_layout, NCHW (others have no kernel); states: [h, c], each with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv3DLSTMCell(_ConvLSTMCell, _Over3):
    """LSTM with convolutions in the place of its linear maps, over volumes. Shi et al., Convolutional LSTM Network, 2015.

    inputs: (batch, *input_shape), in the order of conv_layout, NCDHW (others have no kernel); states: [h, c], each with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv1DGRUCell(_ConvGRUCell, _Over1):
    """GRU with convolutions in the place of its linear maps, over series.

    inputs: (batch, *input_shape), in the order of conv_layout, NCW (others have no kernel); states: [h], it with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv2DGRUCell(_ConvGRUCell, _Over2):
    """GRU with convolutions in the place of its linear maps, over images.

    inputs: (batch, *input_shape), in the order of conv_layout, NCHW (others have no kernel); states: [h], it with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """


class Conv3DGRUCell(_ConvGRUCell, _Over3):
    """GRU with convolutions in the place of its linear maps, over volumes.

    inputs: (batch, *input_shape), in the order of conv_layout, NCDHW (others have no kernel); states: [h], it with
    hidden_channels channels; the output is the new h. i2h_kernel, h2h_kernel and the others: one number or one per spatial
    axis; h2h_kernel is odd, so that the state keeps its size (AssertionError else). activation: a name, in the place of tanh.
    """
