"""Sentences as numbers, and batches of sentences of like lengths."""
from __future__ import annotations

import bisect
import logging
from array import array
from collections import Counter

from .._shuffle import shuffle, shuffle_batches
from ..io import DataBatch, DataDesc, DataIter
from ..ndarray import NDArray, concat, full, op
from ..ndarray.functions import array as ndarray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._typing import DTypeLike

__all__ = ["BucketSentenceIter", "encode_sentences"]


def encode_sentences(sentences: Sequence[Sequence[Any]], vocab: dict[Any, int] | None = None, invalid_label: int = -1,
                     invalid_key: Any = "\n", start_label: int = 0,
                     unknown_token: Any = None) -> tuple[list[list[int]], dict[Any, int]]:
    """(sentences of numbers, vocabulary): words numbered from start_label on, leaving out invalid_label.

    With a vocab, the words it lacks are unknown_token's; without that, ValueError is raised.
    """
    grows = vocab is None
    known: dict[Any, int] = {invalid_key: invalid_label} if vocab is None else vocab
    number = start_label

    def encoded(word: Any) -> int:
        nonlocal number
        if word not in known:
            if not grows and not unknown_token:
                raise ValueError(f"Unknown token {word}: found it in no vocabulary, expected an unknown_token for such words")
            if number == invalid_label:
                number += 1
            word = unknown_token or word
            if word not in known:
                known[word] = number
                number += 1
        return known[word]

    return [[encoded(word) for word in sentence] for sentence in sentences], known


class BucketSentenceIter(DataIter):
    """Batches of sentences, each from the smallest bucket that its sentences fit into, in random order.

    buckets: the lengths; if None, those of which there are sentences for a batch. Sentences are filled up with
    invalid_label; those longer than every bucket are left out. The label of a word is the next one. layout: NT, where a
    batch has the shape (batch_size, length), or TN; letters after T change nothing. A batch's bucket_key is its length.
    Raises ValueError for another layout, and where no bucket is left.
    """

    def __init__(self, sentences: Sequence[Sequence[int]], batch_size: int, buckets: Sequence[int] | None = None,
                 invalid_label: int = -1, data_name: str = "data", label_name: str = "softmax_label",
                 dtype: DTypeLike = "float32", layout: str = "NT") -> None:
        super().__init__(batch_size)
        if buckets is None:
            counts = Counter(len(sentence) for sentence in sentences)
            buckets = [length for length in sorted(counts) if length and counts[length] >= batch_size]
        self.buckets = sorted(buckets)
        if not self.buckets:
            raise ValueError(f"[BucketSentenceIter] found no length of which there are {batch_size} sentences, expected buckets")
        self.major_axis = layout.find("N")
        if self.major_axis not in (0, 1) or layout.find("T") != 1 - self.major_axis:
            raise ValueError(f"Invalid layout {layout}: Must by NT (batch major) or TN (time major)")
        self.batch_size = batch_size
        self.invalid_label = invalid_label
        self.data_name = data_name
        self.label_name = label_name
        self.dtype = dtype
        self.layout = layout
        self.default_bucket_key = max(self.buckets)
        self.provide_data = [self._desc(data_name, self.default_bucket_key)]
        self.provide_label = [self._desc(label_name, self.default_bucket_key)]
        self.data = self._filled(sentences)
        self._rows = [array("q", range(bucket.shape[0])) for bucket in self.data]
        self.idx = [(i, begin) for i, bucket in enumerate(self.data)
                    for begin in range(0, bucket.shape[0] - batch_size + 1, batch_size)]
        self.nddata: list[NDArray] = []
        self.ndlabel: list[NDArray] = []
        self.curr_idx = 0
        self.reset()

    def _desc(self, name: str, length: int) -> DataDesc:
        shape = (self.batch_size, length) if self.major_axis == 0 else (length, self.batch_size)
        return DataDesc(name, shape, layout=self.layout)  # float32 whatever dtype is, as in MXNet

    def _filled(self, sentences: Sequence[Sequence[int]]) -> list[NDArray]:
        """The sentences of each bucket, filled up: (sentences, length)."""
        rows: list[list[list[int]]] = [[] for _ in self.buckets]
        discarded = 0
        for sentence in sentences:
            place = bisect.bisect_left(self.buckets, len(sentence))
            if place == len(self.buckets):
                discarded += 1
                continue
            rows[place].append([*sentence] + [self.invalid_label] * (self.buckets[place] - len(sentence)))
        if discarded:
            logging.warning("discarded %d sentences longer than the largest bucket.", discarded)
        return [ndarray(bucket, dtype=self.dtype) if bucket else full((0, length), 0, dtype=self.dtype)
                for bucket, length in zip(rows, self.buckets)]

    def reset(self) -> None:
        """Starts over, with the sentences of each bucket and the batches in another order."""
        self.curr_idx = 0
        shuffle_batches(self.idx)
        self.nddata, self.ndlabel = [], []
        for bucket, rows in zip(self.data, self._rows):
            shuffle(rows)
            data = op.take(bucket, ndarray(list(rows), dtype="int64")) if rows else bucket
            filling = full((len(rows), 1), self.invalid_label, dtype=self.dtype)
            label = concat(data[:, 1:], filling, dim=1) if data.shape[1] > 1 and rows else filling
            self.nddata.append(data)
            self.ndlabel.append(label)

    def next(self) -> DataBatch:
        """The next batch; StopIteration at the end of the epoch."""
        if self.curr_idx == len(self.idx):
            raise StopIteration
        bucket, begin = self.idx[self.curr_idx]
        self.curr_idx += 1
        arrays = [part[bucket][begin:begin + self.batch_size] for part in (self.nddata, self.ndlabel)]
        data, label = arrays if self.major_axis == 0 else [a.T for a in arrays]
        length = self.buckets[bucket]
        return DataBatch([data], [label], pad=0, bucket_key=length, provide_data=[self._desc(self.data_name, length)],
                         provide_label=[self._desc(self.label_name, length)])
