// Squares of kWide rows and columns between a matrix in C order and one that has each as it is read
// by columns, at each instruction-set level: weights of 1 x 1 windows. Lines of both are met whole,
// where rows lie so far apart that few lines of a column stay in the first cache.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

constexpr int64_t kSquare = kWide;

// n squares that lie `apart`, from rows ld apart, or back to them.
void squares_from_rows(const float* rows, int64_t ld, int64_t n, float* squares, int64_t apart) {
  simd::ran(HEDDLE_LEVEL);
  for (int64_t s = 0; s < n; ++s, rows += kWide, squares += apart) {
    Vec r[kWide];
#pragma GCC unroll 16
    for (int i = 0; i < kWide; ++i) r[i] = load(rows + i * ld);
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < kWide; ++i) store(squares + i * kWide, r[i]);
  }
}
void squares_to_rows(float* rows, int64_t ld, int64_t n, const float* squares, int64_t apart) {
  simd::ran(HEDDLE_LEVEL);
  for (int64_t s = 0; s < n; ++s, rows += kWide, squares += apart) {
    Vec r[kWide];
#pragma GCC unroll 16
    for (int i = 0; i < kWide; ++i) r[i] = load(squares + i * kWide);
    transpose(r);
#pragma GCC unroll 16
    for (int i = 0; i < kWide; ++i) store(rows + i * ld, r[i]);
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
