"""Reductions over axes, searching and picking along an axis."""
import numpy as np

from .case import case

SHAPE = (4, 3, 5)


def rows(op, function, **more):
    """All axes, one, several, the others, kept, and none of a long vector."""
    def ref(x, axis=None, keepdims=False, exclude=False):
        if exclude:
            axis = tuple(a for a in range(x.ndim) if a not in np.atleast_1d(axis) % x.ndim)
        return function(x, axis=axis, keepdims=keepdims)

    case(op, [SHAPE], ref=ref, **more)
    case(op, [SHAPE], axis=1, ref=ref, **more)
    case(op, [SHAPE], axis=-1, keepdims=True, ref=ref, **more)
    case(op, [SHAPE], axis=(0, 2), ref=ref, **more)
    case(op, [SHAPE], axis=(0, 2), exclude=True, keepdims=True, ref=ref, **more)


rows("sum", np.sum)
rows("mean", np.mean)
rows("prod", np.prod, low=0.5, high=1.5)
rows("max", np.max)
rows("min", np.min)
rows("nansum", np.nansum)
rows("nanprod", np.nanprod, low=0.5, high=1.5)
case("sum", [(70001,)], ref=np.sum, label="long", dtypes=("float64",))
case("sum", [(301, 257)], axis=0, label="columns", ref=np.sum)
case("mean", [(2, 3, 4, 5, 2)], axis=(1, 3), label="five", ref=np.mean)
case("sum", [np.arange(12, dtype="int32").reshape(3, 4)], axis=0, label="int", dtype="int32", ref=np.sum)
case("mean", [np.arange(12, dtype="int32").reshape(3, 4)], axis=1, label="int", dtype="int32",
     ref=lambda x, axis: x.sum(axis) // x.shape[axis])
case("nansum", [np.array([[np.nan, 2.5, 3], [4, np.nan, 6]], "float32")], axis=1, label="nan", grad=False, ref=np.nansum)
for _op in ("prod", "nanprod"):
    case(_op, [np.array([[4.5, 0, 2], [0, 0, 2.5], [1.5, 3, 2], [0, 0, 0], [-0.5, 2, 0]], "float32")], axis=1, label="zeros",
         ref=getattr(np, _op), witness="MXNet's gradient divides by the zero")
case("nanprod", [np.array([[np.nan, 2.5, 3], [4, np.nan, 6]], "float32")], axis=1, label="nan", grad=False,
     ref=np.nanprod)


def norm(x, ord=2, axis=None, keepdims=False):
    if ord == 1:
        return np.abs(x).sum(axis, keepdims=keepdims)
    return np.sqrt((x * x).sum(axis, keepdims=keepdims))


case("norm", [SHAPE], ref=norm)
case("norm", [SHAPE], axis=1, ref=norm)
case("norm", [SHAPE], ord=1, axis=(0, 2), keepdims=True, ref=norm)
case("norm", [SHAPE], ord=2, axis=(0, 1), ref=norm)


def found(function):
    def ref(x, axis=None, keepdims=False):
        y = function(x, axis=axis)
        if keepdims:
            y = np.asarray(y).reshape([1] * x.ndim) if axis is None else np.expand_dims(y, axis)
        return y
    return ref


for _op, _function in (("argmax", np.argmax), ("argmin", np.argmin)):
    case(_op, [SHAPE], ref=found(_function))
    case(_op, [SHAPE], axis=1, ref=found(_function))
    case(_op, [SHAPE], axis=-1, keepdims=True, ref=found(_function))
    case(_op, [np.array([[1, 2.5, 2.5], [3.5, 0, 0]], "float32")], axis=1, label="ties", ref=found(_function))
case("argmax_channel", [(4, 7)], ref=lambda x: np.argmax(x, 1))
case("argmax_channel", [SHAPE], ref=lambda x: np.argmax(x, 1))

# --- pick -----------------------------------------------------------------------------------------
case("pick", [(4, 5), np.array([0, 4, 2, 9], "float32")],
     ref=lambda x, i: x[np.arange(4), np.clip(i.astype(int), 0, 4)])
case("pick", [(4, 5), np.array([0, -1, 7, 3], "float32")], mode="wrap", keepdims=True,
     ref=lambda x, i, **_: x[np.arange(4), i.astype(int) % 5][:, None])
case("pick", [(4, 5), np.array([0, 3, 1, 2, 3], "int32")], axis=0,
     ref=lambda x, i, **_: x[i, np.arange(5)])
case("pick", [SHAPE, lambda rng: rng.integers(0, 3, (4, 5)).astype("float32")], axis=1,
     ref=lambda x, i, **_: np.take_along_axis(x, i.astype(int)[:, None], 1)[:, 0])
