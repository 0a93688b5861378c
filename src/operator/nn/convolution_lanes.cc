// Convolution with one image in each lane: for planes (n, c, h, w) of float32 with few channels,
// where blocked layouts would compute mostly padding.
#include <algorithm>
#include <optional>

#include "operator/nn/convolution.h"

namespace heddle::ops::nn {

// One group's window over data in lanes, padded: (channels, h, w, lanes).
struct LaneWindow {
  int64_t rows, filters;  // channels * taps, and filters, of the group
  int64_t out_h, out_w;
  int64_t step, line;  // floats in the data between neighbouring outputs along w and h
  const int32_t* at;   // the place of each row, from an output's
};
// Blocks of lanes, for sums over the whole batch.
struct LaneBlocks {
  const float* data;
  int64_t count, x, dy;  // how many, and their distances
  int64_t dy_step;       // between positions of dy
};
// The loops of one instruction-set level: see convolution_lanes.inl.h.
struct LaneLoops {
  int wide, tile, outer;  // lanes; filters or rows of a tile; filters of a tile of their gradient
  void (*forward)(const LaneWindow&, const float* x, const float* weight, int m, const float* bias,
                  float* y);
  void (*backward)(const LaneWindow&, const float* dy, const int32_t* heads, int64_t dy_step,
                   const float* weight, int m, const int32_t* to, float* dx);
  void (*backward_filters)(const LaneWindow&, const LaneBlocks&, const float* heads, int m,
                           float* dw);
  void (*sum_positions)(const float* dy, int64_t positions, int64_t filters, float* sums);
  void (*to_lanes)(const float* x, int64_t image, int64_t images, int64_t n, float* y,
                   int64_t step);
  void (*from_lanes)(const float* x, int64_t n, float* y, int64_t image, int64_t images);
};

}  // namespace heddle::ops::nn

#define HEDDLE_LOOPS "operator/nn/convolution_lanes.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::convolution_lanes {

using nn::ConvolutionParam;
using nn::LaneBlocks;
using nn::LaneLoops;
using nn::LaneWindow;
using nn::Window;

// The loops of the machine's level. Not of simd::level(): like a library's kernel, this one stays
// the same when tests lower the level of the loops that promise equal bits.
const LaneLoops& loops() {
  static const LaneLoops l = [] {
    void (*const each[])(LaneLoops&) = HEDDLE_EACH(lane_loops);
    LaneLoops of_machine;
    each[simd::best_level() - 2](of_machine);
    return of_machine;
  }();
  return l;
}

// How one call lies in memory.
struct Plan {
  const LaneLoops& l = loops();
  Window w;
  int64_t blocks, channels, filters, rows;  // channels, filters and rows of one group
  int64_t high, wide;                       // padded extents
  int64_t x_block, dy_block;                // floats of a block
  explicit Plan(const Window& window) : w(window) {
    blocks = (w.batch + l.wide - 1) / l.wide;
    channels = w.channels / w.groups, filters = w.filters / w.groups, rows = channels * w.taps();
    high = w.in[1] + 2 * w.pad[1], wide = w.in[2] + 2 * w.pad[2];
    x_block = w.channels * high * wide * l.wide, dy_block = w.out_size() * w.filters * l.wide;
  }
  int64_t images(int64_t block) const {
    return std::min<int64_t>(l.wide, w.batch - block * l.wide);
  }
  LaneWindow window(const int32_t* at) const {
    return {rows, filters, w.out[1], w.out[2], w.stride[2] * l.wide, w.stride[1] * wide * l.wide,
            at};
  }
  // The place of each row of a group in the padded data.
  int32_t* places(OpContext& ctx) const {
    int32_t *at = ctx.scratch_of<int32_t>(rows), *to = at;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < w.kernel[1]; ++i)
        for (int64_t j = 0; j < w.kernel[2]; ++j)
          *to++ = int32_t(((c * high + i * w.dilate[1]) * wide + j * w.dilate[2]) * l.wide);
    return at;
  }
  int64_t group_x(int64_t g) const { return g * channels * high * wide * l.wide; }
};

// The tile among [1, most] that leaves the smallest rest.
int64_t tile_for(int64_t n, int64_t most) {
  for (int64_t t = most; t > most / 2; --t)
    if (n % t == 0) return t;
  return std::min(n, most);
}

// Block b of the data in lanes, with zeros around every plane.
void pack_data(const Plan& p, const float* x, int64_t b, float* lanes) {
  const Window& w = p.w;
  const int64_t image = w.channels * w.in_size(), l = p.l.wide;
  const float* of = x + b * l * image;
  if (!w.pad[1] && !w.pad[2]) return p.l.to_lanes(of, image, p.images(b), image, lanes, l);
  std::fill_n(lanes, p.x_block, 0.0f);
  for (int64_t c = 0; c < w.channels; ++c)
    for (int64_t h = 0; h < w.in[1]; ++h)
      p.l.to_lanes(of + (c * w.in[1] + h) * w.in[2], image, p.images(b), w.in[2],
                   lanes + ((c * p.high + h + w.pad[1]) * p.wide + w.pad[2]) * l, l);
}

// Block b of dy as (positions, filters, lanes).
void pack_heads(const Plan& p, const float* dy, int64_t b, float* lanes) {
  const int64_t area = p.w.out_size(), image = p.w.filters * area;
  for (int64_t k = 0; k < p.w.filters; ++k)
    p.l.to_lanes(dy + b * p.l.wide * image + k * area, image, p.images(b), area,
                 lanes + k * p.l.wide, p.w.filters * p.l.wide);
}

void unpack_data(const Plan& p, const float* lanes, float* x, int64_t b, int64_t c) {
  const Window& w = p.w;
  const int64_t image = w.channels * w.in_size(), l = p.l.wide;
  float* to = x + b * l * image + c * w.in_size();
  for (int64_t h = 0; h < w.in[1]; ++h)
    p.l.from_lanes(lanes + ((h + w.pad[1]) * p.wide + w.pad[2]) * l, w.in[2], to + h * w.in[2],
                   image, p.images(b));
}

// weight (n, depth), or its transpose, in tiles of at most `tile`: packed[d * m + i].
void pack_weight(const float* weight, int64_t n, int64_t n_step, int64_t depth, int64_t d_step,
                 int64_t tile, float* packed) {
  for (int64_t i = 0; i < n; i += tile) {
    const int64_t m = std::min(tile, n - i);
    for (int64_t d = 0; d < depth; ++d)
      for (int64_t j = 0; j < m; ++j) *packed++ = weight[(i + j) * n_step + d * d_step];
  }
}

// About this many pieces of work, so that a few processors share it evenly.
constexpr int64_t kPieces = 8;

void forward(const ConvolutionParam& param, OpContext& ctx, Inputs in, Outputs out) {
  const Plan p(nn::window_of(param, in[0].shape, out[0].shape));
  const Window& w = p.w;
  const float* bias = param.no_bias ? nullptr : in[2].as<float>();
  float *x = ctx.scratch_of<float>(p.blocks * p.x_block),
        *weight = ctx.scratch_of<float>(w.filters * p.rows);
  ctx.parallel_for(p.blocks, 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) pack_data(p, in[0].as<float>(), b, x + b * p.x_block);
  });
  const int64_t tile = tile_for(p.filters, p.l.tile), tiles = (p.filters + tile - 1) / tile;
  for (int64_t g = 0; g < w.groups; ++g)
    pack_weight(in[1].as<float>() + g * p.filters * p.rows, p.filters, p.rows, p.rows, 1, tile,
                weight + g * p.filters * p.rows);
  const LaneWindow window = p.window(p.places(ctx));
  const int64_t all = p.blocks * w.groups * tiles, area = w.out_size();
  ctx.parallel_for(all, std::max<int64_t>(1, all / kPieces), [&](int64_t from, int64_t to) {
    ScratchScope scope;
    auto* y = static_cast<float*>(thread_scratch(size_t(tile * area * p.l.wide) * sizeof(float)));
    for (int64_t i = from; i < to; ++i) {
      const int64_t b = i / (w.groups * tiles), g = i / tiles % w.groups, k = i % tiles * tile;
      const int64_t m = std::min(tile, p.filters - k), filter = g * p.filters + k;
      p.l.forward(window, x + b * p.x_block + p.group_x(g), weight + filter * p.rows, int(m),
                  bias ? bias + filter : nullptr, y);
      p.l.from_lanes(y, m * area, out[0].as<float>() + (b * p.l.wide * w.filters + filter) * area,
                     w.filters * area, p.images(b));
    }
  });
}

// What the gradient of the data needs besides dy.
struct DataPlan {
  int64_t tile;  // rows of one channel only, so that channels may be shared out
  float* packed;
  int32_t* heads;  // the place of each filter in dy
  DataPlan(const Plan& p, OpContext& ctx, const float* weight)
      : tile(tile_for(p.w.taps(), p.l.tile)) {
    packed = ctx.scratch_of<float>(p.w.filters * p.rows);
    for (int64_t c = 0; c < p.w.channels; ++c) {
      const int64_t g = c / p.channels, row = c % p.channels * p.w.taps();
      pack_weight(weight + g * p.filters * p.rows + row, p.w.taps(), 1, p.filters, p.rows, tile,
                  packed + c * p.w.taps() * p.filters);
    }
    heads = ctx.scratch_of<int32_t>(p.filters);
    for (int64_t k = 0; k < p.filters; ++k) heads[k] = int32_t(k * p.l.wide);
  }
};

// Channel c of block b; dy is the block's.
void data_channel(const Plan& p, const DataPlan& d, const float* dy, const int32_t* at, int64_t b,
                  int64_t c, float* dx) {
  ScratchScope scope;
  const Window& w = p.w;
  const int64_t plane = p.high * p.wide * p.l.wide, group = c / p.channels * p.filters * p.l.wide;
  auto* lanes = static_cast<float*>(thread_scratch(size_t(plane) * sizeof(float)));
  std::fill_n(lanes, plane, 0.0f);
  for (int64_t r = 0; r < w.taps(); r += d.tile)
    p.l.backward(p.window(at), dy + group, d.heads, w.filters * p.l.wide,
                 d.packed + (c * w.taps() + r) * p.filters, int(std::min(d.tile, w.taps() - r)),
                 at + r, lanes);
  unpack_data(p, lanes, dx, b, c);
}

// The gradient of the weights of the tile of filters that starts at `first`, from `blocks` of x and
// dy. Returns where the next tile starts.
int64_t weight_tile(const Plan& p, const LaneBlocks& blocks, const float* dy, const int32_t* at,
                    int64_t first, float* dw) {
  const int64_t k = first % p.filters, m = std::min(tile_for(p.filters, p.l.outer), p.filters - k);
  LaneBlocks of_group = blocks;
  of_group.data += p.group_x(first / p.filters);
  p.l.backward_filters(p.window(at), of_group, dy + first * p.l.wide, int(m), dw + first * p.rows);
  return first + m;
}

// db[k] = the sum over blocks and lanes.
void add_sums(const Plan& p, const float* sums, float* db) {
  for (int64_t k = 0; k < p.w.filters; ++k) {
    db[k] = 0;
    for (int64_t b = 0; b < p.blocks; ++b)
      for (int64_t j = 0; j < p.l.wide; ++j) db[k] += sums[(b * p.w.filters + k) * p.l.wide + j];
  }
}

// Whether the planes are small.
bool by_channels(const Plan& p) { return p.w.out_size() < 256; }

struct Gradients {
  const float *dy, *x, *weight;
  float *dx, *dw, *sums;  // null: not wanted; sums is (blocks, filters, lanes)
};

void sum_block(const Plan& p, const float* dy, int64_t b, float* sums) {
  const int64_t heads = p.w.filters * p.l.wide;
  if (!sums) return;
  std::fill_n(sums + b * heads, heads, 0.0f);
  p.l.sum_positions(dy, p.w.out_size(), p.w.filters, sums + b * heads);
}

// Small planes: all blocks are brought into lanes, then channels and tiles of filters are shared
// out.
void backward_by_channels(const Plan& p, OpContext& ctx, const int32_t* at, const Gradients& g) {
  float* dy = ctx.scratch_of<float>(p.blocks * p.dy_block);
  float* x = g.dw ? ctx.scratch_of<float>(p.blocks * p.x_block) : nullptr;
  ctx.parallel_for(p.blocks, 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      pack_heads(p, g.dy, b, dy + b * p.dy_block);
      if (x) pack_data(p, g.x, b, x + b * p.x_block);
      sum_block(p, dy + b * p.dy_block, b, g.sums);
    }
  });
  if (g.dx) {
    const DataPlan d(p, ctx, g.weight);
    const int64_t all = p.blocks * p.w.channels;
    ctx.parallel_for(all, std::max<int64_t>(1, all / kPieces), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        data_channel(p, d, dy + i / p.w.channels * p.dy_block, at, i / p.w.channels,
                     i % p.w.channels, g.dx);
    });
  }
  if (!g.dw) return;
  const int64_t tile = tile_for(p.filters, p.l.outer), tiles = (p.filters + tile - 1) / tile;
  const LaneBlocks blocks{x, p.blocks, p.x_block, p.dy_block, p.w.filters * p.l.wide};
  ctx.parallel_for(p.w.groups * tiles, 1, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i)
      weight_tile(p, blocks, dy, at, i / tiles * p.filters + i % tiles * tile, g.dw);
  });
}

// Large planes: blocks are shared out, each brought into lanes and used up while it is in the
// cache; their parts of the weights' gradient are added in order.
void backward_by_blocks(const Plan& p, OpContext& ctx, const int32_t* at, const Gradients& g) {
  const int64_t size = p.w.filters * p.rows;
  float* parts = g.dw ? ctx.scratch_of<float>(p.blocks * size) : nullptr;
  std::optional<DataPlan> d;
  if (g.dx) d.emplace(p, ctx, g.weight);
  ctx.parallel_for(p.blocks, 1, [&](int64_t from, int64_t to) {
    ScratchScope scope;
    auto* dy = static_cast<float*>(thread_scratch(size_t(p.dy_block) * sizeof(float)));
    auto* x = static_cast<float*>(thread_scratch(size_t(p.x_block) * sizeof(float)));
    for (int64_t b = from; b < to; ++b) {
      pack_heads(p, g.dy, b, dy);
      sum_block(p, dy, b, g.sums);
      if (parts) pack_data(p, g.x, b, x);
      const LaneBlocks block{x, 1, 0, 0, p.w.filters * p.l.wide};
      for (int64_t k = 0; parts && k < p.w.filters;)
        k = weight_tile(p, block, dy, at, k, parts + b * size);
      for (int64_t c = 0; d && c < p.w.channels; ++c) data_channel(p, *d, dy, at, b, c, g.dx);
    }
  });
  for (int64_t i = 0; g.dw && i < size; ++i) {
    g.dw[i] = parts[i];
    for (int64_t b = 1; b < p.blocks; ++b) g.dw[i] += parts[b * size + i];
  }
}

// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias.
void backward(const ConvolutionParam& param, OpContext& ctx, Inputs in, Outputs out) {
  const Plan p(nn::window_of(param, in[1].shape, in[0].shape));
  const bool bias = !param.no_bias && ctx.wants(2);
  const Gradients g{in[0].as<float>(),
                    in[1].as<float>(),
                    in[2].as<float>(),
                    ctx.wants(0) ? out[0].as<float>() : nullptr,
                    ctx.wants(1) ? out[1].as<float>() : nullptr,
                    bias ? ctx.scratch_of<float>(p.blocks * p.w.filters * p.l.wide) : nullptr};
  if (by_channels(p)) backward_by_channels(p, ctx, p.places(ctx), g);
  else backward_by_blocks(p, ctx, p.places(ctx), g);
  if (bias) add_sums(p, g.sums, out[2].as<float>());
}

// The data and the weights in lanes; in a piece, a tile of the output.
ScratchNeed scratch(const ConvolutionParam& param, const Situation& s) {
  const Plan p(nn::window_of(param, s.in[0].shape, s.out[0].shape));
  const int64_t tile = tile_for(p.filters, p.l.tile);
  return {.call = 4 * (p.blocks * p.x_block + p.w.filters * p.rows + p.rows),
          .piece = 4 * tile * p.w.out_size() * p.l.wide,
          .pieces = kPieces + 1};
}
ScratchNeed scratch_backward(const ConvolutionParam& param, const Situation& s) {
  const Plan p(nn::window_of(param, s.in[1].shape, s.in[0].shape));
  const int64_t size = p.w.filters * p.rows;
  ScratchNeed need{.call = p.rows, .piece = s.wants(0) ? p.high * p.wide * p.l.wide : 0};
  if (!param.no_bias && s.wants(2)) need.call += p.blocks * p.w.filters * p.l.wide;
  if (s.wants(0)) need.call += size + p.filters;
  if (by_channels(p)) {
    need.call += p.blocks * (p.dy_block + (s.wants(1) ? p.x_block : 0));
  } else {
    need.call += s.wants(1) ? p.blocks * size : 0;
    need.piece += p.dy_block + p.x_block, need.pieces = p.blocks;
  }
  need.call *= 4, need.piece *= 4;
  return need;
}

// Enough images to fill the lanes, a block of them that stays in the second cache, and channels
// that do not fill the blocks of a blocked layout by themselves, nor lie in one.
bool suits(const ConvolutionParam& p, const Blob& data, const Blob& output) {
  if (!data.stored.plain() || !output.stored.plain()) return false;
  constexpr int64_t kCache = 1 << 21;
  if (simd::best_level() < 3 || data.dtype != Dtype::kFloat32 || p.kernel.rank() != 2) return false;
  const int64_t wide = loops().wide, n = data.shape[0];
  const int64_t lanes = (n + wide - 1) / wide * wide;
  if (data.shape[1] / p.num_group % 16 == 0 && p.num_filter / p.num_group % 16 == 0) return false;
  const Plan plan(nn::window_of(p, data.shape, output.shape));
  return n * 4 >= lanes * 3 && std::max(plan.x_block, plan.dy_block) * 4 <= kCache;
}
bool accepts(const ConvolutionParam& p, const Situation& s) { return suits(p, s.in[0], s.out[0]); }
bool accepts_backward(const ConvolutionParam& p, const Situation& s) {
  return suits(p, s.in[1], s.in[0]);
}

void forward_fused(const nn::FusedConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob addend = nn::addend_beside(p, ctx, in, out[0]);
  forward(p, ctx, in, out);
  nn::finish(p, ctx, addend, out[0]);
}
ScratchNeed scratch_fused(const nn::FusedConvolutionParam& p, const Situation& s) {
  return nn::beside_addend(p, scratch(p, s), s.out[0]);
}
bool accepts_fused(const nn::FusedConvolutionParam& p, const Situation& s) {
  return accepts(p, s) && (!p.sum || s.in[size_t(p.addend())].stored.plain());
}

void define(OpTable& ops) {
  ops.kernel("Convolution", Device::kCpu, "lanes", forward, accepts);
  ops.scratch("Convolution", scratch);
  ops.kernel("_fused_convolution", Device::kCpu, "lanes", forward_fused, accepts_fused);
  ops.scratch("_fused_convolution", scratch_fused);
  ops.kernel("_backward_Convolution", Device::kCpu, "lanes", backward, accepts_backward);
  ops.scratch("_backward_Convolution", scratch_backward);
}

}  // namespace heddle::ops::convolution_lanes
