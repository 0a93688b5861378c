// Inference over whole graphs: forward, backward, to a fixed point, with errors that name the node.
#include <gmock/gmock.h>

#include "symbol/toys.h"

namespace heddle {

using testing::HasSubstr;
using toys::op;
using toys::shape;
using toys::var;

int value_of(const Graph& g, std::string_view node, int output = 0) {
  for (const Graph::Node& n : g.nodes)
    if (n.name == node) return n.first_output + output;
  ADD_FAILURE() << "no node " << node;
  return 0;
}

TEST(Infer, FillsParametersFromData) {
  const Graph g = Graph::of(toys::mlp());
  const ValueTypes t = infer(g, {{"data", shape({5, 3}, Dtype::kFloat16)}});
  EXPECT_EQ(t[value_of(g, "fc1_weight")].shape, Shape({4, 3}));
  EXPECT_EQ(t[value_of(g, "fc2_bias")].shape, Shape({2}));
  EXPECT_EQ(t[value_of(g, "loss_label")].shape, Shape({5, 2}));
  EXPECT_EQ(t[value_of(g, "loss")].dtype, Dtype::kFloat16);
  EXPECT_EQ(t[value_of(g, "fc2_weight")].dtype, Dtype::kFloat16);
  EXPECT_EQ(t[value_of(g, "fc2_weight")].stype, Stype::kDense);
}

TEST(Infer, LeavesWhatItCannotKnow) {
  const Graph g = Graph::of(toys::mlp());
  const ValueTypes t = infer(g, {});
  EXPECT_FALSE(t[value_of(g, "data")].shape.has_rank());
  EXPECT_EQ(t[value_of(g, "fc1_bias")].shape, Shape({4}));
  EXPECT_EQ(t[value_of(g, "data")].dtype, Dtype::kUnknown);
}

TEST(Infer, GoesBackward) {
  Symbol s = var("x");
  for (int i = 0; i < 5; ++i) s = op("toy_relu", {s}, format("r{}", i));
  const Graph g = Graph::of(op("toy_add", {s, var("y")}, "sum"));
  const ValueTypes t = infer(g, {{"y", shape({2, 7}, Dtype::kInt32)}});
  EXPECT_EQ(t[value_of(g, "x")].shape, Shape({2, 7}));
  EXPECT_EQ(t[value_of(g, "x")].dtype, Dtype::kInt32);
}

TEST(Infer, MergesPartialShapes) {
  const Graph g = Graph::of(op("toy_add", {var("a"), var("b")}, "sum"));
  const ValueTypes t = infer(g, {{"a", shape({2, -1})}, {"b", shape({-1, 3})}});
  EXPECT_EQ(t[value_of(g, "a")].shape, Shape({2, 3}));
  EXPECT_EQ(t[value_of(g, "sum")].shape, Shape({2, 3}));
}

TEST(Infer, UsesAttributesOfVariables) {
  const Symbol x = var("x", {{"__shape__", "(0, 10)"}, {"__dtype__", "1"}});
  const Graph g = Graph::of(op("toy_relu", {x}, "r"));
  const ValueTypes t = infer(g, {{"x", shape({4, -1})}});
  EXPECT_EQ(t[value_of(g, "r")].shape, Shape({4, 10}));
  EXPECT_EQ(t[value_of(g, "r")].dtype, Dtype::kFloat64);
  const ValueTypes given = infer(g, {{"x", shape({4, 5}, Dtype::kInt8)}});  // is stronger
  EXPECT_EQ(given[value_of(g, "r")].shape, Shape({4, 5}));
  EXPECT_EQ(given[value_of(g, "r")].dtype, Dtype::kInt8);
  for (const Kwargs& bad : {Kwargs{{"__shape__", "(a)"}}, Kwargs{{"__dtype__", "99"}},
                            Kwargs{{"__dtype__", "9"}}, Kwargs{{"__storage_type__", "x"}}})
    EXPECT_THAT(toys::error_of([&] { infer(Graph::of(var("bad", bad)), {}); }),
                HasSubstr("variable bad: cannot read __"));
}

TEST(Infer, ConflictsNameTheNode) {
  const Graph g = Graph::of(toys::mlp());
  EXPECT_EQ(toys::error_of([&] {
              infer(g, {{"data", shape({5, 3})}, {"fc1_weight", shape({2, 3})}});
            }),
            "Error in operator fc1: [toy_dense] weight has shape (2,3), expected (4,3)");
  EXPECT_EQ(toys::error_of([&] {
              infer(Graph::of(op("toy_add", {var("a"), var("b")}, "sum")),
                    {{"a", shape({2}, Dtype::kFloat32)}, {"b", shape({2}, Dtype::kInt8)}});
            }),
            "Error in operator sum: [toy_add] rhs has dtype int8, expected float32");
}

TEST(Infer, OneValueReadTwiceIsOneValue) {
  const Symbol x = var("x");
  const Graph g =
      Graph::of(op("toy_dense", {x, x}, "fc", {{"num_hidden", "3"}, {"no_bias", "True"}}));
  EXPECT_EQ(infer(g, {{"x", shape({3, 3})}})[value_of(g, "fc")].shape, Shape({3, 3}));
  EXPECT_THAT(toys::error_of([&] {
                infer(g, {{"x", shape({2, 3})}});
              }),
              HasSubstr("weight has shape (2,3), expected (3,3)"));
}

TEST(Infer, GradientsHaveTheTypesOfTheirForward) {
  Graph g = Graph::of(toys::mlp());
  const int data = value_of(g, "data"), w = value_of(g, "fc1_weight"), out = g.outputs[0];
  const Gradient d = gradient(std::move(g), {.heads = {out}, .wrt = {data, w}, .head_grads = {-1}});
  const ValueTypes t = infer(d.graph, {{"data", shape({5, 3}, Dtype::kFloat64)}});
  EXPECT_EQ(t[d.grads[0]].shape, Shape({5, 3}));
  EXPECT_EQ(t[d.grads[1]].shape, Shape({4, 3}));
  EXPECT_EQ(t[d.grads[1]].dtype, Dtype::kFloat64);
}

TEST(Infer, LongChainsTakeLinearTime) {
  constexpr int kSteps = 300'000;
  const auto relu = toys::call("toy_relu");
  Symbol s = var("x");
  for (int i = 0; i < kSteps; ++i) s = Symbol::apply(relu, {s}, {}, "r");
  const Graph g = Graph::of(op("toy_add", {s, var("y")}, "sum"));
  for (const char* known : {"x", "y"}) {  // forward, and backward from the far end
    const ValueTypes t = infer(g, {{known, shape({2}, Dtype::kFloat32)}});
    EXPECT_EQ(t[0].shape, Shape({2}));
    EXPECT_EQ(t[g.outputs[0]].dtype, Dtype::kFloat32);
  }
}

}  // namespace heddle
