"""Cells that change what other cells give: dropout, zoneout, residual connections."""
from __future__ import annotations

from .. import symbol
from ..base import is_number
from ..symbol import Symbol
from ._base import BaseRNNCell, joined, merged, split_steps
from ._stacks import BidirectionalCell, SequentialRNNCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._typing import Arrays
    from ._base import RNNParams, Sequenced, States


class DropoutCell(BaseRNNCell):
    """Drops a share of what passes through it. It has no states. Raises ValueError for what is no number."""

    def __init__(self, dropout: float, prefix: str = "dropout_", params: RNNParams | None = None) -> None:
        super().__init__(prefix, params)
        if not is_number(dropout):
            raise ValueError(f"[DropoutCell] found dropout={dropout!r}, expected a number: dropout probability must be a number")
        self.dropout = dropout

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return []

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        return (symbol.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs), states

    def unroll(self, length: int, inputs: Sequenced, begin_state: States | None = None, layout: str = "NTC",
               merge_outputs: bool | None = None) -> tuple[Any, States]:
        """As BaseRNNCell.unroll; one symbol is not split."""
        self.reset()
        inputs = merged(length, inputs, layout, merge_outputs)
        if isinstance(inputs, Symbol):
            return self(inputs, [])
        return super().unroll(length, inputs, begin_state, layout, merge_outputs)


class ModifierCell(BaseRNNCell):
    """A cell around another, whose parameters and states it has."""

    def __init__(self, base_cell: BaseRNNCell) -> None:
        super().__init__()
        base_cell._modified = True
        self.base_cell = base_cell

    @property
    def params(self) -> RNNParams:
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return self.base_cell.state_info

    def begin_state(  # type: ignore[override]  # MXNet's name for func
            self, init_sym: Callable[..., Symbol] = symbol.zeros, **kwargs: Any) -> States:
        """The initial states of the other cell, made by init_sym."""
        self._check_unmodified()
        kwargs.setdefault("func", init_sym)
        return self._on_base(lambda: self.base_cell.begin_state(**kwargs))

    def _on_base(self, call: Callable[[], Any]) -> Any:
        """What a call of the other cell gives, which it allows to its modifier only."""
        self.base_cell._modified = False
        try:
            return call()
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args: Arrays) -> Arrays:
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: Arrays) -> Arrays:
        return self.base_cell.pack_weights(args)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        raise NotImplementedError(f"{type(self).__name__} does not say what a step is")


def _has_bidirectional(cell: BaseRNNCell) -> bool:
    return isinstance(cell, BidirectionalCell) or (
        isinstance(cell, SequentialRNNCell) and any(_has_bidirectional(c) for c in cell._cells))


class ZoneoutCell(ModifierCell):
    """Keeps a share of the old outputs and states, by chance, in training (arXiv:1606.01305).

    Raises ValueError around a cell that cannot be stepped.
    """

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if hasattr(base_cell, "unfuse"):
            raise ValueError("FusedRNNCell doesn't support zoneout, expected a cell of single steps. Please unfuse first.")
        if _has_bidirectional(base_cell):
            raise ValueError("BidirectionalCell doesn't support zoneout since it doesn't support step. Please add ZoneoutCell to "
                             "the cells underneath instead.")
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states
        self.prev_output: Symbol | None = None

    def reset(self) -> None:
        super().reset()
        self.prev_output = None

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        output, after = self._on_base(lambda: self.base_cell(inputs, states))
        before = symbol.zeros((0, 0)) if self.prev_output is None else self.prev_output
        output = _zoned(self.zoneout_outputs, output, before)
        after = [_zoned(self.zoneout_states, new, old) for new, old in zip(after, states)]
        self.prev_output = output
        return output, after


def _zoned(share: float, new: Symbol, old: Symbol) -> Symbol:
    """New values, a share of which are the old ones."""
    if share == 0.0:
        return new
    return symbol.where(symbol.Dropout(symbol.ones_like(new), p=share), new, old)


class ResidualCell(ModifierCell):
    """Adds the input to the output (arXiv:1609.08144). The two have the same shape."""

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        output, states = self._on_base(lambda: self.base_cell(inputs, states))
        return _added(output, inputs), states

    def unroll(self, length: int, inputs: Sequenced, begin_state: States | None = None, layout: str = "NTC",
               merge_outputs: bool | None = None) -> tuple[Any, States]:
        self.reset()
        outputs, states = self._on_base(lambda: self.base_cell.unroll(length, inputs, begin_state, layout, merge_outputs))
        if isinstance(outputs, Symbol):
            return _added(outputs, joined(length, inputs, layout)[0]), states
        return [_added(o, i) for o, i in zip(outputs, split_steps(length, inputs, layout)[0])], states


def _added(output: Symbol, inputs: Symbol) -> Symbol:
    return symbol.elemwise_add(output, inputs, name=f"{output.name}_plus_residual")
