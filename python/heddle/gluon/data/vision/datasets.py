"""Datasets of images: those that everybody knows, from files on this machine, and one's own in folders, lists and records.

A sample is (image, label): the image uint8 of (height, width, channels) with red first, the label a NumPy number. Nothing is
downloaded: where a file is missing, the error says which, and where it belongs.
"""
from __future__ import annotations

import os
import tarfile
import warnings

import numpy as np

from .... import image, recordio
from ...._test_data import read_idx
from ....base import data_dir
from ....ndarray import NDArray, array
from ..dataset import Dataset, RecordFileDataset, _DownloadedDataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["CIFAR10", "CIFAR100", "FashionMNIST", "ImageFolderDataset", "ImageListDataset", "ImageRecordDataset", "MNIST"]

_EXTENSIONS = (".jpg", ".jpeg", ".png")


def _root(name: str) -> str:
    return os.path.join(data_dir(), "datasets", name)


class MNIST(_DownloadedDataset):
    """Handwritten digits (Y. LeCun, C. Cortes, C. J. C. Burges): 60000 to train with and 10000 to test, (28, 28, 1), and int32
    labels from 0 to 9.

    root: the folder of train-images-idx3-ubyte, train-labels-idx1-ubyte and the two that begin with t10k, each as it is or
        with .gz.
    train: the samples to train with, or those to test.
    transform: called with (image, label); what it returns is the sample.

    Raises FileNotFoundError where a file is missing, ValueError for one that is broken.
    """

    _name = "MNIST"
    _places: tuple[str, ...] = ()  # other folders that may have the files

    def __init__(self, root: str | os.PathLike[str] = _root("mnist"), train: bool = True,
                 transform: Callable[[NDArray, Any], Any] | None = None) -> None:
        self._train = train
        super().__init__(root, transform)

    def _get_data(self) -> None:
        prefix = "train" if self._train else "t10k"
        names = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        folder = next((f for f in (self._root, *self._places) if all(_is_there(f, name) for name in names)), None)
        if folder is None:
            raise FileNotFoundError(f"[{self._name}] {names[0]} and {names[1]}, each as it is or with .gz, are not both in "
                                    f"{os.path.abspath(self._root)}: put them there, or name another folder as root; nothing is "
                                    "downloaded")
        images, labels = (read_idx(folder, name) for name in names)
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise ValueError(f"[{self._name}] the files in {folder} have images of {images.shape} and labels of {labels.shape}, "
                             "expected (n, height, width) and (n,)")
        self._data = array(images[..., None], dtype="uint8")
        self._label = labels.astype(np.int32)


def _is_there(folder: str, name: str) -> bool:
    path = os.path.join(folder, name)
    return os.path.exists(path) or os.path.exists(path + ".gz")


class FashionMNIST(MNIST):
    """Pictures of clothes ("Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", Xiao et al.,
    2017): as MNIST, and under the same file names. Debian's package dataset-fashion-mnist serves where root has no files.
    """

    _name = "FashionMNIST"
    _places = ("/usr/share/datasets/fashion-mnist",)

    def __init__(self, root: str | os.PathLike[str] = _root("fashion-mnist"), train: bool = True,
                 transform: Callable[[NDArray, Any], Any] | None = None) -> None:
        super().__init__(root, train, transform)


class CIFAR10(_DownloadedDataset):
    """Small colour photographs ("Learning multiple layers of features from tiny images", Krizhevsky, 2009): 50000 to train with
    and 10000 to test, (32, 32, 3), and int32 labels from 0 to 9.

    root: the folder of cifar-10-binary.tar.gz, or of the files data_batch_1.bin to data_batch_5.bin and test_batch.bin in it.
    train: the samples to train with, or those to test.
    transform: called with (image, label); what it returns is the sample.

    Raises FileNotFoundError where a file is missing, ValueError for one that is broken.
    """

    _archive = "cifar-10-binary.tar.gz"
    _files: tuple[Sequence[str], Sequence[str]] = [f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]
    _labels = 1  # bytes before an image
    _which = 0  # of them is the label

    def __init__(self, root: str | os.PathLike[str] = _root("cifar10"), train: bool = True,
                 transform: Callable[[NDArray, Any], Any] | None = None) -> None:
        self._train = train
        super().__init__(root, transform)

    def _get_data(self) -> None:
        parts = [self._rows(name, content) for name, content in self._contents(self._files[0 if self._train else 1])]
        rows = np.concatenate(parts)
        pixels = rows[:, self._labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self._data = array(np.ascontiguousarray(pixels), dtype="uint8")
        self._label = rows[:, self._which].astype(np.int32)

    def _rows(self, name: str, content: bytes) -> np.ndarray:
        size = self._labels + 3 * 32 * 32
        if not content or len(content) % size:
            raise ValueError(f"[{type(self).__name__}] {name} in {self._root} has {len(content)} bytes, expected a multiple of {size}")
        return np.frombuffer(content, np.uint8).reshape(-1, size)

    def _contents(self, names: Sequence[str]) -> list[tuple[str, bytes]]:
        """The files, from the folder or from the archive."""
        paths = [os.path.join(self._root, name) for name in names]
        if all(map(os.path.exists, paths)):
            return [(name, _read(path)) for name, path in zip(names, paths)]
        archive = os.path.join(self._root, self._archive)
        if not os.path.exists(archive):
            raise FileNotFoundError(f"[{type(self).__name__}] {os.path.abspath(self._root)} has neither {self._archive} nor "
                                    f"{', '.join(names)}: put one or the other there, or name another folder as root; nothing is "
                                    "downloaded")
        found = {}
        with tarfile.open(archive) as opened:
            for member in opened:
                name = os.path.basename(member.name)
                if name in names and (file := opened.extractfile(member)) is not None:
                    found[name] = file.read()
        lacking = [name for name in names if name not in found]
        if lacking:
            raise ValueError(f"[{type(self).__name__}] {archive} lacks {', '.join(lacking)}")
        return [(name, found[name]) for name in names]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class CIFAR100(CIFAR10):
    """As CIFAR10, with 100 classes in 20 groups.

    root: the folder of cifar-100-binary.tar.gz, or of the files train.bin and test.bin in it.
    fine_label: the label is the class, else the group.
    train, transform: as in CIFAR10.
    """

    _archive = "cifar-100-binary.tar.gz"
    _files = ["train.bin"], ["test.bin"]
    _labels = 2

    def __init__(self, root: str | os.PathLike[str] = _root("cifar100"), fine_label: bool = False, train: bool = True,
                 transform: Callable[[NDArray, Any], Any] | None = None) -> None:
        self._which = int(fine_label)
        super().__init__(root, train, transform)


class ImageRecordDataset(RecordFileDataset):
    """Images in an indexed RecordIO file, as im2rec makes it.

    filename: the path of the .rec file; its index lies beside it, as .idx.
    flag: 1 for three colours, 0 for grey.
    transform: called with (image, label); what it returns is the sample.

    The label is a number, or float32 of (n,) where the records have several. Raises MXNetError for what is no image.
    """

    def __init__(self, filename: str | os.PathLike[str], flag: int = 1,
                 transform: Callable[[NDArray, Any], Any] | None = None) -> None:
        super().__init__(filename)
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx: int) -> Any:
        header, content = recordio.unpack(super().__getitem__(idx))
        picture = image.imdecode(content, self._flag)
        if self._transform is not None:
            return self._transform(picture, header.label)
        return picture, header.label


class ImageFolderDataset(Dataset):
    """Images in folders, one for each class: root/CLASS/FILE.

    root: the folder of the folders, whose order by name gives the labels; ~ is the home.
    flag: 1 for three colours, 0 for grey.
    transform: called with (image, label); what it returns is the sample.

    synsets: the names of the classes. items: (path, label) of each sample. Files that are no .jpg, .jpeg or .png, and what
    lies beside the folders, are left out with a warning.
    """

    def __init__(self, root: str | os.PathLike[str], flag: int = 1,
                 transform: Callable[[NDArray, Any], Any] | None = None) -> None:
        self._root = os.path.expanduser(os.fspath(root))
        self._flag = flag
        self._transform = transform
        self.synsets: list[str] = []
        self.items: list[tuple[str, int]] = []
        for name in sorted(os.listdir(self._root)):
            path = os.path.join(self._root, name)
            if not os.path.isdir(path):
                warnings.warn(f"Ignoring {path}, which is not a directory.", stacklevel=2)
                continue
            label = len(self.synsets)
            self.synsets.append(name)
            for file in sorted(os.listdir(path)):
                extension = os.path.splitext(file)[1]
                if extension.lower() in _EXTENSIONS:
                    self.items.append((os.path.join(path, file), label))
                else:
                    warnings.warn(f"Ignoring {os.path.join(path, file)} of type {extension}. Only support "
                                  f"{', '.join(_EXTENSIONS)}", stacklevel=2)

    def __getitem__(self, idx: int) -> Any:
        path, label = self.items[idx]
        picture = image.imread(path, self._flag)
        if self._transform is not None:
            return self._transform(picture, label)
        return picture, label

    def __len__(self) -> int:
        return len(self.items)


class ImageListDataset(Dataset):
    """Images that a list names.

    root: the folder that paths start from; ~ is the home.
    imglist: the path of a list as im2rec writes it, of lines with index, labels and path with tabs between; or a list of
        [label, ..., path].
    flag: 1 for three colours, 0 for grey.

    items: (path, label) of each sample. The label is a number, or float32 of (n,) where there are several. Raises ValueError
    for a line that has no label or is not of this form.
    """

    def __init__(self, root: str | os.PathLike[str] = ".", imglist: Any = None, flag: int = 1) -> None:
        self._root = os.path.expanduser(os.fspath(root))
        self._flag = flag
        self.items: list[tuple[str, Any]] = []
        if isinstance(imglist, (str, os.PathLike)):
            where = os.path.join(self._root, os.path.expanduser(os.fspath(imglist)))
            with open(where) as lines:
                entries = [(f"line {i} of {where}", line.rstrip("\n").split("\t")[1:]) for i, line in enumerate(lines, 1) if line.strip()]
        elif isinstance(imglist, (list, tuple)):
            entries = [(f"entry {i}", list(entry)) for i, entry in enumerate(imglist)]
        else:
            raise ValueError(f"[ImageListDataset] imglist is a {type(imglist).__name__}, expected the path of a list, or a list")
        for where, entry in entries:
            self.items.append(self._item(where, entry))

    def _item(self, where: str, entry: list[Any]) -> tuple[str, Any]:
        try:
            *labels, path = entry
            numbers = np.concatenate([np.atleast_1d(np.asarray(label, np.float32)) for label in labels])
            return os.path.join(self._root, path), numbers[0].item() if numbers.size == 1 else numbers
        except (ValueError, TypeError):
            raise ValueError(f"[ImageListDataset] {where} is {entry!r}, expected one or more labels and a path") from None

    def __getitem__(self, idx: int) -> Any:
        path, label = self.items[idx]
        return image.imread(path, self._flag), label

    def __len__(self) -> int:
        return len(self.items)
