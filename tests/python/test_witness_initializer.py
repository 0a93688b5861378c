"""First values of parameters: those of the real MXNet, or of the same distribution."""
import json
import math

import pytest

import heddle as mx
from test_witness import ask
from witness.initializers import EXACT, NAMES, RANDOM, values


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("initializers") / "values.json"
    ask("initializers.py", str(path))
    return json.loads(path.read_text()), json.loads(json.dumps(values(mx)))


@pytest.mark.parametrize("name", [name for name, _, _ in EXACT])
def test_exact_values(name, found):
    theirs, ours = found
    assert ours["exact"][name] == theirs["exact"][name]


@pytest.mark.parametrize("how", ["names", "legacy"])
def test_rules_of_names(how, found):
    theirs, ours = found
    assert len(theirs[how]) == len(NAMES) and ours[how] == theirs[how]


@pytest.mark.parametrize("name, shape", [(name, shape) for name, _, shape in RANDOM])
def test_moments(name, shape, found):
    """Mean, deviation, third absolute moment, and the largest value of uniform ones."""
    (mean, *theirs), (our_mean, *ours) = (side["random"][name] for side in found)
    spread = theirs[0] / math.sqrt(math.prod(shape))
    assert abs(our_mean - mean) < 8 * spread
    uniform = theirs[2] < 1.8 * theirs[0]
    for a, b in zip(theirs[:3 if uniform else 2], ours):
        assert b == pytest.approx(a, rel=0.02), (theirs, ours)


@pytest.mark.parametrize("what", ["attribute", "by class", "dumps", "load", "mixed", "vector"])
def test_the_rest(what, found):
    theirs, ours = found
    assert ours[what] == theirs[what]
