"""LeNet on Fashion-MNIST, trained twice: as a bound Symbol, and line by line with autograd.

    python examples/fashion_mnist.py [--epochs 8] [--limit N] [--out DIR]

Ends in two checkpoints and a report.html that needs no other file. Wants the images of Debian's
package dataset-fashion-mnist, and Matplotlib for the report; training needs nothing beside heddle.
"""
from __future__ import annotations

import argparse
import gzip
import os
import struct
import sys
import time
from typing import Any

import heddle as mx
from heddle import autograd, nd, sym

import fashion_report

CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
Point = dict[str, float]  # losses and accuracies after one epoch


# --- data -----------------------------------------------------------------------------------------
def read_idx(path: str, limit: int) -> tuple[bytes, tuple[int, ...]]:
    """The bytes and the shape of a gzipped IDX file, at most `limit` entries of it."""
    with gzip.open(path) as file:
        zeros, kind, rank = struct.unpack(">HBB", file.read(4))
        if (zeros, kind) != (0, 8):
            sys.exit(f"{path}: not an IDX file of bytes")
        shape = list(struct.unpack(f">{rank}I", file.read(4 * rank)))
        shape[0] = min(shape[0], limit or shape[0])
        size = 1
        for extent in shape:
            size *= extent
        return file.read(size), tuple(shape)


class Part:
    """The training or the test images: pixels as bytes, and arrays ready for a network."""

    def __init__(self, folder: str, name: str, limit: int) -> None:
        self.pixels, (count, rows, columns) = read_idx(f"{folder}/{name}-images-idx3-ubyte.gz", limit)
        self.labels, _ = read_idx(f"{folder}/{name}-labels-idx1-ubyte.gz", limit)
        self.count = count
        images = nd.array(memoryview(self.pixels), dtype="uint8").reshape((count, 1, rows, columns))
        self.images = images.astype("float32") / 255
        self.targets = nd.array(memoryview(self.labels), dtype="uint8").astype("float32")

    def batches(self, size: int, shuffle: bool = False) -> mx.io.NDArrayIter:
        return mx.io.NDArrayIter(self.images, self.targets, size, shuffle=shuffle)


# --- what both styles share -----------------------------------------------------------------------
class Progress:
    """A bar with samples/s while an epoch runs, then one line about it."""

    def __init__(self, style: str, epochs: int, samples: int) -> None:
        self.style, self.epochs, self.samples = style, epochs, samples
        self.live = sys.stdout.isatty()
        self.rates: list[float] = []

    def start(self, epoch: int) -> None:
        self.epoch, self.begin, self.shown = epoch, time.perf_counter(), 0.0

    def update(self, seen: int) -> None:
        now = time.perf_counter()
        if not self.live or now - self.shown < 0.1:
            return
        self.shown = now
        done = min(1.0, seen / self.samples)
        bar = "#" * int(30 * done) + "-" * (30 - int(30 * done))
        self._write(f"\r{self._head()} [{bar}] {100 * done:3.0f} %  {seen / (now - self.begin):8,.0f} samples/s ")

    def trained(self) -> None:
        self.rates.append(self.samples / (time.perf_counter() - self.begin))

    def line(self, point: Point) -> None:
        self._write(("\r" if self.live else "") +
                    f"{self._head()} [{'#' * 30}] {self.rates[-1]:8,.0f} samples/s  "
                    f"loss {point['train_loss']:.4f}  accuracy {point['train_accuracy']:.4f}  "
                    f"test {point['test_accuracy']:.4f}\n")

    def _head(self) -> str:
        return f"{self.style:<10} epoch {self.epoch + 1}/{self.epochs}"

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def optimizer_settings(options: argparse.Namespace, samples: int) -> dict[str, Any]:
    """Momentum with a learning rate that falls twice."""
    updates = max(1, samples // options.batch) * options.epochs
    steps = sorted({max(1, updates * 5 // 8), max(2, updates * 7 // 8)})
    return {"learning_rate": options.rate, "momentum": 0.9, "wd": 1e-4,
            "lr_scheduler": mx.lr_scheduler.MultiFactorScheduler(step=steps, factor=0.2, base_lr=options.rate)}


# --- style one: a Symbol --------------------------------------------------------------------------
def lenet() -> sym.Symbol:
    net = sym.Variable("data")
    for i, filters in ((1, 20), (2, 50)):
        net = sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
        net = sym.Activation(net, act_type="tanh", name=f"tanh{i}")
        net = sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{i}")
    net = sym.FullyConnected(sym.Flatten(net, name="flatten"), num_hidden=500, name="fc1")
    net = sym.Activation(net, act_type="tanh", name="tanh3")
    net = sym.FullyConnected(net, num_hidden=len(CLASSES), name="fc2")
    return sym.SoftmaxOutput(net, name="softmax")


def train_symbolic(train: Part, test: Part, options: argparse.Namespace,
                   prefix: str) -> tuple[list[Point], list[float]]:
    module = mx.mod.Module(lenet(), context=mx.cpu())
    metric = mx.metric.create(["acc", "ce"])
    progress, curve = Progress("symbolic", options.epochs, train.count), []

    def batch_done(now: mx.model.BatchEndParam) -> None:
        progress.update((now.nbatch + 1) * options.batch)

    def epoch_done(epoch: int, *_: object) -> None:
        progress.trained()
        values = dict(metric.get_name_value())
        curve.append({"train_accuracy": values["accuracy"], "train_loss": values["cross-entropy"]})

    def tested(now: mx.model.BatchEndParam) -> None:
        values = dict(now.eval_metric.get_name_value())
        curve[-1].update(test_accuracy=values["accuracy"], test_loss=values["cross-entropy"])
        progress.line(curve[-1])
        progress.start(now.epoch + 1)

    progress.start(0)
    module.fit(train.batches(options.batch, shuffle=True), eval_data=test.batches(options.batch),
               eval_metric=metric, optimizer="sgd",
               optimizer_params=optimizer_settings(options, train.count),
               initializer=mx.init.Xavier(), num_epoch=options.epochs,
               batch_end_callback=batch_done, epoch_end_callback=epoch_done, eval_end_callback=tested)
    module.save_checkpoint(prefix, options.epochs)
    return curve, progress.rates


# --- style two: line by line ----------------------------------------------------------------------
SHAPES = {"conv1_weight": (20, 1, 5, 5), "conv1_bias": (20,), "conv2_weight": (50, 20, 5, 5), "conv2_bias": (50,),
          "fc1_weight": (500, 800), "fc1_bias": (500,), "fc2_weight": (10, 500), "fc2_bias": (10,)}


def forward(x: nd.NDArray, p: dict[str, nd.NDArray]) -> nd.NDArray:
    for i, filters in ((1, 20), (2, 50)):
        x = nd.Convolution(x, p[f"conv{i}_weight"], p[f"conv{i}_bias"], kernel=(5, 5), num_filter=filters)
        x = nd.Pooling(nd.tanh(x), pool_type="max", kernel=(2, 2), stride=(2, 2))
    x = nd.tanh(nd.FullyConnected(x, p["fc1_weight"], p["fc1_bias"], num_hidden=500))
    return nd.FullyConnected(x, p["fc2_weight"], p["fc2_bias"], num_hidden=len(CLASSES))


def cross_entropy(scores: nd.NDArray, target: nd.NDArray) -> nd.NDArray:
    return -nd.pick(nd.log_softmax(scores), target)


class Tally:
    """Sums of losses and hits, kept as arrays so that counting does not wait for the work."""

    def __init__(self) -> None:
        self.count, self.loss, self.hits = 0, nd.zeros((1,)), nd.zeros((1,))

    def add(self, loss: nd.NDArray, scores: nd.NDArray, target: nd.NDArray, padded: int = 0) -> None:
        keep = target.shape[0] - padded
        self.count += keep
        self.loss += loss[:keep].sum()
        self.hits += (scores[:keep].argmax(axis=1) == target[:keep]).sum()

    def means(self, part: str) -> Point:
        return {f"{part}_loss": self.loss.asscalar() / self.count,
                f"{part}_accuracy": self.hits.asscalar() / self.count}


def train_imperative(train: Part, test: Part, options: argparse.Namespace,
                     prefix: str) -> tuple[list[Point], list[float]]:
    parameters = {name: nd.zeros(shape) for name, shape in SHAPES.items()}
    initializer = mx.init.Xavier()
    for name, value in parameters.items():
        initializer(mx.init.InitDesc(name), value)
        value.attach_grad()
    sgd = mx.optimizer.create("sgd", rescale_grad=1 / options.batch, **optimizer_settings(options, train.count),
                              param_idx2name=dict(enumerate(parameters)))
    update = mx.optimizer.get_updater(sgd)
    progress, curve = Progress("imperative", options.epochs, train.count), []
    batches, tests = train.batches(options.batch, shuffle=True), test.batches(options.batch)
    for epoch in range(options.epochs):
        progress.start(epoch)
        batches.reset()
        tests.reset()
        seen, checked = Tally(), Tally()
        for n, batch in enumerate(batches):
            x, target = batch.data[0], batch.label[0]
            with autograd.record():
                scores = forward(x, parameters)
                loss = cross_entropy(scores, target)
            loss.backward()
            for i, value in enumerate(parameters.values()):
                update(i, value.grad, value)
            seen.add(loss, scores, target, batch.pad or 0)
            if n % 20 == 19:
                seen.loss.wait_to_read()
                progress.update(seen.count)
        curve.append(seen.means("train"))
        progress.trained()
        for batch in tests:
            scores, target = forward(batch.data[0], parameters), batch.label[0]
            checked.add(cross_entropy(scores, target), scores, target, batch.pad or 0)
        curve[-1].update(checked.means("test"))
        progress.line(curve[-1])
    mx.model.save_checkpoint(prefix, options.epochs, lenet(), parameters, {})
    return curve, progress.rates


# --- together -------------------------------------------------------------------------------------
def predict(prefix: str, epoch: int, test: Part, batch: int) -> list[list[float]]:
    """Class probabilities of the test images, by the network as the checkpoint has it."""
    module = mx.mod.Module.load(prefix, epoch)
    batches = test.batches(batch)
    module.bind(data_shapes=batches.provide_data, for_training=False)
    return module.predict(batches).tolist()


def accuracy(probabilities: list[list[float]], labels: bytes) -> float:
    hits = sum(p.index(max(p)) == label for p, label in zip(probabilities, labels))
    return hits / len(labels)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.05, help="learning rate of the first epochs")
    parser.add_argument("--limit", type=int, default=0, help="use only so many images")
    parser.add_argument("--accuracy", type=float, default=0.90, help="what both styles must reach")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="demo-out")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options, begin = parse(arguments), time.perf_counter()
    if not os.path.isdir(options.data):
        sys.exit(f"{options.data} is missing: apt-get install dataset-fashion-mnist")
    os.makedirs(options.out, exist_ok=True)
    train, test = (Part(options.data, name, options.limit) for name in ("train", "t10k"))
    runs: dict[str, dict[str, Any]] = {}
    for style, function in (("symbolic", train_symbolic), ("imperative", train_imperative)):
        mx.random.seed(options.seed)
        started, prefix = time.perf_counter(), os.path.join(options.out, f"lenet-{style}")
        curve, rates = function(train, test, options, prefix)
        probabilities = predict(prefix, options.epochs, test, options.batch)
        runs[style] = {"curve": curve, "rate": max(rates), "seconds": time.perf_counter() - started,
                       "probabilities": probabilities, "accuracy": accuracy(probabilities, test.labels)}
    report = os.path.join(options.out, "report.html")
    fashion_report.write(report, runs, test.pixels, test.labels, CLASSES, lenet(), options)
    reached = {style: run["accuracy"] for style, run in runs.items()}
    print(f"demo: symbolic {reached['symbolic']:.4f}, imperative {reached['imperative']:.4f}, "
          f"report {report}, {time.perf_counter() - begin:.0f} s")
    return 0 if min(reached.values()) >= options.accuracy else 1


if __name__ == "__main__":
    sys.exit(main())
