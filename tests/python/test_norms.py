"""Normalisation of long and odd groups, by NumPy in double."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core


@pytest.fixture(params=range(2, _core.best_isa_level() + 1))
def level(request):
    before = _core.isa_level()
    _core.set_isa_level(request.param)
    yield request.param
    _core.set_isa_level(before)


def both(function, arrays, head, dtype):
    ins = [mx.nd.array(a, dtype=dtype) for a in arrays]
    for x in ins:
        x.attach_grad()
    with mx.autograd.record():
        y = function(*ins)
    y.backward(mx.nd.array(head, dtype=dtype))
    return [y.asnumpy(), *(x.grad.asnumpy() for x in ins)]


@pytest.mark.parametrize("shape, axis", [((70, 17), -1), ((3, 5000), -1), ((300, 33), -1), ((2, 9001), 1), ((5, 31, 7), 1), ((1, 1), -1), ((0, 4), -1)])
@pytest.mark.parametrize("dtype, tol", [("float32", 2e-5), ("float64", 1e-10)])
def test_layers(level, shape, axis, dtype, tol):
    rng = np.random.default_rng(1)
    x, head = rng.normal(2, 3, shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    gamma, beta = (rng.normal(size=shape[axis]).astype(dtype) for _ in range(2))
    broad = [1] * len(shape)
    broad[axis] = -1
    wide, dy, g = x.astype("float64"), head.astype("float64"), gamma.astype("float64").reshape(broad)
    other = tuple(d for d in range(len(shape)) if d != axis % len(shape))
    deviation = np.sqrt(wide.var(axis, keepdims=True) + 1e-5)
    z = (wide - wide.mean(axis, keepdims=True)) / deviation
    h = dy * g
    dx = (h - h.mean(axis, keepdims=True) - z * (h * z).mean(axis, keepdims=True)) / deviation
    wanted = [z * g + beta.reshape(broad), dx, (dy * z).sum(other), dy.sum(other)]
    for got, exact in zip(both(lambda *a: mx.nd.LayerNorm(*a, axis=axis), [x, gamma, beta], head, dtype), wanted):
        np.testing.assert_allclose(got, exact, rtol=tol, atol=tol * max(1, np.sqrt(x.size / shape[axis])) if x.size else 0)


def test_the_sums_of_many_rows_keep_their_digits():
    # A sum in float32 of 200,000 numbers around one would lose the third digit from the last.
    x = np.random.default_rng(2).normal(size=(200_000, 4)).astype("float32")
    head = np.float32(1) + x[:, ::-1] / 8
    *_, dgamma, dbeta = both(mx.nd.LayerNorm, [x, np.ones(4, "float32"), np.zeros(4, "float32")], head, "float32")
    np.testing.assert_allclose(dbeta, head.astype("float64").sum(0), rtol=1e-6)
    wide = x.astype("float64")
    z = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(dgamma, (z * head).sum(0), rtol=2e-5)


@pytest.mark.parametrize("mode, axes", [("instance", (1, 2)), ("channel", (1,)), ("spatial", (2,))])
@pytest.mark.parametrize("dtype, tol", [("float16", 5e-3), ("float32", 5e-6), ("float64", 1e-12)])
def test_lengths_of_one(level, mode, axes, dtype, tol):
    rng = np.random.default_rng(3)
    x, head = rng.normal(size=(3, 37, 41)).astype(dtype), rng.normal(size=(3, 37, 41)).astype(dtype)
    wide, dy = x.astype("float64"), head.astype("float64")
    length = np.sqrt((wide**2).sum(axes, keepdims=True) + 1e-10)
    y = wide / length
    got, dx = both(lambda a: mx.nd.L2Normalization(a, mode=mode), [x], head, dtype)
    np.testing.assert_allclose(got, y, rtol=tol, atol=tol)
    np.testing.assert_allclose(dx, (dy - y * (dy * y).sum(axes, keepdims=True)) / length, rtol=tol, atol=tol)


def test_lengths_whose_squares_floats_do_not_hold(level):
    for dtype, large in (("float32", 1e30), ("float64", 1e300)):
        x = np.full((2, 50), large, dtype)
        x[1] = 1e-20 if dtype == "float32" else 1e-150
        y = mx.nd.L2Normalization(mx.nd.array(x, dtype=dtype), eps=0).asnumpy()
        np.testing.assert_allclose(y, 1 / np.sqrt(50), rtol=1e-5)
