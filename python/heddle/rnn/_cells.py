"""The plain recurrent cell, LSTM and GRU."""
from __future__ import annotations

from .. import initializer, symbol
from ..symbol import _internal
from .._rnn_weights import GATES
from ._base import BaseRNNCell, activate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..symbol import Symbol
    from ._base import RNNParams, States


class _DenseCell(BaseRNNCell):
    """A cell whose gates are one matrix product with the input and one with the state."""

    def __init__(self, num_hidden: int, prefix: str, params: RNNParams | None, **i2h_bias: Any) -> None:
        super().__init__(prefix, params)
        self._num_hidden = num_hidden
        self._iW = self.params_of("i2h_weight")
        self._iB = self.params_of("i2h_bias", **i2h_bias)
        self._hW = self.params_of("h2h_weight")
        self._hB = self.params_of("h2h_bias")

    def params_of(self, name: str, **kwargs: Any) -> Symbol:
        """A variable of the cell, which stays its own."""
        return self._params.get(name, **kwargs)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    def _products(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Symbol, Symbol]:
        """The two products, named after the step."""
        width = self._num_hidden * len(self._gate_names)
        return (symbol.FullyConnected(data=inputs, weight=self._iW, bias=self._iB, num_hidden=width, name=f"{name}i2h"),
                symbol.FullyConnected(data=state, weight=self._hW, bias=self._hB, num_hidden=width, name=f"{name}h2h"))


class RNNCell(_DenseCell):
    """h' = activation(W x + R h + b). activation: its name, or a function of symbols."""

    def __init__(self, num_hidden: int, activation: Any = "tanh", prefix: str = "rnn_",
                 params: RNNParams | None = None) -> None:
        super().__init__(num_hidden, prefix, params)
        self._activation = activation

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return GATES["rnn_tanh"]

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        name = self._next_step()
        i2h, h2h = self._products(inputs, states[0], name)
        output = activate(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


def lstm_step(gates: list[Symbol], cell: Symbol, activation: Any, name: str) -> tuple[Symbol, States]:
    """Output and states from the sums of the gates i, f, c and o and the old content of the cell."""
    i, f, o = (symbol.Activation(gates[k], act_type="sigmoid", name=name + gate) for k, gate in ((0, "i"), (1, "f"), (3, "o")))
    transform = activate(gates[2], activation, name=f"{name}c")
    kept = f * cell
    content = _internal._plus(kept, i * transform, name=f"{name}state")
    output = _internal._mul(o, activate(content, activation), name=f"{name}out")
    return output, [output, content]


def gru_step(i2h: list[Symbol], h2h: list[Symbol], state: Symbol, activation: Any, name: str) -> tuple[Symbol, States]:
    """Output and state from the products of the gates r, z and o and the old state."""
    reset = symbol.Activation(i2h[0] + h2h[0], act_type="sigmoid", name=f"{name}_r_act")
    update = symbol.Activation(i2h[1] + h2h[1], act_type="sigmoid", name=f"{name}_z_act")
    fresh = activate(i2h[2] + reset * h2h[2], activation, name=f"{name}_h_act")
    output = _internal._plus((1.0 - update) * fresh, update * state, name=f"{name}out")
    return output, [output]


class LSTMCell(_DenseCell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), with forget gates whose bias starts at forget_bias."""

    def __init__(self, num_hidden: int, prefix: str = "lstm_", params: RNNParams | None = None,
                 forget_bias: float = 1.0) -> None:
        super().__init__(num_hidden, prefix, params, init=initializer.LSTMBias(forget_bias=forget_bias))

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return GATES["lstm"]

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        name = self._next_step()
        i2h, h2h = self._products(inputs, states[0], name)
        gates = symbol.SliceChannel(i2h + h2h, num_outputs=4, name=f"{name}slice")
        return lstm_step(list(gates), states[1], "tanh", name)


class GRUCell(_DenseCell):
    """Gated recurrent unit (arXiv:1406.1078), whose reset gate acts on the product with the state, as cuDNN's does."""

    def __init__(self, num_hidden: int, prefix: str = "gru_", params: RNNParams | None = None) -> None:
        super().__init__(num_hidden, prefix, params)

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return GATES["gru"]

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        name = self._next_step()
        products = self._products(inputs, states[0], f"{name}_")  # MXNet writes this line twice, and files hold it
        i2h, h2h = (list(symbol.SliceChannel(product, num_outputs=3, name=f"{name}_{group}_slice"))
                    for group, product in zip(("i2h", "h2h"), products))
        return gru_step(i2h, h2h, states[0], "tanh", name)
