// Costs and lifetimes by the operators' records; the planner says what an order needs.
#include "symbol/recompute_study.h"

#include <algorithm>
#include <numeric>

namespace heddle::recomputing {

// What any node costs, however little it does.
constexpr double kCallSeconds = 1e-6;

bool asks(const Graph::Node& n, const char* attribute) {
  const auto it = n.attrs.find(attribute);
  return it != n.attrs.end() && (it->second == "True" || it->second == "true" || it->second == "1");
}

Study::Study(const Chosen& c, const std::vector<bool>& outside, const std::vector<int64_t>& scratch)
    : c_(c), g_(c.graph), outside_(outside), scratch_(scratch) {
  producer_ = g_.producers();
  position_.assign(g_.nodes.size(), -1);
  for (size_t i = 0; i < g_.nodes.size(); ++i) {
    const Graph::Node& n = g_.nodes[i];
    if (!n.call) continue;
    if (n.phase > Phase::kForward) backward_.push_back(int(i));
    else position_[i] = int(forward_.size()), forward_.push_back(int(i));
  }
  bytes_.assign(g_.values, 0);
  for (int v = 0; v < g_.values; ++v)
    if (!outside_[v] && g_.nodes[producer_[v]].call)
      bytes_[v] = c_.types[v].shape.size() * dtype_size(c_.types[v].dtype);
  find_costs();
  find_readers();
  find_pinned();
}

Trial Study::try_order(Replay::Order order, int64_t enough, Use* use) const {
  Trial t{.order = std::move(order), .bytes = 0, .seconds = 0};
  Graph light;
  light.values = t.order.values;
  ValueTypes types = c_.types;
  types.resize(size_t(light.values));
  std::vector<bool> elsewhere = outside_;
  elsewhere.resize(size_t(light.values), false);
  std::vector<Device> device_of(size_t(light.values));
  for (int v = 0; v < g_.values; ++v) device_of[v] = c_.where[producer_[v]];
  // As they will stand in the graph: variables among the forward nodes.
  size_t next = 0;
  std::vector<int64_t> scratch;
  std::vector<int> node_of, event_of;  // of the nodes of that graph
  for (const Graph::Node& n : g_.nodes) {
    if (n.phase > Phase::kForward) continue;
    light.nodes.push_back({.call = n.call, .inputs = n.inputs, .first_output = n.first_output});
    node_of.push_back(int(&n - g_.nodes.data()));
    event_of.push_back(int(next));
    scratch.push_back(this->scratch(node_of.back()));
    next += n.call != nullptr;
  }
  for (; next < t.order.events.size(); ++next) {
    const Replay::Event& e = t.order.events[next];
    const Graph::Node& n = g_.nodes[e.node];
    if (e.clone) {
      t.seconds += seconds_[e.node];
      for (int k = 0; k < n.outputs(); ++k) {
        types[e.first_output + k] = c_.types[n.first_output + k];
        device_of[e.first_output + k] = c_.where[e.node];
      }
    }
    light.nodes.push_back({.call = n.call,
                           .inputs = e.inputs,
                           .first_output = e.first_output,
                           .phase = e.clone ? Phase::kRecomputed : n.phase});
    node_of.push_back(e.node);
    event_of.push_back(int(next));
    scratch.push_back(this->scratch(e.node));
  }
  std::vector<Views> views;
  if (use && !use->views.empty())
    for (int node : node_of) views.push_back(use->views[size_t(node)]);
  if (use) use->at.assign(t.order.events.size() + 1, 0);
  if (scratch_.empty()) scratch.clear();
  for (const Graph::Node& n : g_.nodes)
    if (!n.call)
      for (int k = 0; k < n.outputs(); ++k) elsewhere[n.first_output + k] = true;
  std::vector<Device> devices;
  for (int node : forward_)
    if (std::find(devices.begin(), devices.end(), c_.where[node]) == devices.end())
      devices.push_back(c_.where[node]);
  for (Device d : devices) {
    std::vector<bool> other = elsewhere;
    for (int v = 0; v < light.values; ++v) other[v] = other[v] || !(device_of[v] == d);
    const MemoryPlan plan =
        plan_memory(light, types, other, nullptr, devices.size() == 1 ? enough : 0,
                    d.kind == Device::kCpu ? scratch : std::vector<int64_t>{}, views);
    t.bytes += plan.arena_bytes;
    for (size_t i = 0; use && i < plan.pieces.size(); ++i) {
      const MemoryPlan::Piece& p = plan.pieces[i];
      use->at[size_t(event_of[size_t(p.begin)])] += p.bytes;
      use->at[size_t(event_of[size_t(p.end)]) + 1] -= p.bytes;
    }
  }
  if (!use) return t;
  std::partial_sum(use->at.begin(), use->at.end(), use->at.begin());
  use->at.pop_back();
  for (size_t i = 0; i < use->at.size(); ++i) use->at[i] += this->scratch(t.order.events[i].node);
  return t;
}

void Study::find_costs() {
  seconds_.assign(g_.nodes.size(), 0);
  cheap_.assign(g_.nodes.size(), 0);
  std::vector<Blob> in, out;
  for (int node : forward_) {
    const Graph::Node& n = g_.nodes[node];
    in.clear(), out.clear();
    for (int v : n.inputs) in.push_back(describe(v));
    double made = 0;
    for (int k = 0; k < n.outputs(); ++k)
      out.push_back(describe(n.first_output + k)), made += double(out.back().bytes());
    const Cost cost = cost_of(*n.call, {in, out, true});
    seconds_[node] = kCallSeconds + cost.seconds();
    forward_seconds_ += seconds_[node];
    // It waits for memory more than for arithmetic, and moves what it makes six times at most.
    cheap_[node] = 2 * Cost{0, cost.bytes}.seconds() >= cost.seconds() &&
                   cost.seconds() <= Cost{0, 6 * made}.seconds();
  }
}

void Study::find_readers() {
  last_.assign(g_.values, -1);
  saved_.assign(g_.values, 0);
  for (size_t i = 0; i < g_.nodes.size(); ++i) {
    const Graph::Node& n = g_.nodes[i];
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      if (n.call->inputs[k].shape_only) continue;
      if (position_[i] >= 0) last_[n.inputs[k]] = std::max(last_[n.inputs[k]], position_[i]);
      else saved_[n.inputs[k]] = 1;
    }
  }
}

void Study::find_pinned() {
  const std::vector<uint8_t> changed = g_.changed(false);
  pinned_.assign(g_.values, 1);
  for (int node : forward_) {
    const Graph::Node& n = g_.nodes[node];
    bool repeats = !n.call->op->stateful;
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      const Input& i = n.call->inputs[k];
      if (i.by_gradient || i.same_value || i.shape_only) continue;
      repeats = repeats && i.role == Role::kRead && !changed[n.inputs[k]];
    }
    for (int k = 0; repeats && k < n.outputs(); ++k)
      pinned_[n.first_output + k] = outside_[n.first_output + k] || minor(n, k);
  }
}

std::optional<double> CheapValues::drop(int value, int begin, double most_seconds) {
  constexpr size_t kMost = 12;  // nodes that one value may need
  std::vector<int> nodes, todo = {s_.producer()[value]};
  while (!todo.empty()) {
    const int node = todo.back();
    todo.pop_back();
    if (std::find(nodes.begin(), nodes.end(), node) != nodes.end()) continue;
    if (s_.position(node) < begin || !(s_.cheap(node) || s_.forced(node)) || nodes.size() == kMost)
      return {};
    nodes.push_back(node);
    const Graph::Node& n = s_.graph().nodes[node];
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      const int v = n.inputs[k];
      if (n.call->inputs[k].shape_only || kept_[v] || s_.bytes(v) == 0) continue;
      if (s_.position(s_.producer()[v]) < begin) continue;  // the block is given it
      if (s_.pinned()[v]) return {};
      todo.push_back(s_.producer()[v]);
    }
  }
  double seconds = 0;
  for (int node : nodes)
    if (!again_[node]) seconds += s_.seconds(node);
  if (seconds > most_seconds) return {};
  for (int node : nodes) again_[node] = 1;
  kept_[value] = 0;
  return seconds;
}

}  // namespace heddle::recomputing
