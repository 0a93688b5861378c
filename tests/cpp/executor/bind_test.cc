// Bound graphs: values, gradients, requests, memory, and what bind refuses.
#include <gmock/gmock.h>

#include "executor/arrays.h"

namespace heddle::test {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Symbol mlp() {
  const Symbol fc1 =
      apply("FullyConnected", {Symbol::variable("data")}, "fc1", {{"num_hidden", "8"}});
  const Symbol act = apply("Activation", {fc1}, "act", {{"act_type", "tanh"}});
  const Symbol fc2 = apply("FullyConnected", {act}, "fc2", {{"num_hidden", "3"}});
  return apply("SoftmaxOutput", {fc2}, "softmax");
}

std::map<std::string, NDArray> grads_of(const Executor& e) {
  std::map<std::string, NDArray> g;
  const auto names = e.symbol().arguments();
  for (size_t i = 0; i < names.size(); ++i) g[names[i]] = e.grads()[i];
  return g;
}

void fill(const Executor& e) {
  const auto names = e.symbol().arguments();
  for (size_t i = 0; i < names.size(); ++i) {
    auto v = numbers(e.args()[i].size(), int(i), 0.5f);
    if (names[i].find("label") != std::string::npos)
      for (size_t k = 0; k < v.size(); ++k) v[k] = float(k % 3);
    e.args()[i].copy_from(v.data());
  }
}

Executor bound_mlp(BindSpec spec = {}) {
  spec.shapes["data"] = {6, 5};
  Executor e = Executor::bind(mlp(), std::move(spec));
  fill(e);
  return e;
}

void expect_near(const std::vector<float>& a, const std::vector<float>& b, float by) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], by) << "at " << i;
}

// The cross entropy that SoftmaxOutput's gradient belongs to.
double loss(Executor& e) {
  e.forward(false);
  const auto p = values(e.outputs()[0]), label = values(e.args().back());
  double sum = 0;
  for (size_t i = 0; i < label.size(); ++i) sum -= std::log(p[i * 3 + size_t(label[i])]);
  return sum;
}

TEST(Bind, GradientsAreThoseOfTheTapeAndOfDifferences) {
  Executor e = bound_mlp();
  e.forward(true);
  e.backward();
  std::vector<NDArray> a;
  for (const NDArray& x : e.args()) a.push_back(leaf(x));
  NDArray y;
  {
    Recording on;
    y = call("FullyConnected", {a[0], a[1], a[2]}, {{"num_hidden", "8"}});
    y = call("Activation", {y}, {{"act_type", "tanh"}});
    y = call("FullyConnected", {y, a[3], a[4]}, {{"num_hidden", "3"}});
    y = call("SoftmaxOutput", {y, a[5]});
  }
  backward(y);
  expect_near(values(y), values(e.outputs()[0]), 1e-6f);
  for (size_t i = 0; i < a.size(); ++i)
    expect_near(values(gradient(a[i])), values(e.grads()[i]), 1e-5f);

  const NDArray w = e.args()[1];
  const auto found = values(e.grads()[1]);
  auto v = values(w);
  for (size_t i = 0; i < v.size(); i += 7) {
    const float at = v[i], step = 1e-2f;
    v[i] = at + step, w.copy_from(v.data());
    const double up = loss(e);
    v[i] = at - step, w.copy_from(v.data());
    const double down = loss(e);
    v[i] = at, w.copy_from(v.data());
    EXPECT_NEAR((up - down) / (2 * step), found[i], 2e-3) << "weight " << i;
  }
}

TEST(Bind, TrainsBothWaysAlike) {
  Executor e = bound_mlp();
  const auto names = e.symbol().arguments();
  std::vector<NDArray> a;
  for (const NDArray& x : e.args()) a.push_back(leaf(array(values(x), x.shape())));
  auto update = [](const NDArray& w, const NDArray& g) {
    std::vector<NDArray> out = {w};
    const NDArray step = call("_mul_scalar", {g}, {{"scalar", "-0.1"}});
    const NDArray* in[] = {&w, &step};
    invoke(make_call(OpTable::get().at("elemwise_add"), {}), in, out);
  };
  const double before = loss(e);
  for (int step = 0; step < 20; ++step) {
    e.forward(true), e.backward();
    NDArray y;
    {
      Recording on;
      y = call("FullyConnected", {a[0], a[1], a[2]}, {{"num_hidden", "8"}});
      y = call("Activation", {y}, {{"act_type", "tanh"}});
      y = call("FullyConnected", {y, a[3], a[4]}, {{"num_hidden", "3"}});
      y = call("SoftmaxOutput", {y, a[5]});
    }
    backward(y);
    for (int i = 1; i <= 4; ++i) {
      update(e.args()[i], e.grads()[i]);
      update(a[i], gradient(a[i]));
    }
  }
  for (int i = 1; i <= 4; ++i) expect_near(values(a[i]), values(e.args()[i]), 1e-5f);
  EXPECT_LT(loss(e), 0.5 * before);
}

TEST(Bind, TheArenaIsTheStatedPeak) {
  for (const bool training : {false, true}) {
    BindSpec spec;
    spec.training = training;
    spec.shapes["data"] = {64, 50};
    Executor e = Executor::bind(mlp(), spec);
    Engine::get().wait_all();
    const int64_t before = Pool::of(Device{}).stats().live, outputs = 64 * 3 * 4;
    fill(e);
    e.forward(training);
    if (training) e.backward();
    Engine::get().wait_all();
    const int64_t measured = Pool::of(Device{}).stats().live - before - outputs;
    const auto m = e.memory();
    EXPECT_GT(m.planned_arena, 0);
    EXPECT_NEAR(double(measured - m.kept), double(m.planned_arena), 0.01 * double(m.planned_arena));
    EXPECT_TRUE(!training || m.kept == 0) << m.kept;  // in prediction, packed weights
    EXPECT_EQ(m.allocated_arena, m.planned_arena);
    EXPECT_LE(m.touched_arena, m.planned_arena);
    EXPECT_GE(double(m.touched_arena), 0.9 * double(m.planned_arena));
  }
}

TEST(Bind, WithoutGradientsActivationsAreNotKept) {
  Symbol s = Symbol::variable("data");
  for (int i = 0; i < 30; ++i) s = apply("tanh", {s}, format("t{}", i));
  BindSpec spec;
  spec.shapes["data"] = {1024};
  EXPECT_GE(Executor::bind(s, spec).memory().planned_arena, 25 * 4096);
  spec.training = false;
  EXPECT_LE(Executor::bind(s, spec).memory().planned_arena, 2 * 4096);
}

TEST(Bind, AddIsWriteTwiceAndNullIsPruned) {
  Executor write = bound_mlp();
  write.forward(true), write.backward();
  BindSpec spec;
  spec.default_req = GradReq::kAdd;
  spec.grad_req = {{"data", GradReq::kNone}, {"softmax_label", GradReq::kNone}};
  Executor add = bound_mlp(spec);
  EXPECT_FALSE(bool(grads_of(add)["data"]));
  for (int i = 0; i < 2; ++i) add.forward(true), add.backward();
  for (const char* name : {"fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"}) {
    auto twice = values(grads_of(write)[name]);
    for (float& v : twice) v *= 2;
    expect_near(values(grads_of(add)[name]), twice, 1e-5f);
  }
  EXPECT_THAT(write.describe(), HasSubstr("fc1_backward"));
  spec.default_req = GradReq::kNone;
  Executor none = bound_mlp(spec);
  EXPECT_THAT(none.describe(), testing::Not(HasSubstr("fc1_backward")));
  none.forward(true), none.backward();
}

TEST(Bind, ReadsAndWritesTheArraysItIsGiven) {
  const Symbol s = apply("elemwise_mul", {Symbol::variable("a"), Symbol::variable("b")}, "m");
  BindSpec spec;
  spec.args = {{"a", row({1, 2})}, {"b", row({3, 4})}};
  spec.grads = {{"a", row({0, 0})}};
  spec.grad_req = {{"b", GradReq::kNone}};
  Executor e = Executor::bind(s, spec);
  const NDArray out = e.outputs()[0];
  e.forward(true);
  const NDArray heads[] = {row({10, 100})};
  e.backward(heads);
  EXPECT_THAT(values(out), ElementsAre(3, 8));
  EXPECT_THAT(values(spec.grads["a"]), ElementsAre(30, 400));
  spec.args["a"].copy_from(std::vector<float>{5, 6}.data());
  e.forward(false);
  EXPECT_THAT(values(out), ElementsAre(15, 24));
  EXPECT_TRUE(e.outputs()[0].shares_memory(out));
  EXPECT_THAT(
      error_of([&] { e.forward(true), e.backward(); }),
      HasSubstr("Because the last operator is not Loss function, head_gradient is required"));
}

TEST(Bind, OneValueMayBeAGradientTwiceAnOutputTwiceAndAVariable) {
  const Symbol a = Symbol::variable("a"), b = Symbol::variable("b");
  const Symbol sum = apply("elemwise_add", {a, b}, "sum");
  const Symbol s = Symbol::group({sum, a, sum});
  BindSpec spec;
  spec.args = {{"a", row({1, 2})}, {"b", row({3, 4})}};
  Executor e = Executor::bind(s, spec);
  e.forward(true);
  const NDArray heads[] = {row({1, 1}), row({10, 10}), row({100, 100})};
  e.backward(heads);
  EXPECT_THAT(values(e.outputs()[0]), ElementsAre(4, 6));
  EXPECT_THAT(values(e.outputs()[1]), ElementsAre(1, 2));
  EXPECT_THAT(values(e.outputs()[2]), ElementsAre(4, 6));
  EXPECT_THAT(values(e.grads()[0]), ElementsAre(111, 111));
  EXPECT_THAT(values(e.grads()[1]), ElementsAre(101, 101));
}

TEST(Bind, BackwardAgainComputesTheActivationsAgain) {
  Executor e = bound_mlp();
  e.forward(true), e.backward();
  const auto once = values(e.grads()[1]);
  e.backward();
  EXPECT_EQ(values(e.grads()[1]), once);
  e.forward(true), e.forward(false), e.backward();
  EXPECT_EQ(values(e.grads()[1]), once);
}

TEST(Bind, RandomNodesDrawAnewEachRun) {
  const Symbol s = apply("Dropout", {Symbol::variable("data")}, "drop", {{"p", "0.5"}});
  BindSpec spec;
  spec.args = {{"data", row(std::vector<float>(256, 1))}};
  Executor e = Executor::bind(s, spec);
  const NDArray heads[] = {row(std::vector<float>(256, 1))};
  seed(3);
  e.forward(true), e.backward(heads);
  const auto first = values(e.outputs()[0]);
  EXPECT_EQ(values(e.grads()[0]), first);
  e.forward(true), e.backward(heads);
  const auto second = values(e.outputs()[0]);
  EXPECT_NE(second, first);
  EXPECT_EQ(values(e.grads()[0]), second);
  e.backward(heads);  // the activations again, with the numbers they had
  EXPECT_EQ(values(e.outputs()[0]), second);
  seed(3);
  e.forward(true);
  EXPECT_EQ(values(e.outputs()[0]), first);
  e.forward(false);
  EXPECT_EQ(values(e.outputs()[0]), values(spec.args["data"]));
}

TEST(Bind, AuxiliaryStatesChangeOncePerStepInBackward) {
  const Symbol s = apply("BatchNorm", {Symbol::variable("data")}, "bn", {{"momentum", "0.5"}});
  BindSpec spec;
  spec.shapes["data"] = {16, 2};
  Executor e = Executor::bind(s, spec);
  fill(e);
  auto means = [&] { return values(e.aux()[0]); };
  for (int i = 0; i < 3; ++i) e.forward(true);
  EXPECT_THAT(means(), ElementsAre(0, 0));
  const NDArray heads[] = {array(numbers(32, 4), {16, 2})};
  e.backward(heads);
  const auto x = values(e.args()[0]);
  for (int c = 0; c < 2; ++c) {
    float mean = 0;
    for (int i = 0; i < 16; ++i) mean += x[size_t(i * 2 + c)] / 16;
    EXPECT_NEAR(means()[size_t(c)], 0.5f * mean, 1e-5f);
  }
}

TEST(Bind, MonitorsSeeEveryNode) {
  Executor e = bound_mlp();
  std::vector<std::string> names;
  std::map<std::string, std::vector<float>> seen;
  e.monitor([&](std::string_view name, const NDArray& v) {
    names.emplace_back(name);
    seen[names.back()] = values(v);
  });
  e.forward(true), e.backward();
  EXPECT_THAT(
      names,
      ElementsAre("fc1_output", "act_output", "fc2_output", "softmax_output",
                  "softmax_backward_output0", "softmax_backward_output1", "fc2_backward_output0",
                  "fc2_backward_output1", "fc2_backward_output2", "act_backward_output",
                  "fc1_backward_output0", "fc1_backward_output1", "fc1_backward_output2"));
  const auto grad = values(e.grads()[1]);
  EXPECT_EQ(seen["fc1_backward_output1"], grad);
  EXPECT_EQ(seen["softmax_output"], values(e.outputs()[0]));
  names.clear();
  e.monitor([&](std::string_view name, const NDArray&) { names.emplace_back(name); }, true);
  e.forward(false);
  EXPECT_THAT(names, testing::Contains("fc1_weight"));
  e.monitor(nullptr);
  e.forward(true), e.backward();
  EXPECT_EQ(values(e.grads()[1]), grad);
}

TEST(Bind, ReshapedExecutorsShareParameters) {
  Executor e = bound_mlp();
  Executor half = e.reshape({{"data", {3, 5}}, {"softmax_label", {3}}}, false, false);
  EXPECT_TRUE(half.args()[1].shares_memory(e.args()[1]));
  EXPECT_TRUE(half.args()[0].shares_memory(e.args()[0]));
  e.forward(false), half.forward(false);
  auto whole = values(e.outputs()[0]);
  whole.resize(9);
  expect_near(values(half.outputs()[0]), whole, 1e-6f);
  e.forward(true), half.forward(true), half.backward(), e.backward();  // on one arena
  const auto found = values(e.grads()[1]);
  Executor fresh = bound_mlp();
  fresh.forward(true), fresh.backward();
  expect_near(found, values(fresh.grads()[1]), 1e-6f);
  EXPECT_THAT(error_of([&] {
                e.reshape({{"data", {12, 5}}}, true, false);
              }),
              HasSubstr("allow_up_sizing"));
  Executor twice = e.reshape({{"data", {12, 5}}}, true, true);
  twice.forward(false);
  EXPECT_EQ(twice.outputs()[0].shape(), (Shape{12, 3}));
  EXPECT_THAT(error_of([&] {
                e.reshape({{"data", {6, 4}}}, false, false);
              }),
              AllOf(HasSubstr("fc1_weight"), HasSubstr("partial_shaping")));
}

TEST(Bind, PlacesGroupsOnDevices) {
  const Symbol a = apply("square", {Symbol::variable("x")}, "a");
  const Symbol b = Symbol::apply(make_call(OpTable::get().at("relu"), {}), {a}, {}, "b",
                                 {{"__ctx_group__", "other"}});
  BindSpec spec;
  spec.args = {{"x", row({-2, 3})}};
  spec.groups = {{"other", {Device::kCpu, 1}}};
  Executor e = Executor::bind(b, spec);
  EXPECT_EQ(e.outputs()[0].device(), (Device{Device::kCpu, 1}));
  e.forward(true);
  const NDArray heads[] = {row({1, 10})};
  e.backward(heads);
  EXPECT_THAT(values(e.outputs()[0]), ElementsAre(4, 9));
  EXPECT_THAT(values(e.grads()[0]), ElementsAre(-4, 60));
}

// Weights are folded, packed and let go of again after every write, while runs go on.
TEST(Bind, PreparesWeightsAgainWhileRunsAreOnTheirWay) {
  const Symbol conv =
      apply("Convolution", {Symbol::variable("data")}, "conv",
            {{"kernel", "(3, 3)"}, {"num_filter", "32"}, {"pad", "(1, 1)"}, {"no_bias", "True"}});
  const Symbol y = apply("BatchNorm", {conv}, "bn", {{"fix_gamma", "False"}});
  BindSpec spec;
  spec.shapes["data"] = {2, 32, 16, 16}, spec.default_req = GradReq::kNone;
  Executor e = Executor::bind(y, spec);
  fill(e);
  e.aux()[0].copy_from(std::vector<float>(32, 0).data());
  e.aux()[1].copy_from(std::vector<float>(32, 1).data());
  for (int round = 0; round < 8; ++round) {
    const auto w = numbers(e.args()[1].size(), round, 0.1f);
    e.args()[1].copy_from(w.data());
    for (int run = 0; run < 3; ++run) e.forward(false);
    if (round % 4 != 3) continue;  // nobody waits between the writes
    Executor other = Executor::bind(y, spec);
    for (size_t i = 0; i < e.args().size(); ++i)
      other.args()[i].copy_from(values(e.args()[i]).data());
    for (size_t i = 0; i < e.aux().size(); ++i) other.aux()[i].copy_from(values(e.aux()[i]).data());
    other.forward(false);
    EXPECT_EQ(values(e.outputs()[0]), values(other.outputs()[0]));
  }
}

TEST(Bind, RefusesWithNames) {
  EXPECT_THAT(error_of([] { Executor::bind(mlp(), {}); }),
              AllOf(HasSubstr("InferShape pass cannot decide shapes for the following arguments"),
                    HasSubstr("data: ?"), HasSubstr("fc1_weight: ")));
  BindSpec spec;
  spec.shapes = {{"data", {6, 5}}, {"fc1_weight", {8, 4}}};
  EXPECT_THAT(error_of([&] { Executor::bind(mlp(), spec); }), HasSubstr("Error in operator fc1"));
  spec.shapes.erase("fc1_weight");
  spec.grads["fc2_bias"] = row({1, 2});
  EXPECT_THAT(error_of([&] { Executor::bind(mlp(), spec); }), HasSubstr("gradient of 'fc2_bias'"));
  const Symbol x = Symbol::variable("x");
  const Symbol doubled = apply("elemwise_add", {x, Symbol::variable("x")}, "sum");
  EXPECT_THAT(error_of([&] { Executor::bind(doubled, {}); }),
              HasSubstr("Duplicate names detected"));
}

// A node whose output is asked for its type only is not run, nor is what only it reads.
TEST(Bind, ComputesNothingForATypeAlone) {
  const Symbol x = Symbol::variable("x");
  const Symbol unread = apply("square", {apply("exp", {x}, "e")}, "s");
  BindSpec spec;
  spec.shapes["x"] = {2};
  spec.training = false;
  Executor e = Executor::bind(apply("ones_like", {unread}, "ones"), std::move(spec));
  e.forward(false);
  EXPECT_THAT(values(e.outputs()[0]), ElementsAre(1, 1));
  EXPECT_THAT(e.describe(), HasSubstr("unused"));
}

}  // namespace heddle::test
