// Editing a graph: nodes are put in, replaced, cloned and taken out; finish() orders and numbers.
#pragma once
#include <vector>

#include "symbol/graph.h"

namespace heddle {

// The one place that renumbers. While a graph is edited, nodes and values are named by numbers that
// stay: those of the graph as it was, and new ones for what is put in. `forward`, `after` and
// `inputs` of nodes hold such numbers until finish().
class Rewriter {
 public:
  explicit Rewriter(Graph g);

  int size() const { return int(nodes_.size()); }  // nodes are [0, size()), removed ones among them
  const Graph::Node& node(int id) const { return nodes_.at(id); }
  bool removed(int id) const { return removed_.at(id); }
  int producer(int value) const { return producer_.at(value); }
  const std::vector<int>& readers(int value) const { return readers_.at(value); }  // once per input
  const std::vector<int>& outputs() const { return outputs_; }                     // of the graph

  // Puts a node in front of node `at`; in front of nothing, at the end, when `at` is size(). Its
  // values follow those there are. Returns its number.
  int insert(int at, Graph::Node n);
  // A second node of the same call, inputs, attributes and random numbers, in front of `at`.
  int clone(int id, int at, Phase phase);
  void set_input(int id, int i, int value);
  // Who read `value` (nodes, and the outputs of the graph) reads `by` instead.
  void replace(int value, int by);
  void replace_outputs(int value, int by);  // only those of the graph
  // The same for the nodes for which which(node) holds; outputs of the graph stay.
  template <class Which>
  void replace_where(int value, int by, Which&& which) {
    const std::vector<int> all = readers_.at(value);
    for (int reader : all)
      if (which(reader)) replace_in(reader, value, by);
  }
  // Takes out a node whose values nobody reads; throws Error naming it when somebody does. Nodes
  // that name it as `forward` or in `after` name `heir` instead, or nothing.
  void remove(int id, int heir = -1);

  struct Result {
    Graph graph;
    std::vector<int> node_of, value_of;  // number here -> number in the graph; -1: taken out
  };
  // Nodes keep their order but where an input, an `after` or the phase demands another. Values keep
  // their numbers but for the gaps that removed ones leave. Throws Error when the edits made a
  // cycle, or a node of phase kForward depend on one that runs later.
  Result finish();

 private:
  void replace_in(int reader, int value, int by);
  std::vector<int> order() const;
  bool runs_forward(int id) const { return nodes_[id].phase <= Phase::kForward; }

  std::vector<Graph::Node> nodes_;
  std::vector<uint8_t> removed_;
  std::vector<int> heir_;
  std::vector<int> next_, previous_;  // the order as a list; -1: none
  int first_ = -1, last_ = -1;
  std::vector<int> producer_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> outputs_;
};

}  // namespace heddle
