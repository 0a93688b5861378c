// The loop of an update rule, once per instruction-set level. in: weight, grad, states; out: the
// new weight and states, which may be the same memory.
namespace heddle::ops::HEDDLE_ISA {

template <class R, class T, int kStates>
void update(const void* params, const T* const* in, T* const* out, int64_t n) {
  simd::ran(HEDDLE_LEVEL);
  const R rule = *static_cast<const R*>(params);
  const T *w = in[0], *g = in[1];
  T* y = out[0];
  if constexpr (kStates == 0) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = rule.step(w[i], g[i]);
  } else if constexpr (kStates == 1) {
    const T* a = in[2];
    T* a_out = out[1];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      T sa = a[i];
      y[i] = rule.step(w[i], g[i], sa);
      a_out[i] = sa;
    }
  } else if constexpr (kStates == 2) {
    const T *a = in[2], *b = in[3];
    T *a_out = out[1], *b_out = out[2];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      T sa = a[i], sb = b[i];
      y[i] = rule.step(w[i], g[i], sa, sb);
      a_out[i] = sa, b_out[i] = sb;
    }
  } else if constexpr (kStates == 3) {
    const T *a = in[2], *b = in[3], *c = in[4];
    T *a_out = out[1], *b_out = out[2], *c_out = out[3];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      T sa = a[i], sb = b[i], sc = c[i];
      y[i] = rule.step(w[i], g[i], sa, sb, sc);
      a_out[i] = sa, b_out[i] = sb, c_out[i] = sc;
    }
  } else {
    const T *a = in[2], *b = in[3], *c = in[4], *d = in[5];
    T *a_out = out[1], *b_out = out[2], *c_out = out[3], *d_out = out[4];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      T sa = a[i], sb = b[i], sc = c[i], sd = d[i];
      y[i] = rule.step(w[i], g[i], sa, sb, sc, sd);
      a_out[i] = sa, b_out[i] = sb, c_out[i] = sc, d_out[i] = sd;
    }
  }
}

}  // namespace heddle::ops::HEDDLE_ISA
