"""Makes lists of images, and RecordIO files of the images in a list.

    python -m heddle.tools.im2rec --list --recursive PREFIX ROOT     writes PREFIX.lst, or several of them
    python -m heddle.tools.im2rec PREFIX ROOT                        writes a .rec and an .idx file for each PREFIX*.lst

A line of a list is number, labels and path below ROOT, with tabs between. Options and files are those of MXNet's program.
"""
from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .. import _core, recordio
from ..base import MXNetError
from ..image import imresize
from ..ndarray import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TextIO

__all__ = ["list_image", "main", "make_list", "make_record", "read_list", "write_list"]

_SWITCHES = ("list", "recursive", "shuffle", "pass-through", "center-crop", "pack-label")
_ANSWERS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_ORDER = 100  # seeds the order of lists, as MXNet's program does
_LINEAR = 1
_AHEAD = 16  # images for each thread that wait to be written

Item = tuple[int, str, list[float]]  # number, path, labels


# --- lists


def list_image(root: str, recursive: bool, exts: Sequence[str]) -> Iterator[Item]:
    """The images below a folder, by name: number, path, and as the label the number of their folder, which is 0 where only
    `root` itself is read.

    exts: the endings of images, in lower case.
    """
    number = 0
    folders: dict[str, int] = {}
    for place, inner, names in os.walk(root, followlinks=True):
        inner.sort()
        if not recursive:
            inner.clear()
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.splitext(name)[1].lower() in exts and os.path.isfile(path):
                label = folders.setdefault(place, len(folders))
                yield number, os.path.relpath(path, root), [float(label)]
                number += 1


def write_list(path_out: str, image_list: Iterable[Item]) -> None:
    """Writes a list."""
    with open(path_out, "w") as file:
        for number, path, labels in image_list:
            file.write(f"{number}\t" + "".join(f"{label:f}\t" for label in labels) + path + "\n")


def read_list(path_in: str) -> Iterator[Item]:
    """The lines of a list; those of fewer than three fields are left out with a message. Raises ValueError with the line
    for numbers that are none."""
    with open(path_in) as file:
        for count, line in enumerate(file, 1):
            fields = [field.strip() for field in line.strip().split("\t")]
            if len(fields) < 3:
                if line.strip():
                    _say(f"{path_in}, line {count}: found {len(fields)} fields, expected number, labels and path: left out")
                continue
            try:
                yield int(fields[0]), fields[-1], [float(field) for field in fields[1:-1]]
            except ValueError as error:
                raise ValueError(f"[im2rec] {path_in}, line {count}: {error}") from None


def make_list(args: argparse.Namespace) -> list[str]:
    """Writes the lists that the options ask for, and gives their paths."""
    images = list(list_image(args.root, args.recursive, [ext.lower() for ext in args.exts]))
    if args.recursive:
        for folder, label in {os.path.dirname(path): int(labels[0]) for _, path, labels in images}.items():
            print(folder or ".", label)
    if args.shuffle:
        random.Random(_ORDER).shuffle(images)
    size = -(-len(images) // args.chunks)
    train, test = int(size * args.train_ratio), int(size * args.test_ratio)
    written = []
    for i in range(args.chunks):
        chunk = images[i * size:(i + 1) * size]
        stem = args.prefix + (f"_{i}" if args.chunks > 1 else "")
        parts = {"": chunk}
        if args.train_ratio != 1.0:
            parts = {"_test": chunk[:test]} if args.test_ratio else {}
            if args.train_ratio + args.test_ratio < 1.0:
                parts["_val"] = chunk[test + train:]
            parts["_train"] = chunk[test:test + train]
        for name, part in parts.items():
            write_list(f"{stem}{name}.lst", part)
            written.append(f"{stem}{name}.lst")
    return written


# --- records


def _read_pixels(path: str, color: int) -> Any:
    """uint8 of (height, width, channels), blue first."""
    with open(path, "rb") as file:
        shape, pixels = _core.decode_image(path, file.read(), {1: 3, 0: 1}.get(color, 0))
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def _shaped(pixels: Any, args: argparse.Namespace) -> Any:
    """The middle square where that is wanted, and the shorter edge of the size that is."""
    height, width = pixels.shape[:2]
    if args.center_crop:
        side, top, left = min(height, width), max(0, height - width) // 2, max(0, width - height) // 2
        pixels = pixels[top:top + side, left:left + side]
        height = width = side
    if args.resize:
        if height > width:
            size = args.resize, height * args.resize // width
        else:
            size = width * args.resize // height, args.resize
        pixels = imresize(array(np.ascontiguousarray(pixels), dtype="uint8"), *size, interp=_LINEAR).asnumpy()
    return pixels


def image_encode(args: argparse.Namespace, item: Item) -> bytes:
    """The record of an image. Raises OSError and MXNetError for files that cannot be read or decoded."""
    number, name, labels = item
    path = os.path.join(args.root, name)
    header = recordio.IRHeader(0, labels if args.pack_label and len(labels) > 1 else labels[0], number, 0)
    if args.pass_through:
        with open(path, "rb") as file:
            return recordio.pack(header, file.read())
    return recordio.pack_img(header, _shaped(_read_pixels(path, args.color), args), args.quality, args.encoding)


def _records(args: argparse.Namespace, items: Iterable[Item]) -> Iterator[tuple[Item, bytes | Exception]]:
    """Each image with its record, or with what was wrong with it; in order, made by some threads."""
    def made(item: Item) -> tuple[Item, bytes | Exception]:
        try:
            return item, image_encode(args, item)
        except (OSError, MXNetError, ValueError) as error:
            return item, error

    if args.num_thread <= 1:
        yield from map(made, items)
        return
    with ThreadPoolExecutor(args.num_thread) as pool:
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(pool.submit(made, item))
            if len(waiting) >= _AHEAD * args.num_thread:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def make_record(args: argparse.Namespace, path_list: str) -> tuple[int, int]:
    """Writes the .rec and .idx file of a list; gives how many images are in them, and how many were left out."""
    stem = os.path.splitext(path_list)[0]
    items = list(read_list(path_list))
    written = 0
    show = Progress(len(items))
    with recordio.MXIndexedRecordIO(stem + ".idx", stem + ".rec", "w") as file:
        for item, record in _records(args, items):
            if isinstance(record, Exception):
                show.clear()
                _say(f"{os.path.join(args.root, item[1])}: left out: {record}")
            else:
                file.write_idx(item[0], record)
                written += 1
            show.step()
    show.clear()
    return written, len(items) - written


def _say(text: str) -> None:
    print(text, file=sys.stderr)


class Progress:
    """A line on a terminal that says how far a loop is; nothing where there is none.

    total: the number of steps; 0 where it is not known.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total = total
        self.stream = sys.stderr if stream is None else stream
        self.shown = self.stream.isatty()
        self.done, self.begun, self.last = 0, time.monotonic(), 0.0

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        now = time.monotonic()
        if not self.shown or (now - self.last < 0.2 and self.done != self.total):
            return
        self.last = now
        rate = self.done / max(now - self.begun, 1e-9)
        share = f" of {self.total}, {100 * self.done // self.total}%" if self.total else ""
        self.stream.write(f"\r{self.done}{share}, {rate:.0f} a second \x1b[K")
        self.stream.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


# --- options


def _plain_switches(argv: Sequence[str]) -> list[str]:
    """Arguments whose switches have no values: in 0.10 they had, as --list=1 or --shuffle False."""
    found: list[str] = []
    words = deque(argv)
    while words:
        name, equals, value = words.popleft().partition("=")
        if name not in [f"--{switch}" for switch in _SWITCHES]:
            found.append(name + equals + value)
            continue
        if not equals and words and words[0].lower() in _ANSWERS:
            value = words.popleft()
        answer = _ANSWERS.get(value.lower(), True)
        found.append(name if answer else "--no-" + name[2:])
    return found


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(prog="im2rec", description="Makes lists of images, and record files of those in a list.",
                                    formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    switch = argparse.BooleanOptionalAction
    found.add_argument("prefix", help="how the paths of lists and record files begin")
    found.add_argument("root", help="the folder of the images")
    lists = found.add_argument_group("making lists")
    lists.add_argument("--list", action=switch, default=False, help="write a list; else record files of the lists there are")
    lists.add_argument("--exts", nargs="+", default=[".jpeg", ".jpg", ".png"], help="endings of images")
    lists.add_argument("--chunks", type=int, default=1, help="how many lists")
    lists.add_argument("--train-ratio", type=float, default=1.0, help="share of the images for training")
    lists.add_argument("--test-ratio", type=float, default=0, help="share of the images for testing")
    lists.add_argument("--recursive", action=switch, default=False, help="read the folders below too, each a class")
    lists.add_argument("--shuffle", action=switch, default=True, help="put the images in an order by chance")
    records = found.add_argument_group("making record files")
    records.add_argument("--pass-through", action=switch, default=False, help="copy files as they are")
    records.add_argument("--resize", type=int, default=0, help="the shorter edge; 0 leaves images as they are")
    records.add_argument("--center-crop", action=switch, default=False, help="cut out the square in the middle")
    records.add_argument("--quality", type=int, default=95, help="1 to 100 of JPEG; zlib's level, 0 to 9, of PNG")
    records.add_argument("--num-thread", type=int, default=1, help="threads that decode and encode")
    records.add_argument("--color", type=int, default=1, choices=[-1, 0, 1], help="1 three colours, 0 grey, -1 as they are")
    records.add_argument("--encoding", default=".jpg", choices=[".jpg", ".png"], help="of the images in the files")
    records.add_argument("--pack-label", action=switch, default=False, help="write all labels of a line, not the first alone")
    return found


def _lists_of(prefix: str) -> list[str]:
    """The lists whose paths begin with a prefix; all of a folder where it is one."""
    folder = prefix if os.path.isdir(prefix) else os.path.dirname(prefix)
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder or "."))]
    return [path for path in paths if path.startswith(prefix) and path.endswith(".lst") and os.path.isfile(path)]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; gives its exit status: 1 where it wrote nothing."""
    options = parser()
    args = options.parse_args(_plain_switches(sys.argv[1:] if argv is None else argv))
    if not os.path.isdir(args.root):
        options.error(f"{args.root} is not a folder, expected that of the images")
    if args.chunks < 1 or not (0 <= args.train_ratio and 0 <= args.test_ratio and args.train_ratio + args.test_ratio <= 1):
        options.error(f"found chunks {args.chunks} and ratios {args.train_ratio}, {args.test_ratio}; expected 1 chunk and more, "
                      "ratios that are 0 and more, and together at most 1")
    if args.list:
        for path in make_list(args):
            print(path)
        return 0
    lists = _lists_of(args.prefix)
    if not lists:
        _say(f"found no list {args.prefix}*.lst: --list makes one")
        return 1
    total = 0
    for path in lists:
        written, failed = make_record(args, path)
        print(f"{os.path.splitext(path)[0]}.rec: {written} images" + (f", {failed} left out" if failed else ""))
        total += written
    return 0 if total else 1


if __name__ == "__main__":
    sys.exit(main())
