"""Gradients of eager programs are those of the real MXNet, question by question."""
import json

import pytest

import heddle as mx
from test_witness import ask, unlike
from witness.autograd import QUESTIONS, answers

# Questions that only heddle answers, and why.
ONLY_HERE = {
    "MXNet gives no gradient of what is no leaf": {"grad_of_what_was_made_on_the_way"},
    "MXNet cannot differentiate some of these again": {"third_derivatives", "gradients_of_a_penalty", "gradients_of_gradients_in_blocks"},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("autograd") / "answers.json"
    ask("autograd.py", str(path))
    return json.loads(path.read_text()), json.loads(json.dumps(answers(mx)))


@pytest.mark.parametrize("name", QUESTIONS)
def test_same_answers(name, found):
    theirs, ours = (side[name] for side in found)
    if name in set().union(*ONLY_HERE.values()):
        assert theirs == {"raised": True} and ours != theirs
    else:
        assert not list(unlike(theirs, ours, 1e-5))
