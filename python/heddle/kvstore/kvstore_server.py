"""MXNet's process that keeps parameters for workers on other machines. heddle's stores live inside one process."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import KVStoreBase

__all__ = ["KVStoreServer"]


class KVStoreServer:
    """What a server of MXNet runs. kvstore: a store that kvstore.create made."""

    def __init__(self, kvstore: KVStoreBase) -> None:
        self.kvstore = kvstore

    def run(self) -> None:
        """Raises NotImplementedError: stores over several machines are not supported, so there is nobody to serve."""
        raise NotImplementedError(f"[KVStoreServer] found a store of type {getattr(self.kvstore, 'type', None)!r}, which lives "
                                  "in this process and has no server; stores over several machines are not supported")
