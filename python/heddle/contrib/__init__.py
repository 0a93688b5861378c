"""What MXNet kept under contrib."""
from ..ndarray import contrib as nd
from ..ndarray import contrib as ndarray
from ..symbol import contrib as sym
from ..symbol import contrib as symbol
from . import autograd

__all__ = ["autograd", "nd", "ndarray", "sym", "symbol"]
