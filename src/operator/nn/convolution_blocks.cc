// Convolution in float32 on weights that a plan has packed: channels in blocks of one register, and
// what follows done while results are in registers (blocks.h). Windows read lines of pixels that a
// piece of work has laid out before, with zeros around them and, for strides, each phase of the
// columns by itself; 1 x 1 windows read the data as it lies.
#include <algorithm>
#include <array>
#include <type_traits>

#include "heddle/layout.h"
#include "operator/nn/blocks.h"
#include "operator/nn/convolution.h"

namespace heddle::ops::convolution_blocks {

using nn::BlockLoops;
using nn::BlockRun;
using nn::ConvolutionParam;
using nn::DepthRun;
using nn::FusedConvolutionParam;
using nn::part_of;
using nn::Window;

const BlockLoops& loops() { return nn::block_loops(); }
int64_t blocks_of(int64_t channels) { return (channels + loops().wide - 1) / loops().wide; }

// What follows a convolution, and how it ends: pointers of the whole tensors.
struct Ends {
  const float *bias, *add;
  nn::Limits limits;
};

// Channels of one image: in blocks of a register, or those of each pixel side by side, or in
// planes.
struct Pixels {
  int64_t area, step, block, channel;  // floats: between pixels, blocks, and channels of one
  Pixels(int64_t channels, int64_t area, const Layout& l) : area(area) {
    const int wide = loops().wide, cut = channel_block(l);
    step = cut ? cut : 1, channel = cut ? 1 : area;
    block = cut == 0 ? wide * area : cut == wide ? wide * area : wide;
    size = channels * area;
  }
  int64_t size;
};

bool one_by_one(const Window& w) {
  return w.taps() == 1 && w.stride[1] == 1 && w.stride[2] == 1 && w.pad[1] == 0 && w.pad[2] == 0;
}

// Bytes that no second cache holds, and that none holds until they are read.
constexpr int64_t kFar = 4 << 20, kPast = 32 << 20;

// Whether y, whose pixels are `step` apart, may be written past the caches.
bool goes_past(const Blob& y, int64_t step) {
  const int64_t bytes = loops().wide * int64_t(sizeof(float));
  return y.bytes() >= kPast && step % loops().wide == 0 &&
         reinterpret_cast<uintptr_t>(y.data) % size_t(bytes) == 0;
}

// How much is done at once. All depends on extents only.
struct Pieces {
  static constexpr int64_t kWork = 1 << 18, kMost = 16;  // multiplications; pieces
  static constexpr int64_t kNear = 192 << 10;  // bytes of data that stay in the second cache
  int64_t lines, line;   // of the output: rows, or parts of the whole where the window is 1 x 1
  int64_t down, across;  // parts of the lines, and of the pairs of blocks of filters
  explicit Pieces(const Window& w) {
    const int64_t wide = loops().wide, pairs = (blocks_of(w.filters) + 1) / 2;
    const bool flat = one_by_one(w);
    line = flat ? std::min<int64_t>(w.out_size(), 28 / loops().tile * loops().tile) : w.out[2];
    lines = flat ? (w.out_size() + line - 1) / line : w.out[1];
    const int64_t work = w.out_size() * w.channels * w.taps() * blocks_of(w.filters) * wide;
    const int64_t most = std::clamp<int64_t>(w.batch * work / kWork, 1, kMost);
    const int64_t data = w.channels * w.in_size() * 4,
                  weights = w.filters * w.channels * w.taps() * 4;
    const int64_t least = std::min(lines, (data + kNear - 1) / kNear);
    const int64_t each = (most + w.batch - 1) / w.batch;  // parts of an image
    if (weights > data) {
      across = std::min(pairs, std::min<int64_t>(each, 8));
      down = std::clamp(each / across, least, lines);
    } else {
      down = std::clamp(each, least, lines);
      across = std::min(pairs, std::max<int64_t>(1, each / down));
    }
  }
};

// Lines of one image's data laid out for a window: (blocks, rows, phases of columns, columns).
struct Laid {
  int64_t step, columns, row, plane;  // floats, but for columns
  int64_t first, rows;                // of the data, the first one perhaps above it
  int32_t* tap;                       // of each tap, in scratch memory
  Laid(const Window& w, int64_t from, int64_t to) {
    const int64_t s = w.stride[2];
    step = w.channels <= nn::kFew ? nn::kFew : loops().wide;
    columns = w.out[2] + (w.kernel[2] - 1) * w.dilate[2] / s + 1;
    row = s * columns * step;
    first = from * w.stride[1] - w.pad[1];
    rows = (to - 1 - from) * w.stride[1] + (w.kernel[1] - 1) * w.dilate[1] + 1;
    plane = rows * row;
    tap = static_cast<int32_t*>(thread_scratch(size_t(w.taps()) * sizeof(int32_t)));
    int32_t* next = tap;
    for (int64_t i = 0; i < w.kernel[1]; ++i)
      for (int64_t j = 0; j < w.kernel[2]; ++j) {
        const int64_t at = j * w.dilate[2];
        *next++ = int32_t(i * w.dilate[1] * row + (at % s * columns + at / s) * step);
      }
  }
  // Of a block of channels: of the data for so many lines of the output.
  static int64_t floats(const Window& w, int64_t lines) {
    const int64_t s = w.stride[2], step = w.channels <= nn::kFew ? nn::kFew : loops().wide;
    const int64_t columns = w.out[2] + (w.kernel[2] - 1) * w.dilate[2] / s + 1;
    return ((lines - 1) * w.stride[1] + (w.kernel[1] - 1) * w.dilate[1] + 1) * s * columns * step;
  }
  // Whether some tap reads this row, or column, of the laid out lines.
  static bool read(const Window& w, int axis, int64_t at) {
    for (int64_t k = 0; k < w.kernel[axis]; ++k)
      if ((at - k * w.dilate[axis]) % w.stride[axis] == 0) return true;
    return false;
  }
  void fill(const Window& w, const Pixels& in, const float* x, float* to) const {
    const int64_t wide = loops().wide, s = w.stride[2], width = w.in[2];
    for (int64_t b = 0; b < blocks_of(w.channels); ++b) {
      const int64_t channels = std::min(wide, w.channels - b * wide);
      for (int64_t r = 0; r < rows; ++r, to += row) {
        if (!read(w, 1, r)) continue;
        const int64_t h = first + r;
        if (h < 0 || h >= w.in[1]) {
          std::fill_n(to, row, 0.0f);
          continue;
        }
        const float* const from = x + b * in.block + h * width * in.step;
        for (int64_t phase = 0; phase < s; ++phase) {
          if (!read(w, 2, phase)) continue;
          // Column c of a phase is column c * s + phase - pad of the data.
          const int64_t before = std::clamp<int64_t>((w.pad[2] - phase + s - 1) / s, 0, columns);
          const int64_t begin = before * s + phase - w.pad[2];
          const int64_t n = std::clamp<int64_t>((width - begin + s - 1) / s, 0, columns - before);
          float* const line = to + phase * columns * step;
          std::fill_n(line, before * step, 0.0f);
          if (n > 0)
            loops().gather(from + begin * in.step, s * in.step, in.channel, channels, n,
                           line + before * step, step);
          std::fill_n(line + (before + n) * step, (columns - before - n) * step, 0.0f);
        }
      }
    }
  }
};

void convolve(const Window& w, const Ends& ends, OpContext& ctx, Inputs in, const Blob& out) {
  const int64_t wide = loops().wide, blocks = blocks_of(w.channels),
                pairs = (blocks_of(w.filters) + 1) / 2;
  const Pieces pieces(w);
  const Pixels data(w.channels, w.in_size(), in[0].stored.layout);
  const Pixels result(w.filters, w.out_size(), out.stored.layout);
  const bool as_it_lies = one_by_one(w) && data.step == wide;
  const bool flat = one_by_one(w), past = goes_past(out, result.step);
  Window rows = w;  // of a 1 x 1 window, lines of the whole
  if (flat) rows.in = rows.out = {1, pieces.lines, pieces.line};
  const float *const x = in[0].as<float>(), *const weight = in[1].as<float>();
  float* const y = out.as<float>();
  const int64_t deep = w.channels * w.taps();  // of a filter
  ctx.parallel_for(w.batch * pieces.down * pieces.across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      ScratchScope scope;
      const int64_t image = i / (pieces.down * pieces.across);
      const auto [from, to] = part_of(pieces.lines, i / pieces.across % pieces.down, pieces.down);
      const auto [first, last] = part_of(pairs, i % pieces.across, pieces.across);
      const float* const of = x + image * data.size;
      BlockRun run{};
      run.blocks = blocks, run.last = w.channels - (blocks - 1) * wide;
      run.y_step = result.step, run.y_plane = result.block;
      run.low = ends.limits.low, run.high = ends.limits.high, run.past = past;
      static constexpr int32_t kNoTap = 0;
      const float* lines = of;
      int64_t line = pieces.line * wide, offset = 0;
      if (as_it_lies) {
        run.plane = data.block, run.taps = 1, run.tap = &kNoTap;
      } else if (flat) {
        // Its pixels side by side.
        const int64_t n = std::min(to * pieces.line, data.area) - from * pieces.line;
        const bool few = w.channels <= nn::kFew;
        const int64_t step = few ? nn::kFew : wide;
        auto* const laid = static_cast<float*>(thread_scratch(size_t(blocks * n * step) * 4));
        for (int64_t b = 0; b < blocks; ++b)
          loops().gather(of + b * data.block + from * pieces.line * data.step, data.step,
                         data.channel, std::min(wide, w.channels - b * wide), n,
                         laid + b * n * step, step);
        lines = laid, line = pieces.line * step, offset = from;
        run.plane = n * step, run.taps = 1, run.tap = &kNoTap, run.few = few;
      } else {
        Laid laid(w, from, to);
        auto* const all = static_cast<float*>(thread_scratch(size_t(blocks * laid.plane) * 4));
        laid.fill(w, data, of, all);
        lines = all, line = w.stride[1] * laid.row, offset = from;
        run.plane = laid.plane, run.taps = w.taps(), run.tap = laid.tap,
        run.few = w.channels <= nn::kFew;
      }
      for (int64_t pair = first; pair < last; ++pair) {
        const int64_t filter = pair * 2 * wide;
        run.filters = filter + wide < w.filters ? 2 : 1;
        run.width = int(std::min(wide, w.filters - filter - (run.filters - 1) * wide));
        run.weight = weight + filter * deep;
        run.bias = ends.bias ? ends.bias + filter : nullptr;
        for (int64_t l = from; l < to; ++l) {
          run.x = lines + (l - offset) * line;
          const int64_t at =
              image * result.size + 2 * pair * result.block + l * pieces.line * result.step;
          run.y = y + at, run.add = ends.add ? ends.add + at : nullptr;
          run.pixels = std::min(pieces.line, result.area - l * pieces.line);
          loops().run(run);
        }
      }
    }
  });
}

// In a piece: the lines that most pieces have, laid out.
ScratchNeed scratch_of_dense(const Window& w, const Blob& data, bool has_bias) {
  const int64_t wide = loops().wide, blocks = blocks_of(w.channels);
  const Pieces pieces(w);
  const int64_t lines = (pieces.lines + pieces.down - 1) / pieces.down;
  const int64_t step = w.channels <= nn::kFew ? nn::kFew : wide;
  ScratchNeed need{.call = has_bias ? blocks_of(w.filters) * wide * 4 : 0,
                   .pieces = w.batch * pieces.down * pieces.across};
  if (!one_by_one(w)) {
    need.piece = 4 * (blocks * Laid::floats(w, lines) + w.taps());
  } else if (Pixels(w.channels, w.in_size(), data.stored.layout).step != wide) {
    need.piece = 4 * blocks * lines * pieces.line * step;
  }
  return need;
}

// --- one filter for each channel -----------------------------------------------------------------
void convolve_channels(const Window& w, const Ends& ends, OpContext& ctx, Inputs in,
                       const Blob& out) {
  constexpr int64_t kWork = 1 << 16, kMost = 16;  // multiplications of a piece; pieces
  const int64_t wide = loops().wide, units = w.batch * w.channels / wide;
  const int64_t work = units * w.out_size() * w.taps() * wide;
  const int64_t most = std::clamp<int64_t>(work / kWork, 1, kMost);
  const int64_t down = std::clamp<int64_t>((most + units - 1) / units, 1, w.out[1]);
  const int64_t grain = (units * down + most - 1) / most;
  const bool far = in[0].bytes() >= kFar, past = goes_past(out, wide);
  const float *const x = in[0].as<float>(), *const weight = in[1].as<float>();
  float* const y = out.as<float>();
  ctx.parallel_for(units * down, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t unit = i / down, filter = unit * wide % w.channels;
      const int64_t at = unit * w.out_size() * wide;
      const auto [from, to] = part_of(w.out[1], i % down, down);
      DepthRun run{};
      run.x = x + unit * w.in_size() * wide, run.y = y + at;
      run.add = ends.add ? ends.add + at : nullptr;
      run.weight = weight + filter * w.taps();
      run.bias = ends.bias ? ends.bias + filter : nullptr;
      run.low = ends.limits.low, run.high = ends.limits.high;
      run.from = from, run.to = to, run.width = w.out[2];
      run.ahead = far, run.past = past;
      for (int axis = 0; axis < 2; ++axis) {
        run.in[axis] = w.in[axis + 1], run.kernel[axis] = w.kernel[axis + 1];
        run.stride[axis] = w.stride[axis + 1], run.dilate[axis] = w.dilate[axis + 1];
        run.pad[axis] = w.pad[axis + 1];
      }
      loops().depth(run);
    }
  });
}

// --- the kernels --------------------------------------------------------------------------------
bool is_depthwise(const Window& w) { return w.groups > 1 && w.groups == w.channels; }

void forward_with(const ConvolutionParam& p, const nn::Following& then, const float* add,
                  OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, in[0].shape, out[0].shape);
  Ends ends{p.no_bias ? nullptr : in[2].as<float>(), add, nn::limits_of(then)};
  if (is_depthwise(w)) return convolve_channels(w, ends, ctx, in, out[0]);
  const int64_t padded = blocks_of(w.filters) * loops().wide;
  if (ends.bias && padded != w.filters) {
    float* const whole = ctx.scratch_of<float>(padded);
    std::fill_n(std::copy_n(ends.bias, w.filters, whole), padded - w.filters, 0.0f);
    ends.bias = whole;
  }
  convolve(w, ends, ctx, in, out[0]);
}
void forward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  forward_with(p, {}, nullptr, ctx, in, out);
}
void forward_fused(const FusedConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  forward_with(p, p, p.sum ? in[p.addend()].as<float>() : nullptr, ctx, in, out);
}

// Lines of the data laid out for a window, but where its pixels are read as they lie.
ScratchNeed scratch(const ConvolutionParam& p, const Situation& s) {
  const Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  return is_depthwise(w) ? ScratchNeed{} : scratch_of_dense(w, s.in[0], !p.no_bias);
}
ScratchNeed scratch_fused(const FusedConvolutionParam& p, const Situation& s) {
  return scratch(p, s);
}

// How `channels` should lie: in blocks of a register, or, where these would be mostly padding,
// those of a pixel side by side.
Layout lies(int64_t channels) {
  const int wide = loops().wide;
  return Layout::channels(channels % wide == 0 ? wide : int(channels));
}
bool suits(int64_t channels) {
  return channels % loops().wide == 0 || (channels % 8 == 0 && channels <= 64);
}

// Planes whose weights last.
bool accepts(const ConvolutionParam& p, const Situation& s) {
  if (!loops().fast || !s.lasts(1) || s.in[0].dtype != Dtype::kFloat32) return false;
  if (s.in[0].size() == 0 || p.kernel.rank() > 2) return false;
  const Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  if (is_depthwise(w)) return w.filters == w.channels && w.channels % loops().wide == 0;
  return w.groups == 1 && w.out_size() >= 4 && suits(w.filters) &&
         (suits(w.channels) || w.channels <= nn::kFew);
}
bool accepts_fused(const FusedConvolutionParam& p, const Situation& s) { return accepts(p, s); }

void wants(const ConvolutionParam& p, const Situation& s, StoredAs& as) {
  const int64_t channels = s.in[0].shape[1];
  if (channels > nn::kFew || is_depthwise(nn::window_of(p, s.in[0].shape, s.out[0].shape)))
    as.in[0].layout = lies(channels);
  as.out[0].layout = lies(p.num_filter);
}
void wants_fused(const FusedConvolutionParam& p, const Situation& s, StoredAs& as) {
  wants(p, s, as);
  if (p.sum) as.in[size_t(p.addend())].layout = as.out[0].layout;
}

// --- packing ------------------------------------------------------------------------------------
enum class Form { kDense, kDepthwise };
struct PackParam {
  Form form = Form::kDense;
  void fields(auto&& f) {
    f("form", form, "depthwise: each channel has a filter of its own.")
        .names({"dense", "depthwise"});
  }
};

Kwargs pack_with(const ConvolutionParam& p, const Situation& s) {
  const Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  return {{"form", is_depthwise(w) ? "depthwise" : "dense"}};
}
Kwargs pack_fused_with(const FusedConvolutionParam& p, const Situation& s) {
  return pack_with(p, s);
}

void infer(const PackParam&, InferContext& c) {
  const Shape& weight = c.in(0);
  if (!weight.known()) return;
  const int64_t filters = blocks_of(weight[0]) * loops().wide;
  c.set_out(0, {filters * weight.size(1)});
}

// (pairs of blocks of filters, blocks of channels, taps, channels, filters), or (blocks, taps,
// channels).
void pack(const PackParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t wide = loops().wide, filters = in[0].shape[0], channels = in[0].shape[1];
  const int64_t taps = in[0].shape.size(2), side = p.form == Form::kDepthwise ? wide : 2 * wide;
  with_float(in[0].dtype, "Convolution", [&](auto type) {
    using T = decltype(type);
    const T* const from = in[0].as<T>();
    T* const all = out[0].as<T>();
    ctx.parallel_for((filters + side - 1) / side, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i * side, have = std::min(side, filters - first);
        const T* const of = from + first * channels * taps;
        T* to = all + first * channels * taps;
        if constexpr (std::is_same_v<T, float>) {
          loops().pack(of, have, channels, taps, to);
        } else {
          for (int64_t c0 = 0; c0 < channels; c0 += wide)
            for (int64_t t = 0; t < taps; ++t)
              for (int64_t c = c0; c < std::min(c0 + wide, channels); ++c)
                for (int64_t k = 0; k < blocks_of(have) * wide; ++k)
                  *to++ = k < have ? of[(k * channels + c) * taps + t] : T(0);
        }
      }
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_pack_Convolution_weight",
      .doc =
          "The weight of Convolution in the blocks of this machine's kernels: put in by plans of "
          "prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<PackParam>(),
      .inputs = {{"weight", "(num_filter, c / num_group, *kernel)"}},
      .infer = infer,
      .cpu = pack,
  });
  ops.kernel("Convolution", Device::kCpu, "blocks", nullptr, accepts, wants);
  ops.packing("Convolution", 1, "_pack_Convolution_weight", forward, pack_with, scratch);
  ops.kernel("_fused_convolution", Device::kCpu, "blocks", nullptr, accepts_fused, wants_fused);
  ops.packing("_fused_convolution", 1, "_pack_Convolution_weight", forward_fused, pack_fused_with,
              scratch_fused);
}

}  // namespace heddle::ops::convolution_blocks
