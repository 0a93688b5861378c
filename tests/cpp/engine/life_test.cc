// Life and death: forks at any time, exits at any moment.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <latch>
#include <random>
#include <thread>

#include "engine/support.h"

namespace heddle {

constexpr unsigned kExits = kForks ? 170 : 25;  // of each engine; slow under a sanitizer

// Forks; true when `child` returned true there. A child that hangs is killed.
bool fork_and(const std::function<bool()>& child, Engine* announce_to) {
  if (announce_to) announce_to->before_fork();
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(30);
    bool good = false;
    try {
      if (announce_to) announce_to->after_fork(true);
      good = child();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "in the child: %s\n", e.what());
    }
    _exit(good ? 0 : 1);
  }
  if (announce_to) announce_to->after_fork(false);
  int status = -1;
  waitpid(pid, &status, 0);
  if (status != 0) std::fprintf(stderr, "the child ended with status %d\n", status);
  return status == 0;
}

bool works(Engine& engine) {
  Var a = Var::make(), b = Var::make();
  int x = 0;
  engine.push(task([&] { x = 20; }, {overwrite(a)}));
  engine.push(task([&] { x += 1; }, {read(a), overwrite(b)}));
  engine.wait(b);
  std::vector<GraphTask> nodes;
  nodes.push_back({task([&] { x *= 2; }, {update(a)})});
  nodes.push_back({task([&] { x += 1; }, {update(b)}), {0}});
  engine.push(engine.prepare(std::move(nodes)));
  engine.wait(b);
  return x == 43;
}

class Forks : public EveryEngine {
 protected:
  void SetUp() override {
    if (!kForks) GTEST_SKIP() << "a sanitizer does not survive a fork beside threads";
    engine->set_run_ahead({.tasks = 500});  // or every child inherits a long queue
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, Forks, testing::Values("naive", "threaded", "per_device"),
                         kind_name);

// Other threads push all the while. Both sides go on: what was pending at the fork ends in each.
TEST_P(Forks, AnnouncedUnderLoad) {
  std::atomic<bool> stop{false};
  int good = 0;
  std::vector<Var> vars(3);
  std::vector<int64_t> pushed(3), ran(3);
  for (Var& v : vars) v = Var::make();
  std::vector<std::thread> load;
  std::vector<GraphTask> nodes;
  for (int i = 0; i < 3; ++i) nodes.push_back({task([&] { ++ran[2]; }, {update(vars[2])})});
  GraphRef graph = engine->prepare(std::move(nodes));
  for (int t = 0; t < 3; ++t)
    load.emplace_back([&, t] {
      while (!stop) {
        pushed[t] += t == 2 ? 3 : 1;
        if (t == 2) engine->push(graph);
        else engine->push(task([&, t] { ++ran[t]; }, {update(vars[t])}));
        if (pushed[t] % 100 == 0) engine->wait(vars[t]);
      }
    });
  for (int i = 0; i < 60; ++i)
    good += fork_and(
        [&] {
          for (const Var& v : vars) engine->wait(v);
          engine->wait_all();
          return works(*engine);
        },
        engine.get());
  stop = true;
  for (std::thread& t : load) t.join();
  engine->wait_all();
  EXPECT_EQ(ran, pushed);
  EXPECT_EQ(good, 60);
}

// A fork that no one announced (a library starts a program): bodies that run stay in the parent.
TEST_P(Forks, UnannouncedUnderLoad) {
  std::atomic<bool> stop{false};
  int good = 0;
  std::vector<std::thread> load;
  for (int t = 0; t < 3; ++t)
    load.emplace_back([&] {
      Var v = Var::make(), w = Var::make();
      std::vector<GraphTask> nodes;
      for (int i = 0; i < 3; ++i) nodes.push_back({task([] {}, {update(w)})});
      GraphRef graph = engine->prepare(std::move(nodes));
      // Not on this thread's stack: in a child, new threads get the stacks of those that are gone.
      auto n = std::make_shared<int64_t>(0);
      while (!stop) {
        engine->push(task([n] { ++*n; }, {update(v)}));
        const Engine::BorrowedUse uses[] = {{&v, Access::kUpdate}};
        engine->run_if_idle(
            uses, "inline", [](void* p) { ++*static_cast<int64_t*>(p); }, n.get());
        engine->push(graph);
      }
      engine->wait(v);
      engine->wait(w);
    });
  for (int i = 0; i < 60; ++i)
    good += fork_and(
        [&] {
          what_of([&] { engine->wait_all(); });
          return works(*engine);
        },
        nullptr);
  stop = true;
  for (std::thread& t : load) t.join();
  EXPECT_TRUE(works(*engine));
  EXPECT_EQ(good, 60);
}

TEST_P(Forks, FromInsideATask) {
  Var a = Var::make();
  bool child_worked = false, lost = false;
  engine->push(task(
      [&] {
        child_worked = fork_and([&] { return works(*engine); }, engine.get());
        lost = fork_and(
            [&] {
              // The forking task goes on here, but what it writes is lost, and others are told.
              Var b = Var::make();
              engine->push(task([] {}, {update(b)}));
              engine->wait(b);
              return true;
            },
            nullptr);
      },
      {update(a)}));
  engine->wait(a);
  EXPECT_TRUE(child_worked);
  EXPECT_TRUE(lost);
}

// Neither is waited for, and in the child both have failed.
TEST_P(Forks, WhileTasksWaitForADoneOrSleepInside) {
  Var outside = Var::make(), inside = Var::make();
  std::unique_ptr<Done> done;
  std::latch started(1);
  engine->push(Task{.name = "remote",
                    .start =
                        [&](RunContext&, Done d) {
                          done = std::make_unique<Done>(std::move(d));
                          started.count_down();
                        },
                    .uses = {update(outside)}});
  started.wait();
  std::thread pusher([&] {  // in the naive engine, the pushing thread itself sleeps
    engine->push(task([&] { engine->wait(outside); }, {update(inside)}));
  });
  for (bool announced : {true, false})
    EXPECT_TRUE(fork_and(
        [&] {
          const bool told =
              what_of([&] { engine->wait(outside); }).find("lost in a fork") != std::string::npos;
          what_of([&] { engine->wait(inside); });
          (*done)();  // ignored
          what_of([&] { engine->wait_all(); });
          return told && works(*engine);
        },
        announced ? engine.get() : nullptr));
  (*done)();
  pusher.join();
  engine->wait(inside);
  EXPECT_NO_THROW(engine->wait_all());
}

TEST_P(Forks, ChildrenOfChildren) {
  EXPECT_TRUE(works(*engine));
  EXPECT_TRUE(fork_and(
      [&] {
        return works(*engine) && fork_and([&] { return works(*engine); }, engine.get()) &&
               works(*engine);
      },
      engine.get()));
}

TEST_P(Forks, ManyThreadsForkAtOnce) {
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i)
        good += fork_and([&] { return works(*engine); }, t ? engine.get() : nullptr);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(good, 30);
}

// --- exit ---------------------------------------------------------------------------------------

// Leaves the process from main, from another thread, or from inside a task, with work and errors
// pending and variables in globals.
[[noreturn]] void leave(const char* kind, unsigned seed) {
  setenv("HEDDLE_ENGINE", kind, 1);
  static std::vector<Var>* const vars = new std::vector<Var>(4);
  // Other threads go on while exit() destroys globals: this one they still use, `kept` they do not.
  static Var& global = *new Var(Var::make());
  static Var kept = global;
  static std::vector<Done>* const dones = new std::vector<Done>;
  std::mt19937 random(seed);
  Engine& engine = Engine::get();
  for (Var& v : *vars) v = Var::make();
  const unsigned n = random() % 2000;
  const unsigned way = random() % 4;
  bool left = false;
  Var last = Var::make();
  for (unsigned i = 0; i < n; ++i) {
    const unsigned what = random() % 50;
    const Var a = (*vars)[random() % 4], b = (*vars)[random() % 4];
    if (what == 0) engine.push(task([] { throw Error("pending"); }, {update(a)}));
    else if (what == 1)
      engine.push(
          task([&engine, b] { what_of([&] { engine.wait(b); }); }, {update(a), read(global)}));
    else if (what == 2 && i + 5 > n)
      engine.push(Task{.name = "never",
                       .start = [](RunContext&, Done d) { dones->push_back(std::move(d)); },
                       .uses = {update(global)}});
    else if (way == 3 && !left && i + 200 > n)
      left = true, engine.push(task([] { std::exit(0); }, {overwrite(last)}));
    else engine.push(task([] {}, {read(a), overwrite(b)}));
  }
  if (left) engine.wait(last);  // for ever: exit() runs once
  if (way == 1) std::thread([] { std::exit(0); }).join();
  std::exit(0);
}

class Exits : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};
INSTANTIATE_TEST_SUITE_P(Engines, Exits, testing::Values("naive", "threaded", "per_device"),
                         kind_name);

TEST_P(Exits, AtAnyMomentInSilence) {
  for (unsigned seed = 0; seed < kExits; ++seed)
    EXPECT_EXIT(leave(GetParam(), seed), testing::ExitedWithCode(0), testing::StrEq("")) << seed;
}

// What is pending ends before the process does.
TEST_P(Exits, AfterPendingTasksHaveRun) {
  EXPECT_EXIT(
      {
        setenv("HEDDLE_ENGINE", GetParam(), 1);
        static Var v = Var::make();
        static int ran = 0;
        for (int i = 0; i < 500; ++i) Engine::get().push(task([] { ++ran; }, {update(v)}));
        Engine::get().push(task([] { std::fprintf(stderr, "ran %d", ran); }, {read(v)}));
        std::exit(0);
      },
      testing::ExitedWithCode(0), testing::StrEq("ran 500"));
}

// After the engine has stopped, pushes run where they are made.
TEST_P(Exits, PushesAfterTheEndStillRun) {
  EXPECT_EXIT(
      {
        setenv("HEDDLE_ENGINE", GetParam(), 1);
        Engine& engine = Engine::get();
        Var v = Var::make();
        int x = 0;
        engine.push(task([&] { ++x; }, {update(v)}));
        Engine::finish();
        engine.push(task([&] { ++x; }, {update(v)}));
        engine.wait(v);
        std::fprintf(stderr, "%d with %d", x, engine.workers());
        std::exit(0);
      },
      testing::ExitedWithCode(0), testing::StrEq("2 with 0"));
}

TEST(Settings, AnUnknownEngineIsAnError) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("HEDDLE_ENGINE", "warp", 1);
        std::fprintf(stderr, "%s", what_of([] { Engine::get(); }).c_str());
        std::exit(0);
      },
      testing::ExitedWithCode(0), testing::HasSubstr("expected naive, threaded or per_device"));
}

}  // namespace heddle
