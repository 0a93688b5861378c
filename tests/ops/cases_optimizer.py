"""Optimizer updates: the new weight, then the new states."""
import numpy as np

from .case import case

SHAPE = (33, 9)
STEP = dict(lr=0.2, wd=0.1, rescale_grad=0.5, clip_gradient=0.3)


def clip(g, c):
    return np.clip(g, -c, c) if c >= 0 else g


def positive(rng):
    """A second moment, above the square of any mean here."""
    return rng.uniform(1, 2, SHAPE).astype("float32")


def sgd(w, g, lr, wd=0, rescale_grad=1, clip_gradient=-1):
    return (1 - lr * wd) * w - lr * clip(rescale_grad * g, clip_gradient)


def sgd_mom(w, g, m, lr, momentum=0, wd=0, rescale_grad=1, clip_gradient=-1):
    m = momentum * m - lr * wd * w - lr * clip(rescale_grad * g, clip_gradient)
    return w + m, m


def nag_mom(w, g, m, lr, momentum=0, wd=0, rescale_grad=1, clip_gradient=-1):
    kept, g = momentum * m, clip(rescale_grad * g, clip_gradient)
    y = w - kept + (momentum + 1) * (kept - lr * (g + wd * w))
    return y, kept - lr * (g + wd * y)


def adam(w, g, m, v, lr, beta1, beta2, epsilon, wd=0, rescale_grad=1, clip_gradient=-1):
    d = clip(rescale_grad * g + wd * w, clip_gradient)
    m, v = beta1 * m + (1 - beta1) * d, beta2 * v + (1 - beta2) * d * d
    return w - lr * m / (np.sqrt(v) + epsilon), m, v


def rmsprop(w, g, n, lr, gamma1, epsilon, wd=0, rescale_grad=1, clip_gradient=-1, clip_weights=-1):
    d = clip(rescale_grad * g + wd * w, clip_gradient)
    n = (1 - gamma1) * d * d + gamma1 * n
    return clip(w - lr * d / np.sqrt(n + epsilon), clip_weights), n


def rmspropalex(w, grad, n, g, delta, lr, gamma1, gamma2, epsilon, wd=0, rescale_grad=1, clip_gradient=-1):
    d = clip(rescale_grad * grad + wd * w, clip_gradient)
    n, g = (1 - gamma1) * d * d + gamma1 * n, (1 - gamma1) * d + gamma1 * g
    delta = gamma2 * delta - lr * d / np.sqrt(n - g * g + epsilon)
    return w + delta, n, g, delta


def ftrl(w, g, z, n, lr, lamda1, beta, wd=0, rescale_grad=1, clip_gradient=-1):
    d = clip(rescale_grad * g, clip_gradient)
    z, n = z + d - (np.sqrt(n + d * d) - np.sqrt(n)) * w / lr, n + d * d
    return (np.sign(z) * lamda1 - z) / ((beta + np.sqrt(n)) / lr + wd) * (np.abs(z) > lamda1), z, n


def ftml(w, g, d, v, z, lr, t, beta1, beta2, epsilon, wd=0, rescale_grad=1, clip_grad=-1):
    g = clip(rescale_grad * g + wd * w, clip_grad)
    v = beta2 * v + (1 - beta2) * g * g
    after = (1 - beta1**t) / lr * (np.sqrt(v / (1 - beta2**t)) + epsilon)
    z = beta1 * z + (1 - beta1) * g - (after - beta1 * d) * w
    return -z / after, after, v, z


def signsgd(w, g, lr, wd=0, **_):
    return (1 - lr * wd) * w - lr * np.sign(g)


def signum(w, g, m, lr, momentum, wd_lh, wd=0, rescale_grad=1, clip_gradient=-1):
    m = momentum * m - (1 - momentum) * (wd * w + clip(rescale_grad * g, clip_gradient))
    return (1 - lr * wd_lh) * w + lr * np.sign(m), m


def adagrad(w, g, h, lr, epsilon, wd=0, rescale_grad=1, clip_gradient=-1):
    d = clip(rescale_grad * g, clip_gradient)
    h = h + d * d
    return w - lr * (d / np.sqrt(h + epsilon) + wd * w), h


case("sgd_update", [SHAPE] * 2, ref=sgd, lr=0.1)
case("sgd_update", [SHAPE] * 2, ref=sgd, **STEP)
case("sgd_mom_update", [SHAPE] * 3, ref=sgd_mom, lr=0.1)
case("sgd_mom_update", [SHAPE] * 3, ref=sgd_mom, momentum=0.9, **STEP)
case("nag_mom_update", [SHAPE] * 3, ref=nag_mom, momentum=0.9, **STEP,
     witness="MXNet's momentum has the decay of the new weight only where that is written over the old one")
case("adam_update", [SHAPE] * 3 + [positive], ref=adam, beta1=0.8, beta2=0.7, epsilon=1e-3, **STEP)
case("rmsprop_update", [SHAPE] * 2 + [positive], ref=rmsprop, gamma1=0.9, epsilon=1e-3, **STEP)
case("rmsprop_update", [SHAPE] * 2 + [positive], ref=rmsprop, gamma1=0.9, epsilon=1e-3, clip_weights=0.5, **STEP)
case("rmspropalex_update", [SHAPE] * 2 + [positive, SHAPE, SHAPE], ref=rmspropalex, gamma1=0.9, gamma2=0.8,
     epsilon=1.0, **STEP)
case("ftrl_update", [SHAPE] * 3 + [positive], ref=ftrl, lamda1=0.1, beta=1.0, **STEP)
case("ftml_update", [SHAPE] * 2 + [positive, positive, SHAPE], ref=ftml, beta1=0.6, beta2=0.9, epsilon=1e-3, t=3,
     lr=0.2, wd=0.1, rescale_grad=0.5, clip_grad=0.3, dtypes=("float64",))
case("signsgd_update", [SHAPE] * 2, ref=signsgd, **STEP)
case("signum_update", [SHAPE] * 3, ref=signum, momentum=0.9, wd_lh=0.05, **STEP)
case("_sparse_adagrad_update", [SHAPE] * 2 + [positive], ref=adagrad, epsilon=1e-3, **STEP,
     witness="there it takes row-sparse gradients only")


# --- with a float32 weight beside ---------------------------------------------------------------------
def beside(function):
    """The same rule on the float32 weight, which is the last input."""
    def ref(w, g, *states, **kw):
        found = function(states[-1], g, *states[:-1], **kw)
        new, *rest = found if isinstance(found, tuple) else (found,)
        return [new, *rest, new]
    return ref


def half(rng):
    return rng.uniform(-1, 1, SHAPE).astype("float16")


case("mp_sgd_update", [half, half, SHAPE], ref=beside(sgd), dtypes=(), rtol=1e-3, **STEP)
case("mp_sgd_mom_update", [half, half, SHAPE, SHAPE], ref=beside(sgd_mom), dtypes=(), rtol=1e-3, momentum=0.9, **STEP)
case("mp_nag_mom_update", [half, half, SHAPE, SHAPE], ref=beside(nag_mom), dtypes=(), rtol=1e-3, momentum=0.9, **STEP)
