"""Gradients of gradients: operators whose gradient is composed of other operators."""
import numpy as np
import pytest

import heddle as mx


def row(name, function, *shapes, low=0.5, high=1.5):
    return pytest.param(function, shapes, low, high, id=name)


ROWS = [
    *[row(name, lambda x, name=name: getattr(mx.nd, name)(x), (3, 4))
      for name in ("exp", "log", "sin", "cos", "tanh", "sigmoid", "square", "sqrt", "reciprocal")],
    # Linear ones are cubed, for their own second derivative is nothing.
    *[row(name, lambda x, name=name: getattr(mx.nd, name)(x) ** 3, (3, 4))
      for name in ("negative", "identity", "abs", "relu")],
    row("plus", lambda x: (x + 2) ** 3, (3, 4)),
    row("minus", lambda x: (2 - x) ** 3, (3, 4)),
    row("times", lambda x: (x * 3) ** 3, (3, 4)),
    row("over", lambda x: (x / 3) ** 3, (3, 4)),
    row("under", lambda x: 3 / x, (3, 4)),
    row("power_scalar", lambda x: x**3, (3, 4)),
    row("rpower_scalar", lambda x: mx.nd.exp(x) * 2**x, (3, 4)),
    row("elemwise", lambda x, y: mx.nd.elemwise_mul(x, y) / mx.nd.elemwise_add(x, y), (3, 4), (3, 4)),
    row("broadcast_add", lambda x, y: (x + y) ** 2, (3, 4), (4,)),
    row("broadcast_sub", lambda x, y: (x - y) ** 3, (3, 1), (2, 1, 4)),
    row("broadcast_mul", lambda x, y: x * x * y * y, (3, 4), (3, 1)),
    row("broadcast_div", lambda x, y: x / y, (3, 4), (3, 1)),
    row("broadcast_power", lambda x, y: x**y, (3, 4), (4,)),
    row("sum", lambda x: mx.nd.sum(x * x, axis=1) ** 2, (3, 4)),
    row("mean", lambda x: mx.nd.mean(x * x, axis=(0, 2), keepdims=True) ** 2, (3, 4, 2)),
    row("broadcast_to", lambda x: mx.nd.broadcast_to(x * x, shape=(3, 4)) ** 2, (3, 1)),
    row("add_n", lambda x, y: mx.nd.add_n(x, y, x) ** 2, (3, 4), (3, 4)),
    row("where", lambda x, y: mx.nd.where(x > 1, x, y) ** 3, (3, 4), (3, 4)),
]


def slopes(function, arrays, weights, create_graph=True):
    """d(function)/d(arrays), as arrays that can be differentiated again."""
    y = function(*arrays)
    return mx.autograd.grad([y], arrays, head_grads=[weights(y.shape)], create_graph=create_graph,
                            retain_graph=True)


@pytest.mark.parametrize("function, shapes, low, high", ROWS)
def test_second_derivative_matches_differences_of_the_first(function, shapes, low, high):
    rng = np.random.default_rng(5)
    values = [rng.uniform(low, high, s) for s in shapes]
    fixed = {}

    def weights(shape):
        if shape not in fixed:
            fixed[shape] = rng.uniform(0.5, 1.5, shape)
        return mx.nd.array(fixed[shape], dtype="float64")

    def first(points):
        arrays = [mx.nd.array(p, dtype="float64") for p in points]
        for a in arrays:
            a.attach_grad()
        with mx.autograd.record():
            return sum(float((g * weights(g.shape)).sum().asscalar()) for g in slopes(function, arrays, weights))

    arrays = [mx.nd.array(v, dtype="float64") for v in values]
    for a in arrays:
        a.attach_grad()
    with mx.autograd.record():
        total = sum((g * weights(g.shape)).sum() for g in slopes(function, arrays, weights))
    total.backward()
    step = 1e-5
    for k, v in enumerate(values):
        wanted = np.zeros_like(v)
        for at in np.ndindex(v.shape):
            ends = []
            for sign in (1, -1):
                moved = [u.copy() for u in values]
                moved[k][at] += sign * step
                ends.append(first(moved))
            wanted[at] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(arrays[k].grad.asnumpy(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("function, slope", [
    (mx.nd.ceil, 0), (mx.nd.BlockGrad, 0), (mx.nd.zeros_like, 0), (mx.nd.shape_array, 0), (lambda x: x > 1, 0), (lambda x: mx.nd.argmax(x, axis=0), 0),
    (lambda x: mx.nd.topk(x, k=1), 0), (mx.nd.make_loss, 1), (lambda x: mx.nd.contrib.index_array(x), 0)])
def test_gradients_that_are_constant_can_be_differentiated(function, slope):
    """As in MXNet, to zero."""
    x = mx.nd.array([1.5, 2.5])
    for used in (lambda g: g, lambda g: (g * g + x * x)):
        x.attach_grad()
        with mx.autograd.record():
            slopes_of, = mx.autograd.grad([function(x)], [x], create_graph=True)
            y = used(slopes_of)
        y.backward()
        assert slopes_of.asnumpy().tolist() == [slope] * 2
        assert x.grad.asnumpy().tolist() == ([0, 0] if y is slopes_of else [3, 5])
