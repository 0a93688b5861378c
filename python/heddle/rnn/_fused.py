"""The cell of the operator RNN: all layers and steps in one call."""
from __future__ import annotations

import warnings

from .. import initializer, symbol
from .._rnn_weights import FusedShape
from ..ndarray import concatenate
from ._base import BaseRNNCell, joined, merged
from ._cells import GRUCell, LSTMCell, RNNCell
from ._stacks import BidirectionalCell, SequentialRNNCell
from ._modifiers import DropoutCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .._typing import Arrays
    from ..symbol import Symbol
    from ._base import RNNParams, Sequenced, States


class FusedRNNCell(BaseRNNCell):
    """Layers of recurrent cells in one operator, whose parameters are one vector, PREFIXparameters.

    mode: rnn_relu, rnn_tanh, lstm or gru. dropout: the share of values dropped between layers. get_next_state: unroll()
    gives the last states as well, else an empty list. forget_bias: what the forget gates of an lstm start with. prefix:
    the mode and _ if None. Raises ValueError for an unknown mode.
    """

    def __init__(self, num_hidden: int, num_layers: int = 1, mode: str = "lstm", bidirectional: bool = False,
                 dropout: float = 0.0, get_next_state: bool = False, forget_bias: float = 1.0, prefix: str | None = None,
                 params: RNNParams | None = None) -> None:
        super().__init__(f"{mode}_" if prefix is None else prefix, params)
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._dropout = dropout
        self._get_next_state = get_next_state
        self._forget_bias = forget_bias
        self._directions = ["l", "r"] if bidirectional else ["l"]
        self._shape = FusedShape(mode, num_hidden, num_layers, bidirectional)
        init = initializer.FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter = self._params.get("parameters", init=init)
        self._vector = str(self._parameter.name)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"} for _ in range(2 if self._mode == "lstm" else 1)]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return self._shape.gates

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    def unpack_weights(self, args: Arrays) -> Arrays:
        """Parameters with the vector of this cell cut into the weights of each layer, direction and gate."""
        args = dict(args)
        vector = args.pop(self._vector)
        args.update((name, piece.copy()) for name, piece in self._shape.slices(vector, self._prefix))
        return args

    def pack_weights(self, args: Arrays) -> Arrays:
        """The reverse of unpack_weights. Raises KeyError where a piece is missing, ValueError where one has another shape."""
        args = dict(args)
        inputs = args[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"].shape[1]
        pieces = []
        for name, shape in self._shape.pieces(self._prefix, inputs):
            piece = args.pop(name)
            if piece.shape != shape:
                raise ValueError(f"[pack_weights] {name} has shape {piece.shape}, expected {shape}")
            pieces.append(piece.reshape((-1,)))
        args[self._vector] = concatenate(pieces)
        return args

    def __call__(self, inputs: Symbol, states: States) -> NoReturn:
        raise NotImplementedError("FusedRNNCell cannot be stepped. Please use unroll")

    def unroll(self, length: int, inputs: Sequenced, begin_state: States | None = None, layout: str = "NTC",
               merge_outputs: bool | None = None) -> tuple[Any, States]:
        """As BaseRNNCell.unroll. TNC is faster; merge_outputs of None gives one symbol. length: None for any number of steps,
        where outputs are one symbol."""
        self.reset()
        data, axis = joined(length, inputs, layout)
        if axis > 1:
            raise ValueError(f"[FusedRNNCell] found layout={layout!r}, expected NTC or TNC")
        if axis == 1:
            warnings.warn("NTC layout detected. Consider using TNC for FusedRNNCell for faster speed", stacklevel=2)
            data = symbol.swapaxes(data, dim1=0, dim2=1)
        begin = self.begin_state() if begin_state is None else begin_state
        given: dict[str, Any] = dict(zip(("state", "state_cell") if self._mode == "lstm" else ("state",), begin))
        attr = {"__layout__": "LNC"} if self._get_next_state else None
        given.update(mode=self._mode, state_size=self._num_hidden, num_layers=self._num_layers, p=self._dropout,
                     bidirectional=self._bidirectional, state_outputs=self._get_next_state)
        rnn = symbol.RNN(data=data, parameters=self._parameter, name=f"{self._prefix}rnn", attr=attr, **given)
        outputs, *states = list(rnn) if self._get_next_state else [rnn]
        if axis == 1:
            outputs = symbol.swapaxes(outputs, dim1=0, dim2=1)
        return merged(length, outputs, layout, merge_outputs), states

    def unfuse(self) -> SequentialRNNCell:
        """The same network of single cells, for packed weights cut by unpack_weights of this cell and packed by the new one."""
        stack = SequentialRNNCell()
        for layer in range(self._num_layers):
            cell = self._single(f"{self._prefix}l{layer}_")
            if self._bidirectional:
                cell = BidirectionalCell(cell, self._single(f"{self._prefix}r{layer}_"), None, f"{self._prefix}bi_l{layer}_")
            stack.add(cell)
            if self._dropout > 0 and layer < self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{layer}_"))
        return stack

    def _single(self, prefix: str) -> BaseRNNCell:
        if self._mode == "lstm":
            return LSTMCell(self._num_hidden, prefix, forget_bias=self._forget_bias)
        if self._mode == "gru":
            return GRUCell(self._num_hidden, prefix)
        return RNNCell(self._num_hidden, self._mode[len("rnn_"):], prefix)
