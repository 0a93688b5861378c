"""Recurrent networks of symbols: cells, their checkpoints, and batches of sentences."""
from . import io, rnn, rnn_cell
from .io import *  # noqa: F401,F403
from .rnn import *  # noqa: F401,F403
from .rnn_cell import *  # noqa: F401,F403

__all__ = ["io", "rnn", "rnn_cell", *io.__all__, *rnn.__all__, *rnn_cell.__all__]
