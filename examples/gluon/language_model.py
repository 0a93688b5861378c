"""An LSTM over words learns what a verb agrees with, which the word before it does not tell.

Sentences come from a small grammar: "the dogs near the tree sleep .", where a verb agrees with the first noun and not with
the nearest. Trained by truncated backpropagation through time, beside a model of pairs of words (Zaremba et al., Recurrent
Neural Network Regularization, 2014, for the network).

    python examples/gluon/language_model.py [--steps N]
"""
from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from typing import Any

import numpy as np

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn, rnn

NOUNS, VERBS = ("dog", "cat", "child", "bird", "friend"), ("sleep", "run", "sing", "wait")
PLACES, ADJECTIVES = ("near", "behind", "with"), ("old", "small", "happy")


def sentence(rng: random.Random) -> list[str]:
    def group() -> tuple[list[str], bool]:
        many = rng.random() < 0.5
        adjectives = [rng.choice(ADJECTIVES)] * (rng.random() < 0.3)
        return ["the", *adjectives, rng.choice(NOUNS) + "s" * many], many

    words, many = group()
    while rng.random() < 0.5:
        words += [rng.choice(PLACES), *group()[0]]
    return [*words, rng.choice(VERBS) + "s" * (not many), "."]


def text(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [word for _ in range(count) for word in sentence(rng)]


class LanguageModel(gluon.HybridBlock):
    """Scores of the next word at every place, and the states after the last; words out are words in, transposed."""

    def __init__(self, words: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.embedding = nn.Embedding(words, size)
            self.dropout = nn.Dropout(0.1)
            self.lstm = rnn.LSTM(size, num_layers=1, input_size=size)
            self.scores = nn.Dense(words, in_units=size, flatten=False, params=self.embedding.params)

    def hybrid_forward(self, F: Any, words: Any, hidden: Any, cell: Any) -> Any:
        out, (hidden, cell) = self.lstm(self.dropout(self.embedding(words)), [hidden, cell])
        return self.scores(self.dropout(out)), hidden, cell


def pairs_perplexity(train: list[str], test: list[str], words: int) -> float:
    """Of a model that knows how often each word follows each, with one more of every pair."""
    pairs, firsts = Counter(zip(train, train[1:])), Counter(train[:-1])
    bits = [math.log((pairs[a, b] + 1) / (firsts[a] + words)) for a, b in zip(test, test[1:])]
    return math.exp(-sum(bits) / len(bits))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=64, help="of embeddings and states")
    options = parser.parse_args(arguments)
    mx.random.seed(2)
    train, test = text(6000, 1), text(600, 2)
    vocabulary = mx.contrib.text.vocab.Vocabulary(Counter(train))
    net = LanguageModel(len(vocabulary), options.size)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.005})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss()

    def columns(words: list[str], batch: int) -> Any:
        """(length, batch): the text in pieces side by side."""
        ids = np.array(vocabulary.to_indices(words))
        return mx.nd.array(ids[:len(ids) // batch * batch].reshape(batch, -1).T)

    batch, length = 32, 24
    data, states = columns(train, batch), net.lstm.begin_state(batch)
    at = 0
    for step in range(options.steps):
        if at + length >= data.shape[0]:
            at, states = 0, net.lstm.begin_state(batch)
        x, y = data[at:at + length], data[at + 1:at + length + 1]
        with autograd.record():
            scores, *states = net(x, *states)
            loss = loss_of(scores.reshape((-1, len(vocabulary))), y.reshape((-1,)))
        loss.backward()
        states = [state.detach() for state in states]  # gradients end where the piece begins
        gluon.utils.clip_global_norm([p.grad() for p in net.collect_params().values()], 0.5 * length * batch, check_isfinite=False)
        trainer.step(length * batch)
        at += length
        if step % 100 == 0:
            print(f"step {step}: perplexity {math.exp(loss.mean().asscalar()):.2f}")
    held = columns(test, 1)
    scores, *_ = net(held[:-1], *net.lstm.begin_state(1))
    found = math.exp(loss_of(scores.reshape((-1, len(vocabulary))), held[1:].reshape((-1,))).mean().asscalar())
    pairs = pairs_perplexity(train, test, len(vocabulary))

    def prefers(words: str, right: str, wrong: str) -> bool:
        ids = mx.nd.array(vocabulary.to_indices([".", *words.split()])).reshape((-1, 1))
        last = net(ids, *net.lstm.begin_state(1))[0][-1, 0].asnumpy()
        return bool(last[vocabulary.to_indices(right)] > last[vocabulary.to_indices(wrong)])

    agrees = [prefers(f"the {a} {place} the {b}", right, wrong) for place in PLACES for noun in NOUNS
              for a, b, right, wrong in ((noun, "birds", "runs", "run"), (noun + "s", "bird", "run", "runs"))]
    share = sum(agrees) / len(agrees)
    print(f"perplexity on new text {found:.2f}, of pairs of words {pairs:.2f}; the verb agrees in {share:.0%} of hard cases")
    return 0 if found < 0.95 * pairs and share >= 0.9 else 1


if __name__ == "__main__":
    raise SystemExit(main())
