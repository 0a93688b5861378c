"""heddle: deep learning with MXNet's interface.

    import heddle as mx

`nd` holds arrays and the operators on them, `sym` networks built from symbols, `autograd` gradients of eager
code, and `mod` training loops.
"""
from __future__ import annotations

import atexit as _atexit
import importlib as _importlib
import os as _os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# OpenBLAS starts its threads when it is loaded; the library uses none of them.
_BLAS_THREADS = _os.environ.get("OPENBLAS_NUM_THREADS")
_os.environ["OPENBLAS_NUM_THREADS"] = "1"
from . import _core  # noqa: E402
if _BLAS_THREADS is None:
    del _os.environ["OPENBLAS_NUM_THREADS"]
else:
    _os.environ["OPENBLAS_NUM_THREADS"] = _BLAS_THREADS
_core.set_package_folder(_os.path.dirname(__file__) + _os.sep)
from .base import MXNetError
from .context import Context, cpu, cpu_pinned, current_context, empty_cache, gpu, gpu_memory_info, memory_stats, num_gpus
from . import base, context
from . import ndarray
from . import ndarray as nd
from . import attribute, name
from .attribute import AttrScope
from . import symbol
from . import symbol as sym
from . import autograd, executor, registry
from . import random
from . import random as rnd
from . import initializer
from . import initializer as init
from . import lr_scheduler, optimizer
from . import metric
from . import kvstore
from . import kvstore as kv
from . import io
from . import model, callback, executor_manager
from . import monitor
from . import monitor as mon
from . import module
from . import module as mod
from . import rnn
from . import contrib, engine, libinfo, log, profiler, util
from . import numpy
from . import numpy as np
from . import numpy_extension
from . import numpy_extension as npx
from .util import is_np_array, is_np_shape, np_array, np_shape, set_np_shape, use_np, use_np_array, use_np_shape
from .libinfo import __version__ as __version__
from .profiler import trace_waits

Error = MXNetError
NDArray = ndarray.NDArray
Symbol = symbol.Symbol

__all__ = [
    "attribute", "AttrScope", "autograd", "base", "callback", "context", "Context", "contrib", "cpu", "cpu_pinned",
    "current_context", "empty_cache", "engine", "Error", "executor", "executor_manager", "gpu", "gpu_memory_info",
    "init", "initializer", "install_as", "io", "is_np_array", "is_np_shape", "kv", "kvstore", "libinfo", "log",
    "lr_scheduler", "memory_stats", "metric", "mod", "model", "module", "mon", "monitor", "MXNetError", "name",
    "nd", "NDArray", "ndarray", "np", "np_array", "np_shape", "npx", "num_gpus", "numpy", "numpy_extension",
    "optimizer", "profiler", "random", "registry", "rnd", "rnn", "set_np_shape", "sym", "Symbol", "symbol",
    "trace_waits", "use_np", "use_np_array", "use_np_shape", "util"]

_os.register_at_fork(before=_core.before_fork, after_in_parent=lambda: _core.after_fork(False),
                     after_in_child=lambda: _core.after_fork(True))


# Queued work ends, and the engine's threads with it, while Python is still there.
_atexit.register(_core.finish)


# Imported when asked for: image, predict, recordio and test_utils need NumPy, the others much of Python's library.
_LATER = {name: name for name in ("gluon", "image", "kvstore_server", "library", "misc", "ndarray_doc", "operator", "predict", "recordio",
                                  "runtime", "symbol_doc", "test_utils", "tools", "visualization")} | {"img": "image", "viz": "visualization"}


def install_as(alias: str) -> None:
    """Makes `import ALIAS` give this package, and `import ALIAS.x.y` its submodules, in scripts and in pickles.

        heddle.install_as("mxnet")
        import mxnet as mx

    `python -m heddle SCRIPT` does so for a whole script. A submodule that heddle lacks is a ModuleNotFoundError that says
    so. Raises ImportError when something else was imported under this name before.
    """
    _importlib.import_module("._alias", __name__).install(alias)


if TYPE_CHECKING:
    from . import gluon as gluon
    from . import image as image
    from . import kvstore_server as kvstore_server
    from . import library as library
    from . import misc as misc
    from . import ndarray_doc as ndarray_doc
    from . import operator as operator
    from . import predict as predict
    from . import recordio as recordio
    from . import runtime as runtime
    from . import symbol_doc as symbol_doc
    from . import test_utils as test_utils
    from . import tools as tools
    from . import visualization as visualization
    img = image
    viz = visualization
else:  # a type checker would believe it of any name
    def __getattr__(wanted: str) -> Any:
        if wanted in _LATER:
            module = globals()[wanted] = _importlib.import_module("." + _LATER[wanted], __name__)
            return module
        raise AttributeError(f"module {__name__!r} has no attribute {wanted!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
