"""A type checker knows what operators take and give, and refuses what would fail."""
import os
import pathlib
import subprocess
import sys

import pytest

import heddle

pytest.importorskip("mypy", reason="./dev lint installs it")


def check(tmp_path, program, *options):
    """The lines that mypy complains about, and what it says of reveal_type."""
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "-m", "mypy", "--config-file=", "--cache-dir", tmp_path / "cache", "program.py",
                           *options],
                          cwd=tmp_path, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "MYPYPATH": str(pathlib.Path(heddle.__file__).parents[1])})
    assert not done.stderr, done.stderr
    lines = [line.split(":", 2) for line in done.stdout.splitlines() if line.startswith("program.py")]
    wrong = {int(n) for _, n, text in lines if "error:" in text}
    return wrong, [text.split('"')[1].removeprefix("builtins.") for _, _, text in lines if "Revealed type" in text]


def test_types(tmp_path):
    wrong, revealed = check(tmp_path, """\
import heddle as mx
x = mx.nd.ones((2, 3))
s = mx.sym.Variable("s")
reveal_type(mx.nd.relu(x))
reveal_type(x.sum(axis=0) + 1)
reveal_type(mx.nd.random.normal(0, 1, shape=(2,)))
reveal_type(mx.sym.FullyConnected(s, num_hidden=3, name="fc"))
reveal_type(mx.random.uniform())
reveal_type(mx.nd.linalg.gemm2(x, x))
reveal_type(mx.__version__)
mx.viz.print_summary(s)
mx.test_utils.same(x, x)
mx.nd.relu("x")
mx.nd.relu(s)
mx.nd.sum(x, axes=0)
mx.nd.Activation(x, act_type="rely")
x.sum(axis="0")
mx.sym.FullyConnected(x, num_hidden=3)
mx.sym.FullyConnected(s, num_hidden="3")
mx.nd.random.normal(0, 1, shape="2")
mx.nd.linalg.gemm3(x, x)
mx.mod.Module(x)
s.shape
mx.nowhere
""", "--strict")
    array, symbol = "heddle.ndarray.ndarray.NDArray", "heddle.symbol.symbol.Symbol"
    assert revealed == [array, array, array, symbol, array, array, "str"]
    assert wrong == set(range(13, 25))
