"""Images with boxes: augmenters that change both, and their iterator.

A label of one image is float32 (objects, width): class, x of the left edge, y of the upper, x of the right, y of the lower,
and what else there is; the four are shares of the image's size, from 0 to 1. Files hold it as one row: the length of its
header, the width, the rest of the header, and then object after object.
"""
from __future__ import annotations

import importlib
import json
import logging
import math
import random
import warnings

import numpy as np

from ..base import numeric_types
from ..io import DataDesc
from ..ndarray import NDArray, array, op
from .augmenters import (IMAGENET_MEAN, IMAGENET_STD, Augmenter, CastAug, ForceResizeAug, ResizeAug, colour_augmenters,
                         plain, three)
from .functions import copyMakeBorder, fixed_crop
from .iterator import ImageIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    Box = tuple[int, int, int, int]

__all__ = ["CreateDetAugmenter", "CreateMultiRandCropAugmenter", "DetAugmenter", "DetBorrowAug", "DetHorizontalFlipAug",
           "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug", "ImageDetIter"]

_NONE = -1.0  # what fills the label of an image with fewer objects than another has


class DetAugmenter:
    """What augmenters of images with boxes have in common: their parameters, and a description in JSON.

    Subclasses call this constructor with their parameters, and define __call__(src, label), which gives both.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {name: plain(value) for name, value in kwargs.items()}

    def dumps(self) -> Any:
        """The class's name in lower case and its parameters, as JSON; of those that hold others, a list."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: NDArray, label: Any) -> tuple[NDArray, Any]:
        """The changed image and its label."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does to an image")


class DetBorrowAug(DetAugmenter):
    """An augmenter of images that moves nothing in them: the label stays.

    Raises TypeError for what is no Augmenter.
    """

    def __init__(self, augmenter: Augmenter) -> None:
        if not isinstance(augmenter, Augmenter):
            raise TypeError(f"Borrowing from invalid Augmenter: found {type(augmenter).__name__}")
        super().__init__(augmenter=augmenter.dumps())
        self.augmenter = augmenter

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def __call__(self, src: NDArray, label: Any) -> tuple[NDArray, Any]:
        return self.augmenter(src), label


class DetRandomSelectAug(DetAugmenter):
    """One of some augmenters by chance; none with the probability skip_prob.

    aug_list: DetAugmenters; it is shuffled.

    Raises ValueError for what is no DetAugmenter.
    """

    def __init__(self, aug_list: Any, skip_prob: float = 0) -> None:
        super().__init__(skip_prob=skip_prob)
        aug_list = aug_list if isinstance(aug_list, (list, tuple)) else [aug_list]
        for one in aug_list:
            if not isinstance(one, DetAugmenter):
                raise ValueError(f"Allow DetAugmenter in list only: found {type(one).__name__}")
        self.aug_list = list(aug_list)
        self.skip_prob = skip_prob if aug_list else 1

    def dumps(self) -> Any:
        return [type(self).__name__.lower(), [one.dumps() for one in self.aug_list]]

    def __call__(self, src: NDArray, label: Any) -> tuple[NDArray, Any]:
        if random.random() < self.skip_prob:
            return src, label
        random.shuffle(self.aug_list)
        return self.aug_list[0](src, label)


class DetHorizontalFlipAug(DetAugmenter):
    """Swaps left and right, of images and boxes, with the probability p."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: NDArray, label: Any) -> tuple[NDArray, Any]:
        if random.random() >= self.p:
            return src, label
        turned = label.copy()
        turned[:, 1], turned[:, 3] = 1.0 - label[:, 3], 1.0 - label[:, 1]
        return op.flip(src, axis=1), turned


def _areas(boxes: Any) -> Any:
    """Areas of boxes (n, 4 or more): 0 of those that are turned inside out."""
    return np.maximum(0, boxes[:, 2] - boxes[:, 0]) * np.maximum(0, boxes[:, 3] - boxes[:, 1])


def _window_boxes(boxes: Any, left: float, top: float, right: float, bottom: float) -> Any:
    """The parts of boxes (n, 4) in a window; nothing of those outside."""
    low = np.maximum(boxes[:, :2], (left, top))
    high = np.minimum(boxes[:, 2:4], (right, bottom))
    inside = (low < high).all(axis=1)
    return np.where(inside[:, None], np.concatenate([low, high], axis=1), 0)


def _checked_range(who: str, aspect_ratio_range: Any, area_range: Any, least_area: float) -> bool:
    """Whether the ranges can be drawn from; warns where they cannot."""
    if area_range[1] <= least_area or area_range[0] > area_range[1]:
        warnings.warn(f"Skip {who} due to invalid area_range: {area_range}", stacklevel=3)
        return False
    if aspect_ratio_range[0] > aspect_ratio_range[1] or aspect_ratio_range[0] <= 0:
        warnings.warn(f"Skip {who} due to invalid aspect_ratio_range: {aspect_ratio_range}", stacklevel=3)
        return False
    return True


class DetRandomCropAug(DetAugmenter):
    """Cuts out a window that shows enough of the objects ("SSD: Single shot multibox detector", Liu et al., 2016); the
    whole image where no draw does.

    min_object_covered: each object that the window touches must be in it with more than this share of its area.
    aspect_ratio_range: (least, greatest) of the window's width to its height.
    area_range: (least, greatest) of its area, as shares of the image's.
    min_eject_coverage: objects that are in it with less than this share are dropped.
    max_attempts: draws.
    """

    def __init__(self, min_object_covered: float = 0.1, aspect_ratio_range: Any = (0.75, 1.33),
                 area_range: Any = (0.05, 1.0), min_eject_coverage: float = 0.3, max_attempts: int = 50) -> None:
        if isinstance(aspect_ratio_range, numeric_types):
            aspect_ratio_range = (aspect_ratio_range, aspect_ratio_range)
        if isinstance(area_range, numeric_types):
            area_range = (area_range, 1.0)
        super().__init__(min_object_covered=min_object_covered, aspect_ratio_range=aspect_ratio_range, area_range=area_range,
                         min_eject_coverage=min_eject_coverage, max_attempts=max_attempts)
        self.min_object_covered, self.min_eject_coverage = min_object_covered, min_eject_coverage
        self.aspect_ratio_range, self.area_range, self.max_attempts = aspect_ratio_range, area_range, max_attempts
        self.enabled = _checked_range(type(self).__name__, aspect_ratio_range, area_range, 0)

    def __call__(self, src: NDArray, label: Any) -> tuple[NDArray, Any]:
        height, width = src.shape[:2]
        for _ in range(self.max_attempts if self.enabled else 0):
            window = self._draw(height, width)
            kept = None if window is None else self._kept(label, window, height, width)
            if window is not None and kept is not None:
                return fixed_crop(src, *window), kept
        return src, label

    def _draw(self, height: int, width: int) -> Box | None:
        """A window (x, y, width, height) by chance, or None."""
        ratio = random.uniform(*self.aspect_ratio_range)
        least, greatest = (share * height * width for share in self.area_range)
        rows, most = round(math.sqrt(least / ratio)), round(math.sqrt(greatest / ratio))
        if round(most * ratio) > width:
            most = int((width + 0.4999999) / ratio)
        most = min(most, height)
        rows = min(rows, most)
        if rows < most:
            rows = random.randint(rows, most)
        if round(rows * ratio) * rows < least:  # the nearest whole numbers are on the wrong side
            rows += 1
        if round(rows * ratio) * rows > greatest:
            rows -= 1
        columns = round(rows * ratio)
        if not (least <= rows * columns <= greatest and 0 <= rows <= height and 0 <= columns <= width):
            return None
        y = random.randint(0, max(0, height - rows))
        x = random.randint(0, max(0, width - columns))
        return x, y, columns, rows

    def _kept(self, label: Any, window: Box, height: int, width: int) -> Any:
        """The label of a window; None where it does not show enough of the objects."""
        x, y, columns, rows = window
        if columns * rows < 2:
            return None
        left, top, right, bottom = x / width, y / height, (x + columns) / width, (y + rows) / height
        areas = _areas(label[:, 1:5])
        seen = areas * width * height > 2  # objects of two pixels and less decide nothing
        shares = _areas(_window_boxes(label[seen, 1:5], left, top, right, bottom)) / areas[seen]
        shares = shares[shares > 0]
        if not shares.size or shares.min() <= self.min_object_covered:
            return None
        return self._moved(label, left, top, columns / width, rows / height)

    def _moved(self, label: Any, left: float, top: float, columns: float, rows: float) -> Any:
        moved = label.copy()
        moved[:, (1, 3)] = (moved[:, (1, 3)] - left) / columns
        moved[:, (2, 4)] = (moved[:, (2, 4)] - top) / rows
        moved[:, 1:5] = np.clip(moved[:, 1:5], 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):  # objects without an area
            shares = _areas(moved[:, 1:5]) * columns * rows / _areas(label[:, 1:5])
        kept = (moved[:, 3] > moved[:, 1]) & (moved[:, 4] > moved[:, 2]) & (shares > self.min_eject_coverage)
        return moved[kept] if kept.any() else None


class DetRandomPadAug(DetAugmenter):
    """Puts the image at a place of a larger one, drawn by chance.

    aspect_ratio_range: (least, greatest) of the result's width to its height.
    area_range: (least, greatest) of its area, in areas of the image.
    max_attempts: draws; where all are too small, the image stays as it is.
    pad_val: the colour around it, red first.
    """

    def __init__(self, aspect_ratio_range: Any = (0.75, 1.33), area_range: Any = (1.0, 3.0), max_attempts: int = 50,
                 pad_val: Any = (128, 128, 128)) -> None:
        if isinstance(pad_val, numeric_types):
            pad_val = (pad_val,)
        if isinstance(aspect_ratio_range, numeric_types):
            aspect_ratio_range = (aspect_ratio_range, aspect_ratio_range)
        if isinstance(area_range, numeric_types):
            area_range = (1.0, area_range)
        super().__init__(aspect_ratio_range=aspect_ratio_range, area_range=area_range, max_attempts=max_attempts,
                         pad_val=pad_val)
        self.pad_val, self.aspect_ratio_range = pad_val, aspect_ratio_range
        self.area_range, self.max_attempts = area_range, max_attempts
        self.enabled = _checked_range(type(self).__name__, aspect_ratio_range, area_range, 1.0)

    def __call__(self, src: NDArray, label: Any) -> tuple[NDArray, Any]:
        height, width = src.shape[:2]
        for _ in range(self.max_attempts if self.enabled else 0):
            window = self._draw(height, width)
            if window is None:
                continue
            x, y, columns, rows = window
            moved = label.copy()
            moved[:, (1, 3)] = (moved[:, (1, 3)] * width + x) / columns
            moved[:, (2, 4)] = (moved[:, (2, 4)] * height + y) / rows
            bordered = copyMakeBorder(src, y, rows - y - height, x, columns - x - width, values=self.pad_val)
            return bordered, moved
        return src, label

    def _draw(self, height: int, width: int) -> Box | None:
        """The image's place and the result's size (x, y, width, height) by chance, or None where it is too small."""
        ratio = random.uniform(*self.aspect_ratio_range)
        least, greatest = (share * height * width for share in self.area_range)
        rows, most = round(math.sqrt(least / ratio)), round(math.sqrt(greatest / ratio))
        if round(rows * ratio) < width:
            rows = int((width + 0.499999) / ratio)
        rows = min(max(rows, height), most)
        if rows < most:
            rows = random.randint(rows, most)
        columns = round(rows * ratio)
        if rows - height < 2 or columns - width < 2:
            return None
        y = random.randint(0, max(0, rows - height))
        x = random.randint(0, max(0, columns - width))
        return x, y, columns, rows


def CreateMultiRandCropAugmenter(min_object_covered: Any = 0.1, aspect_ratio_range: Any = (0.75, 1.33),
                                 area_range: Any = (0.05, 1.0), min_eject_coverage: Any = 0.3, max_attempts: Any = 50,
                                 skip_prob: float = 0) -> DetRandomSelectAug:
    """A DetRandomSelectAug over DetRandomCropAugs with different parameters.

    Each parameter is one value, or a list with one for each augmenter. Raises ValueError for lists of different lengths.
    """
    given = {"min_object_covered": min_object_covered, "aspect_ratio_range": aspect_ratio_range, "area_range": area_range,
             "min_eject_coverage": min_eject_coverage, "max_attempts": max_attempts}
    lists = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    count = max(len(values) for values in lists.values())
    for name, values in lists.items():
        if len(values) not in (1, count):
            raise ValueError(f"[CreateMultiRandCropAugmenter] {name} has {len(values)} values, expected {count} or one")
        lists[name] = values * count if len(values) == 1 else values
    augs = [DetRandomCropAug(**{name: values[i] for name, values in lists.items()}) for i in range(count)]
    return DetRandomSelectAug(augs, skip_prob=skip_prob)


def CreateDetAugmenter(data_shape: Sequence[int], resize: int = 0, rand_crop: float = 0, rand_pad: float = 0,
                       rand_gray: float = 0, rand_mirror: bool = False, mean: Any = None, std: Any = None,
                       brightness: float = 0, contrast: float = 0, saturation: float = 0, pca_noise: float = 0,
                       hue: float = 0, inter_method: int = 2, min_object_covered: Any = 0.1,
                       aspect_ratio_range: Any = (0.75, 1.33), area_range: Any = (0.05, 3.0), min_eject_coverage: Any = 0.3,
                       max_attempts: Any = 50, pad_val: Any = (127, 127, 127)) -> list[DetAugmenter]:
    """The usual list of augmenters for images with boxes, in this order: resize, crop, mirror, pad, resize to data_shape,
    cast to float32, brightness, contrast and saturation, hue, noise of colours, grey, normalize.

    data_shape: (channels, height, width) of the result.
    resize: the shorter edge at first; 0 leaves it.
    rand_crop, rand_pad, rand_gray: probabilities of a crop, of a border, of grey.
    rand_mirror: swap left and right in half of the images.
    mean, std: (3,) to normalize with; True for ImageNet's.
    brightness, contrast, saturation, hue, pca_noise, inter_method: as in CreateAugmenter.
    min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts: of DetRandomCropAug, also lists;
        the end of area_range is that of DetRandomPadAug, too.
    pad_val: the colour of borders.
    """
    found: list[DetAugmenter] = []
    if resize > 0:
        found.append(DetBorrowAug(ResizeAug(resize, inter_method)))
    if rand_crop > 0:
        found.append(CreateMultiRandCropAugmenter(min_object_covered, aspect_ratio_range, area_range, min_eject_coverage,
                                                  max_attempts, skip_prob=1 - rand_crop))
    if rand_mirror > 0:
        found.append(DetHorizontalFlipAug(0.5))
    if rand_pad > 0:  # after the crop, which looks for objects in fewer pixels so
        pad = DetRandomPadAug(aspect_ratio_range, (1.0, area_range[1]), max_attempts, pad_val)
        found.append(DetRandomSelectAug([pad], 1 - rand_pad))
    found.append(DetBorrowAug(ForceResizeAug((data_shape[2], data_shape[1]), inter_method)))
    found.append(DetBorrowAug(CastAug()))
    colours = colour_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray,
                                three("CreateDetAugmenter", "mean", mean, np.array(IMAGENET_MEAN)),
                                three("CreateDetAugmenter", "std", std, np.array(IMAGENET_STD)))
    return found + [DetBorrowAug(one) for one in colours]


class ImageDetIter(ImageIter):
    """Batches of images with boxes, with augmenters in Python.

    aug_list: DetAugmenters; None is CreateDetAugmenter(data_shape, **kwargs).
    The other parameters are those of ImageIter.

    Labels are float32 (batch_size, objects, width), with -1 where an image has fewer objects than the one that has most;
    all of them are read once at first, to find that number. Raises RuntimeError for a label that does not have the form
    of detection.
    """

    def __init__(self, batch_size: int, data_shape: Sequence[int], path_imgrec: Any = None, path_imglist: Any = None,
                 path_root: Any = None, path_imgidx: Any = None, shuffle: bool = False, part_index: int = 0,
                 num_parts: int = 1, aug_list: list[DetAugmenter] | None = None, imglist: list[Any] | None = None,
                 data_name: str = "data", label_name: str = "label", last_batch_handle: str = "pad", **kwargs: Any) -> None:
        super().__init__(batch_size=batch_size, data_shape=data_shape, path_imgrec=path_imgrec, path_imglist=path_imglist,
                         path_root=path_root, path_imgidx=path_imgidx, shuffle=shuffle, part_index=part_index,
                         num_parts=num_parts, aug_list=[], imglist=imglist, data_name=data_name, label_name=label_name,
                         last_batch_handle=last_batch_handle)
        self.auglist: Any = CreateDetAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self.label_shape = self._estimate_label_shape()
        self.provide_label = [DataDesc(label_name, (batch_size, *self.label_shape))]

    def _estimate_label_shape(self) -> tuple[int, int]:
        """(most objects in an image, numbers of an object)."""
        most, width = 0, 0
        self.reset()
        try:
            while True:
                label = self._parse_label(self.next_sample()[0])
                most, width = max(most, len(label)), label.shape[1]
        except StopIteration:
            pass
        self.reset()
        return most, width

    def _parse_label(self, label: Any) -> Any:
        """(objects, width) of the row that a file holds."""
        raw = np.ravel(plain(label)).astype("float32")
        if raw.size < 7:
            raise RuntimeError(f"Label shape is invalid: {raw.shape}, of {self._locate()}; expected 7 numbers and more")
        header, width = int(raw[0]), int(raw[1])
        if width < 5 or header < 2 or (raw.size - header) % width:
            raise RuntimeError(f"Label shape {raw.shape} inconsistent with annotation width {width} and header {header}, "
                               f"of {self._locate()}")
        objects = raw[header:].reshape(-1, width)
        objects = objects[(objects[:, 3] > objects[:, 1]) & (objects[:, 4] > objects[:, 2])]
        if not len(objects):
            raise RuntimeError(f"Encounter sample with no valid label: {self._locate()}")
        return objects

    def _check_valid_label(self, label: Any) -> None:
        if label.ndim != 2 or label.shape[1] < 5:
            raise RuntimeError(f"Label with shape (1+, 5+) required, {label.shape} received.")
        if not ((label[:, 0] >= 0) & (label[:, 3] > label[:, 1]) & (label[:, 4] > label[:, 2])).any():
            raise RuntimeError("Invalid label occurs.")

    def _changed(self) -> tuple[NDArray, Any] | None:
        """The next image and its label after their augmenters; None where it is to be skipped."""
        raw, content = self.next_sample()
        image = self.imdecode(content)
        try:
            self.check_valid_image([image])
            label = self._parse_label(raw)
            image, label = self.augmentation_transform(image, label)
            self._check_valid_label(label)
        except RuntimeError as error:
            logging.debug("Invalid image, skipping:  %s", error)
            return None
        return image, label

    def _put(self, data: NDArray, label: NDArray, row: int) -> int:
        found = self._changed()
        if found is None:
            return 0
        image, objects = found
        most, width = self.label_shape
        if len(objects) > most or objects.shape[1] != width:
            raise ValueError(f"[{self._who}] {self._locate()} has the label shape {objects.shape}, expected at most "
                             f"{self.label_shape}: reshape() makes room")
        filled = np.full((most, width), _NONE, dtype="float32")
        filled[:len(objects)] = objects
        data[row] = self._fitting(self.postprocess_data(image))
        label[row] = array(filled)
        return 1

    def augmentation_transform(self, data: NDArray, label: Any = None) -> Any:
        """What the augmenters make of an image and its label."""
        for aug in self.auglist:
            data, label = aug(data, label)
        return data, label

    def check_label_shape(self, label_shape: Sequence[int]) -> None:
        """Raises ValueError for a shape that cannot replace the iterator's: fewer objects, another width."""
        if len(label_shape) != 2:
            raise ValueError(f"label_shape should have length 2; found {tuple(label_shape)}")
        if label_shape[0] < self.label_shape[0]:
            raise ValueError(f"Attempts to reduce label count from {self.label_shape[0]} to {label_shape[0]}, not allowed.")
        if label_shape[1] != self.label_shape[1]:
            raise ValueError(f"label_shape object width inconsistent: {self.label_shape[1]} vs {label_shape[1]}.")

    def reshape(self, data_shape: Sequence[int] | None = None, label_shape: Sequence[int] | None = None) -> None:
        """Changes the shapes of what comes: data (3, height, width), labels (objects, width). The augmenters stay: a list
        that resizes must be made for the new shape."""
        if data_shape is not None:
            self.check_data_shape(data_shape)
            self.provide_data = [DataDesc(self.provide_data[0].name, (self.batch_size, *data_shape))]
            self.data_shape = tuple(data_shape)
        if label_shape is not None:
            self.check_label_shape(label_shape)
            self.provide_label = [DataDesc(self.provide_label[0].name, (self.batch_size, *label_shape))]
            self.label_shape = (label_shape[0], label_shape[1])

    def sync_label_shape(self, it: ImageDetIter, verbose: bool = False) -> ImageDetIter:
        """Gives two iterators the label shape that holds the labels of both, as a training and a validation set need.

        Returns `it`. Raises TypeError for what is no ImageDetIter, ValueError for objects of different widths.
        """
        if not isinstance(it, ImageDetIter):
            raise TypeError(f"Synchronize with invalid iterator: found {type(it).__name__}, expected an ImageDetIter")
        mine, its = self.label_shape, it.label_shape
        if mine[1] != its[1]:
            raise ValueError(f"object width mismatch: {mine[1]} vs {its[1]}.")
        most = max(mine[0], its[0])
        if most > mine[0]:
            self.reshape(None, (most, mine[1]))
        if most > its[0]:
            it.reshape(None, (most, mine[1]))
        if verbose and most > min(mine[0], its[0]):
            logging.info("Resized label_shape to (%d, %d).", most, mine[1])
        return it

    def draw_next(self, color: Sequence[float] | None = None, thickness: int = 2, mean: Any = None, std: Any = None,
                  clip: bool = True, waitKey: int | None = None, window_name: str = "draw_next",
                  id2labels: dict[int, str] | None = None) -> Iterator[Any]:
        """The images of an epoch with their boxes drawn in: uint8 (height, width, 3), blue first.

        color: of the boxes; drawn by chance where None.
        thickness: of their lines, in pixels.
        mean, std: what the augmenters normalized with, to undo it; True for ImageNet's.
        clip: to 0 and 255.
        waitKey: milliseconds to show each for; needs OpenCV's Python module, as texts do.
        window_name: where it is shown.
        id2labels: texts of classes.
        """
        cv2 = _opencv() if waitKey is not None or id2labels else None
        mean = three("draw_next", "mean", mean, np.array(IMAGENET_MEAN))
        std = three("draw_next", "std", std, np.array(IMAGENET_STD))
        try:
            while True:
                found = self._changed()
                if found is None:
                    continue
                picture = _visible(found[0], mean, std, clip)
                for one in found[1]:
                    if one[0] >= 0:
                        _draw_object(picture, one, color, thickness, id2labels, cv2)
                if cv2 is not None and waitKey is not None:
                    cv2.imshow(window_name, picture)
                    cv2.waitKey(waitKey)
                yield picture
        except StopIteration:
            return


def _opencv() -> Any:
    try:
        return importlib.import_module("cv2")
    except ImportError:
        warnings.warn("OpenCV's Python module is not there: nothing is shown, and classes are not named", stacklevel=3)
        return None


def _visible(image: NDArray, mean: Any, std: Any, clip: bool) -> Any:
    """Pixels to look at: uint8, blue first."""
    pixels = image.asnumpy().astype("float32")
    if std is not None:
        pixels = pixels * np.asarray(plain(std), "float32")
    if mean is not None:
        pixels = pixels + np.asarray(plain(mean), "float32")
    if clip:
        pixels = np.clip(pixels, 0, 255)
    return np.ascontiguousarray(pixels[..., ::-1].astype("uint8"))


def _draw_object(picture: Any, one: Any, color: Sequence[float] | None, thickness: int, names: dict[int, str] | None,
                 cv2: Any) -> None:
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = (int(share * size) for share, size in zip(one[1:5], (width, height, width, height)))
    chosen = np.random.rand(3) * 255 if color is None else np.asarray(color)
    half = thickness // 2
    for top, bottom, left, right in ((y0, y0, x0, x1), (y1, y1, x0, x1), (y0, y1, x0, x0), (y0, y1, x1, x1)):
        picture[max(0, top - half):max(0, bottom - half + thickness), max(0, left - half):max(0, right - half + thickness)] = chosen
    if names is not None and cv2 is not None:
        name = names.get(int(one[0]))
        if name is not None:
            cv2.putText(picture, name, (x0 + 5, y0 + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, tuple(map(float, chosen)), 1)
