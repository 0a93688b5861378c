"""gluon gives the names, outputs, gradients and files that the real MXNet gives."""
import json

import pytest

import heddle as mx
from test_witness import ask, unlike
from witness import gluon

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gluon")
    ask("gluon.py", str(folder))
    return json.loads((folder / "answers.json").read_text()), folder


@pytest.fixture(scope="module", autouse=True)
def names():
    """Counted from the first question on, as in MXNet's process."""
    with mx.name.NameManager():
        yield


@pytest.mark.parametrize("question", gluon.QUESTIONS, ids=lambda q: q.__name__)
def test_same_answers(question, theirs):
    ours = json.loads(json.dumps(question(mx)))
    assert not list(unlike(theirs[0][question.__name__], ours, TOLERANCE))[:10]


def test_files_of_mxnet_are_read(theirs):
    answers, folder = theirs
    found = gluon.read_files(mx, folder, True)
    for name in ("parameters", "exported"):
        assert not list(unlike(answers["files"], json.loads(json.dumps(found[name])), TOLERANCE))
    assert found["updates"] == 1


def test_mxnet_reads_our_files(tmp_path):
    wanted = json.loads(json.dumps(gluon.write_files(mx, tmp_path)))
    ask("gluon.py", str(tmp_path), "read")
    found = json.loads((tmp_path / "read.json").read_text())
    for name in ("parameters", "exported"):
        assert not list(unlike(wanted, found[name], TOLERANCE))
