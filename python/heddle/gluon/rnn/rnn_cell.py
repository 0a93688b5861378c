"""Recurrent cells: one step at a time, unrolled over sequences."""
from __future__ import annotations

from ... import ndarray, symbol
from ..block import Block, HybridBlock
from ..nn import LeakyReLU
from ._sequence import TENSOR, first_states, format_sequence, masked, reversed_sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["BidirectionalCell", "DropoutCell", "GRUCell", "HybridRecurrentCell", "HybridSequentialRNNCell", "LSTMCell",
           "ModifierCell", "RecurrentCell", "ResidualCell", "RNNCell", "SequentialRNNCell", "ZoneoutCell"]


class RecurrentCell(Block):
    """What all cells are: output, states = cell(input, states), for one step.

    inputs: (batch, channels) as a rule; states: a list of arrays, as state_info() describes them. A cell counts its steps,
    to name them: reset() before another sequence (unroll does it).
    """

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._modified = False
        self.reset()

    def __repr__(self) -> str:
        inside = "\n".join(f"({i}): {cell!r}" for i, cell in self._children.items())
        return f"{type(self).__name__}(\n{inside}\n)"

    def reset(self) -> None:
        """Forgets the sequence that was unrolled before."""
        self._init_counter = -1
        self._counter = -1
        for cell in self._children.values():
            if isinstance(cell, RecurrentCell):
                cell.reset()

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """A dict of shape and layout for each state."""
        raise NotImplementedError(f"{type(self).__name__} has no state_info: a subclass of RecurrentCell says there which states "
                                  "it has")

    def begin_state(self, batch_size: int = 0, func: Callable[..., Any] = ndarray.zeros, **kwargs: Any) -> list[Any]:
        """First states, made by func(shape=..., ...): mx.nd.zeros, mx.nd.random.uniform, mx.sym.zeros ...

        kwargs go to func. Raises AssertionError for a cell that a modifier cell holds.
        """
        self._check_unmodified()
        states = []
        for info in self.state_info(batch_size):
            self._init_counter += 1
            keywords = {**(info or {}), **kwargs}
            if func not in (symbol.zeros, symbol.ones, symbol.var, symbol.Variable):
                keywords.pop("__layout__", None)
            states.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **keywords))
        return states

    def _check_unmodified(self) -> None:
        if self._modified:
            raise AssertionError("After applying modifier cells (e.g. ZoneoutCell) the base cell cannot be called directly. Call "
                                 "the modifier cell instead.")

    def unroll(self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None,
               valid_length: Any = None) -> tuple[Any, list[Any]]:
        """(outputs, states) of `length` steps.

        inputs: an array with a time axis by layout ("NTC": (batch, time, channels), "TNC"), or a list of steps, each
        (batch, channels). begin_state: zeros by default. merge_outputs: one array or a list of steps, by default a list
        for all but layers that make an array anyway. valid_length: (batch,), how many steps of each sample count; outputs
        past them are 0, and the states are those of the last that counts.
        """
        self.reset()
        steps, axis, F, batch_size = format_sequence(length, inputs, layout, False)
        states = first_states(self, F, begin_state, steps, batch_size)
        outputs, all_states = [], []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
            if valid_length is not None:
                all_states.append(states)
        if valid_length is not None:
            states = [F.SequenceLast(F.stack(*over_time, axis=0), sequence_length=valid_length, use_sequence_length=True, axis=0)
                      for over_time in zip(*all_states)]
            outputs = masked(F, outputs, length, valid_length, axis, True)
        return format_sequence(length, outputs, layout, merge_outputs)[0], states

    def _get_activation(self, F: Any, inputs: Any, activation: Any, **kwargs: Any) -> Any:
        """A function by its name, a LeakyReLU layer, or anything that takes the inputs."""
        if activation in ("tanh", "relu", "sigmoid", "softsign"):
            return getattr(F, activation)(inputs, **kwargs)
        if isinstance(activation, str):
            return F.Activation(inputs, act_type=activation, **kwargs)
        if isinstance(activation, LeakyReLU):
            return F.LeakyReLU(inputs, act_type="leaky", slope=activation._alpha, **kwargs)
        return activation(inputs)

    def forward(self, inputs: Any, states: Any) -> Any:
        """(output, states) of one step."""
        self._counter += 1
        return super().forward(inputs, states)


class HybridRecurrentCell(RecurrentCell, HybridBlock):
    """A cell that hybridizes: its step is hybrid_forward(F, inputs, states, **params)."""

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """(output, states) of one step."""
        raise NotImplementedError(f"{type(self).__name__} has no hybrid_forward: a subclass of HybridRecurrentCell says there "
                                  "what a step computes")


class _GatedCell(HybridRecurrentCell):
    """A cell of `gates` linear maps of input and state."""

    _gates = 1

    def __init__(self, hidden_size: int, i2h_weight_initializer: Any, h2h_weight_initializer: Any, i2h_bias_initializer: Any,
                 h2h_bias_initializer: Any, input_size: int, prefix: str | None, params: Any) -> None:
        super().__init__(prefix=prefix, params=params)
        self._hidden_size = hidden_size
        self._input_size = input_size
        rows = self._gates * hidden_size

        def parameter(name: str, shape: tuple[int, ...], init: Any) -> Any:
            return self.params.get(name, shape=shape, init=init, allow_deferred_init=True)

        self.i2h_weight = parameter("i2h_weight", (rows, input_size), i2h_weight_initializer)
        self.h2h_weight = parameter("h2h_weight", (rows, hidden_size), h2h_weight_initializer)
        self.i2h_bias = parameter("i2h_bias", (rows,), i2h_bias_initializer)
        self.h2h_bias = parameter("h2h_bias", (rows,), h2h_bias_initializer)

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """One state, (batch, hidden_size)."""
        return [{"shape": (batch_size, self._hidden_size), "__layout__": "NC"}]

    def _maps(self, F: Any, prefix: str, inputs: Any, state: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any,
              h2h_bias: Any) -> tuple[Any, Any]:
        rows = self._gates * self._hidden_size
        return (F.FullyConnected(data=inputs, weight=i2h_weight, bias=i2h_bias, num_hidden=rows, name=prefix + "i2h"),
                F.FullyConnected(data=state, weight=h2h_weight, bias=h2h_bias, num_hidden=rows, name=prefix + "h2h"))

    def _mapping(self) -> str:
        shape = self.i2h_weight.shape or (0, 0)
        return f"{shape[1] if shape[1] else None} -> {shape[0]}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._mapping()})"


class RNNCell(_GatedCell):
    """h' = activation(W_i x + b_i + W_h h + b_h). Elman, Finding Structure in Time, 1990.

    inputs: (batch, input_size); states: [(batch, hidden_size)]; the output is h'. i2h_weight: (hidden_size, input_size);
    h2h_weight: (hidden_size, hidden_size); biases (hidden_size,). input_size: 0 is found out at the first step. activation: a
    name for Activation.
    """

    def __init__(self, hidden_size: int, activation: Any = "tanh", i2h_weight_initializer: Any = None,
                 h2h_weight_initializer: Any = None, i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros",
                 input_size: int = 0, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(hidden_size, i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                         h2h_bias_initializer, input_size, prefix, params)
        self._activation = activation

    def _alias(self) -> str:
        return "rnn"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._mapping()}, {self._activation})"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any,
                       h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        i2h, h2h = self._maps(F, prefix, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        both = F.elemwise_add(i2h, h2h, name=prefix + "plus0")
        output = self._get_activation(F, both, self._activation, name=prefix + "out")
        return output, [output]


class LSTMCell(_GatedCell):
    """i, f, g, o = W_i x + b_i + W_h h + b_h; c' = sigmoid(f) c + sigmoid(i) tanh(g); h' = sigmoid(o) tanh(c').

    Hochreiter and Schmidhuber, Long Short-Term Memory, 1997, with forget gates. inputs: (batch, input_size); states: [h, c],
    each (batch, hidden_size); the output is h'. i2h_weight: (4 hidden_size, input_size); h2h_weight: (4 hidden_size,
    hidden_size); biases (4 hidden_size,). activation, recurrent_activation: in the place of tanh and sigmoid.
    """

    _gates = 4

    def __init__(self, hidden_size: int, i2h_weight_initializer: Any = None, h2h_weight_initializer: Any = None,
                 i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros", input_size: int = 0,
                 prefix: str | None = None, params: Any = None, activation: Any = "tanh",
                 recurrent_activation: Any = "sigmoid") -> None:
        super().__init__(hidden_size, i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                         h2h_bias_initializer, input_size, prefix, params)
        self._activation = activation
        self._recurrent_activation = recurrent_activation

    def _alias(self) -> str:
        return "lstm"

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Two states, (batch, hidden_size) each."""
        return [*super().state_info(batch_size), *super().state_info(batch_size)]

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any,
                       h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        i2h, h2h = self._maps(F, prefix, inputs, states[0], i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        gates = F.SliceChannel(F.elemwise_add(i2h, h2h, name=prefix + "plus0"), num_outputs=4, name=prefix + "slice")
        i = self._get_activation(F, gates[0], self._recurrent_activation, name=prefix + "i")
        f = self._get_activation(F, gates[1], self._recurrent_activation, name=prefix + "f")
        g = self._get_activation(F, gates[2], self._activation, name=prefix + "c")
        o = self._get_activation(F, gates[3], self._recurrent_activation, name=prefix + "o")
        kept = F.elemwise_mul(f, states[1], name=prefix + "mul0")
        c = F.elemwise_add(kept, F.elemwise_mul(i, g, name=prefix + "mul1"), name=prefix + "state")
        h = F.elemwise_mul(o, F.Activation(c, act_type=self._activation, name=prefix + "activation0"), name=prefix + "out")
        return h, [h, c]


class GRUCell(_GatedCell):
    """r, z = sigmoid(W x + b + U h + d); n = tanh(W_n x + b_n + r (U_n h + d_n)); h' = (1 - z) n + z h.

    Cho et al., Learning Phrase Representations, 2014. inputs: (batch, input_size); states: [(batch, hidden_size)]; the output
    is h'. i2h_weight: (3 hidden_size, input_size); h2h_weight: (3 hidden_size, hidden_size); biases (3 hidden_size,).
    """

    _gates = 3

    def __init__(self, hidden_size: int, i2h_weight_initializer: Any = None, h2h_weight_initializer: Any = None,
                 i2h_bias_initializer: Any = "zeros", h2h_bias_initializer: Any = "zeros", input_size: int = 0,
                 prefix: str | None = None, params: Any = None) -> None:
        super().__init__(hidden_size, i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer,
                         h2h_bias_initializer, input_size, prefix, params)

    def _alias(self) -> str:
        return "gru"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any, i2h_weight: Any, h2h_weight: Any, i2h_bias: Any,
                       h2h_bias: Any) -> Any:
        prefix = f"t{self._counter}_"
        before = states[0]
        i2h, h2h = self._maps(F, prefix, inputs, before, i2h_weight, h2h_weight, i2h_bias, h2h_bias)
        i2h_r, i2h_z, i2h_n = F.SliceChannel(i2h, num_outputs=3, name=prefix + "i2h_slice")
        h2h_r, h2h_z, h2h_n = F.SliceChannel(h2h, num_outputs=3, name=prefix + "h2h_slice")
        r = F.Activation(F.elemwise_add(i2h_r, h2h_r, name=prefix + "plus0"), act_type="sigmoid", name=prefix + "r_act")
        z = F.Activation(F.elemwise_add(i2h_z, h2h_z, name=prefix + "plus1"), act_type="sigmoid", name=prefix + "z_act")
        mixed = F.elemwise_add(i2h_n, F.elemwise_mul(r, h2h_n, name=prefix + "mul0"), name=prefix + "plus2")
        n = F.Activation(mixed, act_type="tanh", name=prefix + "h_act")
        fresh = F.elemwise_mul(F.ones_like(z, name=prefix + "ones_like0") - z, n, name=prefix + "mul1")
        output = F.elemwise_add(fresh, F.elemwise_mul(z, before, name=prefix + "mul20"), name=prefix + "out")
        return output, [output]


# --- stacks
class _Stack(RecurrentCell):
    """Cells on top of each other."""

    def add(self, cell: RecurrentCell) -> None:
        """Appends a cell."""
        self.register_child(cell)

    def __len__(self) -> int:
        return len(self._children)

    def __getitem__(self, i: int | slice) -> Any:
        return list(self._children.values())[i]

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """The states of all cells."""
        return [info for cell in self._children.values() for info in cell.state_info(batch_size)]  # type: ignore[attr-defined]

    def begin_state(self, *args: Any, **kwargs: Any) -> list[Any]:
        """First states of all cells; see RecurrentCell.begin_state."""
        self._check_unmodified()
        return [s for cell in self._children.values() for s in cell.begin_state(*args, **kwargs)]  # type: ignore[attr-defined]

    def _step(self, inputs: Any, states: Any) -> Any:
        after, at = [], 0
        for cell in self._children.values():
            if isinstance(cell, BidirectionalCell):
                raise AssertionError("BidirectionalCell looks at whole sequences: it cannot be stepped, only unrolled")
            n = len(cell.state_info())  # type: ignore[attr-defined]
            inputs, some = cell(inputs, states[at:at + n])
            at += n
            after += some
        return inputs, after

    def unroll(self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None,
               valid_length: Any = None) -> tuple[Any, list[Any]]:
        """As RecurrentCell's, each cell over the whole output of the one below."""
        self.reset()
        inputs, _, F, batch_size = format_sequence(length, inputs, layout, None)
        states = first_states(self, F, begin_state, inputs, batch_size)
        after, at = [], 0
        cells: list[Any] = list(self._children.values())
        for i, cell in enumerate(cells):
            n = len(cell.state_info())
            inputs, some = cell.unroll(length, inputs, states[at:at + n], layout,
                                       None if i < len(cells) - 1 else merge_outputs, valid_length)
            at += n
            after += some
        return inputs, after


class SequentialRNNCell(_Stack):
    """Cells on top of each other: each gets the output of the one before."""

    def forward(self, inputs: Any, states: Any) -> Any:
        """(output of the last cell, states of all) of one step. Raises AssertionError where one is bidirectional."""
        self._counter += 1
        return self._step(inputs, states)

    def hybrid_forward(self, *args: Any, **kwargs: Any) -> Any:
        """Raises NotImplementedError: HybridSequentialRNNCell is the one that hybridizes."""
        raise NotImplementedError("[SequentialRNNCell] has no hybrid_forward: expected a HybridSequentialRNNCell")


class HybridSequentialRNNCell(_Stack, HybridRecurrentCell):
    """The same, of hybrid cells."""

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        return self._step(inputs, states)


# --- cells around cells
class DropoutCell(HybridRecurrentCell):
    """Dropout of the inputs, without states: for stacks of cells. rate, axes: as in nn.Dropout."""

    def __init__(self, rate: float, axes: Any = (), prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        if not isinstance(rate, (int, float)):
            raise AssertionError(f"rate must be a number: found {rate!r}")
        self._rate = rate
        self._axes = axes

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rate={self._rate}, axes={self._axes})"

    def _alias(self) -> str:
        return "dropout"

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """None."""
        return []

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        if self._rate > 0:
            inputs = F.Dropout(data=inputs, p=self._rate, axes=self._axes, name=f"t{self._counter}_fwd")
        return inputs, states

    def unroll(self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None,
               valid_length: Any = None) -> tuple[Any, list[Any]]:
        """As RecurrentCell's; of one array at once."""
        self.reset()
        inputs, _, F, _ = format_sequence(length, inputs, layout, merge_outputs)
        if isinstance(inputs, TENSOR):
            return self.hybrid_forward(F, inputs, begin_state if begin_state else [])
        return super().unroll(length, inputs, begin_state, layout, merge_outputs, None)


class ModifierCell(HybridRecurrentCell):
    """A cell around another one, whose parameters and states it has."""

    def __init__(self, base_cell: Any) -> None:
        if base_cell._modified:
            raise AssertionError(f"Cell {base_cell.name} is already modified. One cell cannot be modified twice")
        base_cell._modified = True
        super().__init__(prefix=base_cell.prefix + self._alias(), params=None)
        self.base_cell = base_cell

    @property
    def params(self) -> Any:
        """The base cell's."""
        return self.base_cell.params

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """The base cell's."""
        return self.base_cell.state_info(batch_size)

    def begin_state(self, batch_size: int = 0, func: Callable[..., Any] = ndarray.zeros, **kwargs: Any) -> list[Any]:
        """The base cell's."""
        self._check_unmodified()
        self.base_cell._modified = False
        try:
            return self.base_cell.begin_state(batch_size=batch_size, func=func, **kwargs)
        finally:
            self.base_cell._modified = True

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        """(output, states) of one step."""
        raise NotImplementedError(f"{type(self).__name__} has no hybrid_forward: a subclass of ModifierCell says there what it "
                                  "does with a step")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_cell})"


class ZoneoutCell(ModifierCell):
    """Parts of outputs and states stay what they were in the step before, in training: each element with the probability
    zoneout_outputs or zoneout_states. Krueger et al., Zoneout, 2016. Raises AssertionError around a BidirectionalCell."""

    def __init__(self, base_cell: Any, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if isinstance(base_cell, BidirectionalCell):
            raise AssertionError("BidirectionalCell doesn't support zoneout since it doesn't support step. Please add ZoneoutCell "
                                 "to the cells underneath instead.")
        super().__init__(base_cell)
        self._zoneout_outputs = zoneout_outputs
        self._zoneout_states = zoneout_states
        self._prev_output: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p_out={self._zoneout_outputs}, p_state={self._zoneout_states}, {self.base_cell})"

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:  # type: ignore[override]
        """Hybridizes the cell inside: this one remembers the step before, which no graph of one step does."""
        super().hybridize(active, **kwargs)
        self._active = False

    def _alias(self) -> str:
        return "zoneout"

    def reset(self) -> None:
        """Forgets the step before."""
        super().reset()
        self._prev_output = None

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        output, after = self.base_cell(inputs, states)

        def mix(p: float, new: Any, old: Any) -> Any:
            return F.where(F.Dropout(F.ones_like(new), p=p), new, old) if p else new

        before = F.zeros_like(output) if self._prev_output is None else self._prev_output
        output = mix(self._zoneout_outputs, output, before)
        after = [mix(self._zoneout_states, new, old) for new, old in zip(after, states)]
        self._prev_output = output
        return output, after


class ResidualCell(ModifierCell):
    """output + input. Wu et al., Google's Neural Machine Translation System, 2016. Both of one shape."""

    def _alias(self) -> str:
        return "residual"

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        output, states = self.base_cell(inputs, states)
        return F.elemwise_add(output, inputs, name=f"t{self._counter}_fwd"), states

    def unroll(self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None,
               valid_length: Any = None) -> tuple[Any, list[Any]]:
        """As RecurrentCell's."""
        self.reset()
        self.base_cell._modified = False
        try:
            outputs, states = self.base_cell.unroll(length, inputs, begin_state, layout, merge_outputs, valid_length)
        finally:
            self.base_cell._modified = True
        merge = isinstance(outputs, TENSOR) if merge_outputs is None else merge_outputs
        inputs, axis, F, _ = format_sequence(length, inputs, layout, merge)
        if valid_length is not None:
            inputs = masked(F, inputs, length, valid_length, axis, merge)
        if merge:
            return F.elemwise_add(outputs, inputs), states
        return [F.elemwise_add(o, i) for o, i in zip(outputs, inputs)], states


class BidirectionalCell(HybridRecurrentCell):
    """Two cells, one from each end of time; outputs are joined along the channels. It can be unrolled only.

    Schuster and Paliwal, Bidirectional Recurrent Neural Networks, 1997.
    """

    def __init__(self, l_cell: Any, r_cell: Any, output_prefix: str = "bi_") -> None:
        super().__init__(prefix="", params=None)
        self.register_child(l_cell, "l_cell")
        self.register_child(r_cell, "r_cell")
        self._output_prefix = output_prefix

    def __call__(self, inputs: Any, states: Any) -> Any:
        """Raises NotImplementedError: there is no step from both ends."""
        raise NotImplementedError("Bidirectional cannot be stepped. Please use unroll")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(forward={self._children['l_cell']}, backward={self._children['r_cell']})"

    def state_info(self, batch_size: int = 0) -> list[dict[str, Any]]:
        """Those of both cells."""
        return [info for cell in self._children.values() for info in cell.state_info(batch_size)]  # type: ignore[attr-defined]

    def begin_state(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Those of both cells."""
        self._check_unmodified()
        return [s for cell in self._children.values() for s in cell.begin_state(*args, **kwargs)]  # type: ignore[attr-defined]

    def unroll(self, length: int, inputs: Any, begin_state: Any = None, layout: str = "NTC", merge_outputs: bool | None = None,
               valid_length: Any = None) -> tuple[Any, list[Any]]:
        """As RecurrentCell's."""
        self.reset()
        steps, axis, F, batch_size = format_sequence(length, inputs, layout, False)
        backwards = reversed_sequence(steps, length, valid_length)
        states = first_states(self, F, begin_state, steps, batch_size)
        cells: list[Any] = list(self._children.values())
        left, right = cells
        n = len(left.state_info(batch_size))
        l_out, l_states = left.unroll(length, steps, states[:n], layout, merge_outputs, valid_length)
        r_out, r_states = right.unroll(length, backwards, states[n:], layout, False, valid_length)
        r_out = reversed_sequence(r_out, length, valid_length)
        if merge_outputs is None:
            merge_outputs = isinstance(l_out, TENSOR)
        l_out = format_sequence(None, l_out, layout, merge_outputs)[0]
        r_out = format_sequence(None, r_out, layout, merge_outputs)[0]
        outputs: Any
        if merge_outputs:
            outputs = F.concat(l_out, r_out, dim=2, name=self._output_prefix + "out")
        else:
            outputs = [F.concat(a, b, dim=1, name=f"{self._output_prefix}t{i}") for i, (a, b) in enumerate(zip(l_out, r_out))]
        if valid_length is not None:
            outputs = masked(F, outputs, length, valid_length, axis, merge_outputs)
        return outputs, l_states + r_states

    def hybrid_forward(self, F: Any, inputs: Any, states: Any) -> Any:
        """Not used: there is no step from both ends."""
        raise NotImplementedError("Bidirectional cannot be stepped. Please use unroll")
