// Clones are named as they come; those that turn out to be useless are taken out at the end.
#include "symbol/replay.h"

#include <numeric>
#include <utility>

namespace heddle {

Replay::Replay(const Graph& g, const std::vector<int>& producer, const std::vector<uint8_t>& pinned)
    : g_(g), producer_(producer), pinned_(pinned), now_(g.values), gone_(g.values, 0) {
  std::iota(now_.begin(), now_.end(), 0);
  order_.values = g.values;
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (const Graph::Node& n = g.nodes[i]; n.call && n.phase <= Phase::kForward)
      order_.events.push_back({int(i), n.first_output, false, n.inputs});
}

void Replay::repeat(int node, bool only_gone) {
  todo_.assign(1, node);
  while (!todo_.empty()) {
    const int id = todo_.back();
    const Graph::Node& n = g_.nodes[id];
    int missing = -1;
    for (size_t k = 0; k < n.inputs.size() && missing < 0; ++k)
      if (gone_[n.inputs[k]] && !n.call->inputs[k].shape_only) missing = producer_[n.inputs[k]];
    if (missing >= 0) {
      todo_.push_back(missing);
      continue;
    }
    todo_.pop_back();
    Event e{id, order_.values, true, n.inputs};
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (!n.call->inputs[k].shape_only) e.inputs[k] = now_[n.inputs[k]];
    const bool all = !only_gone && id == node;
    for (int k = 0; k < n.outputs(); ++k) {
      const int v = n.first_output + k;
      if (pinned_[v] || (!all && !gone_[v])) continue;
      now_[v] = order_.values + k;
      gone_[v] = 0;
    }
    order_.values += n.outputs();
    order_.events.push_back(std::move(e));
  }
}

void Replay::backward(int node) {
  const Graph::Node& n = g_.nodes[node];
  for (size_t k = 0; k < n.inputs.size(); ++k)
    if (gone_[n.inputs[k]] && !n.call->inputs[k].shape_only) repeat(producer_[n.inputs[k]], true);
  Event e{node, n.first_output, false, n.inputs};
  for (size_t k = 0; k < n.inputs.size(); ++k)
    if (!n.call->inputs[k].shape_only) e.inputs[k] = now_[n.inputs[k]];
  order_.events.push_back(std::move(e));
}

Replay::Order Replay::finish() {
  std::vector<uint8_t> read(size_t(order_.values), 0);
  std::vector<uint8_t> stays(order_.events.size(), 1);
  for (size_t i = order_.events.size(); i-- > 0;) {
    const Event& e = order_.events[i];
    const Graph::Node& n = g_.nodes[e.node];
    if (e.clone) {
      stays[i] = 0;
      for (int k = 0; k < n.outputs(); ++k) stays[i] |= read[e.first_output + k];
    }
    for (size_t k = 0; stays[i] && k < e.inputs.size(); ++k)
      if (!n.call->inputs[k].shape_only) read[e.inputs[k]] = 1;
  }
  std::vector<int> value(size_t(order_.values), -1);
  std::iota(value.begin(), value.begin() + g_.values, 0);
  Order done{{}, g_.values};
  for (size_t i = 0; i < stays.size(); ++i) {
    if (!stays[i]) continue;
    Event& e = order_.events[i];
    if (e.clone)
      for (int k = 0, first = e.first_output; k < g_.nodes[e.node].outputs(); ++k)
        value[first + k] = done.values++;
    e.first_output = value[e.first_output];
    for (int& v : e.inputs) v = value[v];
    done.events.push_back(std::move(e));
  }
  return done;
}

}  // namespace heddle
