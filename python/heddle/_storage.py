"""How arrays are stored: densely. What asks for sparse storage gets one clear error."""
from __future__ import annotations

from .base import MXNetError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


class SparseStorageError(MXNetError, NotImplementedError):
    """Raised by everything that would need a sparse array."""


def refuse(who: str, found: str) -> SparseStorageError:
    """The error of `who`, which would need sparse storage."""
    return SparseStorageError(f"[{who}] found {found}, expected storage type 'default': arrays here are dense, sparse storage "
                              "is not supported; convert the data to a dense array")


def check_dense(who: str, stype: str | None) -> None:
    """Raises SparseStorageError for other storage types than "default", ValueError for what is none."""
    if stype in (None, "default"):
        return
    if stype in ("csr", "row_sparse"):
        raise refuse(who, f"storage type {stype!r}")
    raise ValueError(f"[{who}] found storage type {stype!r}, expected 'default'")


# The operators that MXNet's sparse namespaces name.
SPARSE_OPERATORS = (
    "abs adagrad_update adam_update add_n arccos arccosh arcsin arcsinh arctan arctanh broadcast_add "
    "broadcast_div broadcast_minus broadcast_mul broadcast_plus broadcast_sub cast_storage cbrt ceil clip "
    "concat cos cosh degrees dot ElementWiseSum elemwise_add elemwise_div elemwise_mul elemwise_sub Embedding "
    "exp expm1 fix floor ftrl_update FullyConnected gamma gammaln LinearRegressionOutput log log10 log1p log2 "
    "LogisticRegressionOutput MAERegressionOutput make_loss mean negative norm radians relu retain rint round "
    "rsqrt sgd_mom_update sgd_update sigmoid sign sin sinh slice sqrt square stop_gradient sum tan tanh trunc "
    "where zeros_like"
).split()


def refusing(name: str) -> Callable[..., NoReturn]:
    """A function in the place of `name`, whose last part is its own name: it raises the error."""
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise refuse(name, "a call for sparse storage")

    function.__name__ = function.__qualname__ = name.rpartition(".")[2]
    function.__doc__ = f"Not supported: raises {SparseStorageError.__name__}."
    return function
