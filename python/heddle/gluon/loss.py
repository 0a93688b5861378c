"""Losses: how far predictions are from what they should be, one number per sample."""
from __future__ import annotations

import math

from .. import ndarray
from .block import HybridBlock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["CosineEmbeddingLoss", "CTCLoss", "HingeLoss", "HuberLoss", "KLDivLoss", "L1Loss", "L2Loss", "LogisticLoss", "Loss",
           "PoissonNLLLoss", "SDMLLoss", "SigmoidBCELoss", "SigmoidBinaryCrossEntropyLoss", "SoftmaxCELoss",
           "SoftmaxCrossEntropyLoss", "SquaredHingeLoss", "TripletLoss"]


def _weighted(F: Any, loss: Any, weight: float | None = None, sample_weight: Any = None) -> Any:
    """loss times sample_weight, which repeats along axes of extent 1, times the number `weight`."""
    if sample_weight is not None:
        loss = F.broadcast_mul(loss, sample_weight)
    if weight is not None:
        if not isinstance(weight, (int, float)):
            raise AssertionError(f"weight must be a number: found {type(weight).__name__}")
        loss = loss * weight
    return loss


def _like(F: Any, x: Any, y: Any) -> Any:
    """x in the shape of y."""
    return x.reshape(y.shape) if F is ndarray else F.reshape_like(x, y)


class Loss(HybridBlock):
    """What all losses are: a HybridBlock of predictions and labels.

    weight: a factor of all values, or None. batch_axis: the axis of samples, which stays; the mean is taken over the others.
    sample_weight, where hybrid_forward has it, is a factor per sample, of a shape that broadcasts to the labels': (batch, 1)
    for labels (batch, n).
    """

    def __init__(self, weight: float | None, batch_axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._weight = weight
        self._batch_axis = batch_axis

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_axis={self._batch_axis}, w={self._weight})"

    def _per_sample(self, F: Any, loss: Any, sample_weight: Any = None, weight: float | None = None) -> Any:
        """The mean of each sample, weighted."""
        weight = self._weight if weight is None else weight
        return F.mean(_weighted(F, loss, weight, sample_weight), axis=self._batch_axis, exclude=True)

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The loss of each sample."""
        raise NotImplementedError(f"{type(self).__name__} has no hybrid_forward: a subclass of Loss says there what it computes")


class L2Loss(Loss):
    """mean((label - pred)^2) * weight / 2 per sample. label: of as many elements as pred, of any shape."""

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        loss = F.square(_like(F, label, pred) - pred)
        return self._per_sample(F, loss, sample_weight, None if self._weight is None else self._weight / 2)


class L1Loss(Loss):
    """mean(|label - pred|) * weight per sample. label: of as many elements as pred, of any shape."""

    def __init__(self, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._per_sample(F, F.abs(_like(F, label, pred) - pred), sample_weight)


class SigmoidBinaryCrossEntropyLoss(Loss):
    """-mean(label log(p) + (1 - label) log(1 - p)) per sample, with p = sigmoid(pred), or pred with from_sigmoid.

    pred: any shape; label: probabilities, of as many elements. pos_weight: a factor of the first term, which broadcasts to
    the labels.
    """

    def __init__(self, from_sigmoid: bool = False, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_sigmoid = from_sigmoid

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None, pos_weight: Any = None) -> Any:
        label = _like(F, label, pred)
        if self._from_sigmoid:
            tiny = 1e-12
            positive = F.log(pred + tiny) * label
            if pos_weight is not None:
                positive = F.broadcast_mul(positive, pos_weight)
            loss = -(positive + F.log(1. - pred + tiny) * (1. - label))
        else:
            # log(1 + exp(-|pred|)) and what is left of it, so that nothing overflows.
            soft = F.Activation(-F.abs(pred), act_type="softrelu")
            if pos_weight is None:
                loss = F.relu(pred) - pred * label + soft
            else:
                factor = 1 + F.broadcast_mul(pos_weight - 1, label)
                loss = pred - pred * label + factor * (soft + F.relu(-pred))
        return self._per_sample(F, loss, sample_weight)


SigmoidBCELoss = SigmoidBinaryCrossEntropyLoss


class SoftmaxCrossEntropyLoss(Loss):
    """-sum(label log(p)) per sample, with p = softmax(pred) along `axis`, or exp(pred) with from_logits.

    pred: (..., classes at `axis`, ...). label: class numbers, of pred's shape without that axis (or with 1 there);
    probabilities of pred's shape with sparse_label=False. The mean is taken over the other axes of a sample.
    """

    def __init__(self, axis: int = -1, sparse_label: bool = True, from_logits: bool = False, weight: float | None = None,
                 batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._axis = axis
        self._sparse_label = sparse_label
        self._from_logits = from_logits

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        if not self._from_logits:
            pred = F.log_softmax(pred, axis=self._axis)
        if self._sparse_label:
            loss = -F.pick(pred, label, axis=self._axis, keepdims=True)
        else:
            loss = -F.sum(pred * _like(F, label, pred), axis=self._axis, keepdims=True)
        return self._per_sample(F, loss, sample_weight)


SoftmaxCELoss = SoftmaxCrossEntropyLoss


class KLDivLoss(Loss):
    """sum(label (log(label) - log(p))) per sample: the divergence of p from label.

    pred: log(p), or with from_logits=False what softmax along `axis` makes p of. label: probabilities, of pred's shape.
    """

    def __init__(self, from_logits: bool = True, axis: int = -1, weight: float | None = None, batch_axis: int = 0,
                 **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._axis = axis

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        if not self._from_logits:
            pred = F.log_softmax(pred, axis=self._axis)
        loss = label * (F.log(label + 1e-12) - pred)
        return F.sum(_weighted(F, loss, self._weight, sample_weight), axis=self._batch_axis, exclude=True)


class CTCLoss(Loss):
    """-log P(label | pred) per sample, over all ways to lay the label along the sequence. Graves et al., Connectionist
    Temporal Classification, 2006.

    pred: scores before the softmax, (batch, time, classes) or (time, batch, classes) by layout; the last class is the
    blank. label: (batch, length) or (length, batch) by label_layout, class numbers, -1 past the end. pred_lengths,
    label_lengths: (batch,), how much of them counts. Raises AssertionError for another layout.
    """

    def __init__(self, layout: str = "NTC", label_layout: str = "NT", weight: float | None = None, **kwargs: Any) -> None:
        if layout not in ("NTC", "TNC"):
            raise AssertionError(f"Only 'NTC' and 'TNC' layouts for pred are supported. Got: {layout}")
        if label_layout not in ("NT", "TN"):
            raise AssertionError(f"Only 'NT' and 'TN' layouts for label are supported. Got: {label_layout}")
        super().__init__(weight, label_layout.find("N"), **kwargs)
        self._layout = layout
        self._label_layout = label_layout

    def hybrid_forward(self, F: Any, pred: Any, label: Any, pred_lengths: Any = None, label_lengths: Any = None,
                       sample_weight: Any = None) -> Any:
        if self._layout == "NTC":
            pred = F.swapaxes(pred, 0, 1)
        if self._batch_axis == 1:
            label = F.swapaxes(label, 0, 1)
        given = [a for a in (pred_lengths, label_lengths) if a is not None]
        loss = F.CTCLoss(pred, label, *given[:1] if pred_lengths is not None else (),
                         use_data_lengths=pred_lengths is not None, use_label_lengths=label_lengths is not None,
                         **({} if label_lengths is None else {"label_lengths": label_lengths}), blank_label="last")
        return _weighted(F, loss, self._weight, sample_weight)


class HuberLoss(Loss):
    """(label - pred)^2 / (2 rho) where |label - pred| < rho, else |label - pred| - rho / 2; the mean per sample."""

    def __init__(self, rho: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._rho = rho

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        far = F.abs(_like(F, label, pred) - pred)
        loss = F.where(far > self._rho, far - 0.5 * self._rho, (0.5 / self._rho) * F.square(far))
        return self._per_sample(F, loss, sample_weight)


class HingeLoss(Loss):
    """mean(max(0, margin - pred label)) per sample, for labels of -1 and 1."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._per_sample(F, F.relu(self._margin - pred * _like(F, label, pred)), sample_weight)


class SquaredHingeLoss(Loss):
    """mean(max(0, margin - pred label)^2) per sample, for labels of -1 and 1."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        return self._per_sample(F, F.square(F.relu(self._margin - pred * _like(F, label, pred))), sample_weight)


class LogisticLoss(Loss):
    """mean(log(1 + exp(-pred label))) per sample, for labels of -1 and 1 (label_format="signed"), or 0 and 1 ("binary").

    Raises ValueError for another label_format.
    """

    def __init__(self, weight: float | None = None, batch_axis: int = 0, label_format: str = "signed", **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        if label_format not in ("signed", "binary"):
            raise ValueError(f"label_format can only be signed or binary, recieved {label_format}.")
        self._label_format = label_format

    def hybrid_forward(self, F: Any, pred: Any, label: Any, sample_weight: Any = None) -> Any:
        label = _like(F, label, pred)
        if self._label_format == "signed":
            label = (label + 1.0) / 2.0
        loss = F.relu(pred) - pred * label + F.Activation(-F.abs(pred), act_type="softrelu")
        return self._per_sample(F, loss, sample_weight)


class TripletLoss(Loss):
    """max(0, margin + sum((positive - pred)^2 - (negative - pred)^2)) per sample, for three inputs of one shape."""

    def __init__(self, margin: float = 1, weight: float | None = None, batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F: Any, pred: Any, positive: Any, negative: Any) -> Any:
        positive, negative = _like(F, positive, pred), _like(F, negative, pred)
        loss = F.sum(F.square(positive - pred) - F.square(negative - pred), axis=self._batch_axis, exclude=True)
        return _weighted(F, F.relu(loss + self._margin), self._weight)


class PoissonNLLLoss(Loss):
    """-log P(target) for counts of a Poisson distribution, the mean over everything: exp(pred) - target pred with
    from_logits, else pred - target log(pred + epsilon).

    compute_full: Stirling's approximation of log(target!) is added where target > 1.
    """

    def __init__(self, weight: float | None = None, from_logits: bool = True, batch_axis: int = 0, compute_full: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._from_logits = from_logits
        self._compute_full = compute_full

    def hybrid_forward(self, F: Any, pred: Any, target: Any, sample_weight: Any = None, epsilon: float = 1e-8) -> Any:
        target = _like(F, target, pred)
        if self._from_logits:
            loss = F.exp(pred) - target * pred
        else:
            loss = pred - target * F.log(pred + epsilon)
        if self._compute_full:
            stirling = target * F.log(target) - target + 0.5 * F.log(2 * target * math.pi)
            loss = loss + F.where(target > 1, stirling, F.zeros_like(target))
        return F.mean(_weighted(F, loss, self._weight, sample_weight))


class CosineEmbeddingLoss(Loss):
    """1 - cos(input1, input2) per sample where label is 1, max(0, cos(input1, input2) - margin) where it is -1.

    input1, input2: (batch, ...) of one shape, with the cosine along the last axis; label: (batch,).
    """

    def __init__(self, weight: float | None = None, batch_axis: int = 0, margin: float = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self._margin = margin

    def hybrid_forward(self, F: Any, input1: Any, input2: Any, label: Any, sample_weight: Any = None) -> Any:
        input1 = _like(F, input1, input2)
        cosine = self._cosine(F, input1, input2)
        label = F.reshape(label, (-1, 1))
        close = 1 - cosine
        apart = F.relu(cosine - self._margin)
        loss = F.where(label == 1, close, apart)
        return _weighted(F, loss, self._weight, sample_weight)

    def _cosine(self, F: Any, x: Any, y: Any, axis: int = -1) -> Any:
        x_norm, y_norm = F.norm(x, axis=axis).reshape((-1, 1)), F.norm(y, axis=axis).reshape((-1, 1))
        product = F.sum(x * y, axis=axis).reshape((-1, 1))
        return product / F.broadcast_maximum(x_norm * y_norm, F.ones_like(x_norm) * 1e-12)


class SDMLLoss(Loss):
    """Pairs from two batches should be nearer than others: the divergence of softmax(-distances) from the identity,
    smoothed by smoothing_parameter. Bonadiman et al., Large Scale Question Paraphrase Retrieval with Smoothed Deep Metric
    Learning, 2019.

    x1, x2: (batch, features), where x1[i] and x2[i] belong together. Returns (batch,).
    """

    def __init__(self, smoothing_parameter: float = 0.3, weight: float | None = 1., batch_axis: int = 0, **kwargs: Any) -> None:
        super().__init__(weight, batch_axis, **kwargs)
        self.kl_loss = KLDivLoss(from_logits=True)
        self.smoothing_parameter = smoothing_parameter

    def hybrid_forward(self, F: Any, x1: Any, x2: Any) -> Any:
        distances = F.sum(F.square(F.broadcast_sub(F.expand_dims(x1, 1), F.expand_dims(x2, 0))), axis=2)
        log_p = F.log_softmax(-distances, axis=1)
        # The identity of as many rows as there are samples, without asking how many.
        rows = F.contrib.arange_like(x1, axis=0)
        same = F.broadcast_equal(F.expand_dims(rows, 1), F.expand_dims(rows, 0))
        others = F.broadcast_sub(F.sum(F.ones_like(same), axis=1, keepdims=True), F.ones_like(same))
        wanted = same * (1 - self.smoothing_parameter) + (1 - same) * self.smoothing_parameter / others
        return self.kl_loss(log_p, wanted)
