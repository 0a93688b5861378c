"""One row of the operator tests: how to call an operator, and what NumPy says it gives.

    case("relu", [(64, 33)], ref=lambda x: np.maximum(x, 0))
    case("sum", [(3, 4, 5)], axis=(1, 2), ref=lambda x, axis: x.sum(axis))
    case("FullyConnected", [(4, 7), (3, 7), (3,)], num_hidden=3, ref=lambda x, w, b, **_: x @ w.T + b)
    case("sgd_mom_update", [(5, 3)] * 3, lr=0.1, ref=lambda w, g, m, lr: [w - lr * g, -lr * g])
    case("random_normal", [], shape=(20000,), loc=2, scale=3, moments=lambda loc, scale, **_: (loc, scale**2))

`tests/python/test_ops.py` puts every row through every claim of its operator's record, and
`tests/python/test_witness.py` asks the real MXNet for the same values.
"""
import inspect
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import numpy as np

ROWS: list = []


@dataclass
class Case:
    """A row. `inputs` holds shapes, arrays, and functions of a random generator."""

    op: str
    inputs: list
    params: dict
    ref: Optional[Callable] = None         # outputs, then the new values of mutated inputs
    ref_grad: Optional[Callable] = None    # of a loss: gradients by input, None where there is none
    moments: Optional[Callable] = None     # of a random operator: (mean, variance)
    dtype: str = "float32"
    grad: Union[None, bool, tuple] = None  # False: no finite differences; a tuple: of these inputs
    low: float = -1.0
    high: float = 1.0
    rtol: Optional[float] = None
    atol: Optional[float] = None
    witness: Union[bool, str] = True       # or why MXNet differs; "absent" there; "not asked: ..." where it crashes
    training: bool = False                 # call it in training mode
    label: Optional[str] = None
    dtypes: tuple = ("float16", "float64")  # other dtypes to try
    id: str = field(default="")

    def arrays(self, dtype=None):
        """The inputs as NumPy arrays: the same every time, floating ones in `dtype`."""
        dtype = np.dtype(dtype or self.dtype)
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        return [self._array(entry, dtype, rng) for entry in self.inputs]

    def _array(self, entry, dtype, rng):
        if isinstance(entry, tuple):
            value = rng.uniform(self.low, self.high, entry)
            return np.asarray(np.rint(value) if dtype.kind in "iu" else value).astype(dtype)
        value = np.array(entry(rng) if callable(entry) else entry)  # a copy: rows stay as written
        return value.astype(dtype) if value.dtype.kind == "f" else value

    def expected(self, arrays):
        """What the reference gives for these arrays, as a list."""
        ref = self.ref or getattr(np, self.op)
        found = ref(*[np.array(a) for a in arrays], **self._known(ref))
        return [np.asarray(v) for v in (found if isinstance(found, (list, tuple)) else [found])]

    def expected_grads(self, arrays):
        return self.ref_grad(*[np.array(a) for a in arrays], **self._known(self.ref_grad))

    def expected_moments(self, arrays):
        mean, variance = self.moments(*arrays, **self._known(self.moments))
        return np.asarray(mean, "float64"), np.asarray(variance, "float64")

    def _known(self, function):
        """The parameters that the function takes; all of them when it takes **kwargs."""
        try:
            takes = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # a NumPy ufunc
            return {}
        if any(p.kind is p.VAR_KEYWORD for p in takes):
            return self.params
        names = {p.name for p in takes if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        return {k: v for k, v in self.params.items() if k in names}


def case(op_name: str, inputs, *, ref=None, ref_grad=None, moments=None, dtype="float32", grad=None,
         low=None, high=None, rtol=None, atol=None, witness=True, training=False, label=None,
         dtypes=("float16", "float64"), **params: Any) -> None:
    """Adds a row. Other keywords are the operator's parameters.

    A shape is filled with uniform numbers in [low, high]; an array is used as it is (floating ones
    take the dtype under test); a function gets a random generator and returns an array. Without inputs,
    and for random operators, low and high are the operator's own parameters.
    """
    if not inputs or moments:
        params.update({k: v for k, v in (("low", low), ("high", high)) if v is not None})
    name = op_name if label is None else f"{op_name}-{label}"
    taken = {row.id for row in ROWS}
    unique, n = name, 2
    while unique in taken:
        unique, n = f"{name}-{n}", n + 1
    if isinstance(grad, (list, set)):
        grad = tuple(grad)
    ROWS.append(Case(op_name, list(inputs), params, ref, ref_grad, moments, str(np.dtype(dtype)), grad,
                     -1.0 if low is None else low, 1.0 if high is None else high, rtol, atol, witness, training, label, tuple(dtypes), unique))
