"""Checkpoints of recurrent networks, whose files hold the weights gate by gate, so that fused and single cells read the same."""
from __future__ import annotations

import warnings

from .. import symbol
from .._checkpoint import load_checkpoint, save_checkpoint
from ._base import BaseRNNCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, EpochEnd, OneOrMore
    from ..symbol import Symbol
    from ._base import Sequenced, States

__all__ = ["do_rnn_checkpoint", "load_rnn_checkpoint", "rnn_unroll", "save_rnn_checkpoint"]


def rnn_unroll(cell: BaseRNNCell, length: int, inputs: Sequenced | None = None, begin_state: States | None = None,
               input_prefix: str = "", layout: str = "NTC") -> tuple[Any, States]:
    """cell.unroll(), as programs of 0.9 call it; without inputs, variables INPUT_PREFIXtSTEP_data are made."""
    warnings.warn("rnn_unroll is deprecated. Please call cell.unroll directly.", stacklevel=2)
    if inputs is None:
        inputs = [symbol.Variable(f"{input_prefix}t{i}_data") for i in range(length)]
    return cell.unroll(length, inputs, begin_state, layout)


def _listed(cells: OneOrMore[BaseRNNCell]) -> list[BaseRNNCell]:
    return [cells] if isinstance(cells, BaseRNNCell) else list(cells)


def save_rnn_checkpoint(cells: OneOrMore[BaseRNNCell], prefix: str, epoch: int, symbol: Symbol, arg_params: Arrays,
                        aux_params: Arrays) -> None:
    """Writes a checkpoint as save_checkpoint does, with the weights of the cells unpacked."""
    for cell in _listed(cells):
        arg_params = cell.unpack_weights(arg_params)
    save_checkpoint(prefix, epoch, symbol, arg_params, aux_params)


def load_rnn_checkpoint(cells: OneOrMore[BaseRNNCell], prefix: str, epoch: int) -> tuple[Symbol, Arrays, Arrays]:
    """(symbol, arg_params, aux_params) of such a checkpoint, with the weights packed for the cells."""
    network, arg_params, aux_params = load_checkpoint(prefix, epoch)
    for cell in _listed(cells):
        arg_params = cell.pack_weights(arg_params)
    return network, arg_params, aux_params


def do_rnn_checkpoint(cells: OneOrMore[BaseRNNCell], prefix: str, period: int = 1) -> EpochEnd:
    """A function for fit(epoch_end_callback=...): after every period epochs, save_rnn_checkpoint(prefix, epoch + 1)."""
    period = max(1, int(period))

    def callback(iter_no: int, sym: Symbol, arg: Arrays, aux: Arrays) -> None:
        if (iter_no + 1) % period == 0:
            save_rnn_checkpoint(cells, prefix, iter_no + 1, sym, arg, aux)

    return callback
