"""Reading and writing parts of arrays: the same values and shapes as NumPy, views where parts are contiguous."""
import numpy as np
import pytest

import heddle as mx
from heddle import autograd

VALUE = np.arange(120, dtype="float32").reshape(2, 3, 4, 5)

BASIC = [0, -1, slice(None), slice(1, 2), slice(None, None, 2), slice(None, None, -1), Ellipsis, None, (0, 1),
         (0, 1, 2), (0, slice(1, 3)), (slice(None), 1), (slice(None), slice(0, 2)), (Ellipsis, 0), (Ellipsis, slice(1, 4, 2)),
         (0, Ellipsis, 1), (None, 0, None, slice(1, 3)), (slice(None), None, 0), (1, slice(None), 2),
         (slice(None), slice(None), slice(1, 3), slice(2, 5)), (slice(0, 1), 1, slice(2, 4)), (0, 0, slice(3, 1, -1)),
         (slice(-1, None), slice(-2, None)), (), np.int64(1), True]
ADVANCED = [[0, 1, 1], [[0], [1]], ([0, 1], [2, 0]), (slice(None), [2, 0]), (slice(None), [0, 2], [1, 3]),
            ([0, 1], slice(None), [1, 3]), (0, [0, 2]), (0, slice(None), [3, -1, 0]), ([1], slice(None), 2),
            (slice(None), slice(None), [[0, 1], [2, 3]]), (Ellipsis, [4, 0]), ([[0], [1]], [[2, 1, 0]]),
            (None, [1, 0]), (slice(None), [0, 1], slice(1, 3)), np.array([1, 0]), (slice(None), np.array([-1, 0])),
            [True, False], (np.array([False, True]),)]


def numpy_result(key):
    want = VALUE[key]
    return want.reshape(1) if want.shape == () else want


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=str)
def test_reading(key):
    want = numpy_result(1 if key is True else key)
    got = mx.nd.array(VALUE)[key]
    assert got.shape == want.shape and (got.asnumpy() == want).all()


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=str)
def test_reading_while_recording(key):
    x = mx.nd.array(VALUE)
    x.attach_grad()
    with autograd.record():
        part = x[key]
        y = (part * part).sum()
    y.backward()
    want = np.zeros_like(VALUE)
    np.add.at(want, 1 if key is True else key, 2 * VALUE[1 if key is True else key])
    np.testing.assert_allclose(x.grad.asnumpy(), want)


@pytest.mark.parametrize("key", BASIC + ADVANCED, ids=str)
def test_writing(key):
    index = 1 if key is True else key
    x, want = mx.nd.array(VALUE), VALUE.copy()
    x[key] = -1
    want[index] = -1
    assert (x.asnumpy() == want).all()
    shape = VALUE[index].shape
    for value in (np.random.randn(*shape).astype("float32"), np.random.randn(*shape[-1:]).astype("float32")):
        x[key] = mx.nd.array(value) if value.ndim else float(value)
        want[index] = value
        assert (x.asnumpy() == want).all()
    value = np.random.randn(*shape).astype("float32")
    x[key] = value
    want[index] = value
    assert (x.asnumpy() == want).all()


def test_arrays_as_indices():
    x = mx.nd.array(VALUE)
    rows = mx.nd.array([1, 0, -1])
    assert (x[rows].asnumpy() == VALUE[[1, 0, -1]]).all()
    assert (x[:, mx.nd.array([2, 0], dtype="int32")].asnumpy() == VALUE[:, [2, 0]]).all()
    x[mx.nd.array([0])] = 5
    assert (x[0].asnumpy() == 5).all()


def test_contiguous_parts_share_memory():
    x = mx.nd.zeros((3, 4))
    for part in (x[1], x[0:2], x[2, 1:3], x[:], x[None, 0], x[..., :]):
        before = x.asnumpy().sum()
        part += 1
        assert x.asnumpy().sum() == before + part.size
    y = x[:, 1]
    before = x.asnumpy()
    y += 1
    assert (x.asnumpy() == before).all()


def test_empty_parts():
    x = mx.nd.array(VALUE)
    for key in (slice(1, 1), (slice(None), slice(2, 1)), [False, False], np.array([], "int64")):
        assert x[key].shape == VALUE[key].shape and x[key].asnumpy().size == 0
        x[key] = 5
    assert (x.asnumpy() == VALUE).all()


def test_iteration():
    assert [row.tolist() for row in mx.nd.array([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert [v.asscalar() for v in mx.nd.array([5, 6])] == [5, 6]


@pytest.mark.parametrize("key, error", [(2, IndexError), (-3, IndexError), ((0, 3), IndexError), ([0, 2], IndexError),
                                        ((0, 0, 0, 0, 0), IndexError), (1.0, ValueError), ("x", ValueError),
                                        ((Ellipsis, Ellipsis), IndexError), ([True, False, True], IndexError),
                                        (([True, False], [0, 1]), IndexError)], ids=str)
def test_bad_keys(key, error):
    x = mx.nd.array(VALUE)
    with pytest.raises(error):
        x[key]
    with pytest.raises(error):
        x[key] = 1


def test_bad_values():
    x = mx.nd.zeros((2, 3))
    for key, value in ((0, mx.nd.ones((4,))), (slice(None), mx.nd.ones((3, 2))), ((slice(None), 0), mx.nd.ones((3,))),
                       ([0, 1], mx.nd.ones((3, 3)))):
        with pytest.raises(ValueError, match="broadcasts"):
            x[key] = value


def test_writing_what_is_recorded_is_refused():
    x = mx.nd.ones((2, 2))
    x.attach_grad()
    with autograd.record():
        y = x * 2
        for array in (x, y):
            with pytest.raises(mx.MXNetError, match="Inplace operations"):
                array[:] = 3
            with pytest.raises(mx.MXNetError, match="Inplace operations"):
                array[0] = 3
            with pytest.raises(mx.MXNetError, match="Inplace operations"):
                array += 1
        fresh = mx.nd.zeros((2, 2))
        fresh[:] = 4
    assert fresh.tolist() == [[4, 4], [4, 4]]
    x[:] = 7  # outside
    assert x.tolist() == [[7, 7], [7, 7]]


def test_dtypes_keep_their_values():
    big = 2 ** 53 + 1
    x = mx.nd.array([big, 2, 3], dtype="int64")
    x[[1]] = 9
    assert x.tolist() == [big, 9, 3] and x[[0]].tolist() == [big]
    x[1:] = 4
    assert x.tolist() == [big, 4, 4] and x.dtype == "int64"
