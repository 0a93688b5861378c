"""Layers and cells of gluon.contrib, and the Estimator."""
import logging
import os

import numpy as np
import pytest

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import contrib, nn, rnn
from heddle.gluon.contrib import estimator as est


def data(*shape, seed=1):
    return mx.nd.array(np.random.RandomState(seed).uniform(-1, 1, shape).astype("float32"))


# --- layers
def test_blocks_side_by_side():
    for kind in (contrib.nn.Concurrent, contrib.nn.HybridConcurrent):
        net = kind(axis=1)
        net.add(nn.Dense(3), contrib.nn.Identity(), nn.Dense(2))
        net.initialize()
        x = data(2, 4)
        wanted = net(x).asnumpy()
        assert wanted.shape == (2, 9) and np.array_equal(wanted[:, 3:7], x.asnumpy())
    net.hybridize()
    assert np.allclose(net(x).asnumpy(), wanted, atol=1e-6)


def test_pixel_shuffles():
    x = data(2, 12, 3, 4)
    out = contrib.nn.PixelShuffle2D((2, 3))(x).asnumpy()
    wanted = x.asnumpy().reshape(2, 2, 2, 3, 3, 4).transpose(0, 1, 4, 2, 5, 3).reshape(2, 2, 6, 12)
    assert np.array_equal(out, wanted)
    line = contrib.nn.PixelShuffle1D(3)(data(2, 6, 5)).asnumpy()
    assert np.array_equal(line, data(2, 6, 5).asnumpy().reshape(2, 2, 3, 5).transpose(0, 1, 3, 2).reshape(2, 2, 15))
    solid = contrib.nn.PixelShuffle3D((2, 1, 2))(data(1, 8, 2, 3, 2)).asnumpy()
    assert np.array_equal(solid, data(1, 8, 2, 3, 2).asnumpy().reshape(1, 2, 2, 1, 2, 2, 3, 2).transpose(
        0, 1, 5, 2, 6, 3, 7, 4).reshape(1, 2, 4, 3, 4))
    with pytest.raises(AssertionError, match="wrong length"):
        contrib.nn.PixelShuffle2D((1, 2, 3))


def test_sparse_embedding_and_sync_batch_norm():
    table = contrib.nn.SparseEmbedding(5, 3)
    table.initialize()
    assert np.array_equal(table(mx.nd.array([4, 0])).asnumpy(), table.weight.data().asnumpy()[[4, 0]])
    one, other = nn.BatchNorm(), contrib.nn.SyncBatchNorm(num_devices=1)
    x = data(4, 3, 2, 2)
    found = []
    for layer in (one, other):
        layer.initialize()
        with autograd.record():
            found.append(layer(x).asnumpy())
    assert np.allclose(*found, atol=1e-5)


@pytest.mark.parametrize("kind", ["DeformableConvolution", "ModulatedDeformableConvolution"])
def test_deformable_convolutions(kind):
    layer = getattr(contrib.cnn, kind)(4, kernel_size=(3, 3), padding=(1, 1), activation="relu", weight_initializer="xavier")
    layer.initialize()
    x = data(2, 3, 5, 5)
    # Offsets are zero at first and weights 2 sigmoid(0) = 1: it is a convolution.
    weight, bias = layer.deformable_conv_weight, layer.deformable_conv_bias
    out = layer(x)
    plain = mx.nd.relu(mx.nd.Convolution(x, weight.data(), bias.data(), kernel=(3, 3), pad=(1, 1), num_filter=4))
    assert np.allclose(out.asnumpy(), plain.asnumpy(), atol=1e-5)
    layer.hybridize()
    assert np.allclose(layer(x).asnumpy(), plain.asnumpy(), atol=1e-5)


# --- cells
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_convolutional_cells(kind, axes):
    cell = getattr(contrib.rnn, f"Conv{axes}D{kind}Cell")((2,) + (5,) * axes, 3, 3, 3, i2h_pad=1, prefix="c_")
    cell.initialize(mx.init.Xavier())
    x = data(2, 4, 2, *(5,) * axes)
    outputs, states = cell.unroll(4, x)
    assert outputs[0].shape == (2, 3) + (5,) * axes and len(states) == len(cell.state_info())
    cell.hybridize()
    again, _ = cell.unroll(4, x)
    assert np.allclose(again[3].asnumpy(), outputs[3].asnumpy(), atol=1e-5)
    with pytest.raises(AssertionError, match="odd"):
        getattr(contrib.rnn, f"Conv{axes}D{kind}Cell")((2,) + (5,) * axes, 3, 3, 2)


def test_channels_last_cells_have_the_shapes_of_mxnet():
    cell = contrib.rnn.Conv2DLSTMCell((5, 6, 2), 3, 3, 3, conv_layout="NHWC", prefix="c_")
    assert cell.i2h_weight.shape == (12, 3, 3, 2) and cell.state_info(4)[0]["shape"] == (4, 3, 4, 3)


def test_projected_lstm_is_the_layer():
    cell = contrib.rnn.LSTMPCell(5, 3, input_size=4)
    cell.initialize(mx.init.Xavier())
    layer = rnn.LSTM(5, projection_size=3, input_size=4, layout="NTC")
    layer.initialize()
    for name in ("i2h_weight", "h2h_weight", "h2r_weight", "i2h_bias", "h2h_bias"):
        getattr(layer, "l0_" + name).set_data(getattr(cell, name).data())
    x = data(2, 3, 4)
    assert np.allclose(cell.unroll(3, x, merge_outputs=True)[0].asnumpy(), layer(x).asnumpy(), atol=1e-6)


@pytest.mark.parametrize("states", [0.0, 0.5])
def test_variational_dropout_draws_once(states):
    cell = contrib.rnn.VariationalDropoutCell(rnn.RNNCell(40, input_size=30), 0.5, states, 0.5)
    cell.initialize(mx.init.Xavier())
    with autograd.train_mode():
        outputs, _ = cell.unroll(4, data(2, 4, 30), merge_outputs=True)
    zero = outputs.asnumpy() == 0
    assert 0.3 < zero.mean() < 0.7 and (zero == zero[:, :1]).all()
    cell.hybridize()
    with autograd.train_mode():
        zero = cell.unroll(4, data(2, 4, 30), merge_outputs=True)[0].asnumpy() == 0
    assert (zero == zero[:, :1]).all()
    assert float((cell.unroll(4, data(2, 4, 30), merge_outputs=True)[0] == 0).sum().item()) == 0


def test_dynamic_unroll():
    cell = rnn.GRUCell(4, input_size=5)
    cell.initialize(mx.init.Xavier())
    x = data(3, 2, 5)
    outputs, states = contrib.rnn.rnn_cell.dynamic_unroll(cell, x, cell.begin_state(2))
    wanted, after = cell.unroll(3, x, layout="TNC", merge_outputs=True)
    assert np.array_equal(outputs.asnumpy(), wanted.asnumpy()) and np.array_equal(states[0].asnumpy(), after[0].asnumpy())
    with pytest.raises(TypeError, match="expected an NDArray"):
        contrib.rnn.rnn_cell.dynamic_unroll(cell, mx.sym.var("x"), None)


# --- the Estimator
class Recorder(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def batches(n=4, size=8):
    rng = np.random.RandomState(0)
    x = rng.uniform(-1, 1, (n, size, 5)).astype("float32")
    y = (x.sum(2) > 0).astype("float32")
    return [(mx.nd.array(a), mx.nd.array(b)) for a, b in zip(x, y)]


def build(**kwargs):
    mx.random.seed(1)
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="relu"), nn.Dense(2))
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
    made = est.Estimator(net, gluon.loss.SoftmaxCrossEntropyLoss(), trainer=trainer, context=mx.cpu(), **kwargs)
    made.logger.handlers = [Recorder()]
    return made


def test_fit_and_evaluate():
    e = build(train_metrics=[mx.metric.Accuracy(), mx.metric.Loss()])
    e.fit(batches(), val_data=batches(2), epochs=12)
    names = [m.get()[0] for m in e.train_metrics + e.val_metrics]
    assert names == ["training accuracy", "training loss", "validation accuracy", "validation loss"]
    assert e.train_metrics[0].get()[1] > 0.9 and e.val_metrics[0].get()[1] > 0.9
    lines = e.logger.handlers[0].lines
    assert lines[1] == "Train for 12 epochs." and "[Epoch 11]" in lines[-2] and lines[-1].startswith("Train finished")
    e.evaluate(batches(2))


def test_fit_takes_epochs_or_batches():
    e = build()
    for wrong in ({}, {"epochs": 1, "batches": 1}):
        with pytest.raises(ValueError, match="exactly one"):
            e.fit(batches(), **wrong)
    seen = []

    class Count(est.BatchEnd):
        def batch_end(self, estimator, *args, **kwargs):
            seen.append(kwargs["loss"][0].shape)

    e.fit(batches(), batches=6, event_handlers=Count())
    assert len(seen) == 6
    with pytest.raises(ValueError, match="no batches"):
        e.fit([], epochs=1)


def test_what_estimators_refuse():
    net, loss = nn.Dense(2), gluon.loss.L2Loss()
    with pytest.raises(ValueError, match="loss must be"):
        est.Estimator(net, 3)
    with pytest.raises(ValueError, match="EvalMetric"):
        est.Estimator(net, loss, train_metrics=[3])
    with pytest.raises(ValueError, match="context"):
        est.Estimator(net, loss, context="cpu")
    with pytest.warns(UserWarning, match="No trainer"):
        e = est.Estimator(net, loss, context=mx.cpu())
    with pytest.raises(ValueError, match="event_handlers"):
        e.fit(batches(), epochs=1, event_handlers=[3])


def test_early_stopping():
    e = build()
    stopping = est.EarlyStoppingHandler(e.train_metrics[0], patience=2, min_delta=10.0, mode="max")
    e.fit(batches(), epochs=50, event_handlers=[stopping])
    assert stopping.stopped_epoch == 2 and stopping.stop_training
    assert any("early stopping" in line for line in e.logger.handlers[0].lines)


def test_checkpoints_and_going_on(tmp_path):
    def handler(e, **kwargs):
        return est.CheckpointHandler(str(tmp_path), "m", monitor=e.val_metrics[0], save_best=True, max_checkpoints=2, **kwargs)

    e = build()
    e.net.hybridize()
    e.fit(batches(), val_data=batches(2), epochs=3, event_handlers=[handler(e)])
    assert sorted(os.listdir(tmp_path)) == ["m-best.params", "m-best.states", "m-epoch1batch8.params", "m-epoch1batch8.states",
                                            "m-epoch2batch12.params", "m-epoch2batch12.states", "m-symbol.json"]
    wanted = build()
    wanted.fit(batches(), epochs=5)
    other = build()
    other.fit(batches(), val_data=batches(2), epochs=5, event_handlers=[handler(other, resume_from_checkpoint=True)])
    for p, q in zip(wanted.net.collect_params().values(), other.net.collect_params().values()):
        assert np.allclose(p.data().asnumpy(), q.data().asnumpy(), atol=1e-6)
    with pytest.raises(ValueError, match="maximum number of epoch"):
        again = build()
        again.fit(batches(), epochs=2, event_handlers=[handler(again, resume_from_checkpoint=True)])


def test_handlers_hear_of_everything_in_order():
    events = []

    class All(est.TrainBegin, est.TrainEnd, est.EpochBegin, est.EpochEnd, est.BatchBegin, est.BatchEnd):
        def train_begin(self, estimator, *args, **kwargs):
            events.append("train_begin")

        def train_end(self, estimator, *args, **kwargs):
            events.append("train_end")

        def epoch_begin(self, estimator, *args, **kwargs):
            events.append("epoch_begin")

        def epoch_end(self, estimator, *args, **kwargs):
            events.append("epoch_end")

        def batch_begin(self, estimator, *args, **kwargs):
            events.append("batch_begin")

        def batch_end(self, estimator, *args, **kwargs):
            events.append("batch_end")

    build().fit(batches(2), epochs=1, event_handlers=[All(), est.LoggingHandler(log_interval=1)])
    assert events == ["train_begin", "epoch_begin"] + ["batch_begin", "batch_end"] * 2 + ["epoch_end", "train_end"]
    with pytest.raises(ValueError, match="log_interval"):
        est.LoggingHandler(log_interval="batch")
