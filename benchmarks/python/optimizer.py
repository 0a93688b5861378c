"""One update of all parameters, forward and backward apart: a perceptron 784-128-64-10 (6 tensors, 0.1 M numbers) and ResNet-50 (161
tensors, 25.6 M), SGD with momentum and Adam, beside PyTorch (its `foreach` and `fused` optimizers) and MXNet's updater.
"""
import itertools
import sys

import harness

PERCEPTRON = [(128, 784), (128,), (64, 128), (64,), (10, 64), (10,)]
CHUNKS = {"mlp": 200, "resnet50": 2}
RULES = {"sgd": {"learning_rate": 1e-3, "momentum": 0.9, "wd": 1e-4}, "adam": {"learning_rate": 1e-3, "wd": 1e-4}}


def resnet50():
    """The shapes of its convolutions, batch norms and dense layer."""
    shapes = [(64, 3, 7, 7), (64,), (64,)]
    before = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        narrow, wide = 64 << stage, 256 << stage
        for block in range(blocks):
            kernels = [(narrow, before, 1, 1), (narrow, narrow, 3, 3), (wide, narrow, 1, 1)]
            if block == 0:
                kernels.append((wide, before, 1, 1))
            for kernel in kernels:
                shapes += [kernel, kernel[:1], kernel[:1]]
            before = wide
    return shapes + [(1000, before), (1000,)]


NETWORKS = {"mlp": PERCEPTRON, "resnet50": resnet50()}
CASES = {f"{network} {rule}": (network, rule) for network, rule in itertools.product(NETWORKS, RULES)}


def mx_cases(mx):
    def update(network, rule):
        updater = mx.optimizer.get_updater(mx.optimizer.create(rule, **RULES[rule]))
        weights = [mx.nd.random.uniform(shape=shape) for shape in NETWORKS[network]]
        grads = [mx.nd.random.uniform(-1e-3, 1e-3, shape=shape) for shape in NETWORKS[network]]
        indices = list(range(len(weights)))
        return harness.Work(lambda: updater(indices, grads, weights), mx.nd.waitall, chunk=CHUNKS[network])

    return {case: lambda of=of: update(*of) for case, of in CASES.items()}


def heddle():
    import heddle as mx
    return mx_cases(mx)


def mxnet():
    import mxnet as mx
    return mx_cases(mx)


def torch(**kind):
    import torch as t
    t.set_num_threads(harness.THREADS)

    def update(network, rule):
        parameters = [t.nn.Parameter(t.rand(shape)) for shape in NETWORKS[network]]
        for p in parameters:
            p.grad = t.rand_like(p) * 1e-3
        options = RULES[rule]
        if rule == "sgd":
            optimizer = t.optim.SGD(parameters, lr=options["learning_rate"], momentum=options["momentum"],
                                    weight_decay=options["wd"], **kind)
        else:
            optimizer = t.optim.Adam(parameters, lr=options["learning_rate"], weight_decay=options["wd"], **kind)
        return harness.Work(optimizer.step, chunk=CHUNKS[network])

    return {case: lambda of=of: update(*of) for case, of in CASES.items()}


SERVERS = {"heddle": heddle, "mxnet": mxnet, "torch foreach": lambda: torch(foreach=True), "torch fused": lambda: torch(fused=True)}
PEERS = {"torch foreach": "PyTorch foreach", "torch fused": "PyTorch fused", "mxnet": "MXNet"}


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve(SERVERS[options.serve]())
    harness.two_cores()
    pythons = {"heddle": sys.executable, "mxnet": harness.peer_python("mxnet")}
    contenders = [harness.Contender(__file__, name, pythons[name] if name in pythons else harness.peer_python("torch"))
                  for name in SERVERS]
    found = harness.rates([(c, list(CASES)) for c in contenders], options.windows, options.seconds)
    rows = [{"case": case, "unit": "us/update", "ours": 1e6 / found["heddle", case], "peer": 1e6 / found[peer, case],
             "peer_name": title} for case in CASES for peer, title in PEERS.items()]
    harness.report(rows, options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
