"""Convolution on blocks of channels takes lines of any length with tiles of few sizes."""
import os
import subprocess
import sys

import pytest

# Every length of a line, with one and with two blocks of filters, wide and few channels, and a sum that follows: a pixel
# that two tiles computed must be added and written once.
CODE = """
import numpy as np
import heddle as mx

random = np.random.RandomState(1)
for channels, filters in ((16, 16), (16, 32), (3, 48)):
    weight = random.randn(filters, channels, 2, 2).astype("float32")
    for width in range(1, 45):
        data = random.randn(2, channels, 4, width + 1).astype("float32")
        more = random.randn(2, filters, 3, width).astype("float32")
        net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(2, 2), num_filter=filters, no_bias=True, name="conv")
        net = mx.sym.Activation(net + mx.sym.Variable("more"), act_type="relu")
        bound = net.bind(mx.cpu(), {"data": mx.nd.array(data), "conv_weight": mx.nd.array(weight), "more": mx.nd.array(more)},
                         grad_req="null")
        windows = np.lib.stride_tricks.sliding_window_view(data.astype("float64"), (2, 2), axis=(2, 3))
        expected = np.maximum(np.einsum("nchwij,fcij->nfhw", windows, weight) + more, 0)
        for _ in range(2):
            found = bound.forward()[0].asnumpy()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=f"{channels} {filters} {width}")
"""


@pytest.mark.parametrize("level", ["v3", "v4"])
def test_lines_of_every_length(level):
    subprocess.run([sys.executable, "-c", CODE], check=True, env={**os.environ, "HEDDLE_ISA_LEVEL": level})
