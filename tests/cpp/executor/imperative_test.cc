// Eager calls: values, outputs that are given, errors at the call and errors at the wait.
#include "heddle/imperative.h"

#include <gmock/gmock.h>

#include <thread>

#include "executor/arrays.h"

namespace heddle::test {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Imperative, AppliesAnOperator) {
  EXPECT_THAT(values(call("broadcast_add", {row({1, 2, 3}), row({10, 20, 30})})),
              ElementsAre(11, 22, 33));
}

TEST(Imperative, BigWorkGivesTheSameAsSmallWork) {
  const int64_t n = 1 << 20;  // pushed; the rows below run inline
  const std::vector<float> v = numbers(n, 1);
  const std::vector<float> big = values(call("relu", {array(v, {n})}));
  const std::vector<float> small = values(call("relu", {row({v.begin(), v.begin() + 64})}));
  EXPECT_EQ(std::vector<float>(big.begin(), big.begin() + 64), small);
}

TEST(Imperative, WritesIntoWhatIsGiven) {
  const NDArray a = row({1, -2, 3});
  std::vector<NDArray> out = {row({0, 0, 0})};
  const NDArray kept = out[0];
  const NDArray* in[] = {&a};
  invoke(make_call(OpTable::get().at("relu"), {}), in, out);
  EXPECT_THAT(values(kept), ElementsAre(1, 0, 3));
}

TEST(Imperative, OutputsMayBeInputs) {
  const OpCallRef dot = make_call(OpTable::get().at("dot"), {});
  const NDArray a = array({1, 2, 3, 4}, {2, 2}), b = array({5, 6, 7, 8}, {2, 2});
  std::vector<NDArray> out = {a};
  const NDArray* in[] = {&a, &b};
  invoke(dot, in, out);  // not an operator that works in place
  EXPECT_THAT(values(a), ElementsAre(19, 22, 43, 50));
  const NDArray* twice[] = {&b, &b};
  out = {b};
  invoke(make_call(OpTable::get().at("elemwise_add"), {}), twice, out);
  EXPECT_THAT(values(b), ElementsAre(10, 12, 14, 16));
}

TEST(Imperative, OverlappingRowsAreReadBeforeTheyAreWritten) {
  const NDArray a = row({1, 2, 3, 4});
  std::vector<NDArray> out = {a.slice(1, 4)};
  const NDArray from = a.slice(0, 3);
  const NDArray* in[] = {&from};
  invoke(make_call(OpTable::get().at("negative"), {}), in, out);
  EXPECT_THAT(values(a), ElementsAre(1, -1, -2, -3));
}

TEST(Imperative, RefusesAtTheCall) {
  const NDArray a = row({1, 2, 3}), b = row({1, 2});
  EXPECT_THAT(error_of([&] { call("elemwise_add", {a, b}); }), HasSubstr("[elemwise_add]"));
  EXPECT_THAT(error_of([&] { call("elemwise_add", {a}); }),
              HasSubstr("[elemwise_add] found 1 inputs, expected 2"));
  EXPECT_THAT(error_of([&] { call("elemwise_add", {a, NDArray()}); }), HasSubstr("is missing"));
  std::vector<NDArray> out = {row({0, 0})};
  const NDArray* in[] = {&a};
  EXPECT_THAT(error_of([&] { invoke(make_call(OpTable::get().at("relu"), {}), in, out); }),
              HasSubstr("[relu]"));
  EXPECT_THAT(error_of([&] { call("no_such_operator", {a}); }), HasSubstr("no_such_operator"));
}

const OpDef& failing() {
  static const OpDef& op =
      OpTable::get().define({.name = "test_failing",
                             .cpu = +[](OpContext&, Inputs, Outputs) { throw Error("it broke"); }});
  return op;
}

TEST(Imperative, KernelErrorsSurfaceAtTheWaitAndPoisonWhatFollows) {
  for (const int64_t n : {int64_t(4), int64_t(1) << 20}) {  // inline, and pushed
    const NDArray x = array(numbers(n, 2), {n});
    const OpCallRef fail = make_call(failing(), {});
    std::vector<NDArray> bad;
    const NDArray* in[] = {&x};
    invoke(fail, in, bad);
    const NDArray after = call("relu", {bad[0]});
    EXPECT_THAT(error_of([&] { values(after); }), HasSubstr("it broke"));
    EXPECT_EQ(values(call("relu", {x})).size(), size_t(n));
    std::vector<NDArray> out = {bad[0]};
    invoke(make_call(OpTable::get().at("relu"), {}), in, out);  // an overwrite heals
    EXPECT_EQ(error_of([&] { values(bad[0]); }), "");
  }
}

TEST(Imperative, RandomNumbersFollowTheSeed) {
  auto draw = [] { return values(call("_random_uniform", {}, {{"shape", "(8,)"}})); };
  seed(7);
  const auto first = draw(), second = draw();
  EXPECT_NE(first, second);
  seed(7);
  EXPECT_EQ(draw(), first);
  seed(8);
  EXPECT_NE(draw(), first);
  seed(7, {Device::kCpu, 0}), seed(7, {Device::kCpu, 3});
  EXPECT_EQ(next_seed({Device::kCpu, 0}), next_seed({Device::kCpu, 3}));
  seed(7);
  EXPECT_NE(next_seed({Device::kCpu, 0}), next_seed({Device::kCpu, 3}));
}

TEST(Imperative, OutputsSettleWhatParametersLeaveOpen) {
  std::vector<NDArray> out = {row({0, 0, 0})};
  invoke(make_call(OpTable::get().at("_random_uniform"), {{"low", "5"}, {"high", "6"}}), {}, out);
  for (float v : values(out[0])) EXPECT_TRUE(v >= 5 && v <= 6) << v;
}

TEST(Imperative, HiddenOutputsStayHidden) {
  const NDArray x = array(numbers(12, 3), {4, 3}), ones = row({1, 1, 1}), zeros = row({0, 0, 0});
  const auto out = invoke("BatchNorm", {x, ones, zeros, row({0, 0, 0}), row({1, 1, 1})});
  EXPECT_EQ(out.size(), 1u);
}

TEST(Imperative, StatesAreChangedInPlace) {
  const NDArray weight = row({1, 2}), grad = row({10, 10}), mom = row({0, 0});
  const NDArray* in[] = {&weight, &grad, &mom};
  std::vector<NDArray> out = {weight};
  const Kwargs kwargs = {{"lr", "0.1"}, {"momentum", "0.5"}};
  const OpCallRef update = make_call(OpTable::get().at("sgd_mom_update"), kwargs);
  const uint64_t before = mom.var().version();
  invoke(update, in, out), invoke(update, in, out);
  EXPECT_EQ(mom.var().version(), before + 2);
  EXPECT_THAT(values(mom), ElementsAre(-1.5, -1.5));
  EXPECT_THAT(values(weight), ElementsAre(-1.5, -0.5));
}

TEST(Imperative, ThreadsCallAtOnce) {
  const NDArray shared = array(numbers(1 << 16, 1), {1 << 16});
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> found(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const NDArray x = leaf(shared);
      for (int step = 0; step < 20; ++step) {
        NDArray y;
        {
          Recording on;
          y = call("elemwise_mul", {call("relu", {x}), shared});
          y = call("sum", {call("elemwise_mul", {y, x})});
        }
        backward(y);
      }
      found[size_t(t)] = values(gradient(x));
    });
  for (std::thread& t : threads) t.join();
  for (int t = 1; t < 4; ++t) EXPECT_EQ(found[size_t(t)], found[0]);
  const auto v = values(shared);
  EXPECT_NEAR(found[0][5], v[5] > 0 ? 2 * v[5] * v[5] : 0, 1e-5f);
}

// Keeps the positive numbers: how many, only the kernel knows.
const OpDef& positives() {
  static const OpDef& op =
      OpTable::get().define({.name = "test_positives",
                             .infer = nullptr,
                             .cpu =
                                 +[](OpContext& ctx, Inputs in, Outputs) {
                                   const float* x = in[0].as<float>();
                                   std::vector<float> kept;
                                   for (int64_t i = 0; i < in[0].size(); ++i)
                                     if (x[i] > 0) kept.push_back(x[i]);
                                   Blob out = ctx.allocate(0, {int64_t(kept.size())});
                                   std::copy(kept.begin(), kept.end(), out.as<float>());
                                 },
                             .dynamic_shape = true});
  return op;
}

TEST(Imperative, ExtentsThatOnlyTheKernelKnows) {
  const NDArray x = row({1, -2, 3, -4, 5});
  const NDArray* in[] = {&x};
  std::vector<NDArray> out;
  invoke(make_call(positives(), {}), in, out);
  EXPECT_THAT(values(out[0]), ElementsAre(1, 3, 5));
  BindSpec spec;
  spec.shapes["data"] = {5};
  const Symbol s = apply("test_positives", {Symbol::variable("data")}, "keep");
  EXPECT_THAT(error_of([&] { Executor::bind(s, spec); }),
              testing::AllOf(HasSubstr("keep"), HasSubstr("[test_positives]")));
}

TEST(Composed, RunsItsPartsAndIsDifferentiated) {
  const NDArray x = leaf(row({1, -2, 3})), w = leaf(row({4, 5, 6}));
  NDArray y;
  {
    Recording on;
    y = call("_grad_add", {x, call("elemwise_mul", {x, w})});
  }
  EXPECT_THAT(values(y), ElementsAre(5, -12, 21));
  backward(y);
  EXPECT_THAT(values(gradient(x)), ElementsAre(5, 6, 7));
  EXPECT_THAT(values(gradient(w)), ElementsAre(1, -2, 3));
}

TEST(Composed, WritesIntoOut) {
  const NDArray x = row({1, 2}), into = row({0, 0});
  const OpCallRef add = make_call(OpTable::get().at("_grad_add"), {});
  const NDArray* in[] = {&x, &x};
  std::vector<NDArray> out{into};
  invoke(add, in, out, Device{});
  EXPECT_THAT(values(into), ElementsAre(2, 4));
  out = {x};  // an input
  invoke(add, in, out, Device{});
  EXPECT_THAT(values(x), ElementsAre(2, 4));
}

TEST(Composed, IsBoundLikeAnythingElse) {
  const Symbol sum = apply("_grad_add", {Symbol::variable("a"), Symbol::variable("b")}, "sum");
  BindSpec spec;
  spec.shapes["a"] = {2};
  Executor e =
      Executor::bind(apply("make_loss", {apply("square", {sum}, "y")}, "loss"), std::move(spec));
  for (int i : {0, 1}) e.args()[i].copy_from(std::vector<float>{1, float(i)}.data());
  e.forward(true);
  e.backward();
  EXPECT_THAT(values(e.outputs()[0]), ElementsAre(4, 1));
  EXPECT_THAT(values(e.grads()[0]), ElementsAre(4, 2));
  EXPECT_THAT(values(e.grads()[1]), ElementsAre(4, 2));
}

}  // namespace heddle::test
