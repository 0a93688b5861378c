"""Runs a script that was written for MXNet, unchanged: `import mxnet` in it finds heddle.

    python -m heddle SCRIPT [ARGUMENT ...]
    python -m heddle -m MODULE [ARGUMENT ...]
"""
from __future__ import annotations

import os
import runpy
import sys

from . import _alias


def main(arguments: list[str]) -> None:
    """Runs what the arguments name, as `python SCRIPT ...` and `python -m MODULE ...` do."""
    module = arguments[:1] == ["-m"]
    rest = arguments[1:] if module else arguments
    if not rest or rest[0].startswith("-"):
        sys.exit(str(__doc__).strip())
    _alias.install("mxnet")
    sys.argv = rest
    if module:
        sys.path[0] = os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(rest[0]))
        runpy.run_path(rest[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
