// The other layers: linear, products, activations, dropout, norms, sequences, up-sampling.
#include "operator/call.h"

namespace heddle::test {

Tensor f64(Shape s, int seed = 1, double low = -1) {
  return uniform(s, Dtype::kFloat64, low, 1, seed);
}

void expect_differences(const char* op, std::vector<Tensor> in, Kwargs kwargs,
                        std::vector<int> which, double tolerance = 1e-6) {
  SCOPED_TRACE(op);
  Call call(op, std::move(in), std::move(kwargs));
  expect_gradients(call, std::move(which), tolerance);
}

TEST(FullyConnected, GradientsAreThoseOfDifferences) {
  expect_differences("FullyConnected", {f64({3, 2, 4}), f64({5, 8}), f64({5})},
                     {{"num_hidden", "5"}}, {0, 1, 2});
  expect_differences("FullyConnected", {f64({3, 2, 4}), f64({5, 4})},
                     {{"num_hidden", "5"}, {"flatten", "False"}, {"no_bias", "True"}}, {0, 1});
}

TEST(FullyConnected, LibrariesAgreeWithThePortableProduct) {
  for (int64_t n : {1, 2, 64})
    expect_kernels_agree("FullyConnected", {uniform({n, 300}), uniform({70, 300}), uniform({70})},
                         {{"num_hidden", "70"}}, 1e-5);
}

TEST(FullyConnected, InfersBothWays) {
  const OpCallRef call = make_call(OpTable::get().at("FullyConnected"), {{"num_hidden", "5"}});
  std::vector<InferContext::Value> in(3), out(1);
  in[1].shape = {5, 7}, in[0].shape = Shape{3, -1};
  infer_call(*call, in, out);
  EXPECT_EQ(in[0].shape, (Shape{3, 7}));
  EXPECT_EQ(out[0].shape, (Shape{3, 5}));
  EXPECT_EQ(in[2].shape, (Shape{5}));
}

TEST(Dot, GradientsAreThoseOfDifferences) {
  for (const char* ta : {"False", "True"})
    for (const char* tb : {"False", "True"}) {
      const Shape a = *ta == 'T' ? Shape{4, 3} : Shape{3, 4},
                  b = *tb == 'T' ? Shape{2, 4} : Shape{4, 2};
      expect_differences("dot", {f64(a), f64(b)}, {{"transpose_a", ta}, {"transpose_b", tb}},
                         {0, 1});
      const Shape c{2, a[0], a[1]}, d{2, b[0], b[1]};
      expect_differences("batch_dot", {f64(c), f64(d)}, {{"transpose_a", ta}, {"transpose_b", tb}},
                         {0, 1});
    }
  expect_differences("dot", {f64({2, 3, 4}), f64({4, 2, 2})}, {}, {0, 1});
}

TEST(Dot, MultipliesIntegers) {
  Call call("dot",
            {Tensor({2, 2}, {1, 2, 3, 4}, Dtype::kInt32), Tensor({2}, {5, 6}, Dtype::kInt32)});
  EXPECT_EQ(call.forward().out[0].values(), (std::vector<double>{17, 39}));
}

TEST(Activation, GradientsAreThoseOfDifferences) {
  for (const char* type : {"relu", "sigmoid", "tanh", "softrelu", "softsign"})
    expect_differences("Activation", {f64({40})}, {{"act_type", type}}, {0});
  for (const char* type : {"leaky", "elu", "selu", "gelu"})
    expect_differences("LeakyReLU", {f64({40})}, {{"act_type", type}}, {0});
  expect_differences("LeakyReLU", {f64({3, 4, 2}), f64({4}, 2)}, {{"act_type", "prelu"}}, {0, 1});
  expect_differences("LeakyReLU", {f64({3, 4}), f64({1}, 2)}, {{"act_type", "prelu"}}, {0, 1});
}

TEST(LeakyRelu, DrawsSlopesInTrainingOnly) {
  Call call("LeakyReLU", {uniform({2000})}, {{"act_type", "rrelu"}});
  call.forward().backward({Tensor({2000}, std::vector<double>(2000, 1.0))});
  double least = 1, most = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    const double slope = call.grads[0].at(i);
    if (call.in[0].at(i) > 0) EXPECT_EQ(slope, 1);
    else least = std::min(least, slope), most = std::max(most, slope);
  }
  EXPECT_GE(least, 0.125);
  EXPECT_LE(most, 0.334);
  EXPECT_GT(most - least, 0.15);
  call.training = false;
  call.forward();
  for (int64_t i = 0; i < 2000; ++i) {
    if (call.in[0].at(i) > 0) continue;
    ASSERT_NEAR(call.out[0].at(i), call.in[0].at(i) * (0.125 + 0.334) / 2, 1e-6);
  }
}

TEST(Dropout, KeepsTheShareAskedForAndScalesIt) {
  Call call("Dropout", {Tensor({100, 100}, std::vector<double>(10000, 1.0))}, {{"p", "0.25"}});
  call.forward().backward({Tensor({100, 100}, std::vector<double>(10000, 1.0))});
  int64_t kept = 0;
  for (int64_t i = 0; i < 10000; ++i) {
    const double v = call.out[0].at(i);
    ASSERT_TRUE(v == 0 || std::abs(v - 1 / 0.75) < 1e-6);
    ASSERT_EQ(call.grads[0].at(i), v);
    kept += v != 0;
  }
  EXPECT_NEAR(double(kept), 7500, 200);
  call.seed = 2;
  const auto before = call.out[0].values();
  EXPECT_NE(call.forward().out[0].values(), before);
  call.training = false;
  EXPECT_EQ(call.forward().out[0].values(), call.in[0].values());
}

TEST(Dropout, SharesTheMaskAlongAxes) {
  Call call("Dropout", {Tensor({50, 7}, std::vector<double>(350, 1.0))},
            {{"p", "0.5"}, {"axes", "(1,)"}, {"mode", "always"}});
  call.training = false;
  call.forward();
  for (int64_t i = 0; i < 350; ++i) EXPECT_EQ(call.out[0].at(i), call.out[0].at(i / 7 * 7));
}

TEST(Norms, GradientsAreThoseOfDifferences) {
  expect_differences("InstanceNorm", {f64({2, 3, 4}), f64({3}), f64({3})}, {}, {0, 1, 2}, 1e-5);
  expect_differences("LayerNorm", {f64({2, 3, 4}), f64({3}), f64({3})}, {{"axis", "1"}}, {0, 1, 2},
                     1e-4);
  expect_differences("GroupNorm", {f64({2, 4, 3}), f64({2}), f64({2})}, {{"num_groups", "2"}},
                     {0, 1, 2}, 1e-5);
  for (const char* mode : {"instance", "channel", "spatial"})
    expect_differences("L2Normalization", {f64({2, 3, 4})}, {{"mode", mode}}, {0});
  expect_differences("LRN", {f64({2, 5, 2, 2})}, {{"nsize", "3"}, {"alpha", "0.5"}}, {0});
}

TEST(Deconvolution, GradientsAreThoseOfDifferences) {
  expect_differences("Deconvolution", {f64({2, 4, 3, 3}), f64({4, 2, 3, 2}), f64({4})},
                     {{"kernel", "(3, 2)"},
                      {"num_filter", "4"},
                      {"num_group", "2"},
                      {"stride", "(2, 1)"},
                      {"pad", "(1, 0)"},
                      {"adj", "(1, 0)"},
                      {"no_bias", "False"}},
                     {0, 1, 2});
}

TEST(UpSampling, GradientsAreThoseOfDifferences) {
  expect_differences(
      "UpSampling", {f64({1, 2, 2, 3}), f64({1, 2, 4, 6})},
      {{"scale", "4"}, {"sample_type", "nearest"}, {"num_args", "2"}, {"multi_input_mode", "sum"}},
      {0, 1});
  expect_differences(
      "UpSampling", {f64({1, 2, 2, 3}), f64({2, 1, 4, 4})},
      {{"scale", "2"}, {"sample_type", "bilinear"}, {"num_args", "1"}, {"num_filter", "2"}},
      {0, 1});
}

TEST(Sequences, GradientsAreThoseOfDifferences) {
  for (const char* op : {"SequenceMask", "SequenceLast", "SequenceReverse"})
    for (const char* axis : {"0", "1"})
      expect_differences(op, {f64({3, 3, 2}), Tensor({3}, {1, 3, 2}, Dtype::kFloat64)},
                         {{"use_sequence_length", "True"}, {"axis", axis}}, {0});
}

TEST(Losses, IgnoreTheHead) {
  Call linear("LinearRegressionOutput",
              {Tensor({2, 2}, {1, 2, 3, 4}), Tensor({2, 2}, {0, 0, 0, 0})});
  linear.forward().backward({uniform({2, 2})});
  EXPECT_EQ(linear.grads[0].values(), (std::vector<double>{0.5, 1, 1.5, 2}));
  Call flat("MAERegressionOutput", {Tensor({2, 1}, {1, -2}), Tensor({2}, {0, 0})});
  flat.forward().backward({uniform({2, 1})});
  EXPECT_EQ(flat.grads[0].values(), (std::vector<double>{1, -1}));
  Call loss("MakeLoss", {Tensor({4}, {1, 2, -1, 0})},
            {{"normalization", "valid"}, {"grad_scale", "3"}});
  loss.forward().backward({uniform({4})});
  EXPECT_EQ(loss.grads[0].values(), (std::vector<double>{1.5, 1.5, 1.5, 1.5}));
}

}  // namespace heddle::test
