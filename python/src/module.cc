// The extension module heddle._core: what the Python package stands on.
#include "common.h"

namespace heddle::python {

PyObject* error_type = nullptr;

// Texts name Python's type of an error as MXNet's do: "IndexError: [take] indices holds 5".
struct Kind {
  std::string_view prefix;
  PyObject* builtin;
  PyObject* type = nullptr;  // that, and MXNetError
};
Kind kinds[] = {{"IndexError: ", PyExc_IndexError}, {"ValueError: ", PyExc_ValueError}};

void set_error(std::string text) {
  for (const Kind& kind : kinds) {
    const size_t at = text.find(std::string(kind.prefix) + "[");
    if (at == std::string::npos || (at > 0 && text[at - 1] != ' ')) continue;
    text.erase(at, kind.prefix.size());
    return PyErr_SetString(kind.type, text.c_str());
  }
  PyErr_SetString(error_type, text.c_str());
}

void set_python_error() {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    set_error(e.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "out of memory");
  } catch (const std::exception& e) {
    PyErr_SetString(error_type, e.what());
  } catch (...) {
    PyErr_SetString(error_type, "an exception of unknown type");
  }
}

std::string text_of_type(PyObject* type) {
  const std::string name = reinterpret_cast<PyTypeObject*>(type)->tp_name;
  const std::string leaf = name.substr(name.rfind('.') + 1);  // numpy.float32
  if (leaf == "float") return "float64";
  if (leaf == "int") return "int64";
  if (leaf == "bool_") return "bool";
  return leaf;
}

std::string text_of(PyObject* v) {
  if (v == Py_None) return "None";
  if (PyBool_Check(v)) return v == Py_True ? "True" : "False";
  if (PyUnicode_Check(v)) {
    Py_ssize_t n;
    const char* s = PyUnicode_AsUTF8AndSize(v, &n);
    if (!s) throw py::error_already_set();
    return std::string(s, size_t(n));
  }
  if (PyFloat_Check(v)) return param::print(PyFloat_AS_DOUBLE(v));
  if (PyLong_Check(v)) return std::string(py::str(py::handle(v)));
  if (PyTuple_Check(v) || PyList_Check(v)) {
    py::sequence items = py::reinterpret_borrow<py::sequence>(v);
    std::string s = "(";
    for (size_t i = 0; i < items.size(); ++i) s += (i ? ", " : "") + text_of(items[i].ptr());
    return s + (items.size() == 1 ? ",)" : ")");
  }
  if (PyType_Check(v)) return text_of_type(v);
  py::handle h(v);
  if (is_array(v) || py::hasattr(h, "item")) return text_of(py::object(h.attr("item")()).ptr());
  if (py::hasattr(h, "name") && py::hasattr(h, "itemsize"))
    return text_of(py::object(h.attr("name")).ptr());
  if (PyIndex_Check(v))
    return std::string(py::str(py::reinterpret_steal<py::object>(PyNumber_Index(v))));
  return std::string(py::str(h));
}

Kwargs kwargs_of(PyObject* dict) {
  Kwargs k;
  if (!dict || dict == Py_None) return k;
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value);) k[text_of(key)] = text_of(value);
  return k;
}

Shape shape_of(py::handle h, bool exact) {
  Shape s;
  if (h.is_none()) return s;
  s.set_rank(0);
  auto add = [&](py::handle item) {
    const int64_t d = item.is_none() ? -1 : PyNumber_AsSsize_t(item.ptr(), PyExc_OverflowError);
    if (PyErr_Occurred()) throw py::error_already_set();
    check(!exact || d >= 0, "a dimension of an array is {}, expected 0 or more", d);
    s.append(!exact && d <= 0 ? -1 : d);
  };
  if (PyIndex_Check(h.ptr())) add(h);
  else
    for (py::handle item : h) add(item);
  return s;
}

py::object tuple_of(const Shape& s) {
  if (!s.has_rank()) return py::none();
  py::tuple t(static_cast<size_t>(s.rank()));
  for (int i = 0; i < s.rank(); ++i) t[size_t(i)] = s[i] < 0 ? 0 : s[i];
  return t;
}

Device device_of(const std::string& type, int id) {
  Device d = device_from_name(type, {});
  d.id = id;
  return d;
}

std::string device_type(Device d) {
  const std::string text = format("{}", d);
  return text.substr(0, text.find('('));
}

py::tuple device_tuple(Device d) {
  static PyObject* made[4][16] = {};  // of the usual ones
  const auto kind = size_t(d.kind), id = size_t(d.id);
  if (kind >= std::size(made) || id >= std::size(made[0]))
    return py::make_tuple(device_type(d), d.id);
  PyObject*& one = made[kind][id];
  if (!one) one = py::make_tuple(device_type(d), d.id).release().ptr();
  return py::reinterpret_borrow<py::tuple>(one);
}

// Where the engine sleeps on a thread that holds the interpreter's lock, the lock is let go.
void* leave_python() {
  return Py_IsInitialized() && PyGILState_Check() ? PyEval_SaveThread() : nullptr;
}
void enter_python(void* state) {
  if (state) lock_python(static_cast<PyThreadState*>(state));
}

}  // namespace heddle::python

PYBIND11_MODULE(_core, m) {
  namespace hp = heddle::python;
  m.doc() = "The compiled half of heddle.";
  hp::error_type = PyErr_NewExceptionWithDoc("heddle.base.MXNetError",
                                             "What the library raises; MXNet's name is kept.",
                                             PyExc_RuntimeError, nullptr);
  m.attr("Error") = pybind11::handle(hp::error_type);
  for (hp::Kind& kind : hp::kinds) {
    const std::string name(kind.prefix.substr(0, kind.prefix.find(':')));
    const auto bases =
        pybind11::make_tuple(pybind11::handle(hp::error_type), pybind11::handle(kind.builtin));
    kind.type = PyErr_NewExceptionWithDoc(("heddle.base.MXNet" + name).c_str(),
                                          "What the library raises, of Python's type too.",
                                          bases.ptr(), nullptr);
    m.attr(name.c_str()) = pybind11::handle(kind.type);
  }
  pybind11::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const heddle::Error& e) {
      hp::set_error(e.what());
    }
  });
  heddle::Engine::set_sleep_hooks(hp::leave_python, hp::enter_python);
  hp::define_place(m);
  hp::define_ndarray(m);
  hp::define_invoke(m);
  hp::define_custom(m);
  hp::define_symbol(m);
  hp::define_precision(m);
  hp::define_executor(m);
  hp::define_block(m);
  hp::define_cached_op(m);
  hp::define_kvstore(m);
  hp::define_optimizer(m);
  hp::define_library(m);
  hp::define_profiler(m);
  hp::define_io(m);
  hp::define_image(m);
}
