"""The sources of the library that the package for R carries."""
from __future__ import annotations

import pathlib
import re
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The rooms behind the C face; the predictor is not among them.
ROOMS = ("base device engine storage parallel image ndarray operator symbol runtime executor optimizer kvstore io capi").split()
# Rooms whose files may be compiled together, as the predictor in one file does, and how much of them at a time: headers
# are most of what a compiler reads.
UNITED = ("operator", "symbol", "runtime")
PORTION = 48_000  # bytes
# Kernels that few networks spend their time in are united by themselves, to be compiled at half the cost.
SELDOM = ("image", "random", "vision")


def portions(files):
    """Neighbouring files in lists that are read together."""
    lists, size = [], 0
    for file in files:
        if not lists or size + file.stat().st_size > PORTION:
            lists.append([])
            size = 0
        lists[-1].append(file)
        size += file.stat().st_size
    return lists


def gather(folder):
    """Puts include/, src/ and united/ into the folder: all that its objects are made of."""
    shutil.copytree(ROOT / "include", folder / "include")
    for room in ROOMS:
        for file in sorted((ROOT / "src" / room).rglob("*")):
            if file.suffix in (".cc", ".h", ".def") and not file.name.endswith((".cuda.h", ".cublas.cc", ".onednn.cc")):
                to = folder / file.relative_to(ROOT)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, to)
    # R's check wants no diagnostics turned off; they matter to nobody who compiles without -Wall.
    for file in [*folder.rglob("*.h"), *folder.rglob("*.cc")]:
        text = file.read_text()
        if "#pragma GCC diagnostic" in text:
            file.write_text(re.sub(r"^#pragma GCC diagnostic.*$", "", text, flags=re.M))
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")
    united = folder / "united"
    united.mkdir()
    members = []
    for room in UNITED:
        files = [f for f in sorted((folder / "src" / room).rglob("*.cc")) if f.name.count(".") == 1]
        members += files
        seldom = [f for f in files if f.parent.name in SELDOM]
        for name, some in ((room, [f for f in files if f not in seldom]), (f"seldom_{room}", seldom)):
            for number, portion in enumerate(portions(some)):
                lines = "".join(f'#include "{f.relative_to(folder / "src")}"\n' for f in portion)
                (united / f"{name}{number:02}.cc").write_text(lines)
    (united / "members").write_text("".join(f"{f.relative_to(folder)}\n" for f in members))
