"""Every operator, forward and with its gradient, at a small and a large size, beside PyTorch and NumPy where they have it.

The small case is the operator's first row in tests/ops; the large one is in ops_peers.py, or is the small one with its first
axis made longer. Times are microseconds of a call from Python, medians of windows in which the contenders take turns; a
ratio above 1 means that heddle is faster. `./dev bench ops [--only PATTERN] [--markdown FILE] [--json FILE]`.
"""
import argparse
import dataclasses
import json
import pathlib
import re
import statistics
import sys
import time

import harness
import ops_peers

sys.path.insert(0, str(harness.ROOT / "tests"))
import numpy as np  # noqa: E402
from ops.apply import as_list, operator  # noqa: E402
from ops.cases import CASES  # noqa: E402

ELEMENTS = 1 << 20   # of the first input of a large case
SLOWEST = 0.06       # seconds: a large case that takes longer is left out
WINDOWS, WINDOW = 5, 0.012
PAUSE = 0.03         # seconds before a window: the threads of the one before may go on looking for work for a while
SKIPPED = {**dict.fromkeys(("Custom", "_Native", "_NDArray"), "a Python function"), "_reorder": "it is for plans", "_CrossDeviceCopy": "it needs two devices"}

# Rows are made before anything is asked, so that every contender sees the same ones.
FIRST = {}
for _row in CASES:
    FIRST.setdefault(_row.op, _row)


def row_of(name, size):
    """The row of a size; for a large one without a row of its own, the small one."""
    given = (ops_peers.LARGE if size == "large" else ops_peers.SMALL).get(name)
    row = FIRST[name]
    return row if given is None else dataclasses.replace(row, inputs=given[0], params=given[1])


def arrays_of(name, size):
    row = row_of(name, size)
    arrays = row.arrays()
    if size == "large" and name not in ops_peers.LARGE:
        arrays = lengthened(arrays)
    return row, arrays


def lengthened(arrays):
    if not arrays or not arrays[0].ndim or not arrays[0].size:
        return arrays
    times = max(1, ELEMENTS // arrays[0].size)
    first = arrays[0].shape[0]
    return [np.concatenate([a] * times) if a.ndim and a.shape[0] == first else a for a in arrays]


def updates_a_weight(name):
    """Optimizers write the new weight over the old one, in PyTorch too."""
    return name.endswith("_update") and "multi" not in name


# --- contenders -----------------------------------------------------------------------------------
def chunked(step, wait=lambda: None):
    """As many calls at a time as take two milliseconds: programs do not wait for every call."""
    def seconds(count):
        begin = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        return time.perf_counter() - begin

    count, best = 1, 0.0
    while best < 1e-3 and count < 500:  # one call alone takes longer: somebody has to be woken for it
        count = min(500, count * (4 if best < 2.5e-4 else 2))
        best = min(seconds(count) for _ in range(3))
    return harness.Work(step, wait, chunk=max(1, min(500, round(count * 2e-3 / best))))


def heddle_work(name, size, wrt):
    import heddle as mx
    row, arrays = arrays_of(name, size)
    function = operator(mx.nd, row.op)
    ins = [mx.nd.array(a, dtype=a.dtype) for a in arrays]
    params = row.params
    if not wrt:
        out = {"out": ins[0]} if updates_a_weight(name) else {}
        return chunked(lambda: function(*ins, **params, **out), mx.nd.waitall)
    for i in wrt:
        ins[i].attach_grad()
    with mx.autograd.record(train_mode=row.training):
        heads = [mx.nd.ones_like(y) for y in as_list(function(*ins, **params))]

    def step():
        with mx.autograd.record(train_mode=row.training):
            outs = as_list(function(*ins, **params))
        mx.autograd.backward(outs, heads, train_mode=row.training)

    return chunked(step, mx.nd.waitall)


def torch_work(name, size, wrt):
    import torch
    ops_peers.use(torch)
    torch.set_num_threads(harness.THREADS)
    row, arrays = arrays_of(name, size)
    function, params = ops_peers.PEERS[name], row.params
    ins = [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]
    if name == "where":
        ins[0] = ins[0] != 0
    for i in wrt:
        ins[i].requires_grad_()
    if not wrt:
        def forward():
            with torch.no_grad():
                function(*ins, **params)
        return chunked(forward)

    def outputs():
        found = function(*ins, **params)
        return [y for y in (found if isinstance(found, (list, tuple)) else [found]) if y.requires_grad]

    heads = [torch.ones_like(y) for y in outputs()]

    def step():
        for i in wrt:
            ins[i].grad = None
        torch.autograd.backward(outputs(), heads)

    return chunked(step)


def numpy_work(name, size, wrt):
    row, arrays = arrays_of(name, size)
    function = row.ref or getattr(np, name)
    params = row._known(function)
    return chunked(lambda: function(*arrays, **params))


WORKS = {"heddle": heddle_work, "torch": torch_work, "numpy": numpy_work}


def serve(contender):
    """Answers "NAME SIZE WRT SECONDS" with seconds per call, or with what went wrong."""
    answers, sys.stdout = sys.stdout, sys.stderr
    key = work = None
    for line in sys.stdin:
        *asked, seconds = line.split(" ")
        try:
            if asked != key:
                key, work = asked, None
                name, size, wrt = asked
                work = WORKS[contender](name, size, json.loads(wrt))
                work.rate(float(seconds))
            answers.write(f"{1 / work.rate(float(seconds))}\n")
        except Exception as error:  # noqa: BLE001 - it is told
            answers.write(f"{type(error).__name__}: {error}".replace("\n", " ")[:200] + "\n")
        answers.flush()


class Contender(harness.Contender):
    def measure(self, case, seconds):
        answer = self.ask(f"{case} {seconds}")
        try:
            return float(answer)
        except ValueError:
            return answer


# --- the plan ---------------------------------------------------------------------------------------
def plan(only):
    """(operator, size, direction, inputs to differentiate) of every case that runs and is not too slow."""
    import heddle as mx
    from heddle import _core
    records = {name: r for r in _core.ops() for name in (r["name"], *r["aliases"])}
    for name, row in FIRST.items():
        record = records.get(name)
        if record is None or name in SKIPPED or not re.search(only, name):
            continue
        for size in ("small", "large"):
            row, arrays = arrays_of(name, size)
            if size == "large" and name not in ops_peers.LARGE and (not arrays or arrays[0].size < 10_000):
                continue
            params = dict(row.params)
            if record["variadic"]:
                params.setdefault(record["variadic"], len(arrays))
            roles = [role for _, role in _core.call_info(record["name"], params)["inputs"]]
            ins = [mx.nd.array(a, dtype=a.dtype) for a in arrays]
            try:
                begin = time.perf_counter()
                operator(mx.nd, name)(*ins, **row.params)
                mx.nd.waitall()
                if time.perf_counter() - begin > 4 * SLOWEST:
                    continue
            except mx.base.MXNetError:
                continue  # the first axis is not free
            yield name, size, "forward", []
            floating = [i for i, a in enumerate(arrays) if a.dtype.kind == "f" and roles[i] == "read"
                        and not np.array_equal(a, np.rint(a))]
            if isinstance(row.grad, tuple):
                floating = list(row.grad)
            if record["differentiable"] and not record["zero_gradient"] and not record["dynamic"] and floating:
                yield name, size, "both", floating


def contenders_of(name, direction):
    peers = ["torch"] if name in ops_peers.PEERS else []
    if direction == "forward" and name in ops_peers.NUMPY:
        peers.append("numpy")
    return peers


def measure(case, contenders, windows, seconds):
    """{contender: median seconds of a call}; a contender that fails is told and left out."""
    name, size, direction, wrt = case
    key = f"{name} {size} {json.dumps(wrt, separators=(',', ':'))}"
    found = {}
    for window in range(windows):
        for who in ["heddle", *contenders_of(name, direction)]:
            times = found.setdefault(who, [])
            if times is None:
                continue
            time.sleep(PAUSE)
            answer = contenders[who].measure(key, seconds)
            if isinstance(answer, str):
                print(f"\r{who} in {name}, {size}, {direction}: {answer}", file=sys.stderr)
                found[who] = None
            else:
                times.append(answer)
        if found.get("heddle") and statistics.median(found["heddle"]) > SLOWEST and window >= 2:
            break
    return {who: statistics.median(times) for who, times in found.items() if times}


# --- what is printed -----------------------------------------------------------------------------
def ratio(row, peer):
    return row[peer] / row["heddle"] if peer in row and "heddle" in row else None


def line(row):
    text = f"{row['op']:<40} {row['size']:<5} {row['direction']:<7} heddle {row.get('heddle', float('nan')) * 1e6:>10.1f} us"
    for peer in ("torch", "numpy"):
        if ratio(row, peer):
            text += f"   {peer} {row[peer] * 1e6:>10.1f} ({ratio(row, peer):5.2f}x)"
    slow = ratio(row, "torch") and ratio(row, "torch") < 1 / 1.5
    return text + ("   slow: " + ops_peers.REASONS.get(row["op"], "no reason known") if slow else "")


def markdown(rows):
    """One line per operator that PyTorch has: ratios, PyTorch's time over heddle's; above 1, heddle is ahead."""
    columns = [(size, direction) for size in ("small", "large") for direction in ("forward", "both")]
    yield "| operator | " + " | ".join(f"{s}, {'forward' if d == 'forward' else 'with gradient'}" for s, d in columns) + " | note |"
    yield "|---|" + "--:|" * len(columns) + "---|"
    by_name = {}
    for row in rows:
        if ratio(row, "torch"):
            by_name.setdefault(row["op"], {})[row["size"], row["direction"]] = ratio(row, "torch")
    for name, found in sorted(by_name.items()):
        note = ops_peers.REASONS.get(name, "") if min(found.values()) < 1 / 1.5 else ""
        yield f"| `{name}` | " + " | ".join(f"{found[c]:.2f}" if c in found else "" for c in columns) + f" | {note} |"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--markdown", metavar="FILE", help="write the table of docs/performance.md there")
    parser.add_argument("--only", metavar="PATTERN", default="", help="operators whose name has this regular expression")
    parser.add_argument("--peers-only", action="store_true", help="leave out what no peer has")
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--seconds", type=float, default=WINDOW, help="length of a window")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.serve:
        return serve(options.serve)
    harness.two_cores()
    cases = [c for c in plan(options.only) if not options.peers_only or contenders_of(c[0], c[2])]
    pythons = {"heddle": sys.executable, "numpy": sys.executable, "torch": harness.peer_python("torch")}
    contenders = {name: Contender(__file__, name, python) for name, python in pythons.items()}
    rows = []
    for i, case in enumerate(cases):
        harness.progress(i, len(cases), f"{case[0]}, {case[1]}")
        rows.append({"op": case[0], "size": case[1], "direction": case[2],
                     **measure(case, contenders, options.windows, options.seconds)})
        print(line(rows[-1]), flush=True)
    for contender in contenders.values():
        contender.close()
    ratios = sorted(r for row in rows if (r := ratio(row, "torch")))
    if ratios:
        print(f"{len(rows)} cases, {len(ratios)} with PyTorch: median {statistics.median(ratios):.2f}x, "
              f"{sum(r < 1 / 1.5 for r in ratios)} slower than 1.5 times its time")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    if options.markdown:
        pathlib.Path(options.markdown).write_text("\n".join(markdown(rows)) + "\n")


if __name__ == "__main__":
    main()
