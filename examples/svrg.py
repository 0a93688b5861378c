"""Least squares by gradients with less variance: SVRGModule beside a Module, with the same rate and batches.

    python examples/svrg.py [--epochs 30]

The gradient of a batch is noisy, so SGD at a constant rate stays at some distance from the solution. SVRG corrects each gradient
by what the same batch said at weights for which the gradient over all data is known, and goes on to the solution, which is known
here in closed form.
"""
from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np

import heddle as mx
from heddle import sym
from heddle.contrib.svrg_optimization import SVRGModule

ROWS, COLUMNS, BATCH = 1000, 20, 20


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, y, the weights of least error)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, COLUMNS)).astype("float32")
    y = (x @ rng.normal(size=COLUMNS) + rng.normal(size=ROWS)).astype("float32")
    return x, y, np.linalg.lstsq(x.astype("float64"), y.astype("float64"), rcond=None)[0]


def train(kind: type[mx.mod.Module], x: np.ndarray, y: np.ndarray, epochs: int, **settings: Any) -> np.ndarray:
    """The weights after so many epochs."""
    mx.random.seed(1)
    np.random.seed(1)
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=1, no_bias=True, name="fc")
    net = sym.LinearRegressionOutput(net, sym.Variable("target"), name="guess")
    model = kind(net, label_names=("target",), **settings)
    model.fit(mx.io.NDArrayIter(x, {"target": y}, BATCH, shuffle=True), num_epoch=epochs, eval_metric="mse", optimizer="sgd",
              optimizer_params={"learning_rate": 0.02}, initializer=mx.init.Zero())
    return model.get_params()[0]["fc_weight"].asnumpy()[0]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    options, begin = parser.parse_args(arguments), time.perf_counter()
    x, y, best = problem(seed=1)
    away = {name: float(np.linalg.norm(train(kind, x, y, options.epochs, **settings) - best))
            for name, kind, settings in (("SGD", mx.mod.Module, {}), ("SVRG", SVRGModule, {"update_freq": 2}))}
    print(f"svrg: {away['SVRG']:.2g} from the solution after {options.epochs} epochs, SGD {away['SGD']:.2g}, "
          f"{time.perf_counter() - begin:.0f} s")
    return 0 if away["SVRG"] < away["SGD"] / 100 else 1


if __name__ == "__main__":
    sys.exit(main())
