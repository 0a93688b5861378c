"""The version, and where the library is."""
from __future__ import annotations

import os

__version__ = "0.1.0"


def find_lib_path(prefix: str = "_core") -> list[str]:
    """Paths of the compiled library."""
    folder = os.path.dirname(os.path.abspath(__file__))
    return [os.path.join(folder, f) for f in sorted(os.listdir(folder)) if f.startswith(prefix)]
