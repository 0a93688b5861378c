"""Arrays: making, reading, converting, saving them, and their methods."""
import copy
import inspect
import os
import pathlib
import pickle
import subprocess

import numpy as np
import pytest

import heddle as mx
from heddle.ndarray.shapes import reshaped

DTYPES = ["float32", "float64", "float16", "uint8", "int8", "int32", "int64", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_numpy_and_back(dtype):
    value = (np.arange(6).reshape(2, 3) % 2).astype(dtype)
    a = mx.nd.array(value, dtype=dtype)
    assert a.dtype == dtype and a.dtype == np.dtype(dtype) and a.dtype == np.dtype(dtype).type
    assert a.shape == (2, 3) and a.size == 6 and a.ndim == 2 and len(a) == 2
    back = a.asnumpy()
    assert back.dtype == value.dtype and (back == value).all()
    back[:] = 0  # a copy
    assert (a.asnumpy() == value).all()


@pytest.mark.parametrize("order", [">", "<", "="])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8", "u1"])
def test_either_byte_order(dtype, order):
    right = np.arange(1, 7).reshape(2, 3)
    value = right.astype(order + dtype)
    name = np.dtype("=" + dtype).name
    made = [mx.nd.array(value), mx.nd.array(value, dtype=name), mx.nd.from_numpy(value), mx.nd.array(memoryview(value)),
            mx.nd.array(list(value)), mx.nd.zeros((2, 3), dtype=name) + mx.nd.array(value, dtype=name)]
    for write in ("[:]", "[0:2]", "rows", "[[0, 1]]"):
        a = mx.nd.zeros((2, 3), dtype=name)
        if write == "[:]":
            a[:] = value
        elif write == "[0:2]":
            a[0:2] = value
        elif write == "rows":
            a[0], a[1] = value[0], value[1]
        else:
            a[[0, 1]] = value
        made.append(a)
    if dtype == "i4":
        made.append(mx.nd.arange(7)[value])
    for a in made:
        assert (a.asnumpy() == right).all()
    assert made[2].dtype == name


def test_array_defaults_to_float32():
    assert mx.nd.array(np.arange(3)).dtype == "float32"
    assert mx.nd.array([1, 2]).dtype == np.float32
    assert mx.nd.array(mx.nd.array([1], dtype="int32")).dtype == "int32"
    assert mx.nd.array(np.arange(6.).reshape(2, 3).T).asnumpy().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert mx.nd.array([mx.nd.array([1, 2]), np.array([3, 4])]).tolist() == [[1, 2], [3, 4]]
    for number in (5, True, np.float32(5), np.array(5.0)):
        assert mx.nd.array(number).shape == () and mx.nd.array(number).dtype == "float32"
    assert mx.nd.array(["1", "-2.5"]).tolist() == [1, -2.5] and mx.nd.array([["1", 2]], dtype="int32").tolist() == [[1, 2]]
    for value in ({1: 2}, {1, 2}, (n for n in range(3)), None, 1j, "x"):
        with pytest.raises(TypeError, match="expected an array"):
            mx.nd.array(value)
    with pytest.raises(ValueError, match="'b'"):
        mx.nd.array(["a", "b"][::-1])
    assert mx.nd.array(np.arange(3, dtype="uint16")).tolist() == mx.nd.array(np.arange(3, dtype=">f8")).tolist() == [0, 1, 2]
    with pytest.raises(mx.MXNetError, match="ragged"):
        mx.nd.array([[1, 2], [3]])


def test_bfloat16_reads_as_float32():
    a = mx.nd.array([1.5, -2], dtype="bfloat16")
    assert a.dtype == "bfloat16" and a.asnumpy().dtype == np.float32 and a.asnumpy().tolist() == [1.5, -2]


def test_creation():
    assert mx.nd.zeros((2, 3)).asnumpy().tolist() == np.zeros((2, 3)).tolist()
    assert mx.nd.ones(3, dtype="int32").asnumpy().tolist() == [1, 1, 1]
    assert mx.nd.full((2,), 7.5).tolist() == [7.5, 7.5]
    assert mx.nd.arange(2, 8, 2).tolist() == [2, 4, 6]
    assert mx.nd.arange(3, repeat=2).tolist() == [0, 0, 1, 1, 2, 2]
    assert mx.nd.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert mx.nd.eye(2, 3, 1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert mx.nd.empty((2, 2)).shape == (2, 2)
    out = mx.nd.zeros((2,))
    assert mx.nd.ones((2,), out=out) is out and out.tolist() == [1, 1]


def test_arithmetic_follows_numpy():
    a, b = np.array([[1., 2, 3], [4, 5, 6]], "float32"), np.array([2., 0.5, -3], "float32")
    x, y = mx.nd.array(a), mx.nd.array(b)
    for op in (lambda p, q: p + q, lambda p, q: p - q, lambda p, q: p * q, lambda p, q: p / q, lambda p, q: p % q,
               lambda p, q: abs(p) ** q, lambda p, q: -p + q, lambda p, q: abs(p - 4) * q):
        np.testing.assert_allclose(op(x, y).asnumpy(), op(a, b), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(op(x, 2).asnumpy(), op(a, 2), rtol=1e-5)
        np.testing.assert_allclose(op(3.5, y).asnumpy(), op(3.5, b), rtol=1e-5, atol=1e-6)
    for op in (lambda p, q: p == q, lambda p, q: p != q, lambda p, q: p > q, lambda p, q: p >= q, lambda p, q: p < q,
               lambda p, q: p <= q):
        assert op(x, y).dtype == "float32"
        assert (op(x, y).asnumpy() == op(a, b)).all() and (op(x, 3).asnumpy() == op(a, 3)).all()
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (np.float32(2) * x).asnumpy()[0, 1] == 4


def test_in_place():
    x = mx.nd.ones((2, 2))
    y = x
    x += 1
    x *= mx.nd.array([[1, 2], [3, 4]])
    x -= 1
    x /= 2
    assert y is x and x.tolist() == [[0.5, 1.5], [2.5, 3.5]]
    with pytest.raises(mx.MXNetError):
        x += mx.nd.ones((3, 2, 2))


def test_functions_of_arrays_and_numbers():
    x = mx.nd.array([1, 5])
    assert mx.nd.maximum(x, 3).tolist() == [3, 5] and mx.nd.maximum(3, x).tolist() == [3, 5]
    assert mx.nd.minimum(x, mx.nd.array([2, 2])).tolist() == [1, 2]
    assert mx.nd.subtract(1, x).tolist() == [0, -4] and mx.nd.power(2, x).tolist() == [2, 32]
    assert mx.nd.greater(3, x).tolist() == [1, 0] and mx.nd.lesser_equal(x, 1).tolist() == [1, 0]
    assert mx.nd.add(2, 3) == 5 and mx.nd.maximum(2, 3) == 3
    assert mx.nd.logical_and(x, mx.nd.array([0, 1])).tolist() == [0, 1]
    assert mx.nd.power(base=2, exp=x).tolist() == [2, 32] and mx.nd.equal(1, 1) == 1 and type(mx.nd.greater(1, 2)) is int
    with pytest.raises(TypeError, match=r"\[add\] found NDArray and str"):
        mx.nd.add(x, "a")


def test_scalars_and_truth():
    one = mx.nd.array([3])
    assert one.asscalar() == 3.0 and float(one) == 3.0 and int(one) == 3 and bool(one)
    assert mx.nd.array([2], dtype="int64").asscalar() == 2 and [7, 8, 9][mx.nd.array([1], dtype="int32")] == 8
    assert not mx.nd.zeros((1,))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(mx.nd.ones((2,)))
    with pytest.raises(ValueError, match="not a scalar"):
        mx.nd.ones((2,)).asscalar()


def test_copies():
    x = mx.nd.array([1, 2, 3])
    y, z, w = x.copy(), copy.deepcopy(x), mx.nd.zeros((3,))
    assert x.copyto(w) is w
    x[:] = 0
    assert y.tolist() == z.tolist() == w.tolist() == [1, 2, 3]
    assert x.as_in_context(mx.cpu(0)) is x and x.copyto(mx.cpu(1)).context == mx.cpu(1)
    assert x.astype("float32", copy=False) is x and x.astype(np.int32).dtype == "int32"
    with pytest.raises(ValueError, match="shape"):
        x.copyto(mx.nd.zeros((2,)))
    with pytest.warns(RuntimeWarning, match="itself"):
        x.copyto(x)


@pytest.mark.parametrize("have, codes, reverse, want", [
    ((2, 3, 4), (4, 0, 2), False, (4, 3, 2)), ((2, 3, 4), (6, 1, -1), False, (6, 1, 4)),
    ((2, 3, 4), (-2,), False, (2, 3, 4)), ((2, 3, 4), (-2, 1, 1), False, (2, 3, 4, 1, 1)),
    ((2, 3, 4), (-3, 4), False, (6, 4)), ((2, 3, 4, 5), (-3, -3), False, (6, 20)),
    ((2, 3, 4), (0, -3), False, (2, 12)), ((2, 3, 4), (-4, 1, 2, -2), False, (1, 2, 3, 4)),
    ((2, 3, 4), (2, -4, -1, 3, -2), False, (2, 1, 3, 4)), ((10, 5, 4), (-1, 0), False, (40, 5)),
    ((10, 5, 4), (-1, 0), True, (50, 4)), ((8, 3, 3, 3, 4, 4), (-4, -1, 2, 0, 0, 0, -2), True, None)])
def test_reshape_codes(have, codes, reverse, want):
    if want is None:
        with pytest.raises(ValueError):
            reshaped(have, codes, reverse)
        return
    assert reshaped(have, codes, reverse) == want
    x = mx.nd.arange(int(np.prod(have))).reshape(have)
    assert x.reshape(codes, reverse=reverse).shape == want
    assert mx.nd.reshape(x, shape=codes, reverse=reverse).shape == want


def test_reshape_is_a_view():
    x = mx.nd.zeros((2, 3))
    x.reshape((6,))[:] = 1
    x.reshape(3, 2)[0] = 5
    assert x.tolist() == [[5, 5, 1], [1, 1, 1]] and x.reshape(shape=(-1,)).shape == (6,)
    for bad in ((7,), (-1, -1), (4, -1)):
        with pytest.raises((ValueError, mx.MXNetError), match="reshape"):
            x.reshape(bad)


def test_methods_are_operators():
    value = np.random.randn(3, 4).astype("float32")
    x = mx.nd.array(value)
    close = np.testing.assert_allclose
    close(x.exp().asnumpy(), np.exp(value), rtol=1e-5)
    close(x.sum(axis=1).asnumpy(), value.sum(1), rtol=1e-5)
    close(x.sum(1).asnumpy(), value.sum(1), rtol=1e-5)
    close(x.mean(axis=0, keepdims=True).asnumpy(), value.mean(0, keepdims=True), rtol=1e-5, atol=1e-6)
    close(x.clip(-0.5, 0.5).asnumpy(), value.clip(-0.5, 0.5))
    close(x.T.asnumpy(), value.T)
    close(x.transpose((1, 0)).asnumpy(), value.T)
    close(x.transpose(1, 0).asnumpy(), value.T)
    close(x.expand_dims(1).asnumpy(), value[:, None])
    close(x.softmax(axis=1).sum(axis=1).asnumpy(), np.ones(3), rtol=1e-5)
    close(x.take(mx.nd.array([2, 0])).asnumpy(), value[[2, 0]])
    close(mx.nd.array([[1], [2]]).broadcast_to((2, 3)).asnumpy(), [[1, 1, 1], [2, 2, 2]])
    close(mx.nd.array([1, 2, 3]).broadcast_to((2, 3)).asnumpy(), [[1, 2, 3]] * 2)
    close(x.abs().max().asnumpy(), np.abs(value).max())
    assert x.argmax(axis=1).tolist() == value.argmax(1).tolist()
    assert [p.shape for p in x.split(2, axis=1)] == [(3, 2), (3, 2)]
    assert x.flatten().shape == (3, 4) and x.expand_dims(0).squeeze().shape == (3, 4)
    assert x.sum().shape == (1,)


def test_calls_take_parameters_by_position_and_name():
    x = mx.nd.array([[1., 2], [3, 4]])
    w, b = mx.nd.ones((3, 2)), mx.nd.zeros((3,))
    want = mx.nd.FullyConnected(x, w, b, num_hidden=3).tolist()
    assert mx.nd.FullyConnected(data=x, weight=w, bias=b, num_hidden=3).tolist() == want
    assert mx.nd.FullyConnected(x, w, num_hidden=3, no_bias=True).tolist() == want
    assert mx.nd.FullyConnected(x, w, None, 3, True).tolist() == want
    assert mx.nd.concat(x, x, dim=1).shape == (2, 4) and mx.nd.add_n(x, x, x).tolist() == (3 * x).tolist()
    assert mx.nd.cast(x, dtype=np.int32).dtype == "int32" and mx.nd.cast(x, "float64").dtype == "float64"
    out = mx.nd.zeros((2, 2))
    assert mx.nd.relu(x, out=out) is out and out.tolist() == x.tolist()
    assert mx.nd.Dropout(x, p=0.5, name="ignored").tolist() == x.tolist()
    with pytest.raises(TypeError, match="data is missing"):
        mx.nd.FullyConnected(weight=w, num_hidden=3)
    with pytest.raises(TypeError, match="two values"):
        mx.nd.sum(x, 1, axis=0)
    with pytest.raises(mx.MXNetError, match="foo"):
        mx.nd.FullyConnected(x, w, b, num_hidden=3, foo=1)


def test_signatures_and_docs_come_from_the_records():
    parameters = inspect.signature(mx.nd.Convolution).parameters
    assert list(parameters)[:5] == ["data", "weight", "bias", "kernel", "stride"]
    assert parameters["no_bias"].default is False and parameters["bias"].default is None
    assert inspect.signature(mx.nd.concat).parameters["data"].kind is inspect.Parameter.VAR_POSITIONAL
    assert "gamma" in inspect.signature(mx.nd.LeakyReLU).parameters
    for name in mx.nd.op.__all__:
        function = getattr(mx.nd.op, name)
        inspect.signature(function)
        assert function.__name__ == name and "Parameters" in function.__doc__, name


def test_operators_are_found_where_mxnet_has_them():
    assert mx.nd.op.relu is mx.nd.relu and callable(mx.nd._internal._plus_scalar)
    assert mx.nd.relu.__module__ == "heddle.ndarray.op"
    assert mx.nd.NDArray is mx.nd.ndarray.NDArray and mx.nd.waitall() is None
    assert not [n for n in dir(mx.nd.op) if n.startswith("_backward")]


@pytest.mark.parametrize("value", [np.arange(4), np.array([[0.5, 1], [100, 2000]]), np.array([True, False]),
                                   np.linspace(0, 1, 7).reshape(7, 1), np.array([1e-10, 1]), np.zeros((2, 1, 3)),
                                   np.array([np.nan, 1, -np.inf]), np.arange(2000), np.arange(2000).reshape(40, 50),
                                   np.random.RandomState(0).randn(5, 30), np.array([1e9, 2.5]), np.array([-1.25, 3])])
def test_text_is_numpys(value):
    if value.dtype == np.float64:
        value = value.astype("float32")
    a = mx.nd.array(value, dtype=value.dtype)
    assert repr(a) == f"\n{value}\n<NDArray {'x'.join(map(str, value.shape))} @cpu(0)>"


def test_save_and_load(tmp_path):
    path = str(tmp_path / "x.params")
    x, y = mx.nd.array([1, 2]), mx.nd.array([[3]], dtype="int64")
    mx.nd.save(path, x)
    assert [a.tolist() for a in mx.nd.load(path)] == [[1, 2]]
    mx.nd.save(path, [x, y])
    assert [a.tolist() for a in mx.nd.load(path)] == [[1, 2], [[3]]]
    mx.nd.save(path, {"x": x, "y": y})
    loaded = mx.nd.load(path)
    assert list(loaded) == ["x", "y"] and loaded["y"].dtype == "int64"
    with open(path, "rb") as f:
        assert list(mx.nd.load_frombuffer(f.read())) == ["x", "y"]
    with pytest.raises(TypeError):
        mx.nd.save(path, [1])
    with pytest.raises(ValueError):
        mx.nd.save(path, 1)


def test_pickle():
    x = mx.nd.array([[1, 2]], dtype="float16")
    y = pickle.loads(pickle.dumps(x))
    assert type(y) is mx.nd.NDArray and y.dtype == "float16" and y.tolist() == [[1, 2]]


def test_dlpack_and_buffers():
    x = mx.nd.array([[1, 2], [3, 4]])
    shared = np.from_dlpack(x)
    assert shared.tolist() == x.tolist() and mx.nd.from_dlpack(np.ones(3)).tolist() == [1, 1, 1]
    assert memoryview(x).format == "f" and memoryview(x).readonly and np.asarray(x).tolist() == x.tolist()
    assert mx.nd.from_dlpack(x.to_dlpack_for_read()).tolist() == x.tolist()
    assert mx.nd.from_numpy(np.arange(2, dtype="int64")).dtype == "int64"


def test_dtype_names():
    assert mx.base.dtype_name(np.float16) == mx.base.dtype_name("float16") == mx.base.dtype_name(2) == "float16"
    assert mx.base.dtype_name(float) == "float64" and mx.base.dtype_name(int) == "int64" and mx.base.dtype_name(np.dtype("int64")) == "int64"
    assert mx.base.dtype_name("f4") == "float32" and mx.base.dtype_name(np.bool_) == "bool"
    t = mx.nd.zeros((1,)).dtype
    assert str(t) == "float32" and t != np.float64 and t.itemsize == 4 and np.zeros(1, t).dtype == np.float32
    assert t.type is np.float32 and t in (np.float32,) and t != object()
    with pytest.raises(TypeError, match="complex64"):
        mx.nd.zeros((1,), dtype="complex64")


def test_joining():
    x = mx.nd.arange(12).reshape((3, 4))
    assert mx.nd.concatenate([x, x], axis=1).shape == (3, 8)
    assert mx.nd.moveaxis(mx.nd.zeros((2, 3, 4)), 0, 2).shape == (3, 4, 2)
    assert mx.nd.moveaxis(mx.nd.zeros((2, 3, 4)), [0, 1], [-1, 0]).shape == (3, 4, 2)
    assert [p.shape for p in mx.nd.split_v2(x, (1, 3), axis=1)] == [(3, 1), (3, 2), (3, 1)]
    assert [p.shape for p in mx.nd.split_v2(x, 2, axis=1)] == [(3, 2), (3, 2)]
    assert mx.nd.stack(x, x, axis=0).shape == (2, 3, 4)


def test_parts_are_assigned_by_name():
    a = mx.nd.zeros((4, 4))
    assert a.slice_assign(mx.nd.ones((2, 2)), (1, 1), (3, 3), (None, None)) is a
    assert a.slice_assign_scalar(7, (0, 0), (1, 4), (1, 2)) is a
    assert a.asnumpy().tolist() == [[7, 0, 7, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_what_is_not_finite():
    a = mx.nd.array([1, float("nan"), float("inf"), -float("inf")])
    assert mx.nd.contrib.isnan(a).asnumpy().tolist() == [0, 1, 0, 0]
    assert mx.nd.contrib.isinf(a).asnumpy().tolist() == [0, 0, 1, 1]
    assert mx.nd.contrib.isfinite(a).asnumpy().tolist() == [1, 0, 0, 0]


# --- beside NumPy ---------------------------------------------------------------------------------
def test_operators_with_arrays_of_numpy():
    """One of ours, in its dtype, on either side, and autograd sees it."""
    x, a = mx.nd.array([1, 2, 3]), np.array([4.0, 5, 6])
    for found, want in ((x + a, [5, 7, 9]), (a + x, [5, 7, 9]), (a - x, [3, 3, 3]), (a / x, [4, 2.5, 2]), (a > x, [1, 1, 1]),
                        (a ** x, [4, 25, 216]), (mx.nd.maximum(a, x), [4, 5, 6]), (np.float64(2) * x, [2, 4, 6]),
                        (np.int64(2) ** x, [2, 4, 8])):
        assert type(found) is mx.nd.NDArray and found.dtype == "float32" and found.tolist() == want
    kept = x
    x += a
    assert x is kept and x.tolist() == [5, 7, 9]
    with pytest.raises(TypeError, match="float64 beside an NDArray of int32"):
        mx.nd.array([1], dtype="int32") + a[:1]
    x.attach_grad()
    with mx.autograd.record():
        y = a * x
    y.backward()
    assert x.grad.tolist() == [4, 5, 6]


def test_functions_of_numpy_work_by_conversion():
    x = mx.nd.array([[1, 4], [9, 16]])
    for function in (np.sqrt, np.abs, np.isnan, np.all, np.sum, np.exp, np.median, np.concatenate, np.argsort, np.transpose,
                     np.max, np.cumsum, np.logical_not):
        got = function(x)
        np.testing.assert_allclose(got.asnumpy() if isinstance(got, mx.nd.NDArray) else got, function(x.asnumpy()), rtol=1e-6)
    a = np.ones((2, 2))
    a += x
    assert a.tolist() == [[2, 5], [10, 17]] and np.maximum.reduce(x).tolist() == [9, 16]
    x.attach_grad()
    with mx.autograd.record():
        with pytest.raises(TypeError, match="lose its gradient"):
            np.sqrt(x)
        assert np.isnan(x.detach()).sum() == 0
    with pytest.raises(TypeError, match="cannot write into an NDArray"):
        np.add(a, a, out=x)


def test_from_numpy_shares_memory():
    a = np.arange(6, dtype="float32").reshape(2, 3)
    x = mx.nd.from_numpy(a)
    x[0, 0] = 9
    x.wait_to_read()
    assert a[0, 0] == 9 and not a.flags.writeable
    del a
    assert x.tolist() == [[9, 1, 2], [3, 4, 5]]
    b = np.arange(3)
    y = mx.nd.from_numpy(b, zero_copy=False)
    y[:] = 0
    assert b.tolist() == [0, 1, 2] and b.flags.writeable and y.dtype == "int64"
    assert mx.nd.from_numpy(np.zeros((0, 2))).shape == (0, 2) and mx.nd.from_numpy(np.array(3.0)).shape == ()
    for bad in (np.ones((2, 3)).T, np.zeros(2, "uint16"), np.zeros(2, complex)):
        with pytest.raises(ValueError, match="from_numpy"):
            mx.nd.from_numpy(bad)
    with pytest.raises(TypeError, match="list"):
        mx.nd.from_numpy([1])


def test_scalars_are_numpys():
    for dtype in DTYPES:
        value = mx.nd.array([1], dtype=dtype).asscalar()
        assert value.dtype == dtype and value == 1
    assert mx.nd.array([2.5], dtype="bfloat16").asscalar().dtype == np.float32
    assert type(mx.nd.array([1.5]).item()) is float and type(mx.nd.array([1], dtype="int32").item()) is int
    assert mx.nd.array([1.25]).asscalar().round(1) == np.float32(1.2)


# --- MXNet's odds and ends ------------------------------------------------------------------------
def test_views_in_place():
    x = mx.nd.zeros((1, 2, 3))
    for i, part in enumerate((x.flatten(inplace=True), x.squeeze(inplace=True), x.squeeze(axis=0, inplace=True),
                              x.squeeze(axis=(-3,), inplace=True), x.expand_dims(1, inplace=True),
                              x.expand_dims(-1, inplace=True), mx.nd.NDArray(x.handle), x[0], x.reshape((3, 2)))):
        part[:] = i + 1
        assert (x.asnumpy() == i + 1).all(), i
    for part in (x.flatten(), x.squeeze(), x.expand_dims(0), x.astype("float32"), x.copy()):
        part[:] = -1
    assert (x.asnumpy() == 9).all()
    for wrong in (lambda: x.squeeze(axis=1, inplace=True), lambda: x.expand_dims(9, inplace=True)):
        with pytest.raises(ValueError, match="axis"):
            wrong()


def test_keywords_that_nothing_takes():
    for call in (lambda: mx.nd.zeros((2,), bogus=3), lambda: mx.nd.ones((2,), bogus=3), lambda: mx.nd.eye(2, bogus=3),
                 lambda: mx.nd.random.normal(bogus=3), lambda: mx.nd.random.uniform(0, 1, (2,), bogus=1)):
        with pytest.raises(mx.MXNetError, match="bogus"):
            call()
    assert mx.nd.zeros((2,), name="x").shape == mx.nd.random.normal(shape=(2,), name="x").shape == (2,)


def test_ranges_of_whole_numbers():
    big = 2 ** 53
    assert mx.nd.arange(big, big + 3, dtype="int64").tolist() == [big, big + 1, big + 2]
    assert mx.nd.arange(-big - 1, -big - 6, -2, dtype="int64").tolist() == [-big - 1, -big - 3, -big - 5]
    assert mx.nd.arange(0, 10, 3.5, dtype="int32").tolist() == [0, 3, 6]  # steps are of the dtype, as MXNet has it
    assert mx.nd.arange(4, dtype="uint8").dtype == "uint8" and mx.nd.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    x = mx.nd.zeros((2, 2), dtype="int64")
    x[:] = big + 1
    x[0, ::2] = -big - 1
    assert x.tolist() == [[-big - 1, big + 1], [big + 1, big + 1]]
    assert mx.nd.eye(0).shape == (0, 0) and mx.nd.eye(3, 2, -1, dtype="int32").tolist() == [[0, 0], [1, 0], [0, 1]]


def test_axes_that_are_not_there():
    x = mx.nd.zeros((2, 3, 4))
    for source, destination in ((3, 0), (-4, 0), (0, 3), ([0, 0], [1, 2]), ([0, 1], [1, 1]), ([0], [1, 2])):
        with pytest.raises(ValueError, match="moveaxis"):
            mx.nd.moveaxis(x, source, destination)
    with pytest.raises(ValueError) as caught:
        x.reshape((5, 5))
    assert isinstance(caught.value, mx.MXNetError)


def test_histogram():
    value = np.random.RandomState(3).randn(50).astype("float32")
    for got, (counts, edges), dtype in (
            (mx.nd.histogram(mx.nd.array(value), bins=7), np.histogram(value, 7), "float32"),
            (mx.nd.histogram(mx.nd.array(value), bins=5, range=(-1, 1)), np.histogram(value, 5, (-1, 1)), "int64"),
            (mx.nd.histogram(mx.nd.array(value), mx.nd.array([-2, 0, 2.5])), np.histogram(value, [-2, 0, 2.5]), "int64")):
        assert got[0].dtype == dtype and got[0].tolist() == counts.tolist()
        np.testing.assert_allclose(got[1].asnumpy(), edges, rtol=1e-5)
    assert mx.nd.histogram(mx.nd.ones((3,)), bins=2)[1].tolist() == [0.5, 1, 1.5]
    with pytest.raises(ValueError, match="bins"):
        mx.nd.histogram(mx.nd.ones((3,)), bins=[1, 2])


def test_loops():
    data, state = mx.nd.array([[1, 2], [3, 4], [5, 6]]), mx.nd.zeros((2,))
    state.attach_grad()
    with mx.autograd.record():
        out, last = mx.nd.contrib.foreach(lambda row, s: (row * s, s + row), data, state)
        total = out.sum()
    total.backward()
    assert last.tolist() == [9, 12] and out.tolist() == [[0, 0], [3, 8], [20, 36]] and state.grad.tolist() == [9, 12]
    (out, twice), (a, b) = mx.nd.contrib.foreach(lambda rows, s: ([rows[0] + rows[1], s[0]], [s[1], s[0]]), [data, data],
                                                 [state, state + 1])
    assert out.tolist() == (2 * data).tolist() and twice.tolist() == [[0, 0], [1, 1], [0, 0]] and a.tolist() == [1, 1]
    out, last = mx.nd.contrib.while_loop(lambda i, s: i < 3, lambda i, s: ([i * 2], [i + 1, s + i]),
                                         [mx.nd.zeros((1,)), mx.nd.zeros((1,))], max_iterations=5)
    assert out[0].tolist() == [[0], [2], [4], [0], [0]] and [v.tolist() for v in last] == [[3], [3]]
    assert mx.nd.contrib.cond(state.sum() > 5, lambda: 1, lambda: 2) == 2
    with pytest.raises(ValueError, match="max_iterations"):
        mx.nd.contrib.while_loop(None, None, [])


def test_sparse_arrays_get_one_clear_error():
    x = mx.nd.ones((2, 2))
    calls = [lambda: x.tostype("csr"), lambda: x.attach_grad(stype="row_sparse"), lambda: mx.nd.zeros((2,), stype="csr"),
             lambda: mx.nd.empty((2,), stype="row_sparse"), lambda: mx.nd.sparse.CSRNDArray(),
             *[lambda name=name: getattr(mx.nd.sparse, name)(x) for name in ("csr_matrix", "zeros", "dot", "retain", "array")],
             lambda: mx.sym.sparse.dot(mx.sym.Variable("x"))]
    for call in calls:
        with pytest.raises(mx.MXNetError, match="expected storage type 'default': arrays here are dense"):
            call()
    with pytest.raises(ValueError, match="'cs'"):
        x.tostype("cs")
    assert x.tostype("default") is x and not isinstance(x, mx.nd.sparse.BaseSparseNDArray) and x.stype == "default"


def test_indexing_helpers():
    assert [mx.nd.get_indexing_dispatch_code(k) for k in ((1, slice(None)), ([1],), (), ("x",))] == [0, 1, 2, -1]
    assert mx.nd.indexing_key_expand_implicit_axes((Ellipsis, 0), (2, 3, 4)) == ((slice(None), slice(None), 0), -1)
    assert mx.nd.get_oshape_of_gather_nd_op((3, 4), (1, 5)) == (5, 4)


def test_pinned_memory_is_there_without_a_card():
    x = mx.nd.zeros((2,), ctx=mx.cpu_pinned(0)) + 1
    assert x.context == mx.cpu_pinned(0) and x.asnumpy().tolist() == [1, 1] and x.as_in_context(mx.cpu()).tolist() == [1, 1]


def test_arrays_without_elements(tmp_path):
    x = mx.nd.zeros((0, 3))
    assert len(x) == 0 and not x and x.asnumpy().shape == (0, 3) and list(x) == [] and "0x3" in repr(x)
    assert x.sum().tolist() == [0] and (x + 1).shape == (0, 3) and x.sum(axis=0).tolist() == [0, 0, 0]
    assert pickle.loads(pickle.dumps(x)).shape == copy.deepcopy(x).shape == (0, 3)
    mx.nd.save(str(tmp_path / "x"), {"x": x, "y": mx.nd.array(2)})
    back = mx.nd.load(str(tmp_path / "x"))
    assert back["x"].shape == (0, 3) and back["y"].tolist() == 2 and back["y"].shape == ()
    assert mx.nd.from_dlpack(x.to_dlpack_for_read()).shape == mx.nd.array(np.zeros((0, 3))).shape == (0, 3)
    assert mx.nd.concat(x, mx.nd.ones((2, 3)), dim=0).shape == (2, 3) and mx.nd.dot(mx.nd.ones((2, 0)), x).tolist() == [[0] * 3] * 2


def test_zero_axes():
    x = mx.nd.array(3)
    assert (x + 1).shape == () and (x * mx.nd.ones((2,))).tolist() == [3, 3] and float(x) == 3 and x.asnumpy().shape == ()
    assert x.reshape((1, 1)).shape == (1, 1) and pickle.loads(pickle.dumps(x)).shape == () and x.copy().tolist() == 3
    y = mx.nd.zeros((2, 2))
    y[0, 1] = x
    y[1] = mx.nd.array(5)
    assert y.tolist() == [[0, 3], [5, 5]] and repr(x) == "\n3.\n<NDArray  @cpu(0)>"


TORCH = pathlib.Path(os.environ.get("HEDDLE_PEERS") or pathlib.Path(__file__).resolve().parents[2] / ".cache/peers") / "torch/bin/python"
EXCHANGE = """
import sys, torch, heddle as mx
for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int8, torch.int32, torch.int64, torch.bool):
    t = (torch.arange(6).reshape(2, 3) % 2).to(dtype)
    x = mx.nd.from_dlpack(t)
    assert str(dtype) == "torch." + str(x.dtype) and x.tolist() == t.tolist(), dtype
    x[0, 0] = 1
    x.wait_to_read()
    assert t[0, 0] == 1
    for back in (torch.from_dlpack(x), torch.utils.dlpack.from_dlpack(x.to_dlpack_for_write())):
        assert back.dtype == dtype and back.tolist() == x.tolist()
        back[1, 1] = 0
        assert x[1, 1].item() == 0
for shape in ((), (0, 3), (1,)):
    assert mx.nd.from_dlpack(torch.zeros(shape)).shape == tuple(torch.from_dlpack(mx.nd.from_dlpack(torch.zeros(shape))).shape)
assert mx.nd.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2))).tolist() == [1, 1]
try:
    mx.nd.from_dlpack(torch.zeros(2, 3).T)
except mx.MXNetError as error:
    assert "contiguous" in str(error)
kept = mx.nd.from_dlpack(torch.ones(1000) * 2)
torch.zeros(100000)
assert kept.sum().item() == 2000
print("ok")
"""


def test_dlpack_with_torch():
    if not TORCH.exists():
        pytest.skip(f"PyTorch is not at {TORCH}: tools/peers.sh torch installs it")
    place = str(pathlib.Path(mx.__file__).parents[1])
    done = subprocess.run([TORCH, "-c", EXCHANGE], env={**os.environ, "PYTHONPATH": place}, capture_output=True, text=True,
                          timeout=120)
    assert done.stdout == "ok\n", done.stderr[-2000:]
