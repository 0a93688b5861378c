// The innermost loops of elementwise formulas, once per instruction-set level. "omp simd" says that
// iterations do not meet, which stays true when an output is the memory of an input.
namespace heddle::ops::HEDDLE_ISA {

// A few elements of a formula that says which arguments are usual: without a branch if all are.
template <class F>
inline __attribute__((always_inline)) void map_usual(const float* a, float* y, int64_t n) {
  bool all = true;
#pragma omp simd reduction(& : all)
  for (int64_t i = 0; i < n; ++i) all &= F::usual(a[i]);
  if (all) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::f(ew::Usual(a[i]));
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = F::f(a[i]);
  }
}
template <class F>
inline __attribute__((always_inline)) void map_usual(const float* a, const float* b, float* y,
                                                     int64_t n) {
  bool all = true;
#pragma omp simd reduction(& : all)
  for (int64_t i = 0; i < n; ++i) all &= F::usual(a[i], b[i]);
  if (all) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::f(ew::Usual(a[i]), ew::Usual(b[i]));
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = F::f(a[i], b[i]);
  }
}

template <class F, class T>
void map1(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T* a = in[0];
  T* y = out[0];
  if constexpr (ew::AsksUsual<F, T>) {
    for (int64_t i = 0; i < n; i += ew::kAsked)
      map_usual<F>(a + i, y + i, n - i < ew::kAsked ? n - i : ew::kAsked);
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(F::f(a[i]));
}

template <class F, class T>
void map2(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T *a = in[0], *b = in[1];
  T* y = out[0];
  if constexpr (ew::AsksUsual<F, T, T>) {
    for (int64_t i = 0; i < n; i += ew::kAsked)
      map_usual<F>(a + i, b + i, y + i, n - i < ew::kAsked ? n - i : ew::kAsked);
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(F::f(a[i], b[i]));
}

template <class F, class T>
void map3(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T *a = in[0], *b = in[1], *c = in[2];
  T* y = out[0];
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(F::f(a[i], b[i], c[i]));
}

template <class F, class T>
void map4(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T *a = in[0], *b = in[1], *c = in[2], *d = in[3];
  T* y = out[0];
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(F::f(a[i], b[i], c[i], d[i]));
}

}  // namespace heddle::ops::HEDDLE_ISA
