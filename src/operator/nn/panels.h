// Products with a matrix that was brought into panels of some columns before, which pays where it
// serves many products, or one with few rows.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace heddle::ops::nn {

// The loops of a machine, for panels of `wide` columns, one after the other, each with its rows
// contiguous and its columns padded with zeros.
struct Panels {
  int64_t wide, tall;  // tall: the most rows of a tile
  // A matrix as it lies: its element (i, j) is at data[i * row + j * column], one of which is 1.
  struct Lying {
    const float* data;
    int64_t row, column;
  };
  // c(m, n) = a(m, k) b, or c += a b, or, where `row` (of n) is given, c = a b + row.
  void (*multiply)(const float* a, int64_t lda, int64_t m, const float* b, int64_t k, float* c,
                   int64_t ldc, int64_t n, const float* row, bool accumulate);
  // For many rows of `a`: they are brought into tiles, m * k numbers and kBehind more.
  void (*pack_rows)(Lying a, int64_t m, int64_t k, float* to);
  // What multiply() gives, bit by bit, by such tiles of `deep` terms, and that many rows of panels
  // that have k. `then`: the panels of the next product, or null.
  void (*multiply_tiles)(const float* tiles, int64_t m, const float* b, int64_t k, int64_t deep,
                         float* c, int64_t ldc, int64_t n, const float* row, bool accumulate,
                         const float* then);
  static constexpr int64_t kBehind = 16;
  // The same of b^T, a matrix b(n, k) as it lies, for few m or few n: each row of b is read once
  // for four of a.
  void (*dots)(const float* a, int64_t lda, int64_t m, const float* b, int64_t ldb, int64_t k,
               float* c, int64_t ldc, int64_t n, const float* row, bool accumulate);
  // c(m, n) = a b, or c += a b, where all of them stay in the first cache. `room` has k * wide
  // numbers, and holds what of b does not lie in whole registers.
  void (*small)(Lying a, Lying b, int64_t m, int64_t n, int64_t k, float* c, int64_t ldc,
                bool accumulate, float* room);
  // One panel of the transpose of a matrix whose rows are ld apart.
  void (*pack_transposed)(const float* from, int64_t ld, int64_t k, float* to);
  // c(m, n) += what is added, unless null, then kept from low to high; a NaN stays.
  void (*finish)(float* c, int64_t ldc, int64_t m, int64_t n, const float* add, int64_t ld_add,
                 float low, float high);

  int64_t whole(int64_t columns) const { return (columns + wide - 1) / wide * wide; }
  // One panel of a matrix of k rows, whose elements are `row` and `column` apart, from its first
  // `have` columns.
  template <class T>
  void pack(const T* from, int64_t row, int64_t column, int64_t k, int64_t have, T* to) const {
    if constexpr (std::is_same_v<T, float>)
      if (have >= wide && row == 1) return pack_transposed(from, column, k, to);
    if (have >= wide && column == 1) {
      for (int64_t q = 0; q < k; ++q) std::copy_n(from + q * row, wide, to + q * wide);
      return;
    }
    for (int64_t q = 0; q < k; ++q)
      for (int64_t j = 0; j < wide; ++j)
        to[q * wide + j] = j < have ? from[q * row + j * column] : T(0);
  }
};

// Those of the machine's level, not of simd::level(): see convolution_lanes.cc.
const Panels& panels();
// How far apart rows of n should lie that are read side by side: at multiples of 2 KiB they would
// all meet in the same few sets of the first cache.
template <class T>
int64_t apart(int64_t n) {
  return n * int64_t(sizeof(T)) % 2048 == 0 ? n + 64 / int64_t(sizeof(T)) : n;
}

}  // namespace heddle::ops::nn
