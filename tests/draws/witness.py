"""A process of the real MXNet that answers draws."""
import dataclasses
import os
import pathlib
import pickle
import select
import struct
import subprocess
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("HEDDLE_PEERS") or ROOT / ".cache/peers")  # where tools/peers.sh puts them
PYTHON = pathlib.Path(os.environ.get("HEDDLE_MXNET_PYTHON") or PEERS / "mxnet/bin/python")
SETTINGS = {
    "MXNET_SUBGRAPH_BACKEND": "NONE",  # its fusion of BatchNorm into convolutions answers differently
    "MXNET_SAFE_ACCUMULATION": "1",    # halves are summed in float32, as heddle does
    "OMP_NUM_THREADS": "1",
}


class Witness:
    """Ask for draws, then collect the answers in the same order."""

    def __init__(self, patience=15):
        self.patience = patience  # seconds for one answer
        self.waiting = []
        self.late = set()  # what was waited for in vain, once
        self.process = None

    def start(self):
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        self.process = subprocess.Popen([PYTHON, ROOT / "tests/witness/draws.py"], env={**clean, **SETTINGS},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        bufsize=0, start_new_session=True)

    def close(self):
        if self.process:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            self.process = None

    def ask(self, draw):
        if self.process is None:
            self.start()
        data = pickle.dumps(dataclasses.asdict(draw), protocol=4)
        self.process.stdin.write(struct.pack("<q", len(data)) + data)
        self.waiting.append(draw)

    def answer(self):
        """Of the draw asked for first: as run() gives it, or {"dies": signal}, or {"hangs": seconds}."""
        first = self.waiting.pop(0)
        end = time.monotonic() + self.patience
        try:
            (n,) = struct.unpack("<q", self.read(8, end))
            answer = pickle.loads(self.read(n, end))
        except TimeoutError:
            self.close()
            again = first.id not in self.late
            later, self.waiting = [first] * again + self.waiting, []
            self.late.add(first.id)
            for draw in later:
                self.ask(draw)
            return self.answer() if again else {"hangs": self.patience}
        return {way: {k: np.frombuffer(v[2], v[0]).reshape(v[1]) if isinstance(v, tuple) else v for k, v in found.items()}
                if isinstance(found, dict) else found for way, found in answer.items()}

    def read(self, n, end):
        parts = []
        while n:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(self.process.stdout.fileno(), n)
            assert part, "MXNet's process ended: does `import mxnet` work there?"
            parts.append(part)
            n -= len(part)
        return b"".join(parts)
