"""Weights after training with less variance, in heddle and in the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/svrg.py WEIGHTS.json
"""
import importlib
import json
import pathlib
import sys
import warnings

import numpy as np


def weights(mx):
    """After two epochs on 24 rows, with one full gradient before the first.

    At the second full gradient MXNet adds what is left of the first, which Johnson and Zhang do not.
    """
    module = importlib.import_module(f"{mx.__name__}.contrib.svrg_optimization.svrg_module")
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(24, 3)).astype("float32"), rng.normal(size=24).astype("float32")
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, name="fc")
    net = mx.sym.LinearRegressionOutput(net, mx.sym.Variable("target"), name="out")
    mod = module.SVRGModule(net, label_names=("target",), update_freq=2)
    data = mx.io.NDArrayIter(x, y, 6, label_name="target")
    mod.bind(data.provide_data, data.provide_label)
    mod.init_params(mx.init.Zero())
    mod.init_optimizer(kvstore="local", optimizer="sgd", optimizer_params={"learning_rate": 0.1})
    mod.update_full_grads(data)
    for _ in range(2):
        data.reset()
        for batch in data:
            mod.forward_backward(batch)
            mod.update()
    return {name: array.asnumpy().tolist() for name, array in mod.get_params()[0].items()}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(weights(mxnet)))
