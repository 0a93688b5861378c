"""tools/im2rec.py and tools/rec2idx.py: lists, records of the images in them, and what is wrong with some."""
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import heddle as mx
from heddle.tools import im2rec, rec2idx
from ops.images import pixels, png

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


def picture(i):
    return np.roll(pixels(20 + i, 30 - i, 3), i, axis=2).astype("uint8")


@pytest.fixture
def folder(tmp_path):
    """Nine pictures in the folders a, b and b/c, and what is none."""
    for i in range(9):
        place = tmp_path / "pictures" / ("a", "b", "b/c")[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").write_bytes(png(picture(i)))
    (tmp_path / "pictures" / "0.PNG").write_bytes(png(picture(0)))
    (tmp_path / "pictures" / "notes.txt").write_text("none")
    return tmp_path


def lines(path):
    return [line.split("\t") for line in path.read_text().splitlines()]


def records(stem):
    reader = mx.recordio.MXIndexedRecordIO(f"{stem}.idx", f"{stem}.rec", "r")
    return {key: mx.recordio.unpack(reader.read_idx(key)) for key in reader.keys}


def test_lists_of_one_folder_and_of_all(folder, capsys):
    root, prefix = str(folder / "pictures"), str(folder / "x")
    assert im2rec.main(["--list", prefix, root]) == 0
    assert lines(folder / "x.lst") == [["0", "0.000000", "0.PNG"]]
    assert im2rec.main(["--list", "--recursive", "--no-shuffle", prefix, root]) == 0
    assert lines(folder / "x.lst") == [["0", "0.000000", "0.PNG"], *(
        [str(n), f"{label}.000000", path] for n, label, path in
        ((1, 1, "a/0.png"), (2, 1, "a/3.png"), (3, 1, "a/6.png"), (4, 2, "b/1.png"), (5, 2, "b/4.png"), (6, 2, "b/7.png"),
         (7, 3, "b/c/2.png"), (8, 3, "b/c/5.png"), (9, 3, "b/c/8.png")))]
    assert capsys.readouterr().out.splitlines()[1:5] == [". 0", "a 1", "b 2", "b/c 3"]


def test_shuffled_lists_are_always_the_same(folder):
    root, stems = str(folder / "pictures"), [folder / "x", folder / "y"]
    for stem in stems:
        im2rec.main(["--list", "--recursive", str(stem), root])
    first, second = (lines(folder / f"{stem}.lst") for stem in stems)
    assert first == second and first != sorted(first) and sorted(line[0] for line in first) == list("0123456789")


def test_lists_for_training_validation_and_test(folder):
    root = str(folder / "pictures")
    im2rec.main([str(folder / "x"), root, "--list", "--recursive", "--chunks", "2", "--train-ratio", "0.4", "--test-ratio", "0.2"])
    found = {path.name: len(lines(path)) for path in folder.glob("x*.lst")}
    assert found == {f"x_{i}_{part}.lst": count for i in (0, 1) for part, count in (("train", 2), ("test", 1), ("val", 2))}
    with pytest.raises(SystemExit):
        im2rec.main([str(folder / "x"), root, "--list", "--train-ratio", "0.9", "--test-ratio", "0.2"])


def test_switches_with_values_as_in_0_10(folder):
    root = str(folder / "pictures")
    im2rec.main(["--list=1", "--recursive", "True", "--shuffle", "0", str(folder / "x"), root])
    assert [line[0] for line in lines(folder / "x.lst")] == list("0123456789")
    im2rec.main(["--list=True", "--recursive=0", "--exts", ".txt", "--shuffle=False", "--", str(folder / "x"), root])
    assert lines(folder / "x.lst") == [["0", "0.000000", "notes.txt"]]


def test_records_of_a_list(folder, capsys):
    root, stem = str(folder / "pictures"), folder / "x"
    im2rec.main(["--list", "--recursive", str(stem), root])
    assert im2rec.main([str(stem), root, "--encoding", ".png", "--quality", "3", "--num-thread", "3"]) == 0
    assert "x.rec: 10 images" in capsys.readouterr().out
    found = records(stem)
    assert list(found) == [int(line[0]) for line in lines(folder / "x.lst")]
    for number, label, path in lines(folder / "x.lst"):
        header, content = found[int(number)]
        assert (header.flag, header.label, header.id) == (0, float(label), int(number))
        assert np.array_equal(mx.image.imdecode(content).asnumpy(), picture(int(pathlib.Path(path).stem)))
    one_thread = folder / "x.rec", (folder / "x.rec").read_bytes()
    im2rec.main([str(stem), root, "--encoding", ".png", "--quality", "3"])
    assert one_thread[0].read_bytes() == one_thread[1]


@pytest.mark.parametrize("options, shape", [(["--resize", "12"], (12, 18, 3)), (["--resize", "12", "--center-crop"], (12, 12, 3)),
                                            (["--center-crop"], (20, 20, 3)), (["--color", "0"], (20, 30, 1)), ([], (20, 30, 3))])
def test_shapes_of_records(folder, options, shape):
    (folder / "x.lst").write_text("5\t1\t2\t3\ta/0.png\n")
    im2rec.main([str(folder / "x"), str(folder / "pictures"), "--pack-label", *options])
    header, content = records(folder / "x")[5]
    assert header.label.tolist() == [1, 2, 3] and content[:3] == b"\xff\xd8\xff"
    found = mx.recordio.unpack_img(mx.recordio.pack(header, content))[1]
    assert found.reshape(*found.shape[:2], -1).shape == shape


def test_files_passed_through_are_not_changed(folder):
    (folder / "x.lst").write_text("0\t1\ta/0.png\n1\t0\tnotes.txt\n")
    im2rec.main([str(folder / "x"), str(folder / "pictures"), "--pass-through"])
    assert [content for _, content in records(folder / "x").values()] == [png(picture(0)), b"none"]


def test_broken_images_are_left_out_and_named(folder, capsys):
    (folder / "pictures" / "bad.png").write_bytes(png(picture(1))[:60])
    (folder / "x.lst").write_text("0\t1\tbad.png\n1\t1\ta/0.png\n2\t0\tmissing.png\n3\tshort\n")
    assert im2rec.main([str(folder / "x"), str(folder / "pictures"), "--num-thread", "2"]) == 0
    said = capsys.readouterr()
    assert "1 images, 2 left out" in said.out and "x.lst, line 4: found 2 fields" in said.err
    assert "bad.png: left out: " in said.err and "missing.png: left out: " in said.err
    assert list(records(folder / "x")) == [1]
    (folder / "x.lst").write_text("0\tone\ta/0.png\n")
    with pytest.raises(ValueError, match="x.lst, line 1: .*one"):
        im2rec.main([str(folder / "x"), str(folder / "pictures")])
    assert im2rec.main([str(folder / "nothing"), str(folder / "pictures")]) == 1


def test_indices_are_made_again(folder):
    root, stem = str(folder / "pictures"), folder / "x"
    im2rec.main(["--list", "--recursive", "--no-shuffle", str(stem), root])
    im2rec.main([str(stem), root])
    assert rec2idx.main([f"{stem}.rec", f"{stem}.new"]) == 0
    assert (folder / "x.new").read_text() == (folder / "x.idx").read_text()


def test_the_programs_run_from_the_command_line(folder):
    def run(*command):
        done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr  # and no progress where there is no terminal
        return done.stdout

    run(TOOLS / "im2rec.py", "--list", "--recursive", folder / "x", folder / "pictures")
    assert "10 images" in run("-m", "heddle.tools.im2rec", folder / "x", folder / "pictures")
    assert "10 records" in run(TOOLS / "rec2idx.py", folder / "x.rec", folder / "y.idx")


def test_progress_is_shown_on_terminals_alone():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, shown in ((io.StringIO(), False), (Terminal(), True)):
        progress = im2rec.Progress(2, stream)
        progress.step()
        progress.step()
        progress.clear()
        assert ("2 of 2, 100%" in stream.getvalue()) is shown and bool(stream.getvalue()) is shown
