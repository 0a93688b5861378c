"""The order in which iterators shuffle rows."""
from __future__ import annotations

import random
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import array
    from typing import Any

_seeded: random.Random | None = None  # once seed() was called
_numbers: random.Random | None = None  # likewise; apart from the orders, which it must not disturb


def seed(number: int) -> None:
    """Starts the orders that follow from a number."""
    global _seeded, _numbers
    _seeded = random.Random(number)
    _numbers = random.Random(f"numbers {number}")


def shuffle(rows: array.array[int]) -> None:
    """Puts numbers in a random order: NumPy's where a script has seeded that, as in MXNet, else one that the last seed()
    decides; without any seed NumPy's where NumPy is loaded, else Python's."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and (_seeded is None or _was_seeded(numpy)):
        numpy.random.shuffle(rows)
    else:
        (_seeded or random).shuffle(rows)


def _was_seeded(numpy: Any) -> bool:
    """Whether numpy.random.seed was called: the generator then has no longer the sequence that it was born with."""
    return numpy.random.mtrand._rand._bit_generator._seed_seq is None


def shuffle_batches(batches: list[Any]) -> None:
    """Puts batches in a random order: one that the last seed() decides; without one, Python's generator."""
    (random if _seeded is None else _seeded).shuffle(batches)


def number() -> int:
    """A number below 2**31 to start random numbers from: the next that the last seed() decides; without one, Python's
    generator draws it."""
    return (random if _numbers is None else _numbers).getrandbits(31)
