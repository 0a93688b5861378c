"""Training steps (forward, backward, SGD with momentum) with Module: samples/s beside PyTorch and MXNet.

A perceptron 784-128-64-10 at batch 64, LeNet at batch 64, ResNet-20 on 32 x 32 at batch 32, and a bucketing LSTM language
model (two layers of 200, vocabulary 2,000, batch 32, sentences of 10, 20, 30 and 40 words in turn; samples are words).
"""
import sys

import harness
import lenet

BATCH = {"mlp": 64, "lenet": lenet.BATCH, "resnet20": 32, "lstm": 32}
WIDTHS = (128, 64)
STAGES, BLOCKS = (16, 32, 64), 3
WORDS, HIDDEN, LAYERS, BUCKETS = 2000, 200, 2, (10, 20, 30, 40)
SGD = {"learning_rate": 0.01, "momentum": 0.9}


# --- heddle and MXNet: one program ----------------------------------------------------------------
def perceptron(mx):
    net = mx.sym.Variable("data")
    for i, width in enumerate(WIDTHS):
        net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=width, name=f"fc{i}"), act_type="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10), name="softmax")


def residual(mx):
    def conv(net, filters, kernel, stride):
        net = mx.sym.Convolution(net, kernel=(kernel, kernel), stride=(stride, stride), pad=(kernel // 2, kernel // 2),
                                 num_filter=filters, no_bias=True)
        return mx.sym.BatchNorm(net, fix_gamma=False)

    net = mx.sym.Activation(conv(mx.sym.Variable("data"), STAGES[0], 3, 1), act_type="relu")
    for stage, filters in enumerate(STAGES):
        for block in range(BLOCKS):
            down = stage > 0 and block == 0
            body = mx.sym.Activation(conv(net, filters, 3, 2 if down else 1), act_type="relu")
            body = conv(body, filters, 3, 1)
            net = mx.sym.Activation(body + (conv(net, filters, 1, 2) if down else net), act_type="relu")
    net = mx.sym.Flatten(mx.sym.Pooling(net, kernel=(1, 1), global_pool=True, pool_type="avg"))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10), name="softmax")


def fixed(mx, case, symbol, shape):
    """A network whose input has one shape."""
    batch = BATCH[case]
    net = mx.mod.Module(symbol, context=mx.cpu())
    net.bind([("data", (batch, *shape))], [("softmax_label", (batch,))])
    net.init_params(mx.init.Xavier())
    net.init_optimizer(kvstore=None, optimizer="sgd", optimizer_params=SGD)
    data = mx.io.DataBatch([mx.nd.random.uniform(shape=(batch, *shape))], [mx.nd.zeros((batch,))])

    def step():
        net.forward_backward(data)
        net.update()

    return harness.Work(step, mx.nd.waitall, batch, chunk=100 if case == "mlp" else 5)


def bucketing(mx):
    def network(length):
        words, label = mx.sym.Variable("data"), mx.sym.Variable("softmax_label")
        net = mx.sym.Embedding(words, input_dim=WORDS, output_dim=HIDDEN, name="embed")
        cell = mx.rnn.FusedRNNCell(HIDDEN, num_layers=LAYERS, mode="lstm", prefix="lstm_")
        net, _ = cell.unroll(length, inputs=net, merge_outputs=True, layout="NTC")
        net = mx.sym.FullyConnected(mx.sym.Reshape(net, shape=(-1, HIDDEN)), num_hidden=WORDS, name="pred")
        return mx.sym.SoftmaxOutput(net, mx.sym.Reshape(label, shape=(-1,)), name="softmax"), ("data",), ("softmax_label",)

    batch = BATCH["lstm"]
    net = mx.mod.BucketingModule(network, default_bucket_key=BUCKETS[-1], context=mx.cpu())
    described = {n: ([("data", (batch, n))], [("softmax_label", (batch, n))]) for n in BUCKETS}
    net.bind(*described[BUCKETS[-1]])
    net.init_params(mx.init.Xavier())
    net.init_optimizer(kvstore=None, optimizer="sgd", optimizer_params=SGD)
    data = lenet.cycle([mx.io.DataBatch([mx.nd.floor(mx.nd.random.uniform(0, WORDS, shape=(batch, n)))],
                                        [mx.nd.zeros((batch, n))], bucket_key=n, provide_data=described[n][0],
                                        provide_label=described[n][1]) for n in BUCKETS])

    def step():
        for _ in BUCKETS:
            net.forward_backward(next(data))
            net.update()

    return harness.Work(step, mx.nd.waitall, batch * sum(BUCKETS))


def mx_cases(mx):
    return {"mlp": lambda: fixed(mx, "mlp", perceptron(mx), (784,)), "lenet": lambda: lenet.module(mx),
            "resnet20": lambda: fixed(mx, "resnet20", residual(mx), (3, 32, 32)), "lstm": lambda: bucketing(mx)}


def heddle():
    import heddle as mx
    return mx_cases(mx)


def mxnet():
    import mxnet as mx
    return mx_cases(mx)


# --- PyTorch --------------------------------------------------------------------------------------
def torch():
    import torch
    from torch import nn
    from torch.nn import functional as F
    torch.set_num_threads(harness.THREADS)

    class Block(nn.Module):
        def __init__(self, into, filters, stride):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(into, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
                                      nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))
            self.beside = nn.Sequential() if stride == 1 else nn.Sequential(
                nn.Conv2d(into, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

        def forward(self, x):
            return F.relu(self.body(x) + self.beside(x))

    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.pred = nn.Embedding(WORDS, HIDDEN), nn.Linear(HIDDEN, WORDS)
            self.lstm = nn.LSTM(HIDDEN, HIDDEN, LAYERS, batch_first=True)

        def forward(self, words):
            return self.pred(self.lstm(self.embed(words))[0].reshape(-1, HIDDEN))

    def mlp_net():
        sizes = (784, *WIDTHS)
        layers = [layer for a, b in zip(sizes, WIDTHS) for layer in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(WIDTHS[-1], 10))

    def resnet_net():
        layers, into = [nn.Conv2d(3, STAGES[0], 3, 1, 1, bias=False), nn.BatchNorm2d(STAGES[0]), nn.ReLU()], STAGES[0]
        for stage, filters in enumerate(STAGES):
            for block in range(BLOCKS):
                layers.append(Block(into, filters, 2 if stage > 0 and block == 0 else 1))
                into = filters
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(into, 10))

    def work(net, batches, amount, chunk):
        sgd = torch.optim.SGD(net.parameters(), lr=SGD["learning_rate"], momentum=SGD["momentum"])

        def step():
            for x, target in batches:
                sgd.zero_grad()
                F.cross_entropy(net(x), target.reshape(-1)).backward()
                sgd.step()

        return harness.Work(step, amount=amount, chunk=chunk)

    def fixed_work(case, net, shape):
        batch = BATCH[case]
        return work(net, [(torch.rand(batch, *shape), torch.zeros(batch, dtype=torch.long))], batch, 100 if case == "mlp" else 5)

    def lstm_work():
        batch = BATCH["lstm"]
        data = [(torch.randint(0, WORDS, (batch, n)), torch.zeros(batch, n, dtype=torch.long)) for n in BUCKETS]
        return work(Language(), data, batch * sum(BUCKETS), 1)

    return {"mlp": lambda: fixed_work("mlp", mlp_net(), (784,)), "lenet": lambda: lenet.torch_work(False),
            "resnet20": lambda: fixed_work("resnet20", resnet_net(), (3, 32, 32)), "lstm": lstm_work}


# --- the comparison -------------------------------------------------------------------------------
TITLES = {"mlp": "MLP, batch 64", "lenet": "LeNet, batch 64", "resnet20": "ResNet-20, batch 32", "lstm": "bucketing LSTM, words"}


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "torch": torch}[options.serve]())
    harness.two_cores()
    contenders = [harness.Contender(__file__, "heddle", sys.executable)]
    contenders += [harness.Contender(__file__, name, harness.peer_python(name)) for name in ("torch", "mxnet")]
    found = harness.rates([(c, list(TITLES)) for c in contenders], options.windows, options.seconds)
    rows = [{"case": title, "unit": "samples/s", "ours": found["heddle", case], "peer": found[peer, case], "peer_name": name}
            for case, title in TITLES.items() for peer, name in (("torch", "PyTorch"), ("mxnet", "MXNet Module"))]
    harness.report(rows, options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
