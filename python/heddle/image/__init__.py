"""Images: files to arrays of pixels, and pictures of other sizes."""
from __future__ import annotations

from . import image
from .image import copyMakeBorder, imdecode, imread, imresize

__all__ = ["copyMakeBorder", "imdecode", "image", "imread", "imresize"]
