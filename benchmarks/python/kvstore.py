"""Gradients of two devices into a store and out again: many small keys, and a few large ones; and steps of Module over two."""
import sys

import harness

SIZES = {"small": (60, 1000), "large": (8, 500_000)}  # keys, and elements of each


def mx_cases(mx):
    def exchange(keys, size):
        store, names = mx.kv.create("device"), [f"w{i}" for i in range(keys)]
        store.init(names, [mx.nd.zeros((size,))] * keys)
        arrays = [[mx.nd.ones((size,), ctx=mx.cpu(k)) for k in range(2)] for _ in names]

        def step():
            store.push(names, arrays)
            store.pull(names, arrays)

        return harness.Work(step, mx.nd.waitall, chunk=max(1, 1_000_000 // (keys * size)))

    def train():
        net = mx.sym.Variable("data")
        for i in range(8):
            net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=64, name=f"fc{i}"), act_type="relu")
        module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"), context=[mx.cpu(0), mx.cpu(1)])
        module.bind([("data", (64, 64))], [("softmax_label", (64,))])
        module.init_params(mx.init.Xavier())
        module.init_optimizer(kvstore="device", optimizer_params={"learning_rate": 0.01, "momentum": 0.9})
        batch = mx.io.DataBatch([mx.nd.ones((64, 64))], [mx.nd.zeros((64,))])

        def step():
            module.forward_backward(batch)
            module.update()

        return harness.Work(step, mx.nd.waitall, chunk=20)

    return {**{name: lambda of=of: exchange(*of) for name, of in SIZES.items()}, "train": train}


def heddle():
    import heddle as mx
    return mx_cases(mx)


def mxnet():
    import mxnet as mx
    return mx_cases(mx)


CASES = (("small", "push and pull 60 keys of 1,000"), ("large", "push and pull 8 keys of 500,000"),
         ("train", "a step of 8 dense layers of 64 at batch 64, Module over two devices"))


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet}[options.serve]())
    harness.two_cores()
    contenders = [harness.Contender(__file__, "heddle", sys.executable),
                  harness.Contender(__file__, "mxnet", harness.peer_python("mxnet"))]
    found = harness.rates([(c, [case for case, _ in CASES]) for c in contenders], options.windows, options.seconds)
    rows = [{"case": title, "unit": "us/step", "ours": 1e6 / found["heddle", case], "peer": 1e6 / found["mxnet", case],
             "peer_name": "MXNet"} for case, title in CASES]
    harness.report(rows, options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
