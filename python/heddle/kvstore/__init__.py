"""Arrays by key, shared by the devices of one machine: gradients go in, weights come out."""
from . import base, kvstore, kvstore_server
from .base import KVStoreBase
from .kvstore import KVStore, create

__all__ = ["KVStore", "KVStoreBase", "base", "create", "kvstore", "kvstore_server"]
