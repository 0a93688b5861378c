"""No recorded program ends the process, and no gradient is wrong without a word."""
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx

nd, autograd = mx.nd, mx.autograd
PROGRAMS = pathlib.Path(__file__).with_name("recorded_programs.py")


def test_random_programs():
    count = 150 * int(os.environ.get("HEDDLE_TEST_SCALE", 1))
    done = subprocess.run([sys.executable, PROGRAMS, "0", str(count)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2 * count  # of four that each could give: most were not refused


def leaf(*values):
    x = nd.array(values)
    x.attach_grad()
    return x


@pytest.mark.parametrize("product, gradient", [
    (lambda x, c: nd.linalg_gemm2(x, c), [[7, 7], [7, 7]]),
    (lambda x, c: nd.linalg_gemm2(c, x), [[6, 6], [8, 8]]),
    (lambda x, c: nd.linalg_gemm(x, c, c), [[7, 7], [7, 7]]),
    (lambda x, c: nd.dot(x, c), [[7, 7], [7, 7]]),
    (lambda x, c: nd.batch_dot(x.reshape((1, 2, 2)), c.reshape((1, 2, 2))), [[7, 7], [7, 7]]),
])
def test_nothing_is_computed_for_a_constant(product, gradient):
    x, c = leaf([1, 2], [3, 4]), nd.array([[3, 4], [3, 4]])
    with autograd.record():
        y = product(x, c)
    y.backward()
    assert x.grad.asnumpy().tolist() == gradient


@pytest.mark.parametrize("times, f, right", [
    (1, lambda x, c: x * c, [2, 3]), (2, lambda x, c: x * x * c, [4, 6]), (2, lambda x, c: c / x, [32, 6]),
    (3, lambda x, c: nd.exp(x) + c, [np.exp(0.5), np.exp(1)]), (1, lambda x, c: nd.where(c > 2, x, c), [0, 1]),
])
def test_gradients_of_gradients_beside_a_constant(times, f, right):
    x, c = leaf(0.5, 1), nd.array([2, 3])
    with autograd.record():
        y = f(x, c)
        for _ in range(times):
            y = autograd.grad(y, [x], create_graph=True, retain_graph=True)[0]
    np.testing.assert_allclose(y.asnumpy(), right, rtol=1e-5)


def set_whole(b, x):
    b[:] = x


def set_one(b, x):
    b[0] = x[0]


def set_rest(b, x):
    b[1:] = x[1:]


def set_list(b, x):
    b[[2, 0, 2]] = x


WRITES = [(lambda b, x: b.__iadd__(x), [1, 10, 100]), (lambda b, x: b.__isub__(x), [-1, -10, -100]),
          (lambda b, x: b.__imul__(x), [2, 20, 200]), (lambda b, x: b.__itruediv__(x), [-2, -5, -200 / 9]),
          (set_whole, [1, 10, 100]), (set_one, [1, 0, 0]), (set_rest, [0, 10, 100]),
          (set_list, [0, 1, 100]), (lambda b, x: x.copyto(b), [1, 10, 100]),
          (lambda b, x: nd.elemwise_add(x, b, out=b), [1, 10, 100])]


@pytest.mark.parametrize("write, right", WRITES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_written_in_place_carries_its_gradient(write, right, dtype):
    x, b = leaf(1, 2, 3), nd.ones(3, dtype=dtype) * 2
    weight = nd.array([1, 10, 100], dtype=dtype)
    with autograd.record():
        try:
            write(b, x)
        except mx.MXNetError:  # operators that want one dtype
            assert dtype == "float64"
            return
        (b * weight).sum().backward()
    np.testing.assert_allclose(x.grad.asnumpy(), right, rtol=1e-6)


def test_a_write_into_a_recorded_array_is_refused():
    x, b = leaf(1, 2), nd.ones(2)
    with autograd.record():
        b += x
        with pytest.raises(mx.MXNetError, match="Inplace operations"):
            b += x
        with pytest.raises(mx.MXNetError, match="Inplace operations"):
            b[0] = 1


def test_a_write_through_a_view_is_refused():
    x, b = leaf(1, 2), nd.ones((2, 2))
    view = b[0]
    with autograd.record(), pytest.raises(mx.MXNetError, match="cannot be written into a view"):
        view[:] = x


def test_a_view_of_what_was_written_is_refused():
    x, b = leaf(1, 2), nd.ones(2)
    before, constant = b[0:1], b[0:1].detach()
    with autograd.record():
        b += x
        with pytest.raises(mx.MXNetError, match="view of an array that was written"):
            before * 2
        (constant * 2 + b[0:1]).backward()
    assert x.grad.asnumpy().tolist() == [1, 0]


def test_what_the_gradient_reads_outlives_a_write_over_it():
    x, b = leaf(1, 2), nd.array([3, 5])
    with autograd.record():
        b *= x
        b.backward()
    assert x.grad.asnumpy().tolist() == [3, 5]


@pytest.mark.parametrize("shape, axis", [((0, 3), 0), ((2, 0), 1), ((0, 2, 3), 0)])
def test_the_last_of_no_steps(shape, axis):
    with pytest.raises(mx.MXNetError, match=r"\[SequenceLast\] data has shape .*, expected one step or more"):
        nd.SequenceLast(nd.zeros(shape), axis=axis)


@pytest.mark.parametrize("length, masked", [(1e18, [1, 1]), (float("nan"), [0, 0]), (-1e30, [0, 0]), (1, [1, 0])])
def test_lengths_of_any_size(length, masked):
    x = nd.ones((2, 1))
    assert nd.SequenceMask(x, nd.array([length]), use_sequence_length=True).asnumpy().ravel().tolist() == masked


def test_an_executor_computes_nothing_for_a_constant():
    a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
    bound = mx.sym.linalg_gemm2(a, b).bind(mx.cpu(), {"a": nd.ones((2, 2)), "b": nd.ones((2, 2)) * 3},
                                           args_grad={"a": nd.zeros((2, 2))}, grad_req={"a": "write", "b": "null"})
    bound.forward(is_train=True)
    bound.backward(nd.ones((2, 2)))
    assert bound.grad_dict["a"].asnumpy().tolist() == [[6, 6], [6, 6]]


def test_the_gradient_of_elements_written_twice_goes_to_the_later():
    x, lhs = leaf(1, 2, 3), leaf(5, 6)
    with autograd.record():
        y = nd._internal._scatter_set_nd(lhs, x, nd.array([[1, 0, 1]]), shape=(2,))
        (y * nd.array([10, 100])).backward()
    assert x.grad.asnumpy().tolist() == [0, 10, 100] and lhs.grad.asnumpy().tolist() == [0, 0]


@pytest.mark.parametrize("a, b, kw", [((2, 0), (0, 3), {}), ((0, 2), (0, 3), {"transpose_a": True}), ((0,), (0,), {}),
                                      ((2, 0), (3, 0), {"transpose_b": True})])
def test_a_product_over_nothing_is_zero(a, b, kw):
    x, y = nd.zeros(a), nd.zeros(b)
    out = nd.dot(x, y, **kw)
    out[:] = 7
    nd.dot(x, y, out=out, **kw)
    assert not out.asnumpy().any()


def test_an_array_of_nothing_has_a_gradient():
    x = nd.zeros((0, 3))
    x.attach_grad()
    with autograd.record():
        y = (x * 2).sum()
    y.backward()
    assert x.grad.shape == (0, 3) and y.asscalar() == 0
