// Kernels that want their tensors in blocks: where reorders stand, how many, and what is left
// alone.
#include <gmock/gmock.h>

#include "heddle/layout.h"
#include "symbol/toys.h"

namespace heddle {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using toys::var;

const Layout kBlocked = Layout::channels(4), kPacked{{Layout::Block{0, 4}}};

void no_kernel(OpContext&, Inputs, Outputs) {}
void like_data(InferContext& c) { c.set_out(0, c.in(0)); }

// data and output in blocks of 4 channels, the weight in blocks of its first axis.
void block_wants(const Situation& s, StoredAs& as) {
  if (s.in[0].shape[1] % 4 != 0) return;
  as.in[0].layout = as.out[0].layout = kBlocked;
  as.in[1].layout = kPacked;
}

// blocky(data, weight): see above. follow(data): like its input. flat(data): in C order only.
// touch(data, state): in C order; changes state.
void define_once() {
  static const bool once = [] {
    OpTable& ops = OpTable::get();
    ops.define({.name = "blocky",
                .inputs = {{"data"}, {"weight"}},
                .infer = like_data,
                .cpu = no_kernel,
                .wants = block_wants});
    ops.define({.name = "follow", .cpu = no_kernel, .wants = wants_same});
    ops.define({.name = "flat", .cpu = no_kernel});
    ops.define({.name = "touch",
                .inputs = {{"data"}, {.name = "state", .role = Role::kAux}},
                .infer = like_data,
                .cpu = no_kernel});
    return true;
  }();
  (void)once;
}

Symbol op(const char* name, std::vector<Symbol> in, std::string node) {
  define_once();
  return Symbol::apply(make_call(OpTable::get().at(name), {}), std::move(in), {}, std::move(node));
}

Chosen choose(const Symbol& s, Shape data, bool fix_outputs = false, bool keep = false) {
  Graph g = Graph::of(s);
  std::map<std::string, ValueInfo, std::less<>> known;
  for (const std::string& name : s.inputs())
    known[name] = {name == "data" || name == "state" ? data : Shape{8, 8, 3, 3}, Dtype::kFloat32};
  ValueTypes types = infer_float32(g, known);
  std::vector<bool> fixed(g.values);
  for (int v : g.outputs) fixed[v] = fix_outputs;
  Placement where(g.nodes.size());
  return choose_kernels(std::move(g), std::move(where), std::move(types), fixed, false,
                        {.reordered = keep});
}

std::vector<std::string> names(const Graph& g) {
  std::vector<std::string> all;
  for (const Graph::Node& n : g.nodes)
    if (n.call) all.push_back(n.name);
  return all;
}

std::vector<std::string> reorders(const Graph& g) {
  std::vector<std::string> all;
  for (const Graph::Node& n : g.nodes)
    if (n.call && n.call->op->meaning == Meaning::kReorder) all.push_back(n.name);
  return all;
}

TEST(ChooseKernels, ChainsStayInBlocks) {
  const Symbol a = op("follow", {op("blocky", {var("data"), var("w1")}, "a")}, "a_relu");
  const Symbol b = op("follow", {op("blocky", {a, var("w2")}, "b")}, "b_relu");
  const Chosen c = choose(op("flat", {b}, "end"), {2, 8, 5, 5});
  EXPECT_THAT(names(c.graph), ElementsAre("data_reorder", "w1_reorder", "a", "a_relu", "w2_reorder",
                                          "b", "b_relu", "b_relu_reorder", "end"));
  for (size_t i = 0; i < c.graph.nodes.size(); ++i) {
    const Graph::Node& n = c.graph.nodes[i];
    if (!n.call) continue;
    ASSERT_NE(c.choices[i].kernel, nullptr) << n.name;
    for (size_t k = 0; k < n.inputs.size(); ++k)  // each gets what it asked for
      EXPECT_EQ(c.choices[i].in[k].layout, c.types[n.inputs[k]].layout) << n.name;
    EXPECT_EQ(c.choices[i].out[0].layout, c.types[n.first_output].layout) << n.name;
  }
}

TEST(ChooseKernels, WhereNobodyWantsBlocksTheGraphStays) {
  const Symbol s = op("follow", {op("flat", {var("data")}, "a")}, "b");
  const Graph before = Graph::of(s);
  const Chosen c = choose(s, {2, 8, 5, 5}, true);
  EXPECT_EQ(names(c.graph), names(before));
  EXPECT_TRUE(c.plain.empty());
  const Chosen odd = choose(op("blocky", {var("data"), var("w")}, "a"), {2, 6, 5, 5});
  EXPECT_THAT(reorders(odd.graph), ElementsAre());
}

TEST(ChooseKernels, OneReorderServesAllThatWantIt) {
  const Symbol x = var("data"), w = var("w1");
  const Symbol a = op("blocky", {x, w}, "a"), b = op("blocky", {x, w}, "b");
  const Symbol sum = Symbol::group({op("flat", {a}, "f"), op("flat", {a}, "g"), b});
  EXPECT_THAT(reorders(choose(sum, {2, 8, 5, 5}).graph),
              UnorderedElementsAre("data_reorder", "w1_reorder", "a_reorder"));
}

TEST(ChooseKernels, WhatOthersSeeEndsInOrder) {
  const Symbol a = op("blocky", {var("data"), var("w")}, "a");
  const Symbol s = Symbol::group({a, op("flat", {op("follow", {a}, "b")}, "c")});
  const Graph before = Graph::of(s);
  const Chosen c = choose(s, {2, 8, 5, 5}, true);
  const int value = before.outputs[0];
  ASSERT_EQ(c.plain.count(value), 1u);
  EXPECT_EQ(c.graph.outputs[0], c.plain.at(value));
  EXPECT_TRUE(c.types[c.plain.at(value)].layout.plain());
  EXPECT_EQ(c.types[value].layout, kBlocked);  // values keep their numbers
  EXPECT_EQ(c.graph.outputs[1], before.outputs[1]);
  const std::vector<int> producer = c.graph.producers();
  for (const Graph::Node& n : c.graph.nodes)
    if (n.name == "b") {
      EXPECT_EQ(n.inputs[0], value);  // who can read blocks does
    }
  EXPECT_EQ(c.graph.nodes[producer[value]].name, "a");
}

TEST(ChooseKernels, EqualBytesNeedNoReorder) {
  const Symbol a = op("blocky", {var("data"), var("w")}, "a");
  const Chosen c = choose(op("flat", {a}, "end"), {2, 8, 1, 1}, true);
  EXPECT_THAT(reorders(c.graph), ElementsAre("w_reorder"));
  for (size_t i = 0; i < c.graph.nodes.size(); ++i)
    if (c.graph.nodes[i].name == "a") {
      EXPECT_EQ(c.choices[i].in[0].layout, kBlocked);
    }
}

TEST(ChooseKernels, VariablesAreKeptInOrderOnlyWhenAsked) {
  const Symbol a = op("blocky", {var("data"), var("w")}, "a");
  const Symbol s = op("flat", {a}, "end");
  for (const bool keep : {false, true})
    for (const Graph::Node& n : choose(s, {2, 8, 5, 5}, false, keep).graph.nodes) {
      const bool variable = n.name == "data_reorder" || n.name == "w_reorder";
      EXPECT_EQ(n.phase, keep && variable ? Phase::kPrepare : Phase::kForward) << n.name;
    }
}

TEST(ChooseKernels, WhatChangesIsReorderedEachTime) {
  define_once();
  const Symbol state = var("state"), x = var("data");
  const Symbol a = op("blocky", {state, var("w")}, "a");
  const Symbol t = Symbol::apply(make_call(OpTable::get().at("touch"), {}), {x, state}, {}, "t");
  const Symbol b = op("blocky", {state, var("w")}, "b");
  const Chosen c = choose(Symbol::group({a, t, b}), {2, 8, 5, 5}, false, true);
  int count = 0;
  for (const Graph::Node& n : c.graph.nodes)
    if (n.name == "state_reorder") {
      EXPECT_EQ(n.phase, Phase::kForward);
      ++count;
    }
  EXPECT_EQ(count, 2);
}

TEST(ChooseKernels, NamesTheNodeThatHasNone) {
  define_once();
  Graph g = Graph::of(op("flat", {var("data")}, "end"));
  const ValueTypes types(size_t(g.values), {Shape{2}, Dtype::kFloat32});
  Placement where(g.nodes.size(), Device{Device::kFake, 0});
  const std::vector<bool> fixed(g.values);
  EXPECT_THAT(toys::error_of(
                  [&] { choose_kernels(std::move(g), std::move(where), types, fixed, false, {}); }),
              HasSubstr("Error in operator end: [flat] has no kernel"));
}

}  // namespace heddle
