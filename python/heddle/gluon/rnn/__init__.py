"""Recurrent layers, and cells that make one step."""
from .rnn_cell import *  # noqa: F403
from .rnn_layer import *  # noqa: F403
