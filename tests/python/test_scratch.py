"""What kernels say of the scratch memory they take, held to what they take."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import _core
from ops import custom  # noqa: F401
from ops.apply import eager, heads_for
from ops.cases import CASES  # noqa: F401

RECORDS = {name: record for record in _core.ops() for name in (record["name"], *record["aliases"])}
MOST = 1 << 16  # elements of a larger call


def elements(row):
    """Of the inputs that are given by shapes, and of what parameters may be the shapes of."""
    sizes = [entry for entry in (*row.inputs, *row.params.values())
             if isinstance(entry, tuple) and all(isinstance(d, int) for d in entry)]
    return sum(int(np.prod([max(d, 1) for d in shape], dtype=float)) for shape in sizes)


def scaled(value, extent, factor):
    if isinstance(value, bool):
        return value
    if isinstance(value, (tuple, list)):
        return type(value)(scaled(v, extent, factor) for v in value)
    return value * factor if isinstance(value, int) and value == extent else value


def larger(row):
    """Rows that may be calls too: whatever is as large as the first or the last extent of an input is as many times that as
    elements allow; parameters of that value too, or not."""
    shapes = [entry for entry in row.inputs if isinstance(entry, tuple) and entry]
    for extent in dict.fromkeys(d for shape in shapes for d in (shape[0], shape[-1]) if d > 1):
        for params in (row.params, None):
            for factor in (64, 16, 4):
                more = type(row)(**{**vars(row), "inputs": scaled(row.inputs, extent, factor),
                                    "params": scaled_params(row, extent, factor) if params is None else params})
                if elements(more) <= MOST and all(not isinstance(v, int) or v <= 1024 for v in more.params.values()):
                    yield more
                    break


def scaled_params(row, extent, factor):
    return {k: scaled(v, extent, factor) for k, v in row.params.items()}


def run(row, dtype):
    """Forward, and backward where there is one. Throws what the kernels do."""
    arrays = row.arrays(dtype)
    mx.random.seed(1)
    if not RECORDS[row.op]["differentiable"]:
        return eager(mx, row, arrays)
    found = eager(mx, row, arrays)
    wrt = tuple(i for i, a in enumerate(arrays) if a.dtype.kind == "f")
    heads = heads_for(row, [found[f"out{i}"] for i in range(len(found))])
    return eager(mx, row, arrays, wrt=wrt, heads=heads)


def failures(rows, prefer=""):
    """By row: what kernels took too much, at the sizes of the row and at larger ones; and how many larger calls ran."""
    wrong, ran = {}, 0
    _core.prefer_kernels(prefer)
    for row in rows:
        for dtype in dict.fromkeys((row.dtype, *(d for d in row.dtypes if d == "float16"))):
            for some in (row, *larger(row)):
                try:
                    run(some, dtype)
                    ran += some is not row
                except Exception as e:  # a larger call may be none at all
                    if "of scratch memory" in str(e):
                        wrong.setdefault(row.id, str(e)[:300])
    return wrong, ran


# What is much larger than meant is refused by the system, and so is no call.
PROGRAM = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
sys.path[:0] = [{here!r}, {tests!r}]
import heddle as mx
from heddle import _core
_core.check_scratch(True)
import test_scratch
rows = [row for row in test_scratch.CASES if row.op in test_scratch.RECORDS][{part}::{parts}]
print("FOUND " + json.dumps(test_scratch.failures(rows, {prefer!r})))
"""


@pytest.mark.parametrize("prefer", ["", "portable"])
@pytest.mark.parametrize("part", range(4))
def test_no_kernel_takes_more_scratch_memory_than_its_record_says(prefer, part):
    here = os.path.dirname(os.path.abspath(__file__))
    program = PROGRAM.format(here=here, tests=os.path.dirname(here), part=part, parts=4, prefer=prefer)
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "HEDDLE_THREADS": "1"}, check=True,
                          capture_output=True, text=True)
    wrong, ran = json.loads(done.stdout.split("FOUND ", 1)[1])
    assert not wrong
    assert ran > 100


# --- plans ----------------------------------------------------------------------------------------
def lenet():
    x = mx.sym.Variable("data")
    for i, filters in enumerate((20, 50)):
        x = mx.sym.Activation(mx.sym.Convolution(x, kernel=(5, 5), num_filter=filters, name=f"conv{i}"), act_type="tanh")
        x = mx.sym.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
    x = mx.sym.Activation(mx.sym.FullyConnected(x, num_hidden=500, name="fc0"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, name="fc1"), name="softmax")


def zoo(name):
    net = getattr(mx.gluon.model_zoo.vision, name)(classes=10)
    return mx.sym.SoftmaxOutput(net(mx.sym.Variable("data")), name="softmax")


def lstm():
    x = mx.sym.RNN(mx.sym.Variable("data"), mx.sym.Variable("weights"), mx.sym.Variable("h", shape=(2, 16, 256)),
                   mx.sym.Variable("c", shape=(2, 16, 256)), state_size=256, num_layers=2, mode="lstm", name="rnn")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=10, flatten=False, name="fc"), preserve_shape=True,
                                name="softmax")


def transformer(width=128, heads=4):
    def dense(x, n, name):
        return mx.sym.FullyConnected(x, num_hidden=n, flatten=False, name=name)

    def split(x):
        x = mx.sym.transpose(mx.sym.reshape(x, shape=(0, 0, -4, heads, -1)), axes=(0, 2, 1, 3))
        return mx.sym.reshape(x, shape=(-3, 0, 0))

    x = mx.sym.Variable("data")
    for i in range(2):
        y = mx.sym.LayerNorm(x, name=f"norm{i}")
        q, k, v = (split(dense(y, width, f"{part}{i}")) for part in "qkv")
        y = mx.sym.batch_dot(mx.sym.softmax(mx.sym.batch_dot(q, k, transpose_b=True) * (width // heads) ** -0.5), v)
        y = mx.sym.transpose(mx.sym.reshape(y, shape=(-4, -1, heads, 0, 0)), axes=(0, 2, 1, 3))
        x = x + dense(mx.sym.reshape(y, shape=(0, 0, -3)), width, f"out{i}")
        y = mx.sym.LeakyReLU(dense(mx.sym.LayerNorm(x, name=f"norm{i}b"), 4 * width, f"wide{i}"), act_type="gelu")
        x = x + dense(y, width, f"narrow{i}")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.mean(x, axis=1), num_hidden=10, name="fc"), name="softmax")


NETWORKS = {"lenet": (lenet, (512, 1, 28, 28)), "resnet50": (lambda: zoo("resnet50_v2"), (8, 3, 64, 64)),
            "mobilenet": (lambda: zoo("mobilenet0_5"), (8, 3, 64, 64)), "lstm": (lstm, (64, 16, 128)),
            "transformer": (transformer, (8, 256, 128))}


def planned_and_measured(name, share):
    """The bytes that a training step is planned to take beside its parameters, those that it took, the budget, and the
    scratch memory in the plan. share: of the way from what it takes at least to what it takes without a budget; None: none."""
    net, shape = NETWORKS[name][0](), NETWORKS[name][1]
    request = {n: "null" if n in ("data", "softmax_label") else "write" for n in net.list_arguments()}

    def plan_of(budget):
        return net.memory_plan(grad_req=request, memory_budget=budget, data=shape)

    budget = 0
    if share is not None:
        most = plan_of(0).peak_bytes
        try:
            plan_of(1)
        except mx.MXNetError as e:
            least = int(str(e).split("needs ")[1].split()[0])
        budget = int(least + share * (most - least))
    plan = plan_of(budget)
    mx.empty_cache()
    before = mx.memory_stats()
    exe = net.simple_bind(mx.cpu(), grad_req=request, memory_budget=budget, data=shape)
    _core.reset_peak("cpu", 0)
    for _ in range(2):
        exe.forward(is_train=True)
        exe.backward()
    mx.nd.waitall()
    after = mx.memory_stats()
    taken = after["peak"] - before["live"] - plan.parameter_bytes + after["scratch"] - before["scratch"]
    return plan.peak_bytes, taken, budget, plan.scratch_bytes


MEASURE = """
import json, sys
sys.path[:0] = [{here!r}, {tests!r}]
import test_scratch
print("FOUND " + json.dumps([test_scratch.planned_and_measured({name!r}, share) for share in (None, 0.3, 0)]))
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_takes_what_is_planned_and_never_more_than_its_budget(name, threads):
    here = os.path.dirname(os.path.abspath(__file__))
    program = MEASURE.format(here=here, tests=os.path.dirname(here), name=name)
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, "HEDDLE_THREADS": str(threads)}, check=True,
                          capture_output=True, text=True)
    small = 4 * threads * (64 << 10)  # what each thread keeps, of the engine's and of those that help
    for planned, taken, budget, scratch in json.loads(done.stdout.split("FOUND ", 1)[1]):
        assert scratch > 0
        assert 0.99 * planned <= taken <= 1.01 * planned + small
        assert not budget or planned <= budget
        assert not budget or taken <= budget + small
