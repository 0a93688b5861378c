"""What the packages of MXNet's NumPy interface say, as long as there is none."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def missing(module: str, called: str) -> Callable[[str], Any]:
    """The __getattr__ of a module that users call mx.`called`: every name is an AttributeError that says what to use."""

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks modules for
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        raise AttributeError(f"mx.{called}.{name}: heddle has no NumPy interface (mx.np, mx.npx) yet. mx.nd has the operators, and "
                             "arrays go to NumPy and back by asnumpy() and mx.nd.array()")

    return __getattr__
