"""More samplers and datasets."""
import importlib as _importlib

from . import sampler
from .sampler import IntervalSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from . import text

__all__ = ["IntervalSampler", "sampler", "text"]

_LATER = ("text",)  # imported when asked for: it needs NumPy

if not TYPE_CHECKING:
    def __getattr__(wanted: str) -> "ModuleType":
        if wanted in _LATER:
            return _importlib.import_module("." + wanted, __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {wanted!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
