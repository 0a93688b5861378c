"""Numbers of 8 bits."""
import functools

import numpy as np

from .case import case

LOW, HIGH = np.array([-2.0]), np.array([3.0])


def eight_bits(x, reach, is_signed, levels):
    ends = (-128, 127) if is_signed else (0, 255)
    return np.clip(np.rint(x * (levels / reach)), *ends)


def quantize(x, low, high, out_type="uint8"):
    reach = max(abs(low[0]), abs(high[0]))
    y = eight_bits(x, reach, out_type == "int8", 127 if out_type == "int8" else 255)
    return [y, [-reach], [reach]] if out_type == "int8" else [y, low, high]


def quantize_v2(x, out_type="int8", min_calib_range=None, max_calib_range=None):
    low, high = (x.min(), x.max()) if min_calib_range is None else (min_calib_range, max_calib_range)
    is_signed = out_type == "int8" or out_type == "auto" and (min_calib_range is None or low < 0)
    reach = max(abs(low), abs(high))
    y = eight_bits(x, reach, is_signed, 127.5 if is_signed else 255.5)
    return [y, [-reach if is_signed else low], [reach if is_signed else high]]


def integers(kind, low, high):
    return lambda rng: rng.integers(low, high, (40, 7)).astype(kind)


def dequantize(q, low, high):
    return q * (max(abs(low[0]), abs(high[0])) / (127.5 if q.dtype == np.int8 else 255.5))


def requantize(q, low, high, out_type="int8", min_calib_range=None, max_calib_range=None):
    x = q * (max(abs(low[0]), abs(high[0])) / (2 ** 31 - 1))
    low, high = (x.min(), x.max()) if min_calib_range is None else (min_calib_range, max_calib_range)
    reach, is_signed = max(abs(low), abs(high)), out_type == "int8" or out_type == "auto" and low < 0
    return [eight_bits(x, reach, is_signed, 127 if is_signed else 255), [-reach if is_signed else 0], [reach]]


for kind in ("int8", "uint8"):
    case("_contrib_quantize", [(40, 7), LOW, HIGH], low=-4, high=4, out_type=kind, dtypes=(), ref=quantize)
    case("_contrib_quantize_v2", [(40, 7)], low=-4, high=4, out_type=kind, dtypes=(), ref=quantize_v2)
    case("_contrib_dequantize", [integers(kind, *((-128, 128) if kind == "int8" else (0, 256))), LOW, HIGH], ref=dequantize, dtypes=(), rtol=1e-6)
for kind in ("int8", "uint8", "auto"):
    case("_contrib_quantize_v2", [(40, 7)], low=-4, high=4, out_type=kind, min_calib_range=-2.0, max_calib_range=3.0, dtypes=(),
         ref=quantize_v2)
    case("_contrib_requantize", [integers("int32", -2**31, 2**31 - 1), LOW, HIGH], out_type=kind,
         min_calib_range=-1.0 if kind == "int8" else 0.0, max_calib_range=2.0, ref=requantize, dtypes=(), rtol=1e-6)
case("_contrib_quantize_v2", [(40, 7)], low=-4, high=4, out_type="auto", min_calib_range=0.0, max_calib_range=3.0, dtypes=(),
     ref=quantize_v2, label="positive")
case("_contrib_quantize_v2", [np.arange(-3, 4).astype("int8")], out_type="int8", ref=lambda x, **_: [x, [-127.5], [127.5]])
case("_contrib_requantize", [integers("int32", -2**30, 2**29), LOW, HIGH], out_type="uint8", ref=requantize, dtypes=(), rtol=1e-6, label="found")
case("_contrib_requantize", [integers("int32", -2**30, 2**29), LOW, HIGH], ref=requantize, dtypes=(), rtol=1e-6)


def calibrate_entropy(hist, edges, num_quantized_bins=255):
    def smooth(v):
        zeros, full = v == 0, np.count_nonzero(v)
        less = 1e-4 * zeros.sum() / full if full else 1
        return v + 1e-4 * zeros - less * ~zeros if less < 1 else None

    middle, best = len(hist) // 2, (np.inf, 0)
    for i in range(num_quantized_bins // 2, middle + 1):
        inner = hist[middle - i:middle + i + 1]
        p = inner.astype("float64").copy()
        p[0] += hist[:middle - i].sum()
        p[-1] += hist[middle + i + 1:].sum()
        inner = np.r_[0, inner[1:]]  # as in MXNet, the first bin is one of those that were cut off
        width, q = len(inner) // num_quantized_bins, np.zeros(len(inner))
        for k in range(num_quantized_bins):
            part = slice(k * width, (k + 1) * width if k + 1 < num_quantized_bins else None)
            q[part] = inner[part].sum() / max(1, np.count_nonzero(inner[part]))
        q[p == 0] = 0
        p, q = smooth(p), smooth(q)
        if p is None or q is None:
            continue
        p, q = p / p.sum(), q / q.sum()
        best = min(best, ((p * np.log(p / q)).sum(), edges[middle + i + 1]))
    return [[best[1]], [best[0]]]


def bell(bins):
    return np.histogram(np.random.default_rng(0).normal(size=5000), bins=bins, range=(-4, 4))[0].astype("float32")


for bins, levels in ((301, 31), (1001, 255), (35, 7)):
    case("_contrib_calibrate_entropy", [bell(bins), np.linspace(-4, 4, bins + 1)], num_quantized_bins=levels, dtypes=(), grad=False,
         rtol=1e-4, ref=calibrate_entropy)


# --- operators on numbers of 8 bits ---------------------------------------------------------------
def bits(kind, *shape):
    return lambda rng: rng.integers(*((-128, 128) if kind == "int8" else (0, 256)), shape).astype(kind)


def ends(low, high):
    return [np.array([low], "float32"), np.array([high], "float32")]


def reach(low, high):
    return max(abs(float(low[0])), abs(float(high[0])))


def levels(q):
    return 127.5 if q.dtype == np.int8 else 255.5


def quantize_asym(x, min_calib_range=None, max_calib_range=None):
    low, high = (x.min(), x.max()) if min_calib_range is None else (min_calib_range, max_calib_range)
    scale = 255 / (high - low) if high > low else 1
    shift = 255 - high * scale
    return [np.clip(np.rint(x * scale + shift), 0, 255), [scale], [shift]]


CRASHES = "not asked: MXNet's kernel reads wild memory"
case("_contrib_quantize_asym", [(40, 7)], low=-1, high=3, dtypes=(), ref=quantize_asym, rtol=1e-6, witness=CRASHES)
case("_contrib_quantize_asym", [(40, 8)], low=-1, high=3, dtypes=(), min_calib_range=-0.5, max_calib_range=2.0, ref=quantize_asym, rtol=1e-6,
     witness=CRASHES)
case("_contrib_quantize_asym", [np.array([[2.0, 2.0]])], ref=lambda x: [[[255, 255]], [1], [253]], dtypes=(), label="constant",
     witness=CRASHES)
case("_contrib_quantize_asym", [np.arange(-3, 4).astype("int8")], ref=lambda x: [x.astype(int) + 128, [1], [128]], label="int8", witness=CRASHES)
case("_contrib_quantize_asym", [np.arange(7).astype("uint8")], ref=lambda x: [x, [1], [0]], label="uint8", witness=CRASHES)


def range_of_sums(x, data, weight):
    step = reach(*data) / (127 if x.dtype == np.int8 else 255) * (reach(*weight) / 127)
    return [[-step * 2.0 ** 31], [step * 2.0 ** 31]]


def sums_with_bias(x, given, sums):
    """The inputs after the weight: a bias in steps of the sums, and ranges."""
    if len(given) == 4:
        return [sums, *range_of_sums(x, given[:2], given[2:])]
    bias, data, weight, own = given[0], given[1:3], given[3:5], given[5:]
    step = reach(*data) / levels(x) * (reach(*weight) / 127.5)
    return [sums + np.rint(bias * (reach(*own) / 127.5 / step)).astype(int), *range_of_sums(x, data, weight)]


def quantized_conv(x, w, *given, kernel, stride=None, pad=None, dilate=None, num_group=1, **_):
    n = len(kernel)
    stride, pad, dilate = stride or (1,) * n, pad or (0,) * n, dilate or (1,) * n
    whole = np.pad(x.astype("int64"), [(0, 0), (0, 0)] + [(p, p) for p in pad])
    out = [(whole.shape[2 + i] - dilate[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(n)]
    y = np.zeros((x.shape[0], w.shape[0], *out), "int64")
    f, c = w.shape[0] // num_group, w.shape[1]
    for g in range(num_group):
        for tap in np.ndindex(*kernel):
            at = tuple(slice(t * d, t * d + s * (o - 1) + 1, s) for t, d, s, o in zip(tap, dilate, stride, out))
            part = whole[(slice(None), slice(g * c, (g + 1) * c), *at)]
            y[:, g * f:(g + 1) * f] += np.einsum("nc...,fc->nf...", part, w[(slice(g * f, (g + 1) * f), slice(None), *tap)].astype("int64"))
    if len(given) == 4:
        return sums_with_bias(x, given, y)
    bias = given[0].reshape((-1,) + (1,) * n)
    return sums_with_bias(x, (bias, *given[1:]), y)


def quantized_fully_connected(x, w, *given, flatten=True, **_):
    rows = x.reshape(len(x), -1) if flatten else x
    return sums_with_bias(x, given, rows.astype("int64") @ w.astype("int64").T)


of_8_bits = functools.partial(case, dtypes=())  # ranges are float32
RANGES = [*ends(-1, 2), *ends(-0.5, 0.25)]
SATURATES = "not asked: MXNet's kernel takes uint8 alone, adds pairs of products in 16 bits, which saturate, and gives twice the range"
CUT_OFF = "MXNet cuts off the bias in steps of the sums, which is rounded here"
for kind in ("int8", "uint8"):
    for n, kernel, more in ((2, (3, 3), {}), (5, (3, 2), {"stride": (2, 1), "pad": (1, 1), "dilate": (1, 2)}), (1, (3,), {"pad": (2,)}),
                            (2, (1, 1), {}), (2, (2, 3, 2), {"pad": (1, 0, 1)})):
        shape = [n, 4, *(7, 6, 5)[:len(kernel)]]
        of_8_bits("_contrib_quantized_conv", [bits(kind, *shape), bits("int8", 8, 4, *kernel), *RANGES], kernel=kernel, num_filter=8, no_bias=True,
             **more, ref=quantized_conv, witness=SATURATES)
    of_8_bits("_contrib_quantized_conv", [bits(kind, 2, 4, 6, 5), bits("int8", 6, 2, 3, 3), bits("int8", 6), *RANGES, *ends(-0.317, 0.1)],
         kernel=(3, 3), num_filter=6, num_group=2, pad=(1, 1), ref=quantized_conv, label="bias", witness=SATURATES)
    # The sums of these do not fit the 24 bits of a float.
    of_8_bits("_contrib_quantized_conv", [np.full((1, 96, 5, 5), 127 if kind == "int8" else 255, kind), np.full((33, 96, 3, 3), 127, "int8"), *RANGES],
         kernel=(3, 3), num_filter=33, no_bias=True, ref=quantized_conv, rtol=1e-9, atol=1e-2, label="large", witness=SATURATES)
    of_8_bits("_contrib_quantized_fully_connected", [bits(kind, 3, 2, 5), bits("int8", 6, 10), *RANGES], num_hidden=6, no_bias=True,
         ref=quantized_fully_connected)
    of_8_bits("_contrib_quantized_fully_connected", [bits(kind, 3, 2, 5), bits("int8", 6, 5), bits("int8", 6), *RANGES, *ends(-0.317, 0.1)],
         num_hidden=6, flatten=False, ref=quantized_fully_connected, witness=CUT_OFF)
    of_8_bits("_contrib_quantized_fully_connected", [bits(kind, 2, 64), bits("int8", 70, 64), bits("int8", 70), *RANGES, *ends(-0.317, 0.1)],
         num_hidden=70, ref=quantized_fully_connected, witness=CUT_OFF)


def quantized_pooling(x, low, high, pool_type="max", kernel=(), stride=None, pad=None, global_pool=False, pooling_convention="valid",
                      count_include_pad=True, **_):
    n = x.ndim - 2
    if global_pool:
        kernel, stride, pad = x.shape[2:], (1,) * n, (0,) * n
    stride, pad = stride or (1,) * n, pad or (0,) * n
    extra = [x.shape[2 + i] + 2 * pad[i] - kernel[i] for i in range(n)]
    out = [(-(-e // s) if pooling_convention == "full" else e // s) + 1 for e, s in zip(extra, stride)]
    y = np.zeros((*x.shape[:2], *out))
    for at in np.ndindex(*out):
        start = [a * s - p for a, s, p in zip(at, stride, pad)]
        end = [min(b + k, x.shape[2 + i] + pad[i]) for i, (b, k) in enumerate(zip(start, kernel))]
        part = x[(slice(None), slice(None), *(slice(max(b, 0), e) for b, e in zip(start, end)))].astype(float)
        size = np.prod([e - b for b, e in zip(start, end)]) if count_include_pad else part[0, 0].size
        axes = tuple(range(2, 2 + n))
        y[(slice(None), slice(None), *at)] = part.max(axes) if pool_type == "max" else np.rint(part.sum(axes) / size)
    return [y, low, high]


for kind in ("int8", "uint8"):
    for pool_type in ("max", "avg"):
        for more in ({}, {"pad": (1, 1), "stride": (2, 1)}, {"pad": (1, 1), "count_include_pad": False}, {"global_pool": True}):
            of_8_bits("_contrib_quantized_pooling", [bits(kind, 2, 3, 7, 6), *ends(-1, 2)], kernel=(3, 3), pool_type=pool_type, **more, ref=quantized_pooling)
        of_8_bits("_contrib_quantized_pooling", [bits(kind, 2, 3, 6, 6), *ends(-1, 2)], kernel=(3, 3), stride=(2, 2), pool_type=pool_type,
             pooling_convention="full", ref=quantized_pooling, label="full",
             witness=True if pool_type == "max" else "MXNet divides by the whole window where that is cut off; its Pooling of floats does not")
    of_8_bits("_contrib_quantized_act", [bits(kind, 4, 5), *ends(-1, 2)], act_type="relu", ref=lambda x, *r, **_: [np.maximum(x, 0), *r],
         witness=True if kind == "int8" else "MXNet gives int8 for uint8, and negative numbers for large ones")
    for shape in ((2, 3, 4), (5,)):
        of_8_bits("_contrib_quantized_flatten", [bits(kind, *shape), *ends(-1, 2)], ref=lambda x, *r: [x.reshape(len(x), -1), *r])


def quantized_concat(*given, num_args, dim=1):
    tensors, ranges = given[:num_args], [given[i:i + 2] for i in range(num_args, 3 * num_args, 2)]
    low, high = min(r[0][0] for r in ranges), max(r[1][0] for r in ranges)
    is_signed = any(t.dtype == np.int8 for t in tensors)
    top = (127.5 if is_signed else 255.5) / max(abs(low), abs(high))
    moved = [np.clip(np.rint(t * (reach(*r) / levels(t) * top)), -128 if is_signed else 0, 127 if is_signed else 255)
             for t, r in zip(tensors, ranges)]
    return [np.concatenate(moved, dim), [low], [high]]


of_8_bits("_contrib_quantized_concat", [bits("int8", 2, 3), bits("int8", 2, 5), *ends(-1, 2), *ends(-0.5, 0.25)], num_args=2, ref=quantized_concat)
of_8_bits("_contrib_quantized_concat", [bits("uint8", 2, 3, 2), bits("uint8", 4, 3, 2), bits("uint8", 1, 3, 2), *ends(0, 2), *ends(0, 0.25), *ends(0, 2)],
     num_args=3, dim=0, ref=quantized_concat)
of_8_bits("_contrib_quantized_concat", [bits("uint8", 2, 3), bits("int8", 2, 5), *ends(0, 2), *ends(-0.5, 0.25)], num_args=2, ref=quantized_concat)


def quantized_add(a, b, *r, min_calib_range=None, max_calib_range=None):
    total = a * (reach(*r[:2]) / levels(a)) + b * (reach(*r[2:]) / levels(b))
    if min_calib_range is None:
        most = reach(*r[:2]) + reach(*r[2:])
        return [np.rint(total / most * (2.0 ** 31 - 1)), [-most], [most]]
    is_signed = np.int8 in (a.dtype, b.dtype)
    top = (127.5 if is_signed else 255.5) / max(abs(min_calib_range), abs(max_calib_range))
    return [np.clip(np.rint(total * top), -128 if is_signed else 0, 127 if is_signed else 255), [min_calib_range], [max_calib_range]]


def quantized_mul(a, b, *r, min_calib_range=None, max_calib_range=None, enable_float_output=False):
    product, step = a.astype(int) * b, reach(*r[:2]) / levels(a) * (reach(*r[2:]) / levels(b))
    if enable_float_output:
        return product * step
    if min_calib_range is None:
        return [product, *range_of_sums(a, r[:2], r[2:])] if b.dtype == np.int8 else \
            [product, [-step * (255.5 / 255) ** 2 * 2.0 ** 31], [step * (255.5 / 255) ** 2 * 2.0 ** 31]]
    top = 127.5 / max(abs(min_calib_range), abs(max_calib_range))
    return [np.clip(np.rint(product * step * top), -128, 127), [min_calib_range], [max_calib_range]]


CALIBRATED = {"min_calib_range": -1.0, "max_calib_range": 1.5}
for a, b in (("int8", "int8"), ("uint8", "uint8"), ("uint8", "int8")):
    for more in ({}, CALIBRATED):
        of_8_bits("_contrib_quantized_elemwise_add", [bits(a, 4, 5), bits(b, 4, 5), *RANGES], **more, ref=quantized_add, rtol=1e-6, atol=0 if more else 512,
             witness="MXNet loses a scale, or a bit of uint8 where that meets int8" if a != b else True)
for a, b in (("int8", "int8"), ("uint8", "uint8")):
    for more in ({}, CALIBRATED, {"enable_float_output": True}):
        of_8_bits("_contrib_quantized_elemwise_mul", [bits(a, 4, 5), bits(b, 4, 5), *RANGES], **more, ref=quantized_mul, rtol=1e-6,
             witness="not asked: eager calls fail in MXNet, and in its graphs calibrated products are cut off, not rounded")


def quantized_batch_norm(x, gamma, beta, mean, var, low, high, eps=1e-3, fix_gamma=True, axis=1, min_calib_range=None, max_calib_range=None):
    def of(v):
        return v.reshape([-1 if d == axis else 1 for d in range(x.ndim)])

    y = (x * (reach(low, high) / levels(x)) - of(mean)) / np.sqrt(of(var) + eps) * (1 if fix_gamma else of(gamma)) + of(beta)
    top = 127.5 / max(abs(min_calib_range), abs(max_calib_range))
    return [np.clip(np.rint(y * top), -128, 127), [min_calib_range], [max_calib_range]]


for kind in ("int8", "uint8"):
    for more in ({"fix_gamma": False}, {"axis": 2, "eps": 0.01}):
        of_8_bits("_contrib_quantized_batch_norm", [bits(kind, 2, 3, 3, 2), *(np.array(v) for v in ([1.5, 2, 0.5], [0.1, 0.25, -0.35], [0.2, -0.1, 0.3], [1.1, 2, 0.6])),
                                               *ends(-1, 2)], min_calib_range=-3.0, max_calib_range=2.0, **more, ref=quantized_batch_norm,
             witness="not asked: oneDNN rounds its scales, which moves some numbers by a step")
of_8_bits("_contrib_quantized_embedding", [np.array([[0, 3], [1, 2]], "float32"), bits("int8", 4, 5), *ends(-1, 2)], input_dim=4, output_dim=5,
     ref=lambda at, w, *r, **_: [w[at.astype(int)], *r])


def quantized_rnn(x, parameters, h, c, scale, shift, state_size, num_layers, bidirectional=False, state_outputs=False, mode="lstm",
                  lstm_state_clip_min=None, lstm_state_clip_max=None):
    n, directions, at = state_size, 1 + bidirectional, 0
    widths = [x.shape[2]] + [directions * n] * (num_layers - 1)

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return parameters[at - int(np.prod(shape)):at].reshape(shape)

    def rows(w):
        step = np.abs(w).max(1, keepdims=True) / 127
        return np.rint(w / step) * step

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    weights = [[(rows(take(4 * n, width)), rows(take(4 * n, n))) for _ in range(directions)] for width in widths]
    biases = [[take(4 * n) + take(4 * n) for _ in range(directions)] for _ in widths]
    line, ends = (x - shift) / scale, ([], [])
    for layer in range(num_layers):
        given = []
        for d in range(directions):
            state, memory = h[layer * directions + d], c[layer * directions + d]
            (wx, wh), out = weights[layer][d], [None] * len(x)
            for t in range(len(x))[::-1 if d else 1]:
                gates = line[t] @ wx.T + np.rint(state * 127) / 127 @ wh.T + biases[layer][d]
                i, f, g, o = np.split(gates, 4, -1)
                memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
                if lstm_state_clip_min is not None:
                    memory = np.clip(memory, lstm_state_clip_min, lstm_state_clip_max)
                state = out[t] = sigmoid(o) * np.tanh(memory)
            given.append(np.stack(out))
            ends[0].append(state)
            ends[1].append(memory)
        exact = np.concatenate(given, -1)
        line = np.rint(exact * 127) / 127
    return [exact, np.stack(ends[0]), np.stack(ends[1])] if state_outputs else [exact]


for layers, both, more in ((1, False, {}), (2, True, {"state_outputs": True}), (1, True, {"lstm_state_clip_min": -0.2, "lstm_state_clip_max": 0.1, "state_outputs": True})):
    directions, hidden = 1 + both, 6
    count = directions * 4 * hidden * (5 + hidden + (layers - 1) * (directions + 1) * hidden + 2 * layers)
    of_8_bits("_contrib_quantized_rnn", [bits("uint8", 7, 3, 5), (count,), *[(layers * directions, 3, hidden)] * 2, *ends(60.0, 120.0)], low=-0.7, high=0.7,
              state_size=hidden, num_layers=layers, bidirectional=both, mode="lstm", **more, ref=quantized_rnn, grad=False, rtol=1e-4, atol=1e-4,
              witness="not asked: MXNet's oneDNN has no kernel that brings its weights in order")
