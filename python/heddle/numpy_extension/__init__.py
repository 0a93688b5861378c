"""mx.npx, what MXNet adds to NumPy's names: only the questions about its switches are answered yet. Each other name,
set_np too, is an AttributeError that says what to use."""
from .._no_numpy import missing
from ..util import is_np_array, is_np_shape, reset_np

__all__ = ["is_np_array", "is_np_shape", "reset_np"]
__getattr__ = missing(__name__, "npx")
