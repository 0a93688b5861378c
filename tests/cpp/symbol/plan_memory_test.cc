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

std::vector<Views> views_of(const Graph& g, const ValueTypes& t) {
  std::vector<Choice> plain(g.nodes.size());
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    plain[i].in.resize(g.nodes[i].inputs.size());
    plain[i].out.resize(size_t(g.nodes[i].outputs()));
  }
  return find_views(g, t, plain);
}

// Plans a graph whose variables, outputs and `more` are outside.
Planned plan_of(Graph g, const std::map<std::string, ValueInfo, std::less<>>& known,
                const std::vector<int>& more = {}, std::vector<int64_t> scratch = {},
                bool views = false) {
  Planned p{.g = std::move(g), .t = {}, .outside = {}, .plan = {}, .after = {}};
  p.t = infer(p.g, known);
  p.outside.assign(p.g.values, false);
  for (const Graph::Node& n : p.g.nodes)
    if (!n.call) p.outside[n.first_output] = true;
  for (int v : p.g.outputs) p.outside[v] = true;
  for (int v : more) p.outside[v] = true;
  p.scratch = std::move(scratch);
  p.plan = plan_memory(p.g, p.t, p.outside, &p.after, 0, p.scratch,
                       views ? views_of(p.g, p.t) : std::vector<Views>{});
  return p;
}

// Runs the nodes in a random order that edges allow, and checks that each finds its inputs: every
// four bytes that a node writes get a number of their own, and what lies still is made of those of
// others.
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
  std::vector<int> ready, memory(p.plan.arena_bytes / 4, -1);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (waits[i] == 0) ready.push_back(int(i));
  const auto size = [&](int v) {
    return size_t(p.t[v].shape.size() * dtype_size(p.t[v].dtype) / 4);
  };
  std::vector<std::vector<int>> holds(size_t(g.values));  // value -> its numbers
  const auto is_there = [&](int v) {
    return std::equal(holds[v].begin(), holds[v].end(), memory.begin() + p.plan.offset[v] / 4);
  };
  std::mt19937 random(seed);
  size_t ran = 0;
  int number = 0;
  while (!ready.empty()) {
    std::swap(ready[random() % ready.size()], ready.back());
    const int node = ready.back();
    ready.pop_back(), ++ran;
    const Graph::Node& n = g.nodes[node];
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (const int v = n.inputs[k]; p.plan.offset[v] >= 0 && !n.call->inputs[k].shape_only) {
        ASSERT_TRUE(is_there(v)) << n.name << " reads " << v;
      }
    const bool still = !p.plan.still.empty() && p.plan.still[size_t(node)];
    for (int64_t b = 0; !p.scratch.empty() && !still && b < p.scratch[size_t(node)] / 4; ++b)
      memory[size_t(p.plan.scratch[size_t(node)] / 4 + b)] = -1;
    std::vector<int> from;  // what the outputs of a node that lies still consist of
    if (still)
      for (int v : n.inputs) from.insert(from.end(), holds[v].begin(), holds[v].end());
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) {
      if (still) {
        holds[v].assign(from.begin(), from.begin() + int64_t(size(v)));
        from.erase(from.begin(), from.begin() + int64_t(size(v)));
        continue;
      }
      for (size_t i = 0; i < size(v); ++i) holds[v].push_back(number++);
      if (p.plan.offset[v] >= 0)
        std::copy(holds[v].begin(), holds[v].end(), memory.begin() + p.plan.offset[v] / 4);
    }
    // Outputs may take the place of an input only where the plan says so.
    for (size_t k = 0; !still && k < n.inputs.size(); ++k)
      if (const int v = n.inputs[k];
          p.plan.offset[v] >= 0 && !n.call->inputs[k].shape_only && !is_there(v)) {
        bool shared = false;
        for (int o = n.first_output; o < n.first_output + n.outputs(); ++o)
          shared |= p.plan.shares[o] == v;
        EXPECT_TRUE(shared) << n.name << " writes over " << v;
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

// --- views ---
TEST(PlanMemory, PartsLieInWhatTheyArePartsOf) {
  const Symbol a = op("toy_square", {var("x")}, "a");
  const Symbol halves = op("toy_cut", {a}, "cut");
  const Symbol y = op("toy_mul", {halves[0], halves[1]}, "y");
  const Planned p = plan_of(Graph::of(op("toy_square", {y}, "o")),
                            {{"x", toys::shape({64}, Dtype::kFloat32)}}, {}, {}, true);
  EXPECT_EQ(p.plan.arena_bytes, 256 + 128);  // a, and y; not the halves
  EXPECT_EQ(std::count(p.plan.still.begin(), p.plan.still.end(), 1), 1);
  ASSERT_EQ(p.plan.pieces.size(), 2u);
  EXPECT_EQ(p.plan.pieces[0].bytes, 256);
  expect_safe(p, 1);
}

TEST(PlanMemory, PartsAreComputedWithinWhatTheyAreJoinedTo) {
  const auto branch = [](std::string name) {  // the last of it is written over what comes before
    return op("toy_relu", {op("toy_square", {var("x")}, name)}, name + "_relu");
  };
  const Symbol one = op("toy_join", {branch("a"), branch("b")}, "one", {{"num_args", "2"}});
  const Symbol all = op("toy_join", {one, branch("c")}, "all", {{"num_args", "2"}});
  const Planned p = plan_of(Graph::of(op("toy_square", {all}, "o")),
                            {{"x", toys::shape({64}, Dtype::kFloat32)}}, {}, {}, true);
  EXPECT_EQ(p.plan.arena_bytes, 3 * 256);
  EXPECT_EQ(std::count(p.plan.still.begin(), p.plan.still.end(), 1), 2);
  for (unsigned order = 0; order < 20; ++order) expect_safe(p, order);
}

TEST(PlanMemory, NothingIsClaimedThatMakesTheArenaLarger) {
  const Symbol early = op("toy_square", {var("x")}, "early");  // waits for the end
  Symbol s = op("toy_cut", {early}, "cut")[0];
  for (int i = 0; i < 3; ++i) s = op("toy_join", {s, s}, format("wide{}", i), {{"num_args", "2"}});
  for (int i = 0; i < 6; ++i) s = op("toy_square", {s}, format("s{}", i));
  s = op("toy_join", {early, s}, "last", {{"num_args", "2"}});
  const Graph g = Graph::of(op("toy_square", {s}, "o"));
  const std::map<std::string, ValueInfo, std::less<>> x = {
      {"x", toys::shape({64}, Dtype::kFloat32)}};
  const Planned with = plan_of(g, x, {}, {}, true), without = plan_of(g, x);
  EXPECT_LE(with.plan.arena_bytes, without.plan.arena_bytes);
  for (unsigned order = 0; order < 10; ++order) expect_safe(with, order);
}

TEST(PlanMemory, RandomGraphsOfPartsAreSafe) {
  int still = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::pair<Symbol, int>> values = {{op("toy_square", {var("x")}, "first"), 64}};
    for (int i = 0; i < 40; ++i) {
      const std::string name = format("n{}", i);
      const auto pick = [&] {
        return values[values.size() - 1 - random() % std::min<size_t>(values.size(), 5)];
      };
      const auto [a, n] = pick();
      const auto [b, m] = pick();
      switch (random() % 7) {
        case 0:
        case 1:
          values.emplace_back(op("toy_relu", {a}, name), n);
          break;
        case 2:
          values.emplace_back(op("toy_square", {a}, name), n);
          break;
        case 3:
          if (n == m) values.emplace_back(op("toy_mul", {a, b}, name), n);
          break;
        case 4: {
          if (n < 4) break;
          const Symbol halves = op("toy_cut", {a}, name);
          values.emplace_back(halves[0], n / 2);
          if (random() % 2) values.emplace_back(halves[1], n / 2);
          break;
        }
        default:
          if (n + m <= 1024)
            values.emplace_back(op("toy_join", {a, b}, name, {{"num_args", "2"}}), n + m);
      }
    }
    Graph g = Graph::of(op("toy_square", {values.back().first}, "o"));
    std::vector<int64_t> scratch(g.nodes.size(), 0);
    for (size_t i = 0; i < g.nodes.size(); ++i)
      if (g.nodes[i].call && random() % 4 == 0) scratch[i] = 64 * int64_t(1 + random() % 4);
    const std::map<std::string, ValueInfo, std::less<>> x = {
        {"x", toys::shape({64}, Dtype::kFloat32)}};
    const Planned p = plan_of(g, x, {}, scratch, true);
    EXPECT_LE(p.plan.arena_bytes, plan_of(g, x, {}, scratch).plan.arena_bytes);
    still += int(std::count(p.plan.still.begin(), p.plan.still.end(), 1));
    for (unsigned order = 0; order < 5; ++order) expect_safe(p, order);
  }
  EXPECT_GT(still, 1000);
}

TEST(PlanMemory, GradientsOfPartsAreSafe) {
  Symbol s = op("toy_square", {var("x")}, "first");
  for (int i = 0; i < 10; ++i) {
    const Symbol halves = op("toy_cut", {s}, format("cut{}", i));
    const Symbol y = op("toy_relu", {halves[1]}, format("relu{}", i));
    s = op("toy_dense", {op("toy_mul", {halves[0], y}, format("mul{}", i))}, format("fc{}", i),
           {{"num_hidden", "32"}});
  }
  Gradient d = training_graph(op("toy_square", {s}, "o"));
  const Planned p =
      plan_of(d.graph, {{"x", toys::shape({1024, 32}, Dtype::kFloat32)}}, d.grads, {}, true);
  EXPECT_GT(std::count(p.plan.still.begin(), p.plan.still.end(), 1), 10);
  for (unsigned order = 0; order < 10; ++order) expect_safe(p, order);
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
