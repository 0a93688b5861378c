// Elementwise operators: values, dtypes, broadcasting, and the same bits however they run.
#include <cmath>

#include "operator/call.h"
#include "operator/simd/level.h"

namespace heddle::test {

namespace simd = ops::simd;

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape == b.shape && a.dtype == b.dtype &&
         std::memcmp(a.buffer.data(), b.buffer.data(), size_t(a.size() * dtype_size(a.dtype))) == 0;
}

std::vector<Tensor> run(const char* op, std::vector<Tensor> in, Kwargs kwargs = {}) {
  Call c(op, std::move(in), std::move(kwargs));
  c.forward();
  std::vector<Tensor> all = c.out;
  if (c.call->backward && c.call->op->backward.run) {
    std::vector<Tensor> heads;
    for (const Tensor& o : c.out) heads.push_back(uniform(o.shape, o.dtype, -1, 1, 3));
    c.backward(heads);
    all.insert(all.end(), c.grads.begin(), c.grads.end());
  }
  return all;
}

struct Levels {
  ~Levels() { simd::set_level(0); }
};
struct Threads {
  ~Threads() { set_threads(0); }
};

const char* const kUnary[] = {"abs",
                              "negative",
                              "sign",
                              "square",
                              "sqrt",
                              "rsqrt",
                              "cbrt",
                              "rcbrt",
                              "reciprocal",
                              "degrees",
                              "radians",
                              "ceil",
                              "floor",
                              "trunc",
                              "fix",
                              "round",
                              "rint",
                              "logical_not",
                              "exp",
                              "expm1",
                              "log",
                              "log10",
                              "log2",
                              "log1p",
                              "relu",
                              "sigmoid",
                              "tanh",
                              "softsign",
                              "sin",
                              "cos",
                              "tan",
                              "arcsin",
                              "arccos",
                              "arctan",
                              "sinh",
                              "cosh",
                              "arcsinh",
                              "arccosh",
                              "arctanh",
                              "gamma",
                              "gammaln",
                              "erf",
                              "erfinv",
                              "smooth_l1",
                              "hard_sigmoid",
                              "_plus_scalar",
                              "_rminus_scalar",
                              "_mul_scalar",
                              "_rdiv_scalar",
                              "_power_scalar",
                              "_rpower_scalar",
                              "_mod_scalar",
                              "_maximum_scalar"};
const char* const kBinary[] = {
    "broadcast_add",           "broadcast_sub",        "broadcast_mul",
    "broadcast_div",           "broadcast_mod",        "broadcast_power",
    "broadcast_hypot",         "broadcast_maximum",    "broadcast_minimum",
    "broadcast_equal",         "broadcast_not_equal",  "broadcast_greater",
    "broadcast_greater_equal", "broadcast_lesser",     "broadcast_lesser_equal",
    "broadcast_logical_and",   "broadcast_logical_or", "broadcast_logical_xor"};

TEST(Elemwise, LevelsGiveTheSameBitsAndSayWhoRan) {
  Levels restore;
  for (Dtype d :
       {Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16, Dtype::kBfloat16, Dtype::kInt32})
    for (int64_t n : {1, 7, 64, 1001}) {
      auto check_op = [&](const char* op, const std::vector<Tensor>& in) {
        simd::set_level(2);
        const auto baseline = run(op, in);
        EXPECT_EQ(simd::last_ran(), 2) << op;
        for (int level = 3; level <= simd::best_level(); ++level) {
          simd::set_level(level);
          const auto found = run(op, in);
          EXPECT_EQ(simd::last_ran(), level) << op;
          for (size_t i = 0; i < found.size(); ++i)
            EXPECT_TRUE(same_bits(found[i], baseline[i]))
                << op << " " << dtype_name(d) << " n=" << n << " level " << level << " tensor "
                << i;
        }
      };
      for (const char* op : kUnary) check_op(op, {uniform({n}, d, -3, 3)});
      for (const char* op : kBinary)
        check_op(op, {uniform({n}, d, -3, 3), uniform({n}, d, -3, 3, 11)});
    }
}

TEST(Elemwise, ThreadsGiveTheSameBits) {
  Threads restore;
  const Tensor x = uniform({3, 50000}), b = uniform({3, 1}, Dtype::kFloat32, 1, 2);
  for (const char* op : {"tanh", "exp", "log"}) {
    set_threads(1);
    const auto one = run(op, {x});
    set_threads(4);
    const auto four = run(op, {x});
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], four[i])) << op;
  }
  for (const char* op : {"broadcast_mul", "broadcast_power"}) {
    set_threads(1);
    const auto one = run(op, {x, b});
    set_threads(4);
    const auto four = run(op, {x, b});
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], four[i])) << op;
  }
}

TEST(Elemwise, InPlaceGivesTheSameBits) {
  for (Dtype d : {Dtype::kFloat32, Dtype::kFloat16}) {
    for (const char* op : kUnary) {
      Call c(op, {uniform({1500}, d)});
      c.forward();
      Tensor x = c.in[0];
      std::vector<Blob> in{x.blob()}, out{x.blob()};
      OpContext ctx;
      run_kernel(*c.call, ctx, in, out);
      EXPECT_TRUE(same_bits(x, c.out[0])) << op;
    }
    for (int reused : {0, 1}) {
      Call c("broadcast_sub", {uniform({1500}, d), uniform({1500}, d, -1, 1, 5)});
      c.forward();
      Tensor x[2] = {c.in[0], c.in[1]};
      std::vector<Blob> in{x[0].blob(), x[1].blob()}, out{x[reused].blob()};
      OpContext ctx;
      run_kernel(*c.call, ctx, in, out);
      EXPECT_TRUE(same_bits(x[reused], c.out[0]));
    }
  }
}

// Every way that two shapes of up to four axes of extents 1 to 3 can meet.
TEST(Elemwise, BroadcastingFollowsNumPy) {
  int met = 0;
  for (int code = 0; code < 256; ++code) {
    Shape a = Shape::unknown(0), b = Shape::unknown(0), y = Shape::unknown(0);
    for (int d = 0; d < 4; ++d) {
      const int kind = code >> (2 * d) & 3;  // both, only a, only b, neither has an extent
      const int64_t extent = 2 + (d & 1);
      a.append(kind & 1 ? 1 : extent), b.append(kind & 2 ? 1 : extent);
      y.append(kind == 3 ? 1 : extent);
    }
    Call c("broadcast_sub", {uniform(a), uniform(b, Dtype::kFloat32, -1, 1, 9)});
    c.forward();
    ASSERT_EQ(c.out[0].shape, y);
    std::vector<double> da(size_t(a.size())), db(size_t(b.size()));
    Tensor head = uniform(y, Dtype::kFloat32, -1, 1, 2);
    for (int64_t i = 0; i < y.size(); ++i) {
      int64_t rest = i, ia = 0, ib = 0, sa = 1, sb = 1;
      for (int d = 3; d >= 0; --d) {
        const int64_t at = rest % y[d];
        rest /= y[d];
        ia += a[d] > 1 ? at * sa : 0, ib += b[d] > 1 ? at * sb : 0;
        sa *= a[d], sb *= b[d];
      }
      ASSERT_FLOAT_EQ(c.out[0].at(i), float(c.in[0].at(ia)) - float(c.in[1].at(ib)));
      da[size_t(ia)] += head.at(i), db[size_t(ib)] -= head.at(i);
    }
    c.backward({head});
    expect_near(c.grads[0], Tensor(a, da), 1e-5);
    expect_near(c.grads[1], Tensor(b, db), 1e-5);
    ++met;
  }
  EXPECT_EQ(met, 256);
}

TEST(Elemwise, RanksAreAlignedAtTheEnd) {
  Call c("broadcast_add", {Tensor({2, 3}, {1, 2, 3, 4, 5, 6}), Tensor({3}, {10, 20, 30})});
  EXPECT_EQ(c.forward().out[0].values(), (std::vector<double>{11, 22, 33, 14, 25, 36}));
  c.backward({Tensor({2, 3}, {1, 2, 3, 4, 5, 6})});
  EXPECT_EQ(c.grads[1].values(), (std::vector<double>{5, 7, 9}));
  EXPECT_THROW(Call("broadcast_add", {uniform({2, 3}), uniform({2})}), Error);
  EXPECT_THROW(Call("elemwise_add", {uniform({2, 3}), uniform({3})}), Error);
}

TEST(Elemwise, ScalarsKeepTheDtypeOfIntegers) {
  const Tensor x({5}, {7, -7, 4, 9, 0}, Dtype::kInt32);
  auto with = [&](const char* op, const char* number) {
    return Call(op, {x}, {{"scalar", number}}).forward().out[0];
  };
  EXPECT_EQ(with("_mul_scalar", "1.7").dtype, Dtype::kInt32);
  EXPECT_EQ(with("_mul_scalar", "1.7").values(), x.values());
  EXPECT_EQ(with("_div_scalar", "2").values(), (std::vector<double>{3, -3, 2, 4, 0}));
  EXPECT_EQ(with("_rminus_scalar", "2.5").values(), (std::vector<double>{-5, 9, -2, -7, 2}));
  EXPECT_EQ(with("_power_scalar", "2").values(), (std::vector<double>{49, 49, 16, 81, 0}));
  EXPECT_EQ(with("_mod_scalar", "3").values(), (std::vector<double>{1, 2, 1, 0, 0}));
  EXPECT_EQ(with("_div_scalar", "0").values(), (std::vector<double>{0, 0, 0, 0, 0}));
  const Tensor big({1}, {4503599627370497.0}, Dtype::kInt64);  // 2^52 + 1: lost in a float
  EXPECT_EQ(Call("_plus_scalar", {big}, {{"scalar", "1"}}).forward().out[0].at(0),
            4503599627370498.0);
}

TEST(Elemwise, RemainderHasTheSignOfTheDivisor) {
  Call c("broadcast_mod", {Tensor({6}, {7, -7, 7, -7, 5.5, 3}), Tensor({6}, {3, 3, -3, -3, 2, 0})});
  EXPECT_EQ(c.forward().out[0].values(), (std::vector<double>{1, 2, -2, -1, 1.5, 0}));
}

TEST(Elemwise, RoundingTakesHalvesAsMxnetDoes) {
  const Tensor x({6}, {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5});
  EXPECT_EQ(Call("round", {x}).forward().out[0].values(),
            (std::vector<double>{-3, -2, -1, 1, 2, 3}));
  EXPECT_EQ(Call("rint", {x}).forward().out[0].values(),
            (std::vector<double>{-3, -2, -1, 0, 1, 2}));
}

TEST(Elemwise, NanSurvivesMaximumMinimumAndRelu) {
  const Tensor a({3}, {NAN, 1, 2}), b({3}, {1, NAN, 3});
  for (const char* op : {"broadcast_maximum", "broadcast_minimum"}) {
    const Tensor y = Call(op, {a, b}).forward().out[0];
    EXPECT_TRUE(std::isnan(y.at(0)) && std::isnan(y.at(1)) && !std::isnan(y.at(2))) << op;
  }
  EXPECT_TRUE(std::isnan(Call("relu", {a}).forward().out[0].at(0)));
}

TEST(Elemwise, CastsRoundTowardZeroAndWrap) {
  const Tensor x({4}, {300, -1.5, 0.5, 2.9});
  auto to = [&](const char* dtype) {
    return Call("Cast", {x}, {{"dtype", dtype}}).forward().out[0].values();
  };
  EXPECT_EQ(to("uint8"), (std::vector<double>{44, 255, 0, 2}));
  EXPECT_EQ(to("int32"), (std::vector<double>{300, -1, 0, 2}));
  EXPECT_EQ(to("bool"), (std::vector<double>{1, 1, 1, 1}));
  EXPECT_EQ(to("float64"), (std::vector<double>{300, -1.5, 0.5, double(2.9f)}));
}

TEST(Elemwise, ManyTensorsAreAddedInOrder) {
  for (int n : {1, 2, 3, 4, 5, 8}) {
    std::vector<Tensor> in;
    double sum = 0;
    for (int i = 0; i < n; ++i) in.push_back(Tensor({2}, {double(i), 1})), sum += i;
    Call c("add_n", in, {{"num_args", std::to_string(n)}});
    EXPECT_EQ(c.forward().out[0].values(), (std::vector<double>{sum, double(n)}));
    c.backward({Tensor({2}, {3, 4})});
    for (const Tensor& g : c.grads) EXPECT_EQ(g.values(), (std::vector<double>{3, 4}));
  }
}

TEST(Elemwise, GradientsMatchDifferences) {
  for (const char* op : {"broadcast_mul", "broadcast_div", "broadcast_power", "broadcast_hypot",
                         "broadcast_maximum", "broadcast_mod"}) {
    Call c(op,
           {uniform({2, 3, 4}, Dtype::kFloat64, 1.1, 2), uniform({3, 1}, Dtype::kFloat64, 2.1, 3)});
    expect_gradients(c, {0, 1});
  }
  for (const char* op : {"gamma", "gammaln", "tan", "log2", "rcbrt", "softsign", "erf"}) {
    Call c(op, {uniform({9}, Dtype::kFloat64, 0.2, 0.9)});
    expect_gradients(c, {0});
  }
}

TEST(Elemwise, SelectionByElementAndByRow) {
  Call rows("where",
            {Tensor({2}, {1, 0}), Tensor({2, 2}, {1, 2, 3, 4}), Tensor({2, 2}, {5, 6, 7, 8})});
  EXPECT_EQ(rows.forward().out[0].values(), (std::vector<double>{1, 2, 7, 8}));
  Call tiny("where",
            {Tensor({2}, {1e-300, 0}, Dtype::kFloat64), Tensor({2}, {1, 2}), Tensor({2}, {3, 4})});
  EXPECT_EQ(tiny.forward().out[0].values(), (std::vector<double>{1, 4}));
}

}  // namespace heddle::test
