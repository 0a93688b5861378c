"""Gradients that MXNet can differentiate again, heddle can too."""
import json

import heddle as mx
from ops.cases import CASES
from test_witness import ask
from witness.second_gradients import asked, error_of


def first_rows():
    """One for each operator and each choice of its enumerated parameters."""
    found = {}
    for row in filter(asked, CASES):
        found.setdefault((row.op, *sorted(v for v in row.params.values() if isinstance(v, str))), row)
    return list(found.values())


def test_what_mxnet_differentiates_twice_heddle_does(tmp_path):
    rows = first_rows()
    ask("second_gradients.py", str(tmp_path / "theirs.json"), "mxnet", *(row.id for row in rows))
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    able = [row for row in rows if not theirs[row.id]]
    missing = {row.id: error for row in able if (error := error_of(mx, row))}
    assert not missing and len(able) > 40
