"""Names for symbols that were given none."""
from __future__ import annotations

import threading

_STATE = threading.local()


class _NameManagerMeta(type):
    @property
    def current(cls) -> NameManager:
        return current()


class NameManager(metaclass=_NameManagerMeta):
    """Counts names per hint: convolution0, convolution1. A block inside it counts for itself."""

    def __init__(self) -> None:
        self._counter: dict[str | None, int] = {}

    def get(self, name: str | None, hint: str | None) -> str:
        """`name`, or the next one for `hint`."""
        if name:
            return name
        count = self._counter.get(hint, 0)
        self._counter[hint] = count + 1
        return f"{hint}{count}"

    def __enter__(self) -> NameManager:
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()


class Prefix(NameManager):
    """Puts a prefix before every name, given or made."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str | None) -> str:
        return self._prefix + super().get(name, hint)


def _stack() -> list[NameManager]:
    try:
        return _STATE.stack
    except AttributeError:
        _STATE.stack = [NameManager()]
        return _STATE.stack


def current() -> NameManager:
    """The innermost manager."""
    return _stack()[-1]
