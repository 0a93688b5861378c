"""What MXNet kept apart from the rest of gluon."""
from . import data

__all__ = ["data"]
