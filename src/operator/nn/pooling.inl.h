// Max pooling by K x K windows that neither overlap nor leave the data, at each instruction-set
// level. x is (planes, h, w), y is (planes, h / K, w / K).
namespace heddle::HEDDLE_ISA {

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
    for (int64_t i = 0; i < oh; ++i) {
      const float *from = x + i * K * w, *head = dy + i * ow;
      float* to = dx + i * K * w;
#pragma omp simd
      for (int64_t j = 0; j < ow; ++j) {
        float m = from[j * K];
        int best = 0;
        for (int a = 0; a < K; ++a)
          for (int b = 0; b < K; ++b) {
            const float v = from[a * w + j * K + b];
            best = v > m ? a * K + b : best;
            m = v > m ? v : m;
          }
        for (int a = 0; a < K; ++a)
          for (int b = 0; b < K; ++b) to[a * w + j * K + b] = best == a * K + b ? head[j] : 0.0f;
      }
    }
  }
}

}  // namespace heddle::HEDDLE_ISA
