"""Operators in a library of their own, compiled against an installed heddle and loaded while a program runs."""
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(mx.__file__).parents[2]
TAKEN = """#include <heddle/library.h>
void run(heddle::OpContext&, heddle::Inputs, heddle::Outputs) {}
HEDDLE_LIBRARY(ops) {
  ops.kernel("tanh", heddle::Device::kCpu, "wrong", run);
  ops.define({.name = "first_of_two", .cpu = run});
  ops.define({.name = "relu", .cpu = run});
}
"""
OTHER = """#include <cstdint>
extern "C" uint64_t heddle_library_abi() { return 7; }
extern "C" void heddle_library_define(void*) {}
"""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where heddle is installed."""
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder, "--component", "core"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def swish(prefix, tmp_path_factory):
    """The library of the example."""
    folder = tmp_path_factory.mktemp("swish")
    for command in (["cmake", "-S", ROOT / "examples/library", "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
                     "-DCMAKE_CXX_FLAGS=-O1 -Wall -Wextra -Werror"], ["cmake", "--build", folder]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "libswish.so"


def compiled(source, folder, prefix):
    """A shared object made of one text."""
    (folder / "library.cc").write_text(source)
    out = folder / "library.so"
    subprocess.run(["c++", "-std=c++20", "-O0", "-shared", "-fPIC", f"-I{prefix}/include", folder / "library.cc", "-o", out,
                    f"-L{BUILD}", "-lheddle"], check=True)
    return out


def test_an_operator_is_one_like_all_others(swish):
    """In a process of its own: eager, recorded, differentiated twice, bound, saved."""
    program = """
import sys
import numpy as np
import heddle as mx
mx.library.load(sys.argv[1])
mx.library.load(sys.argv[1])  # a second time changes nothing
x = np.linspace(-3, 3, 1000)
f = lambda v: v / (1 + np.exp(-2 * v))
a = mx.nd.array(x, dtype="float64")
a.attach_grad()
with mx.autograd.record():
    y = mx.nd.swish(a, beta=2)
    g, = mx.autograd.grad(y, a, create_graph=True)
g.backward()
np.testing.assert_allclose(y.asnumpy(), f(x), rtol=1e-12)
h = 1e-5
np.testing.assert_allclose(g.asnumpy(), (f(x + h) - f(x - h)) / (2 * h), atol=1e-8)
np.testing.assert_allclose(a.grad.asnumpy(), (f(x + h) - 2 * f(x) + f(x - h)) / h ** 2, atol=1e-4)
net = mx.sym.load_json(mx.sym.swish(mx.sym.Variable("x"), beta=2, name="s").tojson())
np.testing.assert_allclose(net.eval(mx.cpu(), x=mx.nd.array(x))[0].asnumpy(), f(x), rtol=1e-5, atol=1e-6)
assert "beta" in mx.nd.op.swish.__doc__
try:
    mx.nd.swish(a, gamma=1)
except mx.MXNetError as e:
    assert "[swish]" in str(e) and "gamma" in str(e)
else:
    raise AssertionError("a parameter that does not exist was taken")
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program, swish], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_what_is_no_library_is_refused(prefix, tmp_path):
    with pytest.raises(FileNotFoundError, match="found no file"):
        mx.library.load(tmp_path / "missing.so")
    text = tmp_path / "text.so"
    text.write_text("no shared object")
    with pytest.raises(mx.MXNetError, match="cannot load '.*text.so': "):
        mx.library.load(text)
    with pytest.raises(mx.MXNetError, match="compiled for another heddle: found 7"):
        mx.library.load(compiled(OTHER, tmp_path, prefix))
    with pytest.raises(mx.MXNetError, match="is no library of operators"):
        mx.library.load(next(BUILD.glob("libheddle.so")))


def test_of_a_library_that_fails_nothing_is_left(prefix, tmp_path):
    kernels = len(mx._core.op("tanh")["kernels"])
    with pytest.raises(mx.MXNetError, match="library.so: operator 'relu' is defined twice"):
        mx.library.load(compiled(TAKEN, tmp_path, prefix))
    with pytest.raises(mx.MXNetError, match="first_of_two"):
        mx._core.op("first_of_two")
    assert len(mx._core.op("tanh")["kernels"]) == kernels
    np.testing.assert_allclose(mx.nd.tanh(mx.nd.ones((1,))).asnumpy(), np.tanh(1), rtol=1e-6)


def test_features_of_the_build():
    features = mx.runtime.Features()
    assert features.is_enabled("cpu_sse") and not features.is_enabled("TENSORRT")
    assert "MKLDNN" in repr(features)
    with pytest.raises(RuntimeError, match="'warp' is unknown"):
        features.is_enabled("warp")
