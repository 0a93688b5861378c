"""Modules, FeedForward and stores train as the real MXNet's: same parameters and data, same weights after some steps."""
import warnings

import numpy as np
import pytest

import heddle as mx
from test_witness import ask
from witness import training


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    path = tmp_path_factory.mktemp("training") / "answers.npz"
    ask("training.py", str(path))
    with np.load(path) as found:
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
