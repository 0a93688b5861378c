"""Transforms of images: blocks that a dataset applies to each sample, `dataset.transform_first(transforms.ToTensor())`.

Images are (height, width, channels), until ToTensor makes (channels, height, width) of them. What they compute is done by
operators, which let the other workers of a DataLoader run meanwhile. Chance comes from `mx.random.seed` in the operators, from
Python's `random` in crops and RandomApply, and from `np.random` in rotations, as in MXNet.
"""
from __future__ import annotations

import random

import numpy as np

from .... import image
from ....base import numeric_types
from ....ndarray import NDArray
from ...block import Block, HybridBlock
from ...nn import HybridSequential, Sequential

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...._typing import DTypeLike

__all__ = ["Cast", "CenterCrop", "Compose", "CropResize", "Normalize", "RandomApply", "RandomBrightness", "RandomColorJitter",
           "RandomContrast", "RandomCrop", "RandomFlipLeftRight", "RandomFlipTopBottom", "RandomHue", "RandomLighting",
           "RandomResizedCrop", "RandomRotation", "RandomSaturation", "Resize", "Rotate", "ToTensor"]


class Compose(Sequential):
    """Transforms one after the other.

    transforms: the blocks. Those hybrid ones that follow each other become one HybridSequential, as in MXNet. It is not
    hybridized: threads may share it, and images of many sizes need no plan each.
    """

    def __init__(self, transforms: Sequence[Block]) -> None:
        super().__init__()
        hybrid: list[HybridBlock] = []
        for transform in [*transforms, None]:
            if isinstance(transform, HybridBlock):
                hybrid.append(transform)
                continue
            if len(hybrid) > 1:
                together = HybridSequential()
                together.add(*hybrid)
                self.add(together)
            elif hybrid:
                self.add(*hybrid)
            hybrid = []
            if transform is not None:
                self.add(transform)


class Cast(HybridBlock):
    """The image with elements of another dtype."""

    def __init__(self, dtype: DTypeLike = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.cast(x, dtype=self._dtype)


class ToTensor(HybridBlock):
    """(height, width, channels) of 0 to 255 as float32 (channels, height, width) of 0 to 1; with a first axis in front of them
    for several images."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.to_tensor(x)


class Normalize(HybridBlock):
    """(x - mean) / std of (channels, height, width), or of several.

    mean, std: a number, or one for each channel.
    """

    def __init__(self, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0) -> None:
        super().__init__()
        self._mean = mean
        self._std = std

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.normalize(x, mean=_several(self._mean), std=_several(self._std))


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, numeric_types) else tuple(value)


# --- turning


def _check_tensor(x: NDArray) -> None:
    if np.dtype(x.dtype) != np.float32:
        raise TypeError("This transformation only supports float32. Consider calling it after ToTensor; "
                        f"found {np.dtype(x.dtype)}")


class Rotate(Block):
    """A float32 image (channels, height, width), or several, turned counter-clockwise; see image.imrotate.

    rotation_degrees: the angle. zoom_in: show only what the image covers; zoom_out: show all of it.
    Raises TypeError for other dtypes, ValueError for both zooms at once.
    """

    def __init__(self, rotation_degrees: float, zoom_in: bool = False, zoom_out: bool = False) -> None:
        super().__init__()
        self._args = rotation_degrees, zoom_in, zoom_out

    def forward(self, x: NDArray) -> NDArray:
        _check_tensor(x)
        return image.imrotate(x, *self._args)


class RandomRotation(Block):
    """A float32 image (channels, height, width), or several, turned by an angle drawn evenly; see image.random_rotate.

    angle_limits: (least, greatest), in degrees. zoom_in, zoom_out: as in Rotate.
    rotate_with_proba: how often anything is turned at all.
    Raises ValueError for limits in the wrong order and for no probability.
    """

    def __init__(self, angle_limits: Sequence[float], zoom_in: bool = False, zoom_out: bool = False,
                 rotate_with_proba: float = 1.0) -> None:
        super().__init__()
        least, greatest = angle_limits
        if least >= greatest:
            raise ValueError(f"`angle_limits` must be an ordered tuple; found {tuple(angle_limits)}")
        if not 0 <= rotate_with_proba <= 1:
            raise ValueError(f"Probability of rotating the image should be between 0 and 1; found {rotate_with_proba}")
        self._args = (least, greatest), zoom_in, zoom_out
        self._probability = rotate_with_proba

    def forward(self, x: NDArray) -> NDArray:
        _check_tensor(x)
        if np.random.random() > self._probability:
            return x
        return image.random_rotate(x, *self._args)


# --- sizes and windows


def _size(who: str, size: Any) -> tuple[int, int]:
    """(width, height) of one number for both, or of two."""
    pair = (size, size) if isinstance(size, numeric_types) else tuple(size)
    if len(pair) != 2:
        raise ValueError(f"[{who}] size is {size!r}, expected a number or (width, height)")
    return int(pair[0]), int(pair[1])


class RandomResizedCrop(Block):
    """A window whose place, area and shape are drawn by chance, resized; see image.random_size_crop.

    size: (width, height) of the result, or one number for both.
    scale: (least, greatest) share of the image's area. ratio: (least, greatest) of width to height.
    interpolation: as in image.imresize.
    """

    def __init__(self, size: int | Sequence[int], scale: Sequence[float] = (0.08, 1.0),
                 ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0), interpolation: int = 1) -> None:
        super().__init__()
        self._args = _size("RandomResizedCrop", size), scale, ratio, interpolation

    def forward(self, x: NDArray) -> NDArray:
        return image.random_size_crop(x, *self._args)[0]


class RandomCrop(Block):
    """A window at a place drawn by chance, of an image with a border around it; see image.random_crop.

    size: (width, height) of the window, or one number for both.
    pad: how wide the border is, in pixels on each side. pad_value: what it is filled with.
    interpolation: as in image.imresize, where the image is smaller than the window.
    """

    def __init__(self, size: int | Sequence[int], pad: int = 0, pad_value: float = 0, interpolation: int = 1) -> None:
        super().__init__()
        self._size = _size("RandomCrop", size)
        self._pad, self._pad_value, self._interpolation = pad, pad_value, interpolation

    def forward(self, x: NDArray) -> NDArray:
        if self._pad:
            wide = self._pad
            x = image.copyMakeBorder(x, wide, wide, wide, wide, value=self._pad_value)
        return image.random_crop(x, self._size, self._interpolation)[0]


class CropResize(HybridBlock):
    """A window of an image, or of several, resized where a size is given.

    x, y: the window's left and upper edges. width, height: its extents.
    size: (width, height) of the result, or one number for both. interpolation: as in image.imresize; linear unless given.
    """

    def __init__(self, x: int, y: int, width: int, height: int, size: int | Sequence[int] | None = None,
                 interpolation: int | None = None) -> None:
        super().__init__()
        self._window = {"x": x, "y": y, "width": width, "height": height}
        self._size = None if size is None else _size("CropResize", size)
        self._interpolation = 1 if interpolation is None else interpolation

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        window = F.image.crop(x, **self._window)
        return window if self._size is None else F.image.resize(window, size=self._size, keep_ratio=False, interp=self._interpolation)


class CenterCrop(Block):
    """A window in the middle; where the image is smaller, the largest of that shape, resized. See image.center_crop.

    size: (width, height) of the result, or one number for both. interpolation: as in image.imresize.
    """

    def __init__(self, size: int | Sequence[int], interpolation: int = 1) -> None:
        super().__init__()
        self._args = _size("CenterCrop", size), interpolation

    def forward(self, x: NDArray) -> NDArray:
        return image.center_crop(x, *self._args)[0]


class Resize(HybridBlock):
    """An image, or several, of another size.

    size: (width, height), or one number: both, or with keep_ratio the shorter edge.
    interpolation: as in image.imresize, 0 to 4.
    """

    def __init__(self, size: int | Sequence[int], keep_ratio: bool = False, interpolation: int = 1) -> None:
        super().__init__()
        self._keep = keep_ratio
        self._size = size
        self._interpolation = interpolation

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.resize(x, size=_several(self._size), keep_ratio=self._keep, interp=self._interpolation)


# --- by chance


class RandomFlipLeftRight(HybridBlock):
    """Swaps left and right of half of the images."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.random_flip_left_right(x)


class RandomFlipTopBottom(HybridBlock):
    """Swaps top and bottom of half of the images."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.random_flip_top_bottom(x)


class _Jitter(HybridBlock):
    """Draws a factor between 1 - limit, or 0, and 1 + limit."""

    _operator = ""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self._args = max(0, 1 - limit), 1 + limit

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return getattr(F.image, self._operator)(x, *self._args)


class RandomBrightness(_Jitter):
    """Multiplies with 1 and up to `brightness` more or less."""

    _operator = "random_brightness"

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness)


class RandomContrast(_Jitter):
    """Moves the image away from its mean luminance, or towards it, by up to `contrast`."""

    _operator = "random_contrast"

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast)


class RandomSaturation(_Jitter):
    """Moves each pixel away from its luminance, or towards it, by up to `saturation`."""

    _operator = "random_saturation"

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation)


class RandomHue(_Jitter):
    """Turns the hues by up to `hue` of a circle, about the factor 1 as the others do."""

    _operator = "random_hue"

    def __init__(self, hue: float) -> None:
        super().__init__(hue)


class RandomColorJitter(HybridBlock):
    """Changes brightness, contrast, saturation and hue, each by up to its parameter, in an order drawn by chance."""

    def __init__(self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0) -> None:
        super().__init__()
        self._args = brightness, contrast, saturation, hue

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.random_color_jitter(x, *self._args)


class RandomLighting(HybridBlock):
    """Adds noise along the axes along which colours vary ("ImageNet classification with deep convolutional neural networks",
    Krizhevsky et al., 2012). alpha: its deviation."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.image.random_lighting(x, self._alpha)


class RandomApply(Sequential):
    """A transform, applied to some images only.

    transforms: a block, or a list of blocks for one after the other. p: how often.
    """

    def __init__(self, transforms: Block | Sequence[Block], p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms if isinstance(transforms, Block) else Compose(transforms)
        self.p = p

    def forward(self, x: Any, *args: Any) -> Any:
        return self.transforms(x, *args) if random.random() < self.p else x
