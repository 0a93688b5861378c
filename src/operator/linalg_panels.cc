// Products of float32 by the loops over panels of the machine: what is there where no library
// offers products. The second factor is brought into panels, a block of it at a time.
#include <algorithm>

#include "operator/linalg.h"
#include "operator/nn/panels.h"

namespace heddle::ops::linalg_panels {

using linalg::Mat;

// A block of the second factor is at most this deep and this wide, and meets so many rows of the
// first at a time: both stay in the second cache.
constexpr int64_t kDeep = 512, kColumns = 256, kRows = 96;

void product(Mat<float> a, Mat<float> b, Mat<float> c, bool accumulate) {
  const nn::Panels& panels = nn::panels();
  const int64_t m = a.m(), k = a.n(), n = b.n();
  const int64_t row = b.transposed ? 1 : b.ld, column = b.transposed ? b.ld : 1;
  const auto multiply = a.transposed ? panels.multiply_transposed : panels.multiply;
  ScratchScope scope;
  auto* const packed = static_cast<float*>(thread_scratch(
      size_t(std::min(k, kDeep) * panels.whole(std::min(n, kColumns))) * sizeof(float)));
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

// A product that reads its second factor about as often as packing it would.
bool takes(int64_t m, int64_t n, int64_t k) { return m >= 4 && n >= 4 && m * n * k >= 4096; }

void define(OpTable&) {
  linalg::offer({.library = "panels", .takes = takes, .sgemm = product, .own = true});
}

}  // namespace heddle::ops::linalg_panels
