// Products of extents that come from files: where one would overflow it is the largest number,
// which inference refuses as an extent.
#pragma once
#include <cstdint>
#include <limits>

#include "heddle/base.h"

namespace heddle::ops {

inline int64_t times(int64_t a, int64_t b) {
  int64_t n;
  return __builtin_mul_overflow(a, b, &n) ? std::numeric_limits<int64_t>::max() : n;
}
inline int64_t plus(int64_t a, int64_t b) {
  int64_t n;
  return __builtin_add_overflow(a, b, &n) ? std::numeric_limits<int64_t>::max() : n;
}
// The elements of a shape that inference has not seen yet.
inline int64_t elements(const Shape& s) {
  int64_t n = 1;
  for (int64_t d : s) n = times(n, d);
  return n;
}

}  // namespace heddle::ops
