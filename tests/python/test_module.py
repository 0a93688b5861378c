"""Modules: binding, training, data parallelism, buckets, chains."""
import logging
import random

import numpy as np
import pytest

import heddle as mx
from heddle import sym
from heddle.module import BucketingModule, Module, PythonLossModule, SequentialModule
from heddle.module.executor_group import split_input_slice


def mlp(bn=False):
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=16, name="fc1")
    net = sym.BatchNorm(net, name="bn", fix_gamma=False) if bn else net
    net = sym.FullyConnected(sym.Activation(net, act_type="relu"), num_hidden=2, name="fc2")
    return sym.SoftmaxOutput(net, name="softmax")


def problem(n=400, seed=0, shuffle=True, batch=20):
    rng = np.random.RandomState(seed)
    x = rng.randn(n, 6)
    random.seed(seed)
    return mx.io.NDArrayIter(x, (x[:, :3].sum(1) > x[:, 3:].sum(1)).astype("float32"), batch, shuffle=shuffle)


def train(data, net=None, context=None, **kwargs):
    mx.random.seed(4)
    mod = Module(mlp() if net is None else net, context=context or mx.cpu())
    settings = {"optimizer_params": {"learning_rate": 0.2, "momentum": 0.9}, "initializer": mx.init.Xavier(),
                "num_epoch": 4, **kwargs}
    mod.fit(data, **settings)
    return mod


@pytest.mark.parametrize("bn", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_fit_learns(bn, optimizer):
    params = {"learning_rate": 0.02} if optimizer == "adam" else {"learning_rate": 0.05, "momentum": 0.9}
    mod = train(problem(), mlp(bn), optimizer=optimizer, optimizer_params=params, num_epoch=8)
    assert mod.score(problem(seed=1), "acc")[0][1] > 0.93


def test_fit_logs_and_calls_back(caplog):
    calls = []
    with caplog.at_level(logging.INFO):
        train(problem(100), num_epoch=2, eval_data=problem(40), eval_metric=["acc", "ce"],
              batch_end_callback=[lambda p: calls.append(("batch", p.epoch, p.nbatch)),
                                  mx.callback.Speedometer(20, 2)],
              epoch_end_callback=lambda e, s, a, x: calls.append(("epoch", e, sorted(a))),
              eval_end_callback=lambda p: calls.append(("eval", p.epoch, p.nbatch)),
              eval_batch_end_callback=lambda p: calls.append(("eval batch", p.epoch, p.nbatch)))
    names = ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]
    assert calls == [call for e in range(2) for call in (
        *[("batch", e, n) for n in range(5)], ("epoch", e, names), ("eval batch", e, 0), ("eval batch", e, 1),
        ("eval", e, 2))]
    for text in ("Epoch[0] Train-accuracy=", "Epoch[1] Validation-cross-entropy=", "Time cost=", "Epoch[0] Batch [0-2]"):
        assert text in caplog.text
    with pytest.raises(ValueError, match="num_epoch"):
        Module(mlp()).fit(problem(20))


def test_steps_by_hand_equal_the_formula():
    net = sym.LinearRegressionOutput(sym.FullyConnected(sym.Variable("data"), num_hidden=1, name="fc"), name="lro")
    mod = Module(net, label_names=["lro_label"])
    mod.bind([("data", (4, 2))], [("lro_label", (4, 1))])
    mod.init_params(mx.init.One())
    mod.init_optimizer(optimizer_params={"learning_rate": 0.1})
    x, y = np.array([[1, 2], [3, 4], [0, 1], [2, 2]], "float32"), np.array([[1], [2], [3], [4]], "float32")
    mod.forward_backward(mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(y)]))
    out = mod.get_outputs()[0].asnumpy()
    np.testing.assert_allclose(out, x.sum(1, keepdims=True))
    mod.update()
    arg, _ = mod.get_params()
    np.testing.assert_allclose(arg["fc_weight"].asnumpy(), 1 - 0.1 / 4 * (out - y).T @ x, rtol=1e-5)
    np.testing.assert_allclose(arg["fc_bias"].asnumpy(), -0.1 / 4 * (out - y).sum(0), rtol=1e-5)


def test_data_parallel_training_equals_one_device():
    one = train(problem(shuffle=False))
    two = train(problem(shuffle=False), context=[mx.cpu(0), mx.cpu(1)])
    three = train(problem(shuffle=False), context=[mx.cpu(i) for i in range(3)], kvstore="device")
    for other in (two, three):
        for name, value in one.get_params()[0].items():
            np.testing.assert_allclose(other.get_params()[0][name].asnumpy(), value.asnumpy(), rtol=2e-3, atol=1e-4)
    assert two.get_outputs()[0].shape == (20, 2) and len(two.get_outputs(False)[0]) == 2
    assert two.score(problem(), "acc")[0][1] == pytest.approx(one.score(problem(), "acc")[0][1], abs=0.02)


def test_without_update_on_the_store(monkeypatch):
    monkeypatch.setenv("MXNET_UPDATE_ON_KVSTORE", "0")
    two = train(problem(shuffle=False), context=[mx.cpu(0), mx.cpu(1)])
    monkeypatch.delenv("MXNET_UPDATE_ON_KVSTORE")
    one = train(problem(shuffle=False))
    np.testing.assert_allclose(two.get_params()[0]["fc1_weight"].asnumpy(), one.get_params()[0]["fc1_weight"].asnumpy(),
                               rtol=2e-3, atol=1e-4)


def test_slices():
    assert split_input_slice(10, [1, 1]) == [slice(0, 5), slice(5, 10)]
    assert split_input_slice(10, [1, 2, 2]) == [slice(0, 2), slice(2, 6), slice(6, 10)]
    with pytest.raises(ValueError, match="Too many slices"):
        split_input_slice(1, [1, 1])


def test_checkpoints(tmp_path):
    prefix = str(tmp_path / "net")
    data = problem(shuffle=False)
    mod = train(data, mlp(True), num_epoch=2)
    mod.save_checkpoint(prefix, 2, save_optimizer_states=True)
    assert {p.name for p in tmp_path.iterdir()} == {"net-symbol.json", "net-0002.params", "net-0002.states"}
    again = Module.load(prefix, 2, load_optimizer_states=True)
    again.bind(data.provide_data, data.provide_label)
    again.init_optimizer(optimizer_params={"learning_rate": 0.2, "momentum": 0.9})
    for m in (mod, again):  # both go on in the same way, momentum included
        data.reset()
        for batch in data:
            m.forward_backward(batch)
            m.update()
    for name, value in mod.get_params()[0].items():
        assert again.get_params()[0][name].tolist() == value.tolist(), name
    assert again.predict(data).tolist() == mod.predict(data).tolist()
    path = str(tmp_path / "p.params")
    mod.save_params(path)
    third = Module(mlp(True))
    third.bind(data.provide_data, data.provide_label, for_training=False)
    third.load_params(path)
    assert third.predict(data).tolist() == mod.predict(data).tolist()


def test_predict_drops_padding():
    data = problem(50, shuffle=False, batch=20)
    mod = train(data, num_epoch=1)
    out = mod.predict(data)
    assert out.shape == (50, 2) and len(mod.predict(data, merge_batches=False)) == 3
    assert isinstance(mod.predict(data, always_output_list=True), list) and mod.predict(data, num_batch=1).shape == (20, 2)
    pieces = [(o[0].shape[0], n) for o, n, _ in mod.iter_predict(data)]
    assert pieces == [(20, 0), (20, 1), (10, 2)]
    assert mod.predict(np.zeros((5, 6), "float32")).shape == (5, 2)


def test_other_batch_sizes_rebind():
    mod = train(problem(), num_epoch=1)
    for size in (7, 33, 20):
        mod.forward(mx.io.DataBatch([mx.nd.ones((size, 6))], [mx.nd.zeros((size,))]), is_train=False)
        assert mod.get_outputs()[0].shape == (size, 2)
    mod.forward(mx.io.DataBatch([mx.nd.ones((5, 6))], None), is_train=False)
    assert mod.output_shapes == [("softmax_output", (5, 2))]
    mod.reshape([("data", (9, 6))], [("softmax_label", (9,))])
    assert mod.data_shapes[0].shape == (9, 6) and mod.label_shapes[0].shape == (9,)


def test_parameters():
    mod = Module(mlp(), fixed_param_names=["fc1_weight"])
    mod.bind([("data", (4, 6))], [("softmax_label", (4,))], inputs_need_grad=True)
    with pytest.raises(RuntimeError, match="init_params"):
        mod.get_params()
    mod.init_params(mx.init.One())
    mod.init_optimizer(optimizer_params={"learning_rate": 0.5})
    mod.forward_backward(mx.io.DataBatch([mx.nd.ones((4, 6))], [mx.nd.zeros((4,))]))
    assert mod.get_input_grads()[0].shape == (4, 6)
    mod.update()
    arg, aux = mod.get_params()
    assert (arg["fc1_weight"].asnumpy() == 1).all() and (arg["fc2_bias"].asnumpy() != 0).all() and aux == {}
    with pytest.raises(RuntimeError, match="fc1_bias is not presented"):
        mod.set_params({"fc1_weight": arg["fc1_weight"]}, {})
    mod.set_params({"fc1_weight": mx.nd.zeros((16, 6))}, {}, allow_missing=True)
    assert mod.get_params()[0]["fc1_weight"].asnumpy().sum() == 0
    mod.set_params({**arg, "extra": mx.nd.zeros((1,))}, {})  # as MXNet does: programs take features out of a network so
    with pytest.raises(ValueError, match="extra"):
        mod.set_params({**arg, "extra": mx.nd.zeros((1,))}, {}, allow_missing=True)
    mod.set_params({**arg, "extra": mx.nd.zeros((1,))}, {}, allow_missing=True, allow_extra=True)
    with pytest.warns(UserWarning, match="force_init"):
        mod.init_params(arg_params=arg)


def test_bad_names_and_shapes():
    with pytest.raises(ValueError, match="Did you mean one of:\n\tdata"):
        Module(mlp(), data_names=["dota"])
    with pytest.warns(UserWarning, match="lobel"):
        Module(mlp(), label_names=["lobel"])
    mod = Module(mlp())
    with pytest.raises(ValueError, match="data_names"):
        mod.bind([("x", (1, 2))], [("softmax_label", (1,))])
    with pytest.raises(RuntimeError, match="bind"):
        mod.init_params()
    mod.bind([("data", (4, 6))], [("softmax_label", (4,))], for_training=False)
    mod.init_params()
    mod.forward(mx.io.DataBatch([mx.nd.ones((4, 6))], []))
    with pytest.raises(RuntimeError, match="for_training"):
        mod.backward()
    with pytest.raises(mx.MXNetError):
        mod.forward(mx.io.DataBatch([mx.nd.ones((4, 7))], []))


def test_grad_add_and_heads():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=2, no_bias=True, name="fc")
    mod = Module(net, label_names=None)
    mod.bind([("data", (1, 2))], grad_req="add")
    mod.init_params(mx.init.One())
    for times in (1, 2):
        mod.forward(mx.io.DataBatch([mx.nd.array([[1, 2]])]), is_train=True)
        mod.backward([mx.nd.ones((1, 2))])
        assert mod._exec_group.grad_arrays[0][0].tolist() == [[times, 2 * times]] * 2


def test_states():
    net = sym.Variable("data") + sym.Variable("state")
    mod = Module(net, label_names=None, state_names=["state"])
    mod.bind([("data", (2, 2))], for_training=False)
    mod.init_params()
    mod.set_states(value=3)
    mod.forward(mx.io.DataBatch([mx.nd.ones((2, 2))]))
    assert mod.get_outputs()[0].asnumpy().min() == 4 and mod.get_states()[0].asnumpy().max() == 3
    mod.set_states(states=mod.get_outputs())
    assert mod.get_states()[0].asnumpy().max() == 4


def test_buckets(tmp_path):
    def generate(length):
        net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc", flatten=False)
        net = sym.FullyConnected(sym.sum(net, axis=1), num_hidden=2, name="out")
        return sym.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

    mod = BucketingModule(generate, default_bucket_key=8)
    mod.bind([("data", (5, 8, 3))], [("softmax_label", (5,))])
    mx.random.seed(0)
    mod.init_params(mx.init.Xavier())
    mod.init_optimizer(optimizer_params={"learning_rate": 0.01})
    rng = np.random.RandomState(0)
    metric = mx.metric.create("acc")
    for step in range(120):
        length = int(rng.choice([4, 6, 8]))
        x = rng.randn(5, length, 3)
        batch = mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(x.sum((1, 2)) > 0)], bucket_key=length,
                                provide_data=[("data", (5, length, 3))], provide_label=[("softmax_label", (5,))])
        mod.prepare(batch)
        mod.forward_backward(batch)
        mod.update()
        if step >= 60:
            mod.update_metric(metric, batch.label)
    assert metric.get()[1] > 0.85 and set(mod._buckets) == {4, 6, 8}
    shared = {id(m._exec_group.execs[0].arg_dict["fc_weight"]) for m in mod._buckets.values()}
    values = {str(m._exec_group.execs[0].arg_dict["fc_weight"].tolist()) for m in mod._buckets.values()}
    assert len(values) == 1 and shared
    trained = mod.get_params()[0]["fc_weight"].tolist()
    assert trained == mod._buckets[4]._exec_group.execs[0].arg_dict["fc_weight"].tolist()
    mod.save_checkpoint(str(tmp_path / "b"), 1)
    assert {p.name for p in tmp_path.iterdir()} == {
        "b-0001.params", "b.buckets", "b-4-symbol.json", "b-6-symbol.json", "b-8-symbol.json"}
    for generator in (None, generate):
        again = BucketingModule.load(str(tmp_path / "b"), 1, generator, default_bucket_key=8)
        again.bind([("data", (5, 8, 3))], [("softmax_label", (5,))], for_training=False)
        again.forward(batch)
        mod.forward(batch, is_train=False)
        assert again.get_outputs()[0].tolist() == mod.get_outputs()[0].tolist()


def test_chain_and_python_loss():
    first = Module(sym.Activation(sym.FullyConnected(sym.Variable("data"), num_hidden=8, name="a"), act_type="tanh"),
                   label_names=None)
    second = Module(sym.FullyConnected(sym.Variable("data"), num_hidden=2, name="b"), label_names=None)

    def gradient(scores, labels):
        p = scores.softmax(axis=1)
        return p - mx.nd.one_hot(labels, depth=2)

    chain = SequentialModule()
    chain.add(first).add(second, auto_wiring=True).add(PythonLossModule(grad_func=gradient), take_labels=True,
                                                       auto_wiring=True)
    data = problem(batch=20)
    mx.random.seed(1)
    chain.fit(data, num_epoch=5, optimizer_params={"learning_rate": 0.2, "rescale_grad": 1 / 20},
              initializer=mx.init.Xavier())
    assert chain.score(problem(seed=2), "acc")[0][1] > 0.9
    assert set(chain.get_params()[0]) == {"a_weight", "a_bias", "b_weight", "b_bias"}
    with pytest.raises(ValueError, match="typo"):
        chain.add(first, take_lables=True)


def test_monitor():
    data = problem(20)
    seen = []
    monitor = mx.mon.Monitor(1, stat_func=lambda a: a.abs().max(), pattern=".*fc1.*", sort=True)
    mod = Module(mlp())
    mod.bind(data.provide_data, data.provide_label)
    mod.install_monitor(monitor)
    mod.init_params(mx.init.One())
    monitor.tic()
    mod.forward(next(data))
    seen = monitor.toc()
    names = [name for _, name, _ in seen]
    assert "fc1_output" in names and "fc1_weight" in names and not any("fc2" in n for n in names)
    assert dict((n, v) for _, n, v in seen)["fc1_weight"].strip() == "1.0" and names == sorted(names)
    assert mx.mon.Monitor(2).toc() == []


def test_group2ctxs():
    with mx.AttrScope(ctx_group="a"):
        net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="fc1")
    with mx.AttrScope(ctx_group="b"):
        net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=2, name="fc2"), name="softmax")
    mod = Module(net, context=mx.cpu(0), group2ctxs={"a": mx.cpu(1), "b": mx.cpu(2)})
    mod.fit(problem(100), num_epoch=1)
    assert mod._exec_group.execs[0].arg_dict["fc1_weight"].context == mx.cpu(1)
