"""Paths and fixtures that the tests share."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))


@pytest.fixture
def no_seed(monkeypatch):
    """As if neither mx.random.seed nor numpy.random.seed had been called in this process."""
    monkeypatch.setattr("heddle._shuffle._seeded", None)
    monkeypatch.setattr("heddle._shuffle._was_seeded", lambda numpy: False)
