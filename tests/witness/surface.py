"""Run by the real MXNet: the public names of its modules, and what their functions take.

    MXNET_PYTHON tests/witness/surface.py NAMES.json
"""
import importlib
import inspect
import json
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")

MODULES = ["nd", "nd.random", "nd.linalg", "nd.image", "nd.contrib", "nd.sparse", "nd.op", "nd.ndarray", "nd.utils", "random",
           "sym", "sym.random", "sym.linalg", "sym.image", "sym.contrib", "sym.sparse", "sym.op", "nd.NDArray", "sym.Symbol"]
# Those that are written by hand; of a class the members count, too.
WRITTEN = ["attribute", "autograd", "base", "callback", "context", "contrib.amp.amp",
           "contrib.amp.loss_scaler", "contrib.autograd", "contrib.io", "contrib.tensorboard",
           "contrib.text.embedding", "contrib.text.utils", "contrib.text.vocab", "engine", "executor", "executor_manager",
           "image.detection", "image.image", "initializer", "io.io", "kvstore.base", "kvstore.kvstore", "kvstore.kvstore_server",
           "libinfo", "library", "log", "lr_scheduler", "metric", "misc", "model", "module.base_module", "module.bucketing_module",
           "module.executor_group", "module.module", "module.python_module", "module.sequential_module", "monitor", "name",
           "ndarray_doc", "operator", "optimizer.contrib", "optimizer.optimizer", "profiler", "recordio", "registry", "rnn.io",
           "rnn.rnn", "rnn.rnn_cell", "runtime", "symbol_doc", "test_utils", "util", "visualization"]


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


def members(mx):
    """Module to the names that it defines, and Class.member of its classes, to parameters."""
    found = {}
    for path in WRITTEN:
        place = importlib.import_module(f"{mx.__name__}.{path}")
        names = found[path] = {}
        for name, thing in list(vars(place).items()):
            if name.startswith("_") or inspect.ismodule(thing) or getattr(thing, "__module__", place.__name__) != place.__name__:
                continue
            names[name] = parameters(thing) if callable(thing) else None
            if inspect.isclass(thing):
                for member in dir(thing):
                    value = getattr(thing, member, None)
                    if not member.startswith("_"):
                        names[f"{name}.{member}"] = parameters(value) if callable(value) else None
    return found


if __name__ == "__main__":
    import mxnet
    top = [n for n in dir(mxnet) if not n.startswith("_")]
    pathlib.Path(sys.argv[1]).write_text(json.dumps({**surface(mxnet), "written": members(mxnet), "top": top}))
