"""Bound networks keep tensors in oneDNN's blocks from convolution to convolution, and weights packed from run to run."""
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx

HAS_ONEDNN = any("onednn" in line for line in mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=16, name="c")
                 .simple_bind(mx.cpu(), data=(1, 16, 8, 8)).debug_str().splitlines())
pytestmark = pytest.mark.skipif(not HAS_ONEDNN, reason="built without oneDNN")


def unit(x, filters, stride, name, match):
    """A bottleneck of ResNet v1 (He et al., 2015)."""
    def conv(v, n, kernel, s, i):
        v = mx.sym.Convolution(v, num_filter=n, kernel=(kernel, kernel), stride=(s, s), pad=(kernel // 2, kernel // 2),
                               no_bias=True, name=f"{name}_conv{i}")
        return mx.sym.BatchNorm(v, fix_gamma=False, name=f"{name}_bn{i}")

    def relu(v):
        return mx.sym.Activation(v, act_type="relu")

    y = relu(conv(relu(conv(x, filters // 4, 1, stride, 1)), filters // 4, 3, 1, 2))
    return relu(conv(y, filters, 1, 1, 3) + (x if match else conv(x, filters, 1, stride, 4)))


def resnet(units=(3, 4, 6, 3), width=256, classes=1000, loss=True):
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=width // 4, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv0")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name="bn0"), act_type="relu")
    x = mx.sym.Pooling(x, pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1))
    for stage, count in enumerate(units):
        for i in range(count):
            x = unit(x, width << stage, 2 if stage and not i else 1, f"s{stage}u{i}", match=i > 0)
    x = mx.sym.Pooling(x, pool_type="avg", global_pool=True, kernel=(7, 7))
    x = mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=classes, name="fc")
    return mx.sym.SoftmaxOutput(x, name="softmax") if loss else x


def parts(executor):
    """The text of debug_str(), program by program."""
    text = re.split(r"^(Inference|Training): ", executor.debug_str(), flags=re.M)
    return dict(zip(text[1::2], text[2::2]))


def reorders(executor, program="Inference"):
    """What the reorders of a program read."""
    return re.findall(r"Op:_reorder, .*\n +arg: (.*)\(\d+\)", parts(executor)[program])


def test_resnet50_forward_reorders_nothing_but_weights(monkeypatch):
    """The first convolution reads images as they are, and after the last pooling both orders are the same bytes."""
    exe = resnet(loss=False).simple_bind(mx.cpu(), data=(1, 3, 224, 224), grad_req="null")
    exe.forward(is_train=False)
    folded = re.findall(r"Op:_fold_normalization", parts(exe)["Inference"])
    kept = [name for name in reorders(exe) if name in exe.arg_dict]
    assert reorders(exe) == kept and len(folded) + len(kept) == 53  # folded weights are written in the order they are wanted in
    monkeypatch.setenv("HEDDLE_PASSES", "-fuse,-pack")
    exe = resnet(loss=False).simple_bind(mx.cpu(), data=(1, 3, 224, 224), grad_req="null")
    exe.forward(is_train=False)
    weights = [name for name in exe.arg_dict if name.endswith("conv0_weight") or re.search(r"conv\d_weight", name)]
    assert len(weights) == 53
    tiled = re.findall(r"Op:Convolution, Name=(\w+), winograd", exe.debug_str())  # these take filters to points themselves
    assert sorted(reorders(exe)) == sorted(set(weights) - {f"{name}_weight" for name in tiled})


def test_resnet_backward_stays_in_blocks():
    """Forward and backward reorder weights, backward their gradients, and once what the last pooling gives back."""
    exe = resnet((2, 1), 64, 10).simple_bind(mx.cpu(), data=(2, 3, 64, 64))
    exe.forward(is_train=True)
    found = reorders(exe, "Training")
    convolutions = sum(name.endswith("weight") and "conv" in name for name in exe.arg_dict)
    weights = [name for name in found if name in exe.arg_dict]
    others = [name for name in found if name not in exe.arg_dict]
    tiled = [len(re.findall(rf"Op:{op}, Name=\w+, winograd", exe.debug_str())) for op in ("Convolution", "_backward_Convolution")]
    assert convolutions - tiled[0] <= len(weights) <= 2 * convolutions - sum(tiled)  # backward may want them as forward does
    assert sum("conv" in name for name in others) == convolutions - tiled[1]
    assert len(others) == convolutions - tiled[1] + 1


NUMBERS = """
import sys
import numpy as np
import heddle as mx
sys.path.insert(0, sys.argv[2])
import test_layouts

def numbers(symbol, shape, steps=2):
    rng = np.random.default_rng(1)
    exe = symbol.simple_bind(mx.cpu(), data=shape)
    for name, a in exe.arg_dict.items():
        scale = 1 if name == "data" else 0.2 if a.ndim < 2 else (2 / np.prod(a.shape[1:])) ** 0.5
        a[:] = rng.normal(1 if name.endswith("gamma") else 0, scale, a.shape)
    if "softmax_label" in exe.arg_dict:
        exe.arg_dict["softmax_label"][:] = np.arange(shape[0]) % 10
    out = {}
    for step in range(steps):
        out[f"inference {step}"] = exe.forward(is_train=False)[0].asnumpy()
        out[f"output {step}"] = exe.forward(is_train=True)[0].asnumpy()
        exe.backward(None if "softmax_label" in exe.arg_dict else [mx.nd.ones(o.shape) for o in exe.outputs])
        for name, g in exe.grad_dict.items():
            out[f"{name} {step}"] = g.asnumpy()
        for name, a in exe.aux_dict.items():
            out[f"{name} {step}"] = a.asnumpy()
        for name, a in exe.arg_dict.items():
            if name.endswith("weight"):
                a -= 0.05 * exe.grad_dict[name]
    return out

net = getattr(test_layouts, sys.argv[3])
np.savez(sys.argv[1], **numbers(*net()))
"""


def small_resnet():
    return resnet((2, 1), 64, 10), (4, 3, 32, 32)


def mixed():
    """Blocks beside what is not in blocks: odd channels, groups, dilation, concat, a branch back to plain."""
    x = mx.sym.Variable("data")
    a = mx.sym.Convolution(x, num_filter=32, kernel=(3, 3), pad=(1, 1), name="a")
    b = mx.sym.Convolution(a, num_filter=32, kernel=(3, 3), pad=(2, 2), dilate=(2, 2), num_group=2, name="b")
    c = mx.sym.Convolution(mx.sym.LeakyReLU(b, slope=0.1), num_filter=32, kernel=(3, 3), pad=(1, 1), num_group=32, name="c")
    d = mx.sym.Convolution(a, num_filter=7, kernel=(1, 1), name="d")
    e = mx.sym.Concat(a, b * 2, mx.sym.broadcast_mul(c, mx.sym.mean(c, axis=(2, 3), keepdims=True)), dim=1)
    e = mx.sym.Pooling(e, kernel=(2, 2), stride=(2, 2), pool_type="avg")
    e = mx.sym.BatchNorm(mx.sym.Convolution(e, num_filter=16, kernel=(3, 3), stride=(2, 2), name="e"), name="bn")
    e = mx.sym.FullyConnected(mx.sym.Flatten(e), num_hidden=3, name="fc")
    return mx.sym.broadcast_add(e, mx.sym.reshape(mx.sym.mean(d), shape=(1, 1))), (3, 16, 14, 14)


@pytest.mark.parametrize("net", ["small_resnet", "mixed"])
def test_numbers_are_those_of_portable_kernels(net, tmp_path):
    """Outputs, gradients and statistics of two steps: a second one finds weights that have changed since they were packed."""
    found = {}
    for kernels in ("", "portable"):
        path = tmp_path / f"{kernels}.npz"
        subprocess.run([sys.executable, "-c", NUMBERS, path, os.path.dirname(__file__), net], check=True,
                       env={**os.environ, "HEDDLE_KERNELS": kernels})
        found[kernels] = np.load(path)
    assert set(found[""]) == set(found["portable"])
    for name, value in found[""].items():
        exact = found["portable"][name]
        np.testing.assert_allclose(value, exact, rtol=2e-3, atol=2e-4 * max(1, np.abs(exact).max()), err_msg=name)


def test_reordered_weights_outlive_a_run_and_follow_their_variable(monkeypatch):
    """Reordered once for many runs; written to by any means, once more."""
    monkeypatch.setenv("HEDDLE_PASSES", "-pack")
    net = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=16, kernel=(3, 3), no_bias=True, name="c")
    exe = net.simple_bind(mx.cpu(), data=(1, 16, 5, 5), grad_req="null")
    weight = exe.arg_dict["c_weight"]
    assert "c_weight" in reorders(exe)
    assert "kept in another order: " in exe.debug_str()
    exe.arg_dict["data"][:] = 1

    def packed(run):
        """How many reorders of weights a run makes, and its first output."""
        mx.profiler.set_config(filename=os.devnull, aggregate_stats=True)
        mx.profiler.set_state("run")
        out = run()[0].asnumpy()
        mx.profiler.set_state("stop")
        table = mx.profiler.dumps(reset=True)
        row = re.search(r"^\s*_reorder\s+(\d+)", table, flags=re.M)
        return int(row[1]) if row else 0, out

    weight[:] = 1
    first, out = packed(lambda: exe.forward(is_train=False))
    assert (first, out.max()) == (3, 144)  # data, weight and the output
    again, out = packed(lambda: exe.forward(is_train=False))
    assert (again, out.max()) == (1, 144)
    weight[0:4] = 2  # a view of it
    changed, out = packed(lambda: exe.forward(is_train=False))
    assert (changed, out.max(), out.min()) == (2, 288, 144)


def test_monitors_see_values_in_order():
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=16, kernel=(1, 1), no_bias=True, name="c")
    exe = mx.sym.Convolution(x, num_filter=16, kernel=(1, 1), no_bias=True, name="d").simple_bind(
        mx.cpu(), data=(1, 16, 2, 3), grad_req="null")
    data = np.random.default_rng(0).random((1, 16, 2, 3), "float32")
    exe.arg_dict["data"][:] = data
    for name in ("c_weight", "d_weight"):
        exe.arg_dict[name][:] = np.eye(16).reshape(16, 16, 1, 1)
    seen = {}
    exe.set_monitor_callback(lambda name, value: seen.__setitem__(str(name), value.asnumpy()))
    exe.forward(is_train=False)
    mx.nd.waitall()
    np.testing.assert_array_equal(seen["c_output"], data)
    np.testing.assert_array_equal(seen["d_output"], data)


def test_reshaped_executors_pack_for_themselves():
    net = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=16, kernel=(3, 3), no_bias=True, name="c")
    exe = net.simple_bind(mx.cpu(), data=(1, 16, 5, 5), grad_req="null")
    exe.arg_dict["data"][:] = exe.arg_dict["c_weight"][:] = 1
    assert exe.forward(is_train=False)[0].asnumpy().max() == 144
    smaller = exe.reshape(data=(1, 16, 4, 4))
    smaller.arg_dict["data"][:] = 1
    exe.arg_dict["c_weight"][:] = 2
    assert smaller.forward(is_train=False)[0].asnumpy().max() == 288
    assert exe.forward(is_train=False)[0].asnumpy().max() == 288
