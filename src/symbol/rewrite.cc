// The order of an edited graph: the old one as far as it holds, by a sort that looks at it first.
#include "symbol/rewrite.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace heddle {

Rewriter::Rewriter(Graph g)
    : nodes_(std::move(g.nodes)),
      removed_(nodes_.size(), 0),
      heir_(nodes_.size(), -1),
      next_(nodes_.size()),
      previous_(nodes_.size()),
      first_(nodes_.empty() ? -1 : 0),
      last_(int(nodes_.size()) - 1),
      producer_(g.values, -1),
      readers_(g.values),
      outputs_(std::move(g.outputs)) {
  for (int id = 0; id < size(); ++id) {
    previous_[id] = id - 1;
    next_[id] = id == last_ ? -1 : id + 1;
    const Graph::Node& n = nodes_[id];
    for (int k = 0; k < n.outputs(); ++k) producer_[n.first_output + k] = id;
    for (int v : n.inputs) readers_[v].push_back(id);
  }
}

int Rewriter::insert(int at, Graph::Node n) {
  check(at >= 0 && at <= size() && (at == size() || !removed_[at]),
        "[Rewriter] cannot put {} in front of node {}, expected one of {}", n.name, at, size());
  const int id = size(), before = at == id ? -1 : at;
  n.first_output = int(producer_.size());
  if (n.stream < 0) n.stream = id;
  for (int v : n.inputs) readers_.at(v).push_back(id);
  producer_.resize(producer_.size() + size_t(n.outputs()), id);
  readers_.resize(producer_.size());
  nodes_.push_back(std::move(n));
  removed_.push_back(0);
  heir_.push_back(-1);
  const int previous = before < 0 ? last_ : previous_[before];
  previous_.push_back(previous);
  next_.push_back(before);
  (previous < 0 ? first_ : next_[previous]) = id;
  (before < 0 ? last_ : previous_[before]) = id;
  return id;
}

int Rewriter::clone(int id, int at, Phase phase) {
  Graph::Node n = nodes_.at(id);
  n.phase = phase;
  return insert(at, std::move(n));
}

void Rewriter::set_input(int id, int i, int value) {
  int& input = nodes_.at(id).inputs.at(i);
  if (input == value) return;
  auto& old = readers_[input];
  old.erase(std::find(old.begin(), old.end(), id));
  readers_.at(value).push_back(id);
  input = value;
}

void Rewriter::replace_in(int reader, int value, int by) {
  for (size_t i = 0; i < nodes_[reader].inputs.size(); ++i)
    if (nodes_[reader].inputs[i] == value) set_input(reader, int(i), by);
}

void Rewriter::replace(int value, int by) {
  replace_where(value, by, [](int) { return true; });
  replace_outputs(value, by);
}

void Rewriter::replace_outputs(int value, int by) {
  std::replace(outputs_.begin(), outputs_.end(), value, by);
}

void Rewriter::remove(int id, int heir) {
  const Graph::Node& n = nodes_.at(id);
  for (int v = n.first_output; v < n.first_output + n.outputs(); ++v)
    check(readers_[v].empty() && std::find(outputs_.begin(), outputs_.end(), v) == outputs_.end(),
          "[Rewriter] cannot take out {}, whose value {} is read", n.name, v - n.first_output);
  for (int v : n.inputs) {
    auto& all = readers_[v];
    all.erase(std::find(all.begin(), all.end(), id));
  }
  nodes_[id].inputs.clear();
  removed_[id] = 1;
  heir_[id] = heir;
  const int previous = previous_[id], next = next_[id];
  (previous < 0 ? first_ : next_[previous]) = next;
  (next < 0 ? last_ : previous_[next]) = previous;
}

// Of the nodes whose inputs are there, the one that stands first in the list comes next; those that
// run forward stand before all others.
std::vector<int> Rewriter::order() const {
  std::vector<int> place(nodes_.size(), -1), at;
  for (const bool forward : {true, false})
    for (int id = first_; id >= 0; id = next_[id])
      if (runs_forward(id) == forward) place[id] = int(at.size()), at.push_back(id);
  std::vector<int> missing(nodes_.size(), 0);
  std::vector<std::vector<int>> unlocks(nodes_.size());
  for (int id : at) {
    auto wait_for = [&](int before) { unlocks[before].push_back(id), ++missing[id]; };
    for (int v : nodes_[id].inputs) wait_for(producer_[v]);
    for (int before : nodes_[id].after)
      if (!removed_[before]) wait_for(before);
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int id : at)
    if (!missing[id]) ready.push(place[id]);
  std::vector<int> sorted;
  while (!ready.empty()) {
    const int id = at[ready.top()];
    ready.pop();
    sorted.push_back(id);
    for (int later : unlocks[id])
      if (--missing[later] == 0) ready.push(place[later]);
  }
  for (int id : at)
    check(!missing[id], "[Rewriter] {} depends on itself after the edit", nodes_[id].name);
  bool forward = true;
  for (int id : sorted) {
    check(forward || !runs_forward(id) || !nodes_[id].call,
          "[Rewriter] {} runs forward, but depends on what does not", nodes_[id].name);
    forward = forward && runs_forward(id);
  }
  return sorted;
}

Rewriter::Result Rewriter::finish() {
  for (Graph::Node& n : nodes_) {
    auto heir_of = [&](int id) {
      while (id >= 0 && removed_[id]) id = heir_[id];
      return id;
    };
    n.forward = heir_of(n.forward);
    for (int& before : n.after) before = heir_of(before);
    n.after.erase(std::remove(n.after.begin(), n.after.end(), -1), n.after.end());
  }
  Result r;
  r.node_of.assign(nodes_.size(), -1);
  r.value_of.assign(producer_.size(), -1);
  for (size_t v = 0; v < producer_.size(); ++v)
    if (!removed_[producer_[v]]) r.value_of[v] = r.graph.values++;
  const std::vector<int> sorted = order();
  for (size_t i = 0; i < sorted.size(); ++i) r.node_of[sorted[i]] = int(i);
  r.graph.nodes.reserve(sorted.size());
  for (int id : sorted) {
    Graph::Node n = std::move(nodes_[id]);
    n.first_output = r.value_of[n.first_output];
    for (int& v : n.inputs) v = r.value_of[v];
    if (n.forward >= 0) n.forward = r.node_of[n.forward];
    for (int& before : n.after) before = r.node_of[before];
    r.graph.nodes.push_back(std::move(n));
  }
  for (int v : outputs_) r.graph.outputs.push_back(r.value_of[v]);
  return r;
}

}  // namespace heddle
