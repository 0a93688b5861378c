"""A language model of the licences that Debian ships: an LSTM over buckets of sentences of like lengths.

    python examples/language_model.py [--epochs 4] [--hidden 128]

Trains on nine of ten sentences of /usr/share/common-licenses with a fused LSTM, saves a checkpoint, reads it into single cells
and lets these predict the words of the other sentences. Perplexity is exp of the mean negative log probability of a word:
the model must be below half of what the words' frequencies alone reach.
"""
from __future__ import annotations

import argparse
import collections
import math
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import heddle as mx

Symbols = Callable[[Any], Any]  # of each length: its symbol, and the names of data and labels
BUCKETS = [10, 20, 35, 60]
PADDING, UNKNOWN, END = 0, "<unknown>", "<end>"


def sentences(folder: str) -> list[list[str]]:
    """The words and signs of each sentence, without repetitions; those that are too long for the buckets are cut."""
    texts = {os.path.realpath(os.path.join(folder, name)) for name in os.listdir(folder)}
    found: dict[tuple[str, ...], None] = {}
    for path in sorted(texts):
        with open(path, encoding="utf-8", errors="replace") as file:
            for sentence in re.split(r"(?<=[.;:])\s|\n\s*\n", file.read()):
                words = re.findall(r"[a-z]+(?:'[a-z]+)?|[.,;:()\"]", sentence.lower())
                for begin in range(0, len(words), BUCKETS[-1] - 1):
                    found[(*words[begin:begin + BUCKETS[-1] - 1], END)] = None
    return [list(words) for words in found if len(words) > 3]


def encoded(train: list[list[str]], test: list[list[str]]) -> tuple[list[list[int]], list[list[int]], int]:
    """Both as numbers, and how many there are. Words that training has but once are unknown."""
    counts = collections.Counter(word for sentence in train for word in sentence)
    known = [[word if counts[word] > 1 else UNKNOWN for word in s] for s in train]
    numbers, vocabulary = mx.rnn.encode_sentences(known, invalid_label=PADDING, start_label=1)
    others, _ = mx.rnn.encode_sentences(test, vocabulary, invalid_label=PADDING, unknown_token=UNKNOWN)
    return numbers, others, len(vocabulary)


def network(cell: mx.rnn.BaseRNNCell, words: int, hidden: int) -> Symbols:
    """The symbol of each length: from words to the next ones."""

    def symbol(length: int) -> tuple[mx.sym.Symbol, tuple[str], tuple[str]]:
        data, label = mx.sym.Variable("data"), mx.sym.Variable("softmax_label")
        embedded = mx.sym.Embedding(data, input_dim=words, output_dim=hidden, name="embed")
        outputs, _ = cell.unroll(length, embedded, layout="TNC", merge_outputs=True)
        rows = mx.sym.Dropout(mx.sym.Reshape(outputs, shape=(-1, hidden)), p=0.3)
        scores = mx.sym.FullyConnected(rows, num_hidden=words, name="scores")
        answer = mx.sym.SoftmaxOutput(scores, mx.sym.Reshape(label, shape=(-1,)), use_ignore=True, ignore_label=PADDING,
                                      normalization="valid", name="softmax")
        return answer, ("data",), ("softmax_label",)

    return symbol


def unigram(train: list[list[int]], test: mx.rnn.BucketSentenceIter, words: int) -> float:
    """The perplexity of the words' frequencies, on the words that the model has to predict."""
    counts = collections.Counter(word for sentence in train for word in sentence[1:])
    total = sum(counts.values()) + words
    labels = [int(w) for batch in test for w in batch.label[0].reshape((-1,)).tolist() if w != PADDING]
    test.reset()
    return math.exp(-sum(math.log((counts[w] + 1) / total) for w in labels) / len(labels))


def trained(symbols: Symbols, data: mx.rnn.BucketSentenceIter, epochs: int) -> mx.mod.BucketingModule:
    """A module after some epochs of Adam."""
    module = mx.mod.BucketingModule(symbols, data.default_bucket_key)
    module.fit(data, eval_metric=mx.metric.Perplexity(PADDING), num_epoch=epochs, initializer=mx.init.Xavier(), kvstore=None,
               optimizer="adam", optimizer_params={"learning_rate": 0.004, "rescale_grad": 1.0, "clip_gradient": 1.0})
    return module


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--data", default="/usr/share/common-licenses")
    options = parser.parse_args(arguments)
    random.seed(1)
    mx.random.seed(1)
    begin = time.perf_counter()
    texts = sentences(options.data)
    train, test, words = encoded([s for i, s in enumerate(texts) if i % 10], texts[::10])
    data, held_out = (mx.rnn.BucketSentenceIter(s, options.batch, BUCKETS, PADDING, layout="TN") for s in (train, test))
    fused = mx.rnn.FusedRNNCell(options.hidden, 1, "lstm", prefix="lstm_")
    module = trained(network(fused, words, options.hidden), data, options.epochs)
    single = fused.unfuse()
    with tempfile.TemporaryDirectory() as folder:
        mx.rnn.save_rnn_checkpoint(fused, f"{folder}/licences", 1, module.symbol, *module.get_params())
        _, weights, states = mx.rnn.load_rnn_checkpoint(single, f"{folder}/licences", 1)
    judge = mx.mod.BucketingModule(network(single, words, options.hidden), held_out.default_bucket_key)
    judge.bind(held_out.provide_data, held_out.provide_label, for_training=False)
    judge.set_params(weights, states)
    reached = judge.score(held_out, mx.metric.Perplexity(PADDING))[0][1]
    held_out.reset()
    plain = unigram(train, held_out, words)
    print(f"language model: {len(train)} sentences, {words} words; perplexity of sentences never seen {reached:.1f}, by the words' "
          f"frequencies {plain:.1f}, {time.perf_counter() - begin:.0f} s")
    return 0 if reached < plain / 2 else 1


if __name__ == "__main__":
    sys.exit(main())
