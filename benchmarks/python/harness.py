"""Measures heddle beside its peers. Each contender runs in a process of its own, in its own interpreter;
they take turns in windows of a second or two, and the median window counts.

A benchmark file is run twice: as it is it compares, and with --serve NAME it is a contender, which
answers "CASE SECONDS" on its input with work per second on its output.
"""
import argparse
import atexit
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
THREADS = 2
WINDOW, WINDOWS = 1.5, 7


class Work:
    """What a contender does in one case: `step()` again and again, `wait()` until it is done.

    before() and after() stand around that and are not counted: where a contender works ahead, before() uses up what it has
    ready, and after() waits until it rests, so that it is in nobody's way.
    """

    def __init__(self, step, wait=lambda: None, amount=1, chunk=1, before=lambda: None, after=lambda: None):
        self.step, self.wait, self.amount, self.chunk, self.before, self.after = step, wait, amount, chunk, before, after

    def rate(self, seconds):
        """Amount per second over at least so many seconds."""
        steps, step = 0, self.step
        self.before()
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            for _ in range(self.chunk):
                step()
            steps += self.chunk
            self.wait()
        rate = steps * self.amount / (time.perf_counter() - begin)
        self.after()
        return rate


def serve(cases):
    """Answers measurements until the input ends. `cases` maps a case to a function that makes its Work."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    made = {}
    for line in sys.stdin:
        case, seconds = line.rsplit(" ", 1)
        if case not in made:
            made[case] = cases[case]()
            made[case].rate(1.0)  # warm up, compile
        answers.write(f"{made[case].rate(float(seconds))}\n")
        answers.flush()


class Program:
    """A process that answers questions, a line each. It stands still while nobody asks: threads of some peers go on looking
    for work when there is none, and would take the processor from those whose turn it is."""

    def __init__(self, name, command, switches=()):
        env = {k: v for k, v in os.environ.items()
               if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH") or
               (k == "PYTHONPATH" and command[0] == sys.executable)}
        for pool in ("OMP", "MKL", "OPENBLAS"):
            env[f"{pool}_NUM_THREADS"] = str(THREADS)
        env.update(switches)
        self.name = name
        self.process = subprocess.Popen([str(word) for word in command], env=env, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        atexit.register(self.process.kill)  # whatever ends this process, none stays behind and stands still

    def ask(self, question):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended when asked {question!r}")
        self.process.send_signal(signal.SIGSTOP)
        return answer.rstrip("\n")

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


class Contender(Program):
    """A program that serves one contender of a benchmark file."""

    def __init__(self, script, name, python, switches=()):
        super().__init__(name, [python, script, "--serve", name], switches)

    def measure(self, case, seconds):
        return float(self.ask(f"{case} {seconds}"))


def peer_python(environment):
    """The interpreter of a peer that tools/peers.sh installed."""
    folder = pathlib.Path(os.environ.get("HEDDLE_PEERS") or ROOT / ".cache/peers")
    python = folder / environment / "bin/python"
    if not python.exists():
        raise SystemExit(f"{python} is missing: tools/peers.sh {environment} installs it")
    return python


def two_cores():
    """Everybody gets the same two cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


def rates(contenders, windows, seconds):
    """{(contender, case): median rate}: everyone in turn, window after window."""
    found = {}
    for window in range(windows):
        for contender, cases in contenders:
            for case in cases:
                if window == 0:
                    contender.measure(case, 0.2)  # set up; not counted
                found.setdefault((contender.name, case), []).append(contender.measure(case, seconds))
    return {key: statistics.median(values) for key, values in found.items()}


def progress(done, of, text):
    """A bar on the terminal, if there is one."""
    if sys.stderr.isatty():
        width = 30 * done // max(of, 1)
        print(f"\r[{'#' * width}{'.' * (30 - width)}] {done}/{of} {text:<50.50}", end="" if done < of else "\n", file=sys.stderr,
              flush=True)


def report(rows, file):
    """Prints one line per row and writes them as JSON. A row: case, unit, ours, peer, peer_name."""
    for row in rows:
        faster = row["ours"] / row["peer"] if row["unit"].endswith("/s") else row["peer"] / row["ours"]
        row["ratio"] = round(faster, 3)
        print(f"{row['case']:<24} heddle {row['ours']:>10,.{digits(row)}f} {row['unit']:<9}  "
              f"{row['peer_name']:<17} {row['peer']:>10,.{digits(row)}f}   {faster:6.2f}x")
    if file:
        pathlib.Path(file).write_text(json.dumps(rows, indent=1) + "\n")


def digits(row):
    return 0 if min(row["ours"], row["peer"]) >= 100 else 2


def arguments(description, add=lambda parser: None):
    """What was asked for; `add` gives the parser options of one benchmark alone."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--seconds", type=float, default=WINDOW, help="length of a window")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    add(parser)
    return parser.parse_args()
