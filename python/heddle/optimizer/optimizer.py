"""What all optimizers share: learning rates, weight decay, and counting updates."""
from __future__ import annotations

import warnings

from ..ndarray import op, zeros

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..lr_scheduler import LRScheduler
    from ..ndarray import NDArray
    from ..symbol import Symbol

_REGISTRY: dict[str, type[Optimizer]] = {}


class Optimizer:
    """Changes weights by their gradients.

    Subclasses define create_state and update. Weight decay applies to parameters whose names end in _weight or
    _gamma, unless set_wd_mult or the symbol says otherwise.
    """

    opt_registry = _REGISTRY
    param_dict: Mapping[Any, Any] = {}  # not in pickles of MXNet
    _master_first = True  # where the float32 copy stands in a multi-precision state

    def __init__(self, rescale_grad: float = 1.0, param_idx2name: dict[Any, str] | None = None, wd: float = 0.0,
                 clip_gradient: float | None = None, learning_rate: float | None = None,
                 lr_scheduler: LRScheduler | None = None, sym: Symbol | None = None, begin_num_update: int = 0,
                 multi_precision: bool = False, param_dict: Mapping[Any, Any] | None = None) -> None:
        self.rescale_grad = rescale_grad
        self.lr_scheduler = lr_scheduler
        if lr_scheduler is not None:
            if learning_rate is not None and lr_scheduler.base_lr != learning_rate:
                warnings.warn("learning rate from ``lr_scheduler`` has been overwritten by ``learning_rate`` in "
                              "optimizer.", UserWarning, stacklevel=2)
                lr_scheduler.base_lr = learning_rate
            learning_rate = lr_scheduler.base_lr
        self.lr = 0.01 if learning_rate is None else learning_rate
        self.wd = wd
        self.clip_gradient = clip_gradient
        self.multi_precision = multi_precision
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        self._index_update_count: dict[Any, int] = {}
        if param_idx2name is not None and not isinstance(param_idx2name, dict):
            raise ValueError("param_idx2name should be a dict of param indexes to names.")
        self.idx2name = dict(param_idx2name or {})
        self.sym_info = (sym.attr_dict(), sym.list_arguments()) if sym is not None else ()
        self.param_dict = param_dict or {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    @staticmethod
    def register(klass: type[Any]) -> type[Optimizer]:
        """Makes a class known to create() under its lower-case name."""
        name = klass.__name__.lower()
        if _REGISTRY.get(name, klass) is not klass:
            warnings.warn(f"New optimizer {klass.__module__}.{klass.__name__} is overriding existing optimizer "
                          f"{_REGISTRY[name].__module__}.{_REGISTRY[name].__name__}", UserWarning, stacklevel=2)
        _REGISTRY[name] = klass
        return klass

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """An optimizer by its name, in any case."""
        if name.lower() not in _REGISTRY:
            raise ValueError(f"[create] Cannot find optimizer {name}, expected one of {', '.join(sorted(_REGISTRY))}")
        return _REGISTRY[name.lower()](**kwargs)

    # --- what subclasses define
    def create_state(self, index: Any, weight: NDArray) -> Any:
        """What is kept for a weight between updates."""

    def update(self, index: Any, weight: NDArray, grad: NDArray, state: Any) -> None:
        """Changes weight, and state, by a gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no update rule")

    # --- weights in half precision, with a copy in float32
    def _is_half(self, weight: NDArray) -> bool:
        return self.multi_precision and weight.dtype_name == "float16"

    def create_state_multi_precision(self, index: int, weight: NDArray) -> Any:
        """create_state; for a float16 weight with multi_precision, on a float32 copy that the state then holds too."""
        if self._is_half(weight):
            master = weight.astype("float32")
            state = self.create_state(index, master)
            return (master, state) if self._master_first else (state, master)
        if weight.dtype_name == "float16":
            warnings.warn("Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. "
                          "Consider using multi_precision=True option of the optimizer", stacklevel=2)
        return self.create_state(index, weight)

    def update_multi_precision(self, index: int, weight: NDArray, grad: NDArray, state: Any) -> None:
        """update; where the state holds a float32 copy of the weight, on that, and the weight follows."""
        if not self._is_half(weight):
            self.update(index, weight, grad, state)
            return
        master, inner = state if self._master_first else state[::-1]
        self.update(index, master, grad.astype("float32"), inner)
        master._copyto(weight)

    # --- learning rates and weight decay
    @property
    def learning_rate(self) -> float:
        """The rate for the next update."""
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Changes the rate; not with a scheduler."""
        if self.lr_scheduler is not None:
            raise UserWarning("LRScheduler of the optimizer has already been defined. Note that "
                              "set_learning_rate can mutate the value of the learning rate of the optimizer only "
                              "when the LRScheduler of the optimizer is undefined.")
        self.lr = lr

    def set_lr_scale(self, args_lrscale: Mapping[Any, float]) -> None:
        """Raises DeprecationWarning, as in MXNet: set_lr_mult took its place."""
        raise DeprecationWarning(f"[{type(self).__name__}] set_lr_scale is gone, expected set_lr_mult")

    def set_lr_mult(self, args_lr_mult: Mapping[Any, float]) -> None:
        """Factors of the rate by name or index, over those of the symbol."""
        self.lr_mult = {**self._from_symbol("__lr_mult__"), **args_lr_mult}

    def set_wd_mult(self, args_wd_mult: Mapping[Any, float]) -> None:
        """Factors of the weight decay by name or index, over those of the symbol."""
        undecayed = {n: 0.0 for n in self.idx2name.values() if not self._decays(n)}
        self.wd_mult = {**undecayed, **self._from_symbol("__wd_mult__"), **args_wd_mult}

    @staticmethod
    def _decays(name: str) -> bool:
        return name.endswith(("_weight", "_gamma"))

    def _from_symbol(self, key: str) -> dict[str, float]:
        if not self.sym_info:
            return {}
        attributes, arguments = self.sym_info
        return {n: float(attributes[n][key]) for n in arguments if key in attributes.get(n, {})}

    def _multiplier(self, index: Any, table: dict[Any, Any], attribute: str) -> float:
        if index in self.param_dict:
            return getattr(self.param_dict[index], attribute)
        if index in table:
            return table[index]
        return table.get(self.idx2name.get(index), 1.0)

    def _get_lr(self, index: Any) -> float:
        rate = self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)
        return rate * self._multiplier(index, self.lr_mult, "lr_mult")

    def _get_wd(self, index: Any) -> float:
        return self.wd * self._multiplier(index, self.wd_mult, "wd_mult")

    def _update_count(self, index: Any) -> None:
        count = self._index_update_count.get(index, self.begin_num_update) + 1
        self._index_update_count[index] = count
        self.num_update = max(count, self.num_update)

    def _begin(self, index: Any) -> tuple[float, float, int]:
        """Counts an update; its learning rate, weight decay and number."""
        self._update_count(index)
        return self._get_lr(index), self._get_wd(index), self._index_update_count[index]

    def _gradient(self, grad: NDArray, weight: NDArray | None = None, wd: float = 0.0) -> NDArray:
        """The rescaled gradient, with weight decay if a weight is given, clipped."""
        grad = grad * self.rescale_grad
        if weight is not None:
            grad += wd * weight
        if self.clip_gradient:
            grad = op.clip(grad, a_min=-self.clip_gradient, a_max=self.clip_gradient)
        return grad

    def _fused(self, **params: Any) -> dict[str, Any]:
        """Parameters of the operators that do a whole update."""
        params["rescale_grad"] = self.rescale_grad
        if self.clip_gradient:
            params["clip_gradient"] = self.clip_gradient
        return params

    def __getstate__(self) -> dict[str, Any]:
        """Pickles leave out what belongs to one training run."""
        state = self.__dict__.copy()
        state["param_dict"] = {}
        return state


register = Optimizer.register
create = Optimizer.create_optimizer


def zeros_like(weight: NDArray) -> NDArray:
    """A state that starts at zero."""
    return zeros(weight.shape, weight.context, weight.dtype_name)
