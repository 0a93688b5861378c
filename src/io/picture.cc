// Crops, sizes, borders, affine maps and colours of pictures.
#include "io/picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

namespace heddle::io {

using image::Interpolation;

static uint8_t saturate(float v) { return uint8_t(std::clamp(std::nearbyint(v), 0.f, 255.f)); }

Interpolation interpolation_of(int64_t method, int64_t from_height, int64_t from_width,
                               int64_t height, int64_t width, uint64_t chance) {
  if (method == 9) {
    if (height > from_height && width > from_width) return Interpolation::kCubic;
    if (height < from_height && width < from_width) return Interpolation::kArea;
    return Interpolation::kLinear;
  }
  return Interpolation(method == 10 ? chance % 5 : uint64_t(method));
}

void Pixels::shape(int64_t h, int64_t w, int64_t c) {
  height = h, width = w, channels = c;
  memory_.resize(std::max(memory_.size(), size_t(h * w * c)));
}

void Picture::open(std::unique_ptr<image::Decoder> file) {
  file_ = std::move(file);
  channels_ = file_->size().channels;
  change_.reset();
  window_ = whole(file_->size());
}

image::Extent Picture::before() const {
  return file_ ? file_->size() : image::Extent{pixels_.height, pixels_.width, channels_};
}

void Picture::crop(int64_t y, int64_t x, int64_t height, int64_t width) {
  window_ = {window_.top + y, window_.left + x, height, width};
}

void Picture::resize(int64_t height, int64_t width, Interpolation how) {
  if (window_.height == height && window_.width == width) return;
  if (change_ || window_ != whole(before())) make();
  change_ = {{height, width, channels_}, how};
  window_ = whole(change_->to);
}

void Picture::take_spare() {
  std::swap(pixels_, spare_);
  window_ = whole(before());
}

void Picture::read(const image::Window& w) {
  if (file_) {
    pixels_.shape(w.height, w.width, channels_);
    file_->read(w, pixels_.row(0));
    file_.reset();
  } else if (w != whole(before())) {
    spare_.shape(w.height, w.width, channels_);
    for (int64_t y = 0; y < w.height; ++y)
      std::memcpy(spare_.row(y), pixels_.row(w.top + y) + w.left * channels_,
                  size_t(w.width * channels_));
    std::swap(pixels_, spare_);
  }
}

void Picture::make() {
  if (change_) {
    const image::Resize plan(before(), change_->to, change_->how, window_);
    read(plan.source());
    spare_.shape(window_.height, window_.width, channels_);
    plan.rows(std::as_const(pixels_).row(0), spare_.row(0), 0, window_.height);
    std::swap(pixels_, spare_);
    change_.reset();
  } else {
    read(window_);
  }
  window_ = whole(before());
}

Pixels& Picture::pixels() {
  make();
  return pixels_;
}

void pad(Picture& p, int64_t top, int64_t bottom, int64_t left, int64_t right, uint8_t value) {
  const int64_t c = p.channels();
  p.replace(top + p.height() + bottom, left + p.width() + right,
            [&](const Pixels& from, Pixels& to) {
              std::ranges::fill(to.all(), value);
              for (int64_t y = 0; y < from.height; ++y)
                std::memcpy(to.row(y + top) + left * c, from.row(y), size_t(from.width * c));
            });
}

void mirror(Picture& p) {
  Pixels& all = p.pixels();
  const int64_t c = all.channels;
  for (int64_t y = 0; y < all.height; ++y)
    for (uint8_t *a = all.row(y), *b = a + (all.width - 1) * c; a < b; a += c, b -= c)
      std::swap_ranges(a, a + c, b);
}

// --- affine maps ---------------------------------------------------------------------------------
// Places count 32nds of a pixel; weights have 15 bits, and their sum is one.
constexpr int kPlaces = 32, kOne = 1 << 15;

// The weights of the pixels around a place, for each of its 32 fractions along one axis.
struct Fractions {
  int taps = 2, first = 0;  // the first tap, from the pixel left of the place
  std::array<std::array<float, 8>, kPlaces> weight{};

  explicit Fractions(Interpolation how) {
    if (how == Interpolation::kNearest) taps = 1;
    if (how == Interpolation::kCubic) taps = 4;
    if (how == Interpolation::kLanczos) taps = 8;
    first = taps == 1 ? 0 : 1 - taps / 2;
    for (int f = 0; f < kPlaces; ++f) {
      const double x = double(f) / kPlaces;
      double sum = 0;
      for (int k = 0; k < taps; ++k) {
        const double d = std::fabs(x - (first + k));
        weight[size_t(f)][size_t(k)] = float(taps == 1 ? 1 : taps == 2 ? 1 - d : bell(d, taps));
        sum += weight[size_t(f)][size_t(k)];
      }
      for (float& w : weight[size_t(f)]) w = float(w / sum);
    }
  }
  static double bell(double d, int taps) {
    if (taps == 8) {
      const double t = 3.14159265358979323846 * d;
      return d < 1e-9 ? 1 : 4 * std::sin(t) * std::sin(t / 4) / (t * t);
    }
    constexpr double a = -0.75;
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((d - 5) * d + 8) * d * a - 4 * a;
  }
};

static Affine inverse(const Affine& a) {
  const auto& m = a.m;
  double d = m[0][0] * m[1][1] - m[0][1] * m[1][0];
  d = d != 0 ? 1 / d : 0;
  Affine r;
  r.m[0][0] = m[1][1] * d, r.m[0][1] = -m[0][1] * d;
  r.m[1][0] = -m[1][0] * d, r.m[1][1] = m[0][0] * d;
  for (int i = 0; i < 2; ++i) r.m[i][2] = -r.m[i][0] * m[0][2] - r.m[i][1] * m[1][2];
  return r;
}

// The weights of a window of taps x taps, as whole numbers whose sum is kOne: what rounding left
// over goes to the largest of the inner four, or is taken from the smallest.
static void window(const Fractions& f, int fy, int fx, int* to) {
  const int n = f.taps;
  int sum = 0;
  for (int i = 0; i < n * n; ++i)
    sum += to[i] = int(std::lrint(f.weight[size_t(fy)][size_t(i / n)] *
                                  f.weight[size_t(fx)][size_t(i % n)] * kOne));
  if (sum == kOne || n == 1) return;
  const int half = n / 2;
  int least = half * n + half, most = least;
  for (int y = half; y < half + 2 && y < n; ++y)
    for (int x = half; x < half + 2 && x < n; ++x) {
      const int i = y * n + x;
      if (to[i] < to[least]) least = i;
      else if (to[i] > to[most]) most = i;
    }
  to[sum > kOne ? most : least] -= sum - kOne;
}

static void warp(const Pixels& p, Pixels& result, const Affine& a, Interpolation how,
                 uint8_t fill) {
  if (how == Interpolation::kArea) how = Interpolation::kLinear;
  const Affine back = inverse(a);
  const Fractions f(how);
  const int n = f.taps;
  std::vector<int> weights(size_t(kPlaces * kPlaces * n * n));
  for (int fy = 0; fy < kPlaces; ++fy)
    for (int fx = 0; fx < kPlaces; ++fx)
      window(f, fy, fx, &weights[size_t((fy * kPlaces + fx) * n * n)]);
  constexpr double kScale = 1024;
  const int64_t round = n == 1 ? 512 : 16;
  const int64_t c = p.channels;
  for (int64_t y = 0; y < result.height; ++y) {
    const int64_t x0 = std::lrint((back.m[0][1] * double(y) + back.m[0][2]) * kScale) + round,
                  y0 = std::lrint((back.m[1][1] * double(y) + back.m[1][2]) * kScale) + round;
    uint8_t* to = result.row(y);
    for (int64_t x = 0; x < result.width; ++x, to += c) {
      // In 32nds of a pixel; the nearest pixel where it alone counts.
      const int64_t px = (x0 + std::lrint(back.m[0][0] * double(x) * kScale)) >> (n == 1 ? 10 : 5),
                    py = (y0 + std::lrint(back.m[1][0] * double(x) * kScale)) >> (n == 1 ? 10 : 5);
      const int64_t sx = (n == 1 ? px : px >> 5) + f.first, sy = (n == 1 ? py : py >> 5) + f.first;
      const int* w = n == 1 ? nullptr : &weights[size_t(((py & 31) * kPlaces + (px & 31)) * n * n)];
      for (int64_t k = 0; k < c; ++k) {
        int64_t sum = 0;
        for (int i = 0; i < n; ++i)
          for (int j = 0; j < n; ++j) {
            const int64_t yy = sy + i, xx = sx + j;
            const bool inside = yy >= 0 && yy < p.height && xx >= 0 && xx < p.width;
            const int64_t v = inside ? p.row(yy)[xx * c + k] : fill;
            sum += w ? v * w[i * n + j] : v * kOne;
          }
        to[k] = uint8_t(std::clamp<int64_t>((sum + kOne / 2) >> 15, 0, 255));
      }
    }
  }
}

void warp(Picture& p, const Affine& a, int64_t height, int64_t width, Interpolation how,
          uint8_t fill) {
  p.replace(height, width, [&](const Pixels& from, Pixels& to) { warp(from, to, a, how, fill); });
}

// --- colours -------------------------------------------------------------------------------------
// Luminance of Rec. 601 with 14 bits.
static int grey_of(const uint8_t* rgb) {
  return (rgb[0] * 4899 + rgb[1] * 9617 + rgb[2] * 1868 + (1 << 13)) >> 14;
}

// Each pixel's red, green and blue.
template <class F>
static void for_colours(Picture& p, F&& change) {
  if (p.channels() < 3) return;
  const std::span<uint8_t> all = p.pixels().all();
  for (size_t i = 0; i < all.size(); i += size_t(p.channels())) change(&all[i]);
}

void adjust(Picture& p, float scale, float shift) {
  const auto change = [&](uint8_t& v) { v = saturate(float(v) * scale + shift); };
  if (p.channels() == 4) for_colours(p, [&](uint8_t* v) { std::for_each_n(v, 3, change); });
  else std::ranges::for_each(p.pixels().all(), change);
}

void saturate_colours(Picture& p, float factor) {
  for_colours(p, [&](uint8_t* v) {
    const float grey = float(grey_of(v)) * (1 - factor);
    for (size_t k = 0; k < 3; ++k) v[k] = saturate(float(v[k]) * factor + grey);
  });
}

float mean_grey(Picture& p) {
  const std::span<const uint8_t> all = p.pixels().all();
  const size_t step = size_t(p.channels());
  int64_t sum = 0;
  for (size_t i = 0; i < all.size(); i += step) sum += step >= 3 ? grey_of(&all[i]) : all[i];
  return all.empty() ? 0 : float(double(sum) * double(step) / double(all.size()));
}

// Hue in degrees, lightness and saturation from 0 to 1: the double hexcone of colour models.
static std::array<float, 3> hls_of(float r, float g, float b) {
  const float hi = std::max({r, g, b}), lo = std::min({r, g, b}), span = hi - lo, l = (hi + lo) / 2;
  if (span < 1e-7f) return {0, l, 0};
  const float s = l < 0.5f ? span / (hi + lo) : span / (2 - hi - lo);
  float h = hi == r ? (g - b) / span : hi == g ? 2 + (b - r) / span : 4 + (r - g) / span;
  h *= 60;
  return {h < 0 ? h + 360 : h, l, s};
}
static std::array<float, 3> rgb_of(float h, float l, float s) {
  const float chroma = std::min(l, 1 - l) * 2 * s;
  std::array<float, 3> rgb;
  for (size_t i = 0; i < 3; ++i) {
    float from = h / 60 - 2 * float(i);  // sixths of the circle from where this colour is full
    from -= 6 * std::floor(from / 6);
    from = std::min(from, 6 - from);
    rgb[i] = l + chroma * (std::clamp(2 - from, 0.f, 1.f) - 0.5f);
  }
  return rgb;
}

void add_hls(Picture& p, int h, int l, int s) {
  for_colours(p, [&](uint8_t* v) {
    const auto [hue, light, sat] = hls_of(v[0] / 255.f, v[1] / 255.f, v[2] / 255.f);
    // Rounded to bytes between, as pictures are.
    const float nh = std::clamp(std::nearbyint(hue / 2) + float(h), 0.f, 180.f),
                nl = std::clamp(std::nearbyint(light * 255) + float(l), 0.f, 255.f),
                ns = std::clamp(std::nearbyint(sat * 255) + float(s), 0.f, 255.f);
    const auto rgb = rgb_of(nh * 2, nl / 255, ns / 255);
    for (size_t k = 0; k < 3; ++k) v[k] = saturate(rgb[k] * 255);
  });
}

void add(Picture& p, const float (&rgb)[3]) {
  for_colours(p, [&](uint8_t* v) {
    for (size_t k = 0; k < 3; ++k) v[k] = saturate(float(v[k]) + rgb[k]);
  });
}

}  // namespace heddle::io
