"""Running a block's Python with symbols in the place of arrays, and saying which line does not take them."""
from __future__ import annotations

import os
import threading
import traceback

from .. import symbol
from ..ndarray import _call
from ..symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._ops import Op

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_STATE = threading.local()
_LOCK = threading.Lock()
entered = 0  # by all threads together: while it is 0, none has to be asked


class Tracing:
    """While it is entered, a graph is made that will run instead of Python. With `arrays`, functions of mx.nd make nodes
    where they are given symbols, and parameters stand for their variables: for a forward that was written for arrays."""

    def __init__(self, arrays: bool = False) -> None:
        self._arrays = arrays

    def __enter__(self) -> Tracing:
        _count(1)
        self._before = getattr(_STATE, "tracing", None), getattr(_call.REDIRECT, "call", None)
        _STATE.tracing = self
        if self._arrays:
            _call.REDIRECT.call = _as_node
        return self

    def __exit__(self, *_: object) -> None:
        _STATE.tracing, _call.REDIRECT.call = self._before
        _count(-1)


def _count(more: int) -> None:
    global entered
    with _LOCK:
        entered += more


def is_tracing() -> bool:
    """Whether this thread makes a graph that will run instead of Python."""
    return getattr(_STATE, "tracing", None) is not None


def takes_arrays() -> bool:
    """Whether what is traced was written for arrays."""
    tracing = getattr(_STATE, "tracing", None)
    return tracing is not None and tracing._arrays


def _as_node(op: Op, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a function of mx.nd gives while a forward is traced; NotImplemented where no input is a symbol."""
    if not any(isinstance(value, Symbol) for value in (*inputs, *kwargs.values())):
        return NotImplemented
    return getattr(symbol._internal if op.name.startswith("_") else symbol.op, op.name)(*inputs, **kwargs)


def line_of(error: BaseException) -> str:
    """Where in the user's code an error came up: "file:line: text"."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_PACKAGE)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else "in heddle"


def is_about_symbols(error: BaseException) -> bool:
    """Whether an error says that a symbol cannot do what an array can."""
    return isinstance(error, (NotImplementedError, AttributeError, TypeError, ValueError)) and "ymbol" in f"{type(error)} {error}"
