"""libheddle shows names of heddle and nothing else."""
import pathlib
import re
import shutil
import subprocess

import pytest

import heddle as mx


@pytest.fixture(scope="module")
def shown():
    """The names that libheddle defines for others, without arguments."""
    if not shutil.which("nm"):
        pytest.skip("nm is not installed: Debian has it in binutils")
    maps = pathlib.Path("/proc/self/maps").read_text()
    library = re.search(r"\S+/libheddle\.so\S*", maps)[0]
    out = subprocess.run(["nm", "-DC", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return [line.split(" ", 2)[2] for line in out.splitlines()]


def test_only_names_of_heddle(shown):
    ours = re.compile(r"(vtable for |typeinfo for |typeinfo name for |construction vtable for )?(heddle::|hd_|MX)")
    assert [name for name in shown if not ours.match(name)] == []


def test_what_is_not_said_to_be_shown_is_hidden(shown):
    """Kernels, passes, the engine's insides, and what templates become for each lambda given to them."""
    hidden = ("heddle::ops::[a-z0-9_]+::", "heddle::plan_memory", "heddle::gradient", "heddle::runtime::", "heddle::Chunk",
              "heddle::FunctionRef", "heddle::Erased", "heddle::engine::(?!share|drop)")
    pattern = re.compile("|".join(hidden))
    # What the Python module sets in tests, and what the second shared object, with CUDA's kernels, hands over.
    needed = ("heddle::ops::simd::", "heddle::ops::linalg::offer(")
    assert [name for name in shown if pattern.match(name) and not name.startswith(needed)] == []


def test_the_interface_is_there(shown):
    for name in ("heddle::NDArray::", "heddle::Symbol::from_json", "heddle::Engine::get", "heddle::OpTable::get",
                 "heddle::throw_error", "typeinfo for heddle::Error", "hd_predictor_create", "MXPredCreate"):
        assert any(s.startswith(name) for s in shown), name


def test_errors_cross_the_library():
    """What libheddle throws is caught as Error in the Python module."""
    with pytest.raises(mx.MXNetError, match="num_hidden"):
        mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=0, name="fc")
