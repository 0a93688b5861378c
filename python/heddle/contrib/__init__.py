"""What MXNet kept under contrib."""
import importlib as _importlib

from ..ndarray import contrib as nd
from ..ndarray import contrib as ndarray
from ..symbol import contrib as sym
from ..symbol import contrib as symbol
from . import autograd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from . import amp, io, svrg_optimization, tensorboard, text

__all__ = ["amp", "autograd", "io", "nd", "ndarray", "svrg_optimization", "sym", "symbol", "tensorboard", "text"]

_LATER = ("amp", "io", "svrg_optimization", "tensorboard", "text")  # imported when asked for

if not TYPE_CHECKING:
    def __getattr__(wanted: str) -> "ModuleType":
        if wanted in _LATER:
            return _importlib.import_module("." + wanted, __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {wanted!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
