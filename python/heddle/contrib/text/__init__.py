"""Words as numbers: counting them, vocabularies, and vectors read from files."""
from . import embedding, utils, vocab

__all__ = ["embedding", "utils", "vocab"]
