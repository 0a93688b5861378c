"""A network that tells some shapes apart is exported, and learns others from a few pictures, better than a new one does.

    python examples/gluon/fine_tune.py
"""
from __future__ import annotations

import argparse
import os
import tempfile
from typing import Any

import numpy as np

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn

import shapes

KNOWN, NEW = shapes.KINDS[:4], shapes.KINDS[3:]


def arrays(count: int, seed: int, kinds: tuple[str, ...]) -> tuple[Any, Any]:
    images, labels = shapes.pictures(count, seed, kinds)
    return mx.nd.array(images.transpose(0, 3, 1, 2).astype("float32") / 128 - 1), mx.nd.array(labels)


def features(channels: int) -> nn.HybridSequential:
    net = nn.HybridSequential(prefix="features_")
    with net.name_scope():
        for step in range(3):
            net.add(nn.Conv2D(channels << step, 3, padding=1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
        net.add(nn.Conv2D(channels << 3, 3, padding=1), nn.Activation("relu"), nn.GlobalMaxPool2D(), nn.Flatten())
    return net


def learn(body: gluon.HybridBlock, head: nn.Dense, data: tuple[Any, Any], epochs: int, rates: tuple[float, float]) -> None:
    """Trains both, each at its own rate."""
    trainers = [gluon.Trainer(part.collect_params(), "adam", {"learning_rate": rate}) for part, rate in zip((body, head), rates)]
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()
    images, labels = data
    for epoch in range(epochs):
        order = mx.nd.array(np.random.RandomState(epoch).permutation(len(images)))
        for at in range(0, len(images), 32):
            rows = order[at:at + 32]
            with autograd.record():
                loss = loss_of(head(body(images.take(rows))), labels.take(rows))
            loss.backward()
            for trainer in trainers:
                trainer.step(rows.shape[0])


def accuracy(body: gluon.HybridBlock, head: nn.Dense, data: tuple[Any, Any]) -> float:
    metric = mx.metric.Accuracy()
    metric.update(data[1], head(body(data[0])))
    return metric.get()[1]


def started(block: Any) -> Any:
    block.initialize(mx.init.Xavier(magnitude=2))
    block.hybridize()
    return block


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--few", type=int, default=60, help="pictures of the new shapes")
    options = parser.parse_args(arguments)
    mx.random.seed(1)
    body, head = started(features(8)), started(nn.Dense(len(KNOWN)))
    learn(body, head, arrays(1500, 1, KNOWN), options.epochs, (0.005, 0.005))
    print(f"shapes {', '.join(KNOWN)}: accuracy {accuracy(body, head, arrays(300, 2, KNOWN)):.3f}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "features")
        body.export(path)
        known = gluon.SymbolBlock.imports(f"{path}-symbol.json", ["data"], f"{path}-0000.params")
    few, others = arrays(options.few, 3, NEW), arrays(600, 4, NEW)
    found = {}
    for name, start, rate in (("from nothing", started(features(8)), 0.005), ("from the exported network", known, 0.0005)):
        head = started(nn.Dense(len(NEW)))
        learn(start, head, few, 30, (rate, 0.005))
        found[name] = accuracy(start, head, others)
        print(f"{len(NEW)} shapes, {options.few} pictures, {name}: accuracy {found[name]:.3f}")
    return 0 if found["from the exported network"] > max(0.8, found["from nothing"] + 0.05) else 1


if __name__ == "__main__":
    raise SystemExit(main())
