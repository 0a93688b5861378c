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


# --- augmenters and iterators: what the real MXNet cannot be asked (test_witness_images.py asks it the rest)
def pictures(folder, count=5):
    for i in range(count):
        (folder / f"{i}.png").write_bytes(png(np.roll(COLOUR, i, axis=0)))
    return [[float(i), f"{i}.png"] for i in range(count)]


def test_augmenters_leave_what_they_are_given(tmp_path):
    x = mx.nd.array(COLOUR, dtype="float32")
    for aug in mx.image.CreateAugmenter((3, 9, 7), rand_mirror=True, mean=True, std=True, brightness=0.5, contrast=0.5,
                                        saturation=0.5, hue=0.5, pca_noise=0.5, rand_gray=0.5):
        aug(x)
    mx.image.color_normalize(x, 1, 2)
    assert np.array_equal(x.asnumpy(), COLOUR)


@pytest.mark.parametrize("options, text", [({}, "no source"), ({"imglist": [], "last_batch_handle": "keep"}, "'keep', expected pad"),
                                           ({"imglist": [], "dtype": "float16"}, "float16"),
                                           ({"imglist": [], "num_parts": 2, "part_index": 2}, "part_index is 2, expected 0 to 1")])
def test_iterators_say_what_is_wrong_with_their_options(options, text):
    with pytest.raises(ValueError, match=text):
        mx.image.ImageIter(2, (3, 4, 4), **options)
    with pytest.raises(ValueError, match="length 3.*found"):
        mx.image.ImageIter(2, (4, 4), imglist=[])
    with pytest.raises(ValueError, match="3 channels; found 1"):
        mx.image.ImageIter(2, (1, 4, 4), imglist=[])


def test_what_is_no_file_is_named(tmp_path):
    for path, text in ((tmp_path / "nothing.png", "cannot be opened"), (tmp_path, "it is a folder")):
        with pytest.raises(mx.MXNetError, match=f"{path.name}.*{text}"):
            mx.image.imread(path).wait_to_read()


def test_damaged_files_are_named_and_what_follows_is_read(tmp_path):
    listed = pictures(tmp_path)
    (tmp_path / "1.png").write_bytes(png(COLOUR)[:70])
    it = mx.image.ImageIter(1, (3, 4, 4), imglist=listed, path_root=tmp_path)
    assert it.next().label[0].asscalar() == 0
    with pytest.raises(mx.MXNetError, match="Broken image filename: .*1.png, .*PNG file"):
        it.next()
    assert it.next().label[0].asscalar() == 2
    with mx.recordio.MXRecordIO(tmp_path / "a.rec", "w") as writer:
        for i in (0, 1, 2):
            writer.write(mx.recordio.pack((0, i, i, 0), (tmp_path / f"{i}.png").read_bytes()))
    it = mx.image.ImageIter(1, (3, 4, 4), path_imgrec=tmp_path / "a.rec")
    it.next()
    with pytest.raises(mx.MXNetError, match="record 1 of .*a.rec at byte [1-9]"):
        it.next()
    assert it.next().label[0].asscalar() == 2
    with pytest.raises(ValueError, match="path_imgidx is missing.*a.rec"):
        mx.image.ImageIter(1, (3, 4, 4), path_imgrec=tmp_path / "a.rec", shuffle=True)


@pytest.mark.parametrize("handle, want", [("pad", [[0, 2], [4, 5], [6, 0]]), ("discard", [[0, 2], [4, 5]]),
                                          ("roll_over", [[0, 2], [4, 5], [6, 0], [2, 4], [5, 6]])])
@pytest.mark.parametrize("source", ["list", "file", "index"])
def test_a_broken_image_does_not_lose_its_batch(tmp_path, handle, want, source):
    whole = png(COLOUR)
    contents = {i: whole[:70] if i in (1, 3) else whole for i in range(7)}
    if source == "list":
        for i, content in contents.items():
            (tmp_path / f"{i}.png").write_bytes(content)
        options = {"imglist": [[i, f"{i}.png"] for i in contents], "path_root": tmp_path}
    else:
        with mx.recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as writer:
            for i, content in contents.items():
                writer.write_idx(i, mx.recordio.pack((0, i, i, 0), content))
        options = {"path_imgrec": tmp_path / "a.rec", **({"path_imgidx": tmp_path / "a.idx"} if source == "index" else {})}
    it, found, errors = mx.image.ImageIter(2, (3, 4, 4), last_batch_handle=handle, **options), [], []
    for _ in range(2 if handle == "roll_over" else 1):
        while True:
            try:
                found.append(it.next().label[0].asnumpy().astype(int).tolist())
            except StopIteration:
                break
            except mx.MXNetError as error:
                errors.append(str(error))
        it.reset()
    assert found == want
    places = ["1.png", "3.png"] if source == "list" else ["record 1 of ", "record 3 of "]
    assert all(place in error for place, error in zip(places, errors)) and len(errors) >= 2


def test_labels_and_shapes_that_do_not_fit_are_named(tmp_path):
    listed = pictures(tmp_path)
    it = mx.image.ImageIter(2, (3, 4, 4), imglist=[[1, 2, "0.png"]], path_root=tmp_path)
    with pytest.raises(ValueError, match="0.png has 2 labels, expected label_width 1"):
        it.next()
    it = mx.image.ImageIter(2, (3, 4, 4), imglist=listed, path_root=tmp_path, aug_list=[])
    with pytest.raises(ValueError, match=r"0.png has the shape \(3, 9, 7\).*expected data_shape \(3, 4, 4\)"):
        it.next()
    (tmp_path / "a.lst").write_text("0\t1\t0.png\n1\t0.png\n")
    with pytest.raises(ValueError, match="line 2 of .*a.lst is '1"):
        mx.image.ImageIter(2, (3, 4, 4), path_imglist=tmp_path / "a.lst", path_root=tmp_path)


def test_augmenters_of_0_10_may_give_lists(tmp_path):
    it = mx.image.ImageIter(4, (3, 9, 7), imglist=pictures(tmp_path), path_root=tmp_path, aug_list=[lambda src: [src, src * 0]])
    batch = it.next()
    assert batch.label[0].tolist() == [0, 0, 1, 1] and np.array_equal(batch.data[0][2].asnumpy().transpose(1, 2, 0), np.roll(COLOUR, 1, 0))
    assert batch.data[0][1].sum().asscalar() == 0
    it = mx.image.ImageIter(3, (3, 9, 7), imglist=pictures(tmp_path), path_root=tmp_path, aug_list=[lambda src: [src, src]])
    with pytest.raises(ValueError, match="an augmenter made 2 images of one"):
        it.next()


def test_min_area_of_0_10():
    with pytest.warns(DeprecationWarning, match="min_area"):
        random.seed(3)
        found = mx.image.random_size_crop(mx.nd.array(COLOUR), (4, 4), min_area=0.5, ratio=(0.75, 1.3))[1]
    random.seed(3)
    assert mx.image.random_size_crop(mx.nd.array(COLOUR), (4, 4), 0.5, (0.75, 1.3))[1] == found
    with pytest.raises(TypeError, match="area is missing"):
        mx.image.RandomSizedCropAug((4, 4), ratio=(0.75, 1.3))


def test_wrong_arguments_of_lists_of_augmenters():
    with pytest.raises(ValueError, match="rand_resize is set but rand_crop is not"):
        mx.image.CreateAugmenter((3, 4, 4), rand_resize=True)
    with pytest.raises(ValueError, match=r"mean has the shape \(2,\), expected"):
        mx.image.CreateAugmenter((3, 4, 4), mean=np.zeros(2))
    with pytest.raises(ValueError, match="min_object_covered has 2 values, expected 3 or one"):
        mx.image.CreateMultiRandCropAugmenter([0.1, 0.2], max_attempts=[1, 2, 3])
    with pytest.raises(TypeError, match="Borrowing from invalid Augmenter"):
        mx.image.DetBorrowAug(mx.image.DetHorizontalFlipAug(1))
    with pytest.warns(UserWarning, match="Skip DetRandomCropAug due to invalid area_range"):
        assert not mx.image.DetRandomCropAug(area_range=(2, 1)).enabled


def boxed(tmp_path, objects=((0, 0.1, 0.2, 0.5, 0.8), (1, 0.3, 0.3, 0.9, 0.9))):
    pictures(tmp_path, 2)
    header = [2, 5]
    return [[np.array([*header, *objects[0]]), "0.png"], [np.array([*header, *objects[0], *objects[1]]), "1.png"]]


def test_labels_of_detection(tmp_path):
    listed = boxed(tmp_path)
    it = mx.image.ImageDetIter(2, (3, 8, 8), imglist=listed, path_root=tmp_path)
    assert it.provide_label[0] == ("label", (2, 2, 5)) and it.next().label[0][0, 1].tolist() == [-1] * 5
    it.reshape((3, 9, 9), (4, 5))
    it.auglist = mx.image.CreateDetAugmenter((3, 9, 9))
    it.reset()
    batch = it.next()
    assert batch.data[0].shape == (2, 3, 9, 9) and batch.label[0].shape == (2, 4, 5)
    other = mx.image.ImageDetIter(1, (3, 8, 8), imglist=listed[:1], path_root=tmp_path)
    assert other.label_shape == (1, 5) and it.sync_label_shape(other) is other and other.label_shape == (4, 5)
    for shape, text in (((1, 5), "reduce label count from 4 to 1"), ((4, 6), "width inconsistent: 5 vs 6"), ((4,), "length 2")):
        with pytest.raises(ValueError, match=text):
            it.reshape(None, shape)
    for row, text in (([2, 5, 0], "invalid: .3,., of filename: .*0.png"), ([2, 5, 0, 0.5, 0.5, 0.1, 0.9], "no valid label"),
                      ([2, 5, 0, 0.1, 0.1, 0.5, 0.9, 1], "inconsistent with annotation width 5")):
        with pytest.raises(RuntimeError, match=text):
            mx.image.ImageDetIter(1, (3, 8, 8), imglist=[[np.array(row), "0.png"]], path_root=tmp_path)


def test_boxes_are_drawn(tmp_path):
    it = mx.image.ImageDetIter(2, (3, 40, 40), imglist=boxed(tmp_path), path_root=tmp_path, mean=True, std=True)
    first, second = it.draw_next(color=(1, 2, 3), thickness=1, mean=True, std=True)
    assert first.shape == (40, 40, 3) and first.dtype == np.uint8
    on = (first == (1, 2, 3)).all(axis=2)
    assert on[8, 4:21].all() and on[32, 4:21].all() and on[8:33, 4].all() and on[8:33, 20].all() and on.sum() <= 82
    assert (second == (1, 2, 3)).all(axis=2).sum() > 120
