"""The bar of training loops: on a terminal only, and below the lines of a log."""
import io
import logging
import os
import pty
import subprocess
import sys
import textwrap

import pytest

import heddle as mx
from heddle._progress import Bar, EpochBar, batches_of
from heddle.model import BatchEndParam


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def metric(value=0.5):
    m = mx.metric.Loss()
    m.update(None, [mx.nd.array([value])])
    return m


def test_the_line():
    bar = Bar(Terminal(), length=10)
    bar.start("epoch 3", 8)
    assert bar.line(2, 2.0, "accuracy=0.5") == "epoch 3:  25%|\u2588\u2588\u258c       | 2/8 [00:02<00:06, 1.00 batch/s, accuracy=0.5]"
    assert bar.line(8, 3700.0, unit="samples", scale=1e6).endswith("| 8/8 [1:01:40<00:00, 2,162 samples/s]")
    bar.start("epoch 0")
    assert bar.line(5, 0.05) == "epoch 0: 5 [00:00, 100 batch/s]"
    plain = Bar(io.StringIO(), length=4)
    plain.start("e", 2)
    assert plain.line(1, 1.0).startswith("e:  50%|##  |") and not plain.live


def test_how_many_batches():
    data = mx.nd.zeros((10, 2))
    for handle, count in (("pad", 4), ("discard", 3)):
        assert batches_of(mx.io.NDArrayIter(data, batch_size=3, last_batch_handle=handle)) == count
    assert batches_of(mx.io.ResizeIter(mx.io.NDArrayIter(data, batch_size=3), 7)) == 7
    assert batches_of(iter([])) is None


def test_log_lines_come_above_the_bar():
    out = Terminal()
    logger = logging.getLogger("heddle.test_progress")
    handler = logging.StreamHandler(out)
    logger.addHandler(handler)
    logger.propagate = False
    calls, m = [], metric()
    bar = EpochBar(None, logger, calls.append, bar=Bar(out, interval=0, length=4))
    with bar.epoch(0, m) as callbacks:
        for n in range(2):
            for callback in callbacks:
                callback(BatchEndParam(0, n, m, {}))
            logger.warning("batch %d", n)
    logger.warning("after")
    assert not handler.filters and [p.nbatch for p in calls] == [0, 1]
    lines = out.getvalue().split("\n")
    assert [line.rpartition("\x1b[K")[2] for line in lines] == ["batch 0", "batch 1", "", "after", ""]
    assert lines[2].startswith("\repoch 0: 100%") and "loss=0.5" in lines[2]


def test_an_error_leaves_no_bar_behind():
    out = Terminal()
    bar = EpochBar(None, logging, None, bar=Bar(out, interval=0))
    with pytest.raises(KeyError), bar.epoch(0, metric()) as callbacks:
        callbacks[0](BatchEndParam(0, 0, metric(), {}))
        raise KeyError
    assert out.getvalue().endswith("\r\x1b[K")


def test_a_callback_that_draws_is_left_alone(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", out)
    callback = mx.callback.Speedometer(1)
    with EpochBar(None, logging, callback).epoch(0, metric()) as callbacks:
        assert len(callbacks) == 2
    drawing = [mx.callback.ProgressBar(3)]
    with EpochBar(None, logging, drawing).epoch(0, metric()) as callbacks:
        assert callbacks is drawing
    monkeypatch.setenv("HEDDLE_PROGRESS", "0")
    with EpochBar(None, logging, callback).epoch(0, metric()) as callbacks:
        assert callbacks is callback
FIT = """
import logging
import os
import pty
import subprocess
import sys
import textwrap
import heddle as mx
logging.basicConfig(level=logging.INFO)
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
data = mx.io.NDArrayIter(mx.nd.ones((64, 3)), mx.nd.zeros((64,)), 8)
mx.mod.Module(net).fit(data, num_epoch=2)
"""


def test_fit_draws_on_a_terminal_only():
    master, slave = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", textwrap.dedent(FIT)], stderr=slave, check=True, timeout=120)
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    finally:
        os.close(master)
    text = seen.decode()
    assert "epoch 0: 100%|" in text and "8/8 [" in text and "accuracy=1" in text and "Epoch[1] Train-accuracy=1.0" in text
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FIT)], capture_output=True, text=True, timeout=120)
    assert "|" not in done.stderr and "\r" not in done.stderr and "Epoch[1] Train-accuracy=1.0" in done.stderr and not done.stdout
