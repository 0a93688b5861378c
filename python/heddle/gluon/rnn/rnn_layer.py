"""Recurrent layers over whole sequences, by one operator."""
from __future__ import annotations

from ... import ndarray, symbol
from ...ndarray import NDArray
from ..block import HybridBlock
from . import rnn_cell
from ._sequence import TENSOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..._typing import DTypeLike

__all__ = ["GRU", "LSTM", "RNN"]

_GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


class _RNNLayer(HybridBlock):
    """What all recurrent layers are."""

    def __init__(self, hidden_size: int, num_layers: int, layout: str, dropout: float, bidirectional: bool, input_size: int,
                 i2h_weight_initializer: Any, h2h_weight_initializer: Any, i2h_bias_initializer: Any,
                 h2h_bias_initializer: Any, mode: str, projection_size: int | None = None, h2r_weight_initializer: Any = None,
                 lstm_state_clip_min: float | None = None, lstm_state_clip_max: float | None = None,
                 lstm_state_clip_nan: bool = False, dtype: DTypeLike = "float32", use_sequence_length: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if layout not in ("TNC", "NTC"):
            raise AssertionError(f"Invalid layout {layout}; must be one of ['TNC' or 'NTC']")
        self._hidden_size = hidden_size
        self._projection_size = projection_size
        self._num_layers = num_layers
        self._mode = mode
        self._layout = layout
        self._dropout = dropout
        self._dir = 2 if bidirectional else 1
        self._input_size = input_size
        self._lstm_state_clip_min = lstm_state_clip_min
        self._lstm_state_clip_max = lstm_state_clip_max
        self._lstm_state_clip_nan = lstm_state_clip_nan
        self._dtype = dtype
        self._use_sequence_length = use_sequence_length
        self.skip_states = False
        rows = _GATES[mode] * hidden_size
        state = projection_size or hidden_size
        width = input_size
        for layer in range(num_layers):
            for side in self._sides():
                self._register(f"{side}{layer}_i2h_weight", (rows, width), i2h_weight_initializer)
                self._register(f"{side}{layer}_h2h_weight", (rows, state), h2h_weight_initializer)
                self._register(f"{side}{layer}_i2h_bias", (rows,), i2h_bias_initializer)
                self._register(f"{side}{layer}_h2h_bias", (rows,), h2h_bias_initializer)
                if projection_size:
                    self._register(f"{side}{layer}_h2r_weight", (projection_size, hidden_size), h2r_weight_initializer)
            width = state * self._dir

    def _sides(self) -> str:
        return "lr"[:self._dir]

    def _register(self, name: str, shape: tuple[int, ...], init: Any) -> None:
        setattr(self, name, self.params.get(name, shape=shape, init=init, allow_deferred_init=True, dtype=self._dtype))

    def __repr__(self) -> str:
        shape = self.l0_i2h_weight.shape
        rows = shape[0] // _GATES[self._mode]
        text = f"{type(self).__name__}({shape[1] if shape[1] else None} -> {rows}, {self._layout}"
        if self._num_layers != 1:
            text += f", num_layers={self._num_layers}"
        if self._dropout != 0:
            text += f", dropout={self._dropout}"
        if self._dir == 2:
            text += ", bidirectional"
        return text + ")"

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """A dict of shape, layout and dtype for each state: (layers * directions, batch, hidden_size)."""
        return [self._state(batch_size, self._hidden_size)]

    def _state(self, batch_size: int, size: int) -> dict[str, Any]:
        return {"shape": (self._num_layers * self._dir, batch_size, size), "__layout__": "LNC", "dtype": self._dtype}

    def begin_state(self, batch_size: int = 0, func: Callable[..., Any] = ndarray.zeros, **kwargs: Any) -> list[Any]:
        """First states, made by func(shape=..., ...): mx.nd.zeros, mx.nd.random.uniform, mx.sym.zeros ..."""
        states = []
        for i, info in enumerate(self.state_info(batch_size)):
            keywords = {**info, **kwargs}
            if func not in (symbol.zeros, symbol.ones, symbol.var, symbol.Variable):
                keywords.pop("__layout__", None)
            states.append(func(name=f"{self.prefix}h0_{i}", **keywords))
        return states

    def infer_shape(self, *args: Any) -> None:
        """Sets what depends on the width of the inputs. Raises AssertionError for inputs that have no three axes."""
        inputs = args[0]
        if len(inputs.shape) != 3:
            raise AssertionError(f"Input data should be rank-3 tensor of dim [sequence length, batch size, input size]: found "
                                 f"shape {inputs.shape}")
        width = inputs.shape[2]
        for layer in range(self._num_layers):
            for side in self._sides():
                getattr(self, f"{side}{layer}_i2h_weight").shape = (_GATES[self._mode] * self._hidden_size, width)
            width = (self._projection_size or self._hidden_size) * self._dir

    def cast(self, dtype: DTypeLike) -> None:
        """As Block's; states are of that dtype from now on."""
        super().cast(dtype)
        self._dtype = dtype

    def __call__(self, inputs: Any, states: Any = None, sequence_length: Any = None) -> Any:
        """The outputs; with states (an array or a list) the pair of outputs and last states.

        inputs: (time, batch, input_size), or (batch, time, input_size) with layout NTC. sequence_length: (batch,), how many
        steps of each sample count, where the layer was made with use_sequence_length=True; outputs past them are 0.
        """
        self.skip_states = states is None
        if states is None:
            if isinstance(inputs, NDArray):
                states = self.begin_state(inputs.shape[self._layout.find("N")], ctx=inputs.context, dtype=inputs.dtype)
            else:
                states = self.begin_state(0, func=symbol.zeros)
        if isinstance(states, TENSOR):
            states = [states]
        if self._use_sequence_length:
            out = super().__call__(inputs, states, sequence_length)
        else:
            if sequence_length is not None:
                raise ValueError(f"[{self.name}] found a sequence_length, expected none: the layer was made with "
                                 "use_sequence_length=False")
            out = super().__call__(inputs, states)
        return out[0] if self.skip_states and isinstance(out, (list, tuple)) else out

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, sequence_length: Any = None,  # type: ignore[override]
                       **kwargs: Any) -> Any:
        if F is ndarray:
            batch_size = inputs.shape[self._layout.find("N")]
            for state, info in zip(states, self.state_info(batch_size)):
                if state.shape != info["shape"]:
                    raise ValueError(f"Invalid recurrent state shape. Expecting {info['shape']}, got {state.shape}.")
        if self._layout == "NTC":
            inputs = F.swapaxes(inputs, dim1=0, dim2=1)
        params = F._internal._rnn_param_concat(*(kwargs[name].reshape(-1) for name in self._in_order()), dim=0)
        more = [sequence_length] if self._use_sequence_length else []
        clip = {"lstm_state_clip_min": self._lstm_state_clip_min, "lstm_state_clip_max": self._lstm_state_clip_max,
                "lstm_state_clip_nan": self._lstm_state_clip_nan} if self._lstm_state_clip_min is not None else {}
        named = {"sequence_length": more[0]} if more else {}
        out = F.RNN(inputs, params, *states, **named, use_sequence_length=self._use_sequence_length,
                    state_size=self._hidden_size, projection_size=self._projection_size, num_layers=self._num_layers,
                    bidirectional=self._dir == 2, p=self._dropout, state_outputs=True, mode=self._mode, **clip)
        outputs, *last = out
        if self._layout == "NTC":
            outputs = F.swapaxes(outputs, dim1=0, dim2=1)
        return outputs, last

    def _in_order(self) -> Iterator[str]:
        """Names of the parameters as the operator wants them: all weights, then all biases."""
        for kind in ("weight", "bias"):
            for layer in range(self._num_layers):
                for side in self._sides():
                    yield f"{side}{layer}_i2h_{kind}"
                    yield f"{side}{layer}_h2h_{kind}"
                    if self._projection_size and kind == "weight":
                        yield f"{side}{layer}_h2r_weight"

    def _unfuse(self) -> rnn_cell.HybridSequentialRNNCell:
        """The same network of cells, with the same parameters."""
        if self._projection_size:
            raise AssertionError("_unfuse does not support projection layer yet!")
        make: Any = {"rnn_relu": lambda **k: rnn_cell.RNNCell(self._hidden_size, activation="relu", **k),
                     "rnn_tanh": lambda **k: rnn_cell.RNNCell(self._hidden_size, activation="tanh", **k),
                     "lstm": lambda **k: rnn_cell.LSTMCell(self._hidden_size, **k),
                     "gru": lambda **k: rnn_cell.GRUCell(self._hidden_size, **k)}[self._mode]
        stack = rnn_cell.HybridSequentialRNNCell(prefix=self.prefix, params=self.params)
        with stack.name_scope():
            width = self._input_size
            for layer in range(self._num_layers):
                cells = [make(prefix=f"{side}{layer}_", input_size=width) for side in self._sides()]
                stack.add(rnn_cell.BidirectionalCell(*cells) if self._dir == 2 else cells[0])
                if self._dropout > 0 and layer != self._num_layers - 1:
                    stack.add(rnn_cell.DropoutCell(self._dropout))
                width = self._hidden_size * self._dir
        return stack


class RNN(_RNNLayer):
    """Layers of h' = activation(W_i x + b_i + W_h h + b_h) over sequences.

    inputs: (time, batch, input_size) by layout TNC, or NTC; outputs (time, batch, hidden_size * directions). states:
    (num_layers * directions, batch, hidden_size). Parameters are called {l|r}{layer}_{i2h|h2h}_{weight|bias}. dropout: of
    the outputs between layers, in training. activation: "relu" or "tanh". input_size: 0 is found out at the first call.
    Raises AssertionError for another layout.
    """

    def __init__(self, hidden_size: int, num_layers: int = 1, activation: str = "relu", layout: str = "TNC", dropout: float = 0,
                 bidirectional: bool = False, i2h_weight_initializer: Any = None, h2h_weight_initializer: Any = None,
                 i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros", input_size: int = 0,
                 dtype: DTypeLike = "float32", **kwargs: Any) -> None:
        super().__init__(hidden_size, num_layers, layout, dropout, bidirectional, input_size, i2h_weight_initializer,
                         h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer, "rnn_" + activation, dtype=dtype,
                         **kwargs)


class LSTM(_RNNLayer):
    """Layers of LSTM cells (see LSTMCell) over sequences.

    inputs: (time, batch, input_size) by layout TNC, or NTC; outputs (time, batch, hidden_size * directions). states: [h, c],
    each (num_layers * directions, batch, hidden_size). projection_size: h is h2r_weight h instead, of that size. Sak et al.,
    LSTM Based Recurrent Neural Network Architectures, 2014. state_clip_min, state_clip_max: limits of c; state_clip_nan:
    whether NaN becomes the lower one. The rest is as in RNN.
    """

    def __init__(self, hidden_size: int, num_layers: int = 1, layout: str = "TNC", dropout: float = 0,
                 bidirectional: bool = False, input_size: int = 0, i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros",
                 projection_size: int | None = None, h2r_weight_initializer: Any = None, state_clip_min: float | None = None,
                 state_clip_max: float | None = None, state_clip_nan: bool = False, dtype: DTypeLike = "float32",
                 **kwargs: Any) -> None:
        super().__init__(hidden_size, num_layers, layout, dropout, bidirectional, input_size, i2h_weight_initializer,
                         h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer, "lstm", projection_size,
                         h2r_weight_initializer, state_clip_min, state_clip_max, state_clip_nan, dtype=dtype, **kwargs)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Two states: h of projection_size, or hidden_size, and c of hidden_size."""
        return [self._state(batch_size, self._projection_size or self._hidden_size),
                self._state(batch_size, self._hidden_size)]


class GRU(_RNNLayer):
    """Layers of GRU cells (see GRUCell) over sequences. As RNN else."""

    def __init__(self, hidden_size: int, num_layers: int = 1, layout: str = "TNC", dropout: float = 0,
                 bidirectional: bool = False, input_size: int = 0, i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros",
                 dtype: DTypeLike = "float32", **kwargs: Any) -> None:
        super().__init__(hidden_size, num_layers, layout, dropout, bidirectional, input_size, i2h_weight_initializer,
                         h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer, "gru", dtype=dtype, **kwargs)
