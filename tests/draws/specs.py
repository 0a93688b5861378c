"""How to draw the inputs of operators that the record alone does not tell.

SPECS: operator -> function(d) that sets d.params and returns its inputs (d is a generator.Drawer).
PARAMS: parameter name -> function(d, shape of the first input), wherever a record has a parameter of that name.
"""
import numpy as np

SPECS = {}


def spec(*names):
    def add(function):
        for name in names:
            SPECS[name] = function
        return function
    return add


# --- parameters by name -----------------------------------------------------------------------------
def some_axis(d, shape):
    return d.axis(shape) if not d.chance(0.03) else len(shape)


def some_axes(d, shape):
    return d.pick(d.axis(shape), d.axes(shape, 1), d.axes(shape, 1), None)


PARAMS = {
    "axis": some_axis,
    "axes": some_axes,
    "scalar": lambda d, shape: d.pick(0.0, 1.0, 2.0, -1.0, 0.5, -1.5, 3.0),
    "eps": lambda d, shape: d.pick(1e-3, 1e-5, 0.1),
    "grad_scale": lambda d, shape: d.pick(1.0, 2.0, -0.5, 0.0),
    "lr": lambda d, shape: d.pick(0.1, 0.01, 1.0),
    "clip_gradient": lambda d, shape: d.pick(-1.0, 0.5, 1.0),
    "momentum": lambda d, shape: d.pick(0.0, 0.5, 0.9),
}

# --- elementwise ------------------------------------------------------------------------------------
# The interval in which a function is tried, where it is not [-2, 2].
INTERVALS = {
    "arccosh": (1.1, 5), "log": (0.05, 9), "log10": (0.05, 9), "log2": (0.05, 9), "log1p": (-0.9, 5), "sqrt": (0, 9),
    "rsqrt": (0.05, 9), "arcsin": (-1, 1), "arccos": (-1, 1), "arctanh": (-0.95, 0.95), "erfinv": (-0.95, 0.95),
    "gamma": (0.3, 4), "gammaln": (0.3, 6), "ceil": (-6, 6), "floor": (-6, 6), "rint": (-6, 6), "round": (-6, 6),
    "trunc": (-6, 6), "fix": (-6, 6), "exp": (-9, 9), "sigmoid": (-9, 9), "reciprocal": (0.1, 4), "rcbrt": (0.1, 4),
}


def unary(d):
    low, high = INTERVALS[d.record["name"]]
    if d.chance(0.1):
        low, high = -2, 2
    return [d.values(d.shape(), low, high)]


for _name in INTERVALS:
    SPECS[_name] = unary


@spec(*[f"broadcast_{name}" for name in (
    "add sub mul div mod power hypot maximum minimum equal not_equal greater greater_equal lesser lesser_equal logical_and "
    "logical_or logical_xor").split()])
def broadcast_pair(d):
    shape = d.shape(1, 5)
    shapes = [d.stretched(shape), d.stretched(shape)]
    if d.chance(0.05):
        shapes[1] = (*shapes[1][:-1], shapes[1][-1] + 1)
    return [d.values(s) for s in shapes]


@spec("where")
def where(d):
    shape = d.shape()
    condition = shape[:1] if d.chance(0.3) else shape
    return [d.integers(condition, 0, 1, d.pick("float32", "int32", d.dtype)), d.values(shape), d.values(shape)]


@spec("clip")
def clip(d):
    low = d.number(-2, 1)
    d.params.update(a_min=low, a_max=low + d.number(0, 2))
    return [d.values(d.shape())]


@spec("_arange")
def arange(d):
    d.params.update(start=d.number(-5, 5), step=d.pick(1.0, 0.5, 2.0, 0.3), repeat=d.between(1, 3),
                    dtype=d.pick("float32", "float64", "int32", "int64", "float16", "uint8"))
    if np.dtype(d.params["dtype"]).kind in "iu":
        d.params.update(start=float(d.between(0, 5)), step=float(d.between(1, 3)))
    d.params["stop"] = d.params["start"] + d.number(0.2, 9)
    return []


@spec("_linspace")
def linspace(d):
    d.params.update(start=d.number(-5, 5), stop=d.number(-5, 5), num=d.between(1, 9), endpoint=d.chance(0.5),
                    dtype=d.pick("float32", "float64", "int32"))
    return []


@spec("_eye")
def eye(d):
    d.params.update(N=d.between(1, 6), M=d.between(0, 6), k=d.between(-3, 3), dtype=d.pick("float32", "float64", "int32", "uint8"))
    return []


@spec("_zeros", "_ones", "_full")
def constant(d):
    d.params.update(shape=d.small(), dtype=d.pick("float32", "float64", "int32", "uint8", "float16", "int8", "int64"))
    if d.record["name"] == "_full":
        d.params["value"] = d.pick(0.0, 1.0, 2.0, 7.0)
    return []


@spec("broadcast_to")
def broadcast_to(d):
    shape = d.shape()
    target = [d.extent() if e == 1 else d.pick(0, e) if e else e for e in shape]
    d.params["shape"] = tuple(target)
    return [d.values(shape)]


@spec("broadcast_axis")
def broadcast_axis(d):
    shape = list(d.shape())
    axes = [a % len(shape) for a in d.axes(shape, 1)]
    for a in axes:
        shape[a] = 1
    d.params.update(axis=tuple(axes), size=tuple(d.between(1, 4) for _ in axes))
    return [d.values(shape)]


@spec("broadcast_like")
def broadcast_like(d):
    shape = d.shape()
    if d.chance(0.5):
        return [d.values(d.stretched(shape)), d.values(shape)]
    a, b = d.axis(shape), d.axis(shape)
    d.params.update(lhs_axes=(a,), rhs_axes=(b,))
    lhs = list(shape)
    lhs[a] = 1
    return [d.values(lhs), d.values(shape)]


# --- reductions -------------------------------------------------------------------------------------
@spec("sum", "mean", "nansum", "prod", "nanprod", "max", "min", "norm")
def reduction(d):
    shape = d.shape(1, 5)
    if d.chance(0.8):
        axis = some_axes(d, shape)
        if axis is not None:
            d.params["axis"] = axis
    d.params["keepdims"] = d.chance(0.5)
    if d.record["name"] != "norm" and d.chance(0.3):
        d.params["exclude"] = True
    if d.record["name"] == "norm":
        d.params["ord"] = d.pick(1, 2, 2)
        if isinstance(d.params.get("axis"), tuple):
            d.params["axis"] = d.params["axis"][:2]
    if "prod" in d.record["name"]:
        return [d.values(shape, 0.7, 1.4)] if d.chance(0.8) else [d.values(shape)]
    return [d.values(shape)]


@spec("_np_cumsum")
def cumsum(d):
    shape = d.shape()
    if d.chance(0.7):
        d.params["axis"] = d.axis(shape, negative=d.chance(0.1))
    if d.chance(0.4):
        d.params["dtype"] = d.pick("float32", "float64", "int32", "int64")
    return [d.values(shape)]


@spec("moments")
def moments(d):
    shape = d.shape()
    d.params.update(axes=d.axes(shape, 1), keepdims=d.chance(0.5))
    return [d.values(shape)]


@spec("argmax", "argmin")
def argmax(d):
    shape = d.shape()
    if d.chance(0.8):
        d.params["axis"] = d.axis(shape)
    d.params["keepdims"] = d.chance(0.5)
    return [d.values(shape) if d.chance(0.7) else d.integers(shape, 0, 4)]


@spec("sort", "argsort", "topk")
def ordering(d):
    shape = d.shape()
    d.params["is_ascend"] = d.chance(0.5)
    axis = d.pick(d.axis(shape), d.axis(shape), None)
    if axis is None or d.chance(0.7):
        d.params["axis"] = axis
    if d.record["name"] != "sort" and d.chance(0.5):
        d.params["dtype"] = d.pick("float32", "int32", "int64", "float64", "float16")
    if d.record["name"] == "topk":
        d.params["ret_typ"] = d.pick("value", "indices", "mask", "both")
        d.params["k"] = d.between(1, 3)
    return [f"rng({d.between(0, 999)}).permutation({int(np.prod(shape))}).reshape({shape}).astype('{d.dtype}')"]


@spec("pick")
def pick(d):
    shape = d.shape()
    axis = d.axis(shape)
    d.params.update(axis=axis, keepdims=d.chance(0.5), mode=d.pick("clip", "wrap"))
    rest = [e for i, e in enumerate(shape) if i != axis % len(shape)] or [1]
    if d.params["keepdims"]:
        rest = [1 if i == axis % len(shape) else e for i, e in enumerate(shape)]
    return [d.values(shape), d.integers(rest, -3, 9, d.pick("float32", "int32", "float64"))]


# --- shapes -----------------------------------------------------------------------------------------
@spec("Reshape")
def reshape(d):
    shape = d.shape()
    total = int(np.prod(shape))
    d.params["shape"] = d.pick((-1,), (0, -1), (-2,), (-3, -2), (total,), (-1, 1), (0, -2), (-4, 1, -1, -2), (-4, -1, 1, -2),
                               (1, -2), (-2, 1), (0, -3, -2))
    d.params["reverse"] = d.chance(0.3)
    return [d.values(shape)]


@spec("expand_dims")
def expand_dims(d):
    shape = d.shape()
    d.params["axis"] = d.between(-len(shape) - 1, len(shape))
    return [d.values(shape)]


@spec("squeeze")
def squeeze(d):
    shape = list(d.shape())
    at = d.axis(shape)
    shape[at] = 1
    if d.chance(0.7):
        d.params["axis"] = d.pick(at, (at,))
    return [d.values(shape)]


@spec("reshape_like")
def reshape_like(d):
    shape = d.shape()
    if d.chance(0.5):
        return [d.values(shape), d.values((int(np.prod(shape)),))]
    d.params.update(lhs_begin=0, lhs_end=d.pick(len(shape), None), rhs_begin=0, rhs_end=2)
    return [d.values(shape), d.values((1, int(np.prod(shape)), 3))]


@spec("transpose")
def transpose(d):
    shape = d.shape(1, 6)
    if d.chance(0.8):
        d.params["axes"] = tuple(int(a) for a in d.rng.permutation(len(shape)))
    return [d.values(shape)]


@spec("SwapAxis")
def swap_axis(d):
    shape = d.shape()
    d.params.update(dim1=d.axis(shape), dim2=d.axis(shape))
    return [d.values(shape)]


@spec("reverse")
def reverse(d):
    shape = d.shape()
    d.params["axis"] = d.pick(d.axis(shape), d.axes(shape, 1))
    return [d.values(shape)]


@spec("space_to_depth", "depth_to_space")
def block_of_space(d):
    b = d.between(1, 3)
    d.params["block_size"] = b
    n, c, h, w = (d.between(1, 3) for _ in range(4))
    return [d.values((n, c, h * b, w * b) if d.record["name"][0] == "s" else (n, c * b * b, h, w))]


@spec("Concat", "_rnn_param_concat")
def concat(d):
    shape = d.shape()
    axis = d.axis(shape)
    d.params["dim"] = axis
    shapes = []
    for _ in range(d.between(1, 4)):
        s = list(shape)
        s[axis] = d.extent("small") if d.size != "large" else s[axis]
        shapes.append(s)
    return [d.values(s) for s in shapes]


@spec("stack")
def stack(d):
    shape = d.shape()
    d.params["axis"] = d.between(-len(shape) - 1, len(shape))
    return [d.values(shape) for _ in range(d.between(1, 4))]


@spec("SliceChannel")
def slice_channel(d):
    squeezed = d.chance(0.3)
    shape = list(d.shape(2 if squeezed else 1))
    axis, parts = d.axis(shape), d.between(1, 3)
    shape[axis] = parts * (1 if squeezed else d.between(1, 3))
    d.params.update(axis=axis, num_outputs=parts, squeeze_axis=squeezed)
    return [d.values(shape)]


@spec("_split_v2")
def split_v2(d):
    shape = list(d.shape())
    axis, parts = d.axis(shape), d.between(1, 3)
    shape[axis] = parts * d.between(1, 3)
    if d.chance(0.5):
        d.params.update(indices=(), sections=parts, axis=axis)
    else:
        inner = sorted({d.between(1, max(1, shape[axis] - 1)) for _ in range(2)})
        d.params.update(indices=(0, *inner), axis=axis)
    return [d.values(shape)]


def interval(d, extent):
    """begin, end, step of a slice that takes something."""
    step = d.pick(None, 1, 2, -1, -2)
    begin, end = sorted((d.between(0, extent - 1), d.between(1, extent))) if extent else (None, None)
    if begin == end:
        end = None if begin is None else begin + 1
    if step is not None and step < 0:
        return (None, None, step) if d.chance(0.5) or begin is None else (end - 1, begin - 1 if begin else None, step)
    begin = d.pick(begin, begin - extent if begin and begin < extent else None)
    return begin, d.pick(end, None), step


@spec("slice", "_slice_assign", "_slice_assign_scalar")
def slices(d):
    shape = d.shape()
    parts = [interval(d, e) for e in shape[:d.between(1, len(shape))]]
    begin, end, step = zip(*parts)
    d.params.update(begin=begin, end=end)
    if any(s is not None for s in step):
        d.params["step"] = step
    x = d.values(shape)
    if d.record["name"] == "_slice_assign_scalar":
        d.params["scalar"] = d.pick(0.0, 1.0, 2.0)
    if d.record["name"] != "_slice_assign":
        return [x]
    taken = np.empty(shape)[tuple(slice(*p) for p in parts)].shape
    return [x, d.values(taken)]


@spec("slice_axis")
def slice_axis(d):
    shape = d.shape()
    axis = d.axis(shape)
    begin = d.between(0, max(0, shape[axis] - 1))
    end = d.pick(None, d.between(begin + 1, max(begin + 1, shape[axis])))
    d.params.update(axis=axis, begin=d.pick(begin, begin - shape[axis] if shape[axis] else begin), end=end)
    return [d.values(shape)]


@spec("slice_like")
def slice_like(d):
    shape = d.shape()
    smaller = tuple(d.between(1, e) if e else 0 for e in shape)
    if d.chance(0.5):
        d.params["axes"] = d.axes(shape, 1)
    return [d.values(shape), d.values(smaller)]


@spec("Crop")
def crop(d):
    n, c, h, w = (d.extent("small") for _ in range(4))
    d.params["center_crop"] = d.chance(0.4)
    inner = (d.between(1, h), d.between(1, w))
    if not d.params["center_crop"]:
        d.params["offset"] = (d.between(0, h - inner[0]), d.between(0, w - inner[1]))
    x = d.values((n, c, h, w))
    if d.chance(0.5):
        d.params["num_args"] = 2
        return [x, d.values((n, d.extent("small"), *inner))]
    d.params.update(num_args=1, h_w=inner)
    return [x]


@spec("repeat")
def repeat(d):
    shape = d.shape()
    d.params["repeats"] = d.between(1, 3)
    if d.chance(0.7):
        d.params["axis"] = d.axis(shape)
    return [d.values(shape)]


@spec("tile")
def tile(d):
    d.params["reps"] = tuple(d.between(1, 3) for _ in range(d.between(1, 4)))
    return [d.values(d.shape())]


@spec("Pad")
def pad(d):
    d.params["mode"] = d.pick("constant", "edge", "reflect")
    shape = tuple(d.between(3, 6) for _ in range(d.pick(4, 5)))
    width = [0, 0, 0, 0]
    for _ in shape[2:]:
        width += [d.between(0, 2), d.between(0, 2)]
    d.params["pad_width"] = tuple(width)
    if d.params["mode"] == "constant":
        d.params["constant_value"] = d.pick(0.0, 1.5, -2.0)
    return [d.values(shape)]


@spec("diag")
def diag(d):
    shape = d.shape(1, 4)
    d.params["k"] = d.between(-2, 2)
    if len(shape) > 2:
        a, b = (int(v) for v in d.rng.permutation(len(shape))[:2])
        d.params.update(axis1=a, axis2=b - (len(shape) if d.chance(0.3) else 0))
    if len(shape) == 1 and d.size == "large":
        shape = (31,)
    return [d.values(shape)]


# --- indexing ---------------------------------------------------------------------------------------
INDEX = ("float32", "int32", "int64", "float64")


@spec("take")
def take(d):
    shape = d.shape()
    axis = d.axis(shape)
    mode = d.pick("clip", "wrap", "raise")
    d.params.update(axis=axis, mode=mode)
    outside = 0 if mode == "raise" else 4
    return [d.values(shape), d.integers(d.small(1, 3), -outside, max(0, shape[axis] - 1) + outside, d.pick(*INDEX))]


@spec("batch_take")
def batch_take(d):
    n, m = d.extent(), d.extent()
    return [d.values((n, m)), d.integers((n,), -2, m + 1, "int32")]


@spec("Embedding")
def embedding(d):
    d.floating()
    n, m = d.between(1, 7), d.between(1, 40)
    d.params.update(input_dim=n, output_dim=m, dtype=d.dtype)
    return [d.integers(d.small(1, 3), -2, n + 1, d.pick("float32", "int32", d.dtype)), d.values((n, m))]


@spec("one_hot")
def one_hot(d):
    depth = d.between(1, 6)
    d.params["depth"] = depth
    d.draw_params(())
    return [d.integers(d.small(1, 3), -2, depth + 1, d.pick(*INDEX))]


@spec("gather_nd")
def gather_nd(d):
    shape = d.small(1, 4)
    m = d.between(1, len(shape))
    rest = d.small(1, 2)
    rows = ", ".join(d.integers(rest, 0, e - 1) for e in shape[:m])
    return [d.values(shape), f"np.stack([{rows}])"]


@spec("scatter_nd", "_scatter_set_nd")
def scatter_nd(d):
    shape = d.small(1, 4)
    m = d.between(1, len(shape))
    n = d.between(1, int(np.prod(shape[:m])))
    places = f"np.stack(np.unravel_index(rng({d.between(0, 999)}).permutation({int(np.prod(shape[:m]))})[:{n}], {shape[:m]}))" \
             f".astype('{d.pick('int32', 'int64', d.dtype)}')"
    d.params["shape"] = shape
    values = d.values((n, *shape[m:]))
    return [values, places] if d.record["name"] == "scatter_nd" else [d.values(shape), values, places]


@spec("_contrib_boolean_mask")
def boolean_mask(d):
    shape = d.shape()
    return [d.values(shape), d.integers(shape[:1], 0, 1, d.pick("float32", "int32"))]


@spec("_ravel_multi_index")
def ravel(d):
    shape = d.small(1, 4)
    d.params["shape"] = shape
    n = d.between(1, 6)
    return [f"np.stack([{', '.join(d.integers((n,), 0, e - 1, d.dtype) for e in shape)}])"]


@spec("_unravel_index")
def unravel(d):
    shape = d.small(1, 4)
    d.params["shape"] = shape
    return [d.integers((d.between(1, 6),), 0, min(100, int(np.prod(shape)) - 1))]


@spec("_contrib_index_copy")
def index_copy(d):
    shape = d.small(1, 3)
    n = d.between(1, shape[0])
    return [d.values(shape), f"rng({d.between(0, 99)}).permutation({shape[0]})[:{n}].astype('{d.pick('int32', 'int64', 'float32')}')",
            d.values((n, *shape[1:]))]


@spec("_histogram")
def histogram(d):
    d.grads = False
    x = d.values(d.shape())
    if d.chance(0.5):
        d.params.update(bin_cnt=d.between(1, 6), range=(-1.5, 1.5))
        return [x]
    return [x, f"np.sort(rng({d.between(0, 99)}).uniform(-2, 2, ({d.between(2, 6)},))).astype('{d.dtype}')"]


@spec("khatri_rao")
def khatri_rao(d):
    columns = d.extent("small")
    return [d.values((d.extent("small"), columns)) for _ in range(d.between(1, 3))]


@spec("fill_element_0index")
def fill_element(d):
    d.bindable = False
    n, m = d.extent("small"), d.extent("small")
    return [d.values((n, m)), d.values((n,)), d.integers((n,), 0, m - 1)]


@spec("_onehot_encode")
def onehot_encode(d):
    d.bindable = False
    n, m = d.extent("small"), d.extent("small")
    return [d.integers((n,), 0, m - 1), d.values((n, m))]


# --- layers -----------------------------------------------------------------------------------------
@spec("Convolution", "Convolution_v1", "Deconvolution", "im2col", "col2im",
      "_contrib_DeformableConvolution", "_contrib_ModulatedDeformableConvolution")
def convolution(d):
    d.floating()
    name = d.record["name"]
    deconvolution, columns, deformable = name == "Deconvolution", name in ("im2col", "col2im"), "Deformable" in name
    rank = 2 if columns or deformable or name[-1] == "1" else d.pick(1, 2, 2, 2, 3)
    kernel = tuple(d.between(1, 3) for _ in range(rank))
    d.params["kernel"] = kernel
    for key, most in (("stride", 3), ("dilate", 2)):
        if d.chance(0.5):
            d.params[key] = tuple(d.between(1, most) for _ in range(rank))
    if d.chance(0.5):
        d.params["pad"] = tuple(d.between(0, (k - 1) if deconvolution else 2) for k in kernel)
    if d.chance(0.3):  # windows of which some lie outside the data are a mistake
        space = tuple(d.between(1, 5) for _ in range(rank))
    else:
        space = tuple(d.between(5, 12) for _ in range(rank))
    n, groups = d.between(1, 3), d.pick(1, 1, 1, 2, 3)
    channels = groups * d.between(1, 3) * d.pick(1, 1, 8)
    if columns:
        if name == "im2col":
            return [d.values((n, channels, *space))]
        sizes = [(e + 2 * p - dl * (k - 1) - 1) // s + 1 for e, p, dl, k, s in zip(
            space, d.params.get("pad", (0,) * rank), d.params.get("dilate", (1,) * rank), kernel, d.params.get("stride", (1,) * rank))]
        d.params["output_size"] = space
        return [d.values((n, channels * int(np.prod(kernel)), max(1, int(np.prod(sizes)))))]
    filters = groups * d.between(1, 3) * d.pick(1, 1, 8)
    d.params.update(num_filter=filters, no_bias=d.chance(0.5))
    if groups > 1:
        d.params["num_group"] = groups
    if deconvolution and d.chance(0.3):
        d.params["adj"] = tuple(d.between(0, s - 1) for s in d.params.get("stride", (1,) * rank))
    if deconvolution and d.chance(0.15):
        d.params["target_shape"] = tuple(e * s for e, s in zip(space, d.params.get("stride", (1,) * rank)))
    weight = (channels, filters // groups, *kernel) if deconvolution else (filters, channels // groups, *kernel)
    inputs = [d.values((n, channels, *space), -1, 1)]
    if deformable:
        sizes = [max(1, (e + 2 * p - dl * (k - 1) - 1) // s + 1) for e, p, dl, k, s in zip(
            space, d.params.get("pad", (0,) * rank), d.params.get("dilate", (1,) * rank), kernel, d.params.get("stride", (1,) * rank))]
        k = int(np.prod(kernel))
        inputs.append(d.values((n, 2 * k, *sizes), -1.3, 1.3))
        if "Modulated" in name:
            inputs.append(d.values((n, k, *sizes), 0, 1))
    inputs.append(d.values(weight, -1, 1))
    if not d.params["no_bias"]:
        inputs.append(d.values((filters,), -1, 1))
    d.scale = 4.0
    return inputs


@spec("Pooling", "Pooling_v1")
def pooling(d):
    old = d.record["name"] == "Pooling_v1"
    rank = 2 if old else d.pick(1, 2, 2, 2, 3)
    kind = d.pick("max", "avg", "sum") if old else d.pick("max", "avg", "sum", "lp")
    d.params.update(pool_type=kind, pooling_convention=d.pick("valid", "valid", "full"))
    kernel = tuple(d.between(1, 3) for _ in range(rank))
    if d.chance(0.15):
        d.params["global_pool"] = True
    d.params["kernel"] = kernel
    if d.chance(0.6):
        d.params["stride"] = tuple(d.between(1, 3) for _ in range(rank))
    if d.chance(0.5):
        d.params["pad"] = tuple(d.between(0, k - 1) for k in kernel)
    if kind == "lp":
        d.params["p_value"] = d.pick(1, 2, 3)
    if kind == "avg" and d.chance(0.5) and not old:
        d.params["count_include_pad"] = d.chance(0.5)
    shape = (d.between(1, 3), d.pick(1, 3, 16), *[d.between(3, 11) for _ in range(rank)])
    # Distinct numbers: of equal ones, kernels take different ones as the largest.
    return [f"(rng({d.between(0, 999)}).permutation({int(np.prod(shape))}).reshape({shape}) / {int(np.prod(shape))} * 3 - 1.5)"
            f".astype('{d.dtype}')" if kind == "max" and d.dtype in ("float32", "float64") else d.values(shape, -1.5, 1.6)]


@spec("FullyConnected")
def fully_connected(d):
    d.floating()
    shape = d.small(1, 4) if d.size != "empty" else d.shape(2, 3)
    hidden = d.between(1, 20)
    d.params.update(num_hidden=hidden, no_bias=d.chance(0.5), flatten=d.chance(0.5))
    features = int(np.prod(shape[1:])) if d.params["flatten"] else shape[-1]
    return [d.values(shape), d.values((hidden, features)), d.values((hidden,))][:2 if d.params["no_bias"] else 3]


@spec("dot")
def dot(d):
    d.floating()
    ta, tb = d.chance(0.3), d.chance(0.3)
    inner = d.extent()
    a, b = (*d.small(0, 2), inner), (inner, *d.small(0, 2))
    d.params.update(transpose_a=ta, transpose_b=tb)
    # Transposed, the contracted axis is the first of lhs, and the last of rhs.
    a = (a[-1], *a[:-1]) if ta else a
    b = (*b[1:], b[0]) if tb else b
    return [d.values(a), d.values(b)]


@spec("batch_dot", "_linalg_gemm2", "_linalg_gemm")
def batch_dot(d):
    name = d.record["name"]
    d.floating(*(("float32", "float64") if "gemm" in name else ()))
    ta, tb = d.chance(0.4), d.chance(0.4)
    batch = d.small(1, 1) if name == "batch_dot" else d.small(0, 2)
    n, k, m = d.extent(), d.extent(), d.extent()
    d.params.update(transpose_a=ta, transpose_b=tb)
    a, b = (k, n) if ta else (n, k), (m, k) if tb else (k, m)
    inputs = [d.values((*batch, *a)), d.values((*batch, *b))]
    if "gemm" in name:
        d.params["alpha"] = d.pick(1.0, 0.5, -2.0)
    if name == "_linalg_gemm":
        d.params["beta"] = d.pick(1.0, 0.0, 0.5)
        inputs.append(d.values((*batch, n, m)))
    return inputs


@spec("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU")
def batch_norm(d):
    d.floating()
    name = d.record["name"]
    shape = d.shape(2, 5) if d.size != "large" else (8, 5, 40, 41)
    if name == "BatchNorm_v1":
        shape = d.shape(4, 4)
        d.by_name = True
    axis = d.axis(shape) if name in ("BatchNorm", "_contrib_BatchNormWithReLU") and d.chance(0.4) else 1
    d.params.update(fix_gamma=d.chance(0.5), eps=d.pick(1e-3, 1e-2), momentum=d.pick(0.9, 0.5))
    if axis != 1:
        d.params["axis"] = axis
    if d.chance(0.3):
        d.params["use_global_stats"] = True
    if name == "_contrib_SyncBatchNorm":
        d.params["key"] = f"k{d.between(0, 10**9)}"  # under one key, MXNet waits for others of one shape
    c = (shape[axis],)
    kind = "float32" if d.dtype == "float16" else d.dtype
    return [d.values(shape, -1, 3), d.values(c, 0.5, 1.5, kind), d.values(c, -1, 1, kind), d.values(c, -0.5, 0.5, kind),
            d.values(c, 0.5, 2, kind)]


@spec("LayerNorm", "GroupNorm", "InstanceNorm")
def norm(d):
    d.floating()
    name = d.record["name"]
    shape = d.shape(2 if name == "LayerNorm" else 3, 4)
    axis = 1
    if name == "LayerNorm":
        axis = d.axis(shape)
        d.params["axis"] = axis
    if name == "GroupNorm":
        groups = d.between(1, 3)
        shape = (shape[0], groups * d.between(1, 3), *shape[2:])
        d.params["num_groups"] = groups
    d.params["eps"] = d.pick(1e-3, 1e-2)
    d.scale = 4.0
    each = d.params.get("num_groups", shape[axis])
    return [d.values(shape, -1, 3), d.values((each,), 0.5, 1.5), d.values((each,), -1, 1)]


@spec("L2Normalization")
def l2_normalization(d):
    d.floating()
    d.params["mode"] = d.pick("instance", "channel", "spatial")
    d.params["eps"] = d.pick(1e-10, 1e-3)
    return [d.values(d.shape(3 if d.params["mode"] != "instance" else 2, 4), 0.1, 2)]


@spec("LRN")
def lrn(d):
    d.floating("float32", "float32", "float64")
    d.params.update(nsize=d.pick(1, 3, 5), alpha=d.pick(1e-4, 0.1), beta=d.pick(0.75, 0.5), knorm=d.pick(1.0, 2.0))
    return [d.values((d.between(1, 3), d.between(1, 9), d.extent("small"), d.extent("small")))]


@spec("softmax", "log_softmax", "softmin")
def softmax(d):
    shape = d.shape()
    d.floating()
    axis = d.axis(shape)
    d.params["axis"] = axis
    if d.chance(0.3):
        d.params["temperature"] = d.pick(0.5, 2.0, 1.0)
    if d.chance(0.2):
        d.params["dtype"] = d.pick("float32", "float64", "float16")
    x = d.values(shape, -3, 3)
    if d.chance(0.3):
        d.params["use_length"] = True
        rest = [e for i, e in enumerate(shape) if i != axis % len(shape)]
        if rest:
            return [x, d.integers(rest, 1, max(1, shape[axis]), d.pick("int32", "int64"))]
        del d.params["use_length"]
    return [x]


@spec("SoftmaxActivation")
def softmax_activation(d):
    d.floating()
    d.params["mode"] = d.pick("instance", "channel")
    return [d.values(d.shape(2 if d.params["mode"] == "instance" else 3, 4), -3, 3)]


@spec("SoftmaxOutput")
def softmax_output(d):
    d.floating()
    shape = d.shape(2, 4)
    for key, value in (("grad_scale", d.pick(1.0, 0.5)), ("normalization", d.pick("null", "batch", "valid")), ("use_ignore", True),
                       ("smooth_alpha", 0.1), ("out_grad", True), ("ignore_label", 0.0)):
        if d.chance(0.3):
            d.params[key] = value
    form = d.pick("flat", "flat", "multi", "keep", "soft")
    k = shape[1]
    if form == "multi":
        d.params["multi_output"] = True
        label = (shape[0], *shape[2:])
    elif form == "keep":
        d.params["preserve_shape"] = True
        label, k = shape[:-1], shape[-1]
    elif form == "soft":
        return [d.values(shape, -3, 3), d.values(shape, 0, 1)]
    else:
        shape = shape[:2]
        label = shape[:1]
    return [d.values(shape, -3, 3), d.integers(label, 0, max(0, k - 1))]


@spec("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput")
def regression(d):
    d.floating()
    d.params["grad_scale"] = d.pick(1.0, 0.5)
    shape = d.shape(1, 3)
    return [d.values(shape), d.values(shape, 0, 1)]


@spec("SVMOutput", "softmax_cross_entropy")
def classes(d):
    d.floating()
    n, k = d.extent(), d.extent()
    if d.record["name"] == "SVMOutput":
        d.draw_params(())
    return [d.values((n, k)), d.integers((n,), 0, k - 1)]


@spec("reset_arrays", "multi_all_finite", "multi_sum_sq", "amp_multicast", "add_n")
def several(d):
    if d.record["name"] == "amp_multicast":
        d.params["cast_narrow"] = d.chance(0.5)
        kinds = [d.pick("float32", "float64", "float16") if d.chance(0.3) else d.dtype for _ in range(d.between(1, 4))]
        return [d.values(d.shape(), dtype=k) for k in kinds]
    if d.record["name"] == "add_n":
        return [d.values(shape) for shape in [d.shape()] * d.between(1, 4)]
    d.floating("float32", "float32", "float64", "float16")
    d.bindable = d.record["name"] != "reset_arrays"  # which has no output
    return [d.values(d.shape()) for _ in range(d.between(1, 4))]


@spec("Activation")
def activation(d):
    d.params["act_type"] = d.pick("relu", "sigmoid", "tanh", "softrelu", "softsign")
    return [d.values(d.shape(), -4, 4)]


@spec("LeakyReLU")
def leaky_relu(d):
    d.floating()
    d.params["act_type"] = d.pick("leaky", "elu", "selu", "gelu", "prelu", "rrelu")
    if d.chance(0.5):
        d.params["slope"] = d.pick(0.1, 0.3)
    shape = d.shape(2, 4)
    return [d.values(shape), d.values((d.pick(shape[1], 1),), 0.1, 0.5)][:2 if d.params["act_type"] == "prelu" else 1]


@spec("Dropout")
def dropout(d):
    d.floating()
    shape = d.shape()
    d.params["p"] = d.pick(0.0, 0.3, 0.5)
    d.params["mode"] = d.pick("training", "always")
    return [d.values(shape)]


@spec("SequenceMask", "SequenceLast", "SequenceReverse")
def sequence(d):
    shape = d.shape(2 if d.record["name"] != "SequenceReverse" else 3, 4)
    axis = d.pick(0, 1) if d.record["name"] != "SequenceReverse" else 0
    d.params["use_sequence_length"] = d.chance(0.7)
    if axis:
        d.params["axis"] = 1
    if d.record["name"] == "SequenceMask" and d.chance(0.5):
        d.params["value"] = d.pick(-1.0, 2.0)
    x = d.values(shape)
    if not d.params["use_sequence_length"]:
        return [x]
    return [x, d.integers((shape[1 - axis],), 1, max(1, min(100, shape[axis])), d.pick("float32", "int32", d.dtype))]


@spec("UpSampling")
def up_sampling(d):
    d.floating()
    scale = d.between(1, 3)
    n, c, h, w = (d.extent("small") for _ in range(4))
    d.params.update(scale=scale, sample_type=d.pick("nearest", "nearest", "bilinear"))
    if d.params["sample_type"] == "bilinear":
        d.params.update(num_filter=c, num_args=2)
        k = 2 * scale - scale % 2
        return [d.values((n, c, h, w)), d.values((c, 1, k, k))]
    count = d.between(1, 3)
    d.params["num_args"] = count
    if count > 1:
        d.params["multi_input_mode"] = d.pick("concat", "sum")
    return [d.values((n, c, h, w)) for _ in range(count)]


# --- images -----------------------------------------------------------------------------------------
def picture(d):
    """Bytes or float32, of one to four channels."""
    d.dtype, d.grads, d.bindable, d.special = d.pick("uint8", "float32"), False, False, False  # MXNet's stand in no graph
    shape = (d.between(1, 12), d.between(1, 12), d.between(1, 4))
    return d.integers(shape, 0, 255) if d.dtype == "uint8" else d.values(shape, 0, 255)


@spec("_cvimresize")
def cvimresize(d):
    d.params.update(w=d.between(1, 30), h=d.between(1, 30), interp=d.between(0, 1) if d.chance(0.5) else 3)
    return [picture(d)]


@spec("_cvcopyMakeBorder")
def cv_copy_make_border(d):
    d.params.update({side: d.between(0, 5) for side in ("top", "bot", "left", "right")}, type=d.between(0, 4))
    if d.chance(0.5):
        d.params["value"] = d.pick(0.0, 3.0, 300.0, -1.0)
    return [picture(d)]
