"""What gluon computes: for MXNet and heddle alike, run with the folder that files go to.

Every question is a function of the package that returns what can be written as JSON. Parameters are set to numbers that
follow from their names, so both sides have the same.
"""
import json
import pathlib
import sys
import zlib

import numpy as np


def numbers(name, shape, scale=0.5):
    """The same for the same name, on both sides."""
    rng = np.random.RandomState(zlib.crc32(name.encode()) % 2**31)
    return rng.uniform(-scale, scale, shape).astype("float32")


def rounded(array):
    a = array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)
    return [list(a.shape), [float(f"{v:.7g}") for v in a.ravel()[:400].astype("float64")]]


def set_parameters(net):
    for name, p in sorted(net.collect_params().items()):
        values = numbers(name, p.shape)
        if name.endswith("running_var"):
            values = abs(values) + 0.5
        p.set_data(mx_array(values))


mx_array = None


def flat(out):
    if isinstance(out, (list, tuple)):
        return [a for o in out for a in flat(o)]
    return [out]


def answers(mx, net, *inputs, hybrid=False, train=True, integers=()):
    """Names and shapes of parameters, outputs, and gradients of everything."""
    global mx_array
    mx_array = mx.nd.array
    net.initialize()
    arrays = [mx.nd.array(i) if isinstance(i, np.ndarray) else [mx.nd.array(j) for j in i] for i in inputs]
    if hybrid:
        net.hybridize(static_alloc=True)
    net(*arrays)
    set_parameters(net)
    leaves = [a for k, a in enumerate(arrays) if not isinstance(a, list) and k not in integers]
    for a in leaves:
        a.attach_grad()
    with mx.autograd.record(train_mode=train):
        outs = flat(net(*arrays))
        total = sum((o * (k + 1)).sum() for k, o in enumerate(outs))
    total.backward()
    found = {"names": {n: list(p.shape) for n, p in net.collect_params().items()},
             "outputs": [rounded(o) for o in outs], "inputs": [rounded(a.grad) for a in leaves],
             "gradients": {n: rounded(p.grad()) for n, p in net.collect_params().items() if p.grad_req != "null"},
             "states": {n: rounded(p.data()) for n, p in net.collect_params().items() if p.grad_req == "null"}}
    return found


IMAGE, VECTOR, SERIES, VOLUME = (numbers("x", s, 1.0) for s in ((2, 3, 8, 8), (4, 6), (2, 3, 9), (2, 2, 5, 5, 5)))

LAYERS = {
    "dense": (lambda nn: nn.Dense(5, activation="tanh", prefix="l_"), VECTOR),
    "dense_unflattened": (lambda nn: nn.Dense(5, flatten=False, use_bias=False, prefix="l_"), SERIES),
    "conv1d": (lambda nn: nn.Conv1D(4, 3, 2, 1, prefix="l_"), SERIES),
    "conv2d": (lambda nn: nn.Conv2D(6, (3, 2), (2, 1), (1, 0), groups=3, activation="relu", prefix="l_"), IMAGE),
    "conv2d_dilated": (lambda nn: nn.Conv2D(4, 3, dilation=2, use_bias=False, prefix="l_"), IMAGE),
    "conv3d": (lambda nn: nn.Conv3D(3, 2, prefix="l_"), VOLUME),
    "conv1d_transpose": (lambda nn: nn.Conv1DTranspose(4, 3, 2, 1, 1, in_channels=3, prefix="l_"), SERIES),
    "conv2d_transpose": (lambda nn: nn.Conv2DTranspose(4, 4, 2, 1, in_channels=3, prefix="l_"), IMAGE),
    "maxpool": (lambda nn: nn.MaxPool2D(3, 2, 1, prefix="l_"), IMAGE),
    "maxpool_ceil": (lambda nn: nn.MaxPool2D(3, 2, ceil_mode=True, prefix="l_"), IMAGE),
    "avgpool": (lambda nn: nn.AvgPool2D(3, 2, 1, count_include_pad=False, prefix="l_"), IMAGE),
    "avgpool1d": (lambda nn: nn.AvgPool1D(prefix="l_"), SERIES),
    "globalavg": (lambda nn: nn.GlobalAvgPool2D(prefix="l_"), IMAGE),
    "globalmax": (lambda nn: nn.GlobalMaxPool1D(prefix="l_"), SERIES),
    "pad": (lambda nn: nn.ReflectionPad2D(2, prefix="l_"), IMAGE),
    "batchnorm": (lambda nn: nn.BatchNorm(prefix="l_"), IMAGE),
    "batchnorm_last": (lambda nn: nn.BatchNorm(axis=-1, scale=False, prefix="l_"), IMAGE),
    "batchnorm_global": (lambda nn: nn.BatchNorm(use_global_stats=True, prefix="l_"), IMAGE),
    "layernorm": (lambda nn: nn.LayerNorm(prefix="l_"), SERIES),
    "groupnorm": (lambda nn: nn.GroupNorm(3, prefix="l_"), numbers("g", (2, 6, 4, 4))),
    "instancenorm": (lambda nn: nn.InstanceNorm(scale=True, prefix="l_"), IMAGE),
    "instancenorm_axis": (lambda nn: nn.InstanceNorm(axis=2, scale=True, prefix="l_"), IMAGE),
    "leaky": (lambda nn: nn.LeakyReLU(0.2, prefix="l_"), VECTOR),
    "prelu": (lambda nn: nn.PReLU(in_channels=6, prefix="l_"), VECTOR),
    "elu": (lambda nn: nn.ELU(0.7, prefix="l_"), VECTOR),
    "selu": (lambda nn: nn.SELU(prefix="l_"), abs(VECTOR)),  # MXNet's gradient of it is wrong below 0
    "gelu": (lambda nn: nn.GELU(prefix="l_"), VECTOR),
    "swish": (lambda nn: nn.Swish(1.3, prefix="l_"), VECTOR),
    "flatten": (lambda nn: nn.Flatten(prefix="l_"), IMAGE),
}


def layers(mx):
    return {name: answers(mx, make(mx.gluon.nn), x) for name, (make, x) in LAYERS.items()}


def embedding(mx):
    return answers(mx, mx.gluon.nn.Embedding(7, 3, prefix="l_"), np.array([[1, 0], [6, 1]], "float32"), integers=(0,))


def network(mx, hybrid=False):
    nn = mx.gluon.nn
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(), nn.Flatten(),
                nn.Dense(6, activation="sigmoid"), nn.Dense(3))
    return answers(mx, net, IMAGE, hybrid=hybrid)


def hybrid_network(mx):
    return network(mx, True)


LABEL = np.abs(numbers("label", (4, 6), 1.0)) + 0.1
SIGNS = np.sign(numbers("signs", (4, 6)))
LOSSES = {
    "l2": (lambda loss: loss.L2Loss(weight=0.3), [LABEL]),
    "l2_weighted": (lambda loss: loss.L2Loss(), [LABEL, numbers("w", (4, 1), 1.0)]),
    "l1": (lambda loss: loss.L1Loss(), [LABEL]),
    "sigmoid": (lambda loss: loss.SigmoidBCELoss(), [LABEL]),
    "sigmoid_pos": (lambda loss: loss.SigmoidBCELoss(), [LABEL, numbers("w", (4, 1), 1.0), abs(numbers("p", (1, 6))) + 1]),
    "softmax": (lambda loss: loss.SoftmaxCELoss(), [np.array([0, 5, 2, 3], "float32")]),
    "softmax_dense": (lambda loss: loss.SoftmaxCELoss(sparse_label=False, axis=0), [LABEL]),
    "kl": (lambda loss: loss.KLDivLoss(from_logits=False), [LABEL]),
    "huber": (lambda loss: loss.HuberLoss(rho=0.4), [LABEL]),
    "hinge": (lambda loss: loss.HingeLoss(margin=0.7), [SIGNS]),
    "squared_hinge": (lambda loss: loss.SquaredHingeLoss(), [SIGNS]),
    "logistic": (lambda loss: loss.LogisticLoss(), [SIGNS]),
    "logistic_binary": (lambda loss: loss.LogisticLoss(label_format="binary"), [(SIGNS + 1) / 2]),
    "triplet": (lambda loss: loss.TripletLoss(), [LABEL, numbers("n", (4, 6))]),
    "poisson": (lambda loss: loss.PoissonNLLLoss(), [LABEL]),
    "cosine": (lambda loss: loss.CosineEmbeddingLoss(margin=0.1), [LABEL, np.array([1, -1, 1, -1], "float32")]),
    "sdml": (lambda loss: loss.SDMLLoss(), [LABEL]),
}


def losses(mx):
    return {name: answers(mx, make(mx.gluon.loss), VECTOR, *more, integers=range(1, 9)) for name, (make, more) in LOSSES.items()}


def full_poisson(mx):
    """Not recorded: MXNet writes in place there."""
    return rounded(mx.gluon.loss.PoissonNLLLoss(compute_full=True)(mx.nd.array(VECTOR), mx.nd.array(LABEL * 5)))


def ctc(mx):
    pred, label = numbers("ctc", (2, 8, 5), 2.0), np.array([[1, 0, 3], [2, 2, -1]], "float32")
    lengths = [np.array([8, 6], "float32"), np.array([3, 2], "float32")]
    loss = mx.gluon.loss
    return {"plain": answers(mx, loss.CTCLoss(), pred, label, integers=(1,)),
            "lengths": answers(mx, loss.CTCLoss(), pred, label, *lengths, integers=(1, 2, 3)),
            "time_first": answers(mx, loss.CTCLoss(layout="TNC", label_layout="TN"), pred.transpose(1, 0, 2).copy(),
                                  label.T.copy(), integers=(1,))}


STEPS = numbers("steps", (3, 2, 5), 1.0)


def recurrent_layers(mx):
    rnn = mx.gluon.rnn
    made = {"rnn": rnn.RNN(4, 2, prefix="r_"), "lstm": rnn.LSTM(4, 2, bidirectional=True, prefix="r_"),
            "gru": rnn.GRU(4, layout="NTC", prefix="r_")}  # MXNet has no gradient of projections on the CPU
    found = {name: answers(mx, net, STEPS) for name, net in made.items()}
    lstm = rnn.LSTM(4, prefix="s_")
    found["states"] = answers(mx, lstm, STEPS, [numbers("h", (1, 2, 4)), numbers("c", (1, 2, 4))])
    return found


class Unrolled:
    """A cell as a network."""

    def __init__(self, cell, **how):
        self.cell, self.how = cell, how

    def __getattr__(self, name):
        return getattr(self.cell, name)

    def __call__(self, x, *more):
        return self.cell.unroll(x.shape[1], x, merge_outputs=True, **self.how)


def cells(mx):
    rnn, contrib = mx.gluon.rnn, mx.gluon.contrib.rnn
    x = STEPS.transpose(1, 0, 2).copy()
    made = {"rnn": rnn.RNNCell(5, prefix="c_"), "lstm": rnn.LSTMCell(4, prefix="c_"), "gru": rnn.GRUCell(4, prefix="c_"),
            "lstmp": contrib.LSTMPCell(4, 3, prefix="c_"), "residual": rnn.ResidualCell(rnn.GRUCell(5, prefix="c_")),
            "bidirectional": rnn.BidirectionalCell(rnn.LSTMCell(4, prefix="l_"), rnn.LSTMCell(4, prefix="r_"))}
    stack = rnn.HybridSequentialRNNCell(prefix="s_")
    with stack.name_scope():
        stack.add(rnn.LSTMCell(4))
        stack.add(rnn.RNNCell(3, activation="relu"))
    made["stack"] = stack
    found = {name: answers(mx, Unrolled(cell), x) for name, cell in made.items()}
    lengths = mx.nd.array([2, 3])
    for name, cell in (("lstm", rnn.LSTMCell(4, prefix="c_")),
                       ("bidirectional", rnn.BidirectionalCell(rnn.GRUCell(4, prefix="l_"), rnn.GRUCell(4, prefix="r_")))):
        found[name + "_lengths"] = answers(mx, Unrolled(cell, valid_length=lengths), x)
    return found


def convolutional_cells(mx):
    contrib = mx.gluon.contrib.rnn
    x = numbers("frames", (2, 2, 2, 6, 6))
    return {kind: answers(mx, Unrolled(getattr(contrib, f"Conv2D{kind}Cell")((2, 6, 6), 3, 3, 3, prefix="c_")), x)
            for kind in ("RNN", "LSTM", "GRU")}


def more_layers(mx):
    nn, contrib = mx.gluon.nn, mx.gluon.contrib
    side = contrib.nn.HybridConcurrent(axis=1, prefix="c_")
    with side.name_scope():
        side.add(nn.Dense(3), contrib.nn.Identity())
    return {"concurrent": answers(mx, side, VECTOR),
            "shuffle": answers(mx, contrib.nn.PixelShuffle2D((1, 3)), IMAGE),
            "deformable": answers(mx, contrib.cnn.DeformableConvolution(4, (3, 3), in_channels=3, prefix="d_"), IMAGE)}


def graphs(mx):
    """The nodes of traced blocks: operators, names and inputs."""
    nn, rnn = mx.gluon.nn, mx.gluon.rnn
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), nn.Dropout(0.5), nn.LayerNorm(), nn.Flatten(),
                nn.Dense(6, activation="tanh"), nn.PReLU(), nn.GELU(), nn.HybridLambda("relu"))
    lstm, _ = rnn.LSTMCell(4, prefix="c_").unroll(2, mx.sym.var("x"), merge_outputs=True)
    found = {}
    for name, out in (("net", net(mx.sym.var("data"))), ("lstm", lstm)):
        nodes = json.loads(out.tojson())["nodes"]
        found[name] = [[n["op"], n["name"], [i[:2] for i in n["inputs"]], n.get("attrs", {}) if n["op"] == "null" else {}]
                       for n in nodes]
    return found


def training(mx):
    """The parameters after some steps of a Trainer."""
    global mx_array
    mx_array = mx.nd.array
    found = {}
    for name, optimizer, kwargs in (("sgd", "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}),
                                    ("adam", "adam", {"learning_rate": 0.01})):
        nn = mx.gluon.nn
        net = nn.HybridSequential(prefix="net_")
        with net.name_scope():
            net.add(nn.Dense(5, activation="tanh"), nn.BatchNorm(), nn.Dense(3))
        net.initialize()
        x, y = mx.nd.array(VECTOR), mx.nd.array([0, 1, 2, 1])
        net(x)
        set_parameters(net)
        net[0].weight.lr_mult = 0.5
        trainer = mx.gluon.Trainer(net.collect_params(), optimizer, kwargs)
        loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
        for _ in range(5):
            with mx.autograd.record():
                value = loss(net(x), y)
            value.backward()
            trainer.step(4)
        found[name] = {n: rounded(p.data()) for n, p in net.collect_params().items()}
    return found


QUESTIONS = [layers, embedding, network, hybrid_network, losses, full_poisson, ctc, recurrent_layers, cells, convolutional_cells, more_layers,
             graphs, training]


# --- files
def build(mx):
    nn = mx.gluon.nn
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(3))
    return net


def write_files(mx, folder):
    """Parameters and an exported network, and what it gives."""
    global mx_array
    mx_array = mx.nd.array
    net = build(mx)
    net.initialize()
    net.hybridize()
    x = mx.nd.array(IMAGE)
    net(x)
    set_parameters(net)
    trainer = mx.gluon.Trainer(net.collect_params(), "adam")
    with mx.autograd.record():
        y = net(x).sum()
    y.backward()
    trainer.step(1)
    net.save_parameters(str(folder / "net.params"))
    net.export(str(folder / "exported"))
    trainer.save_states(str(folder / "trainer.states"))
    return rounded(net(x))


def read_files(mx, folder, states):
    """What the files give here: by paths, as an exported network; and how often the trainer had updated."""
    x = mx.nd.array(IMAGE)
    net = build(mx)
    net.load_parameters(str(folder / "net.params"))
    block = mx.gluon.SymbolBlock.imports(str(folder / "exported-symbol.json"), ["data"], str(folder / "exported-0000.params"))
    found = {"parameters": rounded(net(x)), "exported": rounded(block(x))}
    if states:
        trainer = mx.gluon.Trainer(net.collect_params(), "adam")
        trainer.load_states(str(folder / "trainer.states"))
        found["updates"] = trainer.optimizer.num_update
    return found


if __name__ == "__main__":
    import mxnet
    out = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        found = read_files(mxnet, out, False)  # its pickles name its own classes only
        (out / "read.json").write_text(json.dumps(found))
    else:
        found = {q.__name__: q(mxnet) for q in QUESTIONS}
        found["files"] = write_files(mxnet, out)
        (out / "answers.json").write_text(json.dumps(found))
