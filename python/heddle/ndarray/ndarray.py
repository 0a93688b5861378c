"""The array: MXNet's methods over the library's handle."""
from __future__ import annotations

import math

from .. import _core
from .._storage import check_dense
from ..base import MXNetError, as_dtype, dtype_name
from ..context import Context, context_of
from . import _internal, _numpy, op
from ._format import format_array
from .indexing import get_item, set_item
from .joining import split_v2
from .shapes import reshaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .._typing import DTypeLike, ShapeLike
    from ..base import DType
    from ._methods import Methods  # those that are operators
else:
    Methods = _core.NDArrayBase

_invoke = _core.invoke
_CAST = _core.op_handle("Cast")


class _Requests(dict[str, int]):
    def __missing__(self, name: str) -> int:
        raise ValueError(f"[attach_grad] found grad_req {name!r}, expected one of {', '.join(self)}")


GRAD_REQS = _Requests(null=0, write=1, add=3)
_IN_PLACE = "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd."


class NDArray(Methods):
    """A tensor on a device. Operations on it return at once; reading its values waits.

    Arithmetic and comparisons broadcast, and give results of the operands' dtype.
    """

    __slots__ = ()
    __array_priority__ = 1000.0

    def __new__(cls, handle: NDArray | None = None, writable: bool = True) -> NDArray:
        """A second handle on an array (MXNet's constructor), or one without contents."""
        return Methods.__new__(cls) if handle is None else handle._reshape(handle.shape)

    def __init__(self, handle: NDArray | None = None, writable: bool = True) -> None:
        pass

    # --- what it is
    @property
    def handle(self) -> NDArray:
        """What NDArray() takes to make another handle on the same memory: the array itself."""
        return self

    @property
    def writable(self) -> bool:
        """Whether it may be written to: always."""
        return True

    @property
    def dtype(self) -> DType:
        """The element type, equal to the NumPy type of the same name."""
        return as_dtype(self.dtype_name)

    @property
    def context(self) -> Context:
        """The device that holds it."""
        return context_of(self.device)

    ctx = context

    @property
    def stype(self) -> str:
        """The storage type: "default", as all arrays are dense."""
        return "default"

    @property
    def T(self) -> NDArray:
        """The array with its axes in reverse order."""
        return op.transpose(self)

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        size = self.size
        if size == 0:
            return False
        if size == 1:
            return bool(self._item())
        raise ValueError(f"The truth value of an NDArray with multiple elements is ambiguous: found shape {self.shape}, "
                         "expected one element.")

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        value = self.item()
        if not isinstance(value, int):
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return value

    def __repr__(self) -> str:
        if self.shape is None:
            return "<NDArray without contents>"
        shape = "x".join(map(str, self.shape))
        return f"\n{format_array(self)}\n<NDArray {shape} @{self.context}>"

    def __str__(self) -> str:
        return self.__repr__()

    # --- its values
    def asnumpy(self) -> Any:
        """A NumPy copy. Waits for pending writes."""
        import numpy
        if self.dtype_name == "bfloat16":  # NumPy has no such type
            return self.astype("float32").asnumpy()
        return numpy.array(memoryview(self), copy=True)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        value = self.asnumpy()
        return value if dtype is None else value.astype(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _numpy.apply(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return func(*map(_numpy.to_numpy, args), **{key: _numpy.to_numpy(value) for key, value in kwargs.items()})

    def item(self) -> Any:
        """The value of an array with one element, as a Python number. Waits."""
        self._check_one()
        return self._item()

    def _check_one(self) -> None:
        if self.size != 1:
            raise ValueError(f"The current array is not a scalar: found shape {self.shape}, expected one element")

    def asscalar(self) -> Any:
        """The value of an array with one element, as a NumPy scalar of its dtype, or as a Python number where there is no
        NumPy. Waits."""
        self._check_one()
        value = self._item()
        try:
            import numpy
        except ImportError:
            return value
        return numpy.dtype("float32" if self.dtype_name == "bfloat16" else self.dtype_name).type(value)

    def __iter__(self) -> Iterator[NDArray]:
        for i in range(len(self)):
            yield self[i]

    def __getitem__(self, key: Any) -> NDArray:
        return get_item(self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._refuse_in_place()
        set_item(self, key, value)

    def _refuse_in_place(self) -> None:
        if _core.is_recording() and (self._recorded or self._grad() is not None):
            raise MXNetError(_IN_PLACE)

    # --- copies
    def copy(self) -> NDArray:
        """A copy with its own memory."""
        return _internal._copy(self)

    def copyto(self, other: NDArray | Context) -> NDArray:
        """Copies into another array, or to a device. Returns the array written."""
        if isinstance(other, Context):
            made = _core.empty(self.shape, self.dtype_name, other.device_type, other.device_id)
            return self._copy_into(made)
        if not isinstance(other, NDArray):
            raise TypeError(f"copyto does not support type {type(other)}")
        if other is self:
            import warnings
            warnings.warn("You are attempting to copy an array to itself", RuntimeWarning, stacklevel=2)
            return other
        if self.shape != other.shape:
            raise ValueError(f"[copyto] found an array of shape {other.shape} to copy to, expected {self.shape}")
        return self._copy_into(other)

    def _copy_into(self, other: NDArray) -> NDArray:
        if _core.is_recording():
            _internal._copyto(self.astype(other.dtype_name, copy=False), out=other)
        else:
            self._copyto(other)
        return other

    def as_nd_ndarray(self) -> NDArray:
        """This array, which is of mx.nd already."""
        return self

    def as_in_context(self, context: Context) -> NDArray:
        """This array if it is on that device, else a copy that is."""
        return self if context == self.context else self.copyto(context)

    as_in_ctx = as_in_context

    def astype(self, dtype: DTypeLike, copy: bool = True) -> NDArray:
        """The elements converted to a dtype. A new array, unless copy is false and the dtype is the same already."""
        name = dtype_name(dtype)
        if not copy and name == self.dtype_name:
            return self
        return _invoke(_CAST, (self,), {"dtype": name}, None)

    def tostype(self, stype: str) -> NDArray:
        """The array in another storage type; there is one here, "default"."""
        check_dense("NDArray.tostype", stype)
        return self

    # --- shapes
    def reshape(self, *shape: Any, **kwargs: Any) -> NDArray:
        """A view with another shape; the codes 0, -1, -2, -3 and -4 mean what they mean in Reshape."""
        wanted: Any = shape
        if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
            wanted = shape[0]
        elif not shape:
            wanted = kwargs.pop("shape", None)
            if wanted is None:
                raise TypeError("reshape: shape is missing")
            wanted = (wanted,) if isinstance(wanted, int) else wanted
        reverse = kwargs.pop("reverse", False)
        if kwargs:
            raise TypeError(f"reshape: found {', '.join(kwargs)}, expected shape and reverse only")
        wanted = tuple(wanted)
        if reverse or not all(n > 0 for n in wanted):
            wanted = reshaped(self.shape, wanted, reverse)
        return op.reshape(self, shape=wanted) if _core.is_recording() else self._reshape(wanted)

    def expand_dims(self, axis: int, inplace: bool = False) -> NDArray:
        """The array with a new axis of extent 1 at the place `axis`: a copy, or with inplace a view."""
        if not inplace:
            return op.expand_dims(self, axis=axis)
        if not -self.ndim - 1 <= axis <= self.ndim:
            raise ValueError(f"[expand_dims] found axis {axis} for {self.ndim} axes, expected {-self.ndim - 1} to {self.ndim}")
        at = axis + self.ndim + 1 if axis < 0 else axis
        return self.reshape((*self.shape[:at], 1, *self.shape[at:]))

    def flatten(self, inplace: bool = False) -> NDArray:
        """A matrix: the first axis, and all others as one. A copy, or with inplace a view."""
        return self.reshape((self.shape[0], math.prod(self.shape[1:]))) if inplace else op.flatten(self)

    def squeeze(self, axis: int | Sequence[int] | None = None, inplace: bool = False) -> NDArray:
        """The array without its axes of extent 1, or without those given: a copy, or with inplace a view. Raises MXNetError
        where the extent is not 1."""
        if not inplace:
            return op.squeeze(self) if axis is None else op.squeeze(self, axis=axis)
        if axis is None:
            return self.reshape([n for n in self.shape if n != 1] or (1,))
        gone = set()
        for a in (axis,) if isinstance(axis, int) else axis:
            if not -self.ndim <= a < self.ndim or self.shape[a] != 1:
                raise ValueError(f"[squeeze] found axis {a} of shape {self.shape}, expected one of extent 1")
            gone.add(a % self.ndim)
        return self.reshape([n for a, n in enumerate(self.shape) if a not in gone] or (1,))

    def transpose(self, *axes: Any, **kwargs: Any) -> NDArray:
        """The array with its axes in the order given, by default reversed."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (list, tuple)) else axes
        order = kwargs.get("axes", order)
        return op.transpose(self, axes=tuple(order)) if order else op.transpose(self)

    def swapaxes(self, dim1: int, dim2: int) -> NDArray:
        """The array with two axes exchanged."""
        return op.swapaxes(self, dim1=dim1, dim2=dim2)

    def broadcast_to(self, shape: ShapeLike) -> NDArray:
        """The array repeated to a shape. Axes of extent 1 repeat, and missing leading ones count as 1. Raises
        MXNetError where another extent differs."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if len(shape) > self.ndim:  # missing leading axes count as 1
            padded = (1,) * (len(shape) - self.ndim) + self.shape
            return op.broadcast_to(self.reshape(padded), shape=shape)
        return op.broadcast_to(self, shape=shape)

    def broadcast_like(self, other: NDArray) -> NDArray:
        """The array repeated to the shape of another."""
        return self.broadcast_to(other.shape)

    def split(self, num_outputs: int, axis: int = 1, squeeze_axis: bool = False) -> Any:
        """num_outputs equal parts along an axis, as a list; the axis goes with squeeze_axis, if a part holds one
        row."""
        return op.split(self, num_outputs=num_outputs, axis=axis, squeeze_axis=squeeze_axis)

    def split_v2(self, indices_or_sections: int | Sequence[int], axis: int = 0,
                 squeeze_axis: bool = False) -> list[NDArray]:
        """Parts along an axis: a number of equal ones, or those between the indices."""
        return split_v2(self, indices_or_sections, axis, squeeze_axis)

    # --- autograd
    @property
    def grad(self) -> NDArray:
        """The gradient array that attach_grad made. None without one, whatever the type says: few programs ask."""
        return self._grad()  # type: ignore[return-value]

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Makes a gradient for this array: backward writes it there. Cuts its history."""
        check_dense("NDArray.attach_grad", stype)
        name, (device, index) = self.dtype_name, self.device
        zeros = _invoke("_zeros", (), {"shape": self.shape, "dtype": name, "ctx": f"{device}({index})"}, None)
        self._mark(zeros, GRAD_REQS[grad_req])

    def slice_assign(self, rhs: NDArray, begin: Sequence[int | None], end: Sequence[int | None],
                     step: Sequence[int | None]) -> NDArray:
        """self with self[begin[0]:end[0]:step[0], ...] = rhs, an array of that shape; in place."""
        return _core.invoke("_slice_assign", (self, rhs), {"begin": begin, "end": end, "step": step}, self)

    def slice_assign_scalar(self, value: float, begin: Sequence[int | None], end: Sequence[int | None],
                            step: Sequence[int | None]) -> NDArray:
        """The same with a number."""
        return _core.invoke("_slice_assign_scalar", (self,), {"scalar": value, "begin": begin, "end": end, "step": step}, self)

    def detach(self) -> NDArray:
        """The same memory outside of what autograd recorded."""
        return self._detach()

    def backward(self, out_grad: NDArray | None = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """The gradients of this array (times out_grad, ones by default), into the arrays marked for them."""
        _core.backward([self], None if out_grad is None else [out_grad], retain_graph, train_mode)

    # --- other libraries
    def to_dlpack_for_read(self) -> Any:
        """A DLPack capsule, once pending writes are done."""
        self.wait_to_read()
        return self.__dlpack__()

    def to_dlpack_for_write(self) -> Any:
        """A DLPack capsule, once nothing reads or writes the array any more."""
        self.wait_to_write()
        return self.__dlpack__()

    # --- pickles
    def __reduce__(self) -> tuple[Any, ...]:
        return NDArray, (), {"handle": self._state_bytes()}

    def __setstate__(self, state: Any) -> None:
        self._set_state(bytes(state["handle"]))

    def __copy__(self) -> NDArray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> NDArray:
        return self.copy()

    __hash__ = object.__hash__

    def __matmul__(self, other: NDArray) -> NDArray:
        return op.dot(self, other)


_core.set_ndarray_type(NDArray)
_core.set_operand_maker(_numpy.operand)
