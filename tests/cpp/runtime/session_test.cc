// Networks on plain memory: gradients, requests, heads, devices, random numbers, and what is
// refused.
#include "runtime/session.h"

#include <gmock/gmock.h>

namespace heddle::test {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Symbol apply(const char* op, std::vector<Symbol> inputs, std::string name, Kwargs kwargs = {}) {
  return Symbol::apply(make_call(OpTable::get().at(op), std::move(kwargs)), std::move(inputs), {},
                       std::move(name));
}

std::vector<float> values(const Blob& b) { return {b.as<float>(), b.as<float>() + b.size()}; }

void fill(const Blob& b, std::vector<float> v) { std::copy(v.begin(), v.end(), b.as<float>()); }

NetworkSpec spec_of(std::map<std::string, Shape> shapes) {
  NetworkSpec spec;
  for (const auto& [name, shape] : shapes) spec.known[name].shape = shape;
  return spec;
}

// y = a * b + a
Symbol product() {
  const Symbol a = Symbol::variable("a"), b = Symbol::variable("b");
  return apply("elemwise_add", {apply("elemwise_mul", {a, b}, "ab"), a}, "y");
}

Blob ones(std::vector<float>& memory, Shape shape) {
  memory.assign(size_t(shape.size()), 1);
  return {memory.data(), shape, Dtype::kFloat32, Device{}};
}

TEST(Session, GradientsAreWrittenOrAdded) {
  NetworkSpec spec = spec_of({{"a", {3}}});
  spec.grad_req = {{"a", GradReq::kAdd}};
  Session s(analyse(product(), spec), {});
  fill(s.variable("a"), {1, 2, 3});
  fill(s.variable("b"), {4, 5, 6});
  std::vector<float> memory;
  const Blob head[] = {ones(memory, {3})};
  for (int run = 1; run <= 2; ++run) {
    s.forward(true);
    EXPECT_THAT(values(s.outputs()[0]), ElementsAre(5, 12, 21));
    s.backward(head);
    EXPECT_THAT(values(s.gradient("a")), ElementsAre(5 * run, 6 * run, 7 * run));
    EXPECT_THAT(values(s.gradient("b")), ElementsAre(1, 2, 3));
  }
}

TEST(Session, AMonitorSeesEveryValueAndMayLeave) {
  NetworkSpec spec = spec_of({{"a", {2}}});
  spec.training = false;
  Session s(analyse(product(), spec), {});
  fill(s.variable("a"), {1, 2});
  fill(s.variable("b"), {4, 5});
  std::vector<std::string> seen;
  const auto note = [&](const std::string& name, const Blob& b) {
    seen.push_back(format("{} {} {}", name, b.as<float>()[0], b.as<float>()[1]));
  };
  s.monitor(note, false);
  s.forward(false);
  EXPECT_THAT(seen, ElementsAre("ab_output 4 10", "y_output 5 12"));
  seen.clear();
  s.monitor(note, true);
  for (int i = 0; i < s.steps(); ++i) s.step(i);
  EXPECT_THAT(seen, ElementsAre("a 1 2", "ab_lhs 1 2", "b 4 5", "ab_rhs 4 5", "ab_output 4 10",
                                "y_lhs 4 10", "a 1 2", "y_rhs 1 2", "y_output 5 12"));
  seen.clear();
  s.monitor({}, false);
  fill(s.variable("b"), {1, 1});
  s.forward(false);
  EXPECT_TRUE(seen.empty());
  EXPECT_THAT(values(s.outputs()[0]), ElementsAre(2, 4));
}

TEST(Session, LiesInABufferOfTheCaller) {
  NetworkSpec spec = spec_of({{"a", {100}}});
  spec.training = false;
  const Session elsewhere(analyse(product(), spec), {});
  std::vector<char> space(size_t(elsewhere.bytes()) + 64 + 3);
  Buffer buffer(space.data() + 3, space.size() - 3);
  Session s(analyse(product(), spec), {}, false, &buffer);
  EXPECT_EQ(s.bytes(), elsewhere.bytes());
  for (const Blob* b : {&s.variable("a"), &s.variable("b"), &s.outputs()[0]}) {
    EXPECT_GE(static_cast<char*>(b->data), space.data() + 3);
    EXPECT_LE(static_cast<char*>(b->data) + b->bytes(), space.data() + space.size());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b->data) % 64, 0u);
  }
  std::fill_n(s.variable("a").as<float>(), 100, 2.0f);
  s.forward(false);
  EXPECT_EQ(s.outputs()[0].as<float>()[99], 2);
  Buffer small(space.data(), 1000);
  EXPECT_THAT([&] { Session(analyse(product(), spec), {}, false, &small); },
              ThrowsMessage<Error>(HasSubstr("found a buffer of 1000 bytes, expected ")));
}

TEST(Session, WhatIsNotWantedHasNoGradient) {
  NetworkSpec spec = spec_of({{"a", {3}}});
  spec.grad_req = {{"b", GradReq::kNone}};
  Session s(analyse(product(), spec), {});
  EXPECT_EQ(s.gradient("b").data, nullptr);
  spec.training = false;
  Session inference(analyse(product(), spec), {});
  EXPECT_EQ(inference.gradient("a").data, nullptr);
  inference.forward(false);
  inference.backward();  // there is nothing to compute
}

TEST(Session, GradientsOfWhatNothingDependsOnAreZero) {
  const Symbol a = Symbol::variable("a");
  Session s(analyse(apply("BlockGrad", {a}, "y"), spec_of({{"a", {2}}})), {});
  fill(s.gradient("a"), {7, 7});
  std::vector<float> memory;
  const Blob head[] = {ones(memory, {2})};
  s.forward(true);
  s.backward(head);
  EXPECT_THAT(values(s.gradient("a")), ElementsAre(0, 0));
}

TEST(Session, OutputsMayBeVariablesOrRepeat) {
  const Symbol a = Symbol::variable("a"), y = apply("negative", {a}, "y");
  Session s(analyse(Symbol::group({a, y, y}), spec_of({{"a", {2}}})), {});
  fill(s.variable("a"), {1, -2});
  s.forward(false);
  EXPECT_EQ(s.outputs()[0].data, s.variable("a").data);
  EXPECT_EQ(s.outputs()[1].data, s.outputs()[2].data);
  EXPECT_THAT(values(s.outputs()[2]), ElementsAre(-1, 2));
}

TEST(Session, ValuesPassBetweenCpus) {
  const Symbol a = Symbol::variable("a");
  const Symbol here = Symbol::apply(make_call(OpTable::get().at("negative"), {}), {a}, {}, "here",
                                    {{"__ctx_group__", "one"}});
  NetworkSpec spec = spec_of({{"a", {2}}});
  spec.groups = {{"one", Device{Device::kCpu, 1}}};
  Session s(analyse(apply("square", {here}, "y"), spec), {});
  fill(s.variable("a"), {3, -4});
  std::vector<float> memory;
  const Blob head[] = {ones(memory, {2})};
  s.forward(true);
  EXPECT_THAT(values(s.outputs()[0]), ElementsAre(9, 16));
  s.backward(head);
  EXPECT_THAT(values(s.gradient("a")), ElementsAre(6, -8));
}

TEST(Session, SeedsRepeat) {
  const Symbol y = apply("Dropout", {Symbol::variable("a")}, "y", {{"p", "0.5"}});
  Session s(analyse(y, spec_of({{"a", {100}}})), {});
  fill(s.variable("a"), std::vector<float>(100, 1));
  std::vector<std::vector<float>> runs;
  for (uint64_t seed : {1, 2, 1}) s.forward(true, seed), runs.push_back(values(s.outputs()[0]));
  EXPECT_EQ(runs[0], runs[2]);
  EXPECT_NE(runs[0], runs[1]);
  std::vector<float> memory;
  const Blob head[] = {ones(memory, {100})};
  s.backward(head);
  EXPECT_EQ(values(s.gradient("a")), runs[2]);  // the same numbers were dropped
}

// Kernels that take blocks, where there are any, against those that do not; a weight that changes
// between runs.
TEST(Session, OrdersInMemoryDoNotShow) {
  const Kwargs same = {{"kernel", "(3, 3)"}, {"pad", "(1, 1)"}, {"num_filter", "32"}};
  Symbol x = apply("Convolution", {Symbol::variable("x")}, "a", same);
  x = apply("Convolution", {apply("Activation", {x}, "r", {{"act_type", "relu"}})}, "b", same);
  std::vector<std::vector<float>> found[2];
  for (const bool portable : {false, true}) {
    prefer_kernels(portable ? "portable" : "");
    for (const bool training : {false, true}) {
      NetworkSpec spec = spec_of({{"x", {2, 16, 5, 6}}});
      spec.training = training;
      Session s(analyse(x, spec), {});
      for (const Network::Variable& v : s.network().variables) {
        const Blob& b = s.variable(v.name);
        for (int64_t i = 0; i < b.size(); ++i) b.as<float>()[i] = float(i * 7 % 13 - 6) / 16;
      }
      for (int run = 0; run < 2; ++run) {
        s.variable("a_weight").as<float>()[run] = 3;
        s.forward(training);
        found[portable].push_back(values(s.outputs()[0]));
        std::vector<float> memory;
        const Blob head[] = {ones(memory, {2, 32, 5, 6})};
        s.backward(head);
        if (!training) continue;
        for (const char* name : {"x", "a_weight", "a_bias", "b_weight"})
          found[portable].push_back(values(s.gradient(name)));
      }
    }
  }
  prefer_kernels("");
  ASSERT_EQ(found[0].size(), found[1].size());
  for (size_t i = 0; i < found[0].size(); ++i)
    EXPECT_THAT(found[0][i], testing::Pointwise(testing::FloatNear(1e-2f), found[1][i])) << i;
}

TEST(Session, GivenTensorsKeepTheirMemory) {
  std::map<std::string, Tensor, std::less<>> given;
  Tensor& t = given["b"];
  t.memory = std::make_shared<Memory>(12);
  t.blob = {t.memory->data(), {3}, Dtype::kFloat32, Device{}};
  const void* const there = t.blob.data;
  Session s(analyse(product(), spec_of({{"a", {3}}})), std::move(given));
  EXPECT_EQ(s.variable("b").data, there);
  const auto wrong = [] {
    std::map<std::string, Tensor, std::less<>> small;
    small["b"].blob.shape = {2};
    Session refused(analyse(product(), spec_of({{"a", {3}}})), std::move(small));
  };
  EXPECT_THAT(wrong, ThrowsMessage<Error>(HasSubstr(
                         "argument 'b' has shape (2,) and dtype float32, expected (3,)")));
}

TEST(Session, FrozenVariablesAreSharedAndPreparedOnce) {
  NetworkSpec spec = spec_of({{"a", {2, 8, 6, 6}}});
  spec.training = false;
  spec.known["y_weight"] = {{16, 8, 3, 3}, Dtype::kFloat32, Stype::kDense};
  const Symbol y = apply("Convolution", {Symbol::variable("a")}, "y",
                         {{"kernel", "(3, 3)"}, {"num_filter", "16"}, {"no_bias", "True"}});
  std::map<std::string, Tensor, std::less<>> given;
  Tensor& w = given["y_weight"];
  w.blob = {nullptr, {16, 8, 3, 3}, Dtype::kFloat32, Device{}};
  w.memory = std::make_shared<Memory>(w.blob.bytes());
  w.blob.data = w.memory->data();
  for (int64_t i = 0; i < w.blob.size(); ++i) w.blob.as<float>()[i] = float(i % 7) - 3;
  std::optional<Session> first(std::in_place, analyse(y, spec), given, true);
  Session second = first->share();
  EXPECT_EQ(second.variable("y_weight").data, w.blob.data);
  EXPECT_NE(second.variable("a").data, first->variable("a").data);
  Session alone(analyse(y, spec), given);
  for (Session* s : {&*first, &second, &alone})
    for (int64_t i = 0; i < 2 * 8 * 36; ++i) s->variable("a").as<float>()[i] = float(i % 5);
  first->forward(false);
  first.reset();  // what is shared stays
  alone.forward(false);
  for (int i = 0; i < second.steps(); ++i) second.step(i);
  EXPECT_EQ(values(second.outputs()[0]), values(alone.outputs()[0]));
  EXPECT_THAT([&] { second.step(second.steps()); }, ThrowsMessage<Error>(HasSubstr("found step")));
}

TEST(Session, RefusesWhatCannotBe) {
  Session s(analyse(product(), spec_of({{"a", {3}}})), {});
  EXPECT_THAT([&] { s.backward(); }, ThrowsMessage<Error>(HasSubstr("nothing was run forward")));
  s.forward(true);
  EXPECT_THAT([&] { s.backward(); }, ThrowsMessage<Error>(HasSubstr("output 0 is not a loss")));
  std::vector<float> memory;
  const Blob head[] = {ones(memory, {2})};
  EXPECT_THAT([&] { s.backward(head); },
              ThrowsMessage<Error>(HasSubstr("has shape (2,) and dtype float32, expected (3,)")));
  EXPECT_THAT([&] { s.variable("c"); }, ThrowsMessage<Error>(HasSubstr("no variable 'c'")));
  EXPECT_THAT([] { analyse(product(), {}); },
              ThrowsMessage<Error>(HasSubstr("cannot decide shapes")));
  NetworkSpec far = spec_of({{"a", {3}}});
  far.device = {Device::kFake, 0};
  EXPECT_THAT([&] { Session(analyse(product(), far), {}); },
              ThrowsMessage<Error>(HasSubstr("expected the CPU")));
}

}  // namespace heddle::test
