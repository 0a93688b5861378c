// NDArrayBase: a C type, because `x + y` must cost no more than the engine does.
#include <pybind11/stl.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "common.h"
#include "dlpack.h"
#include "heddle/profiler.h"

namespace heddle::python {

PyTypeObject* base_type = nullptr;
PyTypeObject* array_type = nullptr;  // the subclass that calls return

const NDArray& need_array(PyObject* o, const char* what) {
  check(is_array(o), "{} is a {}, expected an NDArray", what, Py_TYPE(o)->tp_name);
  const NDArray& a = array_of(o);
  check(bool(a), "{} is an NDArray without contents", what);
  return a;
}

PyObject* wrap(NDArray value) {
  if (!value) Py_RETURN_NONE;
  PyObject* o = array_type->tp_alloc(array_type, 0);
  if (!o) return nullptr;
  new (&array_of(o)) NDArray(std::move(value));
  return o;
}

// --- life ----------------------------------------------------------------------------------------
PyObject* array_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* o = type->tp_alloc(type, 0);
  if (o) new (&array_of(o)) NDArray();
  return o;
}

void array_dealloc(PyObject* o) {
  if (reinterpret_cast<PyNDArray*>(o)->weak_references) PyObject_ClearWeakRefs(o);
  array_of(o).~NDArray();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

// --- numbers ------------------------------------------------------------------------------------
template <int which>
PyObject* number(PyObject* a, PyObject* b) {
  return binary(which, a, b, false);
}
template <int which>
PyObject* number_in_place(PyObject* a, PyObject* b) {
  return binary(which, a, b, true);
}
PyObject* power(PyObject* a, PyObject* b, PyObject*) { return binary(kPow, a, b, false); }
PyObject* power_in_place(PyObject* a, PyObject* b, PyObject*) { return binary(kPow, a, b, true); }
template <int which>
PyObject* sign(PyObject* a) {
  return unary(which, a);
}

// Waits with the lock let go; throws what the engine kept.
void wait_unlocked(const NDArray& a) {
  Unlocked u;
  a.wait_to_read();
}

// --- properties -------------------------------------------------------------------------------
PyObject* get_shape(PyObject* o, void*) {
  const NDArray& a = array_of(o);
  if (!a) Py_RETURN_NONE;
  PyObject* t = PyTuple_New(a.shape().rank());
  for (int i = 0; t && i < a.shape().rank(); ++i)
    PyTuple_SET_ITEM(t, i, PyLong_FromLongLong(a.shape()[i]));
  return t;
}
PyObject* get_ndim(PyObject* o, void*) { return PyLong_FromLong(array_of(o).shape().rank()); }
PyObject* get_size(PyObject* o, void*) { return PyLong_FromLongLong(array_of(o).size()); }
PyObject* get_dtype_name(PyObject* o, void*) {
  const std::string_view name = dtype_name(array_of(o).dtype());
  return PyUnicode_FromStringAndSize(name.data(), Py_ssize_t(name.size()));
}
PyObject* get_device(PyObject* o, void*) {
  return guarded<PyObject*>(
      nullptr, [&] { return device_tuple(need_array(o, "the array").device()).release().ptr(); });
}
PyObject* get_recorded(PyObject* o, void*) {
  return PyBool_FromLong(autograd::is_recorded(array_of(o)));
}
PyObject* get_version(PyObject* o, void*) {
  return guarded<PyObject*>(nullptr, [&] {
    return PyLong_FromUnsignedLongLong(need_array(o, "the array").var().version());
  });
}
PyObject* get_fresh_grad(PyObject* o, void*) {
  return PyBool_FromLong(autograd::gradient_is_fresh(array_of(o)));
}
int set_fresh_grad(PyObject* o, PyObject* value, void*) {
  const int fresh = value ? PyObject_IsTrue(value) : 0;
  if (fresh >= 0) autograd::set_gradient_fresh(array_of(o), fresh);
  return fresh < 0 ? -1 : 0;
}
PyGetSetDef properties[] = {
    {"shape", get_shape, nullptr, "Extents as a tuple of int.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of axes.", nullptr},
    {"size", get_size, nullptr, "Number of elements.", nullptr},
    {"dtype_name", get_dtype_name, nullptr, "Name of the element type, such as 'float32'.",
     nullptr},
    {"device", get_device, nullptr, "(device type, device id).", nullptr},
    {"_recorded", get_recorded, nullptr, "Whether autograd has it on its tape.", nullptr},
    {"_version", get_version, nullptr, "Writes pushed so far.", nullptr},
    {"_fresh_grad", get_fresh_grad, set_fresh_grad,
     "Whether backward has written its gradient since this was set to False.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

// --- methods -----------------------------------------------------------------------------------
PyObject* slice(PyObject* o, PyObject* args) {
  long long begin, end;
  if (!PyArg_ParseTuple(args, "LL", &begin, &end)) return nullptr;
  return guarded<PyObject*>(nullptr,
                            [&] { return wrap(need_array(o, "the array").slice(begin, end)); });
}
PyObject* at(PyObject* o, PyObject* index) {
  return guarded<PyObject*>(nullptr, [&] {
    const int64_t i = PyNumber_AsSsize_t(index, PyExc_IndexError);
    if (PyErr_Occurred()) throw py::error_already_set();
    return wrap(need_array(o, "the array").at(i));
  });
}
PyObject* reshape(PyObject* o, PyObject* shape) {
  return guarded<PyObject*>(
      nullptr, [&] { return wrap(need_array(o, "the array").reshape(shape_of(shape, true))); });
}
PyObject* detach(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return wrap(need_array(o, "the array").detach()); });
}
PyObject* wait_to_read(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const profiler::Call call("wait_to_read");
    wait_unlocked(need_array(o, "the array"));
    Py_RETURN_NONE;
  });
}
PyObject* wait_to_write(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const profiler::Call call("wait_to_write");
    const NDArray& a = need_array(o, "the array");
    {
      Unlocked u;
      a.wait_to_write();
    }
    Py_RETURN_NONE;
  });
}
PyObject* tobytes(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const profiler::Call call("tobytes");
    const NDArray& a = need_array(o, "the array");
    PyObject* bytes = PyBytes_FromStringAndSize(nullptr, a.bytes());
    if (!bytes) return nullptr;
    try {
      Unlocked u;
      a.copy_to(PyBytes_AS_STRING(bytes));
    } catch (...) {
      Py_DECREF(bytes);
      throw;
    }
    return bytes;
  });
}

// A Py_buffer that lets go of its object.
struct Buffer {
  Py_buffer view{};
  bool held = false;
  Buffer(PyObject* o, int flags) {
    if (PyObject_GetBuffer(o, &view, flags) < 0) throw py::error_already_set();
    held = true;
  }
  ~Buffer() {
    if (held) PyBuffer_Release(&view);
  }

  // The elements in this machine's byte order: theirs, or a copy of those that stand in the other.
  const void* native() {
    const bool big = view.format && (*view.format == '>' || *view.format == '!');
    const bool little = view.format && *view.format == '<';
    if (view.itemsize < 2 || !(std::endian::native == std::endian::little ? big : little))
      return view.buf;
    const auto* from = static_cast<const char*>(view.buf);
    swapped_.assign(from, from + view.len);
    for (auto at = swapped_.begin(); at != swapped_.end(); at += view.itemsize)
      std::reverse(at, at + view.itemsize);
    return swapped_.data();
  }

 private:
  std::vector<char> swapped_;
};

PyObject* copy_from(PyObject* o, PyObject* source) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const NDArray& a = need_array(o, "the array");
    Buffer b(source, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
    check(b.view.len == a.bytes(), "the buffer has {} bytes, expected {} for shape {} of {}",
          int64_t(b.view.len), a.bytes(), a.shape(), a.dtype());
    autograd::check_inplace(a);
    Unlocked u;
    a.copy_from(b.native());
    Py_RETURN_NONE;
  });
}
PyObject* copy_to_buffer(PyObject* o, PyObject* target) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const NDArray& a = need_array(o, "the array");
    Buffer b(target, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE);
    check(b.view.len == a.bytes(), "the buffer has {} bytes, expected {} for shape {} of {}",
          int64_t(b.view.len), a.bytes(), a.shape(), a.dtype());
    Unlocked u;
    a.copy_to(b.view.buf);
    Py_RETURN_NONE;
  });
}
PyObject* copy_to_array(PyObject* o, PyObject* other) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const NDArray &from = need_array(o, "the source"), &to = need_array(other, "the target");
    check(from.shape() == to.shape(), "[copyto] the target has shape {}, expected {}", to.shape(),
          from.shape());
    autograd::check_inplace(to);
    Asked here;
    copy(from, to);
    Py_RETURN_NONE;
  });
}

PyObject* number_at(const char* p, Dtype dtype) {
  PyObject* result = nullptr;
  with_dtype(dtype, "tolist", [&]<class T>(T) {
    T v;
    std::memcpy(&v, p, sizeof v);
    if constexpr (std::is_same_v<T, bool>) result = PyBool_FromLong(v);
    else if constexpr (std::is_integral_v<T>) result = PyLong_FromLongLong(v);
    else result = PyFloat_FromDouble(double(v));
  });
  return result;
}
PyObject* nested(const char*& p, const Shape& s, int axis, Dtype dtype) {
  if (axis == s.rank()) {
    PyObject* n = number_at(p, dtype);
    p += dtype_size(dtype);
    return n;
  }
  PyObject* list = PyList_New(s[axis]);
  for (int64_t i = 0; list && i < s[axis]; ++i) {
    PyObject* item = nested(p, s, axis + 1, dtype);
    if (!item) return Py_DECREF(list), nullptr;
    PyList_SET_ITEM(list, i, item);
  }
  return list;
}
PyObject* tolist(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    const profiler::Call call("tolist");
    const NDArray& a = need_array(o, "the array");
    std::string host(size_t(a.bytes()), '\0');
    {
      Unlocked u;
      a.copy_to(host.data());
    }
    const char* p = host.data();
    return nested(p, a.shape(), 0, a.dtype());
  });
}
PyObject* item(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    const NDArray& a = need_array(o, "the array");
    if (a.size() != 1) throw py::value_error("The current array is not a scalar");
    char host[8];
    {
      Unlocked u;
      a.copy_to(host);
    }
    return number_at(host, a.dtype());
  });
}
PyObject* state_bytes(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    const NDArray& a = need_array(o, "the array");
    std::string bytes;
    {
      Unlocked u;
      bytes = array_to_bytes(a);
    }
    return PyBytes_FromStringAndSize(bytes.data(), Py_ssize_t(bytes.size()));
  });
}
PyObject* set_state(PyObject* o, PyObject* bytes) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    Buffer b(bytes, PyBUF_SIMPLE);
    Asked here;
    array_of(o) = array_from_bytes({static_cast<const char*>(b.view.buf), size_t(b.view.len)});
    Py_RETURN_NONE;
  });
}
PyObject* grad(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] { return wrap(autograd::gradient_of(array_of(o))); });
}
PyObject* mark(PyObject* o, PyObject* args) {
  PyObject* gradient;
  int req;
  if (!PyArg_ParseTuple(args, "Oi", &gradient, &req)) return nullptr;
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    need_array(o, "the variable");
    autograd::mark_variable(array_of(o),
                            gradient == Py_None ? NDArray() : need_array(gradient, "the gradient"),
                            GradReq(req));
    Py_RETURN_NONE;
  });
}
// Makes this object stand for another array: in-place operators that could not write in place.
PyObject* rebind(PyObject* o, PyObject* other) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    array_of(o) = need_array(other, "the array");
    Py_RETURN_NONE;
  });
}

// --- DLPack -------------------------------------------------------------------------------------
struct Exported {  // what keeps an exported tensor alive
  dlpack::DLManagedTensor tensor{};
  NDArray array;
  int64_t shape[Shape::kMaxRank];
};

dlpack::DLDataType dl_type(Dtype d) {
  const uint8_t bits = uint8_t(8 * dtype_size(d));
  if (d == Dtype::kBool) return {dlpack::kBool, bits, 1};
  if (d == Dtype::kBfloat16) return {dlpack::kBfloat, bits, 1};
  if (is_float(d)) return {dlpack::kFloat, bits, 1};
  return {uint8_t(d == Dtype::kUint8 ? dlpack::kUInt : dlpack::kInt), bits, 1};
}
Dtype dtype_of_dl(dlpack::DLDataType t) {
  for (Dtype d : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16, Dtype::kBfloat16,
                  Dtype::kUint8, Dtype::kInt8, Dtype::kInt32, Dtype::kInt64, Dtype::kBool}) {
    const auto want = dl_type(d);
    if (want.code == t.code && want.bits == t.bits && t.lanes == 1) return d;
  }
  throw Error(
      format("[from_dlpack] type code {} with {} bits is not supported", int(t.code), int(t.bits)));
}

PyObject* dlpack_export(PyObject* o, PyObject*, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    const NDArray& a = need_array(o, "the array");
    wait_unlocked(a);
    auto* e = new Exported;
    e->array = a.detach();
    for (int i = 0; i < a.shape().rank(); ++i) e->shape[i] = a.shape()[i];
    e->tensor.dl_tensor = {a.blob().data,
                           {int32_t(a.device().kind), a.device().id},
                           a.shape().rank(),
                           dl_type(a.dtype()),
                           e->shape,
                           nullptr,
                           0};
    e->tensor.manager_ctx = e;
    e->tensor.deleter = [](dlpack::DLManagedTensor* t) {
      delete static_cast<Exported*>(t->manager_ctx);
    };
    return PyCapsule_New(&e->tensor, "dltensor", [](PyObject* capsule) {
      if (!PyCapsule_IsValid(capsule, "dltensor")) return;  // taken: its new owner deletes it
      auto* t = static_cast<dlpack::DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
      t->deleter(t);
    });
  });
}
PyObject* dlpack_device(PyObject* o, PyObject*) {
  return guarded<PyObject*>(nullptr, [&] {
    const Device d = need_array(o, "the array").device();
    return Py_BuildValue("(ii)", int(d.kind), d.id);
  });
}

py::object from_dlpack(py::object source) {
  py::object capsule = py::hasattr(source, "__dlpack__") ? source.attr("__dlpack__")() : source;
  auto* t = static_cast<dlpack::DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!t) throw py::error_already_set();
  const auto& d = t->dl_tensor;
  check(d.device.device_type == dlpack::kCpu,
        "[from_dlpack] device type {} is not supported, expected 1 (cpu)", d.device.device_type);
  const Shape shape = Shape::of(d.shape, d.shape + d.ndim);
  int64_t step = 1;
  for (int i = d.ndim - 1; d.strides && i >= 0; step *= d.shape[i--])
    check(d.shape[i] == 1 || d.strides[i] == step,
          "[from_dlpack] the tensor is not contiguous in C order");
  const Dtype dtype = dtype_of_dl(d.dtype);
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  auto owner = std::shared_ptr<void>(t, [](void* p) {
    auto* tensor = static_cast<dlpack::DLManagedTensor*>(p);
    if (!tensor->deleter) return;
    if (!Py_IsInitialized()) return;  // its Python owner is gone with the interpreter
    const Locked lock;                // the last use may end on an engine thread
    tensor->deleter(tensor);
  });
  return py::reinterpret_steal<py::object>(wrap(NDArray::wrap(
      static_cast<char*>(d.data) + d.byte_offset, shape, dtype, {}, std::move(owner))));
}

PyMethodDef methods[] = {
    {"_slice", slice, METH_VARARGS, "Rows [begin, end) sharing memory."},
    {"_at", at, METH_O, "Row `index` without the first axis, sharing memory."},
    {"_reshape", reshape, METH_O, "The same memory under another shape."},
    {"_detach", detach, METH_NOARGS, "The same memory, off the tape."},
    {"wait_to_read", wait_to_read, METH_NOARGS,
     "Wait until pending writes are done; raise their error."},
    {"wait_to_write", wait_to_write, METH_NOARGS, "Wait until pending reads and writes are done."},
    {"tobytes", tobytes, METH_NOARGS, "The elements in C order."},
    {"tolist", tolist, METH_NOARGS, "Nested lists of Python numbers."},
    {"_item", item, METH_NOARGS, "The one element as a Python number."},
    {"_copy_from", copy_from, METH_O, "Set every element from a contiguous buffer."},
    {"_copy_to", copy_to_buffer, METH_O, "Copy every element into a contiguous writable buffer."},
    {"_copyto", copy_to_array, METH_O, "Copy to another array, asynchronously."},
    {"_state_bytes", state_bytes, METH_NOARGS, "The array as it stands in a .params file."},
    {"_set_state", set_state, METH_O, "Become the array that _state_bytes() wrote."},
    {"_grad", grad, METH_NOARGS, "The gradient buffer or None."},
    {"_mark", mark, METH_VARARGS, "Become a leaf of autograd: (gradient, grad_req)."},
    {"_rebind", rebind, METH_O, "Stand for another array."},
    {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(dlpack_export)),
     METH_VARARGS | METH_KEYWORDS, "Export without copying."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS,
     "(device type, device id) in DLPack's numbers."},
    {nullptr, nullptr, 0, nullptr}};

// --- buffer protocol
// ------------------------------------------------------------------------------
const char* format_of(Dtype d) {
  switch (d) {
    case Dtype::kFloat32:
      return "f";
    case Dtype::kFloat64:
      return "d";
    case Dtype::kFloat16:
      return "e";
    case Dtype::kUint8:
      return "B";
    case Dtype::kInt8:
      return "b";
    case Dtype::kInt32:
      return "i";
    case Dtype::kInt64:
      return "q";
    case Dtype::kBool:
      return "?";
    default:
      return nullptr;  // bfloat16 has no letter
  }
}

struct Exposed {  // lives as long as the view
  NDArray array;
  Py_ssize_t shape[Shape::kMaxRank], strides[Shape::kMaxRank];
};

int get_buffer(PyObject* o, Py_buffer* view, int flags) {
  return guarded<int>(-1, [&] {
    view->obj = nullptr;
    const NDArray& a = need_array(o, "the array");
    if (flags & PyBUF_WRITABLE) {
      PyErr_SetString(PyExc_BufferError,
                      "an NDArray's buffer is read-only: the engine orders writes");
      throw py::error_already_set();
    }
    check(a.device().kind == Device::kCpu || a.device().kind == Device::kPinned,
          "the array is on {}, only arrays on a cpu have a buffer", a.device());
    check(format_of(a.dtype()) != nullptr, "dtype {} has no buffer format", a.dtype());
    wait_unlocked(a);
    auto e = std::make_unique<Exposed>();
    e->array = a.detach();
    Py_ssize_t step = Py_ssize_t(dtype_size(a.dtype()));
    for (int i = a.shape().rank() - 1; i >= 0; --i) {
      e->shape[i] = a.shape()[i];
      e->strides[i] = step;
      step *= a.shape()[i];
    }
    view->buf = a.blob().data;
    view->len = a.bytes();
    view->itemsize = Py_ssize_t(dtype_size(a.dtype()));
    view->readonly = 1;
    view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format_of(a.dtype())) : nullptr;
    view->ndim = a.shape().rank();
    view->shape = flags & PyBUF_ND ? e->shape : nullptr;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? e->strides : nullptr;
    view->suboffsets = nullptr;
    view->internal = e.release();
    view->obj = Py_NewRef(o);
    return 0;
  });
}
void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Exposed*>(view->internal); }

Dtype dtype_of_format(const char* f, Py_ssize_t itemsize) {
  if (!f) return Dtype::kUint8;
  if (*f && std::strchr("@=<>!", *f)) ++f;
  switch (*f) {
    case 'f':
      return Dtype::kFloat32;
    case 'd':
      return Dtype::kFloat64;
    case 'e':
      return Dtype::kFloat16;
    case '?':
      return Dtype::kBool;
    case 'B':
    case 'c':
      return Dtype::kUint8;
    case 'b':
      return Dtype::kInt8;
    case 'i':
    case 'l':
    case 'q':
    case 'n':
      if (itemsize == 4) return Dtype::kInt32;
      if (itemsize == 8) return Dtype::kInt64;
  }
  throw Error(format("a buffer of format '{}' with {} bytes an item is not supported", f,
                     int64_t(itemsize)));
}

py::object array_from_buffer(py::object source, py::object dtype, const std::string& device,
                             int id) {
  Buffer b(source.ptr(), PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
  const Dtype have = dtype_of_format(b.view.format, b.view.itemsize);
  const Shape shape = Shape::of(b.view.shape, b.view.shape + b.view.ndim);
  const Dtype want = dtype.is_none() ? have : dtype_from_name(text_of(dtype.ptr()));
  NDArray a;
  {
    Unlocked u;
    const Device to = device_of(device, id);
    a = NDArray::from_host(b.native(), shape, have, have == want ? to : Device{});
    if (have != want) {
      NDArray converted(shape, to, want);
      copy(a, converted);
      a = converted;
    }
  }
  return py::reinterpret_steal<py::object>(wrap(std::move(a)));
}

// An array that lies in the memory of a buffer, which it keeps alive.
PyObject* in_memory_of(std::unique_ptr<Buffer> b, const Shape& shape, Dtype dtype) {
  Asked here;
  void* data = b->view.buf;
  auto owner = std::shared_ptr<void>(b.release(), [](void* p) {
    if (!Py_IsInitialized()) return;  // its Python owner is gone with the interpreter
    const Locked lock;                // the last use may end on an engine thread
    delete static_cast<Buffer*>(p);
  });
  return wrap(NDArray::wrap(data, shape, dtype, {}, std::move(owner)));
}

// An array that shares the memory of a contiguous buffer; writes of either side are seen by the
// other. Memory in the other byte order is copied.
py::object share_buffer(py::object source) {
  auto b = std::make_unique<Buffer>(source.ptr(), PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
  const Dtype dtype = dtype_of_format(b->view.format, b->view.itemsize);
  const Shape shape = Shape::of(b->view.shape, b->view.shape + b->view.ndim);
  if (b->native() != b->view.buf) {
    Asked here;
    return py::reinterpret_steal<py::object>(wrap(NDArray::from_host(b->native(), shape, dtype)));
  }
  return py::reinterpret_steal<py::object>(in_memory_of(std::move(b), shape, dtype));
}

// The same of plain bytes, which are taken for elements of a dtype.
py::object share_bytes(py::object source, py::handle shape, const std::string& dtype) {
  auto b = std::make_unique<Buffer>(source.ptr(), PyBUF_C_CONTIGUOUS);
  const Shape s = shape_of(shape, true);
  const Dtype d = dtype_from_name(dtype);
  check(b->view.len == s.size() * dtype_size(d),
        "the buffer has {} bytes, expected {} for shape {} of {}", int64_t(b->view.len),
        s.size() * dtype_size(d), s, d);
  return py::reinterpret_steal<py::object>(in_memory_of(std::move(b), s, d));
}

// --- nested lists
// -----------------------------------------------------------------------------------
void shape_of_list(py::handle v, Shape& s) {
  if (!PyList_Check(v.ptr()) && !PyTuple_Check(v.ptr())) return;
  py::sequence items = py::reinterpret_borrow<py::sequence>(v);
  s.append(int64_t(items.size()));
  if (items.size()) shape_of_list(items[0], s);
}
template <class T>
void fill(py::handle v, const Shape& s, int axis, T*& out) {
  if (axis == s.rank()) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (PyLong_Check(v.ptr())) {
        *out++ = T(PyLong_AsLongLong(v.ptr()));
        if (PyErr_Occurred()) throw py::error_already_set();
        return;
      }
    }
    const double d = PyFloat_AsDouble(v.ptr());
    if (d == -1 && PyErr_Occurred()) throw py::error_already_set();
    *out++ = T(d);
    return;
  }
  check(PyList_Check(v.ptr()) || PyTuple_Check(v.ptr()),
        "[array] the nested list is ragged: an item of axis {} is a {}", axis,
        Py_TYPE(v.ptr())->tp_name);
  py::sequence items = py::reinterpret_borrow<py::sequence>(v);
  check(int64_t(items.size()) == s[axis],
        "[array] the nested list is ragged: axis {} has {} items, expected {}", axis,
        int64_t(items.size()), s[axis]);
  for (py::handle item : items) fill(item, s, axis + 1, out);
}

py::object array_from_list(py::object source, const std::string& dtype, const std::string& device,
                           int id) {
  Shape s;
  s.set_rank(0);
  shape_of_list(source, s);
  const Dtype d = dtype_from_name(dtype);
  Asked here;
  std::string host(size_t(s.size() * dtype_size(d)), '\0');
  with_dtype(d, "array", [&]<class T>(T) {
    T* out = reinterpret_cast<T*>(host.data());
    fill(source, s, 0, out);
  });
  return py::reinterpret_steal<py::object>(
      wrap(NDArray::from_host(host.data(), s, d, device_of(device, id))));
}

// --- files
// ----------------------------------------------------------------------------------------
NamedArrays named(const py::sequence& arrays, const std::vector<std::string>& names) {
  NamedArrays n;
  for (py::handle a : arrays) n.arrays.push_back(need_array(a.ptr(), "an array to save"));
  n.names = names;
  check(names.empty() || names.size() == n.arrays.size(), "{} names were given for {} arrays",
        names.size(), n.arrays.size());
  return n;
}
py::tuple unnamed(NamedArrays&& n) {
  py::list arrays;
  for (NDArray& a : n.arrays) arrays.append(py::reinterpret_steal<py::object>(wrap(std::move(a))));
  return py::make_tuple(arrays, py::cast(n.names));
}

void define_ndarray(py::module_& m) {
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, sizeof(PyObject), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  auto slot = [](auto f) { return reinterpret_cast<void*>(f); };
  PyType_Slot slots[] = {
      {Py_tp_doc,
       const_cast<char*>("A handle on a tensor whose contents the engine keeps in order.")},
      {Py_tp_new, slot(array_new)},
      {Py_tp_dealloc, slot(array_dealloc)},
      {Py_tp_methods, methods},
      {Py_tp_getset, properties},
      {Py_tp_members, members},
      {Py_tp_richcompare, slot(compare)},
      {Py_tp_hash, slot(PyBaseObject_Type.tp_hash)},
      {Py_nb_add, slot(number<kAdd>)},
      {Py_nb_subtract, slot(number<kSub>)},
      {Py_nb_multiply, slot(number<kMul>)},
      {Py_nb_true_divide, slot(number<kDiv>)},
      {Py_nb_remainder, slot(number<kMod>)},
      {Py_nb_power, slot(power)},
      {Py_nb_inplace_add, slot(number_in_place<kAdd>)},
      {Py_nb_inplace_subtract, slot(number_in_place<kSub>)},
      {Py_nb_inplace_multiply, slot(number_in_place<kMul>)},
      {Py_nb_inplace_true_divide, slot(number_in_place<kDiv>)},
      {Py_nb_inplace_remainder, slot(number_in_place<kMod>)},
      {Py_nb_inplace_power, slot(power_in_place)},
      {Py_nb_negative, slot(sign<kNegative>)},
      {Py_nb_absolute, slot(sign<kAbs>)},
      {Py_bf_getbuffer, slot(get_buffer)},
      {Py_bf_releasebuffer, slot(release_buffer)},
      {0, nullptr}};
  PyType_Spec spec = {"heddle._core.NDArrayBase", int(sizeof(PyNDArray)), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  base_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!base_type) throw py::error_already_set();
  array_type = base_type;
  m.attr("NDArrayBase") = py::handle(reinterpret_cast<PyObject*>(base_type));
  m.def("set_ndarray_type", [](py::type t) {
    check(PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(t.ptr()), base_type),
          "the type is not a subclass of NDArrayBase");
    array_type = reinterpret_cast<PyTypeObject*>(t.inc_ref().ptr());
  });
  m.def("empty", [](py::handle shape, const std::string& dtype, const std::string& device, int id) {
    return py::reinterpret_steal<py::object>(
        wrap(NDArray(shape_of(shape, true), device_of(device, id), dtype_from_name(dtype))));
  });
  m.def("array_from_buffer", array_from_buffer);
  m.def("array_from_list", array_from_list);
  m.def("share_buffer", share_buffer);
  m.def("share_bytes", share_bytes);
  m.def("from_dlpack", from_dlpack);
  m.def("from_bytes", [](py::bytes b) {
    return py::reinterpret_steal<py::object>(wrap(array_from_bytes(std::string_view(b))));
  });
  m.def("save",
        [](const std::string& path, py::sequence arrays, const std::vector<std::string>& names) {
          const NamedArrays n = named(arrays, names);
          Unlocked u;
          save_arrays(path, n);
        });
  m.def("save_bytes", [](py::sequence arrays, const std::vector<std::string>& names) {
    const NamedArrays n = named(arrays, names);
    std::string s;
    {
      Unlocked u;
      s = save_arrays_to_bytes(n);
    }
    return py::bytes(s);
  });
  m.def("load", [](const std::string& path) {
    NamedArrays n;
    {
      Unlocked u;
      n = load_arrays(path);
    }
    return unnamed(std::move(n));
  });
  m.def("load_bytes",
        [](py::bytes b) { return unnamed(load_arrays_from_bytes(std::string_view(b), "buffer")); });
}

}  // namespace heddle::python
