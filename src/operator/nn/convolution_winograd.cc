// Convolution of 3 x 3 windows in float32, in tiles of 4 x 4 outputs (winograd.h): 36
// multiplications in place of 144, once pixels and taps are taken to 36 points. The gradient of
// data is a convolution with the taps turned round; that of the weight a product over all tiles.
// Channels lie in blocks of one register, and each sum is made in one order, whatever the number of
// threads.
#include <algorithm>
#include <array>

#include "heddle/layout.h"
#include "operator/nn/blocks.h"
#include "operator/nn/convolution.h"
#include "operator/nn/winograd.h"
#include "operator/scratch_needs.h"
#include "operator/simd/level.h"

namespace heddle::ops::convolution_winograd {

using nn::BlockRun;
using nn::ConvolutionParam;
using nn::FusedConvolutionParam;
using nn::part_of;
using nn::Window;

constexpr int kPoints = nn::kWinogradPoints, kTaps = 9, kTile = 4;
const nn::WinogradLoops& loops() { return nn::winograd_loops(); }

// What follows a convolution: pointers of the whole tensors.
struct Ends {
  const float *bias = nullptr, *add = nullptr;
  nn::Limits limits = nn::limits_of({});
};

// Floats of the values of taps, or of sums over tiles.
int64_t floats_of_taps(const Window& w) { return kPoints * w.channels * w.filters; }

// --- taps ----------------------------------------------------------------------------------------
// Taps of (filters, channels): how far apart they are, and whether the window is turned round.
struct Taps {
  int64_t filters, channels, filter, channel;
  bool turned = false;
};
Taps taps_of(const Window& w) { return {w.filters, w.channels, w.channels * kTaps, kTaps}; }
// As the convolution that takes heads to gradients of data reads them.
Taps turned_taps_of(const Window& w) {
  return {w.channels, w.filters, kTaps, w.channels * kTaps, true};
}

// Where values of blocks of filters lie: (points, pairs of blocks, channels, filters of the pair).
struct Values {
  int64_t wide = loops().wide, filters, channels;
  int64_t apart() const { return filters * channels; }
  int64_t pairs() const { return (filters / wide + 1) / 2; }
  int64_t width(int64_t pair) const { return std::min(2 * wide, filters - pair * 2 * wide); }
  int64_t at(int64_t pair) const { return pair * 2 * wide * channels; }
};

// The same as the loops' `taps`, of one filter, for programs that pack weights of other dtypes, or
// of fewer channels.
void one_filter(const double* g, double* values) {
  const double a = nn::kWinogradA, b = nn::kWinogradB;
  const double rows[6][3] = {{1, 0, 0},
                             {-2 / 3.0, -2 / 3.0 * a, -1 / 3.0},
                             {-2 / 3.0, 2 / 3.0 * a, -1 / 3.0},
                             {1 / 6.0, 1 / 6.0 * b, 1 / 3.0},
                             {1 / 6.0, -1 / 6.0 * b, 1 / 3.0},
                             {0, 0, 1}};
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) {
      double sum = 0;
      for (int q = 0; q < kTaps; ++q) sum += rows[i][q / 3] * rows[j][q % 3] * g[q];
      values[i * 6 + j] = sum;
    }
}

// A register of filters and `count` channels.
template <class T>
void filters_to_points(const T* from, const Taps& t, int64_t wide, int64_t count, T* to,
                       int64_t step, int64_t apart) {
  if constexpr (std::is_same_v<T, float>)
    if (count == wide) return loops().taps({from, t.filter, t.channel, t.turned, to, step, apart});
  for (int64_t c = 0; c < count; ++c)
    for (int64_t l = 0; l < wide; ++l) {
      double taps[kTaps], values[kPoints];
      const T* const of = from + c * t.channel + l * t.filter;
      for (int64_t q = 0; q < kTaps; ++q) taps[q] = double(of[t.turned ? kTaps - 1 - q : q]);
      one_filter(taps, values);
      for (int q = 0; q < kPoints; ++q) to[q * apart + c * step + l] = T(values[q]);
    }
}

template <class T>
void to_points(OpContext& ctx, const Taps& t, const T* weight, T* values) {
  const Values as{.filters = t.filters, .channels = t.channels};
  const int64_t wide = as.wide, parts = (t.channels + wide - 1) / wide;
  ctx.parallel_for(as.pairs() * parts, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t pair = i / parts, c = i % parts * wide, width = as.width(pair);
      for (int64_t f = 0; f < width; f += wide)
        filters_to_points(weight + (pair * 2 * wide + f) * t.filter + c * t.channel, t, wide,
                          std::min(wide, t.channels - c), values + as.at(pair) + c * width + f,
                          width, as.apart());
    }
  });
}

// The gradient of the weight (filters, channels, 3, 3), of a block of channels and a pair of blocks
// of filters, from the sums at the points: (points, channels, filters of the pair).
void block_from_points(const Window& w, int64_t pair, int64_t block, const float* sums,
                       int64_t apart, float* dw) {
  const Values as{.filters = w.filters, .channels = w.channels};
  const int64_t wide = as.wide, width = as.width(pair), filter = w.channels * kTaps;
  for (int64_t f = 0; f < width; f += wide)
    loops().gradient({sums + f, width, apart,
                      dw + (pair * 2 * wide + f) * filter + block * wide * kTaps, filter});
}
void from_points(OpContext& ctx, const Window& w, const float* sums, float* dw) {
  const Values as{.filters = w.filters, .channels = w.channels};
  const int64_t blocks = w.channels / as.wide;
  ctx.parallel_for(as.pairs() * blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t pair = i / blocks, block = i % blocks;
      block_from_points(w, pair, block, sums + as.at(pair) + block * as.wide * as.width(pair),
                        as.apart(), dw);
    }
  });
}

// --- tiles ---------------------------------------------------------------------------------------
// The tiles of all images, and where their pixels lie.
struct Tiling {
  const Window& w;
  int64_t wide = loops().wide;
  int64_t down = (w.out[1] + kTile - 1) / kTile, across = (w.out[2] + kTile - 1) / kTile;
  int64_t count = w.batch * down * across;

  // Of a block of channels of one tile: what lies from pixel (row, column) of an image on.
  struct Pixel {
    int64_t image, row, column;  // of the first output
  };
  Pixel place(int64_t tile) const {
    return {tile / (down * across), tile / across % down * kTile, tile % across * kTile};
  }
};

// Tiles [first, first + n): values of pixels in some channels at the points, (points, blocks of
// channels, tiles, channels of a block).
struct Part {
  const Tiling& tiles;
  int64_t first, n;
  // Between points: not a power of two, or all points would meet in the same sets of the caches.
  int64_t apart(int64_t channels) const { return n * channels + tiles.wide; }
  static int64_t floats(int64_t n, int64_t channels) {
    return kPoints * (n * channels + loops().wide);
  }

  // Units [from, to) are blocks of channels of a tile.
  void data(const float* x, float* v, int64_t from, int64_t to) const {
    const Window& w = tiles.w;
    squares(loops().data, x, w.channels, w.in, {w.pad[1], w.pad[2]}, kTile + 2, v, from, to);
  }
  void heads(const float* dy, float* z, int64_t from, int64_t to) const {
    squares(loops().heads, dy, tiles.w.filters, tiles.w.out, {0, 0}, kTile, z, from, to);
  }
  void products(const float* v, const float* taps, float* m, int64_t from, int64_t to) const {
    const Window& w = tiles.w;
    const Values as{.filters = w.filters, .channels = w.channels};
    BlockRun run = product(w.channels / as.wide);
    for (int64_t p = from; p < to; ++p)
      for (int64_t pair = 0; pair < as.pairs(); ++pair) {
        run.filters = int(as.width(pair) / as.wide);
        run.x = v + p * apart(w.channels);
        run.weight = taps + p * as.apart() + as.at(pair);
        run.y = m + p * apart(w.filters) + pair * 2 * as.wide * n;
        nn::block_loops().run(run);
      }
  }
  void outputs(const float* m, const Ends& ends, float* y, int64_t from, int64_t to) const {
    outputs_of(0, m, apart(tiles.w.filters), ends, y, from, to);
  }

  // A pair of blocks of filters, whose taps come to the points some blocks of channels at a time:
  // they never leave the cache.
  static constexpr int64_t kBlocks = 2;
  static int64_t taps_apart() { return kBlocks * 2 * loops().wide * loops().wide + loops().wide; }
  static int64_t floats_of_pair(int64_t n) {
    return kPoints * taps_apart() + floats(n, 2 * loops().wide);
  }
  void pair(const float* v, const Taps& t, const float* weight, int64_t pair, const Ends& ends,
            float* scratch, float* y) const {
    const Values as{.filters = t.filters, .channels = t.channels};
    const int64_t wide = as.wide, width = as.width(pair), all = t.channels / wide;
    float *const values = scratch, *const m = scratch + kPoints * taps_apart();
    for (int64_t b = 0; b < all; b += kBlocks) {
      const int64_t blocks = std::min(kBlocks, all - b);
      for (int64_t i = 0; i < blocks; ++i)
        for (int64_t f = 0; f < width; f += wide)
          filters_to_points(weight + (pair * 2 * wide + f) * t.filter + (b + i) * wide * t.channel,
                            t, wide, wide, values + i * wide * width + f, width, taps_apart());
      BlockRun run = product(blocks);
      run.filters = int(width / wide);
      for (int64_t p = 0; p < kPoints; ++p) {
        run.x = v + p * apart(t.channels) + b * wide * n;
        run.weight = values + p * taps_apart();
        run.y = m + p * apart(width);
        run.add = b > 0 ? run.y : nullptr;
        nn::block_loops().run(run);
      }
    }
    outputs_of(pair * 2, m, apart(width), ends, y, 0, n * width / wide);
  }

  // Of points [from, to): sums over the tiles, in place of `sums` or added to them.
  void sums(const float* v, const float* z, float* sums, bool accumulate, int64_t from,
            int64_t to) const {
    const Window& w = tiles.w;
    const Values as{.filters = w.filters, .channels = w.channels};
    for (int64_t p = from; p < to; ++p)
      for (int64_t pair = 0; pair < as.pairs(); ++pair)
        for (int64_t c = 0; c < w.channels; c += as.wide)
          sums_of(v, z, p, pair, c, sums + p * as.apart() + as.at(pair) + c * as.width(pair),
                  accumulate);
  }
  // The same of a pair of blocks of filters and a block of channels, at all points.
  static int64_t sums_apart() { return 2 * loops().wide * loops().wide + loops().wide; }
  void sums_of_block(const float* v, const float* z, int64_t pair, int64_t block,
                     float* sums) const {
    for (int64_t p = 0; p < kPoints; ++p)
      sums_of(v, z, p, pair, block * tiles.wide, sums + p * sums_apart(), false);
  }

 private:
  void sums_of(const float* v, const float* z, int64_t p, int64_t pair, int64_t channel, float* s,
               bool accumulate) const {
    const Window& w = tiles.w;
    const Values as{.filters = w.filters, .channels = w.channels};
    loops().sums({v + p * apart(w.channels) + channel * n,
                  z + p * apart(w.filters) + pair * 2 * as.wide * n, n * as.wide,
                  int(as.width(pair) / as.wide), n, s, accumulate});
  }
  // Values times taps of so many blocks of channels, at a point.
  BlockRun product(int64_t blocks) const {
    static constexpr int32_t kNoTap = 0;
    BlockRun run{};
    run.plane = run.y_plane = n * tiles.wide, run.tap = &kNoTap, run.taps = 1;
    run.blocks = blocks, run.last = run.y_step = tiles.wide, run.width = int(tiles.wide);
    run.pixels = n;
    run.low = Ends().limits.low, run.high = Ends().limits.high;
    return run;
  }
  // Of the blocks of filters from `first_block` on: units are blocks of a tile.
  void outputs_of(int64_t first_block, const float* m, int64_t apart, const Ends& ends, float* y,
                  int64_t from, int64_t to) const {
    const Window& w = tiles.w;
    const int64_t wide = tiles.wide, blocks = w.filters / wide;
    for (int64_t i = from; i < to; ++i) {
      const int64_t block = first_block + i / n;
      const Tiling::Pixel p = tiles.place(first + i % n);
      const int64_t at =
          ((p.image * blocks + block) * w.out_size() + p.row * w.out[2] + p.column) * wide;
      loops().outputs({m + i * wide, apart, ends.bias ? ends.bias + block * wide : nullptr,
                       ends.add ? ends.add + at : nullptr, y + at, w.out[2] * wide,
                       int(std::min<int64_t>(kTile, w.out[1] - p.row)),
                       int(std::min<int64_t>(kTile, w.out[2] - p.column)), ends.limits.low,
                       ends.limits.high});
    }
  }
  template <class Loop>
  void squares(Loop loop, const float* x, int64_t channels, const Window::Axes& extent,
               std::array<int64_t, 2> pad, int64_t side, float* values, int64_t from,
               int64_t to) const {
    const int64_t wide = tiles.wide, blocks = channels / wide, line = extent[2] * wide;
    const auto inside = [&](int64_t start, int64_t n) {
      return std::array{int(std::clamp<int64_t>(-start, 0, side)),
                        int(std::clamp<int64_t>(n - start, 0, side))};
    };
    for (int64_t i = from; i < to; ++i) {
      const int64_t block = i / n;
      const Tiling::Pixel p = tiles.place(first + i % n);
      const int64_t h = p.row - pad[0], l = p.column - pad[1];
      const auto [top, bottom] = inside(h, extent[1]);
      const auto [left, right] = inside(l, extent[2]);
      loop({x + (p.image * blocks + block) * extent[1] * line + h * line + l * wide, line, top,
            bottom, left, right, values + i * wide, apart(channels)});
    }
  }
};

// About as many bytes as each of two stages keeps near for the next.
constexpr int64_t kNear = 640 << 10, kLeast = 2 << 20, kMost = 8 << 20;
// Parts of the tiles, of like size and mostly of whole steps of the product.
int64_t parts_of(const Window& w, int64_t tiles, int64_t bytes) {
  const int64_t step = nn::block_loops().tile, each = 4 * kPoints * (w.channels + w.filters);
  const int64_t most = std::max(step, bytes / each / step * step);
  return (tiles + most - 1) / most;
}
// All units of a stage, on as many threads as there are.
void each_of(OpContext& ctx, int64_t units, auto&& run) {
  ctx.parallel_for(units, std::max<int64_t>(16, (units + 31) / 32), run);
}

// By more tiles than these, values of taps are read from memory as fast as they are made anew.
constexpr int64_t kFewTiles = 48;

// How the tiles are shared out. Where the taps are few, each thread goes its own way with some of
// the tiles, and what it computes stays with it. Otherwise all share the taps, which come once for
// each part: as values, or, where they are many beside the tiles and not kept, from the weight
// itself.
struct Sharing {
  int64_t pieces = 0;  // 0: there are parts
  int64_t parts = 0;
  int64_t most = 0;  // tiles of a piece or a part
  int64_t pairs;     // of blocks of filters
  bool by_pairs = false;
  Sharing(const Window& w, bool packed) {
    const Tiling tiles{w};
    const int64_t taken = 4 * floats_of_taps(w);
    pieces = std::max(parts_of(w, tiles.count, kNear),
                      std::min<int64_t>(16, tiles.count / nn::block_loops().tile));
    if (taken > kNear || pieces <= 1) pieces = 0;
    parts = pieces ? 0 : parts_of(w, tiles.count, std::clamp(taken, kLeast, kMost));
    const int64_t count = pieces + parts;
    most = (tiles.count + count - 1) / count;
    constexpr int64_t kPairs = 8;  // enough for a few processors
    pairs = Values{.filters = w.filters, .channels = w.channels}.pairs();
    by_pairs = !packed && taken > kNear && tiles.count <= kFewTiles && pairs >= kPairs;
  }
  ScratchNeed need(const Window& w, bool packed) const {
    const int64_t v = 4 * Part::floats(most, w.channels), m = 4 * Part::floats(most, w.filters);
    ScratchNeed need;
    if (by_pairs) {
      need.take(v);
      need.piece = 4 * Part::floats_of_pair(most), need.pieces = pairs;
    } else {
      if (pieces) need.piece = v + m, need.pieces = pieces + 1;
      else need.take(v), need.take(m), need.pieces = 1;
      if (!packed) need.take(4 * floats_of_taps(w));
    }
    return need;
  }
};

// A weight as it was given, or its values at the points.
struct Weight {
  const float *taps = nullptr, *values = nullptr;
  Taps as;
};

// y from x, both in blocks of channels.
void convolve(OpContext& ctx, const Window& w, const Ends& ends, const float* x,
              const Weight& weight, float* y) {
  const Tiling tiles{w};
  const Sharing sharing(w, weight.values != nullptr);
  const int64_t in_blocks = w.channels / tiles.wide, out_blocks = w.filters / tiles.wide;
  const float* taps = weight.values;
  if (!taps && !sharing.by_pairs) {
    float* const values = ctx.scratch_of<float>(floats_of_taps(w));
    to_points(ctx, weight.as, weight.taps, values);
    taps = values;
  }
  if (const int64_t pieces = sharing.pieces)
    return ctx.parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        ScratchScope scope;
        const auto [from, to] = part_of(tiles.count, i, pieces);
        const Part part{tiles, from, to - from};
        const int64_t v = Part::floats(part.n, w.channels), m = Part::floats(part.n, w.filters);
        auto* const scratch = static_cast<float*>(thread_scratch(size_t(v + m) * 4));
        part.data(x, scratch, 0, part.n * in_blocks);
        part.products(scratch, taps, scratch + v, 0, kPoints);
        part.outputs(scratch + v, ends, y, 0, part.n * out_blocks);
      }
    });
  const int64_t parts = sharing.parts, most = sharing.most;
  float* const v = ctx.scratch_of<float>(Part::floats(most, w.channels));
  float* const m =
      sharing.by_pairs ? nullptr : ctx.scratch_of<float>(Part::floats(most, w.filters));
  for (int64_t i = 0; i < parts; ++i) {
    const auto [from, to] = part_of(tiles.count, i, parts);
    const Part part{tiles, from, to - from};
    each_of(ctx, part.n * in_blocks, [&](int64_t a, int64_t b) { part.data(x, v, a, b); });
    if (sharing.by_pairs) {
      ctx.parallel_for(sharing.pairs, 1, [&](int64_t a, int64_t b) {
        ScratchScope scope;
        auto* const scratch =
            static_cast<float*>(thread_scratch(size_t(Part::floats_of_pair(part.n)) * 4));
        for (int64_t pair = a; pair < b; ++pair)
          part.pair(v, weight.as, weight.taps, pair, ends, scratch, y);
      });
      continue;
    }
    ctx.parallel_for(kPoints, 1, [&](int64_t a, int64_t b) { part.products(v, taps, m, a, b); });
    each_of(ctx, part.n * out_blocks,
            [&](int64_t a, int64_t b) { part.outputs(m, ends, y, a, b); });
  }
}

// How the gradient of the weight is shared out: with few tiles all points of some filters and
// channels at once, so that their sums never leave the cache, or points, whose sums over parts of
// the tiles are kept.
struct WeightSharing {
  int64_t parts, most, pairs, blocks;
  bool by_blocks;
  explicit WeightSharing(const Window& w) {
    const Tiling tiles{w};
    const int64_t taken = 4 * floats_of_taps(w);
    parts = parts_of(w, tiles.count, std::clamp(2 * taken, kLeast, 2 * kMost));
    most = (tiles.count + parts - 1) / parts;
    const Values as{.filters = w.filters, .channels = w.channels};
    pairs = as.pairs(), blocks = w.channels / as.wide;
    by_blocks = parts == 1 && tiles.count <= kFewTiles && pairs * blocks >= 16;
  }
  ScratchNeed need(const Window& w) const {
    ScratchNeed need;
    need.take(4 * Part::floats(most, w.channels));
    need.take(4 * Part::floats(most, w.filters));
    if (by_blocks) need.piece = 4 * kPoints * Part::sums_apart();
    else need.take(4 * floats_of_taps(w));
    return need;
  }
};

// dw from x and dy, both in blocks.
void convolve_weight(OpContext& ctx, const Window& w, const float* x, const float* dy, float* dw) {
  const Tiling tiles{w};
  const WeightSharing sharing(w);
  const int64_t parts = sharing.parts, most = sharing.most;
  float* const sums = sharing.by_blocks ? nullptr : ctx.scratch_of<float>(floats_of_taps(w));
  float* const v = ctx.scratch_of<float>(Part::floats(most, w.channels));
  float* const z = ctx.scratch_of<float>(Part::floats(most, w.filters));
  for (int64_t i = 0; i < parts; ++i) {
    const auto [from, to] = part_of(tiles.count, i, parts);
    const Part part{tiles, from, to - from};
    each_of(ctx, part.n * w.channels / tiles.wide,
            [&](int64_t a, int64_t b) { part.data(x, v, a, b); });
    each_of(ctx, part.n * w.filters / tiles.wide,
            [&](int64_t a, int64_t b) { part.heads(dy, z, a, b); });
    if (!sharing.by_blocks) {
      ctx.parallel_for(kPoints, 1,
                       [&](int64_t a, int64_t b) { part.sums(v, z, sums, i > 0, a, b); });
      continue;
    }
    ctx.parallel_for(sharing.pairs * sharing.blocks, 1, [&](int64_t a, int64_t b) {
      ScratchScope scope;
      auto* const some =
          static_cast<float*>(thread_scratch(size_t(kPoints * Part::sums_apart()) * 4));
      for (int64_t k = a; k < b; ++k) {
        const int64_t pair = k / sharing.blocks, block = k % sharing.blocks;
        part.sums_of_block(v, z, pair, block, some);
        block_from_points(w, pair, block, some, Part::sums_apart(), dw);
      }
    });
  }
  if (!sharing.by_blocks) from_points(ctx, w, sums, dw);
}

// --- how tensors lie -----------------------------------------------------------------------------
bool blocked(const Blob& b) { return channel_block(b.stored.layout) == loops().wide; }

// A tensor (n, channels, area) in blocks of channels: itself, or a copy of it.
const float* in_blocks(OpContext& ctx, const Blob& b) {
  const float* const x = b.as<float>();
  if (blocked(b)) return x;
  const int64_t wide = loops().wide, area = b.shape.size(2);
  float* const to = ctx.scratch_of<float>(b.size());
  ctx.parallel_for(b.size() / (wide * area), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * wide * area; i < end * wide * area; i += wide * area)
      nn::block_loops().gather(x + i, 1, area, wide, area, to + i, wide);
  });
  return to;
}
// Where a tensor is computed in blocks, and what brings it to its place.
float* for_blocks(OpContext& ctx, const Blob& b) {
  return blocked(b) ? b.as<float>() : ctx.scratch_of<float>(b.size());
}
void out_of_blocks(OpContext& ctx, const float* from, const Blob& b) {
  float* const x = b.as<float>();
  if (blocked(b)) return;
  const int64_t wide = loops().wide, area = b.shape.size(2);
  ctx.parallel_for(b.size() / (wide * area), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * wide * area; i < end * wide * area; i += wide * area)
      nn::block_loops().gather(from + i, 1, wide, area, wide, x + i, area);
  });
}

// --- the kernels ---------------------------------------------------------------------------------
void forward_with(const ConvolutionParam& p, const nn::Following& then, const Blob* add,
                  bool packed, OpContext& ctx, Inputs in, const Blob& out) {
  const Window w = nn::window_of(p, in[0].shape, out.shape);
  Ends ends{p.no_bias ? nullptr : in[2].as<float>(), add ? in_blocks(ctx, *add) : nullptr,
            nn::limits_of(then)};
  Weight weight{.as = taps_of(w)};
  (packed ? weight.values : weight.taps) = in[1].as<float>();
  const float* const x = in_blocks(ctx, in[0]);
  float* const y = for_blocks(ctx, out);
  convolve(ctx, w, ends, x, weight, y);
  out_of_blocks(ctx, y, out);
}
template <bool kPacked>
void forward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  forward_with(p, {}, nullptr, kPacked, ctx, in, out[0]);
}
template <bool kPacked>
void forward_fused(const FusedConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  forward_with(p, p, p.sum ? &in[p.addend()] : nullptr, kPacked, ctx, in, out[0]);
}

int64_t bytes_in_blocks(const Blob& b) { return blocked(b) ? 0 : b.bytes(); }

template <bool kPacked>
ScratchNeed scratch(const ConvolutionParam& p, const Situation& s) {
  const Window w = nn::window_of(p, s.in[0].shape, s.out[0].shape);
  ScratchNeed need = Sharing(w, kPacked).need(w, kPacked);
  need.call += bytes_in_blocks(s.in[0]) + bytes_in_blocks(s.out[0]);
  return need;
}
template <bool kPacked>
ScratchNeed scratch_fused(const FusedConvolutionParam& p, const Situation& s) {
  ScratchNeed need = scratch<kPacked>(p, s);
  if (p.sum) need.call += bytes_in_blocks(s.in[size_t(p.addend())]);
  return need;
}

// The convolution of dy that gives the gradient of the data.
Window back_of(const Window& w) {
  Window back = w;
  std::swap(back.in, back.out), std::swap(back.channels, back.filters);
  for (int i = 1; i < Window::kAxes; ++i) back.pad[size_t(i)] = 2 - w.pad[size_t(i)];
  return back;
}

// in: dy, data, weight. out: gradients of data, weight and (with a bias) bias.
void backward(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Window w = nn::window_of(p, in[1].shape, in[0].shape);
  if (!p.no_bias && ctx.wants(2))
    nn::bias_gradient(ctx, w, in[0].as<float>(), out[2].as<float>(),
                      std::max(1, channel_block(in[0].stored.layout)));
  if (!ctx.wants(0) && !ctx.wants(1)) return;
  const float* const dy = in_blocks(ctx, in[0]);
  if (ctx.wants(1)) convolve_weight(ctx, w, in_blocks(ctx, in[1]), dy, out[1].as<float>());
  if (!ctx.wants(0)) return;
  const Window back = back_of(w);
  float* const dx = for_blocks(ctx, out[0]);
  convolve(ctx, back, {}, dy, {.taps = in[2].as<float>(), .as = turned_taps_of(w)}, dx);
  out_of_blocks(ctx, dx, out[0]);
}

ScratchNeed scratch_backward(const ConvolutionParam& p, const Situation& s) {
  if (!s.wants(0) && !s.wants(1)) return {};
  const Window w = nn::window_of(p, s.in[1].shape, s.in[0].shape);
  ScratchNeed need;
  if (s.wants(0)) {
    const Window back = back_of(w);
    need = Sharing(back, false).need(back, false);
    need.call += bytes_in_blocks(s.out[0]);
  }
  need.call += bytes_in_blocks(s.in[0]);
  if (!s.wants(1)) return need;
  need = both(need, WeightSharing(w).need(w));
  need.call += bytes_in_blocks(s.in[1]);
  return need;
}

// --- when ----------------------------------------------------------------------------------------
// A rule of extents only: values of taps must be worth computing, keeping and reading.
bool suits(const Window& w, bool packed) {
  const auto plane = [&](const Window::Axes& a, int64_t v) {
    return a[0] == 1 && a[1] == v && a[2] == v;
  };
  if (!plane(w.kernel, 3) || !plane(w.stride, 1) || !plane(w.dilate, 1)) return false;
  const int64_t wide = loops().wide;
  if (w.groups > 1 || w.in[0] > 1 || w.channels < 32 || w.filters < 32) return false;
  if (w.channels % wide != 0 || w.filters % wide != 0) return false;
  constexpr int64_t kMostBytes = 48 << 20;
  const int64_t reading = packed ? 16 : 10;  // so many tiles take as long as the taps
  return 10 * kPoints * (Tiling{w}.count + reading) < 7 * kTaps * w.batch * w.out_size() &&
         4 * floats_of_taps(w) <= kMostBytes;
}
// Below level 3 libraries multiply faster.
bool accepts_between(const ConvolutionParam& p, const Blob& data, const Blob& out, bool packed) {
  return simd::best_level() >= 3 && data.dtype == Dtype::kFloat32 && data.size() > 0 &&
         p.kernel.rank() == 2 && suits(nn::window_of(p, data.shape, out.shape), packed);
}
bool accepts(const ConvolutionParam& p, const Situation& s) {
  return accepts_between(p, s.in[0], s.out[0], false);
}
// Taps take four times the memory of the weight: large ones are computed in each run, which takes
// little longer than to read them.
bool accepts_packed(const ConvolutionParam& p, const Situation& s) {
  constexpr int64_t kMostKept = 12 << 20;
  return s.lasts(1) && 4 * kPoints * s.in[0].shape[1] * p.num_filter <= kMostKept &&
         accepts_between(p, s.in[0], s.out[0], true);
}
bool accepts_backward(const ConvolutionParam& p, const Situation& s) {
  return accepts_between(p, s.in[1], s.in[0], false);
}

void wants(const ConvolutionParam&, const Situation&, StoredAs& as) {
  as.in[0].layout = as.out[0].layout = Layout::channels(int8_t(loops().wide));
}
void wants_fused(const FusedConvolutionParam& p, const Situation& s, StoredAs& as) {
  wants(p, s, as);
  if (p.sum) as.in[size_t(p.addend())].layout = as.out[0].layout;
}
void wants_backward(const ConvolutionParam&, const Situation&, StoredAs& as) {
  as.in[0].layout = as.in[1].layout = as.out[0].layout = Layout::channels(int8_t(loops().wide));
}

// --- packing -------------------------------------------------------------------------------------
struct PackParam {
  void fields(auto&&) {}
};
Kwargs no_parameters(const ConvolutionParam&, const Situation&) { return {}; }

void infer(const PackParam&, InferContext& c) {
  const Shape& weight = c.in(0);
  if (!weight.known()) return;
  const int wide = loops().wide;
  check(weight.rank() == 4 && weight[2] == 3 && weight[3] == 3 && weight[0] % wide == 0,
        "[{}] weight has shape {}, expected (num_filter, c, 3, 3), num_filter a multiple of {}",
        c.op().name, weight, wide);
  c.set_out(0, {kPoints, weight[0] * weight[1]});
}
void pack(const PackParam&, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& weight = in[0].shape;
  with_float(in[0].dtype, "_pack_Convolution_taps", [&](auto type) {
    using T = decltype(type);
    to_points(ctx, {weight[0], weight[1], weight[1] * kTaps, kTaps}, in[0].as<T>(), out[0].as<T>());
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_pack_Convolution_taps",
      .doc = "The 3 x 3 filters of Convolution at the 36 points of Winograd's filtering: put in by "
             "plans of prediction.",
      .dtypes = Dtypes::kFloating,
      .params = schema<PackParam>(),
      .inputs = {{"weight", "(num_filter, c, 3, 3)"}},
      .infer = infer,
      .cpu = pack,
  });
  ops.kernel("Convolution", Device::kCpu, "winograd", forward<false>, accepts, wants);
  ops.scratch("Convolution", scratch<false>);
  ops.kernel("Convolution", Device::kCpu, "winograd", forward<false>, accepts_packed, wants);
  ops.scratch("Convolution", scratch<false>);
  ops.packing("Convolution", 1, "_pack_Convolution_taps", forward<true>, no_parameters,
              scratch<true>);
  ops.kernel("_fused_convolution", Device::kCpu, "winograd", forward_fused<false>, accepts,
             wants_fused);
  ops.scratch("_fused_convolution", scratch_fused<false>);
  ops.kernel("_fused_convolution", Device::kCpu, "winograd", forward_fused<false>, accepts_packed,
             wants_fused);
  ops.scratch("_fused_convolution", scratch_fused<false>);
  ops.packing("_fused_convolution", 1, "_pack_Convolution_taps", forward_fused<true>, no_parameters,
              scratch_fused<true>);
  ops.kernel("_backward_Convolution", Device::kCpu, "winograd", backward, accepts_backward,
             wants_backward);
  ops.scratch("_backward_Convolution", scratch_backward);
}

}  // namespace heddle::ops::convolution_winograd
