// What a block that runs line by line needs of its parameters at each call, found without Python:
// a small layer takes no longer than that would.
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

void define_block(py::module_& m) {
  static PyMethodDef method = {
      "params_beside", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(params_beside)),
      METH_FASTCALL,
      "params_beside(args, parameters, context): the arrays of a dict of parameters by their "
      "names, "
      "if each has one, on a context, where the first argument is; else None."};
  m.attr("params_beside") =
      py::reinterpret_steal<py::object>(PyCFunction_NewEx(&method, nullptr, nullptr));
}

}  // namespace heddle::python
