"""Where numbers end: indices, norms, long sums and windows without data."""
import numpy as np
import pytest

import heddle as mx

nd = mx.nd
EPS = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-14}


# --- indices
@pytest.mark.parametrize("dtype, extent", [("uint8", 257), ("int8", 129), ("bool", 3), ("float16", 2050), ("float16", 66000),
                                           ("float32", 2050), ("int64", 129), ("float64", 66000)])
def test_places_are_exact(dtype, extent):
    x = np.zeros((2, extent), dtype)
    x[0, extent - 1] = x[1, extent - 2] = 1
    a = nd.array(x, dtype=dtype)
    place = nd.argmax(a, axis=1)
    assert place.asnumpy().tolist() == [extent - 1, extent - 2]
    assert place.dtype == (dtype if dtype in ("int64", "float64") else "float32")
    assert nd.argmax_channel(a).asnumpy().tolist() == [extent - 1, extent - 2]
    assert nd.argmin(a.astype("float32") * -1, axis=1).asnumpy().tolist() == [extent - 1, extent - 2]
    assert nd.topk(a, axis=1).asnumpy().ravel().tolist() == [extent - 1, extent - 2]
    assert nd.argsort(a, axis=1).asnumpy()[:, -1].tolist() == [extent - 1, extent - 2]
    # The same in a graph, and with the shape known only when it is bound.
    bound = mx.sym.argmax(mx.sym.Variable("x"), axis=1).bind(mx.cpu(), {"x": a})
    assert bound.forward()[0].asnumpy().tolist() == [extent - 1, extent - 2]


def test_accuracy_of_many_classes_in_float16():
    predicted = nd.one_hot(nd.array([2051, 3]), 2100, dtype="float16")
    metric = mx.metric.Accuracy()
    metric.update([nd.array([2051, 4])], [predicted])
    assert metric.get()[1] == 0.5


@pytest.mark.parametrize("call, error", [
    (lambda x: nd.argsort(x, dtype="uint8"), "argsort.*uint8.*257"),
    (lambda x: nd.topk(x, k=2, dtype="uint8", ret_typ="both"), "topk.*uint8.*257"),
    (lambda x: nd.random.multinomial(x + 1, dtype="uint8"), "multinomial.*uint8.*257"),
    (lambda x: nd.argsort(nd.zeros(2050), dtype="float16"), "argsort.*float16.*2050"),
])
def test_a_dtype_too_narrow_for_the_places_is_refused(call, error):
    with pytest.raises(mx.MXNetError, match=error):
        call(nd.zeros(257))


def test_a_dtype_just_wide_enough():
    assert nd.argsort(nd.arange(256), dtype="uint8").asnumpy()[-1] == 255
    assert nd.argsort(nd.arange(2049), dtype="float16").asnumpy()[-1] == 2048
    assert nd.topk(nd.arange(257), k=1, ret_typ="mask", dtype="uint8").asnumpy()[-1] == 1  # no places are asked for


# --- norms, sums and means that fit although a part of them does not
@pytest.mark.parametrize("dtype, size", [("float16", 2.0 ** 14), ("float32", 1e30), ("float32", 1e-30), ("float64", 1e250),
                                         ("float64", 1e-250), ("float64", 1e-310)])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_norm_scales(dtype, size, axis):
    base = np.array([[3.0, 0.0], [4.0, 0.0]])
    x = nd.array(base * (size / 4), dtype=dtype)
    right = np.sqrt((base ** 2).sum(axis)) / 4
    got = nd.norm(x) if axis is None else nd.norm(x, axis=axis)
    np.testing.assert_allclose(got.asnumpy().astype("float64") / size, right.reshape(got.shape), rtol=EPS[dtype] if size > 1e-300 else 1e-6)
    x.attach_grad()
    with mx.autograd.record():
        y = nd.norm(x) if axis is None else nd.norm(x, axis=axis)
    y.backward()
    whole = np.where(right > 0, right, 1) if axis is None else np.expand_dims(np.where(right > 0, right, 1), axis)
    np.testing.assert_allclose(x.grad.asnumpy().astype("float64"), base / 4 / whole, rtol=3 * EPS[dtype] if size > 1e-300 else 1e-5)


def test_norm_of_what_is_no_number():
    for dtype in ("float16", "float32", "float64"):
        assert np.isnan(nd.norm(nd.array([1, np.nan], dtype=dtype)).asscalar())
        assert nd.norm(nd.array([1, -np.inf], dtype=dtype)).asscalar() == np.inf
        assert nd.norm(nd.zeros(3, dtype=dtype)).asscalar() == 0
    assert nd.norm(nd.array([2 ** 40, 0], dtype="int64")).asscalar() == 2 ** 40
    assert nd.norm(nd.array([3e38, -3e38]), ord=1, out_dtype="float64").asscalar() == pytest.approx(6e38)


def test_mean_and_sum_of_large_numbers():
    big = nd.array([[3e38, 3e38, 3e38, 3e38], [3e38, 3e38, -3e38, -3e38]])
    np.testing.assert_allclose(nd.mean(big, axis=1).asnumpy(), [3e38, 0], rtol=1e-6)
    assert nd.sum(big[1]).asscalar() == 0
    assert nd.sum(big[0]).asscalar() == np.inf and np.isnan(nd.mean(nd.array([np.inf, -np.inf])).asscalar())


def test_layers_that_divide_by_a_norm():
    x = nd.array([[3e200, 4e200]], dtype="float64")
    np.testing.assert_allclose(nd.L2Normalization(x).asnumpy(), [[0.6, 0.8]])
    for p, scale in ((2, 1e30), (3, 1e20), (3, 1e-20), (2, 1e-30)):
        x = nd.array(np.array([[[3.0, 4.0]]]) * scale)
        y = nd.Pooling(x, kernel=(2,), pool_type="lp", p_value=p).asscalar()
        assert y / scale == pytest.approx((3.0 ** p + 4.0 ** p) ** (1 / p), rel=1e-5)


# --- sums of many terms
MANY = 1 << 20


@pytest.mark.parametrize("name", ["dot", "dot of matrices", "batch_dot", "gemm2", "FullyConnected", "transposed", "mean pool"])
def test_long_sums_do_not_drift(name):
    x, ones = nd.full((MANY,), 0.1), nd.ones((MANY,))
    row, column = (1, MANY), (MANY, 1)
    got = {
        "dot": lambda: nd.dot(x, ones),
        "dot of matrices": lambda: nd.dot(x.reshape(row), ones.reshape(column)),
        "transposed": lambda: nd.dot(x.reshape(column), ones.reshape(row), transpose_a=True, transpose_b=True),
        "batch_dot": lambda: nd.batch_dot(x.reshape((1, *row)), ones.reshape((1, *column))),
        "gemm2": lambda: nd.linalg.gemm2(x.reshape(row), ones.reshape(column)),
        "FullyConnected": lambda: nd.FullyConnected(x.reshape(row), ones.reshape(row), num_hidden=1, no_bias=True),
        "mean pool": lambda: nd.Pooling(x.reshape((1, 1, 1024, 1024)), kernel=(1, 1), global_pool=True, pool_type="avg") * MANY,
    }[name]()
    assert got.asscalar() == pytest.approx(MANY * 0.1, rel=2e-5)


def test_products_of_every_depth():
    rng = np.random.RandomState(4)
    for depth in (2047, 2048, 2049, 2048 * 128 + 3):
        for m, n in ((1, 1), (3, 2)):
            a, b = rng.rand(m, depth).astype("float32"), rng.rand(depth, n).astype("float32")
            c = nd.ones((m, n))
            got = nd.linalg.gemm(nd.array(a), nd.array(b), c, alpha=1, beta=1)
            np.testing.assert_allclose(got.asnumpy(), a.astype("float64") @ b + 1, rtol=1e-5)
            got = nd.dot(nd.array(a.T.copy()), nd.array(b.T.copy()), transpose_a=True, transpose_b=True)
            np.testing.assert_allclose(got.asnumpy(), a.astype("float64") @ b, rtol=1e-5)


def test_gradients_of_bias_do_not_drift():
    bias = nd.zeros(1)
    bias.attach_grad()
    for layer in (lambda: nd.FullyConnected(nd.ones((MANY, 1)), nd.ones((1, 1)), bias, num_hidden=1),
                  lambda: nd.Convolution(nd.ones((1, 1, MANY)), nd.ones((1, 1, 1)), bias, kernel=(1,), num_filter=1)):
        with mx.autograd.record():
            y = layer()
        y.backward(nd.full(y.shape, 0.1))
        assert bias.grad.asscalar() == pytest.approx(0.1 * MANY, rel=2e-5)


def test_statistics_of_long_channels_do_not_drift():
    x = nd.full((1, 1, 4 * MANY), 0.1)
    with mx.autograd.record():
        mean = nd.BatchNorm(x, nd.ones(1), nd.zeros(1), nd.zeros(1), nd.ones(1), output_mean_var=True)[1]
    assert mean.asscalar() == pytest.approx(0.1, rel=2e-5)


# --- windows without data
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape, window", [
    ((8,), dict(kernel=(3,), stride=(4,), pooling_convention="full")),
    ((3,), dict(kernel=(2,), stride=(2,), pad=(1,), pooling_convention="full", count_include_pad=False)),
    ((3, 8), dict(kernel=(1, 3), stride=(1, 4), pooling_convention="full")),
    ((8, 8, 8), dict(kernel=(3, 3, 3), stride=(4, 4, 4), pooling_convention="full")),
])
def test_pooling_of_nothing(shape, window, dtype):
    x = nd.ones((1, 2, *shape), dtype=dtype)
    x.attach_grad()
    for kind, value in {"avg": 0, "sum": 0, "lp": 0, "max": np.finfo(dtype).min}.items():
        with mx.autograd.record():
            y = nd.Pooling(x, pool_type=kind, **window, **({"p_value": 2} if kind == "lp" else {}))
        y.backward()
        last = y.asnumpy().ravel()[-1]  # lies outside of the data
        assert last == value and np.signbit(last) == (kind == "max"), kind
        assert np.isfinite(y.asnumpy()).all() and np.isfinite(x.grad.asnumpy()).all()
        assert x.grad.asnumpy().ravel()[0] > 0


# --- arrays without elements
@pytest.mark.parametrize("op", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 0), (0, 3, 4), (2, 0)])
def test_softmax_of_nothing(op, shape):
    x = nd.zeros(shape)
    x.attach_grad()
    for axis in range(len(shape)):
        with mx.autograd.record():
            y = getattr(nd, op)(x, axis=axis)
        y.backward()
        assert y.shape == x.grad.shape == shape and x.grad.asnumpy().size == 0


def test_deconvolution_refuses_a_target_out_of_reach():
    x, w = nd.ones((1, 2, 4, 4)), nd.ones((2, 3, 2, 2))
    with pytest.raises(mx.MXNetError, match="adj.*stride"):
        nd.Deconvolution(x, w, kernel=(2, 2), num_filter=3, target_shape=(4, 4))


@pytest.mark.parametrize("op", ["BatchNorm", "BatchNorm_v1"])
def test_an_empty_batch_leaves_moving_averages_alone(op):
    mean, var = nd.array([1, 2, 3]), nd.array([4, 5, 6])
    x = nd.zeros((0, 3, 2, 2))
    x.attach_grad()
    with mx.autograd.record():
        y = getattr(nd, op)(x, nd.ones(3), nd.zeros(3), mean, var)
    y.backward()
    assert mean.asnumpy().tolist() == [1, 2, 3] and var.asnumpy().tolist() == [4, 5, 6]


@pytest.mark.parametrize("op", ["max", "min"])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_nothing_has_no_largest_element(op, dtype):
    x = nd.zeros((0, 3), dtype=dtype)
    for axis in (0, None, (0, 1)):
        with pytest.raises(mx.MXNetError, match="expected elements along the axes"):
            getattr(nd, op)(x, axis=axis)
    assert getattr(nd, op)(x, axis=1).shape == (0,)


def test_clipping_hides_no_nan():
    """A gradient that is not a number must show in the weight."""
    w, bad = nd.ones(3), nd.array([np.nan, 9, -9])
    new = nd.sgd_update(w, bad, lr=1.0, clip_gradient=0.5).asnumpy()
    assert np.isnan(new[0]) and new[1:].tolist() == [0.5, 1.5]
    n = nd.zeros(3)
    new = nd.rmsprop_update(w, bad, n, lr=1.0, clip_gradient=0.5, clip_weights=0.25).asnumpy()
    assert np.isnan(new[0]) and np.abs(new[1:]).max() <= 0.25


@pytest.mark.parametrize("linear, lost", [(True, 0), (False, np.nan)])
def test_svm_output_of_a_score_that_is_no_number(linear, lost):
    """The linear loss has no slope there, as in MXNet; the squared one's is no number."""
    x = mx.nd.array([[np.nan, 0, 3], [np.nan, 0, 3]])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.SVMOutput(x, mx.nd.array([0, 1]), use_linear=linear)
    y.backward()
    slope = 1 if linear else 2
    far = 1 if linear else 8
    np.testing.assert_array_equal(x.grad.asnumpy(), [[lost, slope, far], [lost, -slope, far]])
