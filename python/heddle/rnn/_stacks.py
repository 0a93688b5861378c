"""Cells above each other, and in both directions."""
from __future__ import annotations

from .. import symbol
from ..symbol import Symbol
from ._base import BaseRNNCell, all_states, split_steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .._typing import Arrays
    from ._base import RNNParams, Sequenced, States


class _Stack(BaseRNNCell):
    """Several cells as one."""

    def __init__(self, prefix: str, params: RNNParams | None) -> None:
        self._cells: list[BaseRNNCell] = []
        super().__init__(prefix, params)
        self._override_cell_params = params is not None

    def _adopt(self, cell: BaseRNNCell) -> None:
        """Shares its variables with a cell. Raises ValueError where both were given variables."""
        self._cells.append(cell)
        if self._override_cell_params:
            if not cell._own_params:
                raise ValueError(f"Either specify params for {type(self).__name__} or child cells, not both: found both")
            cell.params._params.update(self.params._params)
        self.params._params.update(cell.params._params)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return all_states(self._cells)

    def begin_state(self, **kwargs: Any) -> States:  # type: ignore[override]  # func too, by its name
        self._check_unmodified()
        return [state for cell in self._cells for state in cell.begin_state(**kwargs)]

    def unpack_weights(self, args: Arrays) -> Arrays:
        for cell in self._cells:
            args = cell.unpack_weights(args)
        return args

    def pack_weights(self, args: Arrays) -> Arrays:
        for cell in self._cells:
            args = cell.pack_weights(args)
        return args

    def _parts(self, states: States) -> list[States]:
        """The states of each cell. What unroll() of a BidirectionalCell gave, a list for each direction, will do too."""
        states = [state for part in states for state in (part if isinstance(part, list) else [part])]
        counts = [len(cell.state_info) for cell in self._cells]
        return [states[sum(counts[:i]):sum(counts[:i + 1])] for i in range(len(counts))]


class SequentialRNNCell(_Stack):
    """Cells above each other: the output of one is the input of the next."""

    def __init__(self, params: RNNParams | None = None) -> None:
        super().__init__("", params)

    def add(self, cell: BaseRNNCell) -> None:
        """Puts a cell on top."""
        self._adopt(cell)

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        self._check_unmodified()
        self._counter += 1
        after: States = []
        for cell, part in zip(self._cells, self._parts(states)):
            inputs, part = cell(inputs, part)
            after += part
        return inputs, after

    def unroll(self, length: int, inputs: Sequenced, begin_state: States | None = None, layout: str = "NTC",
               merge_outputs: bool | None = None) -> tuple[Any, States]:
        self.reset()
        begin = self.begin_state() if begin_state is None else begin_state
        after: States = []
        for i, (cell, part) in enumerate(zip(self._cells, self._parts(begin))):
            merge = merge_outputs if i == len(self._cells) - 1 else None
            inputs, part = cell.unroll(length, inputs, part, layout, merge)
            after += part
        return inputs, after


class BidirectionalCell(_Stack):
    """Two cells, one of which reads the sequence backwards; their outputs lie side by side. The last states that unroll()
    gives are a list for each of the two, as in MXNet."""

    def __init__(self, l_cell: BaseRNNCell, r_cell: BaseRNNCell, params: RNNParams | None = None,
                 output_prefix: str = "bi_") -> None:
        super().__init__("", params)
        self._output_prefix = output_prefix
        self._adopt(l_cell)
        self._adopt(r_cell)

    def __call__(self, inputs: Symbol, states: States) -> NoReturn:
        raise NotImplementedError("Bidirectional cannot be stepped. Please use unroll")

    def unroll(self, length: int, inputs: Sequenced, begin_state: States | None = None, layout: str = "NTC",
               merge_outputs: bool | None = None) -> tuple[Any, States]:
        self.reset()
        steps, axis = split_steps(length, inputs, layout)
        begin = self.begin_state() if begin_state is None else begin_state
        runs = [cell.unroll(length, given, part, layout, merge_outputs)
                for cell, given, part in zip(self._cells, (steps, steps[::-1]), self._parts(begin))]
        left, right = (run[0] for run in runs)
        if merge_outputs is None:
            merge_outputs = isinstance(left, Symbol) and isinstance(right, Symbol)
        joint: Any
        if merge_outputs:
            joint = symbol.Concat(left, symbol.reverse(right, axis=axis), dim=2, name=f"{self._output_prefix}out")
        else:
            lefts, rights = split_steps(length, left, layout)[0], split_steps(length, right, layout)[0]
            joint = [symbol.Concat(*pair, dim=1, name=f"{self._output_prefix}t{i}")
                     for i, pair in enumerate(zip(lefts, rights[::-1]))]
        after: Any = [run[1] for run in runs]
        return joint, after
