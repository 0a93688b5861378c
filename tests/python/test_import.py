"""Importing heddle is cheap, and NumPy is optional: nothing of it is needed to train and to save."""
import os
import subprocess
import sys
import textwrap

import pytest

BLOCK_NUMPY = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "numpy":
            raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

sys.meta_path.insert(0, Absent())
"""


def run(program, *arguments):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_leaves_numpy_out():
    assert run("""
        import sys
        import heddle
        print([m for m in sys.modules if m.split(".")[0] == "numpy"])
    """) == "[]\n"


def test_import_starts_no_thread():
    assert run("""
        import os
        import heddle
        print(len(os.listdir("/proc/self/task")))
    """) == "1\n"


def test_import_loads_no_cuda():
    assert "cuda" not in run("""
        import heddle
        print(open("/proc/self/maps").read())
    """)


def test_the_block_works():
    done = subprocess.run([sys.executable, "-c", BLOCK_NUMPY + "import numpy"], capture_output=True, text=True)
    assert "No module named 'numpy'" in done.stderr


def test_arrays_without_numpy(tmp_path):
    run(BLOCK_NUMPY + textwrap.dedent("""
        import array
        import heddle as mx
        a = mx.nd.array([[1, 2], [3, 4]])
        assert a.tolist() == [[1.0, 2.0], [3.0, 4.0]] and a.shape == (2, 2)
        assert mx.nd.array(memoryview(bytes([1, 2, 3])), dtype="uint8").tolist() == [1, 2, 3]
        assert mx.nd.array(array.array("f", [0.5, 1.5])).tolist() == [0.5, 1.5]
        assert memoryview(a).shape == (2, 2)
        assert (a * 2 + 1).sum().asscalar() == 24
        assert a[1].tolist() == [3.0, 4.0]
        a[0] = 7
        assert a.tolist() == [[7.0, 7.0], [3.0, 4.0]] and "7" in repr(a)
        mx.nd.save(sys.argv[1], {"a": a})
        assert mx.nd.load(sys.argv[1])["a"].tolist() == a.tolist()
        try:
            a.asnumpy()
        except ImportError as error:
            assert "numpy" in str(error)
        else:
            raise AssertionError("asnumpy() works without NumPy")
    """), str(tmp_path / "a.params"))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_train_and_save_without_numpy(tmp_path, optimizer):
    said = run(BLOCK_NUMPY + textwrap.dedent("""
        import heddle as mx
        mx.random.seed(2)
        net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=16, name="fc1")
        net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=2, name="fc2")
        net = mx.sym.SoftmaxOutput(net, name="softmax")
        x = mx.nd.random.uniform(-1, 1, shape=(256, 2))
        y = x[:, 0:1].reshape((256,)) > x[:, 1:2].reshape((256,))
        data = mx.io.NDArrayIter(x, y, 32, shuffle=True)
        model = mx.mod.Module(net)
        model.fit(data, num_epoch=10, optimizer=sys.argv[2], optimizer_params={"learning_rate": 0.1},
                  initializer=mx.init.Xavier(), eval_metric=["acc", "ce"])
        model.save_checkpoint(sys.argv[1], 10, save_optimizer_states=True)
        again = mx.mod.Module.load(sys.argv[1], 10)
        again.bind([("data", (32, 2))], for_training=False)
        ordered = mx.io.NDArrayIter(x, y, 32)
        same = again.predict(ordered).tolist() == model.predict(ordered).tolist()
        print(same, dict(model.score(data, "acc"))["accuracy"] > 0.9)
        with mx.autograd.record():
            z = (mx.nd.relu(x) ** 2).sum()
        print(z.shape)
        assert "numpy" not in sys.modules
    """), str(tmp_path / "net"), optimizer)
    assert said.splitlines()[-2:] == ["True True", "(1,)"]
    assert {"net-symbol.json", "net-0010.params", "net-0010.states"} <= set(os.listdir(tmp_path))
