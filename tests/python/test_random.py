"""Draws with bad parameters fail like any task: at the read, with the line that asked for them, as in MXNet."""
import inspect
import re

import numpy as np
import pytest

import heddle as mx

BAD = {
    "uniform": (dict(low=3, high=1), "found low 3 and high 1"),
    "normal": (dict(loc=0, scale=-1), "found scale -1"),
    "gamma": (dict(alpha=-1, beta=1), "found alpha -1"),
    "exponential": (dict(scale=-1), "found lam -1"),
    "poisson": (dict(lam=-3), "found lam -3"),
    "negative_binomial": (dict(k=1, p=2), "found p 2"),
    "generalized_negative_binomial": (dict(mu=-1, alpha=1), "found mu -1"),
    "randint": (dict(low=5, high=2), "found low 5 and high 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_fail_at_the_read(name):
    given, text = BAD[name]
    bad, line = getattr(mx.nd.random, name)(shape=(2, 2), **given), inspect.currentframe().f_lineno
    good = mx.nd.random.uniform(shape=(2, 2))
    with pytest.raises(mx.MXNetError, match=rf"{re.escape(text)}.*test_random\.py:{line}"):
        bad.asnumpy()
    assert good.asnumpy().shape == (2, 2)
    mx.nd.waitall()  # it was told


def test_bad_parameters_of_a_bound_graph_fail_at_the_read():
    net = mx.sym.Variable("x") + mx.sym.random.normal(0, -2, shape=(3,))
    run = net.bind(mx.cpu(), {"x": mx.nd.ones((3,))})
    outputs = run.forward()
    with pytest.raises(mx.MXNetError, match="found scale -2"):
        outputs[0].asnumpy()


def masks(before):
    """What a layer draws in training after `before` ran, from one seed."""
    mx.random.seed(11)
    before()
    with mx.autograd.train_mode():
        return mx.nd.Dropout(mx.nd.ones(300), p=0.5).asnumpy()


def test_what_draws_nothing_leaves_the_stream():
    ones = mx.nd.ones((30, 4))
    x = mx.sym.Variable("x")
    graph = mx.sym.LeakyReLU(mx.sym.Dropout(x), act_type="rrelu").bind(mx.cpu(), {"x": ones})
    untouched = masks(lambda: None)
    for before in (lambda: mx.nd.Dropout(ones, p=0.3), lambda: mx.nd.LeakyReLU(ones, act_type="rrelu"),
                   lambda: mx.nd.LeakyReLU(ones, act_type="leaky"), lambda: graph.forward(is_train=False)):
        assert (masks(before) == untouched).all()
    for before in (lambda: mx.nd.Dropout(ones, p=0.3, mode="always"), lambda: graph.forward(is_train=True),
                   lambda: mx.nd.random.uniform(shape=(3,))):
        assert (masks(before) != untouched).any()
    with mx.autograd.train_mode():
        assert (masks(lambda: mx.nd.LeakyReLU(ones, act_type="elu")) == untouched).all()
        assert (masks(lambda: mx.nd.Dropout(ones, p=0)) == untouched).all()
        assert (masks(lambda: mx.nd.LeakyReLU(ones, act_type="rrelu")) != untouched).any()


def test_backward_after_a_prediction_draws_its_own_masks():
    ones = mx.nd.ones(400)
    bound = mx.sym.Dropout(mx.sym.Variable("x"), p=0.5).bind(mx.cpu(), {"x": ones}, args_grad={"x": mx.nd.zeros(400)})
    found = []
    for _ in range(2):
        mx.random.seed(4)
        bound.forward(is_train=True)
        bound.forward(is_train=False)
        bound.backward(mx.nd.ones(400))
        found.append(bound.grad_dict["x"].asnumpy())
        share = (found[-1] == 0).mean()
        assert 0.3 < share < 0.7
    assert (found[0] == found[1]).all()


def test_zipfian_classes():
    classes = mx.nd.array([3, 1])
    drawn, of_true, of_drawn = mx.nd.contrib.rand_zipfian(classes, 20000, 5)
    assert (drawn.dtype, of_true.dtype, drawn.shape, of_drawn.shape) == ("int64", "float64", (20000,), (20000,))
    expected = np.log((np.arange(5) + 2) / (np.arange(5) + 1)) / np.log(6) * 20000
    np.testing.assert_allclose(of_true.asnumpy(), expected[[3, 1]])
    np.testing.assert_allclose(of_drawn.asnumpy(), expected[drawn.asnumpy()])
    np.testing.assert_allclose(np.bincount(drawn.asnumpy(), minlength=5), expected, rtol=0.1)


def test_numbers_like_an_array():
    like = mx.nd.zeros((200, 100))
    for name, params, mean in (("uniform", {"low": 2, "high": 4}, 3), ("normal", {"loc": -1}, -1), ("exponential", {"lam": 2}, 0.5),
                               ("gamma", {"alpha": 3, "beta": 2}, 6), ("poisson", {"lam": 4}, 4),
                               ("negative_binomial", {"k": 2, "p": 0.5}, 2)):
        found = getattr(mx.nd.random, name + "_like")(like, **params)
        assert found.shape == like.shape
        assert abs(found.asnumpy().mean() - mean) < 0.1, name
        symbol = getattr(mx.sym.random, name + "_like")(mx.sym.Variable("x"), **params)
        assert symbol.infer_shape(x=(3, 2))[1] == [(3, 2)]


def drawn(ctx):
    return mx.nd.random.uniform(shape=(5000,), ctx=ctx).asnumpy()


def test_seeds_of_one_device_leave_the_others_alone():
    mx.random.seed(7)
    first, other = drawn(mx.cpu(0)), drawn(mx.cpu(1))
    assert not (first == other).any()  # a stream for each
    mx.random.seed(7)
    drawn(mx.cpu(0))
    mx.random.seed(3, ctx=mx.cpu(0))
    assert (drawn(mx.cpu(1)) == other).all()
    mx.random.seed(3, ctx=mx.cpu(1))
    again = drawn(mx.cpu(1))
    mx.random.seed(3, ctx=mx.cpu(0))
    assert (drawn(mx.cpu(0)) == again).all()  # equal seeds of single devices give equal streams
    for wrong in ("x", 1.5, None):
        with pytest.raises(ValueError, match="seed_state"):
            mx.random.seed(wrong)


def test_every_shuffle_follows_the_seed(no_seed):
    def orders():
        mx.random.seed(5)
        rows = mx.nd.arange(40)
        iterator = mx.io.NDArrayIter(rows.reshape((40, 1)), rows, batch_size=8, shuffle=True)
        found = [batch.label[0].asnumpy().tolist() for batch in iterator]
        iterator.reset()
        found += [batch.label[0].asnumpy().tolist() for batch in iterator]
        return found + [mx.nd.random.shuffle(rows).asnumpy().tolist(), mx.random.shuffle(rows).asnumpy().tolist()]

    once = orders()
    assert once == orders() and once[-1] != once[-2] and sorted(sum(once[:5], [])) == list(range(40))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_draws_into_an_array_have_its_dtype(dtype):
    out = mx.nd.zeros((100,), dtype=dtype)
    mx.nd.random.uniform(2, 3, out=out)
    assert out.dtype == dtype and 2 <= out.asnumpy().min() <= out.asnumpy().max() <= 3
    with pytest.raises(mx.MXNetError, match="expected float32"):
        mx.nd.random.uniform(2, 3, dtype="float32", out=out)
    net = mx.gluon.nn.Dense(2, in_units=3, dtype=dtype)
    net.initialize()
    assert net(mx.nd.ones((1, 3), dtype=dtype)).dtype == dtype
