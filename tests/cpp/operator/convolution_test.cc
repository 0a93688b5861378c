// Convolution against naive loops, finite differences, and each kernel against the portable one.
#include "operator/call.h"

namespace heddle::test {

// A 2-D convolution by its definition.
Tensor naive(const Tensor& x, const Tensor& w, const Tensor& b, int stride, int pad, int dilate,
             int groups, Shape out) {
  Tensor y(out, x.dtype);
  const int64_t c = w.shape[1], f = out[1] / groups;
  for (int64_t n = 0; n < out[0]; ++n)
    for (int64_t k = 0; k < out[1]; ++k)
      for (int64_t i = 0; i < out[2]; ++i)
        for (int64_t j = 0; j < out[3]; ++j) {
          double sum = b.at(k);
          for (int64_t q = 0; q < c; ++q)
            for (int64_t u = 0; u < w.shape[2]; ++u)
              for (int64_t v = 0; v < w.shape[3]; ++v) {
                const int64_t h = i * stride + u * dilate - pad, l = j * stride + v * dilate - pad;
                if (h < 0 || l < 0 || h >= x.shape[2] || l >= x.shape[3]) continue;
                sum += x.at(((n * x.shape[1] + k / f * c + q) * x.shape[2] + h) * x.shape[3] + l) *
                       w.at(((k * c + q) * w.shape[2] + u) * w.shape[3] + v);
              }
          y.set(((n * out[1] + k) * out[2] + i) * out[3] + j, sum);
        }
  return y;
}

struct Case {
  Shape data, kernel;
  int filters, stride, pad, dilate, groups;
};
Kwargs kwargs_of(const Case& c) {
  auto all = [&](int v) {
    return param::print(c.kernel.rank() == 1   ? Shape{v}
                        : c.kernel.rank() == 2 ? Shape{v, v}
                                               : Shape{v, v, v});
  };
  return {{"kernel", param::print(c.kernel)}, {"num_filter", format("{}", c.filters)},
          {"stride", all(c.stride)},          {"pad", all(c.pad)},
          {"dilate", all(c.dilate)},          {"num_group", format("{}", c.groups)}};
}
std::vector<Tensor> inputs_of(const Case& c, Dtype d) {
  Shape w{c.filters, c.data[1] / c.groups};
  for (int64_t k : c.kernel) w.append(k);
  return {uniform(c.data, d, -1, 1, 1), uniform(w, d, -1, 1, 2), uniform({c.filters}, d, -1, 1, 3)};
}

const Case kPlane[] = {{{2, 3, 7, 6}, {3, 3}, 4, 1, 0, 1, 1},
                       {{2, 4, 9, 8}, {3, 2}, 6, 2, 1, 1, 2},
                       {{1, 2, 10, 11}, {3, 3}, 2, 1, 2, 2, 1},
                       {{3, 4, 5, 5}, {1, 1}, 8, 1, 0, 1, 4},
                       {{2, 2, 5, 4}, {5, 4}, 3, 3, 2, 1, 1}};

TEST(Convolution, EqualsItsDefinition) {
  for (const Case& c : kPlane) {
    auto in = inputs_of(c, Dtype::kFloat64);
    Call call("Convolution", in, kwargs_of(c));
    expect_near(call.forward().out[0],
                naive(in[0], in[1], in[2], c.stride, c.pad, c.dilate, c.groups, call.out[0].shape),
                1e-12);
  }
}

TEST(Convolution, GradientsAreThoseOfDifferences) {
  for (const Case& c : kPlane) {
    Call call("Convolution", inputs_of(c, Dtype::kFloat64), kwargs_of(c));
    expect_gradients(call, {0, 1, 2});
  }
  const Case line{{2, 3, 9}, {4}, 2, 2, 1, 1, 1}, volume{{2, 2, 4, 5, 3}, {2, 3, 2}, 3, 1, 1, 1, 1};
  for (const Case& c : {line, volume}) {
    Call call("Convolution", inputs_of(c, Dtype::kFloat64), kwargs_of(c));
    expect_gradients(call, {0, 1, 2});
  }
}

TEST(Convolution, KernelsAgree) {
  const Case larger[] = {
      {{64, 1, 28, 28}, {5, 5}, 20, 1, 0, 1, 1}, {{64, 20, 12, 12}, {5, 5}, 50, 1, 0, 1, 1},
      {{33, 5, 9, 9}, {3, 3}, 7, 1, 0, 1, 1},    {{16, 3, 12, 10}, {3, 3}, 6, 2, 1, 1, 1},
      {{4, 16, 8, 8}, {3, 3}, 32, 1, 1, 1, 1},   {{4, 32, 8, 8}, {1, 1}, 16, 2, 0, 1, 1},
      {{18, 6, 7, 7}, {3, 3}, 8, 1, 1, 1, 2},    {{5, 8, 9, 9}, {3, 3}, 8, 1, 2, 2, 1},
      {{9, 4, 20}, {3}, 6, 1, 1, 1, 1},          {{3, 4, 6, 6, 6}, {3, 3, 3}, 4, 1, 1, 1, 1}};
  for (const Case& c : larger) {
    SCOPED_TRACE(param::print(c.data) + " " + param::print(c.kernel));
    expect_kernels_agree("Convolution", inputs_of(c, Dtype::kFloat32), kwargs_of(c), 1e-5);
    expect_kernels_agree("Convolution", inputs_of(c, Dtype::kFloat32), kwargs_of(c), 1e-5,
                         {0, 1, 1});
  }
}

TEST(Convolution, HalvesFollowFloats) {
  const Case& c = kPlane[0];
  auto in = inputs_of(c, Dtype::kFloat16);
  std::vector<Tensor> wide;
  for (const Tensor& t : in) wide.emplace_back(t.shape, t.values(), Dtype::kFloat32);
  Call half("Convolution", in, kwargs_of(c)), full("Convolution", wide, kwargs_of(c));
  const Tensor head = uniform(half.out[0].shape, Dtype::kFloat16);
  half.forward().backward({head});
  full.forward().backward({Tensor(head.shape, head.values())});
  expect_near(half.out[0], full.out[0], 1e-2);
  for (size_t i = 0; i < 3; ++i) expect_near(half.grads[i], full.grads[i], 1e-2);
}

TEST(Convolution, SaysWhatIsWrong) {
  auto message = [](std::vector<Tensor> in, Kwargs kwargs) -> std::string {
    try {
      Call("Convolution", std::move(in), std::move(kwargs));
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  const Case& c = kPlane[0];
  auto in = inputs_of(c, Dtype::kFloat32);
  auto kwargs = kwargs_of(c);
  in[1] = uniform({4, 2, 3, 3});
  EXPECT_EQ(message(in, kwargs), "[Convolution] weight has shape (4,2,3,3), expected (4,3,3,3)");
  kwargs["layout"] = "NHWC";
  EXPECT_EQ(message(in, kwargs),
            "[Convolution] layout does not fit kernel (3,3): expected NCW, NCHW or NCDHW");
  kwargs.erase("layout"), kwargs["kernel"] = "(9,9)";
  EXPECT_NE(message(in, kwargs).find("larger than the padded data"), std::string::npos);
}

}  // namespace heddle::test
