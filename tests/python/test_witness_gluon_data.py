"""The real MXNet gives the same: orders, parts and batches of datasets, and what lies in the files of the known ones."""
import json

import heddle as mx
from test_witness import ask
from witness import gluon_data


def test_datasets_samplers_and_loaders(tmp_path):
    gluon_data.write_files(tmp_path)
    ask("gluon_data.py", tmp_path / "theirs.json", tmp_path)
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    ours = json.loads(json.dumps(gluon_data.answers(mx, tmp_path)))
    assert set(ours) == set(theirs) and len(ours) > 100
    assert {name: (found, theirs[name]) for name, found in ours.items() if found != theirs[name]} == {}
