"""Small things that scripts ask for."""
from __future__ import annotations

import os

from .context import gpu_memory_info, num_gpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def get_gpu_count() -> int:
    """How many GPUs this process can use."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """(free, total) bytes of a GPU."""
    return gpu_memory_info(gpu_dev_id)


def is_np_shape() -> bool:
    """Whether shapes have NumPy's meaning: never, as there is no mx.np."""
    return False


is_np_array = is_np_shape


def set_module(module: str | None) -> Callable[[Any], Any]:
    """A decorator that sets __module__."""

    def decorate(thing: Any) -> Any:
        if module is not None:
            thing.__module__ = module
        return thing

    return decorate


def getenv(name: str) -> str | None:
    """An environment variable, or None."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Sets an environment variable; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(value)
