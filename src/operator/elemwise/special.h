// Functions that go through the C library, and those it lacks. Freestanding, like scalar.h.
#pragma once
#include "operator/elemwise/scalar.h"

namespace heddle::ops::ew {

#define HEDDLE_FROM_LIBM(fn)                             \
  HD float fn(float x) { return HEDDLE_LIBM(fn##f)(x); } \
  HD double fn(double x) { return HEDDLE_LIBM(fn)(x); }
HEDDLE_FROM_LIBM(cbrt)
HEDDLE_FROM_LIBM(sin)
HEDDLE_FROM_LIBM(cos)
HEDDLE_FROM_LIBM(tan)
HEDDLE_FROM_LIBM(asin)
HEDDLE_FROM_LIBM(acos)
HEDDLE_FROM_LIBM(atan)
HEDDLE_FROM_LIBM(sinh)
HEDDLE_FROM_LIBM(cosh)
HEDDLE_FROM_LIBM(asinh)
HEDDLE_FROM_LIBM(acosh)
HEDDLE_FROM_LIBM(atanh)
HEDDLE_FROM_LIBM(tgamma)
HEDDLE_FROM_LIBM(lgamma)
#undef HEDDLE_FROM_LIBM

HD float pow(float x, float y) { return HEDDLE_LIBM(powf)(x, y); }
HD double pow(double x, double y) { return HEDDLE_LIBM(pow)(x, y); }
HD float fmod(float x, float y) { return HEDDLE_LIBM(fmodf)(x, y); }
HD double fmod(double x, double y) { return HEDDLE_LIBM(fmod)(x, y); }
HD float hypot(float x, float y) { return HEDDLE_LIBM(hypotf)(x, y); }
HD double hypot(double x, double y) { return HEDDLE_LIBM(hypot)(x, y); }

// The logarithmic derivative of gamma: recurrence up to 10, then the asymptotic series; reflection
// below zero.
HD double digamma(double x) {
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
HD float digamma(float x) { return float(digamma(double(x))); }

// The inverse of erf: a rational start (within 5e-3), then three steps of Halley's method.
HD double erfinv(double x) {
  if (!(abs(x) < 1)) return abs(x) == 1 ? x * kInfinity<double> : kNan<double>;
  const double w = log(1 - x * x), t = 4.3307467508 + 0.5 * w;
  double y = copysign(sqrt(sqrt(t * t - w * 6.8027210884) - t), x);
  for (int i = 0; i < 3; ++i) {
    const double miss = (erf(y) - x) / (1.12837916709551257390 * exp(-y * y));
    y -= miss / (1 + y * miss);
  }
  return y;
}
HD float erfinv(float x) { return float(erfinv(double(x))); }

}  // namespace heddle::ops::ew
