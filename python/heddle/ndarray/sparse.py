"""Sparse arrays, which are not supported: every function here raises one clear error.

The names are MXNet's, so that programs that look for them, or ask whether an array is one of these, go on.
"""
from __future__ import annotations

from .._storage import SparseStorageError, refuse
from .ndarray import NDArray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_OPERATORS = (
    "abs adagrad_update adam_update add_n arccos arccosh arcsin arcsinh arctan arctanh broadcast_add "
    "broadcast_div broadcast_minus broadcast_mul broadcast_plus broadcast_sub cast_storage cbrt ceil clip "
    "concat cos cosh degrees dot ElementWiseSum elemwise_add elemwise_div elemwise_mul elemwise_sub Embedding "
    "exp expm1 fix floor ftrl_update FullyConnected gamma gammaln LinearRegressionOutput log log10 log1p log2 "
    "LogisticRegressionOutput MAERegressionOutput make_loss mean negative norm radians relu retain rint round "
    "rsqrt sgd_mom_update sgd_update sigmoid sign sin sinh slice sqrt square stop_gradient sum tan tanh trunc "
    "where zeros_like"
).split()
_MAKERS = "csr_matrix row_sparse_array zeros empty array add subtract multiply divide".split()


class BaseSparseNDArray(NDArray):
    """What sparse arrays would be; there are none."""

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> BaseSparseNDArray:
        """Raises SparseStorageError."""
        raise refuse(f"nd.sparse.{cls.__name__}", "a call for sparse storage")


class CSRNDArray(BaseSparseNDArray):
    """What matrices of compressed rows would be; there are none."""

    __slots__ = ()


class RowSparseNDArray(BaseSparseNDArray):
    """What arrays of few rows would be; there are none."""

    __slots__ = ()



def _refusing(name: str) -> Callable[..., NoReturn]:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise refuse(f"nd.sparse.{name}", "a call for sparse storage")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Not supported: raises {SparseStorageError.__name__}."
    return function


for _name in (*_OPERATORS, *_MAKERS):
    globals()[_name] = _refusing(_name)

__all__ = [*_OPERATORS, *_MAKERS, "BaseSparseNDArray", "CSRNDArray", "RowSparseNDArray"]
