// Fourier transforms of one row at each instruction-set level. Real and imaginary parts lie in
// arrays of their own. No operation is fused: same bits at every level.
namespace heddle::ops::HEDDLE_ISA {

#define HEDDLE_INLINE inline __attribute__((always_inline))

// A register of A. What is written for a vector V of them also does for one number.
template <class A>
struct FourierRegister {
  static constexpr int kBytes = HEDDLE_LEVEL == 4 ? 64 : HEDDLE_LEVEL == 3 ? 32 : 16;
  typedef A Type __attribute__((vector_size(kBytes)));
};

template <class V, class A>
HEDDLE_INLINE V get(const A* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}
template <class V, class A>
HEDDLE_INLINE void put_at(A* p, V v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

// step(V(), i) for registers of numbers that cover [0, n), the last of which may overlap the one
// before; or for single numbers where n is less than a register.
template <class A, class Step>
HEDDLE_INLINE void in_registers(int64_t n, Step&& step) {
  using V = typename FourierRegister<A>::Type;
  constexpr int64_t kWide = sizeof(V) / sizeof(A);
  int64_t i = 0;
  for (; i + kWide <= n; i += kWide) step(V{}, i);
  if (i == n) return;
  if (n >= kWide) return step(V{}, n - kWide);
  for (; i < n; ++i) step(A{}, i);
}

// a[k] = sum over j of a[j] exp(-2 pi i jk / R), for numbers or vectors V of A.
template <int R, class A, class V>
HEDDLE_INLINE void butterfly(V* re, V* im) {
  if constexpr (R == 2) {
    const V ar = re[0], ai = im[0];
    re[0] = ar + re[1], im[0] = ai + im[1];
    re[1] = ar - re[1], im[1] = ai - im[1];
  } else if constexpr (R == 3) {
    constexpr A kSine = A(0.866025403784438646763723170752936183);
    const V sr = re[1] + re[2], si = im[1] + im[2];
    const V dr = (re[1] - re[2]) * kSine, di = (im[1] - im[2]) * kSine;
    const V mr = re[0] - sr * A(0.5), mi = im[0] - si * A(0.5);
    re[0] += sr, im[0] += si;
    re[1] = mr + di, im[1] = mi - dr;
    re[2] = mr - di, im[2] = mi + dr;
  } else if constexpr (R == 4) {
    const V ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
    const V cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
    re[0] = ar + cr, im[0] = ai + ci;
    re[1] = br + di, im[1] = bi - dr;
    re[2] = ar - cr, im[2] = ai - ci;
    re[3] = br - di, im[3] = bi + dr;
  } else {
    static_assert(R == 5);
    constexpr A kCos1 = A(0.309016994374947424102293417182819059);
    constexpr A kCos2 = A(-0.809016994374947424102293417182819059);
    constexpr A kSin1 = A(0.951056516295153572116439333379382143);
    constexpr A kSin2 = A(0.587785252292473129168705954639072769);
    const V sr1 = re[1] + re[4], si1 = im[1] + im[4], dr1 = re[1] - re[4], di1 = im[1] - im[4];
    const V sr2 = re[2] + re[3], si2 = im[2] + im[3], dr2 = re[2] - re[3], di2 = im[2] - im[3];
    const V mr1 = re[0] + kCos1 * sr1 + kCos2 * sr2, mi1 = im[0] + kCos1 * si1 + kCos2 * si2;
    const V mr2 = re[0] + kCos2 * sr1 + kCos1 * sr2, mi2 = im[0] + kCos2 * si1 + kCos1 * si2;
    const V tr1 = kSin1 * dr1 + kSin2 * dr2, ti1 = kSin1 * di1 + kSin2 * di2;
    const V tr2 = kSin2 * dr1 - kSin1 * dr2, ti2 = kSin2 * di1 - kSin1 * di2;
    re[0] += sr1 + sr2, im[0] += si1 + si2;
    re[1] = mr1 + ti1, im[1] = mi1 - tr1;
    re[4] = mr1 - ti1, im[4] = mi1 + tr1;
    re[2] = mr2 + ti2, im[2] = mi2 - tr2;
    re[3] = mr2 - ti2, im[3] = mi2 + tr2;
  }
}

// One pass over n = R m s numbers (Stockham's order: the result needs no reordering):
//   y[q + s (R p + k)] = w^(pk) sum over j of x[q + s (p + m j)] exp(-2 pi i jk / R),
//   w = exp(-2 pi i / (R m)), p < m, q < s.
// Where s is long, along q.
template <int R, bool kTwiddle, class A>
HEDDLE_INLINE void pass_row(const A* xr, const A* xi, A* yr, A* yi, int64_t m, int64_t s,
                            const A* wr, const A* wi) {
  in_registers<A>(
      s, [&](auto register_of, int64_t q) __attribute__((always_inline)) {
        using V = decltype(register_of);
        V re[R], im[R];
#pragma GCC unroll 5
        for (int j = 0; j < R; ++j)
          re[j] = get<V>(xr + q + s * m * j), im[j] = get<V>(xi + q + s * m * j);
        butterfly<R, A>(re, im);
        put_at(yr + q, re[0]), put_at(yi + q, im[0]);
#pragma GCC unroll 5
        for (int k = 1; k < R; ++k) {
          put_at<V>(yr + q + s * k, kTwiddle ? re[k] * wr[k] - im[k] * wi[k] : re[k]);
          put_at<V>(yi + q + s * k, kTwiddle ? re[k] * wi[k] + im[k] * wr[k] : im[k]);
        }
      });
}
template <int R, class A>
HEDDLE_INLINE void pass_long(const A* xr, const A* xi, A* yr, A* yi, int64_t m, int64_t s,
                             const A* tr, const A* ti) {
  A wr[R] = {}, wi[R] = {};
  pass_row<R, false>(xr, xi, yr, yi, m, s, wr, wi);
  for (int64_t p = 1; p < m; ++p) {
    for (int k = 1; k < R; ++k) wr[k] = tr[(k - 1) * m + p], wi[k] = ti[(k - 1) * m + p];
    pass_row<R, true>(xr + s * p, xi + s * p, yr + s * R * p, yi + s * R * p, m, s, wr, wi);
  }
}

// Where s is short, along t = s p + q, by which the input lies side by side: a tile at a time, then
// its runs of s numbers go where they belong. S is s, or 0.
template <int R, int S, class A>
HEDDLE_INLINE void put_tile(const A* from, A* y, int64_t n, int64_t some, int64_t width) {
  const int64_t s = S ? S : some;
  for (int64_t t = 0; t < n; t += s)
    for (int k = 0; k < R; ++k)
      for (int64_t q = 0; q < s; ++q) y[t * R + k * s + q] = from[k * width + t + q];
}
template <int R, class A>
HEDDLE_INLINE void put(const A* from, A* y, int64_t n, int64_t s, int64_t width) {
  switch (s) {
    case 1:
      return put_tile<R, 1>(from, y, n, s, width);
    case 2:
      return put_tile<R, 2>(from, y, n, s, width);
    case 4:
      return put_tile<R, 4>(from, y, n, s, width);
    case 8:
      return put_tile<R, 8>(from, y, n, s, width);
    default:
      return put_tile<R, 0>(from, y, n, s, width);
  }
}
template <int R, class A>
HEDDLE_INLINE void pass_short(const A* xr, const A* xi, A* yr, A* yi, int64_t m, int64_t s,
                              const A* tr, const A* ti) {
  constexpr int64_t kWidth = 64;
  const int64_t all = m * s, tile = kWidth / s * s;
  for (int64_t t0 = 0; t0 < all; t0 += tile) {
    const int64_t n = all - t0 < tile ? all - t0 : tile;
    A br[R * kWidth], bi[R * kWidth];
    in_registers<A>(
        n, [&](auto register_of, int64_t t) __attribute__((always_inline)) {
          using V = decltype(register_of);
          V re[R], im[R];
#pragma GCC unroll 5
          for (int j = 0; j < R; ++j)
            re[j] = get<V>(xr + t0 + t + all * j), im[j] = get<V>(xi + t0 + t + all * j);
          butterfly<R, A>(re, im);
          put_at(br + t, re[0]), put_at(bi + t, im[0]);
#pragma GCC unroll 5
          for (int k = 1; k < R; ++k) {
            const V wr = get<V>(tr + (k - 1) * all + t0 + t),
                    wi = get<V>(ti + (k - 1) * all + t0 + t);
            put_at<V>(br + k * kWidth + t, re[k] * wr - im[k] * wi);
            put_at<V>(bi + k * kWidth + t, re[k] * wi + im[k] * wr);
          }
        });
    put<R>(br, yr + t0 * R, n, s, kWidth);
    put<R>(bi, yi + t0 * R, n, s, kWidth);
  }
}

// A prime radix, by its definition; `root` has its own roots, k of them.
template <class A>
HEDDLE_INLINE void pass_prime(const fourier::Pass<A>& at, const A* xr, const A* xi, A* yr, A* yi) {
  constexpr int64_t kWidth = 64;
  const int64_t r = at.radix, m = at.m, s = at.s;
  for (int64_t p = 0; p < m; ++p)
    for (int64_t q0 = 0; q0 < s; q0 += kWidth) {
      const int64_t n = s - q0 < kWidth ? s - q0 : kWidth;
      for (int64_t k = 0; k < r; ++k) {
        A br[kWidth] = {}, bi[kWidth] = {};
        for (int64_t j = 0; j < r; ++j) {
          const A cr = at.root_re[j * k % r], ci = at.root_im[j * k % r];
          const A *fr = xr + q0 + s * (p + m * j), *fi = xi + q0 + s * (p + m * j);
#pragma omp simd
          for (int64_t q = 0; q < n; ++q)
            br[q] += fr[q] * cr - fi[q] * ci, bi[q] += fr[q] * ci + fi[q] * cr;
        }
        const A wr = k ? at.re[(k - 1) * m + p] : A(1), wi = k ? at.im[(k - 1) * m + p] : A(0);
        A *gr = yr + q0 + s * (r * p + k), *gi = yi + q0 + s * (r * p + k);
#pragma omp simd
        for (int64_t q = 0; q < n; ++q)
          gr[q] = br[q] * wr - bi[q] * wi, gi[q] = br[q] * wi + bi[q] * wr;
      }
    }
}

// All passes, to and fro between two rows, x and y. Returns the one with the result.
template <class A>
fourier::Row<A> fourier_passes(const fourier::Pass<A>* passes, size_t count, fourier::Row<A> x,
                               fourier::Row<A> y) {
  simd::ran(HEDDLE_LEVEL);
  for (size_t i = 0; i < count; ++i) {
    const fourier::Pass<A>& at = passes[i];
    const auto pass = [&](auto radix) __attribute__((always_inline)) {
      constexpr int R = decltype(radix)::value;
      if (at.s < fourier::kLong) pass_short<R>(x.re, x.im, y.re, y.im, at.m, at.s, at.re, at.im);
      else pass_long<R>(x.re, x.im, y.re, y.im, at.m, at.s, at.re, at.im);
    };
    switch (at.radix) {
      case 2:
        pass(std::integral_constant<int, 2>());
        break;
      case 3:
        pass(std::integral_constant<int, 3>());
        break;
      case 4:
        pass(std::integral_constant<int, 4>());
        break;
      case 5:
        pass(std::integral_constant<int, 5>());
        break;
      default:
        pass_prime(at, x.re, x.im, y.re, y.im);
    }
    const fourier::Row<A> next = y;
    y = x, x = next;
  }
  return x;
}

// Numbers in pairs to real and imaginary parts, and back, the latter as they are or negated.
template <class T, class A>
void fourier_unzip(const T* x, fourier::Row<A> to, int64_t n) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) to.re[j] = A(x[2 * j]), to.im[j] = A(x[2 * j + 1]);
}
template <class T, class A>
void fourier_zip(fourier::Row<A> from, A sign, T* y, int64_t n) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) y[2 * j] = T(from.re[j]), y[2 * j + 1] = T(from.im[j] * sign);
}

// The transform of n = 2 h real numbers from z, that of h pairs of them. The transform of the even
// ones is e = (z[k] + conj z[h - k]) / 2, that of the odd ones o = (z[k] - conj z[h - k]) / 2i, and
// y[k], y[k + h] = e +- w^k o.
template <class T, class A>
void fourier_split(fourier::Row<A> z, fourier::Row<A> w, T* y, int64_t h) {
  const auto put = [&](int64_t k, int64_t other) __attribute__((always_inline)) {
    const A er = (z.re[k] + z.re[other]) * A(0.5), ei = (z.im[k] - z.im[other]) * A(0.5);
    const A dr = (z.im[k] + z.im[other]) * A(0.5), di = (z.re[other] - z.re[k]) * A(0.5);
    const A pr = dr * w.re[k] - di * w.im[k], pi = dr * w.im[k] + di * w.re[k];
    y[2 * k] = T(er + pr), y[2 * k + 1] = T(ei + pi);
    y[2 * (k + h)] = T(er - pr), y[2 * (k + h) + 1] = T(ei - pi);
  };
  put(0, 0);
#pragma omp simd
  for (int64_t k = 1; k < h; ++k) put(k, h - k);
}

// The reverse for the real part of the inverse transform of n = 2 h complex numbers x: only
// a[k] = (x[k] + conj x[n - k]) / 2 matters, and with b[k] = a[k + h] the pairs of results are the
// inverse transform of (a + b) + i (a - b) conj(w^k), which is left conjugated.
template <class A>
void fourier_join(fourier::Row<A> x, fourier::Row<A> w, fourier::Row<A> to, int64_t h) {
  const auto put = [&](int64_t k, int64_t mirror) __attribute__((always_inline)) {
    const A ar = (x.re[k] + x.re[mirror]) * A(0.5), ai = (x.im[k] - x.im[mirror]) * A(0.5);
    const A br = (x.re[k + h] + x.re[h - k]) * A(0.5), bi = (x.im[k + h] - x.im[h - k]) * A(0.5);
    const A dr = ar - br, di = ai - bi;
    const A pr = dr * w.re[k] + di * w.im[k], pi = di * w.re[k] - dr * w.im[k];
    to.re[k] = ar + br - pi, to.im[k] = -(ai + bi + pr);
  };
  put(0, 0);
#pragma omp simd
  for (int64_t k = 1; k < h; ++k) put(k, 2 * h - k);
}
#undef HEDDLE_INLINE

}  // namespace heddle::ops::HEDDLE_ISA
