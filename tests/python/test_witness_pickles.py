"""Pickles of the real MXNet, whose classes are found once install_as has run: states of optimizers, and other objects."""
import subprocess
import sys
import textwrap

import pytest

import heddle as mx
from test_witness import ask

READ = """
import pathlib
import pickle
import sys
import heddle as mx

mx.install_as("mxnet")
folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.states")):
    updater = mx.optimizer.get_updater(mx.optimizer.create("test"))
    updater.set_states(path.read_bytes())
    optimizer = updater.optimizer
    assert type(optimizer).__name__.lower() == path.stem and optimizer.lr_scheduler.base_lr == 0.25, path
    weight, = mx.nd.load(str(path.with_suffix(".before")))
    updater(0, mx.nd.ones((2,)) / 2, weight)
    wanted, = mx.nd.load(str(path.with_suffix(".after")))
    mx.test_utils.assert_almost_equal(weight, wanted, rtol=3e-6, atol=1e-7, names=(path.stem, "MXNet"))
found = pickle.loads((folder / "objects.pkl").read_bytes())
assert found["array"].tolist() == [0, 1, 2] and found["context"] == mx.cpu(1) and found["schedule"](100) == 0
assert found["symbol"].list_arguments() == ["x"] and found["vocabulary"].to_indices("b") in (1, 2)
assert found["description"].shape == (1, 2) and found["initializer"] == mx.init.Xavier(magnitude=2)
names, values = found["metric"].get()
assert names == ["accuracy", "cross-entropy"] and values[0] == 0.5 and abs(values[1] - 0.8369882) < 1e-6
found["metric"].update([mx.nd.array([1])], [mx.nd.array([[0.25, 0.75]])])
again = pickle.loads(pickle.dumps(found))
assert again["metric"].get()[1][0] == 2 / 3 and again["symbol"].tojson() == found["symbol"].tojson()
print("read")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pickles")
    ask("pickles.py", str(path))
    return path


def test_they_are_read(folder):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(READ), str(folder)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "read\n", done.stderr[-2000:]


def test_states_need_no_other_name_for_the_package(folder):
    """After `import heddle as mx` alone: a script that goes on from a checkpoint of MXNet."""
    updater = mx.optimizer.get_updater(mx.optimizer.create("test"))
    updater.set_states((folder / "adam.states").read_bytes())
    assert isinstance(updater.optimizer, mx.optimizer.Adam) and [s.shape for s in updater.states[0]] == [(2,), (2,)]
    again = mx.optimizer.get_updater(mx.optimizer.create("test"))
    again.set_states(updater.get_states(dump_optimizer=True))
    assert [s.tolist() for s in again.states[0]] == [s.tolist() for s in updater.states[0]]
    assert again.optimizer.num_update == 1 and "mxnet" not in sys.modules
