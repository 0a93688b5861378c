"""Training LeNet at batch 64: samples/s in heddle's Module and autograd, PyTorch and MXNet."""
import gzip
import random
import sys

import harness

BATCH, BATCHES = 64, 20
IMAGES = "/usr/share/datasets/fashion-mnist/train-{}-ubyte.gz"


def batches():
    """Images in [0, 1] and labels as flat lists, batch by batch."""
    try:
        with gzip.open(IMAGES.format("images-idx3")) as images, gzip.open(IMAGES.format("labels-idx1")) as labels:
            pixels, targets = images.read(16 + BATCH * BATCHES * 784)[16:], labels.read(8 + BATCH * BATCHES)[8:]
    except FileNotFoundError:  # the figures do not depend on what is seen
        rng = random.Random(1)
        pixels, targets = rng.randbytes(BATCH * BATCHES * 784), [rng.randrange(10) for _ in range(BATCH * BATCHES)]
    for i in range(BATCHES):
        yield ([p / 255 for p in pixels[i * BATCH * 784:(i + 1) * BATCH * 784]],
               list(targets[i * BATCH:(i + 1) * BATCH]))


def cycle(items):
    while True:
        yield from items


# --- heddle and MXNet: one program ----------------------------------------------------------------
def symbol(mx):
    net = mx.sym.Variable("data")
    for i, filters in ((1, 20), (2, 50)):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
        net = mx.sym.Pooling(mx.sym.Activation(net, act_type="tanh"), pool_type="max", kernel=(2, 2), stride=(2, 2))
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=500, name="fc1")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def arrays(mx):
    return [(mx.nd.array(x).reshape((BATCH, 1, 28, 28)), mx.nd.array(y)) for x, y in batches()]


def module(mx):
    net = mx.mod.Module(symbol(mx), context=mx.cpu())
    net.bind([("data", (BATCH, 1, 28, 28))], [("softmax_label", (BATCH,))])
    net.init_params(mx.init.Xavier())
    net.init_optimizer(kvstore=None, optimizer="sgd", optimizer_params={"learning_rate": 0.01, "momentum": 0.9})
    data = cycle([mx.io.DataBatch([x], [y]) for x, y in arrays(mx)])

    def step():
        net.forward_backward(next(data))
        net.update()

    return harness.Work(step, mx.nd.waitall, BATCH, chunk=10)


def autograd(mx):
    nd = mx.nd
    shapes = [(20, 1, 5, 5), (20,), (50, 20, 5, 5), (50,), (500, 800), (500,), (10, 500), (10,)]
    p = [nd.random.uniform(-0.05, 0.05, shape=s) for s in shapes]
    moments = [nd.zeros(s) for s in shapes]
    for value in p:
        value.attach_grad()
    data = cycle(arrays(mx))

    def step():
        x, target = next(data)
        with mx.autograd.record():
            for i, filters in ((0, 20), (2, 50)):
                x = nd.tanh(nd.Convolution(x, p[i], p[i + 1], kernel=(5, 5), num_filter=filters))
                x = nd.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
            x = nd.tanh(nd.FullyConnected(x, p[4], p[5], num_hidden=500))
            x = nd.FullyConnected(x, p[6], p[7], num_hidden=10)
            loss = nd.softmax_cross_entropy(x, target)
        loss.backward()
        for value, moment in zip(p, moments):
            nd.sgd_mom_update(value, value.grad, moment, out=value, lr=0.01, momentum=0.9, rescale_grad=1 / BATCH)

    return harness.Work(step, nd.waitall, BATCH, chunk=10)


def heddle():
    import heddle as mx
    return {"module": lambda: module(mx), "autograd": lambda: autograd(mx)}


def mxnet():
    import mxnet as mx
    return {"module": lambda: module(mx)}


# --- PyTorch --------------------------------------------------------------------------------------
def torch_work(compiled):
    import torch
    from torch import nn
    torch.set_num_threads(harness.THREADS)
    net = nn.Sequential(nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(),
                        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10))
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    data = cycle([(torch.tensor(x).reshape(BATCH, 1, 28, 28), torch.tensor(y)) for x, y in batches()])

    def loss_of(x, target):
        return nn.functional.cross_entropy(net(x), target)

    loss = torch.compile(loss_of) if compiled else loss_of

    def step():
        x, target = next(data)
        sgd.zero_grad()
        loss(x, target).backward()
        sgd.step()

    return harness.Work(step, amount=BATCH, chunk=10)


def torch():
    return {"eager": lambda: torch_work(False), "compiled": lambda: torch_work(True)}


# --- the comparison -------------------------------------------------------------------------------
PEERS = [("torch", "eager", "PyTorch eager"), ("torch", "compiled", "PyTorch compiled"), ("mxnet", "module", "MXNet Module")]


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "torch": torch}[options.serve]())
    harness.two_cores()
    ours = harness.Contender(__file__, "heddle", sys.executable)
    theirs = {name: harness.Contender(__file__, name, harness.peer_python(name)) for name in ("torch", "mxnet")}
    found = harness.rates([(ours, ["module", "autograd"]), (theirs["torch"], ["eager", "compiled"]),
                           (theirs["mxnet"], ["module"])], options.windows, options.seconds)
    rows = [{"case": f"LeNet, {style}", "unit": "samples/s", "ours": found["heddle", style],
             "peer": found[peer, case], "peer_name": name}
            for style in ("module", "autograd") for peer, case, name in PEERS]
    harness.report(rows, options.json)
    for contender in (ours, *theirs.values()):
        contender.close()


if __name__ == "__main__":
    main()
