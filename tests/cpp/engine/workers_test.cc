// Workers: lanes, priorities, how many run, when they exist, what holds pushes back.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <latch>
#include <string>
#include <thread>

#include "engine/support.h"

namespace heddle {

TEST_P(EveryEngine, HasNoThreadBeforeItNeedsOne) {
  EXPECT_EQ(engine->workers(), 0);
  Var a = Var::make();
  const Engine::BorrowedUse uses[] = {{&a, Access::kUpdate}};
  EXPECT_TRUE(engine->run_if_idle(
      uses, "inline", [](void*) {}, nullptr));
  Task small = task([] {}, {update(a)});
  small.small = true;
  if (std::string(GetParam()) != "per_device") engine->push(std::move(small));
  engine->wait_all();
  EXPECT_EQ(engine->workers(), 0);
  engine->push(task([] {}, {update(a)}));
  engine->wait_all();
  EXPECT_EQ(engine->workers(), naive() ? 0 : 1);
}

TEST_P(WorkerEngine, RunsNoMoreTasksAtOnceThanItHasWorkers) {
  std::atomic<int> inside{0}, most{0};
  for (int i = 0; i < 2000; ++i) {
    Var v = Var::make();
    engine->push(task(
        [&] {
          const int now = inside.fetch_add(1) + 1;
          int seen = most;
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          inside.fetch_sub(1);
        },
        {update(v)}));
  }
  engine->wait_all();
  EXPECT_LE(most, 2);
  EXPECT_LE(engine->workers(), 2);
}

TEST_P(WorkerEngine, LargerPrioritiesRunFirstEqualOnesInOrder) {
  auto one = Engine::make(GetParam(), 1);
  std::latch begun(1), all_pushed(1);
  Var gate = Var::make();
  one->push(task([&] { begun.count_down(), all_pushed.wait(); }, {update(gate)}));
  begun.wait();
  std::vector<int> order;
  const std::vector<int> priorities = {0, -1, 5, 0, 7, -1, 5};
  std::vector<Var> vars(priorities.size());
  for (size_t i = 0; i < priorities.size(); ++i) {
    vars[i] = Var::make();
    Task t = task([&, i] { order.push_back(static_cast<int>(i)); }, {update(vars[i])});
    t.priority = priorities[i];
    one->push(std::move(t));
  }
  all_pushed.count_down();
  one->wait_all();
  EXPECT_EQ(order, (std::vector<int>{4, 2, 6, 0, 3, 1, 5}));
}

TEST_P(WorkerEngine, NodesOfGraphsKeepTheirPriorities) {
  auto one = Engine::make(GetParam(), 1);
  std::vector<int> order;
  std::vector<GraphTask> nodes;
  nodes.push_back({task([] {}, {})});
  for (int p : {1, 3, 2}) {
    nodes.push_back({task([&order, p] { order.push_back(p); }, {}), {0}});
    nodes.back().task.priority = p;
  }
  one->push(one->prepare(std::move(nodes)));
  one->wait_all();
  EXPECT_EQ(order, (std::vector<int>{3, 2, 1}));
}

// A lane of its own: data moves while all workers that compute are taken.
TEST_P(WorkerEngine, OtherLanesRunBesideACompleteLane) {
  for (Lane lane : {Lane::kIo, Lane::kCopyIn, Lane::kCopyOut}) {
    std::latch moved(1);
    Var a[2] = {Var::make(), Var::make()};
    for (const Var& v : a) engine->push(task([&] { moved.wait(); }, {update(v)}));
    Var b = Var::make();
    Task t = task([&] { moved.count_down(); }, {update(b)});
    t.lane = lane;
    engine->push(std::move(t));
    engine->wait_all();
  }
}

TEST(PerDevice, EachDeviceHasWorkersOfItsOwn) {
  auto engine = Engine::make("per_device", 1);
  std::latch other(1);
  Var a = Var::make(), b = Var::make();
  engine->push(task([&] { other.wait(); }, {update(a)}));
  Task t = task([&] { other.count_down(); }, {update(b)});
  t.device = {Device::kCpu, 1};
  engine->push(std::move(t));
  engine->wait_all();
}

TEST_P(WorkerEngine, TheScopeIsCalledAroundBodies) {
  static thread_local bool in_scope = false;
  Engine::set_scope([](void (*body)(void*), void* arg) {
    in_scope = true;
    body(arg);
    in_scope = false;
  });
  Var a = Var::make();
  bool seen = false;
  engine->push(task([&] { seen = in_scope; }, {update(a)}));
  engine->wait(a);
  Engine::set_scope(nullptr);
  EXPECT_TRUE(seen);
}

bool sleeps(pid_t thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(stat, text);
  return text.size() > text.rfind(')') + 2 && text[text.rfind(')') + 2] == 'S';
}

// Who is woken pushes on at once; the worker that takes that task must find the scope left.
TEST_P(WorkerEngine, WhoWaitsIsWokenWhenTheScopeIsLeft) {
  static std::atomic<bool> inside, returned, about_to_sleep;
  Engine::set_sleep_hooks(
      []() -> void* {
        about_to_sleep = true;
        return nullptr;
      },
      [](void*) {});
  Engine::set_scope([](void (*body)(void*), void* arg) {
    inside = true;
    body(arg);
    for (int i = 0; i < 2000 && !returned; ++i) std::this_thread::yield();
    inside = false;
  });
  const pid_t me = gettid();
  for (const bool all : {false, true}) {
    returned = about_to_sleep = false;
    Var a = Var::make();
    engine->push(task(
        [me] {
          while (!about_to_sleep || !sleeps(me)) std::this_thread::yield();
        },
        {update(a)}));
    if (all) engine->wait_all();
    else engine->wait(a);
    EXPECT_FALSE(inside);
    returned = true;
  }
  Engine::set_scope(nullptr);
  Engine::set_sleep_hooks(nullptr, nullptr);
}

// --- how far pushes run ahead --------------------------------------------------------------------

TEST_P(WorkerEngine, BytesInFlightAreCapped) {
  engine->set_run_ahead({.tasks = 1000, .bytes = 1000});
  std::atomic<int64_t> in_flight{0}, most{0};
  for (int i = 0; i < 500; ++i) {
    Var v = Var::make();
    // Counted from before the push until after the body: never less than what the engine counts.
    Task t = task([] {}, {update(v)});
    t.bytes = 300;
    struct Held {
      std::atomic<int64_t>& n;
      explicit Held(std::atomic<int64_t>& c) : n(c) {}
      ~Held() { n -= 300; }
    };
    auto held = std::make_shared<std::unique_ptr<Held>>();
    t.run = [&, held](RunContext&) {
      const int64_t now = in_flight += 300;
      int64_t seen = most;
      while (seen < now && !most.compare_exchange_weak(seen, now)) {
      }
      *held = std::make_unique<Held>(in_flight);
    };
    engine->push(std::move(t));
  }
  engine->wait_all();
  EXPECT_EQ(in_flight, 0);
  EXPECT_LE(most, 1000);
}

// Three fit beside each other; the fourth push returns only once one of them has ended.
TEST_P(WorkerEngine, APushIsHeldBackUntilThereIsRoom) {
  auto four = Engine::make(GetParam(), 4);
  four->set_run_ahead({.bytes = 1000});
  std::latch release(1);
  std::atomic<bool> pushed{false};
  std::vector<Var> vars(4);
  for (Var& v : vars) v = Var::make();
  auto big = [&](int i) {
    Task t = task(
        [&, i] {
          if (i < 3) release.wait();
        },
        {update(vars[i])});
    t.bytes = 300;
    return t;
  };
  for (int i = 0; i < 3; ++i) four->push(big(i));
  std::thread producer([&] {
    four->push(big(3));
    pushed = true;
  });
  // Tasks without bytes are not held back, and pass the one that is.
  Var v = Var::make();
  four->push(task([&] { EXPECT_FALSE(pushed); }, {update(v)}));
  four->wait(v);
  EXPECT_FALSE(pushed);
  release.count_down();
  producer.join();
  four->wait_all();
}

TEST_P(EveryEngine, TasksInFlightAreCappedAndInnerPushesAreNot) {
  engine->set_run_ahead({.tasks = 4, .bytes = 100});
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    Var v = Var::make();
    Task t = task(
        [&] {
          for (int k = 0; k < 10; ++k) {
            Var w = Var::make();
            Task inner = task([&] { ++ran; }, {update(w)});
            inner.bytes = 90;
            engine->push(std::move(inner));
          }
        },
        {update(v)});
    t.bytes = 50;
    engine->push(std::move(t));
  }
  engine->wait_all();
  EXPECT_EQ(ran, 1000);
}

TEST_P(EveryEngine, ATaskLargerThanTheCapRunsAlone) {
  engine->set_run_ahead({.bytes = 100});
  testing::internal::CaptureStderr();
  std::atomic<int> inside{0};
  std::atomic<bool> alone{true};
  for (int i = 0; i < 20; ++i) {
    Var v = Var::make();
    Task t = task(
        [&, i] {
          if (inside.fetch_add(1) != 0 && i % 5 == 0) alone = false;
          inside.fetch_sub(1);
        },
        {update(v)});
    t.bytes = i % 5 == 0 ? 500 : 40;
    engine->push(std::move(t));
  }
  engine->wait_all();
  EXPECT_TRUE(alone);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("HEDDLE_INFLIGHT_BYTES"),
            std::string::npos);
}

}  // namespace heddle
