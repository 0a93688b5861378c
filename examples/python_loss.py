"""A network whose loss is written in Python: Modules in a row, the last a PythonLossModule.

    python examples/python_loss.py [--epochs 4] [--share 6]

The loss is the multi-class hinge loss of Crammer and Singer (2001): max over the wrong classes of 1 + their score, minus the
score of the right class, where that is positive. Its gradient is a function of scores and labels; everything below it is
made of symbols. Wants the images of Debian's package dataset-fashion-mnist.
"""
from __future__ import annotations

import argparse
import os
import sys
import time

import heddle as mx
from heddle import nd


def features() -> mx.mod.Module:
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=128, name="fc1")
    return mx.mod.Module(mx.sym.Activation(net, act_type="relu", name="relu1"), label_names=None)


def scores() -> mx.mod.Module:
    return mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("features"), num_hidden=10, name="fc2"),
                         data_names=["features"], label_names=None)


def margins(scores: nd.NDArray, labels: nd.NDArray) -> tuple[nd.NDArray, nd.NDArray, nd.NDArray]:
    """(loss of each sample, one-hot of the worst wrong class, one-hot of the right class)."""
    right = nd.one_hot(labels, depth=scores.shape[1])
    wrong = scores - 1e9 * right
    worst = nd.one_hot(nd.argmax(wrong, axis=1), depth=scores.shape[1])
    loss = nd.relu(1 + nd.max(wrong, axis=1) - nd.sum(scores * right, axis=1))
    return loss, worst, right


def gradient(scores: nd.NDArray, labels: nd.NDArray) -> nd.NDArray:
    """Of the hinge loss: the worst wrong class goes down, the right one up, where the margin is not kept."""
    loss, worst, right = margins(scores, labels)
    return (worst - right) * (loss > 0).reshape((-1, 1))


def images(options: argparse.Namespace, name: str, share: int) -> mx.io.DataIter:
    return mx.io.MNISTIter(f"{options.data}/{name}-images-idx3-ubyte", f"{options.data}/{name}-labels-idx1-ubyte",
                           options.batch, shuffle=False, flat=True, num_parts=share, part_index=0)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--share", type=int, default=6, help="train on one of so many parts of the images")
    parser.add_argument("--accuracy", type=float, default=0.8, help="what must be reached")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    options = parser.parse_args(arguments)
    if not os.path.isdir(options.data):
        sys.exit(f"{options.data} is missing: apt-get install dataset-fashion-mnist")
    mx.random.seed(1)
    begin = time.perf_counter()
    chain = mx.mod.SequentialModule()
    chain.add(features()).add(scores(), auto_wiring=True)
    chain.add(mx.mod.PythonLossModule(name="hinge", grad_func=gradient), take_labels=True, auto_wiring=True)
    chain.fit(images(options, "train", options.share), num_epoch=options.epochs, initializer=mx.init.Xavier(),
              optimizer_params={"learning_rate": 0.02, "momentum": 0.9})
    metrics = mx.metric.CompositeEvalMetric([mx.metric.Accuracy(), mx.metric.CustomMetric(
        lambda label, found: float(margins(nd.array(found), nd.array(label))[0].mean().asscalar()), name="hinge")])
    reached = dict(chain.score(images(options, "t10k", 1), metrics))
    print(f"python loss: accuracy {reached['accuracy']:.4f}, hinge loss {reached['hinge']:.4f}, "
          f"{time.perf_counter() - begin:.0f} s")
    return 0 if reached["accuracy"] >= options.accuracy else 1


if __name__ == "__main__":
    sys.exit(main())
