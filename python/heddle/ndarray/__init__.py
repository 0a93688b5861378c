"""Arrays and the operators on them, applied at once."""
from . import _internal, contrib, linalg, op
from .._ops import register
from ._register import make

register({"op": op, "_internal": _internal, "contrib": contrib, "linalg": linalg}, make, "NDArray", ("out",))

from .op import *  # noqa: E402,F401,F403
from . import ndarray, random  # noqa: E402
from .functions import *  # noqa: E402,F401,F403
from .ndarray import NDArray, _adopt_operators  # noqa: E402

_adopt_operators()
