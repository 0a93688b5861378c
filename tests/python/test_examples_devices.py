"""The examples of training over two devices and of a loss in Python reach what they say."""
import importlib
import pathlib
import re
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture
def example(monkeypatch):
    if not DATA.is_dir():
        pytest.skip("the package dataset-fashion-mnist is not there")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module
    for name in ("two_devices", "python_loss"):
        sys.modules.pop(name, None)


def test_two_devices(example, capsys):
    assert example("two_devices").main(["--epochs", "2", "--share", "10", "--accuracy", "0.75"]) == 0
    said = capsys.readouterr().out
    reached = [float(n) for n in re.findall(r"(0\.\d{4}) (?:on|by)", said)]
    assert len(reached) == 3 and max(reached) - min(reached) < 0.02 and "differ by 0," in said, said


def test_python_loss(example, capsys):
    assert example("python_loss").main(["--epochs", "2", "--share", "20", "--accuracy", "0.7"]) == 0
    assert float(re.search(r"hinge loss (\S+),", capsys.readouterr().out)[1]) < 1.2
