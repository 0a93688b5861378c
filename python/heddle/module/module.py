"""The module of one symbol."""
from __future__ import annotations

import logging
import os
import warnings

from .. import _core
from .. import optimizer as _optimizer
from ..context import Context, cpu
from ..initializer import InitDesc, Uniform
from ..io import DataDesc
from .._checkpoint import load_checkpoint, save_checkpoint
from .._store_steps import create_kvstore, initialize_kvstore, update_params, update_params_on_kvstore
from ..ndarray import zeros
from .base_module import BaseModule, _check_input_names, _parse_data_desc, descriptions
from .executor_group import DataParallelExecutorGroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .._typing import Arrays, GradReq, InitializerLike, OneOrMore, RowIds, Shape, Shapes
    from ..io import DataBatch
    from ..kvstore import KVStoreBase
    from ..metric import EvalMetric
    from ..monitor import Monitor
    from ..ndarray import NDArray
    from ..optimizer import Optimizer
    from ..symbol import Symbol


class Module(BaseModule):
    """Runs one symbol on one or more devices, which share each batch.

    memory_budget: the most that a run may take on each device beside the parameters, as for Symbol.simple_bind.
    """

    def __init__(self, symbol: Symbol, data_names: Sequence[str] | None = ("data",),
                 label_names: Sequence[str] | None = ("softmax_label",), logger: Any = logging,
                 context: OneOrMore[Context] | None = None, work_load_list: Sequence[float] | None = None,
                 fixed_param_names: Sequence[str] | None = None, state_names: Sequence[str] | None = None,
                 group2ctxs: Any = None, compression_params: Mapping[str, Any] | None = None,
                 memory_budget: int | str | None = None) -> None:
        super().__init__(logger)
        context = cpu() if context is None else context
        self._context = [context] if isinstance(context, Context) else list(context)
        self._work_load_list = work_load_list or [1] * len(self._context)
        if len(self._work_load_list) != len(self._context):
            raise ValueError(f"[Module] found {len(self._work_load_list)} entries in work_load_list for "
                             f"{len(self._context)} devices, expected one for each")
        self._group2ctxs = group2ctxs
        self._memory_budget = memory_budget
        self._compression_params = compression_params
        self._symbol = symbol
        arguments = symbol.list_arguments()
        self._data_names = list(data_names or [])
        self._label_names = list(label_names or [])
        self._state_names = list(state_names or [])
        self._fixed_param_names = list(fixed_param_names or [])
        _check_input_names(symbol, self._data_names, "data", True)
        _check_input_names(symbol, self._label_names, "label", False)
        _check_input_names(symbol, self._state_names, "state", True)
        _check_input_names(symbol, self._fixed_param_names, "fixed_param", True)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [a for a in arguments if a not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._params_dirty = False
        self._update_on_kvstore = False
        self._preload_opt_states: str | None = None
        self._grad_req: GradReq = "write"
        self._data_shapes: list[DataDesc] | None = None
        self._label_shapes: list[DataDesc] | None = None
        self._kvstore: Any = None
        # Missing until bind(), init_params() and init_optimizer() make them; what needs them asks _need() first.
        self._exec_group: DataParallelExecutorGroup = None  # type: ignore[assignment]
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
        save_checkpoint(prefix, epoch, self.symbol, *self.get_params(), remove_amp_cast=remove_amp_cast)
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
        return self._exec_group.data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        self._need("bind")
        return self._exec_group.label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, Shape]]:
        self._need("bind")
        return self._exec_group.get_output_shapes()

    # --- parameters
    def get_params(self) -> tuple[Arrays, Arrays]:
        self._need("bind", "init_params")
        if self._params_dirty:
            self._sync_params_from_devices()
        return self._arg_params, self._aux_params

    def _sync_params_from_devices(self) -> None:
        """Takes the parameters from the executors: means over the devices."""
        self._exec_group.get_params(self._arg_params, self._aux_params)
        self._params_dirty = False

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
        for own, given in ((self._arg_params, arg_params), (self._aux_params, aux_params)):
            for name in sorted(own):
                self._init_one(InitDesc(name, attrs.get(name)), own[name], given, initializer, allow_missing)
        self.params_initialized = True
        self._params_dirty = False
        self._exec_group.set_params(self._arg_params, self._aux_params, allow_extra=True)

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

    def set_params(self, arg_params: Arrays, aux_params: Arrays, allow_missing: bool = False, force_init: bool = True,
                   allow_extra: bool = False) -> None:
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.",
                          stacklevel=2)
            return
        self._exec_group.set_params(arg_params, aux_params, allow_extra)
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
        unknown = [d[0] for d in label_shapes or [] if d[0] not in self._symbol.list_arguments()]
        if unknown:
            raise ValueError(f"[bind] found the label {unknown[0]}, expected labels that the network has: "
                             f"{', '.join(self._label_names) or 'none'}")
        data, labels = _parse_data_desc(self._data_names, self._label_names, data_shapes, label_shapes)
        shared_group = self._group_of(shared_module)
        if self.params_initialized and self.binded:
            self.get_params()  # before the old executors go
        self._reset_bind()
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        self._exec_group = DataParallelExecutorGroup(
            self._symbol, self._context, self._work_load_list, data, labels, self._param_names, for_training,
            inputs_need_grad, shared_group, self.logger, self._fixed_param_names, grad_req, self._state_names,
            self._group2ctxs, self._memory_budget)
        self._data_shapes, self._label_shapes = data, labels
        self.binded = True
        if shared_module is not None:
            self.params_initialized = True
            self._arg_params, self._aux_params = shared_module._arg_params, shared_module._aux_params
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)
        elif self.params_initialized:
            self._exec_group.set_params(self._arg_params, self._aux_params, allow_extra=True)
        else:
            first = self._exec_group.execs[0]
            self._arg_params = {n: zeros(first.arg_dict[n].shape, dtype=first.arg_dict[n].dtype) for n in self._param_names}
            self._aux_params = {n: zeros(a.shape, dtype=a.dtype) for n, a in first.aux_dict.items()}

    def _reset_bind(self) -> None:
        """Lets the executors go."""
        self.binded = False
        self._exec_group = None  # type: ignore[assignment]
        self._data_shapes = self._label_shapes = None

    @staticmethod
    def _group_of(shared_module: Any) -> DataParallelExecutorGroup | None:
        if shared_module is None:
            return None
        if not isinstance(shared_module, Module):
            raise TypeError(f"[bind] found shared_module of type {type(shared_module).__name__}, expected a Module")
        if not (shared_module.binded and shared_module.params_initialized):
            raise ValueError("[bind] shared_module must be bound and have parameters: call its bind() and init_params()")
        return shared_module._exec_group

    def reshape(self, data_shapes: Shapes, label_shapes: Shapes | None = None) -> None:
        """Takes batches of other shapes from now on."""
        self._need("bind")
        self._exec_group.reshape(*descriptions(data_shapes, label_shapes))

    # --- the optimizer
    def init_optimizer(self, kvstore: str | KVStoreBase | None = "local", optimizer: str | Optimizer = "sgd",
                       optimizer_params: Any = (("learning_rate", 0.01),), force_init: bool = False) -> None:
        """Decides how update() works."""
        self._need("bind", "init_params")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if self._params_dirty:
            self._sync_params_from_devices()
        store, on_store = create_kvstore(kvstore, len(self._context), self._arg_params)
        self._optimizer = self._make_optimizer(optimizer, dict(optimizer_params), on_store)
        self._kvstore, self._update_on_kvstore = store, on_store
        self._updater = None if on_store else _optimizer.get_updater(self._optimizer)
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if on_store:
                store.set_optimizer(self._optimizer)
            initialize_kvstore(store, self._exec_group.param_arrays, self._arg_params, self._exec_group.param_names,
                               on_store)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def _make_optimizer(self, optimizer: str | Optimizer, params: dict[str, Any], on_store: bool) -> Optimizer:
        devices = 1 if on_store else len(self._context)
        names: dict[Any, str] = {i * devices + k: n for i, n in enumerate(self._param_names) for k in range(devices)}
        rescale = 1.0 / self._exec_group.batch_size
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
        """Uses the optimizer of another module. Raises RuntimeError where that has none."""
        shared_module._need("init_optimizer")
        self._optimizer = shared_module._optimizer
        self._kvstore = shared_module._kvstore
        self._update_on_kvstore = shared_module._update_on_kvstore
        self._updater = shared_module._updater
        self.optimizer_initialized = True

    def update(self) -> None:
        """Changes the parameters by their gradients."""
        self._need("bind", "init_params", "init_optimizer")
        self._params_dirty = True
        group = self._exec_group
        if self._update_on_kvstore:
            update_params_on_kvstore(group.param_arrays, group.grad_arrays, self._kvstore, group.param_names)
        else:
            update_params(group.param_arrays, group.grad_arrays, self._updater, len(self._context), self._kvstore,
                          group.param_names)

    def save_optimizer_states(self, fname: str | os.PathLike[str]) -> None:
        """Writes the optimizer's states."""
        self._need("init_optimizer")
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname)
            return
        _core.write_file(os.fspath(fname), self._updater.get_states())

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
        group = self._exec_group
        shapes = tuple(a.shape for a in data_batch.data)
        if shapes != tuple(d.shape for d in group.data_shapes):
            self._follow(data_batch, shapes)
        group.forward(data_batch, is_train)

    def _follow(self, batch: DataBatch, shapes: Sequence[Shape]) -> None:
        """Binds for the shapes of a batch."""
        group = self._exec_group
        data = getattr(batch, "provide_data", None) or [
            DataDesc(d.name, s, d.dtype, d.layout) for d, s in zip(group.data_shapes, shapes)]
        labels = getattr(batch, "provide_label", None)
        given = getattr(batch, "label", None)
        if not labels and given and group.label_shapes:
            labels = [DataDesc(d.name, a.shape, d.dtype, d.layout) for d, a in zip(group.label_shapes, given)]
        elif not labels and group.label_shapes:
            size, before = shapes[0][0], group.batch_size
            labels = [DataDesc(d.name, tuple(size if i == 0 and n == before else n
                                             for i, n in enumerate(d.shape)), d.dtype, d.layout)
                      for d in group.label_shapes]
        self.reshape(data, labels)

    def backward(self, out_grads: OneOrMore[NDArray] | None = None) -> None:
        """Gradients of the parameters."""
        self._need("bind", "init_params")
        self._exec_group.backward(out_grads)

    def get_outputs(self, merge_multi_context: bool = True) -> Any:
        """The outputs of the last forward."""
        self._need("bind", "init_params")
        return self._exec_group.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> Any:
        """The gradients of the data."""
        self._need("bind", "init_params")
        return self._exec_group.get_input_grads(merge_multi_context)

    def get_states(self, merge_multi_context: bool = True) -> Any:
        self._need("bind", "init_params")
        return self._exec_group.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        self._need("bind", "init_params")
        self._exec_group.set_states(states, value)

    def update_metric(self, eval_metric: EvalMetric, labels: Any, pre_sliced: bool = False) -> None:
        """Shows outputs and labels to a metric."""
        self._exec_group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Monitor) -> None:
        """Lets a Monitor watch the executors."""
        self._need("bind")
        self._exec_group.install_monitor(mon)

    def prepare(self, data_batch: DataBatch, sparse_row_id_fn: RowIds | None = None) -> None:
        """Called with the next batch before it is run.

        sparse_row_id_fn: a function from the batch to a dict of parameter names to the rows that the batch needs; those
        parameters are pulled from the store.
        """
        self._need("bind")
        if sparse_row_id_fn is None:
            return
        if self._kvstore is None or not self._update_on_kvstore:
            warnings.warn("Parameters are not updated in the KVStore. No need to call sparse_row_id_fn.", stacklevel=2)
            return
        rows = sparse_row_id_fn(data_batch)
        if not isinstance(rows, dict):
            raise TypeError(f"found {type(rows).__name__} from sparse_row_id_fn, expected a dict of names to row ids")
        arrays = dict(zip(self._exec_group.param_names, self._exec_group.param_arrays))
        for name, ids in rows.items():
            if name not in arrays:
                raise ValueError(f"found rows of {name} from sparse_row_id_fn, expected names of {', '.join(arrays)}")
            self._kvstore.row_sparse_pull(name, arrays[name], row_ids=ids)
