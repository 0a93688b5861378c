"""The DataLoader: equal batches whoever makes them, and nothing left behind whatever happens."""
import contextlib
import functools
import gc
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import weakref

import numpy as np
import pytest

import heddle as mx
from heddle.gluon import data
from heddle.gluon.data import _shared

WORKERS = {"none": {}, "threads": {"num_workers": 2}, "forked": {"num_workers": 2, "thread_pool": False},
           "spawned": {"num_workers": 2, "thread_pool": False, "start_method": "spawn"}}
each_kind = pytest.mark.parametrize("kind", WORKERS)
each_quick_kind = pytest.mark.parametrize("kind", ["none", "threads", "forked"])  # to spawn takes seconds
each_kind_aside = pytest.mark.parametrize("kind", ["threads", "forked"])
each_process = pytest.mark.parametrize("kind", ["forked", "spawned"])


class Squares:
    """A dataset of three parts; at the top of a module, so that it can be pickled."""

    def __init__(self, length=20):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        return mx.nd.full((2,), i, dtype="float16"), i * i, np.full((1, 2), i, "uint8")


class Failing(Squares):
    """Raises for one sample, each time a new error, so that the dataset does not lead to what its traceback holds."""

    def __init__(self, error, *args):
        super().__init__(10)
        self.error, self.args = error, args

    def __getitem__(self, i):
        if i == 5:
            raise self.error(*self.args)
        return i


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def values(batches):
    return [[part.asnumpy().tolist() for part in batch] for batch in batches]


def children():
    """Processes that this one has started and that are not gone."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found += map(int, open(f"/proc/self/task/{thread}/children").read().split())
    return found


def wait_until(condition, seconds=30):
    """Waits for what happens in another thread; False where it does not."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def workers_of_loaders():
    return [t for t in threading.enumerate() if t.name.startswith("heddle-data-")]


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No test leaves a process, a thread or a file."""
    gc.collect()
    files, before = len(os.listdir("/proc/self/fd")), children()
    yield
    gc.collect()
    assert wait_until(lambda: not workers_of_loaders())
    # multiprocessing keeps a process of its own once something was spawned
    assert len(children()) <= len(before) + 1
    assert wait_until(lambda: len(os.listdir("/proc/self/fd")) <= files + 2)


# --- batches


@each_kind
def test_batches_are_the_same_whoever_makes_them(kind):
    loader = data.DataLoader(Squares(), 3, last_batch="rollover", **WORKERS[kind])
    for first in (0, 18, 19):
        numbers = list(range(first, 20)) if first else []
        numbers += list(range(20))
        batches = [numbers[i:i + 3] for i in range(0, len(numbers) - 2, 3)]
        assert len(loader) == len(batches)
        found = list(loader)
        assert values(found) == [[[[i, i] for i in b], [i * i for i in b], [[[i, i]] for i in b]] for b in batches]
        assert [part.dtype.name for part in found[0]] == ["float16", "int64", "uint8"]


@each_quick_kind
def test_shuffled_with_a_seed(kind, no_seed):
    def order():
        mx.random.seed(5)
        loader = data.DataLoader(list(range(30)), 4, shuffle=True, **WORKERS[kind])
        return [[i for batch in loader for i in batch.tolist()] for _ in range(2)]

    first = order()
    assert first == order() and first[0] != first[1] and sorted(first[0]) == list(range(30))
    mx.random.seed(5)
    assert [i for batch in data.DataLoader(list(range(30)), 4, shuffle=True) for i in batch.tolist()] == first[0]


class Drawn(Squares):
    def __getitem__(self, i):
        return random.random(), np.random.rand(), mx.nd.random.uniform(shape=(2,))


@pytest.mark.parametrize("count", [1, 3])
def test_draws_in_processes_depend_on_the_seed_not_on_the_worker(count, no_seed):
    def drawn(workers):
        mx.random.seed(9)
        loader = data.DataLoader(Drawn(), 4, num_workers=workers, thread_pool=False)
        return [values(loader) for _ in range(2)]

    found = drawn(count)
    assert found == drawn(2)
    assert len({str(part) for epoch in found for batch in epoch for part in batch}) == 2 * 5 * 3  # each is another


def first_and_rest(samples):
    return {"numbers": np.stack([s[2] for s in samples]), "text": "ab", "array": mx.nd.ones((len(samples), 0)),
            "half": samples[0][0].astype("bfloat16"), "nested": (samples[0][0], [samples[0][0]]), "count": len(samples)}


@each_kind
def test_batches_may_be_anything(kind):
    for batch, i in zip(data.DataLoader(Squares(), 4, batchify_fn=first_and_rest, **WORKERS[kind]), (0, 4, 8, 12, 16)):
        assert batch["numbers"].tolist() == [[[j, j]] for j in range(i, i + 4)] and batch["text"] == "ab" and batch["count"] == 4
        assert batch["array"].shape == (4, 0) and batch["half"].dtype.name == "bfloat16" and batch["half"].tolist() == [i, i]
        assert isinstance(batch["nested"], tuple) and batch["nested"][1][0].tolist() == [i, i]
        batch["numbers"] += 1  # memory of its own
        batch["half"][:] = 3
        batch["nested"][0][:] = 2


@each_quick_kind
def test_batches_outlive_their_loader(kind):
    loader = data.DataLoader(Squares(), 5, **WORKERS[kind])
    batches = list(loader)
    del loader
    gc.collect()
    assert batches[3][1].tolist() == [i * i for i in range(15, 20)]
    del batches


@each_quick_kind
def test_several_epochs_at_once(kind):
    loader = data.DataLoader(Squares(), 4, **WORKERS[kind])
    pairs = [(a[1].tolist(), b[1].tolist()) for a, b in zip(loader, loader)]
    assert len(pairs) == 5 and all(a == b for a, b in pairs)
    assert [sum(1 for _ in loader) for _ in loader] == [5] * 5


@each_quick_kind
def test_several_threads_share_a_loader(kind):
    loader = data.DataLoader(Squares(), 4, **WORKERS[kind])
    found = []
    threads = [threading.Thread(target=lambda: found.append(values(loader))) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(found) == 3 and found[0] == found[1] == found[2] and len(found[0]) == 5


@pytest.mark.parametrize("prefetch", [0, 1, 7, 100])
@each_kind_aside
def test_prefetch(kind, prefetch):
    loader = data.DataLoader(Squares(), 2, prefetch=prefetch, **WORKERS[kind])
    assert [b[1].tolist()[0] for b in loader] == [i * i for i in range(0, 20, 2)]


def test_prefetch_bounds_what_is_made_ahead():
    made = []

    class Counted(Squares):
        def __getitem__(self, i):
            made.append(i)
            return i

    epoch = iter(data.DataLoader(Counted(100), 1, num_workers=1, prefetch=3))
    assert wait_until(lambda: len(made) == 3)
    next(epoch)
    assert wait_until(lambda: len(made) == 4)
    next(epoch), next(epoch)
    assert wait_until(lambda: len(made) == 6) and made == list(range(6))


@each_kind_aside
def test_the_next_epoch_ahead(kind):
    loader = data.DataLoader(Squares(), 4, auto_reload=True, **WORKERS[kind])
    for _ in range(3):
        assert len(values(loader)) == 5
    loader.clean()
    loader.refresh()
    assert len(values(loader)) == 5


def test_pinned_memory():
    batch = next(iter(data.DataLoader(Squares(), 4, pin_memory=True, pin_device_id=0)))
    assert [part.context for part in batch] == [mx.cpu_pinned(0)] * 3


def test_arguments():
    for wrong in ({}, {"batch_size": 2, "sampler": [1], "shuffle": True}, {"batch_size": 2, "batch_sampler": [[1]]},
                  {"batch_size": 2, "last_batch": "pad"}, {"batch_size": 2, "start_method": "forkserver"}):
        with pytest.raises(ValueError):
            data.DataLoader([1], **wrong)
    with pytest.raises(AssertionError, match="timeout must be positive"):
        data.DataLoader([1], 1, timeout=0)


def test_two_threads_work_at_once():
    both = threading.Barrier(2, timeout=60)

    class Meeting(Squares):
        def __getitem__(self, i):
            both.wait()
            return i

    assert [b.tolist() for b in data.DataLoader(Meeting(4), 1, num_workers=2)] == [[0], [1], [2], [3]]


class Where(Squares):
    def __getitem__(self, i):
        return os.getpid()


@each_process
def test_processes_live_as_long_as_the_loader(kind):
    loader = data.DataLoader(Where(8), 1, **WORKERS[kind])
    seen = {b.item() for _ in range(3) for b in loader}
    assert len(seen) <= 2 and os.getpid() not in seen
    del loader
    gc.collect()
    for pid in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_loader_goes_at_once():
    for kind in ("threads", "forked"):
        loader = data.DataLoader(Squares(), 4, **WORKERS[kind])
        next(iter(loader))
        gone = weakref.ref(loader)
        del loader
        assert gone() is None


# --- errors


@each_kind
def test_errors_of_the_dataset(kind):
    loader = data.DataLoader(Failing(KeyError, "five"), 2, **WORKERS[kind])
    epoch = iter(loader)
    assert [next(epoch).tolist(), next(epoch).tolist()] == [[0, 1], [2, 3]]
    with pytest.raises(KeyError, match="five") as error:
        next(epoch)
    text = "".join(traceback.format_exception(error.type, error.value, error.tb))
    assert "in __getitem__" in text and "raise self.error(*self.args)" in text  # the line of the dataset
    if sys.version_info >= (3, 11):
        assert "while sample 5 of batch 2 was made" in text
    if kind != "none":
        assert [b.tolist() for b in epoch] == [[6, 7], [8, 9]]  # one may go on
    with pytest.raises(KeyError):
        list(loader)


@each_quick_kind
@pytest.mark.parametrize("error, raised", [((Unpicklable, "one", "two"), "one"), ((SystemExit, 3), "3"),
                                           ((StopIteration, "stop"), "sample 5 of batch 2 raised StopIteration"),
                                           ((mx.MXNetError, "[Op] of ours"), "of ours")], ids=["odd", "exit", "stop", "ours"])
def test_errors_of_any_type(kind, error, raised):
    with pytest.raises(BaseException) as found:
        list(data.DataLoader(Failing(*error), 2, **WORKERS[kind]))
    if kind == "none" and error[0] is SystemExit:  # as it is: it ends the program that asked
        assert found.type is SystemExit
        return
    text = "".join(traceback.format_exception(found.type, found.value, found.tb))
    assert raised in text and "raise self.error(*self.args)" in text
    assert not isinstance(found.value, StopIteration)


def failing_batchify(samples):
    raise ZeroDivisionError("in a batchify function")


@each_quick_kind
def test_errors_of_the_batchify_function(kind):
    with pytest.raises(ZeroDivisionError, match="in a batchify function"):
        list(data.DataLoader(Squares(), 2, batchify_fn=failing_batchify, **WORKERS[kind]))


@each_quick_kind
def test_errors_of_the_sampler(kind):
    def orders():
        yield [0, 1]
        raise LookupError("no more orders")

    with pytest.raises(LookupError, match="no more orders"):
        list(data.DataLoader(Squares(), batch_sampler=orders(), **WORKERS[kind]))


KILL = functools.partial(signal.raise_signal, signal.SIGKILL)


class Killed(Squares):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def __getitem__(self, i):
        if i == 5:
            self.how()
        return i


@each_process
@pytest.mark.parametrize("how, text", [(KILL, r"was killed by signal 9 \(SIGKILL\)"),
                                       (functools.partial(signal.raise_signal, signal.SIGTERM), r"was killed by signal 15 \(SIGTERM\)"),
                                       (functools.partial(os._exit, 4), "ended with exit code 4")], ids=["kill", "term", "exit"])
def test_a_worker_that_dies(kind, how, text):
    loader = data.DataLoader(Killed(how), 2, **WORKERS[kind])
    sample = "sample 5 of batch 2" if kind == "forked" else r"batch 2 of samples \[4, 5\]"
    with pytest.raises(mx.MXNetError, match=rf"\[DataLoader\] worker \d \(pid \d+\), at {sample}, {text}"):
        list(loader)
    loader = data.DataLoader(Squares(), 2, **WORKERS[kind])
    assert len(list(loader)) == 10


def test_workers_that_die_are_replaced_in_the_next_epoch():
    loader = data.DataLoader(Where(4), 1, **WORKERS["forked"])
    epoch = iter(loader)
    os.kill(next(epoch).item(), signal.SIGKILL)
    with pytest.raises(mx.MXNetError, match="SIGKILL"):
        for _ in range(3):
            list(loader)
    assert len(list(loader)) == 4


def test_what_cannot_be_pickled_cannot_be_spawned():
    loader = data.DataLoader(data.SimpleDataset([1, 2]).transform(lambda v: v), 1, **WORKERS["spawned"])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        list(loader)


@each_kind_aside
def test_a_slow_worker_is_a_warning(kind, tmp_path):
    class Slow(Squares):
        def __getitem__(self, i):
            while i == 1 and not go.exists():
                time.sleep(0.01)
            return i

    go = tmp_path / "go"
    loader = data.DataLoader(Slow(2), 1, timeout=0.05, **WORKERS[kind])
    with pytest.warns(RuntimeWarning, match=r"\[DataLoader\] batch \d has not come for 0.05 s; waiting for .*\d") as seen:
        found = []
        epoch = iter(loader)
        found.append(next(epoch).item())
        threading.Timer(0.5, go.touch).start()
        found += [b.item() for b in epoch]
    assert found == [0, 1] and len(seen) >= 2


# --- leaving


@pytest.mark.parametrize("kind", ["threads", "forked"])
def test_a_hundred_epochs_left_early(kind):
    loader = data.DataLoader(Squares(), 2, **WORKERS[kind])
    for _ in range(100):
        for batch in loader:  # noqa: B007
            break
    assert batch[1].tolist() == [0, 1] and len(values(loader)) == 10
    for _ in range(10):
        for _batch in data.DataLoader(Squares(), 2, **WORKERS[kind]):
            break


def run(program, **more):
    return subprocess.Popen([sys.executable, "-c", COMMON + textwrap.dedent(program)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **more)


COMMON = """
import os, signal, sys, time, threading
import heddle as mx
from heddle.gluon import data
from heddle.gluon.data import _shared

class Slow:
    def __init__(self, seconds=0.0): self.seconds = seconds
    def __len__(self): return 1000
    def __getitem__(self, i):
        time.sleep(self.seconds)
        return os.getpid()

def workers(loader): return [w.process.pid for w in loader._pool._workers]
"""


def is_gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("kind", ["threads", "forked"])
def test_a_program_ends_amid_an_epoch(kind):
    program = run(f"""
        loader = data.DataLoader(Slow(0.001), 2, **{WORKERS[kind]})
        epoch = iter(loader)
        next(epoch)
        print("left")
    """)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (0, "left\n", "")


@pytest.mark.parametrize("kind", ["threads", "forked"])
def test_interrupted_amid_an_epoch(kind):
    """Ctrl-C goes to all processes of a terminal."""
    program = run(f"""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what they start in the background ignore it
        loader = data.DataLoader(Slow(0.005), 2, **{WORKERS[kind]})
        epoch = iter(loader)
        next(epoch)
        try:
            if {kind == "forked"}: print(*workers(loader), flush=True)
            else: print(flush=True)
            while True:
                for batch in epoch: pass
                epoch = iter(loader)
        except KeyboardInterrupt:
            print("interrupted")
    """, start_new_session=True)
    pids = [int(p) for p in program.stdout.readline().split()]
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (0, "interrupted\n", "")
    assert all(map(is_gone, pids))


@each_process
def test_workers_of_a_killed_program_end(kind):
    program = run(f"""
        if __name__ == "__main__":
            loader = data.DataLoader(list(range(1000)), 2, **{WORKERS[kind]})
            other = data.DataLoader(list(range(1000)), 2, **{WORKERS[kind]})
            next(iter(loader)), next(iter(other))
            print(*workers(loader), *workers(other), flush=True)
            time.sleep(100)
    """)
    pids = [int(p) for p in program.stdout.readline().split()]
    assert len(pids) == 4
    program.kill()
    program.communicate()
    assert wait_until(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize("kind", ["threads", "forked"])
def test_a_loader_in_a_forked_process(kind):
    program = run(f"""
        loader = data.DataLoader(list(range(10)), 2, **{WORKERS[kind]})
        epoch = iter(loader)
        next(epoch)
        pid = os.fork()
        if not pid:
            signal.alarm(30)
            sys.exit(0 if [b.tolist()[0] for b in loader] == [0, 2, 4, 6, 8] else 3)
        assert os.waitpid(pid, 0)[1] == 0
        assert [b.tolist()[0] for b in epoch] == [2, 4, 6, 8]
        assert [b.tolist()[0] for b in loader] == [0, 2, 4, 6, 8]  # its workers were left alone
        print("done")
    """)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (0, "done\n", "")


def test_what_is_sent_goes_without_the_garbage_collector():
    """A worker would take new memory for every batch, until the collector comes."""
    gc.collect()
    gc.disable()
    try:
        live = mx.memory_stats()["live"]
        batch = [mx.nd.ones((1000,)), np.ones(1000), [mx.nd.ones((3,), dtype="bfloat16")]]
        packed = _shared.pack(batch)
        os.close(packed[1].memory())
        del batch, packed
        assert mx.memory_stats()["live"] == live
    finally:
        gc.enable()


def test_arrays_of_every_kind_are_sent():
    ours, theirs = socket.socketpair()
    sent = [mx.nd.arange(12).reshape((3, 4))[1:], *(mx.nd.array([1, 0, 3], dtype=t) for t in
            ("float64", "float16", "bfloat16", "uint8", "int64", "bool")), mx.nd.zeros((0, 2)), np.arange(6)[::2], np.zeros((2, 0)), "text"]
    with ours, theirs:
        _shared.send(ours, _shared.pack(sent))
        got = _shared.receive(theirs)
    assert got[-1] == "text"
    for a, b in zip(sent[:-1], got):
        assert type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_array_equal(*(v.astype("float32").asnumpy() if isinstance(v, mx.NDArray) else v for v in (a, b)))
