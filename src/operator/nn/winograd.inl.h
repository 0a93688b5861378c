// Tiles of 3 x 3 windows at each instruction-set level: what pixels, taps and gradients are at the
// points, and the way back. All of one tile stays in registers or in the first cache.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

#define HEDDLE_TILES inline __attribute__((always_inline))
constexpr float kPointA = float(nn::kWinogradA),
                kPointB = float(nn::kWinogradB);  // A A = 1/2, B B = 2

// What a polynomial with the coefficients d is at the points 0, A, -A, B, -B and infinity, but for
// factors, which the taps take.
HEDDLE_TILES void tile_data(const Vec* d, Vec* v) {
  const Vec p = fma(all(-2.0f), d[2], d[4]), q = fma(all(kPointA), d[3], all(-kPointB) * d[1]);
  const Vec r = fma(all(-0.5f), d[2], d[4]), s = fma(all(kPointB), d[3], all(-kPointA) * d[1]);
  v[0] = fma(all(-2.5f), d[2], d[0] + d[4]);
  v[1] = p + q, v[2] = p - q, v[3] = r + s, v[4] = r - s;
  v[5] = fma(all(-2.5f), d[3], d[1] + d[5]);
}
HEDDLE_TILES void tile_taps(const Vec* g, Vec* v) {
  const Vec p = fma(all(-2 / 3.0f), g[0], all(-1 / 3.0f) * g[2]),
            q = all(-2 / 3.0f * kPointA) * g[1];
  const Vec r = fma(all(1 / 6.0f), g[0], all(1 / 3.0f) * g[2]), s = all(kPointB / 6) * g[1];
  v[0] = g[0], v[1] = p + q, v[2] = p - q, v[3] = r + s, v[4] = r - s, v[5] = g[2];
}
HEDDLE_TILES void tile_outputs(const Vec* m, Vec* y) {
  const Vec p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
  y[0] = m[0] + p + r;
  y[1] = fma(all(kPointA), q, all(kPointB) * s);
  y[2] = fma(all(0.5f), p, all(2.0f) * r);
  y[3] = fma(all(0.5f * kPointA), q, fma(all(2 * kPointB), s, m[5]));
}
// The transposes of the last two.
HEDDLE_TILES void tile_heads(const Vec* y, Vec* v) {
  const Vec p = fma(all(0.5f), y[2], y[0]), q = fma(all(0.5f * kPointA), y[3], all(kPointA) * y[1]);
  const Vec r = fma(all(2.0f), y[2], y[0]), s = fma(all(2 * kPointB), y[3], all(kPointB) * y[1]);
  v[0] = y[0], v[1] = p + q, v[2] = p - q, v[3] = r + s, v[4] = r - s, v[5] = y[3];
}
HEDDLE_TILES void tile_gradient(const Vec* s, Vec* g) {
  const Vec p = s[1] + s[2], q = s[1] - s[2], r = s[3] + s[4], t = s[3] - s[4];
  g[0] = fma(all(-2 / 3.0f), p, fma(all(1 / 6.0f), r, s[0]));
  g[1] = fma(all(-2 / 3.0f * kPointA), q, all(kPointB / 6) * t);
  g[2] = fma(all(-1 / 3.0f), p, fma(all(1 / 3.0f), r, s[5]));
}

// A map of N numbers to M, of columns and then of rows: load(i, j) to keep(i, j, value).
template <int N, int M, class Map, class Load, class Keep>
HEDDLE_TILES void tile_both(Map map, Load load, Keep keep) {
  Vec half[M][N];
#pragma GCC unroll 6
  for (int j = 0; j < N; ++j) {
    Vec d[N], v[M];
#pragma GCC unroll 6
    for (int i = 0; i < N; ++i) d[i] = load(i, j);
    map(d, v);
#pragma GCC unroll 6
    for (int i = 0; i < M; ++i) half[i][j] = v[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < M; ++i) {
    Vec v[M];
    map(half[i], v);
#pragma GCC unroll 6
    for (int j = 0; j < M; ++j) keep(i, j, v[j]);
  }
}

template <int N, class Map>
HEDDLE_TILES void tile_square(const nn::WinogradSquare& in, Map map) {
  const auto keep = [&](int i, int j, Vec v) __attribute__((always_inline)) {
    store(in.values + (i * 6 + j) * in.apart, v);
  };
  const auto pixel = [&](int i, int j) __attribute__((always_inline)) {
    return load(in.x + i * in.line + j * kWide);
  };
  if (in.top == 0 && in.left == 0 && in.bottom == N && in.right == N)
    return tile_both<N, 6>(map, pixel, keep);
  tile_both<N, 6>(
      map,
      [&](int i, int j) __attribute__((always_inline)) {
        const bool there = i >= in.top && i < in.bottom && j >= in.left && j < in.right;
        return there ? pixel(i, j) : all(0.0f);
      },
      keep);
}

void tile_of_data(const nn::WinogradSquare& in) {
  tile_square<6>(
      in, [](const Vec* d, Vec* v) __attribute__((always_inline)) { tile_data(d, v); });
}
void tile_of_heads(const nn::WinogradSquare& in) {
  tile_square<4>(
      in, [](const Vec* d, Vec* v) __attribute__((always_inline)) { tile_heads(d, v); });
}

constexpr int kTileTaps = 9;
// Taps of as many channels as filters are in a register: (channels, taps, filters).
struct TileTaps {
  float of[kTileTaps * kWide * kWide];
  float* at(int channel, int tap) { return of + (channel * kTileTaps + tap) * kWide; }
};

// A square of rows that are `line` apart, its columns one after the other. Who comes back for more
// begins where this one's taps end.
HEDDLE_TILES void tile_turn(const float* from, int64_t line, float* to) {
  Vec v[kWide];
#pragma GCC unroll 16
  for (int r = 0; r < kWide; ++r) {
    v[r] = load(from + r * line);
    __builtin_prefetch(from + r * line + kTileTaps * kWide);
  }
  transpose(v);
#pragma GCC unroll 16
  for (int r = 0; r < kWide; ++r) store(to + r * kWide, v[r]);
}

// Where the filters of a channel lie side by side, channels are the first rows that are turned.
void tile_taps_of_all(const nn::WinogradTaps& in, TileTaps& all) {
  if (in.channel == kTileTaps) {
    for (int i = 0; i < kTileTaps; ++i)
      tile_turn(in.taps + i * kWide, in.filter, all.of + i * kWide * kWide);
    return;
  }
  TileTaps filters;  // (filters, taps, channels)
  for (int i = 0; i < kTileTaps; ++i)
    tile_turn(in.taps + i * kWide, in.channel, filters.of + i * kWide * kWide);
  for (int t = 0; t < kTileTaps; ++t) {
    Vec v[kWide];
#pragma GCC unroll 16
    for (int r = 0; r < kWide; ++r) v[r] = load(filters.at(r, t));
    transpose(v);
#pragma GCC unroll 16
    for (int r = 0; r < kWide; ++r) store(all.at(r, t), v[r]);
  }
}

void tile_of_taps(const nn::WinogradTaps& in) {
  TileTaps all;
  tile_taps_of_all(in, all);
  for (int c = 0; c < kWide; ++c) {
    const auto tap = [&](int i, int j) __attribute__((always_inline)) {
      const int q = i * 3 + j;
      return load(all.at(c, in.turned ? kTileTaps - 1 - q : q));
    };
    float* const values = in.values + c * in.step;
    tile_both<3, 6>(
        [](const Vec* d, Vec* v) __attribute__((always_inline)) { tile_taps(d, v); }, tap,
        [&](int i, int j, Vec v)
            __attribute__((always_inline)) { store(values + (i * 6 + j) * in.apart, v); });
  }
}

void tile_of_gradient(const nn::WinogradGradient& in) {
  TileTaps all;
  for (int c = 0; c < kWide; ++c) {
    const float* const sums = in.sums + c * in.step;
    tile_both<6, 3>(
        [](const Vec* d, Vec* v) __attribute__((always_inline)) { tile_gradient(d, v); },
        [&](int i, int j)
            __attribute__((always_inline)) { return load(sums + (i * 6 + j) * in.apart); },
        [&](int i, int j, Vec v)
            __attribute__((always_inline)) { store(all.at(c, i * 3 + j), v); });
  }
  for (int i = 0; i < kTileTaps; ++i) {
    Vec v[kWide];
#pragma GCC unroll 16
    for (int r = 0; r < kWide; ++r) v[r] = load(all.of + (i * kWide + r) * kWide);
    transpose(v);
#pragma GCC unroll 16
    for (int r = 0; r < kWide; ++r) store(in.taps + r * in.filter + i * kWide, v[r]);
  }
}

HEDDLE_TILES Vec tile_within(Vec v, Vec low, Vec high) {  // a NaN stays
  v = v < low ? low : v;
  return v > high ? high : v;
}
void tile_of_outputs(const nn::WinogradOutputs& out) {
  const Vec low = all(out.low), high = all(out.high);
  const Vec bias = out.bias ? load(out.bias) : all(0.0f);
  tile_both<6, 4>(
      [](const Vec* m, Vec* y) __attribute__((always_inline)) { tile_outputs(m, y); },
      [&](int i, int j)
          __attribute__((always_inline)) { return load(out.sums + (i * 6 + j) * out.apart); },
      [&](int i, int j, Vec v) __attribute__((always_inline)) {
        if (i >= out.rows || j >= out.columns) return;
        const int64_t at = i * out.line + j * kWide;
        v += bias;
        if (out.add) v += load(out.add + at);
        store(out.y + at, tile_within(v, low, high));
      });
}

// Channels of a tile whose sums are in registers at once.
constexpr int kSumChannels = HEDDLE_LEVEL == 4 ? 8 : 4;
template <int F>
void tile_sums(const nn::WinogradSums& r) {
  for (int c = 0; c < kWide; c += kSumChannels) {
    Vec s[kSumChannels][F];
#pragma GCC unroll 8
    for (int i = 0; i < kSumChannels; ++i)
#pragma GCC unroll 2
      for (int f = 0; f < F; ++f) s[i][f] = all(0.0f);
    const float *v = r.v + c, *z = r.z;
    for (int64_t t = 0; t < r.tiles; ++t, v += kWide, z += kWide) {
      Vec k[F];
#pragma GCC unroll 2
      for (int f = 0; f < F; ++f) k[f] = load(z + f * r.plane);
#pragma GCC unroll 8
      for (int i = 0; i < kSumChannels; ++i) {
        const Vec a = all(v[i]);
#pragma GCC unroll 2
        for (int f = 0; f < F; ++f) s[i][f] = fma(k[f], a, s[i][f]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kSumChannels; ++i)
#pragma GCC unroll 2
      for (int f = 0; f < F; ++f) {
        float* const to = r.s + ((c + i) * F + f) * kWide;
        store(to, r.accumulate ? load(to) + s[i][f] : s[i][f]);
      }
  }
}
void tile_of_sums(const nn::WinogradSums& r) {
  return r.filters == 2 ? tile_sums<2>(r) : tile_sums<1>(r);
}
#undef HEDDLE_TILES

void winograd_loops(nn::WinogradLoops& l) {
  l = {kWide,        tile_of_data, tile_of_heads,   tile_of_outputs,
       tile_of_sums, tile_of_taps, tile_of_gradient};
}

}  // namespace heddle::ops::HEDDLE_ISA
