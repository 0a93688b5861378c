"""Passes change how a network runs and never what it gives: 500 random networks, with every pass and without each."""
import gc
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import _core

sym = mx.sym
PASSES = ["fold", "fuse", "pack", "delay", "pointwise", "views"]
MOVES_ONLY = {"delay", "pointwise", "views"}  # these repeat the same kernels on the same numbers


class Grower:
    """A network that grows by one random layer after another; any value may be read again later."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.count = 0
        self.pictures = self.rng.random() < 0.6
        self.shape = (2, 8, 6, 6) if self.pictures else (4, 24)
        self.values = [(sym.var("data"), self.shape)]

    def name(self, what):
        self.count += 1
        return f"{what}{self.count}"

    def pick(self, shape=None):
        """A value, most often one of the latest; of this shape."""
        fitting = [v for v in self.values if shape is None or v[1] == shape]
        return fitting[max(-len(fitting), -1 - int(self.rng.geometric(0.5)) + 1)]

    def put(self, value, shape):
        self.values.append((value, shape))

    def layer(self):
        x, shape = self.pick()
        if len(shape) == 4:
            filters, kernel = int(self.rng.choice([8, 16, 5])), int(self.rng.choice([1, 3]))
            group = shape[1] if self.rng.random() < 0.2 else 1
            filters = shape[1] if group > 1 else filters
            y = sym.Convolution(x, num_filter=filters, kernel=(kernel, kernel), pad=(kernel // 2,) * 2, num_group=group,
                                no_bias=bool(self.rng.integers(2)), name=self.name("conv"))
            return self.put(y, (shape[0], filters, *shape[2:]))
        hidden = int(self.rng.choice([24, 16, 7]))
        y = sym.FullyConnected(x, num_hidden=hidden, no_bias=bool(self.rng.integers(2)), name=self.name("fc"))
        self.put(y, (shape[0], hidden))

    def norm(self):
        x, shape = self.pick()
        y = sym.BatchNorm(x, fix_gamma=bool(self.rng.integers(2)), name=self.name("bn"))
        self.put(y, shape)

    def unary(self):
        x, shape = self.pick()
        kind = self.rng.integers(12)
        name = self.name("unary")
        y = [lambda: sym.relu(x, name=name), lambda: sym.Activation(x, act_type="softrelu", name=name), lambda: sym.tanh(x, name=name),
             lambda: sym.sigmoid(x, name=name), lambda: sym.clip(x, a_min=-0.5, a_max=0.7, name=name), lambda: x * 0.5 + 0.25,
             lambda: sym.LeakyReLU(x, act_type="gelu", name=name), lambda: sym.LeakyReLU(x, act_type="elu", name=name), lambda: 1 - x,
             lambda: sym.square(x, name=name), lambda: sym.BlockGrad(x, name=name), lambda: x > 0][kind]()
        self.put(y, shape)

    def binary(self):
        x, shape = self.pick()
        z, _ = self.pick(shape)
        y = [lambda: x + z, lambda: x - z, lambda: x * z, lambda: sym.broadcast_maximum(x, z), lambda: sym.add_n(x, z, x),
             lambda: sym.where(x > 0, x, z), lambda: sym.broadcast_add(x, sym.mean(z, axis=1, keepdims=True))][self.rng.integers(7)]()
        self.put(y, shape)

    def mixed(self):
        x, shape = self.pick()
        if len(shape) == 4 and self.rng.random() < 0.5:
            return self.put(sym.Pooling(x, kernel=(3, 3), stride=(1, 1), pad=(1, 1), pool_type=str(self.rng.choice(["max", "avg"]))), shape)
        z, other = self.pick((*shape[:1], *shape[1:]))
        joined = sym.concat(x, z, dim=1)
        if self.rng.random() < 0.5:
            return self.put(joined, (shape[0], shape[1] + other[1], *shape[2:]))
        self.put(sym.slice_axis(joined, axis=1, begin=1, end=shape[1] + 1), shape)

    def grow(self):
        for _ in range(int(self.rng.integers(4, 14))):
            what = self.rng.choice(["layer", "norm", "unary", "binary", "mixed"], p=[0.22, 0.13, 0.33, 0.22, 0.1])
            getattr(self, what)()
        heads = [self.values[-1][0]]
        if self.rng.random() < 0.3:
            heads.append(self.pick()[0])
        return sym.Group([sym.identity(h, name=f"head{i}") for i, h in enumerate(heads)]), self.shape


def arrays_of(net, shape, seed):
    rng = np.random.default_rng(seed)
    args, _, aux = net.infer_shape(data=shape)
    made = {n: rng.normal(0, 0.4, s).astype("f") for n, s in zip(net.list_arguments(), args)}
    states = {n: rng.uniform(0.4, 1.5, s).astype("f") for n, s in zip(net.list_auxiliary_states(), aux)}
    return made, states


def run(net, made, states, training, **more):
    executor = net.bind(mx.cpu(), {n: mx.nd.array(a) for n, a in made.items()}, aux_states={n: mx.nd.array(a) for n, a in states.items()},
                        args_grad={n: mx.nd.zeros(a.shape) for n, a in made.items()} if training else None,
                        grad_req="write" if training else "null", **more)
    executor.forward(is_train=training)
    found = [o.asnumpy() for o in executor.outputs]
    if training:
        executor.backward([mx.nd.ones(o.shape) for o in executor.outputs])
        found += [executor.grad_dict[n].asnumpy() for n in made] + [executor.aux_dict[n].asnumpy() for n in states]
    return found, executor


def same(found, wanted):
    return all(np.array_equal(f, w, equal_nan=True) for f, w in zip(found, wanted))


def near(found, wanted):
    return all(np.allclose(f, w, rtol=1e-5, atol=2e-5 * max(1, np.abs(w).max(initial=0)), equal_nan=True) for f, w in zip(found, wanted))


@pytest.mark.parametrize("block", range(50))
def test_random_networks(block, monkeypatch):
    for seed in range(10 * block, 10 * block + 10):
        net, shape = Grower(seed).grow()
        made, states = arrays_of(net, shape, seed)
        for training in (False, True):
            with monkeypatch.context() as patch:
                patch.setenv("HEDDLE_PASSES", ",".join("-" + p for p in PASSES))
                plain, executor = run(net, made, states, training)
            everything, _ = run(net, made, states, training)
            assert near(everything, plain), (seed, training)
            # One pass at a time, a different one for each seed; those that only move keep the bits.
            alone = PASSES[seed % len(PASSES)]
            with monkeypatch.context() as patch:
                patch.setenv("HEDDLE_PASSES", ",".join("-" + p for p in PASSES if p != alone))
                found, less = run(net, made, states, training)
            assert same(found, plain) if alone in MOVES_ONLY or training else near(found, plain), (seed, training, alone)
            if alone in MOVES_ONLY:
                assert less.plan().arena_bytes <= executor.plan().arena_bytes, (seed, training, alone)


def swish(x):
    return x * sym.sigmoid(1.5 * x)


def test_a_chain_of_pointwise_calls_is_one():
    net = sym.FullyConnected(swish(swish(sym.var("data"))), num_hidden=4, name="fc")
    made, states = arrays_of(net, (3, 5), 0)
    found, executor = run(net, made, states, False)
    text = executor.debug_str()
    assert text.count("_fused_pointwise") == 1 and "sigmoid" not in text.replace("sigmoid{}", "")


def test_what_others_read_is_there():
    x = sym.var("data")
    inner = sym.tanh(x, name="inner")
    net = sym.Group([sym.exp(inner * 2) + 1, inner, sym.sum(inner * 3)])
    made, states = arrays_of(net, (40, 500), 0)
    found, _ = run(net, made, states, False)
    t = np.tanh(made["data"].astype("f8"))
    for got, wanted in zip(found, (np.exp(2 * t) + 1, t, 3 * t.sum())):
        assert np.allclose(got, wanted, rtol=1e-4)


def test_a_monitor_sees_what_lies_between_in_training_too():
    net = sym.sum(swish(sym.tanh(sym.var("data"), name="inner")))
    made, states = arrays_of(net, (3, 5), 0)
    seen = {}
    _, executor = run(net, made, states, True)
    executor.set_monitor_callback(lambda name, array: seen.setdefault(name, array.asnumpy()))
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones((1,))])
    assert np.allclose(seen["inner_output"], np.tanh(made["data"]), rtol=1e-5)
    assert any("backward" in name for name in seen)


def test_what_is_changed_in_place_is_read_before_or_after():
    """A moving average that other calls read: the batch norm writes it in between."""
    x, mean = sym.var("data"), sym.var("bn_moving_mean")
    before = sym.broadcast_add(x, sym.reshape(mean * 2 + 1, shape=(1, 3)))
    norm = sym.BatchNorm(x, moving_mean=mean, name="bn", momentum=0.5)
    net = sym.Group([before, norm, mean * 3 - 1])
    rng = np.random.default_rng(0)
    data = rng.normal(2, 1, (6, 3)).astype("f")
    found = {}
    for passes in ("", "-pointwise"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEDDLE_PASSES", passes)
            executor = net.simple_bind(mx.cpu(), data=(6, 3))
            executor.arg_dict["data"][:] = data
            executor.forward(is_train=True)
            found[passes] = [o.asnumpy() for o in executor.outputs]
    assert same(found[""], found["-pointwise"])


def calls_of(executor, op):
    """How often an operator runs in one forward run."""
    mx.profiler.set_config(profile_all=True, aggregate_stats=True)
    mx.profiler.dumps(reset=True)
    mx.profiler.set_state("run")
    executor.forward(is_train=False)
    executor.outputs[0].wait_to_read()
    mx.profiler.set_state("stop")
    return sum(line.split()[0] == op for line in mx.profiler.dumps(reset=True).splitlines() if line.split())


def test_what_depends_on_parameters_alone_is_computed_once():
    weight = sym.transpose(sym.var("w", shape=(5, 7)), name="turned")
    net = sym.FullyConnected(sym.var("data"), weight=sym.broadcast_mul(weight, sym.arange(0, 5)), num_hidden=7, no_bias=True, name="fc")
    executor = net.simple_bind(mx.cpu(), grad_req="null", data=(3, 5))
    rng = np.random.default_rng(0)
    for _ in range(2):
        w, data = rng.normal(size=(5, 7)).astype("f"), rng.normal(size=(3, 5)).astype("f")
        executor.arg_dict["w"][:] = w
        executor.arg_dict["data"][:] = data
        for runs in (1, 0):  # after a write, and again
            assert calls_of(executor, "transpose") == runs
            assert np.allclose(executor.outputs[0].asnumpy(), data @ (w.T * np.arange(5)).T, atol=1e-5)


def test_the_fastest_kernel_is_measured_once_and_remembered(tmp_path):
    program = ("import heddle as mx; net = mx.sym.Convolution(mx.sym.var('data'), kernel=(3, 3), num_filter=32, pad=(1, 1), name='conv');"
               "print(net.simple_bind(mx.cpu(), grad_req='null', data=(1, 32, 16, 16)).debug_str())")

    def kernel():
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HEDDLE_KERNELS": "tuned"}
        text = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env).stdout
        return re.search(r"Op:Convolution, Name=conv, (\w+) on", text)[1]

    measured = kernel()
    file = tmp_path / "heddle" / "kernels.json"
    known = json.loads(file.read_text())
    (calls,) = known.values()
    (call,) = [c for c in calls if c.startswith("Convolution ")]
    assert calls[call].startswith(measured + "/") and "(1,32,16,16)" in call
    for library, name in (("portable", "portable/convolution"), (measured, calls[call])):
        calls[call] = name
        file.write_text(json.dumps(known))
        assert kernel() == library
    file.write_text("no JSON")
    assert kernel() in ("portable", "onednn", "lanes", "blocks", "winograd") and json.loads(file.read_text())


def test_sums_hand_on_their_gradient():
    """The terms of a sum share one value in backward; where the gradients themselves are asked for, each has an array."""
    a, b = sym.var("a"), sym.var("b")
    for net, copies in ((sym.relu(a) + sym.add_n(sym.tanh(b), sym.exp(a)), 0), (a + b, 1)):
        executor = net.simple_bind(mx.cpu(), a=(3, 4), b=(3, 4))
        rng = np.random.default_rng(0)
        x, y = (rng.normal(size=(3, 4)).astype("f") for _ in range(2))
        executor.arg_dict["a"][:], executor.arg_dict["b"][:] = x, y
        executor.forward(is_train=True)
        executor.backward(mx.nd.full((3, 4), 2))
        of_a, of_b = (executor.grad_dict[name].asnumpy() for name in "ab")
        assert np.allclose(of_a, 2 * ((x > 0) + np.exp(x)) if copies == 0 else 2, rtol=1e-5)
        assert np.allclose(of_b, 2 / np.cosh(y) ** 2 if copies == 0 else 2, rtol=1e-5)
        assert executor.debug_str().count("_backward_elemwise_add") == copies


@pytest.mark.parametrize("shape", [(3, 32, 9, 8), (4, 6, 5, 7), (16, 10)])
@pytest.mark.parametrize("activation", ["relu", "clip"])
@pytest.mark.parametrize("fix_gamma", [False, True])
def test_training_normalises_and_limits_at_once(shape, activation, fix_gamma, monkeypatch):
    """Not a bit changes, in blocks of channels, in planes, and in rows."""
    x = sym.var("data")
    if shape[1] == 32:
        x = sym.Convolution(x, num_filter=32, kernel=(1, 1), name="conv")  # channels lie in blocks after it
    x = sym.BatchNorm(x, fix_gamma=fix_gamma, eps=1e-3, name="bn")
    net = sym.relu(x, name="last") if activation == "relu" else sym.clip(x, a_min=-0.5, a_max=1.25, name="last")
    net = sym.tanh(net)
    rng, found = np.random.default_rng(0), []
    values, dy = {}, rng.normal(size=shape).astype("f")
    for passes in ("-fuse", ""):
        monkeypatch.setenv("HEDDLE_PASSES", passes)
        executor = net.simple_bind(mx.cpu(), data=shape)
        for name, array in executor.arg_dict.items():
            array[:] = values.setdefault(name, rng.normal(size=array.shape).astype("f"))
        executor.forward(is_train=True)
        executor.backward(mx.nd.array(dy))
        assert ("_backward__fused_batch_norm" in executor.debug_str()) == (passes == "")
        arrays = executor.outputs + [executor.grad_dict[name] for name in values] + executor.aux_arrays
        found.append([array.asnumpy() for array in arrays])
    assert all(np.array_equal(one, other) for one, other in zip(*found))


def test_a_normalisation_that_others_see_is_not_joined():
    normal = sym.BatchNorm(sym.var("data"), name="bn")
    for net in (sym.Group([normal, sym.relu(normal)]), sym.relu(normal) + sym.tanh(normal)):
        executor = net.simple_bind(mx.cpu(), data=(4, 3, 5, 5))
        executor.forward(is_train=True)
        assert "_fused_batch_norm" not in executor.debug_str()


def test_folded_weights_leave_once_they_are_packed():
    """Of a weight stay the array that users see and the form that the kernel reads; both are right after every write."""
    net = sym.BatchNorm(sym.Convolution(sym.var("data"), num_filter=512, kernel=(1, 1), name="conv"), fix_gamma=False, name="bn")
    gc.collect()
    mx.nd.waitall()
    before = mx.memory_stats(mx.cpu())["live"]
    executor = net.simple_bind(mx.cpu(), data=(1, 512, 4, 4), grad_req="null")
    rng, weight = np.random.default_rng(0), 512 * 512 * 4
    for written in ("all", "conv_weight", "bn_moving_var", "bn_gamma"):
        for name, array in (executor.arg_dict | executor.aux_dict).items():
            if written in ("all", name):
                array[:] = rng.uniform(0.5, 1.5, array.shape).astype("f")
        found = executor.forward(is_train=False)[0].asnumpy()
        arrays = {name: array.asnumpy().astype("float64") for name, array in (executor.arg_dict | executor.aux_dict).items()}
        y = np.einsum("kc,nchw->nkhw", arrays["conv_weight"][:, :, 0, 0], arrays["data"])
        as_channels = {name: value.reshape(-1, 1, 1) for name, value in arrays.items() if value.ndim == 1}
        y = (y + as_channels["conv_bias"] - as_channels["bn_moving_mean"]) / np.sqrt(as_channels["bn_moving_var"] + 1e-3)
        np.testing.assert_allclose(found, y * as_channels["bn_gamma"] + as_channels["bn_beta"], rtol=1e-4)
        assert mx.memory_stats(mx.cpu())["live"] - before < 2.5 * weight
    if _core.best_isa_level() >= 3:
        assert " passing" in executor.debug_str()
