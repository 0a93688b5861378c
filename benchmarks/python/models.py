"""Whole networks, inference and training (forward, backward, SGD), beside PyTorch, MXNet 1.9.1 and ONNX Runtime.

    ./dev bench models [--only PATTERN] [--compiled] [--json FILE] [--markdown FILE]
    ./dev bench models --check        no times: do all compute the same?

networks.py describes each network once and everybody builds it from there, with the same weights. heddle and MXNet bind the
same symbol; PyTorch runs eagerly, plain and channels-last, with --compiled through torch.compile too. A time is the
median window's, per step: an inference step is done when its answer is there. The limit of a row is the longer of two times,
its multiplications at the rate of multiply-adds in registers and what it must at least read and write (networks.py) at the
speed of reading a working set of that size, both measured between the windows of the row on the same cores
(benchmarks/cpp/limits).
"""
import argparse
import dataclasses
import json
import math
import pathlib
import re
import statistics
import sys
import time

import harness
import networks
import numpy as np

WINDOWS, WINDOW = 5, 0.4
PATIENCE = 40        # seconds for a row; after that the windows it has are enough, if they are two
RATE = 1e-6          # of learning: nothing may drift away while the clock runs
CHECK_RATE = 100     # the change of a weight must not drown in the weight
# By norms. Gradients may be further apart: what lies so near a kink of relu that it rounds to its other side counts or not.
TOLERANCE = {"output": 1e-3, "change": 5e-2}


@dataclasses.dataclass(frozen=True)
class Row:
    network: str
    batch: int
    training: bool

    def key(self):
        return f"{self.network} {'training ' * self.training}b{self.batch}"

    def title(self):
        return f"{networks.TITLES[self.network]}, {'training' if self.training else 'inference'}, batch {self.batch}"


TRAINING = {"resnet50": 8, "mobilenetv2": 16, "vgg16": 8, "inception_bn": 16, "lstm": 16, "transformer": 8, "mlp": 64}
ROWS = {row.key(): row for name, batch in TRAINING.items()
        for row in (Row(name, 1, False), Row(name, 16 if name == "lstm" else 32, False), Row(name, batch, True))}


@dataclasses.dataclass
class Built:
    """What a contender made of a network."""

    step: object                      # does one, and returns when the answer is there, or when it will come
    wait: object                      # until all is done
    parameters: int
    output: object                    # of the last step, as NumPy
    weight: object = None             # the first one, as NumPy, after the last step


def head_gradient(net):
    """What backward begins with where the network does not end in a loss."""
    return np.random.default_rng(1).standard_normal(net.layers[-1].shape, np.float32)


# --- heddle and MXNet: one program ----------------------------------------------------------------
def symbol(mx, net):
    sym, made = mx.sym, []

    def square(side):
        return (side, side)

    def pool(x, kind, p):
        return sym.Pooling(x, pool_type=kind, kernel=square(p["kernel"]), stride=square(p["stride"]), pad=square(p["pad"]))

    def attention(x, p):
        weights = sym.softmax(sym.contrib.interleaved_matmul_selfatt_qk(x, heads=p["heads"]), axis=-1)
        return sym.contrib.interleaved_matmul_selfatt_valatt(x, weights, heads=p["heads"])

    build = {
        "input": lambda name, p: sym.Variable(name),
        "conv": lambda name, p, x: sym.Convolution(
            x, num_filter=p["filters"], kernel=square(p["kernel"]), stride=square(p["stride"]), pad=square(p["pad"]),
            num_group=p["groups"], no_bias=not p["bias"], name=name),
        "batch_norm": lambda name, p, x: sym.BatchNorm(x, fix_gamma=False, eps=1e-5, momentum=0.9, name=name),
        "layer_norm": lambda name, p, x: sym.LayerNorm(x, axis=-1, eps=1e-5, name=name),
        "relu": lambda name, p, x: sym.Activation(x, act_type="relu", name=name),
        "relu6": lambda name, p, x: sym.clip(x, a_min=0, a_max=6, name=name),
        "dropout": lambda name, p, x: sym.Dropout(x, p=p["p"], name=name),
        "max_pool": lambda name, p, x: pool(x, "max", p),
        "avg_pool": lambda name, p, x: pool(x, "avg", p),
        "global_pool": lambda name, p, x: sym.Pooling(x, pool_type="avg", global_pool=True, kernel=(7, 7)),
        "add": lambda name, p, x, y: x + y,
        "concat": lambda name, p, *xs: sym.Concat(*xs, dim=1, name=name),
        "flatten": lambda name, p, x: sym.Flatten(x),
        "dense": lambda name, p, x: sym.FullyConnected(x, num_hidden=p["units"], flatten=False, name=name),
        "attention": lambda name, p, x: attention(x, p),
        "lstm": lambda name, p, x: sym.RNN(x, mode="lstm", state_size=p["width"], num_layers=p["layers"], name=name),
        "softmax": lambda name, p, x: sym.SoftmaxOutput(x, name=name),
    }
    for layer in net.layers:
        made.append(build[layer.kind](layer.name, layer.params, *(made[x] for x in layer.inputs)))
    return made[-1]


def bound(mx, net, training, rate, variant):
    weights = {f"{layer.name}_{role}": networks.values(layer, role) for layer in net.layers for role in layer.weights}
    learned = [name for name in weights if not name.endswith(networks.AUXILIARY)]
    sym = symbol(mx, net)
    if variant == "bfloat16":  # parameters stay float32
        from heddle.contrib import amp
        sym = amp.convert_symbol(sym, target_dtype="bfloat16")
    requests = {name: "write" if training and name in learned else "null" for name in sym.list_arguments()}
    exe = sym.simple_bind(mx.cpu(), data=net.layers[0].shape, grad_req=requests)
    arrays = exe.arg_dict | exe.aux_dict
    for name, array in arrays.items():
        array[:] = weights[name] if name in weights else networks.data(net) if name == "data" else 0  # labels and states
    heads = None if net.layers[-1].kind == "softmax" else mx.nd.array(head_gradient(net))
    updates = [(exe.arg_dict[name], exe.grad_dict[name]) for name in learned] if training else []

    def infer():
        exe.forward(is_train=False)
        exe.outputs[0].wait_to_read()

    def train():
        exe.forward(is_train=True)
        exe.backward(heads)
        for weight, gradient in updates:
            mx.nd.sgd_update(weight, gradient, out=weight, lr=rate)

    return Built(train if training else infer, mx.nd.waitall, sum(arrays[name].size for name in learned),
                 lambda: exe.outputs[0].asnumpy(), lambda: exe.arg_dict[learned[0]].asnumpy())


def heddle():
    import heddle as mx
    return lambda *asked: bound(mx, *asked)


def mxnet():
    import mxnet as mx
    return lambda *asked: bound(mx, *asked)


# --- PyTorch --------------------------------------------------------------------------------------
def torch():
    import torch
    from torch import nn
    from torch.nn import functional as F
    torch.set_num_threads(harness.THREADS)

    def attention(p):
        def run(x):
            steps, batch, width = x.shape
            heads = x.view(steps, batch, p["heads"], 3, width // 3 // p["heads"]).permute(3, 1, 2, 0, 4)
            y = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])
            return y.permute(2, 0, 1, 3).reshape(steps, batch, width // 3)
        return run

    def lstm(layer):
        net, p = nn.LSTM(layer.params["width"], layer.params["width"], layer.params["layers"]), layer.params
        flat, at, state = torch.from_numpy(networks.values(layer, "parameters")), 0, {}
        for kind in ("weight", "bias"):  # cuDNN's order: all weights, then all biases
            for i in range(p["layers"]):
                for side in ("ih", "hh"):
                    to = getattr(net, f"{kind}_{side}_l{i}")
                    state[f"{kind}_{side}_l{i}"] = flat[at:at + to.numel()].view_as(to)
                    at += to.numel()
        net.load_state_dict(state)
        return net

    def module(layer, inputs):
        """The layer as a module, or as a function."""
        p, kind = layer.params, layer.kind
        if kind == "conv":
            return nn.Conv2d(inputs[1], p["filters"], p["kernel"], p["stride"], p["pad"], groups=p["groups"], bias=p["bias"])
        if kind == "dense":
            return nn.Linear(inputs[-1], p["units"])
        if kind == "lstm":
            return lstm(layer)
        return {"batch_norm": lambda: nn.BatchNorm2d(inputs[1]), "layer_norm": lambda: nn.LayerNorm(inputs[-1]),
                "relu": lambda: nn.ReLU(inplace=True), "relu6": lambda: nn.ReLU6(inplace=True),
                "dropout": lambda: nn.Dropout(p["p"]), "max_pool": lambda: nn.MaxPool2d(p["kernel"], p["stride"], p["pad"]),
                "avg_pool": lambda: nn.AvgPool2d(p["kernel"], p["stride"], p["pad"]),
                "global_pool": lambda: nn.AdaptiveAvgPool2d(1), "add": lambda: torch.add,
                "concat": lambda: lambda *xs: torch.cat(xs, 1), "flatten": lambda: nn.Flatten(),
                "attention": lambda: attention(p)}[kind]()

    names = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
             "moving_var": "running_var"}

    class Net(nn.Module):
        """All layers but a softmax: in training that is part of the loss."""

        def __init__(self, net):
            super().__init__()
            self.steps, self.layers = [], nn.ModuleList()
            for layer, drop in zip(net.layers, net.last_uses()):
                if layer.kind in ("input", "softmax"):
                    continue
                made = module(layer, net.shape(layer.inputs[0]))
                if layer.weights and layer.kind != "lstm":
                    made.load_state_dict({names[role]: torch.from_numpy(networks.values(layer, role)) for role in layer.weights},
                                         strict=False)
                if isinstance(made, nn.Module):
                    self.layers.append(made)
                self.steps.append((made, layer.inputs, drop))

        def forward(self, x):
            found = [x]
            for run, inputs, drop in self.steps:
                y = run(*[found[i] for i in inputs])
                found.append(y[0] if isinstance(y, tuple) else y)
                for i in drop:
                    found[i] = None
            return found[-1]

    def work(net, training, rate, variant):
        module, x = Net(net).train(training), torch.from_numpy(networks.data(net))
        if x.dim() == 4 and variant != "eager":
            module, x = module.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        if variant == "bfloat16" and not training:
            module, x = module.bfloat16(), x.bfloat16()
        parameters, run = list(module.parameters()), torch.compile(module) if variant == "compiled" else module
        mixed = torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant == "bfloat16" and training)
        classes = net.layers[-1].kind == "softmax"
        target, heads = torch.zeros(net.layers[-1].shape[0], dtype=torch.long), torch.from_numpy(head_gradient(net))
        sgd, last = torch.optim.SGD(parameters, lr=rate, fused=True), [None]

        def infer():
            with torch.inference_mode():
                y = run(x)
                last[0] = torch.softmax(y, -1) if classes else y

        def train():
            sgd.zero_grad()
            with mixed:
                y = run(x)
            y = y.float()
            if classes:
                F.cross_entropy(y, target, reduction="sum").backward()
            else:
                y.backward(heads)
            last[0] = y
            sgd.step()

        def output():
            y = last[0].detach()
            return (torch.softmax(y, -1) if classes and training else y).float().numpy()

        first = [p for p in parameters if p.dim() > 1][0] if net.layers[-1].kind != "lstm" else None
        return Built(train if training else infer, lambda: None, sum(p.numel() for p in parameters), output,
                     lambda: first.detach().numpy() if first is not None
                     else np.concatenate([p.detach().numpy().ravel() for p in lstm_order(module.layers[0])]))

    def lstm_order(layer):
        named = dict(layer.named_parameters())
        return [named[n] for kind in ("weight", "bias") for n in named if n.startswith(kind)]

    return work


# --- ONNX Runtime -----------------------------------------------------------------------------------
def ort():
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper
    from onnx.onnx_pb import TensorProto

    class Graph:
        """The network in ONNX, opset 23; the output of a layer is the value of its name."""

        def __init__(self, net):
            self.net, self.nodes, self.constants = net, [], []
            for layer in net.layers[1:]:
                ins = [net.layers[x].name for x in layer.inputs]
                getattr(self, layer.kind)(layer, *ins)

        def node(self, op, inputs, outputs, **attributes):
            self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))

        def constant(self, name, array):
            self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
            return name

        def weights(self, layer, *roles):
            return [self.constant(f"{layer.name}_{role}", networks.values(layer, role)) for role in roles if role in layer.weights]

        def conv(self, layer, x):
            p = layer.params
            self.node("Conv", [x, *self.weights(layer, "weight", "bias")], [layer.name], kernel_shape=[p["kernel"]] * 2,
                      strides=[p["stride"]] * 2, pads=[p["pad"]] * 4, group=p["groups"])

        def batch_norm(self, layer, x):
            self.node("BatchNormalization", [x, *self.weights(layer, *layer.weights)], [layer.name], epsilon=1e-5)

        def layer_norm(self, layer, x):
            self.node("LayerNormalization", [x, *self.weights(layer, *layer.weights)], [layer.name], axis=-1, epsilon=1e-5)

        def relu(self, layer, x):
            self.node("Relu", [x], [layer.name])

        def relu6(self, layer, x):
            bounds = [self.constant(f"{layer.name}_{n}", np.float32(n)) for n in (0, 6)]
            self.node("Clip", [x, *bounds], [layer.name])

        def dropout(self, layer, x):
            self.node("Identity", [x], [layer.name])

        def max_pool(self, layer, x, op="MaxPool", **more):
            p = layer.params
            self.node(op, [x], [layer.name], kernel_shape=[p["kernel"]] * 2, strides=[p["stride"]] * 2, pads=[p["pad"]] * 4, **more)

        def avg_pool(self, layer, x):
            self.max_pool(layer, x, "AveragePool", count_include_pad=1)

        def global_pool(self, layer, x):
            self.node("GlobalAveragePool", [x], [layer.name])

        def add(self, layer, x, y):
            self.node("Add", [x, y], [layer.name])

        def concat(self, layer, *xs):
            self.node("Concat", xs, [layer.name], axis=1)

        def flatten(self, layer, x):
            self.node("Flatten", [x], [layer.name])

        def dense(self, layer, x):
            if len(layer.shape) == 2:
                self.node("Gemm", [x, *self.weights(layer, "weight", "bias")], [layer.name], transB=1)
                return
            weight = self.constant(f"{layer.name}_weight", networks.values(layer, "weight").T)
            self.node("MatMul", [x, weight], [f"{layer.name}_product"])
            self.node("Add", [f"{layer.name}_product", *self.weights(layer, "bias")], [layer.name])

        def attention(self, layer, x):
            (steps, batch, width), heads, name = layer.shape, layer.params["heads"], layer.name
            shape = self.constant(f"{name}_split", np.array([steps, batch, heads, 3, width // heads]))
            self.node("Reshape", [x, shape], [f"{name}_five"])
            self.node("Transpose", [f"{name}_five"], [f"{name}_all"], perm=[3, 1, 2, 0, 4])
            parts = [f"{name}_{part}" for part in "qkv"]
            for i, part in enumerate(parts):
                self.node("Gather", [f"{name}_all", self.constant(f"{part}_index", np.array(i))], [part], axis=0)
            self.node("Attention", parts, [f"{name}_heads"])
            self.node("Transpose", [f"{name}_heads"], [f"{name}_steps"], perm=[2, 0, 1, 3])
            self.node("Reshape", [f"{name}_steps", self.constant(f"{name}_joined", np.array([steps, batch, width]))], [name])

        def lstm(self, layer, x):
            """Gates are input, output, forget, cell here; in cuDNN's vector input, forget, cell, output."""
            width, layers = layer.params["width"], layer.params["layers"]
            flat = networks.values(layer, "parameters")
            weights = flat[:layers * 8 * width * width].reshape(layers, 2, 4, width, width)[:, :, [0, 3, 1, 2]]
            biases = flat[weights.size:].reshape(layers, 2, 4, width)[:, :, [0, 3, 1, 2]]
            for i in range(layers):
                name, last = f"{layer.name}_{i}", i == layers - 1
                ins = [self.constant(f"{name}_w", weights[i, :1].reshape(1, 4 * width, width)),
                       self.constant(f"{name}_r", weights[i, 1:].reshape(1, 4 * width, width)),
                       self.constant(f"{name}_b", biases[i].reshape(1, 8 * width))]
                self.node("LSTM", [x, *ins], [f"{name}_y"], hidden_size=width)
                x = layer.name if last else f"{name}_out"
                self.node("Squeeze", [f"{name}_y", self.constant(f"{name}_axis", np.array([1]))], [x])

        def softmax(self, layer, x):
            self.node("Softmax", [x], [layer.name], axis=-1)

        def model(self):
            first, last = self.net.layers[0], self.net.layers[-1]
            graph = helper.make_graph(self.nodes, "network", [helper.make_tensor_value_info("data", TensorProto.FLOAT, first.shape)],
                                      [helper.make_tensor_value_info(last.name, TensorProto.FLOAT, last.shape)], self.constants)
            return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=11)

    def work(net, training, rate, variant):
        graph, options, last = Graph(net), onnxruntime.SessionOptions(), [None]
        options.intra_op_num_threads, options.log_severity_level = harness.THREADS, 3
        model = graph.model()
        onnx.checker.check_model(model)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feed = {"data": networks.data(net)}

        def infer():
            last[0] = session.run(None, feed)[0]

        count = sum(math.prod(c.dims) for c in graph.constants if c.data_type == TensorProto.FLOAT
                    and c.dims and not c.name.endswith(networks.AUXILIARY))
        return Built(infer, lambda: None, count, lambda: last[0])

    return work


BUILDERS = {"heddle": heddle, "mxnet": mxnet, "torch": torch, "ort": ort}


# --- contenders answer ------------------------------------------------------------------------------
def serve(name):
    """Answers {"row": KEY, "variant": ..., "seconds": ...} with seconds a step, and without seconds with what a step
    computes; or with what went wrong, {"error": ...}."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    build, held, holding = BUILDERS[name](), {}, None
    for line in sys.stdin:
        asked = json.loads(line)
        row, variant = ROWS[asked["row"]], asked["variant"]
        try:
            if "seconds" in asked:
                if holding != row:
                    held, holding = {}, row
                if variant not in held:
                    held[variant] = warmed(build(networks.NETWORKS[row.network](row.batch), row.training, RATE, variant), row)
                answer = {"seconds": 1 / held[variant].rate(asked["seconds"])}
            else:
                answer = computed(build, row, variant)
        except Exception as error:  # noqa: BLE001 - it is told
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def warmed(built, row):
    """A program that trains a small network does not wait for every step."""
    work = harness.Work(built.step, built.wait, chunk=20 if row.training and row.network == "mlp" else 1)
    work.rate(0.3)
    return work


def computed(build, row, variant):
    """What one step at a small batch gives, and in training how much a step of learning changes the first weight."""
    net = networks.NETWORKS[row.network](min(row.batch, 2))
    net.layers = [dataclasses.replace(layer, params={"p": 0.0}) if layer.kind == "dropout" else layer for layer in net.layers]
    built = build(net, row.training, CHECK_RATE, variant)
    before = built.weight().copy() if row.training else 0
    built.step()
    built.wait()
    answer = {"parameters": built.parameters, "output": built.output().ravel()[:4000].tolist()}
    if row.training:
        answer["change"] = ((built.weight() - before) / CHECK_RATE).ravel()[:4000].tolist()
    return answer


# --- the comparison -----------------------------------------------------------------------------------
PEERS = {"ONNX Runtime": ("ort", ""), "MXNet": ("mxnet", ""), "PyTorch": ("torch", "eager"),
         "PyTorch channels-last": ("torch", "channels-last"), "PyTorch compiled": ("torch", "compiled")}
PEERS_IN_BFLOAT16 = {"heddle in float32": ("heddle", ""), "PyTorch": ("torch", "bfloat16")}


def peers_of(row, compiled, bfloat16=False):
    if bfloat16:
        return PEERS_IN_BFLOAT16

    def fits(name):
        return (not (name == "ONNX Runtime" and row.training) and (name != "PyTorch compiled" or compiled)
                and (name != "PyTorch channels-last" or networks.NETWORKS[row.network] in IMAGES))
    return {name: who for name, who in PEERS.items() if fits(name)}


IMAGES = (networks.resnet50, networks.mobilenetv2, networks.vgg16, networks.inception_bn)


def ask(program, row, variant, **question):
    return json.loads(program.ask(json.dumps({"row": row.key(), "variant": variant, **question})))


def measure(row, programs, limits, options):
    """Medians: {"heddle": seconds, peer: seconds, ...}, and the rates of the limits."""
    net = networks.NETWORKS[row.network](row.batch)
    contenders = {"heddle": ("heddle", "bfloat16" if options.bfloat16 else "")} | peers_of(row, options.compiled, options.bfloat16)
    questions = {"fma": "fma 0.05", "memory": f"read {min(net.working_set(row.training), 1 << 29)} 0.05"}
    found = {}
    begin = time.perf_counter()
    for window in range(options.windows):
        for name, question in questions.items():
            found.setdefault(name, []).append(float(limits.ask(question)))
        for name, (program, variant) in list(contenders.items()):
            answer = ask(programs[program], row, variant, seconds=options.seconds)
            if "error" in answer:
                print(f"\r{name} in {row.title()}: {answer['error']}", file=sys.stderr)
                del contenders[name]
            else:
                found.setdefault(name, []).append(answer["seconds"])
        if window >= 1 and time.perf_counter() - begin > PATIENCE:
            break
    found = {name: statistics.median(times) for name, times in found.items() if name in contenders or name in questions}
    needs = {"fma": net.flops(row.training) / found.pop("fma"), "memory": net.bytes(row.training) / found.pop("memory")}
    return found, needs


def result(row, found, needs):
    """A row of the report, times in milliseconds."""
    made = {"case": row.title(), "heddle": found.pop("heddle") * 1e3, "peers": {name: s * 1e3 for name, s in found.items()}}
    if found:
        made["best"] = min(found, key=found.get)
        made["ratio"] = found[made["best"]] * 1e3 / made["heddle"]
    made["bound"] = max(needs, key=needs.get)
    made["limit"] = needs[made["bound"]] * 1e3
    made["percent"] = 100 * made["limit"] / made["heddle"]
    return made


def number(ms):
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}" if ms >= 0.1 else f"{ms:.3f}"


def line(made):
    peers = "  ".join(f"{name} {number(ms)} ({ms / made['heddle']:.2f}x)" for name, ms in made["peers"].items())
    return (f"{made['case']:<40} heddle {number(made['heddle']):>6} ms, {made['percent']:3.0f} % of {made['bound']:<6}  {peers}")


def markdown(rows):
    """One line per row; ratios are the peer's time over heddle's, the best peer's in bold."""
    names = [name for name in PEERS | PEERS_IN_BFLOAT16 if any(name in made["peers"] for made in rows)]
    yield "| case | heddle, ms | of the limit | " + " | ".join(f"{name}, ms" for name in names) + " |"
    yield "|---|" + "--:|" * (2 + len(names))
    for made in rows:
        cells = []
        for name in names:
            ms = made["peers"].get(name)
            mark = "**" if name == made.get("best") else ""
            cells.append("" if ms is None else f"{number(ms)} ({mark}{ms / made['heddle']:.2f}x{mark})")
        yield (f"| {made['case']} | {number(made['heddle'])} | {made['percent']:.0f} % {made['bound']} | " + " | ".join(cells) + " |")


def apart(a, b):
    a, b = np.array(a), np.array(b)
    return math.inf if a.shape != b.shape else float(np.linalg.norm(a - b) / np.linalg.norm(a))


def check(rows, programs, options):
    """Do all have as many parameters as the description, and give heddle's answers? A list of those that do not."""
    wrong = []
    for i, row in enumerate(rows):
        harness.progress(i, len(rows), row.key())
        count = networks.NETWORKS[row.network](1).parameters()
        ours = ask(programs["heddle"], row, "")
        texts = []
        for name, (program, variant) in ({"heddle": ("heddle", "")} | peers_of(row, options.compiled)).items():
            theirs = ours if name == "heddle" else ask(programs[program], row, variant)
            if "error" in theirs or "error" in ours:
                texts.append(f"{name}: {theirs.get('error', 'runs')}")
                wrong.append(f"{row.title()}: {texts[-1]}")
                continue
            distances = {what: apart(ours[what], theirs[what]) for what in ("output", "change") if what in ours}
            texts.append(f"{name} " + ", ".join(f"{what} {d:.0e}" for what, d in distances.items()))
            if theirs["parameters"] != count:
                wrong.append(f"{row.title()}: {name} has {theirs['parameters']} parameters, expected {count}")
            for what, distance in distances.items():
                if not distance <= TOLERANCE[what]:
                    wrong.append(f"{row.title()}: {name}'s {what} differs by {distance:.0e}, expected at most {TOLERANCE[what]:.0e}")
        print(f"\r{row.title():<40} {count} parameters; " + "; ".join(texts), flush=True)
    harness.progress(len(rows), len(rows), "")
    return wrong


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PATTERN", default="", help="rows whose key has this regular expression, as 'resnet.*b1'; "
                        "keys: " + ", ".join(ROWS))
    parser.add_argument("--check", action="store_true", help="compare what is computed, measure nothing")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too; it takes a minute a row to compile")
    parser.add_argument("--bfloat16", action="store_true", help="in mixed precision, beside float32 and PyTorch's autocast; of the "
                        "limit of multiply-adds in float32")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--markdown", metavar="FILE", help="write the table of docs/performance.md there")
    parser.add_argument("--windows", type=int, default=WINDOWS)
    parser.add_argument("--seconds", type=float, default=WINDOW, help="length of a window")
    parser.add_argument("--serve", metavar="NAME", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.serve:
        return serve(options.serve)
    rows = [row for key, row in ROWS.items() if re.search(options.only, key)]
    if not rows:
        raise SystemExit(f"models: no row matches {options.only!r}; there are: {', '.join(ROWS)}")
    program = harness.ROOT / "build/release/bench_limits"
    if not program.exists():
        raise SystemExit(f"{program} is missing: ./dev bench models builds it")
    harness.two_cores()
    needed = {"heddle"} | {who for row in rows for who, _ in peers_of(row, options.compiled, options.bfloat16).values()}
    programs = {name: harness.Contender(__file__, name, sys.executable if name == "heddle" else harness.peer_python(name))
                for name in BUILDERS if name in needed}
    if options.check:
        wrong = check(rows, programs, options)
        sys.exit("\n".join(wrong) if wrong else 0)
    limits = harness.Program("limits", [program, "--serve", harness.THREADS])
    made = []
    for i, row in enumerate(rows):
        harness.progress(i, len(rows), row.key())
        made.append(result(row, *measure(row, programs, limits, options)))
        print(("\r" if sys.stderr.isatty() else "") + line(made[-1]), flush=True)
    for each in (*programs.values(), limits):
        each.close()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(made, indent=1) + "\n")
    if options.markdown:
        pathlib.Path(options.markdown).write_text("\n".join(markdown(made)) + "\n")


if __name__ == "__main__":
    main()
