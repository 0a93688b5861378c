"""First values of parameters."""
import json
import math

import numpy as np
import pytest

import heddle as mx
from heddle import init


def fill(initializer, name, shape, attrs=None):
    a = mx.nd.full(shape, 99)
    initializer(init.InitDesc(name, attrs), a)
    return a.asnumpy()


def test_names_decide():
    rule = init.Uniform(0.1)
    mx.random.seed(1)
    w = fill(rule, "fc_weight", (50, 40))
    assert abs(w).max() <= 0.1 and abs(w.mean()) < 0.01 and w.std() > 0.05
    for name, value in (("fc_bias", 0), ("bn_gamma", 1), ("bn_beta", 0), ("q_min", 0), ("q_max", 1)):
        assert (fill(rule, name, (3,)) == value).all()
    with pytest.raises(ValueError, match="Unknown initialization pattern for strange"):
        fill(rule, "strange", (3,))


def test_attributes_decide_first():
    assert (fill(init.Zero(), "x_bias", (2,), {"__init__": init.Constant(3).dumps()}) == 3).all()
    assert (fill(init.Zero(), "anything", (2,), {"__init__": "ones"}) == 1).all()
    net = mx.sym.BatchNorm(mx.sym.Variable("data"), name="bn")
    attrs = net.attr_dict()
    assert (fill(init.Uniform(), "bn_moving_var", (3,), attrs["bn_moving_var"]) == 1).all()
    assert (fill(init.Uniform(), "bn_moving_mean", (3,), attrs["bn_moving_mean"]) == 0).all()


def test_plain_names_of_0_10():
    for name, value in (("bn_moving_var", 1), ("bn_moving_mean", 0), ("x_moving_avg", 0), ("stn_loc_weight", 0)):
        a = mx.nd.full((2, 2), 9)
        init.Uniform()(name, a)
        assert (a.asnumpy() == value).all()
    a = mx.nd.zeros((6,))
    init.Uniform()("stn_loc_bias", a)
    assert a.tolist() == [1, 0, 0, 0, 1, 0]


def test_normal_and_constants():
    mx.random.seed(0)
    w = fill(init.Normal(0.5), "w_weight", (100, 100))
    assert abs(w.std() - 0.5) < 0.02 and abs(w.mean()) < 0.02
    assert (fill(init.One(), "w_weight", (2,)) == 1).all() and (fill(init.Zero(), "w_weight", (2,)) == 0).all()
    assert fill(init.Constant(mx.nd.array([1, 2])), "w_weight", (2,)).tolist() == [1, 2]


@pytest.mark.parametrize("rnd", ["uniform", "gaussian"])
@pytest.mark.parametrize("factor, divisor", [("avg", (30 * 9 + 20 * 9) / 2), ("in", 20 * 9), ("out", 30 * 9)])
def test_xavier(rnd, factor, divisor):
    mx.random.seed(2)
    w = fill(init.Xavier(rnd, factor, 2), "c_weight", (30, 20, 3, 3))
    scale = math.sqrt(2 / divisor)
    if rnd == "uniform":
        assert abs(w).max() <= scale * 1.0001 and abs(w).max() > scale * 0.95
    else:
        assert abs(w.std() / scale - 1) < 0.05
    with pytest.raises(ValueError, match="vector"):
        fill(init.Xavier(), "c_weight", (3,))
    with pytest.raises(ValueError):
        fill(init.Xavier(factor_type="odd"), "c_weight", (3, 3))


def test_msra():
    mx.random.seed(3)
    w = fill(init.MSRAPrelu("in", 0.25), "c_weight", (60, 50))
    assert abs(w.std() / math.sqrt(2 / (1 + 0.0625) / 50) - 1) < 0.05


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (12, 12), (6, 2, 3, 3)])
def test_orthogonal(kind, shape):
    mx.random.seed(4)
    w = fill(init.Orthogonal(1.5, kind), "w_weight", shape).reshape(shape[0], -1).astype("float64")
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 2.25 * np.eye(len(gram)), atol=1e-4)


def test_bilinear_and_lstm_bias():
    w = fill(init.Bilinear(), "up_weight", (2, 1, 4, 4))
    row = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(w, np.broadcast_to(np.outer(row, row), (2, 1, 4, 4)))
    b = mx.nd.zeros((8,))
    init.LSTMBias(2.0)._init_weight("x", b)
    assert b.tolist() == [0, 0, 2, 2, 0, 0, 0, 0]


def test_load_and_mixed(tmp_path):
    path = str(tmp_path / "p.params")
    mx.nd.save(path, {"arg:a_weight": mx.nd.array([5, 6])})
    load = init.Load(path, default_init=init.One())
    assert fill(load, "a_weight", (2,)).tolist() == [5, 6] and fill(load, "b_weight", (1,)).tolist() == [1]
    with pytest.raises(ValueError, match="Shape mismatch"):
        fill(load, "a_weight", (3,))
    with pytest.raises(ValueError, match="Not found"):
        fill(init.Load(path), "b_weight", (1,))
    mixed = init.Mixed(["fc.*", ".*"], [init.One(), init.Zero()])
    assert fill(mixed, "fc_weight", (1,)) == 1 and fill(mixed, "x_weight", (1,)) == 0
    with pytest.raises(ValueError, match="did not match"):
        fill(init.Mixed(["fc"], [init.One()]), "x_weight", (1,))


def test_dumps_and_create():
    for made in (init.Uniform(0.3), init.Xavier("gaussian", "in", 2), init.MSRAPrelu(slope=0.1), init.Constant(4)):
        again = init.create(made.dumps())
        assert type(again) is type(made) and again.dumps() == made.dumps() and again == made
    assert json.loads(init.Zero().dumps()) == ["zero", {}]
    assert isinstance(init.create("zeros"), init.Zero) and isinstance(init.create("xavier", magnitude=2), init.Xavier)
    with pytest.raises(ValueError, match="nothing"):
        init.create("nothing")

    @init.register
    class Sevens(init.Initializer):
        def _init_weight(self, _, arr):
            arr[:] = 7

    assert (fill(init.create("sevens"), "a_weight", (1,)) == 7).all()


def test_verbosity(caplog):
    with caplog.at_level("INFO"):
        fill(init.One().set_verbosity(True), "a_weight", (4,))
    assert "Initialized a_weight as weight: 1.0" in caplog.text


def test_fused_rnn():
    size = 8 * (3 + 2 + 2) + 8 * (2 + 2 + 2)
    plain = fill(init.FusedRNN(init.Uniform(0.1).dumps(), 2, 2, "lstm", forget_bias=3.0), "rnn_parameters_weight", (size,))
    weights, biases = plain[:-32], plain[-32:].reshape(4, 4, 2)  # layer and part; gate; unit
    assert 0 < abs(weights).max() <= 0.1 and (biases[:, 1] == 3).all() and (np.delete(biases, 1, axis=1) == 0).all()
    desc = init.InitDesc("parameters", {"__init__": init.FusedRNN(None, 2, 1, "gru").dumps()})
    array = mx.nd.zeros((6 * (1 + 2 + 2),))
    init.Constant(0.5)(desc, array)  # by the initializer for all parameters
    assert (array.asnumpy()[:-12] == 0.5).all() and (array.asnumpy()[-12:] == 0).all()
    with pytest.raises(ValueError, match="gru of 1 layers with 2 hidden units has 7 numbers"):
        fill(init.FusedRNN(init.One(), 2, 1, "gru"), "p_weight", (7,))
    with pytest.raises(ValueError, match="lstmp"):
        init.FusedRNN(init.One(), 2, 1, "lstmp")


def test_rules_can_be_replaced():
    """A subclass without a constructor of its own, and one that initialises biases."""
    class Ramp(init.Initializer):
        def __init__(self):
            pass  # forgets the constructor of Initializer

        def _init_weight(self, name, arr):
            arr[:] = mx.nd.arange(arr.size).reshape(arr.shape)

        def _init_bias(self, name, arr):
            arr[:] = len(name)

    assert fill(Ramp(), "a_weight", (2, 2)).tolist() == [[0, 1], [2, 3]] and fill(Ramp(), "a_bias", (1,)).tolist() == [6]
    assert fill(Ramp(), init.InitDesc("a_bias"), (1,)).tolist() == [6]


def test_quantized_weights():
    w = mx.nd.zeros((1000,), dtype="int8")
    init.Uniform()(init.InitDesc("a_weight_quantize"), w)
    assert w.asnumpy().min() < -120 and w.asnumpy().max() > 120 and w.dtype == "int8"
