// Placement by ctx_group: devices per node, copies at the borders, stable value numbers.
#include <gmock/gmock.h>

#include "symbol/toys.h"

namespace heddle {

using toys::op;
using toys::var;

const Device kFirst{Device::kCpu, 1}, kSecond{Device::kCpu, 2}, kElse{Device::kCpu, 0};

Symbol two_groups() {
  const Symbol a = Symbol::apply(toys::call("toy_dense", {{"num_hidden", "4"}}), {var("x")}, {},
                                 "a", {{"ctx_group", "g1"}});
  const Symbol b = Symbol::apply(toys::call("toy_dense", {{"num_hidden", "4"}}), {a}, {}, "b",
                                 {{"ctx_group", "g2"}});
  return op("toy_relu", {b}, "out");
}

std::map<std::string, Device> devices_by_name(const Graph& g, const Placement& where) {
  std::map<std::string, Device> all;
  for (size_t i = 0; i < g.nodes.size(); ++i) all[g.nodes[i].name] = where[i];
  return all;
}

TEST(Place, OneDeviceChangesNothing) {
  Placement where;
  const Graph before = Graph::of(two_groups());
  const Graph g = place(before, {}, kElse, &where);
  EXPECT_EQ(g.nodes.size(), before.nodes.size());
  EXPECT_EQ(where, Placement(g.nodes.size(), kElse));
}

TEST(Place, CopiesWhereAValueChangesDevice) {
  Placement where;
  const Graph before = Graph::of(two_groups());
  const Graph g = place(before, {{"g1", kFirst}, {"g2", kSecond}}, kElse, &where);
  ASSERT_EQ(where.size(), g.nodes.size());
  const auto device = devices_by_name(g, where);
  EXPECT_EQ(device.at("a"), kFirst);
  EXPECT_EQ(device.at("a_weight"), kFirst);
  EXPECT_EQ(device.at("x"), kFirst);  // follows its reader
  EXPECT_EQ(device.at("b_bias"), kSecond);
  EXPECT_EQ(device.at("a_copy"), kSecond);
  EXPECT_EQ(device.at("b_copy"), kElse);
  EXPECT_EQ(g.nodes.size(), before.nodes.size() + 2);
  EXPECT_EQ(g.outputs, before.outputs);  // values keep their numbers
  const std::vector<int> old_producer = before.producers(), producer = g.producers();
  for (int v = 0; v < before.values; ++v)
    EXPECT_EQ(g.nodes[producer[v]].name, before.nodes[old_producer[v]].name);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (int v : g.nodes[i].inputs) EXPECT_LT(producer[v], int(i));
  for (const Graph::Node& n : g.nodes) EXPECT_EQ(n.phase, Phase::kForward);
}

TEST(Place, GradientsRunWhereTheirForwardDoes) {
  Graph g = Graph::of(two_groups());
  std::vector<int> wrt;
  for (const auto& n : g.nodes)
    if (n.name == "a_weight") wrt.push_back(n.first_output);
  const int head = g.outputs[0];
  const Gradient d = gradient(std::move(g), {.heads = {head}, .wrt = wrt, .head_grads = {-1}});
  Placement where;
  const Graph placed = place(d.graph, {{"g1", kFirst}, {"g2", kSecond}}, kElse, &where);
  const auto device = devices_by_name(placed, where);
  EXPECT_EQ(device.at("a_backward"), kFirst);
  EXPECT_EQ(device.at("b_backward"), kSecond);
  for (size_t i = 0; i < placed.nodes.size(); ++i)
    if (const int f = placed.nodes[i].forward; f >= 0 && placed.nodes[i].name == "a_backward") {
      EXPECT_EQ(placed.nodes[f].name, "a");
    }
  const ValueTypes t = infer(placed, {{"x", toys::shape({2, 3}, Dtype::kFloat32)}});
  EXPECT_EQ(t[d.grads[0]].shape, Shape({4, 3}));
}

}  // namespace heddle
