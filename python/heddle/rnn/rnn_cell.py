"""All recurrent cells, under the name of the module that MXNet has them in."""
from ._base import BaseRNNCell, RNNParams
from ._cells import GRUCell, LSTMCell, RNNCell
from ._conv import BaseConvRNNCell, ConvGRUCell, ConvLSTMCell, ConvRNNCell
from ._fused import FusedRNNCell
from ._modifiers import DropoutCell, ModifierCell, ResidualCell, ZoneoutCell
from ._stacks import BidirectionalCell, SequentialRNNCell

__all__ = ["BaseConvRNNCell", "BaseRNNCell", "BidirectionalCell", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell", "DropoutCell",
           "FusedRNNCell", "GRUCell", "LSTMCell", "ModifierCell", "ResidualCell", "RNNCell", "RNNParams", "SequentialRNNCell",
           "ZoneoutCell"]
