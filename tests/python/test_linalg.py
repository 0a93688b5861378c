"""Operators that read one triangle of a symmetric matrix: their gradients are those of the whole matrix, as in MXNet.
And what linear algebra refuses."""
import numpy as np
import pytest

import heddle as mx

la = mx.nd.linalg


def symmetric_of(x):
    """A positive definite matrix made of any; its gradient sees both triangles."""
    return la.syrk(x) + mx.nd.array(np.eye(x.shape[-1]), dtype=x.dtype)


RNG = np.random.default_rng(4)
CASES = {
    "potrf": lambda x: [la.potrf(symmetric_of(x))],
    "potrf-upper": lambda x: [la.potrf(symmetric_of(x), lower=False)],
    "syevd": lambda x: la.syevd(symmetric_of(x)),
    "potri-of-potrf": lambda x: [la.potri(la.potrf(symmetric_of(x)))],
    "sumlogdiag-of-potrf": lambda x: [la.sumlogdiag(la.potrf(symmetric_of(x)))],
}


def weighted(values):
    rng = np.random.default_rng(7)
    return sum((v * v * mx.nd.array(rng.uniform(0.5, 1.5, v.shape), dtype=v.dtype)
                + v * mx.nd.array(rng.uniform(0.5, 1.5, v.shape), dtype=v.dtype)).sum() for v in values)


def derivative(function, at, order):
    x = mx.nd.array(at, dtype="float64")
    x.attach_grad()
    with mx.autograd.record():
        total = weighted(function(x))
        for _ in range(order):
            total = weighted(mx.autograd.grad([total], [x], create_graph=True, retain_graph=True))
    total.backward()
    return float(total.asscalar()), x.grad.asnumpy()


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)])
def test_gradients_of_symmetric_matrices(name, order, shape, step=1e-5):
    at = RNG.uniform(-1, 1, shape) + np.diag([0.5, 1.5, 3.0])
    _, found = derivative(CASES[name], at, order)
    for place in RNG.choice(at.size, 4, replace=False):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved.reshape(-1)[place] += sign * step
            ends.append(derivative(CASES[name], moved, order)[0])
        np.testing.assert_allclose(found.reshape(-1)[place], (ends[0] - ends[1]) / (2 * step), rtol=1e-4,
                                   atol=1e-6 * max(1, np.abs(found).max()))


def head(shape):
    return np.random.default_rng(3).uniform(0.5, 1.5, shape)


@pytest.mark.parametrize("lower", [True, False])
def test_the_gradient_of_a_cholesky_factor_is_symmetric(lower):
    x = mx.nd.array(np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]]), dtype="float64")
    x.attach_grad()
    with mx.autograd.record():
        y = la.potrf(x, lower=lower)
    y.backward(mx.nd.array(head((3, 3)), dtype="float64"))
    found = x.grad.asnumpy()
    np.testing.assert_allclose(found, found.T, rtol=1e-12)


def test_equal_eigenvalues_have_finite_gradients():
    x = mx.nd.array(np.eye(3), dtype="float64")
    x.attach_grad()
    with mx.autograd.record():
        _, values = la.syevd(x)
    values.backward(mx.nd.array([1.0, 2.0, 3.0], dtype="float64"))
    np.testing.assert_allclose(x.grad.asnumpy(), np.diag([1.0, 2.0, 3.0]), atol=1e-12)


def test_a_singular_determinant_has_a_gradient():
    x = mx.nd.zeros((2, 2))
    x.attach_grad()
    with mx.autograd.record():
        y = la.det(x)
    y.backward()
    assert np.array_equal(x.grad.asnumpy(), np.zeros((2, 2))) and y.asscalar() == 0
    sign, log = la.slogdet(x)
    assert sign.asscalar() == 0 and log.asscalar() == -np.inf


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 0)])
def test_nothing_has_factors(shape):
    x = mx.nd.zeros(shape)
    for call in (la.potrf, la.potri, la.inverse, la.syrk, la.gelqf, la.syevd, la.det, la.slogdet, la.sumlogdiag):
        assert call(x) is not None
    mx.nd.waitall()
    assert la.det(x).shape == shape[:1] and la.trsm(x, x).shape == shape and la.trmm(x, x).shape == shape


@pytest.mark.parametrize("call, words", [
    (lambda: la.potrf(mx.nd.array([[1, 0], [0, -1]])), "not positive definite"),
    (lambda: la.potrf(mx.nd.ones((2, 3))), r"\(2,3\).*square"),
    (lambda: la.inverse(mx.nd.zeros((2, 2))), "singular"),
    (lambda: la.potri(mx.nd.zeros((2, 2))), "singular"),
    (lambda: la.gelqf(mx.nd.ones((3, 2))), "at least as many columns"),
    (lambda: la.trsm(mx.nd.ones((3, 3)), mx.nd.ones((2, 2))), "expected"),
    (lambda: la.maketrian(mx.nd.ones((4,))), "expected 1, 3, 6"),
    (lambda: la.extractdiag(mx.nd.ones((3, 3)), offset=3), "at most 2"),
    (lambda: la.det(mx.nd.array([[1, 2], [3, 4]], dtype="int32")), "dtype|floating"),
])
def test_errors_say_what_was_found(call, words):
    with pytest.raises(mx.base.MXNetError, match=words):
        out = call()
        for value in out if isinstance(out, list) else [out]:
            value.asnumpy()


def test_the_dead_triangle_is_not_read():
    x = np.array([[2.0, np.nan], [1.0, 3.0]])
    np.testing.assert_allclose(la.potrf(mx.nd.array(x)).asnumpy(), np.linalg.cholesky([[2, 1], [1, 3]]), rtol=1e-6)
    b = mx.nd.ones((2, 2))
    for call in (la.trmm, la.trsm):
        assert np.isfinite(call(mx.nd.array(x), b).asnumpy()).all()


@pytest.mark.parametrize("m, k, n", [(301, 257, 403), (5, 4000, 700), (3000, 70, 9), (1, 900, 2000), (2000, 900, 1), (640, 64, 33)])
@pytest.mark.parametrize("dtype, tol", [("float32", 1e-4), ("float64", 1e-11)])
def test_products_in_several_pieces(m, k, n, dtype, tol):
    rng = np.random.default_rng(m)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    wanted = a.astype("float64") @ b.astype("float64")
    for ta in (False, True):
        for tb in (False, True):
            left, right = mx.nd.array(a.T if ta else a, dtype=dtype), mx.nd.array(b.T if tb else b, dtype=dtype)
            got = mx.nd.dot(left, right, transpose_a=ta, transpose_b=tb).asnumpy()
            np.testing.assert_allclose(got, wanted, rtol=tol, atol=tol * np.sqrt(k))


def test_what_is_multiplied_by_nothing_is_not_read():
    a = mx.nd.array([[1, 2], [3, 4]])
    nothing = mx.nd.array([[np.nan, np.inf], [1, 2]])
    assert la.gemm(a, a, nothing, beta=0).asnumpy().tolist() == [[7, 10], [15, 22]]
    assert la.gemm(a, a, nothing, alpha=-2, beta=0).asnumpy().tolist() == [[-14, -20], [-30, -44]]
    assert np.isnan(la.gemm(a, a, nothing, beta=1).asnumpy()).tolist() == [[True, False], [False, False]]
