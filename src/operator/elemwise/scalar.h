// Scalar arithmetic shared by g++, clang, nvcc and NVRTC. Freestanding: includes nothing, and the
// float functions are branch-free so that loops over them vectorise. Keep it so.
//
// Every float function is a fixed sequence of IEEE operations (no contraction, no table), so it
// gives the same bits at every instruction-set level. The double ones go through libm.
#pragma once
#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define HEDDLE_HD __host__ __device__ __forceinline__
#define HEDDLE_LIBM(fn) ::fn
#else
#define HEDDLE_HD inline __attribute__((always_inline))
#define HEDDLE_LIBM(fn) __builtin_##fn
#endif

namespace heddle::ops::ew {

#ifdef __INT64_TYPE__
using i64 = __INT64_TYPE__;
#else
using i64 = long long;
#endif

template <class... F>
struct List {};

template <class To, class From>
HEDDLE_HD To bits(From v) {
  return __builtin_bit_cast(To, v);
}

// When either is NaN, the second argument: what one vector instruction does.
template <class T>
HEDDLE_HD T max(T a, T b) {
  return a > b ? a : b;
}
template <class T>
HEDDLE_HD T min(T a, T b) {
  return a < b ? a : b;
}
// a where c holds, else b: what formulas write in place of ?:, for there are other numbers than
// these (symbolic.h). Both are computed.
HEDDLE_HD auto select(bool c, auto a, auto b) { return c ? a : b; }
template <class T>
HEDDLE_HD bool is_nan(T x) {
  return x != x;
}

// A float that asks a function for its short formula, which has no branch and gives NaN wherever it
// does not hold. The function of a plain float leaves what became NaN to the C library. Loops over
// a formula that says `usual` call it with these, and once more with plain floats where NaN came.
class Usual {
 public:
  HEDDLE_HD explicit Usual(float x) : x_(x) {}
  HEDDLE_HD operator float() const { return x_; }

 private:
  float x_;
};

template <class T>
inline constexpr T kInfinity = T(__builtin_inf());
template <>
inline constexpr i64 kInfinity<i64> = 0x7fffffffffffffffLL;
template <class T>
inline constexpr T kLowest = -kInfinity<T>;
template <>
inline constexpr i64 kLowest<i64> = -0x7fffffffffffffffLL - 1;
template <class T>
inline constexpr T kNan = T(__builtin_nanf(""));
template <>
inline constexpr i64 kNan<i64> = 0;

// x where it holds, else NaN; by its bits, for compilers that would make branches of the choice.
HEDDLE_HD float nan_unless(bool holds, float x) {
  return bits<float>(bits<unsigned>(x) | (holds ? 0u : 0x7fc00000u));
}

HEDDLE_HD float floor(float x) { return HEDDLE_LIBM(floorf)(x); }
HEDDLE_HD double floor(double x) { return HEDDLE_LIBM(floor)(x); }
HEDDLE_HD float ceil(float x) { return HEDDLE_LIBM(ceilf)(x); }
HEDDLE_HD double ceil(double x) { return HEDDLE_LIBM(ceil)(x); }
HEDDLE_HD float trunc(float x) { return HEDDLE_LIBM(truncf)(x); }
HEDDLE_HD double trunc(double x) { return HEDDLE_LIBM(trunc)(x); }
HEDDLE_HD float sqrt(float x) { return HEDDLE_LIBM(sqrtf)(x); }
HEDDLE_HD double sqrt(double x) { return HEDDLE_LIBM(sqrt)(x); }
HEDDLE_HD float abs(float x) { return HEDDLE_LIBM(fabsf)(x); }
HEDDLE_HD double abs(double x) { return HEDDLE_LIBM(fabs)(x); }
HEDDLE_HD i64 abs(i64 x) { return x < 0 ? -x : x; }
HEDDLE_HD float copysign(float x, float s) { return HEDDLE_LIBM(copysignf)(x, s); }
HEDDLE_HD double copysign(double x, double s) { return HEDDLE_LIBM(copysign)(x, s); }
template <class T>
HEDDLE_HD T sign(T x) {
  return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0);
}

// 2^n as a float, for -126 <= n <= 127.
HEDDLE_HD float pow2i(int n) { return bits<float>((n + 127) << 23); }

// exp by range reduction and a degree-6 polynomial; within 1 ulp. The power of two is applied in
// two steps so that the result may be subnormal; overflow gives infinity.
HEDDLE_HD float exp(float x) {
  const float c = min(max(x, -104.0f), 89.0f);  // NaN becomes -104 here, and is put back below
  const float n = floor(c * 1.44269504f + 0.5f);
  const float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const int k = int(n), h = k >> 1;
  const float y = p * pow2i(h) * pow2i(k - h);
  return is_nan(x) ? x : y;
}
HEDDLE_HD double exp(double x) { return HEDDLE_LIBM(exp)(x); }

// exp(x) of an x that is not above zero, as exp() computes it but for what float does not hold in
// full: where exp(x) < 2^-125 it is zero. The nearest whole number n stands in the last bits of
// x / ln 2 + 1.5 * 2^23.
HEDDLE_HD float exp_below(float x) {
  constexpr float kLeast = -86.6f, kWhole = 12582912.0f;
  const float c = kLeast > x ? kLeast : x;  // NaN stays
  const float t = c * 1.44269504f + kWhole, n = t - kWhole;
  const float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const float y = p * bits<float>(int((bits<unsigned>(t) << 23) + 0x3f800000u));
  return kLeast > x ? 0.0f : y;
}
HEDDLE_HD double exp_below(double x) { return exp(x); }

// exp(x) - 1 without cancellation: p = expm1(r), then 2^n p + (2^n - 1).
HEDDLE_HD float expm1(float x) {
  const float c = min(max(x, -30.0f), 89.0f);
  const float n = floor(c * 1.44269504f + 0.5f);
  const float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r;
  const int k = int(n), h = k >> 1;
  const float s = pow2i(h), t = pow2i(k - h);
  // Two factors again: 2^128 does not fit, and the half-sum keeps every term finite.
  const float y = (p * s + (s - pow2i(-(k - h)))) * t;
  return is_nan(x) ? x : y;
}
HEDDLE_HD double expm1(double x) { return HEDDLE_LIBM(expm1)(x); }

// The polynomial of log(1 + r) for r in [sqrt(1/2) - 1, sqrt(2) - 1], without its leading r.
HEDDLE_HD float log_tail(float r) {
  float p = 7.0376836292e-2f;
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  return p * r * (r * r);
}
HEDDLE_HD float log(float x) {
  const bool tiny = x < 1.17549435e-38f;  // subnormal: scale by 2^23
  const unsigned u = bits<unsigned>(tiny ? x * 8388608.0f : x);
  const int e = int((u - 0x3f3504f3u)) >> 23;  // exponent counted from sqrt(1/2)
  const float m = bits<float>(u - (unsigned(e) << 23)), n = float(e - (tiny ? 23 : 0));
  const float r = m - 1.0f, rr = r * r;
  float y = log_tail(r) + n * -2.12194440e-4f - 0.5f * rr;
  y = r + y + n * 0.693359375f;
  y = x == kInfinity<float> ? x : y;
  y = x == 0.0f ? -kInfinity<float> : y;
  return x < 0.0f ? kNan<float> : is_nan(x) ? x : y;
}
HEDDLE_HD double log(double x) { return HEDDLE_LIBM(log)(x); }

// log(1 + x): the rounding error of 1 + x, divided by it, is put back.
HEDDLE_HD float log1p(float x) {
  const float u = 1.0f + x, lost = x - (u - 1.0f);
  const float y = log(u) + lost / u;
  const bool special = u == kInfinity<float> || u <= 0.0f || is_nan(u);
  return special ? log(u) : abs(x) < 1e-8f ? x : y;
}
HEDDLE_HD double log1p(double x) { return HEDDLE_LIBM(log1p)(x); }

// log(x) of a float to 12 digits, for what multiplies it: the series of the inverse
// hyperbolic tangent at (m - 1) / (m + 1), where x = m 2^e and m is near 1.
HEDDLE_HD double wide_log(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const unsigned u = bits<unsigned>(tiny ? x * 8388608.0f : x);
  const int e = int((u - 0x3f3504f3u)) >> 23;
  const double m = bits<float>(u - (unsigned(e) << 23));
  const double s = (m - 1) / (m + 1), ss = s * s;
  double p = 1.0 / 13;
  p = p * ss + 1.0 / 11;
  p = p * ss + 1.0 / 9;
  p = p * ss + 1.0 / 7;
  p = p * ss + 1.0 / 5;
  p = p * ss + 1.0 / 3;
  double y = 2 * (p * ss * s + s) + double(e - (tiny ? 23 : 0)) * 0.693147180559945309;
  y = x == kInfinity<float> ? kInfinity<double> : y;
  y = x == 0.0f ? -kInfinity<double> : y;
  return x < 0.0f ? kNan<double> : is_nan(x) ? double(x) : y;
}
// exp(x) of a double to 11 digits, rounded to float.
HEDDLE_HD float narrow_exp(double x) {
  const double c = min(max(x, -120.0), 100.0);  // beyond these the float is 0 or infinite
  const double n = floor(c * 1.44269504088896341 + 0.5), r = c - n * 0.693147180559945309;
  double p = 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  // 2^n by halves that are floats, so that no integer is wider than the numbers.
  const int k = int(n), h = k >> 1;
  return is_nan(x) ? float(x) : float(p * double(pow2i(h)) * double(pow2i(k - h)));
}

HEDDLE_HD float log2(float x) { return float(wide_log(x) * 1.44269504088896341); }
HEDDLE_HD double log2(double x) { return HEDDLE_LIBM(log2)(x); }
HEDDLE_HD float log10(float x) { return float(wide_log(x) * 0.434294481903251828); }
HEDDLE_HD double log10(double x) { return HEDDLE_LIBM(log10)(x); }

HEDDLE_HD float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }
HEDDLE_HD double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

// tanh = t / (t + 2) with t = exp(2|x|) - 1, as expm1 computes it; within 2.5 ulp. The argument is
// clipped where tanh is 1 in float, so that nothing overflows; NaN passes the comparison and stays,
// but for the power of two, which is a number in any case.
HEDDLE_HD float tanh(float x) {
  const float a = abs(x), c = a > 10.0f ? 10.0f : a, z = c + c;
  const float m = z * 1.44269504f + 0.5f, n = floor(m < 30.0f ? m : 30.0f);
  const float r = (z - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r;
  const float s = pow2i(int(n)), t = p * s + (s - 1.0f);
  return copysign(t / (t + 2.0f), x);
}
HEDDLE_HD double tanh(double x) { return HEDDLE_LIBM(tanh)(x); }

// erf: an odd polynomial near zero, 1 - exp(-q(|x|)) elsewhere; from 4 on the float is 1.
HEDDLE_HD float erf(float x) {
  const float a = abs(x), s = a * a;
  float p = 7.889108884e-05f;
  p = p * s - 8.020838094e-04f;
  p = p * s + 5.189534982e-03f;
  p = p * s - 2.685444441e-02f;
  p = p * s + 1.128360017e-01f;
  p = p * s - 3.761262714e-01f;
  p = p * s + 1.283791659e-01f;
  const float near = p * a + a;
  const float c = min(a, 4.0f);
  float q = 1.696179902e-07f;
  q = q * c + 1.926449258e-05f;
  q = q * c - 4.265157258e-04f;
  q = q * c + 4.153810043e-03f;
  q = q * c - 2.510182941e-02f;
  q = q * c + 1.082785704e-01f;
  q = q * c + 6.333327818e-01f;
  q = q * c + 1.129527388e+00f;
  q = q * c - 1.781293967e-04f;
  const float far = 1.0f - exp(-q);
  return is_nan(x) ? x : copysign(a < 1.0f ? near : far, x);
}
HEDDLE_HD double erf(double x) { return HEDDLE_LIBM(erf)(x); }

}  // namespace heddle::ops::ew
