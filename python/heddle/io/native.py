"""Iterators over files, made of the compiled half's records: it reads, decodes and changes samples ahead of the training."""
from __future__ import annotations

import ast
import inspect
import os
import warnings

from .. import _core
from .io import DataBatch, DataDesc, DataIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..ndarray import NDArray

__all__ = ["CSVIter", "ImageDetRecordIter", "ImageRecordInt8Iter", "ImageRecordIter", "ImageRecordIter_v1",
           "ImageRecordUInt8Iter", "ImageRecordUInt8Iter_v1", "LibSVMIter", "MNISTIter", "MXDataIter"]


class MXDataIter(DataIter):
    """Batches of an iterator of the compiled half, which makes the next ones while one is used.

    handle: the iterator.
    data_name, label_name: names of the arrays of a batch.

    A batch's arrays are its own: writing to them changes no other. Where a sample cannot be read or decoded, next() raises
    Error with the file, its record and byte or line, and what was wrong. That sample alone is lost: the calls after it give
    the batches that there would be without it.
    """

    def __init__(self, handle: _core.DataIterator, data_name: str = "data", label_name: str = "softmax_label", **_: Any) -> None:
        self.handle = handle
        (shape, dtype), (label_shape, label_dtype) = handle.data_shape, handle.label_shape
        super().__init__(shape[0])
        self.provide_data = [DataDesc(data_name, shape, dtype)]
        self.provide_label = [DataDesc(label_name, label_shape, label_dtype)]
        self._same: DataBatch | None = None  # of debug_skip_load

    def debug_skip_load(self) -> None:
        """Gives the next batch again and again: what remains is the time of all else."""
        self._same = self.next()

    def reset(self) -> None:
        self.handle.reset()

    def iter_next(self) -> bool:
        return self._same is not None or self.handle.next()

    def next(self) -> DataBatch:
        if self._same is not None:
            return self._same
        if not self.handle.next():
            raise StopIteration
        return DataBatch([self.handle.data], [self.handle.label], self.handle.pad, self.getindex())

    def getdata(self) -> NDArray:  # type: ignore[override]  # as MXNet's
        """The data of the current batch, one array."""
        return self.handle.data

    def getlabel(self) -> NDArray:  # type: ignore[override]
        """The labels of the current batch, one array."""
        return self.handle.label

    def getindex(self) -> Any:
        """The numbers of the samples of the current batch: a NumPy array of uint64, or a list where NumPy is not there."""
        try:
            import numpy as np
        except ImportError:
            return self.handle.index
        return np.array(self.handle.index, "uint64")

    def getpad(self) -> int:
        return self.handle.pad


if TYPE_CHECKING:
    class _Made(MXDataIter):
        def __init__(self, *args: Any, data_name: str = "data", label_name: str = "softmax_label", **kwargs: Any) -> None: ...


def _default(field: dict[str, Any]) -> Any:
    """The default of a parameter as a value of Python."""
    text, kind = field["default"], field["type"]
    if kind == "string" or field["choices"]:
        return text
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def _signature(fields: list[dict[str, Any]]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    needed = [inspect.Parameter(f["name"], kind) for f in fields if f["required"]]
    others = [inspect.Parameter(f["name"], kind, default=_default(f)) for f in fields if not f["required"]]
    named = [inspect.Parameter("data_name", inspect.Parameter.KEYWORD_ONLY, default="data"),
             inspect.Parameter("label_name", inspect.Parameter.KEYWORD_ONLY, default="softmax_label"),
             inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    return inspect.Signature([*needed, *others, *named])


def _documentation(doc: str, fields: list[dict[str, Any]]) -> str:
    lines = [doc, "", "Parameters", "----------"]
    for f in fields:
        kind = "{" + ", ".join(map(repr, f["choices"])) + "}" if f["choices"] else f["type"]
        lines.append(f"{f['name']} : {kind}, " + ("required" if f["required"] else f"optional, default={f['default']}"))
        lines.append(f"    {f['doc']}")
    return "\n".join([*lines, "data_name, label_name : str", "    Names of the arrays of a batch."])


def _make(name: str, doc: str, fields: list[dict[str, Any]]) -> type[_Made]:
    """The class of an iterator: its parameters are those of the record."""
    known = [f["name"] for f in fields]
    signature = _signature(fields)
    order = [p for p in signature.parameters if p in known]

    def __init__(self: MXDataIter, *args: Any, data_name: str = "data", label_name: str = "softmax_label", **kwargs: Any) -> None:
        if len(args) > len(order):
            raise TypeError(f"{name} takes {len(order)} arguments, found {len(args)}")
        for key, value in zip(order, args):
            if key in kwargs:
                raise TypeError(f"{name} got {key} twice")
            kwargs[key] = value
        strange = [key for key in kwargs if key not in known]
        if strange:  # MXNet takes them, and so scripts give them
            warnings.warn(f"{name} has no parameter {', '.join(strange)}: ignored", stacklevel=2)
        params = {key: os.fspath(value) if isinstance(value, os.PathLike) else value
                  for key, value in kwargs.items() if key in known and value is not None}
        MXDataIter.__init__(self, _core.DataIterator(name, params), data_name, label_name)

    __init__.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY), *signature.parameters.values()])
    made: Any = type(name, (MXDataIter,), {"__init__": __init__, "__doc__": _documentation(doc, fields), "__module__": __name__,
                                           "__signature__": signature})
    return made


_made = {name: _make(name, doc, fields) for name, doc, fields in _core.iterators()}
CSVIter = _made["CSVIter"]
ImageRecordInt8Iter = _made["ImageRecordInt8Iter"]
ImageRecordIter = _made["ImageRecordIter"]
ImageRecordIter_v1 = _made["ImageRecordIter_v1"]
ImageRecordUInt8Iter = _made["ImageRecordUInt8Iter"]
ImageRecordUInt8Iter_v1 = _made["ImageRecordUInt8Iter_v1"]
LibSVMIter = _made["LibSVMIter"]
MNISTIter = _made["MNISTIter"]
ImageDetRecordIter = _made["ImageDetRecordIter"]
