"""The activations: one formula behind every face, whatever the numbers are."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core

VALUES = [np.nan, -np.inf, -3.0, -0.5, -0.0, 0.0, 0.25, 2.0, 30.0, np.inf]
DTYPES = ["float16", "bfloat16", "float32", "float64"]
KINDS = ["relu", "sigmoid", "tanh", "softsign", "softrelu"]


def run_eager(function, x, create_graph=False):
    x.attach_grad()
    with mx.autograd.record():
        y = function(x)
        (slope,) = mx.autograd.grad([y], [x], create_graph=create_graph)
    return y.asnumpy(), slope.asnumpy()


def run_bound(function, x):
    executor = function(mx.sym.Variable("x")).simple_bind(mx.cpu(), x=x.shape, type_dict={"x": x.dtype})
    executor.arg_dict["x"][:] = x
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones(x.shape, dtype=x.dtype)])
    return executor.outputs[0].asnumpy(), executor.grad_dict["x"].asnumpy()


def faces(kind, dtype):
    """(name, value, gradient) of an activation in every way that there is to call it."""
    x = mx.nd.array(VALUES, dtype=dtype)
    functions = {"Activation": lambda m, v: m.Activation(v, act_type=kind)}
    if kind != "softrelu":
        functions["operator"] = lambda m, v: getattr(m, kind)(v)
    for name, function in functions.items():
        for library in ("", "portable"):
            _core.prefer_kernels(library)
            try:
                yield f"{name} eager {library}", *run_eager(lambda v, f=function: f(mx.nd, v), x)
                yield f"{name} bound {library}", *run_bound(lambda v, f=function: f(mx.sym, v), x)
            finally:
                _core.prefer_kernels("")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_face_gives_the_same_bits(kind, dtype):
    (_, value, slope), *others = faces(kind, dtype)
    for name, v, s in others:
        assert v.tobytes() == value.tobytes(), f"{name}: {v} is not {value}"
        assert s.tobytes() == slope.tobytes(), f"{name}: gradient {s} is not {slope}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_nan_in_value_and_gradient(kind, dtype):
    for name, value, slope in faces(kind, dtype):
        assert np.isnan(value[0]) and np.isnan(slope[0]), f"{name}: {value[0]}, gradient {slope[0]}"
        assert not np.isnan(value[1:].astype("float64")).any() or kind == "softsign", f"{name}: {value}"


def test_relu_at_its_kink_and_far_out():
    for name, value, slope in faces("relu", "float32"):
        np.testing.assert_array_equal(value, np.maximum(np.float32(VALUES), 0), err_msg=name)
        np.testing.assert_array_equal(slope, [np.nan, 0, 0, 0, 0, 0, 1, 1, 1, 1], err_msg=name)


@pytest.mark.parametrize("kind", ["leaky", "elu", "selu", "gelu"])
def test_leaky_rectifiers_keep_nan_and_their_graphs_do_not_make_one(kind):
    x = mx.nd.array([np.nan, -2.0, 0.5, 500.0], dtype="float32")
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.LeakyReLU(x, act_type=kind, slope=0.3)
        (slope,) = mx.autograd.grad([y], [x], create_graph=True, retain_graph=True)
    slope.backward()
    assert np.isnan(y.asnumpy()[0])
    for what in (y, slope, x.grad):
        assert np.isfinite(what.asnumpy()[1:]).all(), what
    assert x.grad.asnumpy()[3] == 0  # linear far out


def test_prelu_says_that_it_has_no_second_gradient():
    x, gamma = mx.nd.array([[-1.0, 2.0]]), mx.nd.array([0.25, 0.5])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.LeakyReLU(x, gamma, act_type="prelu")
        (slope,) = mx.autograd.grad([y], [x], create_graph=True, retain_graph=True)
        np.testing.assert_array_equal(slope.asnumpy(), [[0.25, 1]])
        total = (slope * x).sum()
    with pytest.raises(mx.base.MXNetError, match="_backward_LeakyReLU. has no gradient"):
        total.backward()
