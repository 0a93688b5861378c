"""Modules for inputs of several lengths, sharing their parameters."""
from __future__ import annotations

import logging
import warnings

from ..initializer import Uniform
from .._checkpoint import load_params, save_checkpoint
from ..ndarray import array, load, save
from ..symbol import load as load_symbol
from .base_module import BaseModule, descriptions
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .._typing import Arrays, GradReq, InitializerLike, OneOrMore, RowIds, Shape, Shapes, SymGen
    from ..context import Context
    from ..io import DataBatch, DataDesc
    from ..kvstore import KVStoreBase
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..ndarray import NDArray
    from ..optimizer import Optimizer
    from ..symbol import Symbol


class BucketingModule(BaseModule):
    """One Module per bucket key; sym_gen(key) gives (symbol, data_names, label_names)."""

    def __init__(self, sym_gen: SymGen, default_bucket_key: Any = None, logger: Any = logging,
                 context: OneOrMore[Context] | None = None, work_load_list: Sequence[float] | None = None,
                 fixed_param_names: Sequence[str] | None = None, state_names: Sequence[str] | None = None,
                 group2ctxs: Any = None, compression_params: Mapping[str, Any] | None = None,
                 memory_budget: int | str | None = None) -> None:
        super().__init__(logger)
        if default_bucket_key is None:
            raise ValueError("default_bucket_key is missing")
        self._default_bucket_key = default_bucket_key
        self._sym_gen = sym_gen
        self._options: dict[str, Any] = {"logger": logger, "context": context, "work_load_list": work_load_list,
                         "fixed_param_names": fixed_param_names, "state_names": state_names,
                         "group2ctxs": group2ctxs, "compression_params": compression_params,
                         "memory_budget": memory_budget}
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Module = None  # type: ignore[assignment]  # until bind()
        self._curr_bucket_key: Any = None
        self._params_dirty = False
        self._monitor: Monitor | None = None
        self._grad_req: GradReq = "write"
        self._loaded: tuple[Any, Any] | None = None  # parameters of a checkpoint, until bind

    def _call_sym_gen(self, key: Any) -> tuple[Symbol, Sequence[str] | None, Sequence[str] | None]:
        """(symbol, data_names, label_names) of a bucket."""
        return self._sym_gen(key)

    def _make(self, key: Any) -> Module:
        symbol, data_names, label_names = self._call_sym_gen(key)
        return Module(symbol, data_names, label_names, **self._options)

    # --- what goes in and out
    @property
    def symbol(self) -> Symbol:
        self._need("bind")
        return self._curr_module.symbol

    @property
    def data_names(self) -> list[str]:
        return self._curr_module.data_names if self.binded else list(self._call_sym_gen(self._default_bucket_key)[1] or [])

    @property
    def output_names(self) -> list[str]:
        if self.binded:
            return self._curr_module.output_names
        return self._call_sym_gen(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self) -> list[DataDesc]:
        self._need("bind")
        return self._curr_module.data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need("bind")
        return self._curr_module.label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, Shape]]:
        self._need("bind")
        return self._curr_module.output_shapes

    # --- parameters
    def get_params(self) -> tuple[Arrays, Arrays]:
        self._need("bind", "init_params")
        self._curr_module._params_dirty = self._params_dirty
        params = self._curr_module.get_params()
        self._params_dirty = False
        return params

    def init_params(self, initializer: InitializerLike | None = Uniform(0.01), arg_params: Arrays | None = None,
                    aux_params: Arrays | None = None, allow_missing: bool = False, force_init: bool = False,
                    allow_extra: bool = False) -> None:
        if self.params_initialized and not force_init:
            return
        self._need("bind")
        self._curr_module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._params_dirty = False
        self.params_initialized = True

    def set_params(self, arg_params: Arrays, aux_params: Arrays, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.",
                          stacklevel=2)
            return
        self._curr_module.set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._params_dirty = True
        self.params_initialized = True

    def get_states(self, merge_multi_context: bool = True) -> Any:
        self._need("bind", "init_params")
        return self._curr_module.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        self._need("bind", "init_params")
        self._curr_module.set_states(states, value)

    # --- files
    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Writes the parameters, and a symbol for every bucket used so far."""
        self._need("bind", "init_params")
        for key, module in self._buckets.items():
            module.symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast)
        save_checkpoint(prefix, epoch, None, *self.get_params())
        save(f"{prefix}.buckets", array(list(self._buckets), dtype="int32"))

    @staticmethod
    def load(prefix: str, epoch: int, sym_gen: SymGen | None = None, default_bucket_key: Any = None,
             **kwargs: Any) -> BucketingModule:
        """A module of a checkpoint; bind it before use. Without sym_gen, the buckets that were saved."""
        arg_params, aux_params = load_params(prefix, epoch)
        symbols = {}
        if sym_gen is None:
            symbols = {int(key): load_symbol(f"{prefix}-{int(key)}-symbol.json")
                       for key in load(f"{prefix}.buckets")[0].tolist()}
        return BucketingModule.load_dict(symbols, sym_gen, default_bucket_key, arg_params, aux_params, **kwargs)

    @staticmethod
    def load_dict(sym_dict: Mapping[Any, Symbol] | None = None, sym_gen: SymGen | None = None,
                  default_bucket_key: Any = None, arg_params: Arrays | None = None, aux_params: Arrays | None = None,
                  **kwargs: Any) -> BucketingModule:
        """A module of symbols by bucket key, or of sym_gen, with parameters."""
        if sym_gen is None:
            names = kwargs.pop("data_names", ("data",)), kwargs.pop("label_names", ("softmax_label",))

            def sym_gen(key: Any) -> Any:
                return ((sym_dict or {})[key], *names)

        module = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        module._loaded = arg_params, aux_params
        return module

    # --- binding
    def bind(self, data_shapes: Shapes, label_shapes: Shapes | None = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: GradReq = "write") -> None:
        """Binds the default bucket; others when they are first used."""
        if shared_module is not None:
            raise ValueError("shared_module for BucketingModule is not supported")
        params = self.get_params() if self.params_initialized and self.binded else None
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        before = self._curr_module
        self._reset_bind()
        module = self._make(self._default_bucket_key)
        module.bind(data_shapes, label_shapes, for_training, inputs_need_grad, grad_req=grad_req)
        if self.optimizer_initialized:
            module.borrow_optimizer(before)
        if self._monitor is not None:
            module.install_monitor(self._monitor)
        self._buckets = {self._default_bucket_key: module}
        self._curr_module, self._curr_bucket_key = module, self._default_bucket_key
        self.binded = True
        params = params or self._loaded
        if params is not None:
            self.set_params(*params)
            self._loaded = None

    def _reset_bind(self) -> None:
        """Lets the modules go."""
        self.binded = False
        self._buckets = {}
        self._curr_module = None  # type: ignore[assignment]
        self._curr_bucket_key = None

    def switch_bucket(self, bucket_key: Any, data_shapes: Shapes, label_shapes: Shapes | None = None) -> None:
        """Makes the module of a bucket the current one."""
        self._need("bind")
        default = self._buckets[self._default_bucket_key]
        if bucket_key not in self._buckets:
            module = self._make(bucket_key)
            module.bind(data_shapes, label_shapes, self.for_training, self.inputs_need_grad,
                        shared_module=default, grad_req=self._grad_req)
            if self._monitor is not None:
                module.install_monitor(self._monitor)
            self._buckets[bucket_key] = module
        self._curr_module, self._curr_bucket_key = self._buckets[bucket_key], bucket_key

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: RowIds | None = None) -> None:
        """Binds the bucket of the next batch."""
        self._need("bind", "init_params")
        current = self._curr_bucket_key
        self._switch_to(data_batch)
        self._curr_module.prepare(data_batch, sparse_row_id_fn)
        self._curr_module, self._curr_bucket_key = self._buckets[current], current

    def _switch_to(self, batch: DataBatch) -> None:
        key = self._default_bucket_key if batch.bucket_key is None else batch.bucket_key
        if key in self._buckets and batch.provide_data is None:
            self._curr_module, self._curr_bucket_key = self._buckets[key], key
            return
        self.switch_bucket(key, *descriptions(batch.provide_data or [], batch.provide_label))

    # --- the optimizer
    def init_optimizer(self, kvstore: str | KVStoreBase | None = "local", optimizer: str | Optimizer = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        self._need("bind", "init_params")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        self._curr_module.init_optimizer(kvstore, optimizer, optimizer_params, force_init)
        for module in self._buckets.values():
            if module is not self._curr_module:
                module.borrow_optimizer(self._curr_module)
        self.optimizer_initialized = True

    def update(self) -> None:
        """Changes the parameters by their gradients."""
        self._need("bind", "init_params", "init_optimizer")
        if not self._curr_module.optimizer_initialized:
            self._curr_module.borrow_optimizer(self._buckets[self._default_bucket_key])
        self._params_dirty = True
        self._curr_module.update()

    # --- running
    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Runs the network of the batch's bucket."""
        self._need("bind", "init_params")
        self._switch_to(data_batch)
        self._curr_module.forward(data_batch, is_train)

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        """Gradients of the parameters."""
        self._need("bind", "init_params")
        self._curr_module.backward(out_grads)

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        """The outputs of the last forward."""
        self._need("bind", "init_params")
        return self._curr_module.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data."""
        self._need("bind", "init_params")
        return self._curr_module.get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric."""
        self._need("bind", "init_params")
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch all buckets."""
        self._need("bind")
        self._monitor = mon
        for module in self._buckets.values():
            module.install_monitor(mon)
