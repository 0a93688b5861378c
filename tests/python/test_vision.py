"""Operators on images and regions: what a row of tests/ops cannot say."""
import numpy as np

import heddle as mx


def test_sparse_regularisation_moves_its_average_in_backward():
    x = np.random.default_rng(0).uniform(0.1, 0.9, (4, 6)).astype("float32")
    net = mx.sym.IdentityAttachKLSparseReg(mx.sym.Variable("x"), penalty=0.01, name="reg").simple_bind(mx.cpu(), x=(4, 6))
    net.arg_dict["x"][:] = x
    net.aux_dict["reg_moving_avg"][:] = 0.3
    net.forward(is_train=True)
    assert np.allclose(net.aux_dict["reg_moving_avg"].asnumpy(), 0.3)
    net.backward([mx.nd.zeros((4, 6))])
    average = 0.9 * 0.3 + 0.1 * x.mean(0)
    np.testing.assert_allclose(net.aux_dict["reg_moving_avg"].asnumpy(), average, rtol=1e-5)
    wanted = np.broadcast_to(0.01 * (0.9 / (1 - average) - 0.1 / average), (4, 6))
    np.testing.assert_allclose(net.grad_dict["x"].asnumpy(), wanted, rtol=1e-4)
