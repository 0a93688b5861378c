// float16 and bfloat16: every value, and rounding against arithmetic that is obviously right.
#include "heddle/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace heddle {
namespace {

// A half by its definition: sign, 5 bits of exponent, 10 of fraction.
double slow_from_f16(uint16_t h) {
  const int exponent = (h >> 10) & 31, fraction = h & 1023;
  double v = 0;
  if (exponent == 31) v = fraction ? NAN : INFINITY;
  else if (exponent == 0) v = std::ldexp(fraction, -24);
  else v = std::ldexp(1024 + fraction, exponent - 25);
  return h & 0x8000 ? -v : v;
}

// The nearest number with `bits` of significand and exponents from `least` on; ties go to even.
double round_to(double v, int bits, int least) {
  if (v == 0 || !std::isfinite(v)) return v;
  const int exponent = std::max(std::ilogb(v), least);
  const double unit = std::ldexp(1.0, exponent - (bits - 1));
  return std::nearbyint(v / unit) * unit;
}

uint16_t slow_to_f16(float f) {
  const uint16_t sign = std::signbit(f) ? 0x8000 : 0;
  if (std::isnan(f)) return sign | 0x7e00;
  const double v = std::fabs(round_to(f, 11, -14));
  if (v >= 65536) return sign | 0x7c00;
  if (v < std::ldexp(1.0, -14)) return sign | uint16_t(std::ldexp(v, 24));
  const int exponent = std::ilogb(v);
  return sign | uint16_t(((exponent + 15) << 10) + (int(std::ldexp(v, 10 - exponent)) - 1024));
}

uint16_t slow_to_bf16(float f) {
  // bfloat16 is a float of 8 significant bits, so its patterns are those of rounded floats.
  const double v = round_to(f, 8, -126);
  const float back =
      std::fabs(v) > std::numeric_limits<float>::max() ? std::copysign(INFINITY, f) : float(v);
  return uint16_t(std::bit_cast<uint32_t>(back) >> 16);
}

TEST(Half, EveryF16ReadsAsItsDefinition) {
  for (int h = 0; h < 65536; ++h) {
    const float got = half::from_f16(uint16_t(h));
    const double want = slow_from_f16(uint16_t(h));
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << h;
    } else {
      ASSERT_EQ(double(got), want) << h;
      ASSERT_EQ(std::signbit(got), std::signbit(want)) << h;
    }
  }
}

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (int h = 0; h < 65536; ++h) {
    const float f = half::from_f16(uint16_t(h)), b = half::from_bf16(uint16_t(h));
    if (std::isnan(f)) {
      ASSERT_TRUE(std::isnan(half::from_f16(half::to_f16(f)))) << h;
    } else {
      ASSERT_EQ(half::to_f16(f), h);
    }
    if (std::isnan(b)) {
      ASSERT_TRUE(std::isnan(half::from_bf16(half::to_bf16(b)))) << h;
    } else {
      ASSERT_EQ(half::to_bf16(b), h);
    }
  }
}

// Around every half: the value itself, the tie above it, and their neighbours.
TEST(Half, F16RoundsToNearestEvenEverywhere) {
  for (int h = 0; h < 0x7c00; ++h) {
    const double low = slow_from_f16(uint16_t(h));
    const double high = h == 0x7bff ? 65536 : slow_from_f16(uint16_t(h + 1));
    const float tie = float((low + high) / 2);
    for (float f : {float(low), tie, std::nextafterf(tie, 0), std::nextafterf(tie, INFINITY),
                    std::nextafterf(float(low), INFINITY)}) {
      ASSERT_EQ(half::to_f16(f), slow_to_f16(f)) << f;
      ASSERT_EQ(half::to_f16(-f), slow_to_f16(-f)) << -f;
    }
  }
}

TEST(Half, RandomFloatsRoundAsTheReference) {
  std::mt19937 random(7);
  for (int i = 0; i < 500000; ++i) {
    const float f = std::bit_cast<float>(uint32_t(random()));
    if (std::isnan(f)) continue;
    ASSERT_EQ(half::to_f16(f), slow_to_f16(f)) << f;
    ASSERT_EQ(half::to_bf16(f), slow_to_bf16(f)) << f;
  }
}

TEST(Half, SpecialValues) {
  EXPECT_EQ(half::to_f16(INFINITY), 0x7c00);
  EXPECT_EQ(half::to_f16(-INFINITY), 0xfc00);
  EXPECT_EQ(half::to_f16(65519.f), 0x7bff);
  EXPECT_EQ(half::to_f16(65520.f), 0x7c00);
  EXPECT_EQ(half::to_f16(-0.f), 0x8000);
  EXPECT_EQ(half::to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  // A NaN whose fraction lies in the lower half must not become infinity.
  EXPECT_TRUE(std::isnan(half::from_bf16(half::to_bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(half::from_f16(half::to_f16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(float(float16(1.5f) + float16(0.25f)), 1.75f);
}

}  // namespace
}  // namespace heddle
