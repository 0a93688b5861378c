"""The store inside one process: a face of the library's."""
from __future__ import annotations

from os import fspath

from .. import _core
from ..ndarray import NDArray
from ..optimizer import Updater, get_updater
from .base import MAKERS, KVStoreBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..optimizer import Optimizer


class KVStore(KVStoreBase):
    """A store of arrays by key, inside this process. Made by create().

    key: an int or a str (one store has one kind), or a list of keys. A value is an array, or a list of arrays with one
    per device; with a list of keys, a list of values. Calls check all keys first, then return while the engine works;
    sums add the arrays in the order given, so they do not depend on timing. priority: what the engine prefers, larger
    first. Every error names the key: MXNetError (a ValueError too) for keys that are unknown, already there or of the
    other kind, and for arrays of another shape or dtype than what is stored; TypeError for what is no array.
    """

    def __init__(self, handle: str | _core.KVStore = "local") -> None:
        """handle: the type of the store, or one that the library has made."""
        self._core = _core.KVStore(handle) if isinstance(handle, str) else handle
        self._updater: Callable[[Any, NDArray, NDArray], Any] | None = None
        self._by_name = False  # are keys texts?

    @property
    def type(self) -> str:
        """The name it was created with."""
        return self._core.type

    @property
    def rank(self) -> int:
        """The number of this worker: 0, as there is one."""
        return self._core.rank

    @property
    def num_workers(self) -> int:
        """How many workers share the store: 1."""
        return self._core.num_workers

    @staticmethod
    def is_capable(capability: str) -> bool:
        if capability.lower() == KVStoreBase.OPTIMIZER:
            return True
        raise ValueError(f"Unknown capability: {capability}")

    # --- values
    def init(self, key: Any, value: Any) -> None:
        """First values: a copy of the array, or of the first of a list. Once per key."""
        self._core.init(key, value)
        first = key[0] if isinstance(key, (list, tuple)) and key else key
        self._by_name = isinstance(first, str)

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """The sum of the values goes to the updater, or replaces what is stored."""
        self._core.push(key, value, priority)

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """What is stored, into the arrays of out; dtypes are converted. ignore_sparse: arrays are dense here."""
        if out is None:
            raise ValueError("pull: out is missing")
        self._core.pull(key, out, priority)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """push, then pull into out, or into the values."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """init, then pull."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> None:
        """pull, for arrays of which only the rows `row_ids` are needed: arrays are dense, so all rows come.

        row_ids: an array, or a list of them with one per array of out. Raises ValueError without out or row_ids.
        """
        if out is None or row_ids is None:
            raise ValueError(f"row_sparse_pull: {'out' if out is None else 'row_ids'} is missing")
        for ids in row_ids if isinstance(row_ids, (list, tuple)) else [row_ids]:
            if not isinstance(ids, (NDArray, list, tuple)):
                raise TypeError(f"row_sparse_pull: found row_ids of type {type(ids).__name__}, expected NDArray")
        self.pull(key, out, priority)

    # --- what a push does
    def set_gradient_compression(self, compression_params: Mapping[str, Any]) -> None:
        """From now on, pushes add only -threshold, 0 or threshold of each gradient, and keep the rest for later.

        compression_params: {"type": "2bit", "threshold": 0.5}. residual += gradient; what is sent is threshold where
        the residual is at least that, -threshold where at most -threshold, else 0; residual -= sent. Gradients are
        float32. Raises ValueError for other types of compression, for other parameters, and in local stores.
        """
        params = dict(compression_params)
        kind = params.pop("type", None)
        threshold = float(params.pop("threshold", 0.5))
        if kind != "2bit" or params:
            raise ValueError(f"Unknown type for gradient compression: found {dict(compression_params)}, expected "
                             "type '2bit' and a threshold")
        self._core.set_compression(threshold)

    def set_updater(self, updater: Callable[[Any, NDArray, NDArray], Any] | None) -> None:
        """push calls updater(key, gradient, stored) from now on; an optimizer's Updater gets all keys of a push at once.

        None: what is pushed replaces what is stored.
        """
        self._updater = updater
        if updater is None:
            self._core.set_updater(None)
            return
        if isinstance(updater, Updater) and type(updater).__call__ is Updater.__call__:
            self._core.set_updater(updater)
            return

        def each(keys: list[Any], gradients: list[NDArray], stored: list[NDArray]) -> None:
            for key, gradient, weight in zip(keys, gradients, stored):
                updater(key, gradient, weight)

        self._core.set_updater(each)

    _set_updater = set_updater

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """push updates what is stored by this optimizer from now on."""
        self._set_updater(get_updater(optimizer))

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Writes the optimizer's states, and with dump_optimizer the optimizer. Raises RuntimeError without one."""
        _core.write_file(fspath(fname), self._need_optimizer().get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Reads the optimizer's states. Raises RuntimeError without an optimizer."""
        updater = self._need_optimizer()
        with open(fname, "rb") as f:
            updater.set_states(f.read(), self._by_name)

    def _need_optimizer(self) -> Updater:
        if not isinstance(self._updater, Updater):
            raise RuntimeError("the store has no optimizer: call set_optimizer first")
        return self._updater

    def barrier(self) -> None:
        """Waits for all workers: there is one."""

    _barrier = barrier


MAKERS.update(dict.fromkeys(_core.KVStore.types(), KVStore))
