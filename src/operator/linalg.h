// Dense matrix products, the floor that most of nn/ stands on. linalg.cc is portable;
// linalg.onednn.cc and linalg.blas.cc offer faster products for float32 and float64, which are then
// preferred.
#pragma once
#include "heddle/op.h"

namespace heddle::ops::linalg {

// A row-major matrix somebody else owns; `ld` is the distance between rows. `transposed` says that
// it stands for its transpose: rows and cols stay those of the memory.
template <class T>
struct Mat {
  T* data;
  int64_t rows, cols, ld;
  bool transposed = false;
  Mat t() const { return {data, rows, cols, ld, !transposed}; }
  int64_t m() const { return transposed ? cols : rows; }  // rows of what it stands for
  int64_t n() const { return transposed ? rows : cols; }
  // Rows [from, to) of what it stands for.
  Mat slice(int64_t from, int64_t to) const {
    if (transposed) return {data + from, rows, to - from, ld, true};
    return {data + from * ld, to - from, cols, ld, false};
  }
};
template <class T>
Mat<T> mat(T* data, int64_t rows, int64_t cols) {
  return {data, rows, cols, cols};
}

// c = a b, or c += a b. Runs on the calling thread. `c` is not transposed and meets neither factor.
// Halves are multiplied and summed in float32, integers in their own type.
template <class T>
void gemm(Mat<T> a, Mat<T> b, Mat<T> c, bool accumulate = false);

// The same, in parallel: split by rows and columns of c, in pieces that depend on the shape only.
template <class T>
void gemm(const OpContext& ctx, Mat<T> a, Mat<T> b, Mat<T> c, bool accumulate = false);

// c = a b + bias, where `bias` has one element per column of c and may be null.
template <class T>
void gemm_bias(const OpContext& ctx, Mat<T> a, Mat<T> b, const T* bias, Mat<T> c);

// What the first two take of scratch memory for m rows, n columns and k terms: on the calling
// thread, and in pieces. Libraries take memory of their own, which nobody counts.
int64_t gemm_scratch(int64_t m, int64_t n, int64_t k, Dtype dtype);
ScratchNeed scratch(int64_t m, int64_t n, int64_t k, Dtype dtype);

// y = the transpose of x (rows, cols).
template <class T>
void transpose(const T* x, int64_t rows, int64_t cols, T* y);

// y[j] = the sum over rows i of x(i, j), in a fixed order.
template <class T>
void sum_rows(const OpContext& ctx, const T* x, int64_t rows, int64_t cols, T* y);

// The extents of a product of (m, k) and (k, n), and whether its factors are transposes of their
// memory.
struct Extents {
  int64_t m, n, k;
  bool a_transposed, b_transposed;
};
// Products that somebody offers. Later offers are asked first; `takes` may decline a shape.
struct HEDDLE_API Offer {
  const char* library;
  bool (*takes)(const Extents&) = nullptr;
  void (*sgemm)(Mat<float>, Mat<float>, Mat<float>, bool) = nullptr;
  void (*dgemm)(Mat<double>, Mat<double>, Mat<double>, bool) = nullptr;
  // With sums in float32.
  void (*bgemm)(Mat<bfloat16>, Mat<bfloat16>, Mat<bfloat16>, bool) = nullptr;
  bool own = false;  // of the project, not of a library
  // Pieces of a large product have multiples of so many rows and columns, of which nothing is lost
  // in registers and in what each piece does first.
  int64_t rows = 4, columns = 16;
  int64_t (*scratch)(const Extents& e) = nullptr;  // bytes that it takes; none: nothing
  // Large products of float32 that it splits itself, whatever is transposed: c = a b, c += a b or
  // c = a b + bias.
  bool (*splits)(const Extents& e) = nullptr;
  void (*split)(const OpContext&, Mat<float> a, Mat<float> b, const float* bias, Mat<float> c,
                bool accumulate) = nullptr;
  ScratchNeed (*split_scratch)(const Extents& e) = nullptr;
};
HEDDLE_API void offer(const Offer& offer);  // while the catalogue is being filled
void use_offers(bool use);                  // false: the portable product only
bool libraries_offer();                     // whether anybody else has offered products
// Whether kernels of the project's own are likely to be the fastest: libraries are faster below the
// third level of instruction sets (simd/level.h).
bool own_kernels_pay();

// The products of a device whose memory the host cannot touch: put on ctx.stream, done later. With
// these, gemm, gemm_bias and sum_rows that are given an OpContext work there.
struct HEDDLE_API DeviceProducts {
  void (*gemm)(const OpContext&, Dtype, const Mat<void>& a, const Mat<void>& b, const Mat<void>& c,
               bool accumulate) = nullptr;
  void (*spread_rows)(const OpContext&, Dtype, const void* row, const Mat<void>& c) = nullptr;
  void (*sum_rows)(const OpContext&, Dtype, const void* x, int64_t rows, int64_t cols,
                   void* y) = nullptr;
};
// Before the device's first use.
HEDDLE_API void offer(Device::Kind on, const DeviceProducts& products);

}  // namespace heddle::ops::linalg
