"""Makes a page that knows handwritten digits and learns other signs, with the predictor as WebAssembly.

    python examples/browser/build.py [FOLDER]    # build/browser unless another one is named

It trains a small network on digits that strokes.py draws, writes the predictor in one file for it, compiles that with
Emscripten, and puts everything beside the page. Open FOLDER/index.html; it asks no server for anything.
"""
from __future__ import annotations

import argparse
import base64
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import strokes

import heddle as mx

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TRAIN, TEST, BATCH, EPOCHS, EXAMPLES = 10000, 2000, 50, 5, 30
COMPILE = ["-Os", "-msimd128", "-DHEDDLE_TRAIN", "-fno-exceptions", "-fno-rtti"]
LINK = ["-sSINGLE_FILE=1", "-sMODULARIZE=1", "-sEXPORT_NAME=loadDigits", "-sENVIRONMENT=web,node",
        "-sALLOW_MEMORY_GROWTH=1", "-sEXPORTED_FUNCTIONS=_malloc,_free", "-sEXPORTED_RUNTIME_METHODS=HEAPU8"]


def network() -> mx.sym.Symbol:
    """LeNet, smaller. The last layer's name tells how many classes it has: the page makes others."""
    x = mx.sym.Variable("data")
    for i, filters in enumerate((8, 16)):
        x = mx.sym.Convolution(x, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
        x = mx.sym.Pooling(mx.sym.Activation(x, act_type="relu"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    x = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=96, name="body"), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="classes10"), name="softmax")


def train(prefix: pathlib.Path) -> float:
    """Saves the network as PREFIX-symbol.json and PREFIX-0000.params; how much it gets right of drawings it has not seen."""
    mx.random.seed(1)
    np.random.seed(1)  # NDArrayIter shuffles with it
    images, labels = strokes.pictures(TRAIN, seed=1)
    module = mx.mod.Module(network(), context=mx.cpu())
    rate = mx.lr_scheduler.FactorScheduler(step=TRAIN // BATCH, factor=0.6, base_lr=0.003)
    module.fit(mx.io.NDArrayIter(images, labels, BATCH, shuffle=True), num_epoch=EPOCHS, optimizer="adam",
               optimizer_params={"lr_scheduler": rate, "learning_rate": 0.003, "wd": 1e-4}, initializer=mx.init.Xavier(),
               eval_metric="acc")
    module.save_checkpoint(str(prefix), 0)
    return dict(module.score(mx.io.NDArrayIter(*strokes.pictures(TEST, seed=2), BATCH), "acc"))["accuracy"]


def examples() -> list[list[list[list[list[int]]]]]:
    """Of each digit some drawings, for the page to remember while it learns something new; in whole numbers."""
    random = np.random.RandomState(3)

    def thin(stroke: np.ndarray) -> list[list[int]]:
        some = np.unique(np.linspace(0, len(stroke) - 1, 14).round().astype(int))
        return (stroke[some] * 100).round().astype(int).tolist()

    return [[[thin(s) for s in strokes.digit(k, random)] for _ in range(EXAMPLES)] for k in range(10)]


def compile_predictor(symbol: pathlib.Path, work: pathlib.Path) -> list[pathlib.Path]:
    """heddle_predict.cc for this network, and digits.c."""
    emscripten(sys.executable, ROOT / "tools/amalgamate.py", work, "--model", symbol)
    predictor, digits = work / "predictor.o", work / "digits.o"
    emscripten("em++", "-std=c++20", *COMPILE, "-c", work / "heddle_predict.cc", "-o", predictor)
    emscripten("emcc", "-std=c11", "-D_GNU_SOURCE", "-Os", f"-I{work}", "-c", HERE / "digits.c", "-o", digits)
    return [digits, predictor]


def emscripten(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True,
                   env={"NODE_PATH": "/usr/share/nodejs", **os.environ})  # where Debian's Emscripten finds what it needs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=ROOT / "build/browser")
    parser.add_argument("--quick", action="store_true", help="link in a second, to a script that is a quarter larger")
    given = parser.parse_args()
    folder: pathlib.Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - began:5.1f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory() as temporary, concurrent.futures.ThreadPoolExecutor(1) as pool:
        work = pathlib.Path(temporary)
        symbol = work / "digits-symbol.json"
        symbol.write_text(network().tojson())
        compiled = pool.submit(compile_predictor, symbol, work)  # while it learns
        say(f"{100 * train(work / 'digits'):.1f} % of {TEST} drawings are recognised")
        emscripten("em++", "-O1" if given.quick else "-Os", *LINK, *compiled.result(), "-o", folder / "heddle.js")
        model = {"symbol": symbol.read_text(), "params": base64.b64encode((work / "digits-0000.params").read_bytes()).decode(),
                 "examples": examples()}
    (folder / "model.js").write_text(f"const MODEL = {json.dumps(model, separators=(',', ':'))};\n")
    for name in ("index.html", "page.js", "digits.js"):
        shutil.copy(HERE / name, folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    say(f"{folder / 'index.html'}: {size / 1e3:.0f} kB with its scripts")


if __name__ == "__main__":
    main()
