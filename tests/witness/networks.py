"""The networks whose checkpoints travel between heddle and MXNet: `mx` is either package."""


def mlp(mx):
    net = mx.sym.Variable("data")
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=16, name="fc1"), act_type="relu", name="relu1")
    net = mx.sym.FullyConnected(net + 1, num_hidden=5, no_bias=True, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax"), (4, 12)


def lenet(mx):
    net = mx.sym.Variable("data")
    for i, filters in ((1, 8), (2, 12)):
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=filters, name=f"conv{i}")
        net = mx.sym.Activation(net, act_type="tanh", name=f"tanh{i}")
        net = mx.sym.Pooling(net, pool_type="max", kernel=(2, 2), stride=(2, 2), name=f"pool{i}")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=20, name="fc1")
    net = mx.sym.FullyConnected(mx.sym.tanh(net), num_hidden=10, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax"), (3, 1, 28, 28)


def resnet(mx):
    def unit(net, filters, stride, name):
        shortcut = net
        for i, step in ((1, stride), (2, (1, 1))):
            net = mx.sym.BatchNorm(net, fix_gamma=i == 1, eps=2e-5, momentum=0.9, name=f"{name}_bn{i}")
            net = mx.sym.Activation(net, act_type="relu", name=f"{name}_relu{i}")
            if i == 1 and stride != (1, 1):
                shortcut = mx.sym.Convolution(net, num_filter=filters, kernel=(1, 1), stride=stride,
                                              no_bias=True, name=f"{name}_short")
            net = mx.sym.Convolution(net, num_filter=filters, kernel=(3, 3), pad=(1, 1), stride=step,
                                     no_bias=True, name=f"{name}_conv{i}")
        return net + shortcut

    net = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True,
                             name="conv0")
    net = unit(net, 8, (1, 1), "stage1")
    net = unit(net, 16, (2, 2), "stage2")
    net = mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name="bn1")
    net = mx.sym.Pooling(net, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=10, name="fc1")
    return mx.sym.SoftmaxOutput(net, name="softmax"), (2, 3, 16, 16)


NETWORKS = {"mlp": mlp, "lenet": lenet, "resnet": resnet}


def build(mx, name):
    """The symbol of a network and the shape of its input; automatic names count from 0."""
    with mx.name.NameManager():
        return NETWORKS[name](mx)


def start(mx, name, rng):
    """Inputs and first parameters of a network as NumPy arrays; keys name or name/parameter."""
    symbol, shape = build(mx, name)
    arguments, _, _ = symbol.infer_shape(data=shape)
    found = {name: rng.uniform(-1, 1, shape).astype("float32")}
    for parameter, extent in zip(symbol.list_arguments(), arguments):
        if parameter not in ("data", "softmax_label"):
            value = rng.uniform(-0.3, 0.3, extent).astype("float32")
            found[f"{name}/{parameter}"] = value + 1 if parameter.endswith("gamma") else value
    return found


def write(mx, prefix, name, begin):
    """Saves a checkpoint of a network after one training step, and returns its outputs."""
    symbol, shape = build(mx, name)
    module = mx.mod.Module(symbol)
    module.bind([("data", shape)], [("softmax_label", shape[:1])])
    first = {k.split("/")[1]: mx.nd.array(v) for k, v in begin.items() if k.startswith(name + "/")}
    module.init_params(mx.init.Zero(), arg_params=first)
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.5, "momentum": 0.9, "wd": 0.01})
    batch = mx.io.DataBatch([mx.nd.array(begin[name])], [mx.nd.array([i % 3 for i in range(shape[0])])])
    module.forward_backward(batch)  # moves the averages of BatchNorm
    module.update()
    mx.nd.waitall()
    module.save_checkpoint(prefix, 0)
    return outputs(mx, module, batch)


def read(mx, prefix, data):
    """The outputs of a checkpoint."""
    module = mx.mod.Module.load(prefix, 0)
    module.bind([("data", data.shape)], for_training=False)
    return outputs(mx, module, mx.io.DataBatch([mx.nd.array(data)], None))


def outputs(mx, module, batch):
    module.forward(batch, is_train=False)
    mx.nd.waitall()
    return module.get_outputs()[0].asnumpy()
