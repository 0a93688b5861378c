"""Reading images, changing their size, cutting windows out of them, turning them.

An image is an array of (height, width, channels), of uint8 where it comes from a file, with red first. What is drawn
by chance comes from Python's module `random`, as in MXNet, so that a script's `random.seed` decides it.
"""
from __future__ import annotations

import math
import os
import random
import warnings

import numpy as np

from ..base import numeric_types
from ..ndarray import NDArray, array
from ..ndarray import _internal, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Box = tuple[int, int, int, int]

__all__ = ["center_crop", "color_normalize", "copyMakeBorder", "fixed_crop", "imdecode", "imread", "imresize", "imrotate",
           "random_crop", "random_rotate", "random_size_crop", "resize_short", "scale_down"]

_CUBIC, _AREA, _LINEAR, _METHODS, _AUTOMATIC, _ANY = 2, 3, 1, 5, 9, 10  # ways to resize
_TRIES = 10  # of random_size_crop, before it takes the middle


def choose_interpolation(interp: int, sizes: Sequence[int] = ()) -> int:
    """What a way of resizing means for (old height, old width, new height, new width): 9 is cubic to enlarge, area to
    shrink and linear otherwise, cubic where no sizes are given; 10 is one of 0 to 4 by chance. Raises ValueError for
    what is no way of resizing."""
    if interp == _ANY:
        return random.randint(0, _METHODS - 1)
    if interp == _AUTOMATIC:
        if not sizes:
            return _CUBIC
        height, width, new_height, new_width = sizes
        if new_height > height and new_width > width:
            return _CUBIC
        return _AREA if new_height < height and new_width < width else _LINEAR
    if interp not in range(_METHODS):
        raise ValueError(f"Unknown interp method {interp}: expected 0 to 4, 9 or 10")
    return interp


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
    or of another format, ValueError for a str.
    """
    if isinstance(buf, str):
        raise ValueError("[imdecode] buf is a str, expected the bytes of a file: bytes, bytearray or an array of uint8")
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
        interp = choose_interpolation(interp)
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


# --- sizes and windows


def scale_down(src_size: Sequence[float], size: Sequence[float]) -> tuple[int, int]:
    """The largest (width, height) of the shape of `size` that fits into `src_size`, and is no larger than `size`.

    src_size, size: (width, height).
    """
    width, height = size
    whole_width, whole_height = src_size
    if whole_height < height:
        width, height = width * whole_height / height, whole_height
    if whole_width < width:
        width, height = whole_width, height * whole_width / width
    return int(width), int(height)


def resize_short(src: NDArray, size: int, interp: int = 2) -> NDArray:
    """An image whose shorter edge is `size`, of the same shape.

    src: (height, width, channels).
    interp: as in imresize; 9 looks at the sizes.
    """
    height, width = src.shape[:2]
    if height > width:
        new_height, new_width = size * height // width, size
    else:
        new_height, new_width = size, size * width // height
    return imresize(src, new_width, new_height, interp=choose_interpolation(interp, (height, width, new_height, new_width)))


def fixed_crop(src: NDArray, x0: int, y0: int, w: int, h: int, size: Sequence[int] | None = None, interp: int = 2) -> NDArray:
    """A window of an image, resized where a size is given that is not the window's.

    src: (height, width, channels).
    x0, y0: the window's left and upper edges.
    w, h: its width and height; what lies outside of the image is left out.
    size: (width, height) of the result.

    Raises MXNetError for a window that has no pixel.
    """
    window = src[y0:y0 + h, x0:x0 + w]
    if size is None or (w, h) == tuple(size):
        return window
    return imresize(window, size[0], size[1], interp=choose_interpolation(interp, (h, w, size[1], size[0])))


def random_crop(src: NDArray, size: Sequence[int], interp: int = 2) -> tuple[NDArray, Box]:
    """A window of `size` (width, height) at a place drawn by chance; where the image is smaller, the largest of that
    shape, resized.

    Returns the image and the window (x0, y0, width, height).
    """
    height, width = src.shape[:2]
    new_width, new_height = scale_down((width, height), size)
    x0 = random.randint(0, width - new_width)
    y0 = random.randint(0, height - new_height)
    return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)


def center_crop(src: NDArray, size: Sequence[int], interp: int = 2) -> tuple[NDArray, Box]:
    """A window of `size` (width, height) in the middle; where the image is smaller, the largest of that shape, resized.

    Returns the image and the window (x0, y0, width, height).
    """
    height, width = src.shape[:2]
    new_width, new_height = scale_down((width, height), size)
    x0, y0 = (width - new_width) // 2, (height - new_height) // 2
    return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)


def _area_range(who: str, area: Any, extra: dict[str, Any]) -> Any:
    """The least and greatest share of an image, from `area` or from `min_area`, as it was called in 0.10."""
    if "min_area" in extra:
        warnings.warn("`min_area` is deprecated. Please use `area` instead.", DeprecationWarning, stacklevel=3)
        area = extra.pop("min_area")
    if extra:
        raise TypeError(f"[{who}] unexpected keyword arguments: {', '.join(extra)}")
    if area is None:
        raise TypeError(f"[{who}] area is missing, expected a number or (least, greatest)")
    return (area, 1.0) if isinstance(area, numeric_types) else area


def random_size_crop(src: NDArray, size: Sequence[int], area: float | Sequence[float] | None = None,
                     ratio: Sequence[float] = (3 / 4, 4 / 3), interp: int = 2, **kwargs: Any) -> tuple[NDArray, Box]:
    """A window whose place, area and shape are drawn by chance, resized ("Going deeper with convolutions", Szegedy
    et al., 2015); the middle where ten draws do not fit into the image.

    size: (width, height) of the result.
    area: (least, greatest) share of the image's area; a number is the least, and 1 the greatest.
    ratio: (least, greatest) of width to height; its logarithm is drawn evenly.
    min_area: the older name of area.

    Returns the image and the window (x0, y0, width, height).
    """
    least, greatest = _area_range("random_size_crop", area, kwargs)
    height, width = src.shape[:2]
    logs = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(_TRIES):
        wanted = random.uniform(least, greatest) * height * width
        shape = math.exp(random.uniform(*logs))
        new_width, new_height = round(math.sqrt(wanted * shape)), round(math.sqrt(wanted / shape))
        if new_width <= width and new_height <= height:
            x0 = random.randint(0, width - new_width)
            y0 = random.randint(0, height - new_height)
            return fixed_crop(src, x0, y0, new_width, new_height, size, interp), (x0, y0, new_width, new_height)
    return center_crop(src, size, interp)


def color_normalize(src: NDArray, mean: NDArray | float | None, std: NDArray | float | None = None) -> NDArray:
    """(src - mean) / std; None leaves that step out.

    src: float (height, width, channels).
    mean, std: numbers, or arrays that broadcast with src.
    """
    if mean is not None:
        src = src - mean
    return src if std is None else src / std


# --- turning


def _zoom(height: int, width: int, angle: float, zoom_in: bool, zoom_out: bool) -> float:
    """How much larger the window onto a turned picture is than the picture: so that it holds nothing else (zoom_in), or
    all of it (zoom_out)."""
    if not (zoom_in or zoom_out):
        return 1.0
    cosine, sine = math.cos(angle), math.sin(angle)
    # Where the corners of a picture with its middle at 0 go.
    x = max(abs(width * cosine - height * sine), abs(width * cosine + height * sine))
    y = max(abs(height * cosine - width * sine), abs(height * cosine + width * sine))
    return max(x / width, y / height) if zoom_out else min(width / x, height / y)


def _turned_grid(height: int, width: int, angle: float, zoom: float) -> Any:
    """Where the pixels of a turned picture come from: (2, height, width), from -1 to 1."""
    half_height, half_width = (height - 1) / 2, (width - 1) / 2
    y, x = np.mgrid[:height, :width]
    y, x = y - half_height, x - half_width
    cosine, sine = math.cos(angle), math.sin(angle)
    from_x, from_y = x * cosine - y * sine, x * sine + y * cosine
    return np.stack([from_x / max(half_width, 0.5), from_y / max(half_height, 0.5)]) * zoom


def imrotate(src: NDArray, rotation_degrees: float | NDArray, zoom_in: bool = False, zoom_out: bool = False) -> NDArray:
    """Images turned about their middles, counter-clockwise; bilinear, and 0 outside.

    src: float32 (channels, height, width) or (n, channels, height, width).
    rotation_degrees: an angle; for several images also an array of one for each.
    zoom_in: show only what the image covers.
    zoom_out: show all of the image.

    Returns an array of the shape of src. Raises TypeError for other dtypes and for several angles of one image,
    ValueError for other shapes, for both zooms at once, and for a wrong number of angles.
    """
    if zoom_in and zoom_out:
        raise ValueError("`zoom_in` and `zoom_out` cannot be both True")
    if np.dtype(src.dtype) != np.float32:
        raise TypeError(f"Only `float32` images are supported by this function; found {np.dtype(src.dtype)}")
    if len(src.shape) not in (3, 4):
        raise ValueError(f"Only 3D and 4D are supported by this function; found the shape {src.shape}")
    one = len(src.shape) == 3
    if one and not np.isscalar(rotation_degrees):
        raise TypeError("When a single image is passed the rotation angle is required to be a scalar.")
    images = op.expand_dims(src, axis=0) if one else src
    degrees = rotation_degrees.asnumpy() if isinstance(rotation_degrees, NDArray) else np.asarray(rotation_degrees)
    degrees = np.full(len(images), degrees) if degrees.ndim == 0 else degrees.ravel()
    if len(degrees) != len(images):
        raise ValueError("The number of images must be equal to the number of rotation angles: "
                         f"found {len(images)} and {len(degrees)}")
    height, width = images.shape[2:]
    angles = [math.radians(d) for d in degrees]
    grid = np.stack([_turned_grid(height, width, a, _zoom(height, width, a, zoom_in, zoom_out)) for a in angles])
    turned = op.BilinearSampler(images, array(grid, ctx=src.context, dtype="float32"))
    return turned[0] if one else turned


def random_rotate(src: NDArray, angle_limits: Sequence[float], zoom_in: bool = False, zoom_out: bool = False) -> NDArray:
    """Images turned by angles that np.random draws evenly, one for each image.

    src: as in imrotate.
    angle_limits: (least, greatest), in degrees.
    """
    least, greatest = angle_limits
    if len(src.shape) == 3:
        return imrotate(src, float(np.random.uniform(least, greatest)), zoom_in, zoom_out)
    return imrotate(src, array(np.random.uniform(least, greatest, size=src.shape[0])), zoom_in, zoom_out)
