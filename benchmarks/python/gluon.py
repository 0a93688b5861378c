"""Networks of Gluon, line by line and hybridized, beside PyTorch (eager, compiled) and MXNet (hybridized, static): a forward
run in prediction mode, and a training step with SGD."""
import sys

import harness
import numpy as np

SHAPES = {"mlp1": (1, 784), "mlp32": (32, 784), "lenet": (16, 1, 28, 28), "resnet": (8, 3, 32, 32), "lstm": (8, 20, 64),
          "transformer": (8, 32, 64)}
TITLES = {"mlp1": "MLP, batch 1", "mlp32": "MLP, batch 32", "lenet": "LeNet, batch 16", "resnet": "ResNet-18, 8 x 32 x 32",
          "lstm": "LSTM 64, 8 x 20", "transformer": "encoder 64, 8 x 32"}
CLASSES, HEADS = 10, 4


def inputs(case):
    rng = np.random.RandomState(0)
    return rng.uniform(-1, 1, SHAPES[case]).astype("float32"), rng.randint(0, CLASSES, SHAPES[case][0])


# --- Gluon: heddle and MXNet ----------------------------------------------------------------------
def gluon_blocks(mx):
    """The blocks that are no layers, of either package."""
    nn, HybridBlock = mx.gluon.nn, mx.gluon.HybridBlock

    class Basic(HybridBlock):
        def __init__(self, channels, stride, widen, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.body = nn.HybridSequential()
                self.body.add(nn.Conv2D(channels, 3, stride, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"),
                              nn.Conv2D(channels, 3, 1, 1, use_bias=False), nn.BatchNorm())
                self.short = nn.HybridSequential()
                if widen:
                    self.short.add(nn.Conv2D(channels, 1, stride, use_bias=False), nn.BatchNorm())

        def hybrid_forward(self, F, x):
            return F.relu(self.body(x) + self.short(x))

    class LSTM(HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.lstm = mx.gluon.rnn.LSTM(64, layout="NTC", input_size=64)
                self.out = nn.Dense(CLASSES)

        def hybrid_forward(self, F, x):
            return self.out(F.slice_axis(self.lstm(x), axis=1, begin=-1, end=None))

    class Encoder(HybridBlock):
        def __init__(self, width=64, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.qkv = nn.Dense(3 * width, flatten=False)
                self.mix, self.wide = nn.Dense(width, flatten=False), nn.Dense(4 * width, flatten=False, activation="relu")
                self.narrow, self.out = nn.Dense(width, flatten=False), nn.Dense(CLASSES)
                self.first, self.second = nn.LayerNorm(in_channels=width), nn.LayerNorm(in_channels=width)

        def hybrid_forward(self, F, x):
            def heads(part):  # (batch, time, width) to (batch * heads, time, width / heads)
                split = F.transpose(F.reshape(part, (0, 0, HEADS, -1)), axes=(0, 2, 1, 3))
                return F.reshape(split, (-3, 0, 0))

            q, k, v = (heads(part) for part in F.split(self.qkv(x), num_outputs=3, axis=2))
            scores = F.softmax(F.batch_dot(q, k, transpose_b=True) / 4.0)
            mixed = F.transpose(F.reshape(F.batch_dot(scores, v), (-4, -1, HEADS, 0, 0)), axes=(0, 2, 1, 3))
            x = self.first(x + self.mix(F.reshape(mixed, (0, 0, -3))))
            x = self.second(x + self.narrow(self.wide(x)))
            return self.out(F.mean(x, axis=1))

    return Basic, LSTM, Encoder


def gluon_net(mx, case):
    nn = mx.gluon.nn
    Basic, LSTM, Encoder = gluon_blocks(mx)
    if case == "lstm":
        return LSTM()
    if case == "transformer":
        return Encoder()
    net = nn.HybridSequential()
    if case.startswith("mlp"):
        net.add(nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(CLASSES))
    elif case == "lenet":
        net.add(nn.Conv2D(20, 5, activation="tanh"), nn.MaxPool2D(), nn.Conv2D(50, 5, activation="tanh"), nn.MaxPool2D(),
                nn.Dense(500, activation="tanh"), nn.Dense(CLASSES))
    else:
        net.add(nn.Conv2D(64, 3, 1, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"))
        for stage, channels in enumerate((64, 128, 256, 512)):
            net.add(Basic(channels, 1 if stage == 0 else 2, stage > 0), Basic(channels, 1, False))
        net.add(nn.GlobalAvgPool2D(), nn.Dense(CLASSES))
    return net


def gluon_work(mx, case, hybrid, training):
    net, loss = gluon_net(mx, case), mx.gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(mx.init.Xavier())
    if hybrid:
        net.hybridize(static_alloc=True, static_shape=True)
        loss.hybridize(static_alloc=True, static_shape=True)
    x, y = (mx.nd.array(a) for a in inputs(case))
    chunk = 20 if case in ("mlp1", "mlp32") else 2
    if not training:
        return harness.Work(lambda: net(x), mx.nd.waitall, chunk=chunk)
    net(x)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})

    def step():
        with mx.autograd.record():
            value = loss(net(x), y)
        value.backward()
        trainer.step(SHAPES[case][0])

    return harness.Work(step, mx.nd.waitall, chunk=chunk)


def gluon_cases(mx):
    return {f"{case}-{what}-{style}": lambda c=case, w=what, s=style: gluon_work(mx, c, s == "hybrid", w == "step")
            for case in SHAPES for what in ("forward", "step") for style in ("eager", "hybrid")}


def heddle():
    import heddle as mx
    return gluon_cases(mx)


def mxnet():
    import mxnet as mx
    return gluon_cases(mx)


# --- PyTorch --------------------------------------------------------------------------------------
def torch_net(case):
    import torch
    from torch import nn

    class Basic(nn.Module):
        def __init__(self, before, channels, stride):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
                                      nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
            self.short = nn.Identity() if before == channels else nn.Sequential(
                nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

        def forward(self, x):
            return torch.relu(self.body(x) + self.short(x))

    class LSTM(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.out = nn.LSTM(64, 64, batch_first=True), nn.Linear(64, CLASSES)

        def forward(self, x):
            return self.out(self.lstm(x)[0][:, -1])

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(64, HEADS, 256, dropout=0.0, batch_first=True)
            self.out = nn.Linear(64, CLASSES)

        def forward(self, x):
            return self.out(self.layer(x).mean(1))

    if case.startswith("mlp"):
        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, CLASSES))
    if case == "lenet":
        return nn.Sequential(nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2),
                             nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, CLASSES))
    if case == "resnet":
        blocks, before = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
        for stage, channels in enumerate((64, 128, 256, 512)):
            blocks += [Basic(before, channels, 1 if stage == 0 else 2), Basic(channels, channels, 1)]
            before = channels
        return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))
    return LSTM() if case == "lstm" else Encoder()


def torch_work(case, compiled, training):
    import torch
    torch.set_num_threads(harness.THREADS)
    net = torch_net(case)
    x, y = (torch.tensor(a) for a in inputs(case))
    chunk = 20 if case in ("mlp1", "mlp32") else 2
    if not training:
        net.eval()
        run = torch.compile(net) if compiled else net

        def forward():
            with torch.inference_mode():
                return run(x)

        return harness.Work(forward, chunk=chunk)
    sgd = torch.optim.SGD(net.parameters(), lr=0.01)

    def loss_of(x, target):
        return torch.nn.functional.cross_entropy(net(x), target)

    loss = torch.compile(loss_of) if compiled else loss_of

    def step():
        sgd.zero_grad()
        loss(x, y).backward()
        sgd.step()

    return harness.Work(step, chunk=chunk)


def torch():
    return {f"{case}-{what}-{style}": lambda c=case, w=what, s=style: torch_work(c, s == "compiled", w == "step")
            for case in SHAPES for what in ("forward", "step") for style in ("eager", "compiled")}


# --- the comparison -------------------------------------------------------------------------------
PEERS = {"eager": [("torch", "eager", "PyTorch eager")],
         "hybrid": [("torch", "eager", "PyTorch eager"), ("torch", "compiled", "PyTorch compiled"),
                    ("mxnet", "hybrid", "MXNet hybridized")]}


def more(parser):
    parser.add_argument("--cases", nargs="+", choices=SHAPES, default=list(SHAPES), help="which networks")
    parser.add_argument("--no-compiled", action="store_true", help="without torch.compile, which takes a minute a network")


def main():
    options = harness.arguments(__doc__, more)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "torch": torch}[options.serve]())
    harness.two_cores()
    contenders = {"heddle": harness.Contender(__file__, "heddle", sys.executable)}
    # Without this PyTorch compiles in processes of its own, which go on while it is not its turn.
    switches = {"torch": {"TORCHINDUCTOR_COMPILE_THREADS": "1"}, "mxnet": {}}
    contenders |= {name: harness.Contender(__file__, name, harness.peer_python(name), switches[name]) for name in switches}
    styles = {"heddle": ("eager", "hybrid"), "torch": ("eager",) if options.no_compiled else ("eager", "compiled"),
              "mxnet": ("hybrid",)}
    rows = []
    for case in options.cases:
        for what in ("forward", "step"):
            cases = [(c, [f"{case}-{what}-{style}" for style in styles[name]]) for name, c in contenders.items()]
            found = harness.rates(cases, options.windows, options.seconds)
            rows += [{"case": f"{TITLES[case]}, {what}, {style}", "unit": "us",
                      "ours": 1e6 / found["heddle", f"{case}-{what}-{style}"],
                      "peer": 1e6 / found[peer, f"{case}-{what}-{theirs}"], "peer_name": name}
                     for style in PEERS for peer, theirs, name in PEERS[style] if theirs in styles[peer]]
    harness.report(rows, options.json)
    for contender in contenders.values():
        contender.close()


if __name__ == "__main__":
    main()
