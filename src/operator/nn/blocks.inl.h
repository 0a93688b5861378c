// Convolutions over channels in blocks of one register, at each instruction-set level: the sums of
// a tile of pixels and one or two blocks of filters stay in registers, and so does what follows.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

// Pixels of a tile at most, for F blocks of filters.
template <int F>
constexpr int kBlockPixels = HEDDLE_LEVEL == 4 ? 14
                             : F == 1          ? 12
                                               : 6;

inline __attribute__((always_inline)) Vec block_within(Vec v, Vec low, Vec high) {  // a NaN stays
  v = v < low ? low : v;
  return v > high ? high : v;
}

// What follows the sums v of one pixel and block of filters, of which `width` are there.
inline __attribute__((always_inline)) void block_finish(Vec v, const float* add, float* y,
                                                        int width, Vec low, Vec high) {
  if (width == kWide) {
    if (add) v += load(add);
    return store(y, block_within(v, low, high));
  }
  float edge[kWide];
  for (int i = 0; i < kWide; ++i) edge[i] = add && i < width ? add[i] : 0.0f;
  store(edge, block_within(v + load(edge), low, high));
  for (int i = 0; i < width; ++i) y[i] = edge[i];
}

template <int F, int R, int Step>
void block_tile(const nn::BlockRun& r, const float* x, const float* add, float* y) {
  Vec s[R][F];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int f = 0; f < F; ++f) s[i][f] = r.bias ? load(r.bias + f * kWide) : all(0.0f);
  const float* w = r.weight;
  for (int64_t b = 0; b < r.blocks; ++b, x += r.plane) {
    const int64_t deep = b + 1 < r.blocks ? kWide : r.last;
    for (int64_t t = 0; t < r.taps; ++t) {
      const float* const from = x + r.tap[t];
      for (int64_t q = 0; q < deep; ++q, w += F * kWide) {
        Vec v[F];
#pragma GCC unroll 2
        for (int f = 0; f < F; ++f) {
          v[f] = load(w + f * kWide);
          __builtin_prefetch(w + (16 * F + f) * kWide);
        }
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
          const Vec a = all(from[i * Step + q]);
#pragma GCC unroll 2
          for (int f = 0; f < F; ++f) s[i][f] = fma(v[f], a, s[i][f]);
        }
      }
    }
  }
  const Vec low = all(r.low), high = all(r.high);
#pragma GCC unroll 2
  for (int f = 0; f < F; ++f) {
    const int width = f + 1 < F ? kWide : r.width;
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const int64_t at = i * r.y_step + f * r.y_plane;
      block_finish(s[i][f], add ? add + at : nullptr, y + at, width, low, high);
    }
  }
}

template <int F, int R, int Step>
void block_tile_of(int64_t pixels, const nn::BlockRun& r, const float* x, const float* add,
                   float* y) {
  if (pixels == R) return block_tile<F, R, Step>(r, x, add, y);
  if constexpr (R > 1) block_tile_of<F, R - 1, Step>(pixels, r, x, add, y);
}

// Tiles of like length.
template <int F, int Step>
void block_pixels(const nn::BlockRun& r) {
  constexpr int kMost = kBlockPixels<F>;
  const int64_t tiles = (r.pixels + kMost - 1) / kMost;
  for (int64_t i = 0, from = 0; i < tiles; ++i) {
    const int64_t to = r.pixels * (i + 1) / tiles;
    block_tile_of<F, kMost, Step>(to - from, r, r.x + from * Step,
                                  r.add ? r.add + from * r.y_step : nullptr, r.y + from * r.y_step);
    from = to;
  }
}

void block_run(const nn::BlockRun& r) {
  if (r.few) return r.filters == 2 ? block_pixels<2, nn::kFew>(r) : block_pixels<1, nn::kFew>(r);
  return r.filters == 2 ? block_pixels<2, kWide>(r) : block_pixels<1, kWide>(r);
}

// n pixels that are `step` apart, their channels `plane` apart, to pixels of `to_step` floats.
void block_gather(const float* x, int64_t step, int64_t plane, int64_t channels, int64_t n,
                  float* to, int64_t to_step) {
  if (plane == 1 && channels == kWide) {
    for (int64_t i = 0; i < n; ++i) store(to + i * to_step, load(x + i * step));
  } else if (plane == 1) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < channels; ++c) to[i * to_step + c] = x[i * step + c];
  } else {
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < n; ++i) to[i * to_step + c] = x[c * plane + i * step];
  }
}

// --- one filter for each channel ----------------------------------------------------------------
// R pixels of which all taps of a row are in the data; K and S of 0: any kernel and stride.
template <int R, int K, int S>
void depth_tile(const nn::DepthRun& r, const float* x, float* y, const float* add) {
  Vec s[R];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) s[i] = r.bias ? load(r.bias) : all(0.0f);
  const float* w = r.weight;
  for (int64_t h = 0; h < r.rows; ++h, x += r.line, w += r.weight_row) {
    if constexpr (K > 0) {
      Vec v[K];
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) v[k] = load(w + k * kWide);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) s[i] = fma(v[k], load(x + (i * S + k) * kWide), s[i]);
    } else {
      for (int64_t k = 0; k < r.columns; ++k) {
        const Vec v = load(w + k * kWide);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) s[i] = fma(v, load(x + k * r.dilate + i * r.stride), s[i]);
      }
    }
  }
  const Vec low = all(r.low), high = all(r.high);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
    block_finish(s[i], add ? add + i * kWide : nullptr, y + i * kWide, kWide, low, high);
}

template <int K, int S>
void depth_pixels(const nn::DepthRun& r) {
  constexpr int kMost = HEDDLE_LEVEL == 4 ? 14 : 7;
  const float *x = r.x, *add = r.add;
  float* y = r.y;
  int64_t left = r.pixels;
  for (; left >= kMost; left -= kMost) {
    depth_tile<kMost, K, S>(r, x, y, add);
    x += kMost * r.stride, y += kMost * kWide;
    if (add) add += kMost * kWide;
  }
  for (; left >= 4; left -= 4) {
    depth_tile<4, K, S>(r, x, y, add);
    x += 4 * r.stride, y += 4 * kWide;
    if (add) add += 4 * kWide;
  }
  for (; left > 0; --left) {
    depth_tile<1, K, S>(r, x, y, add);
    x += r.stride, y += kWide;
    if (add) add += kWide;
  }
}

void depth_run(const nn::DepthRun& r) {
  if (r.columns == 3 && r.dilate == kWide && r.stride == kWide) return depth_pixels<3, 1>(r);
  if (r.columns == 3 && r.dilate == kWide && r.stride == 2 * kWide) return depth_pixels<3, 2>(r);
  if (r.columns == 5 && r.dilate == kWide && r.stride == kWide) return depth_pixels<5, 1>(r);
  return depth_pixels<0, 0>(r);
}

void block_loops(nn::BlockLoops& l) {
  l = {kWide, kBlockPixels<2>, block_run, block_gather, depth_run};
}

}  // namespace heddle::ops::HEDDLE_ISA
