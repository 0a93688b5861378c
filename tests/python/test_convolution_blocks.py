"""Convolutions of plans of prediction, on packed weights, against the definition in float64."""
import itertools

import numpy as np
import pytest

import heddle as mx

sym = mx.sym
# batch, channels, height, width, filters, kernel, stride, pad, dilate
DENSE = [
    (1, 16, 9, 7, 32, 3, 1, 1, 1), (2, 32, 14, 14, 16, 1, 1, 0, 1), (1, 48, 15, 13, 48, 3, 2, 1, 1),
    (1, 16, 8, 29, 80, 5, 1, 2, 1), (1, 3, 21, 20, 16, 7, 2, 3, 1), (2, 1, 9, 9, 16, 3, 1, 0, 1), (1, 24, 10, 11, 64, 1, 1, 0, 1),
    (1, 32, 10, 11, 24, 1, 1, 0, 1), (1, 40, 9, 8, 24, 3, 1, 1, 1), (1, 16, 12, 12, 16, 3, 1, 2, 2), (1, 32, 13, 12, 64, 1, 2, 0, 1),
    (1, 16, 11, 10, 16, 2, 3, 1, 1), (1, 16, 2, 2, 16, 3, 1, 2, 1), (9, 16, 6, 5, 32, 3, 1, 1, 1), (1, 64, 7, 7, 512, 1, 1, 0, 1),
    (1, 16, 14, 14, 32, 3, 2, 1, 2), (1, 3, 9, 9, 32, 1, 1, 0, 1),
]
DEPTHWISE = [
    (1, 16, 9, 7, 3, 1, 1, 1), (2, 32, 14, 30, 3, 2, 1, 1), (1, 16, 3, 3, 5, 1, 2, 1), (1, 48, 17, 18, 5, 2, 2, 1), (1, 16, 12, 13, 3, 1, 2, 2),
    (1, 16, 2, 1, 3, 1, 1, 1), (1, 16, 8, 9, 3, 3, 0, 1), (1, 16, 1, 40, 3, 1, 1, 1),
]


def check(shape, filters, kernel, stride, pad, dilate, groups, following):
    x = y = sym.Convolution(sym.var("data"), name="c", num_filter=filters, num_group=groups, kernel=(kernel,) * 2, stride=(stride,) * 2,
                            pad=(pad,) * 2, dilate=(dilate,) * 2, no_bias=following == "nothing")
    if following == "sum":
        y = sym.relu(x + sym.var("other"))
    elif following == "clip":
        y = sym.clip(x, a_min=-0.5, a_max=0.25)
    exe = y.simple_bind(mx.cpu(), data=shape, grad_req="null")
    rng = np.random.default_rng(0)
    for array in exe.arg_arrays:
        array[:] = rng.normal(0, 0.3, array.shape)
    wide = {name: mx.nd.array(array.asnumpy(), dtype="float64") for name, array in exe.arg_dict.items()}
    expected = y.bind(mx.cpu(), wide, grad_req="null").forward()[0].asnumpy()
    for _ in range(2):
        np.testing.assert_allclose(exe.forward(is_train=False)[0].asnumpy(), expected, rtol=1e-5, atol=1e-5)
    return exe


@pytest.mark.parametrize("case, following", list(itertools.product(DENSE, ("nothing", "clip", "sum"))))
def test_dense(case, following):
    batch, channels, height, width, filters, *window = case
    check((batch, channels, height, width), filters, *window, 1, following)


@pytest.mark.parametrize("case, following", list(itertools.product(DEPTHWISE, ("nothing", "clip", "sum"))))
def test_one_filter_for_each_channel(case, following):
    batch, channels, height, width, *window = case
    check((batch, channels, height, width), channels, *window, channels, following)


def test_a_nan_stays():
    x = sym.relu(sym.Convolution(sym.var("data"), name="c", num_filter=16, kernel=(1, 1), no_bias=True))
    exe = x.simple_bind(mx.cpu(), data=(1, 16, 4, 4), grad_req="null")
    exe.arg_dict["data"][:] = np.nan
    exe.arg_dict["c_weight"][:] = 1
    assert np.isnan(exe.forward(is_train=False)[0].asnumpy()).all()


def test_what_was_written_to_a_weight_counts_in_the_next_run():
    exe = check((1, 16, 6, 6), 32, 3, 1, 1, 1, 1, "nothing")
    exe.arg_dict["data"][:] = exe.arg_dict["c_weight"][:] = 1
    assert exe.forward(is_train=False)[0].asnumpy().max() == 144
    exe.arg_dict["c_weight"][4:8] *= 2  # a view
    out = exe.forward(is_train=False)[0].asnumpy()
    assert out[:, 4:8].max() == 288 and out[:, 8:].max() == 144
    exe.copy_params_from({"c_weight": mx.nd.full((32, 16, 3, 3), 3)}, allow_extra_params=True)
    assert exe.forward(is_train=False)[0].asnumpy().max() == 432
