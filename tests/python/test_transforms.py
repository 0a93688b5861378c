"""Fourier transforms of every kind of length, samples of planes, and orders of lines, against NumPy."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core


@pytest.fixture(params=range(2, _core.best_isa_level() + 1))
def level(request):
    before = _core.isa_level()
    _core.set_isa_level(request.param)
    yield request.param
    _core.set_isa_level(before)


# Powers of two, each radix with runs of each length, primes that have no formula, and primes beyond them.
LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 18, 20, 25, 30, 32, 36, 45, 48, 49, 50, 60, 61, 64, 66, 67, 75, 77, 80, 96, 100, 121, 128, 134,
           192, 210, 225, 240, 256, 320, 343, 360, 500, 512, 600, 625, 1000, 1001, 1009, 1024, 1536, 2018, 2048, 4096, 4489, 10000]


@pytest.mark.parametrize("dtype, tol", [("float16", 2e-3), ("float32", 2e-6), ("float64", 4e-15)])
def test_fourier_transforms_of_any_length(level, dtype, tol):
    for n in LENGTHS:
        rng = np.random.default_rng(n)
        x = rng.normal(size=(3, n)).astype(dtype)
        y = mx.nd.contrib.fft(mx.nd.array(x, dtype=dtype)).asnumpy().astype("float64").reshape(3, n, 2)
        wanted = np.fft.fft(x.astype("float64"))
        scale = np.sqrt(n) * max(1, np.log2(n))  # how large they are, and how errors grow
        np.testing.assert_allclose(y[..., 0] + 1j * y[..., 1], wanted, rtol=0, atol=tol * scale, err_msg=f"length {n}")
        z = rng.normal(size=(3, 2 * n)).astype(dtype)
        back = mx.nd.contrib.ifft(mx.nd.array(z, dtype=dtype)).asnumpy()
        pairs = z.astype("float64").reshape(3, n, 2)
        np.testing.assert_allclose(back, np.fft.ifft(pairs[..., 0] + 1j * pairs[..., 1]).real * n, rtol=0, atol=tol * scale * 2, err_msg=f"length {n}")


def test_rows_do_not_see_each_other():
    x = np.random.default_rng(0).normal(size=(4, 96)).astype("float32")
    alone = mx.nd.contrib.fft(mx.nd.array(x[2:3])).asnumpy()
    x[1], x[3, 5] = 1e30, np.nan
    y = mx.nd.contrib.fft(mx.nd.array(x)).asnumpy()
    assert y[2:3].tobytes() == alone.tobytes()
    assert np.isnan(y[3]).all() and np.isfinite(y[:3]).all()


@pytest.mark.parametrize("shape", [(1, 3, 9, 7), (2, 2, 40, 33)])
def test_samples_and_their_gradients(shape):
    rng = np.random.default_rng(7)
    n, c, h, w = shape
    data = rng.normal(size=shape)
    grid = rng.uniform(-1.3, 1.3, (n, 2, 20, 31))
    grid[0, 0, 0, :3], grid[0, 1, 0, :3] = (-1, 1, np.nan), (1, 1, 0)
    head = rng.normal(size=(n, c, 20, 31))
    value, slope, dgrid = np.zeros_like(head), np.zeros(shape), np.zeros_like(grid)
    with np.errstate(invalid="ignore"):
        gx, gy = (grid[:, 0] + 1) * (w - 1) / 2, (grid[:, 1] + 1) * (h - 1) / 2
    for b, i, j in np.ndindex(n, 20, 31):
        if not (gx[b, i, j] >= -1 and gx[b, i, j] < w and gy[b, i, j] >= -1 and gy[b, i, j] < h):
            continue
        x0, y0 = int(np.floor(gx[b, i, j])), int(np.floor(gy[b, i, j]))
        fx, fy = gx[b, i, j] - x0, gy[b, i, j] - y0
        for dy, dx in np.ndindex(2, 2):
            if 0 <= y0 + dy < h and 0 <= x0 + dx < w:
                wy, wx = (fy if dy else 1 - fy), (fx if dx else 1 - fx)
                cell = data[b, :, y0 + dy, x0 + dx]
                value[b, :, i, j] += wy * wx * cell
                slope[b, :, y0 + dy, x0 + dx] += wy * wx * head[b, :, i, j]
                dgrid[b, 0, i, j] += (head[b, :, i, j] * cell).sum() * wy * (1 if dx else -1) * (w - 1) / 2
                dgrid[b, 1, i, j] += (head[b, :, i, j] * cell).sum() * wx * (1 if dy else -1) * (h - 1) / 2
    x, g = mx.nd.array(data, dtype="float64"), mx.nd.array(grid, dtype="float64")
    x.attach_grad(), g.attach_grad()
    with mx.autograd.record():
        y = mx.nd.BilinearSampler(x, g)
    y.backward(mx.nd.array(head, dtype="float64"))
    for got, wanted in ((y, value), (x.grad, slope), (g.grad, dgrid)):
        np.testing.assert_allclose(got.asnumpy(), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 50, 129, 3000, 70_001])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "float16", "float32", "float64"])
def test_lines_in_order(dtype, n):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(2, n), scale=50)
    if dtype.startswith("f"):
        x[:, ::7], x[:, 1::11] = 0.0, -0.0  # equal, so they stay in their order
        x[0, n // 2], x[1, n // 3], x[0, n // 4], x[1, n // 5] = np.nan, np.inf, -np.inf, -np.nan
    x = np.rint(x).clip(0 if dtype == "uint8" else None).astype(dtype) if n % 2 else x.clip(0 if dtype == "uint8" else None).astype(dtype)
    data = mx.nd.array(x, dtype=dtype)
    rising = np.argsort(x, axis=1, kind="stable")
    # From the largest to the smallest, and equal ones still in their order; NaN is the largest.
    falling = np.stack([n - 1 - np.argsort(row[::-1], kind="stable")[::-1] for row in x])
    for ascend, order in ((True, rising), (False, falling)):
        np.testing.assert_array_equal(mx.nd.argsort(data, is_ascend=ascend, dtype="int64").asnumpy(), order)
        np.testing.assert_array_equal(mx.nd.sort(data, is_ascend=ascend).asnumpy(), np.take_along_axis(x, order, 1))
        np.testing.assert_array_equal(mx.nd.sort(data.T, axis=0, is_ascend=ascend).asnumpy(), np.take_along_axis(x, order, 1).T)
        k = min(n, 5)
        np.testing.assert_array_equal(mx.nd.topk(data, k=k, is_ascend=ascend, dtype="int64").asnumpy(), order[:, :k])
