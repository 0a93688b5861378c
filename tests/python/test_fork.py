"""Forks at any moment: children compute, differentiate and exit, and the parent goes on."""
import subprocess
import sys
import textwrap

COMMON = """
import os, signal, sys, threading
import numpy as np
import heddle as mx

def work(n=24):
    '''A product and a gradient, with the values they must have.'''
    x = mx.nd.ones((n, n))
    x.attach_grad()
    with mx.autograd.record():
        y = (mx.nd.dot(x, x) * 2).sum()
    y.backward()
    return y.asscalar() == 2 * n ** 3 and (x.grad.asnumpy() == 4 * n).all()

def fork(child):
    '''Runs child() in another process, which must exit with 0.'''
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(30)  # ends a child that hangs
    sys.exit(0 if child() else 3)

def expect(pid):
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"a child ended with status {status}"
"""


def run(program, timeout=120):
    done = subprocess.run([sys.executable, "-c", COMMON + textwrap.dedent(program)], capture_output=True, text=True,
                          timeout=timeout)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_two_hundred_forks_under_load():
    """Three threads keep the engine busy: products, a callback into Python, and memory that NumPy owns."""
    assert run("""
        mx._core.set_threads(4)
        sys.setswitchinterval(0.0005)  # three threads want the lock that forks need
        stop = threading.Event()
        seen = []

        def products():
            a = mx.nd.ones((160, 160))
            while not stop.is_set():
                b = a
                for _ in range(20):
                    b = mx.nd.dot(b, a) / 160
                seen.append(b[0, 0].asscalar())

        def callbacks():
            out = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=64, name="fc") * 2
            bound = out.simple_bind(mx.cpu(), x=(64, 64))
            bound.arg_dict["x"][:], bound.arg_dict["fc_weight"][:] = 1, 1
            bound.set_monitor_callback(lambda name, value: seen.append(value[0, 0].asscalar() and 1.0))
            while not stop.is_set():
                bound.forward()
                seen.append(bound.outputs[0][0, 0].asscalar() / 128)

        def borrowed():
            while not stop.is_set():
                total = sum(mx.nd.from_dlpack(np.ones((400, 400), "float32")).sum() for _ in range(4))
                seen.append(total.asscalar() / 640000)

        threads = [threading.Thread(target=t) for t in (products, callbacks, borrowed)]
        for t in threads:
            t.start()
        while len(seen) < 50:
            pass
        for _ in range(200):
            expect(fork(work))
        before = len(seen)
        while len(seen) < before + 50:  # the parent's threads go on
            pass
        stop.set()
        for t in threads:
            t.join()
        assert work() and set(seen) == {1.0}, set(seen)
        print("good")
    """) == "good\n"


def test_queued_work_is_there_on_both_sides():
    assert run("""
        a = mx.nd.ones((300, 300))
        for i in range(20):
            b = a
            for _ in range(10):
                b = mx.nd.dot(b, a) / 300
            kept = mx.nd.array([1, 2, 3])
            pid = fork(lambda: kept.tolist() == [1, 2, 3] and work())
            expect(pid)
            assert b[0, 0].asscalar() == 1
        print("good")
    """) == "good\n"


def test_forks_from_threads_and_of_forks():
    assert run("""
        def family():
            for _ in range(3):
                expect(fork(work))
            return work()

        failed = []

        def forks():
            try:
                for _ in range(5):
                    expect(fork(family))
            except BaseException as error:
                if isinstance(error, SystemExit):  # a child: its code is the thread's result
                    os._exit(error.code)
                failed.append(error)

        threads = [threading.Thread(target=forks) for _ in range(3)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            assert work()
        assert not failed, failed
        print("good")
    """) == "good\n"


def test_fork_in_a_callback():
    """A monitor is called in the middle of a run."""
    assert run("""
        out = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=64, name="fc") * 2
        bound = out.simple_bind(mx.cpu(), x=(64, 64))
        bound.arg_dict["x"][:], bound.arg_dict["fc_weight"][:] = 1, 1
        bound.set_monitor_callback(lambda name, value: expect(fork(work)))
        for _ in range(5):
            bound.forward()
        assert bound.outputs[0][0, 0].asscalar() == 128 and work()
        print("good")
    """) == "good\n"


def test_multiprocessing():
    assert run("""
        import multiprocessing
        context = multiprocessing.get_context("fork")
        running = [mx.nd.dot(mx.nd.ones((300, 300)), mx.nd.ones((300, 300))) for _ in range(10)]
        with context.Pool(3) as pool:
            assert all(pool.map(work, [8] * 20))
        assert running[-1][0, 0].asscalar() == 300
        print("good")
    """) == "good\n"
