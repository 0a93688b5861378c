"""Operators written in Python: CustomOp, NumpyOp, NDArrayOp and autograd.Function."""
import gc
import json
import pathlib
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest

import heddle as mx


class Recorder:
    """Makes and remembers what tests look at."""

    made = []


class Softmax(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0]
        e = mx.nd.exp(mx.nd.broadcast_sub(x, mx.nd.max(x, axis=1, keepdims=True)))
        self.assign(out_data[0], req[0], mx.nd.broadcast_div(e, mx.nd.sum(e, axis=1, keepdims=True)))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        label = in_data[1].asnumpy().astype("int64")
        y = out_data[0].asnumpy()
        y[np.arange(len(label)), label] -= 1
        self.assign(in_grad[0], req[0], mx.nd.array(y))


@mx.operator.register("test_softmax")
class SoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Softmax()


class Power(mx.operator.CustomOp):
    """y0 = scale * x ** n, y1 = x + count; counts its forward runs in an auxiliary state."""

    def __init__(self, n, scale):
        self.n, self.scale, self.seen = n, scale, None

    def forward(self, is_train, req, in_data, out_data, aux):
        self.seen = in_data[0].asnumpy()
        self.assign(out_data[0], req[0], self.scale * in_data[0] ** self.n)
        self.assign(out_data[1], req[1], in_data[0] + aux[0])
        if is_train:
            aux[0][:] += 1

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        assert in_data == [None] and out_data == [None, None]
        slope = mx.nd.array(self.scale * self.n * self.seen ** (self.n - 1))
        self.assign(in_grad[0], req[0], out_grad[0] * slope + out_grad[1])


@mx.operator.register("test_power")
class PowerProp(mx.operator.CustomOpProp):
    def __init__(self, n, scale="1"):
        assert isinstance(n, str) and isinstance(scale, str)
        super().__init__()
        self.n, self.scale = int(n), float(scale)

    def list_outputs(self):
        return ["power", "shifted"]

    def list_auxiliary_states(self):
        return ["count"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]] * 2, [(1,)]

    def declare_backward_dependency(self, out_grad, in_data, out_data):
        return out_grad

    def create_operator(self, ctx, shapes, dtypes):
        assert ctx == mx.cpu() and shapes == [[3], [1]][:1]
        Recorder.made.append(weakref.ref(op := Power(self.n, self.scale)))
        return op


class Bad(mx.operator.CustomOp):
    def __init__(self, where):
        self.where = where

    def forward(self, is_train, req, in_data, out_data, aux):
        if self.where == "forward":
            raise ValueError("this went wrong in forward")
        self.assign(out_data[0], req[0], in_data[0])

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        raise KeyError("this went wrong in backward")


@mx.operator.register("test_bad")
class BadProp(mx.operator.CustomOpProp):
    def __init__(self, where):
        super().__init__()
        self.where = where

    def infer_shape(self, in_shape):
        if self.where == "infer_shape":
            raise IndexError("this went wrong in infer_shape")
        return in_shape, [in_shape[0]] * (2 if self.where == "count" else 1), []

    def create_operator(self, ctx, shapes, dtypes):
        return Bad(self.where)


def square(x):
    return mx.nd.dot(x, x) if x.shape[0] else x


class Nested(mx.operator.CustomOp):
    """Calls another custom operator, as deep as its number says."""

    def __init__(self, depth):
        self.depth = depth

    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0]
        y = mx.nd.Custom(x, op_type="test_nested", depth=self.depth - 1) if self.depth else square(x)
        self.assign(out_data[0], req[0], y + 1)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        x = in_data[0].copy()
        x.attach_grad()
        with mx.autograd.record():
            y = x * x
        y.backward(out_grad[0])
        self.assign(in_grad[0], req[0], x.grad)


@mx.operator.register("test_nested")
class NestedProp(mx.operator.CustomOpProp):
    def __init__(self, depth):
        super().__init__()
        self.depth = int(depth)

    def create_operator(self, ctx, shapes, dtypes):
        return Nested(self.depth)


class Keeper(mx.operator.CustomOp):
    kept = []

    def forward(self, is_train, req, in_data, out_data, aux):
        self.kept.extend([in_data[0], out_data[0], in_data[0][0:1]])
        self.assign(out_data[0], req[0], in_data[0] * 2)


@mx.operator.register("test_keeper")
class KeeperProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, shapes, dtypes):
        return Keeper()


def test_a_loss_is_that_of_the_library_in_every_style():
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(6, 5)).astype("float32"), rng.integers(0, 5, 6).astype("float32")
    a, b = mx.nd.array(x), mx.nd.array(x)
    a.attach_grad(), b.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Custom(a, mx.nd.array(label), op_type="test_softmax")
        z = mx.nd.SoftmaxOutput(b, mx.nd.array(label))
    y.backward(), z.backward()
    np.testing.assert_allclose(y.asnumpy(), z.asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(a.grad.asnumpy(), b.grad.asnumpy(), rtol=1e-4, atol=1e-6)

    data = mx.sym.Variable("data")
    net = mx.sym.Custom(data=data * 1, name="softmax", op_type="test_softmax")
    assert net.list_arguments() == ["data", "softmax_label"]
    assert net.infer_shape(data=(6, 5)) == ([(6, 5), (6,)], [(6, 5)], [])
    for symbol in (net, mx.sym.load_json(net.tojson())):
        exe = symbol.simple_bind(mx.cpu(), data=(6, 5))
        exe.arg_dict["data"][:], exe.arg_dict["softmax_label"][:] = x, label
        exe.forward(is_train=True)
        exe.backward()
        np.testing.assert_allclose(exe.outputs[0].asnumpy(), z.asnumpy(), rtol=1e-5)
        np.testing.assert_allclose(exe.grad_dict["data"].asnumpy(), b.grad.asnumpy(), rtol=1e-4, atol=1e-6)


def test_a_module_learns_with_it():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(64, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    net = mx.sym.Custom(net, name="softmax", op_type="test_softmax")
    module = mx.mod.Module(net)
    module.fit(mx.io.NDArrayIter(x, y, 16), num_epoch=8, optimizer_params={"learning_rate": 0.1})
    assert module.score(mx.io.NDArrayIter(x, y, 16), "acc")[0][1] > 0.9


@pytest.mark.parametrize("bound", [False, True])
def test_outputs_states_and_keywords(bound):
    """Several outputs, a state that calls change, strings as keywords, a gradient that keeps nothing but its object."""
    x, count = np.array([1, 2, 3], "float32"), np.array([10], "float32")
    if bound:
        net = mx.sym.Custom(mx.sym.Variable("x"), name="p", op_type="test_power", n=3, scale=0.5)
        assert net.list_outputs() == ["p_power", "p_shifted"]
        assert net.list_auxiliary_states() == ["p_count"]
        exe = net.simple_bind(mx.cpu(), x=(3,))
        exe.arg_dict["x"][:], exe.aux_dict["p_count"][:] = x, count
        y, z = exe.forward(is_train=True)
        exe.backward([mx.nd.array([1, 1, 1]), mx.nd.array([0, 10, 20])])
        grad, state = exe.grad_dict["x"], exe.aux_dict["p_count"]
    else:
        a, state = mx.nd.array(x), mx.nd.array(count)
        a.attach_grad()
        with mx.autograd.record():
            y, z = mx.nd.Custom(a, state, op_type="test_power", n=3, scale=0.5)
        mx.autograd.backward([y, z], [mx.nd.array([1, 1, 1]), mx.nd.array([0, 10, 20])])
        grad = a.grad
    np.testing.assert_allclose(y.asnumpy(), 0.5 * x ** 3)
    np.testing.assert_allclose(z.asnumpy(), x + 10)
    np.testing.assert_allclose(grad.asnumpy(), 1.5 * x ** 2 + [0, 10, 20])
    assert state.asscalar() == 11


def test_arrays_may_be_given_by_name():
    x, label = mx.nd.ones((2, 3)), mx.nd.zeros((2,))
    expected = mx.nd.Custom(x, label, op_type="test_softmax").asnumpy()
    np.testing.assert_array_equal(mx.nd.Custom(label=label, data=x, op_type="test_softmax").asnumpy(), expected)
    np.testing.assert_array_equal(mx.nd.Custom(x, label=label, op_type="test_softmax").asnumpy(), expected)
    with pytest.raises(TypeError, match=r"found inputs called \['labels'\], expected \['label'\]"):
        mx.nd.Custom(x, labels=label, op_type="test_softmax")


def test_every_call_has_an_operator_of_its_own():
    """Two recorded calls keep what each has seen; both operators go with their tape."""
    del Recorder.made[:]
    a, b = mx.nd.array([1, 2, 3]), mx.nd.array([4, 5, 6])
    a.attach_grad(), b.attach_grad()
    with mx.autograd.record():
        y = [mx.nd.Custom(v, mx.nd.zeros((1,)), op_type="test_power", n=2)[0] for v in (a, b)]
    mx.autograd.backward(y)
    np.testing.assert_array_equal(a.grad.asnumpy(), [2, 4, 6])
    np.testing.assert_array_equal(b.grad.asnumpy(), [8, 10, 12])
    assert len(Recorder.made) == 2
    del y
    mx.nd.waitall()
    gc.collect()
    assert [made() for made in Recorder.made[:2]] == [None, None]


def test_empty_arrays():
    assert mx.nd.Custom(mx.nd.zeros((0, 3)), op_type="test_nested", depth=0).shape == (0, 3)


def test_operators_call_operators():
    x = np.random.default_rng(2).normal(size=(40, 40)).astype("float32")
    a = mx.nd.array(x)
    a.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Custom(a, op_type="test_nested", depth=6)
    y.backward()
    np.testing.assert_allclose(y.asnumpy(), x @ x + 7, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(a.grad.asnumpy(), 2 * x, rtol=1e-5)


def test_many_threads_never_wait_for_each_other():
    """Eager and bound calls from several threads, large enough to be tasks of the engine, in a process that must end."""
    program = textwrap.dedent("""
        import sys, threading
        sys.path.insert(0, sys.argv[1])
        import numpy as np, heddle as mx
        import test_operator
        x = np.random.default_rng(0).normal(size=(200, 200)).astype("float32")
        failures = []

        def eager():
            for _ in range(5):
                a = mx.nd.array(x)
                a.attach_grad()
                with mx.autograd.record():
                    y = mx.nd.Custom(mx.nd.Custom(a, op_type="test_nested", depth=2) * 0.01, op_type="test_nested", depth=1)
                y.backward()
                a.grad.asnumpy()

        def bound():
            net = mx.sym.Variable("data")
            for _ in range(4):
                net = mx.sym.Custom(net, op_type="test_nested", depth=1) * 0.001
            exe = net.simple_bind(mx.cpu(), data=x.shape)
            exe.arg_dict["data"][:] = x
            for _ in range(5):
                exe.forward(is_train=True)
                exe.backward([mx.nd.ones(x.shape)])
                exe.grad_dict["data"].asnumpy()

        def guarded(body):
            try:
                body()
            except BaseException as e:
                failures.append(e)

        threads = [threading.Thread(target=guarded, args=(body,)) for body in (eager, bound) * 3]
        for t in threads: t.start()
        for t in threads: t.join()
        mx.nd.waitall()
        assert not failures, failures
        print("done")
    """)
    done = subprocess.run([sys.executable, "-c", program, str(pathlib.Path(__file__).parent)], capture_output=True, text=True,
                          timeout=120)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_arrays_outlive_the_call_that_lent_them():
    del Keeper.kept[:]
    for size in (5, 100_000):
        x = mx.nd.ones((size,))
        y = mx.nd.Custom(x * 3, op_type="test_keeper")
        y.wait_to_read()
        del y
        mx.nd.waitall()
        others = [mx.nd.zeros((size,)) for _ in range(4)]  # take the memory there was
        mx.nd.waitall()
        kept_in, kept_out, part = Keeper.kept[-3:]
        assert kept_in.asnumpy().tolist() == [3] * size
        assert kept_out.asnumpy().tolist() == [6] * size
        assert part.asnumpy().tolist() == [3]
        del others
    del Keeper.kept[:]


@pytest.mark.parametrize("size", [4, 100_000])
def test_what_raises_is_raised_where_it_is_waited_for(size):
    x = mx.nd.ones((size,))
    x.attach_grad()
    with pytest.raises(mx.MXNetError, match=r"custom operator's forward: Traceback(.|\n)*line \d+, in forward(.|\n)*ValueError: "
                                            "this went wrong in forward"):
        mx.nd.Custom(x, op_type="test_bad", where="forward").asnumpy()
    with mx.autograd.record():
        y = mx.nd.Custom(x, op_type="test_bad", where="backward")
    with pytest.raises(mx.MXNetError, match="KeyError: 'this went wrong in backward'"):
        y.backward()
        x.grad.asnumpy()
    exe = mx.sym.Custom(mx.sym.Variable("x"), op_type="test_bad", where="forward", name="node").simple_bind(mx.cpu(), x=(size,))
    with pytest.raises(mx.MXNetError, match="Error in operator node: (.|\n)*this went wrong in forward"):
        exe.forward()[0].asnumpy()


def test_what_does_not_fit_is_said_at_the_call():
    x = mx.nd.ones((2,))
    with pytest.raises(mx.MXNetError, match="op_type is 'test_missing', expected a registered one: (.*)'test_softmax'"):
        mx.nd.Custom(x, op_type="test_missing")
    with pytest.raises(mx.MXNetError, match="op_type is missing"):
        mx.nd.Custom(x)
    with pytest.raises(mx.MXNetError, match="IndexError: this went wrong in infer_shape"):
        mx.nd.Custom(x, op_type="test_bad", where="infer_shape")
    with pytest.raises(mx.MXNetError, match=r"BadProp.infer_shape gave 2 outputs, expected 1: \['output'\]"):
        mx.nd.Custom(x, op_type="test_bad", where="count")
    with pytest.raises(mx.MXNetError, match="unexpected keyword argument 'colour'"):
        mx.nd.Custom(x, op_type="test_bad", where="", colour=1)
    with pytest.raises(mx.MXNetError, match="found 1 inputs, expected 2"):
        mx.nd.Custom(x, op_type="test_softmax")
    assert {"Convolution", "test_softmax"} <= set(mx.operator.get_all_registered_operators())


# --- the older classes ----------------------------------------------------------------------------
def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class NumpySoftmax(mx.operator.NumpyOp):
    def __init__(self):
        super().__init__(False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], (in_shape[0][0],)], [in_shape[0]]

    def forward(self, in_data, out_data):
        out_data[0][:] = softmax(in_data[0])

    def backward(self, out_grad, in_data, out_data, in_grad):
        label = in_data[1].astype("int64")
        in_grad[0][:] = out_data[0]
        in_grad[0][np.arange(label.shape[0]), label] -= 1


class DoubleOp(mx.operator.NDArrayOp):
    def forward(self, in_data, out_data):
        out_data[0][:] = in_data[0] * 2

    def backward(self, out_grad, in_data, out_data, in_grad):
        in_grad[0][:] = out_grad[0] * 2


def test_older_operators_stand_in_networks():
    x, label = np.random.default_rng(3).normal(size=(4, 3)).astype("float32"), np.array([0, 1, 2, 0], "float32")
    net = NumpySoftmax()(DoubleOp().get_symbol(mx.sym.Variable("data"), name="double"), name="softmax")
    assert net.list_arguments() == ["data", "softmax_label"]
    exe = net.simple_bind(mx.cpu(), data=(4, 3))
    exe.arg_dict["data"][:], exe.arg_dict["softmax_label"][:] = x, label
    exe.forward(is_train=True)
    exe.backward()
    expected = softmax(2 * x)
    np.testing.assert_allclose(exe.outputs[0].asnumpy(), expected, rtol=1e-5)
    expected[np.arange(4), label.astype(int)] -= 1
    np.testing.assert_allclose(exe.grad_dict["data"].asnumpy(), 2 * expected, rtol=1e-4, atol=1e-6)


# --- autograd.Function ----------------------------------------------------------------------------
class Sigmoid(mx.autograd.Function):
    def forward(self, x):
        assert not mx.autograd.is_recording()
        y = 1 / (1 + mx.nd.exp(-x))
        self.save_for_backward(y)
        return y

    def backward(self, dy):
        y, = self.saved_tensors
        return dy * y * (1 - y)


class Rotate(mx.autograd.Function):
    """(a, b) -> [a - b, a + b], the gradients scaled by 10 so that they are seen to be ours."""

    def forward(self, a, b):
        return [a - b, a + b]

    def backward(self, da, db):
        return 10 * (da + db), 10 * (db - da)


class Wrong(mx.autograd.Function):
    def forward(self, a, b):
        return a * b

    def backward(self, dy):
        return dy


@pytest.mark.parametrize("size", [3, 100_000])
def test_functions_have_gradients_of_their_own(size):
    x = mx.nd.array(np.linspace(-2, 2, size))
    x.attach_grad()
    with mx.autograd.record():
        y = (Sigmoid()(x * 2) * 3).sum()
    y.backward()
    s = 1 / (1 + np.exp(-2 * np.linspace(-2, 2, size)))
    np.testing.assert_allclose(x.grad.asnumpy(), 6 * s * (1 - s), rtol=1e-4, atol=1e-6)


def test_functions_of_several_arrays():
    a, b = mx.nd.array([1, 2]), mx.nd.array([3, 5])
    a.attach_grad(), b.attach_grad(grad_req="add")
    for run in (1, 2):
        with mx.autograd.record():
            difference, total = Rotate()(a, b)
            loss = difference * mx.nd.array([1, 10]) + total * mx.nd.array([100, 1000])
        loss.backward()
        np.testing.assert_array_equal(difference.asnumpy(), [-2, -3])
        np.testing.assert_array_equal(a.grad.asnumpy(), [1010, 10100])
        np.testing.assert_array_equal(b.grad.asnumpy(), [990 * run, 9900 * run])
    with mx.autograd.record():
        only = Rotate()(a, b)[1]  # nothing flows through the other
    only.backward()
    np.testing.assert_array_equal(a.grad.asnumpy(), [10, 10])


def test_functions_outside_of_a_record_are_functions():
    y = Sigmoid()(mx.nd.zeros((2,)))
    assert y.asnumpy().tolist() == [0.5, 0.5]
    same = mx.autograd.Function
    function = Sigmoid()
    function(mx.nd.zeros((1,)))
    with pytest.raises(ValueError, match="can be called once"):
        function(mx.nd.zeros((1,)))
    with pytest.raises(NotImplementedError, match="Function has no forward"):
        same()(mx.nd.zeros((1,)))


def test_wrong_gradients_of_functions_are_named():
    a = mx.nd.ones((2,))
    a.attach_grad()
    with mx.autograd.record():
        y = Wrong()(a, a)
    with pytest.raises(mx.MXNetError, match="Wrong.backward gave 1 gradients, expected one for each of the 2 inputs"):
        y.backward()
        a.grad.asnumpy()


def test_functions_on_several_threads():
    found = []

    def work(seed):
        x = mx.nd.array(np.full((300, 300), seed * 0.1))
        x.attach_grad()
        for _ in range(10):
            with mx.autograd.record():
                y = Sigmoid()(Sigmoid()(x))
            y.backward()
        found.append((seed, x.grad.asnumpy()[0, 0]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for seed, grad in found:
        s = 1 / (1 + np.exp(-seed * 0.1))
        t = 1 / (1 + np.exp(-s))
        assert grad == pytest.approx(t * (1 - t) * s * (1 - s), rel=1e-4)
    assert len(found) == 4


def test_old_operators_are_saved_by_the_names_that_mxnet_gives_them():
    for op, name, more in ((NumpySoftmax(), "_Native", {"need_top_grad"}), (DoubleOp(), "_NDArray", set())):
        node = json.loads(op(data=mx.sym.var("data"), name="it").tojson())["nodes"][-1]
        assert node["op"] == name and node["attrs"].keys() >= {"info"} | more
    with pytest.raises(mx.MXNetError, match=r"_Native\] parameter info is missing"):
        mx.sym._internal._Native(mx.sym.var("x"))
    with pytest.raises(mx.MXNetError, match="op_type.*nobody|nobody|unknown|not registered|no operator"):
        mx.sym._internal._NDArray(mx.sym.var("x"), info="nobody")
