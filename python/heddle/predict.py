"""The small predictor: a trained network, its inputs and its outputs, with MXNet's interface.

    from heddle.predict import Predictor
    predictor = Predictor(open("net-symbol.json").read(), open("net-0000.params", "rb").read(), {"data": (1, 3, 224, 224)})
    predictor.forward(data=image)
    scores = predictor.get_output(0)

This file uses nothing else of the package: it may be copied to where libheddle.so, or a libheddle_predict.so compiled
from the predictor in one file, lies beside it. It needs NumPy.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Predictor", "PredictError", "load_ndarray_file"]

_TYPES = {0: np.float32, 1: np.float64, 2: np.float16, 3: np.uint8, 4: np.int32, 5: np.int8, 6: np.int64, 7: np.bool_}
_FLAGS = {np.dtype(dtype): flag for flag, dtype in _TYPES.items()}
_DEVICES = {"cpu": 1, "gpu": 2, "cpu_pinned": 3}
_library: ctypes.CDLL | None = None


class PredictError(RuntimeError):
    """What the library says of a call that failed."""


def _load() -> ctypes.CDLL:
    """The library beside this file, in the build folder around it, or where the system looks."""
    global _library
    if _library is None:
        here = os.path.dirname(os.path.abspath(__file__))
        places = [os.path.join(folder, name) for folder in (here, os.path.join(here, os.pardir, os.pardir))
                  for name in ("libheddle.so", "libheddle_predict.so")]
        path = next(filter(os.path.exists, places), None) or ctypes.util.find_library("heddle")
        if path is None:
            raise PredictError(f"found no libheddle.so or libheddle_predict.so in {here}")
        # OpenBLAS starts its threads when it is loaded; the library uses none of them.
        before = os.environ.get("OPENBLAS_NUM_THREADS")
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        try:
            library = ctypes.CDLL(path)
        finally:
            if before is None:
                del os.environ["OPENBLAS_NUM_THREADS"]
            else:
                os.environ["OPENBLAS_NUM_THREADS"] = before
        library.MXGetLastError.restype = ctypes.c_char_p
        _library = library
    return _library


def _call(name: str, *arguments: Any) -> None:
    """Calls a function; raises PredictError when it fails."""
    library = _load()
    if getattr(library, name)(*arguments) != 0:
        raise PredictError(library.MXGetLastError().decode())


def _shapes(shapes: Mapping[str, Sequence[int]]) -> tuple[Any, ...]:
    """Names, ends and dimensions as the calls take them."""
    keys = (ctypes.c_char_p * len(shapes))(*(name.encode() for name in shapes))
    ends, dims = [0], []
    for shape in shapes.values():
        dims += [int(d) for d in shape]
        ends.append(len(dims))
    return (ctypes.c_uint(len(shapes)), keys, (ctypes.c_uint * len(ends))(*ends), (ctypes.c_uint * len(dims))(*dims))


class Predictor:
    """A network bound to inputs of fixed shapes; for one thread at a time.

    Parameters
    ----------
    symbol_file : str
        The text of a ``-symbol.json`` file.
    param_raw_bytes : bytes
        The contents of a ``.params`` file.
    input_shapes : dict of str to tuple
        The shapes of the inputs. Labels of losses need not be given.
    dev_type : str
        ``"cpu"``; other devices raise PredictError.
    type_dict : dict of str to numpy.dtype
        The types of inputs that are not float32.
    """

    def __init__(self, symbol_file: str, param_raw_bytes: bytes, input_shapes: Mapping[str, Sequence[int]],
                 dev_type: str = "cpu", dev_id: int = 0, type_dict: Mapping[str, Any] | None = None) -> None:
        self._handle = ctypes.c_void_p()
        self._types = {name: np.dtype(dtype) for name, dtype in (type_dict or {}).items()}
        self._inputs = list(input_shapes)
        if dev_type not in _DEVICES:
            raise ValueError(f"dev_type is {dev_type!r}, expected one of {', '.join(_DEVICES)}")
        names = (ctypes.c_char_p * len(self._types))(*(name.encode() for name in self._types))
        flags = (ctypes.c_int * len(self._types))(*(_FLAGS[dtype] for dtype in self._types.values()))
        _call("MXPredCreateEx", symbol_file.encode(), param_raw_bytes, len(param_raw_bytes), _DEVICES[dev_type], dev_id,
              *_shapes(input_shapes), ctypes.c_uint(len(self._types)), names, flags, ctypes.byref(self._handle))

    def __del__(self) -> None:
        if _library is not None and getattr(self, "_handle", None):
            _library.MXPredFree(self._handle)

    def forward(self, **inputs: np.ndarray) -> None:
        """Sets the inputs that are given and runs the network.

        Raises ValueError for a value that is no array of NumPy, PredictError for an unknown name or another size.
        """
        for name, value in inputs.items():
            if not isinstance(value, np.ndarray):
                raise ValueError(f"input {name!r} is a {type(value).__name__}, expected an array of NumPy")
            value = np.ascontiguousarray(value, self._types.get(name, np.dtype(np.float32)))
            _call("MXPredSetInput", self._handle, name.encode(), value.ctypes.data_as(ctypes.c_void_p),
                  ctypes.c_uint(value.size))
        _call("MXPredForward", self._handle)

    def reshape(self, input_shapes: Mapping[str, Sequence[int]]) -> None:
        """Goes on with inputs of other shapes and the same weights."""
        other = ctypes.c_void_p()
        _call("MXPredReshape", *_shapes(input_shapes), self._handle, ctypes.byref(other))
        _call("MXPredFree", self._handle)
        self._handle = other

    def get_output(self, index: int) -> np.ndarray:
        """A copy of output `index`, of the network's dtype. Raises PredictError when there is none."""
        dims, rank, flag = ctypes.POINTER(ctypes.c_uint)(), ctypes.c_uint(), ctypes.c_int()
        _call("MXPredGetOutputShape", self._handle, ctypes.c_uint(index), ctypes.byref(dims), ctypes.byref(rank))
        _call("MXPredGetOutputType", self._handle, ctypes.c_uint(index), ctypes.byref(flag))
        if flag.value not in _TYPES:
            raise PredictError(f"output {index} is of type {flag.value}, which NumPy lacks")
        out: np.ndarray = np.empty([dims[i] for i in range(rank.value)], _TYPES[flag.value])
        _call("MXPredGetOutput", self._handle, ctypes.c_uint(index), out.ctypes.data_as(ctypes.c_void_p),
              ctypes.c_uint(out.size))
        return out


def load_ndarray_file(nd_bytes: bytes) -> dict[str, np.ndarray] | list[np.ndarray]:
    """The arrays in the contents of a ``.params`` file, as float32: by name, or a list where they have none."""
    handle, count = ctypes.c_void_p(), ctypes.c_uint()
    _call("MXNDListCreate", nd_bytes, len(nd_bytes), ctypes.byref(handle), ctypes.byref(count))
    names, arrays = [], []
    try:
        for i in range(count.value):
            key, data, rank = ctypes.c_char_p(), ctypes.POINTER(ctypes.c_float)(), ctypes.c_uint()
            dims = ctypes.POINTER(ctypes.c_uint)()
            _call("MXNDListGet", handle, ctypes.c_uint(i), ctypes.byref(key), ctypes.byref(data), ctypes.byref(dims),
                  ctypes.byref(rank))
            shape = [dims[axis] for axis in range(rank.value)]
            size = int(np.prod(shape, dtype=np.int64))
            values = np.ctypeslib.as_array(data, (size,)) if size else np.empty(0, np.float32)
            names.append((key.value or b"").decode())
            arrays.append(values.reshape(shape).copy())
    finally:
        _load().MXNDListFree(handle)
    if names and names[0]:
        return dict(zip(names, arrays, strict=True))
    return arrays
