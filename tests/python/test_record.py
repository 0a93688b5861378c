"""RecordIO files through the compiled half; tests/cpp/io/record_test.cc breaks them."""
import struct

import pytest

from heddle import _core

MAGIC = struct.pack("<I", 0xCED7230A)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.rec"


def test_records_come_back(path):
    records = [b"", b"abc", b"1234" + MAGIC + b"5", bytearray(range(256)) * 1000]
    writer = _core.RecordWriter(path)
    places = []
    for record in records:
        places.append(writer.tell())
        writer.write(record)
    writer.close()
    reader = _core.RecordReader(str(path))
    assert [reader.read() for _ in range(5)] == [*map(bytes, records), None]
    assert reader.tell() == path.stat().st_size
    reader.seek(places[2])
    assert reader.read() == records[2]
    reader.reset()
    assert reader.read() == b"" and reader.tell() == places[1]
    reader.close()
    with pytest.raises(_core.Error, match="closed"):
        reader.read()


def test_bytes_in_the_file(path):
    writer = _core.RecordWriter(path)
    writer.write(b"ab")
    writer.write(memoryview(b"1234" + MAGIC + b"x"))
    writer.close()
    assert path.read_bytes() == (MAGIC + struct.pack("<I", 2) + b"ab\0\0" + MAGIC + struct.pack("<I", 1 << 29 | 4) + b"1234"
                                 + MAGIC + struct.pack("<I", 3 << 29 | 1) + b"x\0\0\0")


def test_errors_name_file_and_byte(path):
    writer = _core.RecordWriter(path)
    for record in (b"one", b"two", b"six"):
        writer.write(record)
    writer.close()
    raw = bytearray(path.read_bytes())
    raw[12] = 0
    path.write_bytes(raw[:-3])
    reader = _core.RecordReader(path)
    assert reader.read() == b"one"
    with pytest.raises(_core.Error, match=r"a\.rec: at byte 12: found the word"):
        reader.read()
    with pytest.raises(_core.Error, match=r"a\.rec: at byte 24: found 1 bytes, expected 3"):
        reader.read()
    assert reader.read() is None
    with pytest.raises(_core.Error, match="nowhere"):
        _core.RecordReader("/nowhere/a.rec")
    with pytest.raises(TypeError):
        _core.RecordWriter(path).write("text")
