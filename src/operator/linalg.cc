// Portable matrix products, and the choice between them and those that libraries offer.
#include "operator/linalg.h"

#include <algorithm>
#include <atomic>
#include <limits>

#include "operator/simd/level.h"

namespace heddle::ops::linalg {

// --- the portable product -----------------------------------------------------------------------
constexpr int64_t kTileM = 4, kTileN = 16, kBlockK = 256;

// c(i, j) for a tile of at most kTileM x kTileN, over k in [0, depth). `a` walks by (am, ak); `b`
// is a packed panel of rows of kTileN.
template <class T>
void tile(const T* a, int64_t am, int64_t ak, const T* b, int64_t depth, T* c, int64_t ld,
          int64_t m, int64_t n, bool accumulate) {
  T acc[kTileM][kTileN] = {};
  for (int64_t q = 0; q < depth; ++q, b += kTileN) {
    for (int64_t i = 0; i < m; ++i) {
      const T v = a[i * am + q * ak];
      for (int64_t j = 0; j < kTileN; ++j) acc[i][j] += v * b[j];
    }
  }
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j)
      c[i * ld + j] = accumulate ? T(c[i * ld + j] + acc[i][j]) : acc[i][j];
}

template <class T>
void portable_gemm(Mat<T> a, Mat<T> b, Mat<T> c, bool accumulate) {
  const int64_t m = c.rows, n = c.cols, k = a.n();
  const int64_t am = a.transposed ? 1 : a.ld, ak = a.transposed ? a.ld : 1;
  const int64_t bk = b.transposed ? 1 : b.ld, bn = b.transposed ? b.ld : 1;
  if (k == 0 && !accumulate)
    for (int64_t i = 0; i < m; ++i) std::fill_n(c.data + i * c.ld, n, T(0));
  T panel[kBlockK * kTileN];
  for (int64_t k0 = 0; k0 < k; k0 += kBlockK) {
    const int64_t depth = std::min(kBlockK, k - k0);
    for (int64_t j0 = 0; j0 < n; j0 += kTileN) {
      const int64_t width = std::min(kTileN, n - j0);
      for (int64_t q = 0; q < depth; ++q)
        for (int64_t j = 0; j < kTileN; ++j)
          panel[q * kTileN + j] = j < width ? b.data[(k0 + q) * bk + (j0 + j) * bn] : T(0);
      for (int64_t i0 = 0; i0 < m; i0 += kTileM)
        tile(a.data + i0 * am + k0 * ak, am, ak, panel, depth, c.data + i0 * c.ld + j0, c.ld,
             std::min(kTileM, m - i0), width, accumulate || k0 > 0);
    }
  }
}

// --- the choice ---------------------------------------------------------------------------------
constexpr int kMaxOffers = 4;
Offer offers[kMaxOffers];
int offer_count = 0;
std::atomic<bool> offers_used{true};

bool libraries_offer() {
  return std::any_of(offers, offers + offer_count, [](const Offer& o) { return !o.own; });
}
bool own_kernels_pay() { return simd::best_level() >= 3 || !libraries_offer(); }

void use_offers(bool use) { offers_used.store(use, std::memory_order_relaxed); }

void offer(const Offer& o) {
  check(offer_count < kMaxOffers, "[linalg] too many libraries offer products, at {}", o.library);
  offers[offer_count++] = o;
}

template <class T>
auto product_of(const Offer& o) {
  if constexpr (std::is_same_v<T, float>) return o.sgemm;
  else if constexpr (std::is_same_v<T, bfloat16>) return o.bgemm;
  else return o.dgemm;
}
template <class T>
constexpr bool kHalf = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;
template <class T>
constexpr bool kOffered = std::is_floating_point_v<T> || std::is_same_v<T, bfloat16>;

// Halves that nobody multiplies as they are: the product of float copies.
template <class T>
void gemm_through_float(Mat<T> a, Mat<T> b, Mat<T> c, bool accumulate) {
  ScratchScope scope;
  auto copy = [](const Mat<T>& x) {
    auto* y = static_cast<float*>(thread_scratch(size_t(x.rows * x.cols) * sizeof(float)));
    for (int64_t i = 0; i < x.rows; ++i)
      for (int64_t j = 0; j < x.cols; ++j) y[i * x.cols + j] = float(x.data[i * x.ld + j]);
    return Mat<float>{y, x.rows, x.cols, x.cols, x.transposed};
  };
  const Mat<float> sum = copy(c);
  gemm(copy(a), copy(b), sum, accumulate);
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.cols; ++j) c.data[i * c.ld + j] = T(sum.data[i * c.cols + j]);
}

// Libraries may count in 32 bits: what has more rows, columns or distance between rows than this is
// cut, or not given to them.
constexpr int64_t kMost = int64_t(1) << 30;

// One row has no next one: any distance will do.
template <class T>
bool near(const Mat<T>& m) {
  return m.rows <= 1 || m.ld <= kMost;
}
template <class T>
Mat<T> close(const Mat<T>& m) {
  return {m.data, m.rows, m.cols, m.rows <= 1 ? m.cols : m.ld, m.transposed};
}

// The offer to make a product by, the first that takes it; null for the portable one.
template <class T>
const Offer* offer_for(const Mat<T>& a, const Mat<T>& b, const Mat<T>& c) {
  if constexpr (kOffered<T>) {
    const Extents e{c.rows, c.cols, a.n(), a.transposed, b.transposed};
    const bool use = e.k > 0 && near(a) && near(b) && near(c);
    for (int i = use && offers_used.load(std::memory_order_relaxed) ? offer_count : 0; i-- > 0;)
      if (product_of<T>(offers[i]) && offers[i].takes(e)) return &offers[i];
  }
  return nullptr;
}

// A product of at most kMost rows and columns.
template <class T>
void one_gemm(const Mat<T>& a, const Mat<T>& b, const Mat<T>& c, bool accumulate) {
  if constexpr (kOffered<T>)
    if (const Offer* o = offer_for(a, b, c))
      return product_of<T>(*o)(close(a), close(b), close(c), accumulate);
  if constexpr (kHalf<T>) gemm_through_float(a, b, c, accumulate);
  else portable_gemm(a, b, c, accumulate);
}

template <class T>
void cut_gemm(const Mat<T>& a, const Mat<T>& b, const Mat<T>& c, bool accumulate) {
  for (int64_t i0 = 0; i0 < c.rows; i0 += kMost) {
    const int64_t i1 = std::min(c.rows, i0 + kMost);
    const Mat<T> left = a.slice(i0, i1), rows = c.slice(i0, i1);
    for (int64_t j0 = 0; j0 < c.cols; j0 += kMost) {
      const int64_t j1 = std::min(c.cols, j0 + kMost);
      one_gemm(left, b.t().slice(j0, j1).t(), {rows.data + j0, rows.rows, j1 - j0, c.ld},
               accumulate);
    }
  }
}

// Libraries may keep one running sum per element, which drifts over very many terms. So long
// products are sums of sums: of at most kTerms terms, kTerms of these, and so on.
constexpr int64_t kDepth = 2048, kTerms = 128;

template <class T>
void deep_gemm(const Mat<T>& a, const Mat<T>& b, const Mat<T>& c, bool accumulate) {
  const int64_t k = a.n();
  int64_t depth = kDepth;
  if (k <= depth) return cut_gemm(a, b, c, accumulate);
  while (k > depth * kTerms) depth *= kTerms;
  ScratchScope scope;
  Mat<T> part = c;  // short pieces are added by the product itself
  if (depth > kDepth)
    part =
        mat(static_cast<T*>(thread_scratch(size_t(c.rows * c.cols) * sizeof(T))), c.rows, c.cols);
  for (int64_t from = 0; from < k; from += depth, accumulate = true) {
    const int64_t to = std::min(k, from + depth);
    const Mat<T> left = a.t().slice(from, to).t(), right = b.slice(from, to);
    if (depth == kDepth) {
      cut_gemm(left, right, c, accumulate);
      continue;
    }
    deep_gemm(left, right, part, false);
    for (int64_t i = 0; i < c.rows; ++i)
      for (int64_t j = 0; j < c.cols; ++j) {
        T& sum = c.data[i * c.ld + j];
        sum = accumulate ? sum + part.data[i * c.cols + j] : part.data[i * c.cols + j];
      }
  }
}

template <class T>
void gemm(Mat<T> a, Mat<T> b, Mat<T> c, bool accumulate) {
  if (c.rows == 0 || c.cols == 0) return;
  // Of halves, what a running sum in float32 loses is lost when it is rounded.
  if constexpr (std::is_floating_point_v<T>)
    if (a.n() > kDepth || c.rows > kMost || c.cols > kMost) return deep_gemm(a, b, c, accumulate);
  one_gemm(a, b, c, accumulate);
}

// --- on other devices ---------------------------------------------------------------------------
DeviceProducts cuda_products;

void offer(Device::Kind on, const DeviceProducts& products) {
  check(on == Device::kCuda, "[linalg] found products for a device of kind {}, expected gpu",
        int(on));
  cuda_products = products;
}

const DeviceProducts* products_on(const OpContext& ctx) {
  return ctx.device.kind == Device::kCuda ? &cuda_products : nullptr;
}

template <class T>
Mat<void> erase(Mat<T> m) {
  return {m.data, m.rows, m.cols, m.ld, m.transposed};
}

// --- in parallel --------------------------------------------------------------------------------
// Pieces hold at least this many multiplications, and are at most kPieces. An extent below kThin
// takes no less time, which goes into reading or writing a matrix once.
constexpr int64_t kWork = int64_t(1) << 18, kPieces = 8, kThin = 4;

// A product of m rows and n columns in pieces of `rows` and `columns`.
struct Pieces {
  int64_t rows, columns;
};
// Each piece reads its rows of a and its columns of b, and a library first copies them into an
// order of its own: so pieces are as square as can be. `by` is who multiplies, if known.
Pieces pieces_of(int64_t m, int64_t n, int64_t k, const Offer* by) {
  const auto cut = [](int64_t extent, int64_t parts, int64_t multiple) {
    return ((extent + parts - 1) / parts + multiple - 1) / multiple * multiple;
  };
  const int64_t rows = by ? by->rows : 4, columns = by ? by->columns : 16;
  const int64_t work = std::max(m, kThin) * std::max(n, kThin) * std::max(k, kThin);
  const int64_t most = std::clamp<int64_t>(work / kWork, 1, kPieces);
  Pieces best{m, n};
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t down = most; down >= 1; --down) {
    const Pieces p{cut(m, down, rows), cut(n, most / down, columns)};
    if (most % down == 0 && p.rows + p.columns < least) best = p, least = p.rows + p.columns;
  }
  return best;
}

const Offer* offer_to_split(const Extents& e) {
  const bool use = e.k <= kDepth * kTerms && std::max(e.m, e.n) <= kMost &&
                   offers_used.load(std::memory_order_relaxed);
  for (int i = use ? offer_count : 0; i-- > 0;)
    if (offers[i].splits && offers[i].splits(e)) return &offers[i];
  return nullptr;
}

// c = a b, c += a b or, with a bias, c = a b + bias.
template <class T>
void gemm_pieces(const OpContext& ctx, Mat<T> a, Mat<T> b, const T* bias, Mat<T> c,
                 bool accumulate) {
  const int64_t m = c.rows, n = c.cols;
  if (m == 0 || n == 0) return;
  if constexpr (std::is_same_v<T, float>)
    if (const Offer* o = offer_to_split({m, n, a.n(), a.transposed, b.transposed}))
      return o->split(ctx, a, b, bias, c, accumulate);
  const Pieces p = pieces_of(m, n, a.n(), offer_for(a, b, c));
  const int64_t across = (n + p.columns - 1) / p.columns, down = (m + p.rows - 1) / p.rows;
  ctx.parallel_for(down * across, 1, [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; ++i) {
      const int64_t r0 = i / across * p.rows, r1 = std::min(m, r0 + p.rows);
      const int64_t c0 = i % across * p.columns, c1 = std::min(n, c0 + p.columns);
      const Mat<T> piece{c.data + r0 * c.ld + c0, r1 - r0, c1 - c0, c.ld};
      for (int64_t r = 0; bias && r < piece.rows; ++r)
        std::copy_n(bias + c0, piece.cols, piece.data + r * c.ld);
      gemm(a.slice(r0, r1), b.t().slice(c0, c1).t(), piece, accumulate || bias);
    }
  });
}

template <class T>
void gemm(const OpContext& ctx, Mat<T> a, Mat<T> b, Mat<T> c, bool accumulate) {
  if (const DeviceProducts* d = products_on(ctx))
    return d->gemm(ctx, dtype_of<T>, erase(a), erase(b), erase(c), accumulate);
  gemm_pieces(ctx, a, b, static_cast<const T*>(nullptr), c, accumulate);
}

int64_t gemm_scratch(int64_t m, int64_t n, int64_t k, Dtype dtype) {
  const int64_t size = dtype_size(dtype);
  if (dtype == Dtype::kFloat16 || dtype == Dtype::kBfloat16)
    return ScratchNeed::taken(4 * m * k) + ScratchNeed::taken(4 * k * n) +
           ScratchNeed::taken(4 * m * n) + gemm_scratch(m, n, k, Dtype::kFloat32);
  if (dtype != Dtype::kFloat32 && dtype != Dtype::kFloat64) return 0;
  int64_t most = 0, sums = 0;
  for (int i = 0; dtype == Dtype::kFloat32 && i < offer_count; ++i)
    if (const auto of = offers[i].scratch)
      most = std::max(most, ScratchNeed::taken(of({m, n, std::min(k, kDepth), false, false})));
  for (int64_t depth = kDepth * kTerms; depth < k * kTerms; depth *= kTerms)
    if (k > depth) sums += ScratchNeed::taken(m * n * size);
  return sums + most;
}

ScratchNeed scratch(int64_t m, int64_t n, int64_t k, Dtype dtype) {
  ScratchNeed need;
  if (m == 0 || n == 0) return need;
  // Whoever multiplies, with pieces of its own.
  for (int i = -1; i < offer_count; ++i) {
    const Pieces p = pieces_of(m, n, k, i < 0 ? nullptr : &offers[i]);
    need.piece =
        std::max(need.piece, gemm_scratch(std::min(m, p.rows), std::min(n, p.columns), k, dtype));
  }
  need.pieces = kPieces;
  const Extents e{m, n, k, false, false};
  for (int i = 0; dtype == Dtype::kFloat32 && i < offer_count; ++i)
    if (offers[i].splits && offers[i].splits(e)) {
      const ScratchNeed split = offers[i].split_scratch(e);
      need = {std::max(need.call, split.call), std::max(need.piece, split.piece),
              std::max(need.pieces, split.pieces)};
    }
  return need;
}

template <class T>
void gemm_bias(const OpContext& ctx, Mat<T> a, Mat<T> b, const T* bias, Mat<T> c) {
  if (const DeviceProducts* d = products_on(ctx)) {
    if (bias) d->spread_rows(ctx, dtype_of<T>, bias, erase(c));
    return gemm(ctx, a, b, c, bias != nullptr);
  }
  gemm_pieces(ctx, a, b, bias, c, false);
}

template <class T>
void transpose(const T* x, int64_t rows, int64_t cols, T* y) {
  constexpr int64_t kTile = 16;  // both sides of a tile stay in the first cache
  for (int64_t i0 = 0; i0 < rows; i0 += kTile)
    for (int64_t j0 = 0; j0 < cols; j0 += kTile)
      for (int64_t j = j0; j < std::min(j0 + kTile, cols); ++j)
        for (int64_t i = i0; i < std::min(i0 + kTile, rows); ++i) y[j * rows + i] = x[i * cols + j];
}

template <class T>
void sum_rows(const OpContext& ctx, const T* x, int64_t rows, int64_t cols, T* y) {
  if (const DeviceProducts* d = products_on(ctx))
    return d->sum_rows(ctx, dtype_of<T>, x, rows, cols, y);
  // Sums of kRows rows are short; across them floats are summed in double.
  using Sum = std::conditional_t<(sizeof(T) < 4 && !std::is_integral_v<T>), float, T>;
  using Total = std::conditional_t<std::is_integral_v<T>, T, double>;
  constexpr int64_t kGrain = 64, kRows = 256;
  ctx.parallel_for(cols, std::max(kGrain, (int64_t(1) << 17) / std::max<int64_t>(rows, 1)),
                   [&](int64_t from, int64_t to) {
                     for (int64_t j0 = from; j0 < to; j0 += kGrain) {
                       Total total[kGrain] = {};
                       const int64_t n = std::min(kGrain, to - j0);
                       for (int64_t i0 = 0; i0 < rows; i0 += kRows) {
                         Sum sum[kGrain] = {};
                         for (int64_t i = i0; i < std::min(rows, i0 + kRows); ++i)
                           for (int64_t j = 0; j < n; ++j) sum[j] += Sum(x[i * cols + j0 + j]);
                         for (int64_t j = 0; j < n; ++j) total[j] += Total(sum[j]);
                       }
                       for (int64_t j = 0; j < n; ++j) y[j0 + j] = T(Sum(total[j]));
                     }
                   });
}

#define HEDDLE_LINALG(T)                                                       \
  template void gemm(Mat<T>, Mat<T>, Mat<T>, bool);                            \
  template void gemm(const OpContext&, Mat<T>, Mat<T>, Mat<T>, bool);          \
  template void gemm_bias(const OpContext&, Mat<T>, Mat<T>, const T*, Mat<T>); \
  template void transpose(const T*, int64_t, int64_t, T*);                     \
  template void sum_rows(const OpContext&, const T*, int64_t, int64_t, T*);
HEDDLE_LINALG(float)
HEDDLE_LINALG(double)
HEDDLE_LINALG(float16)
HEDDLE_LINALG(bfloat16)
HEDDLE_LINALG(uint8_t)
HEDDLE_LINALG(int8_t)
HEDDLE_LINALG(int32_t)
HEDDLE_LINALG(int64_t)
#undef HEDDLE_LINALG

}  // namespace heddle::ops::linalg
