"""The cost of small calls from Python: `x + y` on 4 floats, and a 2-layer MLP forward at batch 1."""
import sys

import harness

SIZES = (784, 128, 10)


def shapes():
    return [(1, SIZES[0]), (SIZES[1], SIZES[0]), (SIZES[1],), (SIZES[2], SIZES[1]), (SIZES[2],)]


def mx_cases(mx):
    nd = mx.nd

    def add():
        x, y = nd.array([1, 2, 3, 4]), nd.array([4, 3, 2, 1])
        return harness.Work(lambda: x + y, nd.waitall, chunk=1000)

    def mlp():
        x, w1, b1, w2, b2 = (nd.random.uniform(-0.1, 0.1, shape=s) for s in shapes())

        def step():
            h = nd.relu(nd.FullyConnected(x, w1, b1, num_hidden=SIZES[1]))
            return nd.FullyConnected(h, w2, b2, num_hidden=SIZES[2])

        return harness.Work(step, nd.waitall, chunk=200)

    return {"add": add, "mlp": mlp}


def heddle():
    import heddle as mx
    return mx_cases(mx)


def mxnet():
    import mxnet as mx
    return mx_cases(mx)


def torch():
    import torch
    from torch.nn import functional as F
    torch.set_num_threads(harness.THREADS)

    def add():
        x, y = torch.tensor([1.0, 2, 3, 4]), torch.tensor([4.0, 3, 2, 1])
        return harness.Work(lambda: x + y, chunk=1000)

    def mlp():
        x, w1, b1, w2, b2 = (torch.rand(s) * 0.2 - 0.1 for s in shapes())

        def step():
            with torch.no_grad():
                return F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)

        return harness.Work(step, chunk=200)

    return {"add": add, "mlp": mlp}


def numpy():
    import numpy as np

    def add():
        x, y = np.array([1, 2, 3, 4], "float32"), np.array([4, 3, 2, 1], "float32")
        return harness.Work(lambda: x + y, chunk=1000)

    def mlp():
        x, w1, b1, w2, b2 = (np.random.uniform(-0.1, 0.1, s).astype("float32") for s in shapes())
        return harness.Work(lambda: np.maximum(x @ w1.T + b1, 0) @ w2.T + b2, chunk=200)

    return {"add": add, "mlp": mlp}


CASES = (("add", "x + y, 4 floats"), ("mlp", "MLP forward, batch 1"))
PEERS = (("torch", "PyTorch"), ("mxnet", "MXNet"), ("numpy", "NumPy"))


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "torch": torch, "numpy": numpy}[options.serve]())
    harness.two_cores()
    homes = {"torch": "torch", "mxnet": "mxnet", "numpy": "torch"}  # NumPy comes with PyTorch
    contenders = [harness.Contender(__file__, "heddle", sys.executable)]
    contenders += [harness.Contender(__file__, n, harness.peer_python(homes[n])) for n, _ in PEERS]
    found = harness.rates([(c, [case for case, _ in CASES]) for c in contenders], options.windows, options.seconds)
    rows = [{"case": title, "unit": "us/call", "ours": 1e6 / found["heddle", case],
             "peer": 1e6 / found[peer, case], "peer_name": name}
            for case, title in CASES for peer, name in PEERS]
    harness.report(rows, options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
