"""RecordIO files, and records of images in them: what tools/im2rec.py makes and the record iterators read.

The format is MXNet's: files go both ways between the two.
"""
from __future__ import annotations

import numbers
import os
import struct
import threading
from collections import namedtuple

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "unpack", "unpack_img"]


class MXRecordIO:
    """Reads or writes a RecordIO file, record after record. Also a context manager, which closes it.

    uri: the path.
    flag: "r" to read, "w" to write from the start.

    Several threads may read from one, each record going to one of them. A pickled reader, and one in a process that was
    forked, opens the file again and begins at its start. Raises ValueError for another flag, and MXNetError with path and
    reason where the file cannot be opened.
    """

    def __init__(self, uri: str | os.PathLike[str], flag: str) -> None:
        self.uri = os.fspath(uri)
        self.flag = flag
        self.handle: Any = None
        self.is_open = False
        self._lock = threading.RLock()
        self.open()

    def open(self) -> None:
        """Opens the file; one to write becomes empty."""
        if self.flag not in ("r", "w"):
            raise ValueError(f"Invalid flag {self.flag}: expected r or w")
        self.writable = self.flag == "w"
        self.handle = (_core.RecordWriter if self.writable else _core.RecordReader)(self.uri)
        self.pid = os.getpid()
        self.is_open = True

    def close(self) -> None:
        """Closes the file; what was written is in it then. A second call does nothing."""
        if not self.is_open:
            return
        self.is_open = False
        handle, self.handle = self.handle, None
        if self.pid == os.getpid():
            handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "is_open", False):  # not where the constructor failed
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self.is_open and self.writable:
            raise ValueError(f"[{type(self).__name__}] {self.uri} is open for writing, expected a reader or a closed file to "
                             "pickle: opened again, it would be empty")
        return {name: value for name, value in self.__dict__.items() if name not in ("handle", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.handle = None
        self._lock = threading.RLock()
        if self.is_open:
            self.is_open = False
            self.open()

    def _need(self, writable: bool) -> None:
        """Raises where the file is not open for this."""
        if not self.is_open:
            raise ValueError(f"[{type(self).__name__}] {self.uri} is closed, expected an open file")
        if self.writable != writable:
            raise ValueError(f"[{type(self).__name__}] {self.uri} is open for {'writing' if self.writable else 'reading'}, "
                             f"expected {'writing' if writable else 'reading'}")
        if self.pid == os.getpid():
            return
        if writable:
            raise RuntimeError(f"Forbidden operation in multiple processes: {self.uri} is written by process {self.pid}")
        self.reset()

    def reset(self) -> None:
        """Opens the file again: a reader is at the start, a writer's file is empty."""
        with self._lock:
            self.close()
            self.open()

    def write(self, buf: bytes) -> None:
        """Adds a record of bytes. Raises ValueError for a file to read, RuntimeError in a process that was forked."""
        self._need(True)
        self.handle.write(buf)

    def read(self) -> bytes | None:
        """The next record, or None at the end. Raises MXNetError with path and byte offset for a broken one; the next call
        goes on behind it."""
        with self._lock:
            self._need(False)
            record: bytes | None = self.handle.read()
            return record

    def tell(self) -> int:
        """Where the next record begins, in bytes. Raises ValueError for a closed file."""
        self._need(self.writable)
        place: int = self.handle.tell()
        return place


class MXIndexedRecordIO(MXRecordIO):
    """A RecordIO file with an index: records are read by their keys.

    idx_path: the index, lines of key and byte offset with a tab between.
    uri, flag: as in MXRecordIO.
    key_type: makes keys of the index's words.

    keys: in the order of the index. idx: key to byte offset.
    """

    def __init__(self, idx_path: str | os.PathLike[str], uri: str | os.PathLike[str], flag: str,
                 key_type: Callable[[Any], Any] = int) -> None:
        self.idx_path = os.fspath(idx_path)
        self.key_type = key_type
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.fidx: Any = None
        super().__init__(uri, flag)

    def open(self) -> None:
        super().open()
        self.idx, self.keys = {}, []
        if self.writable:
            self.fidx = open(self.idx_path, "w", buffering=1)  # by lines, so that a fork has none to write twice
            return
        try:
            self._read_index()
        except BaseException:
            self.close()
            raise

    def _read_index(self) -> None:
        with open(self.idx_path) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    word, offset = line.rstrip("\n").split("\t")
                    key = self.key_type(word)
                    self.idx[key] = int(offset)
                except ValueError:
                    raise ValueError(f"[{type(self).__name__}] line {number} of {self.idx_path} is {line.strip()!r}, expected "
                                     "key and byte offset, with a tab between") from None
                self.keys.append(key)

    def close(self) -> None:
        if self.is_open and self.fidx is not None:
            file, self.fidx = self.fidx, None
            file.close()
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "fidx"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.fidx = None
        super().__setstate__(state)

    def seek(self, idx: Any) -> None:
        """Goes to the record of a key: read() gives it. Raises KeyError for a key that the index has not."""
        with self._lock:
            self._need(False)
            if idx not in self.idx:
                raise KeyError(f"{self.idx_path} has no key {idx!r}")
            self.handle.seek(self.idx[idx])

    def read_idx(self, idx: Any) -> bytes:
        """The record of a key; threads do not disturb each other. Raises KeyError for a key that the index has not, and
        MXNetError with path and byte offset where there is no whole record."""
        with self._lock:
            self.seek(idx)
            record: bytes | None = self.handle.read()
            if record is None:
                raise ValueError(f"[{type(self).__name__}] key {idx!r} of {self.idx_path} is at byte {self.idx[idx]}, and "
                                 f"{self.uri} ends there")
            return record

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Adds a record of bytes under a key."""
        key = self.key_type(idx)
        with self._lock:
            self._need(True)
            offset = self.tell()
            self.write(buf)
            self.fidx.write(f"{key}\t{offset}\n")
            self.idx[key] = offset
            self.keys.append(key)


# --- records of images

IRHeader = namedtuple("IRHeader", ["flag", "label", "id", "id2"])
IRHeader.__doc__ = """What stands before an image in its record.

flag: how many labels stand between the header and the image; 0 where `label` is the only one. pack() finds it.
label: a number, or numbers.
id, id2: numbers of the image.
"""
_IR_FORMAT = "IfQQ"
_IR_SIZE = struct.calcsize(_IR_FORMAT)


def pack(header: Any, s: bytes) -> bytes:
    """A record of a header (IRHeader, or four values) and the bytes of an image, or any others."""
    header = IRHeader(*header)
    if isinstance(header.label, numbers.Real):
        return struct.pack(_IR_FORMAT, 0, float(header.label), header.id, header.id2) + bytes(s)
    import numpy as np
    label = np.asarray(header.label, dtype=np.float32).ravel()
    return struct.pack(_IR_FORMAT, label.size, 0.0, header.id, header.id2) + label.tobytes() + bytes(s)


def unpack(s: bytes) -> tuple[Any, bytes]:
    """The header (IRHeader) and the bytes of a record; several labels are float32 of (n,). Raises ValueError for a record
    that is too short."""
    if len(s) < _IR_SIZE:
        raise ValueError(f"[unpack] the record has {len(s)} bytes, expected at least the {_IR_SIZE} of a header")
    header = IRHeader(*struct.unpack(_IR_FORMAT, s[:_IR_SIZE]))
    end = _IR_SIZE + 4 * header.flag
    if len(s) < end:
        raise ValueError(f"[unpack] the record has {len(s)} bytes, expected at least {end}: its header says that it has "
                         f"{header.flag} labels")
    if header.flag > 0:
        import numpy as np
        header = header._replace(label=np.frombuffer(s, np.float32, header.flag, _IR_SIZE))
    return header, s[end:]


def unpack_img(s: bytes, iscolor: int = -1) -> tuple[Any, Any]:
    """The header and the image of a record.

    iscolor: 1 for three colours, 0 for grey, -1 for what the file has.

    The image is a NumPy array as OpenCV makes it: uint8 of (height, width, 3) with blue first, (height, width) in grey,
    (height, width, 4) with opacity. Raises MXNetError where the file is broken.
    """
    import numpy as np
    header, content = unpack(s)
    channels = {1: 3, 0: 1}.get(iscolor, 0)
    shape, pixels = _core.decode_image("unpack_img", content, channels)
    image = np.frombuffer(pixels, np.uint8).reshape(shape)
    return header, image[:, :, 0] if shape[2] == 1 else image


_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


def pack_img(header: Any, img: Any, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """A record of a header and an image, which becomes a JPEG or PNG file.

    header: as in pack.
    img: uint8 of (height, width), or (height, width, 3) with blue first; PNG also (height, width, 4).
    quality: 1 to 100 of JPEG; of PNG zlib's level, of which there are 0 to 9.
    img_fmt: ".jpg", ".jpeg" or ".png".

    Raises ValueError for other formats, dtypes and shapes.
    """
    import numpy as np
    kind = _FORMATS.get(img_fmt.lower())
    if kind is None:
        raise ValueError(f"[pack_img] img_fmt is {img_fmt!r}, expected {', '.join(_FORMATS)}")
    return pack(header, encode(np.asarray(img.asnumpy() if hasattr(img, "asnumpy") else img), kind, quality))


def encode(image: Any, kind: str, quality: int, blue_first: bool = True) -> bytes:
    """A file of the kind "JPEG" or "PNG": what pack_img writes."""
    import numpy as np
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"[pack_img] the image is {image.dtype} of {image.shape}, expected uint8 of (height, width) or "
                         "(height, width, channels)")
    if image.ndim == 2:
        image = image[:, :, None]
    if blue_first and image.shape[2] >= 3:
        image = image[:, :, [2, 1, 0, *range(3, image.shape[2])]]
    height, width, channels = image.shape
    return _core.encode_image("pack_img", kind, np.ascontiguousarray(image).ravel(), height, width, channels, quality)
