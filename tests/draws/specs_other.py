"""How to draw for random numbers, densities, matrices, optimizers, quantization, RNN and CTC: see specs.py."""
from .specs import spec


# --- random numbers: shapes and dtypes alone are compared ---------------------------------------------
# Parameters in their ranges: those of "random_x" are numbers, those of "sample_x" arrays.
DISTRIBUTIONS = {
    "uniform": {"low": (-2, 0), "high": (0.5, 2)}, "normal": {"loc": (-1, 1), "scale": (0.1, 2)},
    "gamma": {"alpha": (0.5, 3), "beta": (0.5, 2)}, "exponential": {"lam": (0.5, 3)}, "poisson": {"lam": (0.5, 5)},
    "negative_binomial": {"k": (1, 5), "p": (0.2, 0.9)}, "generalized_negative_binomial": {"mu": (0.5, 3), "alpha": (0.2, 1)},
}


@spec(*[f"_random_{name}{like}" for name in DISTRIBUTIONS for like in ("", "_like")])
def random_numbers(d):
    name = d.record["name"].removeprefix("_random_").removesuffix("_like")
    for key, (low, high) in DISTRIBUTIONS[name].items():
        if d.chance(0.7):
            d.params[key] = d.between(low, high) if key == "k" else d.number(low, high)
    d.floating()
    if d.record["name"].endswith("_like"):
        return [d.values(d.shape())]
    d.params["shape"] = d.small()
    if d.chance(0.5):
        d.params["dtype"] = d.pick("float32", "float64", "float16")
    return []


@spec("_random_randint")
def randint(d):
    low = d.between(-5, 5)
    d.params.update(low=low, high=low + d.between(1, 9), shape=d.small())
    if d.chance(0.5):
        d.params["dtype"] = d.pick("int32", "int64")
    return []


@spec(*[f"_sample_{name}" for name in DISTRIBUTIONS])
def samples(d):
    name = d.record["name"].removeprefix("_sample_")
    d.floating()
    if d.chance(0.7):
        d.params["shape"] = d.small(1, 2)
    if d.chance(0.5):
        d.params["dtype"] = d.pick("float32", "float64", "float16")
    shape = d.small(1, 2)
    return [d.values(shape, *limits) for limits in DISTRIBUTIONS[name].values()]


@spec("_sample_multinomial")
def multinomial(d):
    d.floating("float32", "float64")
    shape = d.small(1, 2)
    if d.chance(0.6):
        d.params["shape"] = d.small(1, 2)
    if d.chance(0.4):
        d.params["get_prob"] = True
    if d.chance(0.5):
        d.params["dtype"] = d.pick("int32", "float32", "float64")
    return [f"np.full({shape}, {1 / shape[-1]}).astype('{d.dtype}')"]


@spec("_sample_unique_zipfian")
def zipfian(d):
    d.params.update(range_max=d.between(20, 1000), shape=(d.between(1, 3), d.between(1, 9)))
    return []


@spec("_shuffle")
def shuffle(d):
    return [d.values(d.shape())]


@spec(*[f"_random_pdf_{name}" for name in (*DISTRIBUTIONS, "dirichlet")])
def densities(d):
    name = d.record["name"].removeprefix("_random_pdf_")
    d.floating("float32", "float32", "float64")
    d.params["is_log"] = d.chance(0.5)
    shape, n = d.small(1, 2), d.between(1, 5)
    d.scale = 8.0
    if name == "dirichlet":
        k = d.between(2, 4)
        total = f"rng({d.between(0, 99)}).dirichlet([2.0] * {k}, {(*shape[:1], n)}).astype('{d.dtype}')"
        return [total, d.values((*shape[:1], k), 0.5, 3)]
    sample = {"normal": (-2, 2), "uniform": (0, 0.5)}.get(name, (0.1, 3))
    whole = name == "poisson" or "binomial" in name
    x = d.integers((*shape, n), 0, 5) if whole else d.values((*shape, n), *sample)
    return [x, *[d.values(shape, *limits) for limits in DISTRIBUTIONS[name].values()]]


@spec("_contrib_hawkesll")
def hawkes(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    n, t, k = d.between(1, 3), d.between(1, 6), d.between(1, 4)
    return [d.values((n, k), 0.5, 1.5), d.values((k,), 0.1, 0.5), d.values((k,), 0.5, 3), d.values((n, k), 0, 1),
            d.values((n, t), 0.1, 1), d.integers((n, t), 0, k - 1, "int32"), d.integers((n,), 0, t), d.values((n,), 7, 9)]


# --- matrices ---------------------------------------------------------------------------------------
def regular(d, shape):
    """Well-conditioned: near a multiple of the unit matrix."""
    return f"(rng({d.between(0, 999)}).uniform(-1, 1, {shape}) + {shape[-1] + 1} * np.eye({shape[-1]})).astype('{d.dtype}')"


def positive_definite(d, shape):
    n = shape[-1]
    return f"(lambda a: a @ np.swapaxes(a, -1, -2) + {n} * np.eye({n}))(rng({d.between(0, 999)}).uniform(-1, 1, {shape})).astype('{d.dtype}')"


def triangle(d, shape, lower):
    return f"np.{'tril' if lower else 'triu'}({regular(d, shape).rsplit('.', 1)[0]}).astype('{d.dtype}')"


@spec(*[f"_linalg_{name}" for name in "potrf potri trmm trsm syrk gelqf syevd inverse det slogdet sumlogdiag".split()])
def factors(d):
    name = d.record["name"].removeprefix("_linalg_")
    d.floating("float32", "float32", "float64")
    d.special = False
    d.scale = 40.0
    batch, n, m = d.small(0, 2), d.between(1, 6), d.between(1, 6)
    lower = d.chance(0.7)
    if name in ("potrf", "potri", "trmm", "trsm") and d.chance(0.7) or not lower:
        d.params["lower"] = lower
    if name not in ("potrf", "potri", "trmm", "trsm"):
        d.params.pop("lower", None)
    if name == "potrf":
        return [positive_definite(d, (*batch, n, n))]
    if name == "potri":
        return [triangle(d, (*batch, n, n), lower)]
    if name in ("trmm", "trsm"):
        right = d.chance(0.5)
        d.params.update(rightside=right, transpose=d.chance(0.5), alpha=d.pick(1.0, 0.5, -2.0))
        return [triangle(d, (*batch, n, n), lower), d.values((*batch, *((m, n) if right else (n, m))))]
    if name == "syrk":
        d.params.update(transpose=d.chance(0.5), alpha=d.pick(1.0, 0.5, -2.0))
        return [d.values((*batch, n, m))]
    if name == "gelqf":
        return [f"(rng({d.between(0, 999)}).uniform(-0.3, 0.3, {(*batch, min(n, m), max(n, m))}) + "
                f"np.eye({min(n, m)}, {max(n, m)}) * 2).astype('{d.dtype}')"]
    if name == "syevd":  # eigenvalues far from each other
        return [f"(lambda a: a + np.swapaxes(a, -1, -2) + np.diag(4.0 * np.arange({n})))(rng({d.between(0, 999)})"
                f".uniform(-0.3, 0.3, {(*batch, n, n)})).astype('{d.dtype}')"]
    return [regular(d, (*batch, n, n))]


@spec(*[f"_linalg_{name}" for name in "extractdiag makediag extracttrian maketrian".split()])
def packed(d):
    name = d.record["name"].removeprefix("_linalg_")
    d.floating("float32", "float32", "float64")
    batch, n = d.small(0, 2), d.between(1, 5)
    offset = d.between(-1, 1) if n > 1 else 0
    if d.chance(0.6):
        d.params["offset"] = offset
    else:
        offset = 0
    lower = d.chance(0.6)
    if "trian" in name and offset == 0:
        d.params["lower"] = lower
    if name.startswith("extract"):
        return [d.values((*batch, n, n))]
    k = n - abs(offset)
    return [d.values((*batch, k * (k + 1) // 2 if name == "maketrian" else n))]


# --- optimizers -------------------------------------------------------------------------------------
def state(d, shape, dtype=None):
    return d.values(shape, 0, 1, dtype)


@spec(*"""sgd_update sgd_mom_update nag_mom_update adam_update rmsprop_update rmspropalex_update ftrl_update ftml_update signsgd_update
signum_update _adamw_update lamb_update_phase1 _contrib_group_adagrad_update mp_sgd_update mp_sgd_mom_update mp_nag_mom_update
_mp_adamw_update mp_lamb_update_phase1""".split())
def update(d):
    name = d.record["name"]
    mixed = "mp_" in name
    d.floating(*(("float16",) if mixed else ("float32", "float32", "float64")))
    d.special = d.bindable = d.grads = False  # MXNet composes no symbols of them
    d.draw_params((), 0.4)
    for key, value in (("t", d.between(1, 5)), ("wd", d.pick(0.0, 0.01, 0.1)), ("eta", d.pick(1.0, 0.5)), ("gamma1", 0.9), ("gamma2", 0.8),
                       ("beta1", d.pick(0.5, 0.9)), ("beta2", d.pick(0.8, 0.99)), ("epsilon", d.pick(1e-3, 0.1)), ("beta", d.pick(1.0, 0.5)),
                       ("clip_weights", d.pick(-1.0, 0.5)), ("clip_grad", d.pick(-1.0, 0.5)), ("rescale_grad", d.pick(1.0, 0.5, 2.0)),
                       ("lamda1", d.pick(0.01, 0.1)), ("wd_lh", d.pick(0.0, 0.01))):
        if key in d.params:
            d.params[key] = value
    shape = d.shape(2 if "adagrad" in name else 1, 3)
    d.scale = 2.0
    inputs = []
    for i in d.record["inputs"]:
        if i["name"] == "rescale_grad":
            inputs.append(f"np.array([{d.pick(1.0, 0.5)}], 'float32')")
        elif i["name"] in ("weight", "grad"):
            inputs.append(d.values(shape, -1, 1))
        elif i["name"] == "weight32":
            inputs.append(f"({inputs[0]}).astype('float32')")
        elif i["name"] == "history":
            inputs.append(state(d, (shape[0], *[1] * (len(shape) - 1))))
        elif name == "rmspropalex_update" and i["name"] == "g":
            inputs.append(d.values(shape, 0, 0.1))
        else:
            inputs.append(state(d, shape, "float32" if mixed else None))
    return inputs


@spec("lamb_update_phase2", "mp_lamb_update_phase2")
def lamb_last(d):
    mixed = d.record["name"].startswith("mp_")
    d.floating(*(("float16",) if mixed else ("float32", "float64")))
    d.special = d.bindable = d.grads = False
    d.params["lr"] = d.pick(0.1, 0.01)
    for key, value in (("lower_bound", 0.5), ("upper_bound", 1.5)):
        if d.chance(0.4):
            d.params[key] = value
    shape = d.shape(1, 3)
    wide = "float32" if mixed else None
    inputs = [d.values(shape, -1, 1), d.values(shape, -1, 1, wide), d.values((1,), 0.1, 2, wide), d.values((1,), 0.1, 2, wide)]
    return [*inputs, f"({inputs[0]}).astype('float32')"] if mixed else inputs


@spec(*"""multi_sgd_update multi_sgd_mom_update multi_mp_sgd_update multi_mp_sgd_mom_update preloaded_multi_sgd_update
preloaded_multi_sgd_mom_update preloaded_multi_mp_sgd_update preloaded_multi_mp_sgd_mom_update _multi_adamw_update
_multi_mp_adamw_update _multi_lamb_update _multi_mp_lamb_update""".split())
def several_updates(d):
    name = d.record["name"]
    mixed = "_mp_" in name
    d.floating("float16" if mixed else "float32")
    d.special = d.bindable = d.grads = False
    n = d.between(1, 3)
    rates = tuple(d.pick(0.1, 0.01, 0.5) for _ in range(n))
    decays = tuple(d.pick(0.0, 0.01) for _ in range(n))
    preloaded = name.startswith("preloaded")
    lamb, adamw = "lamb" in name, "adamw" in name
    d.params["num_tensors" if lamb else "num_weights"] = n
    if not preloaded:
        d.params.update({"learning_rates" if lamb else "lrs": rates, "wds": decays})
    if adamw:
        d.params["etas"] = tuple(d.pick(1.0, 0.5) for _ in range(n))
    if lamb:
        d.params["step_count"] = tuple(d.between(1, 4) for _ in range(n))
    if "mom" in name:
        d.params["momentum"] = d.pick(0.0, 0.9)
    for key, value in (("clip_gradient", 0.5), ("rescale_grad", 0.5)):
        if d.chance(0.4) and not (key == "rescale_grad" and adamw):
            d.params[key] = value
    inputs = []
    for _ in range(n):
        shape = d.small(1, 3)
        d.out.append(len(inputs))
        inputs += [d.values(shape, -1, 1), d.values(shape, -1, 1)]
        inputs += [state(d, shape, "float32") for _ in range(2 if lamb or adamw else "mom" in name)]
        inputs += [f"({inputs[d.out[-1]]}).astype('float32')"] if mixed else []
    if preloaded:
        inputs += [f"np.array({list(rates)}, 'float32')", f"np.array({list(decays)}, 'float32')"]
    if adamw:
        inputs.append(f"np.array([{d.pick(1.0, 0.5)}], 'float32')")
    return inputs


@spec("multi_lars")
def lars(d):
    d.floating("float32")
    d.special = False
    d.params.update(eta=d.pick(0.1, 0.01), eps=d.pick(1e-6, 0.1))
    shape = d.shape(1, 1)
    return [d.values(shape, 0.1, 2) for _ in range(4)]


# --- numbers of 8 bits ------------------------------------------------------------------------------
@spec("_contrib_quantize", "_contrib_quantize_v2", "_contrib_dequantize", "_contrib_requantize")
def quantized(d):
    name = d.record["name"].removeprefix("_contrib_")
    d.dtype, d.special, d.scale = "float32", False, 2.0
    shape = d.shape()
    limits = ["np.array([-2.0], 'float32')", f"np.array([{d.pick(1.5, 3.0)}], 'float32')"]
    if name != "dequantize":
        d.params["out_type"] = d.pick("int8", "uint8", *(["auto"] if name != "quantize" else []))
    if name.endswith(("v2", "requantize")) and d.chance(0.6):
        d.params.update(min_calib_range=d.pick(-2.0, 0.0), max_calib_range=d.pick(1.5, 3.0))
    if name == "quantize":
        return [d.values(shape, -4, 4), *limits]
    if name == "quantize_v2":
        return [d.values(shape, -4, 4)]
    if name == "requantize":
        return [d.integers(shape, -2**30, 2**30, "int32"), *limits]
    kind = d.pick("int8", "uint8")
    return [d.integers(shape, *((-128, 127) if kind == "int8" else (0, 255)), kind), *limits]


@spec("_contrib_calibrate_entropy")
def calibrate(d):
    bins = d.pick(101, 301, 501)
    d.params["num_quantized_bins"] = d.pick(31, 63)
    d.scale = 20.0
    return [f"np.histogram(rng({d.between(0, 99)}).normal(size=4000), bins={bins}, range=(-4, 4))[0].astype('float32')",
            f"np.linspace(-4, 4, {bins + 1}).astype('float32')"]


# --- sequences --------------------------------------------------------------------------------------
@spec("RNN")
def rnn(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    mode = d.pick("rnn_relu", "rnn_tanh", "lstm", "gru")
    t, n, features, h, layers = d.between(1, 5), d.between(1, 3), d.between(1, 4), d.between(1, 5), d.between(1, 3)
    both = d.chance(0.4)
    ways, gates = (2 if both else 1), {"lstm": 4, "gru": 3}.get(mode, 1)
    d.params.update(mode=mode, state_size=h, num_layers=layers, state_outputs=d.chance(0.5))
    if both:
        d.params["bidirectional"] = True
    total = sum(gates * h * ((features if layer == 0 else h * ways) + h + 2) * ways for layer in range(layers))
    inputs = [d.values((t, n, features), -1, 1), d.values((total,), -0.5, 0.5), d.values((layers * ways, n, h), -1, 1)]
    if mode == "lstm":
        inputs.append(d.values((layers * ways, n, h), -1, 1))
        if d.chance(0.2):
            d.params.update(lstm_state_clip_min=-0.2, lstm_state_clip_max=0.3)
    d.scale = 4.0
    return inputs


@spec("CTCLoss")
def ctc(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    t, n, c, length = d.between(4, 8), d.between(1, 3), d.between(2, 5), d.between(1, 2)
    last = d.chance(0.5)
    if last or d.chance(0.3):
        d.params["blank_label"] = "last" if last else "first"
    inputs = [d.values((t, n, c), -2, 2.01), d.integers((n, length), 0 if last else 1, c - 2 if last else c - 1)]
    if d.chance(0.3):
        d.params["use_data_lengths"] = True
        inputs.append(d.integers((n,), 2 * length, t))
    if d.chance(0.3):
        d.params["use_label_lengths"] = True
        inputs.append(d.integers((n,), 1, length))
    d.scale = 4.0
    return inputs


@spec("_contrib_allclose")
def allclose(d):
    shape = d.shape()
    x = d.values(shape)
    d.draw_params(shape)
    return [x, x if d.chance(0.5) else d.values(shape)]


@spec("_contrib_quadratic")
def quadratic(d):
    for key in "abc":
        d.params[key] = d.pick(1.0, 0.5, -2.0, 0.0)
    return [d.values(d.shape())]


@spec("_contrib_arange_like")
def arange_like(d):
    shape = d.shape()
    d.params.update(start=float(d.between(-3, 3)), step=d.pick(1.0, 2.0, 0.5), repeat=d.pick(1, 1, 2))
    if d.chance(0.5):
        d.params["axis"] = d.axis(shape)
    return [d.values(shape)]


@spec("_contrib_index_array")
def index_array(d):
    shape = d.shape(1, 4)
    if d.size == "large":
        shape = d.small()
    if d.chance(0.6):
        d.params["axes"] = d.axes(shape, 1)
    return [d.values(shape)]


@spec("softmax_cross_entropy")
def softmax_cross_entropy(d):
    d.floating()
    n, k = d.extent(), d.extent()
    return [d.values((n, k)), d.integers((n,), 0, k - 1)]


def interleaved(d):
    t, n, heads, size = d.between(1, 5), d.between(1, 3), d.between(1, 3), d.between(1, 4)
    d.params["heads"] = heads
    d.floating("float32", "float32", "float64")
    return t, n, heads, size


@spec("_contrib_interleaved_matmul_selfatt_qk", "_contrib_interleaved_matmul_selfatt_valatt")
def self_attention(d):
    t, n, heads, size = interleaved(d)
    x = d.values((t, n, heads * size * 3))
    return [x] if d.record["name"].endswith("qk") else [x, d.values((n * heads, t, t))]


@spec("_contrib_interleaved_matmul_encdec_qk", "_contrib_interleaved_matmul_encdec_valatt")
def cross_attention(d):
    t, n, heads, size = interleaved(d)
    other = d.between(1, 5)
    kv = d.values((other, n, heads * size * 2))
    return [d.values((t, n, heads * size)), kv] if d.record["name"].endswith("qk") else [kv, d.values((n * heads, t, other))]


@spec("_contrib_div_sqrt_dim", "_contrib_gradientmultiplier", "_contrib_round_ste", "_contrib_sign_ste")
def straight(d):
    if d.record["name"].endswith("multiplier"):
        d.params["scalar"] = d.pick(1.0, -0.5, 2.0)
    d.floating()
    return [d.values(d.shape())]


