"""Images: files to arrays of pixels, pictures of other sizes, augmenters, and iterators over them."""
from . import detection, image
from .detection import *  # noqa: F403
from .image import *  # noqa: F403

det = detection
