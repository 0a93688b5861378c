"""What reshape's codes mean."""
from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._typing import Shape


def reshaped(have: Sequence[int], codes: Sequence[int], reverse: bool = False) -> Shape:
    """The shape that the codes make of the shape `have`.

    0 copies an extent, -1 is what is left over, -2 copies all that remain, -3 merges two, -4 splits one into the
    next two numbers. With reverse the codes are matched from the right.
    """
    if reverse:
        return reshaped(have[::-1], _reversed_codes(codes))[::-1]
    result, at, codes_left = [], 0, list(codes)
    while codes_left:
        code = codes_left.pop(0)
        if code > 0 or code == -1:
            result.append(code)
            at += 1
        elif code == 0 and at < len(have):
            result.append(have[at])
            at += 1
        elif code == -2:
            result += have[at:]
            at = len(have)
        elif code == -3 and at + 1 < len(have):
            result.append(have[at] * have[at + 1])
            at += 2
        elif code == -4 and at < len(have) and len(codes_left) >= 2:
            result += _split(have[at], codes_left.pop(0), codes_left.pop(0))
            at += 1
        else:
            raise ValueError(f"[reshape] cannot reshape an array of shape {tuple(have)} into shape {tuple(codes)}")
    return _complete(have, codes, result)


def _reversed_codes(codes: Sequence[int]) -> list[int]:
    """The codes from right to left; the two numbers after -4 stay behind it."""
    groups, at = [], 0
    while at < len(codes):
        width = 3 if codes[at] == -4 else 1
        group = list(codes[at:at + width])
        groups.append([group[0], *group[:0:-1]])
        at += width
    return [code for group in reversed(groups) for code in group]


def _split(extent: int, first: int, second: int) -> list[int]:
    if first == -1:
        first = extent // second
    elif second == -1:
        second = extent // first
    if first * second != extent:
        raise ValueError(f"[reshape] cannot split {extent} into {first} and {second}")
    return [first, second]


def _complete(have: Sequence[int], codes: Sequence[int], shape: list[int]) -> Shape:
    """The shape with -1 replaced, if the sizes fit."""
    size = math.prod(have)
    known = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or (-1 in shape and (not known or size % known)) or (-1 not in shape and known != size):
        raise ValueError(f"[reshape] cannot reshape array of size {size} into shape {tuple(codes)}")
    return tuple(size // known if n == -1 else n for n in shape)
