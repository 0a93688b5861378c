"""Data for tests and examples: files on this machine, or Debian's. Users find these functions in heddle.test_utils."""
from __future__ import annotations

import bz2
import gzip
import logging
import os
import shutil
import struct
import time
import urllib.request
import zipfile

import numpy as np

from .base import data_dir
from .io import DataIter, MNISTIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._typing import Shape
    from .io import DataBatch

_MNIST = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_FASHION = "/usr/share/datasets/fashion-mnist"


def download(url: str, fname: str | None = None, dirname: str | None = None, overwrite: bool = False,
             retries: int = 5) -> str:
    """Fetches a file, unless it is there already; returns its path.

    fname: its name, by default the last part of the URL; dirname: its folder. The file appears whole or not at all.
    Raises OSError when all `retries` tries have failed.
    """
    if retries < 0:
        raise ValueError(f"found retries {retries}, expected 0 or more")
    fname = fname or url.split("/")[-1]
    if dirname is not None:
        fname = os.path.join(dirname, fname)
    if os.path.exists(fname) and not overwrite:
        logging.info("%s exists, skipping download", fname)
        return fname
    os.makedirs(os.path.dirname(fname) or ".", exist_ok=True)
    part = f"{fname}.{os.getpid()}.part"
    for left in range(retries, -1, -1):
        try:
            with urllib.request.urlopen(url, timeout=60) as source, open(part, "wb") as target:
                shutil.copyfileobj(source, target)
            os.replace(part, fname)
            break
        except OSError as error:
            if os.path.exists(part):
                os.remove(part)
            if not left:
                raise OSError(f"{url}: {error}") from error
            logging.warning("%s: %s; %d tries left", url, error, left)
            time.sleep(1)
    logging.info("downloaded %s into %s successfully", url, fname)
    return fname


def download_model(model_name: str, dst_dir: str = "./", meta_info: Any = None) -> tuple[str | None, int]:
    """Fetches PREFIX-symbol.json and PREFIX-0000.params of a model; returns (prefix, 0), or (None, 0) for one that is not
    known.

    meta_info: names to {"symbol": URL, "params": URL}. MXNet's list of models led to a server that is gone, so there is
    none here.
    """
    if not isinstance(meta_info, dict):
        raise ValueError("download_model needs meta_info, a dict of names to the URLs of symbol and params: the server that "
                         "MXNet took models from is gone")
    if model_name not in meta_info:
        return None, 0
    entry = meta_info[model_name]
    for part in ("symbol", "params"):
        if part not in entry:
            raise ValueError(f"missing {part} url: found {sorted(entry)}")
    prefix = os.path.join(os.path.expanduser(dst_dir), model_name)
    download(entry["symbol"], f"{prefix}-symbol.json")
    download(entry["params"], f"{prefix}-0000.params")
    return prefix, 0


# --- MNIST and CIFAR


def _places(folder: str) -> list[str]:
    return ["data", folder, os.path.join("data", folder), os.path.join(data_dir(), folder),
            os.path.join(data_dir(), "datasets", folder)]


def _missing(what: str, places: list[str]) -> FileNotFoundError:
    return FileNotFoundError(f"{what} is in none of {', '.join(os.path.abspath(p) for p in places)}: put it in one of these "
                             "folders, as no data is downloaded")


def _find_mnist() -> str:
    places = _places("mnist")
    for folder in places:
        if all(os.path.exists(os.path.join(folder, n)) or os.path.exists(os.path.join(folder, n + ".gz")) for n in _MNIST):
            return folder
    if not os.path.isdir(_FASHION):
        raise _missing("MNIST (train-images-idx3-ubyte and the other three files, gzipped or not)", places)
    logging.warning("MNIST is in none of %s: taking the clothes of Debian's dataset-fashion-mnist, which have the same "
                    "shapes and numbers", ", ".join(places))
    return _FASHION


def _read_raw(folder: str, name: str) -> bytes:
    path = os.path.join(folder, name)
    if os.path.exists(path):
        with open(path, "rb") as file:
            return file.read()
    with gzip.open(path + ".gz") as zipped:
        return zipped.read()


def read_idx(folder: str, name: str) -> np.ndarray:
    """The bytes of an IDX file (Yann LeCun's format of MNIST) in the shape that it says; NAME.gz does where there is no NAME.

    Raises FileNotFoundError where there is neither, ValueError for what is no IDX file of bytes.
    """
    raw = _read_raw(folder, name)
    if len(raw) < 8 or raw[:3] != b"\0\0\x08":
        raise ValueError(f"{folder}/{name}: found the first bytes {raw[:4].hex()}, expected an IDX file of bytes")
    shape = struct.unpack_from(f">{raw[3]}I", raw, 4)
    found = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if found.size != np.prod(shape):
        raise ValueError(f"{folder}/{name}: found {found.size} bytes of data, expected {np.prod(shape)} for {shape}")
    return found.reshape(shape)


def get_mnist() -> dict[str, np.ndarray]:
    """MNIST: train_data (60000, 1, 28, 28) from 0 to 1 and train_label (60000,), test_data and test_label (10000 of each).

    Read from ./data, ./mnist or the folder mnist in base.data_dir(); where there is none, Debian's Fashion-MNIST, which a
    warning tells. Raises FileNotFoundError where that is not installed either.
    """
    folder = _find_mnist()
    found = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(folder, f"{prefix}-images-idx3-ubyte")
        found[f"{part}_data"] = images.reshape(len(images), 1, *images.shape[1:]).astype(np.float32) / 255
        found[f"{part}_label"] = read_idx(folder, f"{prefix}-labels-idx1-ubyte").astype(np.int8)
    return found


def get_mnist_ubyte() -> None:
    """Sees to it that the four files of MNIST lie unpacked in ./data, from the places where get_mnist looks."""
    if all(os.path.exists(os.path.join("data", name)) for name in _MNIST):
        return
    folder = _find_mnist()
    os.makedirs("data", exist_ok=True)
    for name in _MNIST:
        path = os.path.join("data", name)
        if not os.path.exists(path):
            with open(path + ".part", "wb") as file:
                file.write(_read_raw(folder, name))
            os.replace(path + ".part", path)


def get_mnist_iterator(batch_size: int, input_shape: Shape, num_parts: int = 1, part_index: int = 0) -> tuple[Any, Any]:
    """(training, validation) iterators over MNIST, images flat unless input_shape has three axes."""
    get_mnist_ubyte()
    flat = len(input_shape) != 3
    parts = [MNISTIter(image=f"data/{prefix}-images-idx3-ubyte", label=f"data/{prefix}-labels-idx1-ubyte",
                       batch_size=batch_size, shuffle=prefix == "train", flat=flat, num_parts=num_parts,
                       part_index=part_index)
             for prefix in ("train", "t10k")]
    return parts[0], parts[1]


def get_mnist_pkl() -> None:
    """Sees to it that ./data/mnist.pkl.gz is there. Raises FileNotFoundError otherwise."""
    if not os.path.exists("data/mnist.pkl.gz"):
        raise _missing("mnist.pkl.gz", ["data"])


def get_cifar10() -> None:
    """Sees to it that ./data/cifar has train.rec and test.rec. Raises FileNotFoundError otherwise."""
    if not all(os.path.exists(f"data/cifar/{name}.rec") for name in ("train", "test")):
        raise _missing("CIFAR-10 (train.rec and test.rec)", ["data/cifar"])


def get_zip_data(data_dir: str, url: str, data_origin_name: str) -> None:
    """Fetches an archive into data_dir, unless it is there, and unpacks it."""
    path = download(url, data_origin_name, data_dir)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(data_dir)


def get_bz2_data(data_dir: str, data_name: str, url: str, data_origin_name: str) -> None:
    """Fetches a bzip2 file into data_dir and unpacks it as data_name, unless that is there."""
    path = os.path.join(data_dir, data_name)
    if os.path.exists(path):
        return
    packed = download(url, data_origin_name, data_dir)
    with bz2.open(packed) as source, open(path + ".part", "wb") as target:
        shutil.copyfileobj(source, target)
    os.replace(path + ".part", path)
    os.remove(packed)


class DummyIter(DataIter):
    """The first batch of an iterator, again and again: a training loop without the cost of data."""

    def __init__(self, real_iter: DataIter) -> None:
        super().__init__()
        self.real_iter = real_iter
        self.provide_data = real_iter.provide_data
        self.provide_label = real_iter.provide_label
        self.batch_size = real_iter.batch_size
        self.the_batch = next(iter(real_iter))

    def __iter__(self) -> DummyIter:
        return self

    def next(self) -> DataBatch:
        """That batch."""
        return self.the_batch


def get_im2rec_path(home_env: str = "MXNET_HOME") -> str:
    """Where im2rec.py is: below the folder that an environment variable names, or beside the package.

    Raises FileNotFoundError where it is in neither.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    roots = [os.environ[home_env]] if home_env in os.environ else []
    roots += [here, *(os.path.join(here, *[os.pardir] * n) for n in range(1, 5))]
    places = [os.path.normpath(os.path.join(root, "tools", "im2rec.py")) for root in roots]
    for path in places:
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(f"Could not find path to tools/im2rec.py: looked for {', '.join(places)}")
