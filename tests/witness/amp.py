"""Networks converted to mixed precision, by heddle and by the real MXNet: the same program for both.

    MXNET_PYTHON tests/witness/amp.py SEEN.json
"""
import json
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")


def residual(sym):
    """Products, statistics, sums of both types, a nonlinearity that depends on a parameter, and a loss."""
    x = sym.Convolution(sym.var("data"), num_filter=4, kernel=(3, 3), name="c1")
    y = sym.Activation(sym.BatchNorm(x, name="bn"), act_type="relu", name="r")
    both = sym.elemwise_add(sym.Convolution(y, num_filter=4, kernel=(1, 1), name="c2"), y, name="plus")
    joined = sym.Concat(both, y, sym.exp(y, name="e"), name="joined")
    out = sym.Activation(sym.FullyConnected(joined, num_hidden=3, name="fc"), act_type="softrelu", name="soft")
    return sym.SoftmaxOutput(out, name="softmax")


def shared(sym):
    """One tensor, and one weight, read by several in different types."""
    x, w = sym.var("data"), sym.var("w")
    one = sym.FullyConnected(x, w, no_bias=True, num_hidden=4, name="one")
    two = sym.FullyConnected(one, w, no_bias=True, num_hidden=4, name="two")
    norm = sym.norm(w, name="size")
    return sym.Group([sym.broadcast_mul(two, norm, name="times"), sym.softmax(one, name="p")])


def chain(sym):
    """What takes its inputs as they come, between what does not."""
    x = sym.Pooling(sym.var("data"), kernel=(2, 2), pool_type="max", name="pool")
    x = sym.Deconvolution(x, num_filter=2, kernel=(2, 2), name="up")
    x = sym.Dropout(sym.Flatten(x, name="flat"), p=0.5, name="drop")
    a, b = (sym.FullyConnected(x, num_hidden=4, name=name) for name in "ab")
    a = sym.LeakyReLU(a, act_type="elu", name="elu")
    many = sym.add_n(a, b, sym.LeakyReLU(b, act_type="leaky", name="leaky"), name="many")
    return sym.Group([sym.stack(many, sym.square(b, name="sq"), name="both"), sym.clip(b, a_min=0, a_max=1, name="cut")])


NETWORKS = {"residual": residual, "shared": shared, "chain": chain}
OPTIONS = {
    "plain": {}, "inputs named": {"data_names": ["data"]}, "narrow parameters": {"data_names": ["data"], "cast_optional_params": True},
    "excluded": {"excluded_sym_names": ["c2", "two", "b"]},
    "other lists": {"target_dtype_ops": ["FullyConnected", "Convolution", "Deconvolution"], "fp32_ops": ["BatchNorm", "SoftmaxOutput", "softmax", "norm", "square", "exp"],
                    "conditional_fp32_ops": [("Activation", "act_type", ["relu"])]},
}


def nodes(symbol):
    # MXNet calls the output of some operators "0" in the names of casts.
    graph = json.loads(symbol.tojson(remove_amp_cast=False).replace("_0_amp_cast", "_output_amp_cast"))
    found = graph["nodes"]
    return {"nodes": [[n["op"], n["name"], n.get("attrs", {}), [[found[i[0]]["name"], i[1]] for i in n["inputs"]]] for n in found],
            "heads": [[found[h[0]]["name"], h[1]] for h in graph["heads"]]}


def converted(mx):
    """Network and options to the nodes of the result, None where it raises."""
    found = {}
    for name, make in NETWORKS.items():
        for how, options in OPTIONS.items():
            try:
                found[f"{name}: {how}"] = nodes(mx.contrib.amp.convert_symbol(make(mx.sym), "float16", **options))
            except mx.MXNetError:
                found[f"{name}: {how}"] = None
    return found


if __name__ == "__main__":
    import mxnet
    import mxnet.contrib.amp
    pathlib.Path(sys.argv[1]).write_text(json.dumps(converted(mxnet)))
