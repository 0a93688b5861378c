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
constexpr int64_t kDeep = 512, kColumns = 256, kRows = 96;

int64_t scratch(const linalg::Extents& e) {
  return std::min(e.k, kDeep) * nn::panels().whole(std::min(e.n, kColumns)) *
         int64_t(sizeof(float));
}

void multiply_panels(Mat<float> a, Mat<float> b, Mat<float> c, bool accumulate) {
  const nn::Panels& panels = nn::panels();
  const int64_t m = a.m(), k = a.n(), n = b.n();
  const int64_t row = b.transposed ? 1 : b.ld, column = b.transposed ? b.ld : 1;
  const auto multiply = a.transposed ? panels.multiply_transposed : panels.multiply;
  ScratchScope scope;
  auto* const packed =
      static_cast<float*>(thread_scratch(size_t(scratch({m, n, k, a.transposed, b.transposed}))));
  for (int64_t j = 0; j < n; j += kColumns)
    for (int64_t q = 0; q < k; q += kDeep) {
      const int64_t deep = std::min(kDeep, k - q), width = std::min(kColumns, n - j);
      for (int64_t p = 0; p < width; p += panels.wide)
        panels.pack(b.data + q * row + (j + p) * column, row, column, deep, width - p,
                    packed + p * deep);
      for (int64_t i = 0; i < m; i += kRows)
        multiply(a.data + (a.transposed ? q * a.ld + i : i * a.ld + q), a.ld,
                 std::min(kRows, m - i), packed, deep, c.data + i * c.ld + j, c.ld, width, nullptr,
                 accumulate || q > 0);
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
                 .rows = 5 * kFewRows,
                 .columns = nn::panels().wide,
                 .scratch = scratch});
}

}  // namespace heddle::ops::linalg_panels
