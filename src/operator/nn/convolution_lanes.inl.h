// Convolution with one image in each lane of a register, at each instruction-set level. Nothing is
// padded to a multiple of anything but the batch, so few or odd numbers of channels cost nothing.
#include "operator/simd/lanes.inl.h"

namespace heddle::ops::HEDDLE_ISA {

// Registers hold kTileM x kTileN sums, kTileN vectors and one more.
constexpr int kTileM = HEDDLE_LEVEL == 4 ? 6 : 3;
constexpr int kTileN = HEDDLE_LEVEL == 4 ? 4 : 3;
constexpr int kOuter = HEDDLE_LEVEL == 4 ? 5 : 3;

// sum(i, j) = over d of w[d * M + i] * x[at[d] + j * step].
template <int M, int N>
inline __attribute__((always_inline)) void multiply(const float* x, const int32_t* at,
                                                    int64_t depth, int64_t step, const float* w,
                                                    Vec (&sum)[M][N]) {
  for (int64_t d = 0; d < depth; ++d, w += M) {
    const float* from = x + at[d];
    Vec v[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) v[j] = load(from + j * step);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vec weight = all(w[i]);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sum[i][j] = fma(v[j], weight, sum[i][j]);
    }
  }
}

struct Tile {
  const int32_t* at;  // where the operand of each weight lies, from x
  int64_t depth, step;
  const float* w;
  const float* bias = nullptr;  // WriteTile: one per row of the tile, or null
  int64_t row = 0;              // WriteTile: distance between rows of the tile in y
  const int32_t* to = nullptr;  // AddTile: where each row goes, from y
  int64_t to_step = 0;          // AddTile: distance between columns
  const float* x = nullptr;
  float* y = nullptr;
};

// y(i, j) = bias(i) + sum.
struct WriteTile {
  template <int M, int N>
  static void run(const Tile& t) {
    Vec sum[M][N];
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sum[i][j] = all(t.bias ? t.bias[i] : 0.0f);
    multiply(t.x, t.at, t.depth, t.step, t.w, sum);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) store(t.y + i * t.row + j * kWide, sum[i][j]);
  }
};

// y(to(i), j) += sum.
struct AddTile {
  template <int M, int N>
  static void run(const Tile& t) {
    Vec sum[M][N] = {};
    multiply(t.x, t.at, t.depth, t.step, t.w, sum);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) {
        float* p = t.y + t.to[i] + j * t.to_step;
        store(p, load(p) + sum[i][j]);
      }
  }
};

// Runs Form for a tile of m x n, by the versions for each size up to M x N.
template <class Form, int M = kTileM, int N = kTileN>
void run_tile(int m, int n, const Tile& t) {
  if constexpr (M > 1)
    if (m < M) return run_tile<Form, M - 1, N>(m, n, t);
  if constexpr (N > 1)
    if (n < N) return run_tile<Form, M, N - 1>(m, n, t);
  Form::template run<M, N>(t);
}

// dw(i, j) = over blocks, positions p and lanes of dy[p * dy_step + i * kWide] * x[at[j] + pos(p)].
template <int M, int N>
void outer_tile(const nn::LaneWindow& w, const nn::LaneBlocks& b, const float* heads,
                const int32_t* at, float* dw) {
  Vec sums[M][N] = {};
  for (int64_t block = 0; block < b.count; ++block) {
    const float *dy = heads + block * b.dy, *x = b.data + block * b.x;
    for (int64_t h = 0; h < w.out_h; ++h, x += w.line) {
      const float* from = x;
      for (int64_t v = 0; v < w.out_w; ++v, dy += b.dy_step, from += w.step) {
        Vec value[N];
#pragma GCC unroll 8
        for (int j = 0; j < N; ++j) value[j] = load(from + at[j]);
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) {
          const Vec head = load(dy + i * kWide);
#pragma GCC unroll 8
          for (int j = 0; j < N; ++j) sums[i][j] = fma(value[j], head, sums[i][j]);
        }
      }
    }
  }
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) dw[i * w.rows + j] = sum(sums[i][j]);
}
template <int M = kOuter, int N = kOuter>
void run_outer(int m, int n, const nn::LaneWindow& w, const nn::LaneBlocks& b, const float* heads,
               const int32_t* at, float* dw) {
  if constexpr (M > 1)
    if (m < M) return run_outer<M - 1, N>(m, n, w, b, heads, at, dw);
  if constexpr (N > 1)
    if (n < N) return run_outer<M, N - 1>(m, n, w, b, heads, at, dw);
  outer_tile<M, N>(w, b, heads, at, dw);
}

// --- whole planes of outputs --------------------------------------------------------------------
// y (m, out_h * out_w, lanes) for m filters, whose weights are packed as w[row * m + filter].
void forward_plane(const nn::LaneWindow& w, const float* x, const float* weight, int m,
                   const float* bias, float* y) {
  Tile t{.at = w.at,
         .depth = w.rows,
         .step = w.step,
         .w = weight,
         .bias = bias,
         .row = w.out_h * w.out_w * kWide};
  for (int64_t h = 0; h < w.out_h; ++h)
    for (int64_t v = 0; v < w.out_w; v += kTileN) {
      t.x = x + h * w.line + v * w.step;
      t.y = y + (h * w.out_w + v) * kWide;
      run_tile<WriteTile>(m, int(w.out_w - v < kTileN ? w.out_w - v : kTileN), t);
    }
}

// dx[to[row] + position] += over filters of weight * dy, for m rows packed as w[filter * m + row].
// dy is (out_h * out_w, filters, lanes): `heads` are the filters' places, `dy_step` apart.
void backward_plane(const nn::LaneWindow& w, const float* dy, const int32_t* heads, int64_t dy_step,
                    const float* weight, int m, const int32_t* to, float* dx) {
  Tile t{
      .at = heads, .depth = w.filters, .step = dy_step, .w = weight, .to = to, .to_step = w.step};
  for (int64_t h = 0; h < w.out_h; ++h)
    for (int64_t v = 0; v < w.out_w; v += kTileN) {
      t.x = dy + (h * w.out_w + v) * dy_step;
      t.y = dx + h * w.line + v * w.step;
      run_tile<AddTile>(m, int(w.out_w - v < kTileN ? w.out_w - v : kTileN), t);
    }
}

// The gradient of m filters' weights, dw (m, rows).
void backward_filters(const nn::LaneWindow& w, const nn::LaneBlocks& b, const float* heads, int m,
                      float* dw) {
  for (int64_t r = 0; r < w.rows; r += kOuter)
    run_outer(m, int(w.rows - r < kOuter ? w.rows - r : kOuter), w, b, heads, w.at + r, dw + r);
}

// --- between images side by side and images in lanes --------------------------------------------
// y[i * step + lane] = x[lane * image + i] for i < n and lanes < images; the other lanes get zero.
void to_lanes(const float* x, int64_t image, int64_t images, int64_t n, float* y, int64_t step) {
  int64_t i = 0;
  for (; images == kWide && i + kWide <= n; i += kWide) {
    Vec r[kWide];
#pragma GCC unroll 16
    for (int j = 0; j < kWide; ++j) {
      r[j] = load(x + j * image + i);
      __builtin_prefetch(x + j * image + i + 5 * kWide);  // more streams than the machine follows
    }
    transpose(r);
#pragma GCC unroll 16
    for (int j = 0; j < kWide; ++j) store(y + (i + j) * step, r[j]);
  }
  for (; i < n; ++i)
    for (int64_t j = 0; j < kWide; ++j) y[i * step + j] = j < images ? x[j * image + i] : 0.0f;
}

// y[lane * image + i] = x[i * kWide + lane].
void from_lanes(const float* x, int64_t n, float* y, int64_t image, int64_t images) {
  int64_t i = 0;
  for (; images == kWide && i + kWide <= n; i += kWide) {
    Vec r[kWide];
#pragma GCC unroll 16
    for (int j = 0; j < kWide; ++j) r[j] = load(x + (i + j) * kWide);
    transpose(r);
#pragma GCC unroll 16
    for (int j = 0; j < kWide; ++j) store(y + j * image + i, r[j]);
  }
  for (; i < n; ++i)
    for (int64_t j = 0; j < images; ++j) y[j * image + i] = x[i * kWide + j];
}

// db[k] = over positions and lanes of dy (positions, filters, lanes); sums is (filters, lanes).
void sum_positions(const float* dy, int64_t positions, int64_t filters, float* sums) {
  for (int64_t p = 0; p < positions; ++p, dy += filters * kWide)
    for (int64_t k = 0; k < filters; ++k)
      store(sums + k * kWide, load(sums + k * kWide) + load(dy + k * kWide));
}

void lane_loops(nn::LaneLoops& l) {
  l = {kWide,         kTileM,   kOuter,    forward_plane, backward_plane, backward_filters,
       sum_positions, to_lanes, from_lanes};
}

}  // namespace heddle::ops::HEDDLE_ISA
