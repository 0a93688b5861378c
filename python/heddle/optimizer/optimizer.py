"""What all optimizers share: learning rates, weight decay, and counting updates."""
from __future__ import annotations

import warnings
from operator import attrgetter

from .. import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..lr_scheduler import LRScheduler
    from ..ndarray import NDArray
    from ..symbol import Symbol

_REGISTRY: dict[str, type[Optimizer]] = {}
_HALVES = ("float16", "bfloat16")


class Optimizer:
    """Changes weights by their gradients.

    Subclasses define create_state and update, or name a rule of the library. Weight decay applies to parameters whose
    names end in _weight or _gamma, unless set_wd_mult or the symbol says otherwise.

    Where a rule is named, update and update_multi_precision take one index, weight, gradient and state, or lists of
    them, which are updated by one task of the engine. What a subclass puts in the place of a method is called where MXNet
    calls it; update also by update_multi_precision. Raises ValueError for arrays that do not fit each other.
    """

    opt_registry = _REGISTRY
    param_dict: Mapping[Any, Any] = {}  # not in pickles of MXNet
    aggregate_num = 0  # how many parameters a subclass takes in one update; 0: no lists
    _rule = ""  # the library's name of the update
    _settings: Mapping[str, str] = {}  # the rule's parameters, and the attributes that hold them
    _master_first = True  # where the float32 copy stands in a multi-precision state
    _one_in_tuple = False  # does a state of one array stand in a tuple?
    _read_counts: dict[Any, int] = {}  # of updates, as a file of states had them
    # What a subclass has put in the place of ours, by type; filled at first use.
    _kinds: dict[type, _Kind] = {}

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
        self._all_index_update_counts: dict[int, dict[Any, int]] = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
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
        """What is kept for a weight between updates: None, an array, or a tuple of arrays and None."""
        if not self._rule:
            return None
        return self._packed(self._native().make_states(weight))

    def _packed(self, made: list[NDArray]) -> Any:
        """The arrays that the rule keeps of a weight, as MXNet's users find them."""
        if len(made) == 1 and not self._one_in_tuple:
            return made[0]
        return tuple(made) or None

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Changes weight, and state, by a gradient; or lists of them."""
        if not self._rule:
            raise NotImplementedError(f"{type(self).__name__} has no rule: found no update(), expected a subclass that defines it")
        self._run(index, weight, grad, state, False)

    def _native(self) -> _core.Rule:
        """The library's rule with the parameters that the attributes hold now."""
        kind = self._kind()
        found = kind.read(self)
        known: tuple[Any, _core.Rule] | None = self.__dict__.get("_known_rule")
        if known is None or known[0] != found:
            values = found if len(self._settings) > 1 else (found,)
            known = found, _core.Rule(self._rule, dict(zip(self._settings, values)))
            self._known_rule = known
        return known[1]

    def _kind(self) -> _Kind:
        kind = self._kinds.get(type(self))
        if kind is None:
            kind = self._kinds[type(self)] = _Kind(type(self))
        return kind

    def _run(self, index: Any, weight: Any, grad: Any, state: Any, precise: bool) -> None:
        self._native().update(self, index, weight, grad, state, precise, self._master_first, self._numbers(index))

    def _numbers(self, index: Any) -> tuple[float, Sequence[float], Sequence[float]] | None:
        """Counts the updates; the rate, and rates and decays of indices. None: the library may do it, as the methods of
        Optimizer would."""
        kind = self._kind()
        if kind.plain:
            return None
        indices = index if isinstance(index, (list, tuple)) else [index]
        self._update_count(indices if kind.counts_lists else index)
        lrs = [self._get_lr(i) for i in indices] if kind.rates_one else self._get_lrs(indices)
        wds = [self._get_wd(i) for i in indices] if kind.decays_one else self._get_wds(indices)
        return self.learning_rate, lrs, wds

    # --- weights in half precision, with a copy in float32
    def _is_half(self, weight: NDArray) -> bool:
        return self.multi_precision and weight.dtype_name in _HALVES

    def create_state_multi_precision(self, index: Any, weight: NDArray) -> Any:
        """create_state; for a half weight with multi_precision, on a float32 copy that the state then holds too."""
        if self._is_half(weight):
            master = weight.astype("float32")
            state = self.create_state(index, master)
            return (master, state) if self._master_first else (state, master)
        if weight.dtype_name == "float16":
            warnings.warn("Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. "
                          "Consider using multi_precision=True option of the optimizer", stacklevel=2)
        return self.create_state(index, weight)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """update; where the state holds a float32 copy of the weight, on that, and the weight follows."""
        many = isinstance(index, (list, tuple))
        if self._rule and not self._kind().own_update:
            self._run(index, weight, grad, state, self.multi_precision)
        elif not self._is_half(weight[0] if many else weight):
            self.update(index, weight, grad, state)
        else:
            for w, g, s, i in zip(weight, grad, state, index) if many else [(weight, grad, state, index)]:
                master, inner = s if self._master_first else s[::-1]
                self.update(i, master, g.astype("float32"), inner)
                master._copyto(w)

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

    def _get_lrs(self, indices: Sequence[Any]) -> list[float]:
        """The learning rates of several parameters."""
        rate = self.learning_rate
        return [rate * self._multiplier(i, self.lr_mult, "lr_mult") for i in indices]

    def _get_lr(self, index: Any) -> float:
        """The learning rate of a parameter."""
        return self._get_lrs([index])[0]

    def _get_wds(self, indices: Sequence[Any]) -> list[float]:
        """The weight decays of several parameters."""
        return [self.wd * self._multiplier(i, self.wd_mult, "wd_mult") for i in indices]

    def _get_wd(self, index: Any) -> float:
        """The weight decay of a parameter."""
        return self._get_wds([index])[0]

    def _set_current_context(self, device_id: int) -> None:
        """Each device counts the updates of its parameters for itself: those that follow are of this one."""
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, dict(self._read_counts))

    def _update_count(self, index: Any) -> None:
        """Counts an update of a parameter, or of each of a list."""
        for i in index if isinstance(index, (list, tuple)) else [index]:
            count = self._index_update_count.get(i, self.begin_num_update) + 1
            self._index_update_count[i] = count
            self.num_update = max(count, self.num_update)

    def __getstate__(self) -> dict[str, Any]:
        """Pickles leave out what belongs to one training run."""
        state = self.__dict__.copy()
        state["param_dict"] = {}
        state.pop("_known_rule", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_all_index_update_counts" not in state:  # of a version that counted for one device
            self._all_index_update_counts = {0: self._index_update_count}


class _Kind:
    """What a class of optimizers has put in the place of the methods of the class that names its rule."""

    def __init__(self, kind: type[Optimizer]) -> None:
        home: type[Optimizer] = next(c for c in kind.__mro__ if "_rule" in vars(c))

        def own(*names: str) -> bool:
            return any(getattr(kind, name) is not getattr(home, name) for name in names)

        self.own_update = own("update")
        self.plain = not own("_update_count", "_get_lr", "_get_lrs", "_get_wd", "_get_wds", "learning_rate",
                             "_multiplier") and home._numbers is Optimizer._numbers
        self.counts_lists = not own("_update_count")
        self.rates_one, self.decays_one = own("_get_lr"), own("_get_wd")
        # All parameters of a step in one update?
        self.takes_all = bool(kind._rule) and not own("update", "update_multi_precision")
        # Whose update was written beside one of ours takes one parameter, whatever aggregate_num says of ours.
        self.takes_some = not kind._rule or own("update_multi_precision")
        attributes = list(kind._settings.values())
        self.read: Callable[[Optimizer], Any] = attrgetter(*attributes) if attributes else _nothing


def _nothing(optimizer: Optimizer) -> tuple[()]:
    return ()


register = Optimizer.register
create = Optimizer.create_optimizer

