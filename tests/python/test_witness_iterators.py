"""Iterators over files give the batches, pads and order that the real MXNet's give."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core
from ops.images import jpeg, pixels, png
from test_witness import ask
from witness import iterators

# Where the two differ, and why.
DIFFERENT = {
    "image, last batch alone": "MXNet reports no pad and leaves what was in memory in its place",
}


def write(path, records):
    writer, places = _core.RecordWriter(path), []
    for record in records:
        places.append(writer.tell())
        writer.write(record)
    writer.close()
    return places


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iterators")
    photographs = [jpeg(name) for name in ("whole", "halved", "progressive", "restarts", "grey")]
    four, two = pixels(20, 16, 4).astype("uint8"), pixels(20, 16, 2).astype("uint8")
    clear = [png(four), png(two), png(four[..., 0] % 3, palette=[[1, 2, 3], [40, 50, 60], [9, 8, 7]], transparent=b"\0\x55")]
    iterators.prepare(folder, photographs, clear, write)
    return folder


@pytest.fixture(scope="module")
def theirs(files):
    ask("iterators.py", str(files))
    with np.load(files / "batches.npz") as found:
        return dict(found)


@pytest.mark.parametrize("name", iterators.CASES)
def test_batches(name, files, theirs):
    ours = iterators.batches(mx, files, name)
    if name in DIFFERENT:
        assert sum(ours["pad"]) == 6 and ours["label"].tolist() == list(range(iterators.COUNT)) * 3
        return
    for key in ("described", "ends", "label"):
        assert ours[key].tolist() == theirs[f"{name}/{key}"].tolist(), key
    # Now and then MXNet reports the pad of the last batch for the one before it too.
    last = ours["ends"] - 1
    assert ours["pad"][last].tolist() == theirs[f"{name}/pad"][last].tolist() and ours["pad"].sum() == ours["pad"][last].sum()
    data, expected = ours["data"], theirs[f"{name}/data"]
    assert data.dtype == expected.dtype and data.shape == expected.shape
    one_level = "cubic" in name  # of grey: sums of weights that fall between two
    np.testing.assert_allclose(data.astype("float64"), expected.astype("float64"), atol=1 if one_level else 1e-5)
