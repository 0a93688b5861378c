// Products with a matrix in panels of two registers' width, at each instruction-set level: a panel
// is read in order while the sums of a tile of rows stay in registers.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

constexpr int kStepWide = 2 * kWide;
// Rows of a tile. Packed ones are read from one place and may be more.
constexpr int kStepRows = HEDDLE_LEVEL == 4 ? 8 : kCompact ? 1 : 6;
constexpr int kPackedRows = HEDDLE_LEVEL == 4 ? 12 : 6;
// Registers that hold the numbers of one k of a tile.
constexpr int kTileRegisters = (kPackedRows + kWide - 1) / kWide;
template <bool kPacked>
constexpr int kMostRows = kPacked ? kPackedRows : kStepRows;

// What the sums of a tile begin with: 0, or c itself, or one row for all.
struct StepStart {
  const float* row;
  bool accumulate;
};

// c(M, kStepWide) = a b and what it begins with. `a` has rows lda apart or, when packed, its M
// elements of each k side by side. `next` is what will be read after this panel: where the panel
// was read before, and is near, the time goes into bringing `next` near.
template <int M, bool kPacked>
void step_tile(const float* a, int64_t lda, const float* b, const float* next, int64_t k, float* c,
               int64_t ldc, StepStart start) {
  Vec sum[M][2];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) {
    const float* from = start.accumulate ? c + i * ldc : start.row;
    sum[i][0] = from ? load(from) : all(0.0f);
    sum[i][1] = from ? load(from + kWide) : all(0.0f);
  }
  for (int64_t q = 0; q < k; ++q, b += kStepWide, next += kStepWide) {
    const Vec left = load(b), right = load(b + kWide);
    // A tile from one place leaves room for a panel in the first cache.
    __builtin_prefetch(next, 0, kPacked ? 3 : 2);
    if (kStepWide > 16) __builtin_prefetch(next + 16, 0, kPacked ? 3 : 2);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec v = all(kPacked ? a[q * M + i] : a[i * lda + q]);
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

template <int M, bool kPacked>
void step_rows(int64_t m, const float* a, int64_t lda, const float* b, const float* next, int64_t k,
               float* c, int64_t ldc, StepStart start) {
  if (m == M) return step_tile<M, kPacked>(a, lda, b, next, k, c, ldc, start);
  if constexpr (M > 1) step_rows<M - 1, kPacked>(m, a, lda, b, next, k, c, ldc, start);
}

// One tile of at most kMostRows rows and one panel, of which `width` columns are there.
template <bool kPacked>
void step_panel(int64_t m, const float* a, int64_t lda, const float* b, const float* next,
                int64_t k, float* c, int64_t ldc, int64_t width, StepStart start) {
  constexpr int kRows = kMostRows<kPacked>;
  if (width == kStepWide) return step_rows<kRows, kPacked>(m, a, lda, b, next, k, c, ldc, start);
  float edge[kRows * kStepWide];
  for (int64_t r = 0; r < m; ++r) {
    const float* from = start.accumulate ? c + r * ldc : start.row;
    for (int64_t j = 0; j < kStepWide; ++j)
      edge[r * kStepWide + j] = from && j < width ? from[j] : 0.0f;
  }
  step_rows<kRows, kPacked>(m, a, lda, b, next, k, edge, kStepWide, {nullptr, true});
  for (int64_t r = 0; r < m; ++r)
    for (int64_t j = 0; j < width; ++j) c[r * ldc + j] = edge[r * kStepWide + j];
}

// One row and one panel. Several rows of the panel at a time have sums of their own, so that none
// waits for itself. What is read lies in one run, which the processor sees by itself: asking for it
// ahead would take as many loads again, and two panels side by side are slower than one after the
// other.
void step_single(const float* a, const float* b, int64_t k, float* c, StepStart start) {
  constexpr int kSums = 4;
  Vec sum[kSums][2];
#pragma GCC unroll 4
  for (int i = 0; i < kSums; ++i) sum[i][0] = sum[i][1] = all(0.0f);
  const auto add = [&](int i, int64_t q) {
    const Vec v = all(a[q]);
    sum[i][0] = fma(load(b + q * kStepWide), v, sum[i][0]);
    sum[i][1] = fma(load(b + q * kStepWide + kWide), v, sum[i][1]);
  };
  int64_t q = 0;
  for (; q + kSums <= k; q += kSums)
#pragma GCC unroll 4
    for (int i = 0; i < kSums; ++i) add(i, q + i);
  for (; q < k; ++q) add(0, q);
  const float* const from = start.accumulate ? c : start.row;
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    const Vec both = (sum[0][h] + sum[1][h]) + (sum[2][h] + sum[3][h]);
    store(c + h * kWide, from ? both + load(from + h * kWide) : both);
  }
}

// Rows in tiles of like height. What they share of a panel comes from the second cache again for
// each tile, which costs less than beginning and ending the sums more often, so that it would stay
// in the first.
void step_product(const float* a, int64_t lda, int64_t m, const float* b, int64_t k, float* c,
                  int64_t ldc, int64_t n, const float* row, bool accumulate) {
  constexpr int64_t kDeep = 512;
  const int64_t tiles = (m + kStepRows - 1) / kStepRows;
  int64_t j = 0;
  for (; m == 1 && j + kStepWide <= n; j += kStepWide)
    step_single(a, b + j * k, k, c + j, {row ? row + j : row, accumulate});
  for (; j < n; j += kStepWide)
    for (int64_t k0 = 0; k0 < k || k0 == 0; k0 += kDeep) {
      const int64_t deep = k - k0 < kDeep ? k - k0 : kDeep;
      const float* panel = b + j * k + k0 * kStepWide;
      for (int64_t i = 0, from = 0; i < tiles; ++i) {
        const int64_t to = m * (i + 1) / tiles;
        const float* next = panel + (i > 0 && i + 1 == tiles ? k : int64_t(16)) * kStepWide;
        step_panel<false>(to - from, a + from * lda + k0, lda, panel, next, deep,
                          c + from * ldc + j, ldc, n - j < kStepWide ? n - j : kStepWide,
                          {row ? row + j : row, accumulate || k0 > 0});
        from = to;
      }
    }
}

// Rows of `a` in tiles of like height, in which the numbers of each k lie side by side. Whole
// registers are stored: what is too much of them lies where the numbers of the next k will be, or
// the next tile, or in the room behind the last one.
void step_pack_rows(nn::Panels::Lying a, int64_t m, int64_t k, float* to) {
  const int64_t tiles = (m + kPackedRows - 1) / kPackedRows;
  if (a.row == 1) {  // in runs of few k, so that the rest of a line is near when its turn comes
    constexpr int64_t kRun = 16, kStored = kTileRegisters * kWide;
    for (int64_t q = 0; q < k; q += kRun)
      for (int64_t i = 0, r = 0; i < tiles; ++i) {
        const int64_t end = m * (i + 1) / tiles, rows = end - r, stop = k - q < kRun ? k : q + kRun;
        for (int64_t p = q; p < stop; ++p) {
          const float* const from = a.data + p * a.column + r;
          float* const at = to + r * k + p * rows;
          if (r + kStored > m || p * rows + kStored > k * rows)
            for (int64_t j = 0; j < rows; ++j) at[j] = from[j];
          else
#pragma GCC unroll 2
            for (int v = 0; v < kTileRegisters; ++v) store(at + v * kWide, load(from + v * kWide));
        }
        r = end;
      }
    return;
  }
  for (int64_t i = 0, r = 0; i < tiles; ++i) {
    const int64_t end = m * (i + 1) / tiles, rows = end - r;
    const float* const from = a.data + r * a.row;
    float* const at = to + r * k;
    int64_t q = 0;
    for (; q + kWide <= k; q += kWide) {
      Vec each[kTileRegisters][kWide];
#pragma GCC unroll 2
      for (int v = 0; v < kTileRegisters; ++v) {
#pragma GCC unroll 16
        for (int j = 0; j < kWide; ++j)
          each[v][j] = v * kWide + j < rows ? load(from + (v * kWide + j) * a.row + q) : all(0.0f);
        transpose(each[v]);
      }
#pragma GCC unroll 16
      for (int j = 0; j < kWide; ++j)
#pragma GCC unroll 2
        for (int v = 0; v < kTileRegisters; ++v) store(at + (q + j) * rows + v * kWide, each[v][j]);
    }
    for (; q < k; ++q)
      for (int64_t j = 0; j < rows; ++j) at[q * rows + j] = from[j * a.row + q];
    r = end;
  }
}

// The same where `a` was brought into tiles, and of each panel `deep` rows are met, of k that it
// has. A tile goes along all panels, which come from the second cache; the last one brings near
// what will be read `then`, panels too.
void step_product_tiles(const float* a, int64_t m, const float* b, int64_t k, int64_t deep,
                        float* c, int64_t ldc, int64_t n, const float* row, bool accumulate,
                        const float* then) {
  const int64_t tiles = (m + kPackedRows - 1) / kPackedRows;
  for (int64_t i = 0, from = 0; i < tiles; ++i) {
    const int64_t to = m * (i + 1) / tiles;
    for (int64_t j = 0; j < n; j += kStepWide) {
      const float* const panel = b + j * k;
      const float* const next = then && i + 1 == tiles ? then + j * k : panel + 16 * kStepWide;
      step_panel<true>(to - from, a + from * deep, 0, panel, next, deep, c + from * ldc + j, ldc,
                       n - j < kStepWide ? n - j : kStepWide, {row ? row + j : row, accumulate});
    }
    from = to;
  }
}

// M rows times R rows of b, which come from memory side by side.
template <int M, int R>
void step_dots_tile(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* c,
                    int64_t ldc, StepStart start) {
  constexpr int kSums = (M * R + kWide - 1) / kWide * kWide;
  Vec sum[kSums];
#pragma GCC unroll 32
  for (int i = 0; i < kSums; ++i) sum[i] = all(0.0f);
  int64_t q = 0;
  for (; q + kWide <= k; q += kWide) {
    Vec v[M];
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) v[i] = load(a + i * lda + q);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec w = load(b + r * ldb + q);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) sum[i * R + r] = fma(w, v[i], sum[i * R + r]);
    }
  }
  float total[kSums];
#pragma GCC unroll 8
  for (int i = 0; i < kSums; i += kWide) store(total + i, sums(sum + i));
  for (int i = 0; i < M; ++i)
    for (int r = 0; r < R; ++r) {
      float s = total[i * R + r];
      for (int64_t j = q; j < k; ++j) s += a[i * lda + j] * b[r * ldb + j];
      c[i * ldc + r] = start.row ? s + start.row[r] : start.accumulate ? s + c[i * ldc + r] : s;
    }
}
template <int M>
void step_dots_rows(const float* a, int64_t lda, const float* b, int64_t ldb, int64_t k, float* c,
                    int64_t ldc, int64_t n, StepStart start) {
  constexpr int kRows = HEDDLE_LEVEL == 4 ? (M > 2 ? 4 : 8) : (M > 2 ? 2 : 4);
  const float* const row = start.row;
  int64_t j = 0;
  for (; j + kRows <= n; j += kRows)
    step_dots_tile<M, kRows>(a, lda, b + j * ldb, ldb, k, c + j, ldc,
                             {row ? row + j : row, start.accumulate});
  for (; j < n; ++j)
    step_dots_tile<M, 1>(a, lda, b + j * ldb, ldb, k, c + j, ldc,
                         {row ? row + j : row, start.accumulate});
}
void step_dots(const float* a, int64_t lda, int64_t m, const float* b, int64_t ldb, int64_t k,
               float* c, int64_t ldc, int64_t n, const float* row, bool accumulate) {
  const StepStart start{row, accumulate};
  constexpr int kRows = kCompact ? 1 : 4;
  for (; m >= kRows; m -= kRows, a += kRows * lda, c += kRows * ldc)
    step_dots_rows<kRows>(a, lda, b, ldb, k, c, ldc, n, start);
  if constexpr (kRows > 1) {
    if (m == 3) step_dots_rows<3>(a, lda, b, ldb, k, c, ldc, n, start);
    if (m == 2) step_dots_rows<2>(a, lda, b, ldb, k, c, ldc, n, start);
    if (m == 1) step_dots_rows<1>(a, lda, b, ldb, k, c, ldc, n, start);
  }
}

// A whole panel of the transpose of a matrix whose rows are ld apart.
void step_pack_t(const float* from, int64_t ld, int64_t k, float* to) {
  int64_t q = 0;
  for (; q + kWide <= k; q += kWide)
    for (int half = 0; half < kStepWide; half += kWide) {
      Vec r[kWide];
#pragma GCC unroll 16
      for (int i = 0; i < kWide; ++i) {
        r[i] = load(from + (half + i) * ld + q);
        __builtin_prefetch(from + (half + i) * ld + q + 2 * kWide);
      }
      transpose(r);
#pragma GCC unroll 16
      for (int i = 0; i < kWide; ++i) store(to + (q + i) * kStepWide + half, r[i]);
    }
  for (; q < k; ++q)
    for (int j = 0; j < kStepWide; ++j) to[q * kStepWide + j] = from[j * ld + q];
}

// --- small factors ------------------------------------------------------------------------------
// Some of the numbers of a register, from the first.
inline __attribute__((always_inline)) Vec load_some(const float* p, int64_t n) {
#if HEDDLE_LEVEL == 4
  return Vec(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
#else
  float t[kWide] = {};
  for (int64_t i = 0; i < n; ++i) t[i] = p[i];
  return load(t);
#endif
}
inline __attribute__((always_inline)) void store_some(float* p, Vec v, int64_t n) {
#if HEDDLE_LEVEL == 4
  _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), __m512(v));
#else
  float t[kWide];
  store(t, v);
  for (int64_t i = 0; i < n; ++i) p[i] = t[i];
#endif
}

// Of a column of V registers of c, of whose last one `last` numbers are there.
template <int M, int V>
void small_tile(const float* a, int64_t row, int64_t column, const float* b, int64_t ldb, int64_t k,
                float* c, int64_t ldc, int64_t last, bool accumulate) {
  Vec sum[M][V];
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const float* const from = c + i * ldc + v * kWide;
      sum[i][v] = !accumulate                  ? all(0.0f)
                  : v + 1 < V || last == kWide ? load(from)
                                               : load_some(from, last);
    }
  for (int64_t q = 0; q < k; ++q, a += column, b += ldb) {
    Vec w[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) w[v] = load(b + v * kWide);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec x = all(a[i * row]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[i][v] = fma(w[v], x, sum[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      float* const to = c + i * ldc + v * kWide;
      if (v + 1 < V || last == kWide) store(to, sum[i][v]);
      else store_some(to, sum[i][v], last);
    }
}
template <int M, int V>
void small_rows(int64_t m, const float* a, int64_t row, int64_t column, const float* b, int64_t ldb,
                int64_t k, float* c, int64_t ldc, int64_t last, bool accumulate) {
  if (m == M) return small_tile<M, V>(a, row, column, b, ldb, k, c, ldc, last, accumulate);
  if constexpr (M > 1) small_rows<M - 1, V>(m, a, row, column, b, ldb, k, c, ldc, last, accumulate);
}

// V registers' width of b, of which `width` columns are there, with zeros after them.
template <int V>
void small_pack(nn::Panels::Lying b, int64_t width, int64_t k, float* to) {
  const auto there = [&](int64_t at, int64_t of) {
    return of - at < kWide ? of > at ? of - at : 0 : kWide;
  };
  if (b.column == 1) {
    for (int64_t q = 0; q < k; ++q)
      for (int v = 0; v < V; ++v)
        store(to + (q * V + v) * kWide,
              load_some(b.data + q * b.row + v * kWide, there(v * kWide, width)));
    return;
  }
  for (int64_t q = 0; q < k; q += kWide)
    for (int v = 0; v < V; ++v) {
      const int64_t rows = there(v * kWide, width), deep = there(q, k);
      Vec r[kWide];
#pragma GCC unroll 16
      for (int i = 0; i < kWide; ++i)
        r[i] = i < rows ? load_some(b.data + (v * kWide + i) * b.column + q, deep) : all(0.0f);
      transpose(r);
#pragma GCC unroll 16
      for (int i = 0; i < kWide; ++i)
        if (i < deep) store(to + ((q + i) * V + v) * kWide, r[i]);
    }
}

template <int V>
void small_columns(nn::Panels::Lying a, nn::Panels::Lying b, int64_t m, int64_t width, int64_t k,
                   float* c, int64_t ldc, bool accumulate, float* room) {
  const int64_t last = width - (V - 1) * kWide, tiles = (m + kStepRows - 1) / kStepRows;
  const float* from = b.data;
  int64_t ldb = b.row;
  if (b.column != 1 || last < kWide) small_pack<V>(b, width, k, room), from = room, ldb = V * kWide;
  for (int64_t i = 0, r = 0; i < tiles; ++i) {
    const int64_t to = m * (i + 1) / tiles;
    small_rows<kStepRows, V>(to - r, a.data + r * a.row, a.row, a.column, from, ldb, k, c + r * ldc,
                             ldc, last, accumulate);
    r = to;
  }
}
void small_product(nn::Panels::Lying a, nn::Panels::Lying b, int64_t m, int64_t n, int64_t k,
                   float* c, int64_t ldc, bool accumulate, float* room) {
  for (int64_t j = 0; j < n; j += kStepWide) {
    const int64_t width = n - j < kStepWide ? n - j : kStepWide;
    const nn::Panels::Lying columns{b.data + j * b.column, b.row, b.column};
    if (width > kWide) small_columns<2>(a, columns, m, width, k, c + j, ldc, accumulate, room);
    else small_columns<1>(a, columns, m, width, k, c + j, ldc, accumulate, room);
  }
}

void step_finish(float* c, int64_t ldc, int64_t m, int64_t n, const float* add, int64_t ld_add,
                 float low, float high) {
  for (int64_t r = 0; r < m; ++r, c += ldc) {
    const float* const with = add ? add + r * ld_add : nullptr;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      float y = with ? c[j] + with[j] : c[j];
      y = y < low ? low : y;
      c[j] = y > high ? high : y;
    }
  }
}

void step_panels(nn::Panels& p) {
  p = {kStepWide, kPackedRows,   step_product, step_pack_rows, step_product_tiles,
       step_dots, small_product, step_pack_t,  step_finish};
}

}  // namespace heddle::ops::HEDDLE_ISA
