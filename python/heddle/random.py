"""Seeds, and the distributions of mx.nd.random."""
from . import _core
from .context import Context
from .ndarray.random import *  # noqa: F401,F403
from .ndarray.random import __all__ as _distributions

__all__ = ["seed", *_distributions]


def seed(seed_state, ctx="all"):
    """Starts the random numbers of all devices, or of one, from a number.

    With ctx="all" every device gets a stream of its own; equal seeds given to single devices give equal streams.
    """
    if not isinstance(seed_state, int):
        seed_state = int(seed_state)
    if ctx == "all":
        _core.seed(seed_state)
    else:
        ctx = Context(ctx)
        _core.seed_device(seed_state, ctx.device_type, ctx.device_id)
