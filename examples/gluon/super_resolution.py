"""Images twice as large: a network that fills in what is between the pixels, beside the nearest pixel.

Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network, 2016.
The images are smooth shapes that are made here.

    python examples/gluon/super_resolution.py
"""
from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import contrib, nn


def images(count: int, size: int, seed: int) -> np.ndarray:
    """(count, 1, size, size): waves and discs."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:1:size * 1j, 0:1:size * 1j]
    made = np.zeros((count, 1, size, size), "float32")
    for image in made:
        a, b, phase = rng.uniform(-12, 12, 2).tolist() + [rng.uniform(0, 6)]
        cx, cy, r = rng.uniform(0.2, 0.8, 2).tolist() + [rng.uniform(0.1, 0.3)]
        disc = 1 / (1 + np.exp(((x - cx) ** 2 + (y - cy) ** 2 - r * r) * 200))
        image[0] = 0.5 + 0.25 * np.sin(a * x + b * y + phase) + 0.25 * disc
    return made


def smaller(large: np.ndarray) -> np.ndarray:
    return large.reshape(*large.shape[:2], large.shape[2] // 2, 2, -1, 2).mean((3, 5))


class Network(gluon.HybridBlock):
    """The nearest pixel, and what is to be added."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = nn.HybridSequential()
            self.body.add(nn.Conv2D(32, 5, padding=2, activation="tanh"), nn.Conv2D(16, 3, padding=1, activation="tanh"),
                          nn.Conv2D(4, 3, padding=1), contrib.nn.PixelShuffle2D(2))

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.UpSampling(x, scale=2, sample_type="nearest") + self.body(x)


def decibels(found: np.ndarray, wanted: np.ndarray) -> float:
    """Peak signal to noise, of images between 0 and 1."""
    return -10 * math.log10(((found - wanted) ** 2).mean())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args(arguments)
    mx.random.seed(1)
    net = Network()
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.003})
    loss = gluon.loss.L2Loss()
    for step in range(options.steps):
        large = images(8, 24, step)
        x, y = mx.nd.array(smaller(large)), mx.nd.array(large)
        with autograd.record():
            value = loss(net(x), y)
        value.backward()
        trainer.step(8)
        if step % 50 == 0:
            print(f"step {step}: loss {value.mean().asscalar():.5f}")
    large = images(32, 48, 10**6)  # of another size: the plan is another, the network is not
    small = smaller(large)
    nearest, found = decibels(small.repeat(2, 2).repeat(2, 3), large), decibels(net(mx.nd.array(small)).asnumpy(), large)
    print(f"nearest pixel {nearest:.1f} dB, the network {found:.1f} dB")
    return 0 if found >= nearest + 3 else 1


if __name__ == "__main__":
    raise SystemExit(main())
