// Types and devices of variables and outputs.
#include "runtime/network.h"

#include <algorithm>
#include <set>

namespace heddle {

namespace network {

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

GradReq req_of(const NetworkSpec& spec, const std::string& name) {
  if (!spec.training) return GradReq::kNone;
  auto it = spec.grad_req.find(name);
  return it == spec.grad_req.end() ? spec.default_req : it->second;
}

void list_variables(Network& n, const Graph& g, const ValueTypes& types, const Placement& where) {
  std::map<std::string_view, int> node;
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (!g.nodes[i].call) node[g.nodes[i].name] = int(i);
  auto add = [&](const std::string& name, bool aux) {
    const int i = node.at(name);
    n.variables.push_back({.name = name,
                           .aux = aux,
                           .req = aux ? GradReq::kNone : req_of(n.spec, name),
                           .type = types[g.nodes[i].first_output],
                           .device = where[i]});
    n.variables.back().type.stype = Stype::kDense;
  };
  for (const std::string& name : n.symbol.arguments()) add(name, false);
  for (const std::string& name : n.symbol.auxiliary_states()) add(name, true);
}

void list_outputs(Network& n, const Graph& g, const ValueTypes& types, const Placement& where) {
  const std::vector<int> producer = g.producers();
  for (int value : g.outputs) {
    const Graph::Node& from = g.nodes[producer[value]];
    const auto first = std::find(g.outputs.begin(), g.outputs.end(), value) - g.outputs.begin();
    n.outputs.push_back({.type = types[value],
                         .device = where[producer[value]],
                         .variable = from.call ? -1 : n.find(from.name),
                         .same_as = size_t(first) < n.outputs.size() ? int(first) : -1});
  }
}

}  // namespace network

bool Network::has_gradients() const {
  return std::any_of(variables.begin(), variables.end(),
                     [](const Variable& v) { return v.req != GradReq::kNone; });
}

int64_t Network::own_bytes() const {
  int64_t bytes = 0;
  const auto add = [&](const ValueInfo& t) { bytes += t.shape.size() * dtype_size(t.dtype); };
  for (const Variable& v : variables)
    if (v.req != GradReq::kNone) add(v.type);
  for (const Output& o : outputs) {
    if (o.variable < 0 && o.same_as < 0) add(o.type);
  }
  return bytes;
}

int Network::find(std::string_view variable) const {
  for (size_t i = 0; i < variables.size(); ++i)
    if (variables[i].name == variable) return int(i);
  return -1;
}

Network analyse(Symbol symbol, NetworkSpec spec) {
  Network n{.symbol = std::move(symbol), .spec = std::move(spec), .variables = {}, .outputs = {}};
  Graph g = expand(Graph::of(n.symbol));
  network::refuse_unbindable(g);
  Placement where;
  g = place(std::move(g), n.spec.groups, n.spec.device, &where);
  const ValueTypes types = infer_float32(g, n.spec.known, n.spec.training);
  network::check_known(g, types);
  network::list_variables(n, g, types, where);
  network::list_outputs(n, g, types, where);
  return n;
}

}  // namespace heddle
