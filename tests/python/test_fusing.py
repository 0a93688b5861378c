"""Plans of prediction fuse: convolutions and linear layers take batch norm, sums and activations along, and
weights are packed once. Nobody sees it but in the time."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core

sym = mx.sym


def unit(x, name, filters, kernel=3, stride=1, group=1, norm=True, act="relu", no_bias=True, **bn):
    x = sym.Convolution(x, name=name, kernel=(kernel, kernel), pad=(kernel // 2,) * 2, stride=(stride,) * 2, num_filter=filters,
                        num_group=group, no_bias=no_bias)
    if norm:
        x = sym.BatchNorm(x, name=name + "_bn", **{"fix_gamma": False, **bn})
    return {"relu": lambda: sym.Activation(x, act_type="relu", name=name + "_act"), "op": lambda: sym.relu(x, name=name + "_act"),
            "clip": lambda: sym.clip(x, a_min=0, a_max=0.5, name=name + "_act"), "tanh": lambda: sym.tanh(x, name=name + "_act"),
            "": lambda: x}[act]()


def resnet(filters=32):
    x = unit(sym.var("data"), "first", filters, act="clip", no_bias=False)
    for i in range(2):
        body = unit(unit(x, f"a{i}", filters), f"b{i}", filters, act="")
        x = sym.Activation(body + x, act_type="relu", name=f"out{i}")
    short = unit(x, "short", 2 * filters, kernel=1, stride=2, act="", eps=1e-5)
    body = unit(unit(x, "c", filters, group=filters, stride=2), "d", 2 * filters, act="", fix_gamma=True)
    return sym.relu(short + body, name="last")


def arrays_of(net, seed=0, **shapes):
    rng = np.random.default_rng(seed)
    args, _, aux = net.infer_shape(**shapes)
    made = {n: rng.normal(0, 0.3, s).astype("f") for n, s in zip(net.list_arguments(), args)}
    states = {n: (rng.uniform(0.3, 2, s) if n.endswith("var") else rng.normal(0, 0.2, s)).astype("f")
              for n, s in zip(net.list_auxiliary_states(), aux)}
    return made, states


def bound(net, made, states, **more):
    return net.bind(mx.cpu(), {n: mx.nd.array(a) for n, a in made.items()}, grad_req="null",
                    aux_states={n: mx.nd.array(a) for n, a in states.items()}, **more)


def plain(net, made, states, monkeypatch):
    """What the network gives when nothing is fused."""
    with monkeypatch.context() as patch:
        patch.setenv("HEDDLE_PASSES", "-fuse")
        executor = bound(net, made, states)
        executor.forward()
    return [o.asnumpy() for o in executor.outputs]



@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (3, 3, 9, 11), (8, 3, 8, 8)])
@pytest.mark.parametrize("filters", [32, 5])
def test_answers_are_those_of_the_plain_plan(shape, filters, monkeypatch):
    net = resnet(filters)
    made, states = arrays_of(net, data=shape)
    executor = bound(net, made, states)
    text = executor.debug_str()
    assert "_fused_convolution" in text and "BatchNorm" not in text and "elemwise_add" not in text and "Activation" not in text
    wanted = plain(net, made, states, monkeypatch)[0]
    for _ in range(2):
        executor.forward()
        assert np.abs(executor.outputs[0].asnumpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_what_is_written_between_runs_counts(monkeypatch):
    net = resnet()
    made, states = arrays_of(net, data=(1, 3, 8, 8))
    executor = bound(net, made, states)
    executor.forward()
    for name in ("a0_weight", "first_bias", "b1_bn_gamma", "d_bn_beta", "short_bn_moving_mean", "c_bn_moving_var"):
        held, arrays = (states, executor.aux_dict) if "moving" in name else (made, executor.arg_dict)
        held[name] = np.abs(held[name][::-1]) + 0.1
        arrays[name][:] = held[name]
        executor.forward()
        wanted = plain(net, made, states, monkeypatch)[0]
        assert np.abs(executor.outputs[0].asnumpy() - wanted).max() <= 1e-5 * np.abs(wanted).max(), name


def test_what_others_read_is_not_fused(monkeypatch):
    x = sym.var("data")
    conv = sym.Convolution(x, name="conv", kernel=(1, 1), num_filter=16)
    bn = sym.BatchNorm(conv, name="bn", fix_gamma=False)
    act = sym.relu(bn)
    for net in (sym.Group([act, conv]), sym.Group([act, bn]), act + bn, sym.Group([act, bn[0] * 2])):
        made, states = arrays_of(net, data=(2, 16, 5, 5))
        executor = bound(net, made, states)
        executor.forward()
        for found, wanted in zip(executor.outputs, plain(net, made, states, monkeypatch)):
            assert np.allclose(found.asnumpy(), wanted, rtol=1e-5, atol=1e-6)
    twice = sym.Convolution(x, name="conv", kernel=(1, 1), num_filter=16)
    made, states = arrays_of(twice + twice, data=(2, 16, 5, 5))
    executor = bound(twice + twice, made, states)
    executor.forward()
    assert np.allclose(executor.outputs[0].asnumpy(), plain(twice + twice, made, states, monkeypatch)[0], rtol=1e-5, atol=1e-6)


def test_a_residual_that_is_read_again_stays(monkeypatch):
    x = unit(sym.var("data"), "first", 16)
    net = sym.Group([sym.relu(unit(x, "a", 16, act="") + x), x * 1])
    made, states = arrays_of(net, data=(1, 3, 6, 6))
    executor = bound(net, made, states)
    executor.forward()
    for found, wanted in zip(executor.outputs, plain(net, made, states, monkeypatch)):
        assert np.allclose(found.asnumpy(), wanted, rtol=1e-5, atol=1e-6)


def test_a_normalisation_of_another_axis_or_computed_weights_stay(monkeypatch):
    x, w = sym.var("data"), sym.var("w")
    nets = [sym.BatchNorm(sym.Convolution(x, kernel=(1, 1), num_filter=16, name="c"), axis=3, name="bn"),
            sym.BatchNorm(sym.Convolution(x, w * 2, kernel=(1, 1), num_filter=16, no_bias=True, name="c"), name="bn")]
    for net in nets:
        made, states = arrays_of(net, data=(2, 16, 5, 16), **({"w": (16, 16, 1, 1)} if "w" in net.list_arguments() else {}))
        executor = bound(net, made, states)
        assert "Op:BatchNorm" in executor.debug_str()
        executor.forward()
        assert np.allclose(executor.outputs[0].asnumpy(), plain(net, made, states, monkeypatch)[0], rtol=1e-5, atol=1e-6)


def test_a_monitor_sees_every_output():
    net = resnet()
    made, states = arrays_of(net, data=(1, 3, 8, 8))
    executor = bound(net, made, states)
    executor.forward()
    wanted = executor.outputs[0].asnumpy()
    seen = []
    executor.set_monitor_callback(lambda name, array: seen.append(name))
    executor.forward()
    assert {"a0_output", "a0_bn_output", "a0_act_output", "out1_output"} <= set(seen)
    assert np.abs(executor.outputs[0].asnumpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_training_and_prediction_share_parameters():
    net = sym.make_loss(sym.sum(resnet()))
    made, states = arrays_of(net, data=(2, 3, 8, 8))
    executor = net.bind(mx.cpu(), {n: mx.nd.array(a) for n, a in made.items()}, args_grad={n: mx.nd.zeros(a.shape) for n, a in made.items()},
                        aux_states={n: mx.nd.array(a) for n, a in states.items()})
    for _ in range(2):
        executor.forward(is_train=True)
        executor.backward()
        for name, gradient in executor.grad_dict.items():
            executor.arg_dict[name][:] = executor.arg_dict[name] - 1e-3 * gradient
        executor.forward(is_train=False)
        fresh = bound(net, {n: a.asnumpy() for n, a in executor.arg_dict.items()}, {n: a.asnumpy() for n, a in executor.aux_dict.items()})
        fresh.forward()
        assert np.allclose(executor.outputs[0].asnumpy(), fresh.outputs[0].asnumpy(), rtol=1e-6)


def random_net(rng):
    x = [sym.var("data")]
    for i in range(rng.integers(1, 7)):
        source = x[rng.integers(len(x))]
        y = unit(source, f"u{i}", 16, kernel=int(rng.choice([1, 3])), norm=bool(rng.integers(2)), no_bias=bool(rng.integers(2)),
                 group=int(rng.choice([1, 1, 4, 16])), act=str(rng.choice(["relu", "op", "clip", "tanh", ""])), fix_gamma=bool(rng.integers(2)))
        if rng.integers(2):
            y = y + x[rng.integers(len(x))]
        if rng.integers(3) == 0:
            y = sym.relu(y)
        x.append(y)
    return sym.Group([x[-1], *[x[i] for i in rng.integers(len(x), size=rng.integers(0, 2))]])


@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    net = random_net(rng)
    made, states = arrays_of(net, seed, data=(int(rng.integers(1, 10)), 16, int(rng.integers(3, 9)), int(rng.integers(3, 9))))
    executor = bound(net, made, states)
    executor.forward()
    for found, wanted in zip(executor.outputs, plain(net, made, states, monkeypatch)):
        assert np.abs(found.asnumpy() - wanted).max() <= 2e-5 * max(1, np.abs(wanted).max())


# --- linear layers --------------------------------------------------------------------------------
def perceptron(widths, flatten=True):
    x = sym.var("data")
    for i, width in enumerate(widths):
        x = sym.FullyConnected(x, name=f"fc{i}", num_hidden=width, flatten=flatten, no_bias=i % 3 == 2)
        if i % 2:
            x = sym.BatchNorm(x, name=f"bn{i}", fix_gamma=False)
        x = sym.relu(x) if i % 3 else sym.clip(x, a_min=-0.5, a_max=0.75)
    return sym.FullyConnected(x, name="last", num_hidden=widths[0], flatten=flatten) + sym.var("addend")


@pytest.mark.parametrize("batch", [1, 2, 9, 200])
@pytest.mark.parametrize("widths", [(10, 33, 64), (130, 8, 512, 24), (3, 5)])
def test_linear_layers_take_along_what_follows(batch, widths, monkeypatch):
    net = perceptron(widths)
    made, states = arrays_of(net, data=(batch, 7, 4), addend=(batch, widths[0]))
    executor = bound(net, made, states)
    text = executor.debug_str()
    assert "Op:_fused_fully_connected" in text and not any("Op:" + op in text for op in ("BatchNorm", "clip", "relu", "elemwise_add"))
    assert ("_pack_FullyConnected_weight" in text) == (max(widths) >= 8 and _core.best_isa_level() >= 3)
    for turn in range(3):
        if turn == 2:
            for name in made:
                made[name] = np.abs(made[name]) * 0.5
                executor.arg_dict[name][:] = made[name]
        executor.forward()
        wanted = plain(net, made, states, monkeypatch)[0]
        assert np.abs(executor.outputs[0].asnumpy() - wanted).max() <= 2e-5 * np.abs(wanted).max(), turn


def test_layers_of_each_position_fold_no_normalisation_of_another_axis(monkeypatch):
    x = sym.FullyConnected(sym.var("data"), name="fc", num_hidden=12, flatten=False)
    net = sym.BatchNorm(x, name="bn", fix_gamma=False) + sym.var("addend")
    made, states = arrays_of(net, data=(2, 12, 5), addend=(2, 12, 12))
    executor = bound(net, made, states)
    executor.forward()
    assert "Op:BatchNorm" in executor.debug_str()
    assert np.allclose(executor.outputs[0].asnumpy(), plain(net, made, states, monkeypatch)[0], rtol=1e-5, atol=1e-5)


def test_linear_layers_keep_what_is_no_number():
    net = sym.relu(sym.FullyConnected(sym.var("data"), sym.var("w"), sym.var("b"), num_hidden=16))
    executor = bound(net, {"data": np.array([[np.nan, 1], [np.inf, 0]], "float32"), "w": np.ones((16, 2), "float32"),
                           "b": np.zeros(16, "float32")}, {})
    found = executor.forward()[0].asnumpy()
    assert np.isnan(found[0]).all() and np.isposinf(found[1]).all()


# --- recurrent layers -----------------------------------------------------------------------------
@pytest.mark.parametrize("mode, hidden, projection, bidirectional", [
    ("lstm", 70, None, False), ("lstm", 32, 11, True), ("gru", 5, None, True), ("rnn_tanh", 33, None, False)])
def test_recurrent_weights_are_packed_once_and_again_when_they_were_written(mode, hidden, projection, bidirectional):
    params = {"mode": mode, "state_size": hidden, "num_layers": 2, "bidirectional": bidirectional, "state_outputs": True}
    if projection:
        params["projection_size"] = projection
    names = ["data", "parameters", "state"] + ["state_cell"] * (mode == "lstm")
    layers, batch = 2 * (1 + bidirectional), 3
    shapes = {"data": (4, batch, 7), "state": (layers, batch, projection or hidden)}
    if mode == "lstm":
        shapes["state_cell"] = (layers, batch, hidden)
    exe = mx.sym.RNN(*map(mx.sym.Variable, names), **params).simple_bind(mx.cpu(), grad_req="null", **shapes)
    assert "_pack_RNN_parameters" in exe.debug_str()
    for turn in range(3):
        if turn != 1:
            for array in exe.arg_arrays:
                array[:] = mx.nd.random.uniform(-0.3, 0.3, shape=array.shape)
        for found, wanted in zip(exe.forward(is_train=False), mx.nd.RNN(*exe.arg_arrays, **params)):
            assert np.array_equal(found.asnumpy(), wanted.asnumpy()), turn


def test_recurrent_weights_are_packed_where_they_stay():
    names = ["data", "parameters", "state"]
    params = {"mode": "rnn_relu", "state_size": 4, "num_layers": 1}
    data, parameters, state = map(mx.sym.Variable, names)
    shapes = {"data": (3, 2, 5), "state": (1, 2, 4)}
    computed = mx.sym.RNN(data, parameters * 2, state, **params).simple_bind(mx.cpu(), grad_req="null", **shapes)
    assert "_pack_RNN_parameters" in computed.debug_str()
    follows = sym.broadcast_mul(parameters, sym.sum(data))
    changing = mx.sym.RNN(data, follows, state, **params).simple_bind(
        mx.cpu(), grad_req="null", parameters=computed.arg_dict["parameters"].shape, **shapes)
    assert "_pack_RNN_parameters" not in changing.debug_str()
    whole = mx.sym.RNN(data, parameters, state, **params).simple_bind(
        mx.cpu(), grad_req="null", type_dict=dict.fromkeys(names, "float64"), **shapes)
    assert "_pack_RNN_parameters" not in whole.debug_str()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("units, features", [(1037, 4099), (1030, 4096)])
def test_large_weights_are_read_where_they_lie_for_few_rows(batch, units, features):
    """A packed copy of 16 MB would gain nothing; ends of rows and of columns count too."""
    net = mx.sym.relu(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=units, name="fc") + mx.sym.var("other"))
    exe = net.simple_bind(mx.cpu(), data=(batch, features), grad_req="null")
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=array.shape).astype("f") for name, array in exe.arg_dict.items()}
    for name, value in values.items():
        exe.arg_dict[name][:] = value
    found = exe.forward(is_train=False)[0].asnumpy()
    wide = {name: value.astype("float64") for name, value in values.items()}
    expected = np.maximum(wide["data"] @ wide["fc_weight"].T + wide["fc_bias"] + wide["other"], 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected.max())
    assert "_pack_FullyConnected_weight" not in exe.debug_str()
