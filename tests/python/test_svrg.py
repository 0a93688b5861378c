"""Stochastic gradients with less variance."""
import json

import numpy as np
import pytest

import heddle as mx
from heddle.contrib.svrg_optimization import SVRGModule
from test_witness import ask
from witness.svrg import weights

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(24, 3)).astype("float32"), RNG.normal(size=24).astype("float32")
RATE, BATCH = 0.1, 6


def net():
    out = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc")
    return mx.sym.LinearRegressionOutput(out, mx.sym.Variable("target"), name="out")


def data(count=24):
    return mx.io.NDArrayIter(X[:count], {"target": Y[:count]}, BATCH)


def gradient(w, rows):
    return ((X[rows] @ w - Y[rows]) @ X[rows]).astype("float64")


def by_hand(epochs, freq):
    """The rule in NumPy: gradients of a batch are sums, the optimizer divides by the size of the batch."""
    w = np.zeros(3)
    for epoch in range(epochs):
        if epoch % freq == 0:
            kept, full = w.copy(), gradient(w, slice(None)) / (24 / BATCH)
        for start in range(0, 24, BATCH):
            rows = slice(start, start + BATCH)
            w = w - RATE * (gradient(w, rows) - gradient(kept, rows) + full) / BATCH
    return w


@pytest.mark.parametrize("context", [mx.cpu(), [mx.cpu(0), mx.cpu(1)]])
def test_the_rule(context):
    mod = SVRGModule(net(), label_names=("target",), context=context, update_freq=2)
    mod.fit(data(), num_epoch=3, eval_metric="mse", optimizer_params={"learning_rate": RATE}, initializer=mx.init.Zero())
    np.testing.assert_allclose(mod.get_params()[0]["fc_weight"].asnumpy()[0], by_hand(3, 2), rtol=1e-5)


def test_a_loop_of_ones_own():
    mod = SVRGModule(net(), label_names=("target",), update_freq=2)
    batches = data()
    mod.bind(batches.provide_data, batches.provide_label)
    mod.init_params(mx.init.Zero())
    mod.init_optimizer(optimizer_params={"learning_rate": RATE})
    mod.forward_backward(next(batches))
    with pytest.raises(RuntimeError, match="update_full_grads"):
        mod.update()
    for epoch in range(3):
        if epoch % mod.update_freq == 0:
            mod.update_full_grads(batches)
        batches.reset()
        for batch in batches:
            mod.forward_backward(batch)
            mod.update()
    np.testing.assert_allclose(mod.get_params()[0]["fc_weight"].asnumpy()[0], by_hand(3, 2), rtol=1e-5)


def test_padding_counts_less():
    """Of 21 rows the last batch has three, filled up with three others: three batches and a half."""
    mod = SVRGModule(net(), label_names=("target",), update_freq=1)
    batches = data(21)
    mod.bind(batches.provide_data, batches.provide_label)
    mod.init_params(mx.init.Zero())
    mod.update_full_grads(batches)
    want = (gradient(np.zeros(3), slice(21)) + gradient(np.zeros(3), slice(3))) / 3.5
    np.testing.assert_allclose(mod._full_grads[0][0].asnumpy()[0], want, rtol=1e-5)


@pytest.mark.parametrize("freq", [None, 0, "2"])
def test_update_freq(freq):
    with pytest.raises(ValueError, match="update_freq"):
        SVRGModule(net(), label_names=("target",), update_freq=freq)


def test_the_real_mxnet_says_the_same(tmp_path):
    ask("svrg.py", str(tmp_path / "weights.json"))
    theirs, ours = json.loads((tmp_path / "weights.json").read_text()), weights(mx)
    for name in ("fc_weight", "fc_bias"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-5)
