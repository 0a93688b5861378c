// What the files of the extension module share: the NDArray type, conversions, errors.
#pragma once
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pybind11/pybind11.h>
#include <structmember.h>

#include <string>
#include <vector>

#include "heddle/executor.h"
#include "heddle/imperative.h"
#include "heddle/ndarray.h"
#include "heddle/op.h"

namespace heddle::python {

namespace py = pybind11;

// The C object behind NDArray. Python's class is a subclass without state of its own.
struct PyNDArray {
  PyObject_HEAD PyObject* weak_references;  // stays first: its offset is then sizeof(PyObject)
  NDArray value;
};
extern PyTypeObject* base_type;  // _core.NDArrayBase
extern PyObject* error_type;     // _core.Error

inline bool is_array(PyObject* o) { return PyObject_TypeCheck(o, base_type); }
inline NDArray& array_of(PyObject* o) { return reinterpret_cast<PyNDArray*>(o)->value; }
const NDArray& need_array(PyObject* o, const char* what);  // throws Error
PyObject* wrap(NDArray value);                             // a new reference; none -> None

// Runs body(), turning C++ exceptions into Python's; returns `failed` then.
void set_python_error();  // inside a catch block
template <class R, class Body>
R guarded(R failed, Body&& body) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return failed;
  }
}

// The innermost line of Python outside this package on this thread (place.cc).
Place place_of_caller();
std::string& package_folder();  // with its last slash; what lies below it is not the user's

// The interpreter's lock (lock.cc). Once the interpreter is going down, a thread that asks for it
// stops there: Python would end the thread inside of us, through destructors that let nothing pass.
void lock_python(PyThreadState* state);
// Throws SystemExit once another thread has begun to end the program: what is left of daemon
// threads must not keep the engine busy for ever.
void check_going_on();
void finish();  // ends the engine, for the interpreter; other threads' calls end from here on
void go_on_in_child();  // of a fork made while the program was ending

// What this thread pushes while in scope was asked for by that line.
class Asked {
 public:
  Asked() : here_(current_place()), before_(here_) {
    check_going_on();
    here_ = place_of_caller();
  }
  ~Asked() { here_ = before_; }
  Asked(const Asked&) = delete;

 private:
  Place& here_;
  Place before_;
};

// Without the interpreter's lock while in scope, for that line.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() { lock_python(state_); }
  Unlocked(const Unlocked&) = delete;

 private:
  Asked asked_;  // the first to come: it looks at frames
  PyThreadState* state_;
};

// With the interpreter's lock while in scope, on any thread.
class Locked {
 public:
  Locked();
  ~Locked() { PyGILState_Release(state_); }
  Locked(const Locked&) = delete;

 private:
  PyGILState_STATE state_;
};

// The text of a parameter's value: "True", "(2, 3)", "float32", "None".
std::string text_of(PyObject* value);
Kwargs kwargs_of(PyObject* dict);

// Shapes: in Python as in MXNet 0 (or -1, None) stands for an unknown dimension and None for an
// unknown rank. `exact` keeps 0 as an extent (arrays may be empty).
Shape shape_of(py::handle tuple, bool exact);
py::object tuple_of(const Shape& s);
Device device_of(const std::string& type, int id);
int64_t budget_of(const py::object& given);  // a memory_budget; None: -1, what the setting says
py::tuple device_tuple(Device d);
std::string device_type(Device d);

void define_ndarray(py::module_& m);
void define_invoke(py::module_& m);
void define_custom(py::module_& m);
void define_symbol(py::module_& m);
void define_precision(py::module_& m);
void define_executor(py::module_& m);
void define_block(py::module_& m);
void define_cached_op(py::module_& m);
void define_kvstore(py::module_& m);
void define_optimizer(py::module_& m);
void define_place(py::module_& m);
void define_profiler(py::module_& m);
void define_io(py::module_& m);
void define_image(py::module_& m);
void define_library(py::module_& m);  // engine, autograd, catalogue, settings

// Binary operators of the NDArray type, and creating calls from Python values (invoke.cc).
PyObject* binary(int which, PyObject* a, PyObject* b, bool in_place);
PyObject* unary(int which, PyObject* a);
PyObject* compare(PyObject* a, PyObject* b, int python_op);
enum Binary { kAdd, kSub, kMul, kDiv, kMod, kPow };
enum Unary { kNegative, kAbs };

}  // namespace heddle::python
