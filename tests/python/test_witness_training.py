"""Modules, FeedForward and stores train as the real MXNet's: same parameters and data, same weights after some steps."""
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import pytest

import heddle as mx
from test_witness import ask
from witness import training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("training")
    ask("training.py", str(path / "answers.npz"), str(path / "net"))
    return path


@pytest.fixture(scope="module")
def theirs(folder):
    with np.load(folder / "answers.npz") as found:
        return dict(found)


@pytest.mark.parametrize("case", training.CASES, ids=lambda c: c.__name__)
def test_trains_alike(case, theirs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = case(mx)
    wanted = {name.partition("/")[2]: value for name, value in theirs.items() if name.startswith(case.__name__ + "/")}
    assert set(found) == set(wanted)
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_goes_on_from_a_checkpoint_of_mxnet(folder, theirs):
    """Parameters and momentum; the answer is what MXNet reaches from the same checkpoint. Its pickle names mxnet."""
    program = ("import sys; sys.path.insert(0, sys.argv[1]); import heddle as mx; mx.install_as('mxnet'); import numpy as np; "
               "from witness import training; np.savez(sys.argv[3], **training.resumed_from(mx, sys.argv[2]))")
    subprocess.run([sys.executable, "-c", program, str(pathlib.Path(training.__file__).parents[1]), str(folder / "net"),
                    str(folder / "ours.npz")], check=True, timeout=120)
    with np.load(folder / "ours.npz") as found:
        assert set(found) == {"fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"}
        for name in found:
            np.testing.assert_allclose(found[name], theirs[f"resumed/1/{name}"], rtol=1e-4, atol=1e-6, err_msg=name)
