"""mx.kvstore.kvstore_server where MXNet 0.x had it."""
from .kvstore.kvstore_server import KVStoreServer

__all__ = ["KVStoreServer"]
