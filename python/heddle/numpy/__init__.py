"""mx.np, MXNet's NumPy interface: not there yet. Each of its names is an AttributeError that says what to use."""
from .._no_numpy import missing

__all__: list[str] = []
__getattr__ = missing(__name__, "np")
