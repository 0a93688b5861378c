"""Errors name the line of the user's program that asked for what failed, however late they are told.

Failures here are the kernel's: an index that `take` was told to check, and finds only when it runs. Small
arrays run inside the call, large ones on the engine's threads.
"""
import ctypes
import inspect
import pathlib
import sys
import textwrap

import numpy as np
import pytest

import heddle as mx

SMALL, LARGE = 4, 200_000
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])


@pytest.fixture(autouse=True)
def hear_the_rest():
    """Later tests wait on the same thread, which hears of every failure once."""
    yield
    for _ in range(2000):
        try:
            return mx.nd.waitall()
        except mx.MXNetError:
            pass


def line():
    """The line of the caller."""
    return inspect.currentframe().f_back.f_lineno


def named(number, task="take", file=__file__):
    return f"[in task {task}, pushed at {file}:{number}]"


def wrong_indices(size):
    return mx.nd.full((size,), 7)


def told_by(wait):
    """What a wait raises."""
    with pytest.raises(mx.MXNetError) as caught:
        wait()
    return str(caught.value)


@SIZES
def test_one_failure_among_good_work(size):
    table, indices = mx.nd.arange(5), wrong_indices(size)
    mx.nd.waitall()
    bad = mx.nd.take(table, indices, mode="raise"); asked = line()  # noqa: E702
    good = [mx.nd.ones((10,)) * i for i in range(500)]
    assert named(asked) in told_by(mx.nd.waitall)
    mx.nd.waitall()  # told once
    assert [g.tolist() for g in good] == [[float(i)] * 10 for i in range(500)]
    assert mx.nd.take(table, indices, mode="clip")[0].asscalar() == 4
    bad[:] = 3
    assert bad[size - 1].asscalar() == 3


@SIZES
@pytest.mark.parametrize("wait", [lambda a: a.asnumpy(), lambda a: a.wait_to_read(), lambda a: a.tolist(),
                                  lambda a: a[:1].asscalar(), lambda a: mx.nd.waitall()])
def test_every_wait_names_the_line(size, wait):
    def work():
        doubled = mx.nd.take(mx.nd.arange(5), wrong_indices(size), mode="raise") * 2
        return doubled + 1

    first = work.__code__.co_firstlineno + 1
    assert named(first) in told_by(lambda: wait(work()))
    mx.nd.waitall()


@SIZES
def test_methods_operators_and_helpers(size):
    """Whichever way leads into the package, the line outside of it is named."""
    table, indices = mx.nd.arange(5), wrong_indices(size)
    failing = [lambda: table.take(indices, mode="raise"),
               lambda: mx.nd.take(a=table, indices=indices, mode="raise"),
               lambda: mx.nd.op.take(table, indices, 0, "raise"),
               lambda: table[indices, ]]
    for function in failing:
        told = told_by(lambda f=function: f().asnumpy())
        assert f"pushed at {__file__}:{function.__code__.co_firstlineno}]" in told
    mx.nd.waitall()


@SIZES
def test_bound_graphs_name_the_line_that_ran_them(size):
    out = mx.sym.take(mx.sym.Variable("table"), mx.sym.Variable("indices"), mode="raise") * 2
    bound = out.bind(mx.cpu(), {"table": mx.nd.arange(5), "indices": wrong_indices(size)}, grad_req="null")
    bound.forward(); asked = line()  # noqa: E702
    told = told_by(bound.outputs[0].asnumpy)
    assert "[take] indices holds 7" in told and f"pushed at {__file__}:{asked}]" in told
    good = [mx.nd.ones((10,)) * i for i in range(500)]
    mx.nd.waitall()
    assert [g.tolist() for g in good] == [[float(i)] * 10 for i in range(500)]
    bound.forward(indices=mx.nd.zeros((size,)))
    assert bound.outputs[0][:2].tolist() == [0, 0]


@SIZES
def test_modules_name_the_line_that_called_them(size):
    net = mx.sym.take(mx.sym.Variable("table", shape=(5,)), mx.sym.Variable("data"), mode="raise")
    module = mx.mod.Module(mx.sym.MakeLoss(net), label_names=None)
    module.bind([("data", (size,))])
    module.init_params(mx.init.One(), arg_params={"table": mx.nd.arange(5)}, allow_missing=True)
    module.init_optimizer()
    batch = mx.io.DataBatch([wrong_indices(size)])
    module.forward_backward(batch); asked = line()  # noqa: E702
    told = told_by(module.get_outputs()[0].asnumpy)
    assert "indices holds 7" in told and f"pushed at {__file__}:{asked}]" in told


@SIZES
def test_backward_names_its_line(size):
    table, indices = mx.nd.arange(5), mx.nd.zeros((1, size))
    table.attach_grad()
    with mx.autograd.record():
        out = mx.nd.gather_nd(table, indices)
    out.wait_to_read()
    # Behind the engine's back, or it would refuse at once: what backward reads is no longer valid.
    ctypes.memmove(np.asarray(memoryview(indices)).ctypes.data, np.float32(7).tobytes(), 4)
    out.backward(); asked = line()  # noqa: E702
    told = told_by(table.grad.asnumpy)
    assert f"pushed at {__file__}:{asked}]" in told and "gather_nd" in told


def test_an_updater_of_the_user():
    store = mx.kv.create("local")

    def update(key, gradient, weight):
        weight[:] = mx.nd.take(gradient, wrong_indices(4), mode="raise")

    store._set_updater(update)
    store.init(0, mx.nd.ones((4,)))
    store.push(0, mx.nd.ones((4,)))
    held = mx.nd.zeros((4,))
    store.pull(0, out=held)
    assert named(update.__code__.co_firstlineno + 1) in told_by(held.asnumpy)
    mx.nd.waitall()


def test_code_that_comes_and_goes():
    """Names outlive the code they come from."""
    arrays = []
    for i in range(1500):
        scope = {"mx": mx, "table": mx.nd.arange(5), "indices": wrong_indices(4)}
        exec(compile("\n" * i + "bad = mx.nd.take(table, indices, mode='raise')", f"<cell {i % 7}>", "exec"), scope)
        arrays.append((scope["bad"], i))
    for bad, i in arrays[::500]:
        assert named(i + 1, file=f"<cell {i % 7}>") in told_by(bad.asnumpy)
    del arrays, bad
    assert "more failed" in told_by(mx.nd.waitall)


def test_threads_have_lines_of_their_own():
    import threading
    told = {}

    def work(i):
        source = "\n" * i + "bad = [mx.nd.take(mx.nd.arange(5), mx.nd.full((4,), 7), mode='raise') for _ in range(50)]"
        scope = {"mx": mx}
        exec(compile(source, "<thread>", "exec"), scope)
        told[i] = {told_by(bad.asnumpy) for bad in scope["bad"]}

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(4):
        assert all(named(i + 1, file="<thread>") in text for text in told[i])


def test_scripts(tmp_path):
    """The file as Python shows it in tracebacks."""
    import subprocess
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent("""
        import heddle as mx

        def step(x):
            return mx.nd.take(x, mx.nd.array([9]), mode="raise")

        try:
            step(mx.nd.ones((3,))).asnumpy()
        except mx.MXNetError as error:
            print(error)
    """))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().endswith(named(5, file=pathlib.Path(script))) and not done.stderr
