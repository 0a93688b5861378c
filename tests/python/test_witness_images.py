"""The real MXNet sees the same: pictures after augmenters, what seeds draw, batches of iterators, and record files."""
import json

import numpy as np
import pytest

import heddle as mx
from heddle.tools import im2rec
from ops.images import png
from test_witness import ask
from witness import images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that both read, and what MXNet made of them."""
    folder = tmp_path_factory.mktemp("images")
    for stem, label in (("plain", float), ("boxes", images.boxes)):
        with mx.recordio.MXIndexedRecordIO(folder / f"{stem}.idx", folder / f"{stem}.rec", "w") as writer:
            for i in range(len(images.PICTURES)):
                writer.write_idx(i, mx.recordio.pack(mx.recordio.IRHeader(0, label(i), i, 0), png(images.picture(i))))
    for i in range(len(images.PICTURES)):
        (folder / f"{i}.png").write_bytes(png(images.picture(i)))
    (folder / "two.lst").write_text("".join(f"{3 * i}\t{i}.5\t{i * 2}\t{i}.png\n" for i in range(5)))
    (folder / "one.lst").write_text("".join(f"{i}\t{10 * i}\t{i}.png\n" for i in range(5)))
    images.write_records(mx, folder / "ours")
    ask("images.py", folder)
    return folder


def test_pictures_seeds_and_batches(folder):
    theirs, ours = np.load(folder / "theirs.npz"), images.cases(mx, str(folder))
    assert set(ours) == set(theirs.files) and len(ours) > 700
    wrong = []
    for name, found in ours.items():
        wanted = theirs[name]
        kind = name.split()[0]
        # Of pixels divided by deviations of 57 and more, a level is less than 0.02.
        most = {"exact": 0, "close": 1e-6, "normal": 0.02}.get(kind, 1)
        if found.dtype.kind == "U":
            same = found.tolist() == wanted.tolist()
        else:
            same = found.shape == wanted.shape and np.abs(found.astype("float64") - wanted).max(initial=0) <= most
        if not same:
            wrong.append(name)
    assert not wrong


def test_records_of_mxnet(folder):
    found = list(images.read_records(mx, folder / "theirs"))
    assert [payload for _, payload in found] == images.PAYLOADS
    assert found == list(images.read_records(mx, folder / "ours"))
    for end in ("rec", "idx", "plain"):
        assert (folder / f"ours.{end}").read_bytes() == (folder / f"theirs.{end}").read_bytes()


LISTS = [[], ["--recursive"], ["--recursive", "--no-shuffle"], ["--recursive", "--train-ratio", "0.6", "--test-ratio", "0.2"],
         ["--recursive", "--chunks", "3"], ["--recursive", "--train-ratio", "0.7", "--chunks", "2"], ["--exts", ".txt", "--recursive"]]


def test_lists_and_records_of_im2rec(tmp_path):
    root = tmp_path / "pictures"
    for i in range(11):
        path = root / ("", "a", "b", "b/c")[i % 4] / f"{i}.{('png', 'PNG', 'txt')[i % 3 % (i + 1)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(images.picture(i % 5)))
    runs = {"theirs": [], "ours": []}
    for who, commands in runs.items():
        (tmp_path / who).mkdir()
        commands.extend(["--list", f"{tmp_path}/{who}/{i}", str(root), *options] for i, options in enumerate(LISTS))
        (tmp_path / who / "many.lst").write_text("7\t1\t2.5\ta/1.PNG\n3\t4\t0.png\n")
        commands.extend([f"{tmp_path}/{who}/{name}", str(root), "--pass-through", "--pack-label"] for name in ("1", "many"))
    (tmp_path / "runs.json").write_text(json.dumps(runs["theirs"]))
    ask("im2rec.py", tmp_path / "runs.json")
    assert not any(im2rec.main(command) for command in runs["ours"])
    theirs, ours = ({path.name: path.read_bytes() for path in (tmp_path / who).iterdir()} for who in runs)
    assert ours == theirs and {"1.rec", "1.idx", "many.rec", "4_2.lst", "5_1_val.lst"} <= set(ours)
