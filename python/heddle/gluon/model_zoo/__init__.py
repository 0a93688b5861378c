"""Networks that are ready to be trained, or loaded with parameters that somebody has trained."""
from . import model_store, vision

__all__ = ["model_store", "vision"]
