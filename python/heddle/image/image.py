"""Reading images and changing their size.

An image is an array of (height, width, channels), of uint8 where it comes from a file, with red first.
"""
from __future__ import annotations

import os

from .. import random
from ..ndarray import NDArray, array
from ..ndarray import _internal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["copyMakeBorder", "imdecode", "imread", "imresize"]

_ANY = 10  # of the methods of imresize: one of the others, by chance


def imread(filename: str | os.PathLike[str], flag: int = 1, to_rgb: bool = True, out: NDArray | None = None) -> NDArray:
    """Reads a JPEG or PNG file.

    filename: its path.
    flag: 1 for three colours, 0 for grey.
    to_rgb: red comes first; else blue does.
    out: an array to write to, of the image's shape.

    Returns uint8 of (height, width, 3), or (height, width, 1) in grey. Raises MXNetError where the file cannot be
    opened, is broken, or is of another format.
    """
    return _internal._cvimread(filename=os.fspath(filename), flag=flag, to_rgb=bool(to_rgb), out=out)


def imdecode(buf: Any, flag: int = 1, to_rgb: bool = True, out: NDArray | None = None) -> NDArray:
    """Decodes a JPEG or PNG file that is in memory.

    buf: its bytes, or an array of them (uint8).
    flag: 1 for three colours, 0 for grey.
    to_rgb: red comes first; else blue does.
    out: an array to write to, of the image's shape.

    Returns uint8 of (height, width, 3), or (height, width, 1) in grey. Raises MXNetError where the file is broken
    or of another format.
    """
    if not isinstance(buf, NDArray):
        buf = array(memoryview(buf).cast("B"), dtype="uint8")
    return _internal._cvimdecode(buf, flag=flag, to_rgb=bool(to_rgb), out=out)


def imresize(src: NDArray, w: int, h: int, interp: int = 1, out: NDArray | None = None) -> NDArray:
    """An image of another size.

    src: (height, width, channels), of numbers.
    w, h: columns and rows of the result.
    interp: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos over 8 pixels, 9 cubic to enlarge and area to shrink,
        10 one of 0 to 4 by chance.
    out: an array to write to, (h, w, channels).

    Returns an array of the dtype of src. The middles of pixels are at halves and borders repeat, as in OpenCV.
    Raises MXNetError for an image that has no pixels.
    """
    if interp == _ANY:
        interp = int(random.randint(0, 5, shape=(1,)).asscalar())
    return _internal._cvimresize(src, w=w, h=h, interp=interp, out=out)


def copyMakeBorder(src: NDArray, top: int, bot: int, left: int, right: int, type: int = 0, value: float = 0.0,
                   values: Sequence[float] = (), out: NDArray | None = None) -> NDArray:
    """An image with a border around it.

    src: (height, width, channels), of numbers.
    top, bot, left, right: pixels on each side.
    type: 0 a colour, 1 the edge repeated, 2 reflected with the edge, 3 the other side, 4 reflected about the edge.
    value, values: the colour, as one number for all channels or as one for each.
    out: an array to write to.

    Returns (height + top + bot, width + left + right, channels). Raises MXNetError for negative widths.
    """
    return _internal._cvcopyMakeBorder(src, top=top, bot=bot, left=left, right=right, type=type, value=value,
                                       values=tuple(values), out=out)
