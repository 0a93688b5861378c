"""Datasets of images."""
from . import datasets
from .datasets import *  # noqa: F403
