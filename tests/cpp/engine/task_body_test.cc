// Closures of tasks: kept in place or on the heap, moved, destroyed once and in time.
#include <array>

#include "engine/support.h"

namespace heddle {

// Counts how many of it there are.
struct Counted {
  explicit Counted(int& alive) : alive_(&alive) { ++*alive_; }
  Counted(const Counted& o) : alive_(o.alive_) { ++*alive_; }
  Counted(Counted&& o) noexcept : alive_(o.alive_) { ++*alive_; }
  ~Counted() { --*alive_; }
  int* alive_;
};

template <size_t kBytes>
void comes_and_goes() {
  int alive = 0, sum = 0;
  {
    std::array<char, kBytes> ballast{};
    ballast.back() = 3;
    TaskBody first([c = Counted(alive), ballast, &sum](RunContext&) { sum += ballast.back(); });
    EXPECT_EQ(alive, 1);
    TaskBody second(std::move(first));
    EXPECT_FALSE(first);
    TaskBody third;
    third = std::move(second);
    EXPECT_EQ(alive, 1);
    RunContext context{{}, nullptr};
    third(context);
    third(context);
    EXPECT_EQ(sum, 6);
    third = TaskBody([&](RunContext&) { sum = 100; });
    EXPECT_EQ(alive, 0);
    third(context);
    EXPECT_EQ(sum, 100);
  }
  EXPECT_EQ(alive, 0);
}
TEST(TaskBody, SmallClosuresMoveAndAreDestroyedOnce) { comes_and_goes<8>(); }
TEST(TaskBody, LargeClosuresMoveAndAreDestroyedOnce) { comes_and_goes<400>(); }

TEST(TaskBody, HoldsWhatCannotBeCopied) {
  int got = 0;
  TaskBody body([p = std::make_unique<int>(7), &got](RunContext&) { got = *p; });
  RunContext context{{}, nullptr};
  body(context);
  EXPECT_EQ(got, 7);
}

// Who waits for a task finds what its closure held given back.
TEST_P(EveryEngine, AClosureIsGoneWhenItsTaskIsWaitedFor) {
  Var v = Var::make();
  for (int i = 0; i < 200; ++i) {
    auto held = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = held;
    engine->push({{&v, Access::kUpdate}}, [held = std::move(held)](RunContext&) {});
    engine->wait(v);
    EXPECT_TRUE(watch.expired());
  }
}

TEST_P(EveryEngine, BorrowedUsesAreLikeOthers) {
  Var a = Var::make(), b = Var::make();
  int x = 1;
  engine->push({{&a, Access::kOverwrite}, {&b, Access::kRead}, {&a, Access::kRead}},
               [&](RunContext&) { x = 2; });
  engine->push({{&b, Access::kUpdate}, {&a, Access::kRead}}, [&](RunContext&) { x *= 10; },
               {.name = "times"});
  engine->push({{&b, Access::kUpdate}}, [](RunContext&) { throw Error("no"); }, {.name = "fails"});
  EXPECT_EQ(what_of([&] { engine->wait(b); }), "no [in task fails]");
  EXPECT_EQ(x, 20);
  const Var none;
  EXPECT_THAT(what_of([&] {
                engine->push({{&none, Access::kRead}}, [](RunContext&) {});
              }),
              testing::HasSubstr("variable that is none"));
  EXPECT_THAT(what_of([&] {
                engine->push({{&a, Access::kRead}}, nullptr, {.name = "t"});
              }),
              testing::HasSubstr("has no body"));
}

// A thread that waits takes a worker's place: there are never more tasks at once than workers.
TEST_P(WorkerEngine, WaitingThreadsRunTasksInAWorkersPlace) {
  std::atomic<int> now{0}, most{0}, ran{0};
  for (int round = 0; round < 300; ++round) {
    std::vector<Var> vars(8);
    for (Var& v : vars) {
      v = Var::make();
      engine->push({{&v, Access::kUpdate}}, [&](RunContext&) {
        const int n = ++now;
        for (int m = most; n > m && !most.compare_exchange_weak(m, n);) {
        }
        ++ran;
        --now;
      });
    }
    if (round % 2) engine->wait(vars.back());
    engine->wait_all();
  }
  EXPECT_EQ(ran, 2400);
  EXPECT_LE(most, 2);
}

}  // namespace heddle
