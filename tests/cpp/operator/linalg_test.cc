// Products of matrices: what libraries that count in 32 bits are given.
#include "operator/linalg.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "operator/nn/panels.h"

namespace heddle::ops {

// Rows so far apart that 32 bits do not count it. Pages that nobody touches take no memory.
class FarRows {
 public:
  static constexpr int64_t kApart = (int64_t(1) << 31) + 64;
  explicit FarRows(int64_t rows) : bytes_(size_t(rows * kApart) * sizeof(float)) {
    void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    data_ = p == MAP_FAILED ? nullptr : static_cast<float*>(p);
  }
  ~FarRows() {
    if (data_) munmap(data_, bytes_);
  }
  FarRows(const FarRows&) = delete;
  FarRows& operator=(const FarRows&) = delete;
  float* data() const { return data_; }

 private:
  size_t bytes_;
  float* data_;
};

TEST(Linalg, RowsMayLieFartherApartThan32BitsCount) {
  OpTable::get();  // the libraries offer their products
  constexpr int64_t m = 3, k = 160, n = 192;
  const FarRows a(m), c(m);
  if (!a.data() || !c.data()) GTEST_SKIP() << "the system gives no address space of that size";
  std::vector<float> b(size_t(k * n));
  for (int64_t i = 0; i < k * n; ++i) b[size_t(i)] = float(i % 7) - 3;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < k; ++j) a.data()[i * FarRows::kApart + j] = float((i + j) % 5) - 2;
  const linalg::Mat<float> left{a.data(), m, k, FarRows::kApart},
      out{c.data(), m, n, FarRows::kApart};
  linalg::gemm(left, linalg::mat(b.data(), k, n), out);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;  // whole numbers: exact
      for (int64_t l = 0; l < k; ++l)
        sum += a.data()[i * FarRows::kApart + l] * b[size_t(l * n + j)];
      ASSERT_EQ(c.data()[i * FarRows::kApart + j], sum) << i << ", " << j;
    }
}

// A single row has no next one: libraries take it however long the matrix is that it comes from.
TEST(Linalg, OneRowOfAFarMatrix) {
  OpTable::get();
  constexpr int64_t k = 256, n = 256;
  std::vector<float> a(k, 1), b(size_t(k * n), 2), c(n, 0);
  linalg::gemm(linalg::Mat<float>{a.data(), 1, k, int64_t(1) << 40}, linalg::mat(b.data(), k, n),
               linalg::Mat<float>{c.data(), 1, n, int64_t(1) << 40});
  for (float v : c) ASSERT_EQ(v, 512);
}

// Products in all layouts, alone, added and with a bias. Of whole numbers, so exact.
void all_layouts(int64_t m, int64_t n, int64_t k) {
  OpTable::get();
  constexpr int64_t apart = 3;  // between rows
  std::vector<float> left(size_t((m + apart) * (k + apart))),
      right(size_t((n + apart) * (k + apart)));
  for (size_t i = 0; i < left.size(); ++i) left[i] = float(i % 7) - 3;
  for (size_t i = 0; i < right.size(); ++i) right[i] = float(i % 5) - 2;
  std::vector<float> bias(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) bias[size_t(j)] = float(j);
  for (const int layout : {0, 1, 2, 3}) {
    using Matrix = linalg::Mat<float>;
    const Matrix a = layout & 1 ? Matrix{left.data(), k, m, m + apart}.t()
                                : Matrix{left.data(), m, k, k + apart};
    const Matrix b = layout & 2 ? Matrix{right.data(), n, k, k + apart}.t()
                                : Matrix{right.data(), k, n, n + apart};
    const auto at = [](const Matrix& x, int64_t i, int64_t j) {
      return x.transposed ? x.data[j * x.ld + i] : x.data[i * x.ld + j];
    };
    std::vector<float> want(size_t(m * n), 0.0f), c(size_t(m * n), 1.0f), d = c, e = c;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t q = 0; q < k; ++q)
        for (int64_t j = 0; j < n; ++j) want[size_t(i * n + j)] += at(a, i, q) * at(b, q, j);
    const OpContext ctx;
    linalg::gemm(ctx, a, b, linalg::mat(c.data(), m, n));
    linalg::gemm(ctx, a, b, linalg::mat(d.data(), m, n), true);
    linalg::gemm_bias(ctx, a, b, bias.data(), linalg::mat(e.data(), m, n));
    for (int64_t i = 0; i < m * n; ++i) {
      ASSERT_EQ(c[size_t(i)], want[size_t(i)]) << m << " " << n << " " << k << " " << layout;
      ASSERT_EQ(d[size_t(i)], want[size_t(i)] + 1) << m << " " << n << " " << k << " " << layout;
      ASSERT_EQ(e[size_t(i)], want[size_t(i)] + bias[size_t(i % n)])
          << m << " " << n << " " << k << " " << layout;
    }
  }
}

// Shapes on both sides of every rule about who multiplies, and edges of panels and pieces.
TEST(Linalg, AllLayoutsGiveTheSameProduct) {
  for (const int64_t m : {1, 3, 8, 11, 12, 61, 130})
    for (const int64_t n : {1, 8, 10, 24, 31, 32, 45, 200})
      for (const int64_t k : {1, 17, 64, 95, 96, 256, 530}) all_layouts(m, n, k);
}

// Several blocks of panels, and parts of their depth.
TEST(Linalg, LargeProductsInAllLayouts) {
  all_layouts(97, 2090, 64);
  all_layouts(301, 70, 1100);
  all_layouts(1030, 65, 140);
}

// Tiles hold the numbers of one k side by side, whatever is stored beside them on the way.
TEST(Linalg, RowsAreBroughtIntoTiles) {
  const nn::Panels& panels = nn::panels();
  for (const int64_t m : {1, 5, 6, 7, 12, 13, 25, 48})
    for (const int64_t k : {1, 15, 16, 17, 31, 40}) {
      std::vector<float> matrix(size_t(m * k));
      for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = float(i + 1);
      for (const bool transposed : {false, true}) {
        std::vector<float> tiles(size_t(m * k + nn::Panels::kBehind), -1.0f);
        const int64_t down = transposed ? 1 : k, along = transposed ? m : 1;
        panels.pack_rows({matrix.data(), down, along}, m, k, tiles.data());
        const int64_t count = (m + panels.tall - 1) / panels.tall;
        for (int64_t t = 0, from = 0; t < count; ++t) {
          const int64_t to = m * (t + 1) / count;
          for (int64_t q = 0; q < k; ++q)
            for (int64_t r = from; r < to; ++r)
              ASSERT_EQ(tiles[size_t(from * k + q * (to - from) + r - from)],
                        matrix[size_t(r * down + q * along)])
                  << m << " " << k << " " << transposed << " " << r << " " << q;
          from = to;
        }
      }
    }
}

}  // namespace heddle::ops
