// Functions of angles, and their inverses. Freestanding, like scalar.h.
//
// Those of floats reduce the argument, in double where digits would cancel, and end in polynomials
// that deviate from the function by less than 2^-25 of it (minimax, rounded to float).
#pragma once
#include "operator/elemwise/scalar.h"

namespace heddle::ops::ew {

#define HEDDLE_FROM_LIBM(fn) \
  HEDDLE_HD double fn(double x) { return HEDDLE_LIBM(fn)(x); }
HEDDLE_FROM_LIBM(sin)
HEDDLE_FROM_LIBM(cos)
HEDDLE_FROM_LIBM(tan)
HEDDLE_FROM_LIBM(asin)
HEDDLE_FROM_LIBM(acos)
HEDDLE_FROM_LIBM(atan)
#undef HEDDLE_FROM_LIBM

// Sine and cosine of what is left of x when `quarters` quarter turns are taken off. Up to 65536 the
// number of turns is a float's to tell, and its product with the first part of pi / 2 is exact in
// double; beyond, both are NaN.
struct Turned {
  float sin, cos;
  int quarters;
};
HEDDLE_HD Turned turned(float angle) {
  const bool holds = abs(angle) < 65536.0f;
  const float x = nan_unless(holds, angle);
  const float n = floor((holds ? angle : 0.0f) * 0.636619772f + 0.5f);
  const double left =
      (double(x) - double(n) * 1.5707963267341256) - double(n) * 6.077100506506192e-11;
  const float r = float(left), s = r * r;
  float p = -1.95030691e-4f;
  p = p * s + 8.33207089e-3f;
  p = p * s - 1.66666538e-1f;
  float q = 2.44191961e-5f;
  q = q * s - 1.38871942e-3f;
  q = q * s + 4.16666418e-2f;
  return {copysign(p * s * r + r, r), q * (s * s) - 0.5f * s + 1.0f, int(n)};
}
// The sine after `quarters` more quarter turns.
HEDDLE_HD float sine_of(const Turned& t, int quarters) {
  const unsigned q = unsigned(t.quarters + quarters);
  return bits<float>(bits<unsigned>(q & 1 ? t.cos : t.sin) ^ ((q & 2) << 30));
}

// Within 1.6 ulp, tan within 3.5; beyond usual angles as good as the C library.
HEDDLE_HD float sin(Usual x) { return sine_of(turned(x), 0); }
HEDDLE_HD float cos(Usual x) { return sine_of(turned(x), 1); }
HEDDLE_HD float tan(Usual x) {
  const Turned t = turned(x);
  const bool across = t.quarters & 1;
  return (across ? -t.cos : t.sin) / (across ? t.sin : t.cos);
}
HEDDLE_HD float sin(float x) {
  const float y = sin(Usual(x));
  return is_nan(y) ? HEDDLE_LIBM(sinf)(x) : y;
}
HEDDLE_HD float cos(float x) {
  const float y = cos(Usual(x));
  return is_nan(y) ? HEDDLE_LIBM(cosf)(x) : y;
}
HEDDLE_HD float tan(float x) {
  const float y = tan(Usual(x));
  return is_nan(y) ? HEDDLE_LIBM(tanf)(x) : y;
}

// asin(r) / r - 1 for 0 <= r <= 1/2, s = r^2.
HEDDLE_HD float asin_tail(float s) {
  float p = 4.21663038e-2f;
  p = p * s + 2.41795164e-2f;
  p = p * s + 4.54703756e-2f;
  p = p * s + 7.49529735e-2f;
  p = p * s + 1.66667521e-1f;
  return p * s;
}
// Within 2.5 ulp. Beyond 1/2 both come from asin(sqrt((1 - |x|) / 2)); beyond 1 the root is NaN.
HEDDLE_HD float asin(float x) {
  const float a = abs(x);
  const bool far = a > 0.5f;
  const float s = far ? 0.5f * (1.0f - a) : a * a, r = far ? sqrt(s) : a;
  const float y = r + r * asin_tail(s);
  return copysign(far ? (1.57079637f - (y + y)) - 4.37113883e-8f : y, x);
}
HEDDLE_HD float acos(float x) {
  const float a = abs(x);
  const bool far = a > 0.5f;
  const float s = far ? 0.5f * (1.0f - a) : a * a, r = far ? sqrt(s) : x;
  const float y = r + r * asin_tail(s);
  const float twice = y + y;
  return far ? (x < 0.0f ? 3.14159265f - twice : twice) : 1.57079633f - y;
}
// By the tangent of the difference to 0, pi / 4 or pi / 2; within 3 ulp.
HEDDLE_HD float atan(float x) {
  const float a = abs(x);
  const bool middle = a > 0.414213562f, far = a > 2.41421356f;
  const float t = (far ? -1.0f : middle ? a - 1.0f : a) / (far ? a : middle ? a + 1.0f : 1.0f);
  const float s = t * t;
  float p = 8.05372298e-2f;
  p = p * s - 1.38776794e-1f;
  p = p * s + 1.99777097e-1f;
  p = p * s - 3.33329499e-1f;
  return copysign(p * s * t + t + (far ? 1.57079633f : middle ? 0.785398163f : 0.0f), x);
}

}  // namespace heddle::ops::ew
