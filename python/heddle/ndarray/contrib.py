"""Contributed operators, for arrays. Filled from the catalogue when heddle is imported."""
from __future__ import annotations

import itertools
import math

from .. import _core
from ..context import current_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ..context import Context
    from .ndarray import NDArray


def isnan(data: NDArray) -> NDArray:
    """1 where an element is NaN, 0 elsewhere, in the dtype of data."""
    return data != data


def isinf(data: NDArray) -> NDArray:
    """1 where an element is infinite, of either sign, 0 elsewhere, in the dtype of data."""
    return data.abs() == math.inf


def isfinite(data: NDArray) -> NDArray:
    """1 where an element is neither NaN nor infinite, 0 elsewhere, in the dtype of data."""
    return data.abs() < math.inf


def rand_zipfian(true_classes: NDArray, num_sampled: int, range_max: int,
                 ctx: Context | None = None) -> tuple[NDArray, NDArray, NDArray]:
    """Classes drawn from a log-uniform distribution, P(class) = log((class + 2) / (class + 1)) / log(range_max + 1).

    Gives `num_sampled` classes below range_max (int64, drawn with repetition), how often each of `true_classes`
    (any shape) is expected among so many draws, and each of the drawn ones (float64).
    """
    log_range = math.log(range_max + 1)
    drawn = _core.invoke("_random_uniform", (), {"low": 0.0, "high": log_range, "shape": (num_sampled,),
                                                 "dtype": "float64", "ctx": str(ctx or current_context())})
    sampled = (drawn.exp() - 1).astype("int64") % range_max

    def expected(classes: NDArray) -> NDArray:
        c = classes.astype("float64")
        return ((c + 2) / (c + 1)).log() / log_range * num_sampled

    return sampled, expected(true_classes), expected(sampled)


# --- loops and choices ----------------------------------------------------------------------------
# Calls are made at once, so that these are Python's own loops; autograd records what their bodies do.


def foreach(body: Callable[[Any, Any], tuple[Any, Any]], data: Any, init_states: Any) -> tuple[Any, Any]:
    """Runs `out, states = body(row, states)` for each row of data, from the first axis on.

    data and init_states are arrays or nested lists of them, as body takes them. Gives all `out`, stacked along a new first
    axis in the structure that body gives them in, and the last states.
    """
    states, outputs = init_states, []
    for i in range(_first(data).shape[0]):
        out, states = body(_each(data, lambda array, i=i: array[i]), states)  # type: ignore[misc]
        outputs.append(out)
    return _stacked(outputs), states


def while_loop(cond: Callable[..., Any], func: Callable[..., tuple[Any, Any]], loop_vars: Any,
               max_iterations: int | None = None) -> tuple[Any, Any]:
    """Runs `out, loop_vars = func(*loop_vars)` as long as cond(*loop_vars) holds, at most max_iterations times.

    Gives all `out`, stacked along a new first axis of max_iterations rows, of which those after the last step are zero, and
    the last loop_vars. Raises ValueError without max_iterations.
    """
    if max_iterations is None:
        raise ValueError("[while_loop] found no max_iterations, expected a number of steps")
    single = isinstance(loop_vars, _core.NDArrayBase)
    variables = [loop_vars] if single else list(loop_vars)
    outputs = []
    while len(outputs) < max_iterations and bool(cond(*variables)):
        out, after = func(*variables)
        outputs.append(out)
        variables = [after] if isinstance(after, _core.NDArrayBase) else list(after)

    def padded(stacked: NDArray) -> NDArray:
        missing = max_iterations - len(outputs)
        shape = (missing, *stacked.shape[1:])
        zeros = {"shape": shape, "dtype": stacked.dtype_name, "ctx": "{}({})".format(*stacked.device)}
        return _core.invoke("Concat", (stacked, _core.invoke("_zeros", (), zeros)), {"dim": 0}) if missing else stacked

    return _each(_stacked(outputs), padded), variables[0] if single else variables


def cond(pred: NDArray, then_func: Callable[[], Any], else_func: Callable[[], Any]) -> Any:
    """then_func() if pred, an array of one element, is not zero, else else_func()."""
    return then_func() if bool(pred) else else_func()


def _first(data: Any) -> NDArray:
    while isinstance(data, (list, tuple)):
        data = data[0]
    return data


def _each(data: Any, function: Callable[[NDArray], Any]) -> Any:
    """The same structure with function(array) for each array."""
    return [_each(d, function) for d in data] if isinstance(data, (list, tuple)) else function(data)


def _stacked(steps: Sequence[Any]) -> Any:
    """The structure of one step with the arrays of all steps, stacked along a new first axis."""
    if not steps:
        return []
    if isinstance(steps[0], (list, tuple)):
        return [_stacked(parts) for parts in zip(*steps)]
    return _core.invoke("stack", steps, {"axis": 0, "num_args": len(steps)})


# --- updates of AdamW and LAMB --------------------------------------------------------------------


def _scale(rescale_grad: NDArray | float, like: NDArray) -> NDArray:
    """rescale_grad as the array that the operators of AdamW take."""
    if isinstance(rescale_grad, _core.NDArrayBase):
        return rescale_grad  # type: ignore[return-value]
    return _core.invoke("_full", (), {"shape": (1,), "value": float(rescale_grad), "ctx": "{}({})".format(*like.device)})


def adamw_update(weight: NDArray, grad: NDArray, mean: NDArray, var: NDArray, rescale_grad: NDArray | float, lr: float,
                 eta: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, wd: float = 0,
                 clip_gradient: float = -1, out: NDArray | None = None, **kwargs: Any) -> NDArray:
    """A step of AdamW, see _adamw_update; rescale_grad is a number or an array, and nothing is done where it is 0, infinite
    or NaN."""
    return _core.invoke("_adamw_update", (weight, grad, mean, var, _scale(rescale_grad, weight)),
                        {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd,
                         "clip_gradient": clip_gradient}, out)


def mp_adamw_update(weight: NDArray, grad: NDArray, mean: NDArray, var: NDArray, weight32: NDArray,
                    rescale_grad: NDArray | float, lr: float, eta: float, beta1: float = 0.9, beta2: float = 0.999,
                    epsilon: float = 1e-8, wd: float = 0, clip_gradient: float = -1, out: NDArray | None = None,
                    **kwargs: Any) -> NDArray:
    """The same for weights in half precision, of which weight32 holds the exact ones."""
    return _core.invoke("_mp_adamw_update", (weight, grad, mean, var, weight32, _scale(rescale_grad, weight)),
                        {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd,
                         "clip_gradient": clip_gradient}, out)


def _by_weight(*lists: Iterable[NDArray]) -> list[NDArray]:
    """Weight, gradient and states of the first weight, then of the second, and so on."""
    return list(itertools.chain.from_iterable(zip(*lists)))


def _plain(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key not in ("name", "attr")}


def multi_adamw_update(weights: Sequence[NDArray], grads: Sequence[NDArray], mean: Sequence[NDArray],
                       var: Sequence[NDArray], rescale_grad: NDArray | float, lrs: Sequence[float], wds: Sequence[float],
                       etas: Sequence[float], out: Any = None, size: int = 0, **kwargs: Any) -> Any:
    """adamw_update of several weights in one call."""
    inputs = [*_by_weight(weights, grads, mean, var), _scale(rescale_grad, weights[0])]
    return _core.invoke("_multi_adamw_update", inputs, {"lrs": lrs, "wds": wds, "etas": etas,
                                                        "num_weights": size or len(weights), **_plain(kwargs)}, out)


def multi_mp_adamw_update(weights: Sequence[NDArray], grads: Sequence[NDArray], mean: Sequence[NDArray],
                          var: Sequence[NDArray], weights32: Sequence[NDArray], rescale_grad: NDArray | float,
                          lrs: Sequence[float], wds: Sequence[float], etas: Sequence[float], out: Any = None, size: int = 0,
                          **kwargs: Any) -> Any:
    """mp_adamw_update of several weights in one call."""
    inputs = [*_by_weight(weights, grads, mean, var, weights32), _scale(rescale_grad, weights[0])]
    return _core.invoke("_multi_mp_adamw_update", inputs, {"lrs": lrs, "wds": wds, "etas": etas,
                                                           "num_weights": size or len(weights), **_plain(kwargs)}, out)


def multi_lamb_update(weights: Sequence[NDArray], grads: Sequence[NDArray], mean: Sequence[NDArray], var: Sequence[NDArray],
                      step_count: Sequence[int], lrs: Sequence[float], wds: Sequence[float], out: Any = None,
                      num_tensors: int = 0, **kwargs: Any) -> Any:
    """A step of LAMB for several weights, see _multi_lamb_update."""
    return _core.invoke("_multi_lamb_update", _by_weight(weights, grads, mean, var),
                        {"learning_rates": lrs, "wds": wds, "step_count": step_count,
                         "num_tensors": num_tensors or len(weights), **_plain(kwargs)}, out)


def multi_mp_lamb_update(weights: Sequence[NDArray], grads: Sequence[NDArray], mean: Sequence[NDArray],
                         var: Sequence[NDArray], weights32: Sequence[NDArray], step_count: Sequence[int],
                         lrs: Sequence[float], wds: Sequence[float], out: Any = None, num_tensors: int = 0,
                         **kwargs: Any) -> Any:
    """The same for weights in half precision, of which weights32 holds the exact ones."""
    return _core.invoke("_multi_mp_lamb_update", _by_weight(weights, grads, mean, var, weights32),
                        {"learning_rates": lrs, "wds": wds, "step_count": step_count,
                         "num_tensors": num_tensors or len(weights), **_plain(kwargs)}, out)
