// Reductions: every set of axes against plain loops, long sums, and the same bits however they run.
#include <cmath>

#include "operator/call.h"
#include "operator/simd/level.h"

namespace heddle::test {

namespace simd = ops::simd;

TEST(Reduce, EverySetOfAxesOfFour) {
  const Shape shape{3, 4, 2, 5};
  for (Dtype d : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16, Dtype::kInt32})
    for (int set = 1; set < 16; ++set)
      for (const char* op : {"sum", "max", "mean"}) {
        std::string axes;
        for (int a = 0; a < 4; ++a)
          if (set >> a & 1) axes += std::to_string(a) + ",";
        Tensor x = uniform(shape, d, -9, 9);
        Call c(op, {x}, {{"axis", "(" + axes + ")"}, {"keepdims", "True"}});
        c.forward();
        Shape kept = shape;
        for (int a = 0; a < 4; ++a)
          if (set >> a & 1) kept[a] = 1;
        ASSERT_EQ(c.out[0].shape, kept);
        std::vector<double> want(size_t(kept.size()), std::string(op) == "max" ? -1e9 : 0);
        for (int64_t i = 0; i < x.size(); ++i) {
          int64_t rest = i, at = 0, stride = 1;
          for (int a = 3; a >= 0; --a) {
            if (kept[a] > 1) at += rest % shape[a] * stride;
            rest /= shape[a], stride *= kept[a];
          }
          double& w = want[size_t(at)];
          w = std::string(op) == "max" ? std::max(w, x.at(i)) : w + x.at(i);
        }
        for (double& w : want)
          if (std::string(op) == "mean") {
            w /= double(x.size() / kept.size());
            if (!is_float(d)) w = std::trunc(w);
          }
        expect_near(c.out[0], Tensor(kept, want, d), d == Dtype::kFloat16 ? 1e-3 : 1e-5, op);
      }
}

TEST(Reduce, ShapesOfTheResult) {
  auto shape = [](Kwargs kw) {
    return Call("sum", {uniform({2, 3, 4})}, std::move(kw)).out[0].shape;
  };
  EXPECT_EQ(shape({}), (Shape{1}));
  EXPECT_EQ(shape({{"axis", "()"}}), (Shape{1}));
  EXPECT_EQ(shape({{"axis", "-1"}}), (Shape{2, 3}));
  EXPECT_EQ(shape({{"axis", "(0, 2)"}, {"exclude", "True"}}), (Shape{2, 4}));
  EXPECT_EQ(shape({{"keepdims", "True"}}), (Shape{1, 1, 1}));
  EXPECT_THROW(shape({{"axis", "3"}}), Error);
  EXPECT_THROW(shape({{"axis", "(1, 1)"}}), Error);
}

TEST(Reduce, LongFloatSumsStayExact) {
  Tensor x({5000000}, Dtype::kFloat32);
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, 0.1);
  EXPECT_NEAR(Call("sum", {x}).forward().out[0].at(0), 5e5, 1);
  x.shape = {2500000, 2};
  Call columns("sum", {x}, {{"axis", "0"}});
  EXPECT_NEAR(columns.forward().out[0].at(1), 2.5e5, 0.5);
}

TEST(Reduce, SameBitsAtEveryLevelAndThreadCount) {
  struct Restore {
    ~Restore() { simd::set_level(0), set_threads(0); }
  } restore;
  const Tensor x = uniform({37, 61, 83});
  for (const char* op : {"sum", "mean", "prod", "nansum", "max", "min", "norm"})
    for (const char* axis : {"None", "0", "1", "2", "(0, 2)", "(1, 2)", "(0, 1)"}) {
      simd::set_level(2), set_threads(1);
      const Tensor want = Call(op, {x}, {{"axis", axis}}).forward().out[0];
      for (int level = 2; level <= simd::best_level(); ++level)
        for (int threads : {1, 3}) {
          simd::set_level(level), set_threads(threads);
          Call c(op, {x}, {{"axis", axis}});
          c.forward();
          EXPECT_EQ(simd::last_ran(), level);
          EXPECT_EQ(
              std::memcmp(c.out[0].buffer.data(), want.buffer.data(), size_t(want.size()) * 4), 0)
              << op << " over " << axis << " at level " << level << ", " << threads << " threads";
        }
    }
}

TEST(Reduce, NanCountsOrNot) {
  const Tensor x({2, 3}, {NAN, 2, 3, 4, NAN, 6});
  auto over = [&](const char* op) {
    return Call(op, {x}, {{"axis", "1"}}).forward().out[0].values();
  };
  EXPECT_EQ(over("nansum"), (std::vector<double>{5, 10}));
  EXPECT_EQ(over("nanprod"), (std::vector<double>{6, 24}));
  for (const char* op : {"sum", "max", "min", "norm"}) EXPECT_TRUE(std::isnan(over(op)[0])) << op;
  EXPECT_EQ(over("argmax"), (std::vector<double>{0, 1}));
  EXPECT_EQ(over("argmin"), (std::vector<double>{0, 1}));
}

TEST(Reduce, GradientOfMaxGoesToAllTies) {
  Call c("max", {Tensor({3}, {3, 2, 3})});
  c.forward().backward({Tensor({1}, {5})});
  EXPECT_EQ(c.grads[0].values(), (std::vector<double>{5, 0, 5}));
}

TEST(Reduce, GradientsMatchDifferences) {
  for (const char* op : {"sum", "mean", "prod", "norm", "nansum", "nanprod", "max", "min"})
    for (const char* axis : {"None", "1", "(0, 2)"}) {
      Call c(op, {uniform({2, 3, 4}, Dtype::kFloat64, 0.5, 2)}, {{"axis", axis}});
      expect_gradients(c, {0});
    }
  Call c("norm", {uniform({3, 4}, Dtype::kFloat64, 0.5, 2)}, {{"ord", "1"}, {"axis", "0"}});
  expect_gradients(c, {0});
}

TEST(Reduce, NormHasTheDtypeAskedFor) {
  const Tensor x({2, 2}, {3, -4, 0, 0});
  Call wide("norm", {x}, {{"out_dtype", "float64"}, {"axis", "1"}});
  EXPECT_EQ(wide.forward().out[0].values(), (std::vector<double>{5, 0}));
  EXPECT_EQ(wide.out[0].dtype, Dtype::kFloat64);
  wide.backward({Tensor({2}, {1, 1}, Dtype::kFloat64)});  // at the origin 0, not NaN
  expect_near(wide.grads[0], Tensor({2, 2}, {0.6, -0.8, 0, 0}), 1e-6);
}

TEST(Reduce, IndexOfTheLargest) {
  const Tensor x({2, 3, 2}, {1, 9, 5, 2, 5, 9, 7, 7, 8, 0, 8, 7});
  auto over = [&](Kwargs kw) { return Call("argmax", {x}, std::move(kw)).forward().out[0]; };
  EXPECT_EQ(over({{"axis", "1"}}).values(), (std::vector<double>{1, 0, 1, 0}));
  EXPECT_EQ(over({{"axis", "-1"}}).values(), (std::vector<double>{1, 0, 1, 0, 0, 0}));
  EXPECT_EQ(over({}).values(), (std::vector<double>{1}));
  EXPECT_EQ(over({{"keepdims", "True"}}).shape, (Shape{1, 1, 1}));
  EXPECT_EQ(Call("argmin", {x}).forward().out[0].values(), (std::vector<double>{9}));
  EXPECT_EQ(Call("argmax_channel", {x}).forward().out[0].shape, (Shape{2, 2}));
}

TEST(Reduce, PickTakesOnePerIndex) {
  const Tensor x({2, 3}, {1, 2, 3, 4, 5, 6});
  Call c("pick", {x, Tensor({2}, {0, 5})});
  EXPECT_EQ(c.forward().out[0].values(), (std::vector<double>{1, 6}));
  c.backward({Tensor({2}, {7, 8})});
  EXPECT_EQ(c.grads[0].values(), (std::vector<double>{7, 0, 0, 0, 0, 8}));
  EXPECT_EQ(c.grads[1].values(), (std::vector<double>{0, 0}));
  Call wrap("pick", {x, Tensor({2}, {-1, 4})}, {{"mode", "wrap"}, {"keepdims", "True"}});
  EXPECT_EQ(wrap.forward().out[0].values(), (std::vector<double>{3, 5}));
  EXPECT_EQ(wrap.out[0].shape, (Shape{2, 1}));
  Call rows("pick", {x, Tensor({3}, {0, 1, 1}, Dtype::kInt32)}, {{"axis", "0"}});
  EXPECT_EQ(rows.forward().out[0].values(), (std::vector<double>{1, 5, 6}));
  EXPECT_THROW(Call("pick", {x, uniform({5})}), Error);
}

}  // namespace heddle::test
