"""What all metrics share: sums that are collected late, making one by its name, and several at once."""
from __future__ import annotations

from .. import registry
from ..ndarray import NDArray, op
from ..ndarray._convert import to_ndarray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .._typing import Arrays, OneOrMore, Results

    _Fold = Callable[[list[Any]], tuple[float, float]]

_MOST_PENDING = 256


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """Raises when labels and predictions do not go together; with wrap, makes lists of single arrays."""
    sizes = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if sizes[0] != sizes[1]:
        raise ValueError(f"Shape of labels {sizes[0]} does not match shape of predictions {sizes[1]}")
    if wrap:
        labels = [labels] if isinstance(labels, NDArray) else labels
        preds = [preds] if isinstance(preds, NDArray) else preds
    return labels, preds


def _collected(attribute: str, doc: str) -> Any:
    def read(self: EvalMetric) -> float:
        self._collect()
        return getattr(self, attribute)

    return property(read, lambda self, value: setattr(self, attribute, value), doc=doc)


class EvalMetric:
    """A sum over samples and their number, since the start and since the last reset_local.

    A metric of one's own defines update(labels, preds), which adds to sum_metric and num_inst; with
    has_global_stats=True given to this constructor it adds to global_sum_metric and global_num_inst, too. output_names
    and label_names: which arrays update_dict takes, and in which order; all of them by default.
    """

    _sum = _global_sum = 0.0
    _num = _global_num = 0.0
    _pending: list[tuple[Any, _Fold]] = []  # an instance has its own

    # MXNet's names, which metrics that users write add to.
    sum_metric = _collected("_sum", "The sum since the last reset_local.")
    num_inst = _collected("_num", "How many were added since the last reset_local.")
    global_sum_metric = _collected("_global_sum", "The sum since the last reset.")
    global_num_inst = _collected("_global_num", "How many were added since the last reset.")

    def __init__(self, name: str, output_names: Sequence[str] | None = None, label_names: Sequence[str] | None = None,
                 **kwargs: Any) -> None:
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        # Metrics that users write know nothing of global sums: what get() says is all there is.
        self._has_global_stats = kwargs.pop("has_global_stats", False)
        self._kwargs = kwargs
        self._pending = []
        self.reset()

    def __getstate__(self) -> dict[str, Any]:
        self._collect()
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._pending = []
        for name, value in state.items():  # in pickles of MXNet, too, whose sums are attributes
            setattr(self, name, value)

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """The settings as a dict that create() understands."""
        return {**self._kwargs, "metric": type(self).__name__, "name": self.name,
                "output_names": self.output_names, "label_names": self.label_names}

    # --- what comes in
    def update_dict(self, label: Arrays, pred: Arrays) -> None:
        """update() with arrays by name, those wanted taken in the order of label_names and output_names.

        Raises ValueError where one of these names is not there.
        """
        self.update(self._chosen(label, self.label_names, "label_names"),
                    self._chosen(pred, self.output_names, "output_names"))

    def _chosen(self, arrays: Arrays, names: Sequence[str] | None, what: str) -> list[NDArray]:
        if names is None:
            return list(arrays.values())
        for name in names:
            if name not in arrays:
                raise ValueError(f"[{type(self).__name__}] {what} has {name!r}, expected one of {', '.join(arrays)}")
        return [arrays[name] for name in names]

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        """Takes a batch into account: lists of labels and of predictions, or one array each."""
        raise NotImplementedError(f"{type(self).__name__} has no rule for a batch")

    def _add(self, total: float, count: float) -> None:
        self._sum += total
        self._num += count
        self._global_sum += total
        self._global_num += count

    def _later(self, values: Any, fold: _Fold) -> None:
        """Adds fold(numbers of the array or list of arrays `values`), which is a sum and a count, when it is needed."""
        self._pending.append((values, fold))
        if len(self._pending) > _MOST_PENDING:
            self._collect(_MOST_PENDING // 2)  # the older half: computed long ago

    def _later_mean(self, values: Any, count: float) -> None:
        self._later(values, lambda v: (v[0], count))

    def _collect(self, most: int | None = None) -> None:
        if not self._pending:
            return
        due = self._pending[:most]
        del self._pending[:most]
        for values, fold in due:
            self._add(*fold([v.tolist() for v in values] if isinstance(values, list) else values.tolist()))

    # --- what was found
    def reset(self) -> None:
        """Forgets everything."""
        self._pending = []
        self._sum, self._num = 0.0, 0
        self._global_sum, self._global_num = 0.0, 0

    def reset_local(self) -> None:
        """Forgets what get() reports; get_global() goes on."""
        self._collect()
        self._sum, self._num = 0.0, 0

    def _value(self, total: float, count: float) -> float:
        return total / count if count else float("nan")

    def get(self) -> tuple[str, float]:
        """(name, value) since the last reset_local."""
        return self.name, self._value(self.sum_metric, self.num_inst)

    def get_global(self) -> tuple[str, float]:
        """(name, value) since the last reset."""
        if not self._has_global_stats:
            return self.get()
        return self.name, self._value(self.global_sum_metric, self.global_num_inst)

    def get_name_value(self) -> Results:
        """get() as a list of pairs."""
        return _pairs(*self.get())

    def get_global_name_value(self) -> Results:
        """get_global() as a list of pairs."""
        return _pairs(*self.get_global()) if self._has_global_stats else self.get_name_value()


def _pairs(names: Sequence[str], values: Any) -> Results:
    return list(zip(names if isinstance(names, list) else [names],
                    values if isinstance(values, list) else [values]))


register = registry.get_register_func(EvalMetric, "metric")
alias = registry.get_alias_func(EvalMetric, "metric")
_create = registry.get_create_func(EvalMetric, "metric")


def create(metric: Any, *args: Any, **kwargs: Any) -> EvalMetric:
    """A metric from its name, a function of NumPy arrays (label, prediction), an instance, or a list of these.

    Other arguments go to the metric. Raises ValueError for a name that no metric has.
    """
    if callable(metric) and not isinstance(metric, EvalMetric):
        return CustomMetric(metric, *args, **kwargs)
    if isinstance(metric, list):
        return CompositeEvalMetric([create(m, *args, **kwargs) for m in metric])
    return _create(metric, *args, **kwargs)


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics at once."""

    def __init__(self, metrics: Any = None, name: str = "composite", output_names: Sequence[str] | None = None,
                 label_names: Sequence[str] | None = None) -> None:
        self.metrics = [create(m) for m in metrics or []]
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def add(self, metric: Any) -> None:
        """One more."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric:
        """The index-th metric. Raises ValueError where there is none."""
        if not -len(self.metrics) <= index < len(self.metrics):
            raise ValueError(f"Metric index {index} is out of range 0 and {len(self.metrics)}")
        return self.metrics[index]

    def update_dict(self, labels: Arrays, preds: Arrays) -> None:
        if self.label_names is not None:
            labels = {name: value for name, value in labels.items() if name in self.label_names}
        if self.output_names is not None:
            preds = {name: value for name, value in preds.items() if name in self.output_names}
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        for metric in self.metrics:
            metric.update(labels, preds)

    def reset(self) -> None:
        super().reset()
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        for metric in self.metrics:
            metric.reset_local()

    def get(self) -> Any:
        return _flat(m.get() for m in self.metrics)

    def get_global(self) -> Any:
        return _flat(m.get_global() for m in self.metrics)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "metrics": [m.get_config() for m in self.metrics]}


def _flat(results: Iterable[tuple[Any, Any]]) -> tuple[list[str], list[float]]:
    names, values = [], []
    for name, value in results:
        names += name if isinstance(name, list) else [name]
        values += value if isinstance(value, list) else [value]
    return names, values


@register
class CustomMetric(EvalMetric):
    """A function of NumPy arrays (label, prediction), giving a value or a sum and a count."""

    def __init__(self, feval: Callable[[Any, Any], Any], name: str | None = None, allow_extra_outputs: bool = False,
                 output_names: Sequence[str] | None = None, label_names: Sequence[str] | None = None) -> None:
        if name is None:
            name = feval.__name__
            if "<" in name:
                name = f"custom({name})"
        super().__init__(name, output_names, label_names, feval=feval, allow_extra_outputs=allow_extra_outputs,
                         has_global_stats=True)
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> None:
        if not self._allow_extra_outputs:
            labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds):
            found = self._feval(to_ndarray(label).asnumpy(), to_ndarray(pred).asnumpy())
            self._add(*(found if isinstance(found, tuple) else (found, 1)))

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("CustomMetric cannot be serialized")


def np(numpy_feval: Callable[[Any, Any], Any], name: str | None = None,
       allow_extra_outputs: bool = False) -> CustomMetric:
    """A metric from a function of NumPy arrays (label, prediction)."""

    def feval(label: NDArray, pred: NDArray) -> Any:
        return numpy_feval(label, pred)

    feval.__name__ = numpy_feval.__name__
    return CustomMetric(feval, name, allow_extra_outputs)


# --- what metrics of arrays begin with


def batches(labels: OneOrMore[NDArray], preds: OneOrMore[NDArray]) -> list[tuple[NDArray, NDArray]]:
    """Pairs of a label array and a prediction array."""
    labels, preds = check_label_shapes(labels, preds, True)
    return [(_on(label, pred), to_ndarray(pred)) for label, pred in zip(labels, preds)]


def _on(label: NDArray, pred: NDArray) -> NDArray:
    label = to_ndarray(label)
    return label.as_in_context(pred.context) if isinstance(pred, NDArray) else label


def wide(array: NDArray) -> NDArray:
    """An array whose elements can be summed: halves become float32."""
    return array.astype("float32") if array.dtype_name in ("float16", "bfloat16") else array


def vector(array: NDArray) -> NDArray:
    """The elements of an array along one axis."""
    return array if array.ndim == 1 else array.reshape((-1,))


def classes(label: NDArray, pred: NDArray, axis: int = 1) -> tuple[NDArray, NDArray]:
    """Labels and predicted classes as two int32 vectors."""
    if pred.shape != label.shape:
        pred = op.argmax(pred, axis=axis)
    label, pred = vector(label.astype("int32")), vector(pred.astype("int32"))
    check_label_shapes(label, pred, shape=True)
    return label, pred
