"""The programs of examples/gluon reach what they say."""
import pathlib
import runpy
import sys

import pytest

from debian_data import needs_images

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "examples/gluon"


@pytest.mark.parametrize("program, says", [
    ("tree_lstm", "of formulas that are deeper"), ("actor_critic", "new games won"), ("super_resolution", "the network"),
    ("estimator", "stopped early"), ("resnet", "accuracy on new pictures"), ("language_model", "the verb agrees in"),
    ("dcgan", "times as far from a picture"), ("fine_tune", "from the exported network"),
    pytest.param("fashion_mnist", "apart in 20 steps", marks=needs_images)])
def test_program(program, says, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER))  # for shapes.py
    monkeypatch.setattr(sys, "argv", [program])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / f"{program}.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0 and says in said, said
