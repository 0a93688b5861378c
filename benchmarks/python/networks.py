"""Networks, described once: lists of layers from which each contender of models.py builds its own.

A network is made for one batch. Its layers know the shapes of their outputs and weights, so a description also says what a
step must compute and read at least. `values` makes the numbers of a weight out of its name: whoever builds a network has
the same one.
"""
import dataclasses
import math
import zlib

import numpy as np

AUXILIARY = ("moving_mean", "moving_var")  # weights that batch norm moves and that have no gradient


@dataclasses.dataclass(frozen=True)
class Layer:
    """One step: `kind` of the layers numbered `inputs`, with an output and weights of these shapes."""

    kind: str
    name: str
    inputs: tuple
    shape: tuple
    weights: dict = dataclasses.field(default_factory=dict)
    params: dict = dataclasses.field(default_factory=dict)

    def multiplications(self):
        """Multiplications, each with an addition, of a forward pass."""
        if self.kind in ("conv", "dense"):
            return math.prod(self.shape) * math.prod(self.weights["weight"][1:])
        if self.kind == "attention":  # queries by keys, weights by values
            steps, batch, width = self.shape
            return 2 * batch * steps * steps * width
        if self.kind == "lstm":
            steps, batch, width = self.shape
            return steps * batch * 8 * width * width * self.params["layers"]
        return 0

    def bytes_held(self):
        return 4 * sum(map(math.prod, self.weights.values()))

    def bytes_read(self):
        """Bytes of weights that a forward pass reads: the recurrent half of an LSTM's once a step."""
        size = self.bytes_held()
        return size * (1 + self.shape[0]) // 2 if self.kind == "lstm" else size


class Network:
    """Layers in the order in which they are computed; the last is the output."""

    def __init__(self, *shape):
        self.layers = [Layer("input", "data", (), shape)]

    def put(self, kind, inputs, shape, weights=None, name=None, **params):
        name = name or f"{kind}{len(self.layers)}"
        self.layers.append(Layer(kind, name, tuple(inputs), tuple(shape), weights or {}, params))
        return len(self.layers) - 1

    def shape(self, x):
        return self.layers[x].shape

    # --- layers -----------------------------------------------------------------------------------
    def conv(self, x, filters, kernel, stride=1, pad=None, groups=1, bias=False):
        """Images (batch, channels, height, width); padding keeps the size unless it is given."""
        batch, channels, *size = self.shape(x)
        pad = kernel // 2 if pad is None else pad
        weights = {"weight": (filters, channels // groups, kernel, kernel)} | ({"bias": (filters,)} if bias else {})
        return self.put("conv", [x], (batch, filters, *(window(s, kernel, stride, pad) for s in size)), weights,
                        kernel=kernel, stride=stride, pad=pad, groups=groups, filters=filters, bias=bias)

    def batch_norm(self, x, gain=1.0):
        """`gain` is how large `gamma` is on average: what is added to a shortcut must be small for the sum not to grow."""
        channels = (self.shape(x)[1],)
        return self.put("batch_norm", [x], self.shape(x), dict.fromkeys(("gamma", "beta", *AUXILIARY), channels), gain=gain)

    def layer_norm(self, x):
        return self.put("layer_norm", [x], self.shape(x), dict.fromkeys(("gamma", "beta"), self.shape(x)[-1:]))

    def relu(self, x):
        return self.put("relu", [x], self.shape(x))

    def relu6(self, x):
        return self.put("relu6", [x], self.shape(x))

    def dropout(self, x, p):
        return self.put("dropout", [x], self.shape(x), p=p)

    def pool(self, x, kind, kernel, stride, pad=0):
        batch, channels, *size = self.shape(x)
        return self.put(f"{kind}_pool", [x], (batch, channels, *(window(s, kernel, stride, pad) for s in size)),
                        kernel=kernel, stride=stride, pad=pad)

    def global_pool(self, x):
        return self.put("global_pool", [x], (*self.shape(x)[:2], 1, 1))

    def add(self, x, y):
        return self.put("add", [x, y], self.shape(x))

    def concat(self, *xs):
        first = self.shape(xs[0])
        return self.put("concat", xs, (first[0], sum(self.shape(x)[1] for x in xs), *first[2:]))

    def flatten(self, x):
        return self.put("flatten", [x], (self.shape(x)[0], math.prod(self.shape(x)[1:])))

    def dense(self, x, units):
        """Of the last axis."""
        weights = {"weight": (units, self.shape(x)[-1]), "bias": (units,)}
        return self.put("dense", [x], (*self.shape(x)[:-1], units), weights, units=units)

    def attention(self, x, heads):
        """Self-attention of (steps, batch, 3 x width): of each head queries, keys and values side by side."""
        *outer, width = self.shape(x)
        return self.put("attention", [x], (*outer, width // 3), heads=heads)

    def lstm(self, x, layers):
        """All steps of (steps, batch, width), as wide as its input; one vector of weights, in the order of cuDNN."""
        width = self.shape(x)[-1]
        return self.put("lstm", [x], self.shape(x), {"parameters": (layers * 4 * width * (2 * width + 2),)},
                        width=width, layers=layers)

    def softmax(self, x):
        """Probabilities, and in training the loss of the class 0, summed over the batch."""
        return self.put("softmax", [x], self.shape(x), name="softmax")

    # --- what a step costs at least -----------------------------------------------------------------
    def parameters(self):
        return sum(math.prod(s) for layer in self.layers for role, s in layer.weights.items() if role not in AUXILIARY)

    def flops(self, training):
        """Backward multiplies twice as often as forward, but for the first layer: nobody wants the gradient of the data."""
        counts = [n for layer in self.layers if (n := layer.multiplications())]
        return 2 * (3 * sum(counts) - counts[0] if training else sum(counts))

    def bytes(self, training):
        """Weights are read; in training twice, and written; and what each multiplying layer gives is kept for backward and
        its gradient made and used. All else could happen while a tensor is in the cache."""
        weights = sum(layer.bytes_read() for layer in self.layers)
        if not training:
            return weights
        return 3 * weights + 4 * sum(4 * math.prod(layer.shape) for layer in self.layers if layer.multiplications())

    def working_set(self, training):
        """How many of these bytes are different ones: an LSTM reads the same weights at every step."""
        repeated = sum(layer.bytes_read() - layer.bytes_held() for layer in self.layers)
        return self.bytes(training) - repeated * (3 if training else 1)

    def last_uses(self):
        """For each layer, the layers whose outputs nobody needs after it."""
        last = {x: i for i, layer in enumerate(self.layers) for x in layer.inputs}
        return [[x for x, at in last.items() if at == i] for i in range(len(self.layers))]


def window(size, kernel, stride, pad):
    return (size + 2 * pad - kernel) // stride + 1


def values(layer, role):
    """The numbers of a weight: such that activations stay of the same size from layer to layer."""
    shape = layer.weights[role]
    numbers = np.random.default_rng(zlib.crc32(f"{layer.name} {role}".encode())).random(shape, np.float32)
    if role == "weight":
        return (numbers - 0.5) * np.float32(math.sqrt(24 / math.prod(shape[1:])))
    if role == "parameters":
        return (numbers - 0.5) * np.float32(2 / math.sqrt(layer.params["width"]))
    if role in ("gamma", "moving_var"):
        return (0.5 + numbers) * np.float32(layer.params.get("gain", 1) if role == "gamma" else 1)
    return (numbers - 0.5) * np.float32(0.2)


def data(network):
    """A standard input for it."""
    return np.random.default_rng(0).standard_normal(network.layers[0].shape, np.float32)


# --- the networks ---------------------------------------------------------------------------------
CLASSES = 1000


def mlp(batch):
    """784-128-64-10, MXNet's first example."""
    net = Network(batch, 784)
    x = net.relu(net.dense(0, 128))
    x = net.relu(net.dense(x, 64))
    net.softmax(net.dense(x, 10))
    return net


def resnet50(batch):
    """He et al. 2015, with the stride in the 3x3 convolutions."""
    net = Network(batch, 3, 224, 224)

    def conv(x, filters, kernel, stride=1, gain=1.0):
        return net.batch_norm(net.conv(x, filters, kernel, stride), gain)

    x = net.pool(net.relu(conv(0, 64, 7, 2)), "max", 3, 2, 1)
    for stage, units in enumerate((3, 4, 6, 3)):
        for unit in range(units):
            filters, stride = 64 << stage, 2 if stage and not unit else 1
            y = net.relu(conv(x, filters, 1))
            y = conv(net.relu(conv(y, filters, 3, stride)), 4 * filters, 1, gain=0.25)
            x = net.relu(net.add(y, x if unit else conv(x, 4 * filters, 1, stride)))
    net.softmax(net.dense(net.flatten(net.global_pool(x)), CLASSES))
    return net


def resnet18(batch):
    """He et al. 2015."""
    net = Network(batch, 3, 224, 224)

    def conv(x, filters, kernel, stride=1, gain=1.0):
        return net.batch_norm(net.conv(x, filters, kernel, stride), gain)

    x = net.pool(net.relu(conv(0, 64, 7, 2)), "max", 3, 2, 1)
    for stage in range(4):
        for unit in range(2):
            filters, stride = 64 << stage, 2 if stage and not unit else 1
            y = conv(net.relu(conv(x, filters, 3, stride)), filters, 3, gain=0.25)
            x = net.relu(net.add(y, conv(x, filters, 1, stride) if stride > 1 else x))
    net.softmax(net.dense(net.flatten(net.global_pool(x)), CLASSES))
    return net


def mobilenetv2(batch):
    """Sandler et al. 2018, width 1."""
    net = Network(batch, 3, 224, 224)

    def conv(x, filters, kernel, stride=1, groups=1):
        return net.batch_norm(net.conv(x, filters, kernel, stride, groups=groups))

    x = net.relu6(conv(0, 32, 3, 2))
    for expand, filters, units, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                          (6, 160, 3, 2), (6, 320, 1, 1)):
        for unit in range(units):
            stride, channels = 1 if unit else first, net.shape(x)[1]
            y = net.relu6(conv(x, expand * channels, 1)) if expand > 1 else x
            y = net.relu6(conv(y, expand * channels, 3, stride, groups=expand * channels))
            y = conv(y, filters, 1)
            x = net.add(x, y) if unit else y
    x = net.relu6(conv(x, 1280, 1))
    net.softmax(net.dense(net.flatten(net.global_pool(x)), CLASSES))
    return net


def vgg16(batch):
    """Simonyan and Zisserman 2014, configuration D."""
    net, x = Network(batch, 3, 224, 224), 0
    for filters, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = net.relu(net.conv(x, filters, 3, bias=True))
        x = net.pool(x, "max", 2, 2)
    x = net.flatten(x)
    for _ in range(2):
        x = net.dropout(net.relu(net.dense(x, 4096)), 0.5)
    net.softmax(net.dense(x, CLASSES))
    return net


def inception_bn(batch):
    """Ioffe and Szegedy 2015, as MXNet publishes it: average pooling in all modules but the last, convolutions with a bias."""
    net = Network(batch, 3, 224, 224)

    def conv(x, filters, kernel=1, stride=1):
        return net.relu(net.batch_norm(net.conv(x, filters, kernel, stride, bias=True)))

    def module(x, plain, reduce3, out3, reduce_double, double, pool, projection):
        y = conv(conv(conv(x, reduce_double), double, 3), double, 3)
        return net.concat(conv(x, plain), conv(conv(x, reduce3), out3, 3), y, conv(net.pool(x, pool, 3, 1, 1), projection))

    def halving(x, reduce3, out3, reduce_double, double):
        y = conv(conv(conv(x, reduce_double), double, 3), double, 3, 2)
        return net.concat(conv(conv(x, reduce3), out3, 3, 2), y, net.pool(x, "max", 3, 2, 1))

    x = net.pool(conv(0, 64, 7, 2), "max", 3, 2)
    x = net.pool(conv(conv(x, 64), 192, 3), "max", 3, 2)
    x = module(x, 64, 64, 64, 64, 96, "avg", 32)
    x = module(x, 64, 64, 96, 64, 96, "avg", 64)
    x = halving(x, 128, 160, 64, 96)
    x = module(x, 224, 64, 96, 96, 128, "avg", 128)
    x = module(x, 192, 96, 128, 96, 128, "avg", 128)
    x = module(x, 160, 128, 160, 128, 160, "avg", 128)
    x = module(x, 96, 128, 192, 160, 192, "avg", 128)
    x = halving(x, 128, 192, 192, 256)
    x = module(x, 352, 192, 320, 160, 224, "avg", 128)
    x = module(x, 352, 192, 320, 192, 224, "max", 128)
    net.softmax(net.dense(net.flatten(net.global_pool(x)), CLASSES))
    return net


def lstm(batch):
    """Two layers of 512 over 64 steps."""
    net = Network(64, batch, 512)
    net.lstm(0, 2)
    return net


def transformer(batch):
    """The encoder layer of Vaswani et al. 2017, base: 128 steps, width 512, 8 heads, 2048 units; without dropout."""
    net = Network(128, batch, 512)
    y = net.dense(net.attention(net.dense(0, 3 * 512), 8), 512)
    x = net.layer_norm(net.add(0, y))
    y = net.dense(net.relu(net.dense(x, 2048)), 512)
    net.layer_norm(net.add(x, y))
    return net


NETWORKS = {f.__name__: f for f in (resnet50, resnet18, mobilenetv2, vgg16, inception_bn, lstm, transformer, mlp)}
TITLES = {"resnet50": "ResNet-50", "resnet18": "ResNet-18", "mobilenetv2": "MobileNetV2", "vgg16": "VGG-16",
          "inception_bn": "Inception-BN", "lstm": "LSTM", "transformer": "Transformer layer", "mlp": "MLP"}
