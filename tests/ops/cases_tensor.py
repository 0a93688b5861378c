"""Operators that move elements: shapes, joins, slices, indices, order."""
import numpy as np

from .case import ROWS, case


def whole(low, high, shape, dtype="float32"):
    """Indices: numbers that have no gradient."""
    return lambda rng: rng.integers(low, high, shape).astype(dtype)


def distinct(shape):
    """Numbers of which no two are equal, in any order and at a distance that halves can tell."""
    return lambda rng: (rng.permutation(int(np.prod(shape))).reshape(shape) / 8 + 0.0625).astype("float32")


# --- other shapes ---------------------------------------------------------------------------------
def reshape_to(shape):
    return lambda x: x.reshape(shape)


case("Reshape", [(2, 3, 4)], shape=(4, 6), ref=reshape_to((4, 6)))
case("Reshape", [(2, 3, 4)], shape=(0, -1), label="rest", ref=reshape_to((2, 12)))
case("Reshape", [(2, 3, 4)], shape=(-1, 0), label="copy", ref=reshape_to((8, 3)))
case("Reshape", [(2, 3, 4, 5)], shape=(0, -2), label="all", ref=reshape_to((2, 3, 4, 5)))
case("Reshape", [(2, 3, 4, 5)], shape=(-3, -2), label="merge", ref=reshape_to((6, 4, 5)))
case("Reshape", [(2, 3, 4, 5)], shape=(-3, -3), label="merge-twice", ref=reshape_to((6, 20)))
case("Reshape", [(6, 4)], shape=(-4, 2, -1, 4), label="split", ref=reshape_to((2, 3, 4)))
case("Reshape", [(6, 4)], shape=(-4, -1, 3, -2), label="split-all", ref=reshape_to((2, 3, 4)))
case("Reshape", [(10, 5, 4)], shape=(-1, 0), reverse=True, label="reverse", ref=reshape_to((50, 4)))
case("Reshape", [(2, 3, 4)], target_shape=(0, 6), label="target", ref=reshape_to((4, 6)))
case("Reshape", [(2, 3, 4)], target_shape=(9, 0), keep_highest=True, label="keep", ref=reshape_to((2, 12)))
case("Reshape", [np.arange(6, dtype="int32")], shape=(2, 3), label="int", dtype="int32",
     ref=reshape_to((2, 3)))
case("Flatten", [(2, 3, 4)], ref=reshape_to((2, 12)))
case("Flatten", [(5,)], label="vector", ref=reshape_to((5, 1)))
case("expand_dims", [(2, 3)], axis=1, ref=reshape_to((2, 1, 3)))
case("expand_dims", [(2, 3)], axis=-1, label="last", ref=reshape_to((2, 3, 1)))
case("squeeze", [(2, 1, 3, 1)], ref=reshape_to((2, 3)))
case("squeeze", [(2, 1, 3, 1)], axis=1, label="one", ref=reshape_to((2, 3, 1)))
case("squeeze", [(1, 1, 3, 1)], axis=(0, -1), label="two", ref=reshape_to((1, 3)))
case("reshape_like", [(2, 6), (3, 4)], ref=lambda x, y: x.reshape(y.shape), grad=(0,))
case("reshape_like", [(30, 7), (15, 2, 4)], lhs_begin=0, lhs_end=1, rhs_begin=0, rhs_end=2, label="part",
     ref=lambda x, y: x.reshape(15, 2, 7), grad=(0,))
case("shape_array", [(2, 3, 4)], ref=lambda x: np.array(x.shape))
case("size_array", [(2, 3, 4)], ref=lambda x: np.array([x.size]))

# --- another order --------------------------------------------------------------------------------
case("transpose", [(3, 4, 5)], ref=lambda x: x.transpose())
case("transpose", [(3, 4, 5)], axes=(1, 2, 0), label="axes", ref=lambda x, axes: x.transpose(axes))
case("transpose", [(2, 3, 4, 5, 2)], axes=(3, 0, 4, 2, 1), label="five", ref=lambda x, axes: x.transpose(axes))
case("transpose", [(70, 90)], label="matrix", ref=lambda x: x.T)
case("transpose", [whole(-9, 9, (3, 5), "int8")], label="int8", dtype="int8", ref=lambda x: x.T)
case("SwapAxis", [(3, 4, 5)], dim1=0, dim2=2, ref=lambda x: x.swapaxes(0, 2))
case("SwapAxis", [(3, 4, 5, 2)], dim1=1, dim2=2, label="inner", ref=lambda x: x.swapaxes(1, 2))
case("reverse", [(3, 4, 5)], axis=1, ref=lambda x: np.flip(x, 1))
case("reverse", [(3, 4, 5)], axis=(0, 2), label="two", ref=lambda x: np.flip(x, (0, 2)))


def to_space(x, b):
    n, c, h, w = x.shape
    return x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def to_depth(x, b):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


case("depth_to_space", [(2, 8, 3, 4)], block_size=2, ref=lambda x, block_size: to_space(x, block_size))
case("space_to_depth", [(2, 3, 6, 4)], block_size=2, ref=lambda x, block_size: to_depth(x, block_size))
case("space_to_depth", [(1, 2, 6, 9)], block_size=3, label="3", ref=lambda x, block_size: to_depth(x, block_size))

# --- joins and cuts -------------------------------------------------------------------------------
case("Concat", [(2, 3), (2, 1), (2, 4)], ref=lambda *x: np.concatenate(x, 1))
case("Concat", [(2, 3, 2), (4, 3, 2)], dim=0, label="first", ref=lambda *x: np.concatenate(x, 0))
case("Concat", [(2, 3, 2), (2, 3, 5)], dim=-1, label="last", ref=lambda *x: np.concatenate(x, -1))
case("Concat", [(3, 2)], dim=1, label="one", ref=lambda x: x)
case("stack", [(2, 3), (2, 3), (2, 3)], ref=lambda *x: np.stack(x))
case("stack", [(2, 3), (2, 3)], axis=-1, label="last", ref=lambda *x, axis: np.stack(x, axis))
case("stack", [(2, 3), (2, 3)], axis=1, label="middle", ref=lambda *x, axis: np.stack(x, axis))
case("SliceChannel", [(2, 6, 3)], num_outputs=3, ref=lambda x: np.split(x, 3, 1))
case("SliceChannel", [(4, 2)], num_outputs=2, axis=0, label="first", ref=lambda x: np.split(x, 2, 0))
case("SliceChannel", [(2, 3, 4)], num_outputs=3, squeeze_axis=True, label="squeeze",
     ref=lambda x: [x[:, i] for i in range(3)])
case("_split_v2", [(2, 7, 3)], indices=(0, 2, 5), ref=lambda x: np.split(x, (2, 5), 1))
case("_split_v2", [(6, 3)], indices=(), sections=3, axis=0, label="sections", ref=lambda x: np.split(x, 3, 0))
case("_split_v2", [(3, 4)], indices=(), sections=3, axis=0, squeeze_axis=True, label="squeeze",
     ref=lambda x: list(x))

# --- slices ---------------------------------------------------------------------------------------
case("slice", [(5, 6, 4)], begin=(1, 0), end=(4, 5), ref=lambda x: x[1:4, :5])
case("slice", [(5, 6, 4)], begin=(None, -4), end=(3, None), label="none", ref=lambda x: x[:3, -4:])
case("slice", [(7, 9)], begin=(1, 0), end=(7, 9), step=(2, 3), label="step", ref=lambda x: x[1:7:2, 0:9:3])
case("slice", [(7, 9)], begin=(5, None), end=(0, None), step=(-2, -1), label="back",
     ref=lambda x: x[5:0:-2, ::-1])
case("slice", [(4, 3)], begin=(1,), end=(100,), label="beyond", ref=lambda x: x[1:100])
case("slice_axis", [(4, 6, 3)], axis=1, begin=2, end=5, ref=lambda x: x[:, 2:5])
case("slice_axis", [(4, 6, 3)], axis=-1, begin=-2, end=None, label="end", ref=lambda x: x[..., -2:])
case("slice_axis", [(4, 6)], axis=0, begin=0, end=-1, label="negative", ref=lambda x: x[:-1])
case("slice_like", [(4, 6), (2, 5)], ref=lambda x, y: x[:2, :5], grad=(0,))
case("slice_like", [(4, 6, 3), (2, 5, 9)], axes=(0, 1), label="axes", ref=lambda x, y: x[:2, :5], grad=(0,))


def assigned(x, where, value):
    y = x.copy()
    y[where] = value
    return y


case("_slice_assign", [(4, 5), (2, 3)], begin=(1, 0), end=(3, 3), grad=False,
     ref=lambda x, y: assigned(x, np.s_[1:3, :3], y))
case("_slice_assign", [(4, 5), (2, 3)], begin=(1, 0), end=(3, 3), label="grad",
     ref=lambda x, y: assigned(x, np.s_[1:3, :3], y), witness="MXNet has no gradient for it")
case("_slice_assign", [(5, 6), (2, 6)], begin=(3,), end=(None,), step=(-2,), label="back",
     ref=lambda x, y: assigned(x, np.s_[3::-2], y), witness="MXNet has no gradient for it")
case("_slice_assign_scalar", [(4, 5)], scalar=2.5, begin=(1, 0), end=(3, 3), grad=False,
     ref=lambda x: assigned(x, np.s_[1:3, :3], 2.5))
case("_slice_assign_scalar", [(4, 5)], scalar=2.5, begin=(1, 0), end=(3, 3), label="grad",
     ref=lambda x: assigned(x, np.s_[1:3, :3], 2.5), witness="MXNet has no gradient for it")
case("Crop", [(2, 3, 6, 7)], h_w=(4, 3), offset=(1, 2), ref=lambda x: x[:, :, 1:5, 2:5])
case("Crop", [(2, 3, 6, 7)], h_w=(4, 3), center_crop=True, label="center", ref=lambda x: x[:, :, 1:5, 2:5])
case("Crop", [(2, 3, 6, 7), (1, 1, 5, 6)], offset=(1, 0), label="like", grad=(0,),
     ref=lambda x, y: x[:, :, 1:6, :6])
case("Pad", [(2, 3, 4, 5)], mode="constant", pad_width=(0, 0, 0, 0, 1, 2, 3, 0), constant_value=1.5,
     ref=lambda x: np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 0)), constant_values=1.5))
case("Pad", [(2, 3, 4, 5)], mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 1), label="edge",
     ref=lambda x: np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 1)), "edge"))
case("Pad", [(2, 3, 4, 5)], mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 3, 1), label="reflect",
     ref=lambda x: np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 1)), "reflect"))
case("Pad", [(2, 1, 3, 2, 4)], mode="edge", pad_width=(0, 0, 0, 0, 1, 0, 0, 2, 1, 1), label="five",
     ref=lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2), (1, 1)), "edge"))
case("repeat", [(3, 4)], repeats=2, ref=lambda x: x.repeat(2))
case("repeat", [(3, 4, 2)], repeats=3, axis=1, label="axis", ref=lambda x: x.repeat(3, 1))
case("repeat", [(3, 4)], repeats=2, axis=-1, label="last", ref=lambda x: x.repeat(2, -1))
case("tile", [(3, 4)], reps=(2, 3), ref=lambda x: np.tile(x, (2, 3)))
case("tile", [(3, 4)], reps=(2,), label="short", ref=lambda x: np.tile(x, (2,)))
case("tile", [(3,)], reps=(2, 1, 2), label="long", ref=lambda x: np.tile(x, (2, 1, 2)))
case("diag", [(4, 5)], ref=lambda x: np.diag(x))
case("diag", [(4, 5)], k=1, label="above", ref=lambda x: np.diag(x, 1))
case("diag", [(4, 5)], k=-2, label="below", ref=lambda x: np.diag(x, -2))
case("diag", [(4,)], k=1, label="matrix", ref=lambda x: np.diag(x, 1))
case("diag", [(2, 3, 4)], axis1=-2, axis2=-1, label="batch", ref=lambda x: np.diagonal(x, 0, -2, -1))

# --- indices --------------------------------------------------------------------------------------
case("take", [(5, 3), whole(0, 5, (2, 4))], ref=lambda a, i: a[i.astype(int)])
case("take", [(4, 5, 3), whole(-9, 9, (6,))], axis=1, label="clip",
     ref=lambda a, i: a[:, np.clip(i.astype(int), 0, 4)])
case("take", [(4, 5), whole(-9, 9, (6,))], axis=-1, mode="wrap", label="wrap",
     ref=lambda a, i: a[:, i.astype(int) % 5])
case("take", [(6, 70), whole(0, 6, (200,), "int32")], label="many", ref=lambda a, i: a[i],
     dtypes=("float64",))
case("batch_take", [(4, 5), whole(-2, 8, (4,), "int32")], grad=False,
     ref=lambda a, i: a[np.arange(4), np.clip(i, 0, 4)])
case("batch_take", [(4, 5), whole(0, 5, (4,), "int32")], label="grad", ref=lambda a, i: a[np.arange(4), i],
     witness="MXNet has no gradient for it")
case("Embedding", [whole(0, 6, (3, 4)), (6, 5)], input_dim=6, output_dim=5,
     ref=lambda i, w: w[i.astype(int)])
case("Embedding", [whole(-3, 9, (7,)), (6, 2)], input_dim=6, output_dim=2, label="clip",
     ref=lambda i, w: w[np.clip(i.astype(int), 0, 5)])
case("one_hot", [whole(-1, 6, (3, 4))], depth=5,
     ref=lambda i: (i[..., None] == np.arange(5)).astype("float32"))
case("one_hot", [whole(0, 4, (5,), "int32")], depth=4, on_value=3, off_value=-1, dtype="int32", label="values",
     ref=lambda i: np.where(i[..., None] == np.arange(4), 3, -1))
case("gather_nd", [(4, 5, 3), whole(0, 4, (2, 6))], ref=lambda x, i: x[tuple(i.astype(int))])
case("gather_nd", [(4, 5), whole(0, 4, (2, 2, 3), "int32")], label="elements", ref=lambda x, i: x[tuple(i)])
case("scatter_nd", [(3,), np.array([[1, 0, 3], [2, 1, 0]], "float32")], shape=(4, 3),
     ref=lambda x, i: assigned(np.zeros((4, 3)), tuple(i.astype(int)), x))
case("scatter_nd", [(2, 3), np.array([[2, 0]], "float32")], shape=(4, 3), label="rows",
     ref=lambda x, i: assigned(np.zeros((4, 3)), tuple(i.astype(int)), x))
case("_scatter_set_nd", [(4, 3), (2, 3), np.array([[2, 0]], "float32")], shape=(4, 3), grad=False,
     ref=lambda x, y, i: assigned(x, tuple(i.astype(int)), y), witness="MXNet writes it only into lhs itself")
case("_contrib_boolean_mask", [(5, 3), np.array([1, 0, 1, 1, 0], "float32")], ref=lambda x, m: x[m != 0])
case("_contrib_boolean_mask", [(2, 4), np.array([0, 1, 1, 0], "float32")], axis=1, label="axis",
     ref=lambda x, m: x[:, m != 0], witness="MXNet knows axis 0 only")
case("fill_element_0index", [(4, 5), (4,), whole(0, 5, (4,))], grad=False,
     ref=lambda x, y, i: assigned(x, (np.arange(4), i.astype(int)), y))
case("_onehot_encode", [whole(0, 5, (4,)), (4, 5)], grad=False,
     ref=lambda i, x: (i[:, None] == np.arange(5)).astype("float32"))

# --- order ----------------------------------------------------------------------------------------
case("sort", [distinct((3, 7))], grad=False, ref=lambda x: np.sort(x))  # MXNet's gradient wants an axis
case("sort", [distinct((3, 7))], axis=-1, label="last", ref=lambda x: np.sort(x))
case("sort", [distinct((3, 7, 2))], axis=1, is_ascend=False, label="down", ref=lambda x: -np.sort(-x, 1))
case("sort", [distinct((3, 4))], axis=None, label="flat", ref=lambda x: np.sort(x, None))
case("argsort", [distinct((3, 7))], ref=lambda x: np.argsort(x))
case("argsort", [distinct((3, 7, 2))], axis=1, is_ascend=False, label="down", ref=lambda x: np.argsort(-x, 1))
case("topk", [distinct((3, 7))], k=2, ref=lambda x: np.argsort(-x)[:, :2])
case("topk", [distinct((3, 7))], k=3, ret_typ="value", label="value", ref=lambda x: -np.sort(-x)[:, :3])
case("topk", [distinct((3, 7, 2))], k=2, axis=1, ret_typ="both", is_ascend=True, label="both",
     ref=lambda x: [np.sort(x, 1)[:, :2], np.argsort(x, 1)[:, :2]], grad=False)
case("topk", [distinct((3, 7))], k=2, ret_typ="mask", label="mask",
     ref=lambda x: (x >= -np.sort(-x)[:, 1:2]) * 1.0)
case("topk", [distinct((3, 4))], k=5, axis=None, ret_typ="value", label="flat",
     ref=lambda x: -np.sort(-x, None)[:5])

# --- copies ---------------------------------------------------------------------------------------
case("_copyto", [(3, 4)], ref=lambda x: x, witness="MXNet's cannot be called by itself")
case("_CrossDeviceCopy", [(3, 4)], ref=lambda x: x, witness="MXNet's stands in graphs only")
case("_reorder", [(2, 16, 3, 3)], blocks=(1, 16), witness="absent", ref=lambda x, **_: x)


# --- running sums ---------------------------------------------------------------------------------
def cumsum(a, axis=None, dtype=None):
    return np.cumsum(a, axis, dtype or a.dtype)


case("_np_cumsum", [(3, 4, 5)], ref=cumsum)
case("_np_cumsum", [(3, 4, 5)], axis=1, label="middle", ref=cumsum)
case("_np_cumsum", [(3, 700)], axis=0, label="first", ref=cumsum)
case("_np_cumsum", [(3, 4, 5)], axis=-1, label="last", ref=cumsum, witness="it takes no axis from the end")
case("_np_cumsum", [(3, 40)], axis=1, label="converted", low=-9, high=9, grad=False, dtypes=(), ref=lambda a, axis, **_: np.cumsum(a, axis, "int32"))
ROWS[-1].params["dtype"] = "int32"
case("_np_cumsum", [(3, 40)], axis=1, label="int", dtype="int32", low=-90, high=90, ref=cumsum)
case("_np_cumsum", [(3, 40)], axis=1, label="small", dtype="int8", low=-90, high=90, ref=cumsum)
