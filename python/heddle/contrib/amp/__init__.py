"""Automatic mixed precision."""
from . import amp, loss_scaler
from .amp import *  # noqa: F403
from .loss_scaler import LossScaler

__all__ = ["LossScaler", "amp", "loss_scaler", *amp.__all__]
