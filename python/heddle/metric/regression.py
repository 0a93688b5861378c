"""How far numbers are from those predicted, how they go together, and the mean of a loss."""
from __future__ import annotations

import math
from functools import partial

from ..ndarray import NDArray, op
from ..ndarray._convert import to_ndarray
from .metric import EvalMetric, alias, batches, check_label_shapes, classes, register, wide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._typing import OneOrMore


class _Regression(EvalMetric):
    """The mean over batches of a measure of label - prediction."""

    def __init__(self, name: str, output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for label, pred in batches(labels, preds):
            label = label.reshape((-1, 1)) if label.ndim == 1 else label
            pred = pred.reshape((-1, 1)) if pred.ndim == 1 else pred
            if any(a != b and 1 not in (a, b) for a, b in zip(label.shape[::-1], pred.shape[::-1])):
                raise ValueError(f"[{type(self).__name__}] found labels of shape {label.shape} and predictions of shape "
                                 f"{pred.shape}, expected the same, or shapes that broadcast")
            dtype = _precise(label, pred)
            error = label.astype(dtype, copy=False) - pred.astype(dtype, copy=False)
            self._later(self._measure(error), self._fold)

    @staticmethod
    def _measure(error: NDArray) -> NDArray:
        return (error * error).mean()

    @staticmethod
    def _fold(values: Any) -> tuple[float, float]:
        return values[0], 1


def _precise(label: NDArray, pred: NDArray) -> str:
    """The dtype of label - pred: float64 where one is, or both are integers; else float32."""
    names = {label.dtype_name, pred.dtype_name}
    return "float64" if "float64" in names or not any("float" in n for n in names) else "float32"


@register
class MAE(_Regression):
    """The mean over batches of mean(|label - prediction|)."""

    def __init__(self, name: str = "mae", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _measure(error: NDArray) -> NDArray:
        return op.abs(error).mean()


@register
class MSE(_Regression):
    """The mean over batches of mean((label - prediction)^2)."""

    def __init__(self, name: str = "mse", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class RMSE(_Regression):
    """The mean over batches of sqrt(mean((label - prediction)^2))."""

    def __init__(self, name: str = "rmse", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _fold(values: Any) -> tuple[float, float]:
        return math.sqrt(values[0]), 1


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """The correlation of labels and predictions: its mean over batches (macro), or over all samples (micro)."""

    def __init__(self, name: str = "pearsonr", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None, average: str = "macro") -> None:
        self.average = average
        if average not in ("macro", "micro"):
            raise ValueError(f"found average {average!r}, expected 'macro' or 'micro'")
        super().__init__(name, output_names, label_names, average=average, has_global_stats=True)

    def reset(self) -> None:
        super().reset()
        self._moments = self._global_moments = [0.0] * 6

    def reset_local(self) -> None:
        super().reset_local()
        self._moments = [0.0] * 6

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for label, pred in batches(labels, preds):
            check_label_shapes(label, pred, shape=True)
            x = label.astype("float64").reshape((-1,))
            y = pred.astype("float64").reshape((-1,))
            means = [x.mean(), y.mean()]
            dx, dy = x - means[0], y - means[1]
            sums = [s.sum() for s in (dx * dx, dy * dy, dx * dy)]
            self._later(op.concat(*means, *sums, dim=0), partial(self._fold, x.size))

    def _fold(self, count: float, moments: list[float]) -> tuple[float, float]:
        self._moments = _joined(self._moments, [count, *moments])
        self._global_moments = _joined(self._global_moments, [count, *moments])
        return _correlation(*moments[2:]), 1

    def get(self) -> tuple[str, float]:
        self._collect()
        return super().get() if self.average == "macro" else (self.name, _correlation(*self._moments[3:]))

    def get_global(self) -> tuple[str, float]:
        self._collect()
        return super().get_global() if self.average == "macro" else (self.name, _correlation(*self._global_moments[3:]))


def _joined(a: list[float], b: list[float]) -> list[float]:
    """[count, means of x and y, sums of squares and of products about the means] of two samples together."""
    n = a[0] + b[0]
    dx, dy = b[1] - a[1], b[2] - a[2]
    share, weight = b[0] / n, a[0] * b[0] / n
    return [n, a[1] + dx * share, a[2] + dy * share, a[3] + b[3] + dx * dx * weight, a[4] + b[4] + dy * dy * weight,
            a[5] + b[5] + dx * dy * weight]


def _correlation(xx: float, yy: float, xy: float) -> float:
    return xy / math.sqrt(xx * yy) if xx * yy > 0 else float("nan")


@register
class PCC(EvalMetric):
    """The correlation of labels and predicted classes, for any number of classes."""

    def __init__(self, name: str = "pcc", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None, has_global_stats: bool = True) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def reset(self) -> None:
        super().reset()
        self._table: dict[tuple[int, int], int] = {}
        self._global_table: dict[tuple[int, int], int] = {}

    def reset_local(self) -> None:
        super().reset_local()
        self._table = {}

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for label, pred in batches(labels, preds):
            label, pred = classes(label, pred)
            self._later(op.stack(label, pred, axis=0), self._fold)

    def _fold(self, values: Any) -> tuple[float, float]:
        for pair in zip(*values):
            self._table[pair] = self._table.get(pair, 0) + 1
            self._global_table[pair] = self._global_table.get(pair, 0) + 1
        return 0.0, 1

    def get(self) -> tuple[str, float]:
        self._collect()
        return self.name, _multiclass_correlation(self._table)

    def get_global(self) -> tuple[str, float]:
        self._collect()
        return self.name, _multiclass_correlation(self._global_table)


def _multiclass_correlation(table: dict[Any, Any]) -> float:
    """From the counts of (label, prediction) pairs."""
    if not table:
        return float("nan")
    n = sum(table.values())
    true: dict[Any, int] = {}
    guessed: dict[Any, int] = {}
    for (label, pred), count in table.items():
        true[label] = true.get(label, 0) + count
        guessed[pred] = guessed.get(pred, 0) + count
    right = sum(count for (label, pred), count in table.items() if label == pred)
    chance = sum(count * guessed.get(label, 0) for label, count in true.items())
    spread = (n * n - sum(c * c for c in true.values())) * (n * n - sum(c * c for c in guessed.values()))
    return (right * n - chance) / math.sqrt(spread) if spread else float("nan")


@register
class Loss(EvalMetric):
    """The mean of all elements of the outputs; labels are not looked at."""

    def __init__(self, name: str = "loss", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, _: object, preds: OneOrMore[NDArray]) -> None:
        for pred in [preds] if isinstance(preds, NDArray) else preds:
            pred = to_ndarray(pred)
            self._later_mean(wide(pred).sum(), pred.size)


@register
class Torch(Loss):
    """Loss under another name."""

    def __init__(self, name: str = "torch", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class Caffe(Loss):
    """Loss under another name."""

    def __init__(self, name: str = "caffe", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)
