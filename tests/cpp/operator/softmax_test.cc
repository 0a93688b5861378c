// The softmax family: values, gradients, lengths, labels and their normalisations.
#include "operator/call.h"

namespace heddle::test {

TEST(Softmax, SumsToOneAlongItsAxis) {
  for (const char* axis : {"0", "1", "-1"}) {
    Call call("softmax", {uniform({3, 37, 5}, Dtype::kFloat32, -30, 30)}, {{"axis", axis}});
    call.forward();
    const int a = normalize_axis("test", std::atoi(axis), 3);
    const Shape s = call.out[0].shape;
    const int64_t inner = s.size(a + 1);
    for (int64_t o = 0; o < s.size(0, a); ++o)
      for (int64_t i = 0; i < inner; ++i) {
        double sum = 0;
        for (int64_t k = 0; k < s[a]; ++k) sum += call.out[0].at((o * s[a] + k) * inner + i);
        ASSERT_NEAR(sum, 1, 1e-5);
      }
  }
}

TEST(Softmax, SurvivesLargeNumbers) {
  Call call("softmax", {Tensor({1, 3}, {1000, 1000, -1000})});
  EXPECT_EQ(call.forward().out[0].values(), (std::vector<double>{0.5, 0.5, 0}));
  Call log("log_softmax", {Tensor({1, 2}, {1000, 0})});
  EXPECT_EQ(log.forward().out[0].values(), (std::vector<double>{0, -1000}));
}

TEST(Softmax, GradientsAreThoseOfDifferences) {
  for (const char* op : {"softmax", "log_softmax", "softmin"})
    for (const char* axis : {"1", "2"}) {
      Call call(op, {uniform({2, 5, 3}, Dtype::kFloat64)},
                {{"axis", axis}, {"temperature", "0.5"}});
      expect_gradients(call, {0});
    }
  for (const char* mode : {"instance", "channel"}) {
    Call call("SoftmaxActivation", {uniform({2, 5, 3}, Dtype::kFloat64)}, {{"mode", mode}});
    expect_gradients(call, {0});
  }
}

TEST(Softmax, CountsOnlyTheLengths) {
  Call call("softmax", {Tensor({2, 3}, {1, 1, 9, 2, 2, 2}), Tensor({2}, {2, 3}, Dtype::kInt32)},
            {{"use_length", "True"}});
  call.forward().backward({uniform({2, 3})});
  EXPECT_EQ(call.out[0].at(0), 0.5);
  EXPECT_EQ(call.out[0].at(2), 0);
  EXPECT_NEAR(call.out[0].at(4), 1. / 3, 1e-6);
  EXPECT_EQ(call.grads[0].at(2), 0);
}

TEST(Softmax, ConvertsToTheDtypeAskedFor) {
  Call call("softmax", {uniform({2, 3}, Dtype::kFloat16)}, {{"dtype", "float32"}});
  call.forward().backward({uniform({2, 3})});
  EXPECT_EQ(call.out[0].dtype, Dtype::kFloat32);
  EXPECT_EQ(call.grads[0].dtype, Dtype::kFloat16);
}

TEST(SoftmaxOutput, GradientIgnoresTheHead) {
  Call call("SoftmaxOutput", {uniform({4, 3}), Tensor({4}, {0, 2, 1, 1})});
  call.forward().backward({uniform({4, 3})});
  for (int64_t i = 0; i < 12; ++i)
    EXPECT_NEAR(call.grads[0].at(i), call.out[0].at(i) - (i % 3 == int64_t(call.in[1].at(i / 3))),
                1e-6);
  EXPECT_EQ(call.grads[1].values(), (std::vector<double>{0, 0, 0, 0}));
}

TEST(SoftmaxOutput, NormalisesAndIgnores) {
  const std::vector<Tensor> in = {uniform({4, 3}), Tensor({4}, {0, -1, 1, 1})};
  Call plain("SoftmaxOutput", in, {{"use_ignore", "True"}});
  plain.forward().backward({uniform({4, 3})});
  EXPECT_EQ(plain.grads[0].at(4), 0);
  for (auto [kind, count] : {std::pair{"batch", 4.0}, std::pair{"valid", 3.0}}) {
    Call call("SoftmaxOutput", in, {{"use_ignore", "True"}, {"normalization", kind}});
    call.forward().backward({uniform({4, 3})});
    for (int64_t i = 0; i < 12; ++i)
      EXPECT_NEAR(call.grads[0].at(i) * count, plain.grads[0].at(i), 1e-6);
  }
}

TEST(SoftmaxOutput, InfersAndChecksTheLabel) {
  const OpCallRef call = make_call(OpTable::get().at("SoftmaxOutput"), {{"multi_output", "True"}});
  std::vector<InferContext::Value> in(2), out(1);
  in[0].shape = {2, 3, 4, 5};
  infer_call(*call, in, out);
  EXPECT_EQ(in[1].shape, (Shape{2, 20}));
  EXPECT_THROW(Call("SoftmaxOutput", {uniform({4, 3}), uniform({5})}), Error);
  EXPECT_NO_THROW(Call("SoftmaxOutput", {uniform({2, 3, 4, 5}), uniform({2, 1, 4, 5})},
                       {{"multi_output", "True"}}));
}

TEST(CrossEntropy, IsTheSumOfTheLogarithms) {
  Call call("softmax_cross_entropy",
            {uniform({4, 3}, Dtype::kFloat64), Tensor({4}, {0, 2, 1, 1}, Dtype::kFloat64)});
  expect_gradients(call, {0});
  call.in[1].set(0, 3);
  EXPECT_THROW(call.forward(), Error);
}

}  // namespace heddle::test
