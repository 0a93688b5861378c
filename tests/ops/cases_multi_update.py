"""Updates of several weights in one call, LAMB, AdamW, and what they need to know of all weights."""
import numpy as np

from .case import case
from .cases_optimizer import clip, sgd, sgd_mom

SHAPES = [(7, 3), (4,)]
COMMON = dict(rescale_grad=0.5, clip_gradient=0.3)
LRS, WDS, ETAS = np.array([0.25, 0.5], "float32"), np.array([0.125, 0.0625], "float32"), (0.5, 0.75)
NO_OUT = "MXNet's cannot be called without out="


def positive(shape):
    return lambda rng: rng.uniform(1, 2, shape).astype("float32")


def half(shape):
    return lambda rng: rng.uniform(-1, 1, shape).astype("float16")


def each(rule, per, precise=False):
    """The rule for every group of `per` tensors: new weights, then new states. Precise rules work on the last tensor."""
    def ref(*arrays, lrs=None, wds=None, momentum=0, rescale_grad=1, clip_gradient=-1, **_):
        if lrs is None:
            *arrays, lrs, wds = arrays
        weights, states = [], []
        for i in range(len(arrays) // per):
            w, g, *rest = arrays[i * per:(i + 1) * per]
            if precise:
                w = rest.pop()
            found = rule(w, g, *rest, lr=lrs[i], wd=wds[i], rescale_grad=rescale_grad, clip_gradient=clip_gradient,
                         **({"momentum": momentum} if rest else {}))
            new, *after = found if isinstance(found, tuple) else (found,)
            weights.append(new)
            states += [*after, *([new] if precise else [])]
        return [*weights, *states]
    return ref


for start, tail, rates in (("multi", [], dict(lrs=tuple(map(float, LRS)), wds=tuple(map(float, WDS)))),
                           ("preloaded_multi", [LRS, WDS], {})):
    case(f"{start}_sgd_update", [s for s in SHAPES for _ in range(2)] + tail, num_weights=2, **rates, **COMMON,
         ref=each(sgd, 2), witness=NO_OUT, dtypes=() if tail else ("float16", "float64"))
    case(f"{start}_sgd_mom_update", [s for s in SHAPES for _ in range(3)] + tail, num_weights=2, momentum=0.9, **rates,
         **COMMON, ref=each(sgd_mom, 3), witness=NO_OUT, dtypes=() if tail else ("float16", "float64"))
    case(f"{start}_mp_sgd_update", [a for s in SHAPES for a in (half(s), half(s), s)] + tail, num_weights=2, **rates,
         **COMMON, ref=each(sgd, 3, True), witness=NO_OUT, dtypes=(), rtol=1e-3)
    case(f"{start}_mp_sgd_mom_update", [a for s in SHAPES for a in (half(s), half(s), s, s)] + tail, num_weights=2,
         momentum=0.9, **rates, **COMMON, ref=each(sgd_mom, 4, True), witness=NO_OUT, dtypes=(), rtol=1e-3)


# --- AdamW ----------------------------------------------------------------------------------------
def adamw(w, g, m, v, rescale, lr, eta, wd, beta1, beta2, epsilon, clip_gradient):
    if not np.isfinite(rescale) or rescale == 0:
        return w, m, v
    g = clip(rescale * g, clip_gradient)
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return w - eta * (lr * m / (np.sqrt(v) + epsilon) + wd * w), m, v


def adamw_mixed(w, g, m, v, w32, rescale, **kw):
    new, m, v = adamw(w32, g, m, v, rescale, **kw)
    return new, m, v, new


def adamw_each(per):
    def ref(*arrays, lrs, wds, etas, num_weights, **kw):
        weights, states = [], []
        for i in range(num_weights):
            w, g, m, v, *w32 = arrays[i * per:(i + 1) * per]
            new, m, v = adamw(w32[0] if w32 else w, g, m, v, arrays[-1], lr=lrs[i], wd=wds[i], eta=etas[i], **kw)
            weights.append(new)
            states += [m, v, *([new] if w32 else [])]
        return [*weights, *states]
    return ref


ADAMW = dict(beta1=0.8, beta2=0.7, epsilon=0.125, clip_gradient=0.5)
MANY = dict(lrs=(0.25, 0.5), wds=(0.125, 0.0625), etas=ETAS, num_weights=2)
SCALE = np.array([0.5], "float32")
case("_adamw_update", [(7, 3)] * 3 + [positive((7, 3)), SCALE], lr=0.25, eta=0.5, wd=0.125, **ADAMW, ref=adamw,
     dtypes=())
case("_adamw_update", [(7, 3)] * 3 + [positive((7, 3)), np.array([np.nan], "float32")], lr=0.25, eta=0.5, wd=0.125, **ADAMW,
     ref=adamw, label="skip", witness="MXNet leaves its result as memory happens to be", dtypes=())
case("_mp_adamw_update", [half((7, 3)), half((7, 3)), (7, 3), positive((7, 3)), (7, 3), SCALE], lr=0.25, eta=0.5, wd=0.125,
     **ADAMW, ref=adamw_mixed, dtypes=(), rtol=1e-3)
case("_multi_adamw_update", [a for s in SHAPES for a in (s, s, s, positive(s))] + [SCALE], **MANY, **ADAMW,
     ref=adamw_each(4), witness=NO_OUT, dtypes=())
case("_multi_mp_adamw_update", [a for s in SHAPES for a in (half(s), half(s), s, positive(s), s)] + [SCALE], **MANY, **ADAMW,
     ref=adamw_each(5), witness=NO_OUT, dtypes=(), rtol=1e-3)


# --- LAMB -----------------------------------------------------------------------------------------
def direction(w, g, m, v, t, wd, beta1, beta2, epsilon, rescale_grad=1, clip_gradient=-1, bias_correction=True):
    g = clip(rescale_grad * g, clip_gradient)
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    a, b = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1, 1)
    return m / a / (np.sqrt(v / b) + epsilon) + wd * w, m, v


def step(w, g, r1, r2, lr, lower_bound=-1, upper_bound=-1):
    r1 = max(r1, lower_bound) if lower_bound >= 0 else r1
    r1 = min(r1, upper_bound) if upper_bound >= 0 else r1
    return w - lr * (1 if r1 == 0 or r2 == 0 else r1 / r2) * g


def lamb_each(per):
    def ref(*arrays, learning_rates, wds, step_count, lower_bound=-1, upper_bound=-1, **kw):
        kw.pop("num_tensors")
        weights, states = [], []
        for i in range(len(arrays) // per):
            w, g, m, v, *w32 = arrays[i * per:(i + 1) * per]
            w = w32[0] if w32 else w
            u, m, v = direction(w, g, m, v, step_count[i], wds[i], **kw)
            new = step(w, u, np.linalg.norm(w), np.linalg.norm(u), learning_rates[i], lower_bound, upper_bound)
            weights.append(new)
            states += [m, v, *([new] if w32 else [])]
        return [*weights, *states]
    return ref


LAMB = dict(beta1=0.8, beta2=0.7, epsilon=0.125, rescale_grad=0.5, clip_gradient=0.25)
TENSORS = dict(learning_rates=(0.25, 0.5), wds=(0.125, 0.0625), step_count=(3, 4), num_tensors=2)
NORMS = [np.array([1.5], "float32"), np.array([2.0], "float32")]
case("lamb_update_phase1", [(7, 3)] * 3 + [positive((7, 3))], t=3, wd=0.125, **LAMB, ref=direction)
case("lamb_update_phase1", [(7, 3)] * 3 + [positive((7, 3))], t=3, wd=0.125, bias_correction=False, label="plain", **LAMB,
     ref=direction)
case("mp_lamb_update_phase1", [half((7, 3)), half((7, 3)), (7, 3), positive((7, 3)), (7, 3)], t=3, wd=0.125, **LAMB,
     ref=lambda w, g, m, v, w32, **kw: direction(w32, g, m, v, **kw), dtypes=(), rtol=1e-3,
     witness="MXNet takes float16 weights only")
case("lamb_update_phase2", [(7, 3), (7, 3), *NORMS], lr=0.25, ref=step)
case("lamb_update_phase2", [(7, 3), (7, 3), *NORMS], lr=0.25, lower_bound=2.5, label="lower", ref=step)
case("lamb_update_phase2", [(7, 3), (7, 3), *NORMS], lr=0.25, upper_bound=0.5, label="upper", ref=step)
case("lamb_update_phase2", [(7, 3), (7, 3), np.zeros(1, "float32"), NORMS[1]], lr=0.25, label="zero", ref=step)
case("mp_lamb_update_phase2", [half((7, 3)), (7, 3), *NORMS, (7, 3)], lr=0.25, dtypes=(), rtol=1e-3,
     ref=lambda w, g, a, b, w32, lr: [step(w32, g, a, b, lr)] * 2, witness="MXNet leaves weight32 as it was")
case("_multi_lamb_update", [a for s in SHAPES for a in (s, s, s, positive(s))], **TENSORS, **LAMB, ref=lamb_each(4),
     witness=NO_OUT)
case("_multi_lamb_update", [a for s in SHAPES for a in (s, s, s, positive(s))], bias_correction=False, upper_bound=0.5,
     label="plain", **TENSORS, **LAMB, ref=lamb_each(4), witness=NO_OUT)
case("_multi_mp_lamb_update", [a for s in SHAPES for a in (half(s), half(s), s, positive(s), s)], **TENSORS, **LAMB,
     ref=lamb_each(5), witness=NO_OUT, dtypes=(), rtol=1e-3)


# --- norms and the like ---------------------------------------------------------------------------
def group_adagrad(w, g, h, lr, rescale_grad=1, clip_gradient=-1, epsilon=1e-5):
    g = clip(rescale_grad * g, clip_gradient)
    h = h + (g * g).mean(1, keepdims=True)
    return w - lr * g / np.sqrt(h + epsilon), h


def lars(lrs, w, g, wds, eta, eps, rescale_grad=1):
    w, g = np.sqrt(w), np.sqrt(g) * rescale_grad
    return np.where((w > 0) & (g > 0), lrs * eta * w / (g + wds * w + eps), lrs)


case("_contrib_group_adagrad_update", [(7, 3), (7, 3), positive((7, 1))], lr=0.25, epsilon=0.125, **COMMON, ref=group_adagrad,
     witness="MXNet has it for row-sparse gradients only")
case("multi_lars", [np.array(v, "float32") for v in ((0.5, 0.25, 1), (4, 0, 9), (1, 1, 0), (0.125, 0.5, 0.25))], eta=0.125,
     eps=0.0625, rescale_grad=2.0, ref=lars)
case("multi_sum_sq", [(7, 3), (40, 50), (1,)], num_arrays=3, dtypes=("float64",), rtol=1e-5,
     ref=lambda *a: np.array([(x * x).sum() for x in a]))
case("all_finite", [(7, 3)], ref=lambda x: np.array([1.0]))
case("all_finite", [np.array([1, np.inf, 0.5], "float32")], label="inf", ref=lambda x: np.array([0.0]))
case("multi_all_finite", [(7, 3), (4,)], num_arrays=2, ref=lambda *x: np.array([1.0]))
case("multi_all_finite", [(7, 3), np.array([np.nan], "float32")], num_arrays=2, label="nan", ref=lambda *x: np.array([0.0]))
case("reset_arrays", [(7, 3), (4,)], num_arrays=2, ref=lambda *x: [0 * a for a in x])
