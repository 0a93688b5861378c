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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, width", [((40000, 7), (2, 1, 0, 3)), ((11, 3, 90, 60), (1, 0, 0, 2, 3, 1, 5, 4)), ((70001,), (3, 4)),
                                          ((2, 0, 5), (0, 0, 1, 2, 1, 1)), ((0,), (2, 1))])
def test_a_constant_frame(shape, width, dtype):
    x = numbers(shape, dtype)
    got = mx.nd.pad(mx.nd.array(x, dtype=dtype), mode="constant", pad_width=width, constant_value=7)
    np.testing.assert_array_equal(got.asnumpy(), np.pad(x, list(zip(width[::2], width[1::2])), constant_values=7))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_gradients_of_repeats_are_sums(dtype):
    x = mx.nd.array(numbers((3, 700, 5), dtype), dtype=dtype)
    for function, wanted in (
            (lambda x: mx.nd.repeat(x, repeats=3), lambda dy: dy.reshape(3, 700, 5, 3).sum(-1)),
            (lambda x: mx.nd.repeat(x, repeats=2, axis=1), lambda dy: dy.reshape(3, 700, 2, 5).sum(2)),
            (lambda x: mx.nd.tile(x, reps=(2, 2, 3)), lambda dy: dy.reshape(2, 3, 2, 700, 3, 5).sum((0, 2, 4)))):
        x.attach_grad()
        with mx.autograd.record():
            y = function(x)
        dy = numbers(y.shape, dtype) % 11
        y.backward(mx.nd.array(dy, dtype=dtype))
        np.testing.assert_array_equal(x.grad.asnumpy(), wanted(dy.astype("int64")).astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_bins_of_one_width_hold_what_their_edges_say(dtype):
    rng = np.random.default_rng(3)
    for bins, low, high in ((7, -1.5, 2.0), (64, -1.0, 1.0), (1000, 0.1, 0.7), (3, 1e-3, 1e9), (1, -2, 2)):
        edges = low + np.arange(bins + 1) * (high - low) / bins
        x = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), rng.normal(size=200_001), rng.uniform(low, high, 999),
                            [] if dtype == "int32" else [np.nan, np.inf, -np.inf]]).astype(dtype)
        count, found = mx.nd._internal._histogram(mx.nd.array(x, dtype=dtype), bin_cnt=bins, range=(low, high))
        inside = x[(x >= edges[0]) & (x <= edges[-1])].astype("float64")
        place = np.minimum(np.searchsorted(edges, inside, "right") - 1, bins - 1)
        np.testing.assert_array_equal(count.asnumpy(), np.bincount(place, minlength=bins))
        np.testing.assert_array_equal(found.asnumpy(), edges.astype(dtype))


@pytest.mark.parametrize("begin, end", [(0, 1), (0, 5), (1, 2), (0, None), (-1, None)])
def test_a_part_of_an_empty_axis_is_empty(begin, end):
    x = mx.nd.array(np.zeros((0, 3)))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.slice_axis(x, axis=0, begin=begin, end=end)
    y.backward()
    assert y.shape == x.grad.shape == (0, 3)
    with pytest.raises(mx.MXNetError, match="do not lie on an axis of extent 3"):
        mx.nd.slice_axis(x, axis=1, begin=0, end=5)
