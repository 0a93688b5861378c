"""Files of images to arrays, by the functions that programs call; broken files."""
import random

import numpy as np
import pytest

import heddle as mx
from ops.images import FOLDER, jpeg, png

COLOUR = np.random.default_rng(3).integers(0, 256, (9, 7, 3)).astype("uint8")
JPEGS = sorted(path.stem for path in FOLDER.glob("*.jpg"))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "uint8"), lambda b: mx.nd.array(np.frombuffer(b, "uint8"), dtype="uint8")],
                         ids=["bytes", "bytearray", "memoryview", "numpy", "array"])
def test_imdecode_takes_bytes_of_every_kind(kind):
    found = mx.image.imdecode(kind(png(COLOUR)))
    assert found.dtype == np.uint8 and np.array_equal(found.asnumpy(), COLOUR)


def test_imread_reads_what_imdecode_decodes(tmp_path):
    path = tmp_path / "a picture.png"
    path.write_bytes(png(COLOUR))
    assert np.array_equal(mx.image.imread(path).asnumpy(), COLOUR)
    assert np.array_equal(mx.img.imread(str(path), to_rgb=0).asnumpy(), COLOUR[..., ::-1])
    assert mx.image.imread(str(path), 0).shape == (9, 7, 1)
    for name in JPEGS:
        file = FOLDER / f"{name}.jpg"
        assert np.array_equal(mx.image.imread(file).asnumpy(), mx.image.imdecode(file.read_bytes()).asnumpy())


def test_results_can_be_written_to_arrays_of_their_shape():
    out = mx.nd.zeros((9, 7, 3), dtype="uint8")
    assert mx.image.imdecode(png(COLOUR), out=out) is out and np.array_equal(out.asnumpy(), COLOUR)
    small = mx.nd.zeros((4, 5, 3), dtype="uint8")
    assert mx.image.imresize(out, 5, 4, out=small) is small
    with pytest.raises(mx.MXNetError, match="shape"):
        mx.image.imdecode(png(COLOUR), out=mx.nd.zeros((9, 8, 3), dtype="uint8")).wait_to_read()


def test_imresize_chooses_a_method_by_the_sizes():
    x = mx.nd.array(COLOUR, dtype="uint8")
    for size, method in (((14, 18), 2), ((3, 4), 3), ((14, 4), 1), ((7, 9), 1)):
        assert np.array_equal(mx.image.imresize(x, *size, interp=9).asnumpy(), mx.image.imresize(x, *size, interp=method).asnumpy())
    mx.random.seed(2)
    any_of = [mx.image.imresize(x, 5, 5, interp=method).asnumpy().tobytes() for method in range(5)]
    assert {mx.image.imresize(x, 5, 5, interp=10).asnumpy().tobytes() for _ in range(40)} == set(any_of)


@pytest.mark.parametrize("interp", range(5))
def test_resizing_does_not_depend_on_threads(interp):
    x = mx.nd.array(np.random.default_rng(0).integers(0, 256, (97, 61, 3)), dtype="uint8")
    before, found = mx._core.threads(), []
    try:
        for count in (1, 4):
            mx._core.set_threads(count)
            found.append([mx.image.imresize(x, w, h, interp).asnumpy().tobytes() for w, h in ((200, 150), (30, 40), (61, 97))])
    finally:
        mx._core.set_threads(before)
    assert found[0] == found[1]
    assert found[0][2] == x.asnumpy().tobytes()


def test_a_border_goes_around():
    found = mx.image.copyMakeBorder(mx.nd.array(COLOUR, dtype="uint8"), 1, 2, 3, 4, type=0, values=(1, 2, 3)).asnumpy()
    assert found.shape == (12, 14, 3) and found[0, 0].tolist() == [1, 2, 3] and np.array_equal(found[1:-2, 3:-4], COLOUR)


def test_imdecode_of_old_programs_fills_a_batch():
    batch, mean = mx.nd.ones((2, 3, 4, 5)), mx.nd.ones((3, 4, 5)) * 100
    assert mx.nd.imdecode(png(COLOUR), (1, 2, 6, 6), out=batch, index=1, mean=mean) is batch
    found = batch.asnumpy()
    assert np.all(found[0] == 1) and np.array_equal(found[1], np.moveaxis(COLOUR, -1, 0)[:, 2:6, 1:6] - 100.0)
    grey = mx.nd.imdecode(jpeg("grey"), channels=1)
    assert grey.shape == (1, 20, 33) and grey.dtype == np.float32
    assert np.array_equal(grey.asnumpy()[0], mx.image.imdecode(jpeg("grey"), flag=0).asnumpy()[..., 0])
    with pytest.raises(mx.MXNetError, match=r"window from \(1,2\) to \(8,9\), expected one inside \(7,9\)"):
        mx.nd.imdecode(png(COLOUR), (1, 2, 8, 9)).wait_to_read()
    with pytest.raises(mx.MXNetError, match=r"mean has shape \(3,2,2\), expected \(3,9,7\)"):
        mx.nd.imdecode(png(COLOUR), mean=mx.nd.ones((3, 2, 2))).wait_to_read()


def changed(file, at, byte):
    return file[:at] + bytes([byte]) + file[at + 1:]


HUGE = png(np.zeros((1, 1), int)).replace(b"IHDR\0\0\0\1\0\0\0\1", b"IHDR\0\0\x40\0\0\0\x40\0")


@pytest.mark.parametrize("file, text", [
    (b"", "the file is empty"),
    (b"GIF89a", "begins with the bytes 47 49 46 38, expected a JPEG or PNG"),
    (jpeg("whole")[:900], "the JPEG file is broken: .*premature end"),
    (jpeg("progressive")[:600], "the JPEG file is broken: Premature end"),
    (jpeg("whole")[:20], "the JPEG file is broken: "),
    (png(COLOUR)[:100], "the PNG file is broken: it ends early"),
    (png(COLOUR)[:-6], "the PNG file is broken: it ends early"),
    (changed(png(COLOUR), 60, 1), "the PNG file is broken: IDAT"),
    (HUGE, "the PNG file is broken: IHDR: CRC error"),
], ids=range(9))
def test_broken_files_are_errors_that_say_what_was_wrong(file, text):
    with pytest.raises(mx.MXNetError, match=rf"\[_cvimdecode\] .*{text}"):
        mx.image.imdecode(file).wait_to_read()


def test_a_small_file_cannot_ask_for_much_memory():
    import struct
    import zlib
    data = png(np.zeros((1, 1), int))
    header = b"IHDR" + struct.pack(">IIBBBBB", 16384, 16384, 8, 0, 0, 0, 0)
    data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    with pytest.raises(mx.MXNetError, match="16384 x 16384 pixels, which its .* bytes cannot hold"):
        mx.image.imdecode(data).wait_to_read()
    at = jpeg("grey").index(b"\xff\xc0") + 5
    with pytest.raises(mx.MXNetError, match="65000 x 65000 pixels"):
        mx.image.imdecode(jpeg("grey")[:at] + struct.pack(">HH", 65000, 65000) + jpeg("grey")[at + 4:]).wait_to_read()


def test_a_jpeg_without_its_end_marker_is_whole():
    assert np.array_equal(mx.image.imdecode(jpeg("whole")[:-2]).asnumpy(), mx.image.imdecode(jpeg("whole")).asnumpy())


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(mx.MXNetError, match="'.*nowhere.jpg' cannot be opened"):
        mx.image.imread(tmp_path / "nowhere.jpg").wait_to_read()
    (tmp_path / "broken.jpg").write_bytes(jpeg("whole")[:900])
    with pytest.raises(mx.MXNetError, match="broken.jpg.*the JPEG file is broken"):
        mx.image.imread(tmp_path / "broken.jpg").wait_to_read()


def test_damage_never_ends_the_process():
    """Files cut short and with bits changed are pictures or errors."""
    rng = random.Random(11)
    files = [jpeg(name) for name in JPEGS] + [png(COLOUR), png(COLOUR, interlaced=True), png(COLOUR[..., 0] // 64, 2, COLOUR[0, :4])]
    outcomes = {"picture": 0, "error": 0}
    for _ in range(3000):
        file = bytearray(rng.choice(files))
        if rng.random() < 0.3:
            del file[rng.randrange(len(file)):]
        else:
            for _ in range(rng.choice((1, 2, 8))):
                file[rng.randrange(len(file))] ^= 1 << rng.randrange(8)
        try:
            mx.image.imdecode(bytes(file), flag=rng.randrange(2)).wait_to_read()
            outcomes["picture"] += 1
        except mx.MXNetError:
            outcomes["error"] += 1
    assert min(outcomes.values()) > 300


@pytest.mark.parametrize("call, text", [
    (lambda x: mx.image.imresize(x, 0, 4), "w=0 is below 1"),
    (lambda x: mx.image.imresize(x, 4, 4, interp=7), "interp is 7"),
    (lambda x: mx.image.imresize(x.reshape((9, 21)), 4, 4), r"shape \(9,21\), expected \(height, width, channels\)"),
    (lambda x: mx.image.copyMakeBorder(x, -1, 0, 0, 0), "top=-1 is below 0"),
    (lambda x: mx.image.copyMakeBorder(x, 1, 0, 0, 0, type=5), "type=5 is outside"),
    (lambda x: mx.image.copyMakeBorder(x, 1, 0, 0, 0, values=range(5)), "values holds 5"),
    (lambda x: mx.image.imdecode(png(COLOUR), flag=2), "flag=2 is outside"),
    (lambda x: mx.image.imdecode(mx.nd.ones((4,))), "buf has dtype float32, expected uint8"),
])
def test_wrong_arguments_are_errors(call, text):
    with pytest.raises(mx.MXNetError, match=text):
        call(mx.nd.array(COLOUR, dtype="uint8")).wait_to_read()
