// What every kernel of Pooling agrees on: parameters and geometry.
#pragma once
#include <algorithm>
#include <optional>

#include "operator/nn/convolution.h"

namespace heddle::ops::nn {

enum class PoolType { kMax, kAvg, kSum, kLp };
enum class PoolingConvention { kFull, kValid, kSame };
enum class PoolingLayout { kNcw, kNchw, kNcdhw, kNwc, kNhwc, kNdhwc };

struct PoolingParam {
  Shape kernel = Shape::unknown(0), stride = kernel, pad = kernel;
  PoolType pool_type = PoolType::kMax;
  bool global_pool = false, cudnn_off = false;
  PoolingConvention pooling_convention = PoolingConvention::kValid;
  std::optional<int> p_value;
  std::optional<bool> count_include_pad;
  std::optional<PoolingLayout> layout;
  bool divides_by_window = false;  // Pooling_v1: an average counts the clipped part of a window too

  void fields(auto&& f) {
    f("kernel", kernel, "Extent of the window; not needed for global pooling.");
    f("pool_type", pool_type, "What a window becomes.").names({"max", "avg", "sum", "lp"});
    f("global_pool", global_pool, "One window over everything: ignores kernel, stride and pad.");
    f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored();
    f("pooling_convention", pooling_convention,
      "Rounds the number of windows up (full) or down (valid); same: ceil(extent / stride), 1-D "
      "only.")
        .names({"full", "valid", "same"});
    f("stride", stride, "Step of the window; 1 by default.");
    f("pad", pad, "Cells added on both sides; 0 by default.");
    f("p_value", p_value, "Exponent of lp pooling: 1, 2 or 3.");
    f("count_include_pad", count_include_pad, "Averages divide by the window with its padding.");
    f("layout", layout, "Order of the axes: NCW, NCHW or NCDHW.")
        .names({"NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"});
  }
};

// The window of a pooling from `data` (n, c, ...) to `out`; batch counts planes (n * c),
// channels 1.
Window window_of(const PoolingParam& p, const Shape& data, const Shape& out);

// Shapes of data and output, the input and the output that come first.
void infer_pooling(const PoolingParam& p, InferContext& c);

// The part of window `at` inside the data on one axis, and its length with padding.
struct Reach {
  int64_t from, to, padded;
};
inline Reach reach(const Window& w, int axis, int64_t at) {
  const int64_t start = at * w.stride[axis] - w.pad[axis];
  const int64_t end = std::min(start + w.kernel[axis], w.in[axis] + w.pad[axis]);
  const int64_t from = std::max<int64_t>(start, 0), to = std::min(end, w.in[axis]);
  return {from, std::max(from, to), end - start};
}

// Calls body(output index, d, h, w reaches) for every window of a plane.
template <class Body>
void each_window(const Window& w, Body&& body) {
  int64_t at = 0;
  for (int64_t d = 0; d < w.out[0]; ++d)
    for (int64_t h = 0; h < w.out[1]; ++h)
      for (int64_t v = 0; v < w.out[2]; ++v)
        body(at++, reach(w, 0, d), reach(w, 1, h), reach(w, 2, v));
}
// Calls body(input index) for every cell of a window, in order.
template <class Body>
void each_cell(const Window& w, const Reach& d, const Reach& h, const Reach& v, Body&& body) {
  for (int64_t i = d.from; i < d.to; ++i)
    for (int64_t j = h.from; j < h.to; ++j)
      for (int64_t k = v.from; k < v.to; ++k) body((i * w.in[1] + j) * w.in[2] + k);
}

// What the sum over a window is divided by: at least 1, as a window that lies outside of the data
// and its padding has no cells, and the average of nothing is 0.
template <class A>
A divisor(const PoolingParam& p, const Window& w, const Reach& d, const Reach& h, const Reach& v) {
  if (p.pool_type != PoolType::kAvg) return A(1);
  if (p.divides_by_window) return A(w.taps());
  if (p.count_include_pad.value_or(true))
    return A(std::max<int64_t>(1, d.padded * h.padded * v.padded));
  return A(std::max<int64_t>(1, (d.to - d.from) * (h.to - h.from) * (v.to - v.from)));
}

}  // namespace heddle::ops::nn
