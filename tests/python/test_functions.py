"""The operators' functions: made of names at import, complete when they are used."""
import copy
import inspect
import pickle
import pydoc
import subprocess
import sys
import types

import numpy as np
import pytest

import heddle as mx
from heddle import _core

RECORDS = _core.ops()


def public(module):
    return {name: value for name, value in vars(module).items() if isinstance(value, _core.Function)}


def test_import_reads_no_record():
    program = "import heddle as mx; print(len(mx._ops.Op._read)); mx.nd.relu(mx.nd.zeros((1,))); " \
              "print(list(mx._ops.Op._read))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[:2] == ["0", "['relu']"], done.stderr


def test_every_operator_has_a_function_under_each_name():
    for package in (mx.nd, mx.sym):
        for record in RECORDS:
            for name in (record["name"], *record["aliases"]):
                if not name.startswith("_backward"):
                    assert hasattr(package._internal if name[0] == "_" else package.op, name), name
        assert {"relu", "FullyConnected", "dot", "zeros"} <= set(dir(package))
        assert set(public(package.op)) == set(package.op.__all__)


@pytest.mark.parametrize("package, value, last", [(mx.nd, "NDArray", ["out"]), (mx.sym, "Symbol", ["name", "attr"])],
                         ids=["nd", "sym"])
def test_signatures_and_documentation(package, value, last):
    for name, function in {**public(package.op), **public(package._internal)}.items():
        signature = inspect.signature(function)
        assert set(last) <= set(signature.parameters) and function.__doc__ and function.__name__ == name
    connected = inspect.signature(package.FullyConnected)
    assert list(connected.parameters)[:6] == ["data", "weight", "bias", "num_hidden", "no_bias", "flatten"]
    assert connected.parameters["no_bias"].default is False and connected.parameters["bias"].default is None
    assert inspect.signature(package.Concat).parameters["data"].kind is inspect.Parameter.VAR_POSITIONAL
    page = pydoc.render_doc(package.take, renderer=pydoc.plaintext)
    # Symbols that are missing become variables.
    given = "'NDArray'" if value == "NDArray" else "'Symbol | None' = None"
    assert f"take(a: {given}, indices: {given}, axis: 'int' = 0, mode: " in page and f"indices : {value}" in page
    assert connected.return_annotation == value and connected.parameters["num_hidden"].annotation == "int"
    assert inspect.signature(package.split).return_annotation == ("Any" if value == "NDArray" else value)
    assert inspect.isroutine(package.relu) and package.relu.__qualname__ == "relu"
    assert package.relu.__module__ == package.op.__name__ and "relu" in repr(package.relu)


def test_parameters_by_position():
    """An optional input may be left out before them; None stands for it, too."""
    x, lengths = mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 2], dtype="int32")
    assert mx.nd.softmax(x, 0).tolist() == mx.nd.softmax(x, None, 0).tolist() == mx.nd.softmax(x, axis=0).tolist()
    masked = mx.nd.softmax(x, lengths, -1, use_length=True)
    assert masked.tolist() == mx.nd.softmax(x, length=lengths, axis=-1, use_length=True).tolist()
    weight = mx.nd.ones((3, 2))
    assert mx.nd.FullyConnected(x, weight, None, 3, True).tolist() == [[3] * 3, [7] * 3]
    assert mx.nd.LeakyReLU(-x, "leaky", 0.5).tolist() == [[-0.5, -1], [-1.5, -2]]
    s = mx.sym.Variable("s")
    assert mx.sym.softmax(s, 0, name="soft").attr_dict()["soft"]["axis"] == "0"
    assert mx.sym.LeakyReLU(s, "elu", name="leaky").attr_dict()["leaky"]["act_type"] == "elu"
    with pytest.raises(mx.MXNetError, match="found 2 inputs, expected 1"):
        mx.nd.sum(x, x)
    with pytest.raises(TypeError, match="at most"):
        mx.nd.relu(x, 1)


def test_star_import():
    scope = {}
    exec("from heddle.ndarray import *; from heddle.ndarray.op import relu as other", scope)
    assert scope["relu"] is scope["other"] is mx.nd.relu and "zeros" in scope


@pytest.mark.parametrize("function", [mx.nd.relu, mx.nd._internal._plus_scalar, mx.nd.linalg.gemm2, mx.sym.Concat],
                         ids=lambda f: f.__name__)
def test_pickles_and_copies(function):
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.copy(function) is function and copy.deepcopy(function) is function


def test_methods():
    x = mx.nd.array([[1, -2], [3, 4]])
    assert isinstance(x.relu, types.MethodType) and x.relu.__self__ is x
    assert list(inspect.signature(x.take).parameters)[:2] == ["indices", "axis"]
    assert x.relu().tolist() == mx.nd.NDArray.relu(x).tolist() == [[1, 0], [3, 4]]
    assert x.sum(axis=0).tolist() == [4, 2] and x.sum(0).tolist() == [4, 2]
    with pytest.raises(TypeError, match="cannot create"):
        _core.Function()


def test_ways_to_call():
    x, y = mx.nd.array([[1, 2, 3]]), mx.nd.array([[4, 5, 6]])
    total = [[5, 7, 9]]
    assert (mx.nd.elemwise_add(x, y) == mx.nd.elemwise_add(x, rhs=y)).asnumpy().all()
    assert mx.nd.elemwise_add(rhs=y, lhs=x).tolist() == mx.nd.elemwise_add(*[x, y]).tolist() == total
    assert mx.nd.elemwise_add(x, y, name="sum", attr=None).tolist() == total
    assert mx.nd.add_n(x, y).tolist() == mx.nd.add_n([x, y]).tolist() == mx.nd.add_n(data=(x, y)).tolist() == total
    assert mx.nd.concat(x, y, dim=0).shape == (2, 3) and mx.nd.concat(*[x] * 20, dim=1).shape == (1, 60)
    assert mx.nd.sum(x, 1).tolist() == mx.nd.sum(x, axis=(1,)).tolist() == [6]
    assert mx.nd.sum(x, axis=np.int64(1)).tolist() == mx.nd.sum(x, **{"".join("axis"): 1}).tolist() == [6]
    out = mx.nd.zeros((1, 3))
    assert mx.nd.relu(x, out=out) is out and out.tolist() == x.tolist()
    assert mx.nd.broadcast_axis(x, axis=0, size=2).shape == (2, 3)
    assert mx.nd.cast(x, dtype=np.float64).dtype == np.float64 and mx.nd.cast(x, "int32").dtype == np.int32
    made = mx.nd.LeakyReLU(x, act_type="leaky", slope=0.5, out=None)
    assert made.tolist() == x.tolist()


def test_bad_calls():
    x = mx.nd.ones((2, 2))
    for call, error, words in [
            (lambda: mx.nd.elemwise_add(x), mx.MXNetError, "expected 2"), (lambda: mx.nd.relu(3), mx.MXNetError, "int"),
            (lambda: mx.nd.relu(x, nothing=1), mx.MXNetError, "nothing"),
            (lambda: mx.nd.FullyConnected(x, x), mx.MXNetError, "num_hidden"),
            (lambda: mx.nd.sum(x, 1, axis=0), TypeError, "axis"),
            (lambda: mx.nd.relu(x, out=3), mx.MXNetError, "out is a int"),
            (lambda: mx.nd.relu(*[x] * 40), (TypeError, mx.MXNetError), "relu"),
            (lambda: mx.sym.relu(3), TypeError, "expected a Symbol")]:
        with pytest.raises(error, match=words):
            call()


def test_parameters_by_position_are_those_of_their_names():
    x = mx.nd.arange(24).reshape((2, 3, 4))
    assert mx.nd.reshape(x, (0, -1)).shape == (2, 12)
    assert mx.nd.slice_axis(x, 1, 0, 2).shape == (2, 2, 4)
    assert (mx.nd.softmax(x, 1) == mx.nd.softmax(x, axis=1)).asnumpy().all()  # before it an input is left out
    assert (mx.nd.softmax(x, None, 1) == mx.nd.softmax(x, axis=1)).asnumpy().all()
    assert mx.nd.mean(x, np.int64(1), keepdims=True).shape == (2, 1, 4)
    assert mx.nd.softmax(x, axis=mx.base._Null).shape == x.shape
    with pytest.raises(TypeError, match="two values for shape"):
        mx.nd.reshape(x, (0, -1), shape=(24,))
    with pytest.raises(TypeError, match="expected at most"):
        mx.nd.reshape(x, (0, -1), *range(9))
