// The only place that chains the passes: Graph::of, expand, gradient, place, infer, choose, plan.
#include <map>
#include <set>

#include "executor/bound.h"

namespace heddle {

namespace bind {

using Known = std::map<std::string, ValueInfo, std::less<>>;

Known known_of(const BindSpec& spec) {
  Known known;
  for (const auto& [name, shape] : spec.shapes) known[name].shape = shape;
  for (const auto& [name, dtype] : spec.dtypes) known[name].dtype = dtype;
  for (const Arrays* arrays : {&spec.args, &spec.aux})
    for (const auto& [name, a] : *arrays)
      if (a) known[name] = {a.shape(), a.dtype(), Stype::kDense};
  return known;
}

Known known_of(const BoundGraph& bound) {
  Known known;
  for (const BoundVariable& v : bound.variables) known[v.name] = v.type;
  return known;
}

void refuse_unbindable(const Graph& g) {
  std::set<std::string_view> names;
  for (const Graph::Node& n : g.nodes) {
    if (!n.call) {
      check(names.insert(n.name).second, "[bind] Duplicate names detected: '{}'", n.name);
      continue;
    }
    check(!n.call->op->dynamic_shape,
          "Error in operator {}: [{}] gives outputs whose extents only its kernel knows; it can be "
          "called on arrays, not bound",
          n.name, n.call->op->name);
  }
}

void check_known(const Graph& g, const ValueTypes& types) {
  std::string unknown;
  for (const Graph::Node& n : g.nodes)
    if (!n.call && !types[n.first_output].shape.known())
      append(unknown, n.name), append(unknown, ": "), append(unknown, types[n.first_output].shape),
          append(unknown, ", ");
  check(unknown.empty(),
        "InferShape pass cannot decide shapes for the following arguments (? means unknown "
        "dimensions). Please consider providing them as inputs:\n{}",
        unknown);
}

GradReq req_of(const BindSpec& spec, const std::string& name) {
  if (!spec.training) return GradReq::kNone;
  auto it = spec.grad_req.find(name);
  return it == spec.grad_req.end() ? spec.default_req : it->second;
}

// A graph on its way to a plan: `own` says which values have arrays of their own.
struct Draft {
  Graph graph;
  std::map<int, NDArray> own;
  std::map<std::string, int> variable;  // name -> node
};

Draft draft_of(const BoundGraph& bound) {
  Draft d{expand(Graph::of(bound.symbol)), {}, {}};
  for (size_t i = 0; i < d.graph.nodes.size(); ++i)
    if (!d.graph.nodes[i].call) d.variable[d.graph.nodes[i].name] = int(i);
  for (const BoundVariable& v : bound.variables)
    d.own[d.graph.nodes[d.variable.at(v.name)].first_output] = v.array;
  for (size_t i = 0; i < bound.outputs.size(); ++i) d.own[d.graph.outputs[i]] = bound.outputs[i];
  return d;
}

Plan finish(Draft d, Known known, const BoundGraph& bound, bool training) {
  Plan p;
  p.graph = place(std::move(d.graph), bound.spec.groups, bound.spec.device, &p.where);
  p.types = infer_float32(p.graph, std::move(known), training);
  p.outside.resize(p.graph.values);
  for (auto& [value, array] : d.own) p.outside[value] = array;
  choose_kernels(p, training);
  plan_values(p);
  return p;
}

// Variables for the gradients of the outputs; returns their values.
std::vector<int> add_head_grads(Draft& d, Known& known, const BoundGraph& bound) {
  std::vector<int> values;
  for (size_t i = 0; i < bound.outputs.size(); ++i) {
    const std::string name = format("gradient of output {}", i);  // no variable has blanks
    known[name] = {bound.outputs[i].shape(), bound.outputs[i].dtype(), Stype::kDense};
    values.push_back(d.graph.values);
    d.graph.add({.name = name});
  }
  return values;
}

// Lets the gradient `value` of a variable end in the array it is for.
void deliver(Draft& d, Known& known, const BoundGraph& bound, const BoundVariable& v, int value) {
  const int variable = d.variable.at(v.name);
  auto pass = [&](Meaning what, std::vector<int> inputs) {
    const int node = d.graph.add({.call = make_call(OpTable::get().of(what), {}),
                                  .name = v.name + "_grad_out",
                                  .inputs = std::move(inputs),
                                  .forward = variable,
                                  .phase = Phase::kBackward});
    d.own[d.graph.nodes[node].first_output] = v.gradient;
  };
  if (v.req == GradReq::kAdd) {
    const std::string name = "gradient of " + v.name;
    known[name] = v.type;
    const int before = d.graph.values;
    d.graph.add({.name = name});
    d.own[before] = v.gradient;
    return pass(Meaning::kAdd, {before, value});
  }
  const bool computed = d.graph.nodes[d.graph.producers()[value]].call != nullptr;
  if (computed && bound.spec.groups.empty() && d.own.try_emplace(value, v.gradient).second) return;
  pass(Meaning::kIdentity, {value});
}

}  // namespace bind

std::vector<BoundVariable> analyse_variables(const Symbol& symbol, const BindSpec& spec) {
  Graph g = expand(Graph::of(symbol));
  bind::refuse_unbindable(g);
  Placement where;
  g = place(std::move(g), spec.groups, spec.device, &where);
  const ValueTypes types = infer_float32(g, bind::known_of(spec), spec.training);
  bind::check_known(g, types);
  std::map<std::string, int> node;
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (!g.nodes[i].call) node[g.nodes[i].name] = int(i);
  std::vector<BoundVariable> all;
  auto add = [&](const std::string& name, bool aux) {
    const int n = node.at(name);
    all.push_back({.name = name,
                   .aux = aux,
                   .req = aux ? GradReq::kNone : bind::req_of(spec, name),
                   .type = types[g.nodes[n].first_output],
                   .device = where[n]});
    all.back().type.stype = Stype::kDense;
  };
  for (const std::string& name : symbol.arguments()) add(name, false);
  for (const std::string& name : symbol.auxiliary_states()) add(name, true);
  return all;
}

Plan plan_forward(const BoundGraph& bound, bool training) {
  return bind::finish(bind::draft_of(bound), bind::known_of(bound), bound, training);
}

TrainingPlan plan_training(const BoundGraph& bound) {
  bind::Draft d = bind::draft_of(bound);
  bind::Known known = bind::known_of(bound);
  GradientSpec spec;
  spec.heads = d.graph.outputs;
  spec.head_grads = bind::add_head_grads(d, known, bound);
  std::vector<const BoundVariable*> wanted;
  for (const BoundVariable& v : bound.variables) {
    if (v.req == GradReq::kNone) continue;
    wanted.push_back(&v);
    spec.wrt.push_back(d.graph.nodes[d.variable.at(v.name)].first_output);
  }
  Gradient gradients = gradient(std::move(d.graph), spec);
  d.graph = std::move(gradients.graph);
  TrainingPlan t;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const BoundVariable& v = *wanted[i];
    if (gradients.grads[i] >= 0) bind::deliver(d, known, bound, v, gradients.grads[i]);
    else if (v.req != GradReq::kAdd) t.zero_grads.push_back(v.gradient);
  }
  std::vector<bool> read(d.graph.values);
  for (const Graph::Node& n : d.graph.nodes)
    for (int v : n.inputs) read[v] = true;
  for (size_t i = 0; i < bound.outputs.size(); ++i) {
    t.head_grads.emplace_back();
    if (!read[spec.head_grads[i]]) continue;
    const NDArray& out = bound.outputs[i];
    t.head_grads[i] = NDArray(out.shape(), out.device(), out.dtype());
    d.own[spec.head_grads[i]] = t.head_grads[i];
  }
  t.plan = bind::finish(std::move(d), std::move(known), bound, true);
  return t;
}

}  // namespace heddle
