"""What MXNet's predictor of December 2015 answered: its symbols and .params files still load, and mean the same.

tests/golden/mxnet-2015-12-predict.json holds, per operator, the symbol as that release wrote it, a .params file, the inputs
and the first output in inference mode.
"""
import base64
import json
import pathlib

import numpy as np
import pytest

import heddle as mx

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/mxnet-2015-12-predict.json"
CASES = {case["name"]: case for case in json.loads(GOLDEN.read_text())["cases"]}

# What was fixed then and has another default today: files of that time keep their meaning, function calls have today's.
THEN = {"Pooling": {"pooling_convention": "full"}, "BatchNorm": {"fix_gamma": False}}


def mended(case, want):
    """The golden output, or today's where that build was wrong or had another definition: LRN summed a third channel at the
    first one, round left all numbers above 1/2 as they were, and see below."""
    data = tensor(case["inputs"]["data"]) if "data" in case["inputs"] else None
    if case["op"] == "round":
        assert (want == np.where(np.abs(data) > 0.5, data, 0)).all()
        return np.trunc(data + np.copysign(0.5, data))
    if case["op"] == "LRN":
        wrong = data[:, 0] * (2 + 0.01 / 3 * (data[:, :3] ** 2).sum(axis=1)) ** -0.75
        np.testing.assert_allclose(want[:, 0], wrong, rtol=2e-5)
        want[:, 0] = data[:, 0] * (2 + 0.01 / 3 * (data[:, :2] ** 2).sum(axis=1)) ** -0.75
    if case["name"] == "pool_max":  # the zeros of the padding took part
        np.testing.assert_array_equal(want, pooled(data, np.max, padding=0))
        return pooled(data, np.max, padding=-np.inf)
    if case["name"] == "pool_avg":  # the sum was divided by 9, however much of a window there was
        np.testing.assert_allclose(want, pooled(data, lambda window: window.sum() / 9, padding=0), rtol=2e-5)
        return pooled(data, np.mean, padding=0)
    return want


def pooled(data, reduce, padding):
    """3x3 windows at steps of 2 over data with a border of width 1; those at the end may be cut off by it."""
    padded = np.pad(data, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=padding)
    n, channels, height, width = padded.shape
    out = np.empty((n, channels, -(-(height - 3) // 2) + 1, -(-(width - 3) // 2) + 1), data.dtype)
    for at in np.ndindex(*out.shape):
        i, c, y, x = at
        out[at] = reduce(padded[i, c, 2 * y:2 * y + 3, 2 * x:2 * x + 3])
    return out


def tensor(facts):
    return np.array(facts["data"], "float32").reshape(facts["shape"])


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def given(case):
    """The arrays of a case by name: those of its .params file, and the inputs that are not parameters."""
    file = base64.b64decode(case["params_file_b64"])
    loaded = mx.nd.load_frombuffer(file) if file else {}
    kinds = {"arg": {}, "aux": {}}
    for name, value in dict(loaded or {}).items():
        kind, _, plain = name.partition(":")
        kinds[kind][plain] = value
    for name, facts in case["inputs"].items():
        if name in kinds["arg"]:
            assert (kinds["arg"][name].asnumpy() == tensor(facts)).all()
        else:
            kinds["arg"][name] = mx.nd.array(tensor(facts))
    for name, facts in case["aux"].items():
        assert (kinds["aux"][name].asnumpy() == tensor(facts)).all()
    return kinds["arg"], kinds["aux"]


def close(found, case):
    want = mended(case, tensor(case["output0"]))
    assert found.shape == want.shape
    np.testing.assert_allclose(found.asnumpy(), want, rtol=2e-5, atol=2e-6)


def test_bound(case):
    symbol = mx.sym.load_json(json.dumps(case["symbol_json"]))
    arguments, states = given(case)
    used = set(arguments) - {"__unused"}
    assert set(symbol.list_arguments()) == used and set(symbol.list_auxiliary_states()) == set(states)
    shapes = symbol.infer_shape(**{name: arguments[name].shape for name in used})
    assert tuple(shapes[1][0]) == tuple(case["output0"]["shape"])
    close(symbol.bind(mx.cpu(), arguments, aux_states=states, grad_req="null").forward(is_train=False)[0], case)


def test_written_anew(case):
    """The symbol in today's form answers the same."""
    symbol = mx.sym.load_json(mx.sym.load_json(json.dumps(case["symbol_json"])).tojson())
    arguments, states = given(case)
    close(symbol.bind(mx.cpu(), arguments, aux_states=states, grad_req="null").forward(is_train=False)[0], case)


def test_eager(case):
    """The operator's function, with the parameters as the file's texts."""
    arguments, states = given(case)
    node = case["symbol_json"]["nodes"][-1]
    names = [case["symbol_json"]["nodes"][at[0]]["name"] for at in node["inputs"]]
    extra = list(states) if case["op"] == "BatchNorm" else []
    space = mx.nd if hasattr(mx.nd, case["op"]) else mx.nd._internal
    out = getattr(space, case["op"])(*[{**arguments, **states}[n] for n in names + extra], **case["param"], **THEN.get(case["op"], {}))
    close(out[0] if isinstance(out, (list, tuple)) else out, case)


def test_every_operator_is_there():
    assert len(CASES) == 45 and {"FullyConnected", "Convolution", "BatchNorm", "_Power", "Reshape"} <= {
        case["op"] for case in CASES.values()}
