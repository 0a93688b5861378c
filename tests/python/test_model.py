"""Checkpoints and FeedForward."""
import random

import numpy as np
import pytest

import heddle as mx
from heddle.model import FeedForward


def net():
    out = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    return mx.sym.SoftmaxOutput(out, name="softmax")


def test_checkpoint(tmp_path):
    prefix = str(tmp_path / "a.b")
    arg, aux = {"w": mx.nd.array([1])}, {"s": mx.nd.array([2])}
    mx.model.save_checkpoint(prefix, 12345, net(), arg, aux)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.b-12345.params", "a.b-symbol.json"]
    symbol, arg2, aux2 = mx.model.load_checkpoint(prefix, 12345)
    assert symbol.tojson() == net().tojson() and arg2["w"].tolist() == [1] and aux2["s"].tolist() == [2]
    assert list(mx.nd.load(f"{prefix}-12345.params")) == ["arg:w", "aux:s"]
    mx.nd.save(f"{prefix}-0001.params", {"w": arg["w"]})
    with pytest.raises(ValueError, match="arg: or aux:"):
        mx.model.load_params(prefix, 1)
    mx.nd.save(f"{prefix}-0002.params", [arg["w"]])
    with pytest.raises(ValueError, match="without names"):
        mx.model.load_params(prefix, 2)
    with pytest.raises(mx.MXNetError, match="0003"):
        mx.model.load_params(prefix, 3)


@pytest.mark.filterwarnings("ignore:mxnet.model.FeedForward")
def test_feed_forward(tmp_path):
    rng = np.random.RandomState(0)
    random.seed(0)
    mx.random.seed(0)
    x = rng.randn(300, 4).astype("float32")
    y = (x.sum(1) > 0).astype("float32")
    model = FeedForward.create(net(), x, y, num_epoch=8, learning_rate=0.5, numpy_batch_size=50,
                               eval_data=(x[:50], y[:50]))
    out = model.predict(x)
    assert out.shape == (300, 2) and (out.argmax(1) == y).mean() > 0.95
    assert model.score(mx.io.NDArrayIter(x, y, 50)) > 0.95
    out2, data, label = model.predict(mx.io.NDArrayIter(x, y, 70), return_data=True)
    np.testing.assert_allclose(out2, out, rtol=1e-5)
    assert (data == x).all() and (label == y).all()
    prefix = str(tmp_path / "ff")
    model.save(prefix)
    again = FeedForward.load(prefix, 8)
    assert again.begin_epoch == 8 and (again.predict(x) == out).all()
    assert set(again.arg_params) == {"fc_weight", "fc_bias"}
    with pytest.raises(ValueError, match="num_epoch"):
        FeedForward(net()).fit(x, y)
    with pytest.warns(DeprecationWarning):
        FeedForward(net())
