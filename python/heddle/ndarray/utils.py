"""Making, saving and loading arrays, where MXNet kept these functions."""
from .functions import array, empty, load, load_frombuffer, save, zeros

__all__ = ["array", "empty", "load", "load_frombuffer", "save", "zeros"]
