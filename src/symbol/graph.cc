// Freezing a Symbol into a Graph.
#include "symbol/graph.h"

#include <unordered_map>
#include <utility>

#include "symbol/walk.h"

namespace heddle {

namespace graph {

// Variables that the user made himself get the initialiser their position asks for, as created ones
// have it already.
void add_initializers(Graph& g) {
  std::vector<int> producer;
  for (const Graph::Node& n : g.nodes) {
    if (!n.call) continue;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const std::string& init = n.call->inputs[i].init;
      if (init.empty()) continue;
      if (producer.empty()) producer = g.producers();
      Graph::Node& v = g.nodes[producer[n.inputs[i]]];
      if (!v.call) v.attrs.try_emplace("__init__", symbol::initializer_text(init));
    }
  }
}

}  // namespace graph

Graph Graph::of(const Symbol& s) {
  Graph g;
  std::unordered_map<const heddle::Node*, int> first;  // node -> its first value
  const std::vector<NodeRef> all = symbol::nodes_of(s);
  g.nodes.reserve(all.size());
  first.reserve(all.size());
  for (const NodeRef& ref : all) {
    Node n;
    n.call = ref->call;
    n.name = ref->name;
    n.attrs = ref->attrs;
    n.inputs.reserve(ref->inputs.size());
    for (const Entry& e : ref->inputs) n.inputs.push_back(first.at(e.node.get()) + e.index);
    first.emplace(ref.get(), g.nodes[g.add(std::move(n))].first_output);
  }
  for (const Entry& e : s.entries()) g.outputs.push_back(first.at(e.node.get()) + e.index);
  graph::add_initializers(g);
  return g;
}

Kwargs Graph::Node::attributes() const {
  if (!call) return attrs;
  Kwargs all = call->kwargs;
  for (const auto& [key, value] : attrs) all[key] = value;
  return all;
}

int Graph::add(Node node) {
  node.first_output = values;
  if (node.stream < 0) node.stream = int(nodes.size());
  values += node.outputs();
  nodes.push_back(std::move(node));
  return int(nodes.size()) - 1;
}

std::vector<int> Graph::producers() const {
  std::vector<int> node_of(values);
  for (size_t i = 0; i < nodes.size(); ++i)
    for (int k = 0; k < nodes[i].outputs(); ++k) node_of[nodes[i].first_output + k] = int(i);
  return node_of;
}

std::vector<uint8_t> Graph::changed(bool same_values_too) const {
  std::vector<uint8_t> all(size_t(values), 0);
  for (const Node& n : nodes)
    for (size_t k = 0; n.call && n.call->mutates && k < n.inputs.size(); ++k)
      if (const Input& i = n.call->inputs[k]; i.role != Role::kRead)
        all[size_t(n.inputs[k])] |= uint8_t(same_values_too || !i.same_value);
  return all;
}

}  // namespace heddle
