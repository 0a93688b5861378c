"""Run by the real MXNet: the same rows, the same inputs, and what MXNet makes of them.

    MXNET_PYTHON tests/witness/rows.py REQUEST.json ARRAYS.npz ANSWERS.npz STATUS.json

REQUEST lists the rows: {id, names, wrt, heads, mutates, zero}; ARRAYS holds <id>/in<i> and <id>/head<i>.
STATUS says "ok", "absent" or the error of each row; ANSWERS holds <id>/out<i>, grad<i>, mut<i>.
"""
import json
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402

from ops.apply import DEPENDS_ON_MODE, eager, operator  # noqa: E402
from ops.cases import CASES  # noqa: E402


def answer(row, request, arrays):
    names = [n for n in request["names"] if operator(mx.nd, n)]
    if not names:
        return "absent", {}
    row.op = names[0]
    inputs = [arrays[f"{row.id}/in{i}"] for i in range(len(row.inputs))]
    heads = [arrays[f"{row.id}/head{i}"] for i in range(request["heads"])] or None
    if request["wrt"] and row.op not in DEPENDS_ON_MODE:
        row.training = True  # else MXNet's oneDNN kernels keep nothing for their gradients
    mx.random.seed(11)
    try:
        if request["zero"]:  # MXNet knows no gradient of some operators whose gradient is zero
            try:
                return "ok", eager(mx, row, inputs, wrt=request["wrt"], heads=heads, mutates=request["mutates"])
            except mx.base.MXNetError as error:
                if "non-differentiable" not in str(error):
                    raise
                return "ok", eager(mx, row, inputs, mutates=request["mutates"])
        return "ok", eager(mx, row, inputs, wrt=request["wrt"], heads=heads, mutates=request["mutates"])
    except Exception as error:  # whatever MXNet throws is its answer
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}", {}


def main(request_path, arrays_path, answers_path, status_path):
    requests = json.loads(pathlib.Path(request_path).read_text())
    rows = {row.id: row for row in CASES}
    status, answers = {}, {}
    with np.load(arrays_path) as arrays:
        for request in requests:
            row = rows[request["id"]]
            status[row.id], found = answer(row, request, arrays)
            answers.update({f"{row.id}/{k}": v for k, v in found.items()})
    np.savez(answers_path, **answers)
    pathlib.Path(status_path).write_text(json.dumps(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
