"""Operators that only move elements, over arrays of more than one piece of a parallel loop."""
import numpy as np
import pytest

import heddle as mx

DTYPES = ["uint8", "float16", "float32", "float64"]


def numbers(shape, dtype):
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, block", [((1500, 3, 6, 4), 2), ((3, 2, 60, 90), 3), ((2, 1, 8, 4000), 4), ((700, 2, 5, 5), 5)])
def test_blocks_become_channels_and_back(dtype, shape, block):
    n, c, h, w = shape
    x = numbers(shape, dtype)
    deep = mx.nd.space_to_depth(mx.nd.array(x, dtype=dtype), block_size=block)
    wanted = x.reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    np.testing.assert_array_equal(deep.asnumpy(), wanted.reshape(deep.shape))
    np.testing.assert_array_equal(mx.nd.depth_to_space(deep, block_size=block).asnumpy(), x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, axes", [
    ((9000, 3, 5), (0, 2, 1)), ((3, 9000, 5), (1, 0, 2)), ((9000, 5), (1, 0)), ((5, 9000), (1, 0)), ((40, 3, 7, 11, 4), (3, 0, 4, 2, 1)),
    ((15, 17, 13, 16), (2, 3, 1, 0)), ((6, 600, 12), (2, 1, 0))])
def test_transposes_with_short_axes(dtype, shape, axes):
    x = numbers(shape, dtype)
    np.testing.assert_array_equal(mx.nd.transpose(mx.nd.array(x, dtype=dtype), axes=axes).asnumpy(), x.transpose(axes))


@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_and_turns_of_short_axes(dtype):
    x = numbers((9000, 6, 3), dtype)
    y = mx.nd.array(x, dtype=dtype)
    for part, wanted in zip(mx.nd.SliceChannel(y, num_outputs=3), np.split(x, 3, axis=1)):
        np.testing.assert_array_equal(part.asnumpy(), wanted)
    np.testing.assert_array_equal(mx.nd.slice_axis(y, axis=2, begin=1, end=3).asnumpy(), x[:, :, 1:])
    np.testing.assert_array_equal(mx.nd.reverse(y, axis=(1, 2)).asnumpy(), x[:, ::-1, ::-1])
    np.testing.assert_array_equal(mx.nd.slice(y, begin=(None, 5, None), end=(None, None, None), step=(2, -2, 1)).asnumpy(),
                                  x[::2, ::-2])
    np.testing.assert_array_equal(mx.nd.concat(y, y, dim=2).asnumpy(), np.concatenate([x, x], 2))
