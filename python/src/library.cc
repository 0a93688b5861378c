// The rest of the library: the engine, autograd's flags, random seeds, memory, the catalogue.
#include "heddle/library.h"

#include <pybind11/stl.h>

#include <set>

#include "base/atomic_file.h"
#include "base/settings.h"
#include "common.h"
#include "names.h"
#include "operator/catalogue.h"
#include "operator/simd/level.h"
#include "operator/variadic.h"

namespace heddle::python {

std::vector<NDArray> arrays_of(const py::handle& items, const char* what) {
  std::vector<NDArray> a;
  if (items.is_none()) return a;
  for (py::handle o : items) a.push_back(o.is_none() ? NDArray() : need_array(o.ptr(), what));
  return a;
}

void backward(const py::object& heads, const py::object& head_grads, bool retain, bool training) {
  const auto h = arrays_of(heads, "a head"), g = arrays_of(head_grads, "a head gradient");
  Unlocked u;
  autograd::backward(h, g, retain, training);
}

py::list grad(const py::object& heads, const py::object& variables, const py::object& head_grads,
              bool retain, bool create_graph, bool training) {
  const auto h = arrays_of(heads, "a head"), v = arrays_of(variables, "a variable"),
             g = arrays_of(head_grads, "a head gradient");
  std::vector<NDArray> result;
  {
    Unlocked u;
    result = autograd::grad(h, v, g, retain, create_graph, training);
  }
  py::list l;
  for (NDArray& a : result) l.append(py::reinterpret_steal<py::object>(wrap(std::move(a))));
  return l;
}

const char* role_name(Role r) {
  return r == Role::kRead ? "read" : r == Role::kMutate ? "mutate" : "aux";
}

// One record as Python sees it.
py::object describe(const OpDef& op) {
  static const py::object* loads = new py::object(py::module_::import("json").attr("loads"));
  return (*loads)(record_json(op));
}

// given: how many inputs there are, where nobody said what an operator of any number takes.
py::dict call_info(const std::string& op, const py::dict& kwargs, std::optional<size_t> given) {
  const OpDef& record = OpTable::get().at(op);
  Kwargs texts = kwargs_of(kwargs.ptr());
  if (given) count_inputs(record, texts, *given);
  const OpCallRef call = make_call(record, std::move(texts));
  py::list inputs, outputs, reads;
  for (const Input& i : call->inputs) inputs.append(py::make_tuple(i.name, role_name(i.role)));
  for (const Output& o : call->outputs) outputs.append(py::make_tuple(o.name, o.hidden));
  for (const Ref& r : call->reads) reads.append(py::make_tuple("dxy"[int(r.kind)], r.index));
  py::dict d;
  d["inputs"] = inputs;
  d["outputs"] = outputs;
  d["reads"] = reads;
  d["draws"] = py::make_tuple(call->draws(false), call->draws(true));  // in prediction, training
  return d;
}

// What serves the expressions of programs: symbol -> (name, hint) for two tensors that broadcast,
// two of equal shapes, a tensor and a number, a number and a tensor.
py::dict notation() {
  const OpTable& ops = OpTable::get();
  py::dict d;
  for (const OpDef* op : ops.list())
    for (const Notation& n : op->notation) {
      if (d.contains(n.symbol.c_str())) continue;
      py::list forms;
      for (int form = Notation::kTensors; form <= Notation::kNumberTensor; ++form) {
        const OpDef* found = ops.serving(n.symbol, Notation::Form(form));
        check(found, "no operator serves '{}' in its form {}", n.symbol, form);
        forms.append(py::make_tuple(found->name, found->hint));
      }
      d[n.symbol.c_str()] = py::tuple(forms);
    }
  return d;
}

void define_autograd(py::module_& m) {
  m.def("set_recording", autograd::set_recording);
  m.def("set_training", autograd::set_training);
  m.def("is_recording", autograd::is_recording);
  m.def("is_training", autograd::is_training);
  m.def("backward", backward, py::arg("heads"), py::arg("head_grads"), py::arg("retain"),
        py::arg("training"));
  m.def("grad", grad, py::arg("heads"), py::arg("variables"), py::arg("head_grads"),
        py::arg("retain"), py::arg("create_graph"), py::arg("training"));
  m.def("check_inplace",
        [](py::handle a) { autograd::check_inplace(need_array(a.ptr(), "the array")); });
}

void define_library(py::module_& m) {
  define_autograd(m);
  m.def("op", [](const std::string& name) { return describe(OpTable::get().at(name)); });
  m.def("notation", notation);
  m.def("op_names", [] {  // operators with their other names
    py::list l;
    for (const OpDef* op : OpTable::get().list())
      if (!op->forward) l.append(py::make_tuple(op->name, op->aliases));
    return l;
  });
  m.def("ops", [] {
    py::list l;
    for (const OpDef* op : OpTable::get().list())
      if (!op->forward) l.append(describe(*op));
    return l;
  });
  m.def("call_info", call_info, py::arg("op"), py::arg("params"), py::arg("inputs") = py::none());
  m.def("seed", [](int64_t s) { seed(uint64_t(s)); });
  m.def("seed_device",
        [](int64_t s, const std::string& type, int id) { seed(uint64_t(s), device_of(type, id)); });
  m.def("load_library", [](const std::string& path) { return load_library(path); });
  m.def("kernel_libraries", [] {
    std::set<std::string> names;
    for (const OpDef* op : OpTable::get().list())
      for (const auto& k : op->kernels) names.insert(k.library);
    return names;
  });
  m.def("wait_all", [] {
    Unlocked u;
    Engine::get().wait_all();
  });
  m.def("finish", finish);
  m.def("before_fork", [] {
    Unlocked u;
    Engine::get().before_fork();
  });
  m.def("after_fork", [](bool child) {
    if (child) go_on_in_child();
    Engine::get().after_fork(child);
  });
  m.def("engine_name", [] { return std::string(Engine::get().name()); });
  m.def("engine_workers", [] { return Engine::get().workers(); });
  m.def("device_count", [](const std::string& type) {
    try {
      return device_api(device_of(type, 0)).count();
    } catch (const Error&) {
      return 0;
    }
  });
  m.def("memory_stats", [](const std::string& type, int id) {
    const MemoryStats s = Pool::of(device_of(type, id)).stats();
    py::dict d;
    d["live"] = s.live;
    d["cached"] = s.cached;
    d["peak_live"] = s.peak_live;
    d["allocations"] = s.allocations;
    d["scratch"] = device_of(type, id).kind == Device::kCpu ? scratch_held() : 0;
    d["by_operator"] = live_by_name(device_of(type, id));
    return d;
  });
  m.def("reset_peak",
        [](const std::string& type, int id) { Pool::of(device_of(type, id)).reset_peak(); });
  m.def("write_file", [](const std::string& path, const py::bytes& contents) {
    const std::string_view bytes(contents);
    Unlocked u;
    AtomicFile file(path);
    file.write(bytes.data(), bytes.size());
    file.commit();
  });
  m.def("empty_cache", [] {
    Pool::of({}).release_cache();
    release_scratch();
  });
  m.def("check_scratch", check_scratch);
  m.def("set_isa_level", ops::simd::set_level);
  m.def("isa_level", ops::simd::level);
  m.def("best_isa_level", ops::simd::best_level);
  m.def("last_isa_level", ops::simd::last_ran);
  m.def("prefer_kernels", [](const std::string& library) { prefer_kernels(library); });
  m.def("set_threads", set_threads);
  m.def("threads", threads);
  m.def("settings", [] {
    py::list l;
    for (const Setting& s : settings())
      l.append(py::make_tuple(std::string(s.name), std::string(s.fallback), std::string(s.doc)));
    return l;
  });
  m.def("setting_flag", [](const std::string& name) { return setting_flag(name); });
}

}  // namespace heddle::python
