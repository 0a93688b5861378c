"""What Monitor collects and callbacks log is what the real MXNet's do."""
import json
import re

import pytest

import heddle as mx
from test_witness import ask
from witness.monitors import CALLBACKS, seen


ONLY_THERE = {"_head_grad_0_id_output"}  # a node for the head gradient, which is none here
RENAMED = {"act_input0": "act_data"}  # inputs that MXNet has no name for


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("monitor") / "seen.json"
    ask("monitors.py", str(path))
    return json.loads(path.read_text()), json.loads(json.dumps(seen(mx)))


def numbers(text):
    return [float(n) for n in re.findall(r"[-+.\de]+", text)]


@pytest.mark.parametrize("name", ["plain", "sorted", "several", "everything", "everything predicted"])
def test_monitor(name, found):
    theirs, ours = (side[name] for side in found)
    theirs = [[[row[0], RENAMED.get(row[1], row[1]), *row[2:]] for row in batch if row[1] not in ONLY_THERE] for batch in theirs]
    assert [[row[:2] for row in batch] for batch in theirs] == [[row[:2] for row in batch] for batch in ours]
    for there, here in zip(sum(theirs, []), sum(ours, [])):
        assert numbers(here[2]) == pytest.approx(numbers(there[2]), rel=1e-5, abs=1e-6)
        assert re.sub(r"[-+.\de]+", "", here[2]) == re.sub(r"[-+.\de]+", "", there[2])


def test_outputs_of_predictions(found):
    theirs, ours = (side["outputs"] for side in found)
    assert list(ours) == list(theirs)
    for op, rows in theirs.items():
        assert [name for name, _ in ours[op]] == [name for name, _ in rows]
        assert [v for _, v in ours[op]] == pytest.approx([v for _, v in rows], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["printed", *CALLBACKS])
def test_lines_of_callbacks(name, found):
    theirs, ours = (side[name] for side in found)
    assert ours == theirs and theirs
