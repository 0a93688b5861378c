"""Data for training: datasets, their orders, and batches of them made ahead."""
import importlib as _importlib

from . import batchify, dataloader, dataset, sampler
from .dataloader import DataLoader
from .dataset import ArrayDataset, Dataset, RecordFileDataset, SimpleDataset
from .sampler import BatchSampler, FilterSampler, RandomSampler, Sampler, SequentialSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from . import vision

__all__ = ["ArrayDataset", "batchify", "BatchSampler", "DataLoader", "dataloader", "Dataset", "dataset", "FilterSampler",
           "RandomSampler", "RecordFileDataset", "Sampler", "sampler", "SequentialSampler", "SimpleDataset", "vision"]

_LATER = ("vision",)  # imported when asked for: it needs NumPy

if not TYPE_CHECKING:
    def __getattr__(wanted: str) -> "ModuleType":
        if wanted in _LATER:
            return _importlib.import_module("." + wanted, __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {wanted!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
