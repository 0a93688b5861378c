// How a smaller tensor lies under the elements of the shape that it broadcasts to.
#pragma once
#include <algorithm>
#include <cstdint>

#include "heddle/base.h"

namespace heddle::ops::ew {

class Walk {
 public:
  Walk() {}  // of equal shapes; the arrays stay as they are, for this is made for every operand
  // `x` must broadcast to `y`. Neighbouring axes that are both repeated or both walked become one.
  void set(const Shape& x, const Shape& y) {
    int64_t stride = 1;
    for (int d = 1; d <= y.rank(); ++d) {
      const int64_t extent = y[-d], own = d <= x.rank() ? x[-d] : 1;
      if (extent != 1) push(extent, own == 1 ? 0 : stride);
      stride *= own;
    }
  }
  // Element i of y is element i of x.
  bool contiguous() const { return rank_ == 0 || (rank_ == 1 && stride_[0] == 1); }

  // Calls run(from, stride, to, length, times) for consecutive pieces of [begin, begin + n):
  // elements from, from + stride, ... of x (stride 0 or 1), `length` of them and those `times`
  // times over, are elements begin + to, ... of y.
  template <class Run>
  void runs(int64_t begin, int64_t n, Run&& run) const {
    int64_t at[Shape::kMaxRank] = {}, from = 0, rest = begin;
    for (int d = 0; d < rank_; ++d) {
      at[d] = rest % extent_[d], rest /= extent_[d];
      from += at[d] * stride_[d];
    }
    if (rank_ == 0) return run(int64_t(0), int64_t(0), int64_t(0), n, int64_t(1));
    for (int64_t to = 0; to < n;) {
      const int64_t length = std::min(n - to, extent_[0] - at[0]);
      const int64_t times = length < extent_[0] ? 1 : repeats(at, n - to);
      run(from, stride_[0], to, length, times);
      to += length * times, at[0] += length, from += length * stride_[0];
      if (rank_ > 1) at[1] += times - 1;
      for (int d = 0; d + 1 < rank_ && at[d] == extent_[d]; ++d) {
        from += stride_[d + 1] - at[d] * stride_[d];
        at[d] = 0, ++at[d + 1];
      }
    }
  }

 private:
  // How often the innermost axis, which is at its beginning, comes whole within `rest` elements.
  int64_t repeats(const int64_t* at, int64_t rest) const {
    if (rank_ < 2 || stride_[1] != 0) return 1;
    return std::min(extent_[1] - at[1], rest / extent_[0]);
  }
  void push(int64_t extent, int64_t stride) {
    if (rank_ > 0) {
      const int last = rank_ - 1;
      const bool repeats = stride == 0 && stride_[last] == 0;
      const bool walks =
          stride != 0 && stride_[last] != 0 && stride == stride_[last] * extent_[last];
      if (repeats || walks) {
        extent_[last] *= extent;
        return;
      }
    }
    extent_[rank_] = extent, stride_[rank_] = stride, ++rank_;
  }
  int rank_ = 0;
  int64_t extent_[Shape::kMaxRank], stride_[Shape::kMaxRank];  // innermost first; `rank_` of them
};

}  // namespace heddle::ops::ew
