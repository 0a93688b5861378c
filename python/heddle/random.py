"""Seeds, and the distributions of mx.nd.random."""
from __future__ import annotations

import random as _random
import sys as _sys

from . import _core
from .context import Context
from .ndarray.random import *  # noqa: F401,F403
from .ndarray.random import __all__ as _distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    import array as _array

__all__ = ["seed", *_distributions]

_order: _random.Random | None = None  # of shuffles, once seed() was called


def seed(seed_state: int, ctx: str | Context = "all") -> None:
    """Starts the random numbers of all devices, or of one, from a number.

    With ctx="all" every device gets a stream of its own; equal seeds given to single devices give equal streams.
    The orders in which iterators shuffle follow the seed of all devices, or of a cpu.
    """
    global _order
    if not isinstance(seed_state, int):
        seed_state = int(seed_state)
    if ctx == "all":
        _core.seed(seed_state)
    else:
        device = Context(ctx)
        _core.seed_device(seed_state, device.device_type, device.device_id)
    if ctx == "all" or device.device_type == "cpu":
        _order = _random.Random(seed_state)


def _shuffle(rows: _array.array[int]) -> None:
    """Puts numbers in a random order: one that the last seed() decides; without one, NumPy's generator where NumPy is
    loaded, as scripts seed it, else Python's."""
    numpy = _sys.modules.get("numpy")
    if _order is not None or numpy is None:
        (_order or _random).shuffle(rows)  # type: ignore[union-attr]  # both shuffle in place
    else:
        numpy.random.shuffle(rows)
