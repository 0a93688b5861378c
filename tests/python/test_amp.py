"""Automatic mixed precision: which calls are cast, that networks learn with it, and that steps with overflow are skipped."""
import logging
import pickle

import numpy as np
import pytest

import heddle as mx
from heddle import autograd, gluon
from heddle.contrib import amp

NARROW = ("float16", "bfloat16")
each_dtype = pytest.mark.parametrize("dtype", NARROW)


@pytest.fixture
def mixed():
    """amp.init, which is undone."""
    yield amp.init
    amp.amp._stop()



def some(*shape, dtype="float32", seed=0):
    return mx.nd.array(np.random.RandomState(seed).uniform(-1, 1, shape), dtype=dtype)


# --- what the records say
@each_dtype
def test_every_operator_is_in_one_list(dtype):
    lists = [amp.list_lp16_ops(dtype), amp.list_fp32_ops(dtype), amp.list_lp16_fp32_ops(dtype), amp.list_widest_type_cast(dtype),
             [name for name, _, _ in amp.list_conditional_fp32_ops(dtype)]]
    together = sum(lists, [])
    assert len(together) == len(set(together))
    assert {"Convolution", "FullyConnected", "Deconvolution", "RNN"} <= set(lists[0])
    assert {"softmax", "exp", "norm", "SoftmaxOutput", "BatchNorm_v1"} - set(lists[1]) == {"BatchNorm_v1"}
    assert {"broadcast_add", "elemwise_mul", "Concat", "add_n", "dot", "where"} <= set(lists[3])
    assert {"relu", "Pooling", "BatchNorm", "Flatten", "sgd_update"} <= set(lists[2])
    assert ("Activation", "act_type", ["softrelu"]) in amp.list_conditional_fp32_ops(dtype)
    assert {"SoftmaxOutput", "LinearRegressionOutput"} <= set(amp.list_loss_output_functions(dtype))
    assert not {"exp", "sum"} & set(amp.list_loss_output_functions(dtype))


def test_parameters_that_stay_wide():
    assert amp.list_lp16_use_fp32_params("float16") is None
    assert amp.list_lp16_use_fp32_params("bfloat16")["BatchNorm"] == ["", "gamma", "beta", "moving_mean", "moving_var"]


@pytest.mark.parametrize("call", [amp.list_fp32_ops, amp.convert_symbol, amp.init])
def test_other_types_are_refused(call):
    arguments = (mx.sym.Variable("x"), "int8") if call is amp.convert_symbol else ("int8",)
    with pytest.raises(ValueError, match="int8, expected float16 or bfloat16"):
        call(*arguments)


# --- eager calls
@each_dtype
def test_eager_calls_take_what_suits_them(dtype, mixed):
    x, w, b = some(2, 3), some(4, 3), some(4)
    plain = mx.nd.FullyConnected(x, w, b, num_hidden=4)
    mixed(dtype)
    y = mx.nd.FullyConnected(x, w, b, num_hidden=4)
    narrow = y.dtype
    assert narrow == x.astype(dtype).dtype and x.dtype == np.float32
    np.testing.assert_allclose(y.astype("float32").asnumpy(), plain.asnumpy(), atol=0.03)
    assert mx.nd.relu(y).dtype == narrow                       # as it comes
    assert y.softmax().dtype == np.float32                     # a method is the same call
    assert mx.nd.Activation(y, act_type="softrelu").dtype == np.float32
    assert mx.nd.Activation(y, act_type="tanh").dtype == narrow
    assert (y + plain).dtype == np.float32 and (y + y).dtype == narrow
    assert mx.nd.concat(y, plain).dtype == np.float32
    assert mx.nd.broadcast_add(y, mx.nd.ones((1, 4))).dtype == np.float32


def test_numbers_of_other_types_are_left_alone(mixed):
    mixed("float16")
    assert mx.nd.dot(some(2, 3, dtype="float64"), some(3, 2, dtype="float64")).dtype == np.float64
    assert mx.nd.FullyConnected(some(2, 3, dtype="float64"), some(4, 3, dtype="float64"), no_bias=True, num_hidden=4).dtype == np.float64
    rows = mx.nd.array([1, 0], dtype="int32")
    assert mx.nd.take(some(3, 2), rows).dtype == np.float32
    assert mx.nd.topk(rows, ret_typ="value").dtype == np.int32


def test_arrays_that_are_written_are_not_cast(mixed):
    mixed("float16")
    w, grad = mx.nd.ones((3,)), mx.nd.ones((3,), dtype="float16")
    mx.nd.sgd_update(w, grad, lr=0.5, out=w)
    assert w.dtype == np.float32 and w.asnumpy().tolist() == [0.5] * 3


def test_lists_in_the_place_of_the_records(mixed):
    mixed("float16", target_precision_ops=["dot"], fp32_ops=["relu"], conditional_fp32_ops=[("Activation", "act_type", ["tanh"])])
    x = some(2, 2)
    assert mx.nd.dot(x, x).dtype == np.float16
    assert mx.nd.FullyConnected(x, x, no_bias=True, num_hidden=2).dtype == np.float32
    half = x.astype("float16")
    assert mx.nd.relu(half).dtype == np.float32 and mx.nd.exp(half).dtype == np.float16
    assert mx.nd.Activation(half, act_type="tanh").dtype == np.float32
    assert mx.nd.Activation(half, act_type="softrelu").dtype == np.float16


def test_errors_of_lists(mixed):
    with pytest.raises(ValueError, match="two or more lists: found .'dot'. in target_dtype_ops and fp32_ops"):
        mixed("float16", target_precision_ops=["dot"], fp32_ops=["dot", "exp"])
    with pytest.raises(mx.MXNetError, match="Convolutoin.*Convolution"):
        mixed("float16", target_precision_ops=["Convolutoin"])
    assert mx.nd.dot(some(2, 2), some(2, 2)).dtype == np.float32  # nothing was switched on


@each_dtype
def test_gradients_come_back_in_the_type_of_the_weight(dtype, mixed):
    x, w = some(5, 3), some(4, 3, seed=1)
    w.attach_grad()

    def loss():
        with autograd.record():
            return (mx.nd.FullyConnected(x, w, no_bias=True, num_hidden=4) ** 2).sum()

    loss().backward()
    plain = w.grad.asnumpy()
    mixed(dtype)
    loss().backward()
    assert w.grad.dtype == np.float32
    np.testing.assert_allclose(w.grad.asnumpy(), plain, atol=0.1)
    assert (w.grad.asnumpy() != plain).any()


# --- training
def network(dropout=False):
    net = gluon.nn.HybridSequential()
    with net.name_scope():
        net.add(gluon.nn.Conv2D(4, 3, padding=1, in_channels=1), gluon.nn.BatchNorm(in_channels=4), gluon.nn.Activation("relu"),
                gluon.nn.MaxPool2D(), gluon.nn.Flatten(), gluon.nn.Dense(16, activation="tanh", in_units=64),
                gluon.nn.LayerNorm(in_channels=16), gluon.nn.Dense(3, in_units=16))
    return net


def problem():
    """Images of three kinds: where they are bright."""
    random = np.random.RandomState(7)
    kinds = random.randint(0, 3, 96)
    images = random.uniform(0, 0.6, (96, 1, 8, 8))
    for image, kind in zip(images, kinds):
        image[0, 2 * kind + 1] += 0.5
    return mx.nd.array(images), mx.nd.array(kinds)


def trained(start, hybrid, scaled, epochs=8):
    """The mean loss of every epoch, and the parameters in the end."""
    images, kinds = problem()
    net, loss_of = network(), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize()
    for p, value in zip(net.collect_params().values(), start):
        p.set_data(value)
    if hybrid:
        net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    if scaled:
        amp.init_trainer(trainer)
        trainer._amp_loss_scaler._loss_scale = 2.0 ** 10  # 2**16 overflows in float16, and skips steps at first
    losses = []
    for _ in range(epochs):
        total = 0
        for at in range(0, 96, 32):
            with autograd.record():
                loss = loss_of(net(images[at:at + 32]), kinds[at:at + 32])
                if scaled:
                    with amp.scale_loss(loss, trainer) as scaled_loss:
                        autograd.backward(scaled_loss)
            if not scaled:
                loss.backward()
            trainer.step(32)
            total += loss.mean().asscalar()
        losses.append(total / 3)
    return losses, [p.data() for p in net.collect_params().values()]


@pytest.fixture(scope="module")
def start():
    mx.random.seed(3)
    net = network()
    net.initialize(mx.init.Xavier())
    return [p.data().copy() for p in net.collect_params().values()]


@pytest.fixture(scope="module")
def in_float32(start):
    return trained(start, hybrid=True, scaled=False)[0]


@each_dtype
@pytest.mark.parametrize("hybrid", [False, True])
def test_a_network_learns_as_in_float32(dtype, hybrid, mixed, start, in_float32):
    mixed(dtype)
    losses, params = trained(start, hybrid, scaled=True)
    assert in_float32[-1] < 0.25 * in_float32[0]
    np.testing.assert_allclose(losses, in_float32, atol=0.08)
    assert losses != in_float32  # it did compute in another type
    assert all(p.dtype == np.float32 and np.isfinite(p.asnumpy()).all() for p in params)


@each_dtype
def test_eager_and_hybrid_blocks_are_cast_alike(dtype, mixed, start):
    images, _ = problem()
    mixed(dtype)
    net = network()
    net.initialize()
    for p, value in zip(net.collect_params().values(), start):
        p.set_data(value)
    eager = net(images)
    net.hybridize()
    graph = net(images)
    assert eager.dtype == graph.dtype == images.astype(dtype).dtype
    np.testing.assert_allclose(graph.astype("float32").asnumpy(), eager.astype("float32").asnumpy(), atol=0.02)
    casts = [n for n in net._cached_graph[1]._core.nodes() if n["op"] == "amp_cast"]
    assert {n["attrs"]["dtype"] for n in casts} == {dtype, "float32"}
    assert len({n["name"] for n in casts}) == len(casts)  # a tensor is cast once to each type


def test_inputs_of_unknown_type_meet_in_the_widest(mixed):
    mixed("float16")

    class Sum(gluon.HybridBlock):
        def hybrid_forward(self, F, a, b):
            return a + b

    block = Sum()
    block.hybridize()
    half, whole = mx.nd.ones((2,), dtype="float16"), mx.nd.ones((2,))
    assert block(half, whole).dtype == np.float32
    assert block(half, half).dtype == np.float16
    assert [n["op"] for n in block._cached_graph[1]._core.nodes()] == ["null", "null", "amp_multicast", "elemwise_add"]


@each_dtype
def test_what_follows_an_unknown_type_is_unknown(dtype, mixed):
    """A cell multiplies its state, whose type nobody knows, by a narrow gate, and adds a narrow product."""
    cells = [gluon.rnn.LSTMCell(3, input_size=2), gluon.rnn.GRUCell(3, input_size=2)]
    mixed(dtype)
    for cell in cells:
        cell.initialize()
        x = mx.nd.ones((2, 2))
        for state in ("float32", dtype):
            states = [s.astype(state) for s in cell.begin_state(2)]
            cell.hybridize(False)
            eager = cell(x, states)
            cell.hybridize()
            graph = cell(x, states)
            assert [a.dtype for a in (graph[0], *graph[1])] == [a.dtype for a in (eager[0], *eager[1])]
            np.testing.assert_allclose(graph[0].astype("float32").asnumpy(), eager[0].astype("float32").asnumpy(), atol=0.01)


@each_dtype
def test_a_parameter_beside_an_unknown_type(dtype, mixed):
    """PReLU has no preference, but wants its slopes in the type of its data."""
    mixed(dtype)
    block = gluon.nn.PReLU()
    block.initialize()
    found = []
    for hybrid in (False, True):
        block.hybridize(hybrid)
        found += [block(mx.nd.array([-1, 2], dtype=t)) for t in (dtype, "float32")]
    assert all(a.dtype == np.float32 for a in found) and {tuple(a.tolist()) for a in found} == {(-0.25, 2)}


PAIRS = ("L2Loss", "L1Loss", "SigmoidBCELoss", "KLDivLoss", "HuberLoss", "HingeLoss", "LogisticLoss", "PoissonNLLLoss", "SDMLLoss")
LOSSES = {**{name: (some(4, 6), some(4, 6, seed=1)) for name in PAIRS}, "SoftmaxCrossEntropyLoss": (some(4, 6), mx.nd.arange(4)),
          "TripletLoss": tuple(some(4, 6, seed=i) for i in range(3)),
          "CosineEmbeddingLoss": (some(4, 6), some(4, 6, seed=1), mx.nd.array([1, -1, 1, -1])),
          "CTCLoss": (some(2, 9, 4), mx.nd.array([[1, 0, -1], [2, 1, 1]]))}


@each_dtype
@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_computed_in_float32(name, dtype, mixed):
    """Line by line and as a graph, of predictions in either type."""
    mixed(dtype)
    loss, found = getattr(gluon.loss, name)(), []
    pred, *labels = LOSSES[name]
    for hybrid in (False, True):
        loss.hybridize(hybrid)
        for given in ("float32", dtype):
            x = pred.astype(given)
            x.attach_grad()
            with autograd.record():
                value = loss(x, *labels)
            value.backward()
            assert value.dtype == np.float32 and x.grad.dtype == x.dtype and np.isfinite(x.grad.astype("float32").asnumpy()).all()
            found.append(value.asnumpy())
    for value in found[1:]:
        np.testing.assert_allclose(value, found[0], rtol=0.05, atol=0.03)


def one_weight():
    weight = gluon.Parameter("weight", shape=(2,), init="ones")
    weight.initialize()
    return weight, gluon.Trainer([weight], "sgd", {"learning_rate": 1.0})


def step(weight, trainer, by=1.0):
    with autograd.record():
        loss = weight.data() * by
        with amp.scale_loss(loss, trainer) as scaled:
            scaled.backward()
    trainer.step(1)


def test_overflow_skips_the_step_and_halves_the_scale(mixed, caplog):
    mixed("float16")
    weight, trainer = one_weight()
    amp.init_trainer(trainer)
    scaler = trainer._amp_loss_scaler
    assert scaler.loss_scale == 2 ** 16
    step(weight, trainer, 0.25)
    assert weight.data().asnumpy().tolist() == [0.75, 0.75]  # the gradient, not the gradient times the scale
    with caplog.at_level(logging.INFO):
        step(weight, trainer, float("inf"))
    assert weight.data().asnumpy().tolist() == [0.75, 0.75] and scaler.loss_scale == 2 ** 15
    assert "decreasing loss scale to 32768" in caplog.text
    step(weight, trainer, 0.25)
    assert weight.data().asnumpy().tolist() == [0.5, 0.5] and scaler.loss_scale == 2 ** 15


def test_the_scale_grows_after_good_steps(mixed):
    mixed("float16")
    weight, trainer = one_weight()
    amp.init_trainer(trainer)
    scaler = trainer._amp_loss_scaler
    step(weight, trainer, 0.0)
    for _ in range(1998):
        assert not scaler.has_overflow([])
    assert scaler.loss_scale == 2 ** 16
    step(weight, trainer, 0.0)
    assert scaler.loss_scale == 2 ** 17
    scaler._loss_scale = 2.0 ** 24
    for _ in range(2000):
        scaler.has_overflow([])
    assert scaler.loss_scale == 2 ** 24  # and no further


def test_unscaled_gradients_can_be_clipped(mixed):
    mixed("float16")
    weight, trainer = one_weight()
    amp.init_trainer(trainer)
    for _ in range(2):
        before = weight.data().asnumpy()
        with autograd.record():
            with amp.scale_loss([weight.data() * 3.0, weight.data()], trainer) as scaled:
                autograd.backward(scaled)
        assert weight.grad().asnumpy().tolist() == [4 * 65536.0] * 2
        amp.unscale(trainer)
        assert weight.grad().asnumpy().tolist() == [4.0] * 2
        gluon.utils.clip_global_norm(weight.list_grad(), np.sqrt(2))
        trainer.step(1)
        np.testing.assert_allclose(before - weight.data().asnumpy(), [1.0] * 2, rtol=1e-4)


def test_losses_that_ignore_heads_are_scaled_by_themselves(mixed):
    """SoftmaxOutput writes its gradient whatever comes from above: its grad_scale follows the loss scale."""
    x, label = some(4, 3), mx.nd.array([0, 1, 2, 1])
    x.attach_grad()

    def gradient():
        with autograd.record():
            out = mx.nd.SoftmaxOutput(x, label, grad_scale=0.5)
        out.backward()
        return x.grad.asnumpy()

    plain = gradient()
    mixed("bfloat16")
    np.testing.assert_array_equal(gradient(), plain)  # no trainer scales yet
    _, trainer = one_weight()
    amp.init_trainer(trainer)
    np.testing.assert_allclose(gradient(), plain * 2 ** 16, rtol=1e-6)


def test_several_devices(mixed):
    mixed("float16")
    contexts = [mx.cpu(0), mx.cpu(1)]
    weight = gluon.Parameter("weight", shape=(2,), init="ones")
    weight.initialize(ctx=contexts)
    trainer = gluon.Trainer([weight], "sgd", {"learning_rate": 1.0})
    amp.init_trainer(trainer)
    for by, after in ((0.25, 0.5), (float("nan"), 0.5), (0.125, 0.25)):
        with autograd.record():
            losses = [weight.data(ctx) * (by if ctx == contexts[0] else min(by, 1)) for ctx in contexts]
            with amp.scale_loss(losses, trainer) as scaled:
                autograd.backward(scaled)
        trainer.step(1)
        assert [weight.data(ctx).asnumpy().tolist() for ctx in contexts] == [[after] * 2] * 2
    assert trainer._amp_loss_scaler.loss_scale == 2 ** 15


def test_what_trainers_are_refused(mixed):
    weight, trainer = one_weight()
    with pytest.raises(RuntimeError, match="did you forget to call amp.init"):
        amp.init_trainer(trainer)
    mixed("float16")
    with pytest.raises(RuntimeError, match="did you forget to call amp.init_trainer"):
        with amp.scale_loss(weight.data(), trainer):
            pass
    with pytest.raises(TypeError, match="is a SGD, expected a gluon.Trainer"):
        amp.init_trainer(mx.optimizer.SGD())
    contexts = [mx.cpu(0), mx.cpu(1)]
    weight = gluon.Parameter("weight", shape=(2,))
    weight.initialize(ctx=contexts)
    with pytest.raises(ValueError, match="update_on_kvstore=False"):
        amp.init_trainer(gluon.Trainer([weight], "sgd", update_on_kvstore=True))


# --- conversion
def mlp():
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="one")
    x = mx.sym.BatchNorm(x, name="norm")
    return mx.sym.softmax(mx.sym.FullyConnected(mx.sym.relu(x, name="relu"), num_hidden=3, name="two"), name="p")


def checkpoint(symbol, **shapes):
    arguments, _, states = symbol.infer_shape(**shapes)
    args = {name: some(*shape, seed=i) for i, (name, shape) in enumerate(zip(symbol.list_arguments(), arguments)) if name not in shapes}
    return args, {name: mx.nd.ones(shape) for name, shape in zip(symbol.list_auxiliary_states(), states)}


def predicted(symbol, args, states, **data):
    exe = symbol.bind(mx.cpu(), {**args, **data}, aux_states=states, grad_req="null")
    return exe.forward()[0]


@each_dtype
@pytest.mark.parametrize("optional", [False, True])
def test_converted_models_predict_alike(dtype, optional):
    symbol, x = mlp(), some(5, 4)
    args, states = checkpoint(symbol, data=(5, 4))
    wanted = predicted(symbol, args, states, data=x)
    converted, narrow_args, narrow_states = amp.convert_model(symbol, args, states, dtype, cast_optional_params=optional)
    got = predicted(converted, narrow_args, narrow_states, data=x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.asnumpy(), wanted.asnumpy(), atol=0.03)
    narrow = {name for name, a in narrow_args.items() if a.dtype != np.float32}
    assert narrow == ({"one_weight", "one_bias", "two_weight", "two_bias"} if optional else set())
    assert all(a.dtype == np.float32 for a in (*args.values(), *narrow_states.values()))


def test_excluded_nodes_and_shared_casts():
    x = mx.sym.Variable("data")
    both = mx.sym.Group([mx.sym.FullyConnected(x, num_hidden=2, name=name) for name in ("a", "b", "c")])
    converted = amp.convert_symbol(both, excluded_sym_names=["c"])
    kinds = [(n["op"], n["name"]) for n in converted._core.nodes()]
    assert kinds.count(("amp_cast", "data_amp_cast_float16")) == 1 and ("amp_cast", "c_weight_amp_cast_float16") not in kinds
    assert converted.list_arguments() == both.list_arguments() and converted.list_outputs()[2] == "c_output"


def test_casts_are_left_out_of_files_unless_asked_for(tmp_path):
    converted = amp.convert_symbol(mlp())
    assert "amp_cast" in converted.tojson(remove_amp_cast=False) and "amp_cast" not in converted.tojson()
    assert mx.sym.load_json(converted.tojson()).tojson() == mlp().tojson()
    assert "amp_cast" in pickle.loads(pickle.dumps(converted)).tojson(remove_amp_cast=False)
    args, states = checkpoint(mlp(), data=(5, 4))
    for remove in (True, False):
        mx.model.save_checkpoint(str(tmp_path / "net"), 0, converted, args, states, remove_amp_cast=remove)
        assert ("amp_cast" in (tmp_path / "net-symbol.json").read_text()) is not remove


def test_a_multicast_is_left_out_by_its_inputs():
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    cast = mx.sym.amp_multicast(a, b, num_outputs=2)
    plain = mx.sym.load_json((mx.sym.exp(cast[1], name="e") + cast[0]).tojson())
    assert plain.list_arguments() == ["b", "a"] and "amp" not in plain.tojson()


@each_dtype
@pytest.mark.parametrize("optional", [False, True])
def test_converted_blocks_predict_alike(dtype, optional, tmp_path):
    net, x = network(), problem()[0]
    net.initialize(mx.init.Xavier())
    net.hybridize()
    wanted = net(x)
    converted = amp.convert_hybrid_block(net, dtype, cast_optional_params=optional)
    got = converted(x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got.asnumpy(), wanted.asnumpy(), atol=0.06)
    types = {name: p.data().dtype for name, p in converted.collect_params().items()}
    assert (types[net[0].weight.name] != np.float32) is optional and types[net[1].gamma.name] == np.float32
    assert net(x).dtype == np.float32
    converted.export(str(tmp_path / "net"), remove_amp_cast=False)
    again = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    assert (again(x) == got).min().asscalar() == 1


@each_dtype
def test_converted_buckets_predict_alike(dtype):
    def network_of(length):
        rows = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, flatten=False, name="fc")
        return mx.sym.SoftmaxOutput(mx.sym.mean(rows, axis=1), name="softmax"), ("data",), ("softmax_label",)

    def outputs(module):
        found = []
        for length in (4, 2):
            batch = mx.io.DataBatch([some(2, length, 5)], [mx.nd.zeros((2,))], bucket_key=length,
                                    provide_data=[("data", (2, length, 5))], provide_label=[("softmax_label", (2,))])
            module.forward(batch, is_train=False)
            found.append(module.get_outputs()[0].asnumpy())
        return found

    shapes = [("data", (2, 4, 5))], [("softmax_label", (2,))]
    module = mx.mod.BucketingModule(network_of, default_bucket_key=4)
    with pytest.raises(RuntimeError, match="no parameters yet"):
        amp.convert_bucketing_module(module)
    module.bind(*shapes, for_training=False)
    module.init_params(mx.init.Uniform(1))
    wanted = outputs(module)
    converted = amp.convert_bucketing_module(module, dtype)
    converted.bind(*shapes, for_training=False)
    for got, plain in zip(outputs(converted), wanted):
        np.testing.assert_allclose(got, plain, atol=0.01)
        assert (got != plain).any()


def test_what_conversion_refuses():
    with pytest.raises(TypeError, match="is a str, expected a BucketingModule"):
        amp.convert_bucketing_module("net")
    net = network()
    with pytest.raises(RuntimeError, match="call block.hybridize"):
        amp.convert_hybrid_block(net)
    with pytest.raises(TypeError, match="is a Block, expected a HybridBlock"):
        amp.convert_hybrid_block(gluon.Block())
    with pytest.raises(TypeError, match="sym is a str, expected a Symbol"):
        amp.convert_symbol("net")
