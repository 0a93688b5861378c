// Matrix products by cuBLAS, and the operators that are made of nothing else.
#include "device/cuda.h"
#include "operator/linalg.cuda.h"

namespace heddle::ops::linalg_cublas {

cudaDataType_t type_of(Dtype d) {
  switch (d) {
    case Dtype::kFloat32:
      return CUDA_R_32F;
    case Dtype::kFloat64:
      return CUDA_R_64F;
    case Dtype::kFloat16:
      return CUDA_R_16F;
    case Dtype::kBfloat16:
      return CUDA_R_16BF;
    default:
      throw Error(format("[linalg] dtype {} is not supported on gpu", d));
  }
}

cublasOperation_t flag(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

// cuBLAS counts by columns, so it sees every matrix transposed: it is asked for c^T = b^T a^T.
void gemm(const OpContext& ctx, Dtype d, const linalg::Mat<void>& a, const linalg::Mat<void>& b,
          const linalg::Mat<void>& c, bool accumulate) {
  if (c.rows == 0 || c.cols == 0) return;
  check(ctx.stream != nullptr, "[linalg] found no stream, expected one of {}", ctx.device);
  const cuda::Current current(ctx.device.id);
  const bool wide = d == Dtype::kFloat64;  // halves are summed in float32
  const float one = 1, zero = 0;
  const double wide_one = 1, wide_zero = 0;
  const void* alpha = wide ? static_cast<const void*>(&wide_one) : &one;
  const void* beta = !accumulate ? (wide ? static_cast<const void*>(&wide_zero) : &zero) : alpha;
  const cudaDataType_t type = type_of(d);
  cuda::check_cublas(
      cublasGemmEx_64(static_cast<cuda::CudaStream*>(ctx.stream)->blas(), flag(b.transposed),
                      flag(a.transposed), c.cols, c.rows, a.n(), alpha, b.data, type, b.ld, a.data,
                      type, a.ld, beta, c.data, type, c.ld,
                      wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "matrix product");
}

bool floats(const Situation& s) {
  for (const Blob& b : s.in)
    if (!is_float(b.dtype) || b.dtype != s.in[0].dtype) return false;
  return true;
}

void define(OpTable& ops) {
  linalg::offer(
      Device::kCuda,
      {.gemm = gemm, .spread_rows = linalg_cuda::spread_rows, .sum_rows = linalg_cuda::sum_rows});
  // Their portable kernels do arithmetic through linalg.h only, which asks the device.
  for (const char* name : {"dot", "_backward_dot", "FullyConnected", "_backward_FullyConnected"})
    ops.kernel(name, Device::kCuda, "cublas", ops.at(name).kernels.front().run, floats);
}

}  // namespace heddle::ops::linalg_cublas
