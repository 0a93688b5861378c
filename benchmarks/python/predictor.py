"""The predictor in one file, one image at a time on one thread, beside ONNX Runtime on one thread.

    ./dev bench predictor [--json FILE]

The file is made for each network with its operators alone and compiled with g++ -O2. Both have the weights of networks.py
and must give the same answer.
"""
import ctypes
import pathlib
import subprocess
import sys
import tempfile
import time

import harness
import models
import networks
import numpy as np

sys.path.insert(0, str(harness.ROOT / "tools"))
from predictor_calls import Input, Output, load  # noqa: E402

NAMES = ("resnet18", "mobilenetv2")
FLAGS = "-std=c++20 -O2 -fPIC -shared -ffp-contract=off -fno-math-errno -fno-trapping-math -s".split()


class Predictor:
    """A network that was saved as PREFIX.json and PREFIX.params, in the library PREFIX.so."""

    def __init__(self, prefix, image):
        self.calls, self.place = load(f"{prefix}.so"), ctypes.c_void_p()
        model, image = ctypes.c_void_p(), np.ascontiguousarray(image)
        self.need(self.calls.hd_model_open(f"{prefix}.json".encode(), f"{prefix}.params".encode(), ctypes.byref(model)))
        asked = Input(ctypes.sizeof(Input), b"data", (ctypes.c_int64 * image.ndim)(*image.shape), image.ndim, 0)
        self.need(self.calls.hd_predictor_create(model, ctypes.byref(asked), 1, None, 0, ctypes.byref(self.place)))
        self.need(self.calls.hd_predictor_set(self.place, b"data", image.ctypes.data_as(ctypes.c_void_p),
                                              ctypes.c_size_t(image.nbytes)))

    def need(self, code):
        if code != 0:
            raise SystemExit(self.calls.hd_last_error().decode())

    def step(self):
        self.need(self.calls.hd_predictor_forward(self.place))

    def answer(self):
        out = Output(size=ctypes.sizeof(Output))
        self.need(self.calls.hd_predictor_output(self.place, 0, ctypes.byref(out)))
        return np.frombuffer(ctypes.string_at(out.data, out.bytes), "float32")


def make(prefix, net):
    """Saves a network and compiles the predictor for it; returns the seconds of the compiler."""
    import amalgamate
    import heddle as mx

    symbol = models.symbol(mx, net)
    symbol.save(f"{prefix}.json")
    auxiliary = set(symbol.list_auxiliary_states())
    weights = {f"{layer.name}_{role}": networks.values(layer, role) for layer in net.layers for role in layer.weights}
    mx.nd.save(f"{prefix}.params", {("aux:" if name in auxiliary else "arg:") + name: mx.nd.array(value)
                                    for name, value in weights.items()})
    amalgamate.amalgamate(pathlib.Path(prefix), [pathlib.Path(f"{prefix}.json")])
    begin = time.monotonic()
    subprocess.run(["g++", *FLAGS, f"{prefix}/heddle_predict.cc", "-o", f"{prefix}.so"], check=True)
    return time.monotonic() - begin


def ours(folder):
    def work(name):
        return harness.Work(Predictor(f"{folder}/{name}", networks.data(networks.NETWORKS[name](1))).step)
    return {name: lambda name=name: work(name) for name in NAMES}


def ort(folder):
    build = models.ort()

    def work(name):
        built = build(networks.NETWORKS[name](1), False, 0, None)
        built.step()
        np.save(f"{folder}/{name}.npy", built.output())
        return harness.Work(built.step)
    return {name: lambda name=name: work(name) for name in NAMES}


def main():
    harness.THREADS = 1
    options = harness.arguments(__doc__)
    if options.serve:
        name, folder = options.serve.split(":", 1)
        return harness.serve({"heddle": ours, "ort": ort}[name](folder))
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            seconds = make(f"{folder}/{name}", networks.NETWORKS[name](1))
            size = pathlib.Path(f"{folder}/{name}.so").stat().st_size
            print(f"{networks.TITLES[name]}: compiled in {seconds:.0f} s, {size / 1000:.0f} KB")
        harness.two_cores()
        contenders = [harness.Contender(__file__, f"heddle:{folder}", sys.executable),
                      harness.Contender(__file__, f"ort:{folder}", harness.peer_python("ort"))]
        found = harness.rates([(c, NAMES) for c in contenders], options.windows, options.seconds)
        for name in NAMES:
            predictor = Predictor(f"{folder}/{name}", networks.data(networks.NETWORKS[name](1)))
            predictor.step()
            np.testing.assert_allclose(predictor.answer(), np.load(f"{folder}/{name}.npy").ravel(), rtol=1e-3, atol=1e-5)
        harness.report([{"case": networks.TITLES[name], "unit": "images/s", "ours": found[f"heddle:{folder}", name],
                         "peer": found[f"ort:{folder}", name], "peer_name": "ONNX Runtime"} for name in NAMES], options.json)
        for contender in contenders:
            contender.close()


if __name__ == "__main__":
    main()
