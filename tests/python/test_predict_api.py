"""The predictor inside libheddle: MXNet's calls, the small Predictor of Python on them, weights that are shared."""
import concurrent.futures
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import predict

ROOT = pathlib.Path(__file__).resolve().parents[2]


def network():
    x = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=16, pad=(1, 1), name="conv")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="relu", name="relu")
    x = mx.sym.Pooling(x, global_pool=True, pool_type="avg", kernel=(1, 1))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=5, name="fc"), name="softmax")


@pytest.fixture(scope="module")
def saved():
    """The JSON, the bytes of the parameters, an input, and what an executor makes of it."""
    rng = np.random.RandomState(3)
    data = rng.randn(4, 8, 10, 10).astype("float32")
    symbol = network()
    executor = symbol.simple_bind(mx.cpu(), data=data.shape, grad_req="null")
    for name, array in [*executor.arg_dict.items(), *executor.aux_dict.items()]:
        if name not in ("data", "softmax_label"):
            array[:] = rng.rand(*array.shape) + (0.5 if "var" in name else -0.5)
    executor.arg_dict["data"][:] = data
    executor.forward(is_train=False)
    params = {f"arg:{k}": v for k, v in executor.arg_dict.items() if k not in ("data", "softmax_label")}
    params |= {f"aux:{k}": v for k, v in executor.aux_dict.items()} | {"arg:not_in_the_network": mx.nd.zeros((2,))}
    return symbol.tojson(), mx._core.save_bytes(list(params.values()), list(params)), data, executor.outputs[0].asnumpy()


def test_what_the_executor_computes(saved):
    json, params, data, expected = saved
    predictor = predict.Predictor(json, params, {"data": data.shape})
    for _ in range(2):
        predictor.forward(data=data)
        np.testing.assert_allclose(predictor.get_output(0), expected, rtol=1e-5, atol=1e-6)
    predictor.forward(data=data[::-1])  # not contiguous
    np.testing.assert_allclose(predictor.get_output(0), expected[::-1], rtol=1e-5, atol=1e-6)
    predictor.reshape({"data": (2, 8, 10, 10)})
    predictor.forward(data=data[:2].astype("float64"))
    np.testing.assert_allclose(predictor.get_output(0), expected[:2], rtol=1e-5, atol=1e-6)


def test_errors_have_texts(saved):
    json, params, data, _ = saved
    predictor = predict.Predictor(json, params, {"data": data.shape})
    with pytest.raises(ValueError, match="'data' is a list, expected an array of NumPy"):
        predictor.forward(data=[1])
    with pytest.raises(predict.PredictError, match="found no input 'date'"):
        predictor.forward(date=data)
    with pytest.raises(predict.PredictError, match=r"data has shape \(4,8,10,10\), found 800 elements"):
        predictor.forward(data=data[:1])
    with pytest.raises(predict.PredictError, match="found output 1, expected 0 to 0"):
        predictor.get_output(1)
    with pytest.raises(predict.PredictError, match="found no input 'fc_weight'"):
        predictor.reshape({"fc_weight": (5, 16)})
    with pytest.raises(predict.PredictError, match="device type 2, expected 1"):
        predict.Predictor(json, params, {"data": data.shape}, dev_type="gpu")
    with pytest.raises(ValueError, match="'tpu'"):
        predict.Predictor(json, params, {"data": data.shape}, dev_type="tpu")
    with pytest.raises(predict.PredictError, match=r"\[load\] 'params' at byte"):
        predict.Predictor(json, params[:200], {"data": data.shape})
    with pytest.raises(predict.PredictError, match="JSON"):
        predict.Predictor(json[:-9], params, {"data": data.shape})
    with pytest.raises(predict.PredictError, match="Error in operator conv"):
        predict.Predictor(json, params, {"data": (4, 8)})
    with pytest.raises(predict.PredictError, match="'conv_weight' is missing"):
        predict.Predictor(json, mx._core.save_bytes([mx.nd.zeros(1)], ["arg:x"]), {"data": data.shape})
    predictor.forward(data=data)  # goes on


def test_types_of_inputs_and_outputs():
    symbol = mx.sym.Cast(mx.sym.Variable("data") + mx.sym.Variable("other"), dtype="int32")
    predictor = predict.Predictor(symbol.tojson(), mx._core.save_bytes([], []), {"data": (3,), "other": (3,)},
                                  type_dict={"data": np.float64, "other": "float64"})
    predictor.forward(data=np.array([1.5, 2, 1e10]), other=np.array([1.5, 1, -1e10]))
    assert predictor.get_output(0).dtype == np.int32
    assert predictor.get_output(0).tolist() == [3, 3, 0]


def test_files_of_arrays():
    named = {"mean": mx.nd.array([[1, 2], [3, 4]]), "count": mx.nd.array([7], dtype="int64")}
    loaded = predict.load_ndarray_file(mx._core.save_bytes(list(named.values()), list(named)))
    assert list(loaded) == ["mean", "count"]  # in the order of the file
    assert loaded["mean"].tolist() == [[1, 2], [3, 4]] and loaded["count"].dtype == np.float32
    assert [a.tolist() for a in predict.load_ndarray_file(mx._core.save_bytes(list(named.values()), []))] == [[[1, 2], [3, 4]], [7]]
    with pytest.raises(predict.PredictError, match="at byte"):
        predict.load_ndarray_file(b"no list of arrays")


# --- the calls themselves -------------------------------------------------------------------------

library = predict._load()


def create(function, saved, *more, count=1, dev_type=1):
    """A call that makes predictors for the inputs of `saved`."""
    json, params, data, _ = saved
    out = (ctypes.c_void_p * count)()
    code = getattr(library, function)(json.encode(), params, len(params), dev_type, 0, *predict._shapes({"data": data.shape}),
                                      *more, out)
    assert code == 0, library.MXGetLastError()
    return [ctypes.c_void_p(handle) for handle in out]


def set_input(handle, data):
    return library.MXPredSetInput(handle, b"data", data.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint(data.size))


def output(handle, shape, index=0):
    dims, rank = ctypes.POINTER(ctypes.c_uint)(), ctypes.c_uint()
    assert library.MXPredGetOutputShape(handle, index, ctypes.byref(dims), ctypes.byref(rank)) == 0
    assert dims[:rank.value] == list(shape)
    out = np.empty(shape, "float32")
    assert library.MXPredGetOutput(handle, index, out.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint(out.size)) == 0
    return out


def test_a_run_step_by_step(saved):
    _, _, data, expected = saved
    handle, = create("MXPredCreate", saved)
    assert set_input(handle, data) == 0
    for _ in range(2):
        left, seen = ctypes.c_int(-1), []
        for step in range(100):
            assert library.MXPredPartialForward(handle, step, ctypes.byref(left)) == 0
            seen.append(left.value)
            if left.value == 0:
                break
        assert seen == list(range(len(seen)))[::-1] and len(seen) >= 5  # the countdown
        np.testing.assert_allclose(output(handle, expected.shape), expected, rtol=1e-5, atol=1e-6)
    assert library.MXPredPartialForward(handle, step + 1, ctypes.byref(left)) == 0 and left.value == 0
    assert library.MXPredForward(handle) == 0
    assert library.MXPredPartialForward(handle, 3, ctypes.byref(left)) == -1  # out of order
    assert library.MXPredFree(handle) == 0


def test_a_monitor_sees_what_one_of_executors_sees(saved):
    json, params, data, expected = saved
    handle, = create("MXPredCreate", saved)
    seen = {}

    @ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
    def callback(name, value, user):
        key, values, shape, rank = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.POINTER(ctypes.c_uint)(), ctypes.c_uint()
        assert library.MXNDListGet(ctypes.c_void_p(value), ctypes.c_uint(0), ctypes.byref(key), ctypes.byref(values),
                                   ctypes.byref(shape), ctypes.byref(rank)) == 0
        assert key.value == name and user == 7
        extents = shape[:rank.value]
        number = int(np.prod(extents))
        seen[name.decode()] = np.ctypeslib.as_array((ctypes.c_float * number).from_address(values.value)).reshape(
            extents).copy()

    executor = mx.sym.load_json(json).simple_bind(mx.cpu(), data=data.shape, grad_req="null")
    for name, array in mx.nd.load_frombuffer(params).items():
        held = executor.arg_dict | executor.aux_dict
        if name[4:] in held:
            held[name[4:]][:] = array
    executor.arg_dict["data"][:] = data
    wanted = {}
    executor.set_monitor_callback(lambda name, array: wanted.setdefault(name, array.asnumpy()), monitor_all=True)
    executor.forward(is_train=False)

    assert set_input(handle, data) == 0
    assert library.MXPredSetMonitorCallback(handle, callback, ctypes.c_void_p(7), ctypes.c_bool(True)) == 0
    assert library.MXPredForward(handle) == 0
    assert seen.keys() == wanted.keys() and "bn_output" in seen and "fc_data" in seen
    for name, array in wanted.items():
        np.testing.assert_allclose(seen[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    all_of_them = len(seen)
    seen.clear()
    assert library.MXPredSetMonitorCallback(handle, callback, ctypes.c_void_p(7), ctypes.c_bool(False)) == 0
    assert library.MXPredForward(handle) == 0
    assert 0 < len(seen) < all_of_them and "fc_data" not in seen
    seen.clear()
    assert library.MXPredSetMonitorCallback(handle, None, None, ctypes.c_bool(False)) == 0
    assert library.MXPredForward(handle) == 0 and not seen
    np.testing.assert_allclose(output(handle, expected.shape), expected, rtol=1e-5, atol=1e-6)
    library.MXPredFree(handle)


def test_outputs_from_within(saved):
    _, _, data, expected = saved
    keys = (ctypes.c_char_p * 2)(b"relu", b"softmax")
    handle, = create("MXPredCreatePartialOut", saved, ctypes.c_uint(2), keys)
    assert set_input(handle, data) == 0 and library.MXPredForward(handle) == 0
    inner = output(handle, (4, 16, 10, 10))
    assert inner.min() == 0 < inner.max()
    np.testing.assert_allclose(output(handle, expected.shape, 1), expected, rtol=1e-5, atol=1e-6)
    library.MXPredFree(handle)
    with pytest.raises(AssertionError, match="found no output 'rellu'"):
        create("MXPredCreatePartialOut", saved, ctypes.c_uint(1), (ctypes.c_char_p * 1)(b"rellu"))


def test_reshaping_leaves_the_old_predictor(saved):
    _, _, data, expected = saved
    old, = create("MXPredCreate", saved)
    new = ctypes.c_void_p()
    assert library.MXPredReshape(*predict._shapes({"data": (1, 8, 10, 10)}), old, ctypes.byref(new)) == 0
    assert set_input(old, data) == 0 and set_input(new, data[2:3]) == 0
    assert library.MXPredForward(old) == 0 and library.MXPredForward(new) == 0
    np.testing.assert_allclose(output(old, expected.shape), expected, rtol=1e-5, atol=1e-6)
    library.MXPredFree(old)  # the weights stay with the other
    assert library.MXPredForward(new) == 0
    np.testing.assert_allclose(output(new, (1, 5)), expected[2:3], rtol=1e-5, atol=1e-6)
    library.MXPredFree(new)


def test_many_threads_give_the_bits_of_one(saved):
    _, _, data, expected = saved
    handles = create("MXPredCreateMultiThread", saved, 4, count=4)
    batches = [np.roll(data, i, axis=0) * (1 + i / 8) for i in range(8)]

    def run(handle, batch):
        assert set_input(handle, batch) == 0 and library.MXPredForward(handle) == 0
        return output(handle, expected.shape).tobytes()

    alone = [run(handles[0], batch) for batch in batches]

    def loop(number):
        return all(run(handles[number], batches[i % 8]) == alone[i % 8] for i in range(number, 400 + number))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(loop, range(4)))
    for handle in handles:
        library.MXPredFree(handle)


MEMORY = """
import sys
import numpy as np
import heddle as mx
from heddle import predict
import ctypes

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

weight = mx.nd.ones((2048, 2048))
json = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2048, no_bias=True, name="fc").tojson().encode()
params = mx._core.save_bytes([weight], ["arg:fc_weight"])
handles = (ctypes.c_void_p * 8)()
library = predict._load()
data = np.ones((1, 2048), "float32")
assert library.MXPredCreateMultiThread(json, params, len(params), 1, 0, *predict._shapes({"data": (1, 2048)}), 1, handles) == 0

def run(handle):
    handle = ctypes.c_void_p(handle)
    assert library.MXPredSetInput(handle, b"data", data.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint(2048)) == 0
    assert library.MXPredForward(handle) == 0

run(handles[0])
library.MXPredFree(ctypes.c_void_p(handles[0]))
before = resident()
assert library.MXPredCreateMultiThread(json, params, len(params), 1, 0, *predict._shapes({"data": (1, 2048)}), 8, handles) == 0
for handle in handles:
    run(handle)
print((resident() - before) / (4 * 2048 * 2048))
"""


def test_weights_are_counted_once():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 3  # copies of the weights: the file's and what kernels want, whatever the threads


ALONE = """
import sys
import mine
import numpy as np
json, params = open("json").read(), open("params", "rb").read()
predictor = mine.Predictor(json, params, {"data": (4, 8, 10, 10)})
predictor.forward(data=np.fromfile("data", "float32").reshape(4, 8, 10, 10))
assert not [name for name in sys.modules if name.startswith("heddle")]
predictor.get_output(0).tofile("out")
"""


def test_the_file_works_alone(saved, tmp_path):
    json, params, data, expected = saved
    shutil.copy(ROOT / "python/heddle/predict.py", tmp_path / "mine.py")
    (tmp_path / "libheddle.so").symlink_to(pathlib.Path(mx.__file__).parents[2] / "libheddle.so")
    (tmp_path / "json").write_text(json)
    (tmp_path / "params").write_bytes(params)
    data.tofile(tmp_path / "data")
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.fromfile(tmp_path / "out", "float32").reshape(4, 5), expected, rtol=1e-5, atol=1e-6)
