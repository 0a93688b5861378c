// Resizing: the weights of each axis, then rows across and down.
#include "image/resize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace heddle::image {

using Axis = Resize::Axis;

constexpr int kBits = 11;
int32_t fixed(float w) { return int32_t(std::lrint(w * float(1 << kBits))); }

double cubic(double x) {  // of Keys (1981), with a slope of -3/4
  const double a = -0.75;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}
double lanczos(double x) {
  if (x == 0) return 1;
  const double t = std::numbers::pi * x;
  return std::abs(x) < 4 ? 4 * std::sin(t) * std::sin(t / 4) / (t * t) : 0;
}
void add_area(Axis& axis, double from, double to, int64_t in) {
  for (auto i = int64_t(std::floor(from)); i < in && double(i) < to - 1e-9; ++i) {
    const double part = std::min(to, double(i + 1)) - std::max(from, double(i));
    if (part > 1e-3) axis.add(i, float(part / (to - from)));
  }
}

// The outputs [begin, end) of `out`. Areas shrink as wholes only where both axes do (`shrinks`).
Axis axis_of(int64_t in, int64_t out, Interpolation how, bool shrinks, int64_t begin, int64_t end) {
  Axis axis;
  axis.start.reserve(size_t(end - begin) + 1);
  axis.at.reserve(size_t(end - begin) * 2), axis.weight.reserve(size_t(end - begin) * 2);
  const double larger = double(out) / double(in), step = 1 / larger;  // rounded as OpenCV's
  for (int64_t i = begin; i < end; ++i, axis.next()) {
    if (how == Interpolation::kNearest) {
      axis.add(std::min(int64_t(std::floor(double(i) * step)), in - 1), 1);
      continue;
    }
    if (how == Interpolation::kArea && shrinks) {
      add_area(axis, double(i) * step, std::min(double(in), double(i + 1) * step), in);
      continue;
    }
    double at = float((double(i) + 0.5) * step - 0.5);
    if (how == Interpolation::kArea) {  // enlarged by area: linear, and flat inside a pixel
      const auto cell = std::floor(double(i) * step);
      const double part = (double(i) + 1) - (cell + 1) * larger;
      at = cell + (part <= 0 ? 0 : part - std::floor(part));
    }
    const double low = std::floor(at), part = float(at - low);
    const bool is_cubic = how == Interpolation::kCubic, is_lanczos = how == Interpolation::kLanczos;
    const int reach = is_cubic ? 2 : is_lanczos ? 4 : 1;
    double sum = 0, weight[8];
    for (int k = 1 - reach; k <= reach; ++k) {
      const double x = part - k;
      double& w = weight[k + reach - 1];
      w = is_cubic ? cubic(x) : is_lanczos ? lanczos(x) : std::max(0.0, 1 - std::abs(x));
      sum += w;
    }
    for (int k = 0; k < 2 * reach; ++k)
      axis.add(std::clamp<int64_t>(int64_t(low) + k + 1 - reach, 0, in - 1),
               float(weight[k] / sum));
  }
  return axis;
}

// Counts inputs from the first that is needed on; [it, how many].
static std::pair<int64_t, int64_t> from_the_first(Axis& axis) {
  const auto [least, most] = std::minmax_element(axis.at.begin(), axis.at.end());
  const int64_t first = *least, count = *most - first + 1;
  for (int64_t& at : axis.at) at -= first;
  return {first, count};
}

Resize::Resize(Extent from, Extent to, Interpolation how) : Resize(from, to, how, whole(to)) {
  for (int64_t& at : down_.at) at += source_.top;
  for (int64_t& at : right_.at) at += source_.left;
  source_ = whole(from);
}

Resize::Resize(Extent from, Extent to, Interpolation how, const Window& part)
    : channels_(from.channels), how_(how) {
  quarters_ = from.height == 2 * to.height && from.width == 2 * to.width;
  if (how == Interpolation::kLinear && quarters_) how_ = Interpolation::kArea;  // as there
  const bool shrinks = to.height <= from.height && to.width <= from.width;
  area_ = how_ == Interpolation::kArea && shrinks;
  down_ = axis_of(from.height, to.height, how_, shrinks, part.top, part.top + part.height);
  right_ = axis_of(from.width, to.width, how_, shrinks, part.left, part.left + part.width);
  std::tie(source_.top, source_.height) = from_the_first(down_);
  std::tie(source_.left, source_.width) = from_the_first(right_);
  pairs_ = are_pairs();
}

// weigh(weight) is a weight as lines have it, whose elements are sums of products; term(weight,
// element of a line) an addend of an element, finish(their sum) the element. A line that the row
// before needed too is not made again.
template <class T, class Line, class Sum, class Weigh, class Term, class Finish>
void Resize::blend(const T* from, T* to, int64_t begin, int64_t end, Weigh&& weigh, Term&& term,
                   Finish&& finish) const {
  const int64_t pixel = channels_, columns = right_.size(), length = columns * pixel;
  std::vector<int64_t> at;
  std::vector<Line> weight;
  for (const int64_t input : right_.at) at.push_back(input * pixel);
  for (const float w : right_.weight) weight.push_back(weigh(w));
  // Where the number of channels is known to the compiler, it keeps their sums in registers.
  const auto make = [&](const T* row, Line* line, auto channels) {
    const int64_t count = channels > 0 ? int64_t(channels) : pixel;
    for (size_t j = 0; j < size_t(columns); ++j, line += count) {
      for (int64_t c = 0; c < count; ++c) line[c] = 0;
      for (auto b = size_t(right_.start[j]); b < size_t(right_.start[j + 1]); ++b) {
        const T* x = row + at[b];
        const Line w = weight[b];
        for (int64_t c = 0; c < count; ++c) line[c] += w * Line(x[c]);
      }
    }
  };
  std::vector<std::vector<Line>> made;
  std::vector<int64_t> row_of;  // the row that a line was made of
  std::vector<Sum> sum(static_cast<size_t>(length));
  for (int64_t r = begin; r < end; ++r) {
    const auto first = size_t(down_.start[size_t(r)]), last = size_t(down_.start[size_t(r) + 1]);
    const std::span<const int64_t> needed(&down_.at[first], last - first);
    std::fill(sum.begin(), sum.end(), Sum(0));
    for (size_t a = first; a < last; ++a) {
      const int64_t y = down_.at[a];
      auto place = std::find(row_of.begin(), row_of.end(), y);
      if (place == row_of.end()) {  // where one lies that this row does not need, or at the end
        place = std::find_if(row_of.begin(), row_of.end(), [&](int64_t have) {
          return std::find(needed.begin(), needed.end(), have) == needed.end();
        });
        if (place == row_of.end()) {
          made.emplace_back(size_t(length));
          place = row_of.insert(row_of.end(), y);
        }
        *place = y;
        const T* row = from + y * source_.width * pixel;
        Line* line = made[size_t(place - row_of.begin())].data();
        if (pixel == 1) make(row, line, std::integral_constant<int64_t, 1>{});
        else if (pixel == 3) make(row, line, std::integral_constant<int64_t, 3>{});
        else make(row, line, std::integral_constant<int64_t, 0>{});
      }
      const Line* line = made[size_t(place - row_of.begin())].data();
      const Line w = weigh(down_.weight[a]);
      for (int64_t j = 0; j < length; ++j) sum[size_t(j)] += term(w, line[j]);
    }
    for (int64_t j = 0; j < length; ++j) to[r * length + j] = finish(sum[size_t(j)]);
  }
}

uint8_t to_byte(int64_t v) { return uint8_t(std::clamp<int64_t>(v, 0, 255)); }

// --- two pixels each way, with weights of 11 bits: the usual case by far
// Across, what counts is (a * v + b * w) >> 4, where v + w = 2^11. That is (a << 7) + ((b - a) * w
// >> 4); where a is the nearer pixel, so that w is at most 2^10, the product's upper half of
// ((a - b) << 7) * -(w << 5): all in 16 bits. Pixels are copied together first, then come loops
// over whole lines.
bool Resize::are_pairs() const {
  if (how_ != Interpolation::kLinear && how_ != Interpolation::kArea) return false;
  if (area_ || channels_ == 2 || channels_ > 4) return false;
  for (size_t i = 0; i < right_.weight.size(); i += 2)
    if (fixed(right_.weight[i]) + fixed(right_.weight[i + 1]) != 1 << kBits) return false;
  return true;
}

// `to` has room for kBehind bytes more, and each pixel of `row` for one.
constexpr size_t kBehind = 8;
template <int kChannels>
static void gather(const uint8_t* __restrict row, const std::vector<int32_t>& at,
                   uint8_t* __restrict to) {
  const size_t count = at.size();
  size_t j = 0;
  if constexpr (kChannels == 3 && std::endian::native == std::endian::little)
    for (; j + 2 <= count; j += 2) {  // two pixels in one store, of which there are most
      uint32_t a, b;
      std::memcpy(&a, row + at[j], 4), std::memcpy(&b, row + at[j + 1], 4);
      const uint64_t both = (a & 0xffffff) | uint64_t(b) << 24;
      std::memcpy(to + 3 * j, &both, 8);
    }
  for (; j < count; ++j) std::memcpy(to + j * kChannels, row + at[j], kChannels);
}

static void blend_lines(const uint8_t* __restrict near, const uint8_t* __restrict far,
                        const int16_t* __restrict weight, int64_t length,
                        int16_t* __restrict line) {
  for (int64_t i = 0; i < length; ++i) {
    const int16_t a = near[i], difference = int16_t((a - far[i]) * (1 << 7));
    line[i] = int16_t((a << 7) + (difference * weight[i] >> 16));
  }
}

template <int kChannels>
void Resize::two_by_two(const uint8_t* from, uint8_t* to, int64_t begin, int64_t end) const {
  const int64_t columns = right_.size(), length = columns * kChannels;
  std::vector<int32_t> at[2];  // the nearer pixels, and the others
  std::vector<int16_t> weight;
  for (size_t j = 0; j < size_t(columns); ++j) {
    const size_t far = right_.weight[2 * j] < right_.weight[2 * j + 1] ? 2 * j : 2 * j + 1;
    at[0].push_back(int32_t(right_.at[far ^ 1] * kChannels));
    at[1].push_back(int32_t(right_.at[far] * kChannels));
    weight.insert(weight.end(), kChannels, int16_t(-(fixed(right_.weight[far]) << 5)));
  }
  // A pixel is read with the byte behind it, which is not there in the last row.
  const size_t bytes = size_t(source_.width * kChannels);
  std::vector<uint8_t> pixels[2] = {std::vector<uint8_t>(size_t(length) + kBehind),
                                    std::vector<uint8_t>(size_t(length) + kBehind)},
                       last(bytes + 1);
  std::vector<int16_t> lines[2] = {std::vector<int16_t>(size_t(length)),
                                   std::vector<int16_t>(size_t(length))};
  int64_t row_of[2] = {-1, -1};
  const auto line = [&](int64_t y, int64_t other) -> const int16_t* {
    for (int k = 0; k < 2; ++k)
      if (row_of[k] == y) return lines[k].data();
    const int k = row_of[0] == other ? 1 : 0;
    row_of[k] = y;
    const uint8_t* row = from + size_t(y) * bytes;
    if (y == source_.height - 1) row = std::copy_n(row, bytes, last.data()) - bytes;
    for (int i = 0; i < 2; ++i) gather<kChannels>(row, at[i], pixels[i].data());
    blend_lines(pixels[0].data(), pixels[1].data(), weight.data(), length, lines[k].data());
    return lines[k].data();
  };
  for (int64_t r = begin; r < end; ++r) {
    const size_t k = size_t(2 * r);
    const int16_t* __restrict a = line(down_.at[k], down_.at[k + 1]);
    const int16_t* __restrict b = line(down_.at[k + 1], down_.at[k]);
    const auto w = int16_t(fixed(down_.weight[k])), u = int16_t(fixed(down_.weight[k + 1]));
    uint8_t* __restrict out = to + r * length;
    for (int64_t j = 0; j < length; ++j) {  // from 0 to 255: the weights' sum is one
      const auto x = int16_t(w * a[j] >> 16), y = int16_t(u * b[j] >> 16);
      out[j] = uint8_t(int16_t(x + y + 2) >> 2);
    }
  }
}

template <class T>
void Resize::rows(const T* from, T* to, int64_t begin, int64_t end) const {
  if constexpr (!std::is_same_v<T, uint8_t>) {
    blend<T, T, T>(
        from, to, begin, end, [](float w) { return T(w); }, [](T w, T x) { return w * x; },
        [](T sum) { return sum; });
  } else if (area_) {  // in float and rounded to even; of four pixels, halves go up
    blend<T, float, float>(
        from, to, begin, end, [](float w) { return w; }, [](float w, float x) { return w * x; },
        [quarters = quarters_](float sum) {
          return to_byte(quarters ? long(std::floor(sum + 0.5f)) : std::lrint(sum));
        });
  } else if (pairs_) {
    if (channels_ == 1) return two_by_two<1>(from, to, begin, end);
    if (channels_ == 3) return two_by_two<3>(from, to, begin, end);
    return two_by_two<4>(from, to, begin, end);
  } else if (how_ == Interpolation::kLinear || how_ == Interpolation::kArea) {
    blend<T, int32_t, int32_t>(
        from, to, begin, end, fixed,
        [](int32_t w, int32_t line) { return (w * (line >> 4)) >> 16; },
        [](int32_t sum) { return to_byte((sum + 2) >> 2); });
  } else {
    blend<T, int32_t, int64_t>(
        from, to, begin, end, fixed, [](int32_t w, int32_t line) { return int64_t(w) * line; },
        [](int64_t sum) { return to_byte((sum + (1 << (2 * kBits - 1))) >> (2 * kBits)); });
  }
}
template void Resize::rows(const uint8_t*, uint8_t*, int64_t, int64_t) const;
template void Resize::rows(const float*, float*, int64_t, int64_t) const;
template void Resize::rows(const double*, double*, int64_t, int64_t) const;

}  // namespace heddle::image
