"""Pictures of clothes in sixteen numbers each: an autoencoder, beside the principal components.

    python examples/autoencoder.py [--epochs 8] [--limit 20000]

The network squeezes 28 x 28 pixels through a layer of sixteen and learns to draw them again; the best that a linear method can
do with sixteen numbers is known in closed form, and is what it has to beat. Wants Debian's package dataset-fashion-mnist.
"""
from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import heddle as mx
from heddle import sym
from heddle.test_utils import get_mnist

CODE = 16


def network() -> sym.Symbol:
    x = sym.Variable("data")
    for i, width in enumerate((128, 64)):
        x = sym.Activation(sym.FullyConnected(x, num_hidden=width, name=f"in{i}"), act_type="relu")
    x = sym.FullyConnected(x, num_hidden=CODE, name="code")
    for i, width in enumerate((64, 128)):
        x = sym.Activation(sym.FullyConnected(x, num_hidden=width, name=f"out{i}"), act_type="relu")
    x = sym.FullyConnected(x, num_hidden=28 * 28, name="pixels")
    return sym.LogisticRegressionOutput(x, sym.Variable("picture"), name="drawn")


def by_components(train: np.ndarray, test: np.ndarray) -> float:
    """The mean square error of the first CODE principal components."""
    mean = train.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(train, rowvar=False))
    basis = vectors[:, -CODE:]
    centred = test - mean
    return float(((centred - centred @ basis @ basis.T) ** 2).mean())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--limit", type=int, default=20000)
    options, begin = parser.parse_args(arguments), time.perf_counter()
    mx.random.seed(1)
    np.random.seed(1)
    data = get_mnist()
    train = data["train_data"][:options.limit].reshape(-1, 28 * 28)
    test = data["test_data"][:4000].reshape(-1, 28 * 28)

    model = mx.mod.Module(network(), label_names=("picture",))
    model.fit(mx.io.NDArrayIter(train, {"picture": train}, 100, shuffle=True), num_epoch=options.epochs, eval_metric="mse",
              optimizer="adam", optimizer_params={"learning_rate": 0.003}, initializer=mx.init.Xavier())
    drawn = model.predict(mx.io.NDArrayIter(test, {"picture": test}, 500)).asnumpy()
    found, linear = float(((drawn - test) ** 2).mean()), by_components(train, test)
    print(f"autoencoder: error {found:.4f} with {CODE} numbers for a picture, principal components {linear:.4f}, "
          f"{time.perf_counter() - begin:.0f} s")
    return 0 if found < linear else 1


if __name__ == "__main__":
    sys.exit(main())
