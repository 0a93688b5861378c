"""Two networks, one that draws and one that judges, until drawings have the statistics of the pictures.

Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks, 2016. The
pictures are bright rings on a dark ground, made here.

    python examples/gluon/dcgan.py [--steps N]
"""
from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn

SIZE = 16


def rings(count: int, seed: int) -> np.ndarray:
    """(count, 1, SIZE, SIZE) between -1 and 1: one ring in each, somewhere."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    centre = rng.uniform(5, SIZE - 6, (2, count, 1, 1, 1))
    radius = rng.uniform(2.5, 4.5, (count, 1, 1, 1))
    from_line = np.hypot(y - centre[0], x - centre[1]) - radius
    return (2 * np.exp(-from_line ** 2) - 1).astype("float32")


def generator(noise: int) -> nn.HybridSequential:
    net = nn.HybridSequential(prefix="generator_")
    with net.name_scope():
        net.add(nn.Conv2DTranspose(64, 4, use_bias=False, in_channels=noise), nn.BatchNorm(), nn.Activation("relu"),
                nn.Conv2DTranspose(32, 4, 2, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"),
                nn.Conv2DTranspose(1, 4, 2, 1), nn.Activation("tanh"))
    return net


def discriminator() -> nn.HybridSequential:
    net = nn.HybridSequential(prefix="discriminator_")
    with net.name_scope():
        net.add(nn.Conv2D(32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2D(64, 4, 2, 1, use_bias=False), nn.BatchNorm(),
                nn.LeakyReLU(0.2), nn.Conv2D(1, 4))
    return net


def nearest(images: np.ndarray, pictures: np.ndarray) -> float:
    """The mean distance of images to the picture that is most like each."""
    a, b = images.reshape(len(images), -1), pictures.reshape(len(pictures), -1)
    squares = (a ** 2).sum(1)[:, None] + (b ** 2).sum(1)[None] - 2 * a @ b.T
    return float(np.sqrt(np.maximum(squares, 0)).min(1).mean())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--noise", type=int, default=16)
    options = parser.parse_args(arguments)
    mx.random.seed(1)
    batch = 64
    nets = draws, judges = generator(options.noise), discriminator()
    for net in nets:
        net.initialize(mx.init.Normal(0.05))
        net.hybridize()
    painter, judge = (gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002, "beta1": 0.5}) for net in nets)
    loss_of = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    real, drawn = mx.nd.ones((batch,)), mx.nd.zeros((batch,))

    def noise(count: int) -> Any:
        return mx.nd.random.normal(shape=(count, options.noise, 1, 1))

    pictures, others = rings(2000, 10 ** 6), rings(256, 10 ** 6 + 1)
    usual = nearest(others, pictures)
    before = nearest(draws(noise(256)).asnumpy(), pictures) / usual
    for step in range(options.steps):
        seen, images = mx.nd.array(rings(batch, step)), draws(noise(batch))
        with autograd.record():
            loss = loss_of(judges(seen), real * 0.9) + loss_of(judges(images.detach()), drawn)
        loss.backward()
        judge.step(batch)
        with autograd.record():
            own = loss_of(judges(draws(noise(batch))), real)
        own.backward()
        painter.step(batch)
        if step % 100 == 0:
            print(f"step {step}: the judge's loss {loss.mean().asscalar():.3f}, the painter's {own.mean().asscalar():.3f}")
    images = draws(noise(256)).asnumpy()
    alike = nearest(images, pictures) / usual
    spread = images.std(0).mean() / others.std(0).mean()
    light = (images.mean() + 1) / (others.mean() + 1)
    print(f"drawings are {alike:.2f} times as far from a picture as other pictures are ({before:.2f} before), {light:.2f} times as "
          f"bright and {spread:.2f} times as various")
    return 0 if alike < 0.5 * before and 0.7 < light < 1.4 and spread > 0.6 else 1


if __name__ == "__main__":
    raise SystemExit(main())
