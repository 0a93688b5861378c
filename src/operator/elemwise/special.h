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
HEDDLE_FROM_LIBM(lgamma)
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

// exp(y log|x|) in double, rounded to float once. NaN is what a number below zero has for a power
// that is not whole; any number to the power of 0, and 1 to any power, is 1, as in C.
HEDDLE_HD float pow(float x, float y) {
  const float a = abs(x), half = y * 0.5f;
  const bool whole = trunc(y) == y, odd = whole & (trunc(half) != half);
  float p = narrow_exp(double(y) * wide_log(a));
  const bool nowhere = (x < 0.0f) & (a != kInfinity<float>)&!whole;
  p = nowhere ? kNan<float> : odd ? copysign(p, x) : p;
  const bool one = (x == 1.0f) | (y == 0.0f) | ((a == 1.0f) & (abs(y) == kInfinity<float>));
  return one ? 1.0f : p;
}
HEDDLE_HD double pow(double x, double y) { return HEDDLE_LIBM(pow)(x, y); }

// The remainder of division, exactly. Of floats whose quotient is below 2^28, the quotient in
// double is never rounded up to a whole number, and the product of its whole part and y is exact.
HEDDLE_HD bool usual_quotient(float x, float y) { return !(abs(x) > 268435456.0f * abs(y)); }
HEDDLE_HD float fmod(Usual x, Usual y) {
  const double a = x, b = y, rest = a - trunc(a / b) * b;
  return abs(x) < abs(y) ? float(x) : copysign(float(rest), x);  // y may be infinite
}
HEDDLE_HD float fmod(float x, float y) {
  return usual_quotient(x, y) ? fmod(Usual(x), Usual(y)) : HEDDLE_LIBM(fmodf)(x, y);
}
HEDDLE_HD double fmod(double x, double y) { return HEDDLE_LIBM(fmod)(x, y); }
HEDDLE_HD float hypot(float x, float y) {  // no square of a float overflows a double
  const float r = float(sqrt(double(x) * double(x) + double(y) * double(y)));
  const bool far = abs(x) == kInfinity<float> || abs(y) == kInfinity<float>;
  return far ? kInfinity<float> : r;
}
HEDDLE_HD double hypot(double x, double y) { return HEDDLE_LIBM(hypot)(x, y); }

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
HEDDLE_HD float digamma(float x) { return float(digamma(double(x))); }

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
HEDDLE_HD float polygamma(float order, float x) {
  return float(polygamma(double(order), double(x)));
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
