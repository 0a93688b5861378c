// Resizing: the weights of each axis, then rows across and down.
#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <type_traits>

namespace heddle::image {

using Taps = Resize::Taps;

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
Taps area_of(double from, double to, int64_t in) {
  Taps t;
  for (auto i = int64_t(std::floor(from)); i < in && double(i) < to - 1e-9; ++i) {
    const double part = std::min(to, double(i + 1)) - std::max(from, double(i));
    if (part > 1e-3) t.at.push_back(i), t.weight.push_back(float(part / (to - from)));
  }
  return t;
}

// Areas shrink as wholes only where both axes do (`shrinks`).
std::vector<Taps> taps_of(int64_t in, int64_t out, Interpolation how, bool shrinks) {
  std::vector<Taps> all(static_cast<size_t>(out));
  const double larger = double(out) / double(in), step = 1 / larger;  // rounded as OpenCV's
  for (int64_t i = 0; i < out; ++i) {
    Taps& t = all[size_t(i)];
    if (how == Interpolation::kNearest) {
      t = {{std::min(int64_t(std::floor(double(i) * step)), in - 1)}, {1}};
      continue;
    }
    if (how == Interpolation::kArea && shrinks) {
      t = area_of(double(i) * step, std::min(double(in), double(i + 1) * step), in);
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
    t.at.reserve(size_t(2 * reach)), t.weight.reserve(size_t(2 * reach));
    for (int k = 1 - reach; k <= reach; ++k) {
      const double x = part - k;
      double& w = weight[k + reach - 1];
      w = is_cubic ? cubic(x) : is_lanczos ? lanczos(x) : std::max(0.0, 1 - std::abs(x));
      sum += w;
      t.at.push_back(std::clamp<int64_t>(int64_t(low) + k, 0, in - 1));
    }
    for (int k = 0; k < 2 * reach; ++k) t.weight.push_back(float(weight[k] / sum));
  }
  return all;
}

Resize::Resize(Extent from, Extent to, Interpolation how) : from_(from), to_(to), how_(how) {
  quarters_ = from.height == 2 * to.height && from.width == 2 * to.width;
  if (how == Interpolation::kLinear && quarters_) how_ = Interpolation::kArea;  // as there
  const bool shrinks = to.height <= from.height && to.width <= from.width;
  area_ = how_ == Interpolation::kArea && shrinks;
  down_ = taps_of(from.height, to.height, how_, shrinks);
  right_ = taps_of(from.width, to.width, how_, shrinks);
}

// weigh(weight) is a weight as lines have it, whose elements are sums of products; term(weight,
// element of a line) an addend of an element, finish(their sum) the element. A line that the row
// before needed too is not made again.
template <class T, class Line, class Sum, class Weigh, class Term, class Finish>
void Resize::blend(const T* from, T* to, int64_t begin, int64_t end, Weigh&& weigh, Term&& term,
                   Finish&& finish) const {
  const int64_t pixel = from_.channels, length = to_.width * pixel;
  std::vector<int64_t> start{0}, at;
  std::vector<Line> weight;
  for (const Taps& h : right_) {
    for (size_t b = 0; b < h.at.size(); ++b)
      at.push_back(h.at[b] * pixel), weight.push_back(weigh(h.weight[b]));
    start.push_back(int64_t(at.size()));
  }
  // Where the number of channels is known to the compiler, it keeps their sums in registers.
  const auto make = [&](const T* row, Line* line, auto channels) {
    const int64_t count = channels > 0 ? int64_t(channels) : pixel;
    for (int64_t j = 0; j < to_.width; ++j, line += count) {
      for (int64_t c = 0; c < count; ++c) line[c] = 0;
      for (int64_t b = start[size_t(j)]; b < start[size_t(j) + 1]; ++b) {
        const T* x = row + at[size_t(b)];
        const Line w = weight[size_t(b)];
        for (int64_t c = 0; c < count; ++c) line[c] += w * Line(x[c]);
      }
    }
  };
  std::vector<std::vector<Line>> made;
  std::vector<int64_t> row_of;  // the row that a line was made of
  std::vector<Sum> sum(static_cast<size_t>(length));
  for (int64_t r = begin; r < end; ++r) {
    const Taps& v = down_[size_t(r)];
    std::fill(sum.begin(), sum.end(), Sum(0));
    for (size_t a = 0; a < v.at.size(); ++a) {
      auto place = std::find(row_of.begin(), row_of.end(), v.at[a]);
      if (place == row_of.end()) {  // where one lies that this row does not need, or at the end
        place = std::find_if(row_of.begin(), row_of.end(), [&](int64_t have) {
          return std::find(v.at.begin(), v.at.end(), have) == v.at.end();
        });
        if (place == row_of.end()) {
          made.emplace_back(size_t(length));
          place = row_of.insert(row_of.end(), v.at[a]);
        }
        *place = v.at[a];
        const T* row = from + v.at[a] * from_.width * pixel;
        Line* line = made[size_t(place - row_of.begin())].data();
        if (pixel == 1) make(row, line, std::integral_constant<int64_t, 1>{});
        else if (pixel == 3) make(row, line, std::integral_constant<int64_t, 3>{});
        else make(row, line, std::integral_constant<int64_t, 0>{});
      }
      const Line* line = made[size_t(place - row_of.begin())].data();
      const Line w = weigh(v.weight[a]);
      for (int64_t j = 0; j < length; ++j) sum[size_t(j)] += term(w, line[j]);
    }
    for (int64_t j = 0; j < length; ++j) to[r * length + j] = finish(sum[size_t(j)]);
  }
}

constexpr int kBits = 11;
uint8_t to_byte(int64_t v) { return uint8_t(std::clamp<int64_t>(v, 0, 255)); }

// Two pixels each way, with weights of 11 bits: the usual case by far. Four numbers at a time: of a
// pixel of three channels and the one behind it, so lines have room for one more.
using Four = int32_t __attribute__((vector_size(16)));

template <int kChannels>
static void line_of_two(const uint8_t* __restrict row, int64_t width, const int32_t* __restrict at,
                        const int32_t* __restrict weight, int64_t count, int32_t* __restrict wide,
                        int32_t* __restrict sums, int16_t* __restrict line) {
  for (int64_t i = 0; i < width * kChannels; ++i) wide[i] = row[i];
  for (int64_t j = 0; j < count; ++j) {
    const int32_t w = weight[2 * j], v = weight[2 * j + 1];
    const int32_t *a = wide + at[2 * j], *b = wide + at[2 * j + 1];
    if constexpr (kChannels == 1) {
      sums[j] = w * a[0] + v * b[0];
    } else {
      Four x, y;
      std::memcpy(&x, a, sizeof x), std::memcpy(&y, b, sizeof y);
      const Four sum = x * w + y * v;
      std::memcpy(sums + j * kChannels, &sum, sizeof sum);
    }
  }
  for (int64_t i = 0; i < count * kChannels; ++i) line[i] = int16_t(sums[i] >> 4);
}

template <int kChannels>
void Resize::two_by_two(const uint8_t* from, uint8_t* to, int64_t begin, int64_t end) const {
  const auto fixed = [](float w) { return int32_t(std::lrint(w * float(1 << kBits))); };
  const int64_t length = to_.width * kChannels;
  std::vector<int32_t> at, weight;
  for (const Taps& h : right_)
    for (size_t b = 0; b < 2; ++b)
      at.push_back(int32_t(h.at[b] * kChannels)), weight.push_back(fixed(h.weight[b]));
  std::vector<int32_t> wide(size_t(from_.width * kChannels) + 1), sums(size_t(length) + 1);
  std::vector<int16_t> lines[2] = {std::vector<int16_t>(size_t(length)),
                                   std::vector<int16_t>(size_t(length))};
  int64_t row_of[2] = {-1, -1};
  const auto line = [&](int64_t y, int64_t other) -> const int16_t* {
    for (int k = 0; k < 2; ++k)
      if (row_of[k] == y) return lines[k].data();
    const int k = row_of[0] == other ? 1 : 0;
    row_of[k] = y;
    line_of_two<kChannels>(from + y * from_.width * kChannels, from_.width, at.data(),
                           weight.data(), to_.width, wide.data(), sums.data(), lines[k].data());
    return lines[k].data();
  };
  for (int64_t r = begin; r < end; ++r) {
    const Taps& v = down_[size_t(r)];
    const int16_t* __restrict a = line(v.at[0], v.at[1]);
    const int16_t* __restrict b = line(v.at[1], v.at[0]);
    const int16_t w = int16_t(fixed(v.weight[0])), u = int16_t(fixed(v.weight[1]));
    uint8_t* __restrict out = to + r * length;
    for (int64_t j = 0; j < length; ++j) {
      const int16_t x = int16_t(w * a[j] >> 16), y = int16_t(u * b[j] >> 16);
      const int16_t sum = int16_t((x + y + 2) >> 2);
      out[j] = uint8_t(std::clamp<int16_t>(sum, 0, 255));
    }
  }
}

template <class T>
void Resize::rows(const T* from, T* to, int64_t begin, int64_t end) const {
  const auto fixed = [](float w) { return int32_t(std::lrint(w * float(1 << kBits))); };
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
  } else if (how_ == Interpolation::kLinear || how_ == Interpolation::kArea) {
    if (from_.channels == 3) return two_by_two<3>(from, to, begin, end);
    if (from_.channels == 1) return two_by_two<1>(from, to, begin, end);
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
