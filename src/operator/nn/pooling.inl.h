// Max pooling by K x K windows that neither overlap nor leave the data, at each instruction-set
// level. x is (planes, h, w), y is (planes, h / K, w / K).
namespace heddle::ops::HEDDLE_ISA {

template <int K>
void max_tiles(const float* x, float* y, int64_t planes, int64_t h, int64_t w) {
  simd::ran(HEDDLE_LEVEL);
  const int64_t oh = h / K, ow = w / K;
  for (int64_t p = 0; p < planes; ++p, x += h * w, y += oh * ow)
    for (int64_t i = 0; i < oh; ++i) {
      const float* from = x + i * K * w;
      float* to = y + i * ow;
#pragma omp simd
      for (int64_t j = 0; j < ow; ++j) {
        float m = from[j * K];
        for (int a = 0; a < K; ++a)
          for (int b = 0; b < K; ++b) {
            const float v = from[a * w + j * K + b];
            m = v > m ? v : m;
          }
        to[j] = m;
      }
    }
}

// One row of windows: finds the maxima, then hands each head to the first cell that holds it. All
// cells of a window are written side by side, in plain loops without branches, which vectorise.
template <int K>
void max_tiles_backward_row(const float* head, const float* from, float* to, int64_t w, int64_t n) {
  constexpr int64_t kChunk = 256;
  float top[kChunk];
  int open[kChunk];  // 1 until the window's gradient has found its cell
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    float m = from[j * K];
    for (int a = 0; a < K; ++a)
      for (int b = 0; b < K; ++b) {
        const float v = from[a * w + j * K + b];
        m = v > m ? v : m;
      }
    top[j] = m;
    open[j] = 1;
  }
  for (int a = 0; a < K; ++a) {
    const float* x = from + a * w;
    float* dx = to + a * w;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      int left = open[j];
      for (int b = 0; b < K; ++b) {
        // "Not below" and not "equal": where the first cell is NaN, so is the maximum.
        const int won = left & int(!(x[j * K + b] < top[j]));
        dx[j * K + b] = won ? head[j] : 0.0f;
        left &= 1 - won;
      }
      open[j] = left;
    }
  }
}

// The gradient goes to the first maximum of its window; cells outside all windows get zero.
template <int K>
void max_tiles_backward(const float* dy, const float* x, float* dx, int64_t planes, int64_t h,
                        int64_t w) {
  simd::ran(HEDDLE_LEVEL);
  const int64_t oh = h / K, ow = w / K;
  for (int64_t p = 0; p < planes; ++p, x += h * w, dx += h * w, dy += oh * ow) {
    if (w % K)
      for (int64_t i = 0; i < oh * K; ++i)
        for (int64_t j = ow * K; j < w; ++j) dx[i * w + j] = 0;
    for (int64_t i = oh * K * w; i < h * w; ++i) dx[i] = 0;
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; j += 256)
        max_tiles_backward_row<K>(dy + i * ow + j, x + i * K * w + j * K, dx + i * K * w + j * K, w,
                                  ow - j < 256 ? ow - j : 256);
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
