"""The programs of examples/ reach what they say, here on less data."""
import importlib
import pathlib
import sys

import pytest

from debian_data import needs_images

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture()
def run(monkeypatch, tmp_path, capsys):
    """A function: what a program prints, once it has reached its goal."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.chdir(tmp_path)

    def of(name, *arguments):
        program = importlib.import_module(name)
        try:
            assert program.main(list(arguments)) == 0, capsys.readouterr().out
        finally:
            del sys.modules[name]
        return capsys.readouterr().out

    return of


def test_matrix_factorisation(run):
    assert "ratings never seen" in run("matrix_factorisation")


def test_svrg(run):
    assert "from the solution" in run("svrg", "--epochs", "20")


@needs_images
def test_autoencoder(run):
    assert "principal components" in run("autoencoder", "--limit", "8000", "--epochs", "6")


@needs_images
def test_multi_task(run):
    assert "shoe or not" in run("multi_task", "--limit", "10000", "--epochs", "3")


@needs_images
def test_feedforward(run, tmp_path):
    assert "the same from" in run("feedforward", "--limit", "20000", "--epochs", "5", "--out", str(tmp_path))


@pytest.mark.skipif(not pathlib.Path("/usr/share/common-licenses").is_dir(), reason="not a Debian system")
def test_language_model(run):
    assert "perplexity of sentences never seen" in run("language_model")


def test_fine_tune_records(run, tmp_path):
    said = run("fine_tune_records", "--out", str(tmp_path))
    assert "fine-tuned" in said and (tmp_path / "first" / "records.rec").stat().st_size > 100_000
