"""Metrics in files for TensorBoard."""
import struct
import sys

import pytest

import heddle as mx
from heddle.model import BatchEndParam


def metric(value):
    m = mx.metric.create(["loss", mx.metric.Loss(name="other")])
    m.update(None, [mx.nd.array([value])])
    return m


def records(path):
    """The payloads of the records in an event file."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size, = struct.unpack_from("<Q", data, at)
        found.append(data[at + 12:at + 12 + size])
        at += size + 16
    return found


def test_values_reach_the_file(tmp_path):
    pytest.importorskip("tensorboardX")
    callback = mx.contrib.tensorboard.LogMetricsCallback(str(tmp_path), prefix="train")
    for step, value in enumerate((0.5, 0.25)):
        callback(BatchEndParam(0, step, metric(value), {}))
    callback(BatchEndParam(0, 2, None, {}))
    del callback  # closes the file
    path, = tmp_path.iterdir()
    said = records(path)
    for name in (b"train-loss", b"train-other"):
        for step, value in ((1, 0.5), (2, 0.25)):
            assert any(name in r and struct.pack("<f", value) in r and bytes([16, step]) in r for r in said)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install tensorboardX"):
        mx.contrib.tensorboard.LogMetricsCallback("nowhere")
