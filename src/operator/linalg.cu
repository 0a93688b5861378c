// What products need beside cuBLAS: a row over every row, and the sum of rows.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "device/cuda.h"
#include "operator/linalg.cuda.h"

namespace heddle::ops::linalg_cuda {

constexpr int kThreads = 256;

template <class T>
__global__ void spread(const T* row, T* c, int64_t rows, int64_t cols, int64_t ld) {
  const int64_t n = rows * cols, step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step)
    c[i / cols * ld + i % cols] = row[i % cols];
}

// A thread per column: neighbours read neighbours, and the order of the sum is fixed.
template <class T, class Sum>
__global__ void sum(const T* x, T* y, int64_t rows, int64_t cols) {
  const int64_t j = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (j >= cols) return;
  Sum total = 0;
  for (int64_t i = 0; i < rows; ++i) total += Sum(x[i * cols + j]);
  y[j] = T(total);
}

unsigned blocks_for(int64_t n) {
  return unsigned(std::min<int64_t>((n + kThreads - 1) / kThreads, 1 << 20));
}

// Calls fn(T{}, Sum{}) with the card's types for `d`.
template <class Fn>
void with_card_type(Dtype d, Fn&& fn) {
  switch (d) {
    case Dtype::kFloat32:
      return fn(float{}, float{});
    case Dtype::kFloat64:
      return fn(double{}, double{});
    case Dtype::kFloat16:
      return fn(__half{}, float{});
    case Dtype::kBfloat16:
      return fn(__nv_bfloat16{}, float{});
    default:
      throw Error(format("[linalg] dtype {} is not supported on gpu", d));
  }
}

void spread_rows(const OpContext& ctx, Dtype d, const void* row, const linalg::Mat<void>& c) {
  if (c.rows == 0 || c.cols == 0) return;
  const cuda::Current current(ctx.device.id);
  with_card_type(d, [&]<class T, class Sum>(T, Sum) {
    spread<T><<<blocks_for(c.rows * c.cols), kThreads, 0, cuda::raw(ctx.stream)>>>(
        static_cast<const T*>(row), static_cast<T*>(c.data), c.rows, c.cols, c.ld);
  });
  cuda::check_cuda(cudaGetLastError(), "spreading rows");
}

void sum_rows(const OpContext& ctx, Dtype d, const void* x, int64_t rows, int64_t cols, void* y) {
  if (cols == 0) return;
  const cuda::Current current(ctx.device.id);
  with_card_type(d, [&]<class T, class Sum>(T, Sum) {
    sum<T, Sum><<<unsigned((cols + kThreads - 1) / kThreads), kThreads, 0, cuda::raw(ctx.stream)>>>(
        static_cast<const T*>(x), static_cast<T*>(y), rows, cols);
  });
  cuda::check_cuda(cudaGetLastError(), "summing rows");
}

}  // namespace heddle::ops::linalg_cuda
