"""A network whose shape is the data's: the value of a logical formula, by an LSTM that goes up its tree.

Every formula has another tree, so the network is made line by line as Python walks it; the cell is one graph, planned
once. Tai et al., Improved Semantic Representations From Tree-Structured Long Short-Term Memory Networks, 2015.

    python examples/gluon/tree_lstm.py
"""
from __future__ import annotations

import argparse
import random
from typing import Any

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn

WORDS = {"true": 0, "false": 1, "and": 2, "or": 3, "not": 4}


def formula(depth: int, rng: random.Random) -> tuple[Any, bool]:
    """A tree of tuples (word, children...), and its value."""
    if depth == 0 or rng.random() < 0.2:
        value = rng.random() < 0.5
        return ("true" if value else "false",), value
    word = rng.choice(("and", "or", "not"))
    children = [formula(depth - 1, rng) for _ in range(1 if word == "not" else 2)]
    values = [v for _, v in children]
    return (word, *(c for c, _ in children)), {"and": all(values), "or": any(values), "not": not values[0]}[word]


class Cell(gluon.HybridBlock):
    """One node: its word, and the states (h, c) of two children."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        with self.name_scope():
            self.word = nn.Embedding(len(WORDS), 5 * size)
            self.children = nn.Dense(5 * size, in_units=2 * size)

    def hybrid_forward(self, F: Any, word: Any, h1: Any, c1: Any, h2: Any, c2: Any) -> Any:
        gates = self.word(word) + self.children(F.concat(h1, h2, dim=1))
        i, f1, f2, o, g = F.split(gates, num_outputs=5, axis=1)
        c = F.sigmoid(i) * F.tanh(g) + F.sigmoid(f1) * c1 + F.sigmoid(f2) * c2
        return F.sigmoid(o) * F.tanh(c), c


class TreeLSTM(gluon.Block):
    """Two scores, for false and true, of a tree."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        with self.name_scope():
            self.cell = Cell(size)
            self.out = nn.Dense(2, in_units=size)

    def node(self, tree: Any) -> Any:
        zeros = mx.nd.zeros((1, self.size))
        states = [self.node(child) for child in tree[1:]]
        states += [(zeros, zeros)] * (2 - len(states))
        return self.cell(mx.nd.array([WORDS[tree[0]]]), *states[0], *states[1])

    def forward(self, tree: Any) -> Any:
        return self.out(self.node(tree)[0])


def accuracy(net: Any, trees: list[Any]) -> float:
    return sum(int(net(tree).argmax(1).asscalar()) == value for tree, value in trees) / len(trees)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args(arguments)
    rng = random.Random(1)
    mx.random.seed(1)
    net = TreeLSTM(16)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.02})
    for step in range(options.steps):
        batch = [formula(4, rng) for _ in range(options.batch)]
        with autograd.record():
            scores = mx.nd.concat(*(net(tree) for tree, _ in batch), dim=0)
            value = loss(scores, mx.nd.array([v for _, v in batch]))
        value.backward()
        trainer.step(options.batch)
        if step % 20 == 0:
            print(f"step {step}: loss {value.mean().asscalar():.3f}")
    deeper = [formula(6, rng) for _ in range(100)]
    found = accuracy(net, deeper)
    print(f"{found:.0%} of formulas that are deeper than those it has seen")
    return 0 if found >= 0.9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
