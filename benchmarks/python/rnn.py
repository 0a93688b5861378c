"""LSTM of 2 layers x 512 over 64 steps at batch 16: sequences/s, forward and training, beside PyTorch; forward of a bound
executor, whose plan packs the weights once, and of the eager operator."""
import sys

import harness

STEPS, BATCH, WIDTH, LAYERS = 64, 16, 512, 2
COUNT = LAYERS * 4 * WIDTH * (2 * WIDTH + 2)


def heddle():
    import heddle as mx
    nd = mx.nd
    params = {"mode": "lstm", "state_size": WIDTH, "num_layers": LAYERS}

    def arrays():
        state = (LAYERS, BATCH, WIDTH)
        return (nd.random.normal(0, 1, shape=(STEPS, BATCH, WIDTH)), nd.random.uniform(-0.04, 0.04, shape=(COUNT,)),
                nd.zeros(state), nd.zeros(state))

    def forward():
        ins = arrays()
        return harness.Work(lambda: nd.RNN(*ins, **params), nd.waitall, BATCH)

    def bound():
        names = ["data", "parameters", "state", "state_cell"]
        net = mx.sym.RNN(*map(mx.sym.Variable, names), **params).bind(mx.cpu(), dict(zip(names, arrays())), grad_req="null")
        return harness.Work(lambda: net.forward(is_train=False), nd.waitall, BATCH)

    def training():
        ins, heads = arrays(), nd.random.normal(0, 1, shape=(STEPS, BATCH, WIDTH))
        for a in ins[:2]:
            a.attach_grad()

        def step():
            with mx.autograd.record():
                y = nd.RNN(*ins, **params)
            y.backward(heads)
            nd.sgd_update(ins[1], ins[1].grad, out=ins[1], lr=1e-6)

        return harness.Work(step, nd.waitall, BATCH)

    return {"forward": bound, "forward, eager": forward, "training": training}


def torch():
    import torch
    torch.set_num_threads(harness.THREADS)

    def forward():
        net, x = torch.nn.LSTM(WIDTH, WIDTH, LAYERS), torch.randn(STEPS, BATCH, WIDTH)

        def step():
            with torch.no_grad():
                net(x)

        return harness.Work(step, amount=BATCH)

    def training():
        net, x = torch.nn.LSTM(WIDTH, WIDTH, LAYERS), torch.randn(STEPS, BATCH, WIDTH, requires_grad=True)
        heads, sgd = torch.randn(STEPS, BATCH, WIDTH), torch.optim.SGD(net.parameters(), lr=1e-6)

        def step():
            sgd.zero_grad()
            x.grad = None
            net(x)[0].backward(heads)
            sgd.step()

        return harness.Work(step, amount=BATCH)

    return {"forward": forward, "forward, eager": forward, "training": training}


CASES = ("forward", "forward, eager", "training")


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "torch": torch}[options.serve]())
    harness.two_cores()
    contenders = [harness.Contender(__file__, "heddle", sys.executable),
                  harness.Contender(__file__, "torch", harness.peer_python("torch"))]
    found = harness.rates([(c, CASES) for c in contenders], options.windows, options.seconds)
    harness.report([{"case": f"LSTM, {case}", "unit": "seq/s", "ours": found["heddle", case],
                     "peer": found["torch", case], "peer_name": "PyTorch"} for case in CASES], options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
