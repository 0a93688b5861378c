"""Calls and training from R beside Python: `x + y` on 4 floats, LeNet at batch 64, and how much memory that takes."""
import resource
import sys

import harness
import lenet


def python():
    """What serve.R does, from Python."""
    import heddle as mx

    def add():
        x, y = mx.nd.array([1, 2, 3, 4]), mx.nd.array([4, 3, 2, 1])
        return harness.Work(lambda: x + y, mx.nd.waitall, chunk=1000)

    class Peak:
        """The most memory this process had, in MiB."""

        def rate(self, seconds):
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    return {"add": add, "lenet": lambda: lenet.module(mx), "peak": Peak}


class InR(harness.Program):
    """benchmarks/r/serve.R; R_LIBS says where the package is."""

    def __init__(self):
        super().__init__("R", ["Rscript", harness.ROOT / "benchmarks/r/serve.R"])

    def measure(self, case, seconds):
        return float(self.ask(f"{case} {seconds}"))


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve(python())
    harness.two_cores()
    r, peer = InR(), harness.Contender(__file__, "Python", sys.executable)
    found = harness.rates([(r, ["add", "lenet"]), (peer, ["add", "lenet"])], options.windows, options.seconds)
    rows = [{"case": "x + y, 4 floats", "unit": "us/call", "ours": 1e6 / found["R", "add"], "peer": 1e6 / found["Python", "add"]},
            {"case": "LeNet", "unit": "samples/s", "ours": found["R", "lenet"], "peer": found["Python", "lenet"]},
            {"case": "memory of both", "unit": "MiB", "ours": r.measure("peak", 0), "peer": peer.measure("peak", 0)}]
    harness.report([{**row, "peer_name": "Python"} for row in rows], options.json)
    r.close()
    peer.close()


if __name__ == "__main__":
    main()
