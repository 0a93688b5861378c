"""Seeded draws of every operator, which heddle and the real MXNet must answer alike, eager and bound: tests/draws.

`./dev draws` makes thousands. A failing draw prints a script: `python FILE heddle` beside MXNet's `python FILE mxnet`.
"""
import collections
import functools
import os

import pytest

from draws.differences import DIFFERENCES
from draws.generator import draw
from draws.run import script
from draws.session import EXAMPLES, OPERATORS, Session
from draws.witness import PYTHON

DRAWS = 20


@functools.cache
def session():
    if not PYTHON.exists():
        message = f"the real MXNet is not at {PYTHON}: tools/peers.sh mxnet installs it, HEDDLE_MXNET_PYTHON names another"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return Session()


@pytest.fixture(scope="module", autouse=True)
def closed_at_the_end():
    yield
    if session.cache_info().currsize:
        session().close()
        session.cache_clear()


@functools.cache
def verdicts(op):
    seeds = dict.fromkeys([*range(DRAWS), *EXAMPLES.get(op, ())])
    return session().verdicts(op, seeds)


@pytest.mark.parametrize("op", OPERATORS)
def test_both_answer_alike(op):
    wrong = [f"{d.id}\n" + "\n".join(found) + f"\n\n{script(d)}\n" for d, verdict, found, _ in verdicts(op) if verdict == "differs"]
    assert not wrong, f"{len(wrong)} draws differ; the first:\n\n{wrong[0]}"


def test_every_difference_is_needed():
    used = {id(entry) for op in OPERATORS for *_, entries in verdicts(op) for entry in entries}
    unused = [f"{' '.join(e.ops)}: {e.reason}" for e in DIFFERENCES if e.always and id(e) not in used]
    assert not unused, "no draw needs these entries of draws/differences.py any more (`./dev draws --examples` looks for some):\n" \
        + "\n".join(unused)
    served = {op for op in OPERATORS for *_, entries in verdicts(op) for e in entries if op in e.ops}
    unserved = {op for e in DIFFERENCES for op in e.ops} - set(OPERATORS)
    assert served and not unserved, f"entries name operators that are not drawn: {sorted(unserved)}"


def test_most_draws_have_an_answer():
    kinds = collections.Counter(kind for op in OPERATORS for _, kind, *_ in verdicts(op))
    assert kinds["agreed"] > kinds.total() / 2 and kinds["no answer"] < kinds.total() / 100, kinds


def test_a_draw_follows_from_operator_and_seed():
    for op in ("Convolution", "take", "broadcast_add", "sum"):
        assert draw(OPERATORS[op], 7) == draw(OPERATORS[op], 7)
        assert len({repr(draw(OPERATORS[op], seed).inputs) for seed in range(9)}) > 1


def test_a_difference_is_found():
    """The judge tells values, shapes, dtypes and errors apart."""
    import numpy as np

    from draws.judge import findings
    d = draw(OPERATORS["relu"], 0)
    one = {"eager": {"out0": np.ones(3, "float32")}}
    for other in ({"out0": np.array([1, 1, 1.1], "float32")}, {"out0": np.ones((1, 3), "float32")},
                  {"out0": np.ones(3)}, {"out0": np.array([1, 1, np.nan], "float32")}, {"raises": "MXNetError: no"}):
        assert findings(d, one, {"eager": other}) and findings(d, {"eager": other}, one)
    assert not findings(d, one, one)
