"""The room below the executor by itself: a program without engine, arrays, threads or libraries runs and trains a network."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx

PROGRAM = pathlib.Path(mx.__file__).parents[2] / "runtime_train"
BATCH, RATE = 8, 0.1

# Saves LeNet, numbers for it, and what Python makes of them: outputs, and the arguments after one step.
SAVE = """
import sys
import numpy as np
import heddle as mx

folder, batch, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
mx.random.seed(3)
rng = np.random.default_rng(3)
x = mx.sym.Variable("data")
for i, filters in enumerate((20, 50)):
    x = mx.sym.Convolution(x, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
    x = mx.sym.Activation(x, act_type="tanh")
    x = mx.sym.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
x = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=500, name="fc0"), act_type="tanh")
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="fc1"), name="softmax")
data, label = rng.random((batch, 1, 28, 28), "float32"), rng.integers(0, 10, batch).astype("float32")
exe = net.simple_bind(mx.cpu(), data=data.shape, grad_req={n: "null" if n in ("data", "softmax_label") else "write"
                                                          for n in net.list_arguments()})
weights = {n: a for n, a in exe.arg_dict.items() if n not in ("data", "softmax_label")}
for name, a in weights.items():
    a[:] = rng.normal(0, 0.1, a.shape)
mx.model.save_checkpoint(f"{folder}/lenet", 0, net, weights, {})
data.tofile(f"{folder}/data"), label.tofile(f"{folder}/label")
exe.arg_dict["data"][:], exe.arg_dict["softmax_label"][:] = data, label
out = [exe.forward(is_train=False)[0].asnumpy(), exe.forward(is_train=True)[0].asnumpy()]
exe.backward()
for name, a in weights.items():
    mx.nd.sgd_update(a, exe.grad_dict[name], lr=rate, out=a)
    out.append(a.asnumpy())
np.concatenate([a.ravel() for a in out]).tofile(f"{folder}/expected")
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lenet")
    subprocess.run([sys.executable, "-c", SAVE, folder, str(BATCH), str(RATE)], check=True,
                   env={**os.environ, "HEDDLE_KERNELS": "portable"})
    return folder


def run(saved, **other):
    files = {"symbol": saved / "lenet-symbol.json", "params": saved / "lenet-0000.params", "data": saved / "data",
             "label": saved / "label", **other}
    return subprocess.run([PROGRAM, *files.values(), str(BATCH), str(RATE), saved / "out"], capture_output=True, text=True,
                          env={**os.environ, "HEDDLE_KERNELS": "portable"})


def test_lenet_runs_and_learns_to_the_same_bits(saved):
    done = run(saved)
    assert (done.returncode, done.stderr) == (0, "")
    expected = np.fromfile(saved / "expected", "uint32")
    assert expected.size == 2 * BATCH * 10 + 431080
    np.testing.assert_array_equal(np.fromfile(saved / "out", "uint32"), expected)


def test_what_does_not_fit_is_named(saved, tmp_path):
    done = run(saved, data=saved / "label")
    assert (done.returncode, done.stderr) == (1, "found 32 bytes, expected 25088\n")
    cut = tmp_path / "cut.params"
    cut.write_bytes((saved / "lenet-0000.params").read_bytes()[:100])
    done = run(saved, params=cut)
    assert done.returncode == 1
    assert "[load] 'params' at byte" in done.stderr


def test_it_links_no_library_and_no_other_room():
    libraries = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert not any(name in libraries for name in ("tbb", "dnnl", "blas", "heddle", "gomp"))
    names = subprocess.run(["nm", "-C", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert "heddle::Session::forward" in names
    assert not any(name in names for name in ("heddle::Engine::", "heddle::NDArray::", "heddle::Executor::"))
