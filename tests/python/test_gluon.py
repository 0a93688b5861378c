"""Blocks, parameters and trainers."""
import copy
import gc
import pickle
import warnings

import numpy as np
import pytest

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import nn


def mlp(**kwargs):
    net = nn.HybridSequential(**kwargs)
    with net.name_scope():
        net.add(nn.Dense(8, activation="relu"), nn.BatchNorm(), nn.Dense(3))
    return net


def data(*shape):
    return mx.nd.array(np.random.RandomState(1).uniform(-1, 1, shape).astype("float32"))


def live_bytes():
    mx.nd.waitall()
    return mx.memory_stats(mx.cpu())["live"]


# --- names
def test_names_follow_scopes():
    with mx.name.NameManager():
        net = mlp()
        assert list(net.collect_params()) == [f"hybridsequential0_{n}" for n in (
            "dense0_weight", "dense0_bias", "batchnorm0_gamma", "batchnorm0_beta", "batchnorm0_running_mean",
            "batchnorm0_running_var", "dense1_weight", "dense1_bias")]
        assert nn.Dense(2).prefix == "dense0_" and nn.Dense(2).name == "dense1"
        assert nn.Dense(2, prefix="mine_").weight.name == "mine_weight"
        assert list(net.collect_params(".*weight")) == ["hybridsequential0_dense0_weight", "hybridsequential0_dense1_weight"]


def test_an_empty_prefix_opens_no_scope():
    outer = nn.HybridSequential(prefix="outer_")
    with outer.name_scope():
        inner = nn.HybridSequential(prefix="")
        with inner.name_scope():
            inner.add(nn.Dense(2))
        outer.add(inner)
    assert list(outer.collect_params()) == ["outer_dense0_weight", "outer_dense0_bias"]


def test_parameters_are_shared():
    a = nn.Dense(3, in_units=2, prefix="a_")
    b = nn.Dense(3, in_units=2, prefix="b_", params=a.params)
    assert b.weight is a.weight and list(b.collect_params()) == ["a_weight", "a_bias"]


# --- parameters
def test_deferred_initialization():
    layer = nn.Dense(3)
    with pytest.raises(RuntimeError, match="has not been initialized"):
        layer.weight.data()
    layer.initialize()
    with pytest.raises(gluon.DeferredInitializationError):
        layer.weight.data()
    assert layer(data(2, 5)).shape == (2, 3)
    assert layer.weight.shape == (3, 5) and layer.weight.grad().shape == (3, 5)


def test_parameter_shapes_must_agree():
    p = gluon.Parameter("p", shape=(3, 0), allow_deferred_init=True)
    with pytest.raises(AssertionError, match="incompatible"):
        p.shape = (4, 5)
    p.shape = (3, 5)
    with pytest.raises(ValueError, match="invalid shape"):
        gluon.Parameter("q", shape=(0,)).initialize()


def test_grad_req():
    p = gluon.Parameter("p", shape=(2,), grad_req="add")
    p.initialize("ones")
    for _ in range(2):
        with autograd.record():
            y = p.data() * 3
        y.backward()
    assert p.grad().asnumpy().tolist() == [6, 6]
    p.zero_grad()
    assert p.grad().asnumpy().tolist() == [0, 0]
    p.grad_req = "null"
    with pytest.raises(RuntimeError, match="grad_req='null'"):
        p.grad()
    with pytest.raises(ValueError, match="grad_req"):
        p.grad_req = "sometimes"


def test_constants_do_not_change():
    class Scaled(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.factor = self.params.get_constant("factor", [2.0, 3.0])

        def hybrid_forward(self, F, x, factor):
            return F.broadcast_mul(x, factor)

    net = Scaled()
    net.initialize()
    assert net(mx.nd.ones((1, 2))).asnumpy().tolist() == [[2, 3]]
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with autograd.record():
        y = net(mx.nd.ones((1, 2)))
    trainer.step(1)
    assert y.shape == (1, 2) and net.factor.grad_req == "null"
    with pytest.raises(AssertionError, match="doesn't match"):
        net.params.get_constant("factor", [1.0, 3.0])


def test_parameters_on_two_contexts():
    two = [mx.cpu(0), mx.cpu(1)]
    layer = nn.Dense(2, in_units=3)
    layer.initialize(ctx=two)
    assert [a.context for a in layer.weight.list_data()] == two
    layer.weight.list_data()[1][:] = layer.weight.list_data()[0].as_in_context(two[1]) + 2
    mean = layer.weight._reduce()
    assert np.allclose(mean.asnumpy(), layer.weight.data(two[0]).asnumpy() + 1)
    layer.collect_params().reset_ctx(mx.cpu(0))
    assert layer.weight.list_ctx() == [mx.cpu(0)] and np.allclose(layer.weight.data().asnumpy(), mean.asnumpy())
    with pytest.raises(RuntimeError, match="not initialized on context"):
        layer.weight.data(mx.cpu(1))


def test_parameter_dict_merges():
    params = gluon.ParameterDict("net_")
    params.get("w", shape=(3, 0))
    assert params.get("w", shape=(0, 4)).shape == (3, 4)
    with pytest.raises(AssertionError, match="does not match"):
        params.get("w", shape=(5, 4))
    with pytest.raises(AssertionError, match="same name"):
        params.update({"net_w": gluon.Parameter("net_w")})


# --- blocks
def test_attributes_keep_their_kind():
    net = nn.HybridSequential()
    net.layer = nn.Dense(2)
    with pytest.raises(TypeError, match="Changing attribute type"):
        net.layer = 3
    with pytest.raises(ValueError, match="must also be HybridBlock"):
        net.add(nn.Lambda("relu"))


def test_containers_of_blocks_warn():
    class Net(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Dense(2)]

    with pytest.warns(UserWarning, match="unregistered container"):
        Net().collect_params()


def test_hooks():
    seen = []
    layer = nn.Dense(2)
    layer.initialize()
    before = layer.register_forward_pre_hook(lambda block, args: seen.append(("before", block, len(args))))
    with layer.register_forward_hook(lambda block, args, out: seen.append(("after", block, out.shape))):
        layer(data(1, 3))
    before.detach()
    layer(data(1, 3))
    assert seen == [("before", layer, 1), ("after", layer, (1, 2))]


def test_op_hooks_show_every_operator():
    net = mlp(prefix="net_")
    net.initialize()
    net.hybridize()
    seen = []
    net.register_op_hook(lambda name, op, array: seen.append((name, op, array.shape)))
    net(data(2, 4))
    assert seen == [("net_dense0_fwd_output", "FullyConnected", (2, 8)), ("net_dense0_relu_fwd_output", "Activation", (2, 8)),
                    ("net_batchnorm0_fwd_output", "BatchNorm", (2, 8)), ("net_dense1_fwd_output", "FullyConnected", (2, 3))]


def test_summary(capsys):
    net = mlp()
    net.initialize()
    net.summary(data(2, 4))
    said = capsys.readouterr().out
    assert "Dense-2                                      (2, 8)              40" in said
    assert "Total params: 99" in said and "Trainable params: 83" in said
    net.hybridize()
    with pytest.raises(AssertionError, match="hybridized"):
        net.summary(data(2, 4))


def test_a_missing_forward_is_told():
    with pytest.raises(NotImplementedError, match="no forward"):
        gluon.Block()(1)
    with pytest.raises(NotImplementedError, match="no hybrid_forward"):
        gluon.HybridBlock()(data(1))


# --- copies
def test_copies_and_pickles_have_parameters_of_their_own():
    net = mlp()
    net.initialize()
    x = data(4, 5)
    net.hybridize()
    wanted = net(x).asnumpy()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(other(x).asnumpy(), wanted)
        with autograd.record():
            y = other(x).sum()
        y.backward()
        assert float(other[2].weight.grad().abs().sum().item()) > 0
        assert float(net[2].weight.grad().abs().sum().item()) == 0


def test_a_dropped_network_frees_its_arrays_at_once():
    def build_and_train():
        net = mlp()
        net.initialize()
        net.hybridize()
        trainer = gluon.Trainer(net.collect_params(), "adam")
        with autograd.record():
            y = net(data(64, 256)).sum()
        y.backward()
        trainer.step(1)

    build_and_train()
    gc.collect()
    gc.disable()
    try:
        before = live_bytes()
        build_and_train()
        assert live_bytes() == before
    finally:
        gc.enable()


# --- files
def test_parameters_go_through_files(tmp_path):
    net, other = mlp(), mlp()
    net.initialize()
    x = data(4, 5)
    wanted = net(x).asnumpy()
    net.save_parameters(str(tmp_path / "a.params"))
    assert sorted(mx.nd.load(str(tmp_path / "a.params"))) == sorted([
        "0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_var", "2.weight", "2.bias"])
    other.load_parameters(str(tmp_path / "a.params"))
    assert np.array_equal(other(x).asnumpy(), wanted)
    net.collect_params().save(str(tmp_path / "b.params"), strip_prefix=net.prefix)
    third = mlp()
    third.load_parameters(str(tmp_path / "b.params"))
    assert np.array_equal(third(x).asnumpy(), wanted)


def test_what_does_not_fit_a_file_is_told(tmp_path):
    file = str(tmp_path / "a.params")
    net = mlp()
    net.initialize()
    net(data(2, 5))
    net.save_parameters(file)
    more = mlp()
    more.add(nn.Dense(2))
    with pytest.raises(AssertionError, match="'3.weight' is missing"):
        more.load_parameters(file)
    more.load_parameters(file, allow_missing=True)
    less = nn.HybridSequential()
    less.add(nn.Dense(8, in_units=5))
    less.initialize(mx.init.One())
    with pytest.raises(ValueError, match="not present"):
        less.load_parameters(file)
    assert less[0].weight.data().min() == 1  # nothing was read
    less.load_parameters(file, ignore_extra=True)
    half = mlp()
    half.cast("float64")
    with pytest.raises(AssertionError, match="dtype incompatible"):
        half.load_parameters(file)
    half.load_parameters(file, cast_dtype=True)
    assert half[0].weight.dtype == "float64"
    half.load_parameters(file, cast_dtype=True, dtype_source="saved")
    assert half[0].weight.dtype == "float32"


def test_shared_parameters_are_written_once_if_asked(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4))
    net.add(nn.Dense(4, in_units=4, params=net[0].params))
    net.initialize()
    net.save_parameters(str(tmp_path / "all"))
    net.save_parameters(str(tmp_path / "once"), deduplicate=True)
    assert len(mx.nd.load(str(tmp_path / "all"))) == 4 and len(mx.nd.load(str(tmp_path / "once"))) == 2
    net.load_parameters(str(tmp_path / "once"))


def test_export_and_import(tmp_path):
    net = mlp()
    net.initialize()
    with pytest.raises(RuntimeError, match="hybridize"):
        net.export(str(tmp_path / "net"))
    net.hybridize()
    x = data(4, 5)
    wanted = net(x).asnumpy()
    net.export(str(tmp_path / "net"), epoch=3)
    files = str(tmp_path / "net-symbol.json"), str(tmp_path / "net-0003.params")
    block = gluon.SymbolBlock.imports(files[0], ["data"], files[1])
    assert np.array_equal(block(x).asnumpy(), wanted)
    block.collect_params().setattr("grad_req", "write")
    with autograd.record():
        y = block(x).sum()
    y.backward()
    symbol, arguments, aux = mx.model.load_checkpoint(str(tmp_path / "net"), 3)
    run = symbol.bind(mx.cpu(), {**arguments, "data": x}, aux_states=aux)
    assert np.allclose(run.forward()[0].asnumpy(), wanted, atol=1e-6)
    with pytest.raises(ValueError, match="no input 'image'"):
        gluon.SymbolBlock.imports(files[0], ["image"], files[1])


def test_symbol_block_of_internals():
    with mx.name.NameManager():
        x = mx.sym.var("data")
        hidden = mx.sym.FullyConnected(x, num_hidden=4, name="fc1")
        out = mx.sym.FullyConnected(mx.sym.relu(hidden), num_hidden=2, name="fc2")
    block = gluon.SymbolBlock([hidden, out], [x])
    block.initialize()
    first, second = block(data(3, 5))
    assert first.shape == (3, 4) and second.shape == (3, 2)
    assert sorted(block.collect_params()) == ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]


def test_save_and_load_of_whole_models(tmp_path):
    net = nn.Sequential()
    net.add(mlp(), nn.Dense(2))
    net.initialize()
    net[0].hybridize(), net[1].hybridize()
    x = data(2, 4)
    wanted = net(x).asnumpy()
    net.save(str(tmp_path / "m"))
    other = nn.Sequential()
    other.add(mlp(), nn.Dense(2))
    other.load(str(tmp_path / "m"))
    assert np.array_equal(other(x).asnumpy(), wanted)


# --- hybrid blocks
@pytest.mark.parametrize("training", [False, True])
def test_hybrid_and_eager_give_the_same_bits(training):
    def run(hybrid):
        net = nn.HybridSequential()
        net.add(nn.Conv2D(4, 3, padding=1, activation="relu"), nn.BatchNorm(), nn.Dropout(0.5), nn.MaxPool2D(),
                nn.Dense(6, activation="tanh"), nn.Dropout(0.3), nn.Dense(2))
        mx.random.seed(3)
        net.initialize(mx.init.Xavier())
        x = data(4, 3, 8, 8)
        x.attach_grad()
        net(x)  # all parameters have values from here on
        mx.random.seed(4)
        if hybrid:
            net.hybridize()
        found = []
        for _ in range(3):
            with autograd.record(train_mode=training):
                y = net(x)
            y.backward()
            found += [y, x.grad.copy()] + [p.grad().copy() for p in net.collect_params().values() if p.grad_req != "null"]
        return [a.asnumpy() for a in found] + [p.data().asnumpy() for p in net.collect_params().values()]

    for one, other in zip(run(False), run(True)):
        assert np.array_equal(one, other)


def test_nested_arguments_and_outputs():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x, pair, mask=None):
            y = x + pair[0] * pair[1][0]
            return [y, (y * 2, x)] if mask is None else y * mask

    net = Net()
    x = data(2, 3)
    for hybrid in (False, True):
        net.hybridize(hybrid)
        first, (second, third) = net(x, [x, [x]])
        assert np.allclose(second.asnumpy(), 2 * first.asnumpy()) and np.array_equal(third.asnumpy(), x.asnumpy())
    with pytest.raises(AssertionError, match="argument structure"):
        net(x, [x, [x]], x)


def test_inputs_that_nobody_reads_warn():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x, y):
            return x * 2

    net = Net()
    net.hybridize()
    with pytest.warns(UserWarning, match="1-th input to HybridBlock is not used"):
        net(data(2), data(3))


def test_symbols_go_through_blocks():
    net = mlp(prefix="net_")
    out = net(mx.sym.var("x"))
    assert isinstance(out, mx.sym.Symbol) and out.list_arguments()[:2] == ["x", "net_dense0_weight"]


def test_static_shape_needs_static_alloc():
    with pytest.raises(ValueError, match="static_alloc"):
        mlp().hybridize(static_shape=True)


# --- trainers
def test_training_step_by_step():
    net = mlp()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "wd": 0.0})
    x = data(4, 5)
    with autograd.record():
        y = net(x).sum()
    y.backward()
    before, grad = net[2].weight.data().asnumpy(), net[2].weight.grad().asnumpy()
    trainer.step(4)
    assert np.allclose(net[2].weight.data().asnumpy(), before - 0.1 * grad / 4, atol=1e-6)
    with pytest.raises(UserWarning, match="has not been updated by backward"):
        trainer.step(4)
    trainer.step(4, ignore_stale_grad=True)
    trainer.set_learning_rate(0.5)
    assert trainer.learning_rate == 0.5


@pytest.mark.parametrize("kvstore, on_store", [("device", None), ("local", False), ("device", False), (None, None)])
def test_two_contexts_train_as_one(kvstore, on_store):
    def train(contexts):
        mx.random.seed(1)
        net = nn.HybridSequential()
        net.add(nn.Dense(4, activation="tanh"), nn.Dense(2))
        net.initialize(mx.init.Xavier(), ctx=contexts)
        x, label = data(8, 3), mx.nd.array([0, 1] * 4)
        net(x)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05}, kvstore=kvstore,
                                update_on_kvstore=on_store if len(contexts) > 1 else None)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        for _ in range(3):
            xs, labels = gluon.utils.split_and_load(x, contexts), gluon.utils.split_and_load(label, contexts)
            with autograd.record():
                losses = [loss(net(a), b) for a, b in zip(xs, labels)]
            autograd.backward(losses)
            if kvstore is not None and on_store is False and len(contexts) > 1:
                trainer.allreduce_grads()
                trainer.update(8)
            elif kvstore is None and len(contexts) > 1:
                return None
            else:
                trainer.step(8)
        return [p.data(contexts[-1]).asnumpy() for p in net.collect_params().values()]

    one, two = train([mx.cpu(0)]), train([mx.cpu(0), mx.cpu(1)])
    for a, b in zip(one, two or one):
        assert np.allclose(a, b, atol=1e-5)


def test_states_go_through_files(tmp_path):
    def build():
        mx.random.seed(2)
        net = mlp(prefix="net_")
        net.initialize()
        net(data(4, 5))
        return net, gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})

    def step(net, trainer):
        with autograd.record():
            y = (net(data(4, 5)) ** 2).sum()
        y.backward()
        trainer.step(4)

    net, trainer = build()
    step(net, trainer)
    net.save_parameters(str(tmp_path / "p"))
    trainer.save_states(str(tmp_path / "s"))
    step(net, trainer)
    other, second = build()
    other.load_parameters(str(tmp_path / "p"))
    second.load_states(str(tmp_path / "s"))
    step(other, second)
    for a, b in zip(net.collect_params().values(), other.collect_params().values()):
        assert np.array_equal(a.data().asnumpy(), b.data().asnumpy())


def test_one_update_on_the_store_cannot_be_halved():
    net = nn.Dense(2, in_units=2)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with pytest.raises(AssertionError, match="not supported"):
        trainer.allreduce_grads()
    with pytest.raises(ValueError, match="Parameters"):
        gluon.Trainer([1], "sgd")


# --- utils
def test_split_data():
    parts = gluon.utils.split_data(mx.nd.arange(10).reshape((5, 2)), 2, even_split=False)
    assert [p.shape for p in parts] == [(3, 2), (2, 2)]
    with pytest.raises(ValueError, match="evenly"):
        gluon.utils.split_data(mx.nd.ones((5, 2)), 2)
    parts = gluon.utils.split_data(mx.nd.arange(8).reshape((2, 4)), 2, batch_axis=1)
    assert parts[1].asnumpy().tolist() == [[2, 3], [6, 7]]


def test_clip_global_norm():
    arrays = [mx.nd.array([3.0, 4.0]), mx.nd.array([[12.0]])]
    assert gluon.utils.clip_global_norm(arrays, 1.0) == 13
    assert np.allclose(arrays[1].asnumpy(), 12 / 13)
    norm = gluon.utils.clip_global_norm(arrays, 5.0, check_isfinite=False)
    assert np.allclose(norm.asnumpy(), 1) and np.allclose(arrays[0].asnumpy(), [3 / 13, 4 / 13])
    with pytest.warns(UserWarning, match="nan or inf"):
        gluon.utils.clip_global_norm([mx.nd.array([np.nan])], 1.0)


def test_downloads_without_a_network(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("hello")
    path = gluon.utils.download(source.as_uri(), str(tmp_path / "copy.txt"), sha1_hash="aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
    assert open(path).read() == "hello" and gluon.utils.check_sha1(path, "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
    with pytest.raises(mx.MXNetError, match="put it at"):
        gluon.utils.download((tmp_path / "nothing").as_uri(), str(tmp_path / "x"), retries=0)
    assert [f.name for f in tmp_path.iterdir()].count("x") == 0


def test_casting_keeps_batch_norms_in_float32():
    net = mlp()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.cast("float16")
    assert net[0].weight.dtype == "float16" and net[1].gamma.dtype == "float32"


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_forward_or_a_hook_that_comes_later_is_seen(hybrid):
    net, x = nn.Dense(2, in_units=3), mx.nd.ones((1, 3))
    net.initialize(mx.init.One())
    net.hybridize(hybrid)
    assert net(x).asnumpy().tolist() == net(x).asnumpy().tolist() == [[3, 3]]
    seen = []
    with net.register_forward_hook(lambda block, given, out: seen.append(out.shape)):
        net(x)
    assert seen == [(1, 2)]
    net.weight.set_data(mx.nd.zeros((2, 3)))
    assert net(x).asnumpy().tolist() == [[0, 0]]
    net.cast("float64")
    assert net(x.astype("float64")).dtype == np.float64
    net.forward = lambda given: given * 5
    assert net(x).asnumpy().tolist() == [[5, 5, 5]]
