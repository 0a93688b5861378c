// What changes where the pixels of an image are: to_tensor, normalize, crop, flips, resize.
#include <cstring>
#include <numbers>
#include <vector>

#include "operator/image/image.h"
#include "operator/random/philox.h"

namespace heddle::ops::image_shape {

using image::check_image;
using image::kGrain;
using image::with_number;

// --- to_tensor ----------------------------------------------------------------------------------
void infer_to_tensor(InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(
      x.rank() == 3 || x.rank() == 4,
      "[_image_to_tensor] data has shape {}, expected (height, width, channels) or several of them",
      x);
  Shape y = x;
  y[-3] = x[-1], y[-2] = x[-3], y[-1] = x[-2];
  c.set_out(0, y);
}
void to_tensor(OpContext& ctx, Inputs in, Outputs out) {
  const Shape& y = out[0].shape;
  const int64_t channels = y[-3], cells = y[-2] * y[-1];
  with_number(in[0].dtype, "to_tensor", [&](auto type) {
    using T = decltype(type);
    float* to = out[0].as<float>();
    ctx.parallel_for(out[0].size(), kGrain, [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i) {
        const int64_t plane = i / cells, cell = i % cells;
        to[i] =
            float(in[0].as<T>()[(plane / channels * cells + cell) * channels + plane % channels]) /
            255.0f;
      }
    });
  });
}

// --- normalize ----------------------------------------------------------------------------------
struct NormalizeParam {
  std::vector<double> mean{0, 0, 0, 0}, std{1, 1, 1, 1};
  void fields(auto&& f) {
    f("mean", mean, "Of each channel, or one for all.");
    f("std", std, "Deviation of each channel, or one for all.");
  }
  static float of(const std::vector<double>& v, int64_t channel) {
    return float(v[v.size() == 1 ? 0 : size_t(channel)]);
  }
};
void infer_normalize(const NormalizeParam& p, InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check((x.rank() == 3 || x.rank() == 4) && (x[-3] == 1 || x[-3] == 3),
        "[_image_normalize] data has shape {}, expected (1 or 3, height, width) or several of them",
        x);
  for (const auto* v : {&p.mean, &p.std})
    check(v->size() == 1 || v->size() == size_t(x[-3]) || v->size() == 4,
          "[_image_normalize] {} has {} numbers, expected 1 or {}", v == &p.mean ? "mean" : "std",
          v->size(), x[-3]);
}
// y = (x - mean) / std; the gradient (kCentred false): y = x / std.
template <bool kCentred>
void normalize(const NormalizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t channels = s[-3], cells = s[-2] * s[-1];
  with_float(in[0].dtype, "normalize", [&](auto type) {
    using T = decltype(type);
    using A = std::conditional_t<(sizeof(T) < 4), float, T>;
    ctx.parallel_for(s.size(), kGrain, [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i) {
        const int64_t c = i / cells % channels;
        const A mean = kCentred ? A(p.of(p.mean, c)) : A(0);
        out[0].as<T>()[i] = T((A(in[0].as<T>()[i]) - mean) / A(p.of(p.std, c)));
      }
    });
  });
}

// --- crop ---------------------------------------------------------------------------------------
struct CropParam {
  int64_t x = 0, y = 0, width = 0, height = 0;
  void fields(auto&& f) {
    f("x", x, "Left column.").required().at_least(0);
    f("y", y, "Upper row.").required().at_least(0);
    f("width", width, "Columns of the output.").required().at_least(1);
    f("height", height, "Rows of the output.").required().at_least(1);
  }
};
void infer_crop(const CropParam& p, InferContext& c) {
  Shape y = c.in(0);
  if (!y.known()) return;
  check(y.rank() == 3 || y.rank() == 4,
        "[_image_crop] data has shape {}, expected (height, width, channels) or several of them",
        y);
  check(p.x + p.width <= y[-2] && p.y + p.height <= y[-3],
        "[_image_crop] found a window that ends at ({},{}), expected at most ({},{})",
        p.x + p.width, p.y + p.height, y[-2], y[-3]);
  y[-2] = p.width, y[-3] = p.height;
  c.set_out(0, y);
}
// Calls copy(byte in the whole, byte in the window, bytes) for each row of the window.
template <class Copy>
void each_row(const CropParam& p, const Blob& whole, Copy&& copy) {
  const Shape& s = whole.shape;
  const int64_t pixel = s[-1] * dtype_size(whole.dtype), images = s.size(0, s.rank() - 3);
  for (int64_t n = 0; n < images; ++n)
    for (int64_t i = 0; i < p.height; ++i)
      copy(((n * s[-3] + p.y + i) * s[-2] + p.x) * pixel, (n * p.height + i) * p.width * pixel,
           size_t(p.width * pixel));
}
void crop(const CropParam& p, OpContext&, Inputs in, Outputs out) {
  each_row(p, in[0], [&](int64_t from, int64_t to, size_t bytes) {
    std::memcpy(static_cast<char*>(out[0].data) + to, static_cast<char*>(in[0].data) + from, bytes);
  });
}
void crop_backward(const CropParam& p, OpContext&, Inputs in, Outputs out) {
  std::fill_n(static_cast<char*>(out[0].data), out[0].bytes(), '\0');
  each_row(p, out[0], [&](int64_t to, int64_t from, size_t bytes) {
    std::memcpy(static_cast<char*>(out[0].data) + to, static_cast<char*>(in[0].data) + from, bytes);
  });
}

// --- flips --------------------------------------------------------------------------------------
void infer_flip(InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  if (c.in(0).known()) check_image(c);
}
// Row i of the output is row i of the input or, upside down, the last but i; pixels likewise.
// kCoin: or nothing is flipped, as often as not.
template <int kAxis, bool kCoin>
void flip(OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t pixel = s[2] * dtype_size(in[0].dtype);
  const bool stay = kCoin && (philox::word(ctx.seed, 0) & 1) != 0;
  const auto* from = static_cast<const char*>(in[0].data);
  auto* to = static_cast<char*>(out[0].data);
  std::vector<char> before;  // where both share memory
  if (from == to) before.assign(from, from + in[0].bytes()), from = before.data();
  ctx.parallel_for(s[0], 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < s[1]; ++j) {
        const int64_t a = !stay && kAxis == 0 ? s[0] - 1 - i : i;
        const int64_t b = !stay && kAxis == 1 ? s[1] - 1 - j : j;
        std::memcpy(to + (i * s[1] + j) * pixel, from + (a * s[1] + b) * pixel, size_t(pixel));
      }
  });
}
template <int kAxis>
std::vector<Builder::Value> flip_gradient(GradContext& g) {
  return {g.call(kAxis ? "_image_flip_left_right" : "_image_flip_top_bottom", {g.dy()})};
}

// --- resize -------------------------------------------------------------------------------------
struct ResizeParam {
  std::vector<int64_t> size;
  bool keep_ratio = false;
  int interp = 1;
  void fields(auto&& f) {
    f("size", size, "(width, height), or one number for both.");
    f("keep_ratio", keep_ratio, "One number is the shorter side; the other side follows.");
    f("interp", interp, "0: nearest; 1: linear; 2: cubic; 3: area; 4: Lanczos over 8 pixels.")
        .range(0, 4);
  }
};
void infer_resize(const ResizeParam& p, InferContext& c) {
  Shape y = c.in(0);
  check(
      !p.size.empty() && p.size.size() <= 2 && *std::min_element(p.size.begin(), p.size.end()) > 0,
      "[_image_resize] size has {} numbers, expected one or two positive ones", p.size.size());
  if (!y.known()) return;
  check(y.rank() == 3 || y.rank() == 4,
        "[_image_resize] data has shape {}, expected (height, width, channels) or several of them",
        y);
  const int64_t height = y[-3], width = y[-2];
  check(height > 0 && width > 0, "[_image_resize] data has shape {}, expected pixels", y);
  const bool both = p.size.size() == 2;
  int64_t rows = p.size.back(), columns = p.size.front();
  if (!both && p.keep_ratio && height > width) rows = height * columns / width;
  else if (!both && p.keep_ratio) columns = width * rows / height;
  y[-3] = rows, y[-2] = columns;
  c.set_out(0, y);
}

// How one axis is made: output i is the sum over k of weight[k] * input at[k].
struct Taps {
  std::vector<int64_t> at;
  std::vector<float> weight;
};
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
std::vector<Taps> taps_of(int64_t in, int64_t out, int interp, bool shrinks) {
  std::vector<Taps> all(static_cast<size_t>(out));
  const double step = double(in) / double(out);
  for (int64_t i = 0; i < out; ++i) {
    Taps& t = all[size_t(i)];
    if (interp == 0) {
      t = {{std::min(int64_t(std::floor(double(i) * step)), in - 1)}, {1}};
      continue;
    }
    if (interp == 3 && shrinks) {
      t = area_of(double(i) * step, std::min(double(in), double(i + 1) * step), in);
      continue;
    }
    double at = float((double(i) + 0.5) * step - 0.5);
    if (interp == 3) {  // enlarged by area: linear, and flat inside a pixel
      const auto cell = std::floor(double(i) * step);
      const double part = (double(i) + 1) - (cell + 1) / step;
      at = cell + (part <= 0 ? 0 : part - std::floor(part));
    }
    const double low = std::floor(at), part = float(at - low);
    const int reach = interp == 2 ? 2 : interp == 4 ? 4 : 1;
    double sum = 0;
    std::vector<double> weight;
    for (int k = 1 - reach; k <= reach; ++k) {
      const double x = part - k;
      weight.push_back(interp == 2   ? cubic(x)
                       : interp == 4 ? lanczos(x)
                                     : std::max(0.0, 1 - std::abs(x)));
      sum += weight.back();
      t.at.push_back(std::clamp<int64_t>(int64_t(low) + k, 0, in - 1));
    }
    for (double w : weight) t.weight.push_back(float(w / sum));
  }
  return all;
}

// Bytes are weighted with 11 bits, as image libraries do; a value is rounded once at the end.
constexpr int kBits = 11;
int fixed(float w) { return int(std::lrint(w * float(1 << kBits))); }

template <class T>
T blend(const T* image, int64_t row_length, int64_t pixel, const Taps& v, const Taps& h,
        bool linear) {
  if constexpr (std::is_same_v<T, uint8_t>) {
    int64_t sum = 0;
    for (size_t a = 0; a < v.at.size(); ++a) {
      int64_t line = 0;
      for (size_t b = 0; b < h.at.size(); ++b)
        line += fixed(h.weight[b]) * int64_t(image[v.at[a] * row_length + h.at[b] * pixel]);
      sum += linear ? (fixed(v.weight[a]) * (line >> 4)) >> 16 : fixed(v.weight[a]) * line;
    }
    const int64_t value = linear ? (sum + 2) >> 2 : (sum + (1 << (2 * kBits - 1))) >> (2 * kBits);
    return uint8_t(std::clamp<int64_t>(value, 0, 255));
  } else {
    T sum = 0;
    for (size_t a = 0; a < v.at.size(); ++a) {
      T line = 0;
      for (size_t b = 0; b < h.at.size(); ++b)
        line += T(h.weight[b]) * image[v.at[a] * row_length + h.at[b] * pixel];
      sum += T(v.weight[a]) * line;
    }
    return sum;
  }
}
// The mean over areas, in float and rounded to even; of four pixels, halves go up.
uint8_t blend_area(const uint8_t* image, int64_t row_length, int64_t pixel, const Taps& v,
                   const Taps& h, bool quarters) {
  float sum = 0;
  for (size_t a = 0; a < v.at.size(); ++a) {
    float line = 0;
    for (size_t b = 0; b < h.at.size(); ++b)
      line += h.weight[b] * float(image[v.at[a] * row_length + h.at[b] * pixel]);
    sum += v.weight[a] * line;
  }
  const long value = quarters ? long(std::floor(sum + 0.5f)) : std::lrint(sum);
  return uint8_t(std::clamp<long>(value, 0, 255));
}

template <class T>
void resize_as(const ResizeParam& p, OpContext& ctx, const Blob& x, const Blob& y) {
  const Shape &s = x.shape, &o = y.shape;
  const int64_t pixel = s[-1], rows = o[-3], columns = o[-2], row_length = s[-2] * pixel;
  // Halving is done by area, as there.
  const bool halves = p.interp == 1 && s[-3] == 2 * rows && s[-2] == 2 * columns;
  const bool shrinks = rows <= s[-3] && columns <= s[-2];
  const int interp = halves ? 3 : p.interp;
  const auto down = taps_of(s[-3], rows, interp, shrinks);
  const auto right = taps_of(s[-2], columns, interp, shrinks);
  const bool quarters = s[-3] == 2 * rows && s[-2] == 2 * columns;
  const bool area = interp == 3 && shrinks;
  ctx.parallel_for(
      o.size(0, o.rank() - 3) * rows, std::max<int64_t>(1, kGrain / (columns * pixel + 1)),
      [&](int64_t from, int64_t end) {
        for (int64_t r = from; r < end; ++r) {
          const T* image = x.as<T>() + r / rows * s[-3] * row_length;
          for (int64_t j = 0; j < columns * pixel; ++j) {
            const Taps &v = down[size_t(r % rows)], &h = right[size_t(j / pixel)];
            T& to = y.as<T>()[r * columns * pixel + j];
            if constexpr (std::is_same_v<T, uint8_t>)
              if (area) {
                to = blend_area(image + j % pixel, row_length, pixel, v, h, quarters);
                continue;
              }
            to = blend(image + j % pixel, row_length, pixel, v, h, interp == 1 || interp == 3);
          }
        }
      });
}
void resize(const ResizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  if (in[0].dtype == Dtype::kUint8) return resize_as<uint8_t>(p, ctx, in[0], out[0]);
  if (in[0].dtype == Dtype::kFloat32) return resize_as<float>(p, ctx, in[0], out[0]);
  if (in[0].dtype == Dtype::kFloat64) return resize_as<double>(p, ctx, in[0], out[0]);
  // Others go through float32.
  Blob x = in[0], y = out[0];
  x.dtype = y.dtype = Dtype::kFloat32;
  x.data = ctx.scratch(size_t(x.bytes())), y.data = ctx.scratch(size_t(y.bytes()));
  with_number(in[0].dtype, "resize", [&](auto type) {
    using T = decltype(type);
    for (int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = float(in[0].as<T>()[i]);
    resize_as<float>(p, ctx, x, y);
    for (int64_t i = 0; i < y.size(); ++i)
      out[0].as<T>()[i] = image::saturate<T>(
          std::is_integral_v<T> ? std::nearbyint(y.as<float>()[i]) : y.as<float>()[i]);
  });
}

// --- records ------------------------------------------------------------------------------------
template <int kAxis>
void define_flips(OpTable& ops) {
  const std::string name = kAxis ? "flip_left_right" : "flip_top_bottom";
  const std::string what = kAxis ? "the left and the right side" : "the upper and the lower side";
  ops.define({
      .name = "_image_" + name,
      .aliases = {"_npx__image_" + name},
      .doc = "Swaps " + what + " of an image.",
      .inputs = {{"data", "(height, width, channels)"}},
      .infer = infer_flip,
      .cpu = flip<kAxis, false>,
      .backward = {.build = flip_gradient<kAxis>},
  });
  ops.define({
      .name = "_image_random_" + name,
      .aliases = {"_npx__image_random_" + name},
      .doc = "Swaps " + what + " of an image, or leaves it as it is, each with probability 1/2.",
      .inputs = {{"data", "(height, width, channels)"}},
      .infer = infer_flip,
      .cpu = flip<kAxis, true>,
      .draws = draws_always,
  });
}

void define(OpTable& ops) {
  const Input data{"data", "(height, width, channels), or (n, height, width, channels)"};
  ops.define({
      .name = "_image_to_tensor",
      .aliases = {"_npx__image_to_tensor"},
      .doc = "An image as a float32 tensor (channels, height, width), divided by 255.",
      .dtypes = Dtypes::kNumbers,
      .inputs = {data},
      .infer = infer_to_tensor,
      .infer_dtype = infer_out_dtype<Dtype::kFloat32>,
      .cpu = to_tensor,
  });
  ops.define({
      .name = "_image_normalize",
      .aliases = {"_npx__image_normalize"},
      .doc = "(data - mean) / std, channel by channel.",
      .dtypes = Dtypes::kFloating,
      .params = schema<NormalizeParam>(),
      .inputs = {{"data", "(channels, height, width), or (n, channels, height, width)"}},
      .infer = infer_normalize,
      .inplace = {{0, 0}},
      .cpu = normalize<true>,
      .backward = {.reads = {dy()}, .run = normalize<false>, .inplace = {{0, 0}}},
  });
  ops.define({
      .name = "_image_crop",
      .aliases = {"_npx__image_crop"},
      .doc = "A window of an image.",
      .params = schema<CropParam>(),
      .inputs = {data},
      .infer = infer_crop,
      .cpu = crop,
      .backward = {.reads = {dy()}, .run = crop_backward},
  });
  ops.define({
      .name = "_image_resize",
      .aliases = {"_npx__image_resize"},
      .doc = "Resizes an image, with the conventions of OpenCV: the middles of pixels are at "
             "halves, and borders repeat.",
      .dtypes = Dtypes::kNumbers,
      .params = schema<ResizeParam>(),
      .inputs = {data},
      .infer = infer_resize,
      .cpu = resize,
  });
  define_flips<1>(ops);
  define_flips<0>(ops);
}

}  // namespace heddle::ops::image_shape
