// Mixed precision: policies, symbols with casts, and what eager calls go by.
#include "executor/precision.h"

#include <pybind11/stl.h>

#include "common.h"
#include "symbol/precision.h"

namespace heddle::python {

using Conditions = std::tuple<std::string, std::string, std::vector<std::string>>;

PrecisionPolicy policy_of(const std::string& narrow,
                          const std::optional<std::vector<std::string>>& narrow_ops,
                          const std::optional<std::vector<std::string>>& full_ops,
                          const std::optional<std::vector<Conditions>>& full_when) {
  PrecisionPolicy made(dtype_from_name(narrow));
  if (narrow_ops) made.only(Precision::kNarrow, *narrow_ops);
  if (full_ops) made.only(Precision::kFull, *full_ops);
  if (full_when) {
    std::vector<PrecisionPolicy::FullWhen> all;
    for (const auto& [op, param, values] : *full_when)
      for (const std::string& value : values) all.push_back({op, {param, value}});
    made.only_full_when(all);
  }
  return made;
}

void define_precision(py::module_& m) {
  py::class_<PrecisionPolicy>(m, "PrecisionPolicy",
                              "In which type each call is given its floating inputs.")
      .def(py::init(&policy_of), py::arg("narrow"), py::arg("narrow_ops") = py::none(),
           py::arg("full_ops") = py::none(), py::arg("full_when") = py::none());
  m.def("mix_precision", [](const Symbol& s, const PrecisionPolicy& policy,
                            const std::set<std::string>& excluded,
                            const std::set<std::string>& open,
                            const std::set<std::string>& parameters, bool narrow_parameters,
                            bool full_outputs) {
    return mix_precision(s, policy, {excluded, open, parameters, narrow_parameters, full_outputs});
  });
  m.def("without_mixed_precision", &without_mixed_precision);
  m.def("set_eager_precision", [](const PrecisionPolicy* policy) {
    // Another thread may be in the middle of a call that goes by it.
    set_eager_precision(policy ? new PrecisionPolicy(*policy) : nullptr);
  });
  m.def("set_eager_loss_scale", &set_eager_loss_scale);
}

}  // namespace heddle::python
