"""How parameters get their first values."""
from __future__ import annotations

import logging
import math
import re

from . import registry
from ._rnn_weights import GATES, FusedShape
from .ndarray import NDArray, linalg, load, op, random
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
    """Fills an array by the name of its parameter: weights by the rule of the class, biases with 0 ...

    A subclass defines _init_weight(name, array); the rules of other names, _init_bias and so on, can be replaced, too.
    The attribute __init__ of a variable (sym.Variable(init=...)) comes before its name. Raises ValueError for a name of
    which no rule knows.
    """

    # Subclasses may forget to call the constructor.
    _kwargs: dict[str, Any] = {}
    _verbose = False
    _print_func: Callable[[NDArray], str] | None = None

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs

    def set_verbosity(self, verbose: bool = False, print_func: Callable[[NDArray], str] | None = None) -> Initializer:
        """Logs what is initialised, with a measure of the values (their root mean square by default)."""
        self._verbose = verbose
        self._print_func = print_func or (lambda x: str((x.norm() / math.sqrt(x.size)).item()))
        return self

    def dumps(self) -> str:
        """The initializer as JSON: its name in lower case, and the keywords that make it."""
        return _described(self, self._kwargs)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kwargs == other._kwargs

    __hash__ = object.__hash__

    def __call__(self, desc: str, arr: NDArray) -> None:
        if not isinstance(desc, InitDesc):
            self._legacy_init(desc, arr)
            return
        if desc.global_init is None:
            desc.global_init = self
        init = desc.attrs.get("__init__", "")
        if init:
            create(init)._init_weight(desc, arr)
            self._log(desc, init, arr)
        else:
            self._by_name(desc, arr, _SUFFIXES)

    def _log(self, desc: str, init: str | Initializer, arr: NDArray) -> None:
        if self._verbose and self._print_func:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def _by_name(self, name: str, arr: NDArray, rules: Sequence[tuple[str, str]]) -> None:
        """By the first rule, a method, whose suffix the name has."""
        for suffix, rule in rules:
            if name.endswith(suffix):
                getattr(self, rule)(name, arr)
                self._log(name, suffix, arr)
                return
        self._init_default(name, arr)

    def _legacy_init(self, name: str, arr: NDArray) -> None:
        """The longer list of names that 0.x knew, for names that are plain texts."""
        if not isinstance(name, str):
            raise TypeError("name must be string")
        if not isinstance(arr, NDArray):
            raise TypeError("arr must be NDArray")
        if name.startswith("upsampling"):
            self._init_bilinear(name, arr)
        elif name.startswith("stn_loc") and name.endswith("weight"):
            self._init_zero(name, arr)
        elif name.startswith("stn_loc") and name.endswith("bias"):
            self._init_loc_bias(name, arr)
        else:
            self._by_name(name, arr, _LEGACY_SUFFIXES)

    def _init_bilinear(self, _: object, arr: NDArray) -> None:
        _fill_bilinear(arr)

    def _init_loc_bias(self, _: object, arr: NDArray) -> None:
        if arr.shape[0] != 6:
            raise ValueError(f"found a bias of shape {arr.shape} for a spatial transformer, expected (6,)")
        arr[:] = [1.0, 0, 0, 0, 1.0, 0]

    def _init_zero(self, _: object, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, _: object, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_bias(self, _: object, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_quantized_bias(self, _: object, arr: NDArray) -> None:
        arr[:] = 0

    def _init_gamma(self, _: object, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_beta(self, _: object, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_weight(self, name: str, arr: NDArray) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no rule for weights")

    def _init_quantized_weight(self, _: object, arr: NDArray) -> None:
        arr[:] = random.randint(-127, 127, shape=arr.shape, dtype="int32", ctx=arr.context).astype(arr.dtype)

    def _init_default(self, name: str, _: object) -> None:
        raise ValueError(
            f'Unknown initialization pattern for {name}. Default initialization is now limited to "weight", '
            '"bias", "gamma" (1.0), and "beta" (0.0). Please use mx.sym.Variable(init=mx.init.*) to set '
            "initialization pattern")


_COMMON = (("weight", "_init_weight"), ("bias", "_init_bias"), ("gamma", "_init_gamma"), ("beta", "_init_beta"))
_RANGE = (("min", "_init_zero"), ("max", "_init_one"))
_SUFFIXES = (*_COMMON, *_RANGE, ("weight_quantize", "_init_quantized_weight"), ("bias_quantize", "_init_quantized_bias"))
_LEGACY_SUFFIXES = (*_COMMON, ("moving_mean", "_init_zero"), ("moving_var", "_init_one"),
                    ("moving_inv_var", "_init_zero"), ("moving_avg", "_init_zero"), *_RANGE)


register = registry.get_register_func(Initializer, "initializer")
alias = registry.get_alias_func(Initializer, "initializer")
create = registry.get_create_func(Initializer, "initializer")


class Load:
    """Values from a file or dict by name; others by default_init."""

    def __init__(self, param: dict[str, Any], default_init: InitializerLike | None = None,
                 verbose: bool = False) -> None:
        param = load(param) if isinstance(param, str) else param
        if not isinstance(param, dict):
            raise TypeError(f"found {type(param).__name__} to load from, expected a dict of arrays or the name of a file")
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
                         "at the end with a default Initializer.")


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
    """scale times a matrix with orthonormal rows (or columns, where there are fewer). arXiv:1312.6120

    The singular vectors of a random matrix of shape (shape[0], the other extents), "uniform" or "normal".
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        if rand_type not in ("uniform", "normal"):
            raise ValueError(f"found rand_type {rand_type!r}, expected 'uniform' or 'normal'")
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, _: object, arr: NDArray) -> None:
        rows = arr.shape[0]
        columns = arr.size // rows
        draw = random.uniform if self.rand_type == "uniform" else random.normal
        low, high = (-1.0, 1.0) if self.rand_type == "uniform" else (0.0, 1.0)
        matrix = draw(low, high, (rows, columns), dtype="float64", ctx=arr.context)
        arr[:] = (_singular_vectors(matrix) * self.scale).reshape(arr.shape)


def _singular_vectors(matrix: NDArray) -> NDArray:
    """Those of the longer side: V' of a wide U S V', else U.

    Newton's iteration gives U V', orthonormal to the last digits however small S is; the eigenvectors of the smaller
    product of the matrix with itself are U or V.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    x = matrix if wide else matrix.T
    product = op.dot(x, x, transpose_b=True)
    vectors, _ = linalg.syevd(product)
    x = x / x.norm()
    for _ in range(100):
        step = 1.5 * x - 0.5 * op.dot(op.dot(x, x, transpose_b=True), x)
        done = (step - x).norm().item() < 1e-9
        x = step
        if done:
            break
    found = op.dot(vectors, x)
    return found if wide else found.T


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


def _fill_bilinear(arr: NDArray) -> None:
    if arr.ndim != 4:
        raise ValueError(f"found weights of shape {arr.shape}, expected (channels, 1, height, width)")
    height, width = arr.shape[2:4]
    factor = math.ceil(width / 2.0)
    centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    kernel = [[(1 - abs(x / factor - centre)) * (1 - abs(y / factor - centre)) for x in range(width)]
              for y in range(height)]
    arr[:] = array([[kernel]], dtype=arr.dtype)


@register
class Bilinear(Initializer):
    """Weights of a deconvolution that upsamples bilinearly, of shape (channels, 1, height, width)."""

    def _init_weight(self, _: object, arr: NDArray) -> None:
        _fill_bilinear(arr)


@register
class LSTMBias(Initializer):
    """0, with forget_bias for the forget gate: the second quarter of a bias of shape (4 * hidden,)."""

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, _: object, arr: NDArray) -> None:
        quarter = arr.shape[0] // 4
        arr[:] = 0.0
        arr[quarter:2 * quarter] = self.forget_bias


@register
class FusedRNN(Initializer):
    """The parameters of a fused recurrent operator, of shape (n,): each matrix and bias of the vector by `init`.

    init: an initializer or its JSON; None for the one that initialises all parameters. num_hidden, num_layers, mode
    ("lstm", "gru", "rnn_relu", "rnn_tanh") and bidirectional: as the operator has them. forget_bias: of the forget gates
    of an LSTM. Raises ValueError for a vector that does not have the size of such a network's.
    """

    def __init__(self, init: Initializer | str | None, num_hidden: int, num_layers: int, mode: str,
                 bidirectional: bool = False, forget_bias: float = 1.0) -> None:
        init = create(init) if isinstance(init, str) else init
        super().__init__(init=None if init is None else init.dumps(), num_hidden=num_hidden, num_layers=num_layers,
                         mode=mode, bidirectional=bidirectional, forget_bias=forget_bias)
        if mode not in GATES:
            raise ValueError(f"found mode {mode!r}, expected one of {', '.join(GATES)}")
        self._init = init
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._forget_bias = forget_bias

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        whole = getattr(desc, "global_init", None)
        init = self._init or whole
        if init is None:
            raise ValueError(f"{desc}: FusedRNN has no initializer, and there is none for all parameters")
        shape = FusedShape(self._mode, self._num_hidden, self._num_layers, self._bidirectional)
        for name, piece in shape.slices(arr, ""):
            if self._mode == "lstm" and name.endswith("_f_bias"):
                piece[:] = self._forget_bias
            else:
                init(InitDesc(name, global_init=whole), piece)
