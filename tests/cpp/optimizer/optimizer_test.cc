// Optimizers without Python: a step is one task, the same whether weights come together or one by
// one; states, factors, bytes, errors.
#include "heddle/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "heddle/imperative.h"
#include "optimizer/step.h"

namespace heddle {

using Key = Optimizer::Key;

NDArray filled(Shape shape, int salt, Dtype dtype = Dtype::kFloat32) {
  std::vector<float> values(size_t(shape.size()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = float(std::sin(double(i) * 0.37 + salt) + 0.01);
  const NDArray a = NDArray::from_host(values.data(), shape, Dtype::kFloat32);
  if (dtype == Dtype::kFloat32) return a;
  const NDArray other(shape, Device{}, dtype);
  copy(a, other);
  return other;
}

std::vector<float> values(const NDArray& a) {
  const NDArray exact(a.shape(), Device{}, Dtype::kFloat32);
  copy(a, exact);
  std::vector<float> v(size_t(a.size()));
  exact.copy_to(v.data());
  return v;
}

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

Kwargs with(const std::string& rule, Kwargs more = {}) {
  more.try_emplace("learning_rate", "0.05");
  if (rule != "groupadagrad") more.try_emplace("wd", "0.01");
  return more;
}

// Weights of sizes that pieces of the parallel loop do not divide.
std::vector<NDArray> some_weights(Dtype dtype = Dtype::kFloat32) {
  return {filled({7, 5}, 1, dtype), filled({300, 401}, 2, dtype), filled({1, 3}, 3, dtype)};
}

// What is left after some steps, together or one by one.
std::vector<std::vector<float>> after(const std::string& rule, const Kwargs& kwargs, bool together,
                                      Dtype dtype = Dtype::kFloat32) {
  seed(3);
  Optimizer optimizer(rule, kwargs);
  const std::vector<NDArray> weights = some_weights(dtype);
  std::vector<Key> keys;
  for (int64_t i = 0; i < int64_t(weights.size()); ++i) keys.push_back(i);
  for (int t = 0; t < 3; ++t) {
    std::vector<NDArray> grads;
    for (const NDArray& w : weights)
      grads.push_back(filled(w.shape(), 10 * t + int(grads.size()), dtype));
    if (together) optimizer.update(keys, weights, grads);
    else
      for (size_t i = 0; i < keys.size(); ++i)
        optimizer.update({&keys[i], 1}, {&weights[i], 1}, {&grads[i], 1});
  }
  std::vector<std::vector<float>> found;
  for (size_t i = 0; i < keys.size(); ++i) {
    found.push_back(values(weights[i]));
    for (const NDArray& s : optimizer.states(keys[i])) found.push_back(values(s));
  }
  return found;
}

TEST(Optimizer, WeightsTogetherAreTheBitsOfWeightsAlone) {
  for (const std::string& rule : Optimizer::rules()) {
    // What all weights share follows the calls: Nadam's schedule and LARS's rates do not, here.
    for (const Kwargs& more : {Kwargs{}, Kwargs{{"clip_gradient", "0.3"}}})
      EXPECT_TRUE(after(rule, with(rule, more), true) == after(rule, with(rule, more), false))
          << rule;
  }
}

TEST(Optimizer, HalfWeightsFollowAnExactOne) {
  for (const Dtype dtype : {Dtype::kFloat16, Dtype::kBfloat16})
    for (const std::string& rule : Optimizer::rules()) {
      if (rule == "sgld") continue;  // draws
      const auto half = after(rule, with(rule, {{"multi_precision", "True"}}), true, dtype);
      const auto exact = after(rule, with(rule), true);
      const double near = dtype == Dtype::kFloat16 ? 4e-3 : 4e-2;
      const bool signs = rule == "signum" || rule == "dcasgd";
      for (size_t k = 0; k < half[0].size() && !signs; ++k)
        EXPECT_NEAR(half[0][k], exact[0][k], near * 2) << rule;
      Optimizer optimizer(rule, with(rule, {{"multi_precision", "True"}}));
      const Key key = 3;
      const NDArray w = filled({2, 3}, 1, dtype), g = filled({2, 3}, 2, dtype);
      optimizer.update({&key, 1}, {&w, 1}, {&g, 1});
      EXPECT_EQ(optimizer.master(key).dtype(), Dtype::kFloat32) << rule;
      for (const NDArray& s : optimizer.states(key)) EXPECT_EQ(s.dtype(), Dtype::kFloat32) << rule;
      const NDArray rounded(w.shape(), Device{}, dtype);
      copy(optimizer.master(key), rounded);
      EXPECT_EQ(values(w), values(rounded)) << rule;
    }
}

TEST(Optimizer, AWeightThatComesTwiceIsUpdatedTwice) {
  Optimizer optimizer("sgd", {{"learning_rate", "1"}});
  const float one = 1;
  const NDArray w = NDArray::from_host(&one, {1}, Dtype::kFloat32), g = filled({1}, 0);
  const NDArray whole = filled({2}, 5);
  const std::vector<float> before = values(whole);
  const std::vector<Key> keys{0, 1, 2, 3};
  const std::vector<NDArray> weights{w, w, whole.slice(0, 1), whole.slice(1, 2)}, grads{g, g, g, g};
  optimizer.update(keys, weights, grads);
  EXPECT_FLOAT_EQ(values(w)[0], one - 2 * values(g)[0]);
  EXPECT_FLOAT_EQ(values(whole)[1], before[1] - values(g)[0]);
}

TEST(Optimizer, AGradientMayBeAWeightOfTheSameStep) {
  Optimizer optimizer("sgd", {{"learning_rate", "1"}});
  const NDArray a = filled({3}, 1), b = filled({3}, 2), g = filled({3}, 3);
  const auto a0 = values(a), b0 = values(b), g0 = values(g);
  const std::vector<Key> keys{0, 1};
  const std::vector<NDArray> weights{a, b}, grads{g, a};
  optimizer.update(keys, weights, grads);
  for (size_t i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(values(b)[i], b0[i] - (a0[i] - g0[i]));
}

TEST(Optimizer, RatesFactorsAndCounts) {
  Optimizer optimizer("sgd", {{"learning_rate", "0.5"}, {"wd", "0.1"}, {"begin_num_update", "4"}});
  const std::vector<Key> keys{std::string("a"), std::string("b")};
  optimizer.set_multipliers(keys[1], 2, 0);
  optimizer.set_schedule([](int64_t n) { return n == 5 ? 1.0 : 100.0; });
  const float two = 2, one = 1;
  const std::vector<NDArray> weights{NDArray::from_host(&two, {1}, Dtype::kFloat32),
                                     NDArray::from_host(&two, {1}, Dtype::kFloat32)};
  const NDArray g = NDArray::from_host(&one, {1}, Dtype::kFloat32);
  const std::vector<NDArray> grads{g, g};
  optimizer.update(keys, weights, grads);
  EXPECT_FLOAT_EQ(values(weights[0])[0], 2 - (1 + 0.2f));
  EXPECT_FLOAT_EQ(values(weights[1])[0], 0);
  EXPECT_EQ(optimizer.num_update(), 5);
  EXPECT_EQ(optimizer.count(keys[0]), 5);
  EXPECT_EQ(optimizer.count(Key("c")), 4);
}

TEST(Optimizer, StatesGoThroughBytes) {
  for (const std::string& rule : Optimizer::rules()) {
    if (rule == "sgld") continue;
    const Kwargs kwargs = with(rule, {{"multi_precision", "True"}});
    Optimizer first(rule, kwargs), second(rule, kwargs);
    const std::vector<Key> keys{std::string("fc:weight"), std::string("half")};
    std::vector<NDArray> weights{filled({4, 3}, 1), filled({2, 2}, 2, Dtype::kFloat16)};
    const std::vector<NDArray> grads{filled({4, 3}, 5), filled({2, 2}, 6, Dtype::kFloat16)};
    for (int t = 0; t < 3; ++t) first.update(keys, weights, grads);
    std::vector<NDArray> copies;
    for (const NDArray& w : weights) {
      copies.emplace_back(w.shape(), Device{}, w.dtype());
      copy(w, copies.back());
    }
    second.states_from_bytes(first.states_to_bytes());
    EXPECT_EQ(second.count(keys[1]), 3) << rule;
    first.update(keys, weights, grads);
    second.update(keys, copies, grads);
    for (size_t i = 0; i < weights.size(); ++i)
      EXPECT_EQ(values(weights[i]), values(copies[i])) << rule;
    Optimizer other(rule == "sgd" ? "nag" : "sgd");
    EXPECT_NE(error_of([&] { other.states_from_bytes(first.states_to_bytes()); }), "");
  }
}

TEST(Optimizer, ErrorsNameTheKeyAndNothingHasHappened) {
  Optimizer optimizer("adam");
  const std::vector<Key> keys{std::string("w"), std::string("v")};
  const NDArray w = filled({2}, 1), v = filled({3}, 2);
  const std::vector<NDArray> weights{w, v}, grads{filled({2}, 0), filled({2}, 0)};
  EXPECT_EQ(error_of([&] { optimizer.update(keys, weights, grads); }),
            "ValueError: [adam] key v: grad has shape (2,), expected (3,)");
  EXPECT_EQ(optimizer.num_update(), 0);
  EXPECT_TRUE(optimizer.states(keys[0]).empty());
  EXPECT_EQ(error_of([] { Optimizer("adam", {{"momentum", "1"}}); }).substr(0, 6), "[adam]");
  EXPECT_NE(error_of([] { Optimizer("adem"); }).find("adamax"), std::string::npos);
  EXPECT_EQ(Optimizer::describe("rmsprop").parameters[5].name, "learning_rate");
}

}  // namespace heddle
