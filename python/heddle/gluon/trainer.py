"""Changes parameters by their gradients: one step is one task per device."""
from __future__ import annotations


from .. import kvstore as _kvstore
from .. import optimizer as _optimizer
from .. import _core
from ..kvstore import KVStore, KVStoreBase
from .parameter import Parameter, ParameterDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Any

    from typing import Protocol

    from ..context import Context
    from ..optimizer import Optimizer

    class LossScaler(Protocol):
        """Says by how much losses are multiplied, and whether gradients have left their range."""

        @property
        def loss_scale(self) -> float: ...
        def has_overflow(self, params: Sequence[Parameter]) -> bool: ...

__all__ = ["Trainer"]


class Trainer:
    """Applies an optimizer to parameters.

    params: what collect_params() gives, a dict (used in the order of names) or a list of Parameters. optimizer: a name
    with optimizer_params, its keywords, or an Optimizer. kvstore: how devices share gradients, by name or a store; None:
    not at all. compression_params: for set_gradient_compression. update_on_kvstore: whether the store updates the
    parameters; by default where there are several devices, unless MXNET_UPDATE_ON_KVSTORE=0.

        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        with autograd.record():
            loss = loss_fn(net(data), label)
        loss.backward()
        trainer.step(batch_size)

    Raises ValueError for what is no Parameter.
    """

    def __init__(self, params: ParameterDict | Mapping[str, Parameter] | Sequence[Parameter], optimizer: str | Optimizer,
                 optimizer_params: dict[str, Any] | None = None, kvstore: str | KVStoreBase | None = "device",
                 compression_params: Mapping[str, Any] | None = None, update_on_kvstore: bool | None = None) -> None:
        if isinstance(params, (dict, ParameterDict)):
            params = [params[name] for name in sorted(params)]
        if not isinstance(params, (list, tuple)):
            raise ValueError(f"First argument must be a list or dict of Parameters, got {type(params)}.")
        self._params: list[Parameter] = []
        self._param2idx: dict[int, int] = {}
        for p in params:
            if not isinstance(p, Parameter):
                raise ValueError(f"First argument must be a list or dict of Parameters, got list of {type(p)}.")
            self._param2idx[id(p)] = len(self._params)
            self._params.append(p)
            p._set_trainer(self)
        self._compression_params = compression_params
        self._contexts = self._check_contexts()
        self._init_optimizer(optimizer, dict(optimizer_params or {}))
        self._scale = self._optimizer.rescale_grad
        self._kvstore_params: dict[str, Any] = {"kvstore": kvstore, "update_on_kvstore": update_on_kvstore}
        self._kv_initialized = False
        self._kvstore: Any = None
        self._update_on_kvstore: bool | None = None
        self._params_to_init: list[Parameter] = []
        self._amp_loss_scaler: LossScaler | None = None  # contrib.amp.init_trainer puts one here
        self._amp_original_scale = self._scale
        self._reset_kvstore()

    def _check_contexts(self) -> list[Context]:
        contexts: list[Context] | None = None
        for p in self._params:
            ctx = p.list_ctx()
            if contexts is not None and contexts != ctx:
                raise AssertionError(f"All Parameters must be initialized on the same set of contexts, but Parameter {p.name} "
                                     f"is initialized on {ctx} while previous Parameters are initialized on {contexts}.")
            contexts = ctx
        return contexts or []

    def _init_optimizer(self, optimizer: str | Optimizer, keywords: dict[str, Any]) -> None:
        by_index = dict(enumerate(self._params))
        if isinstance(optimizer, _optimizer.Optimizer):
            if keywords:
                raise AssertionError("optimizer_params must be None if optimizer is an instance of Optimizer instead of str")
            self._optimizer = optimizer
            self._optimizer.param_dict = by_index
        else:
            self._optimizer = _optimizer.create(optimizer, param_dict=by_index, **keywords)
        self._updaters = [_optimizer.get_updater(self._optimizer) for _ in self._contexts]

    # --- the store
    def _reset_kvstore(self) -> None:
        if self._kvstore is not None and "dist" in self._kvstore.type:
            raise RuntimeError("Cannot reset distributed KVStore.")
        self._kv_initialized = False
        self._kvstore = None
        self._update_on_kvstore = None
        self._params_to_init = list(self._params)

    def _forget_stored(self, parameter: Parameter) -> None:
        """The values of a parameter were set: what a store holds of it is old."""
        if self._kv_initialized and self._update_on_kvstore and not any(p is parameter for p in self._params_to_init):
            self._reset_kvstore()

    def _init_kvstore(self) -> None:
        """Makes the store, where one is needed, and decides who updates."""
        wanted, on_store = self._kvstore_params["kvstore"], self._kvstore_params["update_on_kvstore"]
        if isinstance(wanted, str) and len(self._contexts) == 1 and "dist" not in wanted:
            wanted = None
        store = _kvstore.create(wanted) if isinstance(wanted, str) else wanted
        if store is None:
            if on_store:
                raise ValueError("Cannot set update_on_kvstore=True when there is no kvstore: one device shares nothing")
            on_store = False
        else:
            can = store.is_capable(KVStoreBase.OPTIMIZER)
            if on_store is None:
                on_store = can and _core.setting_flag("MXNET_UPDATE_ON_KVSTORE")
            elif on_store and not can:
                raise ValueError(f"Please set update_on_kvstore=False when training with {type(store)}")
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if on_store:
                store.set_optimizer(self._optimizer)
        self._kvstore = store
        self._update_on_kvstore = on_store
        self._kv_initialized = True

    def _init_params(self) -> None:
        """Puts parameters into the store, except those that still wait for their shapes."""
        waiting = []
        for p in self._params_to_init:
            if p._deferred_init:
                waiting.append(p)
            elif self._kvstore is not None:
                index = self._param2idx[id(p)]
                if self._update_on_kvstore or not hasattr(self._kvstore, "init"):
                    self._kvstore.broadcast(index, p.list_data()[0], out=p.list_data())
                else:
                    self._kvstore.init(index, p.list_data()[0])
        self._params_to_init = waiting

    def _prepare(self) -> None:
        if not self._kv_initialized:
            self._init_kvstore()
        if self._params_to_init:
            self._init_params()

    # --- rates
    @property
    def learning_rate(self) -> float:
        """The rate of the next step, by the scheduler where there is one."""
        return self._optimizer.learning_rate

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self._optimizer

    def set_learning_rate(self, lr: float) -> None:
        """Changes the rate. Raises UserWarning where a scheduler says it."""
        self._optimizer.set_learning_rate(lr)

    # --- a step
    def step(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """Adds up gradients over devices, and updates the parameters by them / batch_size. Nothing waits.

        ignore_stale_grad: parameters whose gradient backward has not written since the last step stay as they are; else
        that is a UserWarning, raised. Call it after backward, outside of record().
        """
        self._prepare()
        self._optimizer.rescale_grad = self._scale / batch_size
        self._allreduce()
        self._update(ignore_stale_grad)

    def allreduce_grads(self) -> None:
        """The first half of a step: every device's gradients become the sum of all.

        Raises AssertionError where the store updates: gradients do not come back then. update_on_kvstore=False prevents
        that.
        """
        self._prepare()
        if self._kvstore is not None and self._update_on_kvstore:
            raise AssertionError("allreduce_grads() when parameters are updated on kvstore is not supported. Try setting "
                                 "`update_on_kvstore` to False when creating trainer.")
        self._allreduce()

    def update(self, batch_size: float, ignore_stale_grad: bool = False) -> None:
        """The second half of a step; see step. Raises AssertionError as allreduce_grads does."""
        self._prepare()
        if self._kvstore is not None and self._update_on_kvstore:
            raise AssertionError("update() when parameters are updated on kvstore is not supported. Try setting "
                                 "`update_on_kvstore` to False when creating trainer.")
        self._optimizer.rescale_grad = self._scale / batch_size
        self._update(ignore_stale_grad)

    def _trained(self) -> list[tuple[int, Parameter]]:
        return [(i, p) for i, p in enumerate(self._params) if p.grad_req != "null"]

    def _allreduce(self) -> None:
        store = self._kvstore
        if store is None:
            return
        trained = self._trained()
        if type(store) is KVStore:
            keys, grads = [i for i, _ in trained], [p.list_grad() for _, p in trained]
            if self._update_on_kvstore:
                store.push(keys, grads)
            else:
                store.pushpull(keys, grads)
            return
        for i, p in trained:
            if self._update_on_kvstore:
                store.push(i, p.list_grad(), priority=-i)
            else:
                store.pushpull(i, p.list_grad(), priority=-i)

    def _update(self, ignore_stale_grad: bool) -> None:
        steps: list[tuple[list[int], list[Any], list[Any]]] = [([], [], []) for _ in self._contexts]
        for i, p in enumerate(self._params):
            if p._grad_req == "null":
                continue
            for (indices, grads, weights), weight, grad in zip(steps, p.list_data(), p.list_grad()):
                if weight._fresh_grad:
                    indices.append(i)
                    grads.append(grad)
                    weights.append(weight)
                elif not ignore_stale_grad:
                    raise _stale(p, weight)
        if self._kvstore is not None and self._update_on_kvstore:
            self._pull()
        elif self._amp_loss_scaler is None or not self._amp_loss_scaler.has_overflow(self._params):
            for updater, step in zip(self._updaters, steps):
                updater(*step)
        for _, _, weights in steps:
            for weight in weights:
                weight._fresh_grad = False

    def _pull(self) -> None:
        """The updated parameters out of the store."""
        trained = self._trained()
        if type(self._kvstore) is KVStore:
            self._kvstore.pull([i for i, _ in trained], out=[p.list_data() for _, p in trained])
            return
        for i, p in trained:
            self._kvstore.pull(i, p.list_data(), priority=-i)

    # --- files
    def save_states(self, fname: str | os.PathLike[str]) -> None:
        """Writes the optimizer and its states, so that training goes on after load_states as if nothing had happened."""
        self._prepare()
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname, dump_optimizer=True)
        else:
            _core.write_file(str(fname), self._updaters[0].get_states(dump_optimizer=True))

    def load_states(self, fname: str | os.PathLike[str]) -> None:
        """Reads what save_states wrote, here or in MXNet."""
        self._prepare()
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
            self._optimizer = self._kvstore._updater.optimizer
        else:
            with open(fname, "rb") as f:
                states = f.read()
            for updater in self._updaters:
                updater.set_states(states)
                updater.optimizer = self._updaters[0].optimizer
            self._optimizer = self._updaters[0].optimizer
        self._optimizer.param_dict = dict(enumerate(self._params))


def _stale(p: Parameter, data: Any) -> UserWarning:
    return UserWarning(f"Gradient of Parameter `{p.name}` on context {data.context} has not been updated by backward since last "
                       "`step`. This could mean a bug in your model that made it only use a subset of the Parameters (Blocks) for "
                       "this iteration. If you are intentionally only using a subset, call step with ignore_stale_grad=True to "
                       "suppress this warning and skip updating of Parameters with stale gradient")
