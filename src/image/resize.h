// Pictures of another size, by OpenCV's conventions: the middles of pixels are at halves, and
// borders repeat.
#pragma once
#include <cstdint>
#include <vector>

#include "image/extent.h"

namespace heddle::image {

enum class Interpolation : uint8_t { kNearest, kLinear, kCubic, kArea, kLanczos };

// How pictures of one size become another. Made once; rows() may run on several threads.
class Resize {
 public:
  // `to.channels` are those of `from`, and neither has an extent of 0.
  Resize(Extent from, Extent to, Interpolation how);
  // Only a window of `to`, made of the window source() of `from`: the same pixels.
  Resize(Extent from, Extent to, Interpolation how, const Window& part);
  const Window& source() const { return source_; }
  // Writes the rows [begin, end) of the window: T uint8_t, float or double. Bytes are weighted with
  // 11 bits, as OpenCV does.
  template <class T>
  void rows(const T* source, T* to, int64_t begin, int64_t end) const;

  // Along one axis, output i is the sum over k from start[i] to start[i + 1] of weight[k] * input
  // at[k].
  struct Axis {
    std::vector<int64_t> at;
    std::vector<float> weight;
    std::vector<int32_t> start{0};

    int64_t size() const { return int64_t(start.size()) - 1; }
    void add(int64_t input, float w) { at.push_back(input), weight.push_back(w); }
    void next() { start.push_back(int32_t(at.size())); }
  };

 private:
  template <class T, class Line, class Sum, class Weigh, class Term, class Finish>
  void blend(const T* from, T* to, int64_t begin, int64_t end, Weigh&& weigh, Term&& term,
             Finish&& finish) const;

  bool are_pairs() const;
  template <int kChannels>
  void two_by_two(const uint8_t* from, uint8_t* to, int64_t begin, int64_t end) const;

  int64_t channels_;
  Interpolation how_;
  bool area_, quarters_;  // means over areas; of four pixels each
  bool pairs_;            // of bytes: two_by_two()
  Window source_;
  Axis down_, right_;  // from the first row and column of source_ on
};

}  // namespace heddle::image
