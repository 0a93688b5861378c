"""Datasets of images, and what can be done to images before a network sees them."""
from . import datasets, transforms
from .datasets import *  # noqa: F403
