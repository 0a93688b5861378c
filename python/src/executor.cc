// Executors: a Symbol bound to arrays.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include "base/settings.h"
#include "common.h"

namespace heddle::python {

Arrays arrays_of(const py::dict& d, const char* what) {
  Arrays a;
  for (auto [name, array] : d)
    if (!array.is_none()) a[py::cast<std::string>(name)] = need_array(array.ptr(), what);
  return a;
}

py::list list_of(const std::vector<NDArray>& arrays) {
  py::list l;
  for (const NDArray& a : arrays) l.append(py::reinterpret_steal<py::object>(wrap(a)));
  return l;
}

std::map<std::string, Shape, std::less<>> shapes_of(const py::dict& d) {
  std::map<std::string, Shape, std::less<>> s;
  for (auto [name, shape] : d) s[py::cast<std::string>(name)] = shape_of(shape, false);
  return s;
}

int64_t budget_of(const py::object& given) {
  if (given.is_none()) return -1;
  if (py::isinstance<py::str>(given)) return bytes_of(py::cast<std::string>(given));
  const auto bytes = py::cast<int64_t>(given);
  check(bytes >= 0, "found memory_budget {}, expected a number of bytes", bytes);
  return bytes;
}

BindSpec spec_of(const std::string& device, int id, const py::dict& shapes,
                 const std::map<std::string, std::string>& dtypes,
                 const std::map<std::string, int>& grad_req, bool training,
                 const std::map<std::string, std::pair<std::string, int>>& groups,
                 const py::object& memory_budget) {
  BindSpec spec;
  spec.device = device_of(device, id);
  spec.shapes = shapes_of(shapes);
  for (const auto& [name, dtype] : dtypes) spec.dtypes[name] = dtype_from_name(dtype);
  for (const auto& [name, req] : grad_req) spec.grad_req[name] = GradReq(req);
  spec.training = training;
  for (const auto& [name, d] : groups) spec.groups[name] = device_of(d.first, d.second);
  spec.memory_budget = budget_of(memory_budget);
  return spec;
}

Executor bind(const Symbol& symbol, const std::string& device, int id, const py::dict& shapes,
              const std::map<std::string, std::string>& dtypes, const py::dict& args,
              const py::dict& grads, const py::dict& aux,
              const std::map<std::string, int>& grad_req, int default_req, bool training,
              const std::map<std::string, std::pair<std::string, int>>& groups,
              const py::object& memory_budget) {
  BindSpec spec = spec_of(device, id, shapes, dtypes, grad_req, training, groups, memory_budget);
  spec.args = arrays_of(args, "an argument");
  spec.grads = arrays_of(grads, "a gradient");
  spec.aux = arrays_of(aux, "an auxiliary state");
  spec.default_req = GradReq(default_req);
  Unlocked u;
  return Executor::bind(symbol, std::move(spec));
}

py::dict dict_of(const MemoryReport& r) {
  py::dict d;
  d["arena"] = r.arena, d["lower_bound"] = r.lower_bound, d["scratch"] = r.scratch,
  d["plain_arena"] = r.plain_arena;
  d["gradients"] = r.gradients, d["outputs"] = r.outputs, d["parameters"] = r.parameters;
  d["seconds"] = r.seconds, d["again"] = r.again, d["peak"] = r.peak;
  py::list steps, at_peak;
  for (const MemoryReport::Step& s : r.steps)
    steps.append(py::make_tuple(s.name, s.op, int(s.phase), s.live));
  for (const MemoryReport::Piece& p : r.at_peak) at_peak.append(py::make_tuple(p.name, p.bytes));
  d["steps"] = steps, d["at_peak"] = at_peak;
  return d;
}

// The plan of what is not bound.
py::dict plan(const Symbol& symbol, const std::string& device, int id, const py::dict& shapes,
              const std::map<std::string, std::string>& dtypes,
              const std::map<std::string, int>& grad_req, bool training,
              const std::map<std::string, std::pair<std::string, int>>& groups,
              const py::object& memory_budget) {
  BindSpec spec = spec_of(device, id, shapes, dtypes, grad_req, training, groups, memory_budget);
  MemoryReport r;
  {
    Unlocked u;
    r = Executor::plan(symbol, std::move(spec), training);
  }
  return dict_of(r);
}

void backward(Executor& e, const py::object& heads, bool training) {
  std::vector<NDArray> grads;
  if (!heads.is_none())
    for (py::handle h : heads) grads.push_back(need_array(h.ptr(), "a head gradient"));
  Unlocked u;
  e.backward(grads, training);
}

void monitor(Executor& e, py::object callback, bool inputs_too) {
  if (callback.is_none()) return e.monitor(nullptr, false);
  // Called from forward() and backward() on the thread that called them, without the lock.
  auto kept = std::shared_ptr<py::object>(new py::object(std::move(callback)), [](py::object* o) {
    if (!Py_IsInitialized()) return;
    const Locked lock;
    delete o;
  });
  e.monitor(
      [kept](std::string_view name, const NDArray& value) {
        const Locked lock;
        (*kept)(std::string(name), py::reinterpret_steal<py::object>(wrap(value)));
      },
      inputs_too);
}

void define_executor(py::module_& m) {
  py::class_<Executor>(m, "Executor", "A Symbol bound to arrays and ready to run.")
      .def_static("bind", bind, py::arg("symbol"), py::arg("devtype"), py::arg("devid"),
                  py::arg("shapes"), py::arg("dtypes"), py::arg("args"), py::arg("grads"),
                  py::arg("aux"), py::arg("grad_req"), py::arg("default_req"), py::arg("training"),
                  py::arg("groups"), py::arg("memory_budget") = py::none())
      .def_static("plan_of", plan, py::arg("symbol"), py::arg("devtype"), py::arg("devid"),
                  py::arg("shapes"), py::arg("dtypes"), py::arg("grad_req"), py::arg("training"),
                  py::arg("groups"), py::arg("memory_budget") = py::none())
      .def(
          "plan", [](const Executor& e, bool training) { return dict_of(e.plan(training)); },
          py::arg("training"))
      .def("forward",
           [](Executor& e, bool training) {
             Unlocked u;
             e.forward(training);
           })
      .def("backward", backward, py::arg("heads") = py::none(), py::arg("training") = true)
      .def_property_readonly("outputs", [](const Executor& e) { return list_of(e.outputs()); })
      .def_property_readonly("args", [](const Executor& e) { return list_of(e.args()); })
      .def_property_readonly("grads", [](const Executor& e) { return list_of(e.grads()); })
      .def_property_readonly("aux", [](const Executor& e) { return list_of(e.aux()); })
      .def("reshape",
           [](const Executor& e, const py::dict& shapes, bool partial, bool up) {
             const auto s = shapes_of(shapes);
             Unlocked u;
             return e.reshape(s, partial, up);
           })
      .def("monitor", monitor, py::arg("callback"), py::arg("inputs_too") = false)
      .def("memory",
           [](const Executor& e) {
             const auto memory = e.memory();
             py::dict d;
             d["planned_arena"] = memory.planned_arena;
             d["allocated_arena"] = memory.allocated_arena;
             d["touched_arena"] = memory.touched_arena;
             d["kept"] = memory.kept;
             return d;
           })
      .def("describe", &Executor::describe);
}

}  // namespace heddle::python
