"""Recording, gradients, and the flags."""
import threading

import numpy as np
import pytest

import heddle as mx
from heddle import autograd, nd
from heddle.contrib import autograd as old_autograd


def leaf(value):
    x = nd.array(value)
    x.attach_grad()
    return x


def test_flags_nest_and_come_back():
    assert not autograd.is_recording() and not autograd.is_training()
    with autograd.record():
        assert autograd.is_recording() and autograd.is_training()
        with autograd.pause():
            assert not autograd.is_recording() and not autograd.is_training()
            with autograd.train_mode():
                assert not autograd.is_recording() and autograd.is_training()
        with autograd.predict_mode():
            assert autograd.is_recording() and not autograd.is_training()
        assert autograd.is_recording() and autograd.is_training()
    with autograd.record(train_mode=False):
        assert autograd.is_recording() and not autograd.is_training()
    with pytest.raises(KeyError):
        with autograd.record():
            raise KeyError
    assert not autograd.is_recording() and not autograd.is_training()
    assert autograd.set_recording(True) is False and autograd.set_recording(False) is True


def test_flags_belong_to_threads():
    seen = []
    with autograd.record():
        thread = threading.Thread(target=lambda: seen.append(autograd.is_recording()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_backward():
    x, w = leaf([[1., 2], [3, 4]]), leaf([[0.5, -1]])
    with autograd.record():
        y = nd.exp(x * 0.1) * w
        z = nd.dot(y, y, transpose_b=True).sum()
    z.backward()
    a, b = np.array([[1., 2], [3, 4]]), np.array([[0.5, -1]])
    e = np.exp(a * 0.1)
    dy = 2 * np.ones((2, 2)) @ (e * b)
    np.testing.assert_allclose(x.grad.asnumpy(), dy * b * e * 0.1, rtol=1e-5)
    np.testing.assert_allclose(w.grad.asnumpy(), (dy * e).sum(0, keepdims=True), rtol=1e-5)


def test_head_gradients():
    x = leaf([1, 2, 3])
    with autograd.record():
        y = x * x
    y.backward(nd.array([1, 10, 100]))
    assert x.grad.tolist() == [2, 40, 600]
    with autograd.record():
        y, z = x * 2, x * 3
    autograd.backward([y, z], [nd.array([1, 1, 1]), None])
    assert x.grad.tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match="head gradients"):
        autograd.backward([y, z], [None])


def test_grad_req():
    x = nd.array([1., 2])
    x.attach_grad(grad_req="add")
    for _ in range(3):
        with autograd.record():
            y = x * 2
        y.backward()
    assert x.grad.tolist() == [6, 6]
    x.grad[:] = 0
    with autograd.record():
        y = x * 2
    y.backward()
    assert x.grad.tolist() == [2, 2]
    x.attach_grad("null")
    with pytest.raises(ValueError, match="sometimes"):
        x.attach_grad("sometimes")


def test_graph_is_freed_unless_retained():
    x = leaf([2.])
    with autograd.record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4]
    with pytest.raises(mx.MXNetError, match="retain_graph"):
        y.backward()
    with pytest.raises(mx.MXNetError, match="autograd.record"):
        nd.ones((1,)).backward()


def test_grad_returns_and_differentiates_again():
    x = leaf([1., 2, 3])
    with autograd.record():
        y = x ** 3
        first, = autograd.grad(y, x, create_graph=True)
        total = first.sum()
    total.backward()
    assert first.tolist() == [3, 12, 27]
    np.testing.assert_allclose(x.grad.asnumpy(), [6, 12, 18], rtol=1e-5)
    z = leaf([2.])
    with autograd.record():
        y = x.sum() * z
    gx, gz = autograd.grad(y, [x, z])
    assert gx.tolist() == [2, 2, 2] and gz.tolist() == [6]


def test_detach_and_blocks():
    x = leaf([3.])
    with autograd.record():
        y = x * x.detach() + nd.BlockGrad(x) * x
    y.backward()
    assert x.grad.tolist() == [6]
    with autograd.record():
        y = x * 2
        with autograd.pause():
            z = y * 3
    with pytest.raises(mx.MXNetError):
        z.backward()


def test_copies_views_and_casts_are_differentiable():
    x = leaf([[1., 2], [3, 4]])
    with autograd.record():
        y = x.copy().astype("float64").reshape((4,))[1:3] * 5
        z = x[1].as_in_context(mx.cpu(0)).copyto(mx.cpu(0)).sum() + y.astype("float32").sum()
    z.backward()
    assert x.grad.tolist() == [[0, 5], [6, 1]]


def test_mark_variables():
    x, g = nd.array([1., 2]), nd.zeros((2,))
    autograd.mark_variables(x, g)
    with autograd.record():
        y = x * x
    y.backward()
    assert g.tolist() == [2, 4] and x.grad.tolist() == [2, 4]
    with pytest.raises(ValueError, match="variables"):
        autograd.mark_variables([x], [g, g])


def test_training_mode_reaches_the_operators():
    mx.random.seed(0)
    x = nd.ones((1000,))
    assert nd.Dropout(x, p=0.5).tolist() == x.tolist()
    with autograd.record():
        dropped = nd.Dropout(x, p=0.5)
    with autograd.record(train_mode=False):
        kept = nd.Dropout(x, p=0.5)
    assert 0 < (dropped == 0).sum().asscalar() < 1000 and kept.tolist() == x.tolist()


def test_the_interface_of_0_10():
    def f(x, y):
        return x * x * y

    x, y = nd.array([3.]), nd.array([5.])
    grads, loss = old_autograd.grad_and_loss(f)(x, y)
    assert [g.tolist() for g in grads] == [[30], [9]] and loss.tolist() == [45]
    assert [g.tolist() for g in old_autograd.grad(f, argnum=1)(x, y)] == [[9]]
    with old_autograd.train_section():
        assert autograd.is_recording() and autograd.is_training()
        with old_autograd.test_section():
            assert not autograd.is_recording()
    assert not autograd.is_recording()


def test_what_was_recorded_is_a_symbol():
    x, w = mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([[5, 6], [7, 8]])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.exp(mx.nd.dot(x, w) * 0.1) + x
    symbol = mx.autograd.get_symbol(y)
    assert symbol.list_arguments() == ["var0", "var1"]
    found = mx.sym.load_json(symbol.tojson()).eval(mx.cpu(), var0=x, var1=w)[0]
    np.testing.assert_array_equal(found.asnumpy(), y.asnumpy())
    with pytest.raises(mx.MXNetError, match="not in a computational graph"):
        mx.autograd.get_symbol(mx.nd.ones((1,)))
