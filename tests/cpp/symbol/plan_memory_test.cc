// Memory plans: no two live values overlap in any order that the graph allows, in place where
// records allow it, and an arena as small as the lower bound.
#include <gmock/gmock.h>

#include <numeric>
#include <random>

#include "symbol/pack.h"
#include "symbol/toys.h"

namespace heddle {

using toys::op;
using toys::var;

struct Planned {
  Graph g;
  ValueTypes t;
  std::vector<bool> outside;
  MemoryPlan plan;
  std::vector<std::vector<int>> after;
  std::vector<int64_t> scratch = {};
};

// Plans a graph whose variables, outputs and `more` are outside.
Planned plan_of(Graph g, const std::map<std::string, ValueInfo, std::less<>>& known,
                const std::vector<int>& more = {}, std::vector<int64_t> scratch = {}) {
  Planned p{.g = std::move(g), .t = {}, .outside = {}, .plan = {}, .after = {}};
  p.t = infer(p.g, known);
  p.outside.assign(p.g.values, false);
  for (const Graph::Node& n : p.g.nodes)
    if (!n.call) p.outside[n.first_output] = true;
  for (int v : p.g.outputs) p.outside[v] = true;
  for (int v : more) p.outside[v] = true;
  p.scratch = std::move(scratch);
  p.plan = plan_memory(p.g, p.t, p.outside, &p.after, 0, p.scratch);
  return p;
}

// Runs the nodes in a random order that edges allow, marking every byte with the value that was
// written last, and checks that each node finds its inputs.
void expect_safe(const Planned& p, unsigned seed) {
  const Graph& g = p.g;
  const std::vector<int> producer = g.producers();
  std::vector<std::vector<int>> next(g.nodes.size());
  std::vector<int> waits(g.nodes.size(), 0);
  auto edge = [&](int from, int to) {
    EXPECT_LT(from, to);
    next[from].push_back(to), ++waits[to];
  };
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    for (int v : g.nodes[i].inputs) edge(producer[v], int(i));
    for (int n : p.after[i]) edge(n, int(i));
  }
  std::vector<int> ready, memory(p.plan.arena_bytes / 64, -1);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (waits[i] == 0) ready.push_back(int(i));
  auto blocks = [&](int v) {
    const int64_t bytes = p.t[v].shape.size() * dtype_size(p.t[v].dtype);
    return std::pair(p.plan.offset[v] / 64, (p.plan.offset[v] + bytes + 63) / 64);
  };
  std::mt19937 random(seed);
  size_t ran = 0;
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    const int node = ready.back();
    ready.pop_back(), ++ran;
    const Graph::Node& n = g.nodes[node];
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (const int v = n.inputs[k]; p.plan.offset[v] >= 0 && !n.call->inputs[k].shape_only)
        for (auto [at, end] = blocks(v); at < end; ++at) {
          ASSERT_EQ(memory[at], v) << n.name;
        }
    for (int64_t b = 0; !p.scratch.empty() && b < p.scratch[size_t(node)] / 64; ++b)
      memory[size_t(p.plan.scratch[size_t(node)] / 64 + b)] = -1;
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v)
      if (p.plan.offset[v] >= 0)
        for (auto [at, end] = blocks(v); at < end; ++at) memory[at] = v;
    // Outputs may take the place of an input that is read only where the plan says so.
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (const int v = n.inputs[k]; p.plan.offset[v] >= 0 && !n.call->inputs[k].shape_only)
        for (auto [at, end] = blocks(v); at < end; ++at)
          if (memory[at] != v) {
            ASSERT_EQ(p.plan.shares[memory[at]], v);
          }
    for (int to : next[node])
      if (--waits[to] == 0) ready.push_back(to);
  }
  EXPECT_EQ(ran, g.nodes.size());
}

Gradient training_graph(const Symbol& s) {
  Graph g = Graph::of(s);
  GradientSpec spec{.heads = g.outputs, .wrt = {}, .head_grads = {}};
  spec.head_grads.assign(spec.heads.size(), -1);
  for (const Graph::Node& n : g.nodes)
    if (!n.call) spec.wrt.push_back(n.first_output);
  return gradient(std::move(g), spec);
}

TEST(PlanMemory, ChainsNeedTwoValuesAtMost) {
  Symbol s = var("x");
  for (int i = 0; i < 20; ++i) s = op("toy_square", {s}, format("s{}", i));
  const Planned p = plan_of(Graph::of(s), {{"x", toys::shape({16}, Dtype::kFloat32)}});
  EXPECT_EQ(p.plan.arena_bytes, 128);
  EXPECT_EQ(p.plan.peak_live_bytes, 128);
  expect_safe(p, 1);
}

// While a node works, its scratch memory meets neither what it reads nor what it makes, and in any
// order that the edges allow nobody's.
TEST(PlanMemory, ScratchMemoryIsThereWhileItsNodeRuns) {
  std::vector<Symbol> ends;
  for (int chain = 0; chain < 3; ++chain) {
    Symbol s = var("x");
    for (int i = 0; i < 6; ++i) s = op("toy_square", {s}, format("s{}_{}", chain, i));
    ends.push_back(s);
  }
  const Graph g = Graph::of(Symbol::group(ends));
  std::vector<int64_t> scratch(g.nodes.size(), 0);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (g.nodes[i].call && i % 3 != 0) scratch[i] = 64 * int64_t(1 + i % 4);
  const Planned p = plan_of(g, {{"x", toys::shape({16}, Dtype::kFloat32)}}, {}, scratch);
  EXPECT_GE(p.plan.peak_live_bytes, 64 + 256);
  EXPECT_EQ(p.plan.arena_bytes, p.plan.peak_live_bytes);
  for (unsigned seed = 0; seed < 20; ++seed) expect_safe(p, seed);
}

TEST(PlanMemory, InPlaceChainsNeedOne) {
  Symbol s = op("toy_square", {var("x")}, "s");
  for (int i = 0; i < 20; ++i) s = op("toy_relu", {s}, format("r{}", i));
  const Planned p = plan_of(Graph::of(s), {{"x", toys::shape({16}, Dtype::kFloat32)}});
  EXPECT_EQ(p.plan.arena_bytes, 64);
  int shared = 0;
  for (int v : p.plan.shares) shared += v >= 0;
  EXPECT_EQ(shared, 19);  // the last is an output
  expect_safe(p, 1);
}

TEST(PlanMemory, ValuesWithLaterReadersAreNotOverwritten) {
  const Symbol a = op("toy_square", {var("x")}, "a"), r = op("toy_relu", {a}, "r");
  const Planned p =
      plan_of(Graph::of(op("toy_mul", {r, a}, "m")), {{"x", toys::shape({16}, Dtype::kFloat32)}});
  for (int v : p.plan.shares) EXPECT_EQ(v, -1);
  expect_safe(p, 1);
}

TEST(PlanMemory, EarlierReadersComeBeforeTheOverwriter) {
  const Symbol a = op("toy_square", {var("x")}, "a"), m = op("toy_square", {a}, "m");
  const Symbol r = op("toy_relu", {a}, "r");  // after m in the graph's order, in place on a
  const Planned p =
      plan_of(Graph::of(Symbol::group({op("toy_square", {m}, "o1"), op("toy_square", {r}, "o2")})),
              {{"x", toys::shape({16}, Dtype::kFloat32)}});
  for (unsigned seed = 0; seed < 20; ++seed) expect_safe(p, seed);
}

TEST(PlanMemory, AValueReadTwiceByOneNodeStays) {
  const Symbol a = op("toy_square", {var("x")}, "a");
  const Planned p = plan_of(Graph::of(op("toy_square", {op("toy_add", {a, a}, "s")}, "o")),
                            {{"x", toys::shape({16}, Dtype::kFloat32)}});
  for (int v : p.plan.shares) EXPECT_EQ(v, -1);
}

TEST(PlanMemory, UnreadOutputsTakeNoMemory) {
  const Symbol parts = op("toy_cut", {op("toy_square", {var("x")}, "a")}, "cut");
  const Planned p = plan_of(Graph::of(op("toy_square", {parts[1]}, "o")),
                            {{"x", toys::shape({32}, Dtype::kFloat32)}});
  int unused = 0;
  for (int64_t o : p.plan.offset) unused += o == MemoryPlan::kUnused;
  EXPECT_EQ(unused, 1);
}

TEST(PlanMemory, TrainingNets) {
  Symbol s = var("data");
  for (int i = 0; i < 12; ++i) {
    s = op("toy_dense", {s}, format("fc{}", i), {{"num_hidden", std::to_string(10 + 37 * i % 50)}});
    s = op("toy_relu", {s}, format("relu{}", i));
  }
  Gradient d = training_graph(op("toy_loss", {s}, "loss"));
  const Planned p = plan_of(d.graph, {{"data", toys::shape({9, 21}, Dtype::kFloat32)}}, d.grads);
  EXPECT_EQ(p.plan.arena_bytes, p.plan.peak_live_bytes);
  for (unsigned seed = 0; seed < 10; ++seed) expect_safe(p, seed);
}

TEST(PlanMemory, RandomGraphsAreSafe) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    std::vector<Symbol> values = {var("x")};
    for (int i = 0; i < 60; ++i) {
      const size_t from = values.size() - 1 - random() % std::min<size_t>(values.size(), 6);
      const std::string name = format("n{}", i);
      switch (random() % 4) {
        case 0:
          values.push_back(op("toy_square", {values[from]}, name));
          break;
        case 1:
          values.push_back(op("toy_relu", {values[from]}, name));
          break;
        case 2:
          values.push_back(op("toy_add", {values[from], values.back()}, name));
          break;
        default:
          values.push_back(op("toy_mul", {values.back(), values[from]}, name));
      }
    }
    Gradient d = training_graph(values.back());
    const Planned p = plan_of(d.graph, {{"x", toys::shape({100}, Dtype::kFloat32)}}, d.grads);
    EXPECT_LE(p.plan.peak_live_bytes, p.plan.arena_bytes);
    for (unsigned order = 0; order < 5; ++order) expect_safe(p, order);
  }
}

TEST(PlanMemory, ChangesOfAuxiliaryStatesKeepTheirOrder) {
  const Symbol mean = var("mean");
  const Symbol a = op("toy_norm", {var("x"), var("g"), mean}, "a");
  const Symbol b = op("toy_norm", {var("y"), var("g2"), mean}, "b");
  const Planned p =
      plan_of(Graph::of(Symbol::group({a, b})),
              {{"x", toys::shape({4}, Dtype::kFloat32)}, {"y", toys::shape({4}, Dtype::kFloat32)}});
  int first = -1;
  for (size_t i = 0; i < p.g.nodes.size(); ++i) {
    if (p.g.nodes[i].name == "a") first = int(i);
    if (p.g.nodes[i].name == "b") {
      EXPECT_THAT(p.after[i], testing::Contains(first));
    }
  }
}

TEST(PlanMemory, UnknownShapesNameTheNode) {
  EXPECT_THAT(toys::error_of([] {
                plan_of(Graph::of(op("toy_square", {op("toy_square", {var("x")}, "first")}, "o")),
                        {});
              }),
              testing::HasSubstr("Error in operator first"));
}

TEST(Pack, NeverOverlapsAndStaysNearTheBound) {
  double worst = 1;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<memory::Block> blocks;
    for (int i = 0; i < 120; ++i)
      blocks.push_back(
          {.bytes = 64 * int64_t(random() % 40), .begin = i, .end = i + 1 + int(random() % 25)});
    const int64_t bound = memory::peak_live(blocks), arena = memory::pack(blocks);
    for (size_t i = 0; i < blocks.size(); ++i) {
      const auto& a = blocks[i];
      EXPECT_EQ(a.offset % 64, 0);
      EXPECT_LE(a.offset + a.bytes, arena);
      for (size_t j = 0; j < i; ++j) {
        const auto& b = blocks[j];
        const bool together = a.begin <= b.end && b.begin <= a.end;
        const bool overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        EXPECT_FALSE(together && overlap && a.bytes && b.bytes);
      }
    }
    worst = std::max(worst, double(arena) / double(bound));
  }
  EXPECT_LT(worst, 1.15);
}

TEST(Pack, ManyBlocksTakeLittleTime) {
  std::vector<memory::Block> blocks;
  for (int i = 0; i < 500'000; ++i)
    blocks.push_back({.bytes = 64 * (1 + i * 37 % 50), .begin = i, .end = i + 1 + i * 13 % 7});
  const int64_t bound = memory::peak_live(blocks), arena = memory::pack(blocks);
  EXPECT_LE(bound, arena);
  EXPECT_LE(arena, 2 * bound);
}

}  // namespace heddle
