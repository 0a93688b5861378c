"""Keeps the states of an optimizer, and calls it."""
from __future__ import annotations

from ..ndarray import NDArray, load_frombuffer
from .optimizer import Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..context import Context

_LIST = (0x112).to_bytes(8, "little")  # begins a file of arrays; no pickle begins so


class Updater:
    """updater(index, gradient, weight): states are made at the first update of each index."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self.states_synced: dict[Any, bool] = {}
        self.aggregate_updates = optimizer.aggregate_num > 0

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        """One index, gradient and weight, or lists of them."""
        if not isinstance(index, (list, tuple)):
            self._prepare(index, weight)
            self.optimizer._set_current_context(weight.device[1])
            self.optimizer.update_multi_precision(index, weight, grad, self.states[index])
            return
        if not index:
            return
        states = self.states
        if not all(map(self.states_synced.get, index)) or not states.keys() >= set(index):
            for i, w in zip(index, weight):
                self._prepare(i, w)
        optimizer = self.optimizer
        optimizer._set_current_context(weight[0].device[1])
        kind = optimizer._kind()
        if kind.takes_all:
            optimizer.update_multi_precision(index, weight, grad, [states[i] for i in index])
        elif optimizer.aggregate_num > 0 and kind.takes_some:
            for some in self._groups(weight, optimizer.aggregate_num):
                optimizer.update_multi_precision([index[k] for k in some], [weight[k] for k in some],
                                                 [grad[k] for k in some], [states[index[k]] for k in some])
        else:
            for i, w, g in zip(index, weight, grad):
                optimizer.update_multi_precision(i, w, g, states[i])

    def _prepare(self, index: Any, weight: NDArray) -> None:
        """Makes the state of a new index; brings one that was loaded to its weight's device."""
        if index not in self.states:
            self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
        elif not self.states_synced.get(index, True):
            self.states[index] = self.sync_state_context(self.states[index], weight.context)
        self.states_synced[index] = True

    @staticmethod
    def _groups(weights: Sequence[NDArray], most: int) -> list[list[int]]:
        """Places in the list, by dtype, and so many together."""
        by_dtype: dict[str, list[int]] = {}
        for k, w in enumerate(weights):
            by_dtype.setdefault(w.dtype_name, []).append(k)
        return [places[k:k + most] for places in by_dtype.values() for k in range(0, len(places), most)]

    def sync_state_context(self, state: Any, context: Context) -> Any:
        """A state on the device of its weight."""
        if isinstance(state, NDArray):
            return state.as_in_context(context)
        if isinstance(state, (tuple, list)):
            return type(state)(self.sync_state_context(s, context) for s in state)
        return state

    def set_states(self, states: bytes, by_name: bool = False) -> None:
        """Takes what get_states wrote, here or in MXNet, with or without the optimizer; or what the C interface has written
        (hd_trainer_save_states, hd_optimizer_states): a file of arrays, of the rule of this optimizer. There arrays have
        the names of parameters, which are indices here if by_name says so; else the optimizer knows what is called how.
        """
        read = _arranged(self.optimizer, load_frombuffer(states), by_name) if states.startswith(_LIST) else _unpickled(states)
        if isinstance(read, tuple) and len(read) == 2 and isinstance(read[1], Optimizer):
            self.states, self.optimizer = read
            self.aggregate_updates = self.optimizer.aggregate_num > 0
        else:
            self.states = read
        self.states_synced = dict.fromkeys(self.states, False)

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """The states as bytes, with the optimizer if wanted."""
        import pickle
        return pickle.dumps((self.states, self.optimizer) if dump_optimizer else self.states)


def _arranged(optimizer: Optimizer, arrays: Any, by_name: bool) -> dict[Any, Any]:
    """The states of a file of arrays by the indices of an optimizer, which gets the counts and what its rule remembers."""
    found, expected = next(iter(arrays), None), f"rule:{optimizer._rule}"
    if found != expected or type(optimizer).create_state is not Optimizer.create_state:
        raise ValueError(f"[{type(optimizer).__name__}] found states that begin with {found!r}, expected those of an optimizer whose "
                         f"rule makes all of them, with {expected!r}")
    by_key: dict[str, dict[str, NDArray]] = {}
    for name, array in arrays.items():
        if name != expected:
            key, _, what = name.rpartition(":")
            by_key.setdefault(key, {})[what] = array
    known = {**{i: p.name for i, p in optimizer.param_dict.items()}, **optimizer.idx2name}
    names = {name: name for name in known.values()} if by_name else known
    indices = {i: f"s:{name}" for i, name in names.items()}
    if unknown := by_key.keys() - set(indices.values()):
        raise ValueError(f"[{type(optimizer).__name__}] found states of {', '.join(sorted(k[2:] for k in unknown))}, expected some of "
                         f"{', '.join(sorted(k[2:] for k in indices.values()))}")
    count, *memory = arrays[expected].tolist()
    optimizer.num_update = int(count)
    for name, value in zip(optimizer._native().remembers, memory):
        setattr(optimizer, name, value if value == value else None)
    states, counts = {}, {}
    for index, key in indices.items():
        if key not in by_key:
            continue
        kept = {what: array.copy() for what, array in by_key[key].items()}  # devices have their own
        counts[index] = int(kept.pop("count").asscalar())
        master = kept.pop("weight32", None)
        state = optimizer._packed(list(kept.values()))
        states[index] = state if master is None else (master, state) if optimizer._master_first else (state, master)
    optimizer._read_counts = counts
    for of_device in optimizer._all_index_update_counts.values():
        of_device.update(counts)
    return states


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
