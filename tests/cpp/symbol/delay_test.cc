// Nodes that wait for their readers: an unrolled network whose inputs' products all come first.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "symbol/toys.h"

namespace heddle {

using toys::op;
using toys::var;

// h[t] = relu(wide(x[t]) + h[t-1]), where the inputs' side is named first, as in a recurrent cell.
Symbol unrolled(int steps) {
  Symbol h = var("h");
  for (int t = 0; t < steps; ++t) {
    const std::string n = std::to_string(t);
    const Symbol wide =
        op("toy_dense", {var("x" + n), var("w"), var("b")}, "wide" + n, {{"num_hidden", "8"}});
    h = op("toy_relu", {op("toy_add", {wide, h}, "sum" + n)}, "h" + n);
  }
  return h;
}

std::vector<int64_t> sizes(const Graph& g, int64_t each) {
  std::vector<int64_t> bytes(size_t(g.values), each);
  for (const Graph::Node& n : g.nodes)
    if (!n.call) bytes[n.first_output] = 0;
  return bytes;
}

int position(const Graph& g, const std::string& name) {
  const auto at = std::find_if(g.nodes.begin(), g.nodes.end(),
                               [&](const Graph::Node& n) { return n.name == name; });
  return int(at - g.nodes.begin());
}

void expect_in_order(const Graph& g) {
  const std::vector<int> producer = g.producers();
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (int v : g.nodes[i].inputs) EXPECT_LT(producer[v], int(i)) << g.nodes[i].name;
}

TEST(Delay, ProductsOfInputsComeWithTheirSteps) {
  const Graph before = Graph::of(unrolled(40));
  EXPECT_LT(position(before, "wide39"), position(before, "sum0"));  // what the symbol's order says
  EXPECT_TRUE(asks_for_delay(before));
  std::vector<int> node_of;
  const Graph after = delay(Graph(before), sizes(before, 100), &node_of);
  expect_in_order(after);
  EXPECT_FALSE(asks_for_delay(after) && position(after, "wide39") < position(after, "h38"));
  for (int t = 1; t < 40; ++t)
    EXPECT_GT(position(after, "wide" + std::to_string(t)),
              position(after, "h" + std::to_string(t - 1)));
  for (size_t i = 0; i < before.nodes.size(); ++i) {
    EXPECT_EQ(after.nodes[node_of[i]].name, before.nodes[i].name);
    EXPECT_EQ(after.nodes[node_of[i]].stream, before.nodes[i].stream);  // the same random numbers
  }
  EXPECT_EQ(after.outputs, before.outputs);
}

TEST(Delay, WhatWouldKeepMoreStays) {
  const Graph before = Graph::of(unrolled(40));
  std::vector<int64_t> bytes = sizes(before, 100);
  for (const Graph::Node& n : before.nodes)
    if (n.name.starts_with("x")) bytes[n.first_output] = 101;  // larger than its product
  std::vector<int> node_of;
  const Graph after = delay(Graph(before), bytes, &node_of);
  for (size_t i = 0; i < node_of.size(); ++i) EXPECT_EQ(node_of[i], int(i));
}

TEST(Delay, ShortGraphsAreNotLookedAt) { EXPECT_FALSE(asks_for_delay(Graph::of(toys::mlp()))); }

TEST(Delay, RandomGraphsStayInOrder) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Symbol> all = {var("a"), var("b")};
    for (int i = 0; i < 30; ++i) {
      const auto any = [&] { return all[random() % all.size()]; };
      all.push_back(op("toy_add", {any(), any()}, "n" + std::to_string(i)));
    }
    const Graph before = Graph::of(op("toy_add", {all[all.size() - 2], all.back()}, "last"));
    std::vector<int64_t> bytes(size_t(before.values));
    for (int64_t& n : bytes) n = int64_t(random() % 1000);
    std::vector<int> node_of;
    const Graph after = delay(Graph(before), bytes, &node_of);
    expect_in_order(after);
    ASSERT_EQ(after.nodes.size(), before.nodes.size());
    EXPECT_EQ(after.outputs, before.outputs);
  }
}

}  // namespace heddle
