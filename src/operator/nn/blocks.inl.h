// Convolutions over channels in blocks of one register, at each instruction-set level: the sums of
// a tile of pixels and one or two blocks of filters stay in registers, and so does what follows.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

// Pixels of a tile at most, for F blocks of filters.
template <int F>
constexpr int kBlockPixels = HEDDLE_LEVEL == 4 ? 14
                             : F == 1          ? 12
                                               : 6;
// The next smaller tile that there is: few do for all lengths, as the last one may begin earlier.
constexpr int smaller_tile(int pixels) {
  if (pixels == 8 && HEDDLE_LEVEL == 4) return 7;
  return pixels > 10 ? pixels - 4 : pixels == 10 ? 8 : pixels > 4 ? 4 : pixels / 2;
}

inline __attribute__((always_inline)) Vec block_within(Vec v, Vec low, Vec high) {  // a NaN stays
  v = v < low ? low : v;
  return v > high ? high : v;
}

// What follows the sums v of one pixel and block of filters.
inline __attribute__((always_inline)) void block_finish(Vec v, const float* add, float* y, Vec low,
                                                        Vec high, bool past) {
  if (add) v += load(add);
  v = block_within(v, low, high);
  return past ? store_past(y, v) : store(y, v);
}
// The same for the pixels [skip, pixels) of a block of which not all filters are there; pixel i has
// its sums at sums[i]. Once for all tiles: they are rare.
__attribute__((noinline)) void block_edge(const nn::BlockRun& r, const Vec* sums, int64_t skip,
                                          int pixels, const float* add, float* y) {
  const auto* const sum = reinterpret_cast<const float*>(sums);
  for (int64_t i = skip; i < pixels; ++i)
    for (int k = 0; k < r.width; ++k) {
      float v = sum[i * kWide + k] + (add ? add[i * r.y_step + k] : 0.0f);
      v = v < r.low ? r.low : v;  // a NaN stays
      y[i * r.y_step + k] = v > r.high ? r.high : v;
    }
}

// Pixels before `skip` are in the tile before this one, which has written them.
template <int F, int R, int Step>
void block_tile(const nn::BlockRun& r, int64_t skip, const float* x, const float* add, float* y) {
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
    if (f + 1 == F && r.width < kWide) {
      Vec edge[R];
      for (int i = 0; i < R; ++i) edge[i] = s[i][f];
      const int64_t at = f * r.y_plane;
      return block_edge(r, edge, skip, R, add ? add + at : nullptr, y + at);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      if (i < skip) continue;
      const int64_t at = i * r.y_step + f * r.y_plane;
      block_finish(s[i][f], add ? add + at : nullptr, y + at, low, high, r.past);
    }
  }
}

template <int F, int R, int Step>
void block_tile_of(int size, const nn::BlockRun& r, int64_t from, int64_t skip) {
  if (size == R)
    return block_tile<F, R, Step>(r, skip, r.x + from * Step,
                                  r.add ? r.add + from * r.y_step : nullptr, r.y + from * r.y_step);
  if constexpr (smaller_tile(R) > 0) block_tile_of<F, smaller_tile(R), Step>(size, r, from, skip);
}

// Tiles of like length. Where there is none so short, it begins in the one before, or there will be
// one more.
template <int F, int Step>
void block_pixels(const nn::BlockRun& r) {
  constexpr int kMost = kBlockPixels<F>, kTwice = 3;
  for (int64_t from = 0; from < r.pixels;) {
    const int64_t left = r.pixels - from, tiles = (left + kMost - 1) / kMost;
    int size = kMost;
    while (smaller_tile(size) * tiles >= left) size = smaller_tile(size);
    int64_t skip = size > left ? size - left : 0;
    while (skip > from || skip > kTwice)
      size = smaller_tile(size), skip = size > left ? size - left : 0;
    block_tile_of<F, kMost, Step>(size, r, from - skip, skip);
    from += size - skip;
  }
}

void block_run(const nn::BlockRun& r) {
  if (r.few) r.filters == 2 ? block_pixels<2, nn::kFew>(r) : block_pixels<1, nn::kFew>(r);
  else r.filters == 2 ? block_pixels<2, kWide>(r) : block_pixels<1, kWide>(r);
  if (r.past) ordered();
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
    // Squares first; then what is left to the right of them, and below.
    const int64_t down = step == 1 ? channels / kWide * kWide : 0;
    const int64_t across = down ? n / kWide * kWide : 0;
    for (int64_t i = 0; i < across; i += kWide)
      for (int64_t c = 0; c < down; c += kWide) {
        Vec v[kWide];
#pragma GCC unroll 16
        for (int r = 0; r < kWide; ++r) v[r] = load(x + (c + r) * plane + i);
        transpose(v);
#pragma GCC unroll 16
        for (int r = 0; r < kWide; ++r) store(to + (i + r) * to_step + c, v[r]);
      }
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = c < down ? across : 0; i < n; ++i)
        to[i * to_step + c] = x[c * plane + i * step];
  }
}

// --- one filter for each channel ----------------------------------------------------------------
// Taps [first, last) of an axis that lie in the data.
struct DepthTaps {
  int64_t first, last, start;  // start: where in the data the first one lies
  DepthTaps(const nn::DepthRun& r, int axis, int64_t at) {
    const int64_t begin = at * r.stride[axis] - r.pad[axis], d = r.dilate[axis];
    const int64_t room = r.in[axis] - begin;
    first = begin < 0 ? (d - 1 - begin) / d : 0;
    last = room <= 0 ? 0 : (room + d - 1) / d;
    if (last > r.kernel[axis]) last = r.kernel[axis];
    if (first > last) first = last;
    start = begin + first * d;
  }
  int64_t count() const { return last - first; }
};

// One row of the output: the rows of the window that are in the data.
struct DepthRow {
  const nn::DepthRun& r;
  int64_t taps, line;  // rows of the window; floats from one to the next
  const float *x, *weight;
  const float* add;
  float* y;
  DepthRow(const nn::DepthRun& run, int64_t h) : r(run), line(run.dilate[0] * run.in[1] * kWide) {
    const DepthTaps rows(r, 0, h);
    taps = rows.count();
    x = r.x + rows.start * r.in[1] * kWide;
    weight = r.weight + rows.first * r.kernel[1] * kWide;
    add = r.add ? r.add + h * r.width * kWide : nullptr;
    y = r.y + h * r.width * kWide;
  }
};

enum class DepthEdge { kNone, kLeft, kRight, kBoth };

// R pixels from `at` of a row with K columns of the window, S apart, half of the others on either
// side; where the tile begins or ends the row, the columns beyond are left out.
template <int R, int K, int S, DepthEdge Edge>
void depth_tile(const DepthRow& row, int64_t at) {
  constexpr int kBefore = K / 2;
  constexpr bool kLeft = Edge == DepthEdge::kLeft || Edge == DepthEdge::kBoth;
  constexpr bool kRight = Edge == DepthEdge::kRight || Edge == DepthEdge::kBoth;
  const nn::DepthRun& r = row.r;
  Vec s[R];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) s[i] = r.bias ? load(r.bias) : all(0.0f);
  const float *x = row.x + (at * S - kBefore) * kWide, *w = row.weight;
  for (int64_t h = 0; h < row.taps; ++h, x += row.line, w += K * kWide) {
    Vec v[K];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) v[k] = load(w + k * kWide);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) {
        if (kLeft && i * S + k < kBefore) continue;
        if (kRight && i * S + k - kBefore >= R * S) continue;
        s[i] = fma(v[k], load(x + (i * S + k) * kWide), s[i]);
      }
  }
  if (r.ahead)
    for (int down = 0; down < S; ++down, x += row.line)
#pragma GCC unroll 32
      for (int i = 0; i < R * S; ++i) __builtin_prefetch(x + (kBefore + i) * kWide);
  const Vec low = all(r.low), high = all(r.high);
  float* const y = row.y + at * kWide;
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) block_finish(s[i], nullptr, y + i * kWide, low, high, r.past);
}

// A row in tiles of R; the last may begin in the one before.
template <int R, int K, int S>
void depth_tiles(const DepthRow& row) {
  const int64_t last = row.r.width - R;
  constexpr DepthEdge kEnd = S == 1 ? DepthEdge::kRight : DepthEdge::kNone;
  if (last == 0) {
    depth_tile<R, K, S, S == 1 ? DepthEdge::kBoth : DepthEdge::kLeft>(row, 0);
    return;
  }
  depth_tile<R, K, S, DepthEdge::kLeft>(row, 0);
  for (int64_t at = R; at < last; at += R) depth_tile<R, K, S, DepthEdge::kNone>(row, at);
  depth_tile<R, K, S, kEnd>(row, last);
}

constexpr int kDepthLong = HEDDLE_LEVEL == 4 ? 14 : 7, kDepthShort = 7;

// Whether rows can be done so.
bool depth_tiled(const nn::DepthRun& r) {
  return !r.add && r.dilate[1] == 1 && r.pad[1] == r.kernel[1] / 2 && r.width >= kDepthShort &&
         r.in[1] == r.width * r.stride[1];
}
template <int K, int S>
void depth_rows(const nn::DepthRun& r) {
  const auto length = [&](int64_t tile) { return (r.width + tile - 1) / tile * tile; };
  const bool longer = r.width >= kDepthLong && length(kDepthLong) * 10 <= length(kDepthShort) * 11;
  for (int64_t h = r.from; h < r.to; ++h) {
    const DepthRow row(r, h);
    if (longer) depth_tiles<kDepthLong, K, S>(row);
    else depth_tiles<kDepthShort, K, S>(row);
  }
}

// R pixels with any window, of which the taps of `columns` are in the data.
template <int R>
void depth_any(const DepthRow& row, const DepthTaps& columns, int64_t at) {
  const nn::DepthRun& r = row.r;
  Vec s[R];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) s[i] = r.bias ? load(r.bias) : all(0.0f);
  const float* x = row.x + columns.start * kWide;
  const float* w = row.weight + columns.first * kWide;
  for (int64_t h = 0; h < row.taps; ++h, x += row.line, w += r.kernel[1] * kWide)
    for (int64_t k = 0; k < columns.count(); ++k) {
      const Vec v = load(w + k * kWide);
#pragma GCC unroll 16
      for (int i = 0; i < R; ++i)
        s[i] = fma(v, load(x + (k * r.dilate[1] + i * r.stride[1]) * kWide), s[i]);
    }
  const Vec low = all(r.low), high = all(r.high);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
    block_finish(s[i], row.add ? row.add + (at + i) * kWide : nullptr, row.y + (at + i) * kWide,
                 low, high, r.past);
}

void depth_plane(const nn::DepthRun& r) {
  if (depth_tiled(r)) {
    if (r.kernel[1] == 3 && r.stride[1] == 1) return depth_rows<3, 1>(r);
    if (r.kernel[1] == 3 && r.stride[1] == 2) return depth_rows<3, 2>(r);
    if (r.kernel[1] == 5 && r.stride[1] == 1) return depth_rows<5, 1>(r);
  }
  constexpr int kSide = 4;  // pixels at a time, where all columns of the window are in the data
  for (int64_t h = r.from; h < r.to; ++h) {
    const DepthRow row(r, h);
    for (int64_t at = 0; at < r.width;) {
      const DepthTaps columns(r, 1, at);
      if (columns.count() == r.kernel[1] && at + kSide <= r.width &&
          DepthTaps(r, 1, at + kSide - 1).count() == r.kernel[1]) {
        depth_any<kSide>(row, columns, at);
        at += kSide;
      } else {
        depth_any<1>(row, columns, at++);
      }
    }
  }
}

void depth_run(const nn::DepthRun& r) {
  depth_plane(r);
  if (r.past) ordered();
}

// Squares of a register's filters and as many numbers of each, wherever they go.
void block_pack(const float* from, int64_t filters, int64_t channels, int64_t taps, float* to) {
  const int64_t deep = channels * taps, step = (filters + kWide - 1) / kWide * kWide;
  for (int64_t k = 0; k < filters; k += kWide) {
    const int64_t rows = filters - k < kWide ? filters - k : kWide;
    const float* const of = from + k * deep;
    int64_t c = 0, t = 0;
    for (int64_t i = 0; i < deep; i += kWide) {
      const int64_t count = deep - i < kWide ? deep - i : kWide;
      Vec v[kWide];
      if (rows == kWide && count == kWide) {
#pragma GCC unroll 16
        for (int r = 0; r < kWide; ++r) {
          v[r] = load(of + r * deep + i);
          __builtin_prefetch(of + r * deep + i + 2 * kWide);
        }
      } else {
        float edge[kWide][kWide] = {};
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t j = 0; j < count; ++j) edge[r][j] = of[r * deep + i + j];
        for (int r = 0; r < kWide; ++r) v[r] = load(edge[r]);
      }
      transpose(v);
      for (int64_t j = 0; j < count; ++j) {
        const int64_t block = c / kWide, left = channels - block * kWide;
        const int64_t wide = left < kWide ? left : kWide;
        store(to + ((block * taps * kWide + t * wide) + c % kWide) * step + k, v[j]);
        if (++t == taps) t = 0, ++c;
      }
    }
  }
}

void block_loops(nn::BlockLoops& l) {
  // Loops that nobody should use need not be in programs.
  if constexpr (kFast)
    l = {true, kWide, kBlockPixels<2>, block_run, block_gather, depth_run, block_pack};
  else l = {.wide = kWide, .tile = kBlockPixels<2>, .pack = block_pack};
}

}  // namespace heddle::ops::HEDDLE_ISA
