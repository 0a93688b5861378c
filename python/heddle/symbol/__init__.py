"""Symbolic expressions and the operators on them."""
from . import _internal, contrib, image, linalg, op, symbol
from .. import numpy as np
from .. import numpy_extension as npx
from .._namespaces import adopt, fill
from ._call import Symbols

fill({"op": op, "_internal": _internal, "contrib": contrib, "image": image, "linalg": linalg}, Symbols())

from .op import *  # noqa: E402,F401,F403
from . import random, sparse  # noqa: E402
from .functions import *  # noqa: E402,F401,F403
from .symbol import Symbol  # noqa: E402

adopt(Symbol, op)
