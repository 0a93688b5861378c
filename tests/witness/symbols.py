"""The JSON of every row's symbol, and what becomes of JSON that the other side wrote.

    MXNET_PYTHON tests/witness/symbols.py OURS.json THEIRS.json

OURS maps rows to heddle's JSON. THEIRS gets, by row: `json`, MXNet's own; `read`, heddle's after MXNet
has read and written it; or `error`.
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from ops.apply import operator  # noqa: E402
from ops.cases import CASES  # noqa: E402


def to_json(mx, row):
    """The row's operator on variables; None where there is no such function."""
    function = operator(mx.sym, row.op)
    inputs = [mx.sym.Variable(f"in{i}") for i in range(len(row.inputs))]
    return function and function(*inputs, **row.params, name="op").tojson()


def main(ours_path, theirs_path):
    import mxnet as mx
    ours = json.loads(pathlib.Path(ours_path).read_text())
    theirs = {}
    for row in CASES:
        if row.id not in ours:
            continue
        try:
            theirs[row.id] = {"json": to_json(mx, row), "read": mx.sym.load_json(ours[row.id]).tojson()}
        except Exception as error:  # whatever MXNet throws is its answer
            theirs[row.id] = {"error": f"{type(error).__name__}: {error}"}
    pathlib.Path(theirs_path).write_text(json.dumps(theirs))


if __name__ == "__main__":
    main(*sys.argv[1:])
