"""What initializers put into arrays, in heddle and in the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/initializers.py VALUES.json
"""
import json
import pathlib
import sys
import warnings

import numpy as np

# Name, shape: by the rules of names.
NAMES = [("fc_weight", (2, 3)), ("fc_bias", (3,)), ("bn_gamma", (3,)), ("bn_beta", (3,)), ("bn_moving_mean", (3,)),
         ("bn_moving_var", (3,)), ("x_min", (1,)), ("x_max", (1,)), ("x_moving_inv_var", (2,)), ("x_moving_avg", (2,)),
         ("upsampling_weight", (1, 1, 4, 4)), ("stn_loc_weight", (2, 2)), ("stn_loc_bias", (6,)), ("parameters", (4,)),
         ("x_bias_quantize", (3,)), ("alpha", (1,))]
EXACT = [
    ("zero", lambda i: i.Zero(), (2, 3)), ("one", lambda i: i.create("ones"), (2, 3)),
    ("constant", lambda i: i.Constant(2.5), (3,)), ("constant-array", lambda i: i.Constant([1.0, 2.0, 3.0]), (3,)),
    ("bilinear", lambda i: i.Bilinear(), (2, 1, 4, 4)), ("bilinear-odd", lambda i: i.create("bilinear"), (1, 2, 5, 5)),
    ("bilinear-wide", lambda i: i.Bilinear(), (1, 1, 3, 6)),
    ("lstmbias", lambda i: i.LSTMBias(), (8,)), ("lstmbias-2", lambda i: i.LSTMBias(forget_bias=2.0), (12,)),
    ("fused-lstm", lambda i: i.FusedRNN(i.Constant(0.5), 3, 2, "lstm", True, 2.0), (2 * 12 * (4 + 3 + 2) + 2 * 12 * (6 + 3 + 2),)),
    ("fused-gru", lambda i: i.FusedRNN(i.One(), 3, 1, "gru"), (9 * (5 + 3 + 2),)),
    ("fused-tanh", lambda i: i.FusedRNN(i.Constant(3), 2, 1, "rnn_tanh"), (2 * (1 + 2 + 2),)),
]
RANDOM = [
    ("uniform", lambda i: i.Uniform(), (200, 300)), ("uniform-2", lambda i: i.create("uniform", scale=2), (200, 300)),
    ("normal", lambda i: i.Normal(), (200, 300)), ("normal-2", lambda i: i.Normal(sigma=2), (200, 300)),
    ("xavier", lambda i: i.Xavier(), (200, 300)), ("xavier-in", lambda i: i.Xavier(factor_type="in", magnitude=2), (100, 60, 3, 3)),
    ("xavier-gauss", lambda i: i.Xavier("gaussian", "out"), (100, 60, 3, 3)),
    ("msra", lambda i: i.MSRAPrelu(), (200, 300)), ("msra-in", lambda i: i.create("msraprelu", factor_type="in", slope=0.1), (200, 300)),
    ("orthogonal", lambda i: i.Orthogonal(), (60, 200)), ("orthogonal-normal", lambda i: i.Orthogonal(2.0, "normal"), (200, 60)),
    ("fused-uniform", lambda i: i.FusedRNN(None, 64, 1, "lstm"), (256 * (100 + 64 + 2),)),
]
DESCRIBED = [lambda i: i.Zero(), lambda i: i.One(), lambda i: i.Constant(3), lambda i: i.Uniform(), lambda i: i.Uniform(0.5),
             lambda i: i.Normal(2), lambda i: i.Orthogonal(), lambda i: i.Xavier("gaussian", "in", 2.5), lambda i: i.MSRAPrelu(),
             lambda i: i.Bilinear(), lambda i: i.LSTMBias(), lambda i: i.FusedRNN(i.Uniform(), 3, 1, "lstm")]


def filled(mx, init, name, shape):
    array = mx.nd.zeros(shape) - 7
    init(name, array)
    return array.asnumpy()


def outcome(mx, init, name, shape):
    """The values, or "error"."""
    try:
        return filled(mx, init, name, shape).ravel().tolist()
    except (ValueError, AssertionError):
        return "error"


def moments(values):
    values = values.astype("float64").ravel()
    return [values.mean(), values.std(), (np.abs(values) ** 3).mean() ** (1 / 3), np.abs(values).max()]


def values(mx):
    init, desc = mx.initializer, mx.initializer.InitDesc
    mx.random.seed(5)
    np.random.seed(5)
    own = json.dumps(["constant", {"value": 4}])
    found = {"exact": {}, "random": {}, "names": {}, "legacy": {}}
    for name, shape in NAMES:
        found["names"][name] = outcome(mx, init.Constant(9), desc(name), shape)
        found["legacy"][name] = outcome(mx, init.Constant(9), name, shape)
    for name, make, shape in EXACT:
        found["exact"][name] = outcome(mx, make(init), desc("x_weight", global_init=init.Uniform(0.1)), shape)
    for name, make, shape in RANDOM:
        array = filled(mx, make(init), desc("x_weight", global_init=init.Uniform(0.1)), shape)
        found["random"][name] = moments(array)
    found["attribute"] = outcome(mx, init.Zero(), desc("anything", {"__init__": own}), (2,))
    found["by class"] = outcome(mx, init.Zero(), desc("fc_bias", {"__init__": init.One().dumps()}), (2,))
    found["dumps"] = [make(init).dumps() for make in DESCRIBED]
    given = {"arg:a_weight": mx.nd.array([1, 2]), "aux:m": mx.nd.array([3])}
    load = init.Load(given, default_init=init.One())
    found["load"] = [outcome(mx, load, name, shape) for name, shape in (("a_weight", (2,)), ("m", (1,)), ("b_weight", (2,)),
                                                                        ("a_weight", (3,)))]
    mixed = init.Mixed(["fc", ".*bias", "bn"], [init.Constant(1), init.Constant(2), init.Constant(3)])
    found["mixed"] = [outcome(mx, mixed, name, (2,)) for name in ("fc_weight", "conv_bias", "bn_gamma", "conv_weight")]
    found["vector"] = outcome(mx, init.Xavier(), desc("x_weight"), (3,))
    return found


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(values(mxnet)))
