// Editing graphs: numbers that hold, order, phases, what is refused; and two small passes.
#include "symbol/rewrite.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "symbol/toys.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;
using toys::op;
using toys::var;

std::vector<std::string> names_of(const Graph& g) {
  std::vector<std::string> names;
  for (const Graph::Node& n : g.nodes) names.push_back(n.name);
  return names;
}

int node_called(const Rewriter& edit, std::string_view name) {
  for (int id = 0; id < edit.size(); ++id)
    if (edit.node(id).name == name) return id;
  return -1;
}

Symbol chain() {
  return op("toy_relu", {op("toy_square", {op("toy_relu", {var("x")}, "a")}, "b")}, "c");
}

TEST(Rewriter, NothingDoneIsNothingChanged) {
  const Graph before = Graph::of(toys::mlp());
  const Rewriter::Result done = Rewriter(before).finish();
  EXPECT_EQ(names_of(done.graph), names_of(before));
  EXPECT_EQ(done.graph.outputs, before.outputs);
  for (int v = 0; v < before.values; ++v) EXPECT_EQ(done.value_of[v], v);
  for (size_t i = 0; i < before.nodes.size(); ++i)
    EXPECT_EQ(done.graph.nodes[i].inputs, before.nodes[i].inputs);
}

TEST(Rewriter, PutsInWithoutMovingValues) {
  Rewriter edit(Graph::of(chain()));
  const int b = node_called(edit, "b"), from = edit.node(b).inputs[0];
  const int put = edit.insert(b, {.call = toys::call("toy_relu"), .name = "put", .inputs = {from}});
  edit.set_input(b, 0, edit.node(put).first_output);
  const Rewriter::Result done = edit.finish();
  EXPECT_THAT(names_of(done.graph), ElementsAre("x", "a", "put", "b", "c"));
  EXPECT_EQ(done.value_of[from], from);
  EXPECT_EQ(done.graph.nodes[3].inputs, done.graph.nodes[2].inputs.empty()
                                            ? std::vector<int>{}
                                            : std::vector<int>{done.graph.nodes[2].first_output});
  EXPECT_EQ(done.graph.values, 5);
}

TEST(Rewriter, TakesOutAndClosesTheGap) {
  Rewriter edit(Graph::of(chain()));
  const int a = node_called(edit, "a"), b = node_called(edit, "b");
  EXPECT_THAT(toys::error_of([&] { edit.remove(a); }), HasSubstr("cannot take out a"));
  edit.replace(edit.node(a).first_output, edit.node(a).inputs[0]);
  edit.remove(a, b);
  const Rewriter::Result done = edit.finish();
  EXPECT_THAT(names_of(done.graph), ElementsAre("x", "b", "c"));
  EXPECT_THAT(done.node_of, ElementsAre(0, -1, 1, 2));
  EXPECT_THAT(done.value_of, ElementsAre(0, -1, 1, 2));
  EXPECT_THAT(done.graph.outputs, ElementsAre(2));
}

TEST(Rewriter, TheHeirTakesOverWhatNamedTheNode) {
  Graph g = Graph::of(chain());
  g.nodes[3].after = {1};
  g.nodes[3].forward = 1;
  Rewriter edit(std::move(g));
  edit.replace(edit.node(1).first_output, 0);
  edit.remove(1, 2);
  const Rewriter::Result done = edit.finish();
  EXPECT_EQ(done.graph.nodes[2].forward, 1);
  EXPECT_THAT(done.graph.nodes[2].after, ElementsAre(1));
}

TEST(Rewriter, OrdersByNeed) {
  Rewriter edit(Graph::of(chain()));
  const int c = node_called(edit, "c");
  const int late = edit.insert(
      edit.size(),
      {.call = toys::call("toy_square"), .name = "late", .inputs = {edit.node(0).first_output}});
  edit.set_input(c, 0, edit.node(late).first_output);
  EXPECT_THAT(names_of(edit.finish().graph), ElementsAre("x", "a", "b", "late", "c"));
}

TEST(Rewriter, RefusesCyclesAndForwardNodesThatWait) {
  Rewriter cycle(Graph::of(chain()));
  cycle.set_input(node_called(cycle, "a"), 0, cycle.node(node_called(cycle, "c")).first_output);
  EXPECT_THAT(toys::error_of([&] { cycle.finish(); }), HasSubstr("depends on itself"));
  Graph g = Graph::of(chain());
  g.nodes[1].phase = Phase::kBackward;
  Rewriter late(std::move(g));
  EXPECT_THAT(toys::error_of([&] { late.finish(); }), HasSubstr("runs forward"));
}

// A pass: relu of relu is relu.
Graph drop_double_relu(Graph g) {
  Rewriter edit(std::move(g));
  for (int id = 0; id < edit.size(); ++id) {
    const Graph::Node& n = edit.node(id);
    if (!n.call || n.call->op->name != "toy_relu") continue;
    const Graph::Node& before = edit.node(edit.producer(n.inputs[0]));
    if (!before.call || before.call->op->name != "toy_relu") continue;
    edit.replace(n.first_output, n.inputs[0]);
    edit.remove(id);
  }
  return edit.finish().graph;
}

TEST(Rewriter, APassThatRemoves) {
  const Symbol twice =
      op("toy_relu", {op("toy_relu", {op("toy_relu", {var("x")}, "a")}, "b")}, "c");
  const Graph g = drop_double_relu(Graph::of(twice));
  EXPECT_THAT(names_of(g), ElementsAre("x", "a"));
  EXPECT_THAT(g.outputs, ElementsAre(1));
}

// A pass: what backward reads of a relu is computed again there.
Graph recompute_relus(Graph g) {
  Rewriter edit(std::move(g));
  const int nodes = edit.size();
  auto runs_later = [&](int reader) { return edit.node(reader).phase == Phase::kBackward; };
  for (int id = 0; id < nodes; ++id) {
    if (!edit.node(id).call || edit.node(id).call->op->name != "toy_relu" || runs_later(id))
      continue;
    const int value = edit.node(id).first_output;
    int first = nodes;
    for (int reader : edit.readers(value))
      if (runs_later(reader)) first = std::min(first, reader);
    if (first == nodes) continue;
    const int again = edit.clone(id, first, Phase::kRecomputed);
    edit.replace_where(value, edit.node(again).first_output, runs_later);
  }
  return edit.finish().graph;
}

TEST(Rewriter, APassThatRecomputes) {
  Graph g = Graph::of(toys::mlp());
  const int head = g.outputs[0];
  std::vector<int> wrt;
  for (const Graph::Node& n : g.nodes)
    if (n.name == "fc1_weight" || n.name == "fc2_weight") wrt.push_back(n.first_output);
  const Gradient d = gradient(std::move(g), {.heads = {head}, .wrt = wrt, .head_grads = {-1}});
  const Graph again = recompute_relus(d.graph);
  int recomputed = 0;
  for (const Graph::Node& n : again.nodes) {
    if (n.phase != Phase::kRecomputed) continue;
    ++recomputed;  // and draws the random numbers of the node it repeats
    EXPECT_EQ(std::count_if(again.nodes.begin(), again.nodes.end(),
                            [&](const Graph::Node& o) { return o.stream == n.stream; }),
              2);
  }
  EXPECT_EQ(recomputed, 1);
  const std::map<std::string, ValueInfo, std::less<>> known = {
      {"data", toys::shape({2, 3}, Dtype::kFloat64)}};
  const toys::Values values = {
      {"data", {1, -2, 3, 4, 5, -6}}, {"fc1_weight", {1, 2, -3, 4, 5, 6, -7, 8, 9, 1, 2, 3}},
      {"fc1_bias", {1, 2, 3, -4}},    {"fc2_weight", {1, -2, 3, 4, 5, 6, 7, -8}},
      {"fc2_bias", {1, 2}},           {"loss_label", {1, 2, 3, 4}}};
  const auto plain = toys::run(d.graph, infer(d.graph, known), values);
  const auto edited = toys::run(again, infer(again, known), values);
  for (int grad : d.grads) EXPECT_EQ(edited[grad], plain[grad]);
}

}  // namespace heddle
