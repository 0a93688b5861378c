"""Where MXNet kept more to read about operators of symbols. What they do stands in their docstrings; here are their shapes."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._typing import Shape, ShapeLike
    from .symbol import Symbol


class SymbolDoc:
    """What the classes here share."""

    @staticmethod
    def get_output_shape(sym: Symbol, **input_shapes: ShapeLike) -> dict[str, Shape]:
        """Output names to their shapes, for inputs of the given shapes.

        >>> x = mx.sym.Variable("x")
        >>> SymbolDoc.get_output_shape(mx.sym.FullyConnected(x, num_hidden=3, name="fc"), x=(2, 5))
        {'fc_output': (2, 3)}
        """
        _, outputs, _ = sym.infer_shape(**input_shapes)
        return dict(zip(sym.list_outputs(), outputs))


class ActivationDoc(SymbolDoc):
    """sym.Activation: the output has the shape of the input."""


class DropoutDoc(SymbolDoc):
    """sym.Dropout: the output has the shape of the input, and in prediction its values."""


class EmbeddingDoc(SymbolDoc):
    """sym.Embedding: indices of shape (...) give vectors of shape (..., output_dim)."""


class FlattenDoc(SymbolDoc):
    """sym.Flatten: (n, a, b, ...) becomes (n, a * b * ...)."""


class FullyConnectedDoc(SymbolDoc):
    """sym.FullyConnected: (n, ...) becomes (n, num_hidden); with flatten=False (..., a) becomes (..., num_hidden)."""


class ConcatDoc(SymbolDoc):
    """sym.Concat: shapes that differ along the axis dim only are joined there."""


class BroadcastPlusDoc(SymbolDoc):
    """sym.broadcast_plus: extents are the same, or one of them is 1."""
