"""How parameters get their first values."""
import logging
import math
import re

from . import registry
from .ndarray import NDArray, load, op, random
from .ndarray.functions import array


def _described(initializer, kwargs):
    """An initializer as JSON."""
    import json  # not at import: few programs ask
    return json.dumps([type(initializer).__name__.lower(), kwargs])


class InitDesc(str):
    """The name of a parameter, with its attributes and the initializer for all of them."""

    def __new__(cls, name, attrs=None, global_init=None):
        self = super().__new__(cls, name)
        self.attrs = attrs or {}
        self.global_init = global_init
        return self


class Initializer:
    """Fills an array by the name of its parameter: weights by the rule of the class, biases with 0 ..."""

    def __init__(self, **kwargs):
        self._kwargs = kwargs
        self._verbose = False
        self._print_func = None

    def set_verbosity(self, verbose=False, print_func=None):
        """Logs what is initialised, with a measure of the values (their root mean square by default)."""
        self._verbose = verbose
        self._print_func = print_func or (lambda x: str((x.norm() / math.sqrt(x.size)).asscalar()))
        return self

    def dumps(self):
        """The initializer as JSON."""
        return _described(self, self._kwargs)

    def __eq__(self, other):
        return type(self) is type(other) and self._kwargs == other._kwargs

    __hash__ = object.__hash__

    def __call__(self, desc, arr):
        if not isinstance(desc, InitDesc):
            self._by_legacy_name(desc, arr)
            return
        init = desc.attrs.get("__init__", "")
        if init:
            create(init)._init_weight(desc, arr)
            self._log(desc, init, arr)
        else:
            self._by_name(desc, arr)

    def _log(self, desc, init, arr):
        if self._verbose and self._print_func:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def _by_name(self, desc, arr):
        for suffix, rule in self._RULES:
            if desc.endswith(suffix):
                rule(self, desc, arr)
                self._log(desc, suffix, arr)
                return
        self._init_default(desc, arr)

    def _by_legacy_name(self, name, arr):
        """The longer list of names that 0.x knew."""
        if not isinstance(name, str):
            raise TypeError("name must be string")
        if not isinstance(arr, NDArray):
            raise TypeError("arr must be NDArray")
        if name.startswith("upsampling"):
            Bilinear()._init_weight(name, arr)
        elif name.startswith("stn_loc") and name.endswith("weight"):
            arr[:] = 0
        elif name.startswith("stn_loc") and name.endswith("bias"):
            arr[:] = [1.0, 0, 0, 0, 1.0, 0]
        elif name.endswith("moving_var"):
            arr[:] = 1
        elif name.endswith(("moving_mean", "moving_inv_var", "moving_avg")):
            arr[:] = 0
        else:
            self._by_name(name, arr)

    def _init_zero(self, _, arr):
        arr[:] = 0.0

    def _init_one(self, _, arr):
        arr[:] = 1.0

    def _init_bias(self, name, arr):
        self._init_zero(name, arr)

    def _init_gamma(self, name, arr):
        self._init_one(name, arr)

    def _init_beta(self, name, arr):
        self._init_zero(name, arr)

    def _init_weight(self, name, arr):
        raise NotImplementedError(f"{type(self).__name__} has no rule for weights")

    def _init_default(self, name, _):
        raise ValueError(
            f'Unknown initialization pattern for {name}. Default initialization is now limited to "weight", '
            '"bias", "gamma" (1.0), and "beta" (0.0). Please use mx.sym.Variable(init=mx.init.*) to set '
            "initialization pattern")

    _RULES = (
        ("weight", lambda self, name, arr: self._init_weight(name, arr)),
        ("bias", lambda self, name, arr: self._init_bias(name, arr)),
        ("gamma", lambda self, name, arr: self._init_gamma(name, arr)),
        ("beta", lambda self, name, arr: self._init_beta(name, arr)),
        ("min", _init_zero),
        ("max", _init_one),
    )


register = registry.get_register_func(Initializer, "initializer")
alias = registry.get_alias_func(Initializer, "initializer")
create = registry.get_create_func(Initializer, "initializer")


class Load:
    """Values from a file or dict by name; others by default_init."""

    def __init__(self, param, default_init=None, verbose=False):
        param = load(param) if isinstance(param, str) else param
        self.param = {re.sub("^(arg|aux):", "", name): value for name, value in param.items()}
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name, arr):
        if name in self.param:
            found = self.param[name]
            if found.shape != arr.shape:
                raise ValueError(f"Parameter {name} cannot be initialized from loading. Shape mismatch, "
                                 f"target {arr.shape} vs loaded {found.shape}")
            arr[:] = found
            source = "loading"
        else:
            if self.default_init is None:
                raise ValueError(f"Cannot Initialize {name}. Not found in loaded param and no default "
                                 "Initializer is provided.")
            self.default_init(name, arr)
            source = "default"
        if self.verbose:
            logging.info("Initialized %s by %s", name, source)


class Mixed:
    """The initializer of the first pattern that matches the name."""

    def __init__(self, patterns, initializers):
        if len(patterns) != len(initializers):
            raise ValueError(f"found {len(patterns)} patterns for {len(initializers)} initializers")
        self.map = list(zip([re.compile(p) for p in patterns], initializers))

    def __call__(self, name, arr):
        for pattern, init in self.map:
            if pattern.match(name):
                init(name, arr)
                return
        raise ValueError(f"Parameter name {name} did not match any pattern. Consider adding a \".*\" pattern "
                         "at the and with default Initializer.")


@register
@alias("zeros")
class Zero(Initializer):
    """0 everywhere."""

    def _init_weight(self, _, arr):
        arr[:] = 0


@register
@alias("ones")
class One(Initializer):
    """1 everywhere."""

    def _init_weight(self, _, arr):
        arr[:] = 1


@register
class Constant(Initializer):
    """One value, or the values of an array."""

    def __init__(self, value):
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, _, arr):
        arr[:] = self.value

    def dumps(self):
        value = self.value.tolist() if hasattr(self.value, "tolist") else self.value
        return _described(self, {"value": value})


@register
class Uniform(Initializer):
    """Uniform in [-scale, scale]."""

    def __init__(self, scale=0.07):
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, _, arr):
        random.uniform(-self.scale, self.scale, out=arr)


@register
class Normal(Initializer):
    """Normal with standard deviation sigma."""

    def __init__(self, sigma=0.01):
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, _, arr):
        random.normal(0, self.sigma, out=arr)


@register
class Orthogonal(Initializer):
    """scale times a matrix with orthonormal rows (or columns, where there are fewer)."""

    def __init__(self, scale=1.414, rand_type="uniform"):
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, _, arr):
        rows = arr.shape[0]
        columns = arr.size // rows
        if self.rand_type == "uniform":
            matrix = random.uniform(-1.0, 1.0, (rows, columns), dtype="float64", ctx=arr.context)
        else:
            matrix = random.normal(0.0, 1.0, (rows, columns), dtype="float64", ctx=arr.context)
        arr[:] = (_nearest_orthonormal(matrix) * self.scale).reshape(arr.shape)


def _nearest_orthonormal(matrix):
    """The orthonormal factor U V' of the singular value decomposition, by Newton's iteration."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / x.norm()
    for _ in range(100):
        square = op.dot(x, x, transpose_b=True)
        step = 1.5 * x - 0.5 * op.dot(square, x)
        done = (step - x).norm().asscalar() < 1e-9
        x = step
        if done:
            break
    return x if wide else x.T


@register
class Xavier(Initializer):
    """Scaled by the numbers of inputs and outputs, so that signals keep their size."""

    def __init__(self, rnd_type="uniform", factor_type="avg", magnitude=3):
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name, arr):
        shape = arr.shape
        if len(shape) < 2:
            raise ValueError(f"Xavier initializer cannot be applied to vector {name}. It requires at least 2D.")
        area = math.prod(shape[2:])
        fan_in, fan_out = shape[1] * area, shape[0] * area
        factors = {"avg": (fan_in + fan_out) / 2.0, "in": fan_in, "out": fan_out}
        if self.factor_type not in factors:
            raise ValueError("Incorrect factor type")
        scale = math.sqrt(self.magnitude / factors[self.factor_type])
        if self.rnd_type == "uniform":
            random.uniform(-scale, scale, out=arr)
        elif self.rnd_type == "gaussian":
            random.normal(0, scale, out=arr)
        else:
            raise ValueError("Unknown random type")


@register
class MSRAPrelu(Xavier):
    """For layers followed by PReLU with the given slope."""

    def __init__(self, factor_type="avg", slope=0.25):
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope ** 2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """Weights of a deconvolution that upsamples bilinearly."""

    def _init_weight(self, _, arr):
        height, width = arr.shape[2:4]
        factor = math.ceil(width / 2.0)
        centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
        kernel = [[(1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre)) for x in range(width)]
                  for y in range(height)]
        arr[:] = array([[kernel]], dtype=arr.dtype)


@register
class LSTMBias(Initializer):
    """0, with forget_bias for the forget gate: the second quarter."""

    def __init__(self, forget_bias=1.0):
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, _, arr):
        quarter = arr.shape[0] // 4
        arr[:] = 0.0
        arr[quarter:2 * quarter] = self.forget_bias
