"""Recurrent networks, asked of both sides: their graphs, outputs, gradients, packed weights and batches.

    MXNET_PYTHON tests/witness/rnn.py ANSWERS.json
"""
import json
import pathlib
import random
import sys
import tempfile
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def stack(mx, prefix=""):
    """An LSTM, dropout of nothing and a GRU above each other."""
    cells = mx.rnn.SequentialRNNCell()
    for cell in (mx.rnn.LSTMCell(3, f"{prefix}a_"), mx.rnn.DropoutCell(0.0), mx.rnn.GRUCell(3, f"{prefix}b_")):
        cells.add(cell)
    return cells


def both_ways(mx, **kwargs):
    return mx.rnn.BidirectionalCell(mx.rnn.LSTMCell(3, "l_"), mx.rnn.GRUCell(3, "r_"), **kwargs)


def fused(mx, mode="lstm", layers=2, **kwargs):
    return mx.rnn.FusedRNNCell(3, layers, mode, **kwargs)


CELLS = {
    "rnn": lambda mx: mx.rnn.RNNCell(3), "relu": lambda mx: mx.rnn.RNNCell(3, "relu", "x_"),
    "lstm": lambda mx: mx.rnn.LSTMCell(3, forget_bias=2.0), "gru": lambda mx: mx.rnn.GRUCell(3), "stack": stack,
    "bidirectional": both_ways, "both fused": lambda mx: mx.rnn.BidirectionalCell(fused(mx, prefix="l_"), fused(mx, prefix="r_")),
    "zoneout": lambda mx: mx.rnn.ZoneoutCell(mx.rnn.RNNCell(3), 0.2, 0.3),
    "zoneout of states": lambda mx: mx.rnn.ZoneoutCell(mx.rnn.LSTMCell(3), 0, 0.3),
    "residual": lambda mx: mx.rnn.ResidualCell(mx.rnn.RNNCell(3)), "residual fused": lambda mx: mx.rnn.ResidualCell(fused(mx)),
    "residual both": lambda mx: mx.rnn.ResidualCell(mx.rnn.BidirectionalCell(mx.rnn.GRUCell(2, "l_"), mx.rnn.RNNCell(1, prefix="r_"))),
    "dropout": lambda mx: mx.rnn.DropoutCell(0.5),
    "fused lstm": lambda mx: fused(mx, bidirectional=True, get_next_state=True, dropout=0.5),
    "fused gru": lambda mx: fused(mx, "gru"), "fused relu": lambda mx: fused(mx, "rnn_relu", bidirectional=True),
    "fused tanh": lambda mx: fused(mx, "rnn_tanh", get_next_state=True, prefix="t_"),
    "unfused lstm": lambda mx: fused(mx, dropout=0.4).unfuse(), "unfused gru": lambda mx: fused(mx, "gru", bidirectional=True).unfuse(),
    "unfused relu": lambda mx: fused(mx, "rnn_relu", bidirectional=True, dropout=0.1).unfuse(),
    "shared": lambda mx: mx.rnn.GRUCell(3, params=mx.rnn.RNNParams("shared_")),
}
CONVOLUTIONS = {f"{name} {way}": (name, options) for name in ("ConvRNNCell", "ConvLSTMCell", "ConvGRUCell")
                for way, options in (("plain", {}), ("changed", {"activation": "tanh", "h2h_kernel": (5, 3), "h2h_dilate": (2, 1),
                                                                 "i2h_pad": (0, 1), "i2h_stride": (2, 1), "prefix": "c_"}))}
PICTURES = (2, 2, 8, 8)


def listed(symbols):
    """One list of symbols, from lists in lists."""
    return [s for part in symbols for s in listed(part)] if isinstance(symbols, (list, tuple)) else [symbols]


def graph(mx, heads):
    """The nodes of a group: operator, name, attributes, inputs."""
    group = mx.sym.Group(listed(heads))
    nodes = json.loads(group.tojson())["nodes"]
    made = [[n["op"], n["name"], n.get("attrs", {}), [i[:2] for i in n["inputs"]]] for n in nodes]
    return {"nodes": made, "outputs": group.list_outputs(), "arguments": group.list_arguments()}


def graphs(mx):
    """The graphs of all cells, layouts and ways to merge."""
    found = {}
    for name, make in CELLS.items():
        for layout in ("NTC", "TNC"):
            for merge in (None, True, False):
                for given in ("one", "steps"):
                    with mx.name.NameManager():
                        inputs = mx.sym.Variable("data") if given == "one" else [mx.sym.Variable(f"in{t}") for t in range(2)]
                        cell = make(mx)
                        outputs, states = cell.unroll(2, inputs, layout=layout, merge_outputs=merge)
                        case = graph(mx, listed(outputs) + listed(states))
                        case["again"] = [s.name for s in listed(cell.unroll(2, inputs, layout=layout, merge_outputs=False)[0])]
                        case["counted"] = mx.sym.zeros((2, 2)).name
                        case["info"] = [[list(i["shape"]), i["__layout__"]] for i in cell.state_info]
                    found[f"{name} {layout} {merge} {given}"] = case
    for name, (kind, options) in CONVOLUTIONS.items():
        with mx.name.NameManager():
            cell = getattr(mx.rnn, kind)(PICTURES, 4, **options)
            output, states = cell(mx.sym.Variable("data"), cell.begin_state())
            found[name] = {**graph(mx, [output, *states]), "info": [[list(i["shape"]), i["__layout__"]] for i in cell.state_info]}
    return found


def last_channels(mx):
    """What is inferred of cells whose channels come last. MXNet runs them on GPUs only, and its GRU not at all."""
    found = {}
    for kind in ("ConvRNNCell", "ConvLSTMCell"):
        cell = getattr(mx.rnn, kind)((2, 8, 7, 3), 4, i2h_stride=(2, 1), conv_layout="NHWC")
        outputs, states = cell.unroll(2, [mx.sym.Variable("in0"), mx.sym.Variable("in1")])
        group = mx.sym.Group([*outputs, *states])
        args, made, _ = group.infer_shape(in0=(2, 8, 7, 3), in1=(2, 8, 7, 3))
        found[kind] = {"info": [[list(i["shape"]), i["__layout__"]] for i in cell.state_info], "outputs": group.list_outputs(),
                       "arguments": dict(zip(group.list_arguments(), map(list, args))), "made": [list(s) for s in made]}
    return found


def run(mx, symbol, shapes, seed=3):
    """Outputs and gradients of a symbol on numbers that the names decide."""
    executor = symbol.simple_bind(mx.cpu(), **shapes)
    for name in sorted(executor.arg_dict):
        array = executor.arg_dict[name]
        array[:] = np.random.RandomState(seed + sum(map(ord, name))).uniform(-1, 1, array.shape)
    outputs = executor.forward(is_train=True)
    executor.backward([mx.nd.array(np.cos(np.arange(o.size)).reshape(o.shape)) for o in outputs])
    found = {f"out{i}": o for i, o in enumerate(outputs)}
    found.update({f"grad {name}": a for name, a in executor.grad_dict.items()})
    return {name: np.round(a.asnumpy().astype(float), 7).tolist() for name, a in found.items()}


SURE = ["rnn", "relu", "lstm", "gru", "stack", "bidirectional", "both fused", "residual", "residual fused", "fused gru", "fused relu",
        "fused tanh", "unfused gru", "shared"]


def numbers(mx):
    """Outputs and gradients of the cells that draw no random numbers."""
    found = {}
    for name in SURE:
        outputs, states = CELLS[name](mx).unroll(3, mx.sym.Variable("data"), layout="TNC", merge_outputs=True)
        found[name] = run(mx, mx.sym.Group(listed([outputs, states])), {"data": (3, 2, 3)})
    for name, (kind, options) in CONVOLUTIONS.items():
        cell = getattr(mx.rnn, kind)(PICTURES, 4, **options)
        outputs, _ = cell.unroll(2, [mx.sym.Variable(f"in{t}") for t in range(2)])
        found[name] = run(mx, mx.sym.Group(outputs), {f"in{t}": PICTURES for t in range(2)})
    return found


def weights(mx):
    """What unpacking makes of weights, and packing of that."""
    found = {}
    for name in ("lstm", "gru", "rnn", "fused lstm", "fused gru", "stack", "bidirectional", "zoneout"):
        cell = CELLS[name](mx)
        symbol = cell.unroll(1, mx.sym.Variable("data"), layout="TNC", merge_outputs=True)[0]
        shapes, _, _ = symbol.infer_shape(data=(1, 2, 4))
        args = {n: mx.nd.array(np.random.RandomState(len(n)).rand(*s)) for n, s in zip(symbol.list_arguments(), shapes)}
        apart = cell.unpack_weights(args)
        together = cell.pack_weights(apart)
        found[name] = {kind: {n: np.round(a.asnumpy().astype(float), 7).tolist() for n, a in arrays.items()}
                       for kind, arrays in (("given", args), ("apart", apart), ("together", together))}
    return found


def described(descriptions):
    return [[d.name, list(d.shape), np.dtype(d.dtype).name, d.layout] for d in descriptions]


def batches(mx):
    """Two epochs of sentences, in both layouts, in an order that the seeds decide."""
    sentences = [[1, 2, 3], [4, 5], [6, 7, 8, 9], [1, 2], [3, 4], [1] * 11, [5, 6, 7], [2]]
    found = {}
    for name, options in {"NT": {"buckets": [4, 2]}, "TN": {"layout": "TN", "buckets": [2, 4], "invalid_label": 0},
                          "NTC": {"layout": "NTC", "dtype": "int32", "data_name": "x", "label_name": "y"}}.items():
        random.seed(3)
        np.random.seed(4)
        data = mx.rnn.BucketSentenceIter(sentences, 2, **options)
        epochs = []
        for _ in range(2):
            epochs.append([[b.bucket_key, b.data[0].asnumpy().tolist(), b.label[0].asnumpy().tolist(), b.pad,
                            described(b.provide_data + b.provide_label)] for b in data])
            data.reset()
        found[name] = {"epochs": epochs, "described": described(data.provide_data + data.provide_label),
                       "buckets": list(map(int, data.buckets)), "default": int(data.default_bucket_key)}
    return found


def sentences(mx):
    """Words as numbers, with every argument."""
    text = [["a", "b"], ["b", "c"]]
    ways = [{}, {"start_label": 1, "invalid_label": 0}, {"invalid_label": 1, "invalid_key": "none"},
            {"vocab": {"a": 1, "b": 2}, "unknown_token": "u"}]
    return {str(i): list(mx.rnn.encode_sentences(text, **way)) for i, way in enumerate(ways)}


def initial(mx):
    """What the initializers of recurrent networks fill in, and how they describe themselves."""
    found = {}
    for mode, count in (("lstm", 4), ("gru", 3)):
        init = mx.init.FusedRNN(None, 2, 1, mode, forget_bias=3.0)
        array = mx.nd.zeros((2 * count * 5 + 4 * count,))
        mx.init.One()(mx.init.InitDesc(f"{mode}_parameters", {"__init__": init.dumps()}, mx.init.One()), array)
        found[mode] = [init.dumps(), array.asnumpy().tolist()]
    bias = mx.nd.ones((8,))
    mx.init.One()(mx.init.InitDesc("x_bias", {"__init__": mx.init.LSTMBias(2.0).dumps()}), bias)
    return {**found, "bias": bias.asnumpy().tolist(), "nested": mx.init.FusedRNN(mx.init.Xavier(), 2, 1, "lstm").dumps()}


def files(mx):
    """The names in a checkpoint, and what comes back."""
    with tempfile.TemporaryDirectory() as folder:
        cell = fused(mx)
        symbol = cell.unroll(2, mx.sym.Variable("data"))[0]
        args = {"lstm_parameters": mx.nd.arange(0, 24 * 2 + 72 + 12 * 6 + 12 * 2)}
        mx.rnn.do_rnn_checkpoint(cell, f"{folder}/net", 2)(1, symbol, args, {})
        names = sorted(mx.nd.load(f"{folder}/net-0002.params"))
        _, back, aux = mx.rnn.load_rnn_checkpoint([cell], f"{folder}/net", 2)
    return {"names": names, "back": {n: a.asnumpy().tolist() for n, a in back.items()}, "aux": aux}


QUESTIONS = [graphs, last_channels, numbers, weights, batches, sentences, initial, files]


def answers(mx):
    """Everything, as JSON would have it."""
    return json.loads(json.dumps({question.__name__: question(mx) for question in QUESTIONS}))


if __name__ == "__main__":
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(answers(mxnet)))
