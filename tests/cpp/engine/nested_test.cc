// Pushes and waits from inside tasks: they neither deadlock nor hang in silence.
#include <latch>
#include <random>
#include <thread>

#include "engine/support.h"
#include "heddle/profiler.h"

namespace heddle {

TEST_P(EveryEngine, ATaskMayPushAndWait) {
  Var a = Var::make(), b = Var::make();
  int order = 0, inner = 0, outer = 0;
  engine->push(task(
      [&] {
        engine->push(task([&] { inner = ++order; }, {update(b)}));
        engine->wait(b);
        outer = ++order;
      },
      {update(a)}));
  engine->wait(a);
  EXPECT_EQ(inner, 1);
  EXPECT_EQ(outer, 2);
}

// More tasks wait inside than there are workers: others stand in for them.
TEST_P(EveryEngine, ManyTasksMayWaitAtOnce) {
  constexpr int kTasks = 20;
  std::vector<Var> outer(kTasks), inner(kTasks);
  std::atomic<int> done{0};
  for (int i = 0; i < kTasks; ++i) {
    outer[i] = Var::make();
    inner[i] = Var::make();
    engine->push(task(
        [&, i] {
          engine->push(task([&] { ++done; }, {update(inner[i])}));
          engine->wait(inner[i]);
          ++done;
        },
        {update(outer[i])}));
  }
  engine->wait_all();
  EXPECT_EQ(done, 2 * kTasks);
}

// The one worker sleeps in a task until an unrelated task, pushed later, has run.
TEST_P(WorkerEngine, AStandInRunsUnrelatedTasks) {
  auto one = Engine::make(GetParam(), 1);
  Var a = Var::make(), b = Var::make(), held = Var::make();
  std::atomic<Done*> done{nullptr};
  one->push(Task{.name = "held",
                 .start = [&](RunContext&, Done d) { done = new Done(std::move(d)); },
                 .uses = {update(held)}});
  one->push(task([&] { one->wait(held); }, {update(a)}));
  one->push(task(
      [&] {
        std::unique_ptr<Done> mine(done.load());
        (*mine)();
      },
      {update(b)}));
  one->wait_all();
}

TEST_P(EveryEngine, NestingMayBeDeep) {
  int depth = 0;
  std::function<void()> dive = [&] {
    if (++depth == 30) return;
    Var v = Var::make();
    engine->push(task(dive, {update(v)}));
    engine->wait(v);
  };
  Var top = Var::make();
  engine->push(task(dive, {update(top)}));
  engine->wait(top);
  EXPECT_EQ(depth, 30);
}

TEST_P(EveryEngine, WaitingForOwnVariablesOrForAllThrowsAtOnce) {
  Var a = Var::make(), b = Var::make();
  std::string own, later, all, own_read;
  engine->push(task(
      [&] {
        own = what_of([&] { engine->wait(a); });
        own_read = what_of([&] { engine->wait_to_write(b); });
        all = what_of([&] { engine->wait_all(); });
        // A task that comes after this one.
        Var c = Var::make();
        engine->push(task([] {}, {read(a), update(c)}));
        later = what_of([&] { engine->wait(c); });
      },
      {update(a), read(b)}, "Selfish"));
  engine->wait_all();
  EXPECT_NE(own.find("Selfish"), std::string::npos);
  EXPECT_NE(own_read, "");
  EXPECT_NE(later, "");
  EXPECT_NE(all, "");
}

TEST_P(EveryEngine, WaitingForWhatTheTaskOnlyReadsIsFine) {
  Var a = Var::make();
  std::string what = "not run";
  engine->push(task([&] { what = what_of([&] { engine->wait(a); }); }, {read(a)}));
  engine->wait_to_write(a);
  EXPECT_EQ(what, "");
}

// Two running tasks wait for what the other owns: one of them is told, and both end.
TEST_P(WorkerEngine, TwoTasksThatWaitForEachOtherAreTold) {
  Var a = Var::make(), b = Var::make();
  std::latch both(2);
  std::atomic<int> told{0};
  auto cross = [&](const Var& other) {
    both.arrive_and_wait();
    if (!what_of([&] { engine->wait(other); }).empty()) ++told;
  };
  engine->push(task([&] { cross(b); }, {update(a)}));
  engine->push(task([&] { cross(a); }, {update(b)}));
  engine->wait_all();
  EXPECT_EQ(told, 1);
}

// The cycle leads through a task that is queued, and through a graph.
TEST_P(EveryEngine, CyclesThroughQueuedWorkAreTold) {
  Var a = Var::make(), b = Var::make(), c = Var::make(), d = Var::make();
  std::string through_tasks, through_graph;
  engine->push(task(
      [&] {
        engine->push(task([] {}, {update(a), update(b)}));
        engine->push(task([] {}, {read(b), update(c)}));
        through_tasks = what_of([&] { engine->wait(c); });
        std::vector<GraphTask> nodes;
        nodes.push_back({task([] {}, {read(a)})});
        nodes.push_back({task([] {}, {update(d)}), {0}});
        engine->push(engine->prepare(std::move(nodes)));
        through_graph = what_of([&] { engine->wait(d); });
      },
      {update(a)}));
  engine->wait_all();
  EXPECT_NE(through_tasks, "");
  EXPECT_NE(through_graph, "");
}

// Says that a task came to sleep in a wait, or left it: then `then` may go on.
void when_asleep_or(const std::atomic<bool>& left, Engine& engine,
                    const std::function<void()>& then) {
  while (!left && profiler::pending_dot(engine).find("asleep in a wait") == std::string::npos)
    std::this_thread::yield();
  then();
}

// Between the write that is waited for and the wait there is a read that cannot begin before the
// waiting task has ended. A read does not wait for reads.
TEST_P(EveryEngine, AReaderStuckBehindTheTaskIsNoCycle) {
  Var a = Var::make(), b = Var::make();
  std::unique_ptr<Done> done;
  engine->push(
      Task{.name = "write",
           .start = [&](RunContext&, Done d) { done = std::make_unique<Done>(std::move(d)); },
           .uses = {update(b)}});
  std::string read_b = "not run", write_b = "not run";
  std::atomic<bool> left{false};
  std::atomic<bool> begun{false};
  std::thread finisher([&] {
    while (!begun) std::this_thread::yield();
    when_asleep_or(left, *engine, [&] { (*done)(); });
  });
  engine->push(task(
      [&] {
        engine->push(task([] {}, {read(a), read(b)}, "stuck"));
        begun = true;
        read_b = what_of([&] { engine->wait(b); });
        left = true;
        write_b = what_of([&] { engine->wait_to_write(b); });
      },
      {update(a)}));
  finisher.join();
  engine->wait_all();
  EXPECT_EQ(read_b, "");
  EXPECT_NE(write_b, "");
}

// A graph that cannot end before the task lets go of what its other nodes use.
TEST_P(EveryEngine, OfAGraphOnlyTheNodesThatMatterMakeACycle) {
  Var a = Var::make(), b = Var::make(), c = Var::make(), d = Var::make();
  std::string of_b, of_c, of_d;
  std::vector<GraphTask> nodes;
  nodes.push_back({task([] {}, {read(a), overwrite(c)})});
  nodes.push_back({task([] {}, {overwrite(b)})});
  nodes.push_back({task([] {}, {overwrite(d)}), {0, 1}});
  const GraphRef graph = engine->prepare(std::move(nodes));
  engine->push(task(
      [&] {
        engine->push(graph);
        of_b = what_of([&] { engine->wait(b); });
        of_c = what_of([&] { engine->wait(c); });
        of_d = what_of([&] { engine->wait(d); });
      },
      {update(a)}));
  engine->wait_all();
  EXPECT_EQ(of_b, "");
  EXPECT_NE(of_c, "");
  EXPECT_NE(of_d, "");
}

TEST_P(EveryEngine, ANodeMayPushAndWait) {
  Var a = Var::make(), b = Var::make();
  int inner = 0;
  std::string own;
  std::vector<GraphTask> nodes;
  nodes.push_back({task(
      [&] {
        engine->push(task([&] { ++inner; }, {update(b)}));
        engine->wait(b);
        own = what_of([&] { engine->wait(a); });
      },
      {update(a)})});
  engine->push(engine->prepare(std::move(nodes)));
  engine->wait_all();
  EXPECT_EQ(inner, 1);
  EXPECT_NE(own, "");
}

// What a nested wait throws is the first cause of the task that waited.
TEST_P(EveryEngine, NestedFailuresKeepTheirFirstCause) {
  Var a = Var::make(), b = Var::make();
  engine->push(task(
      [&] {
        engine->push(task([] { throw Error("deep"); }, {update(b)}, "Inner"));
        engine->wait(b);
      },
      {update(a)}, "Outer"));
  EXPECT_EQ(what_of([&] { engine->wait(a); }), "deep [in task Inner]");
  EXPECT_NO_THROW(engine->wait_all());
}

// A task hears of a failure even when its worker, in another task, already has.
TEST_P(EveryEngine, EveryTaskIsAWaiterOfItsOwn) {
  Var bad = Var::make();
  engine->push(task([] { throw Error("bad"); }, {update(bad)}));
  int heard = 0;
  for (int i = 0; i < 5; ++i) {
    Var v = Var::make();
    engine->push(task([&] { heard += !what_of([&] { engine->wait(bad); }).empty(); }, {update(v)}));
    engine->wait(v);
  }
  EXPECT_EQ(heard, 5);
}

// Throws, cancellations and nested waits, interleaved at random from several threads.
TEST_P(EveryEngine, RandomFailuresAndNestedWaitsEnd) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  const int kEach = scaled(1000);
#else
  const int kEach = scaled(12000);
#endif
  constexpr int kThreads = 3, kVars = 6;
  std::vector<Var> vars(kVars);
  for (Var& v : vars) v = Var::make();
  std::atomic<int> failed{0}, told{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < kEach; ++i) {
        const Var a = vars[random() % kVars], b = vars[random() % kVars];
        const unsigned kind = random() % 8;
        auto token = std::make_shared<CancelToken>();
        Task k = task(
            [&, kind, b] {
              if (kind == 0) {
                ++failed;
                throw Error("at random");
              }
              if (kind == 1 && !what_of([&] { engine->wait(b); }).empty()) ++told;
              if (kind == 2) engine->push(task([] {}, {update(b)}));
            },
            kind < 4 ? std::vector<Use>{update(a), read(b)} : std::vector<Use>{overwrite(a)});
        k.cancel = token;
        engine->push(std::move(k));
        if (kind == 5) token->cancel();
        if (kind == 6) what_of([&] { engine->wait(a); });
      }
    });
  for (std::thread& t : threads) t.join();
  what_of([&] { engine->wait_all(); });
  for (Var& v : vars) {
    engine->push(task([] {}, {overwrite(v)}));
    engine->wait(v);
    EXPECT_FALSE(v.poisoned());
  }
  EXPECT_GT(failed, 0);
}

}  // namespace heddle
