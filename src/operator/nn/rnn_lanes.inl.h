// Products of a few rows with a matrix in panels of two registers' width, at each instruction-set
// level: every panel is read once, in order, while the sums of a tile of rows stay in registers.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

constexpr int kStepWide = 2 * kWide, kStepRows = HEDDLE_LEVEL == 4 ? 12 : 6;

// c(M, kStepWide) = a b, or c += a b.
template <int M>
void step_tile(const float* a, int64_t lda, const float* b, int64_t k, float* c, int64_t ldc,
               bool accumulate) {
  Vec sum[M][2];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    sum[i][0] = accumulate ? load(c + i * ldc) : all(0.0f);
    sum[i][1] = accumulate ? load(c + i * ldc + kWide) : all(0.0f);
  }
  for (int64_t q = 0; q < k; ++q, b += kStepWide) {
    const Vec left = load(b), right = load(b + kWide);
    __builtin_prefetch(b + 16 * kStepWide);
    if (kStepWide > 16) __builtin_prefetch(b + 16 * kStepWide + 16);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec v = all(a[i * lda + q]);
      sum[i][0] = fma(left, v, sum[i][0]);
      sum[i][1] = fma(right, v, sum[i][1]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    store(c + i * ldc, sum[i][0]);
    store(c + i * ldc + kWide, sum[i][1]);
  }
}

template <int M>
void step_rows(int64_t m, const float* a, int64_t lda, const float* b, int64_t k, float* c,
               int64_t ldc, bool accumulate) {
  if (m == M) return step_tile<M>(a, lda, b, k, c, ldc, accumulate);
  if constexpr (M > 1) step_rows<M - 1>(m, a, lda, b, k, c, ldc, accumulate);
}

void step_product(const float* a, int64_t lda, int64_t m, const float* panel, int64_t k, float* c,
                  int64_t ldc, int64_t width, bool accumulate) {
  const int64_t tiles = (m + kStepRows - 1) / kStepRows;
  float edge[kStepRows * kStepWide];  // of a panel that is wider than c
  for (int64_t i = 0, from = 0; i < tiles; ++i) {
    const int64_t to = m * (i + 1) / tiles, rows = to - from;
    float* out = c + from * ldc;
    if (width == kStepWide) {
      step_rows<kStepRows>(rows, a + from * lda, lda, panel, k, out, ldc, accumulate);
    } else {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < kStepWide; ++j)
          edge[r * kStepWide + j] = accumulate && j < width ? out[r * ldc + j] : 0.0f;
      step_rows<kStepRows>(rows, a + from * lda, lda, panel, k, edge, kStepWide, accumulate);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < width; ++j) out[r * ldc + j] = edge[r * kStepWide + j];
    }
    from = to;
  }
}

void step_panels(rnn::Panels& p) { p = {kStepWide, step_product}; }

}  // namespace heddle::ops::HEDDLE_ISA
