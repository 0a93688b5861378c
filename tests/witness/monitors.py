"""What a Monitor sees, and what callbacks log, in heddle and in the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/monitors.py SEEN.json
"""
import collections
import contextlib
import json
import logging
import pathlib
import re
import sys
import warnings

import numpy as np

Param = collections.namedtuple("Param", ["epoch", "nbatch", "eval_metric", "locals"])


def executor(mx):
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    net = mx.sym.BatchNorm(mx.sym.Activation(x, act_type="relu", name="act"), name="bn", fix_gamma=False)
    exe = net.simple_bind(mx.cpu(), data=(3, 2))
    for i, (_, array) in enumerate(sorted(exe.arg_dict.items())):
        array[:] = np.arange(array.size).reshape(array.shape) * 0.5 + i
    return exe


def watched(mx, is_train=True, backward=True, **options):
    """What three batches gave, of which the second is not looked at."""
    monitor, exe = mx.mon.Monitor(2, **options), executor(mx)
    monitor.install(exe)
    found = []
    for _ in range(3):
        monitor.tic()
        exe.forward(is_train=is_train)
        if backward:
            exe.backward([mx.nd.ones((3, 2))])
        found.append([list(row) for row in monitor.toc()])
    return found


def several(mx):
    """Two statistics of each array, one with two elements."""
    return watched(mx, stat_func=lambda a: [a.sum(), a.reshape((-1,))[0:2]], pattern="(fc|bn_g).*")


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(re.sub(r"Speed: \S+", "Speed: S", record.getMessage()))


@contextlib.contextmanager
def listening():
    """Lines that are logged meanwhile."""
    lines, root = Lines(), logging.getLogger()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines.lines
    finally:
        root.removeHandler(lines)
        root.setLevel(level)


def logged(mx, make, nbatches, epochs=2):
    """The lines that a callback logs."""
    with listening() as lines:
        callback, metric = make(mx.callback), mx.metric.create(["loss", mx.metric.Loss(name="other")])
        for epoch in range(epochs):
            metric.reset()
            for n in range(nbatches):
                metric.update(None, [mx.nd.array([n])])
                callback(Param(epoch, n, metric, None))
        callback(Param(9, 4, None, None))
    return lines


def printed(mx):
    """The lines that a Monitor logs, without their numbers."""
    monitor, exe = mx.mon.Monitor(1, pattern="fc_(output|weight|bias)", sort=True), executor(mx)
    monitor.install(exe)
    monitor.tic()
    exe.forward()
    with listening() as lines:
        monitor.toc_print()
    return [re.sub(r"[-+.\de]+\t$", "#", line) for line in lines]


def outputs(mx):
    """Name and sum of what nodes with several outputs show in prediction, hidden ones too.

    Of others that no node reads MXNet shows the memory, in which nothing was computed.
    """
    x = mx.sym.Variable("data")
    images = mx.sym.Reshape(x, shape=(3, 2, 1), name="images")
    found = {}
    for node in (mx.sym.BatchNorm(x, name="a", use_global_stats=True), mx.sym.LayerNorm(x, name="a"), mx.sym.L2Normalization(x, name="a"),
                 mx.sym.InstanceNorm(images, name="a"), mx.sym.GroupNorm(images, num_groups=2, name="a"),
                 mx.sym.SliceChannel(x, num_outputs=2, name="a"), mx.sym.topk(x, ret_typ="both", name="a")):
        monitor, net = mx.mon.Monitor(1, lambda a: a.sum()), mx.sym.add_n(*[node[i] for i in range(len(node.list_outputs()))], name="all")
        exe = net.simple_bind(mx.cpu(), grad_req="null", data=(3, 2))
        exe.arg_dict["data"][:] = np.arange(6).reshape(3, 2)
        for array in exe.aux_arrays:
            array[:] = [2, 5]
        monitor.install(exe)
        monitor.tic()
        exe.forward()
        variables = {*exe.arg_dict, *exe.aux_dict}
        op = json.loads(node.tojson())["nodes"][-1]["op"]
        found[op] = [[name, float(value)] for _, name, value in monitor.toc() if name not in variables]
    return found


CALLBACKS = {
    "speed": lambda c: c.Speedometer(10, frequent=2), "speed-kept": lambda c: c.Speedometer(10, frequent=3, auto_reset=False),
    "metric": lambda c: c.log_train_metric(2), "metric-reset": lambda c: c.log_train_metric(2, auto_reset=True),
    "validation": lambda c: c.LogValidationMetricsCallback()}


def seen(mx):
    found = {"plain": watched(mx), "sorted": watched(mx, sort=True, pattern=".*weight|.*output"),
             "several": several(mx), "everything": watched(mx, monitor_all=True, backward=False),
             "everything predicted": watched(mx, monitor_all=True, is_train=False, backward=False)}
    found["printed"], found["outputs"] = printed(mx), outputs(mx)
    for name, make in CALLBACKS.items():
        found[name] = logged(mx, make, 5)
    return found


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(seen(mxnet)))
