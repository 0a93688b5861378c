"""The helpers that tests of operators use: they pass where they should and fail where they should."""
import numpy as np
import pytest

import heddle as mx
from heddle import sym
from heddle.test_utils import (almost_equal, assert_almost_equal, assert_almost_equal_ignore_nan, assert_exception,
                               check_consistency, check_numeric_gradient, check_speed, check_symbolic_backward,
                               check_symbolic_forward, compare_optimizer, default_context, environment,
                               find_max_violation, np_reduce, rand_ndarray, rand_shape_nd, random_arrays, retry, same,
                               same_array, same_symbol_structure, set_default_context, simple_forward)


def test_comparisons():
    a = np.array([1., 2, 3], "float32")
    assert same(a, mx.nd.array(a)) and almost_equal(a, a + 1e-5) and not almost_equal(a, a + 0.1)
    assert_almost_equal(mx.nd.array(a), a * (1 + 1e-6))
    with pytest.raises(AssertionError, match=r"x and y differ in 1 of 3 elements; the largest error, at \(2,\)"):
        assert_almost_equal(a, np.array([1, 2, 4], "float32"), names=("x", "y"))
    with pytest.raises(AssertionError):
        assert_almost_equal(a, np.array([1, np.nan, 3], "float32"))
    assert_almost_equal_ignore_nan(a, np.array([1, np.nan, 3], "float32"))
    with pytest.raises(AssertionError, match="shape"):
        assert_almost_equal(np.ones((1, 2)), np.ones(2), use_broadcast=False)
    assert find_max_violation(a, a + np.array([0, 1, 0]))[0] == (1,)
    assert_exception(lambda: int("x"), ValueError)
    with pytest.raises(AssertionError, match="no ValueError"):
        assert_exception(lambda: None, ValueError)


def test_random_values():
    assert [a.shape for a in random_arrays((2,), (3, 4))] == [(2,), (3, 4)]
    x = rand_ndarray((50, 50), dtype="float64")
    assert x.dtype == "float64" and abs(x.asnumpy()).max() <= 1
    assert len(rand_shape_nd(4, 3)) == 4 and max(rand_shape_nd(4, 3)) <= 3


def test_check_numeric_gradient():
    x, y = sym.Variable("x"), sym.Variable("y")
    check_numeric_gradient(sym.tanh(x) * y + x * x, [np.random.randn(3, 2), np.random.randn(3, 2)], rtol=2e-2, atol=1e-2)
    check_numeric_gradient(sym.FullyConnected(x, num_hidden=2, name="f"),
                           {"x": np.random.randn(3, 4), "f_weight": np.random.randn(2, 4), "f_bias": np.random.randn(2)},
                           numeric_eps=1e-2, rtol=5e-2, atol=1e-2)
    check_numeric_gradient(sym.exp(x), [np.random.randn(4)], dtype=np.float64, atol=1e-5, rtol=1e-4)
    with pytest.raises(AssertionError, match="NUMERICAL_x"):  # the gradient of what is blocked is not the true one
        check_numeric_gradient(sym.BlockGrad(x) * x, [np.random.rand(3) + 1])
    with pytest.raises(ValueError, match="do not match"):
        check_numeric_gradient(x + y, {"x": np.ones(2)})


def test_check_symbolic():
    x, y = sym.Variable("x"), sym.Variable("y")
    a, b, g = (np.random.randn(2, 3).astype("float32") for _ in range(3))
    outputs = check_symbolic_forward(x * y, [a, b], [a * b])
    assert outputs[0].shape == (2, 3)
    for req in ("write", "add"):
        check_symbolic_backward(x * y, [a, b], [g], {"x": g * b, "y": g * a}, grad_req=req)
    check_symbolic_backward(x * y, {"x": a, "y": b}, g, [g * b, g * a], grad_req={"x": "write", "y": "null"})
    with pytest.raises(AssertionError, match="EXPECTED_"):
        check_symbolic_forward(x * y, [a, b], [a * b + 1])
    with pytest.raises(AssertionError, match="BACKWARD_x"):
        check_symbolic_backward(x * y, [a, b], [g], {"x": g * b + 1})


def test_check_consistency():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=3, name="fc")
    settings = [{"ctx": mx.cpu(0), "data": (2, 4), "type_dict": {"data": t}} for t in ("float64", "float32")]
    assert "grad_fc_weight" in check_consistency(net, settings)
    with pytest.raises(AssertionError):
        check_consistency([net, net * 1.1], settings)


def test_running():
    x = sym.Variable("x")
    assert simple_forward(x * 2, x=np.ones((2,), "float32")).tolist() == [2, 2]
    assert check_speed(x * 2, N=2, x=(4,)) > 0 and check_speed(x * 2, {"x": np.ones(3)}, N=2, typ="forward") > 0
    assert same_symbol_structure(sym.relu(x), sym.relu(sym.Variable("other")))
    assert not same_symbol_structure(sym.relu(x), sym.tanh(x))
    a = mx.nd.zeros((4,))
    assert same_array(a, a.reshape((2, 2)).reshape((4,))) and not same_array(a, a.copy())
    assert np_reduce(np.ones((2, 3, 4)), (0, 2), True, np.sum).shape == (1, 3, 1)
    compare_optimizer(mx.optimizer.SGD(momentum=0.5), mx.optimizer.SGD(momentum=0.5), (3,), "float32")


def test_settings(monkeypatch):
    before = default_context()
    set_default_context(mx.cpu(3))
    assert default_context() == mx.cpu(3)
    set_default_context(before)
    with environment("HEDDLE_TEST_UTILS", "1"):
        assert mx.util.getenv("HEDDLE_TEST_UTILS") == "1"
    assert mx.util.getenv("HEDDLE_TEST_UTILS") is None


def test_retry():
    tries = []

    @retry(3)
    def flaky():
        tries.append(1)
        assert len(tries) == 2

    flaky()
    assert len(tries) == 2
    with pytest.raises(ValueError):
        retry(0)
