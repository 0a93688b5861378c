"""The real MXNet says the same: rows of the operator tests, and checkpoints in both directions."""
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

import heddle as mx
from ops.apply import eager, heads_for
from test_ops import ROWS, call_of, differentiated, mutated, record_of
from witness import networks

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("HEDDLE_PEERS") or ROOT / ".cache/peers")  # where tools/peers.sh puts them


def draws(row):
    """Whether this call takes random numbers, in which the two do not agree."""
    return record_of(row)["random"] and call_of(row, row.arrays())["draws"][row.training]


PYTHON = pathlib.Path(os.environ.get("HEDDLE_MXNET_PYTHON") or PEERS / "mxnet/bin/python")
ASKED = [row for row in ROWS if not row.moments and not draws(row)
         and not str(row.witness).startswith(("not asked", "absent"))]


def unlike(left, right, tolerance, path=""):
    """Where two trees of JSON differ, numbers by more than `tolerance` of 1 and their size: (path, left, right)."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in {**left, **right}:
            yield from unlike(left.get(key), right.get(key), tolerance, f"{path}/{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for i, pair in enumerate(zip(left, right)):
            yield from unlike(*pair, tolerance, f"{path}[{i}]")
    elif isinstance(left, float) and isinstance(right, (int, float)):
        if abs(left - right) > tolerance * (1 + abs(left)):
            yield path, left, right
    elif left != right:
        yield path, left, right


def ask(program, *arguments):
    """Runs a program of tests/witness in MXNet's environment."""
    if not PYTHON.exists():
        message = f"the real MXNet is not at {PYTHON}: tools/peers.sh mxnet installs it, HEDDLE_MXNET_PYTHON names another"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    clean["MXNET_SUBGRAPH_BACKEND"] = "NONE"  # its fusion of BatchNorm into convolutions answers differently
    done = subprocess.run([PYTHON, ROOT / "tests/witness" / program, *arguments], env=clean, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]


# --- operators ------------------------------------------------------------------------------------
def request(row, arrays):
    """What MXNet needs to know of a row, its head gradients, and what heddle found."""
    wrt, changed, record = differentiated(row, arrays), mutated(row, arrays), record_of(row)
    heads = None
    if wrt and not record["loss"]:
        plain = eager(mx, row, arrays)
        heads = heads_for(row, [plain[f"out{i}"] for i in range(len(plain))])
    found = eager(mx, row, arrays, wrt=wrt, heads=heads, mutates=changed)
    asked = {"id": row.id, "names": [row.op, record["name"], *record["aliases"]], "wrt": wrt,
             "heads": len(heads or ()), "mutates": changed, "zero": record["zero_gradient"]}
    return asked, heads or (), found


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """(status, MXNet's arrays, heddle's arrays) of every row, by row."""
    folder = tmp_path_factory.mktemp("witness")
    requests, arrays, ours = [], {}, {}
    for row in ASKED:
        inputs = row.arrays()
        try:
            asked, heads, ours[row.id] = request(row, inputs)
        except Exception as error:  # of this row only; its test says so
            ours[row.id] = error
            continue
        requests.append(asked)
        arrays.update({f"{row.id}/in{i}": a for i, a in enumerate(inputs)})
        arrays.update({f"{row.id}/head{i}": h for i, h in enumerate(heads)})
    (folder / "request.json").write_text(json.dumps(requests))
    np.savez(folder / "arrays.npz", **arrays)
    names = ("request.json", "arrays.npz", "answers.npz", "status.json")
    ask("rows.py", *(str(folder / n) for n in names))
    theirs = {}
    with np.load(folder / "answers.npz") as found:
        for key in found.files:
            row, name = key.rsplit("/", 1)
            theirs.setdefault(row, {})[name] = found[key]
    return json.loads((folder / "status.json").read_text()), theirs, ours


def differences(row, ours, theirs):
    for name, value in theirs.items():
        mine = ours.get(name)
        if mine is None:
            yield f"{name} is missing"
        elif mine.shape != value.shape:
            yield f"{name} has shape {mine.shape}, in MXNet {value.shape}"
        elif mine.dtype != value.dtype:
            yield f"{name} is {mine.dtype}, in MXNet {value.dtype}"
        else:
            rtol = max(row.rtol or 0, 1e-5) if value.dtype.kind == "f" else 0
            gap = np.abs(mine.astype("float64") - value)
            far = gap > rtol + rtol * np.abs(value)
            if np.any(far & ~(np.isnan(mine) & np.isnan(value))) or np.any(np.isnan(mine) != np.isnan(value)):
                yield f"{name} differs by {np.nanmax(gap):.3g}"


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.id)
def test_operator(row, answers):
    status, theirs, ours = answers
    if isinstance(ours[row.id], Exception):
        raise ours[row.id]
    assert status[row.id] != "absent", "MXNet 1.9.1 has no such operator: the row should say so"
    found = [] if status[row.id] == "ok" else [status[row.id]]
    found += differences(row, ours[row.id], theirs.get(row.id, {}))
    if isinstance(row.witness, str):  # a deliberate difference
        assert found, f"no difference is left, but the row names one: {row.witness}"
    else:
        assert not found, "; ".join(found)


def test_most_rows_were_answered(answers):
    status = answers[0]
    assert sum(s == "ok" for s in status.values()) >= 0.9 * len(status)


# --- checkpoints ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def travels(tmp_path_factory):
    """The folder in which both have written checkpoints and read the other's."""
    folder = tmp_path_factory.mktemp("checkpoints")
    rng = np.random.default_rng(1)
    data = {}
    for name in networks.NETWORKS:
        data |= networks.start(mx, name, rng)
    np.savez(folder / "data.npz", **data)
    wrote = {name: networks.write(mx, str(folder / f"heddle-{name}"), name, data) for name in networks.NETWORKS}
    ask("checkpoints.py", "write", str(folder))
    ask("checkpoints.py", "read", str(folder))
    return folder, data, wrote


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_mxnet_reads_our_checkpoint(name, travels):
    folder, _, wrote = travels
    with np.load(folder / "read.npz") as found:
        np.testing.assert_allclose(found[name], wrote[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_we_read_their_checkpoint(name, travels):
    folder, data, _ = travels
    with np.load(folder / "write.npz") as found:
        ours = networks.read(mx, str(folder / f"mxnet-{name}"), data[name])
        np.testing.assert_allclose(ours, found[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_symbols_are_written_alike(name, travels):
    """Not only readable: the same nodes, names, inputs and attributes."""
    folder, _, _ = travels
    graphs = [json.loads((folder / f"{who}-{name}-symbol.json").read_text()) for who in ("heddle", "mxnet")]
    ours, theirs = ([(n["op"], n["name"], n["inputs"], n.get("attrs")) for n in g["nodes"]] for g in graphs)
    assert ours == theirs
    assert graphs[0]["heads"] == graphs[1]["heads"] and graphs[0]["arg_nodes"] == graphs[1]["arg_nodes"]


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_both_train_alike(name, travels):
    """One step from the same parameters leads to the same parameters and moving averages."""
    folder, _, _ = travels
    ours = mx.nd.load(str(folder / f"heddle-{name}-0000.params"))
    theirs = mx.nd.load(str(folder / f"mxnet-{name}-0000.params"))
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key].asnumpy(), value.asnumpy(), rtol=1e-4, atol=1e-5, err_msg=key)
