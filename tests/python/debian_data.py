"""Data sets that are packages of Debian, for tests that need pictures to learn from."""
import pathlib

import pytest

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
needs_images = pytest.mark.skipif(
    not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
