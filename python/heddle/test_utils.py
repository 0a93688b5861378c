"""What tests of operators and networks need: comparisons, finite differences, random arrays. Uses NumPy."""
from __future__ import annotations

import contextlib
import functools
import os
import platform
import sys
import time

import numpy as np

from . import autograd, context, ndarray, symbol
from ._test_data import (DummyIter, download, download_model, get_bz2_data, get_cifar10, get_im2rec_path, get_mnist,
                         get_mnist_iterator, get_mnist_pkl, get_mnist_ubyte, get_zip_data)
from ._test_draws import (chi_square_check, gen_buckets_probs_with_ppf, mean_check, new_matrix_with_real_eigvals_2d,
                          new_matrix_with_real_eigvals_nd, new_orthonormal_matrix_2d, new_sym_matrix_with_real_eigvals_2d,
                          new_sym_matrix_with_real_eigvals_nd, var_check, verify_generator)
from .ndarray import NDArray, array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from ._typing import Arrays, GradReq, Shape
    from .context import Context
    from .executor import Executor
    from .gluon import HybridBlock
    from .optimizer import Optimizer
    from .symbol import Symbol

__all__ = [
    "almost_equal", "almost_equal_ignore_nan", "assert_allclose", "assert_almost_equal",
    "assert_almost_equal_ignore_nan", "assert_almost_equal_with_err", "assert_exception", "assign_each",
    "assign_each2", "check_consistency", "check_gluon_hybridize_consistency", "check_numeric_gradient", "check_speed", "check_symbolic_backward",
    "check_symbolic_forward", "checkShapes", "chi_square_check", "collapse_sum_like", "compare_ndarray_tuple",
    "compare_optimizer", "create_2d_tensor", "create_vector", "default_atols", "default_context", "default_dtype",
    "default_numeric_eps", "default_rtols", "discard_stderr", "download", "download_model", "DummyIter",
    "effective_dtype", "environment", "find_max_violation", "gen_buckets_probs_with_ppf", "get_atol",
    "get_bz2_data", "get_cifar10", "get_etol", "get_identity_mat", "get_identity_mat_batch", "get_im2rec_path",
    "get_mnist", "get_mnist_iterator", "get_mnist_pkl", "get_mnist_ubyte", "get_rtol", "get_tolerance", "get_tols",
    "get_zip_data", "has_tvm_ops", "is_aarch64_run", "is_cd_run", "is_op_runnable", "list_gpus", "locationError",
    "mean_check", "new_matrix_with_real_eigvals_2d", "new_matrix_with_real_eigvals_nd", "new_orthonormal_matrix_2d",
    "new_sym_matrix_with_real_eigvals_2d", "new_sym_matrix_with_real_eigvals_nd", "np_reduce", "numeric_grad",
    "rand_coord_2d", "rand_ndarray", "rand_shape_2d", "rand_shape_3d", "rand_shape_nd", "random_arrays",
    "random_sample", "random_uniform_arrays", "retry", "same", "same_array", "same_symbol_structure",
    "set_default_context", "set_env_var", "simple_forward", "var_check", "verify_generator"]

_RTOL = {"float16": 1e-2, "bfloat16": 1e-2, "float32": 1e-4, "float64": 1e-5}
_ATOL = {"float16": 1e-1, "bfloat16": 1e-1, "float32": 1e-3, "float64": 1e-20}
_NUMERIC_EPS = {"float16": 1.0 / 2 ** 6, "float32": 1.0 / 2 ** 9, "float64": 1.0 / 2 ** 14}


# --- settings


def default_context() -> Context:
    """The device that tests run on."""
    return context.current_context()


def set_default_context(ctx: Context) -> None:
    """Changes it."""
    context.Context.default_ctx = ctx


def default_dtype() -> Any:
    """The dtype that tests use."""
    return np.float32


def default_rtols() -> dict[str, float]:
    """Relative tolerances by dtype."""
    return dict(_RTOL)


def default_atols() -> dict[str, float]:
    """Absolute tolerances by dtype."""
    return dict(_ATOL)


def _dtype(value: Any) -> str:
    return np.dtype(str(value.dtype)).name if hasattr(value, "dtype") else "float64"


def get_rtol(rtol: float | None = None, dtype: Any = np.float64) -> float:
    """rtol, or the default for a dtype."""
    return _RTOL.get(np.dtype(dtype).name, 0) if rtol is None else rtol


def get_atol(atol: float | None = None, dtype: Any = np.float64) -> float:
    """atol, or the default for a dtype."""
    return _ATOL.get(np.dtype(dtype).name, 0) if atol is None else atol


def default_numeric_eps() -> dict[str, float]:
    """Steps of finite differences by dtype: powers of two, so that sums with them are exact."""
    return dict(_NUMERIC_EPS)


def effective_dtype(dat: Any) -> Any:
    """The dtype that tells how exact an array is."""
    return np.dtype(_dtype(dat))


def get_tolerance(dat: Any, tol: float | dict[Any, float] | None, default_tol: Any) -> float:
    """tol, or what a table of dtypes says: one given as tol, or default_tol."""
    if isinstance(tol, (int, float)):
        return tol
    table = {np.dtype(key).name: value for key, value in {**default_tol, **(tol or {})}.items()}
    return table.get(_dtype(dat), 0)


def get_etol(etol: float | None = None) -> float:
    """etol, or 0: the share of elements that may differ."""
    return 0 if etol is None else etol


def get_tols(x: Any, y: Any, rtol: float | None = None, atol: float | None = None) -> tuple[float, float]:
    """Both tolerances for comparing two arrays: those of the less exact dtype."""
    tols = [(_RTOL.get(_dtype(v), 0), _ATOL.get(_dtype(v), 0)) for v in (x, y)]
    return (max(t[0] for t in tols) if rtol is None else rtol, max(t[1] for t in tols) if atol is None else atol)


@contextlib.contextmanager
def environment(*args: Any) -> Iterator[None]:
    """A block with environment variables set; None removes one."""
    wanted = args[0] if len(args) == 1 else {args[0]: args[1]}
    before = {name: os.environ.get(name) for name in wanted}
    _set_environment(wanted)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Any) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)


def set_env_var(key: str, val: str, default_val: str = "") -> str:
    """Sets an environment variable; returns what it was."""
    before = os.environ.get(key, default_val)
    os.environ[key] = val
    return before


# --- random values


def random_arrays(*shapes: Any) -> Any:
    """Normally distributed NumPy arrays."""
    arrays = [np.array(np.random.randn(), dtype=default_dtype()) if len(s) == 0 else
              np.random.randn(*s).astype(default_dtype()) for s in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def random_uniform_arrays(*shapes: Any, low: NDArray | float = 0.0, high: NDArray | float = 1.0,
                          dtype: Any = np.float32) -> list[np.ndarray]:
    """Uniformly distributed NumPy arrays."""
    return [np.random.uniform(low, high, size=s).astype(dtype) for s in shapes]


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """k elements in random order, each at most once."""
    chosen = list(population)
    np.random.shuffle(chosen)
    return chosen[:k]


def rand_ndarray(shape: Shape, stype: str = "default", density: float | None = None, dtype: Any = None,
                 modifier_func: Callable[[Any], Any] | None = None, shuffle_csr_indices: bool = False,
                 distribution: str | None = None, ctx: Context | None = None) -> NDArray:
    """An array of numbers from [-1, 1). The other parameters are for storage types that heddle does not have."""
    if stype != "default":
        raise ValueError(f"found storage type {stype!r}, expected 'default'")
    dtype = default_dtype() if dtype is None else dtype
    return array(np.random.uniform(-1, 1, size=shape), ctx=ctx, dtype=dtype)


def rand_shape_nd(num_dim: int, dim: int = 10, allow_zero_size: bool = False) -> Shape:
    """A shape of num_dim extents up to dim."""
    return tuple(int(n) for n in np.random.randint(0 if allow_zero_size else 1, dim + 1, size=num_dim))


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> Shape:
    """A shape of two extents."""
    least = 0 if allow_zero_size else 1
    return tuple(int(np.random.randint(least, d + 1)) for d in (dim0, dim1))


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> Shape:
    """A shape of three extents."""
    least = 0 if allow_zero_size else 1
    return tuple(int(np.random.randint(least, d + 1)) for d in (dim0, dim1, dim2))


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """(x, y), each from its low up to but without its high."""
    return int(np.random.randint(x_low, x_high, dtype=np.int64)), int(np.random.randint(y_low, y_high, dtype=np.int64))


# --- arrays of known values


def assign_each(the_input: np.ndarray, function: Callable[[Any], Any] | None) -> np.ndarray:
    """A NumPy array with function(x) for each element; a copy without one."""
    return np.array(the_input) if function is None else _each(function, the_input)


def assign_each2(input1: np.ndarray, input2: np.ndarray, function: Callable[[Any, Any], Any] | None) -> np.ndarray:
    """A NumPy array with function(x, y) for each pair of elements; a copy of the first without one."""
    return np.array(input1) if function is None else _each(function, input1, input2)


def _each(function: Callable[..., Any], *inputs: np.ndarray) -> np.ndarray:
    out = np.zeros_like(inputs[0])
    for place in np.ndindex(out.shape):
        out[place] = function(*(value[place] for value in inputs))
    return out


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """An array of shape (rows, columns) in which every element is the number of its row."""
    return array(np.broadcast_to(np.arange(rows).reshape(-1, 1), (rows, columns)), dtype=dtype)


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """0, 1, ..., size - 1."""
    return array(np.arange(size), dtype=dtype)


def get_identity_mat(size: int) -> NDArray:
    """The identity matrix, float32."""
    return array(np.identity(size), dtype="float32")


def get_identity_mat_batch(size: int) -> NDArray:
    """Two of them, of shape (2, size, size)."""
    return array(np.stack([np.identity(size)] * 2), dtype="float32")


def collapse_sum_like(a: np.ndarray, shape: Shape) -> np.ndarray:
    """The sum over the axes along which `shape` was broadcast to that of a: a gradient of broadcasting."""
    added = a.ndim - len(shape)
    axes = [*range(added), *(i + added for i, n in enumerate(shape) if n == 1 and a.shape[i + added] != 1)]
    return np.asarray(a).sum(axis=tuple(axes)).reshape(shape) if axes else np.array(a)


# --- comparing


def _numpy(value: Any) -> Any:
    return value.asnumpy() if isinstance(value, NDArray) else np.asarray(value)


def np_reduce(dat: np.ndarray, axis: int | Sequence[int] | None, keepdims: bool,
              numpy_reduce_func: Callable[..., Any]) -> Any:
    """A reduction over several axes with a NumPy function for one."""
    axes = list(range(dat.ndim)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    result = dat
    for axis in sorted((a % dat.ndim for a in axes), reverse=True):
        result = numpy_reduce_func(result, axis=axis)
    if keepdims:
        kept = [1 if i in [a % dat.ndim for a in axes] else n for i, n in enumerate(dat.shape)]
        result = result.reshape(kept)
    return result


def same(a: Any, b: Any) -> bool:
    """Whether two arrays hold the same values."""
    return np.array_equal(_numpy(a), _numpy(b))


def same_array(array1: NDArray, array2: NDArray) -> bool:
    """Whether two arrays share their memory."""
    before = array1.asnumpy()
    array1[:] = before + 1
    shared = same(array1, array2)
    array1[:] = before
    return shared and same(array1, array2)


def almost_equal(a: Any, b: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
                 use_broadcast: bool = True) -> bool:
    """Whether two arrays are equal within tolerances."""
    rtol, atol = get_tols(a, b, rtol, atol)
    a, b = _numpy(a), _numpy(b)
    return (use_broadcast or a.shape == b.shape) and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def find_max_violation(a: Any, b: Any, rtol: float | None = None, atol: float | None = None) -> tuple[Shape, float]:
    """The place where two arrays differ most, and by how many tolerances."""
    rtol, atol = get_tols(a, b, rtol, atol)
    a, b = np.broadcast_arrays(_numpy(a).astype("float64"), _numpy(b).astype("float64"))
    with np.errstate(invalid="ignore", divide="ignore"):
        violation = np.abs(a - b) / (atol + rtol * np.abs(b) + 1e-20)
    violation = np.where(np.isnan(violation), np.inf, violation)
    place = np.unravel_index(np.argmax(violation), violation.shape)
    return tuple(int(i) for i in place), float(violation[place])


def assert_almost_equal(a: Any, b: Any, rtol: float | None = None, atol: float | None = None,
                        names: Sequence[str] = ("a", "b"), equal_nan: bool = False, use_broadcast: bool = True,
                        mismatches: tuple[int, int] = (10, 10)) -> None:
    """Raises AssertionError, saying where and by how much, unless the arrays are equal within tolerances."""
    rtol, atol = get_tols(a, b, rtol, atol)
    a, b = _numpy(a), _numpy(b)
    if not use_broadcast and a.shape != b.shape:
        raise AssertionError(f"{names[0]} has shape {a.shape}, {names[1]} has {b.shape}")
    close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if close.all():
        return
    place, violation = find_max_violation(a, b, rtol, atol)
    wrong = np.argwhere(~close)
    a, b = np.broadcast_arrays(a, b)
    lines = [f"{names[0]}{tuple(map(int, w))} = {a[tuple(w)]!r}, {names[1]} = {b[tuple(w)]!r}"
             for w in wrong[:max(mismatches)]]
    raise AssertionError(
        f"{names[0]} and {names[1]} differ in {len(wrong)} of {close.size} elements; the largest error, at {place}, "
        f"is {violation:.6g} times the tolerance (rtol={rtol}, atol={atol})\n" + "\n".join(lines))


def checkShapes(a: Any, b: Any) -> None:
    """Raises AssertionError unless two arrays have the same shape."""
    if a.shape != b.shape:
        raise AssertionError(f"a.shape = {a.shape} and b.shape = {b.shape} are not equal")


def locationError(a: Any, b: Any, index: Sequence[int], names: Sequence[str], maxError: bool = False) -> str:
    """What two arrays hold at an index, as text."""
    at = tuple(index)
    head = "maximum error" if maxError else "error"
    place = ", ".join(str(int(i)) for i in at)
    return f"Location of {head}: ({place}), {names[0]}={_numpy(a)[at]:.8f}, {names[1]}={_numpy(b)[at]:.8f}"


def assert_almost_equal_with_err(a: Any, b: Any, rtol: float | None = None, atol: float | None = None,
                                 etol: float | None = None, names: Sequence[str] = ("a", "b"), equal_nan: bool = False,
                                 mismatches: tuple[int, int] = (10, 10)) -> None:
    """assert_almost_equal, but a share etol of the elements may differ."""
    etol = get_etol(etol)
    if not etol:
        assert_almost_equal(a, b, rtol, atol, names, equal_nan, mismatches=mismatches)
        return
    rtol, atol = get_tols(a, b, rtol, atol)
    wrong = ~np.isclose(_numpy(a), _numpy(b), rtol=rtol, atol=atol, equal_nan=equal_nan)
    if wrong.mean() > etol:
        place, violation = find_max_violation(a, b, rtol, atol)
        raise AssertionError(f"{names[0]} and {names[1]} differ in {wrong.mean():.4%} of the elements, more than {etol:.4%}; "
                             f"the largest error, at {place}, is {violation:.6g} times the tolerance")


def assert_allclose(a: Any, b: Any, rtol: float = 1e-07, atol: float = 0, equal_nan: bool = True) -> None:
    """assert_almost_equal with NumPy's defaults."""
    assert_almost_equal(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def _without_nan(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    a, b = _numpy(a).copy(), _numpy(b).copy()
    hole = np.logical_or(np.isnan(a), np.isnan(b))
    a[hole] = b[hole] = 0
    return a, b


def almost_equal_ignore_nan(a: Any, b: Any, rtol: float | None = None, atol: float | None = None) -> bool:
    """almost_equal where neither is NaN."""
    return almost_equal(*_without_nan(a, b), rtol, atol)


def assert_almost_equal_ignore_nan(a: Any, b: Any, rtol: float | None = None, atol: float | None = None,
                                   names: Sequence[str] = ("a", "b")) -> None:
    """assert_almost_equal where neither is NaN."""
    assert_almost_equal(*_without_nan(a, b), rtol, atol, names)


def assert_exception(f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any) -> None:
    """Raises AssertionError unless f(*args) raises."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(f"{f.__name__} raised no {exception_type.__name__}")


def retry(n: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that runs a test up to n times, until it passes."""
    if n < 1:
        raise ValueError("retry: n must be at least 1")

    def decorate(function: Callable[..., Any]) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            for left in reversed(range(n)):
                try:
                    function(*args, **kwargs)
                    return
                except AssertionError:
                    if not left:
                        raise
                    ndarray.waitall()

        return wrapper

    return decorate


# --- running symbols


def simple_forward(sym: Symbol, ctx: Context | None = None, is_train: bool = False, **inputs: Any) -> Any:
    """The outputs of a symbol for NumPy inputs, as NumPy."""
    ctx = ctx or default_context()
    inputs = {name: array(value) for name, value in inputs.items()}
    executor = sym.bind(ctx, args=inputs, grad_req="null")
    outputs = [out.asnumpy() for out in executor.forward(is_train=is_train)]
    return outputs[0] if len(outputs) == 1 else outputs


def _named(names: Sequence[str], values: Any, ctx: Context, dtype: Any) -> Arrays:
    """A dict of arrays from a dict or list of NumPy arrays."""
    if isinstance(values, dict):
        unknown = set(values) - set(names)
        missing = set(names) - set(values)
        if unknown or missing:
            raise ValueError(f"Symbol arguments and keys of the given location do not match: symbol args {names}, "
                             f"location.keys() {list(values)}")
        pairs = list(values.items())
    else:
        pairs = list(zip(names, values))
    return {name: value.copyto(ctx) if isinstance(value, NDArray)
            else array(value, ctx, np.asarray(value).dtype if dtype is None else dtype) for name, value in pairs}


def _states(sym: Symbol, aux_states: Any, ctx: Context, dtype: Any) -> Arrays | None:
    return _named(sym.list_auxiliary_states(), aux_states, ctx, dtype) if aux_states else None


def numeric_grad(executor: Executor, location: Any, aux_states: Any = None, eps: float = 1e-4,
                 use_forward_train: bool = True, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """Gradients of the sum of the first output, by central differences."""
    for name, value in location.items():
        executor.arg_dict[name][:] = value
    found = {}
    for name, value in location.items():
        value = np.asarray(value)
        if value.dtype.kind != "f":
            continue
        grad = np.zeros(value.shape, value.dtype)
        flat = value.ravel().copy()
        for i in range(flat.size):
            total = []
            for step in (eps / 2, -eps / 2):
                moved = flat.copy()
                moved[i] += step
                executor.arg_dict[name][:] = moved.reshape(value.shape)
                for state, initial in (aux_states or {}).items():
                    executor.aux_dict[state][:] = initial
                executor.forward(is_train=use_forward_train)
                total.append(float(executor.outputs[0].asnumpy().astype("float64").sum()))
            grad.ravel()[i] = (total[0] - total[1]) / eps
        executor.arg_dict[name][:] = value
        found[name] = grad
    return found


def check_numeric_gradient(sym: Symbol, location: Any, aux_states: Any = None, numeric_eps: float | None = None,
                           rtol: float | None = None, atol: float | None = None, grad_nodes: Any = None,
                           use_forward_train: bool = True, ctx: Context | None = None, grad_stype_dict: Any = None,
                           dtype: Any = np.float32) -> None:
    """Compares gradients with finite differences, of the output times a random matrix."""
    ctx = ctx or default_context()
    numeric_eps = numeric_eps or (1e-3 if np.dtype(dtype) == np.float32 else 1e-5)
    rtol = 1e-2 if rtol is None else rtol
    arguments = _named(sym.list_arguments(), location, ctx, dtype)
    numbers = {name: value.asnumpy() for name, value in arguments.items()}
    aux = _states(sym, aux_states, ctx, dtype)
    requests = dict.fromkeys(sym.list_arguments(), "null")
    if grad_nodes is None:
        requests.update((n, "write") for n, v in numbers.items() if v.dtype.kind == "f")
    elif isinstance(grad_nodes, dict):
        requests.update(grad_nodes)
    else:
        requests.update((n, "write") for n in grad_nodes)

    _, out_shapes, _ = sym.infer_shape(**{n: v.shape for n, v in numbers.items()})
    proj = symbol.Variable("__random_proj")
    out = symbol.make_loss(symbol.sum(sym * proj))
    projection = np.random.rand(*out_shapes[0]).astype(dtype) + 0.1
    args = {**arguments, "__random_proj": array(projection, ctx, dtype)}
    grads = {n: array(np.random.normal(0, 0.01, size=numbers[n].shape), ctx, numbers[n].dtype)
             for n, r in requests.items() if r != "null"}
    before = {n: g.asnumpy() for n, g in grads.items()}
    executor = out.bind(ctx, args, grads, {**requests, "__random_proj": "null"}, aux)
    executor.forward(is_train=True)
    executor.backward()
    symbolic = {n: g.asnumpy() for n, g in executor.grad_dict.items() if n in grads and g is not None}

    wanted = {n: numbers[n] for n in grads}
    states = {n: a.asnumpy() for n, a in aux.items()} if aux else None
    plain = out.bind(ctx, {n: a.copy() for n, a in args.items()}, grad_req="null",
                     aux_states=_states(sym, aux_states, ctx, dtype))
    numeric = numeric_grad(plain, wanted, states, numeric_eps, use_forward_train, dtype)
    for name, request in requests.items():
        if request == "null":
            continue
        expected = numeric[name] + (before[name] if request == "add" else 0)
        assert_almost_equal(expected, symbolic[name], rtol, 1e-3 if atol is None else atol,
                            (f"NUMERICAL_{name}", f"BACKWARD_{name}"))


def check_symbolic_forward(sym: Symbol, location: Any, expected: Any, rtol: float | None = None,
                           atol: float | None = None, aux_states: Any = None, ctx: Context | None = None,
                           equal_nan: bool = False, dtype: Any = np.float32) -> list[NDArray]:
    """Compares outputs with expected arrays; returns the outputs."""
    ctx = ctx or default_context()
    arguments = _named(sym.list_arguments(), location, ctx, dtype)
    if isinstance(expected, dict):
        expected = [expected[name] for name in sym.list_outputs()]
    executor = sym.bind(ctx, arguments, grad_req="null", aux_states=_states(sym, aux_states, ctx, dtype))
    outputs = executor.forward(is_train=False)
    for name, want, out in zip(sym.list_outputs(), expected, outputs):
        assert_almost_equal(want, out, rtol, atol, (f"EXPECTED_{name}", f"FORWARD_{name}"), equal_nan)
    return outputs


def check_symbolic_backward(sym: Symbol, location: Any, out_grads: Any, expected: Any, rtol: float | None = None,
                            atol: float | None = None, aux_states: Any = None, grad_req: Any = "write",
                            ctx: Context | None = None, grad_stypes: Any = None, equal_nan: bool = False,
                            dtype: Any = np.float32) -> list[NDArray | None]:
    """Compares gradients with expected arrays, by every argument's grad_req; returns the gradients."""
    ctx = ctx or default_context()
    names = sym.list_arguments()
    arguments = _named(names, location, ctx, dtype)
    if isinstance(expected, (list, tuple)):
        expected = dict(zip(names, expected))
    if isinstance(grad_req, str):
        grad_req = dict.fromkeys(names, grad_req)
    elif isinstance(grad_req, (list, tuple)):
        grad_req = dict(zip(names, grad_req))
    grads = {n: array(np.random.normal(size=arguments[n].shape), ctx, arguments[n].dtype) for n in expected}
    before = {n: g.asnumpy() for n, g in grads.items()}
    executor = sym.bind(ctx, arguments, grads, grad_req, _states(sym, aux_states, ctx, dtype))
    executor.forward(is_train=True)
    if isinstance(out_grads, dict):
        out_grads = [out_grads[name] for name in sym.list_outputs()]
    elif isinstance(out_grads, (NDArray, np.ndarray)):
        out_grads = [out_grads]
    if out_grads is not None:
        out_grads = [array(_numpy(g), ctx, out.dtype) for g, out in zip(out_grads, executor.outputs)]
    executor.backward(out_grads)
    for name, want in expected.items():
        request = grad_req.get(name, "null")
        if request == "null":
            want = before[name]
        elif request == "add":
            want = _numpy(want) + before[name]
        assert_almost_equal(want, grads[name], rtol, atol, (f"EXPECTED_{name}", f"BACKWARD_{name}"), equal_nan)
    return executor.grad_arrays


def check_gluon_hybridize_consistency(net_builder: Callable[..., HybridBlock], data_l: Sequence[NDArray],
                                      numpy_func: Callable[..., Any] | None = None, test_grad: bool = True, rtol: float = 1e-4,
                                      atol: float = 1e-4) -> None:
    """Compares a network line by line with the same hybridized: outputs, and with test_grad gradients of the inputs.

    net_builder(prefix="net_") makes the network, which must draw no random numbers; data_l: its inputs. numpy_func: what it
    computes, on NumPy's arrays. Raises AssertionError where two differ by more than the tolerances.
    """
    inputs = [x.copy() for x in data_l]
    values: Arrays | None = None
    found: list[list[Any]] = []
    for hybridize in (False, True):
        net = net_builder(prefix="net_")
        net.initialize()
        if hybridize:
            net.hybridize()
        net(*inputs)  # shapes that were left open are known now
        params = net.collect_params()
        if values is None:
            values = {name: p.data().copy() for name, p in params.items()}
        for name, p in params.items():
            p.set_data(values[name])
        if not test_grad:
            found.append([net(*inputs).asnumpy()])
            continue
        for x in inputs:
            x.attach_grad()
        with autograd.record():
            out = net(*inputs)
        out.backward(out)
        found.append([out.asnumpy(), *(x.grad.asnumpy() for x in inputs)])
    for eager, graph in zip(*found):
        assert_almost_equal(graph, eager, rtol, atol, ("hybridized", "line by line"))
    if numpy_func is not None:
        assert_almost_equal(found[0][0], numpy_func(*(x.asnumpy() for x in inputs)), rtol, atol, ("network", "numpy_func"))


def check_consistency(sym: Any, ctx_list: Sequence[dict[str, Any]], scale: float = 1.0, grad_req: GradReq = "write",
                      arg_params: Arrays | None = None, aux_params: Arrays | None = None, rtol: float | None = None,
                      atol: float | None = None, raise_on_err: bool = True, ground_truth: dict[str, Any] | None = None,
                      equal_nan: bool = False, use_uniform: bool = False, rand_type: Any = np.float64,
                      tol: float | None = None) -> dict[str, Any] | None:
    """Runs a symbol in several settings (device, shapes, dtypes) and compares outputs and gradients.

    ctx_list: dicts with "ctx", shapes of the inputs and "type_dict". All are compared with the most exact. scale: of the
    random inputs, which are normal, or uniform in [-0.5, 0.5), and rounded to rand_type. tol: both tolerances, as 0.10 had it.
    """
    rtol, atol = (tol if given is None else given for given in (rtol, atol))
    symbols = sym if isinstance(sym, (list, tuple)) else [sym] * len(ctx_list)
    executors = [s.simple_bind(grad_req=grad_req, **c) for s, c in zip(symbols, ctx_list)]
    draw: Callable[..., Any] = functools.partial(np.random.uniform, -0.5, 0.5) if use_uniform else np.random.normal
    first = executors[0]
    values = {n: np.asarray(draw(size=a.shape) * scale, rand_type) if arg_params is None or n not in arg_params
              else _numpy(arg_params[n])
              for n, a in first.arg_dict.items()}
    states = {n: np.zeros(a.shape) if aux_params is None or n not in aux_params else _numpy(aux_params[n])
              for n, a in first.aux_dict.items()}
    exactness = []
    for executor in executors:
        for name, target in executor.arg_dict.items():
            target[:] = values[name].astype(target.dtype.type)
        for name, target in executor.aux_dict.items():
            target[:] = states[name]
        exactness.append(min(_RANK.get(str(a.dtype), 3) for a in (*executor.outputs, *executor.arg_arrays)))
    training = grad_req != "null"
    for executor in executors:
        executor.forward(is_train=training)
        if training:
            executor.backward([o.copy() for o in executor.outputs])
    best = max(range(len(executors)), key=exactness.__getitem__)
    truth = ground_truth or _results(executors[best], training)
    for at, executor in enumerate(executors):
        if at == best and ground_truth is None:
            continue
        for name, value in _results(executor, training).items():
            tolerance = _CONSISTENT[exactness[at]]
            try:
                assert_almost_equal(value, truth[name], tolerance if rtol is None else rtol,
                                    tolerance if atol is None else atol, (f"{name} of {at}", f"{name} of {best}"),
                                    equal_nan)
            except AssertionError:
                if raise_on_err:
                    raise
                return None
    return truth


_RANK = {"float16": 0, "bfloat16": 0, "float32": 1, "float64": 2}
_CONSISTENT = {0: 1e-1, 1: 1e-3, 2: 1e-5, 3: 0}


def _results(executor: Executor, training: bool) -> dict[str, Any]:
    found = {f"output{i}": a.asnumpy().astype("float64") for i, a in enumerate(executor.outputs)}
    if training:
        found.update((f"grad_{n}", a.asnumpy().astype("float64")) for n, a in executor.grad_dict.items()
                     if a is not None)
    return found


def check_speed(sym: Symbol, location: Any = None, ctx: Context | None = None, N: int = 20,
                grad_req: GradReq | None = None, typ: str = "whole", **kwargs: Any) -> float:
    """Seconds per run of a symbol: forward and backward ("whole"), or "forward" alone."""
    ctx = ctx or default_context()
    grad_req = "write" if grad_req is None else grad_req
    if typ not in ("whole", "forward"):
        raise ValueError('typ can only be "whole" or "forward".')
    if location is not None:
        kwargs = {name: value.shape for name, value in location.items()}
    executor = sym.simple_bind(ctx, grad_req if typ == "whole" else "null", **kwargs)
    for name, target in executor.arg_dict.items():
        target[:] = np.random.normal(size=target.shape) if location is None else location[name]

    def run() -> None:
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward(executor.outputs)

    run()
    ndarray.waitall()
    start = time.perf_counter()
    for _ in range(N):
        run()
    ndarray.waitall()
    return (time.perf_counter() - start) / N


def same_symbol_structure(sym1: Symbol, sym2: Symbol) -> bool:
    """Whether two symbols are the same operators in the same order."""
    one, two = sym1._core.nodes(), sym2._core.nodes()
    return [(n["op"], n["inputs"]) for n in one] == [(n["op"], n["inputs"]) for n in two]


def compare_optimizer(opt1: Optimizer, opt2: Optimizer, shape: Any, dtype: Any, w_stype: str = "default",
                      g_stype: str = "default", rtol: float = 1e-4, atol: float = 1e-5,
                      compare_states: bool = True, ntensors: int = 1) -> None:
    """Gives two optimizers the same weight and gradient, and compares what becomes of them.

    ntensors: how many weights are updated by one call; with more than one, shape may be a list of shapes.
    """
    many = ntensors > 1
    shapes = shape if many and isinstance(shape, list) else [shape] * ntensors
    with autograd.pause():
        weights = [rand_ndarray(s, w_stype, dtype=dtype) for s in shapes]
        grads = [rand_ndarray(s, g_stype, dtype=dtype) for s in shapes]
        found = []
        for opt in (opt1, opt2):
            w, g = [x.copy() for x in weights], [x.copy() for x in grads]
            states = [opt.create_state_multi_precision(i, x) for i, x in enumerate(w)]
            if many:
                opt.update_multi_precision(list(range(ntensors)), w, g, states)  # lists of MXNet 1.x
            else:
                opt.update_multi_precision(0, w[0], g[0], states[0])
            found.append((w, states))
    for w1, w2, s1, s2 in zip(found[0][0], found[1][0], found[0][1], found[1][1]):
        if compare_states:
            compare_ndarray_tuple(s1, s2, rtol, atol)
        assert_almost_equal(w1, w2, rtol, atol)


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: float | None = None, atol: float | None = None) -> None:
    """assert_almost_equal of nested tuples of arrays."""
    if t1 is None or t2 is None:
        return
    if isinstance(t1, tuple):
        for a, b in zip(t1, t2):
            compare_ndarray_tuple(a, b, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol, atol)


def list_gpus() -> range:
    """Numbers of the GPUs this process can use."""
    return range(context.num_gpus())


# --- where this runs


@contextlib.contextmanager
def discard_stderr() -> Iterator[None]:
    """A block whose standard error goes nowhere, that of the library included."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def is_cd_run() -> bool:
    """Whether CD_JOB is 1 in the environment."""
    return os.environ.get("CD_JOB", "0") == "1"


def is_aarch64_run() -> bool:
    """Whether the processor is a 64-bit ARM."""
    return platform.machine() == "aarch64"


def has_tvm_ops() -> bool:
    """Whether there are operators made by TVM: never."""
    return False


def is_op_runnable() -> bool:
    """Whether the operators that has_tvm_ops asks about would run: always."""
    return True
