"""Pointwise calls that plans join: a chain of products, sigmoids and tanhs over 64 x 64 x 56 x 56 floats, a tanh-GELU after a
linear layer, and an LSTM cell of 256 over 32 steps at batch 16, forward and with gradients. Beside PyTorch, line by line, and beside the
same plans with HEDDLE_PASSES=-pointwise."""
import sys

import harness

CHAIN, LINEAR, STEPS, BATCH, WIDTH = (64, 64, 56, 56), (512, 256, 2048), 32, 16, 256


def heddle():
    import heddle as mx
    sym, nd = mx.sym, mx.nd

    def chain():
        x = sym.var("data")
        for _ in range(3):
            x = x * sym.sigmoid(1.5 * x) + 0.1 * sym.tanh(x)
        return x, CHAIN

    def gelu():
        rows, width, hidden = LINEAR
        x = sym.FullyConnected(sym.var("data"), num_hidden=hidden)
        return 0.5 * x * (1 + sym.tanh(0.79788456 * (x + 0.044715 * x * x * x))), (rows, width)

    def cell():
        outputs, _ = mx.rnn.LSTMCell(WIDTH).unroll(STEPS, sym.var("data"), layout="TNC", merge_outputs=True)
        return outputs, (STEPS, BATCH, WIDTH)

    def work(make, training):
        net, shape = make()
        executor = net.simple_bind(mx.cpu(), grad_req="write" if training else "null", data=shape)
        for a in executor.arg_arrays:
            a[:] = nd.random.uniform(-0.1, 0.1, shape=a.shape)
        heads = [nd.ones(o.shape) for o in executor.outputs]

        def step():
            executor.forward(is_train=training)
            if training:
                executor.backward(heads)
            nd.waitall()

        return harness.Work(step)

    return {f"{name}, {what}": lambda make=make, training=training: work(make, training)
            for name, make in (("chain", chain), ("linear, GELU", gelu), ("LSTM cell", cell))
            for what, training in (("forward", False), ("training", True))}


def torch():
    import torch
    torch.set_num_threads(harness.THREADS)

    def chain():
        def run(x):
            for _ in range(3):
                x = x * torch.sigmoid(1.5 * x) + 0.1 * torch.tanh(x)
            return x
        return run, [], CHAIN

    def gelu():
        rows, width, hidden = LINEAR
        layer = torch.nn.Linear(width, hidden)

        def run(x):
            x = layer(x)
            return 0.5 * x * (1 + torch.tanh(0.79788456 * (x + 0.044715 * x * x * x)))
        return run, list(layer.parameters()), (rows, width)

    def cell():
        one = torch.nn.LSTMCell(WIDTH, WIDTH)

        def run(x):
            state, outputs = None, []
            for step in x:
                state = one(step, state)
                outputs.append(state[0])
            return torch.stack(outputs)
        return run, list(one.parameters()), (STEPS, BATCH, WIDTH)

    def work(make, training):
        run, parameters, shape = make()
        x = torch.empty(shape).uniform_(-0.1, 0.1).requires_grad_(training)

        def step():
            if not training:
                with torch.no_grad():
                    return run(x)
            for p in [x, *parameters]:
                p.grad = None
            y = run(x)
            y.backward(torch.ones_like(y))

        return harness.Work(step)

    return {f"{name}, {what}": lambda make=make, training=training: work(make, training)
            for name, make in (("chain", chain), ("linear, GELU", gelu), ("LSTM cell", cell))
            for what, training in (("forward", False), ("training", True))}


CASES = [f"{name}, {what}" for name in ("chain", "linear, GELU", "LSTM cell") for what in ("forward", "training")]


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "apart": heddle, "torch": torch}[options.serve]())
    harness.two_cores()
    contenders = [harness.Contender(__file__, "heddle", sys.executable),
                  harness.Contender(__file__, "apart", sys.executable, {"HEDDLE_PASSES": "-pointwise"}),
                  harness.Contender(__file__, "torch", harness.peer_python("torch"))]
    found = harness.rates([(c, CASES) for c in contenders], options.windows, options.seconds)
    harness.report([{"case": case, "unit": "ms", "ours": 1e3 / found["heddle", case], "peer": 1e3 / found[peer, case], "peer_name": name}
                    for case in CASES for peer, name in (("torch", "PyTorch"), ("apart", "not joined"))], options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
