"""Runnable threads never exceed the arena's slots plus the callers, and an idle library burns nothing."""
import pathlib
import subprocess
import sys
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

LENET = """
import os
import sys
import threading
import time
sys.path.insert(0, sys.argv[1])
import heddle as mx
from witness.networks import lenet
mx._core.set_threads(2)
net, _ = lenet(mx)
module = mx.mod.Module(net)
module.bind([("data", (64, 1, 28, 28))], [("softmax_label", (64,))])
module.init_params(mx.init.Xavier())
module.init_optimizer(optimizer="sgd")
batch = mx.io.DataBatch([mx.nd.random.uniform(shape=(64, 1, 28, 28))], [mx.nd.zeros((64,))])
"""


def run(program):
    done = subprocess.run([sys.executable, "-c", LENET + textwrap.dedent(program), str(ROOT / "tests")],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_runnable_threads_while_lenet_trains():
    """Sampled from outside: a process of its own reads the states of the training process's threads.

    One after the other, so a sample would count a thread that went to sleep and the one it woke: only threads
    that are runnable both in this round and in the next one count. A thread may still sleep and wake between the
    two, so a few in a hundred may see one too many. A worker that spins beside a full arena shows in most.
    """
    watcher = textwrap.dedent("""
        import os, sys, time
        pid, bound, above, samples = int(sys.argv[1]), int(sys.argv[2]), 0, 0

        def runnable():
            found = set()
            for task in os.listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/stat") as stat:
                        if stat.read().rsplit(")", 1)[1].split()[0] == "R":
                            found.add(task)
                except OSError:
                    pass
            return found

        print("ready", flush=True)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            above, samples = above + (len(runnable() & runnable()) > bound), samples + 1
        print(above, samples)
    """)
    slots, callers = 2, 1
    above, samples, threads = map(int, run(f"""
        import subprocess
        watch = subprocess.Popen([sys.executable, "-c", {watcher!r}, str(os.getpid()), "{slots + callers}"], stdout=subprocess.PIPE, text=True)
        watch.stdout.readline()
        while watch.poll() is None:
            for _ in range(10):
                module.forward_backward(batch)
                module.update()
            mx.nd.waitall()
        print(watch.stdout.read(), len(os.listdir("/proc/self/task")))
    """))
    assert samples > 100
    assert threads > 1, "nothing ran beside the caller"
    assert above <= 0.1 * samples, f"{above} of {samples} samples see more than {slots} + {callers} runnable threads"


def test_idle_threads_sleep():
    """While the caller is busy with something else, the library's threads use no processor time."""
    used = float(run("""
        def worked():
            total = 0
            for task in os.listdir("/proc/self/task"):
                if int(task) != os.getpid():
                    total += int(open(f"/proc/self/task/{task}/schedstat").read().split()[0])
            return total / 1e9

        def busy(seconds):
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass

        module.forward_backward(batch)
        mx.nd.waitall()
        busy(0.2)  # what is left of it spins down
        begin = worked()
        busy(1)
        print(worked() - begin)
    """)[0])
    assert used < 0.05, f"{used:.3f} s of work in a second of idling"


def test_an_idle_process_uses_no_processor():
    """A moment after the last call nothing spins, the caller included."""
    program = LENET + textwrap.dedent("""
        for _ in range(5):
            module.forward_backward(batch)
            module.update()
        mx.nd.waitall()
        print("idle", flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen([sys.executable, "-c", program, ROOT / "tests"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout.readline() == "idle\n"

        def worked():
            tasks = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
            return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

        def busy(seconds):
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass

        busy(0.1)
        begin = worked()
        busy(1)
        used = worked() - begin
        process.stdin.close()
    assert used < 0.005, f"{used:.4f} s of work in a second of idling"


def test_exit_with_work_still_queued():
    run("""
        for _ in range(20):
            module.forward_backward(batch)
            module.update()
    """)
