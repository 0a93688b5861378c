"""One network, two questions: which garment is it, and is it worn on the feet.

    python examples/multi_task.py [--epochs 3] [--limit 20000]

Both losses share the layers below them; each metric looks at the output and the label that it names. Wants Debian's package
dataset-fashion-mnist.
"""
from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import heddle as mx
from heddle import sym
from heddle.test_utils import get_mnist

SHOES = (5, 7, 9)  # sandal, sneaker, boot


def network() -> sym.Symbol:
    shared = sym.Flatten(sym.Variable("data"))
    shared = sym.Activation(sym.FullyConnected(shared, num_hidden=128, name="shared"), act_type="relu")
    garment = sym.SoftmaxOutput(sym.FullyConnected(shared, num_hidden=10, name="fc10"), name="garment")
    shoe = sym.SoftmaxOutput(sym.FullyConnected(shared, num_hidden=2, name="fc2"), name="shoe")
    return sym.Group([garment, shoe])


def metric(name: str) -> mx.metric.Accuracy:
    """The accuracy of one output."""
    return mx.metric.Accuracy(name=name, output_names=[f"{name}_output"], label_names=[f"{name}_label"])


def batches(images: np.ndarray, labels: np.ndarray, size: int, shuffle: bool = False) -> mx.io.NDArrayIter:
    answers = {"garment_label": labels.astype("float32"), "shoe_label": np.isin(labels, SHOES).astype("float32")}
    return mx.io.NDArrayIter(images, answers, size, shuffle=shuffle)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=20000)
    options, begin = parser.parse_args(arguments), time.perf_counter()
    mx.random.seed(1)
    np.random.seed(1)
    data = get_mnist()
    train = batches(data["train_data"][:options.limit], data["train_label"][:options.limit], 100, shuffle=True)
    test = batches(data["test_data"], data["test_label"], 500)

    model = mx.mod.Module(network(), label_names=("garment_label", "shoe_label"))
    both = mx.metric.CompositeEvalMetric([metric("garment"), metric("shoe")])
    model.fit(train, num_epoch=options.epochs, eval_metric=both, optimizer="sgd",
              optimizer_params={"learning_rate": 0.02, "momentum": 0.9}, initializer=mx.init.Xavier())
    found = dict(model.score(test, both))
    print(f"multi-task: garment {found['garment']:.3f}, shoe or not {found['shoe']:.3f} of 10,000 test images, "
          f"{time.perf_counter() - begin:.0f} s")
    return 0 if found["garment"] > 0.8 and found["shoe"] > 0.98 else 1


if __name__ == "__main__":
    sys.exit(main())
