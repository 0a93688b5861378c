"""How training uses a store: which one, first values, and the update of a step. Users find these in heddle.model."""
from __future__ import annotations

from . import _core
from .kvstore import KVStore, KVStoreBase, create
from .optimizer import Updater

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._typing import Arrays

    PerDevice = Sequence[Sequence[Any]]  # lists of one parameter's arrays, one per device

_BIG = 1024 * 1024 * 16  # elements of a parameter that is better updated where it is used


def create_kvstore(kvstore: str | KVStoreBase | None, num_device: int, arg_params: Arrays) -> tuple[Any, bool]:
    """(store or None, whether it updates the parameters) for training on num_device devices.

    One device needs no store, unless one is given that is made already. MXNET_UPDATE_ON_KVSTORE=0, or a parameter of
    more than 16 M elements in a local store: the store adds gradients only. Raises TypeError for what is no store.
    """
    if kvstore is None:
        return None, False
    if isinstance(kvstore, KVStoreBase):
        return kvstore, kvstore.is_capable(KVStoreBase.OPTIMIZER) and _core.setting_flag("MXNET_UPDATE_ON_KVSTORE")
    if not isinstance(kvstore, str):
        raise TypeError("kvstore must be KVStore, str or None")
    if num_device == 1 and "dist" not in kvstore:
        return None, False  # nothing to share
    store = create(kvstore)
    on_store = store.is_capable(KVStoreBase.OPTIMIZER) and _core.setting_flag("MXNET_UPDATE_ON_KVSTORE")
    if kvstore == "local" and max((a.size for a in arg_params.values()), default=0) > _BIG:
        on_store = False
    return store, on_store


def initialize_kvstore(kvstore: Any, param_arrays: PerDevice, arg_params: Arrays, param_names: Sequence[str],
                       update_on_kvstore: bool) -> None:
    """The parameters into the store; where it will update them, all devices start from what is stored."""
    if type(kvstore) is KVStore:
        kvstore.init(list(param_names), [arg_params[name] for name in param_names])
        if update_on_kvstore:
            kvstore.pull(list(param_names), list(param_arrays))
        return
    for name, arrays in zip(param_names, param_arrays):
        if update_on_kvstore or not hasattr(kvstore, "init"):
            kvstore.broadcast(name, arg_params[name], out=arrays)
        else:
            kvstore.init(name, arg_params[name])


def _wanted(param_arrays: PerDevice, grad_arrays: PerDevice) -> list[tuple[int, Any, Any]]:
    """(number, arrays, gradients) of the parameters that have gradients."""
    return [(i, arrays, grads) for i, (arrays, grads) in enumerate(zip(param_arrays, grad_arrays))
            if grads[0] is not None]


def _pushpull(kvstore: Any, keys: list[Any], grads: list[Any], out: list[Any] | None) -> None:
    """In one call, in a store of ours; key by key, as users' stores expect it, in others."""
    if type(kvstore) is KVStore:
        kvstore.pushpull(keys, grads, out)
        return
    for i, key in enumerate(keys):
        if out is None:
            kvstore.pushpull(key, grads[i], priority=-i)
        else:
            kvstore.pushpull(key, grads[i], out=out[i], priority=-i)


def update_params_on_kvstore(param_arrays: PerDevice, grad_arrays: PerDevice, kvstore: Any,
                             param_names: Sequence[Any]) -> None:
    """One step: gradients into the store, which updates; weights out of it."""
    wanted = _wanted(param_arrays, grad_arrays)
    _pushpull(kvstore, [param_names[i] for i, _, _ in wanted], [grads for _, _, grads in wanted],
              [arrays for _, arrays, _ in wanted])


def update_params(param_arrays: PerDevice, grad_arrays: PerDevice, updater: Callable[[Any, Any, Any], Any], num_device: int,
                  kvstore: Any = None, param_names: Sequence[Any] | None = None) -> None:
    """One step: the store, if there is one, adds the gradients; the updater changes each device's weights.

    Its index of parameter i on device k is i * num_device + k. An optimizer's Updater gets all parameters of a device
    in one call, other functions one at a time.
    """
    wanted = _wanted(param_arrays, grad_arrays)
    if kvstore is not None:
        keys = [i if param_names is None else param_names[i] for i, _, _ in wanted]
        _pushpull(kvstore, keys, [grads for _, _, grads in wanted], None)
    for k in range(num_device if wanted else 0):
        indices = [i * num_device + k for i, _, _ in wanted]
        grads = [grads[k] for _, _, grads in wanted]
        weights = [arrays[k] for _, arrays, _ in wanted]
        if isinstance(updater, Updater):
            updater(indices, grads, weights)
            continue
        for step in zip(indices, grads, weights):
            updater(*step)
