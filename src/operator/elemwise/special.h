// Functions that go through the C library, and those it lacks. Freestanding, like scalar.h.
#pragma once
#include "operator/elemwise/angles.h"

namespace heddle::ops::ew {

#define HEDDLE_FROM_LIBM(fn)                                    \
  HEDDLE_HD float fn(float x) { return HEDDLE_LIBM(fn##f)(x); } \
  HEDDLE_HD double fn(double x) { return HEDDLE_LIBM(fn)(x); }
HEDDLE_FROM_LIBM(sinh)
HEDDLE_FROM_LIBM(cosh)
HEDDLE_FROM_LIBM(asinh)
HEDDLE_FROM_LIBM(acosh)
HEDDLE_FROM_LIBM(tgamma)
#undef HEDDLE_FROM_LIBM

// exp(log|x| / 3), in double.
HEDDLE_HD float cbrt(float x) { return copysign(narrow_exp(wide_log(abs(x)) / 3), x); }
HEDDLE_HD double cbrt(double x) { return HEDDLE_LIBM(cbrt)(x); }
// Within 3 ulp.
HEDDLE_HD float atanh(float x) {
  const float a = abs(x);
  return copysign(0.5f * log1p((a + a) / (1.0f - a)), x);
}
HEDDLE_HD double atanh(double x) { return HEDDLE_LIBM(atanh)(x); }

// 2^(y log2|x|) within 1.5 ulp: log2 in double, to 38 bits, by the series of the inverse hyperbolic
// tangent; a power of two of what is left of the exponent. The polynomials are minimax, and summed
// in an order that leaves few steps to wait for. NaN, hence left to the C library: subnormal
// numbers, infinite ones, results near the ends of the range, powers of 0 that are not 0, and
// powers of negative numbers that are not real.
HEDDLE_HD float pow(Usual x, Usual y) {
  const float a = abs(x);
  const unsigned u = bits<unsigned>(a);
  const int e = int(u - 0x3f3504f3u) >> 23;  // exponent counted from sqrt(1/2)
  const double m = bits<float>(u - (unsigned(e) << 23));
  const double s = (m - 1) / (m + 1), ss = s * s;
  const double near = 0.961796673350169306 + 0.577083583259469496 * ss;
  const double far = 0.411672827125031249 + 0.340728008154121367 * ss;
  const double w = y, sw = s * w;
  const double power =
      (double(float(e)) * w + 2.88539008179007999 * sw) + (ss * sw) * (near + far * (ss * ss));
  const double shifted = power + 6755399441055744.0;  // 1.5 * 2^52: rounded to a whole number
  const float f = float(power - (shifted - 6755399441055744.0)), ff = f * f;
  const float high = (0.00961843736f + 0.00133988744f * f) + ff * 0.000153533619f;
  const float low = 0.240226479f + 0.0555033247f * f + ff * high;
  const float p = (low * f + 0.693147203f) * f + 1.0f;
  const float scaled = bits<float>(bits<unsigned>(p) + (unsigned(bits<i64>(shifted)) << 23));
  const float half = y * 0.5f;
  const bool whole = trunc(float(y)) == y, odd = whole & (trunc(half) != half);
  const bool normal = u - 0x00800000u < 0x7f000000u;
  const bool in_range = abs(power) < 125.0, real = (x > 0.0f) | whole;
  const float known = nan_unless(normal & in_range & real, scaled);
  const bool zero = (a == 0.0f) & (y > 0.0f);
  const float q = zero ? 0.0f : known;
  return bits<float>(bits<unsigned>(q) ^ (odd ? bits<unsigned>(float(x)) & 0x80000000u : 0u));
}
HEDDLE_HD float pow(float x, float y) {
  const float p = pow(Usual(x), Usual(y));
  return is_nan(p) ? HEDDLE_LIBM(powf)(x, y) : p;
}
HEDDLE_HD double pow(double x, double y) { return HEDDLE_LIBM(pow)(x, y); }

// The remainder of division, exactly. Of floats whose quotient is below 2^28, the quotient in
// double is never rounded up to a whole number, and the product of its whole part and y is exact.
HEDDLE_HD float fmod(Usual x, Usual y) {
  const double a = x, b = y, rest = a - trunc(a / b) * b;
  const float r = abs(x) < abs(y) ? float(x) : copysign(float(rest), x);  // y may be infinite
  return nan_unless(abs(x) <= 268435456.0f * abs(y), r);
}
HEDDLE_HD float fmod(float x, float y) {
  const float r = fmod(Usual(x), Usual(y));
  return is_nan(r) ? HEDDLE_LIBM(fmodf)(x, y) : r;
}
HEDDLE_HD double fmod(double x, double y) { return HEDDLE_LIBM(fmod)(x, y); }
HEDDLE_HD float hypot(float x, float y) {  // no square of a float overflows a double
  const float r = float(sqrt(double(x) * double(x) + double(y) * double(y)));
  const bool far = abs(x) == kInfinity<float> || abs(y) == kInfinity<float>;
  return far ? kInfinity<float> : r;
}
HEDDLE_HD double hypot(double x, double y) { return HEDDLE_LIBM(hypot)(x, y); }

// log gamma(x) within 2.5 ulp. From 3 on by Stirling's formula; below by t (t + 1) p(t), which is
// log gamma(2 + t) for -1 <= t < 1 with its two zeros, and less log x where x is below 1. The C
// library has zero, what is below it, and what is not finite.
HEDDLE_HD float lgamma(Usual x) {
  const double v = x, log_x = wide_log(x), s = 1 / (v * v);
  double tail = -0.000441613896712;
  tail = tail * s + 0.000782210325653;
  tail = tail * s - 0.00277744549343;
  tail = tail * s + 0.0833333306845;
  const double far = ((v - 0.5) * log_x - v + 0.918938533204672742) + tail * (v * s);
  const bool below = x < 1.0f;
  const double from = below ? v - 1 : v - 2;
  const float t = float(from);
  float p = 1.93200067e-5f;
  p = p * t - 3.87439104e-5f;
  p = p * t + 2.02166357e-5f;
  p = p * t - 5.23928647e-5f;
  p = p * t + 1.95834902e-4f;
  p = p * t - 4.25597827e-4f;
  p = p * t + 9.1048883e-4f;
  p = p * t - 2.10205e-3f;
  p = p * t + 4.9994844e-3f;
  p = p * t - 1.23849772e-2f;
  p = p * t + 3.29649448e-2f;
  p = p * t - 1.0031727e-1f;
  p = p * t + 4.22784328e-1f;
  const double near = from * (from + 1) * double(p) - (below ? log_x : 0.0);
  const bool positive = x > 0.0f, finite = x < kInfinity<float>;
  return nan_unless(positive & finite, float(x < 3.0f ? near : far));
}
HEDDLE_HD float lgamma(float x) {
  const float y = lgamma(Usual(x));
  return is_nan(y) ? HEDDLE_LIBM(lgammaf)(x) : y;
}
HEDDLE_HD double lgamma(double x) { return HEDDLE_LIBM(lgamma)(x); }

// The logarithmic derivative of gamma: recurrence up to 10, then the asymptotic series; reflection
// below zero.
HEDDLE_HD double digamma(double x) {
  double shift = 0;
  if (x <= 0) {
    if (x == floor(x)) return kNan<double>;
    shift = -3.14159265358979323846 / tan(3.14159265358979323846 * x);
    x = 1 - x;
  }
  for (; x < 10; x += 1) shift -= 1 / x;
  const double s = 1 / (x * x);
  double p = 691.0 / 32760;
  p = 1.0 / 132 - p * s;
  p = 1.0 / 240 - p * s;
  p = 1.0 / 252 - p * s;
  p = 1.0 / 120 - p * s;
  p = 1.0 / 12 - p * s;
  return shift + log(x) - 0.5 / x - p * s;
}
// For positive numbers without a branch: always six steps of the recurrence, whose terms 1 / (x +
// k) are summed in pairs as a fraction of u = x (x + 5).
HEDDLE_HD float digamma(Usual x) {
  const double v = x, u = v * (v + 5), z = v + 6, r = 1 / z, s = r * r;
  const double steps = (v + v + 5) * ((3 * u + 20) * u + 24) / (((u + 10) * u + 24) * u);
  double p = 691.0 / 32760;
  p = 1.0 / 132 - p * s;
  p = 1.0 / 240 - p * s;
  p = 1.0 / 252 - p * s;
  p = 1.0 / 120 - p * s;
  p = 1.0 / 12 - p * s;
  const float rounded = float(z);
  const double log_z = wide_log(rounded) + (z - double(rounded)) * r;
  const bool positive = x > 0.0f, in_range = x < 1e30f;
  return nan_unless(positive & in_range, float(log_z - 0.5 * r - p * s - steps));
}
HEDDLE_HD float digamma(float x) {
  const float y = digamma(Usual(x));
  return is_nan(y) ? float(digamma(double(x))) : y;
}

// The sum of 1 / (x + k)^s over k = 0, 1, 2 ... for x > 0 and s > 1 (Hurwitz's zeta function): term
// by term at first, the rest by the formula of Euler and Maclaurin.
HEDDLE_HD double zeta(double s, double x) {
  if (x == kInfinity<double>) return 0;
  double sum = 0;
  for (; x < 12 + s; x += 1) sum += pow(x, -s);
  const double t = pow(x, -s);
  sum += x * t / (s - 1) + t / 2;
  double term = t * s / x;
  constexpr double kBernoulli[] = {1.0 / 12,       -1.0 / 720,       1.0 / 30240,
                                   -1.0 / 1209600, 1.0 / 47900160.0, -691.0 / 1307674368000.0};
  for (int k = 0; k < 6; ++k) {
    sum += kBernoulli[k] * term;
    term *= (s + 2 * k + 1) * (s + 2 * k + 2) / (x * x);
  }
  return sum;
}

// Derivative number `order` of digamma: order! zeta(order + 1, x), with alternating sign. Below
// zero the terms on either side of it are summed apart.
HEDDLE_HD double polygamma(double order, double x) {
  if (order == 0) return digamma(x);
  const double s = order + 1;
  const bool odd = fmod(order, 2.0) != 0;
  double factor = odd ? 1 : -1;
  for (double k = 2; k <= order; k += 1) factor *= k;
  if (!(x <= 0)) return factor * zeta(s, x);
  const double above = x - floor(x);
  if (above == 0) return kNan<double>;
  const double below = zeta(s, 1 - above) - zeta(s, 1 - x);
  return factor * (zeta(s, above) + (odd ? below : -below));
}
// The first derivative of positive numbers without a branch, as digamma has it.
HEDDLE_HD float polygamma(Usual order, Usual x) {
  const double v = x, u = v * (v + 5), z = v + 6, r = 1 / z, s = r * r;
  const double one = 1 / (((u + 10) * u + 24) * u), slope = ((3 * u + 20) * u + 24) * one;
  const double w = v + v + 5;
  const double steps = w * w * (slope * slope - (6 * u + 20) * one) - 2 * slope;
  double p = 5.0 / 66;
  p = 1.0 / 30 - p * s;
  p = 1.0 / 42 - p * s;
  p = 1.0 / 30 - p * s;
  p = 1.0 / 6 - p * s;
  const bool first = order == 1.0f, positive = x > 0.0f, in_range = x < 1e30f;
  return nan_unless(first & positive & in_range, float(steps + (r + 0.5 * s) + p * (s * r)));
}
HEDDLE_HD float polygamma(float order, float x) {
  const float y = polygamma(Usual(order), Usual(x));
  return is_nan(y) ? float(polygamma(double(order), double(x))) : y;
}

// The inverse of erf: a rational start (within 5e-3), then three steps of Halley's method.
HEDDLE_HD double erfinv(double x) {
  if (!(abs(x) < 1)) return abs(x) == 1 ? x * kInfinity<double> : kNan<double>;
  const double w = log(1 - x * x), t = 4.3307467508 + 0.5 * w;
  double y = copysign(sqrt(sqrt(t * t - w * 6.8027210884) - t), x);
  for (int i = 0; i < 3; ++i) {
    const double miss = (erf(y) - x) / (1.12837916709551257390 * exp(-y * y));
    y -= miss / (1 + y * miss);
  }
  return y;
}
// M. Giles, Approximating the erfinv function, GPU Computing Gems 2 (2011): his polynomials for
// single precision, of w = -log(1 - x^2) and, far out, of its root; within 4 ulp.
HEDDLE_HD float erfinv(float x) {
  const float w = -log((1.0f - x) * (1.0f + x)), v = w - 2.5f, u = sqrt(max(w, 0.0f)) - 3.0f;
  float p = 2.81022636e-08f;
  p = p * v + 3.43273939e-07f;
  p = p * v - 3.5233877e-06f;
  p = p * v - 4.39150654e-06f;
  p = p * v + 0.00021858087f;
  p = p * v - 0.00125372503f;
  p = p * v - 0.00417768164f;
  p = p * v + 0.246640727f;
  p = p * v + 1.50140941f;
  float q = -0.000200214257f;
  q = q * u + 0.000100950558f;
  q = q * u + 0.00134934322f;
  q = q * u - 0.00367342844f;
  q = q * u + 0.00573950773f;
  q = q * u - 0.0076224613f;
  q = q * u + 0.00943887047f;
  q = q * u + 1.00167406f;
  q = q * u + 2.83297682f;
  const float y = (w < 5.0f ? p : q) * x;
  return abs(x) < 1.0f ? y : abs(x) == 1.0f ? x * kInfinity<float> : kNan<float>;
}

}  // namespace heddle::ops::ew
