"""What this build of the library can do."""
from __future__ import annotations

import collections

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class _Feature(NamedTuple):
        name: str
        enabled: bool
else:
    _Feature = collections.namedtuple("_Feature", ["name", "enabled"])

__all__ = ["Feature", "Features", "feature_list"]


class Feature(_Feature):
    """A name and whether it is there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


def feature_list() -> list[Feature]:
    """The features of this build, by MXNet's names."""
    libraries = _core.kernel_libraries()
    level = _core.best_isa_level()
    there = {"CUDA": _core.device_count("gpu") > 0, "CUDNN": False, "NCCL": False, "TENSORRT": False,
             "CPU_SSE": True, "CPU_SSE4_2": level >= 2, "CPU_AVX": level >= 3, "CPU_AVX2": level >= 3,
             "CPU_AVX512": level >= 4, "OPENMP": False, "MKLDNN": "onednn" in libraries, "ONEDNN": "onednn" in libraries,
             "BLAS_OPEN": "blas" in libraries, "LAPACK": True, "OPENCV": False, "DIST_KVSTORE": False,
             "INT64_TENSOR_SIZE": True, "F16C": level >= 3, "SIGNAL_HANDLER": False, "DEBUG": False}
    return [Feature(name, enabled) for name, enabled in there.items()]


class Features(collections.OrderedDict[str, Feature]):
    """The features by name; print it to see them."""

    def __init__(self) -> None:
        super().__init__((f.name, f) for f in feature_list())

    def __repr__(self) -> str:
        return "[" + ", ".join(map(repr, self.values())) + "]"

    def is_enabled(self, feature_name: str) -> bool:
        """Whether a feature is there. Raises RuntimeError for names that nobody knows."""
        name = feature_name.upper()
        if name not in self:
            raise RuntimeError(f"feature {feature_name!r} is unknown, expected one of {sorted(self)}")
        return self[name].enabled
