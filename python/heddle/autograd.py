"""Gradients of eager computations: what is recorded, and going back through it."""
from __future__ import annotations

from . import _core
from .ndarray.ndarray import GRAD_REQS, NDArray
from .symbol.symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._typing import OneOrMore

is_recording = _core.is_recording
is_training = _core.is_training


def set_recording(is_recording: bool) -> bool:
    """Turns recording on or off for this thread; returns what it was."""
    return _core.set_recording(bool(is_recording))


def set_training(train_mode: bool) -> bool:
    """Turns training mode on or off for this thread; returns what it was."""
    return _core.set_training(bool(train_mode))


class _Scope:
    """Sets the two flags for a block; None leaves one alone."""

    __slots__ = ("_recording", "_training", "_old_recording", "_old_training")

    def __init__(self, recording: bool | None, training: bool | None) -> None:
        self._recording = recording
        self._training = training

    def __enter__(self) -> None:
        if self._recording is not None:
            self._old_recording = _core.set_recording(self._recording)
        if self._training is not None:
            self._old_training = _core.set_training(self._training)

    def __exit__(self, *_: object) -> None:
        if self._recording is not None:
            _core.set_recording(self._old_recording)
        if self._training is not None:
            _core.set_training(self._old_training)


def record(train_mode: bool = True) -> _Scope:
    """A block whose operations are recorded, in training mode by default."""
    return _Scope(True, train_mode)


def pause(train_mode: bool = False) -> _Scope:
    """A block whose operations are not recorded."""
    return _Scope(False, train_mode)


def train_mode() -> _Scope:
    """A block in training mode, whether or not it is recorded."""
    return _Scope(None, True)


def predict_mode() -> _Scope:
    """A block in prediction mode, whether or not it is recorded."""
    return _Scope(None, False)


def _list(value: Any) -> list[Any]:
    return [value] if isinstance(value, NDArray) else list(value)


def mark_variables(variables: OneOrMore[NDArray], gradients: OneOrMore[NDArray], grad_reqs: str = "write") -> None:
    """Makes arrays the leaves whose gradients backward writes into `gradients`, arrays of their shapes.

    grad_reqs: "write", "add" or "null", for all or one each. Raises ValueError where the numbers differ.
    """
    variables, gradients = _list(variables), _list(gradients)
    requests = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else grad_reqs
    if not len(variables) == len(gradients) == len(requests):
        raise ValueError(f"found {len(variables)} variables, {len(gradients)} gradients and {len(requests)} "
                         "grad_reqs, expected as many of each")
    for variable, gradient, request in zip(variables, gradients, requests):
        variable._mark(gradient, GRAD_REQS[request])


def _heads(heads: OneOrMore[NDArray],
           head_grads: OneOrMore[NDArray | None]) -> tuple[list[NDArray], list[NDArray | None] | None]:
    heads = _list(heads)
    if head_grads is None:
        return heads, None
    head_grads = _list(head_grads)
    if len(head_grads) != len(heads):
        raise ValueError(f"found {len(head_grads)} head gradients for {len(heads)} heads")
    return heads, head_grads


def backward(heads: OneOrMore[NDArray], head_grads: OneOrMore[NDArray | None] = None, retain_graph: bool = False,
             train_mode: bool = True) -> None:
    """Gradients of the sum of heads * head_grads (ones by default), into the marked arrays.

    What was recorded is gone afterwards unless retain_graph. train_mode: whether operators behave as in training.
    Raises MXNetError for a head that was not recorded, or whose record is gone.
    """
    heads, head_grads = _heads(heads, head_grads)
    _core.backward(heads, head_grads, retain_graph, train_mode)


def grad(heads: OneOrMore[NDArray], variables: OneOrMore[NDArray], head_grads: OneOrMore[NDArray | None] = None,
         retain_graph: bool | None = None, create_graph: bool = False, train_mode: bool = True) -> list[NDArray]:
    """The same gradients for `variables`, returned in a list, of one where a single array is given.

    With create_graph they are recorded, and can be differentiated again. retain_graph: as create_graph by default.
    """
    heads, head_grads = _heads(heads, head_grads)
    retain = create_graph if retain_graph is None else retain_graph
    return _core.grad(heads, _list(variables), head_grads, retain, create_graph, train_mode)


def get_symbol(x: NDArray) -> Symbol:
    """What was recorded of `x`, as a Symbol whose variables are called var0, var1 ... in the order it meets them."""
    return Symbol(_core.get_symbol(x))


class Function:
    """A function with a gradient of its own: subclass it, give it forward and backward, and call an instance once.

        class Sigmoid(mx.autograd.Function):
            def forward(self, x):
                y = 1 / (1 + mx.nd.exp(-x))
                self.save_for_backward(y)
                return y

            def backward(self, dy):
                y, = self.saved_tensors
                return dy * y * (1 - y)

    Both work on NDArrays, and nothing in them is recorded. backward runs as a task of the engine, on one of its
    threads; what it raises is raised where the gradient is waited for. Gradients made by one cannot be differentiated
    again.
    """

    def __init__(self) -> None:
        self._used = False
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *args: Any) -> None:
        """Keeps arrays for backward, in saved_tensors."""
        self.saved_tensors = args

    def forward(self, *inputs: NDArray) -> Any:
        """The outputs, one NDArray or a sequence of them."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: a subclass of Function says there what it computes")

    def backward(self, *output_grads: NDArray) -> Any:
        """The gradient of each input, given the gradient of each output."""
        raise NotImplementedError(f"{type(self).__name__} has no backward, so nothing can be differentiated through it")

    def __call__(self, *inputs: NDArray) -> Any:
        """forward(*inputs), recorded with this backward. Raises ValueError at the second call."""
        if self._used:
            raise ValueError(f"{type(self).__name__}: an instance can be called once; make another one")
        self._used = True
        with pause(is_training()):
            outputs = self.forward(*inputs)
        if not is_recording():
            return outputs
        made = _core.record_function(_FunctionHost(self, len(inputs), len(_list(outputs))), list(inputs), _list(outputs))
        return made[0] if isinstance(outputs, NDArray) else type(outputs)(made)


class _FunctionHost:
    """A Function as the library asks it; see heddle.operator."""

    def __init__(self, function: Function, inputs: int, outputs: int) -> None:
        self._function = function
        self._inputs, self._outputs = inputs, outputs

    def names(self) -> tuple[list[str], list[str], list[str]]:
        return [f"input{i}" for i in range(self._inputs)], [], [f"output{i}" for i in range(self._outputs)]

    def reads(self) -> list[tuple[int, int]]:
        return [(0, i) for i in range(self._outputs)]

    def backward(self, is_train: bool, req: list[str], out_grad: list[NDArray], in_data: list[NDArray],
                 out_data: list[NDArray], in_grad: list[NDArray], aux: list[NDArray]) -> None:
        grads = _list(self._function.backward(*out_grad))
        if len(grads) != self._inputs:
            raise ValueError(f"{type(self._function).__name__}.backward gave {len(grads)} gradients, expected one for each "
                             f"of the {self._inputs} inputs")
        for target, request, grad in zip(in_grad, req, grads):
            if request != "null":
                if grad.shape != target.shape:
                    raise ValueError(f"{type(self._function).__name__}.backward gave a gradient of shape {grad.shape}, "
                                     f"expected {target.shape}")
                target[:] = grad
