"""Makes the draw of (operator, seed) from the operator's record, or from its spec where it has one."""
import zlib

import numpy as np

import heddle as mx
from heddle import _core
from ops.apply import DEPENDS_ON_MODE, operator

from .run import Draw
from . import specs_other, specs_vision  # noqa: F401
from .specs import PARAMS, SPECS

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int32", "int64", "uint8", "int8")


class Drawer:
    """What specs draw with. Inputs are given as expressions, see run.value_of()."""

    def __init__(self, record, seed):
        self.record = record
        self.rng = np.random.default_rng([zlib.crc32(record["name"].encode()), seed])
        self.size = self.pick(*["small"] * 12, "ones", "empty", "large", "large", *["medium"] * 4)
        self.dtype = self.pick(*["float32"] * 11, *FLOATS, *FLOATS, *INTEGERS)
        if record["dtypes"] == "floating":
            self.dtype = self.pick(*["float32"] * 4, *FLOATS)
        self.special = self.chance(0.08)
        self.params = {}
        self.scale = 1.0
        self.grads = True      # whether gradients are asked for
        self.bindable = True
        self.out = []
        self.by_name = any(i["optional"] for i in record["inputs"]) and not record["variadic"]
        self.training = self.chance(0.5)

    # --- choices ---
    def chance(self, p):
        return bool(self.rng.random() < p)

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def between(self, low, high):
        """A whole number, both ends included."""
        return int(self.rng.integers(low, high + 1))

    def number(self, low, high):
        return round(float(self.rng.uniform(low, high)), 3)

    def floating(self, *options):
        """Restricts the dtype to floating ones, or to these."""
        self.dtype = self.pick(*(options or ("float32", "float32", "float32", "float64", "float16")))

    # --- shapes ---
    def extent(self, size=None):
        size = size or self.size
        if size == "ones":
            return 1
        if size == "medium":
            return self.pick(1, 2, 3, 8, 16, 17, 31)
        return self.pick(1, 2, 3, 3, 4, 5, 7)

    def shape(self, least=1, most=4):
        """A shape of some rank in [least, most], of the draw's kind of size."""
        rank = self.between(least, most)
        shape = [self.extent() for _ in range(rank)]
        if self.size == "empty" and rank:
            shape[self.between(0, rank - 1)] = 0
        if self.size == "large" and rank:
            at = self.between(0, rank - 1)
            rest = int(np.prod(shape, dtype=int)) // shape[at]
            shape[at] = max(1, self.between(30_000, 90_000) // rest)
        return tuple(shape)

    def small(self, least=1, most=4):
        """A shape that is neither empty nor large."""
        return tuple(self.extent("small") for _ in range(self.between(least, most)))

    def axis(self, shape, negative=True):
        n = len(shape)
        return self.between(-n if negative else 0, n - 1) if n else 0

    def axes(self, shape, least=0):
        """Some axes, in any order, each named once."""
        n = len(shape)
        chosen = self.rng.permutation(n)[:self.between(min(least, n), n)]
        return tuple(int(a) - (n if self.chance(0.3) else 0) for a in chosen)

    def stretched(self, shape):
        """A shape that broadcasts with this one, and gives it."""
        other = tuple(1 if self.chance(0.3) else e for e in shape)
        return other

    # --- inputs ---
    def values(self, shape, low=-2, high=2, dtype=None):
        """Uniform numbers; of integers, all of [low, high]; sometimes special ones."""
        dtype = dtype or self.dtype
        shape = tuple(shape)
        if np.dtype(dtype).kind in "iu":
            low, high = max(low, 0) if dtype[0] == "u" else low, max(high, 1)
            if (low, high) == (-2, 2):
                low, high = -9, 9
            return self.integers(shape, low, int(np.ceil(high)), dtype)
        if self.special and (low, high) == (-2, 2) and shape and int(np.prod(shape)) <= 4096:
            return f"np.resize(np.roll([0., -0., nan, inf, -inf, 1., -1., .5, 2.5], {self.between(0, 8)}), {shape})" \
                   f".astype('{dtype}')"
        return f"rng({self.between(0, 999)}).uniform({low}, {high}, {shape}).astype('{dtype}')"

    def integers(self, shape, low, high, dtype=None):
        """Whole numbers, both ends included."""
        return f"rng({self.between(0, 999)}).integers({low}, {high + 1}, {tuple(shape)}).astype('{dtype or self.dtype}')"

    # --- parameters ---
    def parameter(self, p, shape):
        """A value of a parameter of the record."""
        if p["name"] in PARAMS:
            return PARAMS[p["name"]](self, shape)
        kind = p["type"].removesuffix(" or None")
        if p["type"] != kind and self.chance(0.3):
            return None
        if kind == "bool":
            return self.chance(0.5)
        if kind == "enum":
            return self.pick(*p["choices"])
        if kind == "dtype":
            return self.pick("float32", "float64", "float16", "int32", "int64", "uint8", "int8")
        low, high = p["at_least"], p["at_most"]
        if kind == "int":
            return self.between(int(low if low is not None else -1), int(high if high is not None else max(3, low or 0)))
        if kind == "float":
            if low is not None or high is not None:
                return self.number(low if low is not None else high - 2, high if high is not None else low + 2)
            return self.pick(0.0, 1.0, 0.5, -1.0, 2.0, 0.25, 3.0, -0.75)
        if kind in ("Shape", "tuple of int", "tuple of int or None"):
            return tuple(self.between(0, 3) for _ in range(self.between(1, 3)))
        if kind == "tuple of float":
            return tuple(self.number(0, 1) for _ in range(self.between(1, 3)))
        raise ValueError(f"no rule for parameters of type {p['type']} ({p['name']})")

    def draw_params(self, shape, chance=0.5):
        """All required parameters, and the others by chance; those given already stay."""
        for p in self.record["params"]:
            if p["ignored"] or p["name"] in self.params or p["name"] in (self.record["variadic"], "ctx"):
                continue
            if p["required"] or self.chance(chance):
                self.params[p["name"]] = self.parameter(p, shape)


def by_record(d):
    """The first input has any shape; the others those that inference gives, or the same."""
    record = d.record
    shape = d.shape()
    d.draw_params(shape)
    count = None
    if record["variadic"]:
        count = d.between(1, 4)
    names = inputs_of(record, d.params, count)
    shapes = inferred(record, d.params, shape, len(names)) if len(names) > 1 else [shape] * len(names)
    if len(shapes) > 1 and d.chance(0.03):  # a mistake, which both must refuse
        shapes[-1] = (*shapes[-1], 2)
    return [d.values(s) for s in shapes]


def inputs_of(record, params, count=None):
    params = dict(params)
    if count is not None:
        params[record["variadic"]] = count
    try:
        return _core.call_info(record["name"], params)["inputs"]
    except mx.MXNetError:  # parameters that are refused: any number of inputs will do
        return [(i["name"], i["role"]) for i in record["inputs"] if not i["optional"]]


def inferred(record, params, shape, count):
    names = [f"in{i}" for i in range(count)]
    try:
        symbol = operator(mx.sym, record["name"])(*[mx.sym.Variable(n) for n in names], **params)
        arguments, _, states = symbol.infer_shape_partial(in0=shape)
    except mx.MXNetError:
        return [shape] * count
    known = dict(zip(symbol.list_arguments(), arguments)) | dict(zip(symbol.list_auxiliary_states(), states))
    return [known[n] if known.get(n) and (0 in shape or 0 not in known[n]) else shape for n in names]


def draw(record, seed):
    d = Drawer(record, seed)
    spec = SPECS.get(record["name"], by_record)
    inputs = list(spec(d))
    names = [record["name"], *record["aliases"]]
    if record["variadic"] and record["variadic"] != "num_args":  # MXNet counts by itself those of this name alone
        d.params.setdefault(record["variadic"], len(inputs))
    known = inputs_of(record, d.params, len(inputs) if record["variadic"] else None)
    known = (list(known) + [(f"more{i}", "read") for i in range(len(inputs))])[:len(inputs)]
    roles = [role for _, role in known]
    made = Draw(record["name"], seed, names, d.params, inputs, [name for name, _ in known], roles, [], d.training, record["random"],
                d.bindable and not record["dynamic"],
                d.by_name, d.out, d.dtype, d.scale)
    arrays = made.arrays()
    made.empty = any(a.size == 0 for a in arrays)
    made.reqs = [d.pick("write", "write", "write", "add", "null") if role == "read" and a.dtype.kind == "f" and ".integers(" not in text else "null"
                 for a, text, role in zip(arrays, inputs, roles)]  # whole numbers are indices, labels, lengths
    depends = record["name"] in DEPENDS_ON_MODE
    if not d.grads or d.chance(0.1) or depends and not d.training:
        made.reqs = ["null"] * len(inputs)
    if any(req != "null" for req in made.reqs) and not depends:
        made.training = True  # in prediction, MXNet's oneDNN kernels keep nothing for their gradients
    return made
