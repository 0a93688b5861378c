"""Answers and gradients of operators that PyTorch has, too, or that a few of its lines define: tests/witness/pytorch.py."""
import os
import pathlib
import re
import subprocess

import pytest

import heddle as mx

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = pathlib.Path(os.environ.get("HEDDLE_PEERS") or ROOT / ".cache/peers") / "torch/bin/python"
PROGRAM = ROOT / "tests/witness/pytorch.py"
NAMES = ["rnn_relu", "rnn_tanh", "lstm", "gru", "rnn_relu_both_ways", "rnn_tanh_both_ways", "lstm_both_ways", "gru_both_ways",
         "lstm_projected", "ctc_with_the_first_as_blank", "ctc_with_the_last_as_blank", *re.findall(r"^@check\ndef (\w+)", PROGRAM.read_text(), re.M), "deformable_convolution",
         "modulated_deformable_convolution"]


@pytest.fixture(scope="module")
def verdicts():
    """What each check says: nothing where both agree. One process for all, since PyTorch takes seconds to start."""
    if not PYTHON.exists():
        pytest.skip(f"PyTorch is not at {PYTHON}: tools/peers.sh torch installs it")
    done = subprocess.run([PYTHON, PROGRAM], env={**os.environ, "PYTHONPATH": str(pathlib.Path(mx.__file__).parents[1])},
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    parts = re.split(r"^== (\w+)\n", done.stdout, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_all_are_named(verdicts):
    assert sorted(verdicts) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_both_agree(verdicts, name):
    assert verdicts[name] == ""
