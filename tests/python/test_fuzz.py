"""Model files from anywhere: a short run of the fuzz target on mutated seeds, under AddressSanitizer and UBSan."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import predict

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNS = 3000
FLAGS = "-std=c++20 -O0 -g1 -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"
OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=256"}


def test_mutated_models_give_error_codes(tmp_path):
    """No crash, no run of more than 20 seconds, no allocation of more than 256 MB."""
    if os.uname().machine != "x86_64":
        pytest.skip("the sanitizers are asked for on x86-64 only; readers of models hold no code for one machine")
    subprocess.run([sys.executable, ROOT / "tests/fuzz/seeds.py", tmp_path], check=True)
    models = sorted(tmp_path.glob("*-symbol.json"))
    subprocess.run([sys.executable, ROOT / "tools/amalgamate.py", tmp_path, "--model", *models], check=True)
    program = tmp_path / "fuzz"
    subprocess.run(["g++", *FLAGS.split(), "-w", f"-I{tmp_path}", ROOT / "tests/fuzz/model.cc",
                    ROOT / "tests/fuzz/driver.cc", tmp_path / "heddle_predict.cc", "-o", program], check=True)
    seeds = sorted(tmp_path.glob("*.seed"))
    done = subprocess.run([program, str(RUNS), "1", *seeds], capture_output=True, text=True, env={**os.environ, **OPTIONS})
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{RUNS} runs\n"


def test_a_count_that_no_graph_can_have_is_refused():
    """A text of few bytes must not ask for gigabytes."""
    x = mx.sym.Variable("data")
    json = mx.sym.Concat(x, x, dim=1, name="both").tojson()
    with pytest.raises(mx.MXNetError, match="num_args is 369098752, expected at most 65536"):
        mx.sym.load_json(json.replace('"num_args": "2"', '"num_args": "369098752"'))
    json = mx.sym.SliceChannel(x, num_outputs=2, name="parts").tojson()
    with pytest.raises(mx.MXNetError, match="cuts into 1000000000 parts, expected at most 65536"):
        mx.sym.load_json(json.replace('"num_outputs": "2"', '"num_outputs": "1000000000"'))


def test_extents_whose_product_overflows_are_refused():
    symbol = mx.sym.tile(mx.sym.Variable("data"), reps=(1 << 40, 1 << 40), name="large")
    with pytest.raises(mx.MXNetError, match="expected at most 281474976710656 elements"):
        symbol.infer_shape(data=(2, 2))


@pytest.mark.parametrize("call", [
    lambda x: mx.sym.tile(x, reps=(1 << 62, 1 << 62)),
    lambda x: mx.sym.repeat(x, repeats=1 << 62),
    lambda x: mx.sym.repeat(x, repeats=1 << 62, axis=1),
    lambda x: mx.sym.UpSampling(x, scale=1 << 62, sample_type="nearest"),
    lambda x: mx.sym.Pad(x, mode="constant", pad_width=(0, 0, 0, 0, (1 << 63) - 1, (1 << 63) - 1, 0, 0)),
    lambda x: mx.sym.reshape(x, shape=((1 << 62), 1 << 62)),
    lambda x: mx.sym.reshape(x, shape=((1 << 62), 8, -1)),
    lambda x: mx.sym.reshape(x, shape=(-4, -2, -1, -2)),
    lambda x: mx.sym.Deconvolution(x, kernel=(2, 2), num_filter=1, target_shape=((1 << 63) - 1, 1)),
    lambda x: mx.sym.Deconvolution(x, kernel=(2, 2), num_filter=1, stride=((1 << 62), 1), adj=((1 << 61), 0)),
    lambda x: mx.sym.Convolution(x, kernel=(2, 2), num_filter=1, pad=((1 << 62), 0)),
    lambda x: mx.sym.Convolution(x, kernel=((1 << 40), 2), num_filter=1, dilate=((1 << 40), 1)),
], ids=["tile", "repeat", "repeat axis", "UpSampling", "Pad", "reshape", "reshape -1", "reshape -4", "target", "stride", "pad", "dilate"])
def test_extents_that_no_number_can_hold_are_refused(call):
    """A product that wraps around could look like a small shape."""
    with pytest.raises(mx.MXNetError, match="expected at most|expected 0 to|and at most|which does not fill|do not divide|cannot split"):
        call(mx.sym.Variable("data")).infer_shape(data=(2, 2, 4, 4))


FAR = 1e30  # of cells: no whole number is so large
REGIONS = [[np.nan, 0, 0, 3, 3], [np.inf, 0, 0, 3, 3], [-FAR, 0, 0, 3, 3], [0, np.nan, FAR, -FAR, np.inf], [0, -FAR, -FAR, FAR, FAR]]


@pytest.mark.parametrize("call", [
    lambda x, rois: mx.nd.ROIPooling(x, rois, pooled_size=(2, 2), spatial_scale=1),
    lambda x, rois: mx.nd.contrib.PSROIPooling(x, rois, spatial_scale=1, output_dim=1, pooled_size=2),
    lambda x, rois: mx.nd.contrib.ROIAlign(x, rois, pooled_size=(2, 2), spatial_scale=1, sample_ratio=2),
], ids=["ROIPooling", "PSROIPooling", "ROIAlign"])
def test_regions_out_of_all_measure(call):
    """Images that are not there give zeros; corners that no whole number can hold are cut off like others."""
    x = mx.nd.arange(64).reshape((1, 4, 4, 4))
    found = call(x, mx.nd.array(REGIONS)).asnumpy()
    assert (found[:3] == 0).all() and found.shape[0] == len(REGIONS)
    whole = call(x, mx.nd.array([[0, 0, 0, 3, 3]])).asnumpy()
    np.testing.assert_array_equal(call(x, mx.nd.array([REGIONS[0], [0, 0, 0, 3, 3]])).asnumpy()[1:], whole)


@pytest.mark.parametrize("region, ratio", [([0, 0, 0, 1e5, 1e5], -1), ([0, 0, 0, 1e30, 3], 0), ([0, 0, 0, 3, 3], (1 << 31) - 1)])
def test_samples_that_no_memory_holds_are_refused(region, ratio):
    x = mx.nd.ones((1, 1, 4, 4))
    with pytest.raises(mx.MXNetError, match=r"a region takes \d+ x \d+ samples in each of 4 bins, expected at most 4194304 in all"):
        mx.nd.contrib.ROIAlign(x, mx.nd.array([region]), pooled_size=(2, 2), spatial_scale=1, sample_ratio=ratio).asnumpy()


@pytest.mark.parametrize("step", [(1 << 63) - 1, -(1 << 63), 5, -5])
def test_steps_longer_than_the_axis(step):
    x = mx.nd.arange(4)
    assert mx.nd.slice(x, begin=(None,), end=(None,), step=(step,)).asnumpy().tolist() == x.asnumpy()[::step].tolist()


def test_numbers_of_boxes_crops_and_heads_that_overflow():
    with pytest.raises(mx.MXNetError, match="coord_start is 2147483647, expected 0 to 2"):
        mx.nd.contrib.box_nms(mx.nd.ones((1, 2, 6)), coord_start=(1 << 31) - 1)
    with pytest.raises(mx.MXNetError, match="cannot take 4 from 9223372036854775807 on"):
        mx.nd.Crop(mx.nd.ones((1, 1, 8, 8)), offset=((1 << 63) - 1, 0), h_w=(4, 4), num_args=1)
    with pytest.raises(mx.MXNetError, match="heads"):
        mx.nd.contrib.interleaved_matmul_selfatt_qk(mx.nd.ones((2, 1, 6)), heads=(1 << 63) - 1)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_casts_of_what_no_whole_number_holds(dtype):
    """The least number, on every machine, in vectors and alone."""
    odd = [np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0 ** 63]
    for values in (odd, odd * 20):
        assert set(mx.nd.array(values).astype(dtype).asnumpy().tolist()) == {np.iinfo(dtype).min}


@pytest.mark.parametrize("operator, outputs", [("LayerNorm", {"output_mean_var": True}), ("topk", {"ret_typ": "both"})])
def test_the_second_output_may_be_wanted_alone(operator, outputs):
    """The kernel writes its first output, for which there must be memory then."""
    both = getattr(mx.sym, operator)(mx.sym.Variable("data"), name="op", **outputs)
    params = mx._core.save_bytes([mx.nd.ones((4,)), mx.nd.zeros((4,))], ["arg:op_gamma", "arg:op_beta"])
    predictor = predict.Predictor(both[1].tojson(), params, {"data": (2, 4)})
    alone = mx.nd.array([[1, 2, 3, 6], [4, 3, 2, 1]])
    predictor.forward(data=alone.asnumpy())
    whole = predict.Predictor(both.tojson(), params, {"data": (2, 4)})
    whole.forward(data=alone.asnumpy())
    assert predictor.get_output(0).tobytes() == whole.get_output(1).tobytes()
