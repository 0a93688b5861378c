// The float functions of scalar.h and special.h against the C library in double.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "operator/elemwise/special.h"

namespace heddle::test {

namespace ew = ops::ew;

// The distance in units of the last place of the right answer.
double ulps(float got, double want) {
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  const float rounded = float(want);
  if (got == rounded) return 0;
  if (std::isinf(rounded) || std::isinf(got)) return 1e9;
  const float magnitude = std::max(std::fabs(rounded), std::numeric_limits<float>::min());
  const double unit = std::nextafter(magnitude, std::numeric_limits<float>::infinity()) - magnitude;
  return std::fabs(got - want) / unit;
}

template <class F, class G>
double worst(F f, G g, float low, float high) {
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> number(low, high);
  double found = 0;
  for (int i = 0; i < 400000; ++i) {
    const float x = number(generator);
    found = std::max(found, ulps(f(x), g(double(x))));
  }
  return found;
}
#define FLOAT_FN(fn) [](float x) { return ew::fn(x); }
#define DOUBLE_FN(fn) [](double x) { return fn(x); }

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Scalar, ExpIsWithinOneUlp) {
  EXPECT_LT(worst(FLOAT_FN(exp), DOUBLE_FN(std::exp), -87, 88.7f), 1.01);
  EXPECT_LT(worst(FLOAT_FN(exp), DOUBLE_FN(std::exp), -1, 1), 1.01);
  EXPECT_LT(worst(FLOAT_FN(exp), DOUBLE_FN(std::exp), -103, -87), 1.01);  // subnormal results
  EXPECT_EQ(ew::exp(0.0f), 1.0f);
  EXPECT_EQ(ew::exp(-kInf), 0.0f);
  EXPECT_EQ(ew::exp(kInf), kInf);
  EXPECT_EQ(ew::exp(200.0f), kInf);
  EXPECT_TRUE(std::isnan(ew::exp(NAN)));
}

TEST(Scalar, LogIsWithinOneUlp) {
  EXPECT_LT(worst(FLOAT_FN(log), DOUBLE_FN(std::log), 1e-3f, 10), 1.01);
  EXPECT_LT(worst(FLOAT_FN(log), DOUBLE_FN(std::log), 0.9f, 1.1f), 1.01);
  EXPECT_LT(worst(FLOAT_FN(log), DOUBLE_FN(std::log), 1, 3e38f), 1.01);
  EXPECT_LT(worst(FLOAT_FN(log), DOUBLE_FN(std::log), 1e-44f, 1e-38f), 1.01);
  EXPECT_EQ(ew::log(0.0f), -kInf);
  EXPECT_EQ(ew::log(kInf), kInf);
  EXPECT_TRUE(std::isnan(ew::log(-1.0f)));
  EXPECT_TRUE(std::isnan(ew::log(NAN)));
}

TEST(Scalar, TanhAndSigmoidAreWithinTwoAndAHalfUlp) {
  EXPECT_LT(worst(FLOAT_FN(tanh), DOUBLE_FN(std::tanh), -1, 1), 2.5);
  EXPECT_LT(worst(FLOAT_FN(tanh), DOUBLE_FN(std::tanh), -12, 12), 2.5);
  auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_LT(worst(FLOAT_FN(sigmoid), sigmoid, -20, 20), 2.5);
  EXPECT_LT(worst(FLOAT_FN(sigmoid), sigmoid, -80, 80), 2.5);
  EXPECT_EQ(ew::tanh(kInf), 1.0f);
  EXPECT_EQ(ew::tanh(-kInf), -1.0f);
  EXPECT_EQ(ew::sigmoid(-kInf), 0.0f);
  EXPECT_EQ(ew::sigmoid(kInf), 1.0f);
  EXPECT_TRUE(std::isnan(ew::tanh(NAN)));
  EXPECT_TRUE(std::isnan(ew::sigmoid(NAN)));
}

TEST(Scalar, ErfIsWithinTwoUlp) {
  EXPECT_LT(worst(FLOAT_FN(erf), DOUBLE_FN(std::erf), -1, 1), 2);
  EXPECT_LT(worst(FLOAT_FN(erf), DOUBLE_FN(std::erf), -5, 5), 2);
  EXPECT_EQ(ew::erf(kInf), 1.0f);
  EXPECT_TRUE(std::isnan(ew::erf(NAN)));
}

TEST(Scalar, Expm1AndLog1pKeepSmallArguments) {
  EXPECT_LT(worst(FLOAT_FN(expm1), DOUBLE_FN(std::expm1), -1e-3f, 1e-3f), 2);
  EXPECT_LT(worst(FLOAT_FN(expm1), DOUBLE_FN(std::expm1), -20, 88.7f), 2.5);
  EXPECT_EQ(ew::expm1(kInf), kInf);
  EXPECT_EQ(ew::expm1(-kInf), -1.0f);
  EXPECT_LT(worst(FLOAT_FN(log1p), DOUBLE_FN(std::log1p), -1e-3f, 1e-3f), 2);
  EXPECT_LT(worst(FLOAT_FN(log1p), DOUBLE_FN(std::log1p), -0.999f, 100), 2.5);
  EXPECT_EQ(ew::log1p(-1.0f), -kInf);
  EXPECT_EQ(ew::log1p(kInf), kInf);
}

TEST(Scalar, OtherLogarithmsAndRootsAreRoundedOnce) {
  for (auto [low, high] : {std::pair{1e-44f, 1e-38f}, {0.5f, 2.0f}, {1e-3f, 1e3f}, {1.0f, 3e38f}}) {
    EXPECT_LT(worst(FLOAT_FN(log2), DOUBLE_FN(std::log2), low, high), 0.501);
    EXPECT_LT(worst(FLOAT_FN(log10), DOUBLE_FN(std::log10), low, high), 0.501);
    EXPECT_LT(worst(FLOAT_FN(cbrt), DOUBLE_FN(std::cbrt), -high, high), 0.501);
  }
  EXPECT_EQ(ew::log2(8.0f), 3.0f);
  EXPECT_EQ(ew::log10(1000.0f), 3.0f);
  EXPECT_EQ(ew::log10(0.0f), -kInf);
  EXPECT_EQ(ew::log2(kInf), kInf);
  EXPECT_TRUE(std::isnan(ew::log2(-1.0f)));
  EXPECT_TRUE(std::isnan(ew::log10(NAN)));
  EXPECT_EQ(ew::cbrt(-27.0f), -3.0f);
  EXPECT_EQ(ew::cbrt(-kInf), -kInf);
  EXPECT_TRUE(std::signbit(ew::cbrt(-0.0f)));
  EXPECT_TRUE(std::isnan(ew::cbrt(NAN)));
}

TEST(Angles, SineCosineAndTangentAreWithinAFewUlpOfEveryAngle) {
  for (float far : {1e-3f, 1.0f, 100.0f, 65536.0f, 1e6f, 3e38f}) {
    EXPECT_LT(worst(FLOAT_FN(sin), DOUBLE_FN(std::sin), -far, far), 1.6);
    EXPECT_LT(worst(FLOAT_FN(cos), DOUBLE_FN(std::cos), -far, far), 1.6);
    EXPECT_LT(worst(FLOAT_FN(tan), DOUBLE_FN(std::tan), -far, far), 3.5);
  }
  // The floats next to whole quarter turns, where all digits but the last cancel.
  for (int n = 1; n < 41000; ++n)
    for (float x : {float(n * 1.57079632679489662), -float(n * 1.57079632679489662)}) {
      EXPECT_LT(ulps(ew::sin(x), std::sin(double(x))), 1.6) << x;
      EXPECT_LT(ulps(ew::cos(x), std::cos(double(x))), 1.6) << x;
      EXPECT_LT(ulps(ew::tan(x), std::tan(double(x))), 3.5) << x;
    }
  EXPECT_TRUE(std::signbit(ew::sin(-0.0f)));
  EXPECT_TRUE(std::signbit(ew::tan(-0.0f)));
  for (float x : {kInf, -kInf, NAN}) {
    EXPECT_TRUE(std::isnan(ew::sin(x)));
    EXPECT_TRUE(std::isnan(ew::cos(x)));
    EXPECT_TRUE(std::isnan(ew::tan(x)));
  }
}

TEST(Angles, InversesAreWithinAFewUlp) {
  for (float far : {1e-3f, 0.6f, 1.0f}) {
    EXPECT_LT(worst(FLOAT_FN(asin), DOUBLE_FN(std::asin), -far, far), 2.5);
    EXPECT_LT(worst(FLOAT_FN(acos), DOUBLE_FN(std::acos), -far, far), 2);
  }
  for (float far : {1e-3f, 1.0f, 5.0f, 3e38f})
    EXPECT_LT(worst(FLOAT_FN(atan), DOUBLE_FN(std::atan), -far, far), 3);
  EXPECT_TRUE(std::signbit(ew::asin(-0.0f)));
  EXPECT_TRUE(std::signbit(ew::atan(-0.0f)));
  EXPECT_EQ(ew::acos(1.0f), 0.0f);
  EXPECT_EQ(ew::atan(-kInf), float(std::atan(-INFINITY)));
  for (float x : {1.0000001f, -kInf, NAN}) {
    EXPECT_TRUE(std::isnan(ew::asin(x)));
    EXPECT_TRUE(std::isnan(ew::acos(x)));
  }
  EXPECT_TRUE(std::isnan(ew::atan(NAN)));
}

// Bits in which numbers of every size, and those that are none, are as frequent as others.
std::vector<float> any_floats(int n) {
  std::mt19937 generator(2);
  std::vector<float> found{0.0f,  -0.0f, 1.0f,  -1.0f, 0.5f,   -2.0f,       3.0f,
                           -3.0f, kInf,  -kInf, NAN,   1e-45f, 16777216.0f, -16777217.0f};
  while (found.size() < size_t(n)) {
    const float x = ew::bits<float>(unsigned(generator()));
    found.push_back(std::isnan(x) ? NAN : x);  // no signalling one, of which C says nothing
  }
  return found;
}

TEST(Special, PowerIsWithinOneAndAHalfUlpAndHasTheSpecialValuesOfC) {
  for (float y : {-2.5f, -1.0f, 0.3f, 2.0f, 3.0f, 7.5f}) {
    const auto ours = [=](float x) { return ew::pow(x, y); };
    const auto right = [=](double x) { return std::pow(x, double(y)); };
    EXPECT_LT(worst(ours, right, 0.01f, 100), 1.5);
    EXPECT_LT(worst(ours, right, -3, 3), 1.5);
  }
  // Powers of every size, by large exponents of what is near 1 as well.
  std::mt19937 generator(4);
  std::uniform_real_distribution<float> exponent(-130, 130), wide(-100, 100), narrow(-0.3f, 0.3f);
  for (int i = 0; i < 400000; ++i) {
    const float t = narrow(generator), x = i % 2 ? std::exp2(wide(generator)) : 1 + t * t * t;
    const float y = exponent(generator) / float(std::log2(double(x)));
    if (std::isfinite(y)) {
      EXPECT_LT(ulps(ew::pow(x, y), std::pow(double(x), double(y))), 1.5) << x << " ^ " << y;
    }
  }
  const std::vector<float> numbers = any_floats(1500);
  for (float x : numbers)
    for (float y : numbers) {
      const double right = std::pow(double(x), double(y));
      EXPECT_LT(ulps(ew::pow(x, y), right), 1.5) << x << " ^ " << y;
      if (!std::isnan(right)) {
        EXPECT_EQ(std::signbit(ew::pow(x, y)), std::signbit(right));
      }
    }
}

TEST(Special, RemaindersAreExact) {
  const std::vector<float> numbers = any_floats(1500);
  auto same = [](float x, float y) {
    const float got = ew::fmod(x, y), right = std::fmod(x, y);
    if (std::isnan(right)) EXPECT_TRUE(std::isnan(got)) << x << " % " << y;
    else EXPECT_EQ(ew::bits<unsigned>(got), ew::bits<unsigned>(right)) << x << " % " << y;
  };
  for (float x : numbers)
    for (float y : numbers) same(x, y);
  std::mt19937 generator(3);
  for (int i = 0; i < 400000; ++i) {  // about whole multiples, up to where others take over
    const float y = float(generator()) / 65536, q = float(generator() >> (generator() % 30));
    for (float x : {y * q, std::nextafter(y * q, 0.0f), std::nextafter(y * q, kInf)}) same(x, y);
  }
}

TEST(Special, AtanhIsWithinTwoUlp) {
  EXPECT_LT(worst(FLOAT_FN(atanh), DOUBLE_FN(std::atanh), -1, 1), 2);
  EXPECT_LT(worst(FLOAT_FN(atanh), DOUBLE_FN(std::atanh), -1e-3f, 1e-3f), 2);
  EXPECT_EQ(ew::atanh(-1.0f), -kInf);
  EXPECT_TRUE(std::isnan(ew::atanh(1.5f)));
  EXPECT_TRUE(std::signbit(ew::atanh(-0.0f)));
}

TEST(Special, HypotIsRoundedOnce) {
  for (float y : {0.0f, 3.0f, 1e38f}) {
    const auto ours = [=](float x) { return ew::hypot(x, y); };
    EXPECT_LT(worst(
                  ours, [=](double x) { return std::hypot(x, double(y)); }, -3e38f, 3e38f),
              0.501);
    EXPECT_LT(worst(
                  ours, [=](double x) { return std::hypot(x, double(y)); }, -9, 9),
              0.501);
  }
  EXPECT_EQ(ew::hypot(-kInf, NAN), kInf);
  EXPECT_TRUE(std::isnan(ew::hypot(1.0f, NAN)));
}

TEST(Special, DigammaMatchesKnownValues) {
  EXPECT_NEAR(ew::digamma(1.0), -0.57721566490153286, 1e-13);
  EXPECT_NEAR(ew::digamma(0.5), -1.96351002602142348, 1e-13);
  EXPECT_NEAR(ew::digamma(-0.5), 0.03648997397857652, 1e-12);
  EXPECT_NEAR(ew::digamma(20.0), 2.97052399224214905, 1e-13);
}

TEST(Special, LogOfGammaIsWithinTwoAndAHalfUlp) {
  for (auto [low, high] : {std::pair{1e-40f, 1e-3f},
                           {0.001f, 0.999f},
                           {0.99f, 1.01f},
                           {1.0f, 3.0f},
                           {1.99f, 2.01f},
                           {2.9f, 3.1f},
                           {3.0f, 100.0f},
                           {100.0f, 1e6f},
                           {1e30f, 3e36f}})
    EXPECT_LT(worst(FLOAT_FN(lgamma), DOUBLE_FN(std::lgamma), low, high), 2.5) << low;
  EXPECT_EQ(ew::lgamma(-2.5f), std::lgamma(-2.5f));
  EXPECT_EQ(ew::lgamma(1.0f), 0.0f);
  EXPECT_EQ(ew::lgamma(2.0f), 0.0f);
  for (float x : {0.0f, -0.0f, -1.0f, kInf, -kInf, 1e38f}) EXPECT_EQ(ew::lgamma(x), kInf) << x;
  EXPECT_TRUE(std::isnan(ew::lgamma(NAN)));
}

TEST(Special, DigammaAndItsDerivativeOfFloatsAreRoundedOnceAwayFromTheZero) {
  const auto right = [](double x) { return ew::digamma(x); };
  const auto trigamma = [](float x) { return ew::polygamma(1.0f, x); };
  const auto right_trigamma = [](double x) { return ew::polygamma(1.0, x); };
  for (auto [low, high] : {std::pair{1e-30f, 1e-3f},
                           {0.001f, 1.0f},
                           {1.0f, 1.4f},
                           {1.5f, 8.0f},
                           {8.0f, 1e4f},
                           {1e29f, 2e30f},
                           {-20.0f, 0.0f}}) {
    EXPECT_LT(worst(FLOAT_FN(digamma), right, low, high), 0.51) << low;
    if (low > 1e-4f || low < 0) EXPECT_LT(worst(trigamma, right_trigamma, low, high), 0.51) << low;
  }
  for (float x = 1.4f; x < 1.5f; x += 1e-4f) EXPECT_NEAR(ew::digamma(x), right(x), 1e-8);
  EXPECT_EQ(trigamma(1e-30f), kInf);
  for (float x : {0.0f, -1.0f, NAN}) {
    EXPECT_TRUE(std::isnan(ew::digamma(x)));
    EXPECT_TRUE(std::isnan(trigamma(x)));
  }
}

TEST(Special, ErfinvUndoesErf) {
  for (double x : {-3.0, -1.0, -0.1, 0.0, 1e-9, 0.3, 0.9, 2.0, 4.0})
    EXPECT_NEAR(ew::erfinv(std::erf(x)), x, 1e-7 * std::max(1.0, x * x * x));
  EXPECT_EQ(ew::erfinv(1.0), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(ew::erfinv(1.5)));
  EXPECT_LT(worst(FLOAT_FN(erfinv), DOUBLE_FN(ew::erfinv), -1, 1), 4);
  EXPECT_LT(worst(FLOAT_FN(erfinv), DOUBLE_FN(ew::erfinv), -1e-3f, 1e-3f), 4);
  EXPECT_LT(worst(FLOAT_FN(erfinv), DOUBLE_FN(ew::erfinv), 0.9999f, 1), 4);
  EXPECT_EQ(ew::erfinv(-1.0f), -kInf);
  EXPECT_TRUE(std::isnan(ew::erfinv(-1.5f)));
  EXPECT_TRUE(std::isnan(ew::erfinv(NAN)));
}

}  // namespace heddle::test
