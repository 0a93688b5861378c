"""Run by heddle and by the real MXNet: training in every style, from the same parameters on the same data.

    MXNET_PYTHON tests/witness/training.py ANSWERS.npz CHECKPOINT

CHECKPOINT: the prefix of a checkpoint with optimizer states that is written after two epochs.
"""
import contextlib
import logging
import os
import pathlib
import sys
import tempfile
import warnings

import numpy as np

SIZE, BATCH, WIDTH = 44, 8, 5


def draw(*shape):
    """Numbers that depend on the shape only."""
    return np.random.RandomState(sum((i + 1) * n for i, n in enumerate(shape)) % 1000).randn(*shape).astype("float32")


def data(mx, batch=BATCH, **more):
    x = draw(SIZE, WIDTH)
    return mx.io.NDArrayIter(x, (x[:, :2].sum(1) > x[:, 2:].sum(1)).astype("float32"), batch, **more)


def mlp(mx, norm=False):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=6, name="fc1")
    if norm:
        net = mx.sym.BatchNorm(net, name="bn", fix_gamma=False)
    net = mx.sym.Activation(net, act_type="tanh", name="act")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")


def start(mx, net, **shapes):
    """(arg_params, aux_params) for the shapes of the inputs."""
    arg_shapes, _, aux_shapes = net.infer_shape(**shapes)
    arg = {n: mx.nd.array(draw(*s) * 0.5) for n, s in zip(net.list_arguments(), arg_shapes)
           if n not in shapes and not n.endswith("label")}
    aux = {n: mx.nd.array(np.abs(draw(*s)) + 0.5) for n, s in zip(net.list_auxiliary_states(), aux_shapes)}
    return arg, aux


def params(module):
    arg, aux = module.get_params()
    return {name: value.asnumpy() for part in (arg, aux) for name, value in part.items()}


@contextlib.contextmanager
def setting(name, value):
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def fitted(mx, net=None, devices=1, make=None, iterator=None, **kwargs):
    """A module after some epochs of fit."""
    net = mlp(mx) if net is None else net
    arg, aux = start(mx, net, data=(BATCH, WIDTH))
    module = (make or mx.mod.Module)(net, context=[mx.cpu(i) for i in range(devices)])
    settings = {"optimizer_params": {"learning_rate": 0.3, "momentum": 0.9, "wd": 0.01}, "num_epoch": 3, **kwargs}
    module.fit(iterator or data(mx), arg_params=arg, aux_params=aux, **settings)
    return module


# --- modules ------------------------------------------------------------------------------------------
def one_device(mx):
    return params(fitted(mx))


def one_device_with_a_store(mx):
    return params(fitted(mx, kvstore=mx.kv.create("local")))


def two_devices_local(mx):
    return params(fitted(mx, devices=2))


def two_devices_device(mx):
    return params(fitted(mx, devices=2, kvstore="device"))


def two_devices_without_a_store(mx):
    return params(fitted(mx, devices=2, kvstore=None, optimizer="adam", optimizer_params={"learning_rate": 0.05}))


def two_devices_updating_themselves(mx):
    with setting("MXNET_UPDATE_ON_KVSTORE", "0"):
        return params(fitted(mx, devices=2, kvstore="local"))


def three_devices_with_batch_norm(mx):
    def make(net, context):
        return mx.mod.Module(net, context=context, work_load_list=[1, 2, 1])

    return params(fitted(mx, mlp(mx, norm=True), devices=3, make=make, kvstore="device",
                         optimizer_params={"learning_rate": 0.1, "momentum": 0.5}))


def compressed(mx):
    def make(net, context):
        return mx.mod.Module(net, context=context, compression_params={"type": "2bit", "threshold": 0.02})

    return params(fitted(mx, devices=2, make=make, kvstore="device"))


def user_store(mx):
    """A store of a user's, which updates by its own rule."""
    class Descending(mx.kv.KVStoreBase):
        type, rank, num_workers = "descending", 0, 1

        def __init__(self):
            self.weights, self.seen = {}, []

        @staticmethod
        def is_capable(capability):
            return capability == "optimizer"

        def set_optimizer(self, optimizer):
            self.rate = optimizer.lr * optimizer.rescale_grad

        def broadcast(self, key, value, out, priority=0):
            self.weights[key] = value.copy()
            for array in out:
                value.copyto(array)

        def pushpull(self, key, value, out=None, priority=0):
            self.seen.append(priority)
            total = sum(v.asnumpy() for v in value)
            self.weights[key] -= mx.nd.array(total * self.rate)
            for array in out:
                self.weights[key].copyto(array)

    store = Descending()
    return {**params(fitted(mx, devices=2, kvstore=store)), "seen": np.array(store.seen)}


def fixed_parameters(mx):
    def make(net, context):
        return mx.mod.Module(net, context=context, fixed_param_names=["fc1_weight", "fc1_bias"])

    return params(fitted(mx, devices=2, make=make))


def multipliers(mx):
    with mx.AttrScope(__lr_mult__="0.1"):
        w = mx.sym.Variable("fc1_weight")
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), weight=w, num_hidden=6, name="fc1")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
    return params(fitted(mx, net, devices=2))


def predictions(mx):
    module = fitted(mx, devices=2, num_epoch=1)
    found = {"all": module.predict(data(mx)), "some": module.predict(data(mx), num_batch=2)}
    found = {name: value.asnumpy() for name, value in found.items()}
    found["list"] = module.predict(data(mx), always_output_list=True)[0].asnumpy()
    for i, batch in enumerate(module.predict(data(mx), merge_batches=False)):
        found[f"batch{i}"] = batch[0].asnumpy()
    for outputs, number, _ in module.iter_predict(data(mx), num_batch=3):
        found[f"iter{number}"] = outputs[0].asnumpy()
    found["score"] = np.array([v for _, v in module.score(data(mx), ["acc", "ce"])])
    found["short score"] = np.array([v for _, v in module.score(data(mx), mx.metric.Accuracy(), num_batch=2)])
    return found


def input_gradients(mx):
    module = mx.mod.Module(mlp(mx), context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (BATCH, WIDTH))], [("softmax_label", (BATCH,))], inputs_need_grad=True, grad_req="add")
    module.init_params(arg_params=start(mx, mlp(mx), data=(BATCH, WIDTH))[0], aux_params={})
    batch = mx.io.DataBatch([mx.nd.array(draw(BATCH, WIDTH))], [mx.nd.array(np.arange(BATCH) % 3)])
    for _ in range(2):
        module.forward_backward(batch)
    grads = {n: sum(g.asnumpy() for g in part) for n, part in
             zip(module._exec_group.param_names, module._exec_group.grad_arrays)}
    return {"input": module.get_input_grads()[0].asnumpy(), **grads}


def gradients_by_request(mx):
    net, found = mlp(mx), {}
    for name, request in (("dict", {"fc1_weight": "null", "fc2_weight": "add"}), ("list", ["null"] * 4 + ["write", "null"])):
        module = mx.mod.Module(net)
        module.bind([("data", (BATCH, WIDTH))], [("softmax_label", (BATCH,))], grad_req=request)
        found[name] = np.array([g[0] is not None for g in module._exec_group.grad_arrays])
    return found


def states_of_networks(mx):
    net = mx.sym.Variable("data") * 2 + mx.sym.Variable("before")
    module = mx.mod.Module(net, label_names=None, state_names=["before"], context=[mx.cpu(0), mx.cpu(1)])
    module.bind([("data", (4, 2)), ], for_training=False)
    module.init_params()
    module.set_states(value=3)
    module.forward(mx.io.DataBatch([mx.nd.array(draw(4, 2))]))
    found = {"once": module.get_outputs()[0].asnumpy()}
    module.set_states(states=module.get_outputs(merge_multi_context=False))
    module.forward(mx.io.DataBatch([mx.nd.array(draw(4, 2))]))
    states = [part.asnumpy() for part in module.get_states(merge_multi_context=False)[0]]
    return {**found, "twice": module.get_outputs()[0].asnumpy(), "states": np.concatenate(states)}


def resumed(mx):
    """Half the epochs, a checkpoint with states, a new module, the other half."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for devices in (1, 2):
            prefix = f"{folder}/net{devices}"
            module = fitted(mx, devices=devices, num_epoch=2)
            module.save_checkpoint(prefix, 2, save_optimizer_states=True)
            again = mx.mod.Module.load(prefix, 2, load_optimizer_states=True, context=[mx.cpu(i) for i in range(devices)])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                again.fit(data(mx), optimizer_params={"learning_rate": 0.3, "momentum": 0.9, "wd": 0.01}, begin_epoch=2,
                          num_epoch=4)
            found.update({f"{devices}/{name}": value for name, value in params(again).items()})
    return found


def resumed_from(mx, prefix):
    """Two more epochs from a checkpoint of another process, on one device."""
    module = mx.mod.Module.load(prefix, 2, load_optimizer_states=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.fit(data(mx), optimizer_params={"learning_rate": 0.3, "momentum": 0.9, "wd": 0.01}, begin_epoch=2, num_epoch=4)
    return params(module)


def rebound(mx):
    """Other batch sizes, and another shape, in the middle of training."""
    module = fitted(mx, num_epoch=1)
    module.reshape([("data", (12, WIDTH))], [("softmax_label", (12,))])
    module.fit(data(mx, 12), optimizer_params={}, num_epoch=1)
    for n in (4, 20, BATCH):
        batch = mx.io.DataBatch([mx.nd.array(draw(n, WIDTH))], [mx.nd.array(np.arange(n) % 3)])
        module.forward_backward(batch)
        module.update()
    return params(module)


def time_major(mx):
    """The batch is the second axis, of data, labels and outputs."""
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, flatten=False, name="fc")
    net = mx.sym.SoftmaxOutput(net, name="softmax", preserve_shape=True, attr={"__layout__": "TNC"})
    module = mx.mod.Module(net, context=[mx.cpu(0), mx.cpu(1)])
    module.bind([mx.io.DataDesc("data", (3, BATCH, WIDTH), layout="TNC")],
                [mx.io.DataDesc("softmax_label", (3, BATCH), layout="TN")], inputs_need_grad=True)
    module.init_params(arg_params={"fc_weight": mx.nd.array(draw(4, WIDTH)), "fc_bias": mx.nd.array(draw(4))}, aux_params={})
    module.init_optimizer(optimizer_params={"learning_rate": 0.5})
    batch = mx.io.DataBatch([mx.nd.array(draw(3, BATCH, WIDTH))], [mx.nd.array(np.arange(3 * BATCH).reshape(3, BATCH) % 4)])
    module.forward_backward(batch)
    module.update()
    return {**params(module), "output": module.get_outputs()[0].asnumpy(), "gradient": module.get_input_grads()[0].asnumpy(),
            "rescale": np.array(module._optimizer.rescale_grad), "shapes": np.array([s for _, s in module.output_shapes])}


def callbacks(mx):
    """What callbacks are told, as numbers."""
    seen = []
    wanted = {"self", "data_batch", "train_data", "nbatch", "epoch", "eval_metric", "num_epoch", "optimizer_params"}

    def of_batch(param):
        seen.append([0, param.epoch, param.nbatch, len(wanted & set(param.locals))])

    fitted(mx, num_epoch=2, begin_epoch=1, eval_data=data(mx), batch_end_callback=[of_batch, of_batch],
           epoch_end_callback=lambda epoch, net, arg, aux: seen.append([1, epoch, len(arg), len(aux)]),
           eval_batch_end_callback=lambda p: seen.append([2, p.epoch, p.nbatch, "eval_batch" in p.locals]),
           eval_end_callback=lambda p: seen.append([3, p.epoch, p.nbatch, 0]), validation_metric="ce")
    return {"seen": np.array(seen, "int64")}


# --- other modules -----------------------------------------------------------------------------------
def buckets(mx):
    found = {}
    for devices in (1, 2):
        def generate(length):
            net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc", flatten=False)
            net = mx.sym.FullyConnected(mx.sym.sum(net, axis=1), num_hidden=2, name="out")
            return mx.sym.SoftmaxOutput(net, name="softmax"), ["data"], ["softmax_label"]

        module = mx.mod.BucketingModule(generate, default_bucket_key=6, context=[mx.cpu(i) for i in range(devices)])
        module.bind([("data", (4, 6, 3))], [("softmax_label", (4,))])
        module.init_params(arg_params=start(mx, generate(6)[0], data=(4, 6, 3))[0], aux_params={})
        module.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
        for length in (6, 3, 4, 3, 6):
            batch = mx.io.DataBatch([mx.nd.array(draw(4, length, 3))], [mx.nd.array([0, 1, 1, 0])], bucket_key=length,
                                    provide_data=[mx.io.DataDesc("data", (4, length, 3))],
                                    provide_label=[mx.io.DataDesc("softmax_label", (4,))])
            module.prepare(batch)
            module.forward_backward(batch)
            module.update()
        found.update({f"{devices}/{name}": value for name, value in params(module).items()})
    return found


def chain(mx):
    first = mx.mod.Module(mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="a"),
                                            act_type="tanh"), label_names=None, context=[mx.cpu(0), mx.cpu(1)])
    second = mx.mod.Module(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="b"), label_names=None)

    def gradient(scores, labels):
        p = scores.asnumpy()
        p = np.exp(p) / np.exp(p).sum(1, keepdims=True)
        p[np.arange(len(p)), labels.asnumpy().astype(int)] -= 1
        return p

    module = mx.mod.SequentialModule()
    module.add(first).add(second, auto_wiring=True).add(mx.mod.PythonLossModule(grad_func=gradient), take_labels=True,
                                                        auto_wiring=True)
    arg = {"a_weight": draw(4, WIDTH), "a_bias": draw(4), "b_weight": draw(2, 4), "b_bias": draw(2)}
    module.fit(data(mx), arg_params={n: mx.nd.array(v) for n, v in arg.items()}, aux_params={}, num_epoch=2,
               optimizer_params={"learning_rate": 0.1, "momentum": 0.5})
    return {**params(module), "score": np.array([v for _, v in module.score(data(mx), "acc")])}


def user_module(mx):
    """A module of a user's, which overrides what it must and no more."""
    class Doubling(mx.mod.BaseModule):
        def __init__(self):
            super().__init__()
            self.weight = mx.nd.array(draw(WIDTH))
            self.seen = []

        data_names = property(lambda self: ["data"])
        output_names = property(lambda self: ["out"])
        data_shapes = property(lambda self: self._shapes)
        label_shapes = property(lambda self: None)
        output_shapes = property(lambda self: [("out", (BATCH,))])

        def bind(self, data_shapes, label_shapes=None, for_training=True, inputs_need_grad=False, force_rebind=False,
                 shared_module=None, grad_req="write"):
            self._shapes, self.binded = data_shapes, True

        def init_params(self, initializer=None, arg_params=None, aux_params=None, allow_missing=False, force_init=False,
                        allow_extra=False):
            if arg_params:
                arg_params["w"].copyto(self.weight)
            self.params_initialized = True

        def get_params(self):
            return {"w": self.weight}, {}

        def init_optimizer(self, kvstore="local", optimizer="sgd", optimizer_params=(), force_init=False):
            self.optimizer_initialized = True

        def forward(self, data_batch, is_train=None):
            self.batch, self.out = data_batch, mx.nd.dot(data_batch.data[0], self.weight)

        def backward(self, out_grads=None):
            self.grad = mx.nd.dot((self.out - self.batch.label[0]), self.batch.data[0])

        def update(self):
            self.weight -= 0.02 * self.grad

        def get_outputs(self, merge_multi_context=True):
            return [self.out]

        def update_metric(self, eval_metric, labels, pre_sliced=False):
            eval_metric.update(labels, self.get_outputs())

        def prepare(self, data_batch, sparse_row_id_fn=None):
            self.seen.append(data_batch.data[0].shape[0])

    module = Doubling()
    module.fit(data(mx), num_epoch=2, eval_metric="mse", eval_data=data(mx))
    score = [v for _, v in module.score(data(mx), "mse")]
    return {**params(module), "seen": np.array(module.seen), "score": np.array(score),
            "predicted": module.predict(data(mx)).asnumpy()}


# --- FeedForward --------------------------------------------------------------------------------------
def feed_forward(mx):
    found = {}
    for name, more in (("plain", {}), ("short epochs", {"epoch_size": 3}), ("two", {"ctx": [mx.cpu(0), mx.cpu(1)]})):
        arg, aux = start(mx, mlp(mx, True), data=(BATCH, WIDTH))
        model = mx.model.FeedForward(mlp(mx, True), num_epoch=2, arg_params=arg, aux_params=aux, learning_rate=0.2,
                                     momentum=0.9, wd=0.01, **more)
        seen = []
        model.fit(data(mx), eval_data=data(mx),
                  batch_end_callback=lambda p, seen=seen: seen.append([0, p.epoch, p.nbatch, p.eval_metric.get()[1]]),
                  eval_batch_end_callback=lambda p, seen=seen: seen.append([1, p.epoch, p.nbatch, 0]),
                  eval_end_callback=lambda p, seen=seen: seen.append([2, p.epoch, p.nbatch, 0]))
        found[f"{name}/seen"] = np.array(seen)
        found.update({f"{name}/{n}": v.asnumpy() for n, v in model.arg_params.items()})
        found.update({f"{name}/{n}": v.asnumpy() for n, v in model.aux_params.items()})
    predicted, x, y = model.predict(data(mx), return_data=True)
    found.update(predicted=predicted, x=x, y=y, score=np.array(model.score(data(mx))))
    found["scores"] = np.array(model.score(data(mx), ["acc", "ce"]))
    found["of an array"] = model.predict(draw(30, WIDTH))
    found["two batches"] = model.predict(data(mx), num_batch=2)
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/ff", 7)
        again = mx.model.FeedForward.load(f"{folder}/ff", 7)
        found["again"] = again.predict(draw(30, WIDTH))
        found["begin"] = np.array(again.begin_epoch)
    return found


def executor_manager(mx):
    """The loop that FeedForward is made of, by hand."""
    iterator, net = data(mx), mlp(mx)
    arg, aux = start(mx, net, data=(BATCH, WIDTH))
    manager = mx.executor_manager.DataParallelExecutorManager(
        net, [mx.cpu(0), mx.cpu(1)], iterator, net.list_arguments(), list(arg), net.list_auxiliary_states(),
        work_load_list=[1, 3])
    manager.set_params(arg, aux)
    optimizer = mx.optimizer.SGD(learning_rate=0.2, momentum=0.9, rescale_grad=1 / BATCH)
    store, on_store = mx.model._create_kvstore("local", 2, arg)
    store.set_optimizer(optimizer)
    names = manager.param_names
    mx.model._initialize_kvstore(store, manager.param_arrays, arg, names, on_store)
    metric = mx.metric.create("acc")
    for batch in iterator:
        manager.load_data_batch(batch)
        manager.forward(is_train=True)
        manager.backward()
        mx.model._update_params_on_kvstore(manager.param_arrays, manager.grad_arrays, store, names)
        manager.update_metric(metric, batch.label)
    manager.copy_to(arg, aux)
    return {**{n: v.asnumpy() for n, v in arg.items()}, "accuracy": np.array(metric.get()[1])}


# --- stores -------------------------------------------------------------------------------------------
def stores(mx):
    found = {}

    def pulled(store, key, name):
        out = [mx.nd.zeros((4,), ctx=mx.cpu(i)) for i in range(2)]
        store.pull(key, out=out)
        assert (out[0].asnumpy() == out[1].asnumpy()).all()
        found[name] = out[0].asnumpy()

    for kind in ("local", "device"):
        store = mx.kv.create(kind)
        store.init([3, 5], [mx.nd.array(draw(4))] * 2)
        pulled(store, 5, f"{kind}/start")
        store.push([3, 5], [[mx.nd.array(draw(4) * k, ctx=mx.cpu(k)) for k in range(3)], mx.nd.array(draw(4) * 2)])
        pulled(store, 3, f"{kind}/sum")
        pulled(store, 5, f"{kind}/one")
        store.push([3, 3], [mx.nd.array(draw(4)), mx.nd.array(draw(4) * 7)])
        pulled(store, 3, f"{kind}/twice")
        a, b = mx.nd.array(draw(4)), mx.nd.array(draw(4) * 3)
        store.pushpull(3, [a, b])
        found[f"{kind}/in place"] = a.asnumpy()
        store.broadcast(9, mx.nd.array(draw(4)), out=[a, b])
        found[f"{kind}/broadcast"] = b.asnumpy()
        store = mx.kv.create(kind)  # a store of MXNet's that has replaced values gives its updater one array as both
        store.init([3, 9], [mx.nd.array(draw(4))] * 2)
        store.set_optimizer(mx.optimizer.Adam(learning_rate=0.1))
        for k in range(3):
            store.push([3, 9], [[mx.nd.array(draw(4) * k), mx.nd.array(draw(4))], mx.nd.array(draw(4))])
        pulled(store, 3, f"{kind}/adam")
        pulled(store, 9, f"{kind}/adam 9")
    store = mx.kv.create("local")
    store.init("w", mx.nd.array(draw(4)))
    store._set_updater(lambda key, grad, stored: stored.__iadd__(grad * 3))
    store.push("w", [mx.nd.array(draw(4)), mx.nd.array(draw(4))])
    pulled(store, "w", "updater")
    return found


def compression(mx):
    found, rng = {}, np.random.RandomState(5)
    for devices in (1, 3):
        store = mx.kv.create("device")
        store.init("w", mx.nd.zeros((50,)))
        store.set_gradient_compression({"type": "2bit", "threshold": 0.3})
        for step in range(4):
            values = [rng.randn(50).astype("float32") * 0.4 for _ in range(devices)]
            store.push("w", [mx.nd.array(v, ctx=mx.cpu(k)) for k, v in enumerate(values)])
            out = mx.nd.zeros((50,))
            store.pull("w", out=out)
            found[f"{devices}/{step}"] = out.asnumpy()
    return found


CASES = [one_device, one_device_with_a_store, two_devices_local, two_devices_device, two_devices_without_a_store,
         two_devices_updating_themselves, three_devices_with_batch_norm, compressed, user_store, fixed_parameters,
         multipliers, predictions, input_gradients, gradients_by_request, states_of_networks, resumed, rebound, time_major, callbacks,
         buckets, chain, user_module, feed_forward, executor_manager, stores, compression]


def run(mx):
    """Case and name to the array found."""
    found = {}
    for case in CASES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.update({f"{case.__name__}/{name}": value for name, value in case(mx).items()})
    return found


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    import mxnet
    np.savez(pathlib.Path(sys.argv[1]), **run(mxnet))
    fitted(mxnet, num_epoch=2).save_checkpoint(sys.argv[2], 2, save_optimizer_states=True)
