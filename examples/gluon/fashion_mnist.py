"""A convolutional network learns clothes twice, line by line and as a graph: the same curve, and with
HEDDLE_KERNELS=portable the same bits.

    python examples/gluon/fashion_mnist.py [--limit N] [--epochs N]

Wants the images of Debian's package dataset-fashion-mnist (Xiao et al. 2017), or --root with the same files.
"""
from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn
from heddle.gluon.data.vision import FashionMNIST, transforms


def loader(root: str, train: bool, limit: int) -> gluon.data.DataLoader:
    found = FashionMNIST(root, train).take(limit).transform_first(transforms.ToTensor(), lazy=False)
    return gluon.data.DataLoader(found, 64, shuffle=train, num_workers=2, last_batch="discard" if train else "keep")


def network() -> nn.HybridSequential:
    net = nn.HybridSequential()
    with net.name_scope():
        net.add(nn.Conv2D(16, 5, activation="relu"), nn.MaxPool2D(), nn.Conv2D(32, 3), nn.BatchNorm(), nn.Activation("relu"),
                nn.MaxPool2D(), nn.Flatten(), nn.Dropout(0.3), nn.Dense(10))
    return net


def train(root: str, limit: int, epochs: int, hybrid: bool) -> tuple[list[float], float]:
    """The losses of all steps, and the accuracy on other images."""
    mx.random.seed(3)
    net, loss_of = network(), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 1, 28, 28)))  # shapes are known now, and the weights drawn
    mx.random.seed(4)  # the same dropout both times,
    np.random.seed(4)  # and the same order of images
    if hybrid:
        net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
    batches, losses = loader(root, True, limit), []
    for _ in range(epochs):
        for images, labels in batches:
            with autograd.record():
                loss = loss_of(net(images), labels)
            loss.backward()
            trainer.step(images.shape[0])
            losses.append(loss.mean())
    metric = mx.metric.Accuracy()
    for images, labels in loader(root, False, limit):
        metric.update(labels, net(images))
    return [loss.asscalar() for loss in losses], metric.get()[1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--root", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--limit", type=int, default=10000, help="images to train with, and to test with")
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args(arguments)
    found: dict[bool, Any] = {}
    for hybrid in (False, True):
        start = time.perf_counter()
        losses, accuracy = found[hybrid] = train(options.root, options.limit, options.epochs, hybrid)
        print(f"{'as a graph' if hybrid else 'line by line'}: loss {losses[0]:.4f} to {losses[-1]:.4f}, accuracy {accuracy:.4f}, "
              f"{time.perf_counter() - start:.1f} s")
    # The two sum in another order. A difference in the last digit grows as the steps go on, and at once where it decides
    # which pixel is the largest of its window, or whether a unit is on.
    apart = [abs(a - b) for a, b in zip(found[False][0], found[True][0])]
    early, late = max(apart[:20]), sum(apart) / len(apart)
    print(f"the curves are at most {early:.1e} apart in 20 steps, {late:.1e} on average of {len(apart)}")
    return 0 if early < 1e-2 and late < 0.05 and min(accuracy for _, accuracy in found.values()) > 0.8 else 1


if __name__ == "__main__":
    raise SystemExit(main())
