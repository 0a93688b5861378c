"""What training calls after batches and epochs."""
import io
import logging
import re

import heddle as mx
from heddle.model import BatchEndParam


class Terminal(io.StringIO):
    def isatty(self):
        return True


def metric(value=0.5):
    m = mx.metric.Loss()
    m.update(None, [mx.nd.array([value])])
    return m


def batches(callback, count, epochs=1, m=None):
    for epoch in range(epochs):
        for n in range(count):
            callback(BatchEndParam(epoch, n, m, {}))


def test_speedometer(caplog):
    m = metric()
    with caplog.at_level(logging.INFO):
        batches(mx.callback.Speedometer(32, frequent=2), 5, m=m)
        batches(mx.callback.Speedometer(32, frequent=4, auto_reset=False), 5)
    lines = [r.message for r in caplog.records]
    assert re.fullmatch(r"Epoch\[0\] Batch \[0-2\]\tSpeed: [\d.inf]+ samples/sec\tloss=0.500000", lines[0])
    assert re.fullmatch(r"Epoch\[0\] Batch \[2-4\]\tSpeed: [\d.inf]+ samples/sec\tloss=nan", lines[1])
    assert re.fullmatch(r"Iter\[0\] Batch \[4\]\tSpeed: [\d.inf]+ samples/sec", lines[2]) and len(lines) == 3
    assert m.get_global()[1] == 0.5


def test_progress_bar_on_a_terminal():
    out = Terminal()
    batches(mx.callback.ProgressBar(4, length=8, batch_size=10, stream=out, interval=0), 4, epochs=2, m=metric(0.25))
    drawn = [line.removesuffix("\n").removesuffix("\x1b[K") for line in out.getvalue().split("\r")[1:]]
    assert len(drawn) == 8 and re.fullmatch(r"epoch 0:  50%\|####    \| 2/4 \[00:00<00:00, [\d,.]+ samples/s, loss=0.25\]", drawn[1])
    assert drawn[3].startswith("epoch 0: 100%|########| 4/4") and drawn[4].startswith("epoch 1:  25%|##      | 1/4")
    assert out.getvalue().count("\n") == 2


def test_progress_bar_says_nothing_to_a_file():
    out = io.StringIO()
    batches(mx.callback.ProgressBar(3, length=4, stream=out, interval=0), 3, epochs=2)
    assert out.getvalue() == ""


def test_log_train_metric(caplog):
    with caplog.at_level(logging.INFO):
        batches(mx.callback.log_train_metric(2, auto_reset=True), 3, m=metric())
    assert [r.message for r in caplog.records] == ["Iter[0] Batch[0] Train-loss=0.500000", "Iter[0] Batch[2] Train-loss=nan"]


def test_checkpoints(tmp_path):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    arg, prefix = {"fc_weight": mx.nd.ones((1, 2)), "fc_bias": mx.nd.zeros((1,))}, str(tmp_path / "n")
    callback = mx.callback.do_checkpoint(prefix, period=2)
    for epoch in range(4):
        callback(epoch, net, arg, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["n-0002.params", "n-0004.params", "n-symbol.json"]

    class Saved:
        calls = []

        def save_checkpoint(self, *args):
            self.calls.append(args)

    callback = mx.callback.module_checkpoint(Saved(), "p", period=2, save_optimizer_states=True)
    for epoch in range(4):
        callback(epoch)
    assert Saved.calls == [("p", 2, True), ("p", 4, True)]


def test_validation_log(caplog):
    with caplog.at_level(logging.INFO):
        mx.callback.LogValidationMetricsCallback()(BatchEndParam(3, 0, metric(), {}))
    assert caplog.records[0].message == "Epoch[3] Validation-loss=0.500000"
