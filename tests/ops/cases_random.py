"""Random operators: their first two moments."""
import numpy as np

from .case import ROWS, case

MANY = (20000,)


def both(word, names, values, moments):
    """The operator with numbers for parameters, and the one with arrays."""
    case(f"random_{word}", [], shape=MANY, moments=lambda **kw: moments(*(kw[n] for n in names)),
         **dict(zip(names, values)))
    case(f"_random_{word}_like", [MANY], moments=lambda x, **kw: moments(*(kw[n] for n in names)))
    ROWS[-1].params.update(zip(names, values))  # `low` and `high` are words of case() too
    arrays = [np.array([v, 1.5 * v] if abs(v) > 1 else [v, 0.75 * v], "float32") for v in values]
    case(f"sample_{word}", arrays, shape=MANY, moments=lambda *a, **_: moments(*[x.astype("float64") for x in a]))


both("uniform", ("low", "high"), (-1.25, 2.5), lambda low, high: ((low + high) / 2, (high - low) ** 2 / 12))
both("normal", ("loc", "scale"), (2.0, 3.0), lambda loc, scale: (loc, scale**2))
both("gamma", ("alpha", "beta"), (2.5, 2.0), lambda a, b: (a * b, a * b**2))
both("exponential", ("lam",), (4.0,), lambda lam: (1 / lam, 1 / lam**2))
both("poisson", ("lam",), (3.0,), lambda lam: (lam, lam))
both("generalized_negative_binomial", ("mu", "alpha"), (2.0, 0.3), lambda mu, a: (mu, mu + a * mu**2))
case("random_poisson", [], shape=MANY, lam=40.0, label="large", moments=lambda lam, **_: (lam, lam))
case("random_gamma", [], shape=MANY, alpha=0.4, beta=2.0, label="small",
     moments=lambda alpha, beta, **_: (alpha * beta, alpha * beta**2))
case("random_negative_binomial", [], shape=MANY, k=3, p=0.4,
     moments=lambda k, p, **_: (k * (1 - p) / p, k * (1 - p) / p**2))
case("_random_negative_binomial_like", [MANY], k=3, p=0.4,
     moments=lambda x, k, p: (k * (1 - p) / p, k * (1 - p) / p**2))
case("sample_negative_binomial", [np.array([3, 5], "float32"), np.array([0.4, 0.6], "float32")], shape=MANY,
     moments=lambda k, p, **_: (k * (1 - p) / p, k * (1 - p) / p**2))
case("random_randint", [], shape=MANY, low=-5, high=5, moments=lambda low, high, **_: (-0.5, 99 / 12))

PROBABILITIES = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], "float32")
CLASSES = np.arange(3)
case("sample_multinomial", [PROBABILITIES], shape=MANY, grad=False,
     moments=lambda p, **_: (p @ CLASSES, p @ CLASSES**2 - (p @ CLASSES) ** 2))
case("shuffle", [lambda rng: rng.normal(size=(2000,)).astype("float32")], moments=lambda x: (x.mean(), x.var()))
