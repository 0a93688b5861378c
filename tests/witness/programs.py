"""Run by heddle and by the real MXNet: programs of the kinds that its users wrote, from the same parameters on the same data.

    MXNET_PYTHON tests/witness/programs.py ANSWERS.npz
"""
import pathlib
import sys
import warnings

import numpy as np


def draw(*shape):
    """Numbers that depend on the shape only."""
    return np.random.RandomState(sum((i + 1) * n for i, n in enumerate(shape)) % 1000).randn(*shape).astype("float32") * 0.3


def drawn(mx):
    """An initializer that gives every parameter the numbers of its shape, except for those of batch norm."""
    class Drawn(mx.init.Initializer):
        def _init_weight(self, name, arr):
            arr[:] = draw(*arr.shape)

        _init_bias = _init_default = _init_weight
    return Drawn()


def params(module):
    arg, aux = module.get_params()
    return {name: value.asnumpy() for part in (arg, aux) for name, value in part.items()}


def images(count=24, classes=5):
    labels = np.random.RandomState(0).randint(0, classes, count).astype("float32")
    return draw(count, 1, 8, 8) + labels[:, None, None, None], labels


def dense(mx, x, width, name):
    return mx.sym.FullyConnected(x, num_hidden=width, name=name)


def sentences_with_given_states(mx):
    """An LSTM written out, whose first states come with the data, from an iterator that yields batches of its own kind."""
    batch, words, width, steps = 4, 10, 6, 5

    class Batch:
        bucket_key, pad, index = steps, 0, None

        def __init__(self, data, label):
            self.data, self.label = data, label

    class Sentences(mx.io.DataIter):
        def __init__(self):
            super().__init__()
            self.batch_size, self.default_bucket_key = batch, steps
            self.states = [("init_c", (batch, width)), ("init_h", (batch, width))]
            self.provide_data = [("data", (batch, steps)), *self.states]
            self.provide_label = [("softmax_label", (batch, steps))]

        def __iter__(self):
            for i in range(4):
                text = np.random.RandomState(i).randint(0, words, (batch, steps))
                yield Batch([mx.nd.array(text), *(mx.nd.zeros(shape) for _, shape in self.states)], [mx.nd.array(np.roll(text, -1, 1))])

        def reset(self):
            pass

    c, h = mx.sym.Variable("init_c"), mx.sym.Variable("init_h")
    shared = {n: mx.sym.Variable(n) for n in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")}
    vectors = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=words, output_dim=4, name="embed")
    outputs = []
    for t, x in enumerate(mx.sym.SliceChannel(vectors, num_outputs=steps, squeeze_axis=1)):
        gates = mx.sym.FullyConnected(x, weight=shared["i2h_weight"], bias=shared["i2h_bias"], num_hidden=4 * width, name=f"t{t}_i2h") \
            + mx.sym.FullyConnected(h, weight=shared["h2h_weight"], bias=shared["h2h_bias"], num_hidden=4 * width, name=f"t{t}_h2h")
        gate = mx.sym.SliceChannel(gates, num_outputs=4)
        i, f, o = (mx.sym.Activation(gate[k], act_type="sigmoid") for k in (0, 2, 3))
        c = f * c + i * mx.sym.Activation(gate[1], act_type="tanh")
        h = o * mx.sym.Activation(c, act_type="tanh")
        outputs.append(h)
    label = mx.sym.Reshape(mx.sym.transpose(mx.sym.Variable("softmax_label")), target_shape=(0,))
    net = mx.sym.SoftmaxOutput(dense(mx, mx.sym.Concat(*outputs, dim=0), words, "pred"), label, name="softmax")

    def perplexity(label, pred):
        return float(np.exp(-np.log(pred[np.arange(len(pred)), label.T.reshape(-1).astype(int)]).mean()))

    data, seen = Sentences(), []
    module = mx.mod.Module(net, data_names=[name for name, _ in data.provide_data], label_names=["softmax_label"])
    module.fit(data, eval_metric=mx.metric.np(perplexity), optimizer="adam", initializer=drawn(mx), num_epoch=2,
               batch_end_callback=lambda p: seen.append(p.eval_metric.get()[1]))
    old = mx.model.FeedForward(net, num_epoch=1, learning_rate=0.1, initializer=drawn(mx))
    old.fit(data, eval_metric=mx.metric.np(perplexity))
    return {**params(module), "perplexity": np.array(seen), **{f"old {n}": v.asnumpy() for n, v in old.arg_params.items()}}


def two_networks(mx):
    """One makes pictures, the other judges them: its gradients of two batches are added by hand, those of its input train the first."""
    batch = 4
    made = mx.sym.Deconvolution(mx.sym.Variable("rand"), kernel=(4, 4), num_filter=6, no_bias=True, name="g1")
    made = mx.sym.Activation(mx.sym.BatchNorm(made, fix_gamma=True, name="gbn"), act_type="relu")
    made = mx.sym.Deconvolution(made, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=1, no_bias=True, name="g2")
    judged = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=4, no_bias=True, name="d1")
    judged = mx.sym.Convolution(mx.sym.LeakyReLU(judged, act_type="leaky", slope=0.2), kernel=(4, 4), num_filter=1, no_bias=True, name="d2")
    judged = mx.sym.LogisticRegressionOutput(mx.sym.Flatten(judged), mx.sym.Variable("label"), name="loss")
    maker = mx.mod.Module(mx.sym.Activation(made, act_type="tanh"), data_names=("rand",), label_names=None)
    judge = mx.mod.Module(judged, label_names=("label",))
    maker.bind([("rand", (batch, 5, 1, 1))])
    judge.bind([("data", (batch, 1, 8, 8))], [("label", (batch,))], inputs_need_grad=True)
    for module in (maker, judge):
        module.init_params(drawn(mx))
        module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.01, "beta1": 0.5, "wd": 0.0})
    entropy = mx.metric.CustomMetric(lambda label, p: -(label * np.log(p.ravel()) + (1 - label) * np.log(1 - p.ravel())).mean())
    label, seen = mx.nd.zeros((batch,)), []
    for step in range(3):
        maker.forward(mx.io.DataBatch([mx.nd.array(draw(batch, 5, 1, 1) + step)], None), is_train=True)
        pictures = maker.get_outputs()
        label[:] = 0
        judge.forward(mx.io.DataBatch(pictures, [label]), is_train=True)
        judge.backward()
        first = [[g.copyto(g.context) for g in grads] for grads in judge._exec_group.grad_arrays]
        judge.update_metric(entropy, [label])
        label[:] = 1
        judge.forward(mx.io.DataBatch([mx.nd.array(draw(batch, 1, 8, 8) - step)], [label]), is_train=True)
        judge.backward()
        for now, before in zip(judge._exec_group.grad_arrays, first):
            for a, b in zip(now, before):
                a += b
        judge.update()
        judge.forward(mx.io.DataBatch(pictures, [label]), is_train=True)
        judge.backward()
        maker.backward(judge.get_input_grads())
        maker.update()
        seen.append(entropy.get()[1])
    # MXNet's moving averages are read while they are still written.
    return {"entropy": np.array(seen), **{n: a for n, a in {**params(maker), **params(judge)}.items() if "moving" not in n}}


def several_losses(mx):
    """A group of three losses, with labels by name and a metric for each."""
    hidden = mx.sym.Activation(dense(mx, mx.sym.Flatten(mx.sym.Variable("data")), 8, "fc1"), act_type="relu")
    net = mx.sym.Group([mx.sym.SoftmaxOutput(dense(mx, hidden, 5, "fc2"), name="kind"),
                        mx.sym.LinearRegressionOutput(dense(mx, hidden, 1, "fc3"), name="size", grad_scale=0.1),
                        mx.sym.MakeLoss(0.01 * mx.sym.sum(mx.sym.square(hidden), axis=1), name="small")])
    x, y = images()
    data = mx.io.NDArrayIter({"data": x}, {"kind_label": y, "size_label": y.reshape(-1, 1) / 10}, 6)
    metric = mx.metric.CompositeEvalMetric()
    metric.add(mx.metric.CrossEntropy(output_names=["kind_output"], label_names=["kind_label"]))
    metric.add(mx.metric.MSE(output_names=["size_output"], label_names=["size_label"]))
    metric.add(mx.metric.Loss(output_names=["small_output"], label_names=[]))
    seen = []
    module = mx.mod.Module(net, label_names=["kind_label", "size_label"], context=[mx.cpu(0), mx.cpu(1)])
    module.fit(data, eval_metric=metric, initializer=drawn(mx), num_epoch=2,
               batch_end_callback=lambda p: seen.append([v for _, v in p.eval_metric.get_name_value()]))
    return {**params(module), "seen": np.array(seen)}


def batches_of_other_shapes(mx):
    """Modules that take the place of each other where a batch has another shape, with the memory of the first."""
    x = mx.sym.Activation(mx.sym.Convolution(mx.sym.Variable("data"), num_filter=3, kernel=(3, 3), name="conv"), act_type="relu")
    x = mx.sym.Pooling(x, global_pool=True, kernel=(1, 1), pool_type="avg")
    net = mx.sym.SoftmaxOutput(dense(mx, mx.sym.Flatten(x), 3, "fc"), name="softmax")

    def bound(shape, first=None):
        module = mx.mod.Module(net, fixed_param_names=["conv_bias"])
        module.bind([("data", shape)], [("softmax_label", (2,))], shared_module=first)
        return module

    first = module = bound((2, 1, 9, 9))
    first.init_params(drawn(mx))
    first.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9, "clip_gradient": 5})
    for step, (height, width) in enumerate([(9, 9), (7, 8), (9, 9), (6, 6), (8, 7)]):
        if module.data_shapes[0].shape != (2, 1, height, width):
            module = bound((2, 1, height, width), module)
        module.forward(mx.io.DataBatch([mx.nd.array(draw(2, 1, height, width))], [mx.nd.array([step % 3, 1])]), is_train=True)
        module.backward()
        module.update()
    return params(module)


def picture_of_two(mx):
    """A picture moved along gradients until its features are like those of two others."""
    features = mx.sym.Activation(mx.sym.Convolution(mx.sym.Variable("data"), num_filter=4, kernel=(3, 3), pad=(1, 1), name="conv1"),
                                 act_type="relu", name="relu1")
    deep = mx.sym.Convolution(mx.sym.Pooling(features, pool_type="avg", kernel=(2, 2), stride=(2, 2)), num_filter=4, kernel=(3, 3),
                              pad=(1, 1), name="conv2")
    flat = mx.sym.Reshape(features, target_shape=(4, 100))
    style = mx.sym.FullyConnected(flat, flat, no_bias=True, num_hidden=4)  # features times features
    losses = mx.sym.Group([mx.sym.sum(mx.sym.square(style - mx.sym.Variable("style"))),
                           mx.sym.sum(mx.sym.square(deep - mx.sym.Variable("content")))])
    shapes, _, _ = losses.infer_shape(data=(1, 3, 10, 10), content=(1, 4, 5, 5), style=(4, 4))
    args = {n: mx.nd.array(draw(*s)) for n, s in zip(losses.list_arguments(), shapes)}
    grads = {"data": mx.nd.zeros((1, 3, 10, 10))}
    executor = losses.bind(mx.cpu(), args=args, args_grad=grads, grad_req={n: "write" if n == "data" else "null" for n in args})
    picture = mx.nd.array(draw(1, 3, 10, 10))
    optimizer = mx.optimizer.SGD(learning_rate=0.01, momentum=0.9, lr_scheduler=mx.lr_scheduler.FactorScheduler(step=2, factor=0.9))
    state, seen = optimizer.create_state(0, picture), []
    for _ in range(5):
        args["data"][:] = picture
        executor.forward(is_train=True)
        executor.backward([mx.nd.array([1e-3]), mx.nd.array([1e-2])])
        norm = mx.nd.norm(grads["data"]).asscalar()
        if norm > 1:
            grads["data"][:] *= 1 / norm
        optimizer.update(0, picture, grads["data"], state)
        seen.append([norm, (mx.nd.norm(picture - args["data"]) / mx.nd.norm(picture)).asscalar()])
    return {"picture": picture.asnumpy(), "seen": np.array(seen)}


def actor_and_critic(mx):
    """Gradients of a policy and of a value given by hand, then the same network for one state."""
    hidden = mx.sym.Activation(dense(mx, mx.sym.Variable("data"), 8, "fc1"), act_type="relu")
    policy, value = mx.sym.SoftmaxActivation(dense(mx, hidden, 3, "policy")), dense(mx, hidden, 1, "value")
    log = mx.sym.log(mx.sym.clip(policy, 1e-20, 1))
    net = mx.sym.Group([mx.sym.BlockGrad(policy), log, value, mx.sym.MakeLoss(0.01 * mx.sym.sum(policy * log, axis=1))])
    module = mx.mod.Module(net, label_names=None)
    module.bind([("data", (5, 4))])
    module.init_params(drawn(mx))
    module.init_optimizer(optimizer="adam", optimizer_params={"learning_rate": 0.01, "epsilon": 1e-3})
    for step in range(3):
        module.forward(mx.io.DataBatch([mx.nd.array(draw(5, 4) + step)], None), is_train=True)
        advantage = draw(5, 1) - module.get_outputs()[2].asnumpy()
        chosen = mx.nd.zeros((5, 3))
        chosen[:] = mx.nd.array(np.eye(3)[[0, 1, 2, 0, 1]] * -advantage)
        module.backward([mx.nd.zeros((5, 3)), chosen, mx.nd.array(-advantage), mx.nd.ones((5,))])
        module.update()
    found = params(module)
    module.reshape([("data", (1, 4))])
    module.forward(mx.io.DataBatch([mx.nd.ones((1, 4))], None), is_train=False)
    return {**found, **{f"out{i}": o.asnumpy() for i, o in enumerate(module.get_outputs())}}


def every_pixel(mx):
    """A class for every pixel: upsampled by a bilinear kernel, cropped like the data, borders ignored."""
    data = mx.sym.Variable("data")
    x = mx.sym.Activation(mx.sym.Convolution(data, num_filter=4, kernel=(3, 3), pad=(2, 2), name="conv"), act_type="relu")
    x = mx.sym.Convolution(mx.sym.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2)), num_filter=3, kernel=(1, 1), name="score")
    x = mx.sym.Deconvolution(x, kernel=(4, 4), stride=(2, 2), num_filter=3, no_bias=True, name="up")
    net = mx.sym.SoftmaxOutput(mx.sym.Crop(x, data, offset=(1, 1)), multi_output=True, use_ignore=True, ignore_label=255,
                               normalization="valid", name="softmax")
    labels = np.random.RandomState(1).randint(0, 3, (8, 8, 8)).astype("float32")
    labels[:, 0] = 255
    module = mx.mod.Module(net)
    init = mx.init.Mixed(["up.*", ".*"], [mx.init.Bilinear(), drawn(mx)])
    module.fit(mx.io.NDArrayIter(draw(8, 3, 8, 8), labels, 4), initializer=init, num_epoch=2, optimizer_params={"learning_rate": 0.1})
    return params(module)


def words(mx):
    """A convolution over words, bound to a list of arrays; gradients are added up, clipped by their norm, and set to zero by hand."""
    table = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=30, output_dim=6, name="table")
    rows, pooled = mx.sym.Reshape(table, target_shape=(4, 1, 9, 6)), []
    for size in (2, 3):
        x = mx.sym.Activation(mx.sym.Convolution(rows, kernel=(size, 6), num_filter=3, name=f"conv{size}"), act_type="relu")
        pooled.append(mx.sym.Pooling(x, pool_type="max", kernel=(10 - size, 1), stride=(1, 1)))
    net = mx.sym.SoftmaxOutput(dense(mx, mx.sym.Reshape(mx.sym.Concat(*pooled, dim=1), target_shape=(4, 6)), 2, "fc"), name="softmax")
    names, shapes = net.list_arguments(), net.infer_shape(data=(4, 9))[0]
    args = [mx.nd.array(draw(*s)) for s in shapes]
    grads = {n: mx.nd.zeros(s) for n, s in zip(names, shapes) if n not in ("data", "softmax_label")}
    executor = net.bind(mx.cpu(), args=args, args_grad=grads, grad_req="add")
    named = dict(zip(names, executor.arg_arrays))
    optimizer = mx.optimizer.create("rmsprop")
    optimizer.lr = 0.01
    updater = mx.optimizer.get_updater(optimizer)
    for step in range(4):
        named["data"][:] = np.random.RandomState(step).randint(0, 30, (4, 9))
        named["softmax_label"][:] = [0, 1, 0, 1]
        executor.forward(is_train=True)
        executor.backward()
        norm = np.sqrt(sum(mx.nd.norm(g / 4).asscalar() ** 2 for g in grads.values()))
        for i, n in enumerate(names):
            if n in grads:
                grads[n] /= 4
                if norm > 0.1:
                    grads[n] *= 0.1 / norm
                updater(i, grads[n], named[n])
                grads[n][:] = 0
    return {n: named[n].asnumpy() for n in grads}


CASES = [sentences_with_given_states, two_networks, several_losses, batches_of_other_shapes, picture_of_two, actor_and_critic, every_pixel,
         words]


def run(mx):
    """Case and name to the array found."""
    return {f"{case.__name__}/{name}": value for case in CASES for name, value in case(mx).items()}


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import mxnet
    np.savez(pathlib.Path(sys.argv[1]), **run(mxnet))
