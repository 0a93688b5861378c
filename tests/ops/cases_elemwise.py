"""Elementwise operators: unary, binary in all their forms, casts, selection, broadcasting, creation."""
import math

import numpy as np

from .case import ROWS, case


def each(function):
    """A function of the math module over arrays."""
    return np.vectorize(function, otypes=["float64"])


def half_steps(low, high, shape):
    """Numbers of which many are equal, none whole: for comparisons."""
    return lambda rng: (rng.integers(low, high, shape) + 0.5).astype("float32")


def polygamma(x, order):
    """Derivative number `order` of log(gamma)', from the series after 20000 terms of which the rest is an integral."""
    k = np.arange(20000)
    steps = np.asarray(x, "float64")[..., None] + k
    end = steps[..., -1] + 0.5  # the rest begins half a step later
    if order == 0:
        return np.log(end) - (1 / steps).sum(-1)
    total = (steps ** -(order + 1.0)).sum(-1) + end**-order / order
    return (-1) ** (order + 1) * math.factorial(order) * total


def digamma(x):
    return polygamma(x, 0)


# --- unary ----------------------------------------------------------------------------------------
case("abs", [(64, 33)])
case("negative", [(64, 33)])
case("sign", [(64, 33)])
case("sign", [np.array([0.0, -2.5, 3.5], "float32")], label="zero")
case("square", [(64, 33)])
case("sqrt", [(64, 33)], low=0.1, high=4)
case("rsqrt", [(64, 33)], low=0.1, high=4, ref=lambda x: 1 / np.sqrt(x))
case("cbrt", [(64, 33)], low=0.1, high=4)
case("rcbrt", [(64, 33)], low=0.1, high=4, ref=lambda x: 1 / np.cbrt(x))
case("reciprocal", [(64, 33)], low=0.2, high=2, ref=lambda x: 1 / x)
case("degrees", [(7, 5)])
case("radians", [(7, 5)], low=-180, high=180)
case("ceil", [(64, 33)], low=-5, high=5)
case("floor", [(64, 33)], low=-5, high=5)
case("trunc", [(64, 33)], low=-5, high=5)
case("fix", [(64, 33)], low=-5, high=5, ref=np.trunc)
case("round", [(64, 33)], low=-5, high=5, ref=lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5))
case("round", [half_steps(-4, 4, (20,))], label="halves", ref=lambda x: np.sign(x) * np.ceil(np.abs(x)))
case("rint", [(64, 33)], low=-5, high=5, ref=lambda x: np.ceil(x - 0.5))
case("rint", [half_steps(-4, 4, (20,))], label="halves", ref=np.floor)
case("logical_not", [np.array([0, 1, -2, 0.5, 0], "float32")], ref=lambda x: (x == 0) * 1.0)
case("exp", [(64, 33)], low=-5, high=5)
case("expm1", [(64, 33)], low=-3, high=3)
case("log", [(64, 33)], low=0.05, high=9)
case("log10", [(64, 33)], low=0.05, high=9)
case("log2", [(64, 33)], low=0.05, high=9)
case("log1p", [(64, 33)], low=-0.9, high=5)
case("relu", [(64, 33)], ref=lambda x: np.maximum(x, 0))
case("relu", [np.array([-3, 0, 4], "int32")], label="int", dtype="int32", ref=lambda x: np.maximum(x, 0))
case("sigmoid", [(64, 33)], low=-9, high=9, ref=lambda x: 1 / (1 + np.exp(-x)))
case("tanh", [(64, 33)], low=-5, high=5)
case("softsign", [(64, 33)], low=-5, high=5, ref=lambda x: x / (1 + np.abs(x)))
case("sin", [(64, 33)], low=-6, high=6)
case("cos", [(64, 33)], low=-6, high=6)
case("tan", [(64, 33)], low=-1.2, high=1.2)
for _name in ("sin", "cos", "tan"):  # of angles so far from zero that floats reduce some of them otherwise
    case(_name, [(40, 5)], low=-3e5, high=3e5, grad=False, label="far", rtol=1e-4, dtypes=("float64",))
case("arcsin", [(64, 33)], low=-0.95, high=0.95)
case("arccos", [(64, 33)], low=-0.95, high=0.95)
case("arctan", [(64, 33)], low=-5, high=5)
case("sinh", [(64, 33)], low=-3, high=3)
case("cosh", [(64, 33)], low=-3, high=3)
case("arcsinh", [(64, 33)], low=-5, high=5)
case("arccosh", [(64, 33)], low=1.2, high=5)
case("arctanh", [(64, 33)], low=-0.9, high=0.9)
case("gamma", [(9, 7)], low=0.6, high=4, ref=each(math.gamma), rtol=1e-4)
case("gammaln", [(9, 7)], low=0.6, high=6, ref=each(math.lgamma), rtol=1e-4)
case("digamma", [(9, 7)], low=0.6, high=6, ref=digamma, rtol=1e-4, witness="absent")
case("digamma", [(9,)], low=-1.9, high=-1.1, ref=digamma, rtol=1e-4, label="below", witness="absent")
for _order in (0, 1, 2, 5):
    case("_polygamma", [(9, 7)], low=0.6, high=6, order=_order, ref=polygamma, rtol=1e-4, witness="absent")
    case("_polygamma", [(9,)], low=-2.8, high=-2.2, order=_order, ref=polygamma, rtol=1e-4, label="below",
         witness="absent", dtypes=("float64",))
case("erf", [(64, 33)], low=-4, high=4, ref=each(math.erf))
case("erfinv", [each(math.erf)(np.linspace(-1.5, 1.5, 40)).astype("float32")], rtol=1e-4,
     ref=lambda x: np.linspace(-1.5, 1.5, 40), dtypes=("float64",))
case("hard_sigmoid", [(64, 33)], low=-4, high=4, ref=lambda x: np.clip(0.2 * x + 0.5, 0, 1))
case("hard_sigmoid", [(9,)], low=-2, high=2, alpha=0.4, beta=0.1,
     ref=lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1))
case("smooth_l1", [(64, 33)], low=-3, high=3, scalar=1.5,
     ref=lambda x, scalar: np.where(np.abs(x) > 1 / scalar**2, np.abs(x) - 0.5 / scalar**2,
                                    0.5 * (scalar * x)**2))
case("clip", [(64, 33)], low=-2, high=2, a_min=-0.5, a_max=1.25, ref=lambda x, a_min, a_max: np.clip(x, a_min, a_max))

# --- copies ---------------------------------------------------------------------------------------
case("_copy", [(5, 7)], ref=lambda x: x)
case("BlockGrad", [(5, 7)], ref=lambda x: x)
case("make_loss", [(5, 7)], ref=lambda x: x, ref_grad=lambda x: [np.ones_like(x)])
case("_identity_with_attr_like_rhs", [(5, 7), (5, 7)], ref=lambda a, b: a)


def cast(op, to, low, high, **more):
    """A row of a cast, whose parameter `dtype` is also a word of case()."""
    case(op, [(5, 7)], label=to, low=low, high=high, dtypes=(), rtol=1e-3,
         ref=lambda x, dtype: x.astype("float32").astype(dtype), **more)
    ROWS[-1].params["dtype"] = to


for _to in ("float64", "float16", "float32", "int32", "uint8", "int64", "int8"):
    cast("Cast", _to, 0, 100, grad=None if _to in ("float32", "float64") else False)
cast("amp_cast", "float16", -2, 2)
case("amp_cast", [(5, 7)], dtype="int32", low=-300, high=300, label="whole", ref=lambda x, **_: x, dtypes=())
ROWS[-1].params["dtype"] = "float16"

# --- binary ---------------------------------------------------------------------------------------
PAIR = [(5, 1, 7), (3, 7)]


def everywhere(word, elemwise, function, *, low=-2, high=2, scalar=None, reflected=False, scalar_op=None, **more):
    """The rows of one formula: equal shapes, broadcasting, and with a number on either side."""
    case(elemwise, [(33, 9), (33, 9)], ref=function, low=low, high=high, **more)
    case(f"broadcast_{word}", PAIR, ref=function, low=low, high=high, **more)
    number = 1.5 if scalar is None else scalar
    scalar_op = scalar_op or word
    case(f"_{scalar_op}_scalar", [(33, 9)], scalar=number, ref=lambda x, scalar: function(x, scalar), low=low,
         high=high, **more)
    if reflected:
        case(f"_r{scalar_op}_scalar", [(33, 9)], scalar=number, ref=lambda x, scalar: function(scalar, x),
             low=low, high=high, **more)


everywhere("add", "elemwise_add", np.add, scalar_op="plus")
everywhere("sub", "elemwise_sub", np.subtract, scalar_op="minus", reflected=True)
everywhere("mul", "elemwise_mul", np.multiply)
everywhere("div", "elemwise_div", np.divide, low=0.5, high=2, reflected=True)
everywhere("power", "_power", np.power, low=0.5, high=2, reflected=True)
everywhere("mod", "_mod", np.mod, low=0.5, high=4, reflected=True, dtypes=("float64",))
everywhere("hypot", "_hypot", np.hypot, low=0.5, high=2)
everywhere("maximum", "_maximum", np.maximum)
everywhere("minimum", "_minimum", np.minimum)
case("broadcast_sub", [(4, 1, 3, 1), (2, 1, 5)], ref=np.subtract, label="ranks")
case("broadcast_mul", [(1,), (6, 5)], ref=np.multiply, label="one")
case("broadcast_mod", [np.array([7, -7, 7, -7, 3], "int32"), np.array([3, 3, -3, -3, 1], "int32")], label="int",
     dtype="int32", ref=np.mod)
case("_mod_scalar", [(40, 5)], scalar=2**-17, low=-4e3, high=4e3, grad=False, label="far",
     ref=lambda x, scalar: np.mod(x, scalar), dtypes=("float64",))
case("_mul_scalar", [np.array([7, -7, 4], "int32")], label="int", dtype="int32", scalar=1.7,
     ref=lambda x, scalar: x * int(scalar))
case("_div_scalar", [np.array([7, -7, 4], "int32")], label="int", dtype="int32", scalar=2,
     ref=lambda x, scalar: np.trunc(x / scalar))
case("elemwise_add", [np.array([2**40, -7], "int64"), np.array([1, 2], "int64")], label="int64", dtype="int64",
     ref=np.add)
case("broadcast_power", [(4, 3), (3,)], label="float64", dtype="float64", low=0.5, high=2, ref=np.power)


def compare(word, function):
    """Comparisons and logic give 0 or 1 in the dtype of the operands."""
    def ref(a, b):
        return function(a, b).astype("float64")

    a, b = half_steps(-2, 2, (6, 1, 5)), half_steps(-2, 2, (4, 5))
    same = half_steps(-2, 2, (6, 5))
    case(f"_{word}", [same, same], ref=ref)
    case(f"broadcast_{word}", [a, b], ref=ref)
    case(f"_{word}_scalar", [same], scalar=0.5, ref=lambda x, scalar: ref(x, scalar))


compare("equal", np.equal)
compare("not_equal", np.not_equal)
compare("greater", np.greater)
compare("greater_equal", np.greater_equal)
compare("lesser", np.less)
compare("lesser_equal", np.less_equal)


def logic(word, function):
    """Operands some of which are zero."""
    def ref(a, b):
        return function(a != 0, b != 0).astype("float64")

    def some(shape):
        return lambda rng: (rng.integers(0, 3, shape) * 0.5).astype("float32")

    case(f"_logical_{word}", [some((6, 5)), some((6, 5))], ref=ref)
    case(f"broadcast_logical_{word}", [some((6, 1, 5)), some((4, 5))], ref=ref)
    case(f"_logical_{word}_scalar", [some((6, 5))], scalar=0.5, ref=lambda x, scalar: ref(x, np.asarray(scalar)))


logic("and", np.logical_and)
logic("or", np.logical_or)
logic("xor", np.logical_xor)

# --- many, selected -------------------------------------------------------------------------------
case("add_n", [(33, 9)] * 4, ref=lambda *x, **_: sum(x))
case("add_n", [(33, 9)] * 7, ref=lambda *x, **_: sum(x))
case("add_n", [(33, 9)], ref=lambda *x, **_: x[0])
case("_grad_add", [(33, 9)] * 2, ref=np.add, grad=False)


def swish_and_scaled(x, y, **_):
    product = x / (1 + np.exp(-x)) * y
    return [product, np.abs(0.5 * product)]


SWISH = "2\nsigmoid{} 0: any\nelemwise_mul{} 0 2: any\nelemwise_mul{} 3 1: any\n_mul_scalar{scalar=0.5} 4: any\nabs{} 5: any\n-> 4 6"
case("_fused_pointwise", [(5, 6), (5, 6)], parts=SWISH, witness="absent", ref=swish_and_scaled)
case("_fused_pointwise", [(20000,), (20000,)], parts="2\n_backward_tanh{} 0 1: any\n-> 2", witness="absent", label="gradient",
     ref=lambda dy, y, **_: dy * (1 - y * y))
case("where", [lambda rng: rng.integers(0, 2, (6, 5)).astype("float32"), (6, 5), (6, 5)],
     ref=lambda c, x, y: np.where(c != 0, x, y))
case("where", [lambda rng: rng.integers(0, 2, (6,)).astype("float32"), (6, 5, 2), (6, 5, 2)], label="rows",
     ref=lambda c, x, y: np.where(c[:, None, None] != 0, x, y))
case("where", [lambda rng: rng.integers(0, 2, (6, 5)).astype("int32"), (6, 5), (6, 5)], label="int",
     ref=lambda c, x, y: np.where(c != 0, x, y))

# --- repeating axes of extent 1 -------------------------------------------------------------------
case("broadcast_to", [(1, 3, 1)], shape=(4, 0, 5), ref=lambda x, **_: np.broadcast_to(x, (4, 3, 5)))
case("broadcast_axis", [(1, 3, 1)], axis=(0, 2), size=(4, 5), ref=lambda x, **_: np.broadcast_to(x, (4, 3, 5)))
case("broadcast_axis", [(2, 3, 1)], axis=2, size=5, ref=lambda x, **_: np.broadcast_to(x, (2, 3, 5)))
case("broadcast_like", [(1, 3, 1), (4, 3, 5)], ref=lambda x, y: np.broadcast_to(x, y.shape))
case("broadcast_like", [(1, 3, 1), (4, 5, 6)], lhs_axes=(2,), rhs_axes=(1,),
     ref=lambda x, y, **_: np.broadcast_to(x, (1, 3, 5)))
case("_sum_like", [(4, 3, 5), (3, 1)], ref=lambda x, y: x.sum((0, 2)).reshape(3, 1), witness="absent")
case("_expand_like", [(4, 5), (4, 3, 5)], axis=1, ref=lambda x, y, **_: np.broadcast_to(x[:, None], y.shape),
     witness="absent")
case("_expand_like", [(4, 1, 5), (4, 3, 5)], axis=1, keepdims=True, average=True,
     ref=lambda x, y, **_: np.broadcast_to(x / 3, y.shape), witness="absent")

# --- out of nothing -------------------------------------------------------------------------------
case("_zeros", [], shape=(3, 4), ref=lambda **_: np.zeros((3, 4)))
case("_ones", [], shape=(3, 4), ref=lambda **_: np.ones((3, 4)))
case("_full", [], shape=(3, 4), value=2.5, ref=lambda **_: np.full((3, 4), 2.5))
case("_arange", [], start=2, stop=9, step=1.5, repeat=2, ref=lambda **_: np.repeat(np.arange(2, 9, 1.5), 2))
case("_arange", [], start=5, ref=lambda **_: np.arange(5))
case("_linspace", [], start=-1, stop=2, num=7, ref=lambda **_: np.linspace(-1, 2, 7))
case("_linspace", [], start=-1, stop=2, num=6, endpoint=False, ref=lambda **_: np.linspace(-1, 2, 6, endpoint=False))
case("_eye", [], N=4, M=5, k=1, ref=lambda **_: np.eye(4, 5, 1))
case("_eye", [], N=4, k=-2, ref=lambda **_: np.eye(4, k=-2))
case("zeros_like", [(5, 7)])
case("ones_like", [(5, 7)])
