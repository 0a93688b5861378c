"""Where names of blocks come from: prefixes, counted per kind of block inside the block that they are made in."""
from __future__ import annotations

import threading

from .. import name as _name
from .parameter import ParameterDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STATE = threading.local()


class NameScope:
    """While it is entered, blocks that are made are children of a block: their names begin with its prefix.

    It is made for a `with` statement and holds the block for as long; the counts are the block's own.
    """

    __slots__ = ("_block", "_names", "_outer")

    def __init__(self, block: Any) -> None:
        self._block = block

    def __enter__(self) -> NameScope:
        if not self._block._empty_prefix:
            self._outer = getattr(_STATE, "block", None)
            _STATE.block = self._block
            self._names = _name.Prefix(self._block.prefix)
            self._names.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        if not self._block._empty_prefix:
            self._names.__exit__(*exception)
            _STATE.block = self._outer


def names_for(prefix: str | None, params: ParameterDict | None, hint: str) -> tuple[str, ParameterDict]:
    """(prefix, parameters) of a block that is made here. params: those it shares, of another block."""
    parent = getattr(_STATE, "block", None)
    if parent is None:
        if prefix is None:
            prefix = _name.current().get(None, hint) + "_"
        return prefix, ParameterDict(prefix) if params is None else ParameterDict(params.prefix, params)
    if prefix is None:
        count = parent._child_counts.get(hint, 0)
        prefix = f"{hint}{count}_"
        parent._child_counts[hint] = count + 1
    if params is None:
        own = ParameterDict(parent.params.prefix + prefix, parent.params._shared)
    else:
        own = ParameterDict(params.prefix, params)
    return parent.prefix + prefix, own
