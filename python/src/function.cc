// The functions of operators, nd.relu and its like: made at import, complete at their first use.
//
// Signatures and documentation of hundreds of operators take longer to make than an import may, so
// a function holds its names only and asks Python for the rest when somebody calls or looks. Calls
// in the plain form - arrays by position, then parameters - never leave this file after that.
#include "invoke.h"

namespace heddle::python {

struct PyFunction {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *name, *module, *op;  // texts: as it is called, where it lives, what it applies
  PyObject* maker;               // of arguments (op, name): all that complete() reads
  PyObject* describe;            // describe(op) -> (signature, documentation)
  PyObject* made;                // takes any call; null before the first
  Handle* quick;                 // null when every call takes the long way
  Py_ssize_t least, most;  // inputs that the quick way takes; parameters follow at least so many
  PyObject* plain;         // a set: keywords that are passed on as they come
  PyObject* order;         // a tuple: parameters by position
};
PyTypeObject* function_type = nullptr;

PyFunction& function_of(PyObject* o) { return *reinterpret_cast<PyFunction*>(o); }

bool complete(PyFunction& f) {
  if (f.made) return true;
  PyObject* parts = PyObject_CallFunctionObjArgs(f.maker, f.op, f.name, nullptr);
  if (!parts) return false;
  PyObject *made, *quick, *plain, *order;
  const bool fits =
      PyArg_ParseTuple(parts, "OOnnOO", &made, &quick, &f.least, &f.most, &plain, &order);
  if (fits && !f.made) {  // nor meanwhile, by another thread
    f.quick = quick == Py_None ? nullptr : &handle_of(quick);
    f.plain = Py_NewRef(plain);
    f.order = Py_NewRef(order);
    f.made = Py_NewRef(made);
  }
  Py_DECREF(parts);
  return fits;
}

// Whether a value is a parameter as it is: not one that stands for "not given", or a number of
// NumPy.
bool is_plain(PyObject* o) {
  return o == Py_None || PyBool_Check(o) || PyLong_CheckExact(o) || PyFloat_CheckExact(o) ||
         PyUnicode_CheckExact(o) || PyTuple_CheckExact(o) || PyList_CheckExact(o);
}

// Sorts the keywords of a call into parameters and `out`; false when one is of another kind.
bool sort_keywords(const PyFunction& f, PyObject* names, PyObject* const* values,
                   std::span<Keyword> room, size_t& count, PyObject*& out) {
  static PyObject* const out_name = PyUnicode_InternFromString("out");
  static PyObject* const name_name = PyUnicode_InternFromString("name");
  const Py_ssize_t n = PyTuple_GET_SIZE(names);
  const size_t before = count;
  if (n > Py_ssize_t(room.size() - count)) return false;
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(names, i);
    if (name == out_name) {
      out = values[i];
    } else {
      const int known = PySet_Contains(f.plain, name);
      if (known < 0) PyErr_Clear();
      if (known == 0 && name == name_name) continue;  // for symbols: layers give it to both
      if (known <= 0 || !is_plain(values[i])) return false;
      for (size_t k = 0; k < before; ++k)
        if (PyUnicode_Compare(room[k].first, name) == 0) return false;  // given twice
      room[count++] = {name, values[i]};
    }
  }
  return true;
}

// How many of the n arguments by position are inputs, if all that follow them are parameters, which
// go into `room`; -1 where the long way has to look. An input that is left out, as None, is one of
// several things that it knows.
Py_ssize_t sort_arguments(const PyFunction& f, PyObject* const* args, Py_ssize_t n,
                          std::span<Keyword> room, size_t& count) {
  if (n > 0 && n <= f.most && is_array(args[n - 1])) return n;
  Py_ssize_t inputs = 0;
  while (inputs < n && is_array(args[inputs])) ++inputs;
  if (inputs == 0 || inputs < f.least || inputs > f.most) return -1;
  if (inputs < f.most && args[inputs] == Py_None) return -1;
  if (n - inputs > PyTuple_GET_SIZE(f.order) || n - inputs > Py_ssize_t(room.size())) return -1;
  for (Py_ssize_t i = inputs; i < n; ++i) {
    PyObject* const name = PyTuple_GET_ITEM(f.order, i - inputs);
    if (PySet_Contains(f.plain, name) != 1 || !is_plain(args[i])) return -1;
    room[count++] = {name, args[i]};
  }
  return inputs;
}

PyObject* call_function(PyObject* self, PyObject* const* args, size_t flags, PyObject* names) {
  PyFunction& f = function_of(self);
  if (!complete(f)) return nullptr;
  const Py_ssize_t n = PyVectorcall_NARGS(flags);
  if (f.quick) {
    Keyword room[16];
    size_t count = 0;
    PyObject* out = Py_None;
    const Py_ssize_t inputs = sort_arguments(f, args, n, room, count);
    if (inputs >= 0 && (!names || sort_keywords(f, names, args + n, room, count, out)))
      return guarded<PyObject*>(nullptr, [&] {
        return invoke_handle(*f.quick, {args, size_t(inputs)}, {room, count}, out);
      });
  }
  return PyObject_Vectorcall(f.made, args, flags, names);
}

// As a method: x.relu() is nd.relu(x).
PyObject* bind_function(PyObject* self, PyObject* object, PyObject*) {
  return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}

PyObject* describe_function(PyObject* self, Py_ssize_t part) {
  PyFunction& f = function_of(self);
  PyObject* both = PyObject_CallFunctionObjArgs(f.describe, f.op, nullptr);
  PyObject* one = both ? PySequence_GetItem(both, part) : nullptr;
  Py_XDECREF(both);
  return one;
}
PyObject* get_signature(PyObject* self, void*) { return describe_function(self, 0); }
PyObject* get_doc(PyObject* self, void*) { return describe_function(self, 1); }

PyObject* function_repr(PyObject* self) {
  return PyUnicode_FromFormat("<function %U.%U>", function_of(self).module, function_of(self).name);
}
// Pickles hold the name.
PyObject* reduce_function(PyObject* self, PyObject*) { return Py_NewRef(function_of(self).name); }

// Never called while the package lives: its modules hold them all.
void free_function(PyObject* self) {
  PyFunction& f = function_of(self);
  for (PyObject* o : {f.name, f.module, f.op, f.maker, f.describe, f.made, f.plain, f.order})
    Py_XDECREF(o);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

py::object make_function(const py::str& name, const py::str& module, const py::str& op,
                         const py::function& maker, const py::function& describe) {
  PyObject* o = function_type->tp_alloc(function_type, 0);  // all zero
  if (!o) throw py::error_already_set();
  PyFunction& f = function_of(o);
  f.vectorcall = call_function;
  f.name = Py_NewRef(name.ptr());
  f.module = Py_NewRef(module.ptr());
  f.op = Py_NewRef(op.ptr());
  f.maker = Py_NewRef(maker.ptr());
  f.describe = Py_NewRef(describe.ptr());
  return py::reinterpret_steal<py::object>(o);
}

void define_function(py::module_& m) {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyFunction, vectorcall), READONLY, nullptr},
      {"__name__", T_OBJECT, offsetof(PyFunction, name), READONLY, nullptr},
      {"__qualname__", T_OBJECT, offsetof(PyFunction, name), READONLY, nullptr},
      {"__module__", T_OBJECT, offsetof(PyFunction, module), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyGetSetDef properties[] = {{"__signature__", get_signature, nullptr, nullptr, nullptr},
                                     {"__doc__", get_doc, nullptr, nullptr, nullptr},
                                     {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyMethodDef methods[] = {{"__reduce__", reduce_function, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  auto slot = [](auto f) { return reinterpret_cast<void*>(f); };
  PyType_Slot slots[] = {{Py_tp_call, slot(PyVectorcall_Call)},
                         {Py_tp_descr_get, slot(bind_function)},
                         {Py_tp_repr, slot(function_repr)},
                         {Py_tp_dealloc, slot(free_function)},
                         {Py_tp_members, members},
                         {Py_tp_getset, properties},
                         {Py_tp_methods, methods},
                         {0, nullptr}};
  unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
#if PY_VERSION_HEX >= 0x030a0000
  flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
#endif
  PyType_Spec spec = {"heddle._core.Function", int(sizeof(PyFunction)), 0, flags, slots};
  function_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!function_type) throw py::error_already_set();
  m.attr("Function") = py::handle(reinterpret_cast<PyObject*>(function_type));
  m.def("function", make_function);
}

}  // namespace heddle::python
