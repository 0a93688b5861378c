"""Modules in a row: the outputs of one are the data of the next."""
from __future__ import annotations

import logging

from ..initializer import Uniform
from ..io import DataBatch, DataDesc
from .base_module import BaseModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._typing import Arrays, GradReq, InitializerLike, OneOrMore, Shape, Shapes
    from ..kvstore import KVStoreBase
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..ndarray import NDArray
    from ..optimizer import Optimizer


class SequentialModule(BaseModule):
    """A chain. add(module, take_labels=True) shows a module the labels; auto_wiring renames its data."""

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = logging) -> None:
        super().__init__(logger)
        self._modules: list[BaseModule] = []
        self._metas: list[dict[str, Any]] = []
        self._meta_keys = {self.META_TAKE_LABELS, self.META_AUTO_WIRING}
        self._label_shapes: Any = None
        self._data_shapes: Any = None

    def add(self, module: Any, **kwargs: Any) -> SequentialModule:
        """One more at the end; returns self, so that calls can be chained."""
        for key in kwargs:
            if key not in self._meta_keys:
                raise ValueError(f'Unknown meta "{key}", a typo?')
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    @property
    def data_names(self) -> list[str]:
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> list[str]:
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> list[DataDesc]:
        self._need("bind")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need("bind")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, Shape]]:
        self._need("bind")
        return self._modules[-1].output_shapes

    def get_params(self) -> tuple[Arrays, Arrays]:
        self._need("bind", "init_params")
        arg_params, aux_params = {}, {}
        for module in self._modules:
            arg, aux = module.get_params()
            arg_params.update(arg)
            aux_params.update(aux)
        return arg_params, aux_params

    def init_params(self, initializer: InitializerLike | None = Uniform(0.01), arg_params: Arrays | None = None,
                    aux_params: Arrays | None = None, allow_missing: bool = False, force_init: bool = False,
                    allow_extra: bool = False) -> None:
        if self.params_initialized and not force_init:
            return
        self._need("bind")
        owners: dict[str, int] = {}
        more = {"allow_extra": True} if allow_extra else {}  # which users' modules of old do not know
        for at, module in enumerate(self._modules):
            module.init_params(initializer=initializer, arg_params=arg_params, aux_params=aux_params,
                               allow_missing=allow_missing, force_init=force_init, **more)
            for name in (n for part in module.get_params() for n in part):
                if name in owners:
                    raise ValueError(f'Duplicated parameter names: name "{name}" in layer {at} '
                                     f"({type(module).__name__}) is already used in layer {owners[name]}")
                owners[name] = at
        self.params_initialized = True

    def bind(self, data_shapes: Shapes, label_shapes: Shapes | None = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: GradReq = "write") -> None:
        """Binds the modules in order."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if shared_module is not None:
            raise ValueError("Shared module is not supported")
        if not self._modules:
            raise RuntimeError("Attempting to bind an empty SequentialModule")
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._label_shapes, self._data_shapes = None, data_shapes
        shapes: Any = data_shapes
        for at, (module, meta) in enumerate(zip(self._modules, self._metas)):
            labels = None
            if meta.get(self.META_TAKE_LABELS):
                labels = self._label_shapes = label_shapes
            if meta.get(self.META_AUTO_WIRING):
                shapes = [DataDesc(name, d[1]) for name, d in zip(module.data_names, shapes)]
            module.bind(data_shapes=shapes, label_shapes=labels, for_training=for_training,
                        inputs_need_grad=bool(inputs_need_grad or for_training and at > 0), force_rebind=force_rebind,
                        shared_module=None, grad_req=grad_req)
            shapes = module.output_shapes
        self.binded = True

    def init_optimizer(self, kvstore: str | KVStoreBase | None = "local", optimizer: str | Optimizer = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        self._need("bind", "init_params")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params,
                                  force_init=force_init)
        self.optimizer_initialized = True

    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Runs the modules in order."""
        self._need("bind", "init_params")
        batch = data_batch
        for module in self._modules:
            module.forward(batch, is_train)
            if module is self._modules[-1]:
                break
            outputs = module.get_outputs()
            descriptions = [DataDesc(name, out.shape) for (name, _), out in zip(module.output_shapes, outputs)]
            batch = DataBatch(outputs, data_batch.label, data_batch.pad, data_batch.index,
                              data_batch.bucket_key, descriptions, data_batch.provide_label)

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        """Runs the modules backward, from the last to the first."""
        self._need("bind", "init_params")
        for module in reversed(self._modules):
            module.backward(out_grads)
            if module is not self._modules[0]:
                out_grads = module.get_input_grads()

    def update(self) -> None:
        """Changes the parameters of all modules."""
        self._need("bind", "init_params", "init_optimizer")
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        """The outputs of the last module."""
        self._need("bind", "init_params")
        return self._modules[-1].get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the first module's data."""
        self._need("bind", "init_params")
        return self._modules[0].get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows the outputs of the modules that take labels to a metric."""
        self._need("bind", "init_params")
        for module, meta in zip(self._modules, self._metas):
            if meta.get(self.META_TAKE_LABELS):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch all modules."""
        self._need("bind")
        for module in self._modules:
            module.install_monitor(mon)
