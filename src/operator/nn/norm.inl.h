// Sums over a run of elements that lie side by side, and what is written to them, at each
// instruction-set level. Sixteen sums that do not wait for each other, folded in a fixed order:
// same bits at every level.
namespace heddle::ops::HEDDLE_ISA {

constexpr int kNormLanes = 16;

inline __attribute__((always_inline)) double folded(double* s) {
  for (int half = kNormLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}

// The sum of x.
template <class T, class A>
double norm_sum(const T* x, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  double s[kNormLanes] = {};
  const int64_t whole = n / kNormLanes * kNormLanes;
  for (int64_t i = 0; i < whole; i += kNormLanes)
#pragma omp simd
    for (int j = 0; j < kNormLanes; ++j) s[j] += double(A(x[i + j]));
  for (int64_t i = whole; i < n; ++i) s[i - whole] += double(A(x[i]));
  return folded(s);
}

// The sum of (x - mean)^2.
template <class T, class A>
double norm_squares(const T* x, int64_t n, double mean) {
  double s[kNormLanes] = {};
  const int64_t whole = n / kNormLanes * kNormLanes;
  for (int64_t i = 0; i < whole; i += kNormLanes)
#pragma omp simd
    for (int j = 0; j < kNormLanes; ++j) {
      const double d = double(A(x[i + j])) - mean;
      s[j] += d * d;
    }
  for (int64_t i = whole; i < n; ++i) {
    const double d = double(A(x[i])) - mean;
    s[i - whole] += d * d;
  }
  return folded(s);
}

// y = (x - mean) scale gamma + beta; with kOwn an element has a gamma and a beta of its own.
template <class T, class A, bool kOwn>
void norm_apply(const T* x, T* y, int64_t n, A mean, A scale, const T* gamma, const T* beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    y[i] = T((A(x[i]) - mean) * scale * A(gamma[kOwn ? i : 0]) + A(beta[kOwn ? i : 0]));
}

// The sums of dy and of dy z, z = (x - mean) scale; with kOwn of dy gamma.
template <class T, class A, bool kOwn>
void norm_products(const T* dy, const T* x, const T* gamma, int64_t n, double mean, double scale,
                   double* heads, double* product) {
  double h[kNormLanes] = {}, p[kNormLanes] = {};
  const int64_t whole = n / kNormLanes * kNormLanes;
  for (int64_t i = 0; i < whole; i += kNormLanes)
#pragma omp simd
    for (int j = 0; j < kNormLanes; ++j) {
      const double d = double(A(dy[i + j])) * (kOwn ? double(A(gamma[i + j])) : 1.0);
      h[j] += d;
      p[j] += d * ((double(A(x[i + j])) - mean) * scale);
    }
  for (int64_t i = whole; i < n; ++i) {
    const double d = double(A(dy[i])) * (kOwn ? double(A(gamma[i])) : 1.0);
    h[i - whole] += d;
    p[i - whole] += d * ((double(A(x[i])) - mean) * scale);
  }
  *heads = folded(h), *product = folded(p);
}

// dx = (dy gamma - less - (x - mean) slope) scale
template <class T, class A, bool kOwn>
void norm_gradient(const T* dy, const T* x, const T* gamma, T* dx, int64_t n, A less, A mean,
                   A slope, A scale) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    dx[i] = T((A(dy[i]) * A(gamma[kOwn ? i : 0]) - less - (A(x[i]) - mean) * slope) * scale);
}

// Adds dy z and dy to the sums of each element.
template <class T, class A>
void norm_channels(const T* dy, const T* x, int64_t n, double mean, double scale, double* by_gamma,
                   double* by_beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const double d = double(A(dy[i]));
    by_gamma[i] += d * ((double(A(x[i])) - mean) * scale);
    by_beta[i] += d;
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
