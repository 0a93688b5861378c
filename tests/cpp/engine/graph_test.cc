// Prepared graphs: order inside, early release, errors, replay.
#include <algorithm>
#include <barrier>
#include <latch>
#include <random>
#include <thread>

#include "engine/support.h"

namespace heddle {

TEST_P(EveryEngine, AfterOrdersNodes) {
  std::vector<int> order;
  std::vector<GraphTask> nodes;
  for (int i = 0; i < 50; ++i)
    nodes.push_back({task([&order, i] { order.push_back(i); }, {}),
                     i ? std::vector{i - 1} : std::vector<int>{}});
  GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  engine->push(graph);
  engine->wait_all();
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i % 50);
}

TEST_P(EveryEngine, ConflictsOrderNodesAsListed) {
  Var a = Var::make(), b = Var::make();
  int x = 0, y = 0;
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { x = 1; }, {overwrite(a)})});
  nodes.push_back({task([&] { y = x + 1; }, {read(a), overwrite(b)})});
  nodes.push_back({task([&] { x = 10 * x; }, {update(a)})});
  nodes.push_back({task([&] { y = y + x; }, {read(a), update(b)})});
  GraphRef graph = engine->prepare(std::move(nodes));
  for (int i = 0; i < 200; ++i) {
    engine->push(graph);
    engine->wait(b);
    ASSERT_EQ(y, 12);
    ASSERT_EQ(x, 10);
  }
  EXPECT_EQ(a.version(), 400u);
}

TEST_P(WorkerEngine, IndependentNodesOverlap) {
  std::barrier both(2);
  std::vector<GraphTask> nodes;
  for (int i = 0; i < 2; ++i) nodes.push_back({task([&] { both.arrive_and_wait(); }, {})});
  GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  engine->push(graph);
  engine->wait_all();
}

// The first node's variable is free while the last node still runs: the task pushed afterwards is
// what lets that node end.
TEST_P(WorkerEngine, AVariableIsReleasedWithItsLastNode) {
  Var early = Var::make(), late = Var::make();
  std::latch read_early(1);
  std::vector<GraphTask> nodes;
  nodes.push_back({task([] {}, {overwrite(early)})});
  nodes.push_back({task([&] { read_early.wait(); }, {overwrite(late)}), {0}});
  GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  engine->push(task([&] { read_early.count_down(); }, {read(early)}));
  engine->wait(late);
}

// A node starts when its own variables are there, whatever holds up the others.
TEST_P(WorkerEngine, ANodeWaitsForItsOwnVariablesOnly) {
  Var free = Var::make(), held = Var::make();
  std::latch ran(1);
  engine->push(task([&] { ran.wait(); }, {update(held)}));
  std::vector<GraphTask> nodes;
  nodes.push_back({task([] {}, {update(held)})});
  nodes.push_back({task([&] { ran.count_down(); }, {update(free)})});
  engine->push(engine->prepare(std::move(nodes)));
  engine->wait_all();
}

TEST_P(EveryEngine, TasksAndGraphsOnOneVariableRunInTheOrderOfTheirPushes) {
  Var a = Var::make();
  std::vector<int> seen;
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { seen.push_back(1); }, {update(a)})});
  nodes.push_back({task([&] { seen.push_back(2); }, {update(a)})});
  GraphRef graph = engine->prepare(std::move(nodes));
  for (int i = 0; i < 100; ++i) {
    engine->push(task([&] { seen.push_back(0); }, {update(a)}));
    engine->push(graph);
  }
  engine->wait(a);
  ASSERT_EQ(seen.size(), 300u);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(seen[i], i % 3);
}

TEST_P(EveryEngine, AFailedNodePoisonsAndSkipsWhatFollows) {
  Var a = Var::make(), b = Var::make(), c = Var::make(), d = Var::make();
  std::atomic<int> ran{0};
  bool broken = true;
  std::vector<GraphTask> nodes;
  nodes.push_back({task(
      [&] {
        if (broken) throw Error("node broke");
      },
      {overwrite(a)}, "Broken")});
  nodes.push_back({task([&] { ++ran; }, {read(a), overwrite(b)})});  // by the variable
  nodes.push_back({task([&] { ++ran; }, {overwrite(c)}), {0}});      // by `after`
  nodes.push_back({task([&] { ran += 100; }, {overwrite(d)})});      // unrelated
  GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  EXPECT_EQ(what_of([&] { engine->wait(b); }), "node broke [in task Broken]");
  engine->wait(d);
  EXPECT_NO_THROW(engine->wait_all());
  EXPECT_EQ(ran, 100);
  EXPECT_TRUE(a.poisoned() && b.poisoned() && c.poisoned());
  EXPECT_FALSE(d.poisoned());
  broken = false;
  engine->push(graph);
  engine->wait_all();
  EXPECT_EQ(ran, 202);
  EXPECT_FALSE(a.poisoned() || b.poisoned() || c.poisoned());
}

TEST_P(EveryEngine, APoisonedOutsideVariableSkipsTheNodesThatNeedIt) {
  Var a = Var::make(), b = Var::make(), c = Var::make();
  engine->push(task([] { throw Error("outside"); }, {update(a)}));
  std::atomic<int> ran{0};
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { ++ran; }, {read(a), overwrite(b)})});
  nodes.push_back({task([&] { ++ran; }, {overwrite(c)})});
  engine->push(engine->prepare(std::move(nodes)));
  EXPECT_THROW(engine->wait(b), Error);
  EXPECT_NO_THROW(engine->wait(c));
  EXPECT_EQ(ran, 1);
}

TEST_P(EveryEngine, NodesMayBeAsynchronous) {
  Var a = Var::make();
  std::vector<std::thread> others;
  int value = 0;
  std::vector<GraphTask> nodes;
  nodes.push_back({Task{.name = "async",
                        .start =
                            [&](RunContext&, Done done) {
                              others.emplace_back([&, d = std::make_shared<Done>(std::move(done))] {
                                value = 1;
                                (*d)();
                              });
                            },
                        .uses = {overwrite(a)}}});
  nodes.push_back({task([&] { value *= 5; }, {update(a)})});
  GraphRef graph = engine->prepare(std::move(nodes));
  for (int i = 0; i < 10; ++i) {
    engine->push(graph);
    engine->wait(a);
    EXPECT_EQ(value, 5);
  }
  for (std::thread& t : others) t.join();
}

TEST_P(EveryEngine, AGraphMayBeDroppedWhileItRuns) {
  Var a = Var::make();
  std::atomic<int> ran{0};
  for (int i = 0; i < 50; ++i) {
    std::vector<GraphTask> nodes;
    for (int k = 0; k < 5; ++k) nodes.push_back({task([&] { ++ran; }, {update(a)})});
    engine->push(engine->prepare(std::move(nodes)));
  }
  engine->wait_all();
  EXPECT_EQ(ran, 250);
}

TEST_P(EveryEngine, BadGraphsAreRefused) {
  std::vector<GraphTask> forward;
  forward.push_back({task([] {}, {}), {1}});
  forward.push_back({task([] {}, {})});
  EXPECT_THROW(engine->prepare(std::move(forward)), Error);
  EXPECT_THROW(engine->push(GraphRef()), Error);
  engine->push(engine->prepare(std::vector<GraphTask>{}));
  engine->wait_all();
}

// Random graphs, replayed among single tasks, leave what a serial run leaves.
TEST_P(EveryEngine, RandomGraphsEqualTheirSerialRun) {
  constexpr int kCells = 12, kNodes = 40, kRounds = 60;
  std::mt19937 random(5);
  std::vector<uint64_t> cell(kCells), expected(kCells);
  std::vector<Var> vars(kCells);
  for (Var& v : vars) v = Var::make();
  struct Step {
    int from, to;
    uint64_t factor;
    void operator()(std::vector<uint64_t>& c) const { c[to] = c[to] * factor + c[from]; }
  };
  auto as_task = [&](const Step& s) {
    return task([&cell, s] { s(cell); }, {read(vars[s.from]), update(vars[s.to])});
  };
  auto any = [&] {
    return Step{static_cast<int>(random() % kCells), static_cast<int>(random() % kCells),
                random() | 1};
  };
  std::vector<std::vector<Step>> graphs(3);
  std::vector<GraphRef> refs;
  for (auto& steps : graphs) {
    std::vector<GraphTask> nodes;
    for (int i = 0; i < kNodes; ++i) {
      steps.push_back(any());
      nodes.push_back({as_task(steps.back())});
      if (i > 4 && random() % 4 == 0) nodes.back().after = {static_cast<int>(random() % i)};
    }
    refs.push_back(engine->prepare(std::move(nodes)));
  }
  for (int i = 0; i < kRounds; ++i) {
    const size_t g = random() % 3;
    engine->push(refs[g]);
    for (const Step& s : graphs[g]) s(expected);
    const Step s = any();
    engine->push(as_task(s));
    s(expected);
  }
  engine->wait_all();
  EXPECT_EQ(cell, expected);
}

// --- graphs and their tasks pushed one by one ----------------------------------------------------

// Tasks that read and write cells; some throw. What is left of the cells, and which variables are
// poisoned, tells whether the right ones ran.
struct Story {
  struct Step {
    std::vector<Use> uses;
    std::vector<int> reads, writes;
    bool breaks = false;
  };
  std::vector<Var> vars;
  std::vector<uint64_t> cells;
  std::vector<Step> steps;
  std::atomic<int> ran{0};

  Story(unsigned seed, int count, int cell_count) : vars(cell_count), cells(cell_count) {
    for (Var& v : vars) v = Var::make();
    std::mt19937 random(seed);
    steps.resize(count);
    for (Step& s : steps) {
      s.breaks = random() % 16 == 0;
      for (unsigned k = random() % 4; k > 0; --k) s.reads.push_back(int(random() % cell_count));
      for (int r : s.reads) s.uses.push_back(read(vars[r]));
      s.writes.push_back(int(random() % cell_count));
      s.uses.push_back({vars[s.writes[0]], random() % 4 ? Access::kUpdate : Access::kOverwrite});
    }
  }
  void run(int i) {
    const Step& s = steps[i];
    if (s.breaks) throw Error("broken");
    ++ran;
    uint64_t sum = static_cast<uint64_t>(i);
    for (int r : s.reads) sum = sum * 31 + cells[r];
    for (int w : s.writes) cells[w] = cells[w] * 17 + sum;
  }
  Task task_of(int i, bool small) {
    Task t = task([this, i] { run(i); }, steps[i].uses);
    t.small = small;
    return t;
  }
  std::vector<bool> poisoned() const {
    std::vector<bool> all;
    for (const Var& v : vars) all.push_back(v.poisoned());
    return all;
  }
};

enum class Way { kOneByOne, kGraph, kSmallGraph };

// The steps twice: the second time they meet what the first has poisoned.
void tell(Engine& engine, Story& story, Way way) {
  const int n = static_cast<int>(story.steps.size());
  std::vector<GraphTask> nodes;
  if (way != Way::kOneByOne)
    for (int i = 0; i < n; ++i) nodes.push_back({story.task_of(i, way == Way::kSmallGraph)});
  const GraphRef graph = engine.prepare(std::move(nodes));
  for (int times = 0; times < 2; ++times) {
    if (way != Way::kOneByOne) engine.push(graph);
    else
      for (int i = 0; i < n; ++i) engine.push(story.task_of(i, false));
  }
  what_of([&] { engine.wait_all(); });
}

TEST_P(EveryEngine, AGraphDoesWhatItsTasksDoOneByOneAlsoWhenSomeFail) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    const int count = seed % 2 ? 400 : 30;  // the larger ones never run where they are pushed
    Story expected(seed, count, 12);
    tell(*Engine::make("naive"), expected, Way::kOneByOne);
    for (Way way : {Way::kOneByOne, Way::kGraph, Way::kSmallGraph}) {
      Story story(seed, count, 12);
      tell(*engine, story, way);
      EXPECT_EQ(story.ran, expected.ran) << seed;
      EXPECT_EQ(story.cells, expected.cells) << seed;
      EXPECT_EQ(story.poisoned(), expected.poisoned()) << seed;
    }
  }
}

// Nodes of a small graph tell who they are, follow `after`, and are skipped when cancelled.
TEST_P(EveryEngine, NodesOfSmallGraphsFailLikeOthers) {
  Var a = Var::make(), b = Var::make(), c = Var::make(), d = Var::make();
  const auto token = std::make_shared<CancelToken>();
  std::atomic<int> ran{0};
  auto node = [](Task t, std::vector<int> after = {}) {
    t.small = true;
    return GraphTask{std::move(t), std::move(after)};
  };
  std::vector<GraphTask> nodes;
  nodes.push_back(node(task([] { throw Error("node broke"); }, {overwrite(a)}, "Broken")));
  nodes.push_back(node(task([&] { ++ran; }, {overwrite(b)}), {0}));
  nodes.push_back(node(task([&] { ran += 10; }, {overwrite(c)})));
  nodes.push_back(node(task([&] { ran += 100; }, {overwrite(d)})));
  nodes.back().task.cancel = token;
  const GraphRef graph = engine->prepare(std::move(nodes));
  current_place() = {"story.py", 17};
  engine->push(graph);
  current_place() = {};
  EXPECT_EQ(what_of([&] { engine->wait(b); }),
            "node broke [in task Broken, pushed at story.py:17]");
  EXPECT_NO_THROW(engine->wait(c));
  EXPECT_NO_THROW(engine->wait(d));
  EXPECT_EQ(ran, 110);
  token->cancel();
  engine->push(graph);
  EXPECT_THAT(what_of([&] { engine->wait(d); }), testing::HasSubstr("cancelled"));
  what_of([&] { engine->wait_all(); });
  EXPECT_EQ(ran, 120);
}

// A small graph that has to wait for its variables runs once they are free.
TEST_P(WorkerEngine, SmallGraphsWaitForTheirVariables) {
  Var a = Var::make(), b = Var::make();
  std::latch open(1);
  int x = 0;
  engine->push(task([&] { open.wait(), x = 5; }, {overwrite(a)}));
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { x *= 2; }, {update(a)})});
  nodes.push_back({task([&] { x += 1; }, {update(a), overwrite(b)})});
  for (GraphTask& n : nodes) n.task.small = true;
  const GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(graph);
  engine->push(graph);
  open.count_down();
  engine->wait(b);
  EXPECT_EQ(x, 23);
}

}  // namespace heddle
