"""Layers: linear, convolution, pooling, activations, normalisations, softmax and losses."""
import itertools
import math

import numpy as np

from .case import case


def each(value, rank, default):
    return tuple(value) if value else (default,) * rank


# --- products -----------------------------------------------------------------------------------
def fully_connected(x, w, b=None, flatten=True, **_):
    y = (x.reshape(len(x), -1) if flatten else x) @ w.T
    return y if b is None else y + b


case("FullyConnected", [(4, 7), (3, 7), (3,)], num_hidden=3, ref=fully_connected)
case("FullyConnected", [(4, 7), (3, 7)], num_hidden=3, no_bias=True, ref=fully_connected)
case("FullyConnected", [(4, 2, 5), (3, 10), (3,)], num_hidden=3, ref=fully_connected)
case("FullyConnected", [(2, 4, 5), (3, 5), (3,)], num_hidden=3, flatten=False, ref=fully_connected)
case("FullyConnected", [(1, 40), (33, 40), (33,)], num_hidden=33, label="one", ref=fully_connected)
case("FullyConnected", [(64, 70), (50, 70), (50,)], num_hidden=50, label="larger", ref=fully_connected, grad=False)


def dot(a, b, transpose_a=False, transpose_b=False):
    a = np.moveaxis(a, 0, -1) if transpose_a else a
    b = np.moveaxis(b, -1, 0) if transpose_b else b
    return np.atleast_1d(np.tensordot(a, b, 1))


def batch_dot(a, b, transpose_a=False, transpose_b=False, **_):
    return (a.swapaxes(-1, -2) if transpose_a else a) @ (b.swapaxes(-1, -2) if transpose_b else b)


case("dot", [(3, 4), (4, 5)], ref=dot)
case("dot", [(4, 3), (4, 5)], transpose_a=True, ref=dot)
case("dot", [(3, 4), (5, 4)], transpose_b=True, ref=dot)
case("dot", [(4, 3), (5, 4)], transpose_a=True, transpose_b=True, ref=dot)
case("dot", [(6,), (6,)], label="vectors", ref=dot)
case("dot", [(3, 4), (4,)], label="vector", ref=dot)
case("dot", [(2, 3, 4), (4, 2, 2)], label="tensors", ref=dot)
case("batch_dot", [(5, 3, 4), (5, 4, 2)], ref=batch_dot)
case("batch_dot", [(2, 4, 3), (2, 4, 2)], transpose_a=True, ref=batch_dot)
case("batch_dot", [(2, 3, 4), (2, 2, 4)], transpose_b=True, ref=batch_dot)
case("batch_dot", [(2, 4, 3), (2, 2, 4)], transpose_a=True, transpose_b=True, ref=batch_dot)
case("_linalg_gemm", [(2, 3, 4), (2, 4, 5), (2, 3, 5)], alpha=2.0, beta=0.5,
     ref=lambda a, b, c, **_: 2 * (a @ b) + 0.5 * c, dtypes=("float64",))
case("_linalg_gemm2", [(3, 4), (5, 4)], transpose_b=True, alpha=1.5,
     ref=lambda a, b, **_: 1.5 * (a @ b.T), dtypes=("float64",))


# --- windows ------------------------------------------------------------------------------------
def convolution(x, w, b=None, kernel=(), stride=(), pad=(), dilate=(), num_group=1, **_):
    rank = len(kernel)
    stride, dilate, pad = each(stride, rank, 1), each(dilate, rank, 1), each(pad, rank, 0)
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in pad])
    out = [(x.shape[2 + i] - dilate[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(rank)]
    y = np.zeros((x.shape[0], w.shape[0], *out), x.dtype)
    per, filters = w.shape[1], w.shape[0] // num_group
    for g in range(num_group):
        for tap in itertools.product(*map(range, kernel)):
            window = tuple(slice(tap[i] * dilate[i], tap[i] * dilate[i] + (out[i] - 1) * stride[i] + 1, stride[i])
                           for i in range(rank))
            part = x[(slice(None), slice(g * per, (g + 1) * per)) + window]
            weight = w[(slice(g * filters, (g + 1) * filters), slice(None)) + tap]
            y[:, g * filters:(g + 1) * filters] += np.moveaxis(np.tensordot(weight, part, (1, 1)), 0, 1)
    return y if b is None else y + b.reshape(-1, *[1] * rank)


for op in ("Convolution", "Convolution_v1"):
    case(op, [(2, 3, 6, 5), (4, 3, 3, 2), (4,)], kernel=(3, 2), num_filter=4, ref=convolution)
    case(op, [(2, 4, 7, 6), (6, 2, 3, 3), (6,)], kernel=(3, 3), num_filter=6, num_group=2, stride=(2, 1),
         pad=(1, 2), ref=convolution)
case("Convolution", [(1, 2, 9, 8), (3, 2, 3, 3)], kernel=(3, 3), num_filter=3, dilate=(2, 2), pad=(1, 1), no_bias=True,
     ref=convolution)
case("Convolution", [(2, 3, 9), (4, 3, 3), (4,)], kernel=(3,), num_filter=4, stride=(2,), pad=(1,), label="1d",
     ref=convolution)
case("Convolution", [(1, 3, 1, 4, 5), (2, 3, 1, 1, 1)], kernel=(1, 1, 1), num_filter=2, stride=(3, 1, 1), pad=(1, 2, 0), no_bias=True,
     label="padding", ref=convolution)
case("Convolution", [(1, 2, 4, 5, 4), (3, 2, 2, 3, 2), (3,)], kernel=(2, 3, 2), num_filter=3, pad=(1, 1, 0), label="3d",
     ref=convolution)
case("Convolution", [(16, 3, 8, 8), (5, 3, 3, 3), (5,)], kernel=(3, 3), num_filter=5, pad=(1, 1), label="batch",
     grad=False, ref=convolution)
case("Convolution", [(2, 32, 10, 10), (16, 32, 3, 3)], kernel=(3, 3), num_filter=16, pad=(1, 1), no_bias=True,
     label="channels", grad=False, ref=convolution)


def fused_convolution(*inputs, sum=False, activation="none", low=0, high=0, **params):
    inputs = list(inputs)
    addend = inputs.pop() if sum else 0
    y = convolution(*inputs, **params) + addend
    return y if activation == "none" else np.clip(y, *((0, np.inf) if activation == "relu" else (low, high))).astype(y.dtype)


for more in (dict(activation="relu"), dict(activation="clip", low=-0.25, high=1.5), dict(sum=True), dict(sum=True, activation="relu")):
    addend = [(2, 4, 4, 4)] if "sum" in more else []
    case("_fused_convolution", [(2, 3, 6, 5), (4, 3, 3, 2), (4,), *addend], kernel=(3, 2), num_filter=4, **more, witness="absent",
         label="_".join(map(str, more)), ref=fused_convolution)
case("_fused_convolution", [(1, 32, 10, 10), (64, 32, 3, 3), (1, 64, 10, 10)], kernel=(3, 3), num_filter=64, pad=(1, 1), no_bias=True, sum=True,
     activation="relu", label="blocked", witness="absent", ref=fused_convolution)


def folded(w, *rest, eps, fix_gamma=True, no_bias=False):
    b, (gamma, beta, mean, variance) = (0, rest) if no_bias else (rest[0], rest[1:])
    scale = (1 if fix_gamma else gamma) / np.sqrt(variance + eps)
    return [(w.T * scale).T, beta + scale * (b - mean)]


case("_fold_normalization", [(4, 3, 2, 2), (4,), (4,), (4,), (4,), lambda rng: rng.uniform(0.5, 2, 4).astype("float32")], eps=1e-3, fix_gamma=False,
     witness="absent", ref=folded)
case("_fold_normalization", [(5, 7), (5,), (5,), (5,), lambda rng: rng.uniform(0.5, 2, 5).astype("float32")], eps=1e-5, no_bias=True,
     witness="absent", ref=folded)


def fused_fully_connected(*inputs, sum=False, activation="none", low=0, high=0, **params):
    inputs = list(inputs)
    addend = inputs.pop() if sum else 0
    y = fully_connected(*inputs, **params) + addend
    return y if activation == "none" else np.clip(y, *((0, np.inf) if activation == "relu" else (low, high))).astype(y.dtype)


for more in (dict(activation="relu"), dict(activation="clip", low=-0.25, high=1.5), dict(sum=True), dict(sum=True, activation="relu")):
    addend = [(5, 9)] if "sum" in more else []
    case("_fused_fully_connected", [(5, 4), (9, 4), (9,), *addend], num_hidden=9, **more, witness="absent", label="_".join(map(str, more)),
         ref=fused_fully_connected)
case("_fused_fully_connected", [(2, 3, 4), (5, 4), (2, 3, 5)], num_hidden=5, flatten=False, no_bias=True, sum=True, witness="absent", label="three",
     ref=fused_fully_connected)


def adding_backward(dy, x, w, *rest, num_hidden, no_bias=False, flatten=True):
    rows = x.reshape(x.shape[0], -1) if flatten else x.reshape(-1, x.shape[-1])
    d = dy.reshape(-1, num_hidden)
    grads = [(d @ w).reshape(x.shape), rest[0] + d.T @ rows]
    return grads if no_bias else [*grads, d.sum(0)]


case("_adding_backward_FullyConnected", [(5, 9), (5, 2, 2), (9, 4), (9, 4)], num_hidden=9, witness="absent", ref=adding_backward)
case("_adding_backward_FullyConnected", [(2, 3, 5), (2, 3, 4), (5, 4), (5, 4)], num_hidden=5, no_bias=True, flatten=False, label="three",
     witness="absent", ref=adding_backward)


def panels(matrix):
    """So many rows side by side as the machine has lanes in two registers."""
    from heddle import _core
    wide = 2 << _core.best_isa_level()
    padded = np.pad(matrix, ((0, -len(matrix) % wide), (0, 0)))
    return padded.reshape(-1, wide, matrix.shape[1]).transpose(0, 2, 1)


for size in (3, 40):
    case("_pack_FullyConnected_weight", [(size, 7)], num_hidden=size, label=str(size), witness="absent",
         ref=lambda w, **_: panels(w).reshape(-1, w.shape[1]))


def blocks(weight, form):
    """Filters in pairs of blocks of as many as a register has lanes, or each channel's own in one; channels in blocks."""
    from heddle import _core
    wide = 1 << _core.best_isa_level()
    side = wide if form == "depthwise" else 2 * wide
    parts, taps = [], weight.reshape(*weight.shape[:2], -1)
    for k in range(0, len(taps), side):
        some = taps[k:k + side]
        some = np.pad(some, ((0, -len(some) % wide), (0, 0), (0, 0)))
        parts += [some[:, c:c + wide].transpose(2, 1, 0).ravel() for c in range(0, taps.shape[1], wide)]
    return np.concatenate(parts)


for form, shape in (("dense", (40, 20, 2, 3)), ("dense", (5, 3, 1)), ("depthwise", (40, 1, 3, 3))):
    case("_pack_Convolution_weight", [shape], form=form, label=f"{form}{len(shape)}", witness="absent", ref=blocks)


def taps_at_points(weight):
    """The filters as polynomials at 0, +-1/sqrt(2), +-sqrt(2) and infinity, with the factors of interpolation; filters in pairs of blocks."""
    from heddle import _core
    wide, a, b = 1 << _core.best_isa_level(), 0.5 ** 0.5, 2.0 ** 0.5
    to = np.array([[1, 0, 0], [-2 / 3, -2 / 3 * a, -1 / 3], [-2 / 3, 2 / 3 * a, -1 / 3], [1 / 6, b / 6, 1 / 3], [1 / 6, -b / 6, 1 / 3], [0, 0, 1]])
    there = np.einsum("ip,kcpq,jq->ijck", to, weight, to).reshape(36, weight.shape[1], -1)
    return np.concatenate([there[:, :, k:k + 2 * wide].reshape(36, -1) for k in range(0, weight.shape[0], 2 * wide)], axis=1)


for filters in (16, 48):
    case("_pack_Convolution_taps", [(filters, 5, 3, 3)], label=str(filters), witness="absent", ref=taps_at_points)


def packed_parameters(parameters, state_size, num_layers, projection_size, **_):
    """An LSTM's."""
    packed, at = [], 0
    features = (parameters.size - num_layers * (4 * state_size * (projection_size + 2) + state_size * projection_size)
                - (num_layers - 1) * 4 * state_size * projection_size) // (4 * state_size)
    for into in [features] + [projection_size] * (num_layers - 1):
        for rows, columns in [(state_size, into)] * 4 + [(state_size, projection_size)] * 4 + [(projection_size, state_size)]:
            matrix = parameters[at:at + rows * columns].reshape(rows, columns)
            at += matrix.size
            packed.append(panels(matrix).ravel())
    return np.concatenate([*packed, parameters[at:]])


for size in (5, 35):
    case("_pack_RNN_parameters", [((2 + 3) * 4 * size + 2 * (4 * size * 5 + 3 * size),)], mode="lstm", state_size=size, num_layers=2, projection_size=3,
         label=str(size), witness="absent", ref=packed_parameters)


def pooling(x, kernel=(), stride=(), pad=(), pool_type="max", global_pool=False, pooling_convention="valid",
            count_include_pad=True, p_value=2, v1=False, **_):
    rank = x.ndim - 2
    if global_pool:
        kernel, stride, pad = x.shape[2:], (1,) * rank, (0,) * rank
    stride, pad = each(stride, rank, 1), each(pad, rank, 0)
    size, out = x.shape[2:], []
    for i in range(rank):
        if pooling_convention == "same":
            out.append(math.ceil(size[i] / stride[i]))
        else:
            room = (size[i] + 2 * pad[i] - kernel[i]) / stride[i]
            out.append(1 + (math.floor(room) if pooling_convention == "valid" else math.ceil(room)))
    y = np.zeros(x.shape[:2] + tuple(out), x.dtype)
    for at in itertools.product(*map(range, out)):
        start = [at[i] * stride[i] - pad[i] for i in range(rank)]
        end = [min(start[i] + kernel[i], size[i] + pad[i]) for i in range(rank)]
        inside = [slice(max(start[i], 0), min(end[i], size[i])) for i in range(rank)]
        window = x[(slice(None), slice(None), *inside)]
        axes = tuple(range(2, x.ndim))
        if pool_type == "max":
            value = window.max(axes)
        elif pool_type == "lp":
            value = (window ** p_value).sum(axes) ** (1 / p_value)
        else:
            cells = np.prod([e - s for s, e in zip(start, end)])
            if v1:
                cells = np.prod(kernel)
            elif not count_include_pad:
                cells = np.prod(window.shape[2:])
            value = window.sum(axes) / (cells if pool_type == "avg" else 1)
        y[(slice(None), slice(None), *at)] = value
    return y


# In training mode: outside it MXNet's oneDNN kernel does not keep where the maxima were.
for kind in ("max", "avg", "sum"):
    case("Pooling", [(2, 3, 6, 6)], kernel=(2, 2), stride=(2, 2), pool_type=kind, training=True, ref=pooling)
    case("Pooling", [(2, 2, 7, 6)], kernel=(3, 2), stride=(2, 1), pad=(1, 1), pool_type=kind, training=True, ref=pooling)
    case("Pooling", [(2, 2, 6, 7)], kernel=(3, 3), stride=(2, 2), pool_type=kind, pooling_convention="full", training=True,
         ref=pooling, witness=kind != "avg" or "MXNet's gradient divides clipped windows by another count than its value")
    case("Pooling", [(2, 3, 5, 4)], kernel=(2, 2), global_pool=True, pool_type=kind, training=True, ref=pooling)
    case("Pooling_v1", [(2, 3, 6, 6)], kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type=kind,
         ref=lambda x, **p: pooling(x, v1=True, **p),
         witness=kind != "max" or "MXNet pads with zeros there, which win over negative data")
case("Pooling", [(2, 2, 5, 5)], kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False,
     ref=pooling)
case("Pooling", [(2, 3, 7)], kernel=(3,), stride=(2,), pool_type="max", pooling_convention="same", label="same",
     ref=pooling, witness="MXNet 1.9.1 fails on its own 1-D windows of this convention")
case("Pooling", [(1, 2, 4, 5, 6)], kernel=(2, 3, 2), stride=(1, 2, 2), pool_type="avg", label="3d", ref=pooling)
case("Pooling", [(2, 2, 5, 5)], kernel=(2, 2), pool_type="lp", p_value=2, low=0.2, ref=pooling)
case("Pooling", [(2, 2, 5, 5)], kernel=(2, 2), pool_type="lp", p_value=1, low=0.2, ref=pooling, label="sum")
case("Pooling", [(2, 2, 6, 6)], kernel=(3, 3), stride=(3, 3), pool_type="max", label="tiles", training=True, ref=pooling)


# --- activations --------------------------------------------------------------------------------
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


erf = np.vectorize(math.erf, otypes=["float64"])
for kind, function in (("relu", lambda x, **_: np.maximum(x, 0)), ("sigmoid", lambda x, **_: sigmoid(x)),
                       ("tanh", lambda x, **_: np.tanh(x)), ("softrelu", lambda x, **_: np.log1p(np.exp(x))),
                       ("softsign", lambda x, **_: x / (1 + np.abs(x)))):
    case("Activation", [(5, 33)], act_type=kind, low=-4, high=4, label=kind, ref=function)
case("LeakyReLU", [(5, 33)], slope=0.1, ref=lambda x, **_: np.where(x > 0, x, 0.1 * x))
case("LeakyReLU", [(5, 33)], act_type="elu", slope=0.5, label="elu", ref=lambda x, **_: np.where(x > 0, x, 0.5 * np.expm1(x)))
case("LeakyReLU", [(5, 33)], act_type="selu", label="selu", witness="MXNet's gradient is not the slope below 0, which is y + scale * alpha",
     ref=lambda x, **_: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)))
case("LeakyReLU", [(5, 33)], act_type="gelu", label="gelu", ref=lambda x, **_: x / 2 * (1 + erf(x / math.sqrt(2))))
case("LeakyReLU", [(3, 4, 5), (4,)], act_type="prelu", label="prelu",
     ref=lambda x, g, **_: np.where(x > 0, x, g.reshape(4, 1) * x))
case("LeakyReLU", [(3, 4, 5), (1,)], act_type="prelu", label="prelu_one", ref=lambda x, g, **_: np.where(x > 0, x, g * x))
case("LeakyReLU", [(5, 33)], act_type="rrelu", lower_bound=0.1, upper_bound=0.3, label="rrelu", witness="MXNet shows its mask, and in prediction its gradient multiplies by that, not by the slope",
     ref=lambda x, **_: np.where(x > 0, x, 0.2 * x))
case("Dropout", [(5, 33)], p=0.5, ref=lambda x, **_: x)
case("Dropout", [(5, 33)], p=0.0, training=True, label="none", ref=lambda x, **_: x)


# --- normalisations -----------------------------------------------------------------------------
def batch_norm(x, gamma, beta, mean, variance, eps=1e-3, fix_gamma=True, axis=1, training=False, **_):
    shape = [1] * x.ndim
    shape[axis] = -1
    if training:
        others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
        mean, variance = x.mean(others), x.var(others)
    scale = (np.ones_like(gamma) if fix_gamma else gamma) / np.sqrt(variance + eps)
    return (x - mean.reshape(shape)) * scale.reshape(shape) + beta.reshape(shape)


STATISTICS = [lambda rng: rng.uniform(0.5, 1.5, 3), (3,), (3,), lambda rng: rng.uniform(0.5, 2, 3)]
for op in ("BatchNorm", "BatchNorm_v1"):
    asked = op == "BatchNorm" or "MXNet takes the auxiliary states of this legacy operator in another way"
    case(op, [(4, 3, 5, 4), *STATISTICS], fix_gamma=False, grad=(0, 1, 2), dtypes=("float64",), ref=batch_norm, witness=asked)
    case(op, [(4, 3, 5, 4), *STATISTICS], fix_gamma=False, training=True, grad=(0, 1, 2), dtypes=("float64",),
         label="training", witness=asked, ref=lambda *a, **p: batch_norm(*a, training=True, **p))
case("BatchNorm", [(6, 4, 3), *STATISTICS], fix_gamma=False, axis=-1, eps=1e-2, training=True, grad=(0, 1, 2),
     dtypes=("float64",), label="axis", ref=lambda *a, **p: batch_norm(*a, training=True, **p))
for training in (False, True):
    given = {"fix_gamma": False, "training": training, "grad": (0, 1, 2), "dtypes": ("float64",), "label": "training" if training else None}
    case("_contrib_SyncBatchNorm", [(4, 3, 5, 4), *STATISTICS], key="all", **given,
         ref=lambda *a, fix_gamma, training=training: batch_norm(*a, training=training, fix_gamma=fix_gamma))
    case("_contrib_BatchNormWithReLU", [(4, 3, 5, 4), *STATISTICS], **given,
         witness=training or "not asked: MXNet keeps nothing for its gradient in prediction",
         ref=lambda *a, fix_gamma, training=training: np.maximum(batch_norm(*a, training=training, fix_gamma=fix_gamma), 0))

    case("_fused_batch_norm", [(4, 3, 5, 4), *STATISTICS], activation="relu", **given, witness="absent",
         ref=lambda *a, fix_gamma, activation, training=training: np.maximum(batch_norm(*a, training=training, fix_gamma=fix_gamma), 0))


# --- softmax and losses -------------------------------------------------------------------------
def softmax(x, axis=-1, temperature=None, **_):
    x = x / (temperature or 1)
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


case("softmax", [(4, 33)], ref=softmax)
case("softmax", [(3, 5, 7)], axis=1, temperature=2.0, ref=softmax)
case("softmax", [(3, 20, 4)], axis=0, label="first", ref=softmax)
case("softmax", [(4, 5), np.array([1, 5, 3, 2], "int32")], use_length=True, axis=-1, label="length", grad=(0,),
     ref=lambda x, n, **_: np.stack([np.pad(softmax(r[:k]), (0, len(r) - k)) for r, k in zip(x, n)]))
case("log_softmax", [(4, 33)], ref=lambda x, **p: np.log(softmax(x, **p)))
case("log_softmax", [(3, 5, 7)], axis=1, ref=lambda x, **p: np.log(softmax(x, **p)))
case("softmin", [(4, 9)], ref=lambda x, **p: softmax(-x, **p))
case("SoftmaxActivation", [(3, 8)], ref=lambda x, **_: softmax(x.reshape(3, -1)).reshape(x.shape))
case("SoftmaxActivation", [(3, 4, 2, 5)], label="rows", ref=lambda x, **_: softmax(x),
     witness="MXNet's gradient is that of one softmax for the whole instance")
case("SoftmaxActivation", [(3, 4, 2, 2)], mode="channel", ref=lambda x, **_: softmax(x, 1))

LABELS = np.array([1, 0, 3, 1, 2], "float32")


def softmax_output_grads(x, label, grad_scale=1, ignore_label=-1, use_ignore=False, normalization="null",
                         smooth_alpha=0, **_):
    k = x.shape[1]
    target = np.where(np.arange(k) == label[:, None], 1 - smooth_alpha, smooth_alpha / (k - 1))
    grad = (softmax(x) - target) * grad_scale
    if use_ignore:
        grad[label == ignore_label] = 0
    count = {"null": 1, "batch": len(x), "valid": max(1, (label != ignore_label).sum())}[normalization]
    return [grad / count, None]


def softmax_of_data(x, label, **_):
    return softmax(x)


case("SoftmaxOutput", [(5, 4), LABELS], ref=softmax_of_data, ref_grad=softmax_output_grads)
case("SoftmaxOutput", [(5, 4), LABELS], grad_scale=2.0, normalization="batch", ref=softmax_of_data,
     ref_grad=softmax_output_grads)
case("SoftmaxOutput", [(5, 4), LABELS], use_ignore=True, ignore_label=1, normalization="valid", ref=softmax_of_data,
     ref_grad=softmax_output_grads)
case("SoftmaxOutput", [(5, 4), LABELS], smooth_alpha=0.1, ref=softmax_of_data, ref_grad=softmax_output_grads)
case("SoftmaxOutput", [(3, 4), lambda rng: softmax(rng.normal(size=(3, 4)))], label="soft", ref=softmax_of_data,
     ref_grad=lambda x, t, **_: [softmax(x) - t, None])


def multi_output_grads(x, label, **_):
    target = np.arange(x.shape[1])[None, :, None] == label[:, None, :]
    return [(softmax(x, 1) - target) / x.shape[2], None]


case("SoftmaxOutput", [(2, 3, 4), np.array([[0, 1, 2, 0], [2, 2, 1, 0]], "float32")], multi_output=True, label="multi",
     ref=lambda x, label, **_: softmax(x, 1), ref_grad=multi_output_grads)
case("LinearRegressionOutput", [(4, 3), (4, 3)], grad_scale=2.0, ref=lambda x, label, **_: x,
     ref_grad=lambda x, label, **_: [(x - label) * 2 / 3, None])
case("LogisticRegressionOutput", [(4, 3), (4, 3)], ref=lambda x, label, **_: sigmoid(x),
     ref_grad=lambda x, label, **_: [(sigmoid(x) - label) / 3, None])
case("MAERegressionOutput", [(4, 3), (4, 3)], ref=lambda x, label, **_: x,
     ref_grad=lambda x, label, **_: [np.sign(x - label) / 3, None])
case("MakeLoss", [(4, 3)], grad_scale=0.5, normalization="batch", ref=lambda x, **_: x,
     ref_grad=lambda x, **_: [np.full_like(x, 0.5 / 4)])
case("MakeLoss", [(2, 4, 3)], normalization="batch", label="rows", ref=lambda x, **_: x, ref_grad=lambda x, **_: [np.full_like(x, 1 / 8)])
case("MakeLoss", [(4, 3)], normalization="valid", valid_thresh=0.2, ref=lambda x, **_: x,
     ref_grad=lambda x, **_: [np.full_like(x, 1 / max(1, (x > 0.2).sum()))])


def svm_grads(x, label, margin=1, regularization_coefficient=1, use_linear=False):
    target = np.arange(x.shape[1]) == label[:, None]
    room = margin - np.where(target, x, -x)
    slope = (room > 0) * (1 if use_linear else 2 * room)
    return [np.where(target, -slope, slope) * regularization_coefficient, None]


for linear in (False, True):
    case("SVMOutput", [(5, 4), LABELS], margin=0.5, regularization_coefficient=0.7, use_linear=linear,
         ref=lambda x, label, **_: x, ref_grad=svm_grads)


case("softmax_cross_entropy", [(5, 4), LABELS], grad=(0,), dtypes=("float64",),
     ref=lambda x, label, **_: -np.log(softmax(x))[np.arange(5), label.astype(int)].sum(keepdims=True))


# --- more normalisations ------------------------------------------------------------------------
def normalised(x, axes, eps):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


case("InstanceNorm", [(2, 3, 4, 5), (3,), (3,)], eps=1e-3,
     ref=lambda x, g, b, eps: normalised(x, (2, 3), eps) * g.reshape(3, 1, 1) + b.reshape(3, 1, 1), dtypes=("float64",))
case("LayerNorm", [(4, 3, 6), (6,), (6,)], ref=lambda x, g, b, **_: normalised(x, -1, 1e-5) * g + b, dtypes=("float64",))
case("LayerNorm", [(4, 5, 3), (5,), (5,)], axis=1, eps=1e-2, dtypes=("float64",),
     ref=lambda x, g, b, **_: normalised(x, 1, 1e-2) * g.reshape(5, 1) + b.reshape(5, 1))
case("GroupNorm", [(2, 4, 3, 2), (2,), (2,)], num_groups=2, dtypes=("float64",),
     ref=lambda x, g, b, **_: (normalised(x.reshape(2, 2, -1), 2, 1e-5) * g.reshape(2, 1) + b.reshape(2, 1)).reshape(x.shape))
case("L2Normalization", [(3, 4, 2)], ref=lambda x, **_: x / np.sqrt((x ** 2).sum((1, 2), keepdims=True) + 1e-10))
case("L2Normalization", [(3, 4, 5)], mode="channel", ref=lambda x, **_: x / np.sqrt((x ** 2).sum(1, keepdims=True) + 1e-10))
case("L2Normalization", [(3, 4, 5)], mode="spatial", ref=lambda x, **_: x / np.sqrt((x ** 2).sum(2, keepdims=True) + 1e-10))


def lrn(x, nsize, alpha=1e-4, beta=0.75, knorm=2.0):
    sums = np.stack([(x[:, max(0, c - nsize // 2):c + nsize // 2 + 1] ** 2).sum(1) for c in range(x.shape[1])], 1)
    return x / (knorm + alpha / nsize * sums) ** beta


case("LRN", [(2, 6, 3, 2)], nsize=3, alpha=0.5, ref=lrn)
case("LRN", [(2, 4, 3, 2)], nsize=5, alpha=0.2, beta=0.5, knorm=1.0, ref=lrn)


# --- larger planes, sequences -------------------------------------------------------------------
def deconvolution(x, w, b=None, kernel=(), stride=(), pad=(), dilate=(), adj=(), target_shape=(), num_group=1, **_):
    rank = len(kernel)
    stride, dilate = each(stride, rank, 1), each(dilate, rank, 1)
    pad, adj = list(each(pad, rank, 0)), list(each(adj, rank, 0))
    full = [stride[i] * (x.shape[2 + i] - 1) + dilate[i] * (kernel[i] - 1) + 1 for i in range(rank)]
    for i in range(rank if target_shape else 0):
        total = full[i] - target_shape[i]
        adj[i], pad[i] = total % 2, (total + 1) // 2
    y = np.zeros((x.shape[0], w.shape[1] * num_group, *[f + a for f, a in zip(full, adj)]), x.dtype)
    per, filters = x.shape[1] // num_group, w.shape[1]
    for g in range(num_group):
        for tap in itertools.product(*map(range, kernel)):
            window = tuple(slice(tap[i] * dilate[i], tap[i] * dilate[i] + (x.shape[2 + i] - 1) * stride[i] + 1, stride[i])
                           for i in range(rank))
            part = np.tensordot(w[(slice(g * per, (g + 1) * per), slice(None)) + tap], x[:, g * per:(g + 1) * per], (0, 1))
            y[(slice(None), slice(g * filters, (g + 1) * filters)) + window] += np.moveaxis(part, 0, 1)
    y = y[(slice(None), slice(None), *[slice(p, f + a - p) for p, f, a in zip(pad, full, adj)])]
    return y if b is None else y + b.reshape(-1, *[1] * rank)


case("Deconvolution", [(2, 3, 4, 3), (3, 2, 3, 3)], kernel=(3, 3), num_filter=2, ref=deconvolution)
case("Deconvolution", [(2, 4, 3, 4), (4, 3, 3, 2), (6,)], kernel=(3, 2), num_filter=6, num_group=2, stride=(2, 2),
     pad=(1, 0), adj=(1, 1), no_bias=False, ref=deconvolution)
case("Deconvolution", [(1, 2, 4, 4), (2, 3, 3, 3)], kernel=(3, 3), num_filter=3, stride=(2, 2), target_shape=(8, 7),
     ref=deconvolution, witness="MXNet's oneDNN cannot make its kernel for this target")
case("Deconvolution", [(2, 2, 5), (2, 3, 4)], kernel=(4,), num_filter=3, stride=(2,), dilate=(2,), label="1d",
     ref=deconvolution)


def nearest(*planes, scale, multi_input_mode="concat", **_):
    high, wide = planes[0].shape[2] * scale, planes[0].shape[3] * scale
    large = [p.repeat(high // p.shape[2], 2).repeat(wide // p.shape[3], 3) for p in planes]
    return np.concatenate(large, 1) if multi_input_mode == "concat" else sum(large)


case("UpSampling", [(2, 3, 2, 4)], scale=2, sample_type="nearest", num_args=1, ref=nearest)
case("UpSampling", [(2, 3, 2, 2), (2, 1, 4, 4)], scale=4, sample_type="nearest", num_args=2, ref=nearest)
case("UpSampling", [(2, 3, 2, 2), (2, 3, 4, 4)], scale=4, sample_type="nearest", num_args=2, multi_input_mode="sum",
     ref=nearest)
case("UpSampling", [(2, 2, 3, 4), (2, 1, 4, 4)], scale=2, sample_type="bilinear", num_filter=2, num_args=1,
     ref=lambda x, w, **_: deconvolution(x, w, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_group=2))

LENGTHS = np.array([1, 4, 3], "float32")


def by_sequence(function):
    """function(sequence, length) over the batch; time first unless axis says otherwise."""
    def ref(x, lengths=None, axis=0, **params):
        time_first = x if axis == 0 else x.swapaxes(0, 1)
        lengths = np.full(time_first.shape[1], len(time_first)) if lengths is None else lengths.astype(int)
        parts = [function(time_first[:, i], n, **params) for i, n in enumerate(lengths)]
        y = np.stack(parts, 1 if parts[0].ndim == x.ndim - 1 else 0)
        return y if axis == 0 or y.ndim < x.ndim else y.swapaxes(0, 1)
    return ref


mask = by_sequence(lambda s, n, value=0, **_: np.where(np.arange(len(s)).reshape(-1, *[1] * (s.ndim - 1)) < n, s, value))
last = by_sequence(lambda s, n, **_: s[n - 1])
backwards = by_sequence(lambda s, n, **_: np.concatenate([s[:n][::-1], s[n:]]))
for op, function in (("SequenceMask", mask), ("SequenceLast", last), ("SequenceReverse", backwards)):
    case(op, [(4, 3, 2)], ref=function,
         witness="not asked: it ends MXNet's process" if op == "SequenceLast" else True)
    case(op, [(4, 3, 2), LENGTHS], use_sequence_length=True, grad=(0,), ref=function)
case("SequenceMask", [(3, 4, 2), LENGTHS], use_sequence_length=True, axis=1, value=-1.5, grad=(0,), ref=mask)
case("SequenceLast", [(3, 4, 2), LENGTHS], use_sequence_length=True, axis=1, grad=(0,), ref=last)
