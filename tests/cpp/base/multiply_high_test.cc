// The high half of a product: both ways to compute it, against known values and each other.
#include "base/multiply_high.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace heddle::base {

TEST(MultiplyHigh, KnownProducts) {
  constexpr uint64_t kMost = ~uint64_t{0};
  EXPECT_EQ(multiply_high_by_halves(kMost, kMost), kMost - 1);
  EXPECT_EQ(multiply_high_by_halves(uint64_t{1} << 32, uint64_t{1} << 32), 1u);
  EXPECT_EQ(multiply_high_by_halves(uint64_t{1} << 63, 2), 1u);
  EXPECT_EQ(multiply_high_by_halves(kMost, 1), 0u);
  EXPECT_EQ(multiply_high_by_halves(0, kMost), 0u);
}

TEST(MultiplyHigh, BothWaysAgree) {
  uint64_t a = 0x9e3779b97f4a7c15, b = 0xbf58476d1ce4e5b9;
  for (int i = 0; i < 10000; ++i) {
    a = a * 6364136223846793005u + 1442695040888963407u;
    b = b * 2862933555777941757u + 3037000493u;
    const uint64_t x = a >> (i % 61), y = b >> (i % 53);
    ASSERT_EQ(multiply_high(x, y), multiply_high_by_halves(x, y)) << x << " * " << y;
  }
}

}  // namespace heddle::base
