"""The version, and where the library is."""
from __future__ import annotations

import os

__version__ = "0.1.0"


def find_lib_path(prefix: str = "_core") -> list[str]:
    """Paths of the compiled library."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.startswith(prefix)]


def find_include_path() -> str:
    """The folder of the headers. Raises RuntimeError where the package was installed without them."""
    folder = os.path.dirname(os.path.abspath(__file__))
    places = [os.path.join(folder, "include"), *(os.path.join(folder, *[os.pardir] * n, "include") for n in (2, 3, 4))]
    for place in map(os.path.normpath, places):
        if os.path.isfile(os.path.join(place, "heddle", "op.h")):
            return place
    raise RuntimeError(f"Cannot find the headers of heddle: looked for heddle/op.h in {', '.join(map(os.path.normpath, places))}")
