"""More layers."""
from .basic_layers import *  # noqa: F403
