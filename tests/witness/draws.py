"""Run by the real MXNet: answers draws (tests/draws) that come by standard input, one after the other.

Each request is a draw, and each answer its arrays, both pickled after their length. A process that is forked does the
work: where a draw kills it, the next one asks again, and where that dies, too, the answer is {"dies": signal}.
"""
import ctypes
import mmap
import os
import pathlib
import pickle
import signal
import struct
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402

from draws.run import Draw, run  # noqa: E402


def read_exactly(n):
    parts = []
    while n:
        part = os.read(0, n)
        if not part:
            os._exit(0)
        parts.append(part)
        n -= len(part)
    return b"".join(parts)


def write(fd, answer):
    plain = {way: {k: (v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for k, v in found.items()}
             if isinstance(found, dict) else found for way, found in answer.items()}
    data = pickle.dumps(plain, protocol=4)
    data = struct.pack("<q", len(data)) + data
    while data:
        data = data[os.write(fd, data):]


class Current:
    """The request that is being worked on, in memory that the next process sees, too."""

    def __init__(self):
        self.memory = mmap.mmap(-1, 1 << 22)

    def set(self, data):
        self.memory[:8] = struct.pack("<q", len(data))
        self.memory[8:8 + len(data)] = data

    def get(self):
        (n,) = struct.unpack("<q", self.memory[:8])
        return self.memory[8:8 + n]


def serve(fd, current, again):
    while True:
        data = current.get() if again else b""
        if not data:
            (n,) = struct.unpack("<q", read_exactly(8))
            data = read_exactly(n)
            current.set(data)
        again = False
        answer = run(mx, Draw(**pickle.loads(data)))
        current.set(b"")
        write(fd, answer)


def end_with_parent():
    """A draw may run for ever: nobody must be left with it when the tests end, however they end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main():
    end_with_parent()
    fd = os.dup(1)  # what MXNet prints goes elsewhere
    os.dup2(2, 1)
    current, again = Current(), False
    while True:
        child = os.fork()
        if not child:
            end_with_parent()
            try:
                serve(fd, current, again)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return
        again = not again and current.get() != b""
        if again:
            continue
        current.set(b"")
        write(fd, {"dies": os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)})


if __name__ == "__main__":
    main()
