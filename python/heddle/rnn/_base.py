"""What all recurrent cells have in common: names, parameters, initial states, unrolling."""
from __future__ import annotations

from .. import symbol
from ..ndarray import concatenate
from ..symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .._typing import Arrays

    Sequenced = Symbol | Sequence[Symbol]  # a sequence as one symbol, or step by step
    States = list[Symbol]


class RNNParams:
    """The variables that a cell, or several that share them, use. Names get a prefix."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._params: dict[str, Symbol] = {}

    def get(self, name: str, **kwargs: Any) -> Symbol:
        """The variable of this name; made, with the other arguments of sym.Variable, when it is first asked for."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = symbol.Variable(name, **kwargs)
        return self._params[name]


class BaseRNNCell:
    """A cell: called with the input of one step and the states, it gives its output and the next states.

    prefix: of the names of its nodes and variables. params: an RNNParams to share the variables of.
    """

    def __init__(self, prefix: str = "", params: RNNParams | None = None) -> None:
        self._own_params = params is None
        self._params = RNNParams(prefix) if params is None else params
        self._prefix = prefix
        self._modified = False
        self.reset()

    def reset(self) -> None:
        """Counts steps from 0 again. unroll() begins with it."""
        self._init_counter = -1
        self._counter = -1
        for cell in getattr(self, "_cells", ()):
            cell.reset()

    def __call__(self, inputs: Symbol, states: States) -> tuple[Symbol, States]:
        """(output, next states) of one step. inputs: (batch, features)."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a step is")

    @property
    def params(self) -> RNNParams:
        """The variables of the cell; from then on they belong to another cell as well."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """The shape of each state, with 0 for the batch, and its layout."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its states are")

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        """The shapes of the states."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ()

    def _next_step(self) -> str:
        """The prefix of the names of the next step's nodes."""
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    def _check_unmodified(self) -> None:
        if self._modified:
            raise ValueError(f"[{type(self).__name__}] a modifier holds this cell, expected a call of the modifier: After applying "
                             "modifier cells (e.g. ZoneoutCell) the base cell cannot be called directly")

    def begin_state(self, func: Callable[..., Symbol] = symbol.zeros, **kwargs: Any) -> States:
        """The initial states: func, such as sym.zeros, sym.ones or sym.Variable, makes each from a name and a shape, and gets
        the other arguments too. Raises ValueError where a modifier holds the cell."""
        self._check_unmodified()
        states = []
        for info in self.state_info:
            self._init_counter += 1
            states.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **{**kwargs, **info}))
        return states

    def unpack_weights(self, args: Arrays) -> Arrays:
        """Parameters with the stacked weights of this cell cut into those of each gate. Raises KeyError where one is missing."""
        args = dict(args)
        if not self._gate_names:
            return args
        rows = self._num_hidden
        for group in ("i2h", "h2h"):
            stem = f"{self._prefix}{group}"
            weight, bias = args.pop(f"{stem}_weight"), args.pop(f"{stem}_bias")
            for i, gate in enumerate(self._gate_names):
                args[f"{stem}{gate}_weight"] = weight[i * rows:(i + 1) * rows].copy()
                args[f"{stem}{gate}_bias"] = bias[i * rows:(i + 1) * rows].copy()
        return args

    def pack_weights(self, args: Arrays) -> Arrays:
        """The reverse of unpack_weights. Raises KeyError where one is missing."""
        args = dict(args)
        if not self._gate_names:
            return args
        for group in ("i2h", "h2h"):
            stem = f"{self._prefix}{group}"
            parts = {kind: [args.pop(f"{stem}{gate}_{kind}") for gate in self._gate_names] for kind in ("weight", "bias")}
            for kind, arrays in parts.items():
                args[f"{stem}_{kind}"] = concatenate(arrays)
        return args

    _num_hidden: int

    def unroll(self, length: int, inputs: Sequenced, begin_state: States | None = None, layout: str = "NTC",
               merge_outputs: bool | None = None) -> tuple[Any, States]:
        """(outputs, states) of a number of steps.

        inputs: one symbol with an axis T, as layout says, or one symbol per step. begin_state: zeros if None. merge_outputs:
        True for one symbol with an axis T, False for one symbol per step, None for whichever comes by itself. Raises
        ValueError where the number of inputs is not length.
        """
        self.reset()
        steps, _ = split_steps(length, inputs, layout)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
        return merged(length, outputs, layout, merge_outputs), states


def activate(inputs: Symbol, activation: Any, **kwargs: Any) -> Symbol:
    """The activation of a name or, where it is a function such as sym.LeakyReLU, what that makes."""
    if isinstance(activation, str):
        kwargs["act_type"] = activation
        return symbol.Activation(inputs, **kwargs)
    return activation(inputs, **kwargs)


def steps_of(data: Symbol, axis: int, length: int) -> list[Symbol]:
    """The slices of a symbol along an axis."""
    squeeze: Any = 1  # which is how MXNet's files say True here
    return list(symbol.split(data, axis=axis, num_outputs=length, squeeze_axis=squeeze))


def _checked(length: int | None, inputs: Any) -> Any:
    """The inputs of unroll(). Raises ValueError for what is neither one symbol nor one per step."""
    if inputs is None:
        raise ValueError("[unroll] found no inputs, expected a symbol, or one per step: make the variables before")
    if isinstance(inputs, Symbol):
        if len(inputs) != 1:
            raise ValueError(f"[unroll] found a group of {len(inputs)} symbols, expected list(inputs), or one symbol to split")
    elif length is not None and len(inputs) != length:
        raise ValueError(f"[unroll] found {len(inputs)} inputs, expected length={length}")
    return inputs


def time_axis(layout: str) -> int:
    """Where T is in a layout. Raises ValueError where it is not."""
    if "T" not in layout:
        raise ValueError(f"[unroll] found layout={layout!r}, expected one with an axis T, such as NTC or TNC")
    return layout.find("T")


def split_steps(length: int, inputs: Sequenced, layout: str) -> tuple[list[Symbol], int]:
    """One symbol per step, and the axis T of the layout."""
    axis = time_axis(layout)
    inputs = _checked(length, inputs)
    if isinstance(inputs, Symbol):
        return steps_of(inputs, axis, length), axis
    return list(inputs), axis


def joined(length: int | None, inputs: Sequenced, layout: str) -> tuple[Symbol, int]:
    """One symbol with an axis T, and that axis."""
    axis = time_axis(layout)
    inputs = _checked(length, inputs)
    if not isinstance(inputs, Symbol):
        inputs = symbol.Concat(*[symbol.expand_dims(i, axis=axis) for i in inputs], dim=axis)
    return inputs, axis


def merged(length: int, outputs: Sequenced, layout: str, merge: bool | None) -> Any:
    """Outputs as merge_outputs wishes them."""
    if merge is None:
        return outputs
    return joined(length, outputs, layout)[0] if merge else split_steps(length, outputs, layout)[0]


def all_states(cells: Iterable[BaseRNNCell]) -> list[dict[str, Any]]:
    """The states of several cells."""
    return [info for cell in cells for info in cell.state_info]
