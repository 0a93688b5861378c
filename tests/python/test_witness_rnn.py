"""mx.rnn gives the graphs, outputs, gradients, weights, batches and files that the real MXNet gives."""
import json

import pytest

import heddle as mx
from test_witness import ask
from witness import rnn


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    path = tmp_path_factory.mktemp("rnn") / "answers.json"
    ask("rnn.py", str(path))
    return json.loads(path.read_text())


def differences(left, right, path=""):
    """Where two trees of JSON differ: (path, left, right)."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in {**left, **right}:
            yield from differences(left.get(key), right.get(key), f"{path}/{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for i, pair in enumerate(zip(left, right)):
            yield from differences(*pair, f"{path}[{i}]")
    elif isinstance(left, float) and isinstance(right, (int, float)):
        if abs(left - right) > 3e-6 * (1 + abs(left)):
            yield path, left, right
    elif left != right:
        yield path, left, right


@pytest.mark.parametrize("question", rnn.QUESTIONS, ids=lambda q: q.__name__)
def test_same_answers(question, theirs, monkeypatch):
    monkeypatch.setattr("heddle._shuffle._seeded", None)  # batches of sentences follow Python's seed only until mx.random.seed was called
    ours = json.loads(json.dumps(question(mx)))
    assert not list(differences(theirs[question.__name__], ours))[:10]
