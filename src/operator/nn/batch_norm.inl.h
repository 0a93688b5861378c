// Sums over rows and the normalisation itself, at each instruction-set level. T is how data is
// stored, A how it is computed. A row keeps kLanes partial sums: same bits at every level.
namespace heddle::ops::HEDDLE_ISA {

// Sum of x, and of (x - mean)^2.
template <class T, class A>
double row_sum(const T* x, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 16;
  A s[kLanes] = {};
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += A(x[i + j]);
  for (int64_t i = whole; i < n; ++i) s[i - whole] += A(x[i]);
  double sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += double(s[j]);
  return sum;
}

template <class T, class A>
double row_square(const T* x, int64_t n, A mean) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 16;
  A s[kLanes] = {};
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += (A(x[i + j]) - mean) * (A(x[i + j]) - mean);
  for (int64_t i = whole; i < n; ++i) s[i - whole] += (A(x[i]) - mean) * (A(x[i]) - mean);
  double sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += double(s[j]);
  return sum;
}

// Sum of dy * (x - mean).
template <class T, class A>
double row_dot(const T* dy, const T* x, int64_t n, A mean) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 16;
  A s[kLanes] = {};
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += A(dy[i + j]) * (A(x[i + j]) - mean);
  for (int64_t i = whole; i < n; ++i) s[i - whole] += A(dy[i]) * (A(x[i]) - mean);
  double sum = 0;
  for (int j = 0; j < kLanes; ++j) sum += double(s[j]);
  return sum;
}

// y = (x - mean) * scale + shift.
template <class T, class A>
void row_scale(const T* x, T* y, int64_t n, A mean, A scale, A shift) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T((A(x[i]) - mean) * scale + shift);
}

// dx = dy * a + (x - mean) * b + c.
template <class T, class A>
void row_gradient(const T* dy, const T* x, T* dx, int64_t n, A mean, A a, A b, A c) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dx[i] = T(A(dy[i]) * a + ((A(x[i]) - mean) * b + c));
}

}  // namespace heddle::ops::HEDDLE_ISA
