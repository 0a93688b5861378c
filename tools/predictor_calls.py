"""The structures of heddle/c_predict_api.h for ctypes: for tests and benchmarks, which load compiled predictors."""
from __future__ import annotations

import ctypes

__all__ = ["Input", "Output", "Training", "load"]


class Input(ctypes.Structure):
    """hd_input."""

    _fields_ = [("size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("rank", ctypes.c_int), ("dtype", ctypes.c_int)]


class Output(ctypes.Structure):
    """hd_output."""

    _fields_ = [*Input._fields_, ("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


class Training(ctypes.Structure):
    """hd_training."""

    _fields_ = [("size", ctypes.c_size_t), ("rule", ctypes.c_char_p), ("params", ctypes.POINTER(ctypes.c_char_p)),
                ("wd", ctypes.c_double), ("rescale_grad", ctypes.c_double), ("clip_gradient", ctypes.c_double),
                ("fixed", ctypes.POINTER(ctypes.c_char_p)), ("seed", ctypes.c_uint64)]


def load(path: str) -> ctypes.CDLL:
    """A compiled predictor, or libheddle."""
    calls = ctypes.CDLL(path)
    calls.hd_last_error.restype = ctypes.c_char_p
    return calls
