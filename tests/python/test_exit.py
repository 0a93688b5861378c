"""The process ends at any moment with the code it was given, and says nothing.

A warmed-up process forks for every end, so that a hundred of them take seconds; a few that need a process of
their own are started one by one. Each child leaves through the interpreter's own exit, at a point that a seed
chooses.
"""
import subprocess
import sys
import textwrap

import pytest

ENDS = """
import atexit, gc, os, random, signal, sys, threading
import numpy as np
import heddle as mx
from heddle import autograd, nd

A = nd.ones((300, 300))
fc = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=200, name="fc")
NET = mx.sym.take(fc, mx.sym.Variable("rows"), mode="raise")


def push(n):
    '''Work that takes a while; a global holds it.'''
    global held
    held = [A]
    for _ in range(n):
        held.append(nd.dot(held[-1], A) / 300)


def fail(n):
    '''Errors nobody asks for.'''
    global poisoned
    poisoned = [nd.take(A, nd.full((n * 100,), 1e6), mode="raise") * 2 for _ in range(4)]


def bound():
    b = NET.simple_bind(mx.cpu(), x=(200, 200), rows=(50,))
    b.arg_dict["rows"][:] = 0
    return b


class Late:
    '''Uses the engine when it goes, whenever that is.'''
    def __init__(self, n):
        self.array = nd.ones((n, n))
        self.me = self

    def __del__(self):
        self.array += 1


def pending(n):
    push(n)

def pending_error(n):
    fail(n)
    push(n)

def told_error(n):
    fail(n)
    try:
        nd.waitall()
    except mx.MXNetError:
        push(n)

def cycles_and_late_objects(n):
    global late
    late = [Late(n) for _ in range(5)]
    Late(n)
    sys.late = Late(n)
    push(n)

def open_tape(n):
    global tape
    A.attach_grad()
    with autograd.record():
        tape = nd.dot(A, A)
        for _ in range(n):
            tape = nd.dot(tape, A) / 300
    tape.backward(retain_graph=True)

def graphs(n):
    global running
    running = bound()
    running.arg_dict["rows"][:] = 1e6 if n % 2 else 0
    for _ in range(n):
        running.forward(is_train=True)
        running.backward([nd.ones((50, 200))])

def daemons(n):
    def work():
        a = nd.ones((30, 30))
        b = a
        while True:
            b = nd.dot(b, a) / 30
            if n % 2:
                b.wait_to_read()
    for _ in range(2):
        threading.Thread(target=work, daemon=True).start()
    push(n)

def daemons_that_borrow(n):
    def work():
        while True:
            nd.from_dlpack(np.ones((200, 200), "float32")).sum()
    threading.Thread(target=work, daemon=True).start()
    push(n)

def threads(n):
    def work():
        b = A
        for _ in range(n):
            b = nd.dot(b, A) / 300
    for _ in range(3):
        threading.Thread(target=work).start()

def exit_in_a_thread(n):
    def work():
        push(n)
        sys.exit(99)  # ends the thread only
    threading.Thread(target=work).start()

def exit_in_a_callback(n):
    b = bound()
    b.set_monitor_callback(lambda name, value: sys.exit(CODE))
    push(n)
    b.forward()

def handlers_at_exit(n):
    atexit.register(push, n)
    atexit.register(lambda: push(n) or held[-1].asnumpy())
    atexit.register(fail, n)

def finishing_twice(n):
    push(n)
    mx._core.finish()
    push(n)

def at_once(n):
    push(n)
    sys.stdout.flush()
    os._exit(CODE)

def signalled(n):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(CODE))
    push(n)
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        push(1)

def forked_again(n):
    push(n)
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == CODE << 8

KINDS = [pending, pending_error, told_error, cycles_and_late_objects, open_tape, graphs, daemons,
         daemons_that_borrow, threads, exit_in_a_thread, exit_in_a_callback, handlers_at_exit, finishing_twice,
         at_once, signalled, forked_again]


def leave(kind, seed):
    global CODE
    draw = random.Random(seed)
    CODE = draw.randrange(64)
    signal.alarm(30)  # ends a process that hangs
    kind(draw.randrange(12))
    gc.collect() if draw.random() < 0.3 else None
    sys.exit(CODE)
"""

PARENT = """
push(3)
with autograd.record():
    pass
nd.waitall()
ROUNDS = int(sys.argv[1])
wrong = []
for seed in range(ROUNDS * len(KINDS)):
    kind = KINDS[seed % len(KINDS)]
    said = os.memfd_create("stderr")
    child = os.fork()
    if child == 0:
        os.dup2(said, 2)
        leave(kind, seed)
    status = os.waitpid(child, 0)[1]
    os.lseek(said, 0, 0)
    text = os.read(said, 4000).decode()
    os.close(said)
    if status != random.Random(seed).randrange(64) << 8 or text:
        wrong.append(f"{kind.__name__} (seed {seed}): status {status}, stderr {text!r}")
print(*wrong, sep=chr(10))
print("ends", ROUNDS * len(KINDS))
"""


def run(program, *arguments, timeout=120):
    return subprocess.run([sys.executable, "-c", ENDS + textwrap.dedent(program), *arguments], capture_output=True,
                          text=True, timeout=timeout)


def test_a_hundred_ends():
    done = run(PARENT, "8")
    assert done.stdout == "\nends 128\n" and done.returncode == 0 and not done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["pending_error", "cycles_and_late_objects", "daemons", "daemons_that_borrow",
                                  "exit_in_a_callback", "handlers_at_exit"])
def test_ends_of_a_process_of_its_own(kind):
    done = run(f"leave({kind}, 7)")
    code = __import__("random").Random(7).randrange(64)
    assert (done.returncode, done.stderr, done.stdout) == (code, "", "")


def test_an_end_before_anything_ran():
    done = subprocess.run([sys.executable, "-c", "import heddle"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_uncaught_error_is_told_by_python_only():
    done = run("fail(3); push(3); poisoned[0].asnumpy()")
    assert done.returncode == 1 and done.stderr.startswith("Traceback") and done.stderr.count("Traceback") == 1
    assert "indices holds 1000000" in done.stderr.strip().splitlines()[-1]
