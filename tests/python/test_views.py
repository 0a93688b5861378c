"""Parts of values share memory with them, and gradients are added where their sum will lie."""
import numpy as np
import pytest

import heddle as mx
from heddle import gluon

sym, nd = mx.sym, mx.nd


def bound(net, arrays, **more):
    grads = {n: nd.zeros(a.shape, dtype=a.dtype) for n, a in arrays.items()}
    return net.bind(mx.cpu(), {n: nd.array(a, dtype=a.dtype) for n, a in arrays.items()}, args_grad=grads, **more)


def results(net, arrays, **more):
    executor = bound(net, arrays, **more)
    executor.forward(is_train=True)
    executor.backward([nd.ones(o.shape) for o in executor.outputs])
    return [o.asnumpy() for o in executor.outputs] + [executor.grad_dict[n].asnumpy() for n in arrays], executor


def unrolled(steps, hidden=16):
    """A recurrent cell over the rows of data, (steps, batch, hidden)."""
    x = sym.SliceChannel(sym.var("data"), num_outputs=steps, axis=0, squeeze_axis=True)
    h, w, u = sym.var("h"), sym.var("w"), sym.var("u")
    for t in range(steps):
        h = sym.tanh(sym.FullyConnected(x[t], w, no_bias=True, num_hidden=hidden) + sym.FullyConnected(h, u, no_bias=True, num_hidden=hidden))
    return h


def recurrent_arrays(steps, batch, hidden=16):
    rng = np.random.default_rng(0)
    shapes = {"data": (steps, batch, hidden), "h": (batch, hidden), "w": (hidden, hidden), "u": (hidden, hidden)}
    return {n: rng.normal(0, 0.5, s).astype("f") for n, s in shapes.items()}


def test_slices_of_an_input_take_no_memory():
    """Of 50 steps' inputs none is copied: what is kept is what each step makes."""
    steps, batch, hidden = 50, 32, 16
    net, value = unrolled(steps), batch * hidden * 4
    shapes = {"data": (steps, batch, hidden), "h": (batch, hidden)}
    plan = net.memory_plan(grad_req={n: "write" if n in "wu" else "null" for n in net.list_arguments()}, **shapes)
    assert plan.arena_bytes <= (steps + 6) * value


def test_slices_are_those_of_the_run():
    """A new input in the same array is seen, and so is one that is written between forward and backward: as by a layer that
    reads the array itself."""
    steps, arrays = 5, recurrent_arrays(5, 3)
    executor = bound(unrolled(steps), arrays)
    for seed in range(3):
        data = np.random.default_rng(seed).normal(0, 0.5, arrays["data"].shape).astype("f")
        executor.arg_dict["data"][:] = data
        executor.forward(is_train=False)
        h = arrays["h"]
        for x in data:
            h = np.tanh(x @ arrays["w"].T + h @ arrays["u"].T)
        np.testing.assert_allclose(executor.outputs[0].asnumpy(), h, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_gradients_of_a_shared_weight(dtype, monkeypatch):
    """Sums that are made in the gradient's own memory are those of separate terms; large enough ones to be made there."""
    steps, hidden = 9, 520  # 520 x 520 numbers: more than a megabyte
    arrays = {n: (a * 0.1).astype(dtype) for n, a in recurrent_arrays(steps, 4, hidden).items()}
    net = unrolled(steps, hidden)
    found, executor = results(net, arrays)
    x = {n: a.astype("float64") for n, a in arrays.items()}
    hs = [x["h"]]
    for t in range(steps):
        hs.append(np.tanh(x["data"][t] @ x["w"].T + hs[-1] @ x["u"].T))
    d, dw, du = np.ones_like(hs[-1]), 0, 0
    for t in reversed(range(steps)):
        a = d * (1 - hs[t + 1] ** 2)
        dw, du, d = dw + a.T @ x["data"][t], du + a.T @ hs[t], a @ x["u"]
    tolerance = {"float16": 2e-2, "float32": 1e-4, "float64": 1e-10}[dtype]
    for name, wanted in (("w", dw), ("u", du), ("h", d)):
        got = executor.grad_dict[name].asnumpy()
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max(), err_msg=name)
    monkeypatch.setenv("HEDDLE_PASSES", "-views")
    for a, b in zip(found, results(net, arrays)[0]):
        np.testing.assert_array_equal(a, b)


def test_sums_of_weights_take_no_memory():
    steps, hidden = 9, 520
    net, wanted = unrolled(steps, hidden), {"w": "write", "u": "write", "data": "null", "h": "null"}
    plan = net.memory_plan(grad_req=wanted, data=(steps, 4, hidden), h=(4, hidden))
    assert plan.arena_bytes < hidden * hidden * 4  # not even one term of them


def test_added_gradients_stay_added():
    """grad_req "add" to a shared weight: what was there counts once, run after run."""
    steps, hidden = 4, 520
    arrays = recurrent_arrays(steps, 4, hidden)
    once, _ = results(unrolled(steps, hidden), arrays)
    executor = bound(unrolled(steps, hidden), arrays, grad_req="add")
    for _ in range(2):
        executor.forward(is_train=True)
        executor.backward([nd.ones(o.shape) for o in executor.outputs])
    for name, wanted in zip(arrays, once[1:]):
        np.testing.assert_allclose(executor.grad_dict[name].asnumpy(), 2 * wanted, rtol=1e-4, atol=1e-4, err_msg=name)


def test_what_is_changed_is_no_view():
    """A slice of a weight is that of the weight before the step that changes it."""
    w = sym.var("w")
    part = sym.slice_axis(w, axis=0, begin=1, end=3)
    step = sym.sgd_update(w, sym.var("g"), lr=1.0)
    net = sym.Group([sym.identity(part * 1.0, name="part"), step])
    weight = np.arange(8, dtype="f").reshape(4, 2)
    executor = net.bind(mx.cpu(), {"w": nd.array(weight), "g": nd.ones((4, 2))}, grad_req="null")
    executor.forward()
    np.testing.assert_array_equal(executor.outputs[0].asnumpy(), weight[1:3])


def test_joined_channels_are_computed_in_place():
    """Four branches of one image: the joined value is their memory, so nothing else is live at the join."""
    x = sym.var("data")
    branches = [sym.Activation(sym.Convolution(x, num_filter=16, kernel=(k, k), pad=(k // 2, k // 2), name=f"c{i}"), act_type="relu")
                for i, k in enumerate((1, 3, 1, 3))]
    net = sym.Pooling(sym.concat(*branches, dim=1), kernel=(1, 1), global_pool=True, pool_type="max")
    executor = net.simple_bind(mx.cpu(), grad_req="null", data=(1, 16, 32, 32))
    for a in executor.arg_arrays:
        a[:] = mx.nd.random.normal(0, 0.2, shape=a.shape)
    executor.forward()
    found = executor.outputs[0].asnumpy()
    joined = 64 * 32 * 32 * 4
    assert executor.plan().arena_bytes < 2 * joined
    args = executor.arg_dict
    parts = [nd.relu(nd.Convolution(args["data"], args[f"c{i}_weight"], args[f"c{i}_bias"], num_filter=16, kernel=(k, k), pad=(k // 2, k // 2)))
             for i, k in enumerate((1, 3, 1, 3))]
    np.testing.assert_allclose(found, nd.concat(*parts, dim=1).max(axis=(2, 3), keepdims=True).asnumpy(), rtol=1e-4, atol=1e-5)


def test_hybrid_blocks_see_what_they_are_given():
    """Views of inputs of a hybridised block: each call's own arrays, also in its backward run."""
    class Cut(gluon.HybridBlock):
        def hybrid_forward(self, F, x):
            a, b, c = F.split(x, num_outputs=3, axis=0)
            return F.concat(a * b, b + c, F.reshape(c, shape=(-1, 4)), dim=0)

    net = Cut()
    net.hybridize()
    rng, outputs = np.random.default_rng(0), []
    for _ in range(3):
        x = nd.array(rng.normal(size=(6, 4)).astype("f"))
        x.attach_grad()
        with mx.autograd.record():
            y = net(x)
        outputs.append((x, y))
    for x, y in outputs:  # later calls have run meanwhile
        y.backward(nd.ones(y.shape))
        a, b, c = np.split(x.asnumpy(), 3)
        np.testing.assert_array_equal(y.asnumpy(), np.concatenate([a * b, b + c, c]))
        np.testing.assert_allclose(x.grad.asnumpy(), np.concatenate([b, a + 1, np.full_like(c, 2)]), rtol=1e-6)


def test_views_of_views(monkeypatch):
    """Reshapes of slices of joined values, each also read by itself."""
    rng = np.random.default_rng(0)
    x, z = sym.var("x"), sym.var("z")
    joined = sym.concat(sym.exp(x), sym.sin(z), sym.exp(x) * 2, dim=0)
    middle = sym.slice_axis(joined, axis=0, begin=2, end=6)
    flat = sym.reshape(middle, shape=(-1,))
    net = sym.Group([sym.sum(sym.relu(flat)) + sym.sum(middle * 3), sym.sum(sym.square(joined)), sym.concat(flat, flat * 2, dim=0)])
    arrays = {"x": rng.normal(size=(3, 16)).astype("f"), "z": rng.normal(size=(3, 16)).astype("f")}
    found, _ = results(net, arrays)
    monkeypatch.setenv("HEDDLE_PASSES", "-views,-pointwise")
    for a, b in zip(found, results(net, arrays)[0]):
        np.testing.assert_array_equal(a, b)


def test_a_gradient_that_adds_wants_shapes_that_fit():
    with pytest.raises(mx.MXNetError, match="_adding_backward_FullyConnected.*shape"):
        nd._internal._adding_backward_FullyConnected(*(nd.ones(s) for s in ((5, 72), (5, 4), (9, 4), (9, 4))), num_hidden=9)
