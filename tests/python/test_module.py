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


# --- what scripts reach ----------------------------------------------------------------------------
def bound(devices=1, **kwargs):
    mod = Module(mlp(), context=[mx.cpu(i) for i in range(devices)], **kwargs)
    mod.bind([("data", (4, 6))], [("softmax_label", (4,))])
    mod.init_params(mx.init.One())
    return mod


def batch_of(rows=4):
    return mx.io.DataBatch([mx.nd.ones((rows, 6))], [mx.nd.zeros((rows,))])


def test_the_group_of_executors():
    group = bound(2)._exec_group
    assert group.param_names == ["fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"] and group.batch_size == 4
    assert [[rows for rows, _ in pairs] for pairs in group.data_arrays] == [[slice(0, 2), slice(2, 4)]]
    assert group.label_arrays[0][1][1].shape == (2,) and len(group.execs) == 2 and group.label_layouts == [0]
    assert group.param_arrays[0][1].context == mx.cpu(1) and group.grad_arrays[3][0].shape == (2,)
    assert group.decide_slices(group.data_shapes) == [0] and group.output_names == ["softmax_output"]
    mod = bound(2, work_load_list=[1, 3])
    assert mod._exec_group.slices == [slice(0, 1), slice(1, 4)] and mod._grad_req == "write"
    with pytest.raises(ValueError, match="2 entries in work_load_list for 1 devices"):
        Module(mlp(), work_load_list=[1, 2])


def test_inputs_of_other_shapes_are_named():
    mod = bound()
    with pytest.raises(ValueError, match=r"label 'softmax_label' has shape \(3,\), expected \(4,\)"):
        mod.forward(mx.io.DataBatch([mx.nd.ones((4, 6))], [mx.nd.zeros((3,))]))
    with pytest.raises(ValueError, match=r"batch_size = 4, but softmax_label has shape \(5,\)"):
        Module(mlp()).bind([("data", (4, 6))], [("softmax_label", (5,))])
    with pytest.raises(ValueError, match="lobel"):
        Module(mlp()).bind([("data", (4, 6))], [("lobel", (4,))])
    with pytest.raises(ValueError, match="found 1 entries in grad_req"):
        Module(mlp()).bind([("data", (4, 6))], [("softmax_label", (4,))], grad_req=["write"])


def test_steps_come_in_order():
    for call, text in ((lambda m: m.forward(batch_of()), "bind"), (lambda m: m.init_optimizer(), "bind"),
                       (lambda m: m.update(), "bind"), (lambda m: m.score(problem(), "acc"), "bind"),
                       (lambda m: m.borrow_optimizer(Module(mlp())), "init_optimizer"),
                       (lambda m: m.save_optimizer_states("x"), "init_optimizer"), (lambda m: m.get_outputs(), "bind")):
        with pytest.raises(RuntimeError, match=rf"Module\.{text}\(\) must be called"):
            call(Module(mlp()))
    with pytest.raises(ValueError, match=r"call its bind\(\) and init_params\(\)"):
        Module(mlp()).bind([("data", (4, 6))], [("softmax_label", (4,))], shared_module=Module(mlp()))


def test_parameters_set_before_the_store_is_made_are_in_it():
    mod = bound(2)
    mod.set_params({"fc1_bias": mx.nd.ones((16,)) * 5}, {}, allow_missing=True)
    mod.init_optimizer(optimizer_params={"learning_rate": 0.0})
    mod.forward_backward(batch_of())
    mod.update()
    assert set(mod.get_params()[0]["fc1_bias"].tolist()) == {5}


@pytest.mark.parametrize("devices", [1, 2])
def test_binding_again_goes_on_with_the_same_training(devices):
    """Parameters that are on the devices only are not lost, nor the momentum."""
    weights = []
    for again in (False, True):
        mod = bound(devices)
        mod.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
        for step in range(4):
            mod.forward_backward(batch_of())
            mod.update()
            if again and step == 1:
                mod.bind([("data", (4, 6))], [("softmax_label", (4,))], force_rebind=True)
        weights.append(mod.get_params()[0]["fc1_weight"].tolist())
    assert weights[0] == weights[1]


def test_buckets_bound_again_go_on(caplog):
    mod = BucketingModule(lambda key: (mlp(), ["data"], ["softmax_label"]), default_bucket_key=6)
    shapes = [("data", (4, 6))], [("softmax_label", (4,))]
    mod.bind(*shapes)
    mod.init_params(mx.init.One())
    mod.init_optimizer(optimizer_params={"learning_rate": 0.001})
    for force in (False, True):
        mod.forward_backward(batch_of())
        mod.update()
        before = mod.get_params()[0]["fc2_bias"].tolist()
        mod.bind(*shapes, force_rebind=force)
        assert mod.get_params()[0]["fc2_bias"].tolist() == before
    mod.forward_backward(batch_of())
    mod.update()
    assert mod.get_params()[0]["fc2_bias"].tolist() != before


def test_monitors_watch_executors_of_other_shapes_too():
    mod, seen = bound(), mx.mon.Monitor(1, pattern="fc1_output")
    mod.install_monitor(seen)
    for rows in (4, 2, 3):
        seen.tic()
        mod.forward(batch_of(rows), is_train=False)
        assert [name for _, name, _ in seen.toc()] == ["fc1_output"] and len(seen.exes) == 1


def test_rows_of_parameters_that_a_batch_needs():
    mod = bound(2)
    mod.init_optimizer(kvstore="local")
    asked = []

    def rows(batch):
        asked.append(batch)
        return {"fc1_weight": mx.nd.array([0, 2])}

    batch = batch_of()
    mod.prepare(batch, sparse_row_id_fn=rows)
    assert asked == [batch]
    for wrong, error, text in (([1], TypeError, "found list"), ({"fc9": 1}, ValueError, "rows of fc9")):
        with pytest.raises(error, match=text):
            mod.prepare(batch, sparse_row_id_fn=lambda b, wrong=wrong: wrong)
    alone = bound()
    alone.init_optimizer()
    with pytest.warns(UserWarning, match="not updated in the KVStore"):
        alone.prepare(batch, sparse_row_id_fn=rows)
    mod.fit(problem(20, batch=4), num_epoch=1, sparse_row_id_fn=rows)
    assert len(asked) == 5


def test_modules_of_users_of_old():
    """A module that knows no later argument than MXNet 0.10 has."""
    class Old(mx.mod.PythonModule):
        def init_params(self, initializer=None, arg_params=None, aux_params=None, allow_missing=False, force_init=False):
            self.params_initialized = True

        def prepare(self, data_batch):
            self.prepared += 1

        def update_metric(self, eval_metric, labels):
            eval_metric.update(labels, self.get_outputs())

        def forward(self, data_batch, is_train=None):
            self.out = data_batch.data[0][:, :2]

        def backward(self, out_grads=None):
            pass

        def get_outputs(self, merge_multi_context=True):
            return [self.out]

        def _compute_output_shapes(self):
            return [("out", (self._data_shapes[0].shape[0], 2))]

    old = Old(["data"], ["softmax_label"], ["out"])
    old.prepared = 0
    old.fit(problem(40), num_epoch=2, eval_data=problem(40))
    assert old.prepared == 6 and old.output_shapes == [("out", (20, 2))]


def test_subclasses_of_module_see_the_steps():
    """Overriding update(), with the group and the updater that Module made."""
    class Clipped(Module):
        def update(self):
            for i, (weights, grads) in enumerate(zip(self._exec_group.param_arrays, self._exec_group.grad_arrays)):
                self._updater(i, grads[0].clip(-0.01, 0.01), weights[0])
            self._params_dirty = True

    mod = Clipped(mlp())
    mod.fit(problem(20), num_epoch=1, initializer=mx.init.One(), optimizer_params={"learning_rate": 1, "rescale_grad": 1})
    moved = np.abs(mod.get_params()[0]["fc2_weight"].asnumpy() - 1).max()
    assert 0 < moved <= 0.0101


def test_prediction_without_labels(tmp_path):
    """The label counts as a parameter then, which no checkpoint has."""
    mod = bound()
    mod.save_checkpoint(str(tmp_path / "net"), 1)
    wanted = mod.predict(mx.nd.ones((4, 6))).tolist()
    again = Module.load(str(tmp_path / "net"), 1, label_names=None)
    again.bind([("data", (4, 6))], for_training=False)
    assert again.predict(np.ones((4, 6), "float32")).tolist() == wanted
    features = Module(mlp().get_internals()["fc1_output"], label_names=None)
    features.bind([("data", (4, 6))], for_training=False)
    features.set_params(*mx.model.load_params(str(tmp_path / "net"), 1))  # more than it needs
    assert features.predict(mx.nd.ones((4, 6))).shape == (4, 16)


def test_groups_of_contexts():
    from heddle.module.executor_group import _prepare_group2ctxs
    a, b, c = mx.cpu(0), mx.cpu(1), mx.cpu(2)
    assert _prepare_group2ctxs({"x": [a, b], "y": c}, 2) == [{"x": a, "y": c}, {"x": b, "y": c}]
    assert _prepare_group2ctxs([{"x": a}, {"x": b}], 2) == [{"x": a}, {"x": b}] and _prepare_group2ctxs(None, 2) is None
    for wrong, text in (([{}], "1 group2ctxs for 2 devices"), ({"x": [a, b, c]}, "3 contexts of group x")):
        with pytest.raises(ValueError, match=text):
            _prepare_group2ctxs(wrong, 2)
    with pytest.raises(TypeError, match="found group2ctxs of type int"):
        _prepare_group2ctxs(3, 2)


def test_batches_cut_for_the_devices_already():
    """score() and fit() take lists of batches, one per device, from iterators that give such."""
    class Cut(mx.mod.PythonModule):
        def forward(self, data_batch, is_train=None):
            assert isinstance(data_batch, list) and len(data_batch) == 2

        def update_metric(self, eval_metric, labels, pre_sliced=False):
            assert pre_sliced
            for part in labels:
                eval_metric.update(part, [mx.nd.one_hot(part[0], depth=2)])

        def _compute_output_shapes(self):
            return []

    class Pairs(mx.io.DataIter):
        provide_data, provide_label = [("data", (4, 6))], [("softmax_label", (4,))]

        def reset(self):
            self.left = 3

        def next(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return [batch_of(2), batch_of(2)]

    mod = Cut(["data"], ["softmax_label"], [])
    mod.bind(Pairs.provide_data, Pairs.provide_label)
    mod.init_params()
    metric = mx.metric.Accuracy()
    assert mod.score(Pairs(), metric) == [("accuracy", 1.0)] and metric.num_inst == 12


def test_names_that_modules_of_users_are_made_of():
    from heddle.module.base_module import BaseModule, _as_list, _check_input_names, _parse_data_desc
    from heddle.module.executor_group import _load_data, _load_label, _merge_multi_context
    assert _as_list(None) == [] and _as_list(3) == [3] and issubclass(Module, BaseModule)
    with pytest.raises(ValueError, match="'dota' is not found"):
        _check_input_names(mlp(), ["dota"], "data", True)
    data, labels = _parse_data_desc(["data"], ["softmax_label"], [("data", (4, 6))], [("softmax_label", (4,))])
    assert data[0].shape == (4, 6) and labels[0].name == "softmax_label"
    assert _parse_data_desc(["data"], ["softmax_label"], [("data", (4, 6))], None)[1] is None
    with pytest.warns(UserWarning, match="label_names"):
        _parse_data_desc(["data"], ["a", "b"], [("data", (4, 6))], [("a", (4,))])
    halves, label = [mx.nd.zeros((2, 2)), mx.nd.zeros((2, 2))], mx.nd.zeros((4,))
    batch = mx.io.DataBatch([mx.nd.arange(8).reshape((2, 4))], [mx.nd.ones((4,))])
    _load_data(batch, [[(slice(0, 2), halves[0]), (slice(2, 4), halves[1])]], [1])
    _load_label(batch, [label], [0])
    assert halves[1].tolist() == [[2, 3], [6, 7]] and label.tolist() == [1] * 4
    assert _merge_multi_context([halves, halves], [1, -1])[0].tolist() == batch.data[0].tolist()


def test_batches_may_be_any_objects():
    class Batch:
        def __init__(self, rows):
            self.data, self.label = [mx.nd.ones((rows, 6))], [mx.nd.zeros((rows,))]

    mod = bound()
    for rows in (4, 3):
        mod.forward(Batch(rows), is_train=True)
        assert mod.get_outputs()[0].shape == (rows, 2)
    unlabelled = Batch(5)
    del unlabelled.label
    mod.forward(unlabelled, is_train=False)
    assert mod.get_outputs()[0].shape == (5, 2)
