// What changes the colours of an image: brightness, contrast, saturation, hue, lighting.
#include <cstring>
#include <utility>

#include "operator/image/image.h"
#include "operator/random/distributions.h"

namespace heddle::ops::image_colour {

using image::kGrain;
using image::saturate;
using image::with_number;

void infer(InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  if (c.in(0).known()) image::check_image(c, true);
}

// --- what is done to pixels ---------------------------------------------------------------------
struct Rgb {
  float r, g, b;
};
constexpr Rgb kGray{0.299f, 0.587f, 0.114f};

// to = pixel(from) for every pixel of three channels.
template <class T, class Pixel>
void each_pixel(const OpContext& ctx, const Blob& x, const Blob& y, Pixel&& pixel) {
  const T* from = x.as<T>();
  T* to = y.as<T>();
  ctx.parallel_for(x.size() / 3, kGrain / 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = 3 * begin; i < 3 * end; i += 3) {
      const Rgb v = pixel(Rgb{float(from[i]), float(from[i + 1]), float(from[i + 2])});
      to[i] = saturate<T>(v.r), to[i + 1] = saturate<T>(v.g), to[i + 2] = saturate<T>(v.b);
    }
  });
}
// to = factor * from + shift for every number.
template <class T>
void scale(const OpContext& ctx, const Blob& x, const Blob& y, float factor, float shift) {
  ctx.parallel_for(x.size(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      y.as<T>()[i] = saturate<T>(float(x.as<T>()[i]) * factor + shift);
  });
}
void copy(const Blob& x, const Blob& y) {
  if (x.data != y.data && x.size() > 0) std::memcpy(y.data, x.data, size_t(x.bytes()));
}
bool gray(const Blob& x) { return x.shape[2] == 1; }

template <class T>
void brightness(const OpContext& ctx, const Blob& x, const Blob& y, float factor) {
  scale<T>(ctx, x, y, factor, 0);
}

// Away from the mean gray of the image.
template <class T>
void contrast(const OpContext& ctx, const Blob& x, const Blob& y, float factor) {
  const T* p = x.as<T>();
  const int64_t step = gray(x) ? 1 : 3, pixels = x.size() / step;
  if (pixels == 0) return;
  double sum = 0;
  for (int64_t i = 0; i < x.size(); i += step)
    sum +=
        step == 1
            ? double(p[i])
            : double(kGray.r * float(p[i]) + kGray.g * float(p[i + 1]) + kGray.b * float(p[i + 2]));
  scale<T>(ctx, x, y, factor, (1 - factor) * float(sum / double(pixels)));
}

// Away from what MXNet 1.x takes for the gray of each pixel: the part of blue in it.
template <class T>
void saturation(const OpContext& ctx, const Blob& x, const Blob& y, float factor) {
  if (gray(x)) return copy(x, y);
  each_pixel<T>(ctx, x, y, [&](Rgb v) {
    const float own = kGray.b * v.b * (1 - factor);
    return Rgb{v.r * factor + own, v.g * factor + own, v.b * factor + own};
  });
}

// Hue in degrees, lightness and saturation in [0, 1], of colours in [0, 1].
struct Hls {
  float h, l, s;
};
Hls to_hls(Rgb v) {
  const float most = std::max({v.r, v.g, v.b}), least = std::min({v.r, v.g, v.b});
  const float span = most - least, sum = most + least, l = sum * 0.5f;
  if (!(span > std::numeric_limits<float>::epsilon())) return {0, l, 0};
  const float s = l < 0.5f ? span / sum : span / (2 - most - least), turn = 60 / span;
  float h = 0;
  if (most == v.r) h = (v.g - v.b) * turn;
  else if (most == v.g) h = (v.b - v.r) * turn + 120;
  else h = (v.r - v.g) * turn + 240;
  return {h < 0 ? h + 360 : h, l, s};
}
Rgb to_rgb(Hls v) {
  if (v.s == 0) return {v.l, v.l, v.l};
  const float high = v.l <= 0.5f ? v.l * (1 + v.s) : v.l + v.s - v.l * v.s, low = 2 * v.l - high;
  float h = v.h * (6.0f / 360);
  h -= 6 * std::floor(h / 6);
  const int sector = std::min(int(h), 5);
  const float part = h - float(sector);
  const float falling = low + (high - low) * (1 - part), rising = low + (high - low) * part;
  switch (sector) {
    case 0:
      return {high, rising, low};
    case 1:
      return {falling, high, low};
    case 2:
      return {low, high, rising};
    case 3:
      return {low, falling, high};
    case 4:
      return {rising, low, high};
    default:
      return {high, low, falling};
  }
}
// Turns hues by `turn` times 360 degrees.
template <class T>
void hue(const OpContext& ctx, const Blob& x, const Blob& y, float turn) {
  if (gray(x)) return copy(x, y);
  each_pixel<T>(ctx, x, y, [&](Rgb v) {
    Hls c = to_hls({v.r / 255, v.g / 255, v.b / 255});
    c.h += turn * 360;
    const Rgb to = to_rgb(c);
    return Rgb{to.r * 255, to.g * 255, to.b * 255};
  });
}

// Adds principal components of the colours of ImageNet (Krizhevsky et al. 2012).
template <class T>
void lighting(const OpContext& ctx, const Blob& x, const Blob& y, const float* alpha) {
  if (gray(x)) return copy(x, y);
  constexpr float kDeviation[3] = {55.46f, 4.794f, 1.148f};
  constexpr float kAxis[3][3] = {
      {-0.5675f, 0.7192f, 0.4009f}, {-0.5808f, -0.0045f, -0.8140f}, {-0.5836f, -0.6948f, 0.4203f}};
  float shift[3] = {};
  for (int c = 0; c < 3; ++c)
    for (int k = 0; k < 3; ++k) shift[c] += kDeviation[k] * kAxis[c][k] * alpha[k];
  each_pixel<T>(ctx, x, y, [&](Rgb v) {
    return Rgb{v.r + shift[0], v.g + shift[1], v.b + shift[2]};
  });
}

// --- operators ----------------------------------------------------------------------------------
struct FactorParam {
  float min_factor = 0, max_factor = 0;
  void fields(auto&& f) {
    f("min_factor", min_factor, "Least factor.").required().at_least(0);
    f("max_factor", max_factor, "Largest factor.").required().at_least(0);
  }
};
enum Change { kBrightness, kContrast, kSaturation, kHue };

template <class T>
void change(Change what, const OpContext& ctx, const Blob& x, const Blob& y, float factor) {
  switch (what) {
    case kBrightness:
      return brightness<T>(ctx, x, y, factor);
    case kContrast:
      return contrast<T>(ctx, x, y, factor);
    case kSaturation:
      return saturation<T>(ctx, x, y, factor);
    case kHue:
      return hue<T>(ctx, x, y, factor);
  }
}

float between(philox::Sequence& numbers, float low, float high) {
  return low + float(numbers.uniform()) * (high - low);
}

template <Change kWhat>
void one_change(const FactorParam& p, OpContext& ctx, Inputs in, Outputs out) {
  philox::Sequence numbers(ctx.seed, 0);
  const float factor = between(numbers, p.min_factor, p.max_factor);
  with_number(in[0].dtype, "image",
              [&](auto type) { change<decltype(type)>(kWhat, ctx, in[0], out[0], factor); });
}

struct JitterParam {
  float brightness = 0, contrast = 0, saturation = 0, hue = 0;
  void fields(auto&& f) {
    f("brightness", brightness, "The factor is 1, more or less this.").required();
    f("contrast", contrast, "The factor is 1, more or less this.").required();
    f("saturation", saturation, "The factor is 1, more or less this.").required();
    f("hue", hue, "Hues turn by up to this, either way.").required();
  }
};
void jitter(const JitterParam& p, OpContext& ctx, Inputs in, Outputs out) {
  philox::Sequence numbers(ctx.seed, 0);
  Change order[4] = {kBrightness, kContrast, kSaturation, kHue};
  for (int i = 3; i > 0; --i) std::swap(order[i], order[int(numbers.uniform() * (i + 1))]);
  const float amount[4] = {p.brightness, p.contrast, p.saturation, p.hue};
  copy(in[0], out[0]);
  with_number(in[0].dtype, "image", [&](auto type) {
    for (Change what : order) {
      const float middle = what == kHue ? 0.0f : 1.0f, by = amount[what];
      if (by > 0)
        change<decltype(type)>(what, ctx, out[0], out[0],
                               between(numbers, middle - by, middle + by));
    }
  });
}

struct LightingParam {
  std::vector<double> alpha;
  void fields(auto&& f) { f("alpha", alpha, "How much of each of three components.").required(); }
};
void infer_lighting(const LightingParam& p, InferContext& c) {
  check(p.alpha.size() == 3, "[_image_adjust_lighting] alpha has {} numbers, expected 3",
        p.alpha.size());
  infer(c);
}
void adjust_lighting(const LightingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const float alpha[3] = {float(p.alpha[0]), float(p.alpha[1]), float(p.alpha[2])};
  with_number(in[0].dtype, "image",
              [&](auto type) { lighting<decltype(type)>(ctx, in[0], out[0], alpha); });
}
struct RandomLightingParam {
  float alpha_std = 0.05f;
  void fields(auto&& f) { f("alpha_std", alpha_std, "Deviation of the amounts."); }
};
void random_lighting(const RandomLightingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  float alpha[3];
  philox::normals(ctx.seed, 0, 3, alpha);
  for (float& a : alpha) a *= p.alpha_std;
  with_number(in[0].dtype, "image",
              [&](auto type) { lighting<decltype(type)>(ctx, in[0], out[0], alpha); });
}

// As in MXNet, augmentation does not change gradients on their way.
std::vector<Builder::Value> pass(GradContext& g) { return {g.dy()}; }

OpDef record(const std::string& name, const char* doc) {
  return {
      .name = "_image_" + name,
      .aliases = {"_npx__image_" + name},
      .doc = std::string(doc) + " The gradient passes unchanged.",
      .dtypes = Dtypes::kNumbers,
      .inputs = {{"data", "(height, width, channels), 1 or 3 channels from 0 to 255"}},
      .infer = infer,
      .inplace = {{0, 0}},
      .backward = {.build = pass},
      .draws = draws_always,
  };
}

template <Change kWhat>
void define_one(OpTable& ops, const char* name, const char* doc) {
  OpDef def = record(name, doc);
  def.params = schema<FactorParam>();
  def.cpu = one_change<kWhat>;
  ops.define(std::move(def));
}

void define(OpTable& ops) {
  define_one<kBrightness>(ops, "random_brightness", "Multiplies an image by a random factor.");
  define_one<kContrast>(ops, "random_contrast",
                        "Multiplies the distance from an image's mean gray by a random factor.");
  define_one<kSaturation>(
      ops, "random_saturation",
      "Multiplies the distance from each pixel's gray by a random factor; as in MXNet "
      "1.x, gray is the part of blue in it.");
  define_one<kHue>(ops, "random_hue", "Turns the hues of an image by a random part of a circle.");
  OpDef def = record("random_color_jitter",
                     "Random brightness, contrast, saturation and hue, in random order.");
  def.params = schema<JitterParam>();
  def.cpu = jitter;
  ops.define(std::move(def));
  def = record("random_lighting", "Adds random amounts of the main components of colours.");
  def.params = schema<RandomLightingParam>();
  def.cpu = random_lighting;
  ops.define(std::move(def));
  def = record("adjust_lighting", "Adds given amounts of the main components of colours.");
  def.params = schema<LightingParam>();
  def.infer = infer_lighting;
  def.cpu = adjust_lighting;
  def.draws = {};
  ops.define(std::move(def));
}

}  // namespace heddle::ops::image_colour
