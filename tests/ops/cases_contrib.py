"""Small operators: coordinates, counting, moments, straight-through estimators, casts, patches."""
import itertools

import numpy as np

from .case import case


def whole(low, high, shape, dtype="float32"):
    return lambda rng: rng.integers(low, high, shape).astype(dtype)


# --- places of elements ---------------------------------------------------------------------------
COORDINATES = np.array([[0, 1, 2, 3], [3, 0, 5, 1]], "float32")
case("_ravel_multi_index", [COORDINATES], shape=(4, 6), ref=lambda x: np.ravel_multi_index(x.astype(int), (4, 6)))
case("_ravel_multi_index", [COORDINATES.reshape(2, 2, 2).astype("int64")], shape=(-1, 6), label="open",
     ref=lambda x: x[0] * 6 + x[1], witness="MXNet takes matrices only")
case("_unravel_index", [np.array([3, 6, 13, 23], "float32")], shape=(4, 6), dtypes=(),
     ref=lambda x: np.array(np.unravel_index(x.astype(int), (4, 6))))
case("_unravel_index", [np.array([[3, 6, 130], [4, 5, 23]], "int32")], shape=(-1, 3, 4), label="open",
     ref=lambda x: np.array([x // 12, x // 4 % 3, x % 4]), witness="MXNet leaves elements out where data has two axes")
case("_contrib_arange_like", [(3, 4)], start=2.0, step=0.5, ref=lambda x: 2 + np.arange(12).reshape(3, 4) / 2)
case("_contrib_arange_like", [(3, 4)], dtype="int32", low=0, high=9, start=2.5, step=1.5, label="whole", dtypes=(),
     ref=lambda x: 2 + np.arange(12).reshape(3, 4))
case("_contrib_arange_like", [(3, 4)], axis=-1, repeat=2, label="axis", ref=lambda x: np.arange(4) // 2)
case("_contrib_index_array", [(3, 4)], ref=lambda x: np.moveaxis(np.indices((3, 4)), 0, -1))
case("_contrib_index_array", [(3, 2, 4)], axes=(-1, 0), label="axes",
     ref=lambda x: np.moveaxis(np.indices((3, 2, 4))[[2, 0]], 0, -1))


def index_copy(old, at, new):
    y = old.copy()
    y[at.astype(int)] = new
    return y


case("_contrib_index_copy", [(5, 3), np.array([4, 1], "int32"), (2, 3)], ref=index_copy)
case("_contrib_index_copy", [(5, 3, 2), np.array([4, 1, 0], "int64"), (3, 3, 2)], label="layers", ref=index_copy)


def khatri_rao(*matrices):
    y = matrices[0]
    for x in matrices[1:]:
        y = (y[:, None] * x[None]).reshape(-1, x.shape[1])
    return y


case("khatri_rao", [(2, 3), (4, 3)], ref=khatri_rao, grad=False, rtol=1e-5)
case("khatri_rao", [(2, 3), (4, 3), (5, 3)], label="three", ref=khatri_rao, witness="MXNet has no gradient for it")
case("khatri_rao", [(2, 3)], label="one", ref=khatri_rao, grad=False)
case("_histogram", [(40, 5)], bin_cnt=7, range=(-0.75, 0.5), grad=False, dtypes=("float64",),
     ref=lambda x: list(np.histogram(x, 7, (-0.75, 0.5))))
case("_histogram", [np.array([0, 1, 2, 4, 9, 10, -1, np.nan], "float32"), np.array([0, 1, 4, 9], "float32")],
     label="edges", grad=False, ref=lambda x, b: list(np.histogram(x[~np.isnan(x)], b)))
case("_histogram", [whole(0, 9, (50,), "int32")], bin_cnt=4, range=(0, 8), label="int", dtype="int32",
     ref=lambda x: list(np.histogram(x, 4, (0, 8))))


def heads(row, x):
    """The head gradients that the runner gives this row: for gradients that are not those of the function."""
    return np.random.default_rng(len(row)).uniform(0.5, 1.5, x.shape).astype(x.dtype)


# --- statistics -----------------------------------------------------------------------------------
def moments(x, axes=None, keepdims=False):
    return [np.reshape(v, np.shape(v) or (1,)) for v in (x.mean(axes, keepdims=keepdims), x.var(axes, keepdims=keepdims))]


case("moments", [(3, 4, 5)], axes=(0, 2), ref=moments)
case("moments", [(3, 4, 5)], axes=(1,), keepdims=True, label="keep", ref=moments)
case("moments", [(3, 4)], axes=(0, 1), label="all", ref=moments)
case("moments", [(3, 4)], label="none", ref=moments, witness="MXNet asks for every axis by name")
case("_contrib_allclose", [np.array([1, np.nan, np.inf], "float32"), np.array([1.000001, np.nan, np.inf], "float32")],
     grad=False, dtypes=(), ref=lambda a, b: np.uint8(1), witness="MXNet's result has no axes")
case("_contrib_allclose", [np.array([1, np.nan], "float32"), np.array([1, np.nan], "float32")], equal_nan=False, label="nan",
     grad=False, dtypes=(), ref=lambda a, b: np.uint8(0), witness="MXNet's result has no axes")
case("_contrib_allclose", [(400, 500), (400, 500)], rtol=0.5, label="far", grad=False, dtypes=(), ref=lambda a, b: np.uint8(0),
     witness="MXNet's result has no axes")
case("_contrib_quadratic", [(33, 9)], dtype="int32", low=-9, high=9, a=0.5, b=0.25, c=0.75, label="whole", dtypes=(),
     ref=lambda x, a, b, c: np.trunc(a * x * x + b * x + c))
case("_contrib_quadratic", [(33, 9)], a=0.5, b=-2.0, c=3.0, ref=lambda x, a, b, c: a * x * x + b * x + c)
case("_contrib_div_sqrt_dim", [(5, 6, 7)], ref=lambda x: x / np.sqrt(7))
case("_contrib_gradientmultiplier", [(5, 7)], scalar=-2.5, ref=lambda x: x,
     ref_grad=lambda x: [-2.5 * heads("_contrib_gradientmultiplier", x)])


def away_from_zero(x):
    return np.trunc(x + np.copysign(0.5, x))


case("_contrib_round_ste", [(5, 7)], low=-3, high=3, ref=away_from_zero,
     ref_grad=lambda x: [heads("_contrib_round_ste", x)])
case("_contrib_sign_ste", [(5, 7)], ref=np.sign, ref_grad=lambda x: [heads("_contrib_sign_ste", x)])


# --- patches --------------------------------------------------------------------------------------
def places(spatial, kernel, stride, dilate, pad):
    """For each tap and each place of the window: where it looks in the padded image."""
    out = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in zip(spatial, kernel, stride, dilate, pad)]
    for i, tap in enumerate(itertools.product(*map(range, kernel))):
        for j, at in enumerate(itertools.product(*map(range, out))):
            yield i, j, tuple(a * s + t * d for a, s, t, d in zip(at, stride, tap, dilate))


def im2col(x, kernel, stride=None, dilate=None, pad=None):
    ones, n = (1,) * len(kernel), len(kernel)
    stride, dilate, pad = stride or ones, dilate or ones, pad or (0,) * n
    wide = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in pad])
    found = list(places(x.shape[2:], kernel, stride, dilate, pad))
    y = np.zeros((*x.shape[:2], found[-1][0] + 1, found[-1][1] + 1))
    for i, j, at in found:
        y[:, :, i, j] = wide[(slice(None), slice(None), *at)]
    return y.reshape(len(x), -1, y.shape[-1])


def col2im(x, output_size, kernel, stride=None, dilate=None, pad=None):
    ones, n = (1,) * len(kernel), len(kernel)
    stride, dilate, pad = stride or ones, dilate or ones, pad or (0,) * n
    taps = int(np.prod(kernel))
    columns = x.reshape(len(x), -1, taps, x.shape[-1])
    wide = np.zeros((*columns.shape[:2], *(s + 2 * p for s, p in zip(output_size, pad))))
    for i, j, at in places(output_size, kernel, stride, dilate, pad):
        wide[(slice(None), slice(None), *at)] += columns[:, :, i, j]
    return wide[(slice(None), slice(None), *(slice(p, p + s) for s, p in zip(output_size, pad)))]


case("im2col", [(2, 3, 5, 6)], kernel=(3, 2), ref=im2col)
case("im2col", [(2, 1, 7, 6)], kernel=(2, 3), stride=(2, 1), dilate=(2, 1), pad=(1, 2), label="steps", ref=im2col)
case("im2col", [(2, 3, 6)], kernel=(3,), pad=(1,), label="line", ref=im2col, witness="MXNet knows two axes only")
case("im2col", [(2, 2, 3, 4, 3)], kernel=(2, 2, 2), label="volume", ref=im2col, witness="MXNet knows two axes only")
case("col2im", [(2, 18, 15)], output_size=(5, 6), kernel=(3, 2), ref=col2im)
case("col2im", [(2, 6, 32)], output_size=(7, 6), kernel=(2, 3), stride=(2, 1), dilate=(2, 1), pad=(1, 2), label="steps",
     ref=col2im)

# --- several tensors ------------------------------------------------------------------------------
case("amp_multicast", [(3, 4), (2,)], num_outputs=2, ref=lambda *x: list(x))
case("amp_multicast", [lambda rng: rng.uniform(-1, 1, (3, 4)).astype("float16"), (2,), whole(0, 5, (2,), "int32")],
     num_outputs=3, label="mixed", dtypes=(), grad=False, ref=lambda *x: list(x), rtol=1e-3, witness="not asked: MXNet's oneDNN fails at float16")
case("_set_value", [], src=2.5, ref=lambda src: np.array([2.5]), witness="MXNet's needs out=")

# --- processes and candidates ---------------------------------------------------------------------
def remembered(times, beta, state, t):
    """What a process knows at time t of its events before."""
    return state * np.exp(-beta * t) + np.exp(-beta * (t - times[times < t])).sum()


def hawkes(lda, alpha, beta, state, lags, marks, length, end):
    n, k = lda.shape
    likelihood, memory = np.zeros(n), np.zeros((n, k))
    for i, p in np.ndindex(n, k):
        last = int(length[i])
        mine = np.cumsum(lags[i, :last])[marks[i, :last] == p]
        memory[i, p] = remembered(mine, beta[p], state[i, p], end[i])
        likelihood[i] += sum(np.log(lda[i, p] + alpha[p] * beta[p] * remembered(mine, beta[p], state[i, p], t)) for t in mine)
        likelihood[i] -= lda[i, p] * end[i] + alpha[p] * (state[i, p] + len(mine) - memory[i, p])
    return [likelihood, memory]


def between(low, high, *shape):
    return lambda rng: rng.uniform(low, high, shape).astype("float32")


EVENTS = [between(0.5, 1.5, 2, 3), between(0.1, 0.5, 3), between(0.5, 3, 3), between(0, 1, 2, 3), between(0.1, 1, 2, 4),
          np.array([[0, 1, 0, 2], [2, 2, 1, 0]], "int32"), np.array([3, 4], "float32"), np.array([5, 6], "float32")]
case("_contrib_hawkesll", EVENTS, ref=hawkes, grad=(0, 1, 2, 3), rtol=1e-4,
     witness="MXNet's gradient passes over the state, at the start and at the end")
case("_contrib_hawkesll", EVENTS, label="value", ref=hawkes, grad=False, rtol=1e-4)

CLASSES = np.arange(1000)
CHANCES = np.log((CLASSES + 2) / (CLASSES + 1)) / np.log(1001)
case("_sample_unique_zipfian", [], range_max=1000, shape=(5000, 1),
     moments=lambda **_: (CHANCES @ CLASSES, CHANCES @ CLASSES**2 - (CHANCES @ CLASSES) ** 2))
