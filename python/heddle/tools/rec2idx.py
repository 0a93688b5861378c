"""Makes the index of a RecordIO file, which shuffling and reading by key need.

    python -m heddle.tools.rec2idx FILE.rec FILE.idx

The keys are 0, 1, 2 and so on.
"""
from __future__ import annotations

import argparse
import os
import sys

from .. import _core
from .im2rec import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["create_index", "main"]


def create_index(record: str | os.PathLike[str], index: str | os.PathLike[str]) -> int:
    """Writes the index of a RecordIO file, and gives the number of its records. Raises MXNetError with path and byte offset
    for a broken file; the index then holds the records before that place."""
    reader = _core.RecordReader(os.fspath(record))
    count = 0
    show = Progress(0)
    with open(index, "w") as file:
        while True:
            offset = reader.tell()
            if reader.read() is None:
                break
            file.write(f"{count}\t{offset}\n")
            count += 1
            show.step()
    show.clear()
    return count


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; gives its exit status."""
    parser = argparse.ArgumentParser(prog="rec2idx", description="Makes the index of a RecordIO file.")
    parser.add_argument("record", help="the .rec file")
    parser.add_argument("index", help="the .idx file to write")
    args = parser.parse_args(argv)
    print(f"{args.index}: {create_index(args.record, args.index)} records")
    return 0


if __name__ == "__main__":
    sys.exit(main())
