"""Images, their augmenters and their iterator, under the name that MXNet's module has."""
from .augmenters import *  # noqa: F403
from .functions import *  # noqa: F403
from .iterator import *  # noqa: F403
