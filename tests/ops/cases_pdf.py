"""Densities: a parameter belongs to the samples in the axes that follow its own."""
import math

import numpy as np

from .case import case

lgamma = np.vectorize(math.lgamma, otypes=["float64"])
SAMPLES = (3, 2, 5)


def density(log_density):
    """The parameters stretched over the samples; the density or its logarithm."""
    def ref(x, *parameters, is_log=False):
        wide = [p.reshape(p.shape + (1,) * (x.ndim - p.ndim)) for p in parameters]
        value = log_density(x, *wide) + 0 * x
        return value if is_log else np.exp(value)
    return ref


def between(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape).astype("float32")


def counts(*shape):
    return lambda rng: rng.integers(0, 6, shape).astype("float32")


def negative_binomial(x, k, p):
    return lgamma(x + k) - lgamma(x + 1) - lgamma(k) + k * np.log(p) + x * np.log(1 - p)


def dirichlet(x, alpha, is_log=False):
    a = alpha.reshape(alpha.shape[:-1] + (1,) * (x.ndim - alpha.ndim) + alpha.shape[-1:])
    value = ((a - 1) * np.log(x) - lgamma(a)).sum(-1) + lgamma(a.sum(-1))
    return np.reshape(value if is_log else np.exp(value), value.shape or (1,))


LAWS = {
    "uniform": (lambda x, low, high: -np.log(high - low), between(-1, 1, *SAMPLES),
                between(-1, 0, 3), between(1, 2, 3)),
    "normal": (lambda x, mu, sigma: -((x - mu) / sigma) ** 2 / 2 - np.log(sigma * np.sqrt(2 * np.pi)),
               between(-1, 1, *SAMPLES), between(-1, 1, 3, 2), between(0.5, 2, 3, 2)),
    "gamma": (lambda x, a, b: a * np.log(b) + (a - 1) * np.log(x) - b * x - lgamma(a),
              between(0.5, 2, *SAMPLES), between(0.5, 3, 3), between(0.5, 2, 3)),
    "exponential": (lambda x, lam: np.log(lam) - lam * x, between(0, 2, *SAMPLES), between(0.5, 2, 3, 2)),
    "poisson": (lambda x, lam: x * np.log(lam) - lam - lgamma(x + 1), counts(*SAMPLES), between(0.5, 3, 3)),
    "negative_binomial": (negative_binomial, counts(*SAMPLES), between(0.5, 3, 3), between(0.2, 0.8, 3)),
    "generalized_negative_binomial": (lambda x, mu, a: negative_binomial(x, 1 / a, 1 / (mu * a + 1)),
                                      counts(*SAMPLES), between(0.5, 3, 3, 2), between(0.2, 2, 3, 2)),
}
for law, (log_density, *inputs) in LAWS.items():
    for log in (False, True):
        case(f"_random_pdf_{law}", inputs, is_log=log, ref=density(log_density), rtol=1e-4)
for log in (False, True):
    case("_random_pdf_dirichlet", [between(0.1, 0.9, 3, 2, 4), between(0.5, 3, 3, 4)], is_log=log, ref=dirichlet, rtol=1e-4)
case("_random_pdf_dirichlet", [between(0.1, 0.9, 3), between(0.5, 3, 3)], label="one", ref=dirichlet, rtol=1e-4)

# --- parameters in the shape of samples -----------------------------------------------------------
case("_repeat_inner_like", [(3, 2), (3, 4, 5, 2)], tail=1, grad=(0,), witness="absent",
     ref=lambda x, y: np.broadcast_to(x[:, None, None], (3, 4, 5, 2)))
case("_sum_inner_like", [(3, 4, 5), (3,)], grad=(0,), witness="absent", ref=lambda x, y: x.sum((1, 2)))
