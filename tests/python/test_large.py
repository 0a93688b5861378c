"""Arrays of more elements than 32 bits count: everything about them is counted in 64."""
import pathlib

import pytest

import heddle as mx

ELEMENTS = (1 << 31) + 4096  # 2.2 GB of int8
NEEDED = 6 << 30            # bytes: the array, results, and air


def available():
    """Bytes of memory that a program may take; 0 where the system does not say."""
    path = pathlib.Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 0)


def test_more_elements_than_a_32_bit_integer_counts():
    if available() < NEEDED:
        pytest.skip(f"{available() >> 30} GiB of memory are free, {NEEDED >> 30} are needed")
    n = ELEMENTS
    x = mx.nd.zeros((n,), dtype="int8")
    assert x.size == len(x) == n
    # Writing, by numbers, slices and lists of either kind.
    x[n - 3] = 5
    x[[7, -1]] = 3
    x[mx.nd.array([n - 6, n - 5], dtype="int64")] = mx.nd.array([4, 6], dtype="int8")
    x[n - 10:n - 8] = 2
    far = (1 << 31) + 5
    x[far] = 9
    # Reading.
    assert x[-3].item() == 5 and x[7].item() == 3 and x[far].item() == 9
    assert x[n - 10:].tolist() == [2, 2, 0, 0, 4, 6, 0, 5, 0, 3] and x[[n - 3, 0, -1]].tolist() == [5, 0, 3]
    assert mx.nd.take(x, mx.nd.array([n - 3, 0, n - 1], dtype="int64")).tolist() == [5, 0, 3]
    assert mx.nd.gather_nd(x, mx.nd.array([[n - 1, 7]], dtype="int64")).tolist() == [3, 3]
    assert mx.nd.slice(x, begin=(n - 4,), end=(n,)).tolist() == [0, 5, 0, 3]
    assert mx.nd.slice(x, begin=(n - 1,), end=(n - 11,), step=(-3,)).tolist() == [3, 0, 0, 2]
    assert mx.nd.slice_axis(x, axis=0, begin=-3, end=None).tolist() == [5, 0, 3]
    with pytest.raises(IndexError):
        x[n]
    # Other shapes of the same memory.
    rows = x.reshape((8, -1))
    assert rows.shape == (8, n // 8) and rows[7, -3].item() == 5 and rows[-1, -10:-8].tolist() == [2, 2]
    rows[7, -2] = 1
    assert x[n - 2].item() == 1
    # Every element: elementwise in place, sums (mod 256, as int8 has it) and places of the largest.
    x += 1
    total = (n + sum([2, 2, 0, 0, 4, 6, 0, 5, 1, 3]) + 3 + 9) % 256
    assert x.sum().item() % 256 == total
    places = x.reshape((-1, 1024)).argmax(axis=1)
    assert places[0].item() == 7 and places[far // 1024].item() == far % 1024 and places[-1].item() == 1019
