// Errors: poison, skipping, who hears of what, cancellation, asynchronous tasks.
#include <barrier>
#include <thread>

#include "engine/support.h"

namespace heddle {

Task failing(std::vector<Use> uses, const char* text = "broken", const char* name = "fails") {
  return task([text] { throw Error(text); }, std::move(uses), name);
}

TEST_P(EveryEngine, AFailurePoisonsWhatItWritesAndNothingElse) {
  Var a = Var::make(), b = Var::make(), c = Var::make();
  int after = 0, unrelated = 0;
  engine->push(failing({update(a)}));
  engine->push(task([&] { ++after; }, {read(a), update(b)}));
  engine->push(task([&] { ++unrelated; }, {update(c)}));
  EXPECT_THROW(engine->wait(b), Error);
  engine->wait(c);
  EXPECT_EQ(after, 0);
  EXPECT_EQ(unrelated, 1);
  EXPECT_TRUE(a.poisoned());
  EXPECT_TRUE(b.poisoned());
  EXPECT_FALSE(c.poisoned());
}

TEST_P(EveryEngine, DependentsCarryTheFirstCauseWithTaskAndPlace) {
  Var a = Var::make(), b = Var::make();
  current_place() = {"train.py", 42};
  engine->push(failing({update(a)}, "[Dot] found (2,3), expected (3,2)", "Dot"));
  current_place() = {};
  engine->push(task([] {}, {read(a), update(b)}, "Relu"));
  const std::string what = what_of([&] { engine->wait(b); });
  EXPECT_EQ(what, "[Dot] found (2,3), expected (3,2) [in task Dot, pushed at train.py:42]");
}

TEST_P(EveryEngine, AThreadHearsOfAFailureOnce) {
  Var a = Var::make(), b = Var::make();
  engine->push(failing({update(a), update(b)}));
  EXPECT_THROW(engine->wait(a), TaskError);
  EXPECT_NO_THROW(engine->wait(a));
  EXPECT_NO_THROW(engine->wait(b));
  EXPECT_NO_THROW(engine->wait_all());
  EXPECT_TRUE(a.poisoned());
  std::string other;
  std::thread([&] { other = what_of([&] { engine->wait(b); }); }).join();
  EXPECT_NE(other.find("broken"), std::string::npos);
}

TEST_P(EveryEngine, WaitAllThrowsTheFirstAndCountsTheRest) {
  Var a = Var::make(), b = Var::make(), c = Var::make();
  engine->push(failing({update(a)}, "first"));
  engine->wait_to_write(c);
  EXPECT_THROW(engine->wait(a), TaskError);  // heard of
  engine->push(failing({update(b)}, "second"));
  EXPECT_EQ(what_of([&] { engine->wait(a); }), "");
  // Ordered after the second, so that it is known which comes first.
  engine->push(task([] {}, {overwrite(b)}));
  engine->wait_to_write(b);
  engine->push(failing({update(c)}, "third"));
  const std::string what = what_of([&] { engine->wait_all(); });
  EXPECT_EQ(what, "second [in task fails] (and 1 more failed)");
  EXPECT_EQ(what_of([&] { engine->wait_all(); }), "third [in task fails]");
  EXPECT_NO_THROW(engine->wait_all());
}

TEST_P(EveryEngine, AnOverwriteHealsAndAnUpdateIsSkipped) {
  Var a = Var::make();
  int updated = 0, overwrote = 0;
  engine->push(failing({update(a)}));
  engine->push(task([&] { ++updated; }, {update(a)}));
  EXPECT_THROW(engine->wait(a), Error);
  EXPECT_TRUE(a.poisoned());
  engine->push(task([&] { ++overwrote; }, {overwrite(a)}));
  engine->wait(a);
  EXPECT_FALSE(a.poisoned());
  engine->push(task([&] { ++updated; }, {update(a)}));
  engine->wait(a);
  EXPECT_EQ(updated, 1);
  EXPECT_EQ(overwrote, 1);
}

// Reading what it overwrites, the task sees what was there: it must not run on poison.
TEST_P(EveryEngine, ReadingAndOverwritingOneVariableIsAnUpdate) {
  Var a = Var::make();
  int ran = 0;
  engine->push(failing({update(a)}));
  engine->push(task([&] { ++ran; }, {overwrite(a), read(a)}));
  EXPECT_THROW(engine->wait(a), Error);
  EXPECT_EQ(ran, 0);
}

TEST_P(EveryEngine, InlineCallsFailSkipAndHealLikeTasks) {
  Var a = Var::make(), b = Var::make();
  int ran = 0;
  auto count = [](void* n) { ++*static_cast<int*>(n); };
  auto fail = [](void*) { throw std::runtime_error("inline broke"); };
  const Engine::BorrowedUse update_a[] = {{&a, Access::kUpdate}};
  const Engine::BorrowedUse overwrite_a[] = {{&a, Access::kOverwrite}};
  const Engine::BorrowedUse a_to_b[] = {{&b, Access::kOverwrite}, {&a, Access::kRead}};
  EXPECT_TRUE(engine->run_if_idle(update_a, "Inline", fail, nullptr));
  EXPECT_TRUE(engine->run_if_idle(a_to_b, "Copy", count, &ran));
  EXPECT_TRUE(engine->run_if_idle(update_a, "Add", count, &ran));
  EXPECT_EQ(ran, 0);
  EXPECT_TRUE(a.poisoned());
  EXPECT_EQ(what_of([&] { engine->wait(b); }), "inline broke [in task Inline]");
  EXPECT_TRUE(engine->run_if_idle(overwrite_a, "Zero", count, &ran));
  EXPECT_FALSE(a.poisoned());
  EXPECT_TRUE(engine->run_if_idle(a_to_b, "Copy", count, &ran));
  EXPECT_EQ(ran, 2);
  EXPECT_NO_THROW(engine->wait_all());
}

TEST_P(EveryEngine, CancelledTasksAreSkippedAndPoison) {
  Var a = Var::make(), b = Var::make();
  auto token = std::make_shared<CancelToken>();
  int ran = 0;
  Task t = task([&] { ++ran; }, {update(a)}, "Cancelled");
  t.cancel = token;
  TaskRef prepared = engine->prepare(std::move(t));
  engine->push(prepared);
  engine->wait(a);
  token->cancel();
  engine->push(prepared);
  engine->push(task([&] { ++ran; }, {read(a), update(b)}));
  EXPECT_EQ(what_of([&] { engine->wait(b); }), "cancelled [in task Cancelled]");
  EXPECT_EQ(ran, 1);
}

TEST_P(EveryEngine, WhatTheTaskThrewIsKept) {
  struct Odd : std::runtime_error {
    using std::runtime_error::runtime_error;
  };
  Var a = Var::make();
  engine->push(task([] { throw Odd("odd"); }, {update(a)}));
  try {
    engine->wait(a);
    FAIL();
  } catch (const TaskError& e) {
    EXPECT_THROW(std::rethrow_exception(e.cause), Odd);
  }
}

TEST_P(EveryEngine, BadTasksAreRefusedAtThePush) {
  EXPECT_THROW(engine->push(Task{.name = "empty"}), Error);
  EXPECT_THROW(engine->push(task([] {}, {read(Var())})), Error);
  EXPECT_THROW(engine->push(TaskRef()), Error);
  EXPECT_THROW(Engine::make("warp"), Error);
  engine->wait_all();
}

// --- asynchronous tasks -------------------------------------------------------------------------

Task asynchronous(std::function<void(Done)> start, std::vector<Use> uses) {
  return {.name = "async",
          .start = [start = std::move(start)](RunContext&, Done done) { start(std::move(done)); },
          .uses = std::move(uses)};
}

TEST_P(EveryEngine, AnAsynchronousTaskEndsWhenDoneIsCalledFromAnyThread) {
  Var a = Var::make();
  std::barrier go(2);
  std::thread other;
  std::atomic<bool> ended{false};
  bool in_order = false;
  engine->push(asynchronous(
      [&](Done done) {
        other = std::thread([&, d = std::make_shared<Done>(std::move(done))] {
          go.arrive_and_wait();
          ended = true;
          (*d)();
        });
      },
      {update(a)}));
  engine->push(task([&] { in_order = ended; }, {read(a)}));
  go.arrive_and_wait();
  engine->wait_to_write(a);
  EXPECT_TRUE(in_order);
  other.join();
}

TEST_P(EveryEngine, DoneCarriesAnError) {
  Var a = Var::make();
  engine->push(asynchronous([](Done done) { done(std::make_exception_ptr(Error("from afar"))); },
                            {update(a)}));
  EXPECT_EQ(what_of([&] { engine->wait(a); }), "from afar [in task async]");
}

TEST_P(EveryEngine, DoneDestroyedUncalledFailsTheTask) {
  Var a = Var::make();
  engine->push(asynchronous([](Done) {}, {update(a)}));
  EXPECT_NE(what_of([&] { engine->wait(a); }).find("dropped"), std::string::npos);
}

TEST_P(EveryEngine, DoneCalledTwiceCountsOnce) {
  Var a = Var::make();
  engine->push(asynchronous(
      [](Done done) {
        done();
        done(std::make_exception_ptr(Error("ignored")));
      },
      {update(a)}));
  EXPECT_NO_THROW(engine->wait(a));
}

TEST_P(EveryEngine, AStartThatThrowsFailsWithWhatItThrew) {
  Var a = Var::make();
  engine->push(asynchronous([](Done) { throw Error("no start"); }, {update(a)}));
  EXPECT_EQ(what_of([&] { engine->wait(a); }), "no start [in task async]");
}

// The closure of a task is gone when a wait for it returns.
TEST_P(EveryEngine, ClosuresEndBeforeTheWaitDoes) {
  Var a = Var::make();
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> seen = held;
  engine->push(task([held = std::move(held)] {}, {update(a)}));
  engine->wait(a);
  EXPECT_TRUE(seen.expired());
}

}  // namespace heddle
