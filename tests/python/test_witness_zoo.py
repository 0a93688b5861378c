"""The networks of gluon.model_zoo are the real MXNet's: names, shapes, outputs, and files in both directions."""
import json

import numpy as np

import heddle as mx
from test_witness import ask
from witness import zoo


def test_networks(tmp_path):
    with mx.name.NameManager():  # MXNet's process has counted no names yet either
        compare(tmp_path)


def compare(tmp_path):
    own = zoo.saved(mx, tmp_path / "ours.params")
    ask("zoo.py", tmp_path)
    facts, outputs = zoo.answers(mx, tmp_path)
    theirs = np.load(tmp_path / "outputs.npz")
    assert json.loads(json.dumps(facts)) == json.loads((tmp_path / "facts.json").read_text())
    assert len(facts) == 43 and set(theirs.files) == {*outputs, "saved", "loaded"}
    for name, found in outputs.items():
        wanted = theirs[name]
        assert found.shape == wanted.shape and np.abs(found - wanted).max() <= 2e-5 * np.abs(wanted).max(), name
    assert np.allclose(theirs["loaded"], own, rtol=1e-5, atol=1e-5)
    assert np.allclose(zoo.loaded(mx, tmp_path / "theirs.params"), theirs["saved"], rtol=1e-5, atol=1e-5)
