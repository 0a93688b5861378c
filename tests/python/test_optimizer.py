"""Every update rule against the formula in NumPy, over several steps; states and multipliers."""
import math
import pickle

import numpy as np
import pytest

import heddle as mx

STEPS = 4


def reference(rule, w, grads, **options):
    """The weights after the steps of a rule, in float64."""
    state = {}
    for t, g in enumerate(grads, 1):
        w = rule(w, g * options.get("rescale", 1.0), state, t)
    return w


def clip(g, options):
    c = options.get("clip_gradient")
    return np.clip(g, -c, c) if c else g


def ema(state, key, value, keep):
    state[key] = keep * state.get(key, 0) + (1 - keep) * value
    return state[key]


def sgd(o):
    def rule(w, g, s, t):
        s["m"] = o.get("momentum", 0) * s.get("m", 0) - o["lr"] * (clip(g, o) + o["wd"] * w)
        return w + s["m"]
    return rule


def nag(o):
    def rule(w, g, s, t):
        step = o["lr"] * (clip(g, o) + o["wd"] * w)
        m = o["momentum"] * s.get("m", 0)
        s["m"] = m - step
        return w - m + (o["momentum"] + 1) * (m - step)
    return rule


def dcasgd(o):
    def rule(w, g, s, t):
        g, before = clip(g, o), s.get("w", w)
        s["m"] = o["momentum"] * s.get("m", 0) - o["lr"] * (g + o["wd"] * w + 0.04 * g * g * (w - before))
        s["w"] = w
        return w + s["m"]
    return rule


def signum(o):
    def rule(w, g, s, t):
        s["m"] = 0.9 * s.get("m", 0) - 0.1 * (o["wd"] * w + clip(g, o))
        return (1 - o["lr"] * o["wd_lh"]) * w + o["lr"] * np.sign(s["m"])
    return rule


def adam(o):
    def rule(w, g, s, t):
        g = clip(g + o["wd"] * w, o)
        m, v = ema(s, "m", g, 0.9), ema(s, "v", g * g, 0.999)
        return w - o["lr"] * math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t) * m / (np.sqrt(v) + 1e-8)
    return rule


def adamax(o):
    def rule(w, g, s, t):
        g = clip(g + o["wd"] * w, o)
        m = ema(s, "m", g, 0.9)
        s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
        return w - o["lr"] / (1 - 0.9 ** t) * m / s["u"]
    return rule


def nadam(o):
    def rule(w, g, s, t):
        g = clip(g + o["wd"] * w, o)
        mu, mu1 = (0.9 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in (t, t + 1))
        s["p"] = s.get("p", 1.0) * mu
        m, v = ema(s, "m", g, 0.9), ema(s, "v", g * g, 0.999)
        step = (1 - mu) * g / (1 - s["p"]) + mu1 * m / (1 - s["p"] * mu1)
        return w - o["lr"] * step / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
    return rule


def adagrad(o):
    def rule(w, g, s, t):
        g = clip(g, o)
        s["h"] = s.get("h", 0) + g * g
        return w - o["lr"] * (g / np.sqrt(s["h"] + 1e-7) + o["wd"] * w)
    return rule


def adadelta(o):
    def rule(w, g, s, t):
        g = clip(g, o)
        ag = ema(s, "g", g * g, 0.9)
        d = np.sqrt(s.get("d", 0) + 1e-5) / np.sqrt(ag + 1e-5) * g
        ema(s, "d", d * d, 0.9)
        return w - d - o["wd"] * w
    return rule


def rmsprop(o):
    def rule(w, g, s, t):
        g = clip(g + o["wd"] * w, o)
        n = ema(s, "n", g * g, 0.9)
        if not o.get("centered"):
            return w - o["lr"] * g / np.sqrt(n + 1e-8)
        mean = ema(s, "g", g, 0.9)
        s["d"] = 0.9 * s.get("d", 0) - o["lr"] * g / np.sqrt(n - mean * mean + 1e-8)
        return w + s["d"]
    return rule


def ftrl(o):
    def rule(w, g, s, t):
        g, n = clip(g, o), s.get("n", 0)
        s["n"] = n + g * g
        s["z"] = s.get("z", 0) + g - (np.sqrt(s["n"]) - np.sqrt(n)) * w / o["lr"]
        z = s["z"]
        return (np.sign(z) * 0.01 - z) / ((1 + np.sqrt(s["n"])) / o["lr"] + o["wd"]) * (np.abs(z) > 0.01)
    return rule


def ftml(o):
    def rule(w, g, s, t):
        g = clip(g + o["wd"] * w, o)
        v = ema(s, "v", g * g, 0.999)
        d = (1 - 0.6 ** t) / o["lr"] * (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
        s["z"] = 0.6 * s.get("z", 0) + 0.4 * g - (d - 0.6 * s.get("d", 0)) * w
        s["d"] = d
        return -s["z"] / d
    return rule


def lars(o):
    def rule(w, g, s, t):
        a, b = np.linalg.norm(w), np.linalg.norm(g)  # of the gradient before it is clipped
        g = clip(g, o)
        lr = o["lr"] * 0.001 * a / (b + o["wd"] * a)
        s["m"] = o["momentum"] * s.get("m", 0) - lr * (g + o["wd"] * w)
        return w + s["m"]
    return rule


def lamb(o):
    def rule(w, g, s, t):
        g = clip(g, o)
        m, v = ema(s, "m", g, 0.9) / (1 - 0.9 ** t), ema(s, "v", g * g, 0.999) / (1 - 0.999 ** t)
        u = m / (np.sqrt(v) + 1e-6) + o["wd"] * w
        return w - o["lr"] * np.linalg.norm(w) / np.linalg.norm(u) * u
    return rule


CASES = [("sgd", sgd, {}), ("sgd", sgd, {"momentum": 0.9}), ("ccsgd", sgd, {"momentum": 0.5}),
         ("nag", nag, {"momentum": 0.9}), ("dcasgd", dcasgd, {"momentum": 0.9}), ("signum", signum, {"wd_lh": 0.1}),
         ("adam", adam, {}), ("adamax", adamax, {}), ("nadam", nadam, {}), ("adagrad", adagrad, {}),
         ("adadelta", adadelta, {}), ("rmsprop", rmsprop, {}), ("rmsprop", rmsprop, {"centered": True}),
         ("ftrl", ftrl, {}), ("ftml", ftml, {}), ("lars", lars, {"momentum": 0.9}), ("lamb", lamb, {})]


@pytest.mark.parametrize("extra", [{}, {"clip_gradient": 0.3}, {"wd": 0.03}], ids=str)
@pytest.mark.parametrize("name, rule, options", CASES, ids=str)
def test_rule(name, rule, options, extra):
    rng = np.random.RandomState(3)
    w = rng.randn(4, 5)
    grads = [rng.randn(4, 5) for _ in range(STEPS)]
    settings = {"wd": 0.0, **options, **extra}
    optimizer = mx.optimizer.create(name, learning_rate=0.05, rescale_grad=0.5, param_idx2name={0: "a_weight"},
                                    **settings)
    weight = mx.nd.array(w, dtype="float64")
    state = optimizer.create_state(0, weight)
    for g in grads:
        optimizer.update(0, weight, mx.nd.array(g, dtype="float64"), state)
    want = reference(rule({"lr": 0.05, **settings}), w, grads, rescale=0.5)
    np.testing.assert_allclose(weight.asnumpy(), want, rtol=1e-5, atol=5e-6)  # adam_update keeps beta in float32


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_a_zero_gradient_moves_nothing(name):
    optimizer = mx.optimizer.create(name)
    weight = mx.nd.zeros((3,))
    optimizer.update(0, weight, mx.nd.zeros((3,)), optimizer.create_state(0, weight))
    assert weight.tolist() == [0, 0, 0]


def test_signum_without_momentum():
    optimizer = mx.optimizer.Signum(learning_rate=0.1, momentum=0.0)
    weight = mx.nd.array([1., 2])
    optimizer.update(0, weight, mx.nd.array([5, -0.1]), optimizer.create_state(0, weight))
    np.testing.assert_allclose(weight.asnumpy(), [0.9, 2.1], rtol=1e-6)


def test_sgld_adds_noise_of_variance_lr():
    mx.random.seed(0)
    optimizer = mx.optimizer.SGLD(learning_rate=0.04)
    weight = mx.nd.zeros((20000,))
    optimizer.update(0, weight, mx.nd.zeros((20000,)), None)
    assert abs(weight.asnumpy().std() - 0.2) < 0.01


def test_multipliers():
    x = mx.sym.Variable("x")
    net = mx.sym.FullyConnected(x, weight=mx.sym.Variable("fc_weight", lr_mult=0.1, wd_mult=3), num_hidden=1, name="fc")
    names = {0: "fc_weight", 1: "fc_bias", 2: "g_gamma", 3: "other"}
    optimizer = mx.optimizer.SGD(learning_rate=1.0, wd=0.5, sym=net, param_idx2name=names)
    assert [optimizer._get_lr(i) for i in names] == [0.1, 1, 1, 1]
    assert [optimizer._get_wd(i) for i in names] == [1.5, 0, 0.5, 0]
    optimizer.set_lr_mult({"fc_bias": 2, 3: 5})
    optimizer.set_wd_mult({"fc_bias": 1})
    assert [optimizer._get_lr(i) for i in names] == [0.1, 2, 1, 5] and optimizer._get_wd(1) == 0.5


def test_learning_rates_and_schedulers():
    optimizer = mx.optimizer.SGD(learning_rate=0.1)
    optimizer.set_learning_rate(0.2)
    assert optimizer.learning_rate == 0.2
    scheduler = mx.lr_scheduler.FactorScheduler(1, 0.5, base_lr=1.0)
    optimizer = mx.optimizer.SGD(lr_scheduler=scheduler)
    weight = mx.nd.array([0.])
    for want in (-1, -1.5, -1.75):
        optimizer.update(0, weight, mx.nd.array([1.]), None)
        assert weight.asscalar() == want
    with pytest.raises(UserWarning):
        optimizer.set_learning_rate(1)
    with pytest.warns(UserWarning, match="overwritten"):
        assert mx.optimizer.SGD(learning_rate=3, lr_scheduler=scheduler).learning_rate == 3


def test_updates_are_counted_per_parameter():
    optimizer = mx.optimizer.SGD(begin_num_update=5)
    w, g = mx.nd.zeros((1,)), mx.nd.zeros((1,))
    for index in (0, 1, 1):
        optimizer.update(index, w, g, None)
    assert optimizer.num_update == 7 and optimizer._index_update_count == {0: 6, 1: 7}


@pytest.mark.parametrize("name, master", [("sgd", 1), ("nag", 1), ("adam", 0)])
def test_half_precision_keeps_a_float32_copy(name, master):
    optimizer = mx.optimizer.create(name, learning_rate=1e-4, multi_precision=True,
                                    **({"momentum": 0.9} if master else {}))
    weight = mx.nd.ones((3,), dtype="float16")
    state = optimizer.create_state_multi_precision(0, weight)
    assert state[master].dtype == "float32"
    for _ in range(20):
        optimizer.update_multi_precision(0, weight, mx.nd.ones((3,), dtype="float16"), state)
    assert weight.dtype == "float16" and state[master].asnumpy()[0] < 1
    np.testing.assert_allclose(weight.asnumpy(), state[master].asnumpy(), atol=1e-3)
    with pytest.warns(UserWarning, match="multi_precision"):
        mx.optimizer.SGD().create_state_multi_precision(0, weight)


@pytest.mark.parametrize("dump", [False, True])
def test_updater_states(dump):
    grads = [mx.nd.array(np.random.randn(3)) for _ in range(4)]

    def train(updater, weight, part):
        for g in part:
            updater(0, g, weight)

    updater, weight = mx.optimizer.get_updater(mx.optimizer.Adam()), mx.nd.ones((3,))
    train(updater, weight, grads[:2])
    again, copied = mx.optimizer.get_updater(mx.optimizer.Adam(begin_num_update=2)), weight.copy()
    again.set_states(updater.get_states(dump_optimizer=dump))
    train(updater, weight, grads[2:])
    train(again, copied, grads[2:])
    assert weight.tolist() == copied.tolist()
    assert isinstance(pickle.loads(updater.get_states())[0][0], mx.nd.NDArray)


def test_registry():
    @mx.optimizer.register
    class Halve(mx.optimizer.Optimizer):
        def update(self, index, weight, grad, state):
            weight *= 0.5

    w = mx.nd.ones((1,))
    mx.optimizer.get_updater(mx.optimizer.create("HALVE"))([0, 1], [w, w], [w, w])
    assert w.asscalar() == 0.25
    with pytest.raises(ValueError, match="nothing"):
        mx.optimizer.create("nothing")
    with pytest.raises(NotImplementedError):
        mx.optimizer.Optimizer().update(0, w, w, None)
