// Autograd: gradients, what the tape keeps, when it is freed, and what it refuses.
#include <gmock/gmock.h>

#include "executor/arrays.h"

namespace heddle::test {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kCount = 4096;
constexpr int64_t kBytes = kCount * 4;

int64_t live() {
  Engine::get().wait_all();
  return Pool::of(Device{}).stats().live;
}

NDArray plus(const NDArray& a, const char* scalar) {
  return call("_plus_scalar", {a}, {{"scalar", scalar}});
}

TEST(Tape, KeepsOnlyWhatGradientsRead) {
  const NDArray x = leaf(array(numbers(kCount, 1), {kCount}));
  const int64_t before = live();
  NDArray y;
  {
    Recording on;
    const NDArray a = plus(x, "1");       // reads nothing
    const NDArray b = call("relu", {a});  // reads its output
    const NDArray c = plus(b, "2");
    y = plus(c, "3");
  }
  EXPECT_EQ(live() - before, 2 * kBytes);  // relu's output and y
  backward(y);
  EXPECT_EQ(live() - before, kBytes);  // y
  y = NDArray();
  EXPECT_EQ(live(), before);
}

TEST(Tape, KeepsNothingOfCallsThatAreNotRecorded) {
  const NDArray x = leaf(array(numbers(kCount, 1), {kCount}));
  const NDArray constant = array(numbers(kCount, 2), {kCount});
  const int64_t before = live();
  {
    NDArray y = call("relu", {x});  // not recording
    EXPECT_FALSE(autograd::is_recorded(y));
    Recording on;
    y = call("relu", {constant});  // nothing there to differentiate by
    EXPECT_FALSE(autograd::is_recorded(y));
    y = call("relu", {x});
    EXPECT_TRUE(autograd::is_recorded(y));
    EXPECT_FALSE(autograd::is_recorded(x));
    EXPECT_FALSE(autograd::is_recorded(y.detach()));
  }
  EXPECT_EQ(live(), before);
}

// Backward needs the saved arrays and two gradients at a time, however long the chain.
TEST(Tape, GradientsGoWithTheirLastReader) {
  const NDArray x = leaf(array(numbers(kCount, 1), {kCount}));
  NDArray y = x;
  {
    Recording on;
    for (int i = 0; i < 20; ++i) y = call("sigmoid", {y});
  }
  const int64_t before = live();
  Pool::of(Device{}).reset_peak();
  backward(y);
  Engine::get().wait_all();
  EXPECT_LE(Pool::of(Device{}).stats().peak_live - before, 2 * kBytes);
}

// A recursion as deep as the tape would end the process at a tenth of this already.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kSteps = 100000;
#else
constexpr int kSteps = 1000000;
#endif

TEST(Tape, AMillionSteps) {
  const NDArray x = leaf(row({1, 2}));
  const OpCallRef add = make_call(OpTable::get().at("_plus_scalar"), {{"scalar", "1"}});
  NDArray y = x;
  {
    Recording on;
    for (int i = 0; i < kSteps; ++i) {
      const NDArray* in[] = {&y};
      std::vector<NDArray> out;
      invoke(add, in, out);
      y = std::move(out[0]);
    }
  }
  EXPECT_THAT(values(y), ElementsAre(kSteps + 1, kSteps + 2));
  backward(y);
  EXPECT_THAT(values(gradient(x)), ElementsAre(1, 1));
}

TEST(Tape, AMillionStepsAreDroppedUndifferentiated) {
  const NDArray x = leaf(row({1, 2}));
  const OpCallRef add = make_call(OpTable::get().at("_plus_scalar"), {{"scalar", "1"}});
  const int64_t before = live();
  {
    Recording on;
    NDArray y = x;
    for (int i = 0; i < kSteps; ++i) {
      const NDArray* in[] = {&y};
      std::vector<NDArray> out;
      invoke(add, in, out);
      y = std::move(out[0]);
    }
  }
  EXPECT_EQ(live(), before);
}

TEST(Tape, SecondBackwardNeedsTheGraph) {
  const NDArray x = leaf(row({1, 2}));
  NDArray y, z;
  {
    Recording on;
    const NDArray h = call("square", {x});
    y = call("sum", {h});
    z = plus(h, "1");
  }
  backward(y, true);
  backward(y);
  EXPECT_THAT(values(gradient(x)), ElementsAre(2, 4));
  EXPECT_THAT(error_of([&] { backward(y); }),
              HasSubstr("Cannot differentiate node because it is not in a computational graph."));
  EXPECT_THAT(error_of([&] { backward(z); }), HasSubstr("retain_graph=True"));  // shares h
  EXPECT_THAT(error_of([&] { backward(row({1})); }), HasSubstr("not in a computational graph"));
}

TEST(Tape, ContributionsAreSummedBeforeTheRequestIsApplied) {
  const NDArray w = leaf(row({3}), GradReq::kWrite), a = leaf(row({3}), GradReq::kAdd);
  for (int step = 1; step <= 2; ++step) {
    NDArray y;
    {
      Recording on;
      const NDArray m = call("elemwise_mul", {w, a});
      y = call("elemwise_add", {call("elemwise_mul", {m, w}), call("elemwise_mul", {m, a})});
    }
    backward(y);  // w2 a + w a2
    EXPECT_THAT(values(gradient(w)), ElementsAre(2 * 9 + 9));
    EXPECT_THAT(values(gradient(a)), ElementsAre(step * (9 + 2 * 9)));
  }
}

TEST(Tape, ANullRequestAsksForNothing) {
  NDArray x = row({1, 2});
  autograd::mark_variable(x, NDArray(), GradReq::kNone);
  NDArray y;
  {
    Recording on;
    y = call("square", {x});
  }
  EXPECT_TRUE(autograd::is_recorded(y));
  EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("no inputs in computation graph"));
}

TEST(Tape, HeadsMayBeLeavesAndHaveGradients) {
  const NDArray x = leaf(row({1, 2}));
  backward(x);
  EXPECT_THAT(values(gradient(x)), ElementsAre(1, 1));
  NDArray y;
  {
    Recording on;
    y = call("square", {x});
  }
  const NDArray heads[] = {y, x}, grads[] = {row({10, 100}), NDArray()};
  autograd::backward(heads, grads);
  EXPECT_THAT(values(gradient(x)), ElementsAre(21, 401));
  EXPECT_THAT(values(grads[0]), ElementsAre(10, 100));
  const NDArray head[] = {x}, bad[] = {row({1, 2, 3})};
  EXPECT_THAT(error_of([&] { autograd::backward(head, bad); }), HasSubstr("head gradient 0"));
}

TEST(Tape, WhatIsBlockedGetsZeros) {
  const NDArray x = leaf(row({1, 2}));
  const NDArray g = gradient(x);
  g.copy_from(std::vector<float>{7, 7}.data());
  NDArray y;
  {
    Recording on;
    y = call("BlockGrad", {x});
  }
  backward(y);
  EXPECT_THAT(values(g), ElementsAre(0, 0));
}

TEST(Tape, WritesToRecordedArraysAreRefused) {
  const NDArray x = leaf(row({1, 2}));
  const OpCallRef relu = make_call(OpTable::get().at("relu"), {});
  const NDArray z = row({5, 6});
  const NDArray* in[] = {&z};
  Recording on;
  const NDArray y = call("square", {x});
  for (const NDArray& target : {x, y}) {
    std::vector<NDArray> out = {target};
    EXPECT_THAT(error_of([&] { invoke(relu, in, out); }),
                HasSubstr("Inplace operations (+=, -=, x[:]=, etc) are not supported"));
    EXPECT_NE(error_of([&] { autograd::check_inplace(target); }), "");
  }
  EXPECT_EQ(error_of([&] { autograd::check_inplace(z); }), "");
  backward(y);
}

TEST(Tape, OverwrittenArraysAreNoticed) {
  const NDArray x = leaf(row({1, 2})), c = row({3, 4});
  NDArray y;
  {
    Recording on;
    y = call("elemwise_mul", {x, c});
  }
  c.copy_from(std::vector<float>{9, 9}.data());
  EXPECT_THAT(error_of([&] { backward(y); }), HasSubstr("was overwritten after it was recorded"));
  NDArray sum;
  {
    Recording on;
    sum = call("elemwise_add", {x, c});  // its gradient reads neither
  }
  c.copy_from(std::vector<float>{1, 1}.data());
  backward(sum);
  EXPECT_THAT(values(gradient(x)), ElementsAre(1, 1));
}

TEST(Tape, GradReturnsAndLeavesMarkedGradientsAlone) {
  const NDArray x = leaf(row({1, 2})), other = leaf(row({1, 2}));
  NDArray y, h;
  {
    Recording on;
    h = call("square", {x});
    y = call("square", {h});
  }
  const NDArray heads[] = {y}, variables[] = {x, h};
  const auto g = autograd::grad(heads, variables, {}, true);
  EXPECT_THAT(values(g[0]), ElementsAre(4, 32));
  EXPECT_THAT(values(g[1]), ElementsAre(2, 8));
  EXPECT_THAT(values(gradient(x)), ElementsAre(0, 0));
  const NDArray unmarked[] = {row({1})}, unreached[] = {other};
  EXPECT_THAT(error_of([&] { autograd::grad(heads, unmarked); }),
              HasSubstr("the 1-th variable because it does not require gradient"));
  EXPECT_THAT(error_of([&] { autograd::grad(heads, unreached); }), HasSubstr("unreachable"));
}

TEST(Tape, GradientsOfGradients) {
  const NDArray x = leaf(row({1, 2}));
  std::vector<NDArray> g;
  {
    Recording on;
    const NDArray heads[] = {call("elemwise_mul", {x, call("elemwise_mul", {x, x})})};
    const NDArray variables[] = {x};
    g = autograd::grad(heads, variables, {}, false, true);
  }
  EXPECT_THAT(values(g[0]), ElementsAre(3, 12));
  backward(g[0]);
  EXPECT_THAT(values(gradient(x)), ElementsAre(6, 12));
}

TEST(Tape, GradientsComeBackToTheirDevices) {
  const NDArray x = leaf(row({1, 2}));
  const Device other{Device::kCpu, 1};
  const NDArray there({2}, other);
  NDArray y;
  {
    Recording on;
    const NDArray h = call("square", {x});
    std::vector<NDArray> out = {there};
    const NDArray* in[] = {&h};
    invoke(make_call(OpTable::get().at("_copyto"), {}), in, out);
    y = call("square", {out[0]});
    EXPECT_EQ(y.device(), other);
  }
  const NDArray heads[] = {y}, variables[] = {x};
  const NDArray g = autograd::grad(heads, variables, {}, true).at(0);
  EXPECT_EQ(g.device(), x.device());
  EXPECT_THAT(values(g), ElementsAre(4, 32));
  backward(y);
  EXPECT_THAT(values(gradient(x)), ElementsAre(4, 32));
}

TEST(Tape, OnlySomeOutputsMatter) {
  const NDArray x = leaf(array({1, 2, 3, 4}, {2, 2}));
  NDArray y;
  {
    Recording on;
    y = call("square", {invoke("SliceChannel", {x}, {{"num_outputs", "2"}})[1]});
  }
  backward(y);
  EXPECT_THAT(values(gradient(x)), ElementsAre(0, 4, 0, 8));
}

TEST(Tape, TrainingIsAsItWasRecorded) {
  const NDArray x = leaf(row(std::vector<float>(1000, 1)));
  NDArray y;
  {
    Recording on(false);
    y = call("Dropout", {x}, {{"p", "0.5"}});
  }
  EXPECT_EQ(values(y), values(x));
  {
    Recording on(true);
    y = call("Dropout", {x}, {{"p", "0.5"}});
  }
  backward(y);
  EXPECT_EQ(values(gradient(x)), values(y));  // the mask is the same both ways
  EXPECT_NE(values(y), values(x));
}

TEST(Tape, MovingStatisticsChangeOncePerBackward) {
  const NDArray x = leaf(array(numbers(64, 1), {16, 4}));
  const NDArray gamma = leaf(row({1, 1, 1, 1})), beta = leaf(row({0, 0, 0, 0}));
  const NDArray mean = row({0, 0, 0, 0}), var = row({1, 1, 1, 1});
  NDArray y;
  {
    Recording on;
    for (int i = 0; i < 2; ++i) y = call("BatchNorm", {x, gamma, beta, mean, var});
  }
  EXPECT_THAT(values(mean), ElementsAre(0, 0, 0, 0));
  backward(y);
  const auto after = values(mean);
  EXPECT_NE(after, std::vector<float>(4, 0));
  EXPECT_EQ(values(var).size(), 4u);
}

}  // namespace heddle::test
