"""The predictor in one file, compiled to train: it learns what Python learns, bit for bit, on every machine."""
import concurrent.futures
import gzip
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from debian_data import FASHION, needs_images
from predictor_targets import WITHOUT, Target, needed

import heddle as mx

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = {
    "g++": Target(["g++", "-O2", "-DHEDDLE_TRAIN"]),
    "aarch64": Target(["aarch64-linux-gnu-g++", "-O1", "-DHEDDLE_TRAIN", "-static"], ["qemu-aarch64"]),
    "wasm": Target(["em++", "-O2", "-msimd128", "-DHEDDLE_TRAIN", *WITHOUT], ["node", "--no-experimental-fetch"], ".js",
                   link=("-sNODERAWFS=1", "-sALLOW_MEMORY_GROWTH=1")),
}
# What a program for node knows of its environment.
ENVIRONMENT = 'Module.preRun = () => { if (process.env.HEDDLE_KERNELS) ENV.HEDDLE_KERNELS = process.env.HEDDLE_KERNELS; };'
BATCH = 50

# Saves a network, its first parameters, and those after some steps with a rule.
LEARN = """
import sys
import numpy as np
import heddle as mx

folder, fashion, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
x = mx.sym.Variable("data")
for i, filters in enumerate((12, 24)):
    x = mx.sym.Convolution(x, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, name=f"bn{i}") if len(sys.argv) > 4 else x, act_type="relu")
    x = mx.sym.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
x = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=100, name="fc0"), act_type="relu")
network = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="fc1"), name="softmax")
images = np.fromfile(f"{fashion}/train-images-idx3-ubyte", "uint8")[16:].reshape(-1, 50, 1, 28, 28)
labels = np.fromfile(f"{fashion}/train-labels-idx1-ubyte", "uint8")[8:].reshape(-1, 50)
for rule, parameters in (("sgd", {"learning_rate": 0.05, "momentum": 0.9}), ("adam", {"learning_rate": 0.001})):
    mx.random.seed(1)
    module = mx.mod.Module(network, context=mx.cpu())
    module.bind([("data", (50, 1, 28, 28))], [("softmax_label", (50,))])
    module.init_params(mx.init.Xavier())
    module.save_checkpoint(f"{folder}/{rule}", 0)
    module.init_optimizer(kvstore=None, optimizer=rule, optimizer_params={**parameters, "wd": 1e-4})
    for image, label in zip(images[:steps], labels):
        data = mx.nd.array(image.astype("float32") / np.float32(255))
        module.forward_backward(mx.io.DataBatch([data], [mx.nd.array(label)]))
        module.update()
    module.save_checkpoint(f"{folder}/{rule}", 1)
"""
STEPS = 10

pytestmark = needs_images


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """A folder with the data set as plain files."""
    folder = tmp_path_factory.mktemp("fashion")
    for packed in FASHION.glob("*.gz"):
        with gzip.open(packed) as data, open(folder / packed.stem, "wb") as plain:
            shutil.copyfileobj(data, plain)
    return folder


@pytest.fixture(scope="module")
def saved(fashion, tmp_path_factory):
    """A folder with what Python has saved: "plain" has no batch norm."""
    folder = tmp_path_factory.mktemp("saved")
    for name, more in (("plain", []), ("normed", ["norm"])):
        (folder / name).mkdir()
        subprocess.run([sys.executable, "-c", LEARN, folder / name, fashion, str(STEPS), *more], check=True,
                       env={**os.environ, "HEDDLE_KERNELS": "portable"})
    return folder


@pytest.fixture(scope="module")
def compilations(request, saved, tmp_path_factory):
    """examples/predictor/learn.c for each target of the tests that run."""
    asked = {item.callspec.params.get("learn") for item in request.session.items if hasattr(item, "callspec")}
    sources = tmp_path_factory.mktemp("predict")
    models = [saved / name / "sgd-symbol.json" for name in ("plain", "normed")]
    subprocess.run([sys.executable, ROOT / "tools/amalgamate.py", sources, "--model", *models], check=True)
    environment = sources / "environment.js"
    environment.write_text(ENVIRONMENT)

    def compiled(target, folder):
        predictor, program, linked = folder / "predictor.o", folder / "learn.o", folder / f"learn{target.suffix}"
        pre = ["--pre-js", environment] if target.suffix else []
        return target.compile([["-c", sources / "heddle_predict.cc", "-o", predictor],
                               [f"-I{sources}", "-c", ROOT / "examples/predictor/learn.c", "-o", program],
                               [program, predictor, *target.link, *pre, "-o", linked]]), linked

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield {name: pool.submit(compiled, target, tmp_path_factory.mktemp("program"))
               for name, target in TARGETS.items() if name in asked and not target.missing()}


@pytest.fixture(scope="module", params=TARGETS)
def learn(request, compilations, fashion):
    """Runs the program of a target with these arguments; what it prints."""
    target = TARGETS[request.param]
    if request.param not in compilations:
        needed(", ".join(target.missing()))
    done, program = compilations[request.param].result()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""

    def run(symbol, params, *more, kernels="portable"):
        done = subprocess.run([*target.runner, program, symbol, fashion, params, *map(str, more)], capture_output=True,
                              text=True, env={**os.environ, "HEDDLE_KERNELS": kernels})
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("rule, rate", [("sgd", 0.05), ("adam", 0.001)])
@pytest.mark.parametrize("network", ["plain", "normed"])
def test_learns_what_python_learns(learn, saved, tmp_path, network, rule, rate):
    """From one checkpoint to the next, both of Python, on every machine: the file is the same byte for byte."""
    folder = saved / network
    said = learn(folder / f"{rule}-symbol.json", tmp_path / "params", rule, rate, STEPS, folder / f"{rule}-0000.params")
    assert said.startswith(f"step {STEPS} loss ")
    assert (tmp_path / "params").read_bytes() == (folder / f"{rule}-0001.params").read_bytes()


def test_the_same_initial_values_everywhere(learn, saved, tmp_path):
    learn(saved / "normed/sgd-symbol.json", tmp_path / "params", "sgd", 0, 1)
    found = mx.nd.load(str(tmp_path / "params"))
    weight = found["arg:fc0_weight"].asnumpy()
    limit = np.sqrt(6 / (384 + 100))
    assert weight.shape == (100, 384) and abs(np.abs(weight).max() - limit) < 1e-3 and abs(weight.mean()) < 0.01
    assert weight.ravel()[:3].tolist() == pytest.approx([0.07614647, -0.01571881, -0.06065696])
    assert (found["arg:bn0_gamma"].asnumpy() == 1).all() and (found["arg:fc0_bias"].asnumpy() == 0).all()


def test_an_epoch_of_fashion(request, learn, saved, tmp_path):
    if "aarch64" in request.node.name:
        return  # an emulator takes hours
    said = learn(saved / "plain/adam-symbol.json", tmp_path / "params", "adam", 0.003, kernels="")
    assert float(said.split("accuracy")[1]) >= 0.85
