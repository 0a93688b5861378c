"""How well classes, or their probabilities, are predicted."""
from __future__ import annotations

import math

from ..ndarray import op
from .metric import EvalMetric, alias, batches, check_label_shapes, classes, register, wide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._typing import OneOrMore
    from ..ndarray import NDArray


@register
@alias("acc")
class Accuracy(EvalMetric):
    """The share of labels that were predicted.

    Predictions are classes of the shape of the labels, or scores with one more axis, `axis`, whose largest counts.
    """

    def __init__(self, axis: int = 1, name: str = "accuracy", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, axis=axis, has_global_stats=True)
        self.axis = axis

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for label, pred in batches(labels, preds):
            label, pred = classes(label, pred, self.axis)
            self._later_mean((label == pred).sum(), label.size)


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """The share of labels, of shape (n,), among the top_k largest of scores of shape (n, classes)."""

    def __init__(self, top_k: int = 1, name: str = "top_k_accuracy", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        if top_k <= 1:
            raise ValueError("Please use Accuracy if top_k is no more than 1")
        self.top_k = top_k
        super().__init__(f"{name}_{top_k}", output_names, label_names, top_k=top_k, has_global_stats=True)

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for label, pred in batches(labels, preds):
            if pred.ndim > 2:
                raise ValueError(f"[TopKAccuracy] Predictions should be no more than 2 dims, found shape {pred.shape}")
            check_label_shapes(label, pred)
            if pred.ndim == 1:
                found = pred.astype("int32") == label.astype("int32")
            else:
                best = op.topk(pred, axis=1, k=min(self.top_k, pred.shape[1])).astype("int32")
                found = best == label.astype("int32").reshape((-1, 1))
            self._later_mean(found.sum(), pred.shape[0])


def _counts(label: NDArray, pred: NDArray) -> NDArray:
    """[true positives, false positives, false negatives, true negatives, labels of a third class] of a batch."""
    label, pred = classes(label, pred)
    true, said = label == 1, pred == 1
    both = (true * said).sum()
    third = ((label != label.min()) * (label != label.max())).sum()
    right, guessed = true.sum(), said.sum()
    return op.concat(both, guessed - both, right - both, label.size - right - guessed + both, third, dim=0)


class _Binary(EvalMetric):
    """A score from the counts of a binary classification: its mean over updates (macro), or over all samples (micro).

    Class 1 is positive. Where an update holds labels of more than two classes, reading the metric raises ValueError.
    """

    def __init__(self, name: str, output_names: Sequence[str] | None, label_names: Sequence[str] | None,
                 average: str) -> None:
        if average not in ("macro", "micro"):
            raise ValueError(f"found average {average!r}, expected 'macro' or 'micro'")
        self.average = average
        super().__init__(name, output_names, label_names, average=average, has_global_stats=True)

    def reset(self) -> None:
        super().reset()
        self._counts = [0, 0, 0, 0]
        self._global_counts = [0, 0, 0, 0]

    def reset_local(self) -> None:
        super().reset_local()
        self._counts = [0, 0, 0, 0]

    def _score(self, tp: float, fp: float, fn: float, tn: float) -> float:
        raise NotImplementedError("a subclass says what the score is")

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        self._later([_counts(label, pred) for label, pred in batches(labels, preds)], self._fold)

    def _fold(self, values: Any) -> tuple[float, float]:
        *counts, third = (sum(column) for column in zip(*values))
        if third:
            raise ValueError(f"{type(self).__name__} currently only supports binary classification.")
        if self.average == "macro":
            return self._score(*counts), 1
        self._counts = [a + b for a, b in zip(self._counts, counts)]
        self._global_counts = [a + b for a, b in zip(self._global_counts, counts)]
        self._num, self._global_num = sum(self._counts), sum(self._global_counts)
        self._sum = self._score(*self._counts) * self._num
        self._global_sum = self._score(*self._global_counts) * self._global_num
        return 0.0, 0


@register
class F1(_Binary):
    """2 * precision * recall / (precision + recall) for classes 0 and 1. Raises ValueError when there are others."""

    def __init__(self, name: str = "f1", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None, average: str = "macro") -> None:
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp: float, fp: float, fn: float, tn: float) -> float:
        precision = tp / (tp + fp) if tp + fp else 0.0
        recall = tp / (tp + fn) if tp + fn else 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@register
class MCC(_Binary):
    """Matthews' correlation of labels and predictions for classes 0 and 1; from -1 to 1, 0 for guesses."""

    def __init__(self, name: str = "mcc", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None, average: str = "macro") -> None:
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp: float, fp: float, fn: float, tn: float) -> float:
        if not tp + fp + fn + tn:
            return 0.0
        root = math.prod(math.sqrt(t) for t in (tp + fp, tp + fn, tn + fp, tn + fn) if t)
        return (tp * tn - fp * fn) / root


@register
class Perplexity(EvalMetric):
    """exp of the mean of -log(probability of the label), samples with ignore_label left out.

    Predictions have one axis more than labels, `axis`, that holds probabilities.
    """

    def __init__(self, ignore_label: int | None, axis: int = -1, name: str = "perplexity",
                 output_names: Sequence[str] | None = None, label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, axis=axis, has_global_stats=True)
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        if len(labels) != len(preds):
            raise ValueError(f"found {len(labels)} labels and {len(preds)} predictions, expected as many of each")
        for label, pred in batches(labels, preds):
            classes = pred.shape[self.axis]
            if label.size * classes != pred.size:
                raise ValueError(f"[Perplexity] shape mismatch: {label.shape} vs. {pred.shape}, expected as many labels as there are "
                                 f"predictions along axis {self.axis}")
            label = label.astype("int32").reshape((-1,))
            chosen = op.pick(pred.reshape((-1, classes)), label, axis=1)
            loss = -1.0 * op.log(op.clip(wide(chosen), a_min=1e-10, a_max=3.4e38))
            if self.ignore_label is None:
                self._later_mean(loss.sum(), label.size)
                continue
            kept = (label != self.ignore_label).astype(loss.dtype)
            self._later(op.concat((loss * kept).sum(), kept.sum(), dim=0), lambda v: (v[0], int(v[1])))

    def _value(self, total: float, count: float) -> float:
        if not count:
            return float("nan")
        try:
            return math.exp(total / count)
        except OverflowError:
            return float("inf")


@register
@alias("ce")
class CrossEntropy(EvalMetric):
    """The mean of -log(eps + probability of the label), for labels (n,) and probabilities (n, classes)."""

    def __init__(self, eps: float = 1e-12, name: str = "cross-entropy", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, eps=eps, has_global_stats=True)
        self.eps = eps

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for label, pred in batches(labels, preds):
            label = label.reshape((-1,))
            if pred.ndim != 2 or label.shape[0] != pred.shape[0]:
                raise ValueError(f"[{type(self).__name__}] found {label.shape[0]} labels for predictions of shape {pred.shape}, "
                                 f"expected ({label.shape[0]}, classes)")
            chosen = wide(op.pick(pred, label.astype("int32"), axis=1))
            self._later_mean((-1.0 * op.log(chosen + self.eps)).sum(), label.size)


@register
@alias("nll_loss")
class NegativeLogLikelihood(CrossEntropy):
    """CrossEntropy under another name."""

    def __init__(self, eps: float = 1e-12, name: str = "nll-loss", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(eps, name, output_names, label_names)
