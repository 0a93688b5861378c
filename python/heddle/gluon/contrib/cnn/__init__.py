"""Convolutions whose windows follow the image."""
from .conv_layers import *  # noqa: F403
