#!/usr/bin/env python3
"""An eager training loop in R that never calls gc() beside the same in Python: same_memory.py RSCRIPT

What heddle's arrays take at most must be within 1.2 times Python's, where arrays go as soon as nobody has them: they are
many enough here that the 48 MiB which R may let pile up in any case do not count. How much the processes took is only told.
"""
from __future__ import annotations

import pathlib
import resource
import subprocess
import sys

import heddle as mx
from heddle import autograd, nd


def train() -> int:
    """The loop of memory.R; the most bytes that were live at once."""
    mx.random.seed(1)
    w = nd.ones((2048, 2048))
    w.attach_grad()
    for _ in range(5):
        x = nd.random.uniform(shape=(2048, 2048))
        with autograd.record():
            y = x
            for _ in range(12):
                y = nd.tanh(y * w + 0.1)
            loss = y.mean()
        loss.backward()
        nd.sgd_update(w, w.grad, lr=0.1, out=w)
    nd.waitall()
    return mx.memory_stats()["peak"]


def main() -> None:
    ours = train()
    ours_resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    out = subprocess.run([sys.argv[1], str(pathlib.Path(__file__).parent / "memory.R")], check=True, capture_output=True, text=True)
    theirs, theirs_resident = (float(word) for word in out.stdout.split())
    print(f"arrays at most: {theirs / 2**20:.0f} MiB in R, {ours / 2**20:.0f} in Python; "
          f"the processes: {theirs_resident / 2**20:.0f} and {ours_resident / 2**20:.0f}")
    if theirs > 1.2 * ours:
        sys.exit(f"R held {theirs / ours:.2f} times what Python held, expected at most 1.2 times")


if __name__ == "__main__":
    main()
