"""Symbols as the real MXNet writes and reads them: the same bytes, for every row of the operator tests."""
import json

import pytest

import heddle as mx
from ops.cases import CASES
from test_witness import ask
from witness.symbols import to_json

# Operators whose files differ, and why.
DIFFERENT = {
    "Pooling": "MXNet counts the workspace of its oneDNN kernel as an output",
    "Pooling_v1": "MXNet counts the workspace of its oneDNN kernel as an output",
    "LeakyReLU-rrelu": "MXNet shows the mask, which its own documentation hides",
    "BatchNorm_v1": "MXNet takes its states by name only",
    "UpSampling": "MXNet marks a second image as a bilinear weight, and takes any num_args for that of its weight",
    "_CrossDeviceCopy": "MXNet's stands in graphs only",
    "_contrib_BatchNormWithReLU": "MXNet counts scratch memory as outputs",
    "BilinearSampler": "MXNet counts scratch memory as outputs",
    "GridGenerator": "MXNet counts scratch memory as outputs",
    "SpatialTransformer": "MXNet counts scratch memory as outputs",
    "Correlation": "MXNet counts scratch memory as outputs",
    "_contrib_DeformablePSROIPooling": "MXNet counts scratch memory as outputs",
    "_linalg_det": "MXNet counts the factors as outputs",
    "_linalg_slogdet": "MXNet counts the factors as outputs",
    "RNN": "what backward reads is an output, which MXNet keeps elsewhere",
}
# Not asked: MXNet's process ends over an operator that nobody registered there, or that has no outputs.
OURS_ALONE = {"Custom", "reset_arrays"}


def different(row):
    return row.op in DIFFERENT or row.id in DIFFERENT


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ours and theirs, by row."""
    folder = tmp_path_factory.mktemp("symbols")
    ours = {}
    for row in CASES:
        if row.op in OURS_ALONE:
            continue
        try:
            ours[row.id] = to_json(mx, row)
        except (mx.base.MXNetError, TypeError):  # what only arrays can do
            continue
    ours = {name: text for name, text in ours.items() if text}
    (folder / "ours.json").write_text(json.dumps(ours))
    ask("symbols.py", str(folder / "ours.json"), str(folder / "theirs.json"))
    return ours, json.loads((folder / "theirs.json").read_text())


def test_files_are_the_same_bytes(files):
    ours, theirs = files
    compared = [row for row in CASES if row.id in ours and theirs[row.id].get("json") and not different(row)]
    wrong = [row.id for row in compared if ours[row.id] != theirs[row.id]["json"]]
    assert not wrong and len(compared) > 300


def test_mxnet_reads_ours(files):
    ours, theirs = files
    read = [row for row in CASES if theirs.get(row.id, {}).get("read") and not different(row)]
    wrong = [row.id for row in read if theirs[row.id]["read"] != ours[row.id]]
    assert not wrong and len(read) > 300


def test_ours_reads_mxnets(files):
    _, theirs = files
    texts = {name: answer["json"] for name, answer in theirs.items() if answer.get("json")}
    rows = [row for row in CASES if row.id in texts and not different(row)]
    wrong = [row.id for row in rows if mx.sym.load_json(texts[row.id]).tojson() != texts[row.id]]
    assert not wrong and len(rows) > 300
