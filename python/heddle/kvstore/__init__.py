"""Arrays by key, shared by the devices of one machine: gradients go in, weights come out."""
from . import base, kvstore, kvstore_server
from .base import KVStoreBase, create
from .kvstore import KVStore

__all__ = ["KVStore", "KVStoreBase", "base", "create", "kvstore", "kvstore_server"]
