"""Data in batches."""
from . import io
from .io import DataBatch, DataDesc, DataIter, PrefetchingIter, ResizeIter
from .native import (CSVIter, ImageDetRecordIter, ImageRecordInt8Iter, ImageRecordIter, ImageRecordIter_v1, ImageRecordUInt8Iter,
                     ImageRecordUInt8Iter_v1, LibSVMIter, MNISTIter, MXDataIter)
from .ndarray_iter import NDArrayIter

__all__ = ["CSVIter", "DataBatch", "DataDesc", "DataIter", "ImageDetRecordIter", "ImageRecordInt8Iter", "ImageRecordIter",
           "ImageRecordIter_v1", "ImageRecordUInt8Iter", "ImageRecordUInt8Iter_v1", "LibSVMIter", "MNISTIter", "MXDataIter",
           "NDArrayIter", "PrefetchingIter", "ResizeIter", "io"]

# Scripts of MXNet 1.x find all of these in mxnet.io.io, too.
vars(io).update({_name: globals()[_name] for _name in __all__})
