// The profiler for Python: recording, totals, what waits wait for and on which line.
#include "heddle/profiler.h"

#include <pybind11/stl.h>

#include <unordered_set>

#include "common.h"
#include "heddle/storage.h"

namespace heddle::python {

namespace profiled {

// The function of ours that the user called, if that is written in Python. The name stays for good.
const char* function_of_ours() {
  static auto* const names = new std::unordered_set<std::string>;
  PyFrameObject* const frame = PyEval_GetFrame();  // borrowed
  if (!frame) return nullptr;
  PyCodeObject* const code = PyFrame_GetCode(frame);
  const char* const file = PyUnicode_AsUTF8(code->co_filename);
  const char* name = nullptr;
  if (file && std::string_view(file).starts_with(package_folder()))
    name = PyUnicode_AsUTF8(code->co_name);
  PyErr_Clear();
  if (name) name = names->insert(name).first->c_str();
  Py_DECREF(code);
  return name;
}

// Called by the engine on the thread that waited, with the interpreter's lock or without.
void describe(const char** call, Place*) {
  if (!Py_IsInitialized() || !PyGILState_GetThisThreadState()) return;  // no thread of Python's
  const PyGILState_STATE state = PyGILState_Ensure();
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (const char* const function = function_of_ours()) *call = function;
  PyErr_Restore(type, value, traceback);
  PyGILState_Release(state);
}

int64_t live_bytes() { return Pool::of({}).stats().live; }
void watch_memory(bool on) {
  profiler::gauge("Device Storage", "Memory: cpu/0", on ? live_bytes : nullptr);
}

py::object place_text(const Place& p) {
  if (!p.file) return py::none();
  return py::str(format("{}:{}", p.file, p.line));
}

py::list take(profiler::WaitTrace& trace) {
  py::list list;
  for (const profiler::Wait& w : trace.take()) {
    py::dict d;
    d["text"] = w.text();
    d["call"] = w.call;
    d["at"] = place_text(w.at);
    d["ms"] = w.ms;
    d["task"] = w.task;
    d["pushed_at"] = place_text(w.pushed);
    d["tasks"] = w.tasks;
    list.append(d);
  }
  return list;
}

py::list totals() {
  py::list list;
  for (const profiler::Total& t : profiler::totals())
    list.append(py::make_tuple(t.category, t.name, t.counter, t.count, t.total, t.least, t.most));
  return list;
}

}  // namespace profiled

void define_profiler(py::module_& m) {
  using profiler::Track;
  profiler::set_describe(profiled::describe);
  py::module_ p = m.def_submodule("profile", "What heddle.profiler stands on.");
  p.def("start", [](bool eager, bool graph, bool waits, bool memory, int64_t bytes) {
    profiled::watch_memory(memory);
    profiler::start({.eager = eager, .graph = graph, .waits = waits, .bytes = bytes});
  });
  p.def("stop", profiler::stop);
  p.def("running", profiler::running);
  p.def("clear", profiler::clear);
  p.def("dropped", profiler::dropped);
  p.def("write", [](const std::string& path) {
    Unlocked u;
    profiler::write_trace(path);
  });
  p.def("totals", profiled::totals);
  p.def("now", profiler::now);
  p.def("range",
        [](const std::string& category, const std::string& name, int64_t begin, bool own_track) {
          profiler::range(category, name, begin, own_track ? Track::kOwn : Track::kThread);
        });
  p.def("counter", [](const std::string& category, const std::string& name, double value) {
    profiler::counter(category, name, value);
  });
  p.def("mark", [](const std::string& category, const std::string& name, char scope) {
    profiler::mark(category, name, static_cast<profiler::Scope>(scope));
  });
  p.def("pending_graph", [] {
    Unlocked u;
    return profiler::pending_dot(Engine::get());
  });
  py::class_<profiler::WaitTrace>(p, "WaitTrace").def(py::init<>()).def("take", profiled::take);
}

}  // namespace heddle::python
