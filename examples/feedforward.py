"""Fashion-MNIST by FeedForward, MXNet's first way to train: a multilayer perceptron, saved, loaded and asked again.

    python examples/feedforward.py [--epochs 5] [--limit 20000] [--out DIR]

Wants Debian's package dataset-fashion-mnist.
"""
from __future__ import annotations

import argparse
import os
import sys
import time
import warnings

import numpy as np

import heddle as mx
from heddle import sym
from heddle.test_utils import get_mnist


def network() -> sym.Symbol:
    x = sym.Variable("data")
    for i, width in enumerate((128, 64)):
        x = sym.Activation(sym.FullyConnected(x, num_hidden=width, name=f"fc{i}"), act_type="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=10, name="fc2"), name="softmax")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, default=20000)
    parser.add_argument("--out", default="feedforward-out")
    options, begin = parser.parse_args(arguments), time.perf_counter()
    os.makedirs(options.out, exist_ok=True)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of FeedForward itself
    mx.random.seed(1)
    np.random.seed(1)
    data = get_mnist()
    x, y = data["train_data"][:options.limit].reshape(-1, 784), data["train_label"][:options.limit]
    test, answers = data["test_data"].reshape(-1, 784), data["test_label"]

    model = mx.model.FeedForward.create(network(), x, y, ctx=mx.cpu(), num_epoch=options.epochs, optimizer="sgd",
                                        learning_rate=0.02, momentum=0.9, initializer=mx.init.Xavier())
    prefix = os.path.join(options.out, "mlp")
    model.save(prefix)
    again = mx.model.FeedForward.load(prefix, options.epochs)
    found, right = again.predict(test), float((model.predict(test).argmax(axis=1) == answers).mean())
    same = bool((found.argmax(axis=1) == model.predict(test).argmax(axis=1)).all())
    print(f"feedforward: {right:.3f} of 10,000 test images right, the same from {prefix}-{options.epochs:04d}.params: {same}, "
          f"{time.perf_counter() - begin:.0f} s")
    return 0 if right > 0.8 and same else 1


if __name__ == "__main__":
    sys.exit(main())
