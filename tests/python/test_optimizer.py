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
        m, g = o["momentum"] * s.get("m", 0), clip(g, o)
        y = w - m + (o["momentum"] + 1) * (m - o["lr"] * (g + o["wd"] * w))
        s["m"] = m - o["lr"] * (g + o["wd"] * y)  # MXNet's decay of the weight it has just written
        return y
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


# --- lists, and what subclasses put in the place of ours
def parameters(count=3):
    rng = np.random.RandomState(1)
    return [mx.nd.array(rng.randn(2, 3)) for _ in range(count)], [mx.nd.array(rng.randn(2, 3)) for _ in range(count)]


OURS = sorted(name for name, kind in mx.optimizer.Optimizer.opt_registry.items() if kind._rule and name != "sgld")


@pytest.mark.parametrize("name", OURS)
def test_lists_and_single_ones_are_the_same_numbers(name):
    found = []
    for together in (True, False):
        weights, grads = parameters()
        updater = mx.optimizer.get_updater(mx.optimizer.create(name))
        updater([], [], [])
        for _ in range(3):
            if together:
                updater([0, 1, 2], grads, weights)
            else:
                for step in zip((0, 1, 2), grads, weights):
                    updater(*step)
        found.append([w.tolist() for w in weights])
    assert found[0] == found[1]


def test_a_step_of_all_parameters_is_one_task(tmp_path):
    weights, grads = parameters(20)
    updater = mx.optimizer.get_updater(mx.optimizer.Adam())
    updater(list(range(20)), grads, weights)
    mx.nd.waitall()
    mx.profiler.set_config(filename=str(tmp_path / "trace.json"), profile_all=True, aggregate_stats=True)
    mx.profiler.set_state("run")
    updater(list(range(20)), grads, weights)
    mx.nd.waitall()
    mx.profiler.set_state("stop")
    mx.profiler.dump()
    import json
    events = json.loads((tmp_path / "trace.json").read_text())
    tasks = [e for e in events["traceEvents"] if e.get("ph") in ("B", "X") and "adam" in e["name"]]
    assert len(tasks) == 1


def test_attributes_may_change_between_updates():
    optimizer = mx.optimizer.SGD(learning_rate=1.0)
    weight, grad = mx.nd.array([0.0]), mx.nd.array([1.0])
    updater = mx.optimizer.get_updater(optimizer)
    for name, value, expected in (("rescale_grad", 0.5, -0.5), ("clip_gradient", 0.25, -0.75), ("lr", 2.0, -1.25),
                                  ("wd", 0.5, -0.5)):  # -1.25 + 1.25 - 0.5
        setattr(optimizer, name, value)
        updater(0, grad, weight)
        assert weight.asscalar() == expected, name
    optimizer = mx.optimizer.SGD(learning_rate=1.0, momentum=0.5)
    state = mx.nd.array([4.0])
    weight = mx.nd.array([0.0])
    optimizer.update(0, weight, grad, state)
    assert state.asscalar() == 1
    optimizer.momentum = 3.0
    optimizer.update(0, weight, grad, state)
    assert state.asscalar() == 2


def test_an_update_of_a_subclass_is_called_for_each():
    class Own(mx.optimizer.SGD):
        seen = []

        def update(self, index, weight, grad, state):
            self.seen.append(index)
            super().update(index, weight, grad, state)

    weights, grads = parameters()
    expected = [w.asnumpy() - 0.1 * g.asnumpy() for w, g in zip(weights, grads)]
    mx.optimizer.get_updater(Own(learning_rate=0.1))([0, 1, 2], grads, weights)
    assert Own.seen == [0, 1, 2]
    for w, e in zip(weights, expected):
        np.testing.assert_allclose(w.asnumpy(), e, rtol=1e-6)


@pytest.mark.parametrize("method, given, expected", [
    ("_get_lr", lambda self, index: 0.5 * (index + 1), [-0.5, -1.0]),
    ("_get_lrs", lambda self, indices: [0.25 * (i + 1) for i in indices], [-0.25, -0.5]),
    ("_get_wd", lambda self, index: 10.0 * index, [-1.0, -11.0]),
    ("_get_wds", lambda self, indices: [10.0 * i for i in indices], [-1.0, -11.0]),
])
def test_a_method_of_a_subclass_is_asked(method, given, expected):
    own = type("Own", (mx.optimizer.SGD,), {method: given})
    weights = [mx.nd.array([1.0]), mx.nd.array([1.0])]
    mx.optimizer.get_updater(own(learning_rate=1.0))([0, 1], [mx.nd.array([1.0])] * 2, weights)
    assert [w.asscalar() - 1 for w in weights] == expected


def test_a_count_of_a_subclass_is_the_one_that_counts():
    class Fast(mx.optimizer.Adam):
        def _update_count(self, index):
            for _ in range(9):
                super()._update_count(index)

    weights, grads = parameters(2)
    optimizer = Fast()
    mx.optimizer.get_updater(optimizer)([0, "a"], grads, weights)
    assert optimizer._index_update_count == {0: 9, "a": 9} and optimizer.num_update == 9
    alone, weight = mx.optimizer.Adam(begin_num_update=8), parameters(2)[0][0]
    alone.update(0, weight, grads[0], alone.create_state(0, weight))
    assert weight.tolist() == weights[0].tolist()


def test_a_subclass_may_take_lists():
    class Several(mx.optimizer.Optimizer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.aggregate_num, self.seen = 2, []

        def update(self, index, weight, grad, state):
            self.seen.append((index, [w.dtype for w in weight], state))

    weights, grads = parameters(4)
    weights[1] = weights[1].astype("float64")
    updater = mx.optimizer.get_updater(Several())
    assert updater.aggregate_updates
    updater([5, 6, 7, 8], grads, weights)
    assert updater.optimizer.seen == [([5, 7], [np.float32] * 2, [None] * 2), ([8], [np.float32], [None]),
                                      ([6], [np.float64], [None])]


def test_states_of_a_subclass():
    class Started(mx.optimizer.SGD):
        def create_state(self, index, weight):
            return mx.nd.full(weight.shape, 8.0)

    weight = mx.nd.array([0.0])
    updater = mx.optimizer.get_updater(Started(learning_rate=1.0, momentum=0.5))
    updater([0], [mx.nd.array([0.0])], [weight])
    assert weight.asscalar() == 4 and updater.states[0].asscalar() == 4


def test_devices_count_for_themselves():
    optimizer = mx.optimizer.Adam()
    weights, grads = parameters(1)
    state = optimizer.create_state(0, weights[0])
    for device in (0, 1, 0):
        optimizer._set_current_context(device)
        optimizer.update([0], weights, grads, [state])
    assert optimizer._all_index_update_counts == {0: {0: 2}, 1: {0: 1}} and optimizer.num_update == 2
    updater = mx.optimizer.get_updater(optimizer)
    updater([0], grads, [mx.nd.zeros((2, 3), ctx=mx.cpu(1))])
    assert optimizer._all_index_update_counts[1] == {0: 2} == optimizer._index_update_count
    optimizer._set_current_context(0)
    again = pickle.loads(pickle.dumps(optimizer))
    assert again._index_update_count is again._all_index_update_counts[0] and "_known_rule" not in vars(again)


def test_what_does_not_fit_is_said_before_anything_happens():
    optimizer = mx.optimizer.Adam()
    weights, grads = parameters(2)
    states = [optimizer.create_state(i, w) for i, w in enumerate(weights)]
    before = [w.tolist() for w in weights]
    with pytest.raises(ValueError, match=r"\[adam\] key fc: grad has shape \(3,\), expected \(2, ?3\)"):
        optimizer.update([0, "fc"], weights, [grads[0], mx.nd.zeros((3,))], states)
    with pytest.raises(ValueError, match=r"\[adam\] key 1: the state has 1 arrays, expected 2"):
        optimizer.update([0, 1], weights, grads, [states[0], states[1][0]])
    with pytest.raises(ValueError, match=r"\[adam\] key 0: grad has dtype float64, expected float32"):
        optimizer.update(0, weights[0], grads[0].astype("float64"), states[0])
    with pytest.raises(ValueError, match="2 indices, 2 weights, 1 gradients"):
        optimizer.update([0, 1], weights, grads[:1], states)
    assert [w.tolist() for w in weights] == before and optimizer.num_update == 0
    with pytest.raises(ValueError, match="weight decay"):
        rows = mx.optimizer.create("groupadagrad", wd=0.1)
        rows.update(0, weights[0], grads[0], rows.create_state(0, weights[0]))


def test_bfloat16_keeps_a_float32_copy():
    optimizer = mx.optimizer.SGD(learning_rate=1e-3, momentum=0.9, multi_precision=True)
    weight, grad = mx.nd.ones((3,), dtype="bfloat16"), mx.nd.ones((3,), dtype="bfloat16")
    updater = mx.optimizer.get_updater(optimizer)
    for _ in range(4):
        updater([0], [grad], [weight])
    momentum, master = updater.states[0]
    assert master.dtype == np.float32 and momentum.dtype == np.float32
    np.testing.assert_allclose(master.asnumpy(), 1 - 1e-3 * (1 + 1.9 + 2.71 + 3.439), rtol=1e-6)


def test_gradients_of_several_updates_make_one_step():
    optimizer = mx.optimizer.LBSGD(learning_rate=1.0, momentum=0.5, batch_scale=2, warmup_epochs=0)
    weight, updater = mx.nd.array([0.0]), mx.optimizer.get_updater(optimizer)
    for g, expected in ((1.0, 0), (3.0, -4), (7.0, -4), (1.0, -14)):  # the rate is 2; of the mean; momentum only in steps
        updater(0, mx.nd.array([g]), weight)
        assert weight.asscalar() == expected
    assert optimizer.cumgrads[0]["num_cums"] == 4


def test_a_weight_that_a_recorded_result_needs_is_not_updated():
    weight = mx.nd.ones((2,))
    weight.attach_grad()
    with mx.autograd.record():
        result = weight * weight
        with pytest.raises(mx.MXNetError, match="Inplace"):
            mx.optimizer.SGD().update(0, result, mx.nd.ones((2,)), None)
    result.backward()
    assert weight.grad.tolist() == [2, 2]
