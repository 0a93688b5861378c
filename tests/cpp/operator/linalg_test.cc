// Products of matrices: what libraries that count in 32 bits are given.
#include "operator/linalg.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

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

}  // namespace heddle::ops
