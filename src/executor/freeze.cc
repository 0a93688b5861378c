// From tape to graph, without recursion: tapes are as long as programs run.
#include "executor/freeze.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "executor/cached_tape.h"
#include "heddle/executor.h"

namespace heddle {

namespace freezing {

constexpr const char* kNoGraphText =
    "Cannot differentiate node because it is not in a computational graph. You need to set "
    "is_recording to true or use autograd.record() to save computational graphs for backward. If "
    "you want to differentiate the same graph twice, you need to pass retain_graph=True to "
    "backward. [backward] found an array that no recorded call has made from one with "
    "attach_grad(), "
    "or whose graph an earlier backward has freed.";

// Every node below the heads, inputs first.
std::vector<TapeRef> nodes_below(std::span<const NDArray> heads) {
  std::vector<TapeRef> order;
  std::unordered_set<const TapeNode*> seen;
  struct Visit {
    TapeRef entry;
    size_t next = 0;
  };
  std::vector<Visit> path;
  auto enter = [&](const TapeRef& e) {
    if (!seen.insert(e->node).second) return;
    check(!e->node->freed, kNoGraphText);
    path.push_back({e});
  };
  for (const NDArray& head : heads) {
    check(head && head.tape, kNoGraphText);
    enter(standing_in(head.tape));
    while (!path.empty()) {
      Visit& top = path.back();
      const auto& inputs = top.entry->node->inputs;
      if (top.next < inputs.size()) {
        const TapeRef& input = standing_in(inputs[top.next++]);
        if (input) enter(input);
      } else {
        order.push_back(std::move(top.entry));
        path.pop_back();
      }
    }
  }
  return order;
}

void add_leaf(FrozenTape& f, const TapeNode& node) {
  f.graph.add({});
  f.types.push_back(&node.types[0]);
}

// Constants become variables of their own.
void add_call(FrozenTape& f, const TapeNode& node) {
  Graph::Node n{.call = node.call};
  n.inputs.reserve(node.inputs.size());
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i]) {
      n.inputs.push_back(f.value_of(node.inputs[i]));
      continue;
    }
    n.inputs.push_back(f.graph.values);
    f.graph.add({});
    f.types.push_back(&node.input(int(i)));
  }
  const int first = f.graph.values;
  f.saved.resize(first + node.entries.size());
  for (size_t i = 0; i < node.entries.size(); ++i) f.types.push_back(&node.output(int(i)));
  for (const SavedArray& s : node.saved) {
    auto& kept = f.saved[s.what.kind == Ref::kX ? n.inputs[s.what.index] : first + s.what.index];
    if (!kept || (s.fixed && s.version < kept->version)) kept = &s;
  }
  f.graph.add(std::move(n));
}

}  // namespace freezing

int FrozenTape::value_of(const TapeRef& entry) const {
  const TapeEntry& e = *standing_in(entry);
  auto it = positions.find(e.node);
  if (it == positions.end()) return -1;
  return first_value[it->second] + e.index;
}

FrozenTape freeze(std::span<const NDArray> heads) {
  FrozenTape f;
  f.nodes = freezing::nodes_below(heads);
  f.graph.nodes.reserve(f.nodes.size());
  for (size_t i = 0; i < f.nodes.size(); ++i) {
    const TapeNode& node = *f.nodes[i]->node;
    if (node.call) freezing::add_call(f, node);
    else freezing::add_leaf(f, node), f.leaves.push_back(int(i));
    f.first_value.push_back(f.graph.nodes.back().first_output);
    f.devices.resize(f.graph.nodes.size(), node.device);  // constants lie where they are read
    f.positions.emplace(&node, int(i));
  }
  f.saved.resize(f.graph.values);
  return f;
}

namespace autograd {

Symbol get_symbol(const NDArray& array) {
  unroll_cached({&array, 1});
  const FrozenTape f = freeze({&array, 1});
  std::vector<Entry> values;  // of the graph
  int variables = 0;
  std::map<std::string, int> count;  // by hint
  for (const Graph::Node& n : f.graph.nodes) {
    auto node = std::make_shared<Node>();
    node->call = n.call;
    node->name = n.call ? n.call->op->name_hint() : "var";
    append(node->name, n.call ? count[node->name]++ : variables++);
    for (int v : n.inputs) node->inputs.push_back(values[v]);
    for (int k = 0; k < n.outputs(); ++k) values.push_back({node, k});
  }
  return Symbol({values[f.value_of(array.tape)]});
}

}  // namespace autograd
}  // namespace heddle
