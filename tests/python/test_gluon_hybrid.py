"""Blocks as graphs: the same numbers as line by line, in less memory."""
import gc
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import heddle as mx
from heddle import _core, autograd, gluon
from heddle.gluon import nn


def data(*shape, seed=1):
    return mx.nd.array(np.random.RandomState(seed).uniform(-1, 1, shape).astype("float32"))


def convolutions(**kwargs):
    net = nn.HybridSequential(**kwargs)
    net.add(nn.Conv2D(4, 3, padding=1, in_channels=3), nn.BatchNorm(in_channels=4), nn.Activation("relu"), nn.MaxPool2D(),
            nn.Dropout(0.4), nn.Dense(5, in_units=64))
    net.initialize(mx.init.Xavier())
    return net


def test_second_gradients_through_a_graph():
    def run(hybrid):
        mx.random.seed(5)
        net = nn.HybridSequential()
        net.add(nn.Dense(4, activation="tanh", in_units=3), nn.Dropout(0.5), nn.Dense(1, in_units=4))
        net.initialize(mx.init.Xavier())
        net.hybridize(hybrid)
        x = data(6, 3)
        x.attach_grad()
        with autograd.record():
            y = net(x)
            first = autograd.grad(y, [x], create_graph=True, retain_graph=True)[0]
            penalty = (first ** 2).sum() + y.sum()
        penalty.backward()
        return [y.asnumpy(), first.asnumpy(), x.grad.asnumpy()] + [p.grad().asnumpy() for p in net.collect_params().values()]

    for one, other in zip(run(False), run(True)):
        assert np.array_equal(one, other)


def test_two_backwards_through_one_run():
    def run(hybrid):
        net = convolutions()
        net.hybridize(hybrid)
        mx.random.seed(6)
        for p in net.collect_params().values():
            p.grad_req = "null" if p.grad_req == "null" else "add"
        with autograd.record():
            y = net(data(2, 3, 8, 8))
        y.backward(retain_graph=True)
        y.backward()
        return [p.grad().asnumpy() for p in net.collect_params().values() if p.grad_req != "null"] + [
            net[1].running_mean.data().asnumpy()]

    mx.random.seed(1)
    eager = run(False)
    mx.random.seed(1)
    for one, other in zip(eager, run(True)):
        assert np.allclose(one, other, rtol=1e-6, atol=1e-7)


def test_many_runs_before_one_backward():
    cell = nn.HybridSequential()
    cell.add(nn.Dense(4, activation="tanh", in_units=4))
    cell.initialize(mx.init.Xavier())

    def run():
        x = data(2, 4)
        with autograd.record():
            for _ in range(20):
                x = cell(x)
        x.backward()
        return cell[0].weight.grad().asnumpy()

    eager = run()
    cell.hybridize()
    assert np.array_equal(run(), eager)


def test_random_numbers_are_those_of_line_by_line():
    class Noise(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.Dropout(x, p=0.5) + F.Dropout(x * 2, p=0.3) * F.random.uniform(shape=(3, 4))

    net = Noise()
    found = []
    for hybrid in (False, True):
        net.hybridize(hybrid)
        mx.random.seed(9)
        with autograd.train_mode():
            found.append([net(data(3, 4)).asnumpy() for _ in range(3)])
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0][0], found[0][1])


@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_a_run_in_prediction_mode(training):
    def run(hybrid):
        net = convolutions()
        net.hybridize(hybrid)
        x = data(2, 3, 8, 8)
        x.attach_grad()
        with autograd.record(train_mode=False):
            y = net(x)
        y.backward(train_mode=training)
        return x.grad.asnumpy()

    mx.random.seed(1)
    eager = run(False)
    mx.random.seed(1)
    assert np.allclose(run(True), eager, rtol=1e-6, atol=1e-7)


def test_a_new_batch_size_is_another_plan_and_plans_are_bounded():
    net = nn.Dense(3, in_units=2)
    net.initialize()
    net.hybridize()
    for n in range(1, 101):
        assert net(data(n, 2)).shape == (n, 3)
    assert net._graph._op.plans == 64
    net(data(100, 2))
    assert net._graph._op.plans == 64


def test_parameters_that_change_are_seen():
    net = convolutions()
    net.hybridize()
    x = data(2, 3, 8, 8)
    before = net(x).asnumpy()
    net[1].running_var.set_data(mx.nd.ones((4,)) * 4)  # it is folded into the convolution
    after = net(x).asnumpy()
    net.hybridize(False)
    assert np.allclose(net(x).asnumpy(), after, atol=1e-5) and not np.allclose(before, after, atol=1e-3)
    net.hybridize()
    net(x)
    net.collect_params().reset_ctx(mx.cpu())  # other arrays, with the same values
    assert np.allclose(net(x).asnumpy(), after, atol=1e-5)


def test_an_input_changed_before_backward_is_an_error():
    net = nn.Dense(3, in_units=2)
    net.initialize()
    net.hybridize()
    with autograd.record():
        y = net(data(2, 2))
    net.weight.set_data(mx.nd.zeros((3, 2)))
    with pytest.raises(mx.MXNetError, match="overwritten"):
        y.backward()


def test_grad_req_add_and_frozen_parameters():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
    net.initialize()
    net[0].collect_params().setattr("grad_req", "null")
    net[1].weight.grad_req = "add"
    net.hybridize()
    for _ in range(3):
        with autograd.record():
            y = net(mx.nd.ones((1, 2))).sum()
        y.backward()
    assert np.allclose(net[1].bias.grad().asnumpy(), 1)
    hidden = net[0](mx.nd.ones((1, 2))).asnumpy()
    assert np.allclose(net[1].weight.grad().asnumpy(), 3 * hidden.repeat(2, 0), atol=1e-5)


def test_outputs_that_are_inputs_are_copies():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            y = x * 2
            return x, y, y

    net = Net()
    net.hybridize()
    x = data(3)
    x.attach_grad()
    with autograd.record():
        a, b, c = net(x)
        total = a + 3 * b + 5 * c
    total.backward()
    assert np.allclose(x.grad.asnumpy(), 17)
    a[:] = 0
    assert float(x.abs().sum().item()) > 0 and np.array_equal(b.asnumpy(), c.asnumpy())


def test_extents_that_values_decide():
    class Chosen(gluon.HybridBlock):
        def hybrid_forward(self, F, x, mask):
            return F.contrib.boolean_mask(x, mask) * 2

    net = Chosen()
    net.hybridize()
    x = mx.nd.array([[1.0], [2.0], [3.0]])
    assert net(x, mx.nd.array([1, 0, 1])).asnumpy().tolist() == [[2], [6]]


def test_symbols_of_what_was_recorded():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, activation="relu", in_units=2))
    net.initialize()
    net.hybridize()
    with autograd.record():
        y = net(data(1, 2)) * 2
    operators = [n["op"] for n in json.loads(autograd.get_symbol(y).tojson())["nodes"] if n["op"] != "null"]
    assert operators == ["FullyConnected", "Activation", "_mul_scalar"]


def test_threads_share_a_graph():
    net = convolutions()
    net.hybridize()
    inputs = [data(2, 3, 8, 8, seed=s) for s in range(8)]
    wanted = [net(x).asnumpy() for x in inputs]
    failures = []

    def work(k):
        for _ in range(20):
            for x, want in zip(inputs[k:] + inputs[:k], wanted[k:] + wanted[:k]):
                if not np.array_equal(net(x).asnumpy(), want):
                    failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures


def test_threads_train_on_one_graph():
    net = nn.Dense(4, in_units=8)
    net.initialize()
    net.hybridize()
    found = {}

    def work(k):
        x = data(3, 8, seed=k)
        x.attach_grad()
        for _ in range(30):
            with autograd.record():
                y = (net(x) ** 2).sum()
            g = autograd.grad(y, [x])[0]
        found[k] = g.asnumpy()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    w, b = net.weight.data().asnumpy(), net.bias.data().asnumpy()
    for k, g in found.items():
        assert np.allclose(g, 2 * (data(3, 8, seed=k).asnumpy() @ w.T + b) @ w, atol=1e-4)


def deep(layers=24, width=256):
    net = nn.HybridSequential()
    for _ in range(layers):
        net.add(nn.Dense(width, activation="tanh", in_units=width))
    net.initialize(mx.init.Xavier())
    return net


def test_a_budget_of_memory():
    def step(net):
        with autograd.record():
            y = net(data(512, 256)).sum()
        y.backward()
        return [p.grad().asnumpy() for p in net.collect_params().values()]

    net = deep()
    net.hybridize()
    wanted = step(net)
    net.hybridize(memory_budget="16MB")
    for one, other in zip(wanted, step(net)):
        assert np.array_equal(one, other)
    net.hybridize(memory_budget="1MB")
    with pytest.raises(mx.MXNetError, match="budget"):
        step(net)


class Learning(gluon.HybridBlock):
    """A network and its loss: all of a step that needs memory."""

    def __init__(self, net):
        super().__init__()
        self.net, self.loss = net, gluon.loss.SoftmaxCrossEntropyLoss()

    def hybrid_forward(self, F, x, y):
        return self.loss(self.net(x), y)


def mlp():
    net = nn.HybridSequential()
    net.add(nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10))
    return net, (32768, 64)


def lenet():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(20, 5, activation="tanh"), nn.MaxPool2D(), nn.Conv2D(50, 5, activation="tanh"), nn.MaxPool2D(),
            nn.Dense(500, activation="tanh"), nn.Dense(10))
    return net, (128, 1, 28, 28)


def resnet():
    return gluon.model_zoo.vision.resnet18_v1(classes=10, thumbnail=True), (8, 3, 32, 32)


def lstm():
    class Words(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = gluon.rnn.LSTM(64, layout="NTC", input_size=64), nn.Dense(10)

        def hybrid_forward(self, F, x):
            return self.out(F.slice_axis(self.lstm(x), axis=1, begin=-1, end=None))

    return Words(), (256, 20, 64)


def encoder():
    class Encoder(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.qkv, self.mix = nn.Dense(192, flatten=False), nn.Dense(64, flatten=False)
            self.wide, self.narrow = nn.Dense(256, flatten=False, activation="relu"), nn.Dense(64, flatten=False)
            self.first, self.second, self.out = nn.LayerNorm(), nn.LayerNorm(), nn.Dense(10)

        def hybrid_forward(self, F, x):
            q, k, v = (F.reshape(F.transpose(F.reshape(part, (0, 0, 4, -1)), axes=(0, 2, 1, 3)), (-3, 0, 0))
                       for part in F.split(self.qkv(x), num_outputs=3, axis=2))
            mixed = F.batch_dot(F.softmax(F.batch_dot(q, k, transpose_b=True) / 4), v)
            mixed = F.reshape(F.transpose(F.reshape(mixed, (-4, -1, 4, 0, 0)), axes=(0, 2, 1, 3)), (0, 0, -3))
            x = self.first(x + self.mix(mixed))
            return self.out(F.mean(self.second(x + self.narrow(self.wide(x))), axis=1))

    return Encoder(), (32, 32, 64)


def learning_step(make, hybrid):
    """A block, its inputs, and a function that makes a step of its training."""
    net, shape = make()
    block = Learning(net)
    block.initialize()
    block.hybridize(hybrid)
    inputs = {"data0": data(*shape), "data1": mx.nd.arange(shape[0]) % 10}
    block(*inputs.values())
    trainer = gluon.Trainer(block.collect_params(), "sgd")

    def step():
        with autograd.record():
            loss = block(*inputs.values())
        loss.backward()
        trainer.step(shape[0])
        mx.nd.waitall()

    step()
    step()
    return block, inputs, step


def taken_by(step):
    gc.collect()  # what earlier tests left in cycles would leave during the step, and count against it
    mx.nd.waitall()
    _core.reset_peak("cpu", 0)
    before = mx.memory_stats(mx.cpu())["live"]
    step()
    return mx.memory_stats(mx.cpu())["peak"] - before


@pytest.mark.parametrize("make", [mlp, lenet, resnet, lstm, encoder])
def test_a_step_takes_what_its_plan_says(make):
    block, inputs, step = learning_step(make, True)
    symbol = block._graph.symbol
    asked = {name: "null" if name in inputs else "write" for name in symbol.list_arguments()}
    plan = symbol.memory_plan(ctx=mx.cpu(), grad_req=asked, **{name: x.shape for name, x in inputs.items()})
    values = plan.arena_bytes + plan.output_bytes  # the gradients of parameters are there already
    assert abs(taken_by(step) - values) <= 0.01 * values


@pytest.mark.parametrize("make", [mlp, lenet, lstm, encoder])
def test_a_step_takes_no_more_than_line_by_line(make):
    """With what kernels work in: a plan has a place for that, line by line threads keep it."""
    def taken(hybrid):
        step = learning_step(make, hybrid)[2]
        mx.nd.waitall()
        mx.empty_cache()
        return taken_by(step) + mx.memory_stats(mx.cpu())["scratch"]

    graph, lines = taken(True), taken(False)
    assert graph <= 1.01 * lines  # both are known to 64 KiB per thread


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="this system does not say what a process takes")
def test_a_resnet_takes_no_more_than_line_by_line():
    """In all: line by line, kernels of convolutions have copies of weights of their own, which a plan counts."""
    program = (f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
               "import test_gluon_hybrid as t\n"
               "step = t.learning_step(t.resnet, sys.argv[1] == 'graph')[2]\n"
               "open('/proc/self/clear_refs', 'w').write('5')\n"
               "step()\n"
               "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))")
    lines, graph = (int(subprocess.run([sys.executable, "-c", program, style], check=True, capture_output=True,
                                       text=True).stdout) for style in ("lines", "graph"))
    assert graph <= lines


def test_weights_made_ready_for_prediction_go_when_they_are_stale():
    block, inputs, step = learning_step(lenet, True)
    learning = mx.memory_stats(mx.cpu())["live"]
    with autograd.pause():
        want = block(*inputs.values()).asnumpy()
    assert mx.memory_stats(mx.cpu())["live"] > learning + (1 << 20)  # a packed copy of a weight of 1.6 MB
    with autograd.record():  # nothing was written: they stay
        loss = block(*inputs.values())
    del loss
    mx.nd.waitall()
    assert mx.memory_stats(mx.cpu())["live"] > learning + (1 << 20)
    step()
    step()
    gc.collect()
    assert mx.memory_stats(mx.cpu())["live"] <= learning + (1 << 16)
    again = block(*inputs.values()).asnumpy()  # made once more, of other weights
    block.hybridize(False)
    np.testing.assert_allclose(again, block(*inputs.values()).asnumpy(), rtol=1e-4, atol=1e-5)
    assert not np.array_equal(again, want)


def test_errors_name_the_operator():
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(3, in_units=2), nn.Dense(3, in_units=4))
    net.initialize()
    net.hybridize()
    with pytest.raises(mx.MXNetError, match="net_dense1_fwd"):
        net(data(2, 2))


def test_arrays_on_two_devices_are_refused():
    class Sum(gluon.HybridBlock):
        def hybrid_forward(self, F, x, y):
            return x + y

    net = Sum()
    net.hybridize()
    if mx.num_gpus():
        with pytest.raises(mx.MXNetError, match="expected"):
            net(data(2), data(2).as_in_context(mx.gpu()))
    assert net(data(2), data(2)).shape == (2,)


# --- what a graph cannot be made of
def test_a_line_that_needs_values_is_named():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            if x.sum() > 0:  # decides by values
                return x * 2
            return x

    net = Net()
    assert net(mx.nd.ones((2,))).shape == (2,)
    net.hybridize()
    with pytest.raises(mx.MXNetError, match=r"cannot run as a graph because of .*test_gluon_hybrid.py:\d+: if x.sum"):
        net(mx.nd.ones((2,)))


def test_a_line_that_needs_shapes_is_named():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            return F.reshape(x, (x.shape[0] * 2, -1))

    net = Net()
    net.hybridize()
    with pytest.raises(mx.MXNetError, match=r"return F.reshape\(x, \(x.shape"):
        net(mx.nd.ones((2, 4)))


def test_what_is_kept_while_tracing_is_told():
    class Net(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            self.last = x * 2
            return self.last

    net = Net()
    net(mx.nd.ones((2,)))
    net.hybridize()
    with pytest.raises(mx.MXNetError, match="attribute last"):
        net(mx.nd.ones((2,)))

    class Counter(gluon.HybridBlock):
        calls = 0

        def hybrid_forward(self, F, x):
            self.calls += 1
            return x * 2

    net = Counter()
    net.hybridize()
    with pytest.warns(UserWarning, match="attribute calls"):
        net(mx.nd.ones((2,)))


class Plain(gluon.HybridBlock):
    """A forward that was written for arrays."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.body = nn.Dense(4, activation="tanh")
            self.scale = self.params.get("scale", shape=(4,), init="ones")

    def forward(self, x, mask=None):
        y = mx.nd.broadcast_mul(self.body(x), self.scale.data())
        y = mx.nd.relu(y) + (y - 1).clip(-1, 1).mean(axis=1, keepdims=True).broadcast_like(y)
        return y if mask is None else [y * mask, mask]


def test_a_plain_forward_becomes_a_graph(tmp_path):
    mx.random.seed(1)
    net = Plain()
    net.initialize(mx.init.Xavier())
    x = data(3, 5)

    def run():
        with autograd.record():
            y = net(x)
        y.backward()
        return [y.asnumpy(), net.scale.grad().asnumpy(), net.body.weight.grad().asnumpy()]

    eager = run()
    net.hybridize()
    for one, other in zip(eager, run()):
        assert np.array_equal(one, other)
    assert net._graph._op.plans == 1 and net(x[:2]).shape == (2, 4)
    net.export(str(tmp_path / "net"))
    block = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    assert np.allclose(block(x).asnumpy(), eager[0], atol=1e-6)


def test_a_plain_forward_that_needs_values_runs_line_by_line():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.body = nn.Dense(4)

        def forward(self, x):
            y = self.body(x)
            return y * 2 if y.sum().asscalar() > 0 else y

    net = Net()
    net.initialize()
    x = data(3, 5)
    wanted = net(x).asnumpy()
    net.hybridize()
    with pytest.warns(UserWarning, match=r"line by line.*test_gluon_hybrid.py:\d+: return y \* 2 if"):
        assert np.allclose(net(x).asnumpy(), wanted, atol=1e-6)
    assert np.allclose(net(x).asnumpy(), wanted, atol=1e-6)  # and is not told again
    assert net.body._graph is not None


# --- several devices
def on_two_devices(hybrid):
    """A network trained on halves of each batch, with its parameters on both devices and what it gives in the end."""
    contexts, random = [mx.cpu(0), mx.cpu(1)], np.random.RandomState(0)
    images, labels = random.uniform(size=(8, 1, 8, 8)), random.randint(0, 3, 8)
    mx.random.seed(1)
    net, loss = gluon.nn.HybridSequential(), gluon.loss.SoftmaxCrossEntropyLoss()
    net.add(gluon.nn.Conv2D(4, 3), gluon.nn.BatchNorm(), gluon.nn.Activation("relu"), gluon.nn.Dense(3))
    net.initialize(mx.init.Xavier(), ctx=contexts)
    net(mx.nd.zeros((1, 1, 8, 8)))  # shapes are known, and weights drawn in the same order
    if hybrid:
        net.hybridize()
        loss.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    x, y = (gluon.utils.split_and_load(mx.nd.array(a), contexts) for a in (images, labels))
    for _ in range(4):
        with autograd.record():
            losses = [loss(net(a), b) for a, b in zip(x, y)]
        autograd.backward(losses)
        trainer.step(8)
    out = [net(a) for a in x]
    assert [a.context for a in (*losses, *out)] == contexts * 2
    return net, [p.list_data() for p in net.collect_params().values()], out


def test_a_graph_runs_on_each_device_of_its_parameters():
    (_, eager, eager_out), (net, graph, graph_out) = on_two_devices(False), on_two_devices(True)
    for one, other in zip((*eager, eager_out), (*graph, graph_out)):
        for a, b in zip(one, other):
            np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-5)
    assert all((a.asnumpy() == b.asnumpy()).all() for (a, b), p in zip(graph, net.collect_params().values()) if p.grad_req != "null")
    with pytest.raises(RuntimeError, match=r"was not initialized on context cpu\(2\)"):
        net(mx.nd.ones((1, 1, 8, 8), ctx=mx.cpu(2)))
    net.collect_params().reset_ctx(mx.cpu(1))
    assert net(mx.nd.ones((1, 1, 8, 8), ctx=mx.cpu(1))).context == mx.cpu(1)
