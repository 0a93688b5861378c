// Differentiation: values against finite differences, structure, losses, tapes of a million steps.
#include <gmock/gmock.h>

#include "symbol/toys.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;
using toys::op;
using toys::var;

// d(sum of outputs)/d(each named variable) of a symbol, by the graph and by finite differences.
void expect_gradients(const Symbol& s, const toys::Values& at) {
  Graph g = Graph::of(s);
  GradientSpec spec{.heads = g.outputs, .wrt = {}, .head_grads = {}};
  spec.head_grads.assign(spec.heads.size(), -1);
  std::map<std::string, ValueInfo, std::less<>> known;
  std::vector<std::string> names;
  for (const Graph::Node& n : g.nodes) {
    if (n.call) continue;
    known[n.name] = toys::shape({int64_t(at.at(n.name).size())}, Dtype::kFloat64);
    names.push_back(n.name);
    spec.wrt.push_back(n.first_output);
  }
  const Graph forward = g;
  const ValueTypes forward_types = infer(forward, known);
  auto sum = [&](const toys::Values& v) {
    const auto all = toys::run(forward, forward_types, v);
    double total = 0;
    for (int out : forward.outputs)
      for (double x : all[out]) total += x;
    return total;
  };
  const Gradient d = gradient(std::move(g), spec);
  const auto all = toys::run(d.graph, infer(d.graph, known), at);
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t k = 0; k < at.at(names[i]).size(); ++k) {
      toys::Values up = at, down = at;
      up[names[i]][k] += kStep, down[names[i]][k] -= kStep;
      const double expected = (sum(up) - sum(down)) / (2 * kStep);
      const double found = d.grads[i] < 0 ? 0 : all[d.grads[i]][k];
      EXPECT_NEAR(found, expected, 1e-8) << names[i] << "[" << k << "]";
    }
  }
}

TEST(Gradient, AgreesWithFiniteDifferences) {
  const Symbol x = var("x"), y = var("y");
  const Symbol xy = op("toy_mul", {x, y}, "xy");
  const Symbol s = op("toy_add", {op("toy_square", {xy}, "sq"), op("toy_relu", {x}, "r")}, "s");
  expect_gradients(s, {{"x", {1, -2, 3}}, {"y", {0.5, 4, -1}}});
  expect_gradients(Symbol::group({s, xy, x}), {{"x", {1, -2, 3}}, {"y", {0.5, 4, -1}}});
}

TEST(Gradient, UnusedOutputsCountAsZero) {
  const Symbol parts = op("toy_cut", {var("x")}, "cut", {{"parts", "3"}});
  expect_gradients(op("toy_square", {parts[1]}, "sq"), {{"x", {1, 2, 3, 4, 5, 6}}});
}

TEST(Gradient, ManyUsesAreSummedInGroups) {
  const Symbol x = var("x");
  Symbol s = x;
  for (int i = 0; i < 30; ++i) s = op("toy_add", {s, x}, format("s{}", i));
  expect_gradients(s, {{"x", {1, 2}}});
  Graph g = Graph::of(s);
  const int head = g.outputs[0], wrt = g.nodes[0].first_output;
  const Gradient d = gradient(std::move(g), {.heads = {head}, .wrt = {wrt}, .head_grads = {-1}});
  for (const Graph::Node& n : d.graph.nodes) EXPECT_LE(n.inputs.size(), 8u);
}

std::vector<std::string> backward_names(const Gradient& d) {
  std::vector<std::string> names;
  for (const Graph::Node& n : d.graph.nodes)
    if (n.phase == Phase::kBackward) names.push_back(n.name);
  return names;
}

// The gradient of the first output with respect to the named variables.
Gradient gradient_of(const Symbol& s, std::vector<std::string> names, int head_grad = -1) {
  Graph g = Graph::of(s);
  GradientSpec spec{.heads = {g.outputs[0]}, .wrt = {}, .head_grads = {head_grad}};
  for (const std::string& name : names)
    for (const Graph::Node& n : g.nodes)
      if (n.name == name) spec.wrt.push_back(n.first_output);
  return gradient(std::move(g), spec);
}

TEST(Gradient, LossesMakeTheirOwn) {
  const Gradient d = gradient_of(toys::mlp(), {"fc1_weight", "fc1_bias"});
  EXPECT_THAT(backward_names(d),
              ElementsAre("loss_backward", "fc2_backward", "relu1_backward", "fc1_backward"));
  const Graph::Node& loss = *std::find_if(d.graph.nodes.begin(), d.graph.nodes.end(),
                                          [](const Graph::Node& n) { return n.forward >= 0; });
  EXPECT_EQ(loss.inputs.size(), 2u);  // y and the label: no head gradient
  EXPECT_EQ(d.graph.nodes[loss.forward].name, "loss");
  EXPECT_EQ(d.grads[1], d.grads[0] + 1);  // outputs of one node
}

TEST(Gradient, OtherHeadsStartWithOnes) {
  const Gradient d = gradient_of(op("toy_relu", {var("x")}, "r"), {"x"});
  EXPECT_THAT(backward_names(d), ElementsAre("r_head_grad", "r_backward"));
  Graph g = Graph::of(Symbol::group({op("toy_relu", {var("x")}, "r"), var("h")}));
  const int head = g.outputs[0], given = g.outputs[1];
  const Gradient with = gradient(g, {.heads = {head}, .wrt = {0}, .head_grads = {given}});
  EXPECT_THAT(backward_names(with), ElementsAre("r_backward"));
  EXPECT_EQ(with.graph.nodes.back().inputs[0], given);
}

TEST(Gradient, OnlyWhatIsWantedIsComputed) {
  const Gradient d = gradient_of(toys::mlp(), {"fc2_weight"});
  EXPECT_THAT(backward_names(d), ElementsAre("loss_backward", "fc2_backward"));
  const Gradient none = gradient_of(op("toy_relu", {var("x")}, "r"), {});
  EXPECT_TRUE(backward_names(none).empty());
}

TEST(Gradient, ZeroGradientsStopIt) {
  const Symbol x = var("x");
  const Gradient d = gradient_of(op("toy_round", {op("toy_square", {x}, "sq")}, "round"), {"x"});
  EXPECT_THAT(d.grads, ElementsAre(-1));
  EXPECT_TRUE(backward_names(d).empty());
  expect_gradients(op("toy_add", {op("toy_round", {x}, "round"), x}, "s"), {{"x", {1.2, 3.4}}});
}

TEST(Gradient, MissingGradientsNameTheNode) {
  const Symbol s = op("toy_stuck", {var("x")}, "stuck1");
  EXPECT_EQ(toys::error_of([&] { gradient_of(s, {"x"}); }),
            "Error in operator stuck1: [toy_stuck] has no gradient");
  const Symbol aside = op("toy_add", {op("toy_stuck", {var("x")}, "stuck1"), var("y")}, "s");
  EXPECT_EQ(gradient_of(aside, {"y"}).grads.size(), 1u);  // nobody asks for it
}

TEST(Gradient, AuxiliaryStatesGetNone) {
  const Symbol s = op("toy_norm", {var("x")}, "bn");
  const Gradient d = gradient_of(s, {"bn_scale", "bn_mean", "x"});
  EXPECT_EQ(d.grads[1], -1);
  EXPECT_EQ(d.grads[0], d.grads[2] + 1);
  expect_gradients(s, {{"x", {1, 2}}, {"bn_scale", {3}}, {"bn_mean", {0}}});
}

TEST(Gradient, BuiltGradientsCanBeDifferentiatedAgain) {
  const Symbol cube = op("toy_mul", {op("toy_square", {var("x")}, "sq"), var("x")}, "cube");
  Graph g = Graph::of(op("toy_mul", {op("toy_square", {var("x")}, "sq"), var("y")}, "m"));
  const Gradient first =
      gradient(g, {.heads = {g.outputs[0]}, .wrt = {0}, .head_grads = {-1}, .create_graph = true});
  const Gradient second =
      gradient(first.graph,
               {.heads = {first.grads[0]}, .wrt = {0}, .head_grads = {-1}, .create_graph = true});
  const auto t = infer(second.graph, {{"x", toys::shape({2}, Dtype::kFloat64)}});
  const auto all = toys::run(second.graph, t, {{"x", {3, 5}}, {"y", {2, 4}}});
  EXPECT_THAT(all[first.grads[0]], ElementsAre(12, 40));  // 2 x y
  EXPECT_THAT(all[second.grads[0]], ElementsAre(4, 8));   // 2 y
}

TEST(Gradient, TapesOfAMillionSteps) {
  constexpr int kSteps = 1'000'000;
  const auto add = toys::call("toy_add"), relu = toys::call("toy_relu");
  Graph tape;
  const int x = tape.nodes[tape.add({.name = "x"})].first_output;
  int v = x;
  for (int i = 0; i < kSteps / 2; ++i) {  // nodes without names, and a value used many times
    v = tape.nodes[tape.add({.call = add, .inputs = {v, x}})].first_output;
    v = tape.nodes[tape.add({.call = relu, .inputs = {v}})].first_output;
  }
  const Gradient d = gradient(std::move(tape), {.heads = {v}, .wrt = {x}, .head_grads = {-1}});
  EXPECT_GE(d.grads[0], 0);
  EXPECT_EQ(std::count_if(d.graph.nodes.begin(), d.graph.nodes.end(),
                          [](const Graph::Node& n) { return n.phase == Phase::kForward; }),
            kSteps + 1);
}

}  // namespace heddle
