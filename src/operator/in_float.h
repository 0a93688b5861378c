// Kernels of float32 on halves: on copies of what they read and write.
#pragma once
#include <vector>

#include "heddle/op.h"
#include "operator/elemwise/convert.h"

namespace heddle::ops {

inline bool is_half(Dtype d) { return d == Dtype::kFloat16 || d == Dtype::kBfloat16; }

namespace in_float_detail {

inline Blob float_like(OpContext& ctx, Blob b) {
  b.dtype = Dtype::kFloat32;
  b.data = ctx.scratch(size_t(b.bytes()));
  return b;
}
// Between a half and float32, either way.
inline void convert(OpContext& ctx, const Blob& half, const Blob& whole, bool back) {
  const auto load = ew::load_of<float>(half.dtype);
  const auto store = ew::store_of<float>(half.dtype);
  const int64_t bytes = dtype_size(half.dtype);
  ctx.parallel_for(half.size(), ew::kGrain, [&](int64_t from, int64_t to) {
    void* const there = static_cast<char*>(half.data) + from * bytes;
    if (back) store(whole.as<float>() + from, there, to - from);
    else load(there, whole.as<float>() + from, to - from);
  });
}

}  // namespace in_float_detail

// kernel(Inputs, Outputs), of float32 and what is neither that nor a half.
template <class Kernel>
void in_float(OpContext& ctx, Inputs in, Outputs out, Kernel&& kernel) {
  namespace detail = in_float_detail;
  std::vector<Blob> read(in.begin(), in.end()), written(out.begin(), out.end());
  for (Blob& b : read) {
    if (!is_half(b.dtype)) continue;
    const Blob half = b;
    b = detail::float_like(ctx, half);
    detail::convert(ctx, half, b, false);
  }
  for (size_t i = 0; i < written.size(); ++i)
    if (!ctx.wants(int(i))) written[i].dtype = Dtype::kFloat32;
    else if (is_half(written[i].dtype)) written[i] = detail::float_like(ctx, written[i]);
  kernel(Inputs(read, {}), Outputs(written));
  for (size_t i = 0; i < written.size(); ++i)
    if (is_half(out[i].dtype) && ctx.wants(int(i))) detail::convert(ctx, out[i], written[i], true);
}

}  // namespace heddle::ops
