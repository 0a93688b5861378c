"""One mask of dropout for all steps, and LSTM with a projection."""
from __future__ import annotations

from ....ndarray import NDArray, op
from ...rnn import BidirectionalCell, HybridRecurrentCell, ModifierCell, SequentialRNNCell
from ...rnn._sequence import TENSOR, first_states, format_sequence, masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LSTMPCell", "VariationalDropoutCell", "dynamic_unroll"]


class VariationalDropoutCell(ModifierCell):
    """Dropout around a cell whose masks stay the same for all steps of a sequence. Gal and Ghahramani, A Theoretically
    Grounded Application of Dropout in Recurrent Neural Networks, 2016.

    drop_inputs, drop_states, drop_outputs: which part is dropped of each; of the states, of the first one. Raises
    AssertionError for dropout of states around a BidirectionalCell.
    """

    def __init__(self, base_cell: Any, drop_inputs: float = 0.0, drop_states: float = 0.0, drop_outputs: float = 0.0) -> None:
        if drop_states and isinstance(base_cell, BidirectionalCell):
            raise AssertionError("BidirectionalCell doesn't support variational state dropout. Please add VariationalDropoutCell "
                                 "to the cells underneath instead.")
        if drop_states and isinstance(base_cell, SequentialRNNCell) and any(
                isinstance(cell, BidirectionalCell) for cell in base_cell._children.values()):
            raise AssertionError("Bidirectional SequentialRNNCell doesn't support variational state dropout. Please add "
                                 "VariationalDropoutCell to the cells underneath instead.")
        super().__init__(base_cell)
        self.drop_inputs = drop_inputs
        self.drop_states = drop_states
        self.drop_outputs = drop_outputs
        self._masks: dict[str, Any] = {}

    def _alias(self) -> str:
        return "vardrop"

    def reset(self) -> None:
        """Draws other masks from here on."""
        super().reset()
        self._masks = {}

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:  # type: ignore[override]
        """Hybridizes the cell inside: this one remembers its masks, which no graph of one step does."""
        super().hybridize(active, **kwargs)
        self._active = False

    def _dropped(self, F: Any, name: str, rate: float, value: Any) -> Any:
        if not rate:
            return value
        if name not in self._masks:
            self._masks[name] = F.Dropout(F.ones_like(value), p=rate)
        return value * self._masks[name]

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        if self.drop_states:
            states = [self._dropped(F, "states", self.drop_states, states[0]), *states[1:]]
        inputs = self._dropped(F, "inputs", self.drop_inputs, inputs)
        output, after = self.base_cell(inputs, states)
        return self._dropped(F, "outputs", self.drop_outputs, output), after

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p_out = {self.drop_outputs}, p_state = {self.drop_states})"

    def unroll(self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None,
               valid_length: Any = None) -> tuple[Any, list[Any]]:
        """As RecurrentCell's; where no state is dropped, of the whole sequence at once."""
        if self.drop_states:
            return super().unroll(length, inputs, begin_state, layout, merge_outputs, valid_length)
        self.reset()
        inputs, axis, F, batch_size = format_sequence(length, inputs, layout, True)
        states = first_states(self, F, begin_state, inputs, batch_size)
        if self.drop_inputs:
            inputs = F.Dropout(inputs, p=self.drop_inputs, axes=(axis,))
        outputs, states = self.base_cell.unroll(length, inputs, states, layout, True, valid_length)
        if self.drop_outputs:
            outputs = F.Dropout(outputs, p=self.drop_outputs, axes=(axis,))
        merge = isinstance(outputs, TENSOR) if merge_outputs is None else merge_outputs
        outputs = format_sequence(length, outputs, layout, merge)[0]
        if valid_length is not None:
            outputs = masked(F, outputs, length, valid_length, axis, merge)
        return outputs, states


class LSTMPCell(HybridRecurrentCell):
    """An LSTM whose state is projected: h' = W_r (sigmoid(o) tanh(c')). Sak et al., LSTM Based Recurrent Neural Network
    Architectures, 2014.

    inputs: (batch, input_size); states: [(batch, projection_size), (batch, hidden_size)]; the output is h'. i2h_weight: (4
    hidden_size, input_size); h2h_weight: (4 hidden_size, projection_size); h2r_weight: (projection_size, hidden_size);
    biases (4 hidden_size,).
    """

    def __init__(self, hidden_size: int, projection_size: int, i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, h2r_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros",
                 h2h_bias_initializer: Any = "zeros", input_size: int = 0, prefix: str | None = None,
                 params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._hidden_size = hidden_size
        self._input_size = input_size
        self._projection_size = projection_size

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Any:
            return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

        self.i2h_weight = parameter("i2h_weight", (4 * hidden_size, input_size), i2h_weight_initializer)
        self.h2h_weight = parameter("h2h_weight", (4 * hidden_size, projection_size), h2h_weight_initializer)
        self.h2r_weight = parameter("h2r_weight", (projection_size, hidden_size), h2r_weight_initializer)
        self.i2h_bias = parameter("i2h_bias", (4 * hidden_size,), i2h_bias_initializer)
        self.h2h_bias = parameter("h2h_bias", (4 * hidden_size,), h2h_bias_initializer)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Two states: (batch, projection_size) and (batch, hidden_size)."""
        return [{"shape": (batch_size, self._projection_size), "__layout__": "NC"},
                {"shape": (batch_size, self._hidden_size), "__layout__": "NC"}]

    def _alias(self) -> str:
        return "lstmp"

    def __repr__(self) -> str:
        shape, projected = self.i2h_weight.shape, self.h2r_weight.shape
        return f"{type(self).__name__}({shape[1] if shape[1] else None} -> {shape[0]} -> {projected[0]})"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any,
                       h2r_weight: Any, i2h_bias: Any, h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        rows = 4 * self._hidden_size
        i2h = F.FullyConnected(data=inputs, weight=i2h_weight, bias=i2h_bias, num_hidden=rows, name=prefix + "i2h")
        h2h = F.FullyConnected(data=states[0], weight=h2h_weight, bias=h2h_bias, num_hidden=rows, name=prefix + "h2h")
        gates = F.SliceChannel(F.elemwise_add(i2h, h2h), num_outputs=4, name=prefix + "slice")
        i = F.Activation(gates[0], act_type="sigmoid", name=prefix + "i")
        f = F.Activation(gates[1], act_type="sigmoid", name=prefix + "f")
        g = F.Activation(gates[2], act_type="tanh", name=prefix + "c")
        o = F.Activation(gates[3], act_type="sigmoid", name=prefix + "o")
        c = F.elemwise_add(F.elemwise_mul(f, states[1]), F.elemwise_mul(i, g), name=prefix + "state")
        hidden = F.elemwise_mul(o, F.Activation(c, act_type="tanh"), name=prefix + "hidden")
        h = F.FullyConnected(data=hidden, num_hidden=self._projection_size, weight=h2r_weight, no_bias=True,
                             name=prefix + "out")
        return h, [h, c]


def dynamic_unroll(cell: Any, inputs: Any, begin_state: Any, drop_inputs: float = 0, drop_outputs: float = 0,
                   layout: str = "TNC", valid_length: Any = None) -> tuple[Any, list[Any]]:
    """(outputs, states) of a cell over as many steps as the inputs have, outputs as one array.

    inputs: an NDArray, with its axes by layout, "TNC" or "NTC". drop_inputs, drop_outputs: dropout with one mask for all
    steps, in training. valid_length: (batch,), how many steps of each sample count. Raises TypeError for a Symbol, whose
    extents are not known.
    """
    if not isinstance(inputs, NDArray):
        raise TypeError(f"[dynamic_unroll] found inputs of type {type(inputs).__name__}, expected an NDArray")
    axis = layout.find("T")
    if drop_inputs:
        inputs = op.Dropout(inputs, p=drop_inputs, axes=(axis,))
    outputs, states = cell.unroll(inputs.shape[axis], inputs, begin_state, layout, True, valid_length)
    if drop_outputs:
        outputs = op.Dropout(outputs, p=drop_outputs, axes=(axis,))
    return outputs, states
