"""Where MXNet kept more to read about operators of arrays. What they do stands in their docstrings."""
from __future__ import annotations


class NDArrayDoc:
    """What the classes here share."""


class ReshapeDoc(NDArrayDoc):
    """nd.reshape: 0 keeps an extent, -1 is what is left, -2 keeps all that follow, -3 joins two, -4 splits one.

    >>> mx.nd.zeros((2, 3, 4)).reshape((0, -1)).shape
    (2, 12)
    >>> mx.nd.zeros((2, 3, 4)).reshape((-3, -2)).shape
    (6, 4)
    >>> mx.nd.zeros((2, 3, 4)).reshape((-4, 1, -1, -2)).shape
    (1, 2, 3, 4)
    """


class elemwise_addDoc(NDArrayDoc):
    """nd.elemwise_add: both arrays have the same shape; nd.broadcast_add takes others.

    >>> (mx.nd.ones((2,)) + mx.nd.ones((2,))).tolist()
    [2.0, 2.0]
    """


class BroadcastToDoc(NDArrayDoc):
    """nd.broadcast_to: extents of 1 become those of shape; 0 in shape keeps an extent.

    >>> mx.nd.array([[1], [2]]).broadcast_to((2, 3)).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """


class StackDoc(NDArrayDoc):
    """nd.stack: arrays of one shape along a new axis.

    >>> mx.nd.stack(mx.nd.array([1, 2]), mx.nd.array([3, 4])).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """


class CustomDoc(NDArrayDoc):
    """nd.Custom: an operator of one's own; see mx.operator.register for a whole one."""
