// The innermost loops of elementwise formulas, once per instruction-set level. "omp simd" says that
// iterations do not meet, which stays true when an output is the memory of an input.
namespace heddle::ops::HEDDLE_ISA {

// Elements of a formula that holds usually: NaN is where it may not. Results are kept apart until
// that is mended, for they may be written over the arguments. What is NaN in earnest has one
// pattern of bits, whatever the order of operands at this level.
template <class F, class... In>
inline __attribute__((always_inline)) void map_usual(float* y, int64_t n, const In*... in) {
  float found[ew::kLooked];
  for (int64_t begin = 0; begin < n; begin += ew::kLooked) {
    const int64_t end = n - begin < ew::kLooked ? n - begin : ew::kLooked;
    int missing = 0;
#pragma omp simd reduction(| : missing)
    for (int64_t i = 0; i < end; ++i) {
      found[i] = F::f(ew::Usual(in[begin + i])...);
      missing |= found[i] != found[i];
    }
    if (missing)
      for (int64_t i = 0; i < end; ++i)
        if (found[i] != found[i]) {
          const float again = F::f(in[begin + i]...);
          found[i] = again == again ? again : ew::kNan<float>;
        }
    std::memcpy(y + begin, found, size_t(end) * sizeof(float));
  }
}

template <class F, class T>
void map1(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T* a = in[0];
  T* y = out[0];
  if constexpr (std::same_as<T, float> && ew::Usually<F>) return map_usual<F>(y, n, a);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(F::f(a[i]));
}

template <class F, class T>
void map2(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T *a = in[0], *b = in[1];
  T* y = out[0];
  if constexpr (std::same_as<T, float> && ew::Usually<F>) return map_usual<F>(y, n, a, b);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = T(F::f(a[i], b[i]));
}

template <class F, class T>
void map3(const void*, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const T *a = in[0], *b = in[1], *c = in[2];
  T* y = out[0];
  if constexpr (std::same_as<T, float> && ew::Usually<F>) return map_usual<F>(y, n, a, b, c);
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
