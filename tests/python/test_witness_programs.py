"""Programs of the kinds that MXNet's users wrote give the weights that the real MXNet gives."""
import warnings

import numpy as np
import pytest

import heddle as mx
from test_witness import ask
from witness import programs


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    path = tmp_path_factory.mktemp("programs") / "answers.npz"
    ask("programs.py", str(path))
    with np.load(path) as found:
        return dict(found)


@pytest.mark.parametrize("case", programs.CASES, ids=lambda c: c.__name__)
def test_programs_run_alike(case, theirs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = case(mx)
    wanted = {name.partition("/")[2]: value for name, value in theirs.items() if name.partition("/")[0] == case.__name__}
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=2e-5, err_msg=name)
