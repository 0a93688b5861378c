// The high half of a 64 by 64 bit product.
#pragma once
#include <cstdint>

namespace heddle::base {

// From 32-bit halves, for compilers without a wider integer.
constexpr uint64_t multiply_high_by_halves(uint64_t a, uint64_t b) {
  constexpr uint64_t kLow = 0xffffffff;
  const uint64_t low = (a & kLow) * (b & kLow);
  const uint64_t cross = (a >> 32) * (b & kLow) + (low >> 32);  // fits: (2^32-1)^2 + 2^32-1 < 2^64
  const uint64_t other = (a & kLow) * (b >> 32) + (cross & kLow);
  return (a >> 32) * (b >> 32) + (cross >> 32) + (other >> 32);
}

constexpr uint64_t multiply_high(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  return uint64_t((Wide{a} * b) >> 64);
#else
  return multiply_high_by_halves(a, b);
#endif
}

}  // namespace heddle::base
