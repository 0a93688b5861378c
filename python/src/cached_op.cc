// CachedOp: a symbol called on arrays.
#include "heddle/cached_op.h"

#include <pybind11/stl.h>

#include "common.h"

namespace heddle::python {

std::vector<const NDArray*> arrays_in(const py::sequence& given) {
  std::vector<const NDArray*> all;
  for (py::handle h : given) all.push_back(&need_array(h.ptr(), "an input"));
  return all;
}

py::list list_of(std::vector<NDArray> arrays) {
  py::list l(arrays.size());
  for (size_t i = 0; i < arrays.size(); ++i)
    l[i] = py::reinterpret_steal<py::object>(wrap(std::move(arrays[i])));
  return l;
}

py::list call(const CachedOp& op, const py::sequence& inputs) {
  const auto in = arrays_in(inputs);
  std::vector<NDArray> out;
  {
    Unlocked u;
    out = op(in);
  }
  return list_of(std::move(out));
}

py::list watched(const CachedOp& op, const py::sequence& inputs, const py::function& each,
                 bool inputs_too) {
  const auto in = arrays_in(inputs);
  return list_of(op.watched(
      in,
      [&](std::string_view name, std::string_view kind, const NDArray& a) {
        each(std::string(name), std::string(kind), py::reinterpret_steal<py::object>(wrap(a)));
      },
      inputs_too));
}

void define_cached_op(py::module_& m) {
  py::class_<CachedOp>(m, "CachedOp", "A symbol that is called on arrays.")
      .def(py::init([](const Symbol& symbol, const py::object& memory_budget) {
             return CachedOp(symbol, {.memory_budget = budget_of(memory_budget)});
           }),
           py::arg("symbol"), py::arg("memory_budget") = py::none())
      .def("__call__", call, py::arg("inputs"))
      .def("watched", watched, py::arg("inputs"), py::arg("each"), py::arg("inputs_too"))
      .def_property_readonly("plans", &CachedOp::plans);
}

}  // namespace heddle::python
