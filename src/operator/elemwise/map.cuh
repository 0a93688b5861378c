// map() on CUDA: one formula on every element, with broadcasting and dtypes as on the host (map.h).
// For the .cu files of this folder only.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "device/cuda.h"
#include "operator/elemwise/family.h"

namespace heddle::ops::ew_cuda {

constexpr int kThreads = 256, kMaxBlocks = 1 << 16;

// Where one operand's elements are. With no data it is a constant.
template <class C>
struct Source {
  const void* data = nullptr;
  Dtype dtype = dtype_of<C>;
  C constant{};
  int64_t stride[Shape::kMaxRank] = {};  // 0 along axes that repeat
};

template <class C, int N>
struct Plan {
  Source<C> in[N];
  void* out = nullptr;
  Dtype out_dtype = dtype_of<C>;
  int64_t size = 0;
  int rank = 0;
  int64_t extent[Shape::kMaxRank] = {};
};

// Not inlined: a formula's kernel stays small, and memory is what it waits for.
template <class C>
__device__ __noinline__ C load(const void* data, Dtype d, int64_t i) {
  switch (d) {
    case Dtype::kFloat32:
      return C(static_cast<const float*>(data)[i]);
    case Dtype::kFloat64:
      return C(static_cast<const double*>(data)[i]);
    case Dtype::kFloat16:
      return C(__half2float(static_cast<const __half*>(data)[i]));
    case Dtype::kBfloat16:
      return C(__bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]));
    case Dtype::kUint8:
      return C(static_cast<const uint8_t*>(data)[i]);
    case Dtype::kInt8:
      return C(static_cast<const int8_t*>(data)[i]);
    case Dtype::kInt32:
      return C(static_cast<const int32_t*>(data)[i]);
    case Dtype::kInt64:
      return C(static_cast<const int64_t*>(data)[i]);
    case Dtype::kBool:
      return C(static_cast<const uint8_t*>(data)[i] != 0);
    default:
      return C(0);
  }
}
template <class C>
__device__ __noinline__ void store(void* data, Dtype d, int64_t i, C v) {
  switch (d) {
    case Dtype::kFloat32:
      static_cast<float*>(data)[i] = float(v);
      break;
    case Dtype::kFloat64:
      static_cast<double*>(data)[i] = double(v);
      break;
    case Dtype::kFloat16:
      static_cast<__half*>(data)[i] = __float2half(float(v));
      break;
    case Dtype::kBfloat16:
      static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16(float(v));
      break;
    case Dtype::kUint8:
      static_cast<uint8_t*>(data)[i] = uint8_t(int64_t(v));
      break;
    case Dtype::kInt8:
      static_cast<int8_t*>(data)[i] = int8_t(int64_t(v));
      break;
    case Dtype::kInt32:
      static_cast<int32_t*>(data)[i] = int32_t(v);
      break;
    case Dtype::kInt64:
      static_cast<int64_t*>(data)[i] = int64_t(v);
      break;
    case Dtype::kBool:
      static_cast<uint8_t*>(data)[i] = v != C(0);
      break;
    default:
      break;
  }
}

template <class F, class C, int N>
__device__ C apply(const C (&x)[N]) {
  if constexpr (N == 1) return C(F::f(x[0]));
  else if constexpr (N == 2) return C(F::f(x[0], x[1]));
  else return C(F::f(x[0], x[1], x[2]));
}

__device__ inline int64_t first() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t step() { return int64_t(gridDim.x) * blockDim.x; }

// Everything is of type C and lies as the output does.
template <class F, class C, int N>
__global__ void map_direct(Plan<C, N> p) {
  for (int64_t i = first(); i < p.size; i += step()) {
    C x[N];
    for (int k = 0; k < N; ++k)
      x[k] = p.in[k].data ? static_cast<const C*>(p.in[k].data)[i] : p.in[k].constant;
    static_cast<C*>(p.out)[i] = apply<F>(x);
  }
}

template <class F, class C, int N>
__global__ void map_general(Plan<C, N> p) {
  for (int64_t i = first(); i < p.size; i += step()) {
    int64_t from[N] = {}, rest = i;
    for (int d = p.rank - 1; d >= 0; --d) {
      const int64_t at = rest % p.extent[d];
      rest /= p.extent[d];
      for (int k = 0; k < N; ++k) from[k] += at * p.in[k].stride[d];
    }
    C x[N];
    for (int k = 0; k < N; ++k)
      x[k] = p.in[k].data ? load<C>(p.in[k].data, p.in[k].dtype, from[k]) : p.in[k].constant;
    store<C>(p.out, p.out_dtype, i, apply<F>(x));
  }
}

// Fills one operand in; returns whether it needs no conversion and repeats nowhere.
template <class C>
bool set(Source<C>& s, const ew::Operand& o, const Blob& out) {
  if (!o.blob()) {
    s.constant = is_float(out.dtype) ? C(o.constant()) : C(static_cast<int64_t>(o.constant()));
    return true;
  }
  const Shape &x = o.blob()->shape, &y = out.shape;
  s.data = o.blob()->data;
  s.dtype = o.blob()->dtype;
  int64_t stride = 1;
  for (int d = 1; d <= x.rank(); ++d) {
    s.stride[y.rank() - d] = x[-d] == 1 ? 0 : stride;
    stride *= x[-d];
  }
  return s.dtype == dtype_of<C> && x.size() == y.size();
}

template <class F, class C, int N>
void launch(const OpContext& ctx, const ew::Operand (&in)[N], const Blob& out) {
  Plan<C, N> p;
  bool direct = out.dtype == dtype_of<C>;
  for (int k = 0; k < N; ++k) direct = set(p.in[k], in[k], out) && direct;
  p.out = out.data;
  p.out_dtype = out.dtype;
  p.size = out.size();
  p.rank = out.shape.rank();
  std::copy(out.shape.begin(), out.shape.end(), p.extent);
  if (p.size == 0) return;
  const cuda::Current current(ctx.device.id);
  const auto blocks = unsigned(std::min<int64_t>((p.size + kThreads - 1) / kThreads, kMaxBlocks));
  if (direct) map_direct<F, C, N><<<blocks, kThreads, 0, cuda::raw(ctx.stream)>>>(p);
  else map_general<F, C, N><<<blocks, kThreads, 0, cuda::raw(ctx.stream)>>>(p);
  cuda::check_cuda(cudaGetLastError(), "elementwise kernel");
}

// out = F(in...). The compute type follows the dtype of the output, as on the host.
template <class F, int N>
void map(const OpContext& ctx, const ew::Operand (&in)[N], const Blob& out) {
  if (out.dtype == Dtype::kFloat64) return launch<F, double>(ctx, in, out);
  if (is_float(out.dtype)) return launch<F, float>(ctx, in, out);
  if constexpr (ew::Exact<F>) launch<F, int64_t>(ctx, in, out);
  else launch<F, double>(ctx, in, out);
}

}  // namespace heddle::ops::ew_cuda
