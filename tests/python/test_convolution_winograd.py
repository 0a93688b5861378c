"""3 x 3 convolutions by Winograd's tiles, against the definition in float64: plans of prediction and training, and single calls."""
import numpy as np
import pytest

import heddle as mx
from heddle import autograd

sym = mx.sym
# batch, channels, height, width, filters, pad
CASES = [
    (2, 32, 16, 16, 32, 1), (1, 32, 17, 30, 48, 1), (3, 48, 13, 9, 32, 0), (1, 64, 15, 22, 80, 2), (16, 96, 7, 7, 32, 1), (2, 32, 40, 3, 32, 1),
    (1, 160, 29, 28, 144, 1), (4, 48, 12, 11, 272, 1), (4, 272, 8, 8, 48, 1),  # the last two: taps that are many beside the tiles
]


def close(found, expected):
    """Rounding grows with the sums, not with the single result."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5 * np.abs(expected).max())


def arrays(batch, channels, height, width, filters, pad):
    rng = np.random.default_rng(0)
    values = {"data": rng.normal(0, 1, (batch, channels, height, width)), "c_weight": rng.normal(0, 0.1, (filters, channels, 3, 3)),
              "c_bias": rng.normal(0, 1, filters)}
    dy = rng.normal(0, 1, (batch, filters, height + 2 * pad - 2, width + 2 * pad - 2))
    return {k: v.astype("float32") for k, v in values.items()}, dy.astype("float32")


def layer(filters, pad, **kwargs):
    return sym.Convolution(sym.var("data"), name="c", num_filter=filters, kernel=(3, 3), pad=(pad, pad), **kwargs)


def trained(y, values, dy, dtype):
    exe = y.simple_bind(mx.cpu(), data=values["data"].shape, type_dict={name: dtype for name in y.list_arguments()})
    for name, value in values.items():
        exe.arg_dict[name][:] = value
    out = exe.forward(is_train=True)[0].asnumpy()
    exe.backward(mx.nd.array(dy, dtype=dtype))
    return {"out": out} | {name: exe.grad_dict[name].asnumpy() for name in values}


@pytest.mark.parametrize("case", CASES)
def test_a_step_of_training(case):
    values, dy = arrays(*case)
    y = layer(*case[4:])
    found, expected = (trained(y, values, dy, dtype) for dtype in ("float32", "float64"))
    for name, value in expected.items():
        close(found[name], value)


def called(case, values, dy):
    """What a single call and its gradient give, by name."""
    x = {name: mx.nd.array(value) for name, value in values.items()}
    for array in x.values():
        array.attach_grad()
    with autograd.record():
        out = mx.nd.Convolution(*x.values(), num_filter=case[4], kernel=(3, 3), pad=(case[5],) * 2)
    out.backward(mx.nd.array(dy))
    return {"out": out} | {name: array.grad for name, array in x.items()}


@pytest.mark.parametrize("case", CASES)
def test_single_calls_with_plain_tensors(case):
    values, dy = arrays(*case)
    expected = trained(layer(*case[4:]), values, dy, "float64")
    for name, array in called(case, values, dy).items():
        close(array.asnumpy(), expected[name])


@pytest.mark.parametrize("wanted", ["data", "c_weight", "c_bias"])
def test_one_gradient_alone(wanted):
    values, dy = arrays(*CASES[1])
    y = layer(*CASES[1][4:])
    expected = trained(y, values, dy, "float64")[wanted]
    grad = {wanted: mx.nd.zeros(expected.shape)}
    exe = y.bind(mx.cpu(), {name: mx.nd.array(value) for name, value in values.items()}, grad)
    exe.forward(is_train=True)
    exe.backward(mx.nd.array(dy))
    close(grad[wanted].asnumpy(), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("following", ["nothing", "clip", "sum"])
def test_prediction_packs_the_taps_once(case, following):
    values, _ = arrays(*case)
    y = layer(*case[4:], no_bias=following == "nothing")
    if following == "sum":
        y = sym.relu(y + sym.var("other"))
        values["other"] = arrays(*case)[1]
    elif following == "clip":
        y = sym.clip(y, a_min=-10, a_max=2)
    wide, values = ({name: mx.nd.array(values[name], dtype=dtype) for name in y.list_arguments()} for dtype in ("float64", "float32"))
    exe, reference = y.bind(mx.cpu(), values, grad_req="null"), y.bind(mx.cpu(), wide, grad_req="null")
    for factor in (1, 2):
        for some in (values, wide):
            some["c_weight"][:] *= factor  # counts in the next run
        close(exe.forward(is_train=False)[0].asnumpy(), reference.forward(is_train=False)[0].asnumpy())


def test_threads_do_not_change_a_bit():
    """A sum is made in one order, however many share the work."""
    values, dy = arrays(*CASES[0])
    y = layer(*CASES[0][4:])
    once = trained(y, values, dy, "float32")
    for name, value in trained(y, values, dy, "float32").items():
        assert np.array_equal(value, once[name])


@pytest.mark.parametrize("case", CASES[-2:])
def test_single_calls_give_the_bits_of_a_plan(case):
    """The taps come to their points some at a time, in the same order however tensors lie."""
    values, dy = arrays(*case)
    expected = trained(layer(*case[4:]), values, dy, "float32")
    found = called(case, values, dy)
    for name in ("out", "data", "c_weight"):
        assert np.array_equal(found[name].asnumpy(), expected[name])
