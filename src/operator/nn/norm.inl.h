// Sums over a run of elements that lie side by side, and what is written to them, at each
// instruction-set level. Sixteen sums that do not wait for each other, folded in a fixed order:
// same bits at every level.
#include "operator/simd/fold.inl.h"

namespace heddle::ops::HEDDLE_ISA {

constexpr int kNormLanes = 16;
constexpr int64_t kNormStretch = 4096;  // elements whose sums are as wide as the elements
#define HEDDLE_INLINE inline __attribute__((always_inline))

template <class A>
HEDDLE_INLINE A folded(A* s) {
  return fold16<Plus>(s);
}

// The sum of x.
template <class T, class A>
double norm_sum(const T* x, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  double sum = 0;
  for (int64_t from = 0; from < n; from += kNormStretch) {
    const int64_t end = n - from < kNormStretch ? n : from + kNormStretch;
    const int64_t whole = from + (end - from) / kNormLanes * kNormLanes;
    A s[kNormLanes] = {};
    for (int64_t i = from; i < whole; i += kNormLanes)
#pragma omp simd
      for (int j = 0; j < kNormLanes; ++j) s[j] += A(x[i + j]);
    for (int64_t i = whole; i < end; ++i) s[i - whole] += A(x[i]);
    sum += double(folded(s));
  }
  return sum;
}

// The sum of (x - mean)^2.
template <class T, class A>
double norm_squares(const T* x, int64_t n, A mean) {
  double sum = 0;
  for (int64_t from = 0; from < n; from += kNormStretch) {
    const int64_t end = n - from < kNormStretch ? n : from + kNormStretch;
    const int64_t whole = from + (end - from) / kNormLanes * kNormLanes;
    A s[kNormLanes] = {};
    for (int64_t i = from; i < whole; i += kNormLanes)
#pragma omp simd
      for (int j = 0; j < kNormLanes; ++j) {
        const A d = A(x[i + j]) - mean;
        s[j] += d * d;
      }
    for (int64_t i = whole; i < end; ++i) {
      const A d = A(x[i]) - mean;
      s[i - whole] += d * d;
    }
    sum += double(folded(s));
  }
  return sum;
}

// The sum of x z, in double, where squares of floats neither overflow nor vanish.
template <class T, class A>
double norm_dot(const T* x, const T* z, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  double s[kNormLanes] = {};
  const int64_t whole = n / kNormLanes * kNormLanes;
  for (int64_t i = 0; i < whole; i += kNormLanes)
#pragma omp simd
    for (int j = 0; j < kNormLanes; ++j) s[j] += double(A(x[i + j])) * double(A(z[i + j]));
  for (int64_t i = whole; i < n; ++i) s[i - whole] += double(A(x[i])) * double(A(z[i]));
  return folded(s);
}

// y = x / length
template <class T, class A>
void norm_divide(const T* x, T* y, int64_t n, A length) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(A(x[i]) / length);
}

// dx = (dy - y product) / length
template <class T, class A>
void norm_project(const T* dy, const T* y, T* dx, int64_t n, A product, A length) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dx[i] = T((A(dy[i]) - A(y[i]) * product) / length);
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
void norm_products(const T* dy, const T* x, const T* gamma, int64_t n, A mean, A scale,
                   double* heads, double* product) {
  *heads = *product = 0;
  for (int64_t from = 0; from < n; from += kNormStretch) {
    const int64_t end = n - from < kNormStretch ? n : from + kNormStretch;
    const int64_t whole = from + (end - from) / kNormLanes * kNormLanes;
    A h[kNormLanes] = {}, p[kNormLanes] = {};
    for (int64_t i = from; i < whole; i += kNormLanes)
#pragma omp simd
      for (int j = 0; j < kNormLanes; ++j) {
        const A d = A(dy[i + j]) * (kOwn ? A(gamma[i + j]) : A(1));
        h[j] += d;
        p[j] += d * ((A(x[i + j]) - mean) * scale);
      }
    for (int64_t i = whole; i < end; ++i) {
      const A d = A(dy[i]) * (kOwn ? A(gamma[i]) : A(1));
      h[i - whole] += d;
      p[i - whole] += d * ((A(x[i]) - mean) * scale);
    }
    *heads += double(folded(h)), *product += double(folded(p));
  }
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
void norm_channels(const T* dy, const T* x, int64_t n, A mean, A scale, A* by_gamma, A* by_beta) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const A d = A(dy[i]);
    by_gamma[i] += d * ((A(x[i]) - mean) * scale);
    by_beta[i] += d;
  }
}

// Adds sums of some rows to those of all, and begins them anew.
template <class A>
void norm_flush(A* some, double* all, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) all[i] += double(some[i]), some[i] = 0;
}
#undef HEDDLE_INLINE

}  // namespace heddle::ops::HEDDLE_ISA
