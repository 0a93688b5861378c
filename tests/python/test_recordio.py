"""Record files in Python: keys, pickles, forks, threads, and records that are broken."""
import os
import pickle
import threading

import numpy as np
import pytest

import heddle as mx
from heddle import recordio
from ops.images import jpeg, pixels, png


def written(folder, payloads, **options):
    """Paths of an index and a file that hold these records."""
    paths = str(folder / "a.idx"), str(folder / "a.rec")
    with recordio.MXIndexedRecordIO(*paths, "w", **options) as writer:
        for key, payload in payloads.items():
            writer.write_idx(key, payload)
    return paths


PAYLOADS = {i: bytes([i]) * (i * 1000 % 7001) for i in range(60)}


def test_records_by_key_and_in_order(tmp_path):
    index, file = written(tmp_path, PAYLOADS)
    reader = recordio.MXIndexedRecordIO(index, file, "r")
    assert reader.keys == list(PAYLOADS) and reader.read() == PAYLOADS[0]
    assert [reader.read_idx(key) for key in (59, 3, 3, 0)] == [PAYLOADS[key] for key in (59, 3, 3, 0)]
    reader.seek(7)
    assert reader.tell() == reader.idx[7] and reader.read() == PAYLOADS[7] and reader.read() == PAYLOADS[8]
    reader.reset()
    assert reader.read() == PAYLOADS[0]
    with pytest.raises(KeyError, match="a.idx has no key 60"):
        reader.read_idx(60)
    reader.close()
    reader.close()
    for call in (reader.read, reader.tell, lambda: reader.read_idx(1)):
        with pytest.raises(ValueError, match="a.rec is closed"):
            call()


def test_keys_of_other_types_and_paths(tmp_path):
    index, file = written(tmp_path, {"one": b"1", "two": b"2"}, key_type=str)
    reader = recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "r", key_type=str)
    assert reader.keys == ["one", "two"] and reader.read_idx("two") == b"2"
    with pytest.raises(ValueError, match="line 1 of .*a.idx is 'one"):
        recordio.MXIndexedRecordIO(index, file, "r")


def test_what_a_file_was_not_opened_for(tmp_path):
    index, file = written(tmp_path, PAYLOADS)
    with recordio.MXRecordIO(file, "r") as reader, pytest.raises(ValueError, match="open for reading, expected writing"):
        reader.write(b"a")
    with recordio.MXRecordIO(str(tmp_path / "b.rec"), "w") as writer, pytest.raises(ValueError, match="open for writing"):
        writer.read()
    with pytest.raises(ValueError, match="Invalid flag a"):
        recordio.MXRecordIO(file, "a")
    with pytest.raises(mx.MXNetError, match="nothing.rec"):
        recordio.MXRecordIO(str(tmp_path / "nothing.rec"), "r")
    with pytest.raises(FileNotFoundError, match="nothing.idx"):
        recordio.MXIndexedRecordIO(str(tmp_path / "nothing.idx"), file, "r")


def test_readers_are_pickled_and_writers_are_not(tmp_path):
    index, file = written(tmp_path, PAYLOADS)
    reader = recordio.MXIndexedRecordIO(index, file, "r")
    reader.read_idx(5)
    again = pickle.loads(pickle.dumps(reader))
    assert again.read_idx(9) == PAYLOADS[9] and again.keys == reader.keys
    with recordio.MXRecordIO(str(tmp_path / "b.rec"), "w") as writer:
        writer.write(b"kept")
        with pytest.raises(ValueError, match="b.rec is open for writing"):
            pickle.dumps(writer)
    closed = pickle.loads(pickle.dumps(writer))
    assert not closed.is_open and recordio.MXRecordIO(str(tmp_path / "b.rec"), "r").read() == b"kept"


def in_child(check):
    """The exit status of a forked process that runs check() and ends as programs do."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if check() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_forked_readers_have_places_of_their_own(tmp_path):
    index, file = written(tmp_path, PAYLOADS)
    reader = recordio.MXIndexedRecordIO(index, file, "r")
    reader.seek(30)
    assert in_child(lambda: [reader.read_idx(key) for key in range(60)] == list(PAYLOADS.values())) == 0
    assert reader.read() == PAYLOADS[30]
    plain = recordio.MXRecordIO(file, "r")
    plain.read()
    assert in_child(lambda: plain.read() == PAYLOADS[0]) == 0
    assert plain.read() == PAYLOADS[1]


def test_a_forked_process_writes_nothing(tmp_path):
    """Not even what was held back when it was forked."""
    index, file = str(tmp_path / "a.idx"), str(tmp_path / "a.rec")
    writer = recordio.MXIndexedRecordIO(index, file, "w")
    writer.write_idx(0, b"first")

    def check():
        with pytest.raises(RuntimeError, match="Forbidden operation in multiple processes"):
            writer.write(b"of the child")
        writer.close()
        return True

    assert in_child(check) == 0
    writer.write_idx(1, b"second")
    writer.close()
    with recordio.MXIndexedRecordIO(index, file, "r") as reader:
        assert reader.keys == [0, 1] and [reader.read() for _ in range(3)] == [b"first", b"second", None]


def test_threads_read_by_key_without_disturbing_each_other(tmp_path):
    index, file = written(tmp_path, PAYLOADS)
    reader = recordio.MXIndexedRecordIO(index, file, "r")
    wrong = []

    def read(order):
        wrong.extend(key for key in order if reader.read_idx(int(key)) != PAYLOADS[int(key)])

    threads = [threading.Thread(target=read, args=(np.random.default_rng(i).integers(0, 60, 300),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_threads_write_by_key_without_disturbing_each_other(tmp_path):
    index, file = str(tmp_path / "a.idx"), str(tmp_path / "a.rec")
    with recordio.MXIndexedRecordIO(index, file, "w") as writer:
        threads = [threading.Thread(target=lambda part: [writer.write_idx(key, PAYLOADS[key]) for key in part], args=(range(i, 60, 4),))
                   for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    reader = recordio.MXIndexedRecordIO(index, file, "r")
    assert {key: reader.read_idx(key) for key in reader.keys} == PAYLOADS


def test_damaged_records_are_named_and_the_others_read(tmp_path):
    index, file = written(tmp_path, PAYLOADS)
    reader = recordio.MXIndexedRecordIO(index, file, "r")
    with open(file, "r+b") as damaged:
        damaged.seek(reader.idx[2])
        damaged.write(b"\0\0\0\0")
    reader.reset()
    assert [reader.read(), reader.read()] == [PAYLOADS[0], PAYLOADS[1]]
    with pytest.raises(mx.MXNetError, match=f"a.rec: at byte {reader.idx[2]}"):
        reader.read()
    assert reader.read() == PAYLOADS[3] and reader.read_idx(4) == PAYLOADS[4]
    os.truncate(file, reader.idx[59] + 10)
    with pytest.raises(mx.MXNetError, match="truncated"):
        reader.read_idx(59)
    os.truncate(file, reader.idx[59])
    with pytest.raises(ValueError, match="key 59 of .*a.idx is at byte"):
        reader.read_idx(59)


@pytest.mark.parametrize("label, flag", [(3, 0), (2.5, 0), (np.float32(7), 0), ([1, 2, 3], 3), (np.arange(5.0), 5), ([4.0], 1)])
def test_headers(label, flag):
    record = recordio.pack(recordio.IRHeader(9, label, 2**40, 1), b"content")
    header, content = recordio.unpack(record)
    assert content == b"content" and header[:1] + header[2:] == (flag, 2**40, 1)
    assert np.array_equal(header.label, label) and np.dtype(type(header.label) if flag == 0 else header.label.dtype).kind == "f"
    assert len(record) == 24 + 4 * flag + 7


def test_records_too_short_for_their_header():
    with pytest.raises(ValueError, match="3 bytes, expected at least the 24"):
        recordio.unpack(b"abc")
    record = recordio.pack(recordio.IRHeader(0, [1, 2, 3], 0, 0), b"")
    with pytest.raises(ValueError, match="30 bytes, expected at least 36: .* 3 labels"):
        recordio.unpack(record[:30])


PICTURE = pixels(21, 34, 3).astype("uint8")


@pytest.mark.parametrize("image", [PICTURE, PICTURE[..., 0], np.dstack([PICTURE, PICTURE[..., 0]])], ids=["colours", "grey", "opacity"])
def test_png_loses_nothing(image):
    header, found = recordio.unpack_img(recordio.pack_img(recordio.IRHeader(0, 1, 2, 0), image, quality=9, img_fmt=".png"))
    assert header.label == 1 and np.array_equal(found, image)


@pytest.mark.parametrize("image", [PICTURE, PICTURE[..., 0]], ids=["colours", "grey"])
def test_jpeg_loses_little_and_less_with_quality(image):
    errors, lengths = [], []
    for quality in (100, 95, 50, 5):
        record = recordio.pack_img((0, 1, 2, 0), image, quality=quality)
        found = recordio.unpack_img(record)[1]
        assert found.shape == image.shape and found.dtype == np.uint8
        errors.append(np.abs(found.astype(int) - image).mean())
        lengths.append(len(record))
    assert lengths == sorted(lengths, reverse=True) and errors == sorted(errors) and errors[1] < 4


def test_blue_comes_first_and_colours_can_be_asked_for():
    red = np.zeros((8, 8, 3), "uint8")
    red[..., 2] = 255  # of a NumPy picture as OpenCV has it
    record = recordio.pack_img((0, 1, 2, 0), red, img_fmt=".png", quality=3)
    assert np.array_equal(recordio.unpack_img(record)[1], red)
    assert mx.image.imdecode(recordio.unpack(record)[1]).asnumpy()[0, 0].tolist() == [255, 0, 0]
    assert recordio.unpack_img(record, iscolor=0)[1].tolist() == np.full((8, 8), 76).tolist()
    grey = recordio.pack((0, 1, 2, 0), jpeg("grey"))
    assert recordio.unpack_img(grey)[1].ndim == 2 and recordio.unpack_img(grey, iscolor=1)[1].shape[2] == 3
    palette = png(np.array([[0, 1], [1, 0]]), palette=[[1, 2, 3], [200, 100, 50]], transparent=b"\x07")
    assert recordio.unpack_img(recordio.pack((0, 1, 2, 0), palette))[1].tolist() == [
        [[3, 2, 1, 7], [50, 100, 200, 255]], [[50, 100, 200, 255], [3, 2, 1, 7]]]


def test_what_cannot_be_packed():
    with pytest.raises(ValueError, match="img_fmt is '.bmp'"):
        recordio.pack_img((0, 1, 2, 0), PICTURE, img_fmt=".bmp")
    with pytest.raises(ValueError, match="float32 of"):
        recordio.pack_img((0, 1, 2, 0), PICTURE.astype("float32"))
    with pytest.raises(mx.MXNetError, match="found 4 channels, expected 1 or 3"):
        recordio.pack_img((0, 1, 2, 0), np.zeros((4, 4, 4), "uint8"))
    with pytest.raises(mx.MXNetError, match="0 x 5 pixels"):
        recordio.pack_img((0, 1, 2, 0), np.zeros((0, 5, 3), "uint8"))
    with pytest.raises(mx.MXNetError, match="unpack_img"):
        recordio.unpack_img(recordio.pack((0, 1, 2, 0), b"no picture"))
