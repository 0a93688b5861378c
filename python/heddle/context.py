"""Devices, and the one that arrays are made on by default."""
from __future__ import annotations

import threading
from typing import TypedDict

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._typing import Device

_STATE = threading.local()


class _ContextMeta(type):
    @property
    def default_ctx(cls) -> Context:
        return current_context()

    @default_ctx.setter
    def default_ctx(cls, context: Context) -> None:
        _STATE.stack = [context]


class Context(metaclass=_ContextMeta):
    """A device: its type and number. As a context manager, the default device of its block."""

    __slots__ = ("device_type", "device_id")
    device_type: str
    device_id: int
    devtype2str = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type = {name: code for code, name in devtype2str.items()}

    def __init__(self, device_type: str | int | Context, device_id: int = 0) -> None:
        if isinstance(device_type, Context):
            device_id = device_type.device_id
            device_type = device_type.device_type
        name = self.devtype2str.get(device_type) if isinstance(device_type, int) else device_type
        if name not in self.devstr2type:
            raise ValueError(
                f"found device type {device_type!r}, expected one of {', '.join(self.devstr2type)}")
        self.device_type = name
        self.device_id = int(device_id)

    @property
    def device_typeid(self) -> int:
        """The number of the device type, as files hold it."""
        return self.devstr2type[self.device_type]

    def empty_cache(self) -> None:
        """Gives the memory that the pool of this device holds back to the system."""
        _core.empty_cache()

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, Context) and self.device_type == other.device_type
                and self.device_id == other.device_id)

    def __hash__(self) -> int:
        return hash((self.device_type, self.device_id))

    def __str__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    __repr__ = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        return Context, (self.device_type, self.device_id)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """What pickles of MXNet hold: the number of the type."""
        self.device_type = self.devtype2str[state["device_typeid"]]
        self.device_id = state["device_id"]

    def __enter__(self) -> Context:
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()


def _stack() -> list[Context]:
    try:
        return _STATE.stack
    except AttributeError:
        _STATE.stack = [_CPU0]
        return _STATE.stack


def current_context() -> Context:
    """The device arrays are made on when none is given."""
    return _stack()[-1]


def cpu(device_id: int = 0) -> Context:
    """The main memory. Numbers other than 0 are the same memory under another name."""
    return Context("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """Main memory that GPUs can reach directly."""
    return Context("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Context:
    """A GPU. Whether there is one shows when it is first used."""
    return Context("gpu", device_id)


def num_gpus() -> int:
    """How many GPUs this process can use."""
    return _core.device_count("gpu")


class MemoryStats(TypedDict):
    """What memory_stats() gives. Bytes, but for allocations."""

    live: int
    cached: int
    peak: int
    allocations: int
    scratch: int
    by_operator: dict[str, int]


def memory_stats(ctx: Context | None = None) -> MemoryStats:
    """Bytes of the pool of a device, cpu() by default: `live` (in arrays now, arenas of bound graphs among them), `cached`
    (free, kept for reuse), `peak` (most that was live at once), and how many `allocations` there were; `scratch`, what
    threads of the CPU keep beside it for kernels to work in (those of bound graphs work in the arena); and `by_operator`,
    what is live by what it is for: "parameters" and "gradients" (of arrays with gradients), "arguments", "auxiliary states"
    and "outputs" that binding made, "arena of <output>" and "prepared weights" of bound graphs, else the name of the operator
    that made it, the largest first. "arrays" came from elsewhere."""
    ctx = _CPU0 if ctx is None else ctx
    stats = _core.memory_stats(ctx.device_type, ctx.device_id)
    by_operator = dict(sorted(stats["by_operator"].items(), key=lambda item: -item[1]))
    return {"live": stats["live"], "cached": stats["cached"], "peak": stats["peak_live"], "allocations": stats["allocations"],
            "scratch": stats["scratch"], "by_operator": by_operator}


def empty_cache() -> None:
    """Gives the memory that is free, but kept for reuse, back to the system, and the scratch memory of threads."""
    _core.empty_cache()


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """(free, total) bytes of a GPU. Raises MXNetError: where there is a card, it is not asked yet."""
    live = _core.memory_stats("gpu", device_id)["live"]  # names what is missing where there is no card
    raise _core.Error(f"[gpu_memory_info] found {live} bytes in use by heddle on gpu({device_id}); "
                      "free and total memory of a card are not reported")


_CPU0 = Context("cpu", 0)
_INTERNED = {("cpu", 0): _CPU0}


def context_of(device: Device) -> Context:
    """The Context of a (type, number) pair."""
    context = _INTERNED.get(device)
    if context is None:
        context = _INTERNED[device] = Context(*device)
    return context
