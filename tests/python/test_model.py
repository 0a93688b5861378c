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
def test_missing_checkpoints_are_errors_of_this_package(tmp_path):
    for call in (lambda: mx.sym.load(tmp_path / "none.json"), lambda: mx.model.load_checkpoint(str(tmp_path / "none"), 1),
                 lambda: mx.mod.Module.load(str(tmp_path / "none"), 1)):
        with pytest.raises(mx.MXNetError, match="none.*No such file"):
            call()


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


@pytest.mark.filterwarnings("ignore:mxnet.model.FeedForward")
def test_feed_forward_says_what_it_takes():
    x, model = np.zeros((6, 4), "float32"), FeedForward(net(), num_epoch=1)
    for given, error, text in (((x,), ValueError, "y must be specified"), ((x, [1]), TypeError, "y must be ndarray"),
                               ((x, np.zeros(3)), ValueError, "found 6 and 3"), (([1],), TypeError, "X must be DataIter"),
                               ((x, np.zeros((6, 2))), ValueError, r"found shape \(6, 2\)"),
                               ((x, np.zeros(6), 5), TypeError, "Eval data must be DataIter")):
        with pytest.raises(error, match=text):
            model.fit(*given)
    with pytest.raises(ValueError, match="nothing to save"):
        model.save("nowhere")
    with pytest.raises(TypeError, match="found a symbol of type int"):
        FeedForward(3)
    twice = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=mx.sym.Variable("w"), num_hidden=2, name="a")
    twice = mx.sym.FullyConnected(twice, weight=mx.sym.Variable("w"), num_hidden=2, name="b")
    with pytest.raises(ValueError, match='duplicated argument name "w"'):
        FeedForward(twice)
    extra = FeedForward(net(), arg_params={"old": mx.nd.ones((1,))}, aux_params={}, allow_extra_params=True)
    assert extra.arg_params == {}
    names = extra._init_params([("data", (2, 4)), ("softmax_label", (2,))])
    assert names == (["data", "fc_weight", "fc_bias", "softmax_label"], ["fc_weight", "fc_bias"], [])
    assert extra.arg_params["fc_weight"].shape == (2, 4) and FeedForward._is_data_arg("softmax_label")


@pytest.mark.filterwarnings("ignore:mxnet.model.FeedForward")
def test_feed_forward_of_buckets():
    """A function from bucket keys to symbols trains one set of parameters."""
    class Sentences(mx.io.DataIter):
        default_bucket_key = 6

        def __init__(self):
            super().__init__(4)
            self.provide_data = [mx.io.DataDesc("data", (4, 6, 3))]
            self.provide_label = [mx.io.DataDesc("softmax_label", (4,))]
            self.reset()

        def reset(self):
            self.keys = [3, 6, 4]

        def next(self):
            if not self.keys:
                raise StopIteration
            key = self.keys.pop()
            return mx.io.DataBatch([mx.nd.ones((4, key, 3))], [mx.nd.zeros((4,))], 0, None, key,
                                   [mx.io.DataDesc("data", (4, key, 3))], self.provide_label)

    def generate(length):
        out = mx.sym.FullyConnected(mx.sym.sum(mx.sym.Variable("data"), axis=1), num_hidden=2, name="fc")
        return mx.sym.SoftmaxOutput(out, name="softmax")

    model = FeedForward(generate, num_epoch=3, learning_rate=0.1)
    seen = []
    model.fit(Sentences(), epoch_end_callback=lambda epoch, symbol, arg, aux: seen.append(sorted(arg)))
    assert seen == [["fc_bias", "fc_weight"]] * 3 and set(model.arg_params) == {"fc_bias", "fc_weight"}
    assert model.score(Sentences()) == 1.0


def test_managers_of_executors():
    batches = mx.io.NDArrayIter(np.ones((6, 4), "float32"), np.zeros(6, "float32"), 4)
    with pytest.raises(ValueError, match="2 work loads for 1 devices"):
        mx.executor_manager.DataParallelExecutorManager(net(), mx.cpu(), batches, [], [], [], work_load_list=[1, 2])
    names = net().list_arguments(), ["fc_weight", "fc_bias"], []
    manager = mx.executor_manager.DataParallelExecutorManager(net(), [mx.cpu(0), mx.cpu(1)], batches, *names)
    seen = mx.mon.Monitor(1, pattern="[^_]*_output$")
    manager.install_monitor(seen)
    seen.tic()
    manager.load_data_batch(next(batches))
    manager.forward(is_train=True)
    manager.backward()
    assert len(seen.toc()) == 4 and manager.execgrp.slices == [slice(0, 2), slice(2, 4)]
    assert [len(a) for a in manager.param_arrays] == [2, 2] and manager.grad_arrays[1][1].shape == (2,)
    mx.executor_manager._load_general([mx.nd.ones((2,))], [target := mx.nd.zeros((2,))])
    assert target.tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore:mxnet.model.FeedForward")
def test_predictions_follow_the_parameters():
    """What ran the last prediction runs the next one of the same shapes, with the parameters of now."""
    model = FeedForward(net(), arg_params={"fc_weight": mx.nd.ones((2, 4)), "fc_bias": mx.nd.array([0, 0])}, aux_params={})
    x = np.ones((3, 4), "float32")
    assert model.predict(x).tolist() == [[0.5, 0.5]] * 3
    first = model._pred_exec
    model.arg_params["fc_bias"] = mx.nd.array([50, 0])
    assert model.predict(x).round(6).tolist() == [[1, 0]] * 3 and model._pred_exec is first
    assert model.predict(x[:2]).shape == (2, 2) and model._pred_exec is not first


def test_managers_of_buckets():
    """The groups of all buckets have the same parameters and gradients."""
    def generate(length):
        out = mx.sym.FullyConnected(mx.sym.sum(mx.sym.Variable("data"), axis=1), num_hidden=2, name="fc")
        return mx.sym.SoftmaxOutput(out, name="softmax")

    class Described:
        batch_size, default_bucket_key = 4, 6
        provide_data = [mx.io.DataDesc("data", (4, 6, 3))]
        provide_label = [mx.io.DataDesc("softmax_label", (4,))]

    names = generate(6).list_arguments(), ["fc_weight", "fc_bias"], []
    manager = mx.executor_manager.DataParallelExecutorManager(generate(6), [mx.cpu(0), mx.cpu(1)], Described(), *names,
                                                              sym_gen=generate)
    manager.set_params({"fc_weight": mx.nd.ones((2, 3)), "fc_bias": mx.nd.zeros((2,))}, {})
    metric = mx.metric.create("acc")
    for length in (6, 3, 6):
        batch = mx.io.DataBatch([mx.nd.ones((4, length, 3))], [mx.nd.zeros((4,))], bucket_key=length,
                                provide_data=[mx.io.DataDesc("data", (4, length, 3))], provide_label=Described.provide_label)
        manager.load_data_batch(batch)
        manager.forward(is_train=True)
        manager.backward()
        manager.update_metric(metric, batch.label)
        assert manager.grad_arrays[0][0].tolist() == [[-length] * 3, [length] * 3]  # of the group that has run
    assert set(manager.execgrp_bucket) == {6, 3} and metric.num_inst == 12
    with pytest.raises(NotImplementedError, match="bucketing"):
        manager.install_monitor(mx.mon.Monitor(1))
