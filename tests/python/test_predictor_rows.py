"""The predictor in one file with all operators: every row of the operator tests gives the library's bits through it."""
import ctypes
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import _core
from ops.apply import operator, to_nd
from ops.cases import CASES

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import amalgamate  # noqa: E402
from predictor_calls import Input, Output, load  # noqa: E402

FLAGS = "-std=c++20 -O1 -fPIC -shared -ffp-contract=off -fno-math-errno -fno-trapping-math -Wall -Wextra".split()
RECORDS = {name: record for record in _core.ops() for name in (record["name"], *record["aliases"])}
DTYPES = {name: i for i, name in enumerate("float32 float64 float16 uint8 int32 int8 int64 bool".split())}


# A .params file with nothing in it: its magic number, a reserved one, no arrays, no names.
EMPTY = (0x112).to_bytes(8, "little") + bytes(24)


class Predictor:
    """The compiled file."""

    def __init__(self, path):
        self.calls = load(str(path))

    def need(self, code):
        if code != 0:
            raise RuntimeError(self.calls.hd_last_error().decode())

    def outputs(self, symbol, arrays):
        """What a network makes of arrays by name."""
        model, predictor = ctypes.c_void_p(), ctypes.c_void_p()
        self.need(self.calls.hd_model_create(symbol.tojson().encode(), EMPTY, ctypes.c_size_t(len(EMPTY)),
                                             ctypes.byref(model)))
        try:
            inputs = (Input * max(1, len(arrays)))()
            for place, (name, a) in zip(inputs, arrays.items()):
                place.size, place.name, place.rank = ctypes.sizeof(Input), name.encode(), a.ndim
                place.shape, place.dtype = (ctypes.c_int64 * max(1, a.ndim))(*a.shape), DTYPES[str(a.dtype)]
            self.need(self.calls.hd_predictor_create(model, inputs, len(arrays), None, 0, ctypes.byref(predictor)))
            for name, a in arrays.items():
                data = np.ascontiguousarray(a)
                self.need(self.calls.hd_predictor_set(predictor, name.encode(), data.ctypes.data_as(ctypes.c_void_p),
                                                      ctypes.c_size_t(data.nbytes)))
            self.need(self.calls.hd_predictor_forward(predictor))
            return [self.output(predictor, i) for i in range(len(symbol.list_outputs()))]
        finally:
            self.calls.hd_predictor_free(predictor)
            self.calls.hd_model_free(model)

    def output(self, predictor, i):
        out = Output(size=ctypes.sizeof(Output))
        self.need(self.calls.hd_predictor_output(predictor, i, ctypes.byref(out)))
        dtype = next(name for name, number in DTYPES.items() if number == out.dtype)
        return np.frombuffer(ctypes.string_at(out.data, out.bytes) if out.bytes else b"", dtype).reshape(
            out.shape[:out.rank])


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("everything")
    amalgamate.amalgamate(folder)
    done = subprocess.run(["g++", *FLAGS, folder / "heddle_predict.cc", "-o", folder / "everything.so"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = subprocess.run(["nm", "-D", "--defined-only", folder / "everything.so"], capture_output=True, text=True)
    names = {line.split()[2] for line in shown.stdout.splitlines() if " T " in line}
    assert all(name.startswith(("hd_", "MX")) for name in names), "only functions of the header are visible"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEDDLE_KERNELS", "portable")  # read when the catalogue is filled, at the first network
        yield Predictor(folder / "everything.so")


def left_out(row):
    """Files that the predictor has not, and gradients, which one that only predicts has not."""
    return RECORDS[row.op]["file"] in amalgamate.LEFT_OUT or "_backward_" in f"{row.op} {row.params}"


def through_library(symbol, arrays):
    """The outputs of a network by the portable kernels of the library, for prediction."""
    _core.prefer_kernels("portable")
    try:
        executor = symbol.simple_bind(mx.cpu(), grad_req="null", type_dict={n: a.dtype for n, a in arrays.items()},
                                      **{n: a.shape for n, a in arrays.items()})
        held = {**executor.arg_dict, **executor.aux_dict}
        for name, a in arrays.items():
            held[name][:] = to_nd(mx, a)
        return [o.asnumpy() for o in executor.forward(is_train=False)]
    finally:
        _core.prefer_kernels("")


ROWS = [row for row in CASES if row.op in RECORDS and not RECORDS[row.op]["dynamic"] and not left_out(row)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_same_bits_as_the_library(predictor, row):
    arrays = row.arrays()
    names = [f"in{i}" for i in range(len(arrays))]
    symbol = operator(mx.sym, row.op)(*[mx.sym.Variable(n) for n in names], **row.params, name="op")
    given = dict(zip(names, arrays))
    wanted, found = through_library(symbol, given), predictor.outputs(symbol, given)
    assert [(f.shape, f.dtype) for f in found] == [(w.shape, w.dtype) for w in wanted]
    if not RECORDS[row.op]["random"]:
        for f, w in zip(found, wanted):
            assert f.tobytes() == w.tobytes()


def test_every_operator_is_there_or_has_a_reason():
    """Those without a portable kernel, or with extents that only kernels know, are in no graph of a predictor."""
    in_file = set(amalgamate.stems_in_order()) - amalgamate.LEFT_OUT.keys()
    for record in _core.ops():
        assert record["file"] in in_file or record["file"] in amalgamate.LEFT_OUT, record["name"]
        portable = any(k["library"] == "portable" for k in record["kernels"])
        assert record["composed"] or portable, f"{record['name']} has no portable kernel"


def test_calls_of_composed_operators_are_found():
    """A file that composes operators of others brings along those that it names."""
    files_of = amalgamate.catalogue()
    for record in _core.ops():
        if record["composed"]:
            files = amalgamate.Files([record["file"]], [], files_of)
            called = amalgamate.CALLS.findall(amalgamate.find(files.path[record["file"]]).read_text())
            assert called, f"{record['name']} calls no operator: is the builder of its compose called b?"
            assert {files_of[name] for name in called} <= files.stems
