"""Draws of operators, answered by both."""
import pathlib

import heddle as mx
from heddle import _core

from .generator import draw
from .judge import verdict
from .run import run
from .witness import Witness

NAMES = {line for line in (pathlib.Path(__file__).parents[1] / "ops/names_1_9.txt").read_text().splitlines()
         if line and line[0] != "#"}
# What has no answer to compare. The test that holds it instead is named.
ELSEWHERE = {
    "_Native": "a Python function has to be registered in both: test_operator.py", "_NDArray": "a Python function has to be registered in both: test_operator.py",
    "_NoGradient": "MXNet's can neither be called nor bound: test_ops.py", "_zeros_without_dtype": "MXNet's have no type where they are called: test_ops.py",
    "Custom": "a Python function has to be registered in both: test_operator.py",
    "_contrib_fft": "MXNet has it for GPUs only: test_ops.py", "_contrib_ifft": "MXNet has it for GPUs only: test_ops.py",
    "_contrib_count_sketch": "MXNet has it for GPUs only: test_ops.py",
    "_sparse_adagrad_update": "MXNet's takes row-sparse gradients only: test_ops.py",
    "_contrib_group_adagrad_update": "MXNet has it for GPUs only: test_ops.py",
    "_contrib_mrcnn_mask_target": "MXNet has it for GPUs only: test_ops.py",
    "_set_value": "MXNet's needs out=: test_ops.py",
    "_scatter_set_nd": "MXNet writes into lhs itself alone: test_ops.py",
    "IdentityAttachKLSparseReg": "MXNet's function takes no moving average: test_vision.py",
    "_cvimdecode": "files are not drawn: test_image.py", "_cvimread": "files are not drawn: test_image.py", "_imdecode": "files are not drawn: test_image.py",
    "_CrossDeviceCopy": "stands in graphs only: test_place.py", "_copyto": "MXNet's cannot be called by itself: test_ops.py",
}
BY_ROWS = "_contrib_quantized_", "_contrib_quantize_asym"  # on oneDNN's numbers of 8 bits: test_int8.py
OPERATORS = {r["name"]: r for r in _core.ops()
             if {r["name"], *r["aliases"]} & NAMES and r["name"] not in ELSEWHERE
             and not r["name"].startswith(BY_ROWS)}
# Seeds beside the first ones, that show each entry of differences.py: "OP:SEED" in each line.
EXAMPLES_FILE = pathlib.Path(__file__).with_name("examples.txt")
EXAMPLES: dict = {}
for _line in EXAMPLES_FILE.read_text().split():
    EXAMPLES.setdefault(_line.rsplit(":", 1)[0], []).append(int(_line.rsplit(":", 1)[1]))


class Session:
    """Keeps one witness for all draws."""

    def __init__(self):
        self.witness = Witness()

    def close(self):
        self.witness.close()

    def answers(self, op, seeds, skip=lambda draw: False):
        """(draw, heddle's answer, MXNet's answer) of each seed; MXNet works while heddle does."""
        draws = [d for d in (draw(OPERATORS[op], seed) for seed in seeds) if not skip(d)]
        for d in draws:
            self.witness.ask(d)
        ours = [run(mx, d) for d in draws]
        return [(d, mine, self.witness.answer()) for d, mine in zip(draws, ours)]

    def verdicts(self, op, seeds, skip=lambda draw: False):
        """(draw, verdict, findings, entries) of each seed."""
        return [(d, *verdict(d, mine, theirs)) for d, mine, theirs in self.answers(op, seeds, skip)]
