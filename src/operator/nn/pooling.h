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

}  // namespace heddle::ops::nn
