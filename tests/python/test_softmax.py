"""Softmax over rows and columns of every length, with numbers at the ends of what floats hold."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@pytest.fixture(params=range(2, _core.best_isa_level() + 1))
def level(request):
    before = _core.isa_level()
    _core.set_isa_level(request.param)
    yield request.param
    _core.set_isa_level(before)


@pytest.mark.parametrize("n", [1, 2, 10, 15, 16, 17, 31, 33, 1000])
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("dtype, rtol", [("float16", 2e-3), ("float32", 2e-6), ("float64", 1e-12)])
def test_rows_and_columns_of_any_length(level, n, axis, dtype, rtol):
    x = np.random.default_rng(n).normal(size=(3, n, 19) if axis == 1 else (3, 19, n), scale=6).astype(dtype)
    y = softmax(x.astype("float64"), axis)
    data = mx.nd.array(x, dtype=dtype)
    np.testing.assert_allclose(mx.nd.softmax(data, axis=axis).asnumpy(), y, rtol=rtol * 4, atol=1e-7 if dtype == "float16" else 1e-35)
    np.testing.assert_allclose(mx.nd.log_softmax(data, axis=axis).asnumpy(), np.log(y), rtol=rtol * 4, atol=rtol * 16)
    for function in (mx.nd.softmax, mx.nd.log_softmax):
        dy = np.random.default_rng(n + 1).normal(size=x.shape).astype(dtype)
        data.attach_grad()
        with mx.autograd.record():
            function(data, axis=axis).backward(mx.nd.array(dy, dtype=dtype))
        wide = dy.astype("float64")
        wanted = y * (wide - (wide * y).sum(axis, keepdims=True)) if function is mx.nd.softmax else wide - y * wide.sum(axis, keepdims=True)
        np.testing.assert_allclose(data.grad.asnumpy(), wanted, rtol=rtol * 50, atol=rtol * 50)


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_far_below_the_largest_is_zero_and_nan_spreads(level, axis):
    x = np.zeros((20, 20), "float32")
    x[3, 5], x[4, 6], x[5, 7], x[19, 19], x[18, 18], x[:, 2][::2] = -np.inf, -1e30, -80, np.nan, 3e38, 100
    got = mx.nd.softmax(mx.nd.array(x), axis=axis).asnumpy()
    with np.errstate(over="ignore"):
        wanted = softmax(x.astype("float64"), axis)
    nan = np.isnan(x).any(axis, keepdims=True) & np.ones_like(x, bool)
    assert np.isnan(got[nan]).all()
    np.testing.assert_allclose(got[~nan], wanted[~nan], rtol=1e-5, atol=1e-37)
    for place in ((3, 5), (4, 6)):
        assert got[place] == 0


@pytest.mark.parametrize("shape, multi", [((70, 1000), False), ((3, 5, 2000), True)])
def test_gradients_of_softmax_output_know_labels_of_no_class(shape, multi):
    rng = np.random.default_rng(1)
    x = rng.normal(size=shape).astype("float32")
    classes = shape[1]
    label = rng.integers(0, classes, (shape[0], *shape[2:])).astype("float32")
    label.flat[0], label.flat[1], label.flat[2] = -1, classes, classes + 7  # ignored, and beyond the last class
    data = mx.nd.array(x)
    data.attach_grad()
    with mx.autograd.record():
        y = mx.nd.SoftmaxOutput(data, mx.nd.array(label), multi_output=multi, use_ignore=True, smooth_alpha=0.25)
    y.backward()
    place = np.expand_dims(np.arange(classes), tuple(range(1, label.ndim)))[None]
    target = np.where(place == np.expand_dims(label, 1), 0.75, 0.25 / (classes - 1))
    wanted = (y.asnumpy() - target) * (np.expand_dims(label, 1) != -1)
    np.testing.assert_allclose(data.grad.asnumpy() * (shape[2] if multi else 1), wanted, rtol=1e-4, atol=1e-6)


def test_cross_entropy_is_the_sum_of_logarithms_and_names_a_wrong_label():
    rng = np.random.default_rng(2)
    x, label = rng.normal(size=(70, 1001)).astype("float32"), rng.integers(0, 1001, 70)
    data = mx.nd.array(x)
    data.attach_grad()
    with mx.autograd.record():
        loss = mx.nd.softmax_cross_entropy(data, mx.nd.array(label))
    loss.backward(mx.nd.array([0.5]))
    y = softmax(x.astype("float64"), 1)
    np.testing.assert_allclose(loss.asscalar(), -np.log(y[np.arange(70), label]).sum(), rtol=1e-6)
    np.testing.assert_allclose(data.grad.asnumpy(), (y - np.eye(1001)[label]) * 0.5, rtol=1e-4, atol=1e-7)
    with pytest.raises(mx.base.MXNetError, match=r"\[softmax_cross_entropy\] label 1001.* is not one of 1001 classes"):
        mx.nd.softmax_cross_entropy(data, mx.nd.array([*label[:69], 1001])).asnumpy()
