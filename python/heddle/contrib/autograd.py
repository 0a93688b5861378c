"""Autograd as MXNet 0.10 had it: one flag for training and recording."""
import functools

from .. import autograd as _autograd
from ..ndarray import NDArray, zeros_like


def set_is_training(is_train):
    """Sets both flags; returns whether training was on."""
    previous = _autograd.set_training(is_train)
    _autograd.set_recording(is_train)
    return previous


class TrainingStateScope:
    """A block with both flags on or off."""

    def __init__(self, enter_state):
        self._enter_state = enter_state
        self._previous = None

    def __enter__(self):
        self._previous = set_is_training(self._enter_state)

    def __exit__(self, *_):
        if self._previous != self._enter_state:
            set_is_training(self._previous)


def train_section():
    """A block that is recorded, in training mode."""
    return TrainingStateScope(True)


def test_section():
    """A block that is not recorded, in prediction mode."""
    return TrainingStateScope(False)


mark_variables = _autograd.mark_variables


def backward(outputs, out_grads=None, retain_graph=False):
    """Gradients of the outputs, into the marked arrays."""
    _autograd.backward(outputs, out_grads, retain_graph)


def compute_gradient(outputs):
    """backward with ones."""
    backward(outputs)


def grad_and_loss(func, argnum=None):
    """A function giving (gradients of the arguments, what func gives)."""

    @functools.wraps(func)
    def wrapped(*args):
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


def grad(func, argnum=None):
    """A function giving the gradients of func's arguments."""
    both = grad_and_loss(func, argnum)

    @functools.wraps(func)
    def wrapped(*args):
        return both(*args)[0]

    return wrapped
