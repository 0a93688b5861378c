// Clones are named as they come; those that turn out to be useless are taken out at the end.
#include "symbol/replay.h"

#include <algorithm>
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

// Without the clones that nobody reads, and the others named as they come.
static Replay::Order tidied(const Graph& g, Replay::Order order) {
  std::vector<uint8_t> read(size_t(order.values), 0);
  std::vector<uint8_t> stays(order.events.size(), 1);
  for (size_t i = order.events.size(); i-- > 0;) {
    const Replay::Event& e = order.events[i];
    const Graph::Node& n = g.nodes[e.node];
    if (e.clone) {
      stays[i] = 0;
      for (int k = 0; k < n.outputs(); ++k) stays[i] |= read[e.first_output + k];
    }
    for (size_t k = 0; stays[i] && k < e.inputs.size(); ++k)
      if (!n.call->inputs[k].shape_only) read[e.inputs[k]] = 1;
  }
  std::vector<int> value(size_t(order.values), -1);
  std::iota(value.begin(), value.begin() + g.values, 0);
  Replay::Order done{{}, g.values};
  for (size_t i = 0; i < stays.size(); ++i) {
    if (!stays[i]) continue;
    Replay::Event& e = order.events[i];
    if (e.clone)
      for (int k = 0, first = e.first_output; k < g.nodes[e.node].outputs(); ++k)
        value[first + k] = done.values++;
    e.first_output = value[e.first_output];
    for (int& v : e.inputs) v = value[v];
    done.events.push_back(std::move(e));
  }
  return done;
}

Replay::Order Replay::finish() { return tidied(g_, std::move(order_)); }

Reorder::Reorder(const Graph& g, const std::vector<int>& producer,
                 const std::vector<uint8_t>& pinned, const Replay::Order& order)
    : g_(g),
      producer_(producer),
      pinned_(pinned),
      order_(order),
      origin_(size_t(order.values)),
      made_(size_t(order.values), 0),
      copies_(size_t(g.values)),
      first_(size_t(order.values) + 1, 0) {
  std::iota(origin_.begin(), origin_.begin() + g_.values, 0);
  const auto each_read = [&](auto&& f) {
    for (size_t i = 0; i < order_.events.size(); ++i) {
      const Replay::Event& e = order_.events[i];
      for (size_t k = 0; k < e.inputs.size(); ++k)
        if (!g_.nodes[e.node].call->inputs[k].shape_only) f(e.inputs[k], i);
    }
  };
  for (size_t i = 0; i < order_.events.size(); ++i) {
    const Replay::Event& e = order_.events[i];
    for (int k = 0; k < g_.nodes[e.node].outputs(); ++k) {
      made_[e.first_output + k] = i;
      if (!e.clone) continue;
      origin_[e.first_output + k] = g_.nodes[e.node].first_output + k;
      copies_[origin_[e.first_output + k]].push_back(e.first_output + k);
    }
  }
  each_read([&](int v, size_t) { ++first_[v + 1]; });
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  readers_.resize(size_t(first_.back()));
  std::vector<int> at(first_.begin(), first_.end() - 1);
  each_read([&](int v, size_t i) { readers_[size_t(at[v]++)] = i; });
}

size_t Reorder::next_reader(int copy, size_t event) const {
  const auto end = readers_.begin() + first_[copy + 1];
  const auto it = std::lower_bound(readers_.begin() + first_[copy], end, event);
  return it == end ? order_.events.size() : *it;
}

int Reorder::latest(int value, size_t event) const {
  int copy = value;
  for (int c : copies_[value])
    if (made_[c] < event) copy = c;
  return copy;
}

Replay::Order Reorder::without(size_t clone) const {
  Replay::Order next = order_;
  const int first = next.events[clone].first_output;
  const int outputs = g_.nodes[next.events[clone].node].outputs();
  for (size_t i = clone + 1; i < next.events.size(); ++i)
    for (int& v : next.events[i].inputs)
      if (v >= first && v < first + outputs) v = latest(origin_[v], clone);
  return tidied(g_, std::move(next));
}

std::vector<int> Reorder::needed(int copy, size_t event, size_t most) const {
  std::vector<int> nodes, todo = {producer_[origin_[copy]]};
  const auto there = [&](int value) {
    if (pinned_[value]) return true;
    if (std::find(nodes.begin(), nodes.end(), producer_[value]) != nodes.end()) return true;
    const int c = latest(value, event);
    return c != copy && next_reader(c, event) < order_.events.size();
  };
  while (!todo.empty()) {
    const Graph::Node& n = g_.nodes[todo.back()];
    if (nodes.size() == most || todo.size() > most) return {};
    int missing = -1;
    for (size_t k = 0; k < n.inputs.size() && missing < 0; ++k)
      if (!n.call->inputs[k].shape_only && !there(n.inputs[k])) missing = producer_[n.inputs[k]];
    if (missing >= 0) {
      todo.push_back(missing);
      continue;
    }
    nodes.push_back(todo.back());
    todo.pop_back();
  }
  return nodes;
}

Replay::Order Reorder::again(int copy, size_t event, const std::vector<int>& nodes) const {
  const auto at = order_.events.begin() + ptrdiff_t(event);
  Replay::Order next{{order_.events.begin(), at}, order_.values};
  std::vector<std::pair<int, int>> fresh;  // values of the graph and their new copies
  const auto now = [&](int value) {
    for (const auto& [v, c] : fresh)
      if (v == value) return c;
    return latest(value, event);
  };
  for (int id : nodes) {
    const Graph::Node& n = g_.nodes[id];
    Replay::Event e{id, next.values, true, n.inputs};
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (!n.call->inputs[k].shape_only) e.inputs[k] = now(n.inputs[k]);
    for (int k = 0; k < n.outputs(); ++k)
      if (!pinned_[n.first_output + k]) fresh.emplace_back(n.first_output + k, next.values + k);
    next.values += n.outputs();
    next.events.push_back(std::move(e));
  }
  const int found = now(origin_[copy]);
  for (auto e = at; e != order_.events.end(); ++e) {
    next.events.push_back(*e);
    for (int& v : next.events.back().inputs)
      if (v == copy) v = found;
  }
  return tidied(g_, std::move(next));
}

}  // namespace heddle
