// Random operators: Philox against its published vectors, moments, and reproducibility.
#include <algorithm>
#include <cmath>

#include "operator/call.h"
#include "operator/random/philox.h"
#include "operator/simd/level.h"

namespace heddle::test {

namespace simd = ops::simd;
namespace philox = ops::philox;

TEST(Philox, GivesThePublishedVectors) {
  auto expect = [](philox::Block b, std::vector<uint32_t> want) {
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(b.word[i], want[i]);
  };
  expect(philox::block(0, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  expect(philox::block(~0ull, ~0ull, ~0ull), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  expect(philox::block(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e),
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(Philox, WordsDoNotDependOnHowTheyAreAskedFor) {
  struct Restore {
    ~Restore() { simd::set_level(0); }
  } restore;
  for (int level = 2; level <= simd::best_level(); ++level) {
    simd::set_level(level);
    std::vector<uint32_t> all(1000), part(1000);
    philox::words(42, 0, 1000, all.data());
    EXPECT_EQ(simd::last_ran(), level);
    for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(all[size_t(i)], philox::word(42, i));
    for (int64_t begin : {1, 63, 64, 130}) {
      philox::words(42, begin, 700, part.data());
      EXPECT_TRUE(std::equal(part.begin(), part.begin() + 700, all.begin() + begin));
    }
  }
}

TEST(Philox, NormalsDoNotDependOnHowTheyAreAskedFor) {
  struct Restore {
    ~Restore() { simd::set_level(0); }
  } restore;
  std::vector<float> want(1000), got(1000);
  simd::set_level(2);
  philox::normals(42, 0, 1000, want.data());
  for (int level = 2; level <= simd::best_level(); ++level) {
    simd::set_level(level);
    philox::normals(42, 0, 1000, got.data());
    EXPECT_EQ(got, want) << "level " << level;
    for (int64_t begin : {1, 63, 64, 130}) {
      philox::normals(42, begin, 700, got.data());
      EXPECT_TRUE(std::equal(got.begin(), got.begin() + 700, want.begin() + begin));
    }
  }
}

// Not only the moments: how many lie within 1, 2 and 3 deviations.
TEST(Philox, NormalsFollowTheCurve) {
  std::vector<float> z(1 << 20);
  philox::normals(3, 0, int64_t(z.size()), z.data());
  double within[4] = {}, positive = 0;
  for (float v : z) {
    for (int k = 1; k <= 3; ++k) within[k] += std::fabs(v) < k;
    positive += v > 0;
  }
  const double n = double(z.size()), tolerance = 3 * 0.5 / std::sqrt(n);
  EXPECT_NEAR(within[1] / n, 0.682689, tolerance);
  EXPECT_NEAR(within[2] / n, 0.954500, tolerance);
  EXPECT_NEAR(within[3] / n, 0.997300, tolerance);
  EXPECT_NEAR(positive / n, 0.5, tolerance);
}

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const Tensor& t) {
  Moments m;
  for (int64_t i = 0; i < t.size(); ++i) m.mean += t.at(i) / double(t.size());
  for (int64_t i = 0; i < t.size(); ++i)
    m.variance += (t.at(i) - m.mean) * (t.at(i) - m.mean) / double(t.size());
  return m;
}

TEST(Random, MomentsAreThoseOfTheDistribution) {
  struct Row {
    const char* op;
    Kwargs kw;
    double mean, variance;
  };
  const Row rows[] = {
      {"_random_uniform", {{"low", "-1"}, {"high", "3"}}, 1, 16.0 / 12},
      {"_random_uniform", {{"low", "-1"}, {"high", "3"}, {"dtype", "float64"}}, 1, 16.0 / 12},
      {"_random_normal", {{"loc", "2"}, {"scale", "3"}}, 2, 9},
      {"_random_normal", {{"loc", "2"}, {"scale", "3"}, {"dtype", "float64"}}, 2, 9},
      {"_random_normal", {{"loc", "2"}, {"scale", "3"}, {"dtype", "float16"}}, 2, 9},
      {"_random_gamma", {{"alpha", "2.5"}, {"beta", "2"}}, 5, 10},
      {"_random_gamma", {{"alpha", "0.4"}, {"beta", "2"}}, 0.8, 1.6},
      {"_random_exponential", {{"lam", "4"}}, 0.25, 1.0 / 16},
      {"_random_poisson", {{"lam", "3"}}, 3, 3},
      {"_random_poisson", {{"lam", "40"}}, 40, 40},
      {"_random_negative_binomial", {{"k", "3"}, {"p", "0.4"}}, 4.5, 11.25},
      {"_random_generalized_negative_binomial", {{"mu", "2"}, {"alpha", "0.3"}}, 2, 3.2},
      {"_random_randint", {{"low", "-5"}, {"high", "5"}}, -0.5, 99.0 / 12},
  };
  for (Row row : rows) {
    row.kw["shape"] = "(100000,)";
    const Moments m = moments(Call(row.op, {}, row.kw).forward().out[0]);
    EXPECT_NEAR(m.mean, row.mean, 5 * std::sqrt(row.variance / 100000)) << row.op;
    EXPECT_NEAR(m.variance, row.variance, 0.05 * row.variance) << row.op;
  }
}

TEST(Random, SameSeedSameNumbersWhateverTheThreads) {
  struct Restore {
    ~Restore() { set_threads(0); }
  } restore;
  auto draw = [](const char* op, uint64_t seed, int threads) {
    set_threads(threads);
    Call c(op, {}, {{"shape", "(30000,)"}});
    c.seed = seed;
    return c.forward().out[0].values();
  };
  for (const char* op : {"uniform", "normal", "random_gamma", "random_poisson"}) {
    EXPECT_EQ(draw(op, 7, 1), draw(op, 7, 3)) << op;
    EXPECT_NE(draw(op, 7, 1), draw(op, 8, 1)) << op;
  }
}

TEST(Random, ParametersMayBeTensors) {
  Call c("sample_normal", {Tensor({2}, {0, 100}), Tensor({2}, {1, 5})}, {{"shape", "(20000,)"}});
  c.forward();
  ASSERT_EQ(c.out[0].shape, (Shape{2, 20000}));
  double sum[2] = {};
  for (int64_t i = 0; i < 40000; ++i) sum[i / 20000] += c.out[0].at(i) / 20000;
  EXPECT_NEAR(sum[0], 0, 0.05);
  EXPECT_NEAR(sum[1], 100, 0.2);
  EXPECT_EQ(Call("sample_uniform", {uniform({3, 2}), uniform({3, 2})}).out[0].shape, (Shape{3, 2}));
}

TEST(Random, ClassesAreDrawnByTheirProbabilities) {
  Call c("sample_multinomial", {Tensor({2, 3}, {0, 0.25, 0.75, 1, 0, 0})},
         {{"shape", "(8000,)"}, {"get_prob", "True"}});
  c.forward();
  int counts[3] = {};
  for (int64_t i = 0; i < 8000; ++i) ++counts[int(c.out[0].at(i))];
  EXPECT_EQ(counts[0], 0);
  EXPECT_NEAR(counts[1], 2000, 200);
  for (int64_t i = 8000; i < 16000; ++i) ASSERT_EQ(c.out[0].at(i), 0);
  EXPECT_FLOAT_EQ(float(c.out[1].at(0)), std::log(c.out[0].at(0) == 1 ? 0.25f : 0.75f));
  Tensor head({2, 8000}, Dtype::kFloat32);
  for (int64_t i = 0; i < head.size(); ++i) head.set(i, 1);
  c.backward({Tensor({2, 8000}, Dtype::kFloat32), head});
  EXPECT_NEAR(c.grads[0].at(1), counts[1] / 0.25, 1);
  EXPECT_NEAR(c.grads[0].at(3), 8000, 1);
}

TEST(Random, ShufflingKeepsRows) {
  Tensor x({100, 2}, Dtype::kFloat32);
  for (int64_t i = 0; i < 200; ++i) x.set(i, double(i));
  Call c("shuffle", {x});
  c.forward();
  std::vector<double> firsts;
  for (int64_t i = 0; i < 100; ++i) {
    firsts.push_back(c.out[0].at(2 * i));
    EXPECT_EQ(c.out[0].at(2 * i + 1), c.out[0].at(2 * i) + 1);
  }
  EXPECT_FALSE(std::is_sorted(firsts.begin(), firsts.end()));
  std::sort(firsts.begin(), firsts.end());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(firsts[size_t(i)], 2 * i);
}

}  // namespace heddle::test
