"""Measures of how good predictions are.

update() only starts the computation, on the device of the predictions; what it finds is collected when a value
is asked for. So a training loop that updates a metric every batch does not wait for every batch.
"""
import math

from . import registry
from .ndarray import NDArray, op
from .ndarray.ndarray import to_ndarray

_MOST_PENDING = 256


def check_label_shapes(labels, preds, wrap=False, shape=False):
    """Raises when labels and predictions do not go together; with wrap, makes lists of single arrays."""
    sizes = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if sizes[0] != sizes[1]:
        raise ValueError(f"Shape of labels {sizes[0]} does not match shape of predictions {sizes[1]}")
    if wrap:
        labels = [labels] if isinstance(labels, NDArray) else labels
        preds = [preds] if isinstance(preds, NDArray) else preds
    return labels, preds


class EvalMetric:
    """A sum over samples and their number, since the start and since the last reset_local."""

    _sum = _global_sum = 0.0
    _num = _global_num = 0

    def __init__(self, name, output_names=None, label_names=None, **kwargs):
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._has_global_stats = kwargs.pop("has_global_stats", True)
        self._kwargs = kwargs
        self._pending = []
        self.reset()

    def __str__(self):
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self):
        """The settings as a dict that create() understands."""
        return {**self._kwargs, "metric": type(self).__name__, "name": self.name,
                "output_names": self.output_names, "label_names": self.label_names}

    # --- what comes in
    def update_dict(self, label, pred):
        """update() with arrays by name, those wanted taken in the order of label_names and output_names."""
        preds = [pred[n] for n in self.output_names] if self.output_names else list(pred.values())
        labels = [label[n] for n in self.label_names] if self.label_names else list(label.values())
        self.update(labels, preds)

    def update(self, labels, preds):
        """Takes a batch into account."""
        raise NotImplementedError(f"{type(self).__name__} has no rule for a batch")

    def _add(self, total, count):
        self._sum += total
        self._num += count
        self._global_sum += total
        self._global_num += count

    def _later(self, values, fold):
        """Adds fold(numbers of the array `values`), which is a sum and a count, when it is needed."""
        self._pending.append((values, fold))
        if len(self._pending) > _MOST_PENDING:
            self._collect(_MOST_PENDING // 2)  # the older half: computed long ago

    def _later_mean(self, values, count):
        self._later(values, lambda v: (v[0], count))

    def _collect(self, most=None):
        due = self._pending[:most]
        del self._pending[:most]
        for values, fold in due:
            self._add(*fold(values.tolist()))

    # --- what was found
    def reset(self):
        """Forgets everything."""
        self._pending = []
        self._sum, self._num = 0.0, 0
        self._global_sum, self._global_num = 0.0, 0

    def reset_local(self):
        """Forgets what get() reports; get_global() goes on."""
        self._collect()
        self._sum, self._num = 0.0, 0

    def _value(self, total, count):
        return total / count if count else float("nan")

    def get(self):
        """(name, value) since the last reset_local."""
        return self.name, self._value(self.sum_metric, self.num_inst)

    def get_global(self):
        """(name, value) since the last reset."""
        if not self._has_global_stats:
            return self.get()
        return self.name, self._value(self.global_sum_metric, self.global_num_inst)

    def get_name_value(self):
        """get() as a list of pairs."""
        return _pairs(*self.get())

    def get_global_name_value(self):
        """get_global() as a list of pairs."""
        return _pairs(*self.get_global()) if self._has_global_stats else self.get_name_value()


def _pairs(names, values):
    return list(zip(names if isinstance(names, list) else [names],
                    values if isinstance(values, list) else [values]))


def _collected(attribute):
    def read(self):
        self._collect()
        return getattr(self, attribute)

    return property(read, lambda self, value: setattr(self, attribute, value))


# MXNet's names, which metrics that users write add to.
EvalMetric.sum_metric = _collected("_sum")
EvalMetric.num_inst = _collected("_num")
EvalMetric.global_sum_metric = _collected("_global_sum")
EvalMetric.global_num_inst = _collected("_global_num")

register = registry.get_register_func(EvalMetric, "metric")
alias = registry.get_alias_func(EvalMetric, "metric")
_create = registry.get_create_func(EvalMetric, "metric")


def create(metric, *args, **kwargs):
    """A metric from its name, a function, an instance, or a list of these."""
    if callable(metric) and not isinstance(metric, EvalMetric):
        return CustomMetric(metric, *args, **kwargs)
    if isinstance(metric, list):
        return CompositeEvalMetric([create(m, *args, **kwargs) for m in metric])
    return _create(metric, *args, **kwargs)


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics at once."""

    def __init__(self, metrics=None, name="composite", output_names=None, label_names=None):
        self.metrics = [create(m) for m in metrics or []]
        super().__init__(name, output_names, label_names)

    def add(self, metric):
        """One more."""
        self.metrics.append(create(metric))

    def get_metric(self, index):
        """The index-th metric."""
        return self.metrics[index]

    def update_dict(self, labels, preds):
        if self.label_names is not None:
            labels = {name: value for name, value in labels.items() if name in self.label_names}
        if self.output_names is not None:
            preds = {name: value for name, value in preds.items() if name in self.output_names}
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def update(self, labels, preds):
        for metric in self.metrics:
            metric.update(labels, preds)

    def reset(self):
        for metric in self.metrics:
            metric.reset()

    def reset_local(self):
        for metric in self.metrics:
            metric.reset_local()

    def get(self):
        return _flat(m.get() for m in self.metrics)

    def get_global(self):
        return _flat(m.get_global() for m in self.metrics)

    def get_config(self):
        return {**super().get_config(), "metrics": [m.get_config() for m in self.metrics]}


def _flat(results):
    names, values = [], []
    for name, value in results:
        names += name if isinstance(name, list) else [name]
        values += value if isinstance(value, list) else [value]
    return names, values


def _batches(labels, preds):
    """Pairs of a label array and a prediction array."""
    labels, preds = check_label_shapes(labels, preds, True)
    return [(_on(label, pred), to_ndarray(pred)) for label, pred in zip(labels, preds)]


def _on(label, pred):
    label = to_ndarray(label)
    return label.as_in_context(pred.context) if isinstance(pred, NDArray) else label


def _vector(array):
    return array if array.ndim == 1 else array.reshape((-1,))


def _classes(label, pred, axis=1):
    """Labels and predicted classes as two int32 vectors."""
    if pred.shape != label.shape:
        pred = op.argmax(pred, axis=axis)
    label, pred = _vector(label.astype("int32")), _vector(pred.astype("int32"))
    check_label_shapes(label, pred, shape=True)
    return label, pred


@register
@alias("acc")
class Accuracy(EvalMetric):
    """The share of labels that were predicted."""

    def __init__(self, axis=1, name="accuracy", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names, axis=axis)
        self.axis = axis

    def update(self, labels, preds):
        for label, pred in _batches(labels, preds):
            label, pred = _classes(label, pred, self.axis)
            self._later_mean((label == pred).sum(), label.size)


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """The share of labels among the top_k largest scores."""

    def __init__(self, top_k=1, name="top_k_accuracy", output_names=None, label_names=None):
        if top_k <= 1:
            raise ValueError("Please use Accuracy if top_k is no more than 1")
        self.top_k = top_k
        super().__init__(f"{name}_{top_k}", output_names, label_names, top_k=top_k)

    def update(self, labels, preds):
        for label, pred in _batches(labels, preds):
            if pred.ndim > 2:
                raise ValueError("Predictions should be no more than 2 dims")
            if pred.ndim == 1:
                found = pred.astype("int32") == label.astype("int32")
            else:
                best = op.topk(pred, axis=1, k=min(self.top_k, pred.shape[1])).astype("int32")
                found = best == label.astype("int32").reshape((-1, 1))
            self._later_mean(found.sum(), pred.shape[0])


def _counts(label, pred):
    """[true positives, false positives, false negatives, true negatives] of a batch of classes 0 and 1."""
    label, pred = _classes(label, pred)
    both = (label * pred).sum()
    return op.concat(both, pred.sum() - both, label.sum() - both,
                     ((1 - label) * (1 - pred)).sum(), label.max(), dim=0)


class _Binary(EvalMetric):
    """A score from the counts of a binary classification: its mean over batches (macro), or over all (micro)."""

    def __init__(self, name, output_names, label_names, average):
        if average not in ("macro", "micro"):
            raise ValueError(f"found average {average!r}, expected 'macro' or 'micro'")
        self.average = average
        super().__init__(name, output_names, label_names, average=average)

    def reset(self):
        super().reset()
        self._counts = [0, 0, 0, 0]
        self._global_counts = [0, 0, 0, 0]

    def reset_local(self):
        super().reset_local()
        self._counts = [0, 0, 0, 0]

    def _score(self, tp, fp, fn, tn):
        raise NotImplementedError("a subclass says what the score is")

    def update(self, labels, preds):
        for label, pred in _batches(labels, preds):
            self._later(_counts(label, pred), self._fold)

    def _fold(self, values):
        *counts, largest = values
        if largest > 1:
            raise ValueError(f"{type(self).__name__} currently only supports binary classification.")
        self._counts = [a + b for a, b in zip(self._counts, counts)]
        self._global_counts = [a + b for a, b in zip(self._global_counts, counts)]
        return self._score(*counts), 1

    def get(self):
        self._collect()
        if self.average == "macro":
            return super().get()
        return self.name, self._score(*self._counts) if any(self._counts) else float("nan")

    def get_global(self):
        self._collect()
        if self.average == "macro":
            return super().get_global()
        return self.name, self._score(*self._global_counts) if any(self._global_counts) else float("nan")


@register
class F1(_Binary):
    """The harmonic mean of precision and recall."""

    def __init__(self, name="f1", output_names=None, label_names=None, average="macro"):
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp, fp, fn, tn):
        precision = tp / (tp + fp) if tp + fp else 0.0
        recall = tp / (tp + fn) if tp + fn else 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@register
class MCC(_Binary):
    """Matthews' correlation of labels and predictions."""

    def __init__(self, name="mcc", output_names=None, label_names=None, average="macro"):
        super().__init__(name, output_names, label_names, average)

    def _score(self, tp, fp, fn, tn):
        if not tp + fp + fn + tn:
            return 0.0
        root = math.prod(math.sqrt(t) for t in (tp + fp, tp + fn, tn + fp, tn + fn) if t)
        return (tp * tn - fp * fn) / root


@register
class Perplexity(EvalMetric):
    """exp of the mean negative log likelihood, ignore_label left out."""

    def __init__(self, ignore_label, axis=-1, name="perplexity", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, axis=axis)
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels, preds):
        if len(labels) != len(preds):
            raise ValueError(f"found {len(labels)} labels and {len(preds)} predictions, expected as many of each")
        for label, pred in _batches(labels, preds):
            classes = pred.shape[self.axis]
            if label.size * classes != pred.size:
                raise ValueError(f"shape mismatch: {label.shape} vs. {pred.shape}")
            label = label.astype("int32").reshape((-1,))
            chosen = op.pick(pred.reshape((-1, classes)), label, axis=1)
            loss = -1.0 * op.log(op.clip(chosen, a_min=1e-10, a_max=3.4e38))
            if self.ignore_label is None:
                self._later_mean(loss.sum(), label.size)
                continue
            kept = (label != self.ignore_label).astype(loss.dtype)
            self._later(op.concat((loss * kept).sum(), kept.sum(), dim=0), lambda v: (v[0], int(v[1])))

    def _value(self, total, count):
        if not count:
            return float("nan")
        try:
            return math.exp(total / count)
        except OverflowError:
            return float("inf")


class _Regression(EvalMetric):
    """The mean over batches of a measure of label - prediction."""

    def __init__(self, name, output_names=None, label_names=None):
        super().__init__(name, output_names, label_names)

    def update(self, labels, preds):
        for label, pred in _batches(labels, preds):
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
@alias("ce")
class CrossEntropy(EvalMetric):
    """The mean of -log(probability of the label)."""

    def __init__(self, eps=1e-12, name="cross-entropy", output_names=None, label_names=None):
        super().__init__(name, output_names, label_names, eps=eps)
        self.eps = eps

    def update(self, labels, preds):
        for label, pred in _batches(labels, preds):
            label = label.reshape((-1,))
            if label.shape[0] != pred.shape[0]:
                raise ValueError(f"found {label.shape[0]} labels for {pred.shape[0]} predictions")
            chosen = op.pick(pred, label.astype("int32"), axis=1)
            self._later_mean((-1.0 * op.log(chosen + self.eps)).sum(), label.size)


@register
@alias("nll_loss")
class NegativeLogLikelihood(CrossEntropy):
    """CrossEntropy under another name."""

    def __init__(self, eps=1e-12, name="nll-loss", output_names=None, label_names=None):
        super().__init__(eps, name, output_names, label_names)


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
        for label, pred in _batches(labels, preds):
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
        for label, pred in _batches(labels, preds):
            label, pred = _classes(label, pred)
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


@register
class CustomMetric(EvalMetric):
    """A function of NumPy arrays (label, prediction), giving a value or a sum and a count."""

    def __init__(self, feval, name=None, allow_extra_outputs=False, output_names=None, label_names=None):
        if name is None:
            name = feval.__name__
            if "<" in name:
                name = f"custom({name})"
        super().__init__(name, output_names, label_names, feval=feval, allow_extra_outputs=allow_extra_outputs)
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels, preds):
        if not self._allow_extra_outputs:
            labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds):
            found = self._feval(to_ndarray(label).asnumpy(), to_ndarray(pred).asnumpy())
            self._add(*(found if isinstance(found, tuple) else (found, 1)))

    def get_config(self):
        raise NotImplementedError("CustomMetric cannot be serialized")


def np(numpy_feval, name=None, allow_extra_outputs=False):
    """A metric from a function of NumPy arrays (label, prediction)."""

    def feval(label, pred):
        return numpy_feval(label, pred)

    feval.__name__ = numpy_feval.__name__
    return CustomMetric(feval, name, allow_extra_outputs)
