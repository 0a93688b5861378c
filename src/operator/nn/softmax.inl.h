// Softmax of one row, and its gradient, at each instruction-set level. A row has n elements,
// `stride` apart; kLanes neighbouring rows are done together when they are interleaved (stride >
// 1), and one row keeps kLanes partial results when it is contiguous: same bits at every level.
#include "operator/simd/fold.inl.h"

namespace heddle::ops::HEDDLE_ISA {

constexpr int kLanes = 16;
#define HEDDLE_INLINE inline __attribute__((always_inline))

// What is left of a row after whole groups of lanes, as a group of its own that ends in `rest`.
template <class T, class A>
struct Tail {
  A at[kLanes];
  HEDDLE_INLINE Tail(const T* x, int64_t n, A rest) {
    for (int j = 0; j < kLanes; ++j) at[j] = rest;
    for (int64_t j = 0; j < n; ++j) at[j] = A(x[j]);
  }
};

// The largest of scale * x.
template <class T, class A>
HEDDLE_INLINE A top_of_row(const T* x, int64_t n, A scale) {
  A m[kLanes];
  const int64_t whole = n / kLanes * kLanes;
  for (int i = 0; i < kLanes; ++i) m[i] = -ew::kInfinity<A>;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) m[j] = ew::max(A(x[i + j]) * scale, m[j]);
  for (int64_t i = whole; i < n; ++i) m[i - whole] = ew::max(A(x[i]) * scale, m[i - whole]);
  return fold16<Larger>(m);
}

// The sum of exp(scale * x - top); with kKeep e[i] is the term of x[i], and e may be x.
template <bool kKeep, class T, class A>
HEDDLE_INLINE A sum_of_row(const T* x, A* e, int64_t n, A scale, A top) {
  A s[kLanes];
  const int64_t whole = n / kLanes * kLanes;
  for (int i = 0; i < kLanes; ++i) s[i] = 0;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) {
      const A v = ew::exp_below(A(x[i + j]) * scale - top);
      if constexpr (kKeep) e[i + j] = v;
      s[j] += v;
    }
  if (whole < n) {
    const Tail<T, A> last(x + whole, n - whole, A(0));
    A v[kLanes];
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) v[j] = ew::exp_below(last.at[j] * scale - top);
    for (int64_t i = whole; i < n; ++i) {
      if constexpr (kKeep) e[i] = v[i - whole];
      s[i - whole] += v[i - whole];
    }
  }
  return fold16<Plus>(s);
}

// log(sum of exp(scale * x)): what is subtracted from the logarithm of a row's softmax.
template <class T, class A>
A softmax_shift(const T* x, int64_t n, A scale) {
  simd::ran(HEDDLE_LEVEL);
  const A top = top_of_row(x, n, scale);
  return top + ew::log(sum_of_row<false>(x, static_cast<A*>(nullptr), n, scale, top));
}

// Contiguous: e holds n numbers and may be y when T is A.
template <class T, class A>
HEDDLE_INLINE void forward_row(const T* x, T* y, A* e, int64_t n, A scale, bool log) {
  const A top = top_of_row(x, n, scale);
  if (log) {
    const A shift = top + ew::log(sum_of_row<false>(x, e, n, scale, top));
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = T(A(x[i]) * scale - shift);
    return;
  }
  const A inverse = A(1) / sum_of_row<true>(x, e, n, scale, top);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(e[i] * inverse);
}
// Short rows wait for their own folds: those of several are made side by side.
constexpr int kTogether = 2;
template <class T>
HEDDLE_INLINE void forward_together(const T* x, T* y, int64_t n, T scale) {
  T top[kTogether], sum[kTogether];
#pragma GCC unroll 2
  for (int r = 0; r < kTogether; ++r) top[r] = top_of_row(x + r * n, n, scale);
#pragma GCC unroll 2
  for (int r = 0; r < kTogether; ++r)
    sum[r] = sum_of_row<true>(x + r * n, y + r * n, n, scale, top[r]);
  for (int r = 0; r < kTogether; ++r) {
    const T inverse = T(1) / sum[r];
    T* const to = y + r * n;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] *= inverse;
  }
}
// Rows of n that follow each other. `e` is there where T is not A.
template <class T, class A>
void softmax_rows(const T* x, T* y, A* e, int64_t rows, int64_t n, A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  if constexpr (std::is_same_v<T, A>)
    for (; !log && n <= 128 && rows >= kTogether; rows -= kTogether) {
      forward_together(x, y, n, scale);
      x += kTogether * n, y += kTogether * n;
    }
  for (; rows > 0; --rows, x += n, y += n) {
    if constexpr (std::is_same_v<T, A>) forward_row(x, y, y, n, scale, log);
    else forward_row(x, y, e, n, scale, log);
  }
}

template <class T, class A>
HEDDLE_INLINE void backward_row(const T* dy, const T* y, T* dx, int64_t n, A scale, bool log) {
  A s[kLanes];
  const int64_t whole = n / kLanes * kLanes;
  for (int i = 0; i < kLanes; ++i) s[i] = 0;
  for (int64_t i = 0; i < whole; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += A(dy[i + j]) * (log ? A(1) : A(y[i + j]));
  for (int64_t i = whole; i < n; ++i) s[i - whole] += A(dy[i]) * (log ? A(1) : A(y[i]));
  const A sum = fold16<Plus>(s);
  if (log) {
#pragma omp simd
    for (int64_t i = 0; i < whole; ++i)
      dx[i] = T(scale * (A(dy[i]) - ew::exp_below(A(y[i])) * sum));
    if (whole < n) {
      const Tail<T, A> last(y + whole, n - whole, A(0));
      A v[kLanes];
#pragma omp simd
      for (int j = 0; j < kLanes; ++j) v[j] = ew::exp_below(last.at[j]) * sum;
      for (int64_t i = whole; i < n; ++i) dx[i] = T(scale * (A(dy[i]) - v[i - whole]));
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = T(scale * A(y[i]) * (A(dy[i]) - sum));
  }
}
template <class T, class A>
void softmax_rows_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n, A scale,
                           bool log) {
  simd::ran(HEDDLE_LEVEL);
  for (; rows > 0; --rows, dy += n, y += n, dx += n) backward_row(dy, y, dx, n, scale, log);
}

// `width` <= kLanes interleaved rows; with kAll it is kLanes.
template <bool kAll, class T, class A>
HEDDLE_INLINE void columns_forward(const T* x, T* y, int64_t n, int64_t stride, int some, A scale,
                                   bool log) {
  const int width = kAll ? kLanes : some;
  A m[kLanes], s[kLanes];
  for (int j = 0; j < kLanes; ++j) m[j] = -ew::kInfinity<A>, s[j] = 0;
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) m[j] = ew::max(A(x[i * stride + j]) * scale, m[j]);
  if constexpr (std::is_same_v<T, A>) {
    if (!log) {  // the terms wait in y for their sum
      for (int64_t i = 0; i < n; ++i)
#pragma omp simd
        for (int j = 0; j < width; ++j) {
          const A v = ew::exp_below(A(x[i * stride + j]) * scale - m[j]);
          y[i * stride + j] = v;
          s[j] += v;
        }
      for (int j = 0; j < width; ++j) s[j] = A(1) / s[j];
      for (int64_t i = 0; i < n; ++i)
#pragma omp simd
        for (int j = 0; j < width; ++j) y[i * stride + j] *= s[j];
      return;
    }
  }
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) s[j] += ew::exp_below(A(x[i * stride + j]) * scale - m[j]);
  for (int j = 0; j < width; ++j) s[j] = log ? m[j] + ew::log(s[j]) : A(1) / s[j];
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int j = 0; j < width; ++j) {
      const A v = A(x[i * stride + j]) * scale;
      y[i * stride + j] = T(log ? v - s[j] : ew::exp_below(v - m[j]) * s[j]);
    }
}
template <class T, class A>
void softmax_columns(const T* x, T* y, int64_t n, int64_t stride, int width, A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  if (width == kLanes) columns_forward<true>(x, y, n, stride, width, scale, log);
  else columns_forward<false>(x, y, n, stride, width, scale, log);
}

template <bool kAll, class T, class A>
HEDDLE_INLINE void columns_backward(const T* dy, const T* y, T* dx, int64_t n, int64_t stride,
                                    int some, A scale, bool log) {
  const int width = kAll ? kLanes : some;
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
      dx[i * stride + j] = T(log ? scale * (g - ew::exp_below(v) * s[j]) : scale * v * (g - s[j]));
    }
}
template <class T, class A>
void softmax_columns_backward(const T* dy, const T* y, T* dx, int64_t n, int64_t stride, int width,
                              A scale, bool log) {
  simd::ran(HEDDLE_LEVEL);
  if (width == kLanes) columns_backward<true>(dy, y, dx, n, stride, width, scale, log);
  else columns_backward<false>(dy, y, dx, n, stride, width, scale, log);
}
#undef HEDDLE_INLINE

}  // namespace heddle::ops::HEDDLE_ISA
