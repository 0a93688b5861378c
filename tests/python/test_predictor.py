"""The predictor in one file: it compiles silently for every target, and gives the answers of portable kernels."""
import concurrent.futures
import gzip
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from predictor_targets import WITHOUT, Target, needed

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {name: ROOT / f"tests/predict/{name}.cc" for name in ("run", "bounded", "prepared")}
TARGETS = {
    "g++": Target(["g++", "-O2"], programs=("run", "bounded", "prepared")),
    "g++ without exceptions": Target(["g++", "-Os", *WITHOUT, "-ffunction-sections", "-fdata-sections"],
                                     link=("-s", "-Wl,--gc-sections"), programs=("run", "bounded")),
    "clang++": Target(["clang++", "-O2"]),
    "clang++ without exceptions": Target(["clang++", "-Os", *WITHOUT]),
    "aarch64": Target(["aarch64-linux-gnu-g++", "-Os", "-static"], ["qemu-aarch64"], same_bits=False,
                      programs=("run", "prepared")),
    "armhf": Target(["arm-linux-gnueabihf-g++", "-Os", "-static", "-Wno-psabi"], ["qemu-arm"], same_bits=False),
    # Its loader takes the fetch of newer versions of node for a browser's.
    "wasm": Target(["em++", "-Os", "-msimd128", *WITHOUT], ["node", "--no-experimental-fetch"], ".js",
                   link=("-sNODERAWFS=1", "-sALLOW_MEMORY_GROWTH=1"), same_bits=False),
}

# Trains each network for a few steps and saves it, an input, and what Python makes of that.
SAVE = """
import sys
import numpy as np
import heddle as mx

def lenet():
    x = mx.sym.Variable("data")
    for i, filters in enumerate((8, 16)):
        x = mx.sym.Convolution(x, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
        x = mx.sym.Activation(x, act_type="tanh")
        x = mx.sym.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
    x = mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=32, name="fc0")
    x = mx.sym.Dropout(mx.sym.Activation(x, act_type="tanh"), p=0.5)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="fc1"), name="softmax")

def block(x, filters, stride, name):
    def unit(v, k, s, i):
        v = mx.sym.Convolution(v, kernel=(k, k), num_filter=filters, stride=(s, s), pad=(k // 2, k // 2), no_bias=True,
                               name=f"{name}_conv{i}")
        return mx.sym.BatchNorm(v, fix_gamma=False, name=f"{name}_bn{i}")
    y = mx.sym.Activation(unit(x, 3, stride, 0), act_type="relu")
    return mx.sym.Activation(unit(y, 3, 1, 1) + unit(x, 1, stride, 2), act_type="relu")

def resnet():
    x = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=8, pad=(1, 1), name="conv")
    x = block(block(x, 8, 1, "a"), 16, 2, "b")
    parts = mx.sym.SliceChannel(x, num_outputs=2)
    y = mx.sym.Pad(mx.sym.LeakyReLU(x, slope=0.1), mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 2, 1))
    y = mx.sym.slice_axis(mx.sym.slice_axis(y, axis=2, begin=1, end=9), axis=3, begin=1, end=9)
    both = mx.sym.Concat(parts[1], parts[0], y, dim=1)
    x = mx.sym.Pooling(both, pool_type="avg", global_pool=True, kernel=(1, 1))
    x = mx.sym.FullyConnected(mx.sym.reshape(x, shape=(0, -1)), num_hidden=10, name="fc")
    return mx.sym.SoftmaxOutput(x, name="softmax")

folder = sys.argv[1]
np.random.seed(7)
mx.random.seed(7)
for name, symbol, shape in (("lenet", lenet(), (4, 1, 28, 28)), ("resnet", resnet(), (4, 3, 16, 16))):
    data = np.random.rand(16, *shape[1:]).astype("float32")
    label = np.arange(16) % 10
    module = mx.mod.Module(symbol, context=mx.cpu())
    module.fit(mx.io.NDArrayIter(data, label, batch_size=4), num_epoch=2, optimizer_params={"learning_rate": 0.05},
               initializer=mx.init.Xavier())
    module.save_checkpoint(f"{folder}/{name}", 0)
    data[:4].tofile(f"{folder}/{name}.input")
    module.forward(mx.io.DataBatch([mx.nd.array(data[:4])], [mx.nd.array(label[:4])]), is_train=False)
    module.get_outputs()[0].asnumpy().tofile(f"{folder}/{name}.expected")
"""
SHAPES = {"lenet": "4 1 28 28", "resnet": "4 3 16 16"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with networks that Python has trained and saved."""
    folder = tmp_path_factory.mktemp("saved")
    subprocess.run([sys.executable, "-c", SAVE, folder], check=True, env={**os.environ, "HEDDLE_KERNELS": "portable"})
    return folder


@pytest.fixture(scope="module")
def sources(saved, tmp_path_factory):
    """A folder with the two files, for the operators of these networks."""
    folder = tmp_path_factory.mktemp("predict")
    models = [saved / f"{name}-symbol.json" for name in SHAPES]
    subprocess.run([sys.executable, ROOT / "tools/amalgamate.py", folder, "--model", *models], check=True)
    return folder


@pytest.fixture(scope="module")
def compilations(request, sources, tmp_path_factory):
    """The predictor and the programs on it, compiled for each target of the tests that run, as many at a time as there are
    processors."""
    asked = {item.callspec.params.get("programs") for item in request.session.items if hasattr(item, "callspec")}

    def compiled(target, folder):
        start, predictor = time.monotonic(), folder / "predictor.o"
        commands = [["-c", sources / "heddle_predict.cc", "-o", predictor]]
        for name in target.programs:
            commands.append([f"-I{sources}", PROGRAMS[name], predictor, *target.link, "-o", folder / f"{name}{target.suffix}"])
        done = target.compile(commands)
        return done, folder, time.monotonic() - start

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield {name: pool.submit(compiled, target, tmp_path_factory.mktemp("program"))
               for name, target in TARGETS.items() if name in asked and not target.missing()}


@pytest.fixture(scope="module", params=TARGETS)
def programs(request, compilations, report):
    """How to run those of one target by their names, which must have been compiled in silence."""
    name, target = request.param, TARGETS[request.param]
    if name not in compilations:
        needed(", ".join(target.missing()))
    done, folder, seconds = compilations[name].result()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    path = folder / f"run{target.suffix}"
    files = [path, path.with_suffix(".wasm")] if target.suffix else [path]
    size = sum(len(gzip.compress(f.read_bytes())) if target.suffix else f.stat().st_size for f in files)
    what = " with its script, gzip" if target.suffix else ""
    report(f"{name}: compiled in {seconds:.0f} s, {size / 1000:.0f} KB{what}")
    if "-s" in target.link and platform.machine() == "x86_64":
        assert size < 640_000  # 603 KB with g++ 12
    return {name: [*target.runner, folder / f"{name}{target.suffix}"] for name in target.programs}


@pytest.fixture(scope="module")
def program(programs):
    return programs["run"]


@pytest.fixture(scope="module")
def report(request):
    """Says a line of figures when the tests are over."""
    lines = []
    yield lines.append
    plugin = request.config.pluginmanager.get_plugin
    with plugin("capturemanager").global_and_fixture_disabled():
        for line in ["", *sorted(lines)]:
            plugin("terminalreporter").write_line(line)


def run(program, saved, name, out, env=None, **other):
    """The finished process of running one of the saved networks."""
    files = {"symbol": saved / f"{name}-symbol.json", "params": saved / f"{name}-0000.params",
             "input": saved / f"{name}.input", **other}
    return subprocess.run([*program, files["symbol"], files["params"], files["input"], out, "data",
                           *files.get("shape", SHAPES[name]).split()], capture_output=True, text=True,
                          env={**os.environ, **(env or {})})


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kernels", ["portable", ""])
def test_same_answers_as_portable_kernels(request, program, saved, tmp_path, name, kernels):
    out = tmp_path / "out"
    done = run(program, saved, name, out, {"HEDDLE_KERNELS": kernels})
    assert done.returncode == 0, done.stderr
    found, expected = np.fromfile(out, "float32"), np.fromfile(saved / f"{name}.expected", "float32")
    if TARGETS[request.node.callspec.params["programs"]].same_bits and kernels:
        np.testing.assert_array_equal(found.view("uint32"), expected.view("uint32"))
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="its trap replaces the malloc of glibc")
@pytest.mark.parametrize("kernels", ["portable", ""])
@pytest.mark.parametrize("name", SHAPES)
def test_runs_in_a_buffer_without_allocating(programs, saved, tmp_path, name, kernels):
    """The program aborts where a run allocates, and fails where something is written beside the buffer."""
    if "bounded" not in programs:
        return  # it is for the C library of this machine
    out = tmp_path / "out"
    done = run(programs["bounded"], saved, name, out, {"HEDDLE_KERNELS": kernels})
    assert done.returncode == 0, done.stderr
    found, expected = np.fromfile(out, "float32"), np.fromfile(saved / f"{name}.expected", "float32")
    if kernels:
        np.testing.assert_array_equal(found.view("uint32"), expected.view("uint32"))
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    said = dict(zip(*[iter(done.stdout.splitlines()[0].split())] * 2))
    params, values, scratch, buffer = (int(said[k]) for k in ("params", "values", "scratch", "buffer"))
    assert params >= os.path.getsize(saved / f"{name}-0000.params") * 0.9
    assert values > np.prod([int(d) for d in SHAPES[name].split()]) * 4
    assert scratch > 0 and buffer == values + scratch + 64


@pytest.mark.parametrize("name", SHAPES)
def test_prepared_weights_are_read_where_they_lie(request, programs, saved, tmp_path, name):
    """They serve the same predictor, and no other: of another level, or after a change of the weights."""
    if "prepared" not in programs:
        return
    import heddle as mx
    plain = saved / f"{name}-0000.params"

    def answers(out, params, **env):
        done = run(programs["prepared"], saved, name, tmp_path / out, env, params=params)
        assert done.returncode == 0, done.stderr
        return done.stdout.split(), np.fromfile(tmp_path / out, "float32")

    told, expected = answers("first", plain)
    assert told == ["0", "0"]
    ready = tmp_path / "first.params"
    told, found = answers("second", ready)
    assert told == ["1", "1"]
    np.testing.assert_array_equal(found.view("uint32"), expected.view("uint32"))
    assert (tmp_path / "second.params").read_bytes() == ready.read_bytes()

    arrays, had = mx.nd.load(str(ready)), mx.nd.load(str(plain))
    more, = arrays.keys() - had.keys()
    assert more.startswith("prepared:")
    for key in had:
        np.testing.assert_array_equal(arrays[key].asnumpy(), had[key].asnumpy())
    if "aarch64" not in request.node.name:
        told, found = answers("older", ready, HEDDLE_ISA_LEVEL="v2")
        assert told == ["0", "0"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    key = "arg:conv0_weight" if name == "lenet" else "arg:conv_weight"
    arrays[key][-1] = arrays[key][-1] * 1.5  # the beginning stays what it was
    mx.nd.save(str(tmp_path / "changed.params"), arrays)
    del arrays[more]
    mx.nd.save(str(tmp_path / "plain.params"), arrays)
    told, found = answers("changed", tmp_path / "changed.params")
    assert told == ["0", "0"]
    np.testing.assert_array_equal(found, answers("plain", tmp_path / "plain.params")[1])
    assert not np.array_equal(found, expected)


def test_errors_come_out_as_texts(request, program, saved, tmp_path):
    out = tmp_path / "out"
    cut = tmp_path / "cut.params"
    cut.write_bytes((saved / "lenet-0000.params").read_bytes()[:1000])
    done = run(program, saved, "lenet", out, params=cut)
    assert (done.returncode, "[load] 'params' at byte" in done.stderr) == (3, True)
    done = run(program, saved, "lenet", out, params=tmp_path / "none.params")
    assert (done.returncode, f"[load] cannot read '{tmp_path}/none.params': " in done.stderr) == (3, True)
    done = run(program, saved, "lenet", out, shape="4 1 28")
    assert (done.returncode, "[Convolution] " in done.stderr) == (3, True)
    if WITHOUT[0] not in TARGETS[request.node.callspec.params["programs"]].command:  # else nothing stands between the check and the handler
        assert "Error in operator conv0" in done.stderr
    done = run(program, saved, "lenet", out, params=saved / "resnet-0000.params")
    assert (done.returncode, "'conv0_weight' is missing" in done.stderr) == (3, True)
    done = run(program, saved, "lenet", out, symbol=saved / "lenet.input")
    assert (done.returncode, "JSON" in done.stderr) == (3, True)
    done = run(program, saved, "lenet", out, shape="2 1 28 28")
    assert (done.returncode, "data has shape (2,1,28,28) and 6272 bytes, found 12544" in done.stderr) == (3, True)
    assert not out.exists()


@pytest.mark.parametrize("dtype, given, kept", [("float32", (), ()), ("float16", (), ("float16",)),
                                                ("float32", ("float64",), ("double",))])
def test_rare_types_are_kept_where_a_network_or_the_caller_names_them(tmp_path, dtype, given, kept):
    import heddle as mx
    x = mx.sym.cast(mx.sym.cast(mx.sym.Variable("data"), dtype=dtype) * 2, dtype="float32")
    x.save(str(tmp_path / "net-symbol.json"))
    command = [sys.executable, ROOT / "tools/amalgamate.py", tmp_path, "--model", tmp_path / "net-symbol.json"]
    subprocess.run([*command, *(["--dtype", *given] if given else [])], check=True)
    text = (tmp_path / "heddle_predict.cc").read_text()
    assert {t for t in ("double", "float16", "bfloat16") if f"return fn({t}{{}});" in text} == set(kept)
    assert "return fn(int64_t{});" in text


def test_records_that_no_network_needs_are_for_learning_alone(sources):
    """A file of several operators brings those along that a network has, and what these or passes call."""
    text = (sources / "heddle_predict.cc").read_text()
    kept = re.sub(r"#ifdef HEDDLE_TRAIN\n.*?#endif", "", text, flags=re.DOTALL)
    defined, everywhere = ({*re.findall(r'ops.define\(\{\s*\.name = "(\w+)"', t)} for t in (kept, text))
    assert {"Flatten", "Reshape", "Pad", "_copy", "_fused_convolution", "_pack_Convolution_weight"} <= defined
    assert not {"expand_dims", "squeeze", "BlockGrad", "Convolution_v1"} & defined
    assert {"expand_dims", "squeeze", "BlockGrad"} <= everywhere
