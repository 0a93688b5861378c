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
            [True, False], (np.array([False, True]),), ([True, False], [0, 1]), VALUE % 3 == 1, VALUE[..., 0] % 2 == 0,
            VALUE < 0, (slice(None), VALUE[0, :, :, 0] > 15), (0, VALUE[0, :, :, 0] > 3), (Ellipsis, VALUE[0, 0, 0] > 1),
            ([1, 0], VALUE[0, :, 0, 0] > 15, slice(None), [[2], [3]]), (None, [1, 0], slice(1, 3), [0, 1], None),
            (slice(None), [[0, 1], [2, 0]], 3), (1, [0, 2], Ellipsis, None, [1]), (slice(None, None, -1), [2, 1])]


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
                                        (([True, False], [[True] * 3]), IndexError),
                                        (np.ones((2, 4), bool), IndexError),
                                        (np.ones((2, 3, 4, 5, 1), bool), IndexError)], ids=str)
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


# --- drawn at random ------------------------------------------------------------------------------
DRAWS = 400


def drawn_slice(rng, n):
    bound = lambda: None if rng.random() < 0.3 else int(rng.integers(-n - 2, n + 3))  # noqa: E731
    return slice(bound(), bound(), None if rng.random() < 0.5 else int(rng.choice([-3, -2, -1, 1, 2, 3])))


def drawn_key(rng, shape):
    """A key for an array of that shape, in NumPy's words and in ours: they differ in the kind of array only."""
    ours, theirs, axis = [], [], 0
    together = tuple(rng.integers(1, 4, rng.integers(1, 3)))  # what the indices broadcast to
    advanced = rng.random() < 0.5
    stop = len(shape) if rng.random() < 0.5 else int(rng.integers(0, len(shape) + 1))
    dots = int(rng.integers(0, stop + 1)) if rng.random() < 0.3 else None
    while axis < stop:
        if axis == dots:
            ours.append(Ellipsis), theirs.append(Ellipsis)
            axis, stop, dots = axis + len(shape) - stop, len(shape), None
            continue
        kind, n = rng.random(), shape[axis]
        if kind < 0.15:
            ours.append(None), theirs.append(None)
            continue
        axis += 1
        if n and kind < 0.35:
            key = int(rng.integers(-n, n))
        elif advanced and kind < 0.7 and n:
            part = [d if rng.random() < 0.7 else 1 for d in together[int(rng.integers(0, len(together))):]]
            key = rng.integers(-n, n, part)
        elif advanced and kind < 0.75:  # as many as the last extent that all have, or one
            key = np.zeros(n, bool)
            key[rng.permutation(n)[:together[-1]]] = True
            if key.sum() != together[-1]:
                key = drawn_slice(rng, n)
        else:
            key = drawn_slice(rng, n)
        theirs.append(key)
        if isinstance(key, np.ndarray):
            key = [key, key.tolist(), mx.nd.array(key, dtype=key.dtype)][int(rng.integers(0, 3))]
        ours.append(key)
    if len(ours) == 1 and rng.random() < 0.5:
        return ours[0], theirs[0]
    return tuple(ours), tuple(theirs)


def drawn_case(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(0 if rng.random() < 0.15 else 1, 6, rng.integers(1, 5)))
    dtype = str(rng.choice(["float32", "float64", "int32", "int64", "uint8", "float16"]))
    value = (rng.permutation(int(np.prod(shape))) % 200).reshape(shape).astype(dtype)
    return rng, value, *drawn_key(rng, shape)


def seen(found, want):
    """A part in which every element stands alone has shape (1,) here, as in MXNet."""
    want = want.reshape(1) if want.shape == () else want
    assert found.shape == want.shape and found.dtype == want.dtype
    np.testing.assert_array_equal(found.asnumpy(), want)


@pytest.mark.parametrize("block", range(10))
def test_drawn_keys_read_what_numpy_reads(block):
    for seed in range(block * DRAWS // 10, (block + 1) * DRAWS // 10):
        _, value, ours, theirs = drawn_case(seed)
        try:
            want = value[theirs]
        except IndexError:  # indices that do not broadcast
            with pytest.raises((IndexError, mx.MXNetError)):
                mx.nd.array(value, dtype=value.dtype)[ours].wait_to_read()
            continue
        try:
            seen(mx.nd.array(value, dtype=value.dtype)[ours], want)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {value.shape}[{theirs}]") from error


@pytest.mark.parametrize("block", range(10))
def test_drawn_keys_write_what_numpy_writes(block):
    for seed in range(block * DRAWS // 10, (block + 1) * DRAWS // 10):
        rng, value, ours, theirs = drawn_case(seed)
        try:
            shape = value[theirs].shape
        except IndexError:
            continue
        places = np.arange(value.size).reshape(value.shape)[theirs]
        if np.unique(places).size != places.size:
            continue  # which of several values stays is not said
        want, found = value.copy(), mx.nd.array(value, dtype=value.dtype)
        given = [n if rng.random() < 0.7 else 1 for n in shape[int(rng.integers(0, len(shape) + 1)):]]
        given = [1] * int(rng.integers(0, 2)) + given if len(given) == len(shape) else given
        new = rng.integers(0, 100, given).astype(value.dtype)
        want[theirs] = new if shape else new.reshape(())
        form = int(rng.integers(0, 3))
        found[ours] = mx.nd.array(new, dtype=new.dtype) if form == 0 else new if form == 1 or new.ndim else new.item()
        try:
            seen(found, want)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {value.shape}[{theirs}] = {new.shape}") from error


@pytest.mark.parametrize("block", range(4))
def test_drawn_keys_have_gradients(block):
    for seed in range(1000 + 25 * block, 1025 + 25 * block):
        rng, value, ours, theirs = drawn_case(seed)
        try:
            part = value[theirs]
        except IndexError:
            continue
        head = rng.integers(1, 9, part.shape)
        want = np.zeros(value.shape)
        np.add.at(want, theirs, head)
        x = mx.nd.array(value, dtype="float64")
        x.attach_grad()
        with autograd.record():
            y = x[ours] * mx.nd.array(head, dtype="float64")
        y.backward()
        assert (x.grad.asnumpy() == want).all(), f"seed {seed}: {value.shape}[{theirs}]"


def test_indices_of_arrays_are_checked_one_by_one():
    """Also where the sum of what they say is in range."""
    x = mx.nd.array(VALUE[0, 0])
    for key in ((mx.nd.array([0]), mx.nd.array([5])), (mx.nd.array([1]), mx.nd.array([-6])), mx.nd.array([4]),
                (slice(None), mx.nd.array([5]))):
        with pytest.raises(IndexError, match="expected|out of bounds"):
            x[key].wait_to_read()
        y = x.copy()
        with pytest.raises(IndexError, match="expected|out of bounds"):
            y[key] = 1
            y.wait_to_read()
    mx.nd.waitall()


def test_writing_to_few_places_of_a_large_array_takes_little():
    x = mx.nd.zeros((1 << 20, 16), dtype="int8")
    x[[5, -1], [[3], [2]]] = 7
    assert int(x.astype("int32").sum().item()) == 28 and x[-1, 2].item() == 7
