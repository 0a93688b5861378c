"""Seeds, and the distributions of mx.nd.random."""
from __future__ import annotations

import operator

from . import _core, _shuffle
from .context import Context
from .ndarray.random import *  # noqa: F401,F403
from .ndarray.random import __all__ as _distributions

__all__ = ["seed", *_distributions]


def seed(seed_state: int, ctx: str | Context = "all") -> None:
    """Starts the random numbers of all devices, or of one, from a number.

    With ctx="all" every device gets a stream of its own; equal seeds given to single devices give equal streams.
    The orders in which iterators shuffle follow the seed of all devices, or of a cpu, unless NumPy was seeded: then those of
    arrays follow NumPy, as in MXNet.
    """
    try:
        seed_state = operator.index(seed_state)
    except TypeError:
        raise ValueError(f"[seed] found seed_state {seed_state!r}, expected an int") from None
    if ctx == "all":
        _core.seed(seed_state)
    else:
        device = Context(ctx)
        _core.seed_device(seed_state, device.device_type, device.device_id)
    if ctx == "all" or device.device_type == "cpu":
        _shuffle.seed(seed_state)
