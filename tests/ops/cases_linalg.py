"""Factors of matrices, triangular products, and matrices as vectors."""
import numpy as np

from .case import case

DOUBLE = ("float64",)


def positive(*shape):
    """Symmetric positive definite matrices, far from singular."""
    def fill(rng):
        x = rng.uniform(-1, 1, shape)
        return (x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])).astype("float32")
    return fill


def regular(*shape):
    """Matrices far from singular, factors of such ones too; nothing about them is symmetric."""
    return lambda rng: (rng.uniform(-0.4, 0.4, shape) + 1.5 * np.eye(shape[-2], shape[-1])).astype("float32")


def symmetric(*shape):
    """Symmetric matrices with eigenvalues far from each other."""
    def fill(rng):
        q, _ = np.linalg.qr(rng.uniform(-1, 1, shape))
        return (q * np.arange(-1.0, shape[-1] - 1) @ np.swapaxes(q, -1, -2)).astype("float32")
    return fill


def turned(x):
    return np.swapaxes(x, -1, -2)


def triangle(x, lower):
    return np.tril(x) if lower else np.triu(x)


def potrf(x, lower=True):
    factor = np.linalg.cholesky(np.tril(x) + turned(np.tril(x, -1)) if lower else np.triu(x) + turned(np.triu(x, 1)))
    return factor if lower else turned(factor)


def potri(x, lower=True):
    t = triangle(x, lower)
    return np.linalg.inv(t @ turned(t) if lower else turned(t) @ t)


def op(x, transpose, lower):
    t = triangle(x, lower)
    return turned(t) if transpose else t


def trmm(a, b, transpose=False, rightside=False, lower=True, alpha=1):
    t = op(a, transpose, lower)
    return alpha * (b @ t if rightside else t @ b)


def trsm(a, b, transpose=False, rightside=False, lower=True, alpha=1):
    t = np.linalg.inv(op(a, transpose, lower))
    return alpha * (b @ t if rightside else t @ b)


def gelqf(x):
    q, r = np.linalg.qr(turned(x))
    sign = (np.sign(np.diagonal(r, 0, -2, -1)) * heads(x))[..., None]
    return turned(q) * sign, turned(r) * turned(sign)


def heads(x):
    """The signs of the diagonal of L by Householder's reflections."""
    if x.ndim > 2:
        return np.stack([heads(one) for one in x])
    x, signs = x.copy(), []
    for i in range(len(x)):
        v = x[i, i:].copy()
        size = np.linalg.norm(v)
        last = i == x.shape[1] - 1
        d = v[0] if last else -np.copysign(size, v[0])
        signs.append(np.sign(d))
        if not last:
            v[0] -= d
            x[:, i:] -= 2 * np.outer(x[:, i:] @ v, v) / (v @ v)
    return np.array(signs)


def syevd(x):
    values, vectors = np.linalg.eigh(x)
    rows = turned(vectors)
    largest = np.take_along_axis(rows, np.abs(rows).argmax(-1)[..., None], -1)
    return rows * np.sign(largest), values


def numbers(x):
    """Of one matrix, (1,)."""
    return np.reshape(x, np.shape(x) or (1,))


def places(n, offset, lower):
    """Rows and columns of a packed triangle."""
    if offset < 0 or (offset == 0 and lower):
        return np.array([(i - offset, j) for i in range(n + offset) for j in range(i + 1)]).T
    return np.array([(j, i + offset) for i in range(n - offset) for j in range(i + 1)]).T


def extracttrian(x, offset=0, lower=True):
    r, c = places(x.shape[-1], offset, lower)
    return x[..., r, c]


def maketrian(x, offset=0, lower=True):
    n = int((np.sqrt(8 * x.shape[-1] + 1) - 1) / 2) + abs(offset)
    y = np.zeros((*x.shape[:-1], n, n))
    r, c = places(n, offset, lower)
    y[..., r, c] = x
    return y


def makediag(x, offset=0):
    n = x.shape[-1] + abs(offset)
    y = np.zeros((*x.shape[:-1], n, n))
    i = np.arange(x.shape[-1])
    y[..., i + max(0, -offset), i + max(0, offset)] = x
    return y


# Gradients of what reads one triangle of a symmetric matrix are symmetric: tests/python/test_linalg.py checks them.
case("_linalg_potrf", [positive(4, 4)], ref=potrf, grad=False)
case("_linalg_potrf", [positive(5, 3, 3)], lower=False, label="upper", ref=potrf, grad=False)
case("_linalg_potrf", [positive(2, 40, 40)], label="large", ref=potrf, grad=False, dtypes=DOUBLE)
case("_linalg_potri", [regular(4, 4)], ref=potri)
case("_linalg_potri", [regular(2, 3, 3)], lower=False, label="upper", ref=potri)
case("_linalg_potri", [regular(2, 3, 40, 40)], label="large", ref=potri, grad=False, dtypes=DOUBLE, rtol=1e-4)
for t in (False, True):
    for right in (False, True):
        for low in (True, False):
            shape = (3, 5, 2) if not right else (3, 2, 5)
            which = dict(transpose=t, rightside=right, lower=low, alpha=1.5,
                         label="-".join(["transposed"] * t + ["right"] * right + ["lower" if low else "upper"]))
            case("_linalg_trmm", [(3, 5, 5), shape], ref=trmm, **which)
            case("_linalg_trsm", [regular(3, 5, 5), shape], ref=trsm, **which)
case("_linalg_trmm", [(40, 40), (40, 300)], label="wide", ref=trmm, grad=False, dtypes=DOUBLE, rtol=1e-4)
case("_linalg_trsm", [regular(40, 40), (300, 40)], rightside=True, label="tall", ref=trsm, grad=False, dtypes=DOUBLE,
     rtol=1e-3)
case("_linalg_syrk", [regular(4, 3)], ref=lambda x: x @ x.T)
case("_linalg_syrk", [(2, 3, 4)], transpose=True, alpha=0.5, label="transposed",
     ref=lambda x, alpha, **_: alpha * turned(x) @ x)
case("_linalg_gelqf", [regular(3, 5)], ref=gelqf)
case("_linalg_gelqf", [regular(4, 3, 3)], label="square", ref=gelqf)
case("_linalg_gelqf", [regular(20, 70)], label="large", ref=gelqf, grad=False, dtypes=DOUBLE, rtol=1e-4)
case("_linalg_syevd", [symmetric(4, 4)], ref=syevd, grad=False)
case("_linalg_syevd", [symmetric(3, 5, 5)], label="batch", ref=syevd, grad=False)
case("_linalg_syevd", [symmetric(30, 30)], label="large", ref=syevd, grad=False, dtypes=DOUBLE, rtol=1e-4)
case("_linalg_inverse", [regular(4, 4)], ref=np.linalg.inv)
case("_linalg_inverse", [regular(2, 3, 3, 3)], label="batch", ref=np.linalg.inv)
case("_linalg_inverse", [regular(50, 50)], label="large", ref=np.linalg.inv, grad=False, dtypes=DOUBLE, rtol=1e-4)
case("_linalg_det", [(4, 4)], ref=lambda x: numbers(np.linalg.det(x)))
case("_linalg_det", [(5, 3, 3)], label="batch", ref=np.linalg.det)
case("_linalg_slogdet", [regular(4, 4)], ref=lambda x: [numbers(v) for v in np.linalg.slogdet(x)])
case("_linalg_slogdet", [regular(2, 3, 3, 3)], label="batch", ref=lambda x: list(np.linalg.slogdet(x)))
case("_cofactor", [regular(3, 3)], ref=lambda x: np.linalg.det(x) * np.linalg.inv(x).T, witness="absent")
case("_cofactor", [regular(2, 4, 4)], label="batch", witness="absent",
     ref=lambda x: np.linalg.det(x)[:, None, None] * turned(np.linalg.inv(x)))
case("_linalg_sumlogdiag", [(4, 4)], low=0.5, high=2, ref=lambda x: numbers(np.log(np.diag(x)).sum()))
case("_linalg_sumlogdiag", [(3, 4, 4)], low=0.5, high=2, label="batch",
     ref=lambda x: np.log(np.diagonal(x, 0, -2, -1)).sum(-1))

# --- matrices as vectors --------------------------------------------------------------------------
for k in (0, 1, -2):
    case("_linalg_extractdiag", [(3, 5, 5)], offset=k, ref=lambda x, offset: np.diagonal(x, offset, -2, -1))
    case("_linalg_makediag", [(2, 3)], offset=k, ref=makediag)
    case("_linalg_extracttrian", [(3, 5, 5)], offset=k, ref=extracttrian)
    case("_linalg_maketrian", [(2, 6)], offset=k, ref=maketrian)
case("_linalg_extractdiag", [(4, 4)], label="one", ref=np.diag)
case("_linalg_makediag", [np.array([1.5, 2.5, -1.0], "float32")], label="one", ref=np.diag)
case("_linalg_extracttrian", [(4, 4)], lower=False, label="upper", ref=extracttrian)
case("_linalg_maketrian", [lambda rng: rng.uniform(-1, 1, 10).astype("float32")], lower=False, label="upper", ref=maketrian)
