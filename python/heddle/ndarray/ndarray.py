"""The array: MXNet's methods over the library's handle."""
from .. import _core
from ..base import MXNetError, as_dtype, dtype_name
from ..context import Context, context_of
from . import _internal, op
from ._format import format_array
from .indexing import get_item, set_item
from .joining import split_v2
from .shapes import reshaped

_invoke = _core.invoke
_CAST = _core.op_handle("Cast")


class _Requests(dict):
    def __missing__(self, name):
        raise ValueError(f"found grad_req {name!r}, expected one of {', '.join(self)}")


GRAD_REQS = _Requests(null=0, write=1, add=3)
_IN_PLACE = "Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd."


class NDArray(_core.NDArrayBase):
    """A tensor on a device. Operations on it return at once; reading its values waits.

    Arithmetic and comparisons broadcast, and give results of the operands' dtype.
    """

    __slots__ = ()
    __array_ufunc__ = None  # NumPy's operators leave NDArrays alone

    # --- what it is
    @property
    def dtype(self):
        return as_dtype(self.dtype_name)

    @property
    def context(self):
        return context_of(self.device)

    ctx = context

    @property
    def stype(self):
        return "default"

    @property
    def T(self):
        return op.transpose(self)

    def __len__(self):
        return self.shape[0]

    def __bool__(self):
        size = self.size
        if size == 0:
            return False
        if size == 1:
            return bool(self.asscalar())
        raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")

    def __float__(self):
        return float(self.asscalar())

    def __int__(self):
        return int(self.asscalar())

    def __index__(self):
        value = self.asscalar()
        if not isinstance(value, int):
            raise TypeError("only integer scalar arrays can be converted to a scalar index")
        return value

    def __repr__(self):
        if self.shape is None:
            return "<NDArray without contents>"
        shape = "x".join(map(str, self.shape))
        return f"\n{format_array(self)}\n<NDArray {shape} @{self.context}>"

    def __str__(self):
        return self.__repr__()

    # --- its values
    def asnumpy(self):
        """A NumPy copy. Waits for pending writes."""
        import numpy
        if self.dtype_name == "bfloat16":  # NumPy has no such type
            return self.astype("float32").asnumpy()
        return numpy.array(memoryview(self), copy=True)

    def __array__(self, dtype=None, copy=None):
        value = self.asnumpy()
        return value if dtype is None else value.astype(dtype)

    def asscalar(self):
        """The value of an array with one element, as a Python number. Waits."""
        if self.size != 1:
            raise ValueError("The current array is not a scalar")
        return self._item()

    item = asscalar

    def __iter__(self):
        for i in range(len(self)):
            yield self[i]

    def __getitem__(self, key):
        return get_item(self, key)

    def __setitem__(self, key, value):
        self._refuse_in_place()
        set_item(self, key, value)

    def _refuse_in_place(self):
        if _core.is_recording() and (self._recorded or self._grad() is not None):
            raise MXNetError(_IN_PLACE)

    # --- copies
    def copy(self):
        return _internal._copy(self)

    def copyto(self, other):
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
            raise ValueError(f"found an array of shape {other.shape} to copy to, expected {self.shape}")
        return self._copy_into(other)

    def _copy_into(self, other):
        if _core.is_recording() and self.dtype_name == other.dtype_name:
            _internal._copyto(self, out=other)
        else:
            self._copyto(other)
        return other

    def as_in_context(self, context):
        return self if context == self.context else self.copyto(context)

    as_in_ctx = as_in_context

    def astype(self, dtype, copy=True):
        name = dtype_name(dtype)
        if not copy and name == self.dtype_name:
            return self
        return _invoke(_CAST, (self,), {"dtype": name}, None)

    def tostype(self, stype):
        """The array in another storage type; there is one here, "default"."""
        if stype != "default":
            raise ValueError(f"found storage type {stype!r}, expected 'default'")
        return self

    # --- shapes
    def reshape(self, *shape, **kwargs):
        """A view with another shape; the codes 0, -1, -2, -3 and -4 mean what they mean in Reshape."""
        if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
            shape = shape[0]
        elif not shape:
            shape = kwargs.pop("shape", None)
            if shape is None:
                raise TypeError("reshape: shape is missing")
            shape = (shape,) if isinstance(shape, int) else shape
        reverse = kwargs.pop("reverse", False)
        if kwargs:
            raise TypeError(f"reshape: found {', '.join(kwargs)}, expected shape and reverse only")
        shape = tuple(shape)
        if reverse or not all(n > 0 for n in shape):
            shape = reshaped(self.shape, shape, reverse)
        return op.reshape(self, shape=shape) if _core.is_recording() else self._reshape(shape)

    def expand_dims(self, axis, inplace=False):
        return op.expand_dims(self, axis=axis)

    def flatten(self, inplace=False):
        return op.flatten(self)

    def squeeze(self, axis=None, inplace=False):
        return op.squeeze(self) if axis is None else op.squeeze(self, axis=axis)

    def transpose(self, *axes, **kwargs):
        if len(axes) == 1 and isinstance(axes[0], (list, tuple)):
            axes = axes[0]
        axes = kwargs.get("axes", axes)
        return op.transpose(self, axes=tuple(axes)) if axes else op.transpose(self)

    def swapaxes(self, dim1, dim2):
        return op.swapaxes(self, dim1=dim1, dim2=dim2)

    def broadcast_to(self, shape):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if len(shape) > self.ndim:  # missing leading axes count as 1
            padded = (1,) * (len(shape) - self.ndim) + self.shape
            return op.broadcast_to(self.reshape(padded), shape=shape)
        return op.broadcast_to(self, shape=shape)

    def broadcast_like(self, other):
        return self.broadcast_to(other.shape)

    def split(self, num_outputs, axis=1, squeeze_axis=False):
        return op.split(self, num_outputs=num_outputs, axis=axis, squeeze_axis=squeeze_axis)

    def split_v2(self, indices_or_sections, axis=0, squeeze_axis=False):
        return split_v2(self, indices_or_sections, axis, squeeze_axis)

    # --- autograd
    @property
    def grad(self):
        """The gradient array that attach_grad made, or None."""
        return self._grad()

    def attach_grad(self, grad_req="write", stype=None):
        """Makes a gradient for this array: backward writes it there. Cuts its history."""
        if stype not in (None, "default"):
            raise ValueError(f"found storage type {stype!r}, expected 'default'")
        name, (device, index) = self.dtype_name, self.device
        zeros = _invoke("_zeros", (), {"shape": self.shape, "dtype": name, "ctx": f"{device}({index})"}, None)
        self._mark(zeros, GRAD_REQS[grad_req])

    def detach(self):
        return self._detach()

    def backward(self, out_grad=None, retain_graph=False, train_mode=True):
        """The gradients of this array (times out_grad, ones by default), into the arrays marked for them."""
        _core.backward([self], None if out_grad is None else [out_grad], retain_graph, train_mode)

    # --- other libraries
    def to_dlpack_for_read(self):
        self.wait_to_read()
        return self.__dlpack__()

    def to_dlpack_for_write(self):
        self.wait_to_write()
        return self.__dlpack__()

    # --- pickles
    def __reduce__(self):
        return NDArray, (), {"handle": self._state_bytes()}

    def __setstate__(self, state):
        self._set_state(bytes(state["handle"]))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    __hash__ = object.__hash__

    def __matmul__(self, other):
        return op.dot(self, other)


_core.set_ndarray_type(NDArray)
