"""What PyTorch says for our operators, and how large the large case is where a longer first axis will not do.

`T` is torch, in the process that has it. Tensors come in the order of our inputs; parameters of the row are
keywords, which most functions here know by heart: a row of tests/ops fixes them.
"""
import numpy as np

T = F = None


def use(torch):
    global T, F
    T, F = torch, torch.nn.functional


def same(name):
    return lambda *x: getattr(T, name)(*x)


PEERS = {name: same(name) for name in (
    "abs sign square sqrt rsqrt reciprocal ceil floor trunc exp expm1 log log10 log2 log1p relu sigmoid tanh sin cos tan "
    "arcsin arccos arctan sinh cosh arcsinh arccosh arctanh erf erfinv negative logical_not zeros_like ones_like "
    "digamma").split()}
PEERS |= {ours: same(theirs) for ours, theirs in {
    "fix": "trunc", "rint": "round", "degrees": "rad2deg", "radians": "deg2rad", "gammaln": "lgamma", "_hypot": "hypot",
    "_maximum": "maximum", "_minimum": "minimum", "_power": "pow", "_mod": "remainder", "_copy": "clone", "_equal": "eq",
    "_not_equal": "ne", "_greater": "gt", "_greater_equal": "ge", "_lesser": "lt", "_lesser_equal": "le",
    "_logical_and": "logical_and", "_logical_or": "logical_or", "_logical_xor": "logical_xor", "_grad_add": "add",
    "elemwise_add": "add", "elemwise_sub": "sub", "elemwise_mul": "mul", "elemwise_div": "div", "dot": "matmul",
    "batch_dot": "bmm", "sum": "sum", "mean": "mean", "prod": "prod", "max": "max", "min": "min", "nansum": "nansum",
    "_linalg_inverse": "inverse", "_linalg_det": "det", "_linalg_slogdet": "slogdet",
    "argmax": "argmax", "argmin": "argmin",
}.items()}
PEERS |= {f"_{ours}_scalar": theirs for ours, theirs in {
    "plus": lambda a, scalar: a + scalar, "minus": lambda a, scalar: a - scalar, "rminus": lambda a, scalar: scalar - a,
    "mul": lambda a, scalar: a * scalar, "div": lambda a, scalar: a / scalar, "rdiv": lambda a, scalar: scalar / a,
    "power": lambda a, scalar: a ** scalar, "rpower": lambda a, scalar: scalar ** a, "mod": lambda a, scalar: a % scalar,
    "maximum": lambda a, scalar: a.clamp(min=scalar), "minimum": lambda a, scalar: a.clamp(max=scalar),
    "equal": lambda a, scalar: a == scalar, "not_equal": lambda a, scalar: a != scalar,
    "greater": lambda a, scalar: a > scalar, "greater_equal": lambda a, scalar: a >= scalar,
    "lesser": lambda a, scalar: a < scalar, "lesser_equal": lambda a, scalar: a <= scalar}.items()}
PEERS |= {f"broadcast_{name}": same(theirs) for name, theirs in {
    "add": "add", "sub": "sub", "mul": "mul", "div": "div", "power": "pow", "mod": "remainder", "hypot": "hypot",
    "maximum": "maximum", "minimum": "minimum", "equal": "eq", "not_equal": "ne", "greater": "gt", "lesser": "lt",
    "greater_equal": "ge", "lesser_equal": "le", "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor"}.items()}


def output_of_loss(link, slope):
    """link(data), whose gradient is slope(output, label) whatever comes from above, as a program would write it."""
    made = []

    def call(data, label, grad_scale=1.0):
        if not made:
            class Output(T.autograd.Function):
                @staticmethod
                def forward(context, data, label, scale):
                    y = link(data)
                    context.save_for_backward(y, label)
                    context.scale = scale
                    return y

                @staticmethod
                def backward(context, dy):
                    y, label = context.saved_tensors
                    of_label = T.zeros_like(label) if context.needs_input_grad[1] else None
                    return slope(y, label).mul_(context.scale), of_label, None

            made.append(Output)
        return made[0].apply(data, label, grad_scale / max(1, label[0].numel()))

    return call


def norm_layer(a, gamma, beta, mean, variance, **_):
    return F.batch_norm(a, mean, variance, gamma, beta, False, 0.1, 1e-3)


def pool(a, kernel, stride, pad=0, **_):
    return F.max_pool2d(a, kernel, stride, pad)


def rnn(x, parameters, state, cell, **_):
    net = rnn.net if getattr(rnn, "like", None) == tuple(x.shape) else None
    if net is None:
        net = rnn.net = T.nn.LSTM(x.shape[2], state.shape[2], state.shape[0])
        rnn.like = tuple(x.shape)
    return net(x, (state, cell))[0]


def grid(data, where):
    return F.grid_sample(data, where.permute(0, 2, 3, 1), align_corners=True)


def affine(data, theta, target_shape, **_):
    return F.grid_sample(data, F.affine_grid(theta.view(-1, 2, 3), (data.shape[0], data.shape[1], *target_shape),
                                             align_corners=True), align_corners=True)


PEERS |= {
    "round": lambda a: T.round(a), "softsign": lambda a: F.softsign(a), "hard_sigmoid": lambda a: F.hardsigmoid(a),
    "smooth_l1": lambda a, **_: F.smooth_l1_loss(a, T.zeros_like(a), reduction="none"), "cbrt": lambda a: a ** (1 / 3),
    "clip": lambda a, a_min, a_max: a.clamp(a_min, a_max), "Cast": lambda a, **_: a.double(),
    "amp_cast": lambda a, **_: a.half(), "add_n": lambda *x: x[0] + x[1] + x[2] + x[3],
    "where": lambda c, a, b: T.where(c, a, b), "broadcast_to": lambda a, shape: a.expand(4, 3, 5).contiguous(),
    "_contrib_quadratic": lambda x, a, b, c: a * x * x + b * x + c, "_linalg_potrf": lambda a: T.linalg.cholesky(a),
    "shuffle": lambda a: a[T.randperm(len(a))],
    "_contrib_div_sqrt_dim": lambda a: a / a.shape[-1] ** 0.5,
    "FullyConnected": lambda x, w, b, **_: F.linear(x, w, b),
    "_linalg_gemm": lambda a, b, c, alpha, beta: T.baddbmm(c, a, b, alpha=alpha, beta=beta),
    "_linalg_gemm2": lambda a, b, **_: 1.5 * (a @ b.T),
    "_linalg_trsm": lambda a, b, alpha, **_: T.linalg.solve_triangular(a, alpha * b, upper=False),
    "_linalg_syrk": lambda a, **_: a @ a.mT, "_linalg_gelqf": lambda a: T.linalg.qr(a.mT),
    "_linalg_syevd": lambda a: T.linalg.eigh(a), "_linalg_extractdiag": lambda a, **_: T.diagonal(a, 0, -2, -1).contiguous(),
    "_linalg_makediag": lambda a, **_: T.diag_embed(a),
    "Convolution": lambda x, w, b, pad=0, **_: F.conv2d(x, w, b, padding=pad),
    "Deconvolution": lambda x, w, pad=0, stride=1, **_: F.conv_transpose2d(x, w, None, stride, pad),
    "Pooling": pool, "Pooling_v1": pool, "Activation": lambda a, **_: F.relu(a),
    "LeakyReLU": lambda a, slope, **_: F.leaky_relu(a, slope), "Dropout": lambda a, p: a.clone(),
    "BatchNorm": norm_layer, "BatchNorm_v1": norm_layer, "_contrib_SyncBatchNorm": norm_layer,
    "_contrib_BatchNormWithReLU": lambda *x, **p: F.relu(norm_layer(*x, **p)),
    "softmax": lambda a: F.softmax(a, -1), "log_softmax": lambda a: F.log_softmax(a, -1),
    "softmin": lambda a: F.softmin(a, -1), "SoftmaxActivation": lambda a: F.softmax(a, -1),
    "SoftmaxOutput": lambda a, label: F.softmax(a, -1),
    "LinearRegressionOutput": output_of_loss(lambda a: a.clone(), lambda y, b: y - b),
    "LogisticRegressionOutput": output_of_loss(lambda a: T.sigmoid(a), lambda y, b: y - b),
    "MAERegressionOutput": output_of_loss(lambda a: a.clone(), lambda y, b: T.sign(y - b)),
    "softmax_cross_entropy": lambda a, label: F.cross_entropy(a, label.long(), reduction="sum"),
    "InstanceNorm": lambda a, g, b, eps: F.instance_norm(a, None, None, g, b, eps=eps),
    "LayerNorm": lambda a, g, b: F.layer_norm(a, a.shape[-1:], g, b),
    "GroupNorm": lambda a, g, b, num_groups: F.group_norm(a, num_groups),
    "L2Normalization": lambda a: F.normalize(a.flatten(1)).view_as(a),
    "LRN": lambda a, nsize, **_: F.local_response_norm(a, nsize),
    "UpSampling": lambda a, scale, **_: F.interpolate(a, scale_factor=scale, mode="nearest"),
    "SequenceMask": lambda a: a.clone(), "SequenceLast": lambda a: a[-1].clone(), "SequenceReverse": lambda a: a.flip(0),
    "norm": lambda a: T.linalg.vector_norm(a), "pick": lambda a, i: a.gather(-1, i.long().clamp(0, a.shape[-1] - 1).unsqueeze(-1)).squeeze(-1),
    "RNN": rnn, "expand_dims": lambda a, axis: a.unsqueeze(axis).clone(),
    "Reshape": lambda a, shape: a.clone(), "Flatten": lambda a: a.flatten(1).clone(), "squeeze": lambda a: a.squeeze().clone(),
    "transpose": lambda a: a.permute(*range(a.dim() - 1, -1, -1)).contiguous(),
    "SwapAxis": lambda a, dim1, dim2: a.transpose(dim1, dim2).contiguous(), "reverse": lambda a, axis: a.flip(axis),
    "depth_to_space": lambda a, block_size: F.pixel_shuffle(a, block_size).contiguous(),
    "space_to_depth": lambda a, block_size: F.pixel_unshuffle(a, block_size).contiguous(),
    "Concat": lambda *x, **_: T.cat(x, 1), "stack": lambda *x, **_: T.stack(x),
    "SliceChannel": lambda a, num_outputs: [part.contiguous() for part in a.chunk(num_outputs, 1)],
    "slice_axis": lambda a, axis, begin, end: a.narrow(axis, begin, end - begin).contiguous(),
    "Pad": lambda a, **_: F.pad(a, (3, 0, 1, 2), value=1.5), "repeat": lambda a, repeats: a.flatten().repeat_interleave(repeats),
    "tile": lambda a, reps: a.repeat(*reps), "diag": lambda a: T.diag(a).clone(),
    "take": lambda a, i: a[i.long().clamp(0, len(a) - 1)], "Embedding": lambda i, w, **_: F.embedding(i.long(), w),
    "one_hot": lambda i, depth: F.one_hot(i.long().clamp(0, depth - 1), depth).float(), "sort": lambda a: T.sort(a)[0],
    "argsort": lambda a: T.argsort(a), "topk": lambda a, k: T.topk(a, k)[1], "_np_cumsum": lambda a: a.flatten().cumsum(0),
    "im2col": lambda a, kernel: F.unfold(a, kernel), "col2im": lambda a, output_size, kernel: F.fold(a, output_size, kernel),
    "BilinearSampler": grid, "SpatialTransformer": affine,
    "GridGenerator": lambda a, target_shape, **_: F.affine_grid(a.view(-1, 2, 3), (len(a), 1, *target_shape), align_corners=True),
    "_contrib_AdaptiveAvgPooling2D": lambda a, **_: F.adaptive_avg_pool2d(a, 1),
    "_contrib_BilinearResize2D": lambda a, height, width: F.interpolate(a, (height, width), mode="bilinear", align_corners=True),
    "_contrib_fft": lambda a: T.view_as_real(T.fft.fft(a)),
    "_contrib_ifft": lambda a: T.fft.ifft(T.view_as_complex(a.view(len(a), -1, 2))).real,
    "sgd_update": lambda w, g, lr: w.add_(g, alpha=-lr),
    "sgd_mom_update": lambda w, g, m, lr: w.add_(m.mul_(0.0).sub_(g, alpha=lr)),
    "all_finite": lambda a: T.isfinite(a).all(), "_histogram": lambda a, bin_cnt, range: T.histogram(a, bin_cnt, range=range),
    "random_uniform": lambda shape, low, high: T.empty(shape).uniform_(low, high),
    "random_normal": lambda shape, loc, scale: T.empty(shape).normal_(loc, scale),
    "random_exponential": lambda shape, lam: T.empty(shape).exponential_(lam),
    "random_poisson": lambda shape, lam: T.poisson(T.full(shape, lam)),
    "random_randint": lambda shape, low, high: T.randint(low, high, shape),
    "_zeros": lambda shape: T.zeros(shape), "_ones": lambda shape: T.ones(shape),
    "_full": lambda shape, value: T.full(shape, value), "_eye": lambda N, M, k: T.eye(N, M),
    "_image_to_tensor": lambda a: (a.permute(2, 0, 1) / 255).contiguous(),
    "_image_normalize": lambda a, mean, std: (a - T.tensor(mean).view(3, 1, 1)) / T.tensor(std).view(3, 1, 1),
    "_image_flip_left_right": lambda a: a.flip(1), "_image_flip_top_bottom": lambda a: a.flip(0),
    "_image_resize": lambda a, size, **_: F.interpolate(a.permute(2, 0, 1)[None], size[::-1], mode="bilinear")[0]
    .permute(1, 2, 0).contiguous(),
    "_contrib_quantize_v2": lambda a, min_calib_range=-1.0, max_calib_range=1.0, **_:
        T.quantize_per_tensor(a, max_calib_range / 127, 0, T.qint8),
}


def spd(n, batch):
    def matrix(rng):
        a = rng.normal(size=(batch, n, n)).astype("float32")
        return a @ a.transpose(0, 2, 1) / n + np.eye(n, dtype="float32")
    return matrix


def whole(most, shape):
    return lambda rng: rng.integers(0, most, shape).astype("float32")


ONE, VECTOR = (1024, 1024), (1 << 20,)
PICTURE = [(8, 32, 56, 56)]
CHANNELS = [(32,)] * 4
LSTM = {"mode": "lstm", "state_size": 256, "num_layers": 1}

# The large case: (inputs, parameters).
LARGE = {name: ([ONE], {}) for name in (
    "sum mean max min prod nansum nanprod norm argmax argmin sort transpose softmax log_softmax softmin SoftmaxActivation relu "
    "sign round rint logical_not diag squeeze argsort erfinv").split()}
LARGE |= {name: ([ONE, ONE], {}) for name in (
    "elemwise_add _equal _not_equal _greater _greater_equal _lesser _lesser_equal _logical_and _logical_or _logical_xor").split()}
LARGE |= {f"broadcast_{name}": ([(1024, 1, 32), (32, 32)], {}) for name in (
    "add sub mul div mod hypot maximum minimum equal not_equal greater greater_equal lesser lesser_equal logical_and "
    "logical_or logical_xor").split()}
LARGE |= {f"_{name}_scalar": ([ONE], {"scalar": 1.5}) for name in (
    "mul div equal not_equal greater greater_equal lesser lesser_equal").split()}
LARGE |= {f"random_{name}": ([], {"shape": VECTOR, **more}) for name, more in {
    "uniform": {"low": 0, "high": 1}, "normal": {"loc": 0, "scale": 1}, "exponential": {"lam": 4.0}, "poisson": {"lam": 3.0},
    "randint": {"low": -5, "high": 5}, "gamma": {"alpha": 2.5, "beta": 2.0},
    "negative_binomial": {"k": 3, "p": 0.4}, "generalized_negative_binomial": {"mu": 2.0, "alpha": 0.3}}.items()}
LARGE |= {name: (PICTURE + [(32,), (32,), (32,), lambda rng: np.ones(32, "float32")], {"fix_gamma": False, **more})
          for name, more in {"BatchNorm": {}, "BatchNorm_v1": {}, "_contrib_SyncBatchNorm": {"key": "all"},
                             "_contrib_BatchNormWithReLU": {}}.items()}
LARGE |= {
    "where": ([lambda rng: rng.integers(0, 2, ONE).astype("float32"), ONE, ONE], {}),
    "FullyConnected": ([(256, 1024), (1024, 1024), (1024,)], {"num_hidden": 1024}), "dot": ([(512, 512), (512, 512)], {}),
    "batch_dot": ([(64, 64, 64), (64, 64, 64)], {}), "_linalg_gemm2": ([(512, 512), (512, 512)], {"transpose_b": True, "alpha": 1.5}),
    "_linalg_gemm": ([(16, 128, 128)] * 3, {"alpha": 2.0, "beta": 0.5}),
    "Convolution": ([(8, 64, 28, 28), (64, 64, 3, 3), (64,)], {"kernel": (3, 3), "pad": (1, 1), "num_filter": 64}),
    "Convolution_v1": ([(8, 64, 28, 28), (64, 64, 3, 3), (64,)], {"kernel": (3, 3), "pad": (1, 1), "num_filter": 64}),
    "Deconvolution": ([(4, 64, 14, 14), (64, 32, 4, 4)], {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_filter": 32}),
    "Pooling": (PICTURE, {"kernel": (2, 2), "stride": (2, 2), "pool_type": "max"}),
    "Pooling_v1": (PICTURE, {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": "max"}),
    "InstanceNorm": (PICTURE + [(32,), (32,)], {"eps": 1e-3}), "LayerNorm": ([ONE, (1024,), (1024,)], {}),
    "GroupNorm": (PICTURE + [(8,), (8,)], {"num_groups": 8}), "LRN": (PICTURE, {"nsize": 5}),
    "L2Normalization": ([ONE], {}), "UpSampling": (PICTURE, {"scale": 2, "sample_type": "nearest", "num_args": 1}),
    "SoftmaxOutput": ([ONE, whole(1024, 1024)], {}), "softmax_cross_entropy": ([ONE, whole(1024, 1024)], {}),
    "RNN": ([(32, 16, 256), (4 * 256 * (256 + 256 + 2),), (1, 16, 256), (1, 16, 256)], LSTM),
    "Reshape": ([ONE], {"shape": (512, 2048)}), "Embedding": ([whole(5000, (64, 64)), (5000, 256)],
                                                             {"input_dim": 5000, "output_dim": 256}),
    "take": ([(5000, 256), whole(5000, (4096,))], {}), "one_hot": ([whole(256, (4096,))], {"depth": 256}),
    "pick": ([ONE, whole(1024, 1024)], {}), "topk": ([ONE], {"k": 8}), "Concat": ([(256, 1024)] * 3, {}),
    "stack": ([(256, 1024)] * 3, {}), "transpose": ([(64, 128, 128)], {}), "SwapAxis": ([(64, 128, 128)], {"dim1": 0, "dim2": 2}),
    "BilinearSampler": ([(8, 16, 64, 64), (8, 2, 64, 64)], {}), "im2col": ([(8, 32, 28, 28)], {"kernel": (3, 3)}),
    "col2im": ([(8, 288, 676)], {"output_size": (28, 28), "kernel": (3, 3)}),
    "SpatialTransformer": ([(8, 16, 64, 64), (8, 6)],
                           {"target_shape": (64, 64), "transform_type": "affine", "sampler_type": "bilinear"}),
    "GridGenerator": ([(64, 6)], {"transform_type": "affine", "target_shape": (64, 64)}),
    "_contrib_BilinearResize2D": ([(8, 32, 56, 56)], {"height": 80, "width": 80}), "_contrib_AdaptiveAvgPooling2D": (PICTURE, {}),
    "_contrib_fft": ([(512, 1024)], {}), "_contrib_ifft": ([(512, 2048)], {}), "repeat": ([ONE], {"repeats": 2}),
    "_linalg_potrf": ([spd(64, 32)], {}), "_linalg_inverse": ([spd(64, 32)], {}), "_linalg_det": ([spd(64, 32)], {}),
    "_linalg_slogdet": ([spd(64, 32)], {}), "_linalg_syevd": ([spd(64, 8)], {}), "_linalg_gelqf": ([spd(64, 16)], {}),
    "_linalg_syrk": ([(16, 128, 128)], {}), "_linalg_makediag": ([(64, 128)], {"offset": 0}),
    "_linalg_extractdiag": ([(64, 128, 128)], {"offset": 0}), "_histogram": ([ONE], {"bin_cnt": 64, "range": (-1.0, 1.0)}),
    "_zeros": ([], {"shape": ONE}), "_ones": ([], {"shape": ONE}), "_full": ([], {"shape": ONE, "value": 2.5}),
    "_eye": ([], {"N": 1024, "M": 1024, "k": 0}), "_image_resize": ([(480, 640, 3)], {"size": (224, 224), "interp": 1}),
    "_image_to_tensor": ([(480, 640, 3)], {}), "_image_random_hue": ([(480, 640, 3)], {"min_factor": 0.25, "max_factor": 0.25}),
    "_image_normalize": ([(8, 3, 224, 224)], {"mean": (0.5, 0.25, 0.125), "std": (0.5, 0.75, 2)}),
    "_contrib_quantize_v2": ([ONE], {"out_type": "int8", "min_calib_range": -1.0, "max_calib_range": 1.0}),
    "Crop": ([(8, 32, 56, 56)], {"h_w": (40, 40), "offset": (1, 2)}),
    "Pad": ([(8, 32, 56, 56)], {"mode": "constant", "pad_width": (0, 0, 0, 0, 1, 2, 3, 0), "constant_value": 1.5}),
}
# A small case in the place of the first row of tests/ops.
SMALL = {
    "RNN": ([(4, 2, 8), (4 * 8 * 18,), (1, 2, 8), (1, 2, 8)], {"mode": "lstm", "state_size": 8, "num_layers": 1}),
}

# Why one may take longer than 1.5 times what PyTorch does: printed with the row.
REASONS = {
    **dict.fromkeys(("random_randint", "shuffle"), "numbers that depend on the seed and the place alone, for any count of threads"),
    **dict.fromkeys(("Flatten", "expand_dims", "Dropout"), "PyTorch's gradient is the one from above, seen in another shape; ours is written"),
    **{f"broadcast_{name}": "rows of 32 numbers are laid out in a buffer before the loop reads them" for name in (
        "add", "sub", "mul", "div", "maximum", "minimum")},
}
# NumPy's name where it has the operator and the row's reference is not it.
NUMPY = ("abs sign square sqrt exp log log10 log2 log1p expm1 ceil floor trunc rint sin cos tan arcsin arccos arctan sinh cosh "
         "tanh arcsinh arccosh arctanh elemwise_add elemwise_sub elemwise_mul elemwise_div broadcast_add broadcast_mul _maximum "
         "_minimum _power dot batch_dot sum mean max min prod argmax argmin sort argsort transpose Concat stack where clip "
         "tile repeat reverse _plus_scalar _mul_scalar").split()
