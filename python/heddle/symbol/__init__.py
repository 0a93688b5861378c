"""Symbolic expressions and the operators on them."""
from . import _internal, contrib, linalg, op, symbol
from .._ops import register
from ._register import make

register({"op": op, "_internal": _internal, "contrib": contrib, "linalg": linalg}, make, "Symbol", ("name", "attr"))

from .op import *  # noqa: E402,F401,F403
from . import random  # noqa: E402
from .functions import *  # noqa: E402,F401,F403
from .symbol import Symbol  # noqa: E402


def _adopt_operators():
    """Operators that are methods too: a function takes the symbol as its first argument."""
    from ..ndarray.ndarray import _FLUENT
    for name in (*_FLUENT, "expand_dims", "flatten", "squeeze", "transpose", "swapaxes", "split", "broadcast_to",
                 "broadcast_like"):
        if name not in vars(Symbol) and hasattr(op, name):
            setattr(Symbol, name, getattr(op, name))


_adopt_operators()
