"""Runs a script that was written for MXNet, unchanged: `import mxnet` in it finds heddle. Or plans memory, or packs weights.

    python -m heddle SCRIPT [ARGUMENT ...]
    python -m heddle -m MODULE [ARGUMENT ...]
    python -m heddle plan MODEL.json --shape data=32,3,224,224 [--train] [--budget 2GB] [--html PAGE.html]
    python -m heddle pack PREFIX EPOCH OUT --bits 8 [--data data=IMAGES.npy] [--labels LABELS.npy]

An installed package has it as the command `heddle` too: `heddle plan ...`.
"""
from __future__ import annotations

import os
import runpy
import sys

from . import _alias
from .tools import pack, plan


def main(arguments: list[str] | None = None) -> None:
    """Does what the arguments, or those of the program, say: runs a script or a module as Python would, plans or packs."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["plan"] and not os.path.exists("plan"):
        return plan.main(arguments[1:])
    if arguments[:1] == ["pack"] and not os.path.exists("pack"):
        return pack.main(arguments[1:])
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
