"""Sequences as lists of steps and as one array, for arrays and symbols alike."""
from __future__ import annotations

from ... import ndarray, symbol
from ...ndarray import NDArray
from ...symbol import Symbol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

TENSOR = (NDArray, Symbol)


def namespace_of(inputs: Any) -> Any:
    """mx.nd or mx.sym, whichever the inputs are of."""
    while isinstance(inputs, (list, tuple)):
        inputs = inputs[0]
    return ndarray if isinstance(inputs, NDArray) else symbol


def format_sequence(length: int | None, inputs: Any, layout: str, merge: bool | None,
                    in_layout: str | None = None) -> tuple[Any, int, Any, int]:
    """(inputs, axis of time, namespace, batch size) with the inputs as one array (merge True), a list of steps (False) or as
    they are (None).

    layout: of what is returned, such as "NTC"; in_layout: of what is given, where it is another. A symbol's batch size is 0.
    Raises ValueError for no inputs, or another number of steps than length.
    """
    if inputs is None:
        raise ValueError("unroll(length, inputs=None, ...) has been deprecated: expected inputs, an array or a list with one "
                         "array per step")
    axis = layout.find("T")
    batch_axis = layout.find("N")
    in_axis = in_layout.find("T") if in_layout is not None else axis
    F, batch_size = namespace_of(inputs), 0
    if isinstance(inputs, Symbol):
        if merge is False:
            if len(inputs) != 1:
                raise ValueError("unroll doesn't allow grouped symbol as input. Please convert to list with list(inputs) first "
                                 "or let unroll handle splitting.")
            inputs = list(F.split(inputs, axis=in_axis, num_outputs=length, squeeze_axis=True))
    elif isinstance(inputs, NDArray):
        batch_size = inputs.shape[batch_axis]
        if merge is False:
            if length is not None and length != inputs.shape[in_axis]:
                raise ValueError(f"found {inputs.shape[in_axis]} steps in inputs of shape {inputs.shape} and layout {layout}, "
                                 f"expected length {length}")
            inputs = as_list(ndarray.split(inputs, axis=in_axis, num_outputs=inputs.shape[in_axis], squeeze_axis=True))
    else:
        if length is not None and len(inputs) != length:
            raise ValueError(f"found {len(inputs)} steps in inputs, expected length {length}")
        if F is ndarray:
            batch_size = inputs[0].shape[batch_axis - (1 if axis < batch_axis else 0)]
        if merge is True:
            inputs = F.stack(*inputs, axis=axis)
            in_axis = axis
    if isinstance(inputs, TENSOR) and axis != in_axis:
        inputs = F.swapaxes(inputs, dim1=axis, dim2=in_axis)
    return inputs, axis, F, batch_size


def as_list(arrays: Any) -> list[Any]:
    """One array or several, as a list."""
    return [arrays] if isinstance(arrays, NDArray) else list(arrays)


def first_states(cell: Any, F: Any, begin_state: Any, inputs: Any, batch_size: int) -> Any:
    """begin_state, or the cell's own: zeros where the inputs are."""
    if begin_state is not None:
        return begin_state
    if F is ndarray:
        lead = inputs if isinstance(inputs, NDArray) else inputs[0]
        with lead.context:
            return cell.begin_state(func=F.zeros, batch_size=batch_size)
    return cell.begin_state(func=F.zeros, batch_size=batch_size)


def masked(F: Any, data: Any, length: int, valid_length: Any, axis: int, merge: bool) -> Any:
    """The steps with zeros past the end of each sample: one array (merge), or a list of steps."""
    if not isinstance(data, TENSOR):
        data = F.stack(*data, axis=axis)
    out = F.SequenceMask(data, sequence_length=valid_length, use_sequence_length=True, axis=axis)
    return out if merge else as_list(F.split(out, num_outputs=length, axis=axis, squeeze_axis=True))


def reversed_sequence(sequences: Sequence[Any], length: int, valid_length: Any = None) -> list[Any]:
    """The steps from last to first; of each sample those that count, with valid_length."""
    if valid_length is None:
        return list(reversed(sequences))
    F = namespace_of(sequences)
    out = F.SequenceReverse(F.stack(*sequences, axis=0), sequence_length=valid_length, use_sequence_length=True)
    return list(out) if length > 1 and F is symbol and len(out) > 1 else as_list(
        F.split(out, axis=0, num_outputs=length, squeeze_axis=True))
