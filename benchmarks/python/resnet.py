"""ResNet-50 (He et al., 2015, v1) on images of 224 x 224: images/s of bound inference and training, PyTorch and MXNet."""
import sys

import harness

BATCHES = {"inference, batch 1": (1, False), "inference, batch 8": (8, False), "training, batch 8": (8, True)}
STAGES = (3, 4, 6, 3)


# --- heddle and MXNet: one program ----------------------------------------------------------------
def symbol(mx):
    def conv(x, filters, kernel, stride, name):
        x = mx.sym.Convolution(x, num_filter=filters, kernel=(kernel, kernel), stride=(stride, stride),
                               pad=(kernel // 2, kernel // 2), no_bias=True, name=name)
        return mx.sym.BatchNorm(x, fix_gamma=False, name=name + "_bn")

    def relu(x):
        return mx.sym.Activation(x, act_type="relu")

    x = relu(conv(mx.sym.Variable("data"), 64, 7, 2, "conv0"))
    x = mx.sym.Pooling(x, pool_type="max", kernel=(3, 3), stride=(2, 2), pad=(1, 1))
    for stage, units in enumerate(STAGES):
        for i in range(units):
            filters, stride, name = 256 << stage, 2 if stage and not i else 1, f"stage{stage}_unit{i}_"
            y = relu(conv(x, filters // 4, 1, 1, name + "a"))
            y = conv(relu(conv(y, filters // 4, 3, stride, name + "b")), filters, 1, 1, name + "c")
            x = relu(y + (x if i else conv(x, filters, 1, stride, name + "d")))
    x = mx.sym.Pooling(x, pool_type="avg", global_pool=True, kernel=(7, 7))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=1000, name="fc"), name="softmax")


def bound(mx, batch, training):
    net = symbol(mx)
    requests = {name: "write" if training and name not in ("data", "softmax_label") else "null" for name in net.list_arguments()}
    exe = net.simple_bind(mx.cpu(), data=(batch, 3, 224, 224), grad_req=requests)
    mx.random.seed(1)
    for name, a in exe.arg_dict.items():
        if name.endswith("gamma"):
            a[:] = 1
        elif name != "softmax_label":
            a[:] = mx.nd.random.normal(0, 1 if name == "data" else 0.02, shape=a.shape)
    for name, a in exe.aux_dict.items():
        a[:] = name.endswith("var")
    updates = [(exe.arg_dict[name], exe.grad_dict[name]) for name, request in requests.items() if request == "write"]

    def step():
        exe.forward(is_train=training)
        if training:
            exe.backward()
            for weight, gradient in updates:
                mx.nd.sgd_update(weight, gradient, out=weight, lr=1e-4)

    return harness.Work(step, mx.nd.waitall, batch)


def cases(mx):
    return {name: lambda batch=batch, training=training: bound(mx, batch, training)
            for name, (batch, training) in BATCHES.items()}


def heddle():
    import heddle as mx
    return cases(mx)


def mxnet():
    import mxnet as mx
    return cases(mx)


# --- PyTorch --------------------------------------------------------------------------------------
def torch_work(batch, training):
    import torch
    from torch import nn
    torch.set_num_threads(harness.THREADS)

    def conv(inputs, filters, kernel, stride):
        return nn.Sequential(nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(filters))

    class Unit(nn.Module):
        def __init__(self, inputs, filters, stride):
            super().__init__()
            self.body = nn.Sequential(conv(inputs, filters // 4, 1, 1), nn.ReLU(inplace=True),
                                      conv(filters // 4, filters // 4, 3, stride), nn.ReLU(inplace=True),
                                      conv(filters // 4, filters, 1, 1))
            self.short = nn.Identity() if inputs == filters else conv(inputs, filters, 1, stride)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.body(x) + self.short(x))

    layers, inputs = [conv(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)], 64
    for stage, units in enumerate(STAGES):
        for i in range(units):
            layers.append(Unit(inputs, 256 << stage, 2 if stage and not i else 1))
            inputs = 256 << stage
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)).train(training)
    x, target = torch.randn(batch, 3, 224, 224), torch.zeros(batch, dtype=torch.long)
    sgd = torch.optim.SGD(net.parameters(), lr=1e-4)

    def infer():
        with torch.inference_mode():
            torch.softmax(net(x), 1)

    def train():
        sgd.zero_grad()
        nn.functional.cross_entropy(net(x), target).backward()
        sgd.step()

    return harness.Work(train if training else infer, amount=batch)


def torch():
    return {name: lambda batch=batch, training=training: torch_work(batch, training)
            for name, (batch, training) in BATCHES.items()}


# --- the comparison -------------------------------------------------------------------------------
PEERS = {"torch": "PyTorch eager", "mxnet": "MXNet"}


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "torch": torch}[options.serve]())
    harness.two_cores()
    all_cases = list(BATCHES)
    contenders = [harness.Contender(__file__, "heddle", sys.executable),
                  *(harness.Contender(__file__, name, harness.peer_python(name)) for name in PEERS)]
    found = harness.rates([(c, all_cases) for c in contenders], options.windows, options.seconds)
    harness.report([{"case": f"ResNet-50 {case}", "unit": "images/s", "ours": found["heddle", case],
                     "peer": found[peer, case], "peer_name": name}
                    for case in all_cases for peer, name in PEERS.items()], options.json)
    for contender in contenders:
        contender.close()


if __name__ == "__main__":
    main()
