// The line of the user's program that asks for work, for the engine's messages.
#include <string>
#include <string_view>
#include <unordered_set>

#include "common.h"

namespace heddle::python {

// The folder of the package with its last slash: frames below it are not the user's.
std::string& package_folder() {
  static auto* folder = new std::string;
  return *folder;
}

// A place in code as the engine wants it. Lines are looked up once per instruction: going through a
// table of lines costs more than a small operator.
struct Spot {
  Place place;
  bool users;  // not of this package
};
struct Known {
  PyCodeObject* code = nullptr;  // kept, so that the address stays this code's
  int at = -1;                   // its instruction
  Spot spot = {};
};

// File names stay for good: the engine may report them after everything else is gone.
const char* kept_name(PyObject* name) {
  static auto* names = new std::unordered_set<std::string>;
  const char* text = PyUnicode_AsUTF8(name);
  if (!text) PyErr_Clear(), text = "a file whose name is no text";
  return names->emplace(text).first->c_str();
}

Spot spot_of(PyFrameObject* frame) {
  constexpr size_t kMost = 1024;  // a newer place takes the entry of an older one
  static auto* table = new Known[kMost];
#if PY_VERSION_HEX >= 0x030b0000
  const int at = PyFrame_GetLasti(frame);
#else
  const int at = PyFrame_GetLineNumber(frame);
#endif
  PyCodeObject* code = PyFrame_GetCode(frame);
  Known& k = table[((reinterpret_cast<uintptr_t>(code) >> 4) ^ (size_t(at) * 0x9e37)) % kMost];
  if (k.code == code && k.at == at) {
    Py_DECREF(code);
    return k.spot;
  }
  const char* file = kept_name(code->co_filename);
  const Spot spot{{file, PyFrame_GetLineNumber(frame)},
                  !std::string_view(file).starts_with(package_folder())};
  PyCodeObject* old = k.code;
  k = {code, at, spot};
  Py_XDECREF(old);
  return spot;
}

Place place_of_caller() {
  PyFrameObject* frame = PyEval_GetFrame();  // borrowed
  if (!frame) return {};
  const Spot innermost = spot_of(frame);
  if (innermost.users) return innermost.place;
  frame = PyFrame_GetBack(frame);
  while (frame) {
    const Spot spot = spot_of(frame);
    PyFrameObject* outer = spot.users ? nullptr : PyFrame_GetBack(frame);
    Py_DECREF(frame);
    if (spot.users) return spot.place;
    frame = outer;
  }
  return innermost.place;
}

void define_place(py::module_& m) {
  m.def("set_package_folder", [](const std::string& folder) { package_folder() = folder; });
  m.def("place", [] {
    const Place p = place_of_caller();
    return py::make_tuple(p.file, p.line);
  });
}

}  // namespace heddle::python
