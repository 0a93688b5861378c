// Softmax of one row, and its gradient, at each instruction-set level. A row has n elements,
// `stride` apart; kLanes neighbouring rows are done together when they are interleaved (stride >
// 1), and one row keeps kLanes partial results when it is contiguous: same bits at every level.
namespace heddle::ops::HEDDLE_ISA {

constexpr int kLanes = 16;

// Folds kLanes partial results in a fixed order.
template <class A, class F>
inline __attribute__((always_inline)) A fold_lanes(const A* v, F f) {
  A t[kLanes];
  for (int i = 0; i < kLanes; ++i) t[i] = v[i];
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) t[i] = f(t[i], t[i + half]);
  return t[0];
}

// Contiguous: e holds n numbers and may be y when T is A.
template <class T, class A>
void softmax_row(const T* x, T* y, A* e, int64_t n, A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  A m[kLanes], s[kLanes];
  const int64_t whole = n / kLanes * kLanes;
  for (int i = 0; i < kLanes; ++i) m[i] = -ew::kInfinity<A>, s[i] = 0;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) m[j] = ew::max(A(x[i + j]) * scale, m[j]);
  for (int64_t i = whole; i < n; ++i) m[i - whole] = ew::max(A(x[i]) * scale, m[i - whole]);
  const A top = fold_lanes(m, [](A a, A b) { return ew::max(a, b); });
  if (log) {
    for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
      for (int j = 0; j < kLanes; ++j) s[j] += ew::exp(A(x[i + j]) * scale - top);
    for (int64_t i = whole; i < n; ++i) s[i - whole] += ew::exp(A(x[i]) * scale - top);
    const A shift = top + ew::log(fold_lanes(s, [](A a, A b) { return a + b; }));
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = T(A(x[i]) * scale - shift);
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) e[i] = ew::exp(A(x[i]) * scale - top);
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += e[i + j];
  for (int64_t i = whole; i < n; ++i) s[i - whole] += e[i];
  const A inverse = A(1) / fold_lanes(s, [](A a, A b) { return a + b; });
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(e[i] * inverse);
}

template <class T, class A>
void softmax_row_backward(const T* dy, const T* y, T* dx, int64_t n, A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  A s[kLanes];
  const int64_t whole = n / kLanes * kLanes;
  for (int i = 0; i < kLanes; ++i) s[i] = 0;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += A(dy[i + j]) * (log ? A(1) : A(y[i + j]));
  for (int64_t i = whole; i < n; ++i) s[i - whole] += A(dy[i]) * (log ? A(1) : A(y[i]));
  const A sum = fold_lanes(s, [](A a, A b) { return a + b; });
  if (log) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = T(scale * (A(dy[i]) - ew::exp(A(y[i])) * sum));
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = T(scale * A(y[i]) * (A(dy[i]) - sum));
  }
}

// `width` <= kLanes interleaved rows.
template <class T, class A>
void softmax_columns(const T* x, T* y, int64_t n, int64_t stride, int width, A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  A m[kLanes], s[kLanes];
  for (int j = 0; j < kLanes; ++j) m[j] = -ew::kInfinity<A>, s[j] = 0;
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) m[j] = ew::max(A(x[i * stride + j]) * scale, m[j]);
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) s[j] += ew::exp(A(x[i * stride + j]) * scale - m[j]);
  for (int j = 0; j < width; ++j) s[j] = log ? m[j] + ew::log(s[j]) : A(1) / s[j];
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) {
      const A v = A(x[i * stride + j]) * scale;
      y[i * stride + j] = T(log ? v - s[j] : ew::exp(v - m[j]) * s[j]);
    }
}

template <class T, class A>
void softmax_columns_backward(const T* dy, const T* y, T* dx, int64_t n, int64_t stride, int width,
                              A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  A s[kLanes];
  for (int j = 0; j < kLanes; ++j) s[j] = 0;
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j)
      s[j] += A(dy[i * stride + j]) * (log ? A(1) : A(y[i * stride + j]));
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) {
      const A g = A(dy[i * stride + j]), v = A(y[i * stride + j]);
      dx[i * stride + j] = T(log ? scale * (g - ew::exp(v) * s[j]) : scale * v * (g - s[j]));
    }
}

}  // namespace heddle::ops::HEDDLE_ISA
