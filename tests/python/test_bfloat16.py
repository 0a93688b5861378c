"""Networks in bfloat16 beside the same ones in float32: convolutions in planes and in blocks of channels, normalisation, linear layers.

A bfloat16 has 8 bits of mantissa, so a result is within a few hundredths of the largest one."""
import os
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import autograd
from heddle.contrib import amp

sym = mx.sym


def close(found, expected, part=0.03):
    np.testing.assert_allclose(found, expected, rtol=0, atol=part * np.abs(expected).max() + 1e-6)


def narrow(x):
    """As bfloat16 holds it, so that only the arithmetic differs."""
    return mx.nd.array(x).astype("bfloat16").astype("float32").asnumpy()


def step(y, values, dtype, heads=None, seed=1):
    """Outputs, gradients of arguments and the states after one step of training."""
    data = {name: value.shape for name, value in values.items() if name == "data"}
    types = {name: dtype for name in y.list_arguments() if not name.endswith(("gamma", "beta"))}
    exe = y.simple_bind(mx.cpu(), type_dict=types, **data)
    for name, value in values.items():
        exe.arg_dict[name][:] = value
    out = exe.forward(is_train=True)[0].astype("float32").asnumpy()
    heads = narrow(np.random.default_rng(seed).normal(0, 1, out.shape)) if heads is None else heads
    exe.backward(mx.nd.array(heads, dtype=dtype))
    grads = {name: exe.grad_dict[name].astype("float32").asnumpy() for name in values}
    return {"out": out} | grads | {name: a.asnumpy() for name, a in exe.aux_dict.items()}


def compare(y, values):
    values = {name: narrow(value) for name, value in values.items()}
    found, expected = (step(y, values, dtype) for dtype in ("bfloat16", "float32"))
    for name, value in expected.items():
        close(found[name], value)


# batch, channels, height, width, filters, kernel, stride, groups
CASES = [
    (2, 32, 14, 13, 48, 3, 1, 1), (1, 64, 9, 9, 160, 1, 1, 1), (9, 16, 7, 7, 32, 3, 2, 1), (3, 5, 6, 8, 7, 3, 1, 1), (4, 32, 10, 10, 32, 3, 1, 32),
    (2, 32, 8, 8, 64, 3, 1, 2), (1, 3, 20, 20, 32, 7, 2, 1),
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_and_its_gradients(case, bias):
    batch, channels, height, width, filters, kernel, stride, groups = case
    rng = np.random.default_rng(0)
    values = {"data": rng.normal(0, 1, (batch, channels, height, width)), "c_weight": rng.normal(0, 0.1, (filters, channels // groups, kernel, kernel))}
    if bias:
        values["c_bias"] = rng.normal(0, 1, filters)
    compare(sym.Convolution(sym.var("data"), name="c", num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride),
                            pad=(kernel // 2, kernel // 2), num_group=groups, no_bias=not bias), values)


@pytest.mark.parametrize("channels", [32, 10])
def test_convolutions_with_normalisation_between(channels):
    """With 32 channels all of it lies in blocks."""
    rng = np.random.default_rng(2)
    y = sym.Convolution(sym.var("data"), name="c", num_filter=channels, kernel=(3, 3), pad=(1, 1), no_bias=True)
    y = sym.relu(sym.BatchNorm(y, name="b", fix_gamma=False, eps=1e-3))
    y = sym.Convolution(y, name="d", num_filter=channels, kernel=(1, 1), no_bias=True)
    y = sym.BatchNorm(y, name="e", fix_gamma=False, eps=1e-3)
    values = {"data": rng.normal(0, 1, (4, channels, 12, 12)), "c_weight": rng.normal(0, 0.1, (channels, channels, 3, 3)),
              "d_weight": rng.normal(0, 0.3, (channels, channels, 1, 1))}
    for name in "be":
        values |= {f"{name}_gamma": rng.uniform(0.5, 1.5, channels), f"{name}_beta": rng.normal(0, 0.5, channels)}
    values = {name: narrow(value) for name, value in values.items()}
    found, expected = (step(y, values, dtype) for dtype in ("bfloat16", "float32"))
    for name, value in expected.items():  # a relu whose input rounds to the other side of 0 passes another gradient
        scale = np.abs(value).max()
        assert np.abs(found[name] - value).mean() < 0.02 * scale, name


@pytest.mark.parametrize("rows,features,units", [(3, 40, 24), (64, 512, 160), (33, 3000, 10), (1, 128, 256)])
def test_a_linear_layer_and_its_gradients(rows, features, units):
    rng = np.random.default_rng(3)
    compare(sym.FullyConnected(sym.var("data"), name="f", num_hidden=units),
            {"data": rng.normal(0, 1, (rows, features)), "f_weight": rng.normal(0, 0.1, (units, features)), "f_bias": rng.normal(0, 1, units)})


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
def test_products_of_transposes(ta, tb):
    rng = np.random.default_rng(4)
    a, b = narrow(rng.normal(0, 1, (70, 90))), narrow(rng.normal(0, 1, (90, 50)))
    x, y = (mx.nd.array(v, dtype="bfloat16") for v in (a.T if ta else a, b.T if tb else b))
    close(mx.nd.dot(x, y, transpose_a=ta, transpose_b=tb).astype("float32").asnumpy(), a @ b, 0.01)


def test_sums_are_float32():
    """A sum of 4096 ones in bfloat16 itself would stop at 256."""
    ones = mx.nd.ones((64, 4096), dtype="bfloat16")
    assert (mx.nd.dot(ones, ones, transpose_b=True).astype("float32").asnumpy() == 4096).all()
    x = mx.nd.ones((2, 256, 4, 4), dtype="bfloat16")
    w = mx.nd.ones((32, 256, 4, 4), dtype="bfloat16")
    for array in (x, w):
        array.attach_grad()
    with autograd.record():
        y = mx.nd.Convolution(x, w, num_filter=32, kernel=(4, 4), no_bias=True)
    y.backward()
    assert (y.astype("float32").asnumpy() == 4096).all() and (w.grad.astype("float32").asnumpy() == 2).all()
    assert (x.grad.astype("float32").asnumpy() == 32).all()


@pytest.mark.parametrize("channels", [32, 6])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("window", [(3, 2, 1), (2, 2, 0), (3, 1, 1)])
def test_pooling_of_convolutions(channels, kind, window):
    """With 32 channels the planes lie in blocks. Whole numbers, so that nothing is rounded but averages, and maxima are the same."""
    kernel, stride, pad = window
    rng = np.random.default_rng(5)
    y = sym.Convolution(sym.var("data"), name="c", num_filter=channels, kernel=(1, 1), no_bias=True)
    y = sym.Pooling(y, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad), pool_type=kind)
    values = {"data": rng.integers(-3, 4, (2, channels, 9, 11)), "c_weight": np.eye(channels)[:, :, None, None]}
    compare(y, {name: value.astype("float32") for name, value in values.items()})


@pytest.mark.parametrize("bias", [False, True])
def test_weights_are_folded_before_they_are_cast(bias, monkeypatch):
    """In plans of prediction of converted symbols; so nothing is rounded twice."""
    rng = np.random.default_rng(6)
    y = sym.Convolution(sym.var("data"), name="c", num_filter=32, kernel=(3, 3), pad=(1, 1), no_bias=not bias)
    y = sym.relu(sym.BatchNorm(y, name="b", fix_gamma=False, eps=1e-3))
    y = sym.FullyConnected(y, name="f", num_hidden=7)
    mixed = amp.convert_symbol(y, target_dtype="bfloat16")
    args, _, states = y.infer_shape(data=(2, 32, 6, 6))
    values = {name: rng.normal(0, 0.2, shape) for name, shape in zip(y.list_arguments(), args)}
    values |= {name: rng.uniform(0.5, 1.5, shape) for name, shape in zip(y.list_auxiliary_states(), states)}

    def answer(net):
        exe = net.simple_bind(mx.cpu(), data=(2, 32, 6, 6), grad_req="null")
        for _ in range(2):  # weights are made again when they were written
            for name, array in (exe.arg_dict | exe.aux_dict).items():
                array[:] = values[name]
            out = exe.forward()[0].astype("float32").asnumpy()
        return out, [step.op for step in exe.plan().steps]

    expected, _ = answer(y)
    found, ops = answer(mixed)
    assert "BatchNorm" not in ops
    close(found, expected)
    monkeypatch.setenv("HEDDLE_PASSES", "-fold")
    unfolded, ops = answer(mixed)
    assert any("atchNorm" in op or "batch_norm" in op for op in ops)
    close(unfolded, expected)


def test_a_processor_without_it():
    """The same convolutions and pools where the library may use AVX2 at most: through float32."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", "test_a_convolution or test_pooling or test_sums"]
    done = subprocess.run(command, env=os.environ | {"DNNL_MAX_CPU_ISA": "AVX2"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
