"""Run by the real MXNet: the public names of its modules of arrays and symbols, and what their functions take.

    MXNET_PYTHON tests/witness/surface.py NAMES.json
"""
import inspect
import json
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")

MODULES = ["nd", "nd.random", "nd.linalg", "nd.image", "nd.contrib", "nd.sparse", "nd.op", "nd.ndarray", "nd.utils", "random",
           "sym", "sym.random", "sym.linalg", "sym.image", "sym.contrib", "sym.sparse", "sym.op", "nd.NDArray", "sym.Symbol"]


def parameters(function):
    """The names of its parameters, those aside that collect the rest; None where it has no signature."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    return [p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def surface(mx):
    """Module to name to parameters."""
    found = {}
    for path in MODULES:
        place = mx
        for part in path.split("."):
            place = getattr(place, part)
        names = [n for n in dir(place) if not n.startswith("_") and not inspect.ismodule(getattr(place, n))]
        found[path] = {n: parameters(getattr(place, n)) for n in names}
    return found


if __name__ == "__main__":
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(surface(mxnet)))
