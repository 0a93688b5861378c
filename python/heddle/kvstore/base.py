"""What every store offers, and the register of users' stores."""
from __future__ import annotations

import warnings

from ..ndarray import NDArray, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Any

    from ..optimizer import Optimizer


MAKERS: dict[str, Callable[[str], Any]] = {}  # names of the library's stores, and what makes them


class KVStoreBase:
    """What a store of one's own has to offer; register it with @KVStoreBase.register, then create() knows its name.

    Training calls broadcast once per parameter, then pushpull once per parameter and step, with one array per device.
    """

    OPTIMIZER = "optimizer"
    kv_registry: dict[str, Any] = {}

    def broadcast(self, key: Any, value: NDArray, out: Any, priority: int = 0) -> None:
        """First value of a key, and into the arrays of out."""
        raise NotImplementedError(f"{type(self).__name__} does not define broadcast()")

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """The sum of the values, or what the optimizer makes of it, into the arrays of out, by default the values."""
        raise NotImplementedError(f"{type(self).__name__} does not define pushpull()")

    def set_optimizer(self, optimizer: Optimizer) -> None:
        """Pushed gradients change the weights in the store from now on."""
        raise NotImplementedError(f"{type(self).__name__} has no optimizer")

    @staticmethod
    def is_capable(capability: str) -> bool:
        """Whether the store has a capability, such as OPTIMIZER: updating weights itself."""
        raise NotImplementedError("a store says what it is capable of")

    def save_optimizer_states(self, fname: str | os.PathLike[str], dump_optimizer: bool = False) -> None:
        """Writes the optimizer's states, and with dump_optimizer the optimizer."""
        raise NotImplementedError(f"{type(self).__name__} has no optimizer")

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Reads the optimizer's states."""
        raise NotImplementedError(f"{type(self).__name__} has no optimizer")

    @property
    def type(self) -> str:
        """The name it was created with."""
        raise NotImplementedError("a store has a type")

    @property
    def rank(self) -> int:
        """The number of this worker."""
        raise NotImplementedError("a store says which worker this is")

    @property
    def num_workers(self) -> int:
        """How many workers share the store."""
        raise NotImplementedError("a store says how many workers there are")

    @staticmethod
    def register(klass: Any) -> Any:
        """Makes a class known to create() under its lower-case name."""
        if not isinstance(klass, type):
            raise TypeError(f"found {klass!r} to register, expected a class")
        name = klass.__name__.lower()
        known = KVStoreBase.kv_registry.get(name)
        if known is not None and known is not klass:
            warnings.warn(f"New kvstore {klass.__module__}.{klass.__name__} is overriding existing kvstore "
                          f"{known.__module__}.{known.__name__}", stacklevel=2)
        KVStoreBase.kv_registry[name] = klass
        return klass


@KVStoreBase.register
class TestStore(KVStoreBase):
    """The least that a store can be, for tests: it keeps nothing and adds what it is given."""

    def broadcast(self, key: Any, value: NDArray, out: Any, priority: int = 0) -> None:
        for target in [out] if isinstance(out, NDArray) else out:
            value._copyto(target)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        values = [value] if isinstance(value, NDArray) else list(value)
        total = values[0].copy() if len(values) == 1 else op.add_n(*[v.as_in_context(values[0].context) for v in values])
        for target in values if out is None else [out] if isinstance(out, NDArray) else out:
            total._copyto(target)

    @staticmethod
    def is_capable(capability: str) -> bool:
        if capability.lower() == KVStoreBase.OPTIMIZER:
            return False
        raise ValueError(f"Unknown capability: {capability}")

    @property
    def type(self) -> str:
        return "teststore"

    @property
    def rank(self) -> int:
        return 0

    @property
    def num_workers(self) -> int:
        return 1


def create(name: str = "local") -> Any:
    """A store by its name: local or device, or a registered class. Raises ValueError for others, such as dist_sync."""
    if not isinstance(name, str):
        raise TypeError("name must be a string")
    name = name.lower()
    if name in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[name]()
    if name in MAKERS:
        return MAKERS[name](name)
    known = (*MAKERS, *(registered for registered in KVStoreBase.kv_registry if registered != "teststore"))
    raise ValueError(f"found kvstore {name!r}, expected one of {', '.join(known)}; stores over several machines are not "
                     "supported")
