"""Draws with bad parameters fail like any task: at the read, with the line that asked for them, as in MXNet."""
import inspect
import re

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
