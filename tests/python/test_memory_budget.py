"""Budgets of bytes: kept by what is bound, refused before anything is allocated, seen in plans beforehand."""
import gc
import importlib
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx


def tower(layers=24, width=64):
    """Dense layers with a norm, dropout and relu each."""
    x = mx.sym.Variable("data")
    for i in range(layers):
        x = mx.sym.FullyConnected(x, num_hidden=width, name=f"fc{i}")
        x = mx.sym.BatchNorm(x, fix_gamma=False, name=f"bn{i}")
        x = mx.sym.Activation(mx.sym.Dropout(x, p=0.2, name=f"drop{i}"), act_type="relu", name=f"relu{i}")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="last"), name="softmax")


def convolutions(units=5):
    """A small ResNet, whose values lie in blocks where the library wants them so."""
    def norm(x, name):
        return mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name=name), act_type="relu")

    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=32, kernel=(3, 3), pad=(1, 1), name="conv0")
    for i in range(units):
        y = mx.sym.Convolution(norm(x, f"bn{i}a"), num_filter=32, kernel=(3, 3), pad=(1, 1), name=f"conv{i}a")
        x = x + mx.sym.Convolution(norm(y, f"bn{i}b"), num_filter=32, kernel=(3, 3), pad=(1, 1), name=f"conv{i}b")
    x = mx.sym.Pooling(norm(x, "last"), global_pool=True, kernel=(1, 1), pool_type="avg")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=10, name="fc"), name="softmax")


def unrolled(steps=64, hidden=128, batch=256):
    """An LSTM of which the last state is read. Its weights' gradients are sums over all steps."""
    cell = mx.rnn.LSTMCell(hidden, prefix="lstm_")
    states = [mx.sym.Variable(name, shape=(batch, hidden)) for name in "hc"]
    xs = mx.sym.SliceChannel(mx.sym.Variable("data"), num_outputs=steps, axis=0, squeeze_axis=True)
    for t in range(steps):
        x, states = cell(xs[t], states)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="fc"), name="softmax")


CASES = {"unrolled": (unrolled, (64, 256, 32)), "tower": (tower, (256, 64)), "convolutions": (convolutions, (8, 3, 24, 24))}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def requests(net):
    return {n: "null" if n in ("data", "softmax_label") else "write" for n in net.list_arguments()}


def plan_of(net, shape, budget=0):
    return net.memory_plan(grad_req=requests(net), memory_budget=budget, data=shape)


def least(net, shape):
    with pytest.raises(mx.MXNetError, match="memory_budget is 1 bytes") as e:
        plan_of(net, shape, 1)
    return int(re.search(r"needs (\d+) at least", str(e.value))[1])


def trained(net, shape, budget):
    """Gradients, states and outputs of two steps, as bytes; and what the arena came to."""
    exe = net.simple_bind(mx.cpu(), grad_req=requests(net), memory_budget=budget, data=shape)
    rng = np.random.default_rng(1)
    for name, array in exe.arg_dict.items():
        array[:] = rng.integers(0, 10, array.shape) if name == "softmax_label" else rng.normal(0, 0.2, array.shape)
    mx.random.seed(3)
    for _ in range(2):
        exe.forward(is_train=True)
        exe.backward()
    arrays = [*(a for a in exe.grad_arrays if a is not None), *exe.aux_arrays, *exe.outputs]
    return [a.asnumpy().tobytes() for a in arrays], exe._core.memory()


@pytest.mark.parametrize("case", CASES)
def test_gradients_keep_their_bits_under_any_budget(case):
    net, shape = CASES[case][0](), CASES[case][1]
    most, few = plan_of(net, shape).peak_bytes, least(net, shape)
    assert few < most
    expected, _ = trained(net, shape, 0)
    for budget in (most, (most + few) // 2, few):
        plan = plan_of(net, shape, budget)
        assert plan.peak_bytes <= budget
        found, memory = trained(net, shape, budget)
        assert found == expected
        assert memory["planned_arena"] == plan.arena_bytes == memory["allocated_arena"]
        assert 0.99 * plan.arena_bytes <= memory["touched_arena"] <= plan.arena_bytes


def test_what_costs_little_is_recomputed_unless_told_otherwise(monkeypatch):
    net, shape = convolutions(), (8, 3, 24, 24)
    found = []
    for passes in ("-recompute", ""):
        monkeypatch.setenv("HEDDLE_PASSES", passes)
        plan = plan_of(net, shape)
        found.append((plan, *trained(net, shape, 0)))
    (plain, expected, _), (plan, answer, memory) = found
    assert plain.arena_bytes == plan.plain_arena_bytes and not plain.recomputed
    assert memory["planned_arena"] == plan.arena_bytes < 0.9 * plain.arena_bytes
    assert 0 < plan.extra <= 0.01
    again = {s.op for s in plan.steps if s.phase == "again"}
    assert again and again <= {"_fused_batch_norm", "BatchNorm", "Activation", "_reorder"}
    assert answer == expected


def test_budgets_of_unrolled_networks_and_equal_layers():
    """Time over steps is a chain of blocks, since the products of a step's input wait for it."""
    net, shape = unrolled(), (64, 256, 32)
    plan = plan_of(net, shape)
    names = [s.name for s in plan.steps]
    assert names.index("lstm_t63_i2h") > names.index("lstm_t62_out")
    assert least(net, shape) - (plan.peak_bytes - plan.arena_bytes) < 0.35 * plan.arena_bytes
    x = mx.sym.Variable("data")
    for i in range(40):
        x = mx.sym.Activation(mx.sym.FullyConnected(x, num_hidden=64, name=f"fc{i}"), act_type="tanh")
    net, shape = mx.sym.SoftmaxOutput(x, name="softmax"), (512, 64)
    plan = plan_of(net, shape)
    mild = plan_of(net, shape, plan.peak_bytes - plan.arena_bytes // 4)
    assert mild.extra < 0.15  # a quarter of the layers once more is less than a tenth of a step


def test_what_is_too_little_is_refused_before_anything_is_allocated():
    net = tower()
    gc.collect()
    mx.nd.waitall()
    before = mx.memory_stats()["live"]
    with pytest.raises(mx.MXNetError) as e:
        net.simple_bind(mx.cpu(), grad_req=requests(net), memory_budget="100kB", data=(256, 64))
    assert re.search(r"Most is in use while \w+( \(again\))? runs, of which the largest are \w+.*: 65536", str(e.value))
    assert mx.memory_stats()["live"] <= before  # what others left behind may go
    few = least(net, (256, 64))
    plan_of(net, (256, 64), few)
    with pytest.raises(mx.MXNetError, match=f"needs {few} at least"):
        plan_of(net, (256, 64), few - 1)


@pytest.mark.parametrize("text,expected", [("1000", 1000), ("2kB", 2000), ("1.5 MB", 1500000), ("1KiB", 1024), ("2 GiB", 2 << 30)])
def test_budgets_are_read(text, expected):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=64, no_bias=True)
    with pytest.raises(mx.MXNetError, match=f"memory_budget is {expected} bytes"):
        net.memory_plan(memory_budget=text, data=(1 << 24, 1 << 10))


@pytest.mark.parametrize("text", ["", "much", "-3", "3 PB", "3MBs"])
def test_what_is_no_number_of_bytes_is_refused(text):
    with pytest.raises(mx.MXNetError, match="expected a number of bytes"):
        tower(1).memory_plan(memory_budget=text, data=(4, 64))


def test_prediction_between_steps_and_a_second_backward():
    net, shape = tower(8), (128, 64)
    answers = []
    for budget in (0, least(net, shape)):
        exe = net.simple_bind(mx.cpu(), grad_req=requests(net), memory_budget=budget, data=shape)
        rng = np.random.default_rng(2)
        for array in exe.arg_arrays:
            array[:] = rng.normal(0, 0.2, array.shape)
        exe.arg_dict["softmax_label"][:] = 3
        mx.random.seed(1)
        exe.forward(is_train=True)
        exe.backward()
        exe.backward()
        first = [g.asnumpy().tobytes() for g in exe.grad_arrays if g is not None]
        exe.forward(is_train=False)
        predicted = exe.outputs[0].asnumpy()
        exe.forward(is_train=True)
        exe.backward()
        answers.append((predicted, first, [g.asnumpy().tobytes() for g in exe.grad_arrays if g is not None]))
    assert answers[0][1:] == answers[1][1:]
    assert np.allclose(answers[0][0], answers[1][0], rtol=1e-5, atol=1e-7)  # without a budget weights are packed


def test_monitors_see_every_value_once():
    net, shape = tower(6), (128, 64)
    exe = net.simple_bind(mx.cpu(), grad_req=requests(net), memory_budget=least(net, shape), data=shape)
    seen = []
    exe.set_monitor_callback(lambda name, _: seen.append(name))
    exe.forward(is_train=True)
    exe.backward()
    assert len(seen) == len(set(seen))


def test_modules_take_a_budget():
    net, shape = tower(12), (64, 64)
    few = least(net, shape)
    data = mx.io.NDArrayIter(np.random.default_rng(0).normal(size=shape).astype("float32"), np.zeros(64), 64)
    parameters = []
    for budget in (None, few):
        mx.random.seed(5)
        module = mx.mod.Module(net, memory_budget=budget)
        module.bind(data.provide_data, data.provide_label)
        module.init_params(mx.init.Xavier())
        module.init_optimizer()
        data.reset()
        module.forward_backward(next(data))
        module.update()
        parameters.append({n: a.asnumpy().tobytes() for n, a in module.get_params()[0].items()})
    assert parameters[0] == parameters[1]
    with pytest.raises(mx.MXNetError, match="memory_budget"):
        mx.mod.Module(net, memory_budget=10).bind(data.provide_data, data.provide_label)
    with pytest.raises(mx.MXNetError, match="memory_budget"):
        mx.model.FeedForward(net, num_epoch=1, memory_budget=10).fit(data)


def test_the_environment_gives_a_budget(monkeypatch):
    net, shape = tower(12), (64, 64)
    few = least(net, shape)
    monkeypatch.setenv("HEDDLE_MEMORY_BUDGET", str(few))
    assert net.memory_plan(grad_req=requests(net), data=shape).peak_bytes <= few
    assert plan_of(net, shape, 0).peak_bytes > few  # what a call says counts


def test_mirroring_as_in_mxnet(monkeypatch):
    net, shape = tower(12), (64, 64)
    before = plan_of(net, shape)
    monkeypatch.setenv("MXNET_BACKWARD_DO_MIRROR", "1")
    after = plan_of(net, shape)
    assert after.arena_bytes < before.arena_bytes
    again = {name.rstrip("0123456789") for name in after.recomputed}
    assert "relu" in again and "fc" not in again


def test_plans_say_what_they_hold():
    net, shape = convolutions(), (8, 3, 24, 24)
    plan = plan_of(net, shape)
    assert plan.lower_bound <= plan.arena_bytes <= plan.plain_arena_bytes
    assert plan.steps[plan.peak_step].live_bytes == plan.lower_bound == max(s.live_bytes for s in plan.steps)
    assert sum(n for _, n in plan.largest) <= plan.lower_bound
    assert "Most is in use while" in str(plan)
    page = plan.html("<net>")
    assert page.count("<rect") == len(plan.steps) and "&lt;net&gt;" in page
    small = plan_of(net, shape, least(net, shape))
    assert small.recomputed and small.extra > 0 and "recomputed" in str(small)
    exe = net.simple_bind(mx.cpu(), grad_req=requests(net), data=shape)
    assert exe.plan().arena_bytes == exe._core.memory()["planned_arena"]
    assert exe.plan(is_train=False).gradient_bytes == plan.gradient_bytes


def test_the_command_plans(tmp_path):
    net, page = tower(), tmp_path / "plan.html"
    net.save(str(tmp_path / "net.json"))

    def plan(*more):
        return subprocess.run([sys.executable, "-m", "heddle", "plan", str(tmp_path / "net.json"), "--shape", "data=256,64", *more],
                              capture_output=True, text=True)

    done = plan("--train", "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "peak beside the parameters" in done.stdout and page.read_text().startswith("<!doctype html>")
    assert "forward" in plan().stdout
    few = least(net, (256, 64))
    assert "recomputed" in plan("--train", "--budget", str(few)).stdout
    refused = plan("--train", "--budget", "1kB")
    assert refused.returncode == 1 and "needs" in refused.stderr
    assert plan("--shape", "nothing=3").returncode == 2 and plan("--shape", "data").returncode == 2


def test_the_installed_command_is_the_same():
    """Of the package's scripts, `heddle` is what `python -m heddle` runs."""
    project = pathlib.Path(__file__).parents[2] / "pyproject.toml"
    module, function = re.search(r'\[project.scripts\]\nheddle = "([\w.]+):(\w+)"', project.read_text(encoding="utf-8")).groups()
    main = getattr(importlib.import_module(module), function)
    with pytest.raises(SystemExit) as e:
        main(["plan", "--help"])
    assert e.value.code == 0


def test_pools_tell_what_they_hold():
    before = mx.memory_stats()
    array = mx.nd.zeros((1000, 1000))
    array.wait_to_read()
    assert mx.memory_stats()["live"] >= before["live"] + 4000000
    assert mx.memory_stats(mx.cpu())["peak"] >= mx.memory_stats()["live"] - (1 << 20)
    del array
    mx.nd.waitall()
    mx.empty_cache()
    assert mx.memory_stats()["live"] <= before["live"] + (1 << 20)


def test_pools_tell_what_their_memory_is_for():
    def named(name):
        return mx.memory_stats()["by_operator"].get(name, 0)

    gc.collect()
    before = {name: named(name) for name in ("broadcast_add", "parameters", "gradients", "arena of named_output", "prepared weights")}
    x = mx.nd.zeros((1000, 100))
    y = mx.nd.broadcast_add(x, mx.nd.ones((1, 100)))
    y.wait_to_read()
    assert named("broadcast_add") == before["broadcast_add"] + 400000
    x.attach_grad()
    x.grad.wait_to_read()
    assert named("parameters") == before["parameters"] + 400000
    assert named("gradients") == before["gradients"] + 400000
    net = mx.sym.FullyConnected(mx.sym.tanh(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=64)), num_hidden=8,
                                name="named")
    exe = net.simple_bind(mx.cpu(), data=(32, 100), grad_req="null")
    exe.forward()
    exe.outputs[0].wait_to_read()
    assert named("arena of named_output") > before["arena of named_output"]
    stats = mx.memory_stats()
    assert sum(stats["by_operator"].values()) == stats["live"]
    assert list(stats["by_operator"].values()) == sorted(stats["by_operator"].values(), reverse=True)
    del exe, x, y
    gc.collect()
    mx.nd.waitall()
    assert {name: named(name) for name in before} == before


def test_scratch_memory_goes_with_the_cache():
    x = mx.nd.ones((64, 64, 30, 30), dtype="float16")
    mx.nd.LRN(x, nsize=3).wait_to_read()  # sums of an image in float32
    assert mx.memory_stats()["scratch"] > 64 * 30 * 30 * 4
    mx.empty_cache()
    assert mx.memory_stats()["scratch"] == 0
