"""Recurrent cells whose products are convolutions (arXiv:1506.04214)."""
from __future__ import annotations

from functools import partial

from .. import symbol
from .._rnn_weights import GATES
from ._base import BaseRNNCell, activate
from ._cells import gru_step, lstm_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._typing import InitializerLike
    from ..symbol import Symbol
    from ._base import RNNParams, States

_LEAKY = partial(symbol.LeakyReLU, act_type="leaky", slope=0.2)


def _convolve(data: Symbol, layout: Any, weight: Symbol, name: str | None = None, **how: Any) -> Symbol:
    """A convolution of data in that layout; the weight has the layout's order, filters in the place of the batch.

    The operator takes channels before the other axes. For other layouts the arrays are transposed around it.
    """
    if layout.find("C") == 1:
        return symbol.Convolution(data=data, weight=weight, layout=layout, name=name, **how)
    first: Any = "NC" + "".join(axis for axis in layout if axis not in "NC")
    there, back = [layout.index(axis) for axis in first], [first.index(axis) for axis in layout]
    made = symbol.Convolution(data=symbol.transpose(data, axes=there), weight=symbol.transpose(weight, axes=there),
                              layout=first, **how)
    return symbol.transpose(made, axes=back, name=name)


class BaseConvRNNCell(BaseRNNCell):
    """What cells with convolutions share.

    input_shape: that of the input of a step, in the order of conv_layout, its batch included. conv_layout: NCHW or NHWC, with
    one spatial axis or three as well; weights have the same order with filters for N. num_hidden: channels of the state. The kernel, dilation, stride and padding of the convolution of the input (i2h) are free; that of the state (h2h)
    is padded so that it keeps its size. activation: a name or a function of symbols. Raises ValueError for kernels h2h of
    even size.
    """

    def __init__(self, input_shape: tuple[int, ...], num_hidden: int, h2h_kernel: tuple[int, ...], h2h_dilate: tuple[int, ...],
                 i2h_kernel: tuple[int, ...], i2h_stride: tuple[int, ...], i2h_pad: tuple[int, ...], i2h_dilate: tuple[int, ...],
                 i2h_weight_initializer: str | InitializerLike | None, h2h_weight_initializer: str | InitializerLike | None,
                 i2h_bias_initializer: str | InitializerLike | None, h2h_bias_initializer: str | InitializerLike | None,
                 activation: Any, prefix: str = "", params: RNNParams | None = None, conv_layout: str = "NCHW") -> None:
        super().__init__(prefix, params)
        if any(extent % 2 == 0 for extent in h2h_kernel):
            raise ValueError(f"[{type(self).__name__}] Only support odd number, get h2h_kernel= {h2h_kernel}")
        self._h2h_kernel = h2h_kernel
        self._h2h_dilate = h2h_dilate
        self._h2h_pad = tuple(d * (k - 1) // 2 for d, k in zip(h2h_dilate, h2h_kernel))
        self._i2h_kernel = i2h_kernel
        self._i2h_stride = i2h_stride
        self._i2h_pad = i2h_pad
        self._i2h_dilate = i2h_dilate
        self._num_hidden = num_hidden
        self._input_shape = input_shape
        self._conv_layout = conv_layout
        self._activation = activation
        self._channel_axis = conv_layout.find("C")
        convolved = _convolve(symbol.Variable("data"), conv_layout, symbol.Variable("weight"), num_filter=num_hidden,
                              kernel=i2h_kernel, stride=i2h_stride, pad=i2h_pad, dilate=i2h_dilate)
        self._state_shape = (0, *convolved.infer_shape(data=input_shape)[1][0][1:])
        self._iW = self._params.get("i2h_weight", init=i2h_weight_initializer)
        self._hW = self._params.get("h2h_weight", init=h2h_weight_initializer)
        self._iB = self._params.get("i2h_bias", init=i2h_bias_initializer)
        self._hB = self._params.get("h2h_bias", init=h2h_bias_initializer)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": self._state_shape, "__layout__": self._conv_layout}]

    def _convolutions(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Symbol, Symbol]:
        """Those of the input and of the state, named after the step."""
        filters = self._num_hidden * len(self._gate_names)
        i2h = _convolve(inputs, self._conv_layout, self._iW, bias=self._iB, kernel=self._i2h_kernel, stride=self._i2h_stride,
                        pad=self._i2h_pad, dilate=self._i2h_dilate, num_filter=filters, name=f"{name}i2h")
        h2h = _convolve(state, self._conv_layout, self._hW, bias=self._hB, kernel=self._h2h_kernel,
                        stride=(1,) * len(self._h2h_kernel), pad=self._h2h_pad, dilate=self._h2h_dilate, num_filter=filters,
                        name=f"{name}h2h")
        return i2h, h2h


class _ConvCell(BaseConvRNNCell):
    """The arguments that the three cells have in this order."""

    def __init__(self, input_shape: tuple[int, ...], num_hidden: int, h2h_kernel: tuple[int, ...] = (3, 3),
                 h2h_dilate: tuple[int, ...] = (1, 1), i2h_kernel: tuple[int, ...] = (3, 3), i2h_stride: tuple[int, ...] = (1, 1),
                 i2h_pad: tuple[int, ...] = (1, 1), i2h_dilate: tuple[int, ...] = (1, 1),
                 i2h_weight_initializer: str | InitializerLike | None = None,
                 h2h_weight_initializer: str | InitializerLike | None = None,
                 i2h_bias_initializer: str | InitializerLike | None = "zeros",
                 h2h_bias_initializer: str | InitializerLike | None = "zeros", activation: Any = _LEAKY,
                 prefix: str | None = None, params: RNNParams | None = None, conv_layout: str = "NCHW") -> None:
        super().__init__(input_shape, num_hidden, h2h_kernel, h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate,
                         i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer,
                         activation, self._PREFIX if prefix is None else prefix, params, conv_layout)

    _PREFIX = ""


class ConvRNNCell(_ConvCell):
    """h' = activation(W * x + R * h + b), where * is a convolution."""

    _PREFIX = "ConvRNN_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return GATES["rnn_tanh"]

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        name = self._next_step()
        i2h, h2h = self._convolutions(inputs, states[0], name)
        output = activate(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class ConvLSTMCell(_ConvCell):
    """An LSTM of convolutions."""

    _PREFIX = "ConvLSTM_"

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return GATES["lstm"]

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        name = self._next_step()
        i2h, h2h = self._convolutions(inputs, states[0], name)
        gates = symbol.SliceChannel(i2h + h2h, num_outputs=4, axis=self._channel_axis, name=f"{name}slice")
        return lstm_step(list(gates), states[1], self._activation, name)


class ConvGRUCell(_ConvCell):
    """A GRU of convolutions."""

    _PREFIX = "ConvGRU_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return GATES["gru"]

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        name = self._next_step()
        axis: dict[str, Any] = {} if self._channel_axis == 1 else {"axis": self._channel_axis}
        i2h, h2h = (list(symbol.SliceChannel(product, num_outputs=3, name=f"{name}_{group}_slice", **axis))
                    for group, product in zip(("i2h", "h2h"), self._convolutions(inputs, states[0], name)))
        return gru_step(i2h, h2h, states[0], self._activation, name)
