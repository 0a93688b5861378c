// Runs among other tasks: arrays are released node by node, errors reach whoever waits, and the
// engines agree.
#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "executor/arrays.h"

namespace heddle::test {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

// Opens once; who waits in vain for half a minute has found a deadlock.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  void unlock() {
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex);
    check(changed.wait_for(lock, std::chrono::seconds(30), [&] { return open; }),
          "nobody opened the gate");
  }
};
Gate gate;

// The identity, whose gradient waits at the gate.
const OpDef& waiting() {
  static auto copy = [](Inputs in, Outputs out) {
    std::copy_n(in[0].as<float>(), in[0].size(), out[0].as<float>());
  };
  static const OpDef& op = OpTable::get().define(
      {.name = "test_waiting",
       .cpu = +[](OpContext&, Inputs in, Outputs out) { copy(in, out); },
       .backward = {.reads = {dy()}, .run = +[](OpContext&, Inputs in, Outputs out) {
                      gate.pass();
                      copy(in, out);
                    }}});
  return op;
}

TEST(Release, TheLastLayersGradientIsPushedBeforeTheFirstLayersBackwardEnds) {
  if (Engine::get().name() == std::string("naive")) GTEST_SKIP() << "runs everything at the push";
  waiting();
  const Symbol first = apply("test_waiting", {Symbol::variable("data")}, "first");
  const Symbol last = apply("FullyConnected", {first}, "last", {{"num_hidden", "2"}});
  BindSpec spec;
  constexpr int64_t kWide = 16384;  // too much work for the thread that pushes to do it itself
  spec.shapes["data"] = {2, kWide};
  Executor e = Executor::bind(last, spec);
  std::vector<float> data(2 * kWide, 1.0f);
  std::fill_n(data.begin(), kWide, 3.0f);
  e.args()[0].copy_from(data.data());
  e.forward(true);
  const NDArray heads[] = {array({1, 1, 1, 1}, {2, 2})};
  e.backward(heads);
  const NDArray weight_grad = e.grads()[1];
  Engine::get().push({.name = "send the gradient",
                      .run = [](RunContext&) { gate.unlock(); },
                      .uses = {{weight_grad.var(), Access::kRead}}});
  EXPECT_THAT(values(e.grads()[0]), Each(0));  // throws if the gate stayed shut
  EXPECT_THAT(values(weight_grad), Each(4));
}

bool broken = false;
const OpDef& breaking() {
  static const OpDef& op = OpTable::get().define(
      {.name = "test_breaking",
       .cpu =
           +[](OpContext&, Inputs in, Outputs out) {
             check(!broken, "it broke");
             std::copy_n(in[0].as<float>(), in[0].size(), out[0].as<float>());
           },
       .backward = {.reads = {dy()}, .run = +[](OpContext&, Inputs in, Outputs out) {
                      std::copy_n(in[0].as<float>(), in[0].size(), out[0].as<float>());
                    }}});
  return op;
}

TEST(Release, AFailedNodePoisonsWhatFollowsAndTheExecutorStaysUsable) {
  breaking();
  const Symbol x = Symbol::variable("x");
  const Symbol s = Symbol::group({apply("relu", {apply("test_breaking", {x}, "culprit")}, "after"),
                                  apply("negative", {x}, "beside")});
  BindSpec spec;
  spec.args = {{"x", row({1, 2})}};
  Executor e = Executor::bind(s, spec);
  const NDArray heads[] = {row({1, 1}), row({1, 1})};
  broken = true;
  e.forward(true), e.backward(heads);
  EXPECT_THAT(error_of([&] { e.grads()[0].wait_to_read(); }),  // backward carries the first cause
              testing::AllOf(HasSubstr("culprit"), HasSubstr("it broke")));
  EXPECT_TRUE(e.outputs()[0].var().poisoned());
  EXPECT_TRUE(e.grads()[0].var().poisoned());
  EXPECT_FALSE(e.outputs()[1].var().poisoned());
  broken = false;
  e.forward(true), e.backward(heads);
  EXPECT_THAT(values(e.outputs()[0]), ElementsAre(1, 2));
  EXPECT_THAT(values(e.outputs()[1]), ElementsAre(-1, -2));
  EXPECT_THAT(values(e.grads()[0]), ElementsAre(0, 0));
}

TEST(Release, PoisonedInputsPoisonOutputs) {
  breaking();
  const NDArray good = row({1, 2});
  broken = true;
  const NDArray bad = call("test_breaking", {good});
  broken = false;
  BindSpec spec;
  spec.args = {{"x", bad}};
  spec.training = false;
  Executor e = Executor::bind(apply("relu", {Symbol::variable("x")}, "r"), spec);
  e.forward(false);
  EXPECT_THAT(error_of([&] { values(e.outputs()[0]); }), HasSubstr("it broke"));
  const NDArray* in[] = {&good};
  std::vector<NDArray> out = {bad};
  invoke(make_call(OpTable::get().at("negative"), {}), in, out);
  e.forward(false);
  EXPECT_THAT(values(e.outputs()[0]), ElementsAre(0, 0));
}

TEST(Release, ExecutorsMayGoWhileTheyRun) {
  NDArray out;
  {
    BindSpec spec;
    const int64_t n = 1 << 20;
    spec.args = {{"x", array(std::vector<float>(size_t(n), 4), {n})}};
    Executor e = Executor::bind(apply("sqrt", {Symbol::variable("x")}, "root"), spec);
    e.forward(true);
    out = e.outputs()[0];
  }
  EXPECT_EQ(values(out)[7], 2);
}

// The other tests once more, on the engine that runs tasks where they are pushed.
TEST(Release, TheNaiveEngineAgrees) {
  if (Engine::get().name() == std::string("naive")) GTEST_SKIP() << "this is the second time";
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  // Without those that are skipped there: ctest would take their word for this test's.
  const std::string command = "HEDDLE_ENGINE=naive '" + program +
                              "' --gtest_filter=-*Million*:Release.TheNaiveEngineAgrees:"
                              "Release.TheLastLayersGradient* >&2";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace heddle::test
