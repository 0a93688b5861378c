"""Iterators over arrays give the batches, pads, orders and names that the real MXNet's give."""
import json

import pytest

import heddle as mx
from test_witness import ask
from witness import array_iterators


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    seen = tmp_path_factory.mktemp("array_iterators") / "seen.json"
    ask("array_iterators.py", str(seen))
    return json.loads(seen.read_text())


@pytest.fixture(scope="module")
def ours():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("heddle._shuffle._seeded", None)
        return array_iterators.answers(mx)


@pytest.mark.parametrize("name", [*array_iterators.CASES, "by hand"])
def test_batches(name, ours, theirs):
    assert ours[name] == theirs[name]


@pytest.mark.parametrize("kind", ["sources", "wrapped"])
def test_names_and_batches(kind, ours, theirs):
    assert ours[kind].keys() == theirs[kind].keys()
    for name, found in ours[kind].items():
        assert found == theirs[kind][name], name
