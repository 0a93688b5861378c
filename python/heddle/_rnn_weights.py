"""Where the weights of each gate lie in the one vector of a fused recurrent network.

First the weights of every layer and direction, input to hidden (i2h) before hidden to hidden (h2h) and gate by gate,
then all biases in the same order: the layout of the operator RNN.
"""
from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ndarray import NDArray

# Suffixes of the gates, in the order in which they are stacked.
GATES = {"rnn_relu": ("",), "rnn_tanh": ("",), "lstm": ("_i", "_f", "_c", "_o"), "gru": ("_r", "_z", "_o")}


class FusedShape(NamedTuple):
    """What a fused network looks like, but for the number of its inputs, which the length of its vector tells."""

    mode: str
    num_hidden: int
    num_layers: int
    bidirectional: bool

    @property
    def gates(self) -> tuple[str, ...]:
        """The suffixes of the gates. Raises KeyError for an unknown mode."""
        return GATES[self.mode]

    @property
    def directions(self) -> tuple[str, ...]:
        """l, and r where there are two."""
        return ("l", "r") if self.bidirectional else ("l",)

    def length(self, inputs: int) -> int:
        """How many numbers the vector holds."""
        rows = len(self.directions) * len(self.gates) * self.num_hidden
        upper = (len(self.directions) + 1) * self.num_hidden + 2
        return rows * (inputs + self.num_hidden + 2 + (self.num_layers - 1) * upper)

    def inputs(self, length: int) -> int:
        """How many inputs a vector of this length is for. Raises ValueError where no number fits."""
        rows = len(self.directions) * len(self.gates) * self.num_hidden
        inputs = (length - self.length(0)) // rows
        if inputs < 1 or self.length(inputs) != length:
            raise ValueError(f"the vector of a {self.mode} of {self.num_layers} layers with {self.num_hidden} hidden units has "
                             f"{length} numbers, expected {self.length(0)} + {rows} times the number of inputs")
        return inputs

    def pieces(self, prefix: str, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """(name, shape) of the weights and biases of each gate, in their order."""
        hidden = self.num_hidden
        for layer in range(self.num_layers):
            below = hidden * len(self.directions) if layer else inputs
            for direction in self.directions:
                for group, columns in (("i2h", below), ("h2h", hidden)):
                    for gate in self.gates:
                        yield f"{prefix}{direction}{layer}_{group}{gate}_weight", (hidden, columns)
        for layer in range(self.num_layers):
            for direction in self.directions:
                for group in ("i2h", "h2h"):
                    for gate in self.gates:
                        yield f"{prefix}{direction}{layer}_{group}{gate}_bias", (hidden,)

    def slices(self, vector: NDArray, prefix: str) -> Iterator[tuple[str, NDArray]]:
        """(name, view of the vector) of each piece. Raises ValueError where the length fits no number of inputs."""
        begin = 0
        for name, shape in self.pieces(prefix, self.inputs(vector.size)):
            end = begin + shape[0] * (shape[1] if len(shape) == 2 else 1)
            yield name, vector[begin:end].reshape(shape)
            begin = end
