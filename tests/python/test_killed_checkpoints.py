"""A process that is killed while it saves leaves whole files, and its temporaries do not pile up."""
import os
import pathlib
import pickle
import random
import signal
import time

import pytest

import heddle as mx
from heddle import sym
from heddle.module import Module


def trained():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=64, name="fc1")
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=4, name="fc2"), name="softmax")
    mod = Module(net)
    mod.bind([("data", (4, 64))], [("softmax_label", (4,))])
    mod.init_params(mx.init.One())
    mod.init_optimizer(optimizer_params={"momentum": 0.9})
    mod.forward_backward(mx.io.DataBatch([mx.nd.ones((4, 64))], [mx.nd.zeros((4,))]))
    mod.update()
    mod.get_params()
    mx.nd.waitall()
    return mod


def test_killed_two_hundred_times(tmp_path):
    mod, prefix, draw = trained(), str(tmp_path / "net"), random.Random(3)
    names = {"net-symbol.json", "net-0001.params", "net-0001.states"}
    most = 0
    for _ in range(200):
        child = os.fork()
        if child == 0:  # saves until it is killed
            try:
                while True:
                    mod.save_checkpoint(prefix, 1, save_optimizer_states=True)
            finally:
                os._exit(1)
        time.sleep(draw.uniform(0, 0.006))  # the moment is what the test varies; it waits for nothing
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        there = {p.name for p in tmp_path.iterdir()}
        most = max(most, len(there - names))
        if names <= there:
            symbol, arg, _ = mx.model.load_checkpoint(prefix, 1)
            assert symbol.tojson() == mod.symbol.tojson() and arg["fc1_weight"].shape == (64, 64)
            assert pickle.loads((tmp_path / "net-0001.states").read_bytes()).keys() == {0, 1, 2, 3}
    assert most <= 1  # what the last one killed has left
    mod.save_checkpoint(prefix, 1, save_optimizer_states=True)
    assert {p.name for p in tmp_path.iterdir()} == names


def test_states_are_whole_or_not_there(tmp_path, monkeypatch):
    """A pickle that fails leaves the old file."""
    mod = trained()
    path = pathlib.Path(tmp_path, "s")
    mod.save_optimizer_states(path)
    before = path.read_bytes()
    mod._updater.states[0] = lambda: None  # cannot be pickled
    with pytest.raises((pickle.PicklingError, AttributeError)):
        mod.save_optimizer_states(path)
    assert path.read_bytes() == before
    with pytest.raises(mx.MXNetError, match="none/s"):
        trained().save_optimizer_states(tmp_path / "none" / "s")
