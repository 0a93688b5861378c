// BatchNorm: values, gradients, and when the moving statistics change.
#include "operator/call.h"

namespace heddle::test {

std::vector<Tensor> batch_norm_inputs(Shape s, int64_t c, Dtype d) {
  const Dtype p = d == Dtype::kFloat64 ? d : Dtype::kFloat32;
  return {uniform(s, d, -2, 3, 1), uniform({c}, p, 0.5, 1.5, 2), uniform({c}, p, -1, 1, 3),
          uniform({c}, p, -1, 1, 4), uniform({c}, p, 0.5, 2, 5)};
}

// Mean and variance of channel `c` of an axis-1 tensor.
std::pair<double, double> moments(const Tensor& x, int64_t c) {
  const int64_t inner = x.shape.size(2), channels = x.shape[1];
  double mean = 0, variance = 0;
  const double n = double(x.shape[0] * inner);
  auto each = [&](auto&& f) {
    for (int64_t i = 0; i < x.shape[0]; ++i)
      for (int64_t j = 0; j < inner; ++j) f(x.at((i * channels + c) * inner + j));
  };
  each([&](double v) { mean += v / n; });
  each([&](double v) { variance += (v - mean) * (v - mean) / n; });
  return {mean, variance};
}

TEST(BatchNorm, NormalisesByTheBatchInTraining) {
  for (Shape s : {Shape{4, 3, 5, 7}, Shape{2, 3, 8, 8}, Shape{9, 3}}) {
    Call call("BatchNorm", batch_norm_inputs(s, 3, Dtype::kFloat32), {{"fix_gamma", "False"}});
    call.forward();
    const auto moving = call.in[3].values();
    for (int64_t c = 0; c < 3; ++c) {
      const auto [mean, variance] = moments(call.in[0], c);
      EXPECT_NEAR(call.out[1].at(c), mean, 1e-5);
      EXPECT_NEAR(call.out[2].at(c), 1 / std::sqrt(variance + 1e-3), 1e-5);
      const int64_t at = c * s.size(2);
      EXPECT_NEAR(call.out[0].at(at),
                  (call.in[0].at(at) - mean) / std::sqrt(variance + 1e-3) * call.in[1].at(c) +
                      call.in[2].at(c),
                  1e-5);
    }
    EXPECT_EQ(call.in[3].values(), moving) << "forward alone must not move the statistics";
  }
}

TEST(BatchNorm, MovesItsStatisticsOnceInBackward) {
  const Shape s{4, 2, 6, 6};
  Call call("BatchNorm", batch_norm_inputs(s, 2, Dtype::kFloat32), {{"momentum", "0.75"}});
  const auto mean0 = call.in[3].values(), var0 = call.in[4].values();
  call.forward().forward().backward({uniform(s)});
  for (int64_t c = 0; c < 2; ++c) {
    const auto [mean, variance] = moments(call.in[0], c);
    EXPECT_NEAR(call.in[3].at(c), 0.75 * mean0[size_t(c)] + 0.25 * mean, 1e-5);
    EXPECT_NEAR(call.in[4].at(c), 0.75 * var0[size_t(c)] + 0.25 * variance, 1e-5);
  }
}

TEST(BatchNorm, UsesTheMovingStatisticsOtherwise) {
  const Shape s{2, 3, 4, 4};
  for (const bool training : {false, true}) {
    Kwargs kwargs = {{"fix_gamma", "False"}};
    if (training) kwargs["use_global_stats"] = "True";
    Call call("BatchNorm", batch_norm_inputs(s, 3, Dtype::kFloat32), kwargs);
    call.training = training;
    const auto mean = call.in[3].values(), variance = call.in[4].values();
    call.forward().backward({uniform(s)});
    EXPECT_NEAR(call.out[0].at(17),
                (call.in[0].at(17) - mean[1]) / std::sqrt(variance[1] + 1e-3) * call.in[1].at(1) +
                    call.in[2].at(1),
                1e-5);
    EXPECT_EQ(call.in[3].values(), mean);
    EXPECT_EQ(call.in[4].values(), variance);
  }
}

TEST(BatchNorm, GradientsAreThoseOfDifferences) {
  for (Shape s : {Shape{3, 2, 4, 3}, Shape{7, 2}, Shape{2, 2, 6, 6}})
    for (const char* global : {"False", "True"}) {
      Call call("BatchNorm", batch_norm_inputs(s, 2, Dtype::kFloat64),
                {{"fix_gamma", "False"}, {"use_global_stats", global}, {"momentum", "1"}});
      expect_gradients(call, {0, 1, 2}, 1e-5);
    }
  Call last("BatchNorm", batch_norm_inputs({3, 4, 2}, 2, Dtype::kFloat64),
            {{"fix_gamma", "False"}, {"axis", "-1"}});
  expect_gradients(last, {0, 1, 2}, 1e-5);
}

TEST(BatchNorm, FixesGamma) {
  const Shape s{3, 2, 4, 4};
  Call call("BatchNorm", batch_norm_inputs(s, 2, Dtype::kFloat64));
  expect_gradients(call, {0, 2}, 1e-5);
  EXPECT_EQ(call.in[1].values(), (std::vector<double>{1, 1}));
  call.forward().backward({uniform(s, Dtype::kFloat64)});
  EXPECT_EQ(call.grads[1].values(), (std::vector<double>{0, 0}));
}

TEST(BatchNorm, HalvesKeepFloatStatistics) {
  const Shape s{4, 3, 5, 5};
  Call call("BatchNorm", batch_norm_inputs(s, 3, Dtype::kFloat16), {{"fix_gamma", "False"}});
  EXPECT_EQ(call.out[0].dtype, Dtype::kFloat16);
  EXPECT_EQ(call.out[1].dtype, Dtype::kFloat32);
  call.forward().backward({uniform(s, Dtype::kFloat16)});
  EXPECT_NEAR(call.out[1].at(0), moments(call.in[0], 0).first, 1e-5);
}

}  // namespace heddle::test
