"""Gradients of eager computations: what is recorded, and going back through it."""
from . import _core
from .ndarray.ndarray import GRAD_REQS, NDArray

is_recording = _core.is_recording
is_training = _core.is_training


def set_recording(is_recording):
    """Turns recording on or off for this thread; returns what it was."""
    return _core.set_recording(bool(is_recording))


def set_training(train_mode):
    """Turns training mode on or off for this thread; returns what it was."""
    return _core.set_training(bool(train_mode))


class _Scope:
    """Sets the two flags for a block; None leaves one alone."""

    __slots__ = ("_recording", "_training", "_old_recording", "_old_training")

    def __init__(self, recording, training):
        self._recording = recording
        self._training = training

    def __enter__(self):
        if self._recording is not None:
            self._old_recording = _core.set_recording(self._recording)
        if self._training is not None:
            self._old_training = _core.set_training(self._training)

    def __exit__(self, *_):
        if self._recording is not None:
            _core.set_recording(self._old_recording)
        if self._training is not None:
            _core.set_training(self._old_training)


def record(train_mode=True):
    """A block whose operations are recorded, in training mode by default."""
    return _Scope(True, train_mode)


def pause(train_mode=False):
    """A block whose operations are not recorded."""
    return _Scope(False, train_mode)


def train_mode():
    """A block in training mode, whether or not it is recorded."""
    return _Scope(None, True)


def predict_mode():
    """A block in prediction mode, whether or not it is recorded."""
    return _Scope(None, False)


def _list(value):
    return [value] if isinstance(value, NDArray) else list(value)


def mark_variables(variables, gradients, grad_reqs="write"):
    """Makes arrays the leaves whose gradients backward writes into `gradients`."""
    variables, gradients = _list(variables), _list(gradients)
    requests = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else grad_reqs
    if not len(variables) == len(gradients) == len(requests):
        raise ValueError(f"found {len(variables)} variables, {len(gradients)} gradients and {len(requests)} "
                         "grad_reqs, expected as many of each")
    for variable, gradient, request in zip(variables, gradients, requests):
        variable._mark(gradient, GRAD_REQS[request])


def _heads(heads, head_grads):
    heads = _list(heads)
    if head_grads is None:
        return heads, None
    head_grads = _list(head_grads)
    if len(head_grads) != len(heads):
        raise ValueError(f"found {len(head_grads)} head gradients for {len(heads)} heads")
    return heads, head_grads


def backward(heads, head_grads=None, retain_graph=False, train_mode=True):
    """Gradients of the sum of heads * head_grads (ones by default), into the marked arrays."""
    heads, head_grads = _heads(heads, head_grads)
    _core.backward(heads, head_grads, retain_graph, train_mode)


def grad(heads, variables, head_grads=None, retain_graph=None, create_graph=False, train_mode=True):
    """The same gradients for `variables`, returned; with create_graph they can be differentiated again."""
    heads, head_grads = _heads(heads, head_grads)
    retain = create_graph if retain_graph is None else retain_graph
    single = isinstance(variables, NDArray)
    found = _core.grad(heads, _list(variables), head_grads, retain, create_graph, train_mode)
    return found[0] if single else found
