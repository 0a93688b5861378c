"""Operators in shared objects of their own."""
from __future__ import annotations

import logging
import os

from . import _core, _namespaces

__all__ = ["load"]


def load(path: str | os.PathLike[str], verbose: bool = True) -> None:
    """Loads a library of operators, written in C++ against heddle/library.h, for the rest of the process.

    Its operators are found like all others, in `nd` and `sym`. verbose: tell the log their names. Raises
    FileNotFoundError when there is no such file, and MXNetError, with nothing of it left, when it is no such library,
    was compiled for another heddle, or defines what is defined already.
    """
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"[library] found no file {path!r}")
    names = _core.load_library(path)
    _namespaces.add(names)
    if verbose:
        logging.getLogger(__name__).info("%s: %s", path, ", ".join(names) or "no new operators")
