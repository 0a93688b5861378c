// Order: what overlaps, what does not, and that every variable agrees with the order of pushes.
#include <algorithm>
#include <barrier>
#include <latch>
#include <random>
#include <thread>

#include "engine/support.h"

namespace heddle {

// Each waits for the other: they end only if they run at the same time.
TEST_P(WorkerEngine, IndependentTasksOverlap) {
  std::barrier both(2);
  Var a = Var::make(), b = Var::make();
  engine->push(task([&] { both.arrive_and_wait(); }, {overwrite(a)}));
  engine->push(task([&] { both.arrive_and_wait(); }, {overwrite(b)}));
  engine->wait_all();
}

TEST_P(WorkerEngine, ReadsOfOneVariableOverlap) {
  std::barrier both(2);
  Var v = Var::make();
  for (int i = 0; i < 2; ++i) engine->push(task([&] { both.arrive_and_wait(); }, {read(v)}));
  engine->wait_all();
}

TEST_P(EveryEngine, WritesOfOneVariableRunInTheOrderOfTheirPushes) {
  Var v = Var::make();
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) engine->push(task([&, i] { seen.push_back(i); }, {update(v)}));
  engine->wait(v);
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_P(EveryEngine, AWriteRunsAlone) {
  Var v = Var::make();
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  for (int i = 0; i < 300; ++i) {
    engine->push(task(
        [&] {
          if (inside.fetch_add(1000) != 0) met = true;
          inside.fetch_sub(1000);
        },
        {update(v)}));
    for (int k = 0; k < 3; ++k)
      engine->push(task(
          [&] {
            if (inside.fetch_add(1) >= 1000) met = true;
            inside.fetch_sub(1);
          },
          {read(v)}));
  }
  engine->wait_all();
  EXPECT_FALSE(met);
}

TEST_P(EveryEngine, VersionsCountPushedWrites) {
  Var v = Var::make();
  EXPECT_EQ(v.version(), 0u);
  engine->push(task([] {}, {update(v)}));
  engine->push(task([] {}, {read(v)}));
  engine->push(task([] {}, {overwrite(v)}));
  EXPECT_EQ(v.version(), 2u);
  const Engine::BorrowedUse uses[] = {{&v, Access::kUpdate}};
  engine->wait_to_write(v);
  EXPECT_TRUE(engine->run_if_idle(
      uses, "inline", [](void*) {}, nullptr));
  EXPECT_EQ(v.version(), 3u);
}

TEST_P(EveryEngine, AVariableNamedTwiceCountsOnce) {
  Var v = Var::make(), w = Var::make();
  int ran = 0;
  engine->push(task([&] { ++ran; }, {read(v), overwrite(w), overwrite(v), read(v)}));
  engine->wait(v);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(v.version(), 1u);
}

TEST_P(EveryEngine, PreparedTasksArePushedManyTimes) {
  Var v = Var::make();
  int ran = 0;
  TaskRef prepared = engine->prepare(task([&] { ++ran; }, {update(v)}));
  for (int i = 0; i < 100; ++i) engine->push(prepared);
  engine->wait(v);
  EXPECT_EQ(ran, 100);
}

// A random program: each task reads some cells and writes a function of them into others. Run by
// the engine, it must leave what it leaves when run in order.
struct Program {
  struct Step {
    std::vector<int> reads, writes;
  };
  int cells;
  std::vector<Step> steps;

  Program(unsigned seed, int n, int cell_count) : cells(cell_count) {
    std::mt19937 random(seed);
    for (int i = 0; i < n; ++i) {
      Step s;
      const int reads = static_cast<int>(random() % 4), writes = 1 + static_cast<int>(random() % 2);
      for (int k = 0; k < reads; ++k) s.reads.push_back(static_cast<int>(random() % cells));
      for (int k = 0; k < writes; ++k) s.writes.push_back(static_cast<int>(random() % cells));
      steps.push_back(std::move(s));
    }
  }
  void step(int i, std::vector<uint64_t>& cell) const {
    uint64_t sum = static_cast<uint64_t>(i);
    for (int r : steps[i].reads) sum = sum * 31 + cell[r];
    for (int w : steps[i].writes) cell[w] = cell[w] * 17 + sum;
  }
};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
const int kTasks = scaled(30000);
#else
const int kTasks = scaled(250000);
#endif

void run_program(Engine& engine, const Program& p, unsigned seed, bool with_inline) {
  std::vector<uint64_t> expected(p.cells), cell(p.cells);
  for (size_t i = 0; i < p.steps.size(); ++i) p.step(static_cast<int>(i), expected);
  std::vector<Var> vars(p.cells);
  for (Var& v : vars) v = Var::make();
  std::mt19937 random(seed);
  for (size_t i = 0; i < p.steps.size(); ++i) {
    const Program::Step& s = p.steps[i];
    std::vector<Use> uses;
    for (int r : s.reads) uses.push_back(read(vars[r]));
    for (int w : s.writes) uses.push_back(update(vars[w]));
    auto body = [&p, &cell, i] { p.step(static_cast<int>(i), cell); };
    const unsigned way = with_inline ? random() % 3 : 0;
    if (way == 2) {
      std::vector<Engine::BorrowedUse> borrowed;
      for (const Use& u : uses) borrowed.push_back({&u.var, u.access});
      auto call = [](void* b) { (*static_cast<decltype(body)*>(b))(); };
      if (engine.run_if_idle(borrowed, "inline", call, &body)) continue;
    }
    Task t = task(body, std::move(uses));
    t.small = way == 1;
    t.priority = static_cast<int>(random() % 3) - 1;
    engine.push(std::move(t));
  }
  engine.wait_all();
  EXPECT_EQ(cell, expected);
}

// More reads hold a variable at once than it has room for in itself, and end in any order.
TEST_P(EveryEngine, ManyReadsHoldAtOnceAndEndInAnyOrder) {
  constexpr int kReads = 25, kAlone = 5;
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    Var shared = Var::make();
    std::vector<Var> own(kReads);
    std::vector<std::unique_ptr<Done>> dones(kReads);
    std::latch held(kReads);
    std::atomic<int> ended{0};
    int ended_at_write = -1;
    for (int i = 0; i < kReads; ++i) {
      own[i] = Var::make();
      engine->push(Task{.name = "reader",
                        .start =
                            [&, i](RunContext&, Done d) {
                              dones[i] = std::make_unique<Done>(std::move(d));
                              held.count_down();
                            },
                        .uses = {read(shared), update(own[i])}});
    }
    held.wait();
    engine->push(task([&] { ended_at_write = ended; }, {update(shared)}));
    std::vector<int> order(kReads);
    for (int i = 0; i < kReads; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (int i = 0; i < kReads; ++i) {
      // A reader that comes and goes meanwhile is behind the write.
      if (i % kAlone == 0) engine->push(task([] {}, {read(shared)}));
      ++ended;
      (*dones[order[i]])();
    }
    engine->wait(shared);
    EXPECT_EQ(ended_at_write, kReads);
  }
}

// However many, in whatever order and however often a variable is named, it is used once.
TEST_P(EveryEngine, ManyUsesInAnyOrderAreOneUseOfEachVariable) {
  std::mt19937 random(9);
  for (int n : {1, 3, 11, 12, 13, 30, 70}) {
    std::vector<Var> vars(n);
    std::vector<Engine::BorrowedUse> borrowed;
    for (Var& v : vars) v = Var::make();
    for (const Var& v : vars) {
      borrowed.push_back({&v, Access::kRead});
      borrowed.push_back({&v, Access::kOverwrite});
    }
    int64_t ran = 0;
    for (int round = 0; round < 20; ++round) {
      std::shuffle(borrowed.begin(), borrowed.end(), random);
      engine->push(
          borrowed, [&](RunContext&) { ++ran; }, Traits{.name = "borrowed"});
      std::vector<Use> uses;
      for (const auto& use : borrowed) uses.push_back({*use.var, use.access});
      engine->push(task([&] { ++ran; }, std::move(uses)));
    }
    engine->wait_all();
    EXPECT_EQ(ran, 40);
    for (const Var& v : vars) EXPECT_EQ(v.version(), 40u) << n;
  }
}

TEST_P(EveryEngine, RandomProgramsEqualTheirSerialRun) {
  for (int cells : {3, 20, 200}) run_program(*engine, Program(7, kTasks / 3, cells), 1, false);
}

TEST_P(EveryEngine, RandomProgramsWithInlineTasksEqualTheirSerialRun) {
  for (int cells : {5, 100}) run_program(*engine, Program(11, kTasks / 6, cells), 2, true);
}

// Several threads push at once. Each cell's sum does not depend on the order; that every task runs
// exactly once and alone on what it writes does show.
TEST_P(EveryEngine, ManyThreadsPush) {
  constexpr int kThreads = 4, kCells = 8;
  const int each = kTasks / 40;
  std::vector<int64_t> cell(kCells);
  std::vector<Var> vars(kCells);
  for (Var& v : vars) v = Var::make();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < each; ++i) {
        const int a = static_cast<int>(random() % kCells), b = static_cast<int>(random() % kCells);
        Task k = task([&cell, a, b] { ++cell[a], ++cell[b]; }, {update(vars[a]), update(vars[b])});
        k.small = random() % 2;
        engine->push(std::move(k));
        if (i % 64 == 0) engine->wait(vars[a]);
        Var gone = Var::make();
        engine->push(task([] {}, {overwrite(gone), read(vars[b])}));
      }
    });
  for (std::thread& t : threads) t.join();
  engine->wait_all();
  int64_t sum = 0;
  for (int64_t c : cell) sum += c;
  EXPECT_EQ(sum, 2 * kThreads * each);
}

}  // namespace heddle
