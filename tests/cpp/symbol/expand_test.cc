// Composed operators in graphs, and inputs that are read for their type only.
#include <gmock/gmock.h>

#include <set>

#include "symbol/toys.h"

namespace heddle {

using testing::ElementsAre;
using toys::op;
using toys::var;

const std::map<std::string, ValueInfo, std::less<>> kKnown = {
    {"x", toys::shape({3}, Dtype::kFloat64)}};

TEST(Expand, ReplacesComposedNodesByTheirParts) {
  const Symbol s =
      op("toy_round", {op("toy_eighth", {op("toy_round", {var("x")}, "a")}, "b")}, "c");
  EXPECT_EQ(Graph::of(s).nodes.size(), 4u);  // files hold what was written
  const Graph g = expand(Graph::of(s));
  std::vector<std::string> operators, names;
  for (const Graph::Node& n : g.nodes) {
    operators.push_back(n.call ? n.call->op->name : "");
    names.push_back(n.name);
  }
  EXPECT_THAT(operators,
              ElementsAre("", "toy_round", "toy_square", "toy_square", "toy_square", "toy_round"));
  EXPECT_THAT(names, ElementsAre("x", "a", "b_toy_square", "b_toy_square", "b", "c"));
  std::set<int> streams;
  for (const Graph::Node& n : g.nodes) streams.insert(n.stream);
  EXPECT_EQ(streams.size(), g.nodes.size()) << "two nodes would draw the same random numbers";
  const ValueTypes t = infer(g, kKnown);
  EXPECT_EQ(t[g.outputs[0]].shape, Shape{3});
  EXPECT_THAT(toys::run(g, t, {{"x", {1, 2, -3}}})[g.outputs[0]], ElementsAre(1, 256, 6561));
}

TEST(Expand, LeavesOtherGraphsAlone) {
  const Graph g = expand(Graph::of(op("toy_square", {var("x")}, "s")));
  EXPECT_EQ(g.nodes.size(), 2u);
  EXPECT_THAT(g.outputs, ElementsAre(1));
}

TEST(Expand, GradientsAreThoseOfTheParts) {
  Graph g = expand(Graph::of(op("toy_fourth", {var("x")}, "f")));
  const GradientSpec spec{.heads = {g.outputs[0]}, .wrt = {0}, .head_grads = {g.values}};
  g.add({.name = "dy"});
  const Gradient d = gradient(std::move(g), spec);
  auto known = kKnown;
  known["dy"] = toys::shape({3}, Dtype::kFloat64);
  const ValueTypes t = infer(d.graph, known);
  const auto all = toys::run(d.graph, t, {{"x", {1, 2, -3}}, {"dy", {1, 1, 1}}});
  EXPECT_THAT(all[d.grads[0]], ElementsAre(4, 32, -108));
}

TEST(ShapeOnly, KeepsNoMemory) {
  // a -> b -> c, where the last node wants a's type: a's memory is free for c's input.
  const Symbol a = op("toy_mul", {var("x"), var("x")}, "a");
  const Symbol b = op("toy_mul", {a, var("x")}, "b");
  auto peak = [&](const char* last) {
    const Symbol c = op("toy_mul", {b, var("x")}, "c");
    Graph g = Graph::of(op("toy_round", {op(last, {c, a}, "d")}, "e"));
    const ValueTypes t = infer(g, kKnown);
    std::vector<bool> outside(g.values, false);
    for (const Graph::Node& n : g.nodes)
      if (!n.call) outside[n.first_output] = true;
    outside[g.outputs[0]] = true;
    return plan_memory(g, t, outside, nullptr).arena_bytes;
  };
  EXPECT_EQ(peak("toy_mul"), 3 * 64);
  EXPECT_EQ(peak("toy_like"), 2 * 64);
}

TEST(ShapeOnly, IsNeverComputedForThat) {
  // Only zeros_like asks for a, so nobody reads it.
  const Symbol a = op("toy_square", {var("x")}, "a");
  Graph g = Graph::of(op("zeros_like", {a}, "z"));
  const ValueTypes t = infer(g, kKnown);
  std::vector<bool> outside(g.values, false);
  outside[0] = outside[g.outputs[0]] = true;
  EXPECT_EQ(plan_memory(g, t, outside, nullptr).offset[1], MemoryPlan::kUnused);
}

}  // namespace heddle
