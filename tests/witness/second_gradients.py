"""Which rows' gradients can be differentiated, in whichever library runs this.

    PYTHON tests/witness/second_gradients.py ANSWERS.json LIBRARY ID...

ANSWERS holds "" by the id of a row, or the error. In MXNet that is all one can ask: what it gives is not always right.
"""
import json
import os
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from ops.apply import as_list, operator  # noqa: E402
from ops.cases import CASES  # noqa: E402


def floating(array):
    """The inputs that may have gradients: floating ones that are no indices."""
    return array.dtype.kind == "f" and bool((array != array.round()).any())


def asked(row):
    """Whether the row has something to differentiate, in both libraries."""
    elsewhere = isinstance(row.witness, str) and row.witness.startswith(("not asked", "absent"))
    return row.grad is not False and not row.moments and not elsewhere and any(map(floating, row.arrays()))


def error_of(mx, row):
    """"" where the gradient of the row's first output has a gradient; else what the library says."""
    try:
        inputs = [mx.nd.array(a, dtype=a.dtype) for a in row.arrays()]
        wrt = row.grad if isinstance(row.grad, tuple) else [i for i, a in enumerate(row.arrays()) if floating(a)]
        for i in wrt:
            inputs[i].attach_grad()
        with mx.autograd.record(train_mode=True):
            y = as_list(operator(mx.nd, row.op)(*inputs, **row.params))[0]
            slopes = mx.autograd.grad([y], [inputs[i] for i in wrt], create_graph=True, retain_graph=True)
        mx.autograd.backward(slopes)
        for i in wrt:
            inputs[i].grad.asnumpy()
        return ""
    except Exception as error:  # whatever the library throws is its answer
        return f"{type(error).__name__}: {error}"


def apart(mx, row):
    """error_of() in a process of its own, for some of MXNet's kernels end it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"=" + error_of(mx, row).encode()[:4000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return said[1:] if said else "the process ended"


def main(answers, library, *ids):
    mx = __import__(library)
    rows = {row.id: row for row in CASES}
    pathlib.Path(answers).write_text(json.dumps({i: apart(mx, rows[i]) for i in ids}))


if __name__ == "__main__":
    main(*sys.argv[1:])
