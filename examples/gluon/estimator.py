"""Training by an Estimator: early stopping, checkpoints, and going on from one; then a new last layer on the exported network.

    python examples/gluon/estimator.py
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
from heddle.gluon.contrib import estimator as est


def spirals(count: int, arms: int, seed: int) -> list[Any]:
    """Batches of points on spiral arms, and the arm of each."""
    rng = np.random.RandomState(seed)
    arm, t = rng.randint(0, arms, count), rng.uniform(0.2, 1, count)
    angle = 5 * t + 2 * np.pi * arm / arms
    points = np.stack([t * np.cos(angle), t * np.sin(angle)], 1) + rng.normal(0, 0.02, (count, 2))
    return [(mx.nd.array(points[i:i + 32].astype("float32")), mx.nd.array(arm[i:i + 32])) for i in range(0, count, 32)]


def network(arms: int) -> nn.HybridSequential:
    net = nn.HybridSequential(prefix="spiral_")
    with net.name_scope():
        net.add(nn.Dense(64, activation="tanh"), nn.Dense(64, activation="relu"), nn.Dense(arms))
    return net


def estimator(arms: int) -> est.Estimator:
    net = network(arms)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
    return est.Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), train_metrics=mx.metric.Accuracy(), trainer=trainer,
                         context=mx.cpu())


def train(folder: str, epochs: int, resume: bool) -> tuple[Any, Any, Any]:
    made = estimator(3)
    checkpoints = est.CheckpointHandler(folder, "spiral", monitor=made.val_metrics[0], save_best=True, max_checkpoints=2,
                                        resume_from_checkpoint=resume)
    stopping = est.EarlyStoppingHandler(made.val_metrics[0], patience=8, mode="max")
    made.fit(spirals(1600, 3, 1), val_data=spirals(400, 3, 2), epochs=epochs, event_handlers=[checkpoints, stopping])
    return made, checkpoints, stopping


def fine_tune(folder: str) -> float:
    """Five arms, with all but the last layer taken from the exported network and left as they are."""
    symbol = mx.sym.load(os.path.join(folder, "final-symbol.json"))
    hidden = symbol.get_internals()["spiral_dense1_relu_fwd_output"]
    body = gluon.SymbolBlock(hidden, mx.sym.var("data"))
    body.load_parameters(os.path.join(folder, "final-0000.params"), ignore_extra=True)
    body.collect_params().setattr("grad_req", "null")
    head = nn.Dense(5)
    head.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(head.collect_params(), "adam", {"learning_rate": 0.05})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(12):
        for x, y in spirals(1600, 5, 3):
            features = body(x)
            with autograd.record():
                value = loss(head(features), y)
            value.backward()
            trainer.step(x.shape[0])
    metric = mx.metric.Accuracy()
    for x, y in spirals(400, 5, 4):
        metric.update(y, head(body(x)))
    return metric.get()[1]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args(arguments)
    mx.random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        train(folder, 3, False)
        made, checkpoints, stopping = train(folder, options.epochs, True)  # from the third epoch on
        files = sorted(os.listdir(folder))
        print("files:", ", ".join(files))
        made.net.load_parameters(os.path.join(folder, "spiral-best.params"))
        made.evaluate(spirals(400, 3, 5))
        accuracy = made.val_metrics[0].get()[1]
        made.net.export(os.path.join(folder, "final"))
        tuned = fine_tune(folder)
    print(f"accuracy {accuracy:.3f} after epoch {checkpoints.trained_epoch + 1 + checkpoints.current_epoch}"
          f"{', stopped early' if stopping.stop_training else ''}; with five arms and a new last layer {tuned:.3f}")
    return 0 if accuracy >= 0.95 and tuned >= 0.8 and len(files) == 7 else 1


if __name__ == "__main__":
    raise SystemExit(main())
