"""Keeps the states of an optimizer, and calls it."""
from __future__ import annotations

from ..ndarray import NDArray
from .optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..context import Context


class Updater:
    """updater(index, gradient, weight): states are made at the first update of each index."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self.states_synced: dict[Any, bool] = {}
        self.aggregate_updates = False

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        if isinstance(index, (list, tuple)):
            for i, g, w in zip(index, grad, weight):
                self(i, g, w)
            return
        if index not in self.states:
            self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
        elif not self.states_synced.get(index, True):
            self.states[index] = self.sync_state_context(self.states[index], weight.context)
        self.states_synced[index] = True
        self.optimizer.update_multi_precision(index, weight, grad, self.states[index])

    def sync_state_context(self, state: Any, context: Context) -> Any:
        """A state on the device of its weight."""
        if isinstance(state, NDArray):
            return state.as_in_context(context)
        if isinstance(state, (tuple, list)):
            return type(state)(self.sync_state_context(s, context) for s in state)
        return state

    def set_states(self, states: bytes) -> None:
        """Takes what get_states wrote, here or in MXNet, with or without the optimizer."""
        read = _unpickled(states)
        if isinstance(read, tuple) and len(read) == 2 and isinstance(read[1], Optimizer):
            self.states, self.optimizer = read
        else:
            self.states = read
        self.states_synced = dict.fromkeys(self.states, False)

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """The states as bytes, with the optimizer if wanted."""
        import pickle
        return pickle.dumps((self.states, self.optimizer) if dump_optimizer else self.states)


def _unpickled(data: bytes) -> Any:
    """What a pickle holds, with heddle's classes where it names MXNet's; texts of Python 2 are read as they are."""
    import io  # not at import: few programs save states
    import pickle

    class Reader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            top, dot, rest = module.partition(".")
            return super().find_class(f"{__name__.partition('.')[0]}{dot}{rest}" if top == "mxnet" else module, name)

    return Reader(io.BytesIO(data), encoding="latin1").load()


def get_updater(optimizer: Optimizer) -> Updater:
    """An Updater of an optimizer."""
    return Updater(optimizer)
