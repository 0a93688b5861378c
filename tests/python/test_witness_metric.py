"""Metrics after the same updates: the same as the real MXNet's."""
import json
import math

import pytest

import heddle as mx
from test_witness import ask
from witness.metrics import CASES, values

NAMES = [name for name, _, _ in CASES]
# What MXNet gets wrong: its global value stays 0, and reset_local forgets nothing.
WRONG_THERE = {"pearson-micro": ("global", "get", "pairs")}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("metrics") / "values.json"
    ask("metrics.py", str(path))
    return json.loads(path.read_text()), json.loads(json.dumps(values(mx)))


def differences(theirs, ours, path=""):
    """Where two nested lists and dicts differ; numbers may in the sixth digit."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted(set(theirs) | set(ours))
        return [d for k in keys for d in differences(theirs.get(k), ours.get(k), f"{path}/{k}")]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [d for i, pair in enumerate(zip(theirs, ours)) for d in differences(*pair, f"{path}/{i}")]
    if isinstance(theirs, float) and isinstance(ours, (int, float)):
        return [] if math.isclose(theirs, ours, rel_tol=2e-6, abs_tol=1e-7) else [f"{path}: {ours}, in MXNet {theirs}"]
    return [] if theirs == ours else [f"{path}: {ours}, in MXNet {theirs}"]


@pytest.mark.parametrize("name", NAMES)
def test_values(name, found):
    """When it is new, after updates, after reset_local and more of them, and after reset."""
    theirs, ours = (side[name] for side in found)
    steps = {"new", "three", "local", "five", "reset"}
    known = {f"/{step}/{what}" for step in steps for what in WRONG_THERE.get(name, ())}
    found = differences({s: theirs[s] for s in steps}, {s: ours[s] for s in steps})
    assert not [d for d in found if not d.startswith(tuple(known) or "nothing")]


@pytest.mark.parametrize("name", NAMES)
def test_config(name, found):
    """Ours has more than MXNet's, which forgets axis and average: create() makes the same metric of it."""
    theirs, ours = (side[name]["config"] for side in found)
    assert theirs == ours == "none" or {k: ours[k] for k in theirs} == theirs


def test_outputs_and_labels_by_name(found):
    theirs, ours = found
    assert not differences(theirs["by name"], ours["by name"])
