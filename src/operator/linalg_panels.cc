// Products of float32 by the loops over panels of the machine, which bring the second factor into
// panels, a block of it at a time. They make all products where no library offers any, small ones,
// and those with a transposed second factor (a linear layer's) that libraries are slow to bring
// into order.
#include <algorithm>

#include "operator/linalg.h"
#include "operator/nn/panels.h"

namespace heddle::ops::linalg_panels {

using linalg::Mat;

// A block of the second factor is at most this deep and this wide, and meets so many rows of the
// first at a time: both stay in the second cache.
constexpr int64_t kDeep = 512, kColumns = 384, kRows = 48;

int64_t scratch(const linalg::Extents& e) {
  const int64_t deep = std::min(e.k, kDeep);
  return (deep * (nn::panels().whole(std::min(e.n, kColumns)) + std::min(e.m, kRows)) +
          nn::Panels::kBehind) *
         int64_t(sizeof(float));
}

// Rows of the first factor are read from one place when they meet enough panels, or are columns of
// what lies in memory.
void multiply_panels(Mat<float> a, Mat<float> b, Mat<float> c, bool accumulate) {
  const nn::Panels& panels = nn::panels();
  const int64_t m = a.m(), k = a.n(), n = b.n();
  const int64_t row = b.transposed ? 1 : b.ld, column = b.transposed ? b.ld : 1;
  const int64_t down = a.transposed ? 1 : a.ld, along = a.transposed ? a.ld : 1;
  const bool in_tiles = a.transposed || n >= 2 * panels.wide;
  const int64_t parts = (k + kDeep - 1) / kDeep;  // of like depth
  ScratchScope scope;
  auto* const packed =
      static_cast<float*>(thread_scratch(size_t(scratch({m, n, k, a.transposed, b.transposed}))));
  float* const tiles = packed + std::min(k, kDeep) * panels.whole(std::min(n, kColumns));
  for (int64_t j = 0; j < n; j += kColumns)
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t q = k * part / parts, deep = k * (part + 1) / parts - q;
      const int64_t width = std::min(kColumns, n - j);
      for (int64_t p = 0; p < width; p += panels.wide)
        panels.pack(b.data + q * row + (j + p) * column, row, column, deep, width - p,
                    packed + p * deep);
      for (int64_t i = 0; i < m; i += kRows) {
        const float* const from = a.data + i * down + q * along;
        float* const to = c.data + i * c.ld + j;
        const int64_t rows = std::min(kRows, m - i);
        if (in_tiles) {
          panels.pack_rows({from, down, along}, rows, deep, tiles);
          panels.multiply_tiles(tiles, rows, packed, deep, deep, to, c.ld, width, nullptr,
                                accumulate || q > 0, nullptr);
        } else {
          panels.multiply(from, a.ld, rows, packed, deep, to, c.ld, width, nullptr,
                          accumulate || q > 0);
        }
      }
    }
}

// Products whose factors stay in the first cache, or nearly: libraries take longer to begin than
// they then save. The room for one panel is that of any.
bool is_small(const linalg::Extents& e) {
  return e.m * e.n * e.k <= int64_t(1) << 18 && e.n <= kColumns && e.k <= kDeep;
}
void multiply_small(Mat<float> a, Mat<float> b, Mat<float> c, bool accumulate) {
  const nn::Panels& panels = nn::panels();
  const auto lying = [](const Mat<float>& m) {
    return nn::Panels::Lying{m.data, m.transposed ? 1 : m.ld, m.transposed ? m.ld : 1};
  };
  ScratchScope scope;
  auto* const room =
      static_cast<float*>(thread_scratch(size_t(a.n() * panels.wide) * sizeof(float)));
  panels.small(lying(a), lying(b), c.rows, c.cols, a.n(), c.data, c.ld, accumulate, room);
}

// Few rows, which do not pay for packing, of factors that both have their terms side by side. Of
// long sums libraries make two to seven faster; more pay only while the second cache holds what is
// read again for every four.
bool has_few_rows(const linalg::Extents& e) {
  if (e.a_transposed || !e.b_transposed || e.k < 64) return false;
  if (e.k < 256) return e.m <= 2;
  return e.m == 1 || (e.m >= 8 && e.m <= 24 && e.n * e.k <= int64_t(1) << 18);
}

// What fills no panel is multiplied as it lies, where both factors have their terms side by side.
void product(Mat<float> a, Mat<float> b, Mat<float> c, bool accumulate) {
  const nn::Panels& panels = nn::panels();
  const linalg::Extents e{c.rows, c.cols, a.n(), a.transposed, b.transposed};
  if (has_few_rows(e))
    return panels.dots(a.data, a.ld, e.m, b.data, b.ld, e.k, c.data, c.ld, e.n, nullptr,
                       accumulate);
  if (is_small(e)) return multiply_small(a, b, c, accumulate);
  const bool lies = !a.transposed && b.transposed;
  const int64_t whole = lies ? c.cols / panels.wide * panels.wide : c.cols;
  if (whole > 0)
    multiply_panels(a, b.t().slice(0, whole).t(), {c.data, c.rows, whole, c.ld}, accumulate);
  if (whole < c.cols)
    panels.dots(a.data, a.ld, c.rows, b.data + whole * b.ld, b.ld, a.n(), c.data + whole, c.ld,
                c.cols - whole, nullptr, accumulate);
}

// --- large products -----------------------------------------------------------------------------
// The second factor is brought into panels once for all threads, a block of it at a time, and each
// piece of the rows is brought into tiles once for a block. A piece meets kNear columns of it after
// each other, which then are in the second cache.
constexpr int64_t kBlock = 2048, kNear = 256, kPieces = 8, kPieceRows = 192;

// The same for each order of memory, for who plans scratch memory does not know it.
bool is_large(const linalg::Extents& e) {
  return linalg::own_kernels_pay() && e.m >= 96 && e.n >= 64 && e.k >= 64 &&
         e.m * e.n >= (int64_t(1) << 23) / e.k;
}

struct Blocks {
  int64_t rows, deep, columns;  // of the largest piece, and block
  int64_t tall, pieces, parts;  // rows come in multiples of `tall`
  explicit Blocks(const linalg::Extents& e) : tall(nn::panels().tall) {
    const int64_t tiles = (e.m + tall - 1) / tall;
    pieces = std::min(tiles, std::max(kPieces, (e.m + kPieceRows - 1) / kPieceRows));
    parts = (e.k + kDeep - 1) / kDeep;
    rows = std::min(e.m, (tiles + pieces - 1) / pieces * tall);
    deep = (e.k + parts - 1) / parts;
    columns = std::min(e.n, kBlock);
  }
  int64_t row(int64_t piece, int64_t m) const {
    return std::min(m, (m + tall - 1) / tall * piece / pieces * tall);
  }
};

void multiply_large(const OpContext& ctx, Mat<float> a, Mat<float> b, const float* bias,
                    Mat<float> c, bool accumulate) {
  const nn::Panels& panels = nn::panels();
  const int64_t m = c.rows, n = c.cols, k = a.n();
  const int64_t row = b.transposed ? 1 : b.ld, column = b.transposed ? b.ld : 1;
  const int64_t down = a.transposed ? 1 : a.ld, along = a.transposed ? a.ld : 1;
  const Blocks blocks({m, n, k, a.transposed, b.transposed});
  ScratchScope scope;
  auto* const packed = static_cast<float*>(
      thread_scratch(size_t(blocks.deep * panels.whole(blocks.columns)) * sizeof(float)));
  for (int64_t j0 = 0; j0 < n; j0 += kBlock)
    for (int64_t part = 0; part < blocks.parts; ++part) {
      const int64_t q = k * part / blocks.parts, deep = k * (part + 1) / blocks.parts - q;
      const int64_t width = std::min(kBlock, n - j0), count = panels.whole(width) / panels.wide;
      ctx.parallel_for(count, (count + 15) / 16, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
          const int64_t j = i * panels.wide;
          panels.pack(b.data + q * row + (j0 + j) * column, row, column, deep, width - j,
                      packed + j * deep);
        }
      });
      const bool adds = accumulate || part > 0;
      const float* const start = bias && part == 0 ? bias + j0 : nullptr;
      ctx.parallel_for(blocks.pieces, 1, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
          const int64_t r = blocks.row(i, m), rows = blocks.row(i + 1, m) - r;
          ScratchScope of_piece;
          auto* const tiles = static_cast<float*>(
              thread_scratch(size_t(rows * deep + nn::Panels::kBehind) * sizeof(float)));
          panels.pack_rows({a.data + r * down + q * along, down, along}, rows, deep, tiles);
          for (int64_t j = 0; j < width; j += kNear)
            panels.multiply_tiles(tiles, rows, packed + j * deep, deep, deep,
                                  c.data + r * c.ld + j0 + j, c.ld, std::min(kNear, width - j),
                                  start ? start + j : nullptr, adds,
                                  j + kNear < width ? packed + (j + kNear) * deep : nullptr);
        }
      });
    }
}

ScratchNeed scratch_of_large(const linalg::Extents& e) {
  const Blocks blocks(e);
  ScratchNeed need;
  need.take(blocks.deep * nn::panels().whole(blocks.columns) * int64_t(sizeof(float)));
  need.piece = ScratchNeed::taken((blocks.rows * blocks.deep + nn::Panels::kBehind) *
                                  int64_t(sizeof(float)));
  need.pieces = blocks.pieces;
  return need;
}

// Packing costs about what multiplying ten rows does.
constexpr int64_t kFewRows = 12;

// With libraries about: they bring the transpose of a matrix into order slowly, if its rows are
// long.
bool pays(const linalg::Extents& e) {
  return linalg::own_kernels_pay() &&
         (is_small(e) || has_few_rows(e) ||
          (!e.a_transposed && e.b_transposed && e.m >= kFewRows && e.k >= 96));
}
// Without: a product that reads its second factor about as often as packing it would.
bool possible(const linalg::Extents& e) { return e.m >= 4 && e.n >= 4 && e.m * e.n * e.k >= 4096; }
bool takes(const linalg::Extents& e) { return linalg::libraries_offer() ? pays(e) : possible(e); }

void define(OpTable&) {
  linalg::offer({.library = "panels",
                 .takes = takes,
                 .sgemm = product,
                 .own = true,
                 .rows = 2 * kFewRows,
                 .columns = nn::panels().wide,
                 .scratch = scratch,
                 .splits = is_large,
                 .split = multiply_large,
                 .split_scratch = scratch_of_large});
}

}  // namespace heddle::ops::linalg_panels
