"""`pip install .` gives a package that works on its own, with NumPy and without.

The compiler's work comes from ccache where the library was built before, so this costs seconds there.
"""
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytest.importorskip("scikit_build_core", reason="pip builds the package with it: ./dev test installs it")

TRAIN = """
import pathlib, sys
import heddle as mx
from importlib import metadata
assert not sys.modules.keys() & {"numpy"} and pathlib.Path(mx.__file__).is_relative_to(sys.prefix), mx.__file__
assert mx.__version__ == metadata.version("heddle")
mx.random.seed(2)
net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=16, name="fc1")
net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=2, name="fc2")
net = mx.sym.SoftmaxOutput(net, name="softmax")
x = mx.nd.random.uniform(-1, 1, shape=(256, 2))
y = x[:, 0:1].reshape((256,)) > x[:, 1:2].reshape((256,))
model = mx.mod.Module(net)
model.fit(mx.io.NDArrayIter(x, y, 32, shuffle=True), num_epoch=10, optimizer="adam",
          optimizer_params={"learning_rate": 0.1}, initializer=mx.init.Xavier())
model.save_checkpoint(sys.argv[1], 10)
again = mx.mod.Module.load(sys.argv[1], 10)
ordered = mx.io.NDArrayIter(x, y, 32)
again.bind(ordered.provide_data, for_training=False)
found = again.predict(ordered)
assert found.tolist() == model.predict(ordered).tolist()
assert dict(model.score(ordered, "acc"))["accuracy"] > 0.9
"""
WITH_NUMPY = """
import numpy
assert isinstance(found.asnumpy(), numpy.ndarray) and (mx.nd.array(numpy.eye(3)).asnumpy() == numpy.eye(3)).all()
import heddle.test_utils
"""


def pip(*arguments):
    done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800,
                          env={"CXX": "c++",  # as CMake calls it by itself: ccache tells compilers apart by their names
                               "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count()), **os.environ})
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of a new environment that holds the package and nothing else."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin/python"
    pip("wheel", "--no-build-isolation", "--no-deps", f"--config-settings=build-dir={ROOT / 'build/wheel'}",
        "--wheel-dir", home, ROOT)
    pip("--python", python, "install", "--no-deps", "--no-index", *home.glob("heddle-*.whl"))
    return python


def run(python, program, folder, **extra):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run([python, "-c", textwrap.dedent(program), str(folder / "net")], cwd=folder, text=True,
                          env={**clean, **extra}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout


def test_without_numpy(installed, tmp_path):
    run(installed, TRAIN + "try:\n    import numpy\nexcept ImportError:\n    pass\nelse:\n    raise SystemExit('numpy')",
        tmp_path)


def test_with_numpy(installed, tmp_path):
    numpy = pathlib.Path(pytest.importorskip("numpy").__file__).parents[1]
    (tmp_path / "numpy").symlink_to(numpy / "numpy")
    if (numpy / "numpy.libs").exists():
        (tmp_path / "numpy.libs").symlink_to(numpy / "numpy.libs")
    run(installed, TRAIN + WITH_NUMPY, tmp_path, PYTHONPATH=str(tmp_path))


def test_what_is_installed(installed):
    package = next(installed.parents[1].glob("lib/python*/site-packages/heddle"))
    sources = {p.relative_to(ROOT / "python/heddle") for p in (ROOT / "python/heddle").rglob("*.py")}
    assert {p.relative_to(package) for p in package.rglob("*.py")} == sources
    others = {p.name.split(".")[0] for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc", ".pyi", ".typed")}
    assert others <= {"_core", "libheddle", "libheddle_cuda"} and {"_core", "libheddle"} <= others
    beside = {p.name for p in package.parent.iterdir() if p.name != "__pycache__"}
    assert all(name.startswith("heddle") for name in beside), beside
    assert not (installed.parents[1] / "include/heddle").exists()


def test_the_types_are_installed(installed, tmp_path):
    run(installed, """
        import pathlib, heddle
        home = pathlib.Path(heddle.__file__).parent
        assert (home / "py.typed").exists() and (home / "_core.pyi").exists()
        for namespace in ("ndarray", "symbol"):
            for module in ("op", "_internal", "contrib", "image", "linalg", "random", "_methods"):
                assert (home / namespace / f"{module}.pyi").stat().st_size
    """, tmp_path)
