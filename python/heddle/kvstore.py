"""Arrays by key, shared by the devices of one machine: gradients go in, weights come out."""
from __future__ import annotations

from . import _core
from . import optimizer as _optimizer
from .ndarray import NDArray, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._typing import Arrays
    from .optimizer import Optimizer

_LOCAL = ("local", "local_update_cpu", "local_allreduce_cpu", "device", "local_allreduce_device")
_BIG = 1024 * 1024 * 16


class KVStoreBase:
    """What a store of one's own has to offer; register it with @KVStoreBase.register."""

    OPTIMIZER = "optimizer"
    kv_registry: dict[str, Any] = {}

    @staticmethod
    def register(klass: type[Any]) -> Any:
        """Makes a class known to create() under its lower-case name."""
        KVStoreBase.kv_registry[klass.__name__.lower()] = klass
        return klass

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store has a capability, such as OPTIMIZER."""
        raise NotImplementedError("a store says what it is capable of")


def _pairs(keys: Any, values: Any) -> list[tuple[Any, list[NDArray]]]:
    """(key, list of arrays) of what init, push and pull take."""
    if isinstance(keys, (list, tuple)):
        if len(keys) != len(values):
            raise ValueError(f"found {len(keys)} keys and {len(values)} values")
        return [pair for key, value in zip(keys, values) for pair in _pairs(key, value)]
    if not isinstance(keys, (int, str)):
        raise TypeError(f"unexpected type for keys: {type(keys)}")
    values = [values] if isinstance(values, NDArray) else list(values)
    for value in values:
        if not isinstance(value, NDArray):
            raise TypeError(f"key {keys}: found a value of type {type(value).__name__}, expected NDArray")
    return [(keys, values)]


class KVStore(KVStoreBase):
    """A store inside this process."""

    def __init__(self, name: str = "local") -> None:
        self._type = name
        self._stored: dict[Any, NDArray] = {}
        self._updater: Callable[[Any, NDArray, NDArray], Any] | None = None

    @property
    def type(self) -> str:
        """The name it was created with."""
        return self._type

    @property
    def rank(self) -> int:
        """The number of this worker: 0, as there is one."""
        return 0

    @property
    def num_workers(self) -> int:
        """How many workers share the store: 1."""
        return 1

    @staticmethod
    def is_capable(capability: str) -> bool:
        if capability.lower() == KVStoreBase.OPTIMIZER:
            return True
        raise ValueError(f"Unknown capability: {capability}")

    def _need(self, key: Any) -> NDArray:
        if key not in self._stored:
            raise ValueError(f"[KVStore] key {key} has not been inited, expected init({key!r}, array) before")
        return self._stored[key]

    def init(self, key: Any, value: Any) -> None:
        """First values; once per key.

        key and value: an int or str and an array, or lists of them; here and below an array may be a list of arrays,
        one per device. Raises ValueError for a key that is there already, and for keys of both types.
        """
        for k, values in _pairs(key, value):
            if k in self._stored:
                raise ValueError(f"duplicate init of key {k}")
            if self._stored and isinstance(k, str) != isinstance(next(iter(self._stored)), str):
                raise ValueError("inconsistent key types: a store has keys that are int or str, not both")
            self._stored[k] = values[0].copy()

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """The sum of the values goes to the updater, or replaces what is stored. Raises ValueError before init."""
        for k, values in _pairs(key, value):
            stored = self._need(k)
            values = [v.as_in_context(stored.context) for v in values]
            merged = values[0] if len(values) == 1 else op.add_n(*values)
            if self._updater is not None:
                self._updater(k, merged, stored)
            else:
                merged._copyto(stored)

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """What is stored, into the arrays of out. Raises ValueError before init."""
        if out is None:
            raise ValueError("pull: out is missing")
        for k, targets in _pairs(key, out):
            stored = self._need(k)
            for target in targets:
                stored._copyto(target)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """push, then pull into out, or into the values."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: NDArray, out: Any, priority: int = 0) -> None:
        """init, then pull."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> Any:
        """Not offered: arrays are dense."""
        raise ValueError("row_sparse_pull needs row_sparse arrays, which are not supported")

    def set_gradient_compression(self, compression_params: Mapping[str, Any]) -> Any:
        """Not offered inside one process, as in MXNet's local stores."""
        raise ValueError(f"Gradient compression is not supported for this type of kvstore: {self._type}")

    def set_updater(self, updater: Callable[[Any, NDArray, NDArray], Any]) -> None:
        """push calls updater(key, gradient, stored) from now on."""
        self._updater = updater

    _set_updater = set_updater

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """push updates what is stored by this optimizer from now on."""
        self._updater = _optimizer.get_updater(optimizer)

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Writes the optimizer's states, and with dump_optimizer the optimizer. Raises RuntimeError without one."""
        updater = self._need_optimizer()
        with open(fname, "wb") as f:
            f.write(updater.get_states(dump_optimizer))

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Reads the optimizer's states. Raises RuntimeError without an optimizer."""
        updater = self._need_optimizer()
        with open(fname, "rb") as f:
            updater.set_states(f.read())

    def _need_optimizer(self) -> _optimizer.Updater:
        if not isinstance(self._updater, _optimizer.Updater):
            raise RuntimeError("the store has no optimizer: call set_optimizer first")
        return self._updater

    def barrier(self) -> None:
        """Waits for all workers: there is one."""

    _barrier = barrier


def create(name: str = "local") -> KVStoreBase:
    """A store by its name: local or device, or a registered class. Raises ValueError for others, such as dist_sync."""
    if not isinstance(name, str):
        raise TypeError("name must be a string")
    name = name.lower()
    if name in _LOCAL:
        return KVStore(name)
    if name in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[name]()
    raise ValueError(f"found kvstore {name!r}, expected one of {', '.join((*_LOCAL, *KVStoreBase.kv_registry))}; "
                     "stores over several machines are not supported")


def create_for(kvstore: str | KVStoreBase | None, num_device: int, arg_params: Arrays) -> tuple[Any, bool]:
    """(store or None, whether it updates the parameters) for training on num_device devices."""
    if kvstore is None:
        return None, False
    if isinstance(kvstore, KVStoreBase):
        return kvstore, kvstore.is_capable(KVStoreBase.OPTIMIZER)
    if not isinstance(kvstore, str):
        raise TypeError("kvstore must be KVStore, str or None")
    if num_device == 1 and "dist" not in kvstore:
        return None, False  # nothing to share
    on_store = _core.setting_flag("MXNET_UPDATE_ON_KVSTORE")
    if kvstore == "local" and max((a.size for a in arg_params.values()), default=0) > _BIG:
        on_store = False
    return create(kvstore), on_store
