"""Whether random numbers have the distribution they should; matrices of known kinds. Users find these functions in
heddle.test_utils."""
from __future__ import annotations

import math

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._typing import Shape

    _Generator = Callable[[int], Any]


def gen_buckets_probs_with_ppf(ppf: Callable[[float], float], nbuckets: int) -> tuple[list[tuple[float, float]], list[float]]:
    """(ranges of equal probability, their probabilities) of a distribution with the quantiles ppf."""
    if nbuckets < 1:
        raise ValueError(f"found nbuckets {nbuckets}, expected 1 or more")
    edges = [ppf(i / nbuckets) for i in range(nbuckets + 1)]
    return list(zip(edges[:-1], edges[1:])), [1.0 / nbuckets] * nbuckets


def _drawn(generator: _Generator, nsamples: int) -> np.ndarray:
    found = generator(nsamples)
    return np.asarray(found.asnumpy() if hasattr(found, "asnumpy") else found).ravel()


def mean_check(generator: _Generator, mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the mean of nsamples numbers is within three standard errors of mu."""
    return bool(abs(_drawn(generator, nsamples).astype(np.float64).mean() - mu) < 3 * sigma / math.sqrt(nsamples))


def var_check(generator: _Generator, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the variance of nsamples numbers is within five standard errors, a normal distribution's, of sigma^2."""
    found = _drawn(generator, nsamples).astype(np.float64).var(ddof=1)
    return bool(abs(found - sigma ** 2) < 5 * math.sqrt(2 * sigma ** 4 / (nsamples - 1)))


def chi_square_check(generator: _Generator, buckets: Sequence[Any], probs: Sequence[float],
                     nsamples: int = 1000000) -> tuple[float, np.ndarray, np.ndarray]:
    """Pearson's test of nsamples numbers: (p, how many fell into each bucket, how many should).

    buckets: ranges (from, to), each beginning where the one before ends; or values of a discrete distribution.
    """
    if len(buckets) != len(probs) or not len(buckets):
        raise ValueError(f"found {len(buckets)} buckets and {len(probs)} probabilities, expected as many of each")
    drawn = _drawn(generator, nsamples)
    if isinstance(buckets[0], (list, tuple)):
        edges = [buckets[0][0], *(b[1] for b in buckets)]
        if any(a[1] != b[0] for a, b in zip(buckets[:-1], buckets[1:])):
            raise ValueError("found buckets with gaps between them, expected each to begin where the one before ends")
        place = np.searchsorted(np.asarray(edges, np.float64), drawn.astype(np.float64), side="right") - 1
        counts = np.bincount(place[(place >= 0) & (place < len(buckets))], minlength=len(buckets))
    else:
        counts = np.array([(drawn == value).sum() for value in buckets])
    expected = np.asarray(probs, np.float64) * nsamples
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return _survival(statistic / 2, (len(buckets) - 1) / 2), counts, expected


def _survival(x: float, a: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x): by its series, or its continued fraction (Lentz)."""
    if x <= 0 or a <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        while term > total * 1e-16:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1.0 - scale * total)
    b = x + 1 - a
    c, d = 1e300, 1 / b
    found = d
    for i in range(1, 10000):
        part = i * (a - i)
        b += 2
        d = 1 / (part * d + b)
        c = b + part / c
        found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return scale * found


def verify_generator(generator: _Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000,
                     nrepeat: int = 5, success_rate: float = 0.2, alpha: float = 0.05) -> list[float]:
    """Raises AssertionError unless chi_square_check gives more than alpha in success_rate of nrepeat tries. Returns what
    it gave."""
    found = [chi_square_check(generator, buckets, probs, nsamples) for _ in range(nrepeat)]
    values = [p for p, _, _ in found]
    if sum(p > alpha for p in values) < nrepeat * success_rate:
        raise AssertionError(f"Generator test fails, Chi-square p={values}, obs_freq={[c for _, c, _ in found]}, "
                             f"expected_freq={[e for _, _, e in found]}, buckets={list(buckets)}, probs={list(probs)}")
    return values


# --- matrices


def new_matrix_with_real_eigvals_2d(n: int) -> np.ndarray:
    """A random (n, n) matrix whose eigenvalues are real and none of which is small: Q (diagonal + upper part) Q'."""
    q = new_orthonormal_matrix_2d(n)
    triangle = np.triu(np.random.uniform(-1.0, 1.0, (n, n)), 1)
    return q @ (triangle + np.diag(_eigenvalues(n))) @ q.T


def _eigenvalues(n: int) -> np.ndarray:
    """Real numbers that keep a distance from zero and from each other."""
    signs = np.where(np.random.uniform(size=n) < 0.5, -1.0, 1.0)
    return np.random.permutation(np.arange(1, n + 1) + np.random.uniform(-0.2, 0.2, n)) * signs


def _many(shape: Shape, make: Callable[[int], np.ndarray]) -> np.ndarray:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"found shape {tuple(shape)}, expected (..., n, n)")
    count = int(np.prod(shape[:-2]))
    return np.array([make(shape[-1]) for _ in range(count)]).reshape(shape)


def new_matrix_with_real_eigvals_nd(shape: Shape) -> np.ndarray:
    """Such matrices, of shape (..., n, n)."""
    return _many(shape, new_matrix_with_real_eigvals_2d)


def new_orthonormal_matrix_2d(n: int) -> np.ndarray:
    """A random (n, n) matrix with orthonormal rows, from the uniform distribution of all of them (Haar's)."""
    q, r = np.linalg.qr(np.random.normal(size=(n, n)))
    return q * np.sign(np.diag(r))


def new_sym_matrix_with_real_eigvals_2d(n: int) -> np.ndarray:
    """A random symmetric (n, n) matrix."""
    q = new_orthonormal_matrix_2d(n)
    found = q @ np.diag(_eigenvalues(n)) @ q.T
    return (found + found.T) / 2


def new_sym_matrix_with_real_eigvals_nd(shape: Shape) -> np.ndarray:
    """Such matrices, of shape (..., n, n)."""
    return _many(shape, new_sym_matrix_with_real_eigvals_2d)
