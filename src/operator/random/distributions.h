// Draws from distributions, each from the Philox sequence of one element.
#pragma once
#include <cmath>

#include "operator/random/philox.h"

namespace heddle::ops::random {

using philox::Sequence;

inline double draw_uniform(Sequence& s, double low, double high) {
  return low + (high - low) * s.uniform();
}

inline double draw_normal(Sequence& s) {  // Box and Muller
  const double radius = std::sqrt(-2 * std::log(s.uniform()));
  return radius * std::cos(6.283185307179586477 * s.uniform());
}
inline double draw_normal(Sequence& s, double mean, double deviation) {
  return mean + deviation * draw_normal(s);
}

inline double draw_exponential(Sequence& s, double rate) { return -std::log(s.uniform()) / rate; }

// Marsaglia and Tsang; below shape 1 by way of shape + 1. The mean is shape * scale.
inline double draw_gamma(Sequence& s, double shape, double scale) {
  const double boost = shape < 1 ? std::pow(s.uniform(), 1 / shape) : 1;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = draw_normal(s), t = 1 + c * x, v = t * t * t;
    if (v > 0 && std::log(s.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v))
      return boost * scale * d * v;
  }
}

// Small rates: products of uniforms. Large ones: Hoermann's transformed rejection (PTRS).
inline double draw_poisson(Sequence& s, double rate) {
  if (rate < 12) {
    const double limit = std::exp(-rate);
    double product = s.uniform(), count = 0;
    for (; product > limit; product *= s.uniform()) ++count;
    return count;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = s.uniform() - 0.5, v = s.uniform(), us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <=
        k * std::log(rate) - rate - std::lgamma(k + 1))
      return k;
  }
}

// Failures before the k-th success of probability p: a Poisson whose rate is gamma-distributed.
inline double draw_negative_binomial(Sequence& s, double k, double p) {
  return p >= 1 ? 0 : draw_poisson(s, draw_gamma(s, k, (1 - p) / p));
}
// Mean mu and dispersion alpha.
inline double draw_generalized_negative_binomial(Sequence& s, double mu, double alpha) {
  return alpha == 0 ? draw_poisson(s, mu) : draw_poisson(s, draw_gamma(s, 1 / alpha, mu * alpha));
}

}  // namespace heddle::ops::random
