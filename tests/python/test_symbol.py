"""Building symbols: names, attributes, composition, inference, files."""
import copy
import pickle

import numpy as np
import pytest

import heddle as mx
from heddle import sym


def mlp():
    net = sym.FullyConnected(sym.Variable("data"), name="fc1", num_hidden=10)
    net = sym.Activation(net, name="relu1", act_type="relu")
    return sym.SoftmaxOutput(sym.FullyConnected(net, name="fc2", num_hidden=3), name="softmax")


def test_lists():
    net = mlp()
    assert net.list_arguments() == ["data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias", "softmax_label"]
    assert net.list_outputs() == ["softmax_output"] and net.list_auxiliary_states() == []
    assert net.name == "softmax" and repr(net) == "<Symbol softmax>"
    bn = sym.BatchNorm(sym.Variable("x"), name="bn")
    assert bn.list_arguments() == ["x", "bn_gamma", "bn_beta"]
    assert bn.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert set(bn.list_inputs()) == {*bn.list_arguments(), *bn.list_auxiliary_states()}


def test_automatic_names():
    with mx.name.NameManager():
        x, y = sym.Variable("x"), sym.Variable("y")
        names = [s.name for s in (
            x + y, x + 1, 1 - x, x - y, x * y, -x, x / 2, 2 / x, x ** 2, 2 ** x, x > 1, x == y, x % 2,
            sym.broadcast_plus(x, y), sym.reshape(x, shape=(1,)), sym.Reshape(x, shape=(1,)), sym.concat(x, y),
            sym.zeros((2,)), sym.arange(3), sym.maximum(x, 2), sym.FullyConnected(x, num_hidden=2), x + y)]
    assert names == ["_plus0", "_plusscalar0", "_rminusscalar0", "_minus0", "_mul0", "_mulscalar0", "_divscalar0",
                     "_rdivscalar0", "_powerscalar0", "_rpower_scalar0", "_greater_scalar0", "_equal0", "_modscalar0",
                     "broadcast_plus0", "reshape0", "reshape1", "concat0", "_zeros0", "_arange0", "_maximumscalar0",
                     "fullyconnected0", "_plus1"]


def test_prefix_and_nested_managers():
    with mx.name.NameManager():
        with mx.name.Prefix("net_"):
            named = sym.FullyConnected(sym.Variable("x"), num_hidden=1, name="fc")
            counted = sym.relu(named)
            with mx.name.NameManager():
                assert sym.relu(counted).name == "relu0"
        assert named.list_arguments() == ["x", "net_fc_weight", "net_fc_bias"] and counted.name == "net_relu0"
        assert sym.relu(counted).name == "relu0"
    assert mx.name.NameManager.current.get("given", "x") == "given"


def test_arithmetic_values():
    x, y = sym.Variable("x"), sym.Variable("y")
    a, b = np.array([1., 2, 3], "float32"), np.array([4., 0.5, 2], "float32")
    for f in (lambda p, q: p + q, lambda p, q: p - q, lambda p, q: p * q, lambda p, q: p / q, lambda p, q: p ** q,
              lambda p, q: p % q, lambda p, q: 3 - p + 2 / q - q ** 2 + 2 ** p - (-q),
              lambda p, q: (p > q) * 1 + (p >= 2) * 2 + (p < q) * 4 + (p <= 1) * 8 + (p == q) * 16 + (p != 1) * 32):
        got = f(x, y).eval(x=mx.nd.array(a), y=mx.nd.array(b))[0].asnumpy()
        np.testing.assert_allclose(got, f(a, b).astype("float32"), rtol=1e-5)
    got = sym.maximum(x, 2).eval(x=mx.nd.array(a))[0].asnumpy()
    assert got.tolist() == [2, 2, 3] and sym.maximum(1, 2) == 2 and sym.pow(2, 3) == 8
    np.testing.assert_allclose(sym.hypot(x, y).eval(x=mx.nd.array(a), y=mx.nd.array(b))[0].asnumpy(), np.hypot(a, b),
                               rtol=1e-5)
    with pytest.raises(TypeError, match="not supported"):
        x + "1"


def test_calling_operators():
    x, w = sym.Variable("x"), sym.Variable("w")
    by_name = sym.FullyConnected(data=x, weight=w, num_hidden=2, name="f")
    assert by_name.list_arguments() == ["x", "w", "f_bias"]
    assert sym.FullyConnected(x, None, w, num_hidden=2, name="f").list_arguments() == ["x", "f_weight", "w"]
    assert sym.FullyConnected(x, w, no_bias=True, num_hidden=2).list_arguments() == ["x", "w"]
    assert sym.FullyConnected(num_hidden=2, name="f").list_arguments() == ["f_data", "f_weight", "f_bias"]
    assert sym.Concat(x, w, dim=0).list_arguments() == sym.concat(*[x, w]).list_arguments() == ["x", "w"]
    assert sym.LeakyReLU(x, act_type="prelu", name="p").list_arguments() == ["x", "p_gamma"]
    assert x.relu().sum(axis=1).list_arguments() == ["x"] and x.reshape((2, 3)).attr("shape") == "(2, 3)"
    assert sym.Convolution(x, kernel=[3, 3], num_filter=np.int64(4), name="c").list_attr() == {
        "kernel": "(3, 3)", "num_filter": "4"}
    with pytest.raises(TypeError, match="expected a Symbol"):
        sym.relu(3)
    with pytest.raises(mx.MXNetError, match="num_hidden"):
        sym.FullyConnected(x)
    with pytest.raises(mx.MXNetError, match="foo"):
        sym.relu(x, foo=1)
    with pytest.raises(NotImplementedError, match="asnumpy"):
        x.asnumpy()
    with pytest.raises(AttributeError):
        x.no_such_thing


def test_outputs_and_internals():
    parts = sym.SliceChannel(sym.Variable("x"), num_outputs=3, name="s")
    assert len(parts) == 3 and parts.list_outputs() == ["s_output0", "s_output1", "s_output2"]
    assert [p.list_outputs()[0] for p in parts] == parts.list_outputs()
    assert parts[-1].list_outputs() == ["s_output2"] and parts["s_output1"].list_outputs() == ["s_output1"]
    assert parts[0:2].list_outputs() == ["s_output0", "s_output1"]
    with pytest.raises(IndexError):
        parts[3]
    with pytest.raises(mx.MXNetError, match="nothing"):
        parts["nothing"]
    internals = mlp().get_internals()
    assert "relu1_output" in internals.list_outputs() and "fc1_weight" in internals.list_outputs()
    assert internals["relu1_output"].list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    assert mlp().get_children().list_outputs() == ["fc2_output", "softmax_label"]
    assert sym.Variable("x").get_children() is None
    group = sym.Group([mlp(), internals["relu1_output"]])
    assert group.list_outputs() == ["softmax_output", "relu1_output"] and group.name is None
    assert "group" in repr(group)
    with pytest.raises(TypeError):
        sym.Group([])


def test_compose():
    first = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="a")
    second = sym.FullyConnected(sym.Variable("x"), num_hidden=2, name="b")
    assert second(x=first).list_arguments() == ["data", "a_weight", "a_bias", "b_weight", "b_bias"]
    assert second(first).list_arguments() == second(x=first).list_arguments()
    assert second.list_arguments()[0] == "x"  # unchanged
    with pytest.raises(TypeError):
        second(first, x=first)
    with pytest.raises(TypeError):
        second(x=3)


def test_attributes():
    with mx.AttrScope(__group__="4", ctx_group="dev1"):
        with mx.AttrScope(__group__="5"):
            x = sym.Variable("x", attr={"force_mirroring": "True"}, lr_mult=2, wd_mult=0, shape=(1, 2), dtype="float64",
                             init=mx.init.One())
        fc = sym.FullyConnected(x, num_hidden=2, name="fc")
    assert x.attr("__group__") == "5" and fc.attr("__group__") == "4"
    assert x.attr("lr_mult") == x.attr("__lr_mult__") == "2" and x.attr("force_mirroring") == "True"
    assert x.attr("ctx_group") == "dev1" and x.attr("nothing") is None
    assert x.list_attr()["__shape__"] == "(1, 2)" and x.list_attr()["__dtype__"] == "1"
    assert x.list_attr()["__init__"] == '["one", {}]'
    attrs = fc.attr_dict()
    assert attrs["fc"]["num_hidden"] == "2" and attrs["fc_weight"]["ctx_group"] == "dev1"
    assert sym.relu(x, attr={"__mood__": "good"}).attr("__mood__") == "good"
    assert sym.Variable("y", __layout__="NC").attr("__layout__") == "NC"
    y = sym.Variable("y")
    y._set_attr(mood="angry")
    assert y.attr("mood") == "angry"
    with pytest.raises(ValueError, match="string"):
        mx.AttrScope(x=1)
    with pytest.raises(ValueError, match="double underscores"):
        sym.Variable("y", mood="x")
    with pytest.raises(TypeError):
        sym.Variable(3)


def test_infer_shape():
    net = mlp()
    arguments, outputs, aux = net.infer_shape(data=(100, 20))
    assert arguments == [(100, 20), (10, 20), (10,), (3, 10), (3,), (100,)] and outputs == [(100, 3)] and aux == []
    assert net.infer_shape((100, 20))[1] == [(100, 3)]
    with pytest.warns(UserWarning, match="fc1_weight"):
        assert net.infer_shape() == (None, None, None)
    partial = net.infer_shape_partial()
    assert partial[0][0] == () or 0 in partial[0][0]
    assert sym.Variable("x", shape=(2, 3)).sum(axis=0).infer_shape()[1] == [(3,)]
    assert (sym.Variable("x") + sym.Variable("y")).infer_shape(y=(2, 3))[0] == [(2, 3), (2, 3)]
    with pytest.raises(mx.MXNetError, match="fc1"):
        net.infer_shape(data=(100, 20), fc1_weight=(10, 21))
    with pytest.raises(ValueError, match="positional or kwargs"):
        net.infer_shape((1, 2), data=(1, 2))


def test_infer_type():
    x, y = sym.Variable("x"), sym.Variable("y")
    arguments, outputs, _ = (x + y).infer_type(x="float64")
    assert arguments == [np.float64, np.float64] and outputs == [np.float64]
    assert (x + y).infer_type(np.float16)[1] == [np.float16]
    assert (x + y).infer_type() == (None, None, None)
    assert sym.cast(x, dtype="int32").infer_type(x="float32")[1] == ["int32"]


def test_files(tmp_path):
    net = mlp()
    path = str(tmp_path / "net-symbol.json")
    net.save(path)
    for again in (sym.load(path), sym.load_json(net.tojson()), pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert again.tojson() == net.tojson() and again.list_arguments() == net.list_arguments()
    with pytest.raises(mx.MXNetError):
        sym.load(str(tmp_path / "nothing.json"))
    with pytest.raises(mx.MXNetError):
        sym.load_json("{")
    assert "Op:FullyConnected, Name=fc2" in net.debug_str()


def test_creation_symbols():
    assert sym.zeros((2,)).eval()[0].tolist() == [0, 0] and sym.ones(2).eval()[0].tolist() == [1, 1]
    assert sym.full((2,), 3).eval()[0].tolist() == [3, 3]
    assert sym.arange(1, 7, 2).eval()[0].tolist() == [1, 3, 5]
    assert sym.linspace(0, 1, 3).eval()[0].tolist() == [0, 0.5, 1]
    assert sym.eye(2, 3, 1).eval()[0].tolist() == [[0, 1, 0], [0, 0, 1]]
    mx.random.seed(1)
    u = sym.random.uniform(2, 3, shape=(100,)).eval()[0].asnumpy()
    assert (u >= 2).all() and (u < 3).all()
    drawn = sym.Group([sym.random.randn(3), sym.random.randint(0, 5, shape=(3,)), sym.random.shuffle(sym.arange(3))])
    assert [d.shape for d in drawn.eval()] == [(3,)] * 3
    parts = sym.split_v2(sym.Variable("x"), (1,), axis=1).eval(x=mx.nd.arange(6).reshape((2, 3)))
    assert [p.shape for p in parts] == [(2, 1), (2, 2)]


def test_long_lists_of_inputs_stand_on_lines_of_their_own():
    """As MXNet's writer puts more than ten items."""
    names = [f"x{i}" for i in range(11)]
    text = mx.sym.add_n(*map(mx.sym.Variable, names), name="sum").tojson()
    assert '"inputs": [\n        [0, 0, 0], \n        [1, 0, 0], ' in text and "[10, 0, 0]\n      ]\n    }" in text
    assert mx.sym.load_json(text).list_arguments() == names
    shorter = mx.sym.add_n(*map(mx.sym.Variable, names[:10]), name="sum").tojson()
    assert '"inputs": [[0, 0, 0], [1, 0, 0], ' in shorter
