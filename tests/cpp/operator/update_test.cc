// Optimizer updates: what is changed in place and what is not, levels, and half precision.
#include "operator/call.h"
#include "operator/simd/level.h"

namespace heddle::test {

namespace simd = ops::simd;

TEST(Update, TheWeightStaysUnlessItIsTheOutput) {
  Call c("sgd_mom_update", {Tensor({2}, {1, 2}), Tensor({2}, {10, 20}), Tensor({2}, {0.5, 0.5})},
         {{"lr", "0.1"}, {"momentum", "0.5"}});
  c.forward();
  EXPECT_EQ(c.in[0].values(), (std::vector<double>{1, 2}));
  expect_near(c.in[2], Tensor({2}, {-0.75, -1.75}), 1e-6, "momentum");
  expect_near(c.out[0], Tensor({2}, {0.25, 0.25}), 1e-6, "weight");

  Tensor w({2}, {1, 2}), g({2}, {10, 20}), m({2}, {0.5, 0.5});
  std::vector<Blob> in{w.blob(), g.blob(), m.blob()}, out{w.blob()};
  OpContext ctx;
  run_kernel(*c.call, ctx, in, out);
  expect_near(w, c.out[0], 0, "weight in place");
}

TEST(Update, ClippingComesAfterRescaling) {
  Call c("sgd_update", {Tensor({3}, {1, 1, 1}), Tensor({3}, {1, 8, -8})},
         {{"lr", "1"}, {"wd", "0.5"}, {"rescale_grad", "0.25"}, {"clip_gradient", "1"}});
  EXPECT_EQ(c.forward().out[0].values(), (std::vector<double>{0.25, -0.5, 1.5}));
}

TEST(Update, EveryRuleGivesTheSameBitsAtEveryLevel) {
  struct Restore {
    ~Restore() { simd::set_level(0); }
  } restore;
  // The second moment first: above the square of the mean, as it is in use.
  const double kLow[] = {-1, -1, 1, 0.5, 0.5}, kHigh[] = {1, 1, 2, 0.9, 1};
  int rules = 0;
  for (const OpDef* op : OpTable::get().list()) {
    if (op->file != "update" || op->forward) continue;  // those of one weight
    ++rules;
    Kwargs kw{{"lr", "0.1"}, {"rescale_grad", "0.5"}, {"wd", "0.01"}};
    if (op->name == "ftml_update") kw["t"] = "3";
    std::vector<std::vector<double>> want;
    for (int level = 2; level <= simd::best_level(); ++level) {
      simd::set_level(level);
      std::vector<Tensor> in;
      for (size_t i = 0; i < op->inputs.fixed().size(); ++i)
        in.push_back(uniform({1003}, Dtype::kFloat32, kLow[i], kHigh[i], int(i)));
      Call c(op->name.c_str(), in, kw);
      c.forward();
      EXPECT_EQ(simd::last_ran(), level) << op->name;
      std::vector<std::vector<double>> got{c.out[0].values()};
      for (const Tensor& t : c.in) got.push_back(t.values());
      if (level == 2) want = got;
      EXPECT_TRUE(got == want) << op->name << " at level " << level;
    }
  }
  EXPECT_GE(rules, 14);
}

TEST(Update, HalfWeightsFollowAnExactOne) {
  Call c("mp_sgd_mom_update",
         {Tensor({1}, {1}, Dtype::kFloat16), Tensor({1}, {0.001}, Dtype::kFloat16),
          Tensor({1}, {0}), Tensor({1}, {1})},
         {{"lr", "0.1"}});
  for (int i = 0; i < 10; ++i) c.forward();
  EXPECT_NEAR(c.in[3].at(0), 0.999, 1e-5);  // ten steps, each below the last place of the half
  EXPECT_EQ(c.out[0].dtype, Dtype::kFloat16);
  EXPECT_NEAR(c.out[0].at(0), 0.999, 1e-3);
  EXPECT_THROW(
      Call("sgd_update", {Tensor({1}, {1}, Dtype::kInt32), Tensor({1}, {1}, Dtype::kInt32)},
           {{"lr", "0.1"}})
          .forward(),
      Error);
}

}  // namespace heddle::test
