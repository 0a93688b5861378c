// Optimizers: a step of Python's Optimizer in one call. What MXNet's users read and change (counts,
// factors, rates, states) stays with the Python object; it is read here without a loop in Python.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>

#include "common.h"
#include "optimizer/step.h"

namespace heddle::python {

using optimizer::Numbers;
using optimizer::Rule;
using optimizer::Tensor;

// --- reading objects
// ---------------------------------------------------------------------------------
py::object attribute(py::handle object, const char* name) { return object.attr(name); }

double number_of(py::handle h) {
  const double v = PyFloat_AsDouble(h.ptr());
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

// mapping[key], or null. `mapping` is any mapping; dicts are what it nearly always is.
py::object find(py::handle mapping, py::handle key) {
  if (PyDict_CheckExact(mapping.ptr())) {
    PyObject* found = PyDict_GetItemWithError(mapping.ptr(), key.ptr());
    if (!found && PyErr_Occurred()) throw py::error_already_set();
    return py::reinterpret_borrow<py::object>(found);
  }
  if (PySequence_Contains(mapping.ptr(), key.ptr()) != 1) {
    if (PyErr_Occurred()) throw py::error_already_set();
    return {};
  }
  return mapping[key];
}

bool is_empty(py::handle mapping) {
  if (PyDict_CheckExact(mapping.ptr())) return PyDict_GET_SIZE(mapping.ptr()) == 0;
  return py::len(mapping) == 0;
}

// The factor of one key: the parameter's own, the one by index, the one by name, or 1.
struct Factors {
  py::object of_params, of_names, table;
  const char* field;
  double of(py::handle key) const {
    if (!is_empty(of_params))
      if (const py::object param = find(of_params, key)) return number_of(param.attr(field));
    if (is_empty(table)) return 1;
    if (const py::object direct = find(table, key)) return number_of(direct);
    if (const py::object name = find(of_names, key))
      if (const py::object named = find(table, name)) return number_of(named);
    return 1;
  }
};

std::string text(py::handle key) { return py::cast<std::string>(py::str(key)); }

// A list of what is a list, or of the one thing; fast to walk.
py::object items_of(py::handle h) {
  if (PyList_Check(h.ptr()) || PyTuple_Check(h.ptr()))
    return py::reinterpret_steal<py::object>(PySequence_Fast(h.ptr(), "expected a list"));
  py::list one;
  one.append(h);
  return one;
}
std::span<PyObject* const> walk(const py::object& items) {
  return {PySequence_Fast_ITEMS(items.ptr()), size_t(PySequence_Fast_GET_SIZE(items.ptr()))};
}

void add_states(py::handle state, std::vector<NDArray>& to) {
  if (state.is_none()) return;
  if (is_array(state.ptr())) return to.push_back(array_of(state.ptr()));
  if (!PyList_Check(state.ptr()) && !PyTuple_Check(state.ptr()))
    throw py::type_error(format("a state is {}, expected NDArray, None, or a tuple of them",
                                text(py::type::of(state))));
  const py::object items = items_of(state);
  for (PyObject* item : walk(items)) add_states(item, to);
}

// --- a step
// ------------------------------------------------------------------------------------------
struct PyRule {
  Rule rule;
  PyRule(const std::string& name, const py::dict& parameters)
      : rule(name, kwargs_of(parameters.ptr())) {}

  py::list make_states(py::handle weight) const {
    const Asked asked;
    py::list made;
    for (NDArray& a : optimizer::make_states(rule, need_array(weight.ptr(), "weight")))
      made.append(py::reinterpret_steal<py::object>(wrap(std::move(a))));
    return made;
  }

  void update(py::handle self, py::handle index, py::handle weight, py::handle grad,
              py::handle state, bool precise, bool master_first, py::handle numbers) const;
};

// Counts an update of each key, as Optimizer._update_count does.
void count_updates(py::handle self, std::span<PyObject* const> keys, std::span<Numbers> numbers) {
  const py::object counts = attribute(self, "_index_update_count");
  const int64_t begin = py::cast<int64_t>(attribute(self, "begin_num_update"));
  const int64_t before = py::cast<int64_t>(attribute(self, "num_update"));
  int64_t most = before;
  for (size_t i = 0; i < keys.size(); ++i) {
    const py::object found = find(counts, keys[i]);
    numbers[i].count = (found ? py::cast<int64_t>(found) : begin) + 1;
    counts[py::handle(keys[i])] = numbers[i].count;
    most = std::max(most, numbers[i].count);
  }
  if (most != before) self.attr("num_update") = most;
}

double rate_of(py::handle self) {
  const py::object schedule = attribute(self, "lr_scheduler");
  return number_of(schedule.is_none() ? attribute(self, "lr")
                                      : schedule(attribute(self, "num_update")));
}

// Rates and decays as the methods of Optimizer give them, where nobody has put others in their
// place.
double plain_numbers(py::handle self, std::span<PyObject* const> keys, std::span<Numbers> numbers) {
  count_updates(self, keys, numbers);
  const double rate = rate_of(self), decay = number_of(attribute(self, "wd"));
  const py::object params = attribute(self, "param_dict"), names = attribute(self, "idx2name");
  const Factors of_rate{params, names, attribute(self, "lr_mult"), "lr_mult"},
      of_decay{params, names, attribute(self, "wd_mult"), "wd_mult"};
  for (size_t i = 0; i < keys.size(); ++i)
    numbers[i].lr = rate * of_rate.of(keys[i]), numbers[i].wd = decay * of_decay.of(keys[i]);
  return rate;
}

// (rate, lrs, wds), after the caller has counted.
double given_numbers(py::handle self, py::handle given, std::span<PyObject* const> keys,
                     std::span<Numbers> numbers) {
  const auto parts = py::cast<py::tuple>(given);
  const py::object lrs = items_of(parts[1]), wds = items_of(parts[2]);
  const auto rates = walk(lrs), decays = walk(wds);
  if (rates.size() != keys.size() || decays.size() != keys.size())
    throw py::value_error(format("found {} rates and {} decays, expected {} of each", rates.size(),
                                 decays.size(), keys.size()));
  const py::object counts = attribute(self, "_index_update_count");
  for (size_t i = 0; i < keys.size(); ++i) {
    numbers[i].lr = number_of(rates[i]), numbers[i].wd = number_of(decays[i]);
    const py::object count = find(counts, keys[i]);
    numbers[i].count = count ? py::cast<int64_t>(count) : 1;  // who counts nothing begins anew
  }
  return number_of(parts[0]);
}

std::vector<double> remembered(const Rule& rule, py::handle self) {
  std::vector<double> memory;
  for (const std::string& name : rule.def.remembers) {
    const py::object value = self.attr(name.c_str());
    memory.push_back(value.is_none() ? std::nan("") : number_of(value));
  }
  return memory;
}

void PyRule::update(py::handle self, py::handle index, py::handle weight, py::handle grad,
                    py::handle state, bool precise, bool master_first, py::handle given) const {
  const Asked asked;
  const bool many = PyList_Check(index.ptr()) || PyTuple_Check(index.ptr());
  py::object keys_of = items_of(index), weights_of = items_of(weight), grads_of = items_of(grad);
  py::object states_of;
  if (many) states_of = items_of(state);
  else states_of = py::reinterpret_steal<py::object>(PyTuple_Pack(1, state.ptr()));
  const auto keys = walk(keys_of), weights = walk(weights_of), grads = walk(grads_of),
             states = walk(states_of);
  if (weights.size() != keys.size() || grads.size() != keys.size() || states.size() != keys.size())
    throw py::value_error(format(
        "[{}] found {} indices, {} weights, {} gradients and {} states, expected as many of each",
        rule.def.name, keys.size(), weights.size(), grads.size(), states.size()));

  std::vector<Tensor> tensors(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    Tensor& t = tensors[i];
    t.weight = need_array(weights[i], "weight"), t.grad = need_array(grads[i], "grad");
    py::object own = py::reinterpret_borrow<py::object>(states[i]);
    if (precise && optimizer::is_half(t.weight.dtype()) && PyTuple_Check(own.ptr()) &&
        PyTuple_GET_SIZE(own.ptr()) == 2) {
      PyObject* const master = PyTuple_GET_ITEM(own.ptr(), master_first ? 0 : 1);
      t.master = need_array(master, "the float32 weight");
      own = py::reinterpret_borrow<py::object>(PyTuple_GET_ITEM(own.ptr(), master_first ? 1 : 0));
    }
    add_states(own, t.states);
    optimizer::check_tensor(rule, t, [&] { return text(keys[i]); });
  }

  std::vector<Numbers> numbers(keys.size());
  const double rate = given.is_none() ? plain_numbers(self, keys, numbers)
                                      : given_numbers(self, given, keys, numbers);
  std::vector<double> memory = remembered(rule, self);
  if (rule.def.exempts) {
    const py::object names = attribute(self, "idx2name");
    for (size_t i = 0; i < keys.size(); ++i) {
      const py::object name = find(names, keys[i]);
      numbers[i].exempt = optimizer::is_exempt(text(name ? py::handle(name) : py::handle(keys[i])));
    }
  }
  optimizer::Common common{number_of(attribute(self, "rescale_grad"))};
  if (const py::object clip = attribute(self, "clip_gradient"); !clip.is_none())
    common.clip_gradient = number_of(clip);
  const int64_t begin = py::cast<int64_t>(attribute(self, "begin_num_update"));
  optimizer::push_step(rule, common, {rate, begin, memory, numbers}, std::move(tensors), 0);
  for (size_t i = 0; i < memory.size(); ++i) self.attr(rule.def.remembers[i].c_str()) = memory[i];
}

void define_optimizer(py::module_& m) {
  py::class_<PyRule>(m, "Rule", "An optimizer's rule with its parameters.")
      .def(py::init<const std::string&, const py::dict&>())
      .def_property_readonly("name", [](const PyRule& r) { return r.rule.def.name; })
      .def_property_readonly("remembers", [](const PyRule& r) { return r.rule.def.remembers; })
      .def("make_states", &PyRule::make_states)
      .def("update", &PyRule::update);
}

}  // namespace heddle::python
