"""Autograd as MXNet 0.10 had it: one flag for training and recording."""
from __future__ import annotations

import functools

from .. import autograd as _autograd
from ..ndarray import NDArray, zeros_like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._typing import OneOrMore


def set_is_training(is_train: bool) -> bool:
    """Sets both flags; returns whether training was on."""
    previous = _autograd.set_training(is_train)
    _autograd.set_recording(is_train)
    return previous


class TrainingStateScope:
    """A block with both flags on or off."""

    def __init__(self, enter_state: bool) -> None:
        self._enter_state = enter_state
        self._previous: bool | None = None

    def __enter__(self) -> None:
        self._previous = set_is_training(self._enter_state)

    def __exit__(self, *_: object) -> None:
        if self._previous is not None and self._previous != self._enter_state:
            set_is_training(self._previous)


def train_section() -> TrainingStateScope:
    """A block that is recorded, in training mode."""
    return TrainingStateScope(True)


def test_section() -> TrainingStateScope:
    """A block that is not recorded, in prediction mode."""
    return TrainingStateScope(False)


mark_variables = _autograd.mark_variables


def backward(outputs: OneOrMore[NDArray], out_grads: OneOrMore[NDArray] | None = None,
             retain_graph: bool = False) -> None:
    """Gradients of the outputs, into the marked arrays."""
    _autograd.backward(outputs, out_grads, retain_graph)


def compute_gradient(outputs: OneOrMore[NDArray]) -> None:
    """backward with ones."""
    backward(outputs)


def grad_and_loss(func: Callable[..., Any], argnum: int | Sequence[int] | None = None) -> Callable[..., Any]:
    """A function giving (gradients of the arguments, what func gives)."""

    @functools.wraps(func)
    def wrapped(*args: Any) -> Any:
        chosen = args if argnum is None else [args[i] for i in ([argnum] if isinstance(argnum, int) else argnum)]
        for value in chosen:
            if not isinstance(value, NDArray):
                raise TypeError("type of autograd input should NDArray.")
        grads = [zeros_like(value) for value in chosen]
        mark_variables(chosen, grads)
        with train_section():
            outputs = func(*args)
        backward(outputs)
        return grads, outputs

    return wrapped


def grad(func: Callable[..., Any], argnum: int | Sequence[int] | None = None) -> Callable[..., Any]:
    """A function giving the gradients of func's arguments."""
    both = grad_and_loss(func, argnum)

    @functools.wraps(func)
    def wrapped(*args: Any) -> Any:
        return both(*args)[0]

    return wrapped
