"""heddle.profiler, trace_waits and the picture of pending tasks."""
import json
import os
import re
import sys
import time

import heddle as mx
import numpy as np
import pytest

profiler = mx.profiler


@pytest.fixture(autouse=True)
def off_and_empty():
    yield
    profiler.set_state("stop")
    profiler.dumps(reset=True)
    profiler.set_config(filename="profile.json", profile_all=False, profile_symbolic=True, profile_imperative=True,
                        profile_memory=True, profile_api=True, continuous_dump=False, dump_period=1, max_bytes=1 << 27)


@pytest.fixture
def path(tmp_path):
    file = str(tmp_path / "trace.json")
    profiler.set_config(filename=file)
    return file


def line():
    """The caller's line, as the profiler names it."""
    frame = sys._getframe(1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def events(path, **fields):
    with open(path) as f:
        return [e for e in json.load(f)["traceEvents"] if all(e.get(k) == v for k, v in fields.items())]


def table(**options):
    """{category: {name: row}} of both parts of the JSON."""
    parts = json.loads(profiler.dumps(format="json", **options))
    return {**parts["Time"], **parts["Memory"]}


def large():
    """An array large enough that work on it is not done at the push."""
    return mx.nd.ones((500, 500))


def check_nesting(slices):
    for a in slices:
        for b in slices:
            if a["tid"] == b["tid"] and a["ts"] + 1e-3 < b["ts"] < a["ts"] + a["dur"] - 1e-3:
                assert b["ts"] + b["dur"] <= a["ts"] + a["dur"] + 1e-3, (a, b)


def test_the_trace_holds_the_operators_that_ran(path):
    profiler.set_config(profile_all=True)
    a = large()
    mx.nd.dot(a, a).wait_to_read()  # before it began
    profiler.set_state("run")
    b = mx.nd.dot(a, a); here = line()  # noqa: E702
    for _ in range(3):
        b = mx.nd.relu(b)
    small = mx.nd.ones((2,)) + 1
    b.wait_to_read(), small.wait_to_read()
    profiler.set_state("stop")
    mx.nd.dot(a, a).wait_to_read()  # after it ended
    profiler.dump()
    slices = events(path, ph="X", cat="operator")
    count = {}
    for s in slices:
        count[s["name"]] = count.get(s["name"], 0) + 1
    assert count["dot"] == 1 and count["relu"] == 3 and count["_plus_scalar"] == 1
    for s in slices:
        args = s["args"]
        assert s["dur"] >= 0 and args["device"] == "cpu(0)"
        if args["kind"] == "pushed":
            assert args["waited_us"] >= 0 and args["queued_us"] >= 0
            assert abs(args["pushed_us"] + args["waited_us"] + args["queued_us"] - s["ts"]) < 0.01
    check_nesting(slices)
    dot = next(s for s in slices if s["name"] == "dot")
    assert dot["args"]["pushed_at"] == here
    assert len(dot["args"]["reads"]) == 1 and len(dot["args"]["writes"]) == 1
    names = {e["args"]["name"] for e in events(path, ph="M", name="thread_name")}
    assert "main" in names


def test_off_records_nothing(path):
    with profiler.Domain("tests").new_task("work"):
        mx.nd.dot(large(), large()).wait_to_read()
    profiler.Domain("tests").new_counter("count", 3)
    assert table() == {}
    profiler.dump()
    assert [e for e in events(path) if e["ph"] != "M"] == []


def test_pause_and_resume():
    profiler.set_config(profile_all=True)
    profiler.set_state("run")
    assert profiler.state() == "run"
    a = large()
    mx.nd.dot(a, a).wait_to_read()
    profiler.pause()
    mx.nd.dot(a, a).wait_to_read()
    profiler.resume()
    mx.nd.dot(a, a).wait_to_read()
    profiler.set_state("stop")
    profiler.resume()  # stopped is stopped
    mx.nd.dot(a, a).wait_to_read()
    assert profiler.state() == "stop"
    assert table()["operator"]["dot"]["Count"] == 2


def lenet():
    data = mx.sym.Variable("data")
    c1 = mx.sym.Activation(mx.sym.Convolution(data, kernel=(5, 5), num_filter=8, name="conv1"), act_type="tanh")
    p1 = mx.sym.Pooling(c1, pool_type="max", kernel=(2, 2), stride=(2, 2))
    c2 = mx.sym.Activation(mx.sym.Convolution(p1, kernel=(5, 5), num_filter=16, name="conv2"), act_type="tanh")
    p2 = mx.sym.Pooling(c2, pool_type="max", kernel=(2, 2), stride=(2, 2))
    f1 = mx.sym.Activation(mx.sym.FullyConnected(p2, num_hidden=50, name="fc1"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(f1, num_hidden=10, name="fc2"), name="softmax")


def test_a_step_of_training(path):
    shape = (32, 1, 28, 28)
    data = mx.io.NDArrayIter(np.random.rand(*shape), np.zeros(32), batch_size=32, label_name="softmax_label")
    module = mx.mod.Module(lenet())
    module.bind(data.provide_data, data.provide_label)
    module.init_params()
    module.init_optimizer(optimizer="sgd")
    profiler.set_config(profile_all=True)
    profiler.set_state("run")
    module.forward_backward(next(data))
    module.update()
    mx.nd.waitall()
    profiler.set_state("stop")
    tables = table()
    operators = tables["operator"]
    for name in ("Convolution", "Activation", "Pooling", "FullyConnected", "SoftmaxOutput"):
        assert any(name in have for have in operators), operators
    assert operators["Convolution"]["Count"] == 2 and operators["FullyConnected"]["Count"] == 2
    assert operators["Activation"]["Count"] == 3
    assert any("sgd" in have for have in operators), operators
    assert "conv1" in tables["graph"] and "conv2" in tables["graph"]
    for row in operators.values():
        assert 0 <= row["Min"] <= row["Avg"] <= row["Max"] <= row["Total"] * (1 + 1e-9)
    assert tables["Device Storage"]["Memory: cpu/0"]["Max"] > 0
    profiler.dump()
    tasks = events(path, ph="X", cat="graph")
    assert {"conv1", "conv2"} <= {e["name"] for e in tasks}
    check_nesting(tasks + events(path, ph="X", cat="operator"))


def test_modes_choose_what_is_recorded():
    net = mx.sym.exp(mx.sym.Variable("x"), name="net")
    bound = net.bind(mx.cpu(), {"x": large()})

    def run(**modes):
        profiler.dumps(reset=True)
        every = dict.fromkeys(("profile_symbolic", "profile_imperative", "profile_memory", "profile_api"), False)
        profiler.set_config(**{**every, **modes})
        profiler.set_state("run")
        bound.forward()[0].wait_to_read()
        mx.nd.dot(large(), large()).wait_to_read()
        profiler.set_state("stop")
        return table()

    assert run() == {}
    both = run(profile_symbolic=True)
    assert list(both["operator"]) == ["exp"] and "dot" not in both["graph"]
    only = run(profile_imperative=True)
    assert "dot" in only["operator"] and "exp" not in only["operator"] and "graph" not in only
    assert list(run(profile_memory=True, profile_imperative=True)["Device Storage"]) == ["Memory: cpu/0"]


def test_dumps_as_a_table():
    profiler.set_config(profile_all=True)
    profiler.set_state("run")
    domain = profiler.Domain("mine")
    with domain.new_task("once"):
        for _ in range(3):
            with domain.new_task("often"):
                pass
    profiler.set_state("stop")
    text = profiler.dumps()
    assert re.search(r"^once +1 +\d+\.\d{4} +\d+\.\d{4} +\d+\.\d{4} +\d+\.\d{4}$", text, re.M)
    assert "Profile Statistics" in text and "Total Count" in text and "Avg (ms)" in text
    assert text.index("\nonce") < text.index("\noften")  # by total time, largest first
    by_count = profiler.dumps(sort_by="count")
    assert by_count.index("\noften") < by_count.index("\nonce")
    ascending = profiler.dumps(ascending=True)
    assert ascending.index("\noften") < ascending.index("\nonce")
    row = table(reset=True)["mine"]["once"]
    assert row["Count"] == 1 and row["Total"] == row["Min"] == row["Max"] == row["Avg"] > 0
    assert table() == {}


def test_what_the_program_adds(path):
    profiler.set_state("run")
    domain = profiler.Domain("tests")
    task, frame, event = domain.new_task("work"), domain.new_frame("frame"), profiler.Event("part")
    for thing, name in ((task, "work"), (frame, "frame"), (event, "part"), (domain, "tests")):
        assert str(thing) == name
    task.start()
    event.start()
    frame.start()
    task.stop()
    frame.stop()  # they may overlap
    event.stop()
    task.stop()  # not started
    counter = domain.new_counter("count", 1)
    counter += 4
    counter -= 2
    counter.increment()
    counter.decrement(3)
    domain.new_marker("here").mark()
    domain.new_marker("there").mark("global")
    assert counter.value == 1 and str(counter) == "count"
    profiler.dump()
    assert [e["ph"] for e in events(path, cat="tests", name="work")] == ["b", "e"]
    assert [e["ph"] for e in events(path, cat="tests", name="frame")] == ["b", "e"]
    assert len(events(path, ph="X", cat="event", name="part")) == 1
    assert [e["args"]["value"] for e in events(path, ph="C", name="count")] == [1, 5, 3, 4, 1]
    assert [(e["name"], e["s"]) for e in events(path, ph="i")] == [("here", "p"), ("there", "g")]
    row = table()["tests (counters)"]["count"]
    assert row["Count"] == 5 and row["Min"] == 1 and row["Max"] == 5


def test_dump_ends_a_recording_and_the_next_begins_anew(path):
    profiler.set_state("run")
    profiler.Domain("d").new_marker("first").mark()
    profiler.dump(finished=False)
    assert profiler.state() == "run"
    profiler.Domain("d").new_marker("second").mark()
    profiler.dump()
    assert [e["name"] for e in events(path, ph="i")] == ["first", "second"]
    assert profiler.state() == "stop"
    profiler.set_state("run")
    profiler.Domain("d").new_marker("third").mark()
    profiler.dump_profile()
    assert [e["name"] for e in events(path, ph="i")] == ["third"]
    assert os.listdir(os.path.dirname(path)) == ["trace.json"]


def test_the_file_is_written_while_it_runs(path):
    profiler.set_config(continuous_dump=True, dump_period=0.005)
    profiler.set_state("run")
    profiler.Domain("d").new_marker("mark").mark()
    until = time.monotonic() + 30
    while not (os.path.exists(path) and events(path, ph="i")):
        assert time.monotonic() < until
    profiler.set_state("stop")
    os.remove(path)


def test_old_names(path):
    profiler.profiler_set_config("all", path)
    profiler.profiler_set_state("run")
    mx.nd.dot(large(), large()).wait_to_read()
    profiler.profiler_set_state("stop")
    profiler.dump_profile()
    assert events(path, ph="X", name="dot")
    profiler.set_kvstore_handle(None)
    profiler.set_config(aggregate_stats=True, profile_process="worker")


def test_bad_calls():
    with pytest.raises(ValueError, match="odd"):
        profiler.set_state("odd")
    with pytest.raises(ValueError, match="nonsense.*filename"):
        profiler.set_config(nonsense=1)
    with pytest.raises(ValueError, match="format 'x'"):
        profiler.dumps(format="x")
    with pytest.raises(ValueError, match="sort_by 'x'"):
        profiler.dumps(sort_by="x")
    with pytest.raises(ValueError, match="mode"):
        profiler.profiler_set_config("odd")
    with pytest.raises(ValueError, match="scope"):
        profiler.Domain("d").new_marker("m").mark("odd")
    profiler.set_config(filename="/no such folder/trace.json")
    with pytest.raises(mx.MXNetError, match="no such folder"):
        profiler.dump()


def test_memory_is_bounded():
    profiler.set_config(profile_all=True, max_bytes=1 << 17)
    profiler.set_state("run")
    a = mx.nd.ones((2,))
    for _ in range(5000):
        a += 1
    profiler.set_state("stop")
    assert profiler.dropped() > 0
    assert table()["operator"]["_plus_scalar"]["Count"] == 5000


def test_a_forked_child_does_not_record(path):
    profiler.set_state("run")
    child = os.fork()
    if child == 0:
        fine = profiler.state() == "stop" and table() == {}
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert profiler.state() == "run"


# --- what blocks, and what is pending


needs_workers = pytest.mark.skipif(mx._core.engine_name() == "naive", reason="nothing is pending in the naive engine")


def until_seen(attempt):
    """What `attempt` returns, once that is something: a thread may be kept from looking until all is done."""
    for _ in range(50):
        seen = attempt()
        if seen:
            return seen
    raise AssertionError("not seen in 50 attempts")


@needs_workers
def test_trace_waits_names_the_operator_and_both_lines(capsys):
    a = mx.nd.ones((600, 600))
    a.wait_to_read()
    lines = {}

    def attempt():
        with mx.trace_waits() as trace:
            b = mx.nd.dot(a, a); lines["push"] = line()  # noqa: E702
            b.asnumpy(); lines["read"] = line()  # noqa: E702
        return trace.waits

    waits = until_seen(attempt)
    assert len(waits) == 1
    wait, push, read = waits[0], lines["push"], lines["read"]
    assert wait["call"] == "asnumpy" and wait["at"] == read and wait["ms"] > 0
    assert wait["task"] == "dot" and wait["pushed_at"] == push
    assert capsys.readouterr().err == wait["text"] + "\n"
    expected = rf"blocked [\d.]+ ms in asnumpy\(\) at {re.escape(read)} waiting for dot pushed at {re.escape(push)}"
    assert re.fullmatch(expected, wait["text"])


@needs_workers
@pytest.mark.parametrize("name", ["wait_to_read", "wait_to_write", "asnumpy", "tolist", "waitall", "asscalar"])
def test_trace_waits_names_the_call(name, capsys):
    a = mx.nd.ones((600, 600))
    a.wait_to_read()

    def attempt():
        b = mx.nd.dot(a, a)
        if name == "asscalar":
            b = b.sum()
        with mx.engine.trace_waits(show=False) as trace:
            mx.nd.waitall() if name == "waitall" else getattr(b, name)()
        return [w["call"] for w in trace.waits]

    assert until_seen(attempt) == [name]
    with profiler.trace_waits(least_ms=1e6) as trace:
        mx.nd.dot(a, a).wait_to_read()
    assert trace.waits == [] and capsys.readouterr().err == ""


def test_reads_of_what_is_done_do_not_count():
    a = mx.nd.ones((3,))
    a.wait_to_read()
    mx.nd.waitall()
    with mx.trace_waits() as trace:
        a.asnumpy()
        mx.nd.waitall()
    assert trace.waits == []


@needs_workers
def test_the_picture_of_what_is_pending():
    mx.nd.waitall()
    empty = mx.engine.pending_graph()
    assert empty.startswith("digraph") and "label" not in empty
    a = mx.nd.ones((600, 600))
    a.wait_to_read()
    lines = {}

    def attempt():
        mx.nd.waitall()
        b = mx.nd.dot(a, a); lines["dot"] = line()  # noqa: E702
        c = mx.nd.relu(b)
        mx.nd.exp(c, out=c)
        text = mx.engine.pending_graph()
        return '"dot' in text and text

    text = until_seen(attempt)
    nodes = {m[2]: m[1] for m in re.finditer(r'^  (n\d+) \[label="(\w+)\\n', text, re.M)}
    assert {"dot", "relu", "exp"} <= set(nodes), text
    edges = set(re.findall(r"^  (n\d+) -> (n\d+) ", text, re.M))
    assert (nodes["dot"], nodes["relu"]) in edges and (nodes["relu"], nodes["exp"]) in edges
    assert (nodes["dot"], nodes["exp"]) not in edges
    assert re.search(rf'"dot\\n(running|ready)\\n{re.escape(lines["dot"])}"', text) and r"exp\nwaiting" in text
    mx.nd.waitall()
    assert "dot" not in mx.engine.pending_graph()
