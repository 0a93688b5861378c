"""Tables and pictures of networks, by heddle and by the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/summaries.py TEXTS.json
"""
import contextlib
import io
import json
import pathlib
import sys
import warnings


def mlp(sym):
    x = sym.Variable("data")
    for i in range(2):
        x = sym.Activation(sym.FullyConnected(x, num_hidden=10 * (i + 1), name=f"fc{i}"), act_type="relu", name=f"relu{i}")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, no_bias=True, name="last"), name="softmax")


def lenet(sym):
    x = sym.Variable("data")
    for i in range(2):
        x = sym.Convolution(x, kernel=(5, 5), num_filter=20, stride=(1, 1), pad=(i, i), no_bias=i == 1, name=f"conv{i}")
        x = sym.BatchNorm(x, name=f"bn{i}", fix_gamma=False)
        x = sym.LeakyReLU(sym.Activation(x, act_type="tanh", name=f"tanh{i}"), act_type="leaky", name=f"leaky{i}")
        x = sym.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{i}")
    x = sym.Dropout(sym.Flatten(x, name="flat"), p=0.5, name="drop")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=10, name="fc"), name="softmax")


def block(sym):
    x = sym.Variable("data")
    a = sym.Convolution(x, kernel=(3, 3), num_filter=4, pad=(1, 1), num_group=2, name="a")
    b = sym.Pooling(x, kernel=(3, 3), pool_type="avg", pad=(1, 1), stride=(1, 1), name="b")
    both = sym.Concat(a, b, a, dim=1, name="cat")
    halves = sym.SliceChannel(both, num_outputs=2, name="halves")
    out = sym.elemwise_add(halves[0], halves[1], name="plus")
    return sym.Reshape(sym.Pooling(out, global_pool=True, kernel=(1, 1), pool_type="max", name="g"), shape=(0, -1), name="r")


def words(sym):
    x = sym.Embedding(sym.Variable("data"), input_dim=50, output_dim=8, name="embed")
    return sym.LinearRegressionOutput(sym.FullyConnected(x, num_hidden=1, name="fc"), sym.Variable("score_label"), name="out")


NETWORKS = {"mlp": (mlp, {"data": (4, 6)}), "lenet": (lenet, {"data": (2, 1, 28, 28)}), "block": (block, {"data": (1, 4, 8, 8)}),
            "words": (words, {"data": (2, 5)})}
LAYOUTS = [{}, {"line_length": 98}, {"line_length": 100, "positions": [30, 55, 70, 100]}]


def printed(mx, network, **options):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        mx.viz.print_summary(network, **options)
    return out.getvalue()


def texts(mx):
    found = {}
    for name, (make, shape) in NETWORKS.items():
        network = make(mx.sym)
        found[name] = [printed(mx, network, shape=shape, **options) for options in LAYOUTS] + [printed(mx, network)]
        found[f"plot {name}"] = [
            mx.viz.plot_network(network, title=name, **options).source
            for options in ({}, {"shape": shape}, {"hide_weights": False, "node_attrs": {"shape": "oval", "fixedsize": "false"}})]
    return found


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(texts(mxnet)))
