"""An MLP on Fashion-MNIST over two devices: each takes half of every batch, and a KVStore adds their gradients.

    python examples/two_devices.py [--epochs 5] [--share 6]

Trains three times from the same parameters: on one device; on two by Module, whose store changes the weights; and on two
by hand, with executors, push and pull. The sums do not depend on timing: the two on two devices must end at the same weights
to the last bit. One device adds the samples of a batch in another order, so there only the accuracy must be the same. Wants
the images of Debian's package dataset-fashion-mnist.
"""
from __future__ import annotations

import argparse
import os
import sys
import time

import heddle as mx

DEVICES = [mx.cpu(0), mx.cpu(1)]
SETTINGS = {"learning_rate": 0.02, "momentum": 0.9, "wd": 1e-4}
Parameters = dict[str, mx.nd.NDArray]


def network() -> mx.sym.Symbol:
    net = mx.sym.Variable("data")
    for i, width in ((1, 128), (2, 64)):
        net = mx.sym.FullyConnected(net, num_hidden=width, name=f"fc{i}")
        net = mx.sym.Activation(net, act_type="relu", name=f"relu{i}")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10, name="fc3"), name="softmax")


def images(options: argparse.Namespace, name: str, share: int) -> mx.io.DataIter:
    """Batches of the training or test images in their order; one of `share` equal parts of them."""
    return mx.io.MNISTIter(f"{options.data}/{name}-images-idx3-ubyte", f"{options.data}/{name}-labels-idx1-ubyte",
                           options.batch, shuffle=False, flat=True, num_parts=share, part_index=0)


def first_parameters(batches: mx.io.DataIter) -> Parameters:
    module = mx.mod.Module(network())
    module.bind(batches.provide_data, batches.provide_label)
    module.init_params(mx.init.Xavier())
    return {name: value.copy() for name, value in module.get_params()[0].items()}


def by_module(batches: mx.io.DataIter, start: Parameters, devices: list[mx.Context], epochs: int) -> Parameters:
    """fit: Module cuts the batches, and the store updates."""
    module = mx.mod.Module(network(), context=devices)
    module.fit(batches, num_epoch=epochs, kvstore="device", optimizer="sgd", optimizer_params=SETTINGS, arg_params=start)
    batches.reset()
    return module.get_params()[0]


def by_hand(batches: mx.io.DataIter, start: Parameters, epochs: int) -> Parameters:
    """The same with executors and a store: gradients are pushed, weights pulled."""
    size = batches.batch_size
    half = size // 2
    net = network()
    executors = [net.simple_bind(device, data=(half, 784), softmax_label=(half,)) for device in DEVICES]
    names = list(start)
    weights = [[e.arg_dict[name] for e in executors] for name in names]
    gradients = [[e.grad_dict[name] for e in executors] for name in names]
    store = mx.kv.create("device")
    store.set_optimizer(mx.optimizer.create("sgd", rescale_grad=1 / size, param_idx2name=dict(enumerate(names)), **SETTINGS))
    store.init(names, [start[name] for name in names])
    store.pull(names, weights)
    for _ in range(epochs):
        for batch in batches:
            for i, e in enumerate(executors):
                rows = slice(i * half, (i + 1) * half)
                e.forward(is_train=True, data=batch.data[0][rows], softmax_label=batch.label[0][rows])
                e.backward()
            store.push(names, gradients)
            store.pull(names, weights)
        batches.reset()
    return dict(zip(names, (of_devices[0] for of_devices in weights)))


def accuracy(batches: mx.io.DataIter, parameters: Parameters) -> float:
    module = mx.mod.Module(network())
    module.bind(batches.provide_data, batches.provide_label, for_training=False)
    module.set_params(parameters, {})
    return module.score(batches, "acc")[0][1]


def difference(a: Parameters, b: Parameters) -> float:
    """The largest difference of two weights."""
    return max((a[name] - b[name]).abs().max().asscalar() for name in a)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--share", type=int, default=6, help="train on one of so many parts of the images")
    parser.add_argument("--accuracy", type=float, default=0.8, help="what each of the three must reach")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    options = parser.parse_args(arguments)
    if not os.path.isdir(options.data):
        sys.exit(f"{options.data} is missing: apt-get install dataset-fashion-mnist")
    mx.random.seed(1)
    begin = time.perf_counter()
    train, test = images(options, "train", options.share), images(options, "t10k", 1)
    start = first_parameters(train)
    one = by_module(train, start, DEVICES[:1], options.epochs)
    two = by_module(train, start, DEVICES, options.epochs)
    hand = by_hand(train, start, options.epochs)
    reached = [accuracy(test, parameters) for parameters in (one, two, hand)]
    apart = difference(two, hand)
    print(f"two devices: accuracy {reached[0]:.4f} on one, {reached[1]:.4f} on two, {reached[2]:.4f} by hand; weights of the "
          f"last two differ by {apart:g}, {time.perf_counter() - begin:.0f} s")
    return 0 if min(reached) >= options.accuracy and max(reached) - min(reached) < 0.02 and apart == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
