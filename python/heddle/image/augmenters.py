"""Augmenters: objects that change an image, alone or in a list, some of them by chance.

An augmenter takes an image (height, width, channels) and returns another; the one it was given stays as it was. Those that
change colours want float images, as CastAug makes them. Chance comes from Python's module `random`, and for LightingAug
from `np.random`, as in MXNet.
"""
from __future__ import annotations

import json
import random

import numpy as np

from ..ndarray import NDArray, array, op
from .functions import (_area_range, center_crop, choose_interpolation, color_normalize, imresize, random_crop,
                        random_size_crop, resize_short)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["Augmenter", "BrightnessJitterAug", "CastAug", "CenterCropAug", "ColorJitterAug", "ColorNormalizeAug",
           "ContrastJitterAug", "CreateAugmenter", "ForceResizeAug", "HorizontalFlipAug", "HueJitterAug", "LightingAug",
           "RandomCropAug", "RandomGrayAug", "RandomOrderAug", "RandomSizedCropAug", "ResizeAug", "SaturationJitterAug",
           "SequentialAug"]

_LUMINANCE = (0.299, 0.587, 0.114)  # Rec. 601
# Means and deviations of ImageNet, and the axes along which its colours vary most.
IMAGENET_MEAN = (123.68, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
IMAGENET_EIGVAL = (55.46, 4.794, 1.148)
IMAGENET_EIGVEC = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def plain(value: Any) -> Any:
    """A parameter as JSON can hold it."""
    if isinstance(value, NDArray):
        value = value.asnumpy()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


class Augmenter:
    """What augmenters have in common: their parameters, and a description in JSON.

    Subclasses call Augmenter's constructor with their parameters, and define __call__(src).
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {name: plain(value) for name, value in kwargs.items()}

    def dumps(self) -> Any:
        """The class's name in lower case and its parameters, as JSON; of those that hold others, a list."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: NDArray) -> NDArray:
        """The changed image."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does to an image")


class SequentialAug(Augmenter):
    """Augmenters one after the other.

    ts: the list of them.
    """

    def __init__(self, ts: list[Augmenter]) -> None:
        super().__init__()
        self.ts = ts

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), [t.dumps() for t in self.ts]]

    def __call__(self, src: NDArray) -> NDArray:
        for t in self.ts:
            src = t(src)
        return src


class RandomOrderAug(SequentialAug):
    """Augmenters one after the other, each time in an order drawn by chance. The list itself is shuffled."""

    def __call__(self, src: NDArray) -> NDArray:
        random.shuffle(self.ts)
        return super().__call__(src)


# --- sizes and windows


class ResizeAug(Augmenter):
    """Makes the shorter edge `size`; interp as in imresize."""

    def __init__(self, size: int, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: NDArray) -> NDArray:
        return resize_short(src, self.size, self.interp)


class ForceResizeAug(Augmenter):
    """Resizes to `size` (width, height), whatever the image's shape; interp as in imresize."""

    def __init__(self, size: Sequence[int], interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: NDArray) -> NDArray:
        width, height = self.size
        return imresize(src, width, height, interp=choose_interpolation(self.interp, (*src.shape[:2], height, width)))


class RandomCropAug(Augmenter):
    """What random_crop does."""

    def __init__(self, size: Sequence[int], interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: NDArray) -> NDArray:
        return random_crop(src, self.size, self.interp)[0]


class RandomSizedCropAug(Augmenter):
    """What random_size_crop does."""

    def __init__(self, size: Sequence[int], area: float | Sequence[float] | None = None,
                 ratio: Sequence[float] = (3 / 4, 4 / 3), interp: int = 2, **kwargs: Any) -> None:
        if "min_area" in kwargs:
            area = _area_range(type(self).__name__, area, kwargs)[0]
        else:
            _area_range(type(self).__name__, area, kwargs)
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.area, self.ratio, self.interp = size, area, ratio, interp

    def __call__(self, src: NDArray) -> NDArray:
        return random_size_crop(src, self.size, self.area, self.ratio, self.interp)[0]


class CenterCropAug(Augmenter):
    """What center_crop does."""

    def __init__(self, size: Sequence[int], interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src: NDArray) -> NDArray:
        return center_crop(src, self.size, self.interp)[0]


class HorizontalFlipAug(Augmenter):
    """Swaps left and right, with the probability p."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: NDArray) -> NDArray:
        return op.flip(src, axis=1) if random.random() < self.p else src


class CastAug(Augmenter):
    """Makes the dtype `typ`."""

    def __init__(self, typ: str = "float32") -> None:
        super().__init__(type=typ)
        self.typ = typ

    def __call__(self, src: NDArray) -> NDArray:
        return src.astype(self.typ)


# --- colours


def _drawn(limit: float) -> float:
    """1 and up to `limit` more or less."""
    return 1.0 + random.uniform(-limit, limit)


def _luminance(src: NDArray) -> NDArray:
    """(height, width, 1)."""
    return op.sum(op.broadcast_mul(src, array([[_LUMINANCE]], ctx=src.context)), axis=2, keepdims=True)


class BrightnessJitterAug(Augmenter):
    """Multiplies with 1 and up to `brightness` more or less."""

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness=brightness)
        self.brightness = brightness

    def __call__(self, src: NDArray) -> NDArray:
        return src * _drawn(self.brightness)


class ContrastJitterAug(Augmenter):
    """Moves the image away from its mean luminance, or towards it, by up to `contrast`."""

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast=contrast)
        self.contrast = contrast

    def __call__(self, src: NDArray) -> NDArray:
        alpha = _drawn(self.contrast)
        mean = op.sum(_luminance(src)) * (1.0 - alpha) / (src.shape[0] * src.shape[1])
        return op.broadcast_add(src * alpha, mean)


class SaturationJitterAug(Augmenter):
    """Moves each pixel away from its luminance, or towards it, by up to `saturation`."""

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation=saturation)
        self.saturation = saturation

    def __call__(self, src: NDArray) -> NDArray:
        alpha = _drawn(self.saturation)
        return op.broadcast_add(src * alpha, _luminance(src) * (1.0 - alpha))


class HueJitterAug(Augmenter):
    """Turns the colours about grey, in the plane of I and Q of NTSC's YIQ, by up to `hue` half turns."""

    def __init__(self, hue: float) -> None:
        super().__init__(hue=hue)
        self.hue = hue
        self.tyiq = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
        self.ityiq = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])

    def __call__(self, src: NDArray) -> NDArray:
        angle = random.uniform(-self.hue, self.hue) * np.pi
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
        return op.dot(src, array((self.ityiq @ turn @ self.tyiq).T, ctx=src.context, dtype="float32"))


class ColorJitterAug(RandomOrderAug):
    """Changes brightness, contrast and saturation, each by up to its parameter, in an order drawn by chance."""

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        ts: list[Augmenter] = []
        if brightness > 0:
            ts.append(BrightnessJitterAug(brightness))
        if contrast > 0:
            ts.append(ContrastJitterAug(contrast))
        if saturation > 0:
            ts.append(SaturationJitterAug(saturation))
        super().__init__(ts)


class LightingAug(Augmenter):
    """Adds noise along the axes along which colours vary ("ImageNet classification with deep convolutional neural
    networks", Krizhevsky et al., 2012).

    alphastd: deviation of the normal noise.
    eigval, eigvec: (3,) and (3, 3), of the covariance of colours.
    """

    def __init__(self, alphastd: float, eigval: Any, eigvec: Any) -> None:
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd, self.eigval, self.eigvec = alphastd, eigval, eigvec

    def __call__(self, src: NDArray) -> NDArray:
        alpha = np.random.normal(0, self.alphastd, size=(3,))
        colour = np.dot(np.asarray(plain(self.eigvec)) * alpha, np.asarray(plain(self.eigval)))
        return op.broadcast_add(src, array(colour[None, None], ctx=src.context, dtype="float32"))


class ColorNormalizeAug(Augmenter):
    """(src - mean) / std, of numbers or of three for the channels; None leaves that step out."""

    def __init__(self, mean: Any, std: Any) -> None:
        super().__init__(mean=mean, std=std)
        self.mean, self.std = _colours(mean), _colours(std)

    def __call__(self, src: NDArray) -> NDArray:
        return color_normalize(src, self.mean, self.std)


def _colours(value: Any) -> Any:
    return value if value is None or isinstance(value, (NDArray, int, float)) else array(value, dtype="float32")


class RandomGrayAug(Augmenter):
    """Makes an image grey with the probability p."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p
        self.mat = array([[0.21] * 3, [0.72] * 3, [0.07] * 3])

    def __call__(self, src: NDArray) -> NDArray:
        return op.dot(src, self.mat.as_in_context(src.context)) if random.random() < self.p else src


# --- the usual list


def three(who: str, name: str, value: Any, default: Any) -> Any:
    """Means or deviations that a list of augmenters is asked for: True is the default; None is none."""
    if value is None or value is False:
        return None
    if value is True:
        return default
    shape = getattr(value, "shape", None) or np.shape(value)
    if tuple(shape) not in ((1,), (3,)):
        raise ValueError(f"[{who}] {name} has the shape {tuple(shape)}, expected (1,) or (3,), True or None")
    return value


def colour_augmenters(brightness: float, contrast: float, saturation: float, hue: float, pca_noise: float, rand_gray: float,
                      mean: Any, std: Any) -> list[Augmenter]:
    """The augmenters of colours that are wanted, in MXNet's order."""
    found: list[Augmenter] = []
    if brightness or contrast or saturation:
        found.append(ColorJitterAug(brightness, contrast, saturation))
    if hue:
        found.append(HueJitterAug(hue))
    if pca_noise > 0:
        found.append(LightingAug(pca_noise, np.array(IMAGENET_EIGVAL), np.array(IMAGENET_EIGVEC)))
    if rand_gray > 0:
        found.append(RandomGrayAug(rand_gray))
    if mean is not None or std is not None:
        found.append(ColorNormalizeAug(mean, std))
    return found


def CreateAugmenter(data_shape: Sequence[int], resize: int = 0, rand_crop: bool = False, rand_resize: bool = False,
                    rand_mirror: bool = False, mean: Any = None, std: Any = None, brightness: float = 0, contrast: float = 0,
                    saturation: float = 0, hue: float = 0, pca_noise: float = 0, rand_gray: float = 0,
                    inter_method: int = 2) -> list[Augmenter]:
    """The usual list of augmenters, in this order: resize, crop, mirror, cast to float32, brightness, contrast and
    saturation, hue, noise of colours, grey, normalize.

    data_shape: (channels, height, width) of the result.
    resize: the shorter edge before the crop; 0 leaves the image as it is.
    rand_crop: crop at a place drawn by chance; else in the middle.
    rand_resize: crop a window of 8% or more of the image, its shape between 3:4 and 4:3; wants rand_crop.
    rand_mirror: swap left and right in half of the images.
    mean, std: (3,) to normalize with; True for ImageNet's.
    brightness, contrast, saturation, hue: how much these may change, from 0 to 1.
    pca_noise: deviation of the noise of LightingAug.
    rand_gray: the probability to make an image grey.
    inter_method: as in imresize.

    Raises ValueError for rand_resize without rand_crop, and for a mean or std of another shape.
    """
    if rand_resize and not rand_crop:
        raise ValueError("[CreateAugmenter] rand_resize is set but rand_crop is not, expected both")
    size = (data_shape[2], data_shape[1])
    found: list[Augmenter] = []
    if resize > 0:
        found.append(ResizeAug(resize, inter_method))
    if rand_resize:
        found.append(RandomSizedCropAug(size, 0.08, (3.0 / 4.0, 4.0 / 3.0), inter_method))
    elif rand_crop:
        found.append(RandomCropAug(size, inter_method))
    else:
        found.append(CenterCropAug(size, inter_method))
    if rand_mirror:
        found.append(HorizontalFlipAug(0.5))
    found.append(CastAug())
    return found + colour_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray,
                                     three("CreateAugmenter", "mean", mean, array(IMAGENET_MEAN)),
                                     three("CreateAugmenter", "std", std, array(IMAGENET_STD)))
