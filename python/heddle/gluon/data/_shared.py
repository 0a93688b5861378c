"""Objects that go from process to process through a socket, the arrays in them through shared memory.

All arrays of an object, heddle's and NumPy's, lie in one memory of the kernel without a name (memfd_create(2)): what the
sender copied there the receiver reads in place. It is gone with the last array in it, also when a process is killed. It
needs no /dev/shm, which is small in containers.
"""
from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import struct

from ... import _core
from ...ndarray import NDArray, empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HEAD = struct.Struct("<QQ")  # bytes of the pickled object and of the memory, which is passed along where it has any
_ALIGN = 64  # where arrays begin


class Closed(Exception):
    """The other side is gone."""


def _raw(part: NDArray | pickle.PickleBuffer, length: int) -> memoryview:
    """The bytes of an array, in its memory where Python can look into that."""
    if isinstance(part, pickle.PickleBuffer):
        return part.raw()
    if length and part.dtype.name != "bfloat16" and part.context.device_type != "gpu":
        return memoryview(part).cast("B")
    copied = memoryview(bytearray(length))
    part._copy_to(copied)
    return copied


class _Arrays:
    """What the arrays of an object become in a memory, one after the other."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int, NDArray | pickle.PickleBuffer]] = []  # place, bytes, contents
        self.size = 0

    def add(self, length: int, part: NDArray | pickle.PickleBuffer) -> int:
        """Its place, for one more of so many bytes."""
        place = self.size
        self.parts.append((place, length, part))
        self.size += -(-length // _ALIGN) * _ALIGN
        return place

    def leave_out(self, buffer: pickle.PickleBuffer) -> bool:
        """Takes a buffer that pickle came upon, which leaves it out then."""
        self.add(buffer.raw().nbytes, buffer)
        return False

    def memory(self) -> int:
        """A file descriptor of them all."""
        file = os.memfd_create("heddle-batch", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, self.size)
            for place, length, part in self.parts:
                # Written, and not copied to a mapping: for each page of that the kernel would be asked.
                with _raw(part, length) as data:
                    done = 0
                    while done < length:  # a call writes 2 GB at most
                        done += os.pwrite(file, data[done:], place + done)
        except BaseException:
            os.close(file)
            raise
        return file


class _Pickler(pickle.Pickler):
    """Pickles an object but for the arrays in it; each of heddle's becomes its place, length, shape and dtype.

    It holds `arrays`, which do not hold it: in a circle with it they would stay until the garbage collector comes.
    """

    def __init__(self, file: io.BytesIO, arrays: _Arrays) -> None:
        super().__init__(file, protocol=5, buffer_callback=arrays.leave_out)
        self._arrays = arrays

    def persistent_id(self, obj: Any) -> tuple[int, int, tuple[int, ...], str] | None:
        if not isinstance(obj, NDArray):
            return None
        length = obj.size * obj.dtype.itemsize
        return self._arrays.add(length, obj), length, obj.shape, obj.dtype.name


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, view: memoryview | None, lengths: list[tuple[int, int]]) -> None:
        super().__init__(file, buffers=(b"" if view is None else view[place:place + length] for place, length in lengths))
        self._view = view

    def persistent_load(self, pid: Any) -> NDArray:
        place, length, shape, dtype = pid
        if not length:
            return empty(shape, dtype=dtype)
        assert self._view is not None
        return _core.share_bytes(self._view[place:place + length], shape, dtype)


def pack(value: Any) -> tuple[bytes, _Arrays]:
    """An object pickled, and the arrays that it leaves out."""
    file, arrays = io.BytesIO(), _Arrays()
    _Pickler(file, arrays).dump(value)
    lengths = [(place, length) for place, length, part in arrays.parts if not isinstance(part, NDArray)]
    return pickle.dumps(lengths) + file.getvalue(), arrays


def send(sock: socket.socket, packed: tuple[bytes, _Arrays]) -> None:
    """Sends what pack made. Raises Closed where nobody receives it."""
    text, arrays = packed
    file = arrays.memory() if arrays.size else None
    try:
        head = _HEAD.pack(len(text), arrays.size)
        sent = socket.send_fds(sock, [head], [] if file is None else [file])
        sock.sendall(head[sent:] + text)
    except OSError as error:
        raise Closed from error
    finally:
        if file is not None:
            os.close(file)


def _read(sock: socket.socket, count: int) -> bytearray:
    data = bytearray(count)
    with memoryview(data) as view:
        done = 0
        while done < count:
            more = sock.recv_into(view[done:])
            if not more:
                raise Closed
            done += more
    return data


def receive(sock: socket.socket) -> Any:
    """The next object. Raises Closed where nothing comes any more."""
    files: list[int] = []
    try:
        head, files, _, _ = socket.recv_fds(sock, _HEAD.size, 1)
        if not head:
            raise Closed
        length, size = _HEAD.unpack(head + bytes(_read(sock, _HEAD.size - len(head))))
        text = _read(sock, length)
        view = memoryview(mmap.mmap(files[0], size)) if size else None
    except OSError as error:
        raise Closed from error
    finally:
        for file in files:
            os.close(file)
    stream = io.BytesIO(text)
    lengths = pickle.load(stream)
    return _Unpickler(stream, view, lengths).load()
