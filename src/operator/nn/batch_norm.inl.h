// Sums over rows and the normalisation itself, at each instruction-set level. T is how data is
// stored, A how it is computed. A row keeps kLanes partial sums: same bits at every level. Long
// rows are summed by halves, so that partial sums stay short.
namespace heddle::ops::HEDDLE_ISA {

// Sum of x, and of (x - mean)^2.
template <class T, class A>
double row_sum(const T* x, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 16;
  if (n > 16384) {
    const int64_t half = n / 2 / kLanes * kLanes;
    return row_sum<T, A>(x, half) + row_sum<T, A>(x + half, n - half);
  }
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
  if (n > 16384) {
    const int64_t half = n / 2 / kLanes * kLanes;
    return row_square<T, A>(x, half, mean) + row_square<T, A>(x + half, n - half, mean);
  }
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

// What comes back through a limit: dy where (x - mean) * scale + shift is within it.
template <bool kLimited, class A>
inline __attribute__((always_inline)) A limited(A dy, A x, A mean, A scale, A shift, A low,
                                                A high) {
  if constexpr (!kLimited) return dy;
  const A z = (x - mean) * scale + shift;
  return ((z < low) | (z > high)) ? A(0) : dy;
}
template <class T, class A>
void row_limit(const T* dy, const T* x, T* y, int64_t n, A mean, batch_norm::Limit<A> l) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    y[i] = T(limited<true>(A(dy[i]), A(x[i]), mean, l.scale, l.shift, l.low, l.high));
}

// Sum of dy * (x - mean).
template <class T, class A>
double row_dot(const T* dy, const T* x, int64_t n, A mean) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 16;
  if (n > 16384) {
    const int64_t half = n / 2 / kLanes * kLanes;
    return row_dot<T, A>(dy, x, half, mean) + row_dot<T, A>(dy + half, x + half, n - half, mean);
  }
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

// y = (x - mean) * scale + shift, within low and high; a NaN stays.
template <class T, class A>
void row_scale(const T* x, T* y, int64_t n, A mean, batch_norm::Limit<A> l) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    A z = (A(x[i]) - mean) * l.scale + l.shift;
    z = z < l.low ? l.low : z;
    y[i] = T(z > l.high ? l.high : z);
  }
}

// dx = dy * a + (x - mean) * b + c.
template <class T, class A>
void row_gradient(const T* dy, const T* x, T* dx, int64_t n, A mean, A a, A b, A c) {
  simd::ran(HEDDLE_LEVEL);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dx[i] = T(A(dy[i]) * a + ((A(x[i]) - mean) * b + c));
}

// --- blocked ------------------------------------------------------------------------------------
// B channels lie beside each other at each of n positions, and every channel has its own numbers.
// Tensors are of type T, all else is float.
// Four positions go together, each with sums of its own: same bits at every level.
template <int B>
struct Spread {  // one number per channel, at each of four positions
  float at[4 * B];
  explicit __attribute__((always_inline)) Spread(const float* of) {
    for (int j = 0; j < 4 * B; ++j) at[j] = of[j % B];
  }
};

// N numbers as floats, where they lie or in `copy`; where to put N numbers, and then there.
template <int N>
inline __attribute__((always_inline)) const float* floats(const float* x, float*) {
  return x;
}
template <int N>
inline __attribute__((always_inline)) const float* floats(const bfloat16* x, float* copy) {
#pragma omp simd
  for (int j = 0; j < N; ++j) copy[j] = half::from_bf16(x[j].bits);
  return copy;
}
inline float* place(float* y, float*) { return y; }
inline float* place(bfloat16*, float* copy) { return copy; }
template <int N>
inline __attribute__((always_inline)) void put(const float*, float*) {}
template <int N>
inline __attribute__((always_inline)) void put(const float* copy, bfloat16* y) {
#pragma omp simd
  for (int j = 0; j < N; ++j) y[j].bits = half::to_bf16(copy[j]);
}

// sum[j] += channel j.
template <int B, class T>
void block_sum(const T* x, int64_t n, double* sum) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 4 * B;
  float s[kLanes] = {}, copy[kLanes];
  const int64_t size = n * B, whole = size / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const float* const v = floats<kLanes>(x + i, copy);
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += v[j];
  }
  for (int64_t i = whole; i < size; ++i) s[i - whole] += float(x[i]);
  for (int j = 0; j < kLanes; ++j) sum[j % B] += double(s[j]);
}

// sum[j] += (channel j - mean[j])^2.
template <int B, class T>
void block_square(const T* x, int64_t n, const float* mean, double* sum) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 4 * B;
  const Spread<B> m(mean);
  float s[kLanes] = {}, copy[kLanes];
  const int64_t size = n * B, whole = size / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const float* const v = floats<kLanes>(x + i, copy);
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) s[j] += (v[j] - m.at[j]) * (v[j] - m.at[j]);
  }
  for (int64_t i = whole; i < size; ++i) {
    const float d = float(x[i]) - m.at[i - whole];
    s[i - whole] += d * d;
  }
  for (int j = 0; j < kLanes; ++j) sum[j % B] += double(s[j]);
}

// heads[j] += dy of channel j; products[j] += dy * (x - mean[j]); of dy as the limit lets it
// through.
template <int B, class T, bool kLimited>
void block_dot(const T* dy, const T* x, int64_t n, const float* mean,
               const batch_norm::BlockLimit& l, double* heads, double* products) {
  simd::ran(HEDDLE_LEVEL);
  constexpr int kLanes = 4 * B;
  const Spread<B> m(mean), scale(kLimited ? l.scale : mean), shift(kLimited ? l.shift : mean);
  float h[kLanes] = {}, p[kLanes] = {}, copy[2][kLanes];
  const int64_t size = n * B, whole = size / kLanes * kLanes;
  for (int64_t i = 0; i < whole; i += kLanes) {
    const float* const v = floats<kLanes>(x + i, copy[0]);
    const float* const head = floats<kLanes>(dy + i, copy[1]);
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) {
      const float d =
          limited<kLimited>(head[j], v[j], m.at[j], scale.at[j], shift.at[j], l.low, l.high);
      h[j] += d, p[j] += d * (v[j] - m.at[j]);
    }
  }
  for (int64_t i = whole; i < size; ++i) {
    const int64_t j = i - whole;
    const float v = float(x[i]);
    const float d =
        limited<kLimited>(float(dy[i]), v, m.at[j], scale.at[j], shift.at[j], l.low, l.high);
    h[j] += d, p[j] += d * (v - m.at[j]);
  }
  for (int j = 0; j < kLanes; ++j) heads[j % B] += double(h[j]), products[j % B] += double(p[j]);
}

template <int B, class T>
void block_scale(const T* x, T* y, int64_t n, const float* mean, const batch_norm::BlockLimit& l) {
  simd::ran(HEDDLE_LEVEL);
  float copy[2][B];
  for (int64_t i = 0; i < n; ++i, x += B, y += B) {
    const float* const v = floats<B>(x, copy[0]);
    float* const to = place(y, copy[1]);
#pragma omp simd
    for (int j = 0; j < B; ++j) {
      float z = (v[j] - mean[j]) * l.scale[j] + l.shift[j];
      z = z < l.low ? l.low : z;
      to[j] = z > l.high ? l.high : z;
    }
    put<B>(to, y);
  }
}

template <int B, class T, bool kLimited>
void block_gradient(const T* dy, const T* x, T* dx, int64_t n, const float* mean,
                    const batch_norm::BlockLimit& l, const float* a, const float* b,
                    const float* c) {
  simd::ran(HEDDLE_LEVEL);
  const float *const scale = kLimited ? l.scale : mean, *const shift = kLimited ? l.shift : mean;
  float copy[3][B];
  for (int64_t i = 0; i < n; ++i, dy += B, x += B, dx += B) {
    const float *const v = floats<B>(x, copy[0]), *const head = floats<B>(dy, copy[1]);
    float* const to = place(dx, copy[2]);
#pragma omp simd
    for (int j = 0; j < B; ++j) {
      const float d = limited<kLimited>(head[j], v[j], mean[j], scale[j], shift[j], l.low, l.high);
      to[j] = d * a[j] + ((v[j] - mean[j]) * b[j] + c[j]);
    }
    put<B>(to, dx);
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
