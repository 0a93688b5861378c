// Pictures of another size, by OpenCV's conventions: the middles of pixels are at halves, and
// borders repeat.
#pragma once
#include <cstdint>
#include <vector>

namespace heddle::image {

enum class Interpolation : uint8_t { kNearest, kLinear, kCubic, kArea, kLanczos };

// A picture is (height, width, channels).
struct Extent {
  int64_t height, width, channels;
};

// How pictures of one size become another. Made once; rows() may run on several threads.
class Resize {
 public:
  // `to.channels` are those of `from`, and neither has an extent of 0.
  Resize(Extent from, Extent to, Interpolation how);
  // Writes the rows [begin, end) of `to` from the whole of `from`: T uint8_t, float or double.
  // Bytes are weighted with 11 bits, as OpenCV does.
  template <class T>
  void rows(const T* from, T* to, int64_t begin, int64_t end) const;

  // Output i is the sum over k of weight[k] * input at[k].
  struct Taps {
    std::vector<int64_t> at;
    std::vector<float> weight;
  };

 private:
  template <class T, class Line, class Sum, class Weigh, class Term, class Finish>
  void blend(const T* from, T* to, int64_t begin, int64_t end, Weigh&& weigh, Term&& term,
             Finish&& finish) const;

  template <int kChannels>
  void two_by_two(const uint8_t* from, uint8_t* to, int64_t begin, int64_t end) const;

  Extent from_, to_;
  Interpolation how_;
  bool area_, quarters_;  // means over areas; of four pixels each
  std::vector<Taps> down_, right_;
};

}  // namespace heddle::image
