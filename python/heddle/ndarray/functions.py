"""Functions of arrays beside the generated ones: making, joining, comparing, saving them."""
from __future__ import annotations

import os

from .. import _core
from .._storage import check_dense
from ..base import MXNetError, MXNetValueError, dtype_name, is_number, is_numpy
from ..context import current_context
from . import _internal
from ._convert import to_ndarray
from ._numpy import operand
from .indexing import get_indexing_dispatch_code, get_oshape_of_gather_nd_op, indexing_key_expand_implicit_axes
from .joining import concatenate, moveaxis, split_v2
from .ndarray import NDArray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._typing import ArrayLike, DTypeLike, Shape, ShapeLike
    from ..context import Context

__all__ = [
    "NDArray", "add", "arange", "array", "concatenate", "divide", "empty", "equal", "eye", "from_dlpack",
    "from_numpy", "full", "get_indexing_dispatch_code", "get_oshape_of_gather_nd_op", "greater", "greater_equal", "histogram", "imdecode",
    "indexing_key_expand_implicit_axes", "lesser", "lesser_equal", "linspace", "load",
    "load_frombuffer", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "modulo",
    "moveaxis", "multiply", "not_equal", "ones", "onehot_encode", "power", "save", "split_v2", "subtract",
    "to_dlpack_for_read", "to_dlpack_for_write", "true_divide", "waitall", "zeros"]


def waitall() -> None:
    """Waits until all work is done; raises the first error of work that failed."""
    _core.wait_all()


# --- making arrays


def _shape(shape: ShapeLike) -> Shape:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _create(name: str, ctx: Context | None, dtype: DTypeLike | None, more: dict[str, Any] | None = None,
            **params: Any) -> Any:
    """The result of an operator without inputs; `more` are keywords of the user's: what no operator has is an error."""
    more = {key: value for key, value in (more or {}).items() if key not in ("name", "attr")}
    out = more.pop("out", None)
    params["ctx"] = str(ctx or current_context())
    params["dtype"] = "float32" if dtype is None else dtype_name(dtype)
    return _core.invoke(name, (), {**more, **params}, out)


def array(source_array: ArrayLike, ctx: Context | None = None, dtype: DTypeLike | None = None) -> NDArray:
    """An array with the values of a list, a number, a buffer, a NumPy array or another array. Always a copy.

    Its dtype is float32 unless the source is an NDArray or dtype is given; a number gives shape (). Texts that are numbers
    are read. Raises MXNetError for lists whose parts differ in length, TypeError for what holds no numbers in order.
    """
    if isinstance(source_array, NDArray):
        made = empty(source_array.shape, ctx, dtype or source_array.dtype)
        made[:] = source_array
        return made
    return to_ndarray(source_array, ctx or current_context(), dtype or "float32")


def empty(shape: ShapeLike, ctx: Context | None = None, dtype: DTypeLike | None = None,
          stype: str | None = None) -> NDArray:
    """An array of a shape and dtype (float32 by default) whose values are undefined."""
    check_dense("nd.empty", stype)
    ctx = ctx or current_context()
    name = "float32" if dtype is None else dtype_name(dtype)
    return _core.empty(_shape(shape), name, ctx.device_type, ctx.device_id)


def zeros(shape: ShapeLike, ctx: Context | None = None, dtype: DTypeLike | None = None, stype: str | None = None,
          **kwargs: Any) -> NDArray:
    """An array of zeros, of dtype float32 by default. With `out`, that array filled with them."""
    check_dense("nd.zeros", stype)
    return _create("_zeros", ctx, dtype, kwargs, shape=_shape(shape))


def ones(shape: ShapeLike, ctx: Context | None = None, dtype: DTypeLike | None = None, **kwargs: Any) -> NDArray:
    """An array of ones, of dtype float32 by default. With `out`, that array filled with them."""
    return _create("_ones", ctx, dtype, kwargs, shape=_shape(shape))


def full(shape: ShapeLike, val: Any, ctx: Context | None = None, dtype: DTypeLike | None = None,
         out: NDArray | None = None) -> NDArray:
    """An array with one value everywhere, of dtype float32 by default. With `out`, that array filled with it."""
    made = empty(shape, ctx, dtype) if out is None else out
    made[:] = val
    return made


def arange(start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1, infer_range: bool | None = None,
           ctx: Context | None = None, dtype: DTypeLike | None = None) -> NDArray:
    """Numbers from start (0 if only one bound is given) up to, not including, stop, each `repeat` times: a vector of
    ceil((stop - start) / step) * repeat elements, float32 by default."""
    if stop is None:
        start, stop = 0, start
    if dtype is not None and dtype_name(dtype) == "int64" and max(abs(start), abs(stop)) > 1 << 53:
        # More digits than a parameter keeps: all but the count of steps is computed in int64.
        first, last, by = int(start), int(stop), int(step)
        counted = _create("_arange", ctx, dtype, start=0, stop=max(0, -((first - last) // by)), step=1, repeat=repeat)
        return counted * array([by], ctx, dtype) + array([first], ctx, dtype)
    return _create("_arange", ctx, dtype, start=start, stop=stop, step=step, repeat=repeat)


def linspace(start: float, stop: float, num: int, endpoint: bool = True, ctx: Context | None = None,
             dtype: DTypeLike | None = None) -> NDArray:
    """A vector of num numbers at equal distances from start to stop, which is left out if endpoint is false."""
    return _create("_linspace", ctx, dtype, start=start, stop=stop, num=num, endpoint=endpoint)


def eye(N: int, M: int = 0, k: int = 0, ctx: Context | None = None, dtype: DTypeLike | None = None,
        **kwargs: Any) -> NDArray:
    """A matrix of shape (N, M or N) with ones on its k-th diagonal (above the main one for k > 0), else zeros."""
    return _create("_eye", ctx, dtype, kwargs, N=N, M=M, k=k)


def histogram(a: NDArray, bins: int | NDArray = 10, range: tuple[float, float] | None = None) -> Any:
    """[counts, edges] of the elements of an array.

    bins: how many, all equally wide, or their edges in ascending order. range: from where to where; by default from the
    smallest element to the largest, and the counts are float32 then, as in MXNet, else int64. The last bin holds its upper
    edge too.
    """
    if isinstance(bins, NDArray):
        return _internal._histogram(a, bins)
    if not isinstance(bins, int):
        raise ValueError(f"[histogram] found bins of type {type(bins).__name__}, expected an int or an NDArray")
    if range is not None:
        return _internal._histogram(a, bin_cnt=bins, range=range)
    low, high = (float(a.min().item()), float(a.max().item())) if a.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts, edges = _internal._histogram(a, bin_cnt=bins, range=(low, high))
    return counts.astype("float32"), edges.astype("float32")


def from_numpy(ndarray: Any, zero_copy: bool = True, array_cls: type[NDArray] = NDArray) -> NDArray:
    """An array with the values, shape and dtype of a NumPy array.

    With zero_copy it shares the memory, and the NumPy array becomes read-only: what is written to the new array is seen
    there. Raises ValueError for arrays that are not contiguous then, TypeError for other values than NumPy's arrays.
    """
    if not is_numpy(ndarray):
        raise TypeError(f"[from_numpy] found {type(ndarray).__name__}, expected an array of NumPy")
    if not zero_copy:
        return to_ndarray(ndarray, None, ndarray.dtype)
    if not ndarray.flags["C_CONTIGUOUS"]:
        raise ValueError(f"[from_numpy] found an array of shape {ndarray.shape} that is not contiguous in C order, expected one "
                         "that is, or zero_copy=False")
    try:
        made = _core.share_buffer(ndarray)
    except MXNetError as error:
        raise MXNetValueError(f"[from_numpy] {error}") from None
    ndarray.flags["WRITEABLE"] = False
    return made


def from_dlpack(dlpack: Any) -> NDArray:
    """An array sharing the memory of another library's tensor."""
    return _core.from_dlpack(dlpack)


def to_dlpack_for_read(data: NDArray) -> Any:
    """A DLPack capsule of an array whose pending writes are done."""
    return data.to_dlpack_for_read()


def to_dlpack_for_write(data: NDArray) -> Any:
    """A DLPack capsule of an array that nothing reads or writes any more."""
    return data.to_dlpack_for_write()


def imdecode(str_img: bytes, clip_rect: tuple[int, int, int, int] = (0, 0, 0, 0), out: NDArray | None = None, index: int = 0,
             channels: int = 3, mean: NDArray | None = None) -> NDArray:
    """Decodes a JPEG or PNG file to float32 (channels, height, width); `image.imdecode` is what new programs call.

    str_img: the bytes of the file.
    clip_rect: the window (x0, y0, x1, y1) to keep; all of the image where x1 and y1 are 0.
    out: an array of the result's shape, or (n, channels, height, width), of which image `index` is written.
    channels: 1 for grey, 3 for colours, red first.
    mean: what is taken from the window, of its shape.

    Raises MXNetError where the file is broken, or the window lies outside of the image.
    """
    x0, y0, x1, y1 = clip_rect
    data = bytes(str_img)
    made = _internal._imdecode(empty((1,)) if mean is None else mean, index=index, x0=x0, y0=y0, x1=x1, y1=y1, c=channels,
                               size=len(data), str_img=data.hex())
    if out is None:
        return made
    (out[index] if len(out.shape) == 4 else out)[:] = made
    return out


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Writes one-hot rows for the indices into out."""
    return _core.invoke("_onehot_encode", (indices, out), None, out)


# --- arithmetic of arrays and numbers


_NOTATION = _core.notation()


def _binary(name: str, doc: str, symbol: str, numbers: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A function of two operands, each an array or a number: what the records say serves `symbol`."""
    (arrays, _), _, (right_scalar, _), (left_scalar, _) = _NOTATION[symbol]

    def function(lhs: NDArray | float, rhs: NDArray | float) -> Any:
        if is_numpy(lhs) and isinstance(rhs, NDArray):
            lhs = operand(lhs, rhs)
        elif is_numpy(rhs) and isinstance(lhs, NDArray):
            rhs = operand(rhs, lhs)
        if isinstance(lhs, NDArray):
            if isinstance(rhs, NDArray):
                return _core.invoke(arrays, (lhs, rhs), None, None)
            if is_number(rhs):
                return _core.invoke(right_scalar, (lhs,), {"scalar": float(rhs)}, None)
        elif is_number(lhs):
            if isinstance(rhs, NDArray):
                return _core.invoke(left_scalar, (rhs,), {"scalar": float(lhs)}, None)
            if is_number(rhs):
                return numbers(lhs, rhs)
        raise TypeError(f"[{name}] found {type(lhs).__name__} and {type(rhs).__name__}, expected arrays or numbers")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


add = _binary("add", "lhs + rhs, broadcast.", "+", lambda a, b: a + b)
subtract = _binary("subtract", "lhs - rhs, broadcast.", "-", lambda a, b: a - b)
multiply = _binary("multiply", "lhs * rhs, broadcast.", "*", lambda a, b: a * b)
divide = _binary("divide", "lhs / rhs, broadcast.", "/", lambda a, b: a / b)
true_divide = divide
modulo = _binary("modulo", "lhs % rhs, broadcast; the sign is the divisor's.", "%", lambda a, b: a % b)
_power = _binary("power", "base ** exp, broadcast.", "**", lambda a, b: a ** b)


def power(base: NDArray | float, exp: NDArray | float) -> Any:
    """base ** exp, broadcast."""
    return _power(base, exp)


maximum = _binary("maximum", "The larger of each pair, broadcast.", "maximum", max)
minimum = _binary("minimum", "The smaller of each pair, broadcast.", "minimum", min)
equal = _binary("equal", "1 where lhs == rhs, else 0.", "==", lambda a, b: int(a == b))
not_equal = _binary("not_equal", "1 where lhs != rhs, else 0.", "!=", lambda a, b: int(a != b))
greater = _binary("greater", "1 where lhs > rhs, else 0.", ">", lambda a, b: int(a > b))
greater_equal = _binary("greater_equal", "1 where lhs >= rhs, else 0.", ">=", lambda a, b: int(a >= b))
lesser = _binary("lesser", "1 where lhs < rhs, else 0.", "<", lambda a, b: int(a < b))
lesser_equal = _binary("lesser_equal", "1 where lhs <= rhs, else 0.", "<=", lambda a, b: int(a <= b))
logical_and = _binary("logical_and", "1 where both are nonzero, else 0.", "and",
                      lambda a, b: int(bool(a) and bool(b)))
logical_or = _binary("logical_or", "1 where one is nonzero, else 0.", "or", lambda a, b: int(bool(a) or bool(b)))
logical_xor = _binary("logical_xor", "1 where exactly one is nonzero, else 0.", "xor",
                      lambda a, b: int(bool(a) != bool(b)))


# --- files


def save(fname: str | os.PathLike[str], data: Any) -> None:
    """Writes an array, a list of arrays, or a dict from names to arrays, in MXNet's format; waits for their values.

    Raises MXNetError where the file cannot be written, TypeError for other values than arrays.
    """
    if isinstance(data, NDArray):
        data = [data]
    if isinstance(data, dict):
        for name in data:
            if not isinstance(name, str):
                raise TypeError(f"[save] found {name!r} among the names, expected str")
        names, arrays = list(data), list(data.values())
    elif isinstance(data, (list, tuple)):
        names, arrays = [], list(data)
    else:
        raise ValueError(f"[save] found {type(data).__name__}, expected an NDArray, a list of them, or a dict from names to "
                         "them")
    for value in arrays:
        if not isinstance(value, NDArray):
            raise TypeError(f"[save] found {type(value).__name__} among the arrays, expected NDArray")
    _core.save(os.fspath(fname), arrays, names)


def _list_or_dict(arrays: Sequence[NDArray], names: Sequence[str]) -> Any:
    return dict(zip(names, arrays)) if names else list(arrays)


def load(fname: str | os.PathLike[str]) -> Any:
    """What save wrote, here or in MXNet: a list of arrays, or a dict when they have names.

    Sparse arrays become dense. Raises MXNetError where the file is missing, or not one of arrays.
    """
    return _list_or_dict(*_core.load(os.fspath(fname)))


def load_frombuffer(buf: bytes) -> Any:
    """What save wrote, from bytes."""
    return _list_or_dict(*_core.load_bytes(bytes(buf)))
