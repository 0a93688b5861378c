"""How parameters get their first values."""
from __future__ import annotations

import logging
import math
import re

from . import registry
from .ndarray import NDArray, load, op, random
from .ndarray.functions import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ._typing import InitializerLike


def _described(initializer: InitializerLike, kwargs: dict[str, Any]) -> str:
    """An initializer as JSON."""
    import json  # not at import: few programs ask
    return json.dumps([type(initializer).__name__.lower(), kwargs])


class InitDesc(str):
    """The name of a parameter, with its attributes and the initializer for all of them."""

    attrs: Mapping[str, str]
    global_init: Initializer | None

    def __new__(cls, name: str, attrs: Mapping[str, str] | None = None,
                global_init: Initializer | None = None) -> InitDesc:
        self = super().__new__(cls, name)
        self.attrs = attrs or {}
        self.global_init = global_init
        return self


class Initializer:
    """Fills an array by the name of its parameter: weights by the rule of the class, biases with 0 ..."""

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[NDArray], str] | None = None

    def set_verbosity(self, verbose: bool = False, print_func: Callable[[NDArray], str] | None = None) -> Initializer:
        """Logs what is initialised, with a measure of the values (their root mean square by default)."""
        self._verbose = verbose
        self._print_func = print_func or (lambda x: str((x.norm() / math.sqrt(x.size)).item()))
        return self

    def dumps(self) -> str:
        """The initializer as JSON."""
        return _described(self, self._kwargs)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kwargs == other._kwargs

    __hash__ = object.__hash__

    def __call__(self, desc: str, arr: NDArray) -> None:
        if not isinstance(desc, InitDesc):
            self._by_legacy_name(desc, arr)
            return
        init = desc.attrs.get("__init__", "")
        if init:
            create(init)._init_weight(desc, arr)
            self._log(desc, init, arr)
        else:
            self._by_name(desc, arr)

    def _log(self, desc: str, init: str | Initializer, arr: NDArray) -> None:
        if self._verbose and self._print_func:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def _by_name(self, desc: str, arr: NDArray) -> None:
        for suffix, rule in self._RULES:
            if desc.endswith(suffix):
                rule(self, desc, arr)
                self._log(desc, suffix, arr)
                return
        self._init_default(desc, arr)

    def _by_legacy_name(self, name: str, arr: NDArray) -> None:
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

    def _init_zero(self, _: object, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, _: object, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_bias(self, name: str, arr: NDArray) -> None:
        self._init_zero(name, arr)

    def _init_gamma(self, name: str, arr: NDArray) -> None:
        self._init_one(name, arr)

    def _init_beta(self, name: str, arr: NDArray) -> None:
        self._init_zero(name, arr)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no rule for weights")

    def _init_default(self, name: str, _: object) -> None:
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

    def __init__(self, param: dict[str, Any], default_init: InitializerLike | None = None,
                 verbose: bool = False) -> None:
        param = load(param) if isinstance(param, str) else param
        self.param = {re.sub("^(arg|aux):", "", name): value for name, value in param.items()}
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name: str, arr: NDArray) -> None:
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

    def __init__(self, patterns: Sequence[str], initializers: Sequence[InitializerLike]) -> None:
        if len(patterns) != len(initializers):
            raise ValueError(f"found {len(patterns)} patterns for {len(initializers)} initializers")
        self.map = list(zip([re.compile(p) for p in patterns], initializers))

    def __call__(self, name: str, arr: NDArray) -> None:
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

    def _init_weight(self, _: object, arr: NDArray) -> None:
        arr[:] = 0


@register
@alias("ones")
class One(Initializer):
    """1 everywhere."""

    def _init_weight(self, _: object, arr: NDArray) -> None:
        arr[:] = 1


@register
class Constant(Initializer):
    """One value, or the values of an array."""

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, _: object, arr: NDArray) -> None:
        arr[:] = self.value

    def dumps(self) -> str:
        value = self.value.tolist() if hasattr(self.value, "tolist") else self.value
        return _described(self, {"value": value})


@register
class Uniform(Initializer):
    """Uniform in [-scale, scale]."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, _: object, arr: NDArray) -> None:
        random.uniform(-self.scale, self.scale, out=arr)


@register
class Normal(Initializer):
    """Normal with standard deviation sigma."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, _: object, arr: NDArray) -> None:
        random.normal(0, self.sigma, out=arr)


@register
class Orthogonal(Initializer):
    """scale times a matrix with orthonormal rows (or columns, where there are fewer). arXiv:1312.6120"""

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, _: object, arr: NDArray) -> None:
        rows = arr.shape[0]
        columns = arr.size // rows
        if self.rand_type == "uniform":
            matrix = random.uniform(-1.0, 1.0, (rows, columns), dtype="float64", ctx=arr.context)
        else:
            matrix = random.normal(0.0, 1.0, (rows, columns), dtype="float64", ctx=arr.context)
        arr[:] = (_nearest_orthonormal(matrix) * self.scale).reshape(arr.shape)


def _nearest_orthonormal(matrix: NDArray) -> NDArray:
    """The orthonormal factor U V' of the singular value decomposition, by Newton's iteration."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / x.norm()
    for _ in range(100):
        square = op.dot(x, x, transpose_b=True)
        step = 1.5 * x - 0.5 * op.dot(square, x)
        done = (step - x).norm().item() < 1e-9
        x = step
        if done:
            break
    return x if wide else x.T


@register
class Xavier(Initializer):
    """Scaled by the numbers of inputs and outputs, so that signals keep their size (Glorot and Bengio 2010).

    "uniform" draws from [-s, s], "gaussian" with standard deviation s, where s = sqrt(magnitude / n) and n is the
    number of inputs ("in"), of outputs ("out") or their mean ("avg"). Raises ValueError for weights of fewer than two
    axes.
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name: str, arr: NDArray) -> None:
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
    """For layers followed by PReLU with the given slope: Xavier of magnitude 2 / (1 + slope^2). arXiv:1502.01852"""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope ** 2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """Weights of a deconvolution that upsamples bilinearly, of shape (channels, 1, height, width)."""

    def _init_weight(self, _: object, arr: NDArray) -> None:
        height, width = arr.shape[2:4]
        factor = math.ceil(width / 2.0)
        centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
        kernel = [[(1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre)) for x in range(width)]
                  for y in range(height)]
        arr[:] = array([[kernel]], dtype=arr.dtype)


@register
class LSTMBias(Initializer):
    """0, with forget_bias for the forget gate: the second quarter."""

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, _: object, arr: NDArray) -> None:
        quarter = arr.shape[0] // 4
        arr[:] = 0.0
        arr[quarter:2 * quarter] = self.forget_bias
