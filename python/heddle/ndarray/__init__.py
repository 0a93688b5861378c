"""Arrays and the operators on them, applied at once."""
from . import _internal, contrib, image, linalg, op
from .. import numpy as np
from .. import numpy_extension as npx
from .._namespaces import adopt, fill
from ._call import Arrays

fill({"op": op, "_internal": _internal, "contrib": contrib, "image": image, "linalg": linalg}, Arrays())

from .op import *  # noqa: E402,F401,F403
from . import functions, ndarray, random, sparse, utils  # noqa: E402
from .functions import *  # noqa: E402,F401,F403
from .ndarray import NDArray  # noqa: E402

adopt(NDArray, op)
# MXNet's module of that name has the functions too.
vars(ndarray).update((name, getattr(functions, name)) for name in functions.__all__)
