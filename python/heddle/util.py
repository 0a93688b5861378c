"""Small things that scripts ask for."""
from __future__ import annotations

import contextlib
import functools
import os
import threading
import types

from .base import dtype_name
from .context import gpu_memory_info, num_gpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any


def get_gpu_count() -> int:
    """How many GPUs this process can use."""
    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """(free, total) bytes of a GPU."""
    return gpu_memory_info(gpu_dev_id)


# --- the switches of MXNet's NumPy interface: heddle keeps them, and computes the same whatever they say
class _Switches(threading.local):
    shape = False
    array = False


_switches = _Switches()


def is_np_shape() -> bool:
    """Whether this thread was told that shapes have NumPy's meaning."""
    return _switches.shape


def is_np_array() -> bool:
    """Whether this thread was told that blocks work on arrays of mx.np, which is not there yet."""
    return _switches.array


def set_np_shape(active: bool) -> bool:
    """Sets what is_np_shape() says on this thread; returns what it said."""
    before, _switches.shape = _switches.shape, bool(active)
    return before


def set_np(shape: bool = True, array: bool = True) -> None:
    """Sets both switches. Raises ValueError for arrays of NumPy without its shapes."""
    if array and not shape:
        raise ValueError("NumPy Shape semantics is required in using NumPy array semantics.")
    _switches.shape, _switches.array = bool(shape), bool(array)


def reset_np() -> None:
    """Turns both switches off."""
    set_np(shape=False, array=False)


@contextlib.contextmanager
def _scope(**switches: bool) -> Iterator[None]:
    before = {name: getattr(_switches, name) for name in switches}
    for name, active in switches.items():
        setattr(_switches, name, active)
    try:
        yield
    finally:
        for name, active in before.items():
            setattr(_switches, name, active)


def np_shape(active: bool = True) -> contextlib.AbstractContextManager[None]:
    """A block, or a decorated function, in which is_np_shape() says `active`."""
    return _scope(shape=bool(active))


def np_array(active: bool = True) -> contextlib.AbstractContextManager[None]:
    """A block, or a decorated function, in which is_np_array() says `active`."""
    return _scope(array=bool(active))


def _decorated(func: Any, who: str, **switches: bool) -> Any:
    """A function that runs with these switches, or a class whose functions and properties do."""
    if isinstance(func, type):
        for name, member in list(vars(func).items()):
            if isinstance(member, types.FunctionType):
                setattr(func, name, _decorated(member, who, **switches))
            elif isinstance(member, (staticmethod, classmethod)):
                setattr(func, name, type(member)(_decorated(member.__func__, who, **switches)))
            elif isinstance(member, property):
                get, put, delete = (part and _decorated(part, who, **switches) for part in (member.fget, member.fset, member.fdel))
                setattr(func, name, property(get, put, delete, member.__doc__))
        return func
    if not callable(func):
        raise TypeError(f"{who} can only decorate classes and callable objects, found a {type(func).__name__}")

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _scope(**switches):
            return func(*args, **kwargs)

    return run


def use_np_shape(func: Any) -> Any:
    """A decorator: the function, or all that a class defines, runs with is_np_shape() true. TypeError for others."""
    return _decorated(func, "use_np_shape", shape=True)


def use_np_array(func: Any) -> Any:
    """A decorator: the function, or all that a class defines, runs with is_np_array() true. TypeError for others."""
    return _decorated(func, "use_np_array", array=True)


def use_np(func: Any) -> Any:
    """use_np_shape and use_np_array together."""
    return _decorated(func, "use_np", shape=True, array=True)


# What NumPy's elementwise functions take beside their operands, and the one value that is implemented.
_UFUNC_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True}


def np_ufunc_legal_option(key: str, value: Any) -> bool:
    """Whether NumPy's elementwise functions would take key=value."""
    if key == "casting":
        return value in ("no", "equiv", "safe", "same_kind", "unsafe")
    if key == "dtype":
        try:
            return dtype_name(value) in ("int8", "uint8", "int32", "int64", "float16", "float32", "float64")
        except TypeError:
            return False
    return key == "where" or key == "order" and isinstance(value, str) or key == "subok" and isinstance(value, bool)


def _refuse_options(name: str, options: Mapping[str, Any]) -> None:
    for key, value in options.items():
        if key not in _UFUNC_DEFAULTS:
            raise TypeError(f"{key} is an invalid keyword to function '{name}'")
        if value != _UFUNC_DEFAULTS[key]:
            if np_ufunc_legal_option(key, value):
                raise NotImplementedError(f"{name} has no {key}, found {key}={value}: it computes every element, in its input's "
                                          "dtype, as MXNet does")
            raise TypeError(f"{key}={value} not understood for operator {name}")


def wrap_np_unary_func(func: Callable[..., Any]) -> Callable[..., Any]:
    """func(x, out=None) as a function that also takes NumPy's other keywords at their defaults.

    It raises TypeError for what NumPy would not take, and what MXNet raises, NotImplementedError, for values that only NumPy's
    own functions have.
    """

    @functools.wraps(func)
    def call(x: Any, out: Any = None, **kwargs: Any) -> Any:
        _refuse_options(func.__name__, kwargs)
        return func(x, out=out)

    return call


def wrap_np_binary_func(func: Callable[..., Any]) -> Callable[..., Any]:
    """The same for func(x1, x2, out=None)."""

    @functools.wraps(func)
    def call(x1: Any, x2: Any, out: Any = None, **kwargs: Any) -> Any:
        _refuse_options(func.__name__, kwargs)
        return func(x1, x2, out=out)

    return call


def set_module(module: str | None) -> Callable[[Any], Any]:
    """A decorator that sets __module__."""

    def decorate(thing: Any) -> Any:
        if module is not None:
            thing.__module__ = module
        return thing

    return decorate


def getenv(name: str) -> str | None:
    """An environment variable, or None."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Sets an environment variable; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(value)
