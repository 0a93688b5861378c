// What a block needs of its parameters at each call, found without Python: a small layer, and the
// graph of a small network, take no longer than that would.
#include "heddle/cached_op.h"
#include "invoke.h"

namespace heddle::python {

// The device that a Context stands for; the last one is remembered.
bool is_on(PyObject* context, Device d) {
  static PyObject* known = nullptr;
  static Device device;
  if (context != known) {
    const py::handle c(context);
    device = device_of(c.attr("device_type").cast<std::string>(), c.attr("device_id").cast<int>());
    Py_XDECREF(known);
    known = Py_NewRef(context);
  }
  return d == device;
}

// The only array of a parameter, if it has one on a device; else null.
PyObject* only_array(PyObject* parameter, Device d) {
  static PyObject* const name = PyUnicode_InternFromString("_data");
  PyObject* const data = PyObject_GetAttr(parameter, name);
  if (!data) throw py::error_already_set();
  PyObject* found = nullptr;
  if (PyList_CheckExact(data) && PyList_GET_SIZE(data) == 1) found = PyList_GET_ITEM(data, 0);
  if (found && (!is_array(found) || !array_of(found) || array_of(found).device() != d))
    found = nullptr;
  Py_DECREF(data);  // the parameter has it too
  return found;
}

// params_beside(args, parameters, context)
PyObject* params_beside(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (n != 3 || !PyTuple_Check(args[0]) || !PyDict_Check(args[1]))
    return PyErr_SetString(PyExc_TypeError, "params_beside(args, parameters, context)"), nullptr;
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    if (PyTuple_GET_SIZE(args[0]) == 0) Py_RETURN_NONE;
    PyObject* const lead = PyTuple_GET_ITEM(args[0], 0);
    if (!is_array(lead) || !array_of(lead)) Py_RETURN_NONE;
    const Device d = array_of(lead).device();
    if (!is_on(args[2], d)) Py_RETURN_NONE;
    auto found = py::reinterpret_steal<py::object>(PyDict_New());
    PyObject *name, *parameter;
    for (Py_ssize_t at = 0; PyDict_Next(args[1], &at, &name, &parameter);) {
      PyObject* const a = only_array(parameter, d);
      if (!a) Py_RETURN_NONE;
      if (PyDict_SetItem(found.ptr(), name, a) < 0) throw py::error_already_set();
    }
    return found.release().ptr();
  });
}

// run_beside(op, args, sources)
PyObject* run_beside(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (n != 3 || !PyTuple_Check(args[1]) || !PyList_Check(args[2]))
    return PyErr_SetString(PyExc_TypeError, "run_beside(op, args, sources)"), nullptr;
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    const Py_ssize_t given = PyTuple_GET_SIZE(args[1]), count = PyList_GET_SIZE(args[2]);
    for (Py_ssize_t i = 0; i < given; ++i) {
      PyObject* const a = PyTuple_GET_ITEM(args[1], i);
      if (!is_array(a) || !array_of(a)) Py_RETURN_NONE;
    }
    if (given == 0) Py_RETURN_NONE;
    const Device d = array_of(PyTuple_GET_ITEM(args[1], 0)).device();
    std::vector<NDArray> in;  // copies: a parameter may get other arrays while the lock is gone
    in.reserve(size_t(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* const source = PyList_GET_ITEM(args[2], i);
      const Py_ssize_t at = PyLong_CheckExact(source) ? PyLong_AsSsize_t(source) : -1;
      if (at >= given) Py_RETURN_NONE;
      PyObject* const a = at >= 0 ? PyTuple_GET_ITEM(args[1], at) : only_array(source, d);
      if (!a) Py_RETURN_NONE;
      in.push_back(array_of(a));
    }
    std::vector<const NDArray*> pointers;
    for (const NDArray& a : in) pointers.push_back(&a);
    const auto& op = py::handle(args[0]).cast<const CachedOp&>();
    std::vector<NDArray> out;
    {
      Unlocked u;
      out = op(pointers);
    }
    PyObject* list = PyList_New(Py_ssize_t(out.size()));
    for (size_t i = 0; list && i < out.size(); ++i)
      PyList_SET_ITEM(list, Py_ssize_t(i), wrap(std::move(out[i])));
    return list;
  });
}

void define_block(py::module_& m) {
  const auto function = [](PyObject* (*f)(PyObject*, PyObject* const*, Py_ssize_t)) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
  };
  static PyMethodDef methods[] = {
      {"params_beside", function(params_beside), METH_FASTCALL,
       "params_beside(args, parameters, context): the arrays of a dict of parameters by their "
       "names, if each has one, on a context, where the first argument is; else None."},
      {"run_beside", function(run_beside), METH_FASTCALL,
       "run_beside(op, args, sources): the outputs of a CachedOp for arrays, or None where another "
       "look is needed. sources: of each input its place among args, or its parameter."}};
  for (PyMethodDef& method : methods)
    m.attr(method.ml_name) =
        py::reinterpret_steal<py::object>(PyCFunction_NewEx(&method, nullptr, nullptr));
}

}  // namespace heddle::python
