// Images from files, and what old programs do with them: _cvimdecode, _cvimread, _cvimresize,
// _cvcopyMakeBorder and _imdecode.
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "image/decode.h"
#include "operator/image/image.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::image_file {

using heddle::image::Bytes;
using heddle::image::Colours;
using heddle::image::Interpolation;

// --- decoding -----------------------------------------------------------------------------------
struct DecodeParam {
  int flag = 1;
  bool to_rgb = true;
  void fields(auto&& f) {
    f("flag", flag, "1: three colours; 0: grey.").range(0, 1);
    f("to_rgb", to_rgb, "Red comes first, not blue.");
  }
  Colours colours() const {
    return flag == 0 ? Colours::kGray : to_rgb ? Colours::kRgb : Colours::kBgr;
  }
};
struct ReadParam : DecodeParam {
  std::string filename;
  void fields(auto&& f) {
    f("filename", filename, "Path of the file.").required();
    DecodeParam::fields(f);
  }
};

void infer_decode(const DecodeParam& p, InferContext& c) {
  check(c.in(0).rank() <= 1, "[_cvimdecode] buf has shape {}, expected one axis", c.in(0));
  c.set_out(0, {-1, -1, heddle::image::channels_of(p.colours())});
}
void infer_decode_dtype(InferContext& c) {
  c.set_in_dtype(0, Dtype::kUint8), c.set_out_dtype(0, Dtype::kUint8);
}
void infer_read(const ReadParam& p, InferContext& c) {
  c.set_out(0, {-1, -1, heddle::image::channels_of(p.colours())});
}
void decode_to(OpContext& ctx, std::string_view who, Bytes file, Colours colours) {
  heddle::image::decode(who, file, colours, [&](int64_t height, int64_t width) {
    return ctx.allocate(0, {height, width, heddle::image::channels_of(colours)}).as<uint8_t>();
  });
}
void decode(const DecodeParam& p, OpContext& ctx, Inputs in, Outputs) {
  decode_to(ctx, "_cvimdecode", {in[0].as<uint8_t>(), size_t(in[0].size())}, p.colours());
}
void read(const ReadParam& p, OpContext& ctx, Inputs, Outputs) {
  std::ifstream file(p.filename, std::ios::binary);
  check(file.good(), "[_cvimread] the file '{}' cannot be opened", p.filename);
  std::vector<char> bytes;
  char block[1 << 14];
  while (file.read(block, sizeof block) || file.gcount() > 0)
    bytes.insert(bytes.end(), block, block + file.gcount());
  check(!file.bad(), "[_cvimread] '{}' cannot be read: it is a folder, or the disk is broken",
        p.filename);
  decode_to(ctx, format("_cvimread '{}'", p.filename),
            {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, p.colours());
}

// --- resize -------------------------------------------------------------------------------------
// Of a method that depends on the sizes: cubic to enlarge, area to shrink, linear where one axis
// does this and the other that.
constexpr int kBySize = 9;
struct ResizeParam {
  int64_t w = 0, h = 0;
  int interp = 1;
  void fields(auto&& f) {
    f("w", w, "Columns of the output.").required().at_least(1);
    f("h", h, "Rows of the output.").required().at_least(1);
    f("interp", interp,
      "0: nearest; 1: linear; 2: cubic; 3: area; 4: Lanczos over 8 pixels; 9: cubic to enlarge, "
      "area to shrink, or else linear.")
        .range(0, kBySize);
  }
};
void infer_resize(const ResizeParam& p, InferContext& c) {
  check(p.interp <= 4 || p.interp == kBySize, "[_cvimresize] interp is {}, expected 0 to 4 or 9",
        p.interp);
  if (!c.in(0).known()) return;
  image::check_image(c);
  check(c.in(0).size() > 0, "[_cvimresize] src has shape {}, expected pixels", c.in(0));
  c.set_out(0, {p.h, p.w, c.in(0)[2]});
}
void resize(const ResizeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  Interpolation how = Interpolation(p.interp);
  if (p.interp == kBySize)
    how = p.h > s[0] && p.w > s[1]   ? Interpolation::kCubic
          : p.h < s[0] && p.w < s[1] ? Interpolation::kArea
                                     : Interpolation::kLinear;
  image::resize(ctx, in[0], out[0], how);
}

// --- border -------------------------------------------------------------------------------------
struct BorderParam {
  int64_t top = 0, bot = 0, left = 0, right = 0;
  int type = 0;
  double value = 0;
  std::vector<double> values;
  void fields(auto&& f) {
    f("top", top, "Rows above.").required().at_least(0);
    f("bot", bot, "Rows below.").required().at_least(0);
    f("left", left, "Columns to the left.").required().at_least(0);
    f("right", right, "Columns to the right.").required().at_least(0);
    f("type", type,
      "0: a colour; 1: the edge repeated; 2: reflected with the edge; 3: the other side; "
      "4: reflected about the edge.")
        .range(0, 4);
    f("value", value, "Of every channel, for type 0.");
    f("values", values, "Of each channel, up to four, instead; those that are missing are 0.");
  }
};
void infer_border(const BorderParam& p, InferContext& c) {
  const Shape& x = c.in(0);
  check(p.values.size() <= 4, "[_cvcopyMakeBorder] values holds {} numbers, expected at most 4",
        p.values.size());
  if (!x.known()) return;
  image::check_image(c);
  check(p.type == 0 || x.size() > 0, "[_cvcopyMakeBorder] src has shape {}, expected pixels", x);
  c.set_out(0, {x[0] + p.top + p.bot, x[1] + p.left + p.right, x[2]});
}
// The pixel that stands `i` pixels from the first of n; -1: a border of one colour.
int64_t source_of(int64_t i, int64_t n, int type) {
  if (i >= 0 && i < n) return i;
  if (type == 0) return -1;
  if (type == 1) return i < 0 ? 0 : n - 1;
  if (type == 3) return (i % n + n) % n;
  if (n == 1) return 0;
  const int64_t period = type == 2 ? 2 * n : 2 * n - 2;  // there and back again
  i = (i % period + period) % period;
  return i < n ? i : period - i - (type == 2 ? 1 : 0);
}
void border(const BorderParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &s = in[0].shape, &o = out[0].shape;
  const int64_t size = dtype_size(in[0].dtype), pixel = s[2] * size;
  std::vector<char> fill(size_t(pixel) + 1);  // a pixel of the colour
  image::with_number(in[0].dtype, "_cvcopyMakeBorder", [&](auto type) {
    using T = decltype(type);
    for (int64_t c = 0; c < s[2]; ++c) {
      double v = p.values.empty() ? p.value : size_t(c) < p.values.size() ? p.values[size_t(c)] : 0;
      if constexpr (std::is_integral_v<T>)
        v = std::clamp(std::nearbyint(v), double(std::numeric_limits<T>::min()),
                       double(std::numeric_limits<T>::max()) - (sizeof(T) == 8 ? 1024 : 0));
      const T one = T(v);
      std::memcpy(fill.data() + c * size, &one, size_t(size));
    }
  });
  std::vector<int64_t> from(static_cast<size_t>(o[1]));
  for (int64_t j = 0; j < o[1]; ++j) from[size_t(j)] = source_of(j - p.left, s[1], p.type);
  const auto* x = static_cast<const char*>(in[0].data);
  auto* y = static_cast<char*>(out[0].data);
  const int64_t grain = std::max<int64_t>(1, image::kGrain / (o[1] * o[2] + 1));
  ctx.parallel_for(o[0], grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = source_of(i - p.top, s[0], p.type);
      char* to = y + i * o[1] * pixel;
      const auto put = [&](int64_t j) {
        const int64_t column = from[size_t(j)];
        const bool inside = row >= 0 && column >= 0;
        std::memcpy(to + j * pixel, inside ? x + (row * s[1] + column) * pixel : fill.data(),
                    size_t(pixel));
      };
      const bool whole = row >= 0 && s[1] > 0;
      if (whole) std::memcpy(to + p.left * pixel, x + row * s[1] * pixel, size_t(s[1] * pixel));
      for (int64_t j = 0; j < (whole ? p.left : o[1]); ++j) put(j);
      for (int64_t j = whole ? p.left + s[1] : o[1]; j < o[1]; ++j) put(j);
    }
  });
}

// --- of old programs ----------------------------------------------------------------------------
struct OldDecodeParam {
  int64_t index = 0, x0 = 0, y0 = 0, x1 = 0, y1 = 0, c = 3, size = 0;
  std::string str_img;
  void fields(auto&& f) {
    f("index", index, "Ignored: the caller knows where in its batch the image goes.")
        .required()
        .ignored();
    f("x0", x0, "Left column of what is kept.").required().at_least(0);
    f("y0", y0, "Upper row of what is kept.").required().at_least(0);
    f("x1", x1, "One past its right column; 0: all columns.").required().at_least(0);
    f("y1", y1, "One past its lower row; 0: all rows.").required().at_least(0);
    f("c", c, "Channels: 1 or 3.").required();
    f("size", size, "Bytes of the file.").required();
    f("str_img", str_img, "The file, in hexadecimal digits.").required();
  }
};
void infer_old_decode(const OldDecodeParam& p, InferContext& c) {
  check(p.c == 1 || p.c == 3, "[_imdecode] c is {}, expected 1 or 3", p.c);
  check(p.size >= 0 && p.str_img.size() == 2 * size_t(p.size),
        "[_imdecode] str_img has {} digits, expected two for each of {} bytes", p.str_img.size(),
        p.size);
  c.set_out(0, {p.c, -1, -1});
}
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  check(c >= 'a' && c <= 'f', "[_imdecode] str_img holds the byte {}, expected 0-9 and a-f",
        int(c));
  return c - 'a' + 10;
}
void old_decode(const OldDecodeParam& p, OpContext& ctx, Inputs in, Outputs) {
  std::vector<uint8_t> file(size_t(p.size)), pixels;
  for (size_t i = 0; i < file.size(); ++i)
    file[i] = uint8_t(digit(p.str_img[2 * i]) * 16 + digit(p.str_img[2 * i + 1]));
  int64_t rows = 0, columns = 0;
  heddle::image::decode("_imdecode", file, p.c == 1 ? Colours::kGray : Colours::kRgb,
                        [&](int64_t height, int64_t width) {
                          rows = height, columns = width;
                          pixels.resize(size_t(height * width * p.c));
                          return pixels.data();
                        });
  const int64_t x1 = p.x1 ? p.x1 : columns, y1 = p.y1 ? p.y1 : rows;
  check(p.x0 < x1 && x1 <= columns && p.y0 < y1 && y1 <= rows,
        "[_imdecode] found a window from ({},{}) to ({},{}), expected one inside ({},{})", p.x0,
        p.y0, x1, y1, columns, rows);
  const int64_t height = y1 - p.y0, width = x1 - p.x0;
  const Blob& mean = in[0];
  const bool plain = mean.size() == 0 || mean.shape == Shape{1};
  check(plain || mean.shape == Shape{p.c, height, width},
        "[_imdecode] mean has shape {}, expected ({},{},{})", mean.shape, p.c, height, width);
  float* y = ctx.allocate(0, {p.c, height, width}).as<float>();
  for (int64_t k = 0, at = 0; k < p.c; ++k)
    for (int64_t i = p.y0; i < y1; ++i)
      for (int64_t j = p.x0; j < x1; ++j, ++at)
        y[at] =
            float(pixels[size_t((i * columns + j) * p.c + k)]) - (plain ? 0 : mean.as<float>()[at]);
}
void infer_old_decode_dtype(InferContext& c) {
  c.set_in_dtype(0, Dtype::kFloat32), c.set_out_dtype(0, Dtype::kFloat32);
}

void define(OpTable& ops) {
  ops.define({.name = "_cvimdecode",
              .aliases = {"_npi_cvimdecode"},
              .doc = "Decodes a JPEG or PNG file to (height, width, 3), or to (height, width, 1) "
                     "in grey, of uint8.",
              .params = schema<DecodeParam>(),
              .inputs = {{"buf", "the bytes of the file: uint8, one axis"}},
              .infer = infer_decode,
              .infer_dtype = infer_decode_dtype,
              .cpu = decode,
              .dynamic_shape = true});
  ops.define({.name = "_cvimread",
              .aliases = {"_npi_cvimread"},
              .doc = "Reads and decodes a JPEG or PNG file to (height, width, 3), or to (height, "
                     "width, 1) in grey, of uint8.",
              .params = schema<ReadParam>(),
              .inputs = {},
              .infer = infer_read,
              .infer_dtype = infer_out_dtype<Dtype::kUint8>,
              .cpu = read,
              .dynamic_shape = true});
  ops.define({.name = "_cvimresize",
              .aliases = {"_npi_cvimresize"},
              .doc = "Resizes an image, with the conventions of OpenCV.",
              .dtypes = Dtypes::kNumbers,
              .params = schema<ResizeParam>(),
              .inputs = {{"src", "(height, width, channels)"}},
              .infer = infer_resize,
              .cpu = resize});
  ops.define({.name = "_cvcopyMakeBorder",
              .doc = "Puts a border around an image.",
              .dtypes = Dtypes::kNumbers,
              .params = schema<BorderParam>(),
              .inputs = {{"src", "(height, width, channels)"}},
              .infer = infer_border,
              .cpu = border});
  ops.define({.name = "_imdecode",
              .doc = "Decodes a JPEG or PNG file to float32 (channels, height, width), cuts out a "
                     "window, and takes a mean from it. For programs of old; see image.imdecode.",
              .params = schema<OldDecodeParam>(),
              .inputs = {{"mean", "of the window's shape, or (1) for none"}},
              .infer = infer_old_decode,
              .infer_dtype = infer_old_decode_dtype,
              .cpu = old_decode,
              .dynamic_shape = true});
  ops.scratch("_cvimresize", copies_scratch<4>);
}

}  // namespace heddle::ops::image_file
