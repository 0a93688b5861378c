"""Files of images for tests: PNG files of any kind, and the JPEG files beside this one.

Those were compressed by libjpeg, at quality 95, from pixels() of their size: whole.jpg; halved.jpg and restarts.jpg with
colours at half the resolution, the latter with restart markers; progressive.jpg; grey.jpg; inks.jpg with four inks; and
turned.jpg, whose camera notes that it was held sideways.
"""
import pathlib
import struct
import zlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "images"


def jpeg(name):
    """The bytes of a file of this folder."""
    return (FOLDER / f"{name}.jpg").read_bytes()


def pixels(height, width, channels):
    """A smooth picture, as floats: (height, width, channels)."""
    i, j = np.mgrid[:height, :width]
    return np.stack([127 + 100 * np.sin(0.11 * j + c) * np.cos(0.07 * i - c) for c in range(channels)], -1)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _lines(a, depth):
    """Rows as the file has them, each after a byte that says how it was filtered: not at all."""
    if depth < 8:
        bits = a.reshape(len(a), -1, 1) >> np.arange(depth - 1, -1, -1) & 1
        rows = np.packbits(bits.reshape(len(a), -1).astype("uint8"), axis=1)
    else:
        rows = a.reshape(len(a), -1).astype(">u2" if depth == 16 else "u1").view("u1")
    return b"".join(b"\0" + row.tobytes() for row in rows)


# Where the pixels of each pass of an interlaced file begin, and how far apart they are.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def png(a, depth=8, palette=None, transparent=None, interlaced=False):
    """A PNG file of whole numbers of `depth` bits: (height, width) or (height, width, 1 to 4)."""
    a = np.asarray(a)
    channels = 1 if a.ndim == 2 else a.shape[2]
    kind = 3 if palette is not None else {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    parts = [a[y::dy, x::dx] for y, x, dy, dx in PASSES] if interlaced else [a]
    data = b"".join(_lines(part, depth) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], depth, kind, 0, 0, int(interlaced))
    extra = _chunk(b"PLTE", np.asarray(palette, "u1").tobytes()) if palette is not None else b""
    extra += _chunk(b"tRNS", transparent) if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")
