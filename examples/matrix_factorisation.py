"""Ratings of films by users, guessed from others: a factor of each user times a factor of each film.

    python examples/matrix_factorisation.py [--users 300] [--items 200] [--epochs 8]

The ratings are made up: five hidden tastes, and noise. Most of them are kept back; the network sees a quarter and guesses the
rest. Nobody can guess better than the noise; guessing the mean is what a program does that has learnt nothing.
"""
from __future__ import annotations

import argparse
import sys
import time

import numpy as np

import heddle as mx
from heddle import sym

TASTES, NOISE = 5, 0.1


def ratings(users: int, items: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(user, item, rating) of every pair, in random order."""
    rng = np.random.default_rng(seed)
    liked = rng.normal(size=(users, TASTES)) @ rng.normal(size=(items, TASTES)).T / np.sqrt(TASTES)
    pairs = rng.permutation(users * items)
    user, item = np.divmod(pairs, items)
    return user, item, (liked + rng.normal(0, NOISE, liked.shape))[user, item]


def network(users: int, items: int, factors: int) -> sym.Symbol:
    user = sym.Embedding(sym.Variable("user"), input_dim=users, output_dim=factors, name="users")
    item = sym.Embedding(sym.Variable("item"), input_dim=items, output_dim=factors, name="items")
    return sym.LinearRegressionOutput(sym.sum(user * item, axis=1), sym.Variable("rating"), name="guess")


def batches(part: slice, table: tuple[np.ndarray, np.ndarray, np.ndarray], batch: int, shuffle: bool) -> mx.io.NDArrayIter:
    user, item, rating = (column[part] for column in table)
    return mx.io.NDArrayIter({"user": user, "item": item}, {"rating": rating}, batch, shuffle=shuffle)


def rmse(label: np.ndarray, guess: np.ndarray) -> tuple[float, int]:
    """For a metric that is the mean of squares over all samples."""
    return float(((label - guess) ** 2).sum()), label.size


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--factors", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20)
    options, begin = parser.parse_args(arguments), time.perf_counter()
    mx.random.seed(1)
    np.random.seed(1)
    table = ratings(options.users, options.items, seed=1)
    seen = len(table[0]) // 4
    train = batches(slice(seen), table, 128, shuffle=True)
    test = batches(slice(seen, None), table, 4096, shuffle=False)

    model = mx.mod.Module(network(options.users, options.items, options.factors), ("user", "item"), ("rating",))
    model.fit(train, num_epoch=options.epochs, eval_metric=mx.metric.CustomMetric(rmse, name="square"), optimizer="adam",
              optimizer_params={"learning_rate": 0.02, "wd": 1e-6}, initializer=mx.init.Normal(0.3))
    found = model.score(test, mx.metric.CustomMetric(rmse, name="square"))[0][1] ** 0.5
    mean = float(np.std(table[2][seen:]))
    print(f"matrix factorisation: error {found:.3f} on {len(table[0]) - seen:,} ratings never seen, {mean:.3f} by their mean, "
          f"{NOISE} is noise, {time.perf_counter() - begin:.0f} s")
    return 0 if found < mean / 4 else 1


if __name__ == "__main__":
    sys.exit(main())
