"""Counting words."""
from __future__ import annotations

import collections
import re


def count_tokens_from_str(source_str: str, token_delim: str = " ", seq_delim: str = "\n", to_lower: bool = False,
                          counter_to_update: collections.Counter[str] | None = None) -> collections.Counter[str]:
    """How often each token occurs in a text.

    token_delim and seq_delim: regular expressions between tokens, and between sequences of them. counter_to_update: a
    Counter to add to, which is then what is given back.
    """
    tokens = filter(None, re.split(f"{token_delim}|{seq_delim}", source_str.lower() if to_lower else source_str))
    counter = collections.Counter() if counter_to_update is None else counter_to_update
    counter.update(tokens)
    return counter
