"""How far numbers are from those predicted, how they go together, and the mean of a loss."""
import math

from ..ndarray import NDArray, op
from ..ndarray._convert import to_ndarray
from .metric import EvalMetric, alias, batches, check_label_shapes, classes, register


class _Regression(EvalMetric):
    """The mean over batches of a measure of label - prediction."""

    def __init__(self, name, output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)

    def update(self, labels, preds):
        for label, pred in batches(labels, preds):
            label = label.reshape((-1, 1)) if label.ndim == 1 else label
            pred = pred.reshape((-1, 1)) if pred.ndim == 1 else pred
            error = label.astype(pred.dtype, copy=False) - pred
            self._later(self._measure(error), self._fold)

    @staticmethod
    def _measure(error):
        return (error * error).mean()

    @staticmethod
    def _fold(values):
        return values[0], 1


@register
class MAE(_Regression):
    """The mean absolute error."""

    def __init__(self, name="mae", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _measure(error):
        return op.abs(error).mean()


@register
class MSE(_Regression):
    """The mean squared error."""

    def __init__(self, name="mse", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)


@register
class RMSE(_Regression):
    """The root of the mean squared error."""

    def __init__(self, name="rmse", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _fold(values):
        return math.sqrt(values[0]), 1


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """The correlation of labels and predictions: its mean over batches (macro), or over all samples (micro)."""

    def __init__(self, name="pearsonr", output_names=None, label_names=None, average="macro"):
        self.average = average
        super().__init__(name, output_names, label_names, average=average)

    def reset(self):
        super().reset()
        self._moments = [0.0] * 6

    def update(self, labels, preds):
        for label, pred in batches(labels, preds):
            check_label_shapes(label, pred, shape=True)
            x = label.astype("float64").reshape((-1,))
            y = pred.astype("float64").reshape((-1,))
            sums = [s.sum() for s in (x, y, x * x, y * y, x * y)]
            self._later(op.concat(*sums, dim=0), lambda v, n=x.size: self._fold(n, v))

    def _fold(self, count, sums):
        self._moments = [a + b for a, b in zip(self._moments, [count, *sums])]
        return _correlation(count, *sums), 1

    def get(self):
        self._collect()
        if self.average == "macro":
            return super().get()
        return self.name, _correlation(*self._moments) if self._moments[0] else float("nan")


def _correlation(n, x, y, xx, yy, xy):
    spread = (xx - x * x / n) * (yy - y * y / n)
    return (xy - x * y / n) / math.sqrt(spread) if spread > 0 else float("nan")


@register
class PCC(EvalMetric):
    """The correlation of labels and predicted classes, for any number of classes."""

    def __init__(self, name="pcc", output_names=None, label_names=None, has_global_stats=True):
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def reset(self):
        super().reset()
        self._table, self._global_table = {}, {}

    def reset_local(self):
        super().reset_local()
        self._table = {}

    def update(self, labels, preds):
        for label, pred in batches(labels, preds):
            label, pred = classes(label, pred)
            self._later(op.stack(label, pred, axis=0), self._fold)

    def _fold(self, values):
        for pair in zip(*values):
            self._table[pair] = self._table.get(pair, 0) + 1
            self._global_table[pair] = self._global_table.get(pair, 0) + 1
        return 0.0, 1

    def get(self):
        self._collect()
        return self.name, _multiclass_correlation(self._table)

    def get_global(self):
        self._collect()
        return self.name, _multiclass_correlation(self._global_table)


def _multiclass_correlation(table):
    """From the counts of (label, prediction) pairs."""
    if not table:
        return float("nan")
    n = sum(table.values())
    true, guessed = {}, {}
    for (label, pred), count in table.items():
        true[label] = true.get(label, 0) + count
        guessed[pred] = guessed.get(pred, 0) + count
    right = sum(count for (label, pred), count in table.items() if label == pred)
    chance = sum(count * guessed.get(label, 0) for label, count in true.items())
    spread = (n * n - sum(c * c for c in true.values())) * (n * n - sum(c * c for c in guessed.values()))
    return (right * n - chance) / math.sqrt(spread) if spread else float("nan")


@register
class Loss(EvalMetric):
    """The mean of the outputs."""

    def __init__(self, name="loss", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)

    def update(self, _, preds):
        for pred in [preds] if isinstance(preds, NDArray) else preds:
            pred = to_ndarray(pred)
            self._later_mean(pred.sum(), pred.size)


@register
class Torch(Loss):
    """Loss under another name."""

    def __init__(self, name="torch", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)


@register
class Caffe(Loss):
    """Loss under another name."""

    def __init__(self, name="caffe", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)
