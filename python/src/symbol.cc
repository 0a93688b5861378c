// Symbols, and what the passes know about them before they are bound.
#include <pybind11/stl.h>

#include "common.h"
#include "names.h"
#include "operator/variadic.h"
#include "symbol/passes.h"

namespace heddle::python {

using Named = std::map<std::string, Symbol>;

Symbol apply(const std::string& op, Kwargs kwargs, const std::vector<Symbol>& positional,
             const Named& named, const std::string& name, const Kwargs& attrs) {
  const OpDef& def = OpTable::get().at(op);
  count_inputs(def, kwargs, positional.size() + named.size());
  const OpCallRef call = attempt(
      [&] { return make_call(def, std::move(kwargs)); },
      [&](std::string_view text) -> OpCallRef { fail("Error in operator {}: {}", name, text); });
  return Symbol::apply(call, positional, named, name, attrs);
}

// (arg_shapes, out_shapes, aux_shapes, arg_dtypes, out_dtypes, aux_dtypes); None for what is
// unknown.
py::tuple infer_symbol(const Symbol& s, const py::dict& shapes,
                       const std::map<std::string, std::string>& dtypes, bool partial) {
  std::map<std::string, ValueInfo, std::less<>> known;
  for (auto [name, shape] : shapes)
    known[py::cast<std::string>(name)].shape = shape_of(shape, false);
  for (const auto& [name, dtype] : dtypes) known[name].dtype = dtype_from_name(dtype);
  const Graph g = expand(Graph::of(s));
  ValueTypes types;
  {
    Unlocked u;
    types = infer(g, known);
  }
  bool complete = true;
  std::map<std::string, const ValueInfo*> variables;
  for (const auto& n : g.nodes)
    if (!n.call) variables[n.name] = &types[size_t(n.first_output)];
  py::list result[6];
  auto add = [&](int at, const ValueInfo& v) {
    complete = complete && v.shape.known();
    result[at].append(v.shape.known() || partial ? tuple_of(v.shape) : py::none());
    result[at + 3].append(v.dtype == Dtype::kUnknown
                              ? py::object(py::none())
                              : py::object(py::str(std::string(dtype_name(v.dtype)))));
  };
  for (const std::string& name : s.arguments()) add(0, *variables.at(name));
  for (int v : g.outputs) add(1, types[size_t(v)]);
  for (const std::string& name : s.auxiliary_states()) add(2, *variables.at(name));
  return py::make_tuple(result[0], result[1], result[2], result[3], result[4], result[5], complete);
}

py::list nodes(const Symbol& s) {
  const Graph g = Graph::of(s);
  const std::vector<int> producers = g.producers();
  py::list all;
  for (const auto& n : g.nodes) {
    py::list inputs;
    for (int v : n.inputs) {
      const int from = producers[size_t(v)];
      inputs.append(py::make_tuple(from, v - g.nodes[size_t(from)].first_output));
    }
    Kwargs attrs = n.attrs;
    if (n.call) attrs.insert(n.call->kwargs.begin(), n.call->kwargs.end());
    py::dict d;
    d["op"] = n.call ? n.call->op->json_name : "null";
    d["name"] = n.name;
    d["attrs"] = attrs;
    d["inputs"] = inputs;
    d["outputs"] = n.outputs();
    all.append(d);
  }
  return all;
}

void define_symbol(py::module_& m) {
  m.def("get_symbol",
        [](py::handle a) { return autograd::get_symbol(need_array(a.ptr(), "the array")); });
  py::class_<Symbol>(m, "Symbol", "An immutable expression over operators.")
      .def_static("variable", [](const std::string& name,
                                 const Kwargs& attrs) { return Symbol::variable(name, attrs); })
      .def_static("apply", apply)
      .def_static("group", [](const std::vector<Symbol>& parts) { return Symbol::group(parts); })
      .def_static("from_json", [](const std::string& json) { return Symbol::from_json(json); })
      .def("to_json", &Symbol::to_json)
      .def("arguments", &Symbol::arguments)
      .def("auxiliary_states", &Symbol::auxiliary_states)
      .def("inputs", &Symbol::inputs)
      .def("outputs", &Symbol::outputs)
      .def("output", [](const Symbol& s, int i) { return s[i]; })
      .def("output_named",
           [](const Symbol& s, const std::string& name) { return s[std::string_view(name)]; })
      .def("internals", &Symbol::internals)
      .def("children", &Symbol::children)
      .def("compose", &Symbol::compose)
      .def("with_names_told_apart", &Symbol::with_names_told_apart)
      .def("attributes", &Symbol::attributes)
      .def("attribute", [](const Symbol& s, const std::string& key) { return s.attribute(key); })
      .def("with_attributes", &Symbol::with_attributes)
      .def("with_name", &Symbol::with_name)
      .def("infer", infer_symbol, py::arg("shapes"), py::arg("dtypes"), py::arg("partial"))
      .def("nodes", nodes)
      .def_property_readonly("name", &Symbol::name)
      .def_property_readonly("size", &Symbol::size);
}

}  // namespace heddle::python
