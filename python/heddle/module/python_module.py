"""Modules written in Python, to stand between others."""
from __future__ import annotations

import logging

from ..initializer import Uniform
from ..ndarray.functions import array
from ..ndarray.ndarray import NDArray
from .base_module import BaseModule, descriptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._typing import Arrays, GradReq, InitializerLike, OneOrMore, Shape, Shapes
    from ..io import DataBatch, DataDesc
    from ..kvstore import KVStoreBase
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..optimizer import Optimizer


class PythonModule(BaseModule):
    """A module without parameters; subclasses say what forward and backward do, and the shapes of outputs."""

    def __init__(self, data_names: Sequence[str], label_names: Sequence[str], output_names: Sequence[str],
                 logger: Any = logging) -> None:
        super().__init__(logger)
        self._data_names = list(data_names)
        self._label_names = list(label_names) if label_names is not None else None
        self._output_names = list(output_names)
        self._data_shapes: list[DataDesc] = None  # type: ignore[assignment]  # these three until bind()
        self._label_shapes: list[DataDesc] | None = None
        self._output_shapes: list[tuple[str, Shape]] = None  # type: ignore[assignment]

    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, Shape]]:
        return self._output_shapes

    def get_params(self) -> tuple[Arrays, Arrays]:
        return {}, {}

    def init_params(self, initializer: InitializerLike | None = Uniform(0.01), arg_params: Arrays | None = None,
                    aux_params: Arrays | None = None, allow_missing: bool = False, force_init: bool = False,
                    allow_extra: bool = False) -> None:
        self.params_initialized = True

    def update(self) -> None:
        """There is nothing to update."""

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        if self._label_shapes is None:
            return  # no labels: nothing to measure
        if pre_sliced:
            raise RuntimeError("PythonModule does not support presliced labels")
        eval_metric.update(labels, self.get_outputs())

    def bind(self, data_shapes: Shapes, label_shapes: Shapes | None = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: GradReq = "write") -> None:
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            raise ValueError("Python module only support write gradient")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes, self._label_shapes = descriptions(data_shapes, label_shapes)
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def init_optimizer(self, kvstore: str | KVStoreBase | None = "local", optimizer: str | Optimizer = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        self.optimizer_initialized = True

    def _compute_output_shapes(self) -> list[tuple[str, Shape]]:
        """(name, shape) of the outputs, from data_shapes and label_shapes."""
        raise NotImplementedError(f"{type(self).__name__} must say what shapes its outputs have")


class PythonLossModule(PythonModule):
    """A loss whose gradient is a function grad_func(scores, labels)."""

    def __init__(self, name: str = "pyloss", data_names: Sequence[str] = ("data",),
                 label_names: Sequence[str] = ("softmax_label",), logger: Any = logging,
                 grad_func: Callable[[NDArray, NDArray], Any] | None = None) -> None:
        super().__init__(data_names, label_names, [f"{name}_output"], logger)
        self._name = name
        if len(self._data_names) != 1 or len(label_names) != 1:
            raise ValueError("a PythonLossModule has one input and one label")
        if grad_func is not None and not callable(grad_func):
            raise TypeError("grad_func must be callable")
        self._grad_func = grad_func
        self._scores: Any = None
        self._labels: Any = None
        self._scores_grad: NDArray | None = None

    def _compute_output_shapes(self) -> list[tuple[str, Shape]]:
        return [(f"{self._name}_output", self._data_shapes[0].shape)]

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        self._scores = data_batch.data[0]
        if is_train is None:
            is_train = self.for_training
        if is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        return [self._scores]

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        if out_grads is not None:
            raise ValueError("For a loss module, out_grads should be None")
        self._backward_impl()

    def _backward_impl(self) -> None:
        if self._grad_func is None:
            raise NotImplementedError("give grad_func, or override _backward_impl")
        grad = self._grad_func(self._scores, self._labels)
        self._scores_grad = grad if isinstance(grad, NDArray) else array(grad)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        return [self._scores_grad]

    def install_monitor(self, mon: Monitor) -> None:
        raise RuntimeError("a PythonLossModule has no executor to watch")
