"""Iterators over arrays in memory, with heddle and, run by the real MXNet, with that.

    MXNET_PYTHON tests/witness/array_iterators.py SEEN.json
"""
import json
import sys

import numpy as np

ROWS = 10


def table(width=2, start=0):
    return np.arange(start, start + ROWS * width, dtype="float32").reshape(ROWS, width)


LABEL = np.arange(ROWS, dtype="float32")
CASES = {
    f"{handling}, {'shuffled, ' if shuffle else ''}batches of {size}": {
        "batch_size": size, "last_batch_handle": handling, "shuffle": shuffle}
    for handling in ("pad", "discard", "roll_over") for shuffle in (False, True) for size in (3, 4, 5, 10)}


def epochs(batches, count=3):
    """Data, labels and pads of some epochs."""
    seen = []
    for _ in range(count):
        seen.append([[[a.asnumpy().tolist() for a in b.data], [a.asnumpy().tolist() for a in b.label], b.pad] for b in batches])
        batches.reset()
    return seen


def described(batches):
    return [[d.name, list(d.shape), np.dtype(d.dtype).name, d.layout] for d in (*batches.provide_data, *batches.provide_label)]


def arrays(mx, name):
    np.random.seed(5)
    return epochs(mx.io.NDArrayIter(table(), LABEL, **CASES[name]))


def sources(mx):
    """What may be given, under which names it comes."""
    one = mx.nd.array(table())
    given = {
        "an array": (table(), LABEL), "an NDArray": (one, mx.nd.array(LABEL)), "a list": ([table(), table(3)], [LABEL]),
        "a dict": ({"b": table(), "a": table(3)}, {"y": LABEL}), "no label": (table(), None),
        "doubles": (table().astype("float64"), LABEL.astype("int32")),
    }
    found = {}
    for name, (data, label) in given.items():
        batches = mx.io.NDArrayIter(data, label, batch_size=4)
        found[name] = [described(batches), epochs(batches, 1)]
    named = mx.io.NDArrayIter(table(), LABEL, 5, data_name="x", label_name="y")
    found["names"] = [described(named), epochs(named, 1)]
    return found


def wrapped(mx):
    def base(**more):
        return mx.io.NDArrayIter(table(), LABEL, batch_size=4, **more)

    resized = mx.io.ResizeIter(base(), 5)
    kept = mx.io.ResizeIter(base(), 2, reset_internal=False)
    pair = mx.io.PrefetchingIter([base(), mx.io.NDArrayIter(table(3), -LABEL, batch_size=4)],
                                 rename_data=[{"data": "d1"}, {"data": "d2"}],
                                 rename_label=[{"softmax_label": "l1"}, {"softmax_label": "l2"}])
    return {"longer": [described(resized), epochs(resized, 2)], "going on": [described(kept), epochs(kept, 3)],
            "prefetched": [described(mx.io.PrefetchingIter(base())), epochs(mx.io.PrefetchingIter(base()), 2)],
            "two at once": [sorted(described(pair)), epochs(pair, 2)]}


def by_hand(mx):
    """The calls that programs make instead of a loop. (By hand MXNet also gives the rows that the other ways of handling the
    last batch keep back; we do not.)"""
    seen, batches = [], mx.io.NDArrayIter(table(), LABEL, batch_size=4)
    for _ in range(2):
        while batches.iter_next():
            seen.append([batches.getdata()[0].asnumpy().tolist(), batches.getlabel()[0].asnumpy().tolist(), batches.getpad()])
        batches.reset()
    batches.hard_reset()
    return [*seen, batches.next().data[0].asnumpy().tolist()]


def answers(mx):
    return {**{name: arrays(mx, name) for name in CASES}, "sources": sources(mx), "wrapped": wrapped(mx), "by hand": by_hand(mx)}


if __name__ == "__main__":
    import mxnet
    with open(sys.argv[1], "w") as file:
        json.dump(answers(mxnet), file)
