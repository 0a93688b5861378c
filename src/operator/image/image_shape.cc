// What changes where the pixels of an image are: to_tensor, normalize, crop, flips, resize.
#include <cstring>
#include <vector>

#include "operator/image/image.h"
#include "operator/random/philox.h"
#include "operator/scratch_needs.h"
#include "operator/tensor/view.h"

namespace heddle::ops::image_shape {

using image::check_image;
using image::kGrain;
using image::with_number;

// f(plane, from, to) for the parts of [begin, end) that lie in one plane of `cells`.
template <class F>
void each_plane(int64_t begin, int64_t end, int64_t cells, F&& f) {
  for (int64_t i = begin; i < end;) {
    const int64_t plane = i / cells, stop = std::min(end, (plane + 1) * cells);
    f(plane, i, stop);
    i = stop;
  }
}

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
      each_plane(from, end, cells, [&](int64_t plane, int64_t first, int64_t last) {
        const T* pixel = in[0].as<T>() +
                         (plane / channels * cells + first - plane * cells) * channels +
                         plane % channels;
        for (int64_t i = first; i < last; ++i, pixel += channels) to[i] = float(*pixel) / 255.0f;
      });
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
      each_plane(from, end, cells, [&](int64_t plane, int64_t first, int64_t last) {
        const int64_t c = plane % channels;
        const A mean = kCentred ? A(p.of(p.mean, c)) : A(0), deviation = A(p.of(p.std, c));
        const T* x = in[0].as<T>();
        T* y = out[0].as<T>();
        for (int64_t i = first; i < last; ++i) y[i] = T((A(x[i]) - mean) / deviation);
      });
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
// A row of n pixels from its end to its begin. The usual ones have a size that is known here.
template <int64_t kBytes>
void mirror_pixels(const char* from, int64_t n, int64_t bytes, char* to) {
  const size_t size = size_t(kBytes ? kBytes : bytes);
  for (int64_t j = 0; j < n; ++j) std::memcpy(to + j * bytes, from + (n - 1 - j) * bytes, size);
}
void mirror(const char* from, int64_t n, int64_t bytes, char* to) {
  (bytes == 12  ? mirror_pixels<12>
   : bytes == 3 ? mirror_pixels<3>
   : bytes == 4 ? mirror_pixels<4>
   : bytes == 1 ? mirror_pixels<1>
                : mirror_pixels<0>)(from, n, bytes, to);
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
  const int64_t line = s[1] * pixel;
  if (stay || kAxis == 0) {
    const view::View lines({s[0], line});
    view::View turned = lines;
    if (!stay) turned.slice(0, s[0] - 1, s[0], -1);
    const Blob x{const_cast<char*>(from), {s[0], line}, Dtype::kUint8, in[0].device};
    return view::copy(ctx, x, turned, Blob{to, x.shape, x.dtype, x.device}, lines);
  }
  ctx.parallel_for(s[0], 65536 / std::max<int64_t>(1, line) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) mirror(from + i * line, s[1], pixel, to + i * line);
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

void resize(const ResizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  image::resize(ctx, in[0], out[0], heddle::image::Interpolation(p.interp));
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
  ops.scratch("_image_resize", copies_scratch<4>);
}

}  // namespace heddle::ops::image_shape
