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
MIXED = {"BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU", "_fused_batch_norm",
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


def gradients(row, dtype):
    """Of the sum of the row's outputs, by input, with floating inputs that bfloat16 holds."""
    inputs = [mx.nd.array(a, dtype=a.dtype).astype("bfloat16").astype(dtype) if a.dtype.kind == "f"
              else mx.nd.array(a, dtype=a.dtype) for a in row.arrays()]
    params = dict(row.params)
    if RECORDS[row.op]["variadic"]:
        params.setdefault(RECORDS[row.op]["variadic"], len(inputs))
    for x in inputs:
        x.attach_grad()
    mx.random.seed(3)
    with mx.autograd.record():
        out = _core.invoke(row.op, inputs, params)
    mx.autograd.backward(list(out) if isinstance(out, (list, tuple)) else [out])
    return [x.grad.astype("float32").asnumpy() for x in inputs]


@pytest.mark.parametrize("row", [row for row in first_rows() if RECORDS[row.op]["differentiable"]
                                 and not RECORDS[row.op]["zero_gradient"]], ids=lambda row: row.op)
def test_gradients_in_bfloat16(row):
    try:
        wanted = gradients(row, "float32")
    except mx.MXNetError as error:  # several outputs, of which one has no gradient
        pytest.skip(str(error))
    for found, exact in zip(gradients(row, "bfloat16"), wanted):
        assert found.shape == exact.shape and np.isfinite(found).all() == np.isfinite(exact).all()
        if exact.size:
            np.testing.assert_allclose(found, exact, rtol=0.1, atol=0.05 + 0.1 * np.abs(exact).max())


def test_refused_dtypes_have_a_reason():
    """No operator refuses a dtype that is not named in tests/ops/refused_dtypes.txt, and none is named that takes all."""
    named, kinds, kind = set(), {}, None
    for line in (ROOT / "tests/ops/refused_dtypes.txt").read_text().splitlines():
        if line.startswith("#"):
            kind = "numbers" if line.startswith("# bool only") else "floating"
            continue
        for name in line.split():
            assert name not in named, f"{name} stands twice"
            named.add(name)
            kinds[name] = kind
    found = {name: record["dtypes"] for name, record in RECORDS.items()
             if record["dtypes"] != "any" and not name.startswith("_backward")}
    assert kinds == found


# Long sums of numbers that halves hold exactly: in half precision they stop growing at 2048 (or 256) terms.
LONG_SUMS = {
    "sum": lambda op, x: op.sum(x), "mean": lambda op, x: op.mean(x), "nansum": lambda op, x: op.nansum(x),
    "sum of rows": lambda op, x: op.sum(x.reshape((-1, 2)), axis=0), "norm": lambda op, x: op.norm(x),
    "dot": lambda op, x: op.dot(x, x), "cumsum": lambda op, x: op.cumsum(x),
    "matrices": lambda op, x: op.dot(x.reshape((1, -1)), x.reshape((-1, 1))),
    "batch_dot": lambda op, x: op.batch_dot(x.reshape((1, 1, -1)), x.reshape((1, -1, 1))),
    "FullyConnected": lambda op, x: op.FullyConnected(x.reshape((1, -1)), x.reshape((1, -1)), no_bias=True, num_hidden=1),
    "Pooling": lambda op, x: op.Pooling(x.reshape((1, 1, 64, 64)), global_pool=True, pool_type="avg", kernel=(1, 1)),
    "Convolution": lambda op, x: op.Convolution(x.reshape((1, 1, 64, 64)), x.reshape((1, 1, 64, 64)), kernel=(64, 64),
                                                num_filter=1, no_bias=True),
    "softmax": lambda op, x: op.softmax(x), "log_softmax": lambda op, x: op.log_softmax(x),
    "LayerNorm": lambda op, x: op.LayerNorm(x.reshape((1, -1)), x * 0 + 1, x * 0), "moments": lambda op, x: op.moments(x, axes=(0,))[1],
    "L2Normalization": lambda op, x: op.L2Normalization(x.reshape((1, -1))), "linalg_gemm2": lambda op, x: op.linalg_gemm2(
        x.reshape((1, -1)), x.reshape((-1, 1))),
    "broadcast gradient": "gradient",
}


@pytest.mark.parametrize("dtype, digits", [("float16", 10), ("bfloat16", 7)])
@pytest.mark.parametrize("name", LONG_SUMS)
def test_halves_are_summed_in_float32(name, dtype, digits):
    values = 0.25 * (1 + np.arange(4096) % 3)
    if name == "broadcast gradient":
        def function(op, x):
            w = mx.nd.ones((1,), dtype=x.dtype)
            w.attach_grad()
            with mx.autograd.record():
                y = op.broadcast_mul(x, w)
            y.backward()
            return w.grad
    else:
        function = LONG_SUMS[name]
    exact = function(mx.nd.op, mx.nd.array(values, dtype="float64")).asnumpy()
    found = function(mx.nd.op, mx.nd.array(values, dtype=dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.asnumpy().astype("float64"), exact, rtol=2.0 ** -digits, atol=2.0 ** (-digits - 4))


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
    assert [n["op"] for n in json.loads(y.tojson(remove_amp_cast=False))["nodes"]] == ["null", "amp_cast", "_grad_add"]
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
