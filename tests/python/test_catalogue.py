"""The catalogue: what the build writes down about every operator, and what is made from it."""
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import _core
from ops import custom  # noqa: F401
from ops.cases import CASES

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = pathlib.Path(_core.__file__).parents[2] / "catalogue.json"
RECORDS = {record["name"]: record for record in _core.ops()}
FLOATING = ("float32", "float64", "float16", "bfloat16")
DTYPES = {"any": (*FLOATING, "uint8", "int8", "int32", "int64", "bool"),
          "numbers": (*FLOATING, "uint8", "int8", "int32", "int64"), "floating": FLOATING}


@pytest.fixture(scope="module")
def catalogue():
    if not FILE.exists():
        pytest.skip("catalogue.json is written by a build, and this heddle was imported from somewhere else")
    return json.loads(FILE.read_text())


def test_the_catalogue_is_what_the_library_says(catalogue):
    written = {op["name"]: op for op in catalogue["operators"]}
    assert written.keys() == RECORDS.keys()
    for name, op in written.items():
        record = {**RECORDS[name], "kernels": op["kernels"], "gradient_kernels": op["gradient_kernels"]}
        assert op == record, name  # kernels may have come since, with a GPU


def test_the_page_of_operators_is_not_stale(catalogue):
    libraries = {k["library"] for op in catalogue["operators"] for k in op["kernels"]}
    if "onednn" not in libraries:
        pytest.skip("this build has no oneDNN, whose kernels docs/operators.md lists")
    done = subprocess.run([sys.executable, ROOT / "tools/make_operators.py", FILE, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_mxnets_names_stand_once():
    names = [line for line in (ROOT / "tests/ops/names_1_9.txt").read_text().splitlines()
             if line and not line.startswith("#")]
    assert len(names) == len(set(names)) == 627


def test_parameters_have_mxnets_order():
    """nd.sgd_mom_update(w, g, m, 0.1, 0.9) has a rate of 0.1 in both."""
    records = {name: record for record in RECORDS.values() for name in (record["name"], *record["aliases"])}
    checked = 0
    for line in (ROOT / "tests/ops/parameters_1_9.txt").read_text().splitlines():
        name, _, wanted = line.partition(": ")
        if line.startswith("#") or name not in records:
            continue
        have = [p["name"] for p in records[name]["params"]]
        wanted = wanted.split()
        assert [p for p in have if p in wanted] == [p for p in wanted if p in have], name
        checked += 1
    assert checked > 150


def test_every_record_has_a_file():
    stems = {p.name.removesuffix(".cc").replace(".", "_") for p in (ROOT / "src/operator").rglob("*.cc")}
    for record in RECORDS.values():
        assert record["file"] in stems, record["name"]
        for kernel in record["kernels"] + record["gradient_kernels"]:
            assert kernel["library"] == "cuda" or kernel["file"] in stems, record["name"]


def test_every_operator_runs_somehow():
    for record in RECORDS.values():
        assert bool(record["kernels"]) != record["composed"], record["name"]
        assert record["differentiable"] == (record["gradient"] != "none"), record["name"]


def supported(row, dtype):
    """Whether an eager call of the row, with its floating inputs in this dtype, gives values."""
    record = RECORDS[row.op]
    inputs = [mx.nd.array(a, dtype=a.dtype).astype(dtype) if a.dtype.kind == "f" else mx.nd.array(a, dtype=a.dtype)
              for a in row.arrays()]
    params = dict(row.params)
    if record["variadic"]:
        params.setdefault(record["variadic"], len(inputs))
    try:
        out = _core.invoke(row.op, inputs, params)
        for o in out if isinstance(out, (list, tuple)) else [out]:
            o.wait_to_read()
    except mx.MXNetError:
        return False
    return True


# Inputs of several types, or of one that a parameter names: no single dtype fits all.
MIXED = {"BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU",
         "mp_sgd_update", "mp_sgd_mom_update", "mp_nag_mom_update", "_contrib_quantize", "_contrib_dequantize", "_contrib_requantize",
         "_contrib_quantize_v2", "_contrib_calibrate_entropy", "multi_mp_sgd_update", "multi_mp_sgd_mom_update",
         "preloaded_multi_mp_sgd_update", "preloaded_multi_mp_sgd_mom_update", "_mp_adamw_update", "_multi_mp_adamw_update",
         "mp_lamb_update_phase1", "mp_lamb_update_phase2", "_multi_mp_lamb_update", "_contrib_quantize_asym", "_imdecode",
         *(name for name in RECORDS if name.startswith("_contrib_quantized_"))}


def first_rows():
    found = {}
    for row in CASES:
        arrays = row.arrays() if row.op in RECORDS and row.op not in MIXED else []
        if any(np.asarray(a).dtype.kind == "f" for a in arrays):
            found.setdefault(row.op, row)
    return found.values()


@pytest.mark.parametrize("row", first_rows(), ids=lambda row: row.op)
def test_records_tell_the_dtypes(row):
    wanted = DTYPES[RECORDS[row.op]["dtypes"]]
    assert tuple(d for d in DTYPES["any"] if supported(row, d)) == wanted


def test_inputs_that_a_parameter_calls_for_are_optional():
    found = {(name, i["name"]): i["when"] for name, record in RECORDS.items() for i in record["inputs"] if i["optional"]}
    assert found[("Convolution", "bias")] == {"param": "no_bias", "value": "False"}
    assert found[("LeakyReLU", "gamma")] == {"param": "act_type", "value": "prelu"}
    assert ("BatchNorm", "gamma") not in found
    with pytest.raises(mx.MXNetError, match="found 1 inputs, expected 2"):
        mx.nd.Convolution(mx.nd.ones((1, 1, 3, 3)), num_filter=1, kernel=(1, 1), no_bias=True)


def test_composed_operators_are_saved_as_they_are_and_differentiated():
    x = mx.sym.Variable("x")
    y = mx.sym._internal._grad_add(x, mx.sym.amp_cast(x, dtype="float32"), name="both")
    assert [n["op"] for n in json.loads(y.tojson())["nodes"]] == ["null", "amp_cast", "_grad_add"]
    assert y.get_internals().list_outputs()[-1] == "both_output"
    bound = y.simple_bind(mx.cpu(), x=(2,))
    bound.arg_dict["x"][:] = 3
    bound.forward(is_train=True)
    bound.backward([mx.nd.ones((2,))])
    assert bound.outputs[0].tolist() == [6, 6] and bound.grad_dict["x"].tolist() == [2, 2]
    a = mx.nd.array([1, 2])
    a.attach_grad()
    with mx.autograd.record():
        b = mx.nd._internal._grad_add(a, a * a)
        first, = mx.autograd.grad([b], [a], create_graph=True)
        second = first * first
    second.backward()
    assert first.tolist() == [3, 5] and a.grad.tolist() == [12, 20]
