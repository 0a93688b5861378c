"""Optimizers and schedules go where the real MXNet's go: weights and states after twenty steps, rates of a thousand."""
import numpy as np
import pytest

import heddle as mx
from test_witness import ask
from witness import optimizers

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    seen = tmp_path_factory.mktemp("optimizers") / "seen.npz"
    ask("optimizers.py", str(seen))
    with np.load(seen) as found:
        return dict(found)


# MXNet squares half weights in half precision for LARS's norms.
ROUNDED = [case for case, (name, _, dtype) in optimizers.CASES.items() if name == "lars" and dtype == "float16"]


@pytest.mark.parametrize("case", optimizers.CASES)
def test_after_twenty_steps(case, theirs):
    name, options, dtype = optimizers.CASES[case]
    ours = optimizers.updated(mx, name, options, dtype, case.endswith("together"))
    expected = [theirs[f"{case}/{i}"] for i in range(sum(key.startswith(f"{case}/") for key in theirs))]
    assert expected and [a.shape for a in ours] == [a.shape for a in expected]
    for a, b in zip(ours, expected):
        assert a.dtype == b.dtype
        # FTML divides by small numbers. Alone, half numbers are rounded after each operation there, once here.
        near = 2e-6 if name == "ftml" else 1e-6
        if a.dtype == np.float16:
            near = 1e-2 if case.endswith("alone") else 1e-3
        elif case in ROUNDED:
            near = 1e-4
        np.testing.assert_allclose(a, b, rtol=near, atol=near * np.abs(b).max())


def test_langevin_dynamics(theirs):
    mx.random.seed(7)
    mean, deviation, neighbours = optimizers.moments(mx) - theirs["sgld"]
    assert abs(mean) < 6e-3 and abs(deviation) < 5e-3 and abs(neighbours) < 0.02


@pytest.mark.parametrize("k", range(len(optimizers.ADAMW)))
def test_adamw(k, theirs):
    for i, array in enumerate(optimizers.adamw(mx, optimizers.ADAMW[k])):
        np.testing.assert_allclose(array, theirs[f"adamw {k}/{i}"], rtol=1e-6, atol=1e-7)


def test_rates(theirs):
    for name, found in optimizers.rates(mx).items():
        np.testing.assert_allclose(found, theirs[f"rates {name}"], rtol=1e-12, err_msg=name)
