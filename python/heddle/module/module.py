"""The module of one symbol."""
from __future__ import annotations

import logging
import warnings

from .. import kvstore as _kvstore
from .. import optimizer as _optimizer
from ..context import Context, cpu
from ..initializer import InitDesc, Uniform
from ..io import DataDesc
from .._checkpoint import load_checkpoint, save_checkpoint
from ..ndarray import zeros
from .base_module import BaseModule, descriptions
from .executor_group import DataParallelExecutorGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .._typing import Arrays, GradReq, InitializerLike, OneOrMore, Shape, Shapes
    from ..io import DataBatch
    from ..kvstore import KVStoreBase
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..ndarray import NDArray
    from ..optimizer import Optimizer
    from ..symbol import Symbol


def _check_names(names: Sequence[str], arguments: Sequence[str], kind: str, must: bool) -> None:
    for name in names:
        if name in arguments:
            continue
        candidates = [a for a in arguments if not a.endswith(("_weight", "_bias", "_gamma", "_beta"))]
        text = (f"You created Module with Module(..., {kind}_names={names}) but input with name '{name}' is not "
                f"found in symbol.list_arguments(). Did you mean one of:\n\t" + "\n\t".join(candidates))
        if must:
            raise ValueError(text)
        warnings.warn(text, stacklevel=3)


class Module(BaseModule):
    """Runs one symbol on one or more devices, which share each batch."""

    def __init__(self, symbol: Symbol, data_names: Sequence[str] | None = ("data",),
                 label_names: Sequence[str] | None = ("softmax_label",), logger: Any = logging,
                 context: OneOrMore[Context] | None = None, work_load_list: Sequence[float] | None = None,
                 fixed_param_names: Sequence[str] | None = None, state_names: Sequence[str] | None = None,
                 group2ctxs: Any = None, compression_params: Mapping[str, Any] | None = None) -> None:
        super().__init__(logger)
        context = cpu() if context is None else context
        self._context = [context] if isinstance(context, Context) else list(context)
        self._work_load_list = work_load_list or [1] * len(self._context)
        if len(self._work_load_list) != len(self._context):
            raise ValueError(f"found {len(self._work_load_list)} loads for {len(self._context)} devices")
        self._group2ctxs = [group2ctxs] * len(self._context) if isinstance(group2ctxs, dict) else group2ctxs
        self._compression_params = compression_params
        self._symbol = symbol
        arguments = symbol.list_arguments()
        self._data_names = list(data_names or [])
        self._label_names = list(label_names or [])
        self._state_names = list(state_names or [])
        self._fixed_param_names = list(fixed_param_names or [])
        _check_names(self._data_names, arguments, "data", True)
        _check_names(self._label_names, arguments, "label", False)
        _check_names(self._state_names, arguments, "state", True)
        _check_names(self._fixed_param_names, arguments, "fixed_param", True)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [a for a in arguments if a not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._params_dirty = False
        self._update_on_kvstore = False
        self._preload_opt_states: str | None = None
        self._kvstore: Any = None
        # Missing until bind(), init_params() and init_optimizer() make them; what needs them asks _need() first.
        self._group: DataParallelExecutorGroup = None  # type: ignore[assignment]
        self._arg_params: Arrays = None  # type: ignore[assignment]
        self._aux_params: Arrays = None  # type: ignore[assignment]
        self._optimizer: Optimizer = None  # type: ignore[assignment]
        self._updater: Any = None

    # --- files
    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """A module of a checkpoint; bind it before use."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        module = Module(symbol, **kwargs)
        module._arg_params, module._aux_params = arg_params, aux_params
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(self, prefix: str, epoch: int, save_optimizer_states: bool = False,
                        remove_amp_cast: bool = True) -> None:
        """Writes the symbol, the parameters, and the optimizer's states if wanted."""
        save_checkpoint(prefix, epoch, self.symbol, *self.get_params())
        if save_optimizer_states:
            path = f"{prefix}-{epoch:04d}.states"
            self.save_optimizer_states(path)
            logging.info('Saved optimizer state to "%s"', path)

    # --- what goes in and out
    @property
    def data_names(self) -> list[str]:
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """The names of the labels that the network takes."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        self._need("bind")
        return self._group.data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need("bind")
        return self._group.label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, Shape]]:
        self._need("bind")
        return self._group.get_output_shapes()

    # --- parameters
    def get_params(self) -> tuple[Arrays, Arrays]:
        self._need("bind", "init_params")
        if self._params_dirty:
            self._group.get_params(self._arg_params, self._aux_params)
            self._params_dirty = False
        return self._arg_params, self._aux_params

    def init_params(self, initializer: InitializerLike | None = Uniform(0.01), arg_params: Arrays | None = None,
                    aux_params: Arrays | None = None, allow_missing: bool = False, force_init: bool = False,
                    allow_extra: bool = False) -> None:
        if self.params_initialized and not force_init:
            if arg_params or aux_params:
                warnings.warn("Parameters already initialized and force_init=False. init_params call ignored.",
                              stacklevel=2)
            return
        self._need("bind")
        attrs = self._symbol.attr_dict()
        first = self._group.execs[0]
        args = {n: first.arg_dict[n] for n in self._param_names}
        if self._arg_params is None:
            self._arg_params = {n: zeros(a.shape, dtype=a.dtype) for n, a in args.items()}
        if self._aux_params is None:
            self._aux_params = {n: zeros(a.shape, dtype=a.dtype) for n, a in first.aux_dict.items()}
        for own, given in ((self._arg_params, arg_params), (self._aux_params, aux_params)):
            for name in sorted(own):
                self._init_one(InitDesc(name, attrs.get(name)), own[name], given, initializer, allow_missing)
            if given and not allow_extra:
                self._refuse_extra(given)
        self.params_initialized = True
        self._params_dirty = False
        self._group.set_params(self._arg_params, self._aux_params, allow_extra=True)

    def _init_one(self, desc: InitDesc, array: NDArray, given: Arrays | None, initializer: InitializerLike | None,
                  allow_missing: bool) -> None:
        if given is not None and desc in given:
            source = given[desc]
            if source is array:
                return
            if source.shape != array.shape:
                raise ValueError(f"[Module] {desc} has shape {source.shape}, expected {array.shape}")
            source._copyto(array)
            return
        if given is not None and not allow_missing:
            raise RuntimeError(f"[Module] {desc} is not presented: found no array of that name, expected one for every parameter unless "
                               "allow_missing=True")
        if initializer is not None:
            initializer(desc, array)

    def _refuse_extra(self, given: Arrays) -> None:
        known = {*self._symbol.list_inputs(), *self._data_names, *self._label_names}
        extra = [n for n in given if n not in known]
        if extra:
            raise ValueError(f'Find name "{extra[0]}" that is not in the arguments')

    def set_params(self, arg_params: Arrays, aux_params: Arrays, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.",
                          stacklevel=2)
            return
        self._group.set_params(arg_params, aux_params, allow_extra)
        self._params_dirty = True
        self.params_initialized = True

    # --- binding
    def bind(self, data_shapes: Shapes, label_shapes: Shapes | None = None, for_training: bool = True,
             inputs_need_grad: bool = False, force_rebind: bool = False, shared_module: Any = None,
             grad_req: GradReq = "write") -> None:
        """Makes the executors. A module bound already stays as it is, unless force_rebind."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            raise ValueError("inputs_need_grad needs for_training")
        data, labels = descriptions(data_shapes, label_shapes)
        self._check_inputs(data, labels)
        shared_group = None
        if shared_module is not None:
            if not (shared_module.binded and shared_module.params_initialized):
                raise ValueError("shared_module must be bound and have parameters")
            shared_group = shared_module._group
        if self.params_initialized and self.binded:
            self.get_params()  # before the old executors go
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._group = DataParallelExecutorGroup(
            self._symbol, self._context, self._work_load_list, data, labels, self._param_names, for_training,
            inputs_need_grad, self._fixed_param_names, grad_req, self._state_names, self._group2ctxs,
            shared_group)
        self.binded = True
        if shared_module is not None:
            self.params_initialized = True
            self._arg_params, self._aux_params = shared_module._arg_params, shared_module._aux_params
        elif self.params_initialized:
            self._group.set_params(self._arg_params, self._aux_params, allow_extra=True)
        if shared_module is not None and shared_module.optimizer_initialized:
            self.borrow_optimizer(shared_module)

    def _check_inputs(self, data: list[DataDesc], labels: list[DataDesc] | None) -> None:
        for names, found, kind in ((self._data_names, data, "data"), (self._label_names, labels or [], "label")):
            if kind == "label" and not found:
                continue
            if sorted(names) != sorted(d.name for d in found):
                raise ValueError(f"Data provided by {kind}_shapes don't match names specified by {kind}_names "
                                 f"({[tuple(d) for d in found]} vs. {names})")

    def reshape(self, data_shapes: Shapes, label_shapes: Shapes | None = None) -> None:
        """Takes batches of other shapes from now on."""
        self._need("bind")
        self._group.reshape(*descriptions(data_shapes, label_shapes))

    # --- the optimizer
    def init_optimizer(self, kvstore: str | KVStoreBase = "local", optimizer: str | Optimizer = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Decides how update() works."""
        self._need("bind", "init_params")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        store, on_store = _kvstore.create_for(kvstore, len(self._context), self._arg_params)
        self._optimizer = self._make_optimizer(optimizer, dict(optimizer_params), on_store)
        self._kvstore, self._update_on_kvstore = store, on_store
        self._updater = None if on_store else _optimizer.get_updater(self._optimizer)
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            for name, arrays in zip(self._param_names, self._group.param_arrays):
                store.init(name, self._arg_params[name])
                if on_store:
                    store.pull(name, arrays)
            if on_store:
                store.set_optimizer(self._optimizer)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def _make_optimizer(self, optimizer: str | Optimizer, params: dict[str, Any], on_store: bool) -> Optimizer:
        devices = len(self._context)
        if on_store:
            names: dict[Any, str] = {**dict(enumerate(self._param_names)), **{n: n for n in self._param_names}}
        else:
            names = {i * devices + k: n for i, n in enumerate(self._param_names) for k in range(devices)}
        rescale = 1.0 / self._group.batch_size
        if isinstance(optimizer, str):
            params.setdefault("rescale_grad", rescale)
            return _optimizer.create(optimizer, sym=self.symbol, param_idx2name=names, **params)
        if not isinstance(optimizer, _optimizer.Optimizer):
            raise TypeError(f"found an optimizer of type {type(optimizer).__name__}, expected a name or an Optimizer")
        if optimizer.rescale_grad != rescale:
            warnings.warn("Optimizer created manually outside Module but rescale_grad is not normalized to "
                          f"1.0/batch_size/num_workers ({optimizer.rescale_grad} vs. {rescale}). Is this "
                          "intended?", stacklevel=3)
        if not optimizer.idx2name:
            optimizer.idx2name = names
        return optimizer

    def borrow_optimizer(self, shared_module: Module) -> None:
        """Uses the optimizer of another module."""
        self._optimizer = shared_module._optimizer
        self._kvstore = shared_module._kvstore
        self._update_on_kvstore = shared_module._update_on_kvstore
        self._updater = shared_module._updater
        self.optimizer_initialized = True

    def update(self) -> None:
        """Changes the parameters by their gradients."""
        self._need("bind", "init_params", "init_optimizer")
        self._params_dirty = True
        group, store = self._group, self._kvstore
        devices = len(self._context)
        for i, (name, weights, grads) in enumerate(zip(self._param_names, group.param_arrays,
                                                       group.grad_arrays)):
            if grads[0] is None:
                continue
            if store is not None:
                store.push(name, grads, priority=-i)
                store.pull(name, weights if self._update_on_kvstore else grads, priority=-i)
            if not self._update_on_kvstore:
                for k, (weight, grad) in enumerate(zip(weights, grads)):
                    self._updater(i * devices + k, grad, weight)

    def save_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Writes the optimizer's states."""
        self._need("init_optimizer")
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname)
            return
        with open(fname, "wb") as f:
            f.write(self._updater.get_states())

    def load_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Reads the optimizer's states."""
        self._need("init_optimizer")
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
            return
        with open(fname, "rb") as f:
            self._updater.set_states(f.read())

    # --- running
    def forward(self, data_batch: DataBatch, is_train: bool | None = None) -> None:
        """Runs the network on a batch; batches of another shape rebind it."""
        self._need("bind", "init_params")
        group = self._group
        shapes = tuple(a.shape for a in data_batch.data)
        if shapes != tuple(d.shape for d in group.data_shapes):
            self._follow(data_batch, shapes)
        group.forward(data_batch, is_train)

    def _follow(self, batch: DataBatch, shapes: Sequence[Shape]) -> None:
        """Binds for the shapes of a batch."""
        group = self._group
        data = batch.provide_data or [DataDesc(d.name, s, d.dtype, d.layout)
                                      for d, s in zip(group.data_shapes, shapes)]
        labels = batch.provide_label
        if not labels and batch.label and group.label_shapes:
            labels = [DataDesc(d.name, a.shape, d.dtype, d.layout)
                      for d, a in zip(group.label_shapes, batch.label)]
        elif not labels and group.label_shapes:
            size, before = shapes[0][0], group.batch_size
            labels = [DataDesc(d.name, tuple(size if i == 0 and n == before else n
                                             for i, n in enumerate(d.shape)), d.dtype, d.layout)
                      for d in group.label_shapes]
        self.reshape(data, labels)

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        """Gradients of the parameters."""
        self._need("bind", "init_params")
        self._group.backward(out_grads)

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        """The outputs of the last forward."""
        self._need("bind", "init_params")
        return self._group.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data."""
        self._need("bind", "init_params")
        return self._group.get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> Any:
        self._need("bind", "init_params")
        return self._group.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        self._need("bind", "init_params")
        self._group.set_states(states, value)

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric."""
        self._group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch the executors."""
        self._need("bind")
        self._group.install_monitor(mon)
