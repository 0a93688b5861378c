"""The order in which iterators shuffle rows."""
from __future__ import annotations

import random
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import array
    from typing import Any

_seeded: random.Random | None = None  # once seed() was called


def seed(number: int) -> None:
    """Starts the orders that follow from a number."""
    global _seeded
    _seeded = random.Random(number)


def shuffle(rows: array.array[int]) -> None:
    """Puts numbers in a random order: one that the last seed() decides; without one, NumPy's generator where NumPy is
    loaded, as scripts seed it, else Python's."""
    numpy = sys.modules.get("numpy")
    if _seeded is not None:
        _seeded.shuffle(rows)
    elif numpy is not None:
        numpy.random.shuffle(rows)
    else:
        random.shuffle(rows)


def shuffle_batches(batches: list[Any]) -> None:
    """Puts batches in a random order: one that the last seed() decides; without one, Python's generator."""
    (random if _seeded is None else _seeded).shuffle(batches)
