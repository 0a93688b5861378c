"""The engine: what is pending, what calls wait for; and MXNet's switches for grouping eager calls.

Calls are not grouped here: small ones run at once on the calling thread. The switches are kept, and have no
effect on results or speed.
"""
from __future__ import annotations

import contextlib

from . import _core
from .profiler import trace_waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bulk", "pending_graph", "set_bulk_size", "trace_waits"]

_SIZE = [15]


def set_bulk_size(size: int) -> int:
    """Sets the size; returns the previous one."""
    previous, _SIZE[0] = _SIZE[0], int(size)
    return previous


def pending_graph() -> str:
    """The tasks that are pending now as text for Graphviz: their states, and for each variable the order in which
    they use it."""
    return _core.profile.pending_graph()


@contextlib.contextmanager
def bulk(size: int) -> Iterator[None]:
    """A block with another size."""
    previous = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(previous)
