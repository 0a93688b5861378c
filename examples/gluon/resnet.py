"""A residual network tells coloured shapes apart, with pictures changed at random by the workers of a DataLoader.

He et al., Deep Residual Learning for Image Recognition, 2015. The pictures of 32x32 are made in shapes.py.

    python examples/gluon/resnet.py [--epochs N]
"""
from __future__ import annotations

import argparse
import time

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon.data.vision import transforms
from heddle.gluon.model_zoo.vision import BasicBlockV1, ResNetV1

import shapes

MEAN, SPREAD = (0.4, 0.4, 0.4), (0.2, 0.2, 0.2)


def loader(count: int, seed: int, train: bool) -> gluon.data.DataLoader:
    changes = [transforms.RandomFlipLeftRight(), transforms.RandomBrightness(0.2), transforms.RandomContrast(0.2)] if train else []
    images, labels = shapes.pictures(count, seed)
    data = gluon.data.ArrayDataset(mx.nd.array(images, dtype="uint8"), labels)
    return gluon.data.DataLoader(
        data.transform_first(transforms.Compose([*changes, transforms.ToTensor(), transforms.Normalize(MEAN, SPREAD)])),
        batch_size=64, shuffle=train, num_workers=2)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--count", type=int, default=1500, help="pictures to learn from")
    options = parser.parse_args(arguments)
    mx.random.seed(1)
    batches, others = loader(options.count, 1, True), loader(600, 2, False)
    net = ResNetV1(BasicBlockV1, [1, 1, 1], [16, 16, 32, 64], classes=len(shapes.KINDS), thumbnail=True)
    net.initialize(mx.init.Xavier(magnitude=2))
    net.hybridize(static_alloc=True, static_shape=True)
    steps = options.epochs * len(batches)
    rate = mx.lr_scheduler.CosineScheduler(steps, base_lr=0.05, final_lr=0.0005, warmup_steps=steps // 10, warmup_begin_lr=0.005)
    trainer = gluon.Trainer(net.collect_params(), "nag", {"momentum": 0.9, "wd": 1e-4, "lr_scheduler": rate})
    loss_of, accuracy = gluon.loss.SoftmaxCrossEntropyLoss(), mx.metric.Accuracy()
    for epoch in range(options.epochs):
        start, total = time.perf_counter(), mx.metric.Loss()
        for images, labels in batches:
            with autograd.record():
                loss = loss_of(net(images), labels)
            loss.backward()
            trainer.step(images.shape[0])
            total.update(None, [loss])
        seen = total.get()[1]
        print(f"epoch {epoch}: loss {seen:.3f}, {options.count / (time.perf_counter() - start):.0f} pictures/s")
    for images, labels in others:
        accuracy.update(labels, net(images))
    found = accuracy.get()[1]
    print(f"accuracy on new pictures {found:.3f}")
    return 0 if found > 0.9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
