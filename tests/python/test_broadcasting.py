"""Broadcasting and conversion of arrays that loops take in several pieces."""
import numpy as np
import pytest

import heddle as mx


# Loops take 512 elements at a time: repeated axes that fit into them, fill them, and go beyond.
@pytest.mark.parametrize("lhs, rhs", [
    ((1024, 1, 32), (32, 32)), ((5, 1, 7), (300, 7)), ((3, 1, 700), (4, 700)), ((64, 1, 1), (64, 3, 33)),
    ((2, 1, 3, 1, 5), (1, 40, 1, 9, 1)), ((1000, 1, 3), (1, 50, 1)), ((2, 3, 1, 1), (2, 3, 40, 40)), ((513, 1), (1, 513))])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
def test_broadcasting_across_pieces_of_a_loop(lhs, rhs, dtype):
    random = np.random.default_rng(3)
    a, b = (random.integers(-9, 10, shape).astype(dtype) for shape in (lhs, rhs))
    x, y = mx.nd.array(a, dtype=dtype), mx.nd.array(b, dtype=dtype)
    np.testing.assert_array_equal(mx.nd.broadcast_sub(x, y).asnumpy(), a - b)
    if dtype != "float32":
        return
    head = random.integers(-9, 10, np.broadcast_shapes(lhs, rhs)).astype(dtype)
    for name, to_a, to_b in (("broadcast_sub", head, -head), ("broadcast_mul", head * b, head * a)):
        x.attach_grad()
        y.attach_grad()
        with mx.autograd.record():
            z = getattr(mx.nd, name)(x, y)
        z.backward(mx.nd.array(head))
        for grad, whole in ((x.grad, to_a), (y.grad, to_b)):
            whole = whole.sum(tuple(range(whole.ndim - grad.ndim)))
            repeated = tuple(d for d in range(grad.ndim) if grad.shape[d] == 1)
            np.testing.assert_array_equal(grad.asnumpy(), whole.sum(repeated, keepdims=True))


@pytest.mark.parametrize("source", ["float32", "float16", "float64", "int8", "uint8", "int32", "int64"])
@pytest.mark.parametrize("target", ["float32", "float16", "float64", "int8", "uint8", "int32", "int64"])
def test_casts_of_many_elements(source, target):
    x = np.random.default_rng(4).uniform(0, 120, 70001).astype("float32").astype(source)
    np.testing.assert_array_equal(mx.nd.array(x, dtype=source).astype(target).asnumpy(), x.astype(target))


@pytest.mark.parametrize("size", [6, 70002])
@pytest.mark.parametrize("source", ["float16", "float32", "float64"])
def test_casts_of_what_an_int32_does_not_hold(source, size):
    """The smallest number, as NumPy and MXNet say, and not the low bits of a wider one."""
    with np.errstate(over="ignore"):
        x = np.resize(np.array([np.nan, np.inf, -np.inf, 3e9, -1.5, 300]).astype(source), size)
    least = np.iinfo("int32").min
    found = mx.nd.array(x, dtype=source).astype("int32").asnumpy()
    np.testing.assert_array_equal(found, np.resize([least, least, least, least, -1, 300], size))
