"""Iterators over records of images: what is broken, chance, parts and means; test_witness_iterators.py asks MXNet for the rest."""
import struct

import numpy as np
import pytest

import heddle as mx
from heddle import _core
from ops.images import jpeg, png

KINDS = ("whole", "halved", "progressive", "restarts")


def write(path, images, labels=None):
    """A file of image records, and where they begin."""
    writer, places = _core.RecordWriter(path), []
    for i, image in enumerate(images):
        places.append(writer.tell())
        label = i if labels is None else labels[i]
        head = struct.pack("<IfQQ", np.size(label) if np.ndim(label) else 0, 0 if np.ndim(label) else label, 1000 + i, 0)
        writer.write(head + (np.asarray(label, "<f4").tobytes() if np.ndim(label) else b"") + image)
    writer.close()
    return places


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "a.rec", [jpeg(KINDS[i % 4]) for i in range(20)])
    return tmp_path / "a.rec"


def images(path, **more):
    return mx.io.ImageRecordIter(**{"path_imgrec": path, "data_shape": (3, 16, 16), "batch_size": 5, **more})


def labels(it):
    return [int(v) for b in it for v in b.label[0].asnumpy()[:len(b.label[0]) - b.pad]]


def pixels(it):
    return np.concatenate([b.data[0].asnumpy() for b in it])


AUGMENTED = {"rand_crop": True, "rand_mirror": True, "max_rotate_angle": 20, "max_shear_ratio": 0.1, "max_aspect_ratio": 0.2,
             "brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "pca_noise": 0.1, "random_h": 20, "random_s": 30,
             "random_l": 30, "max_random_contrast": 0.2, "max_random_illumination": 9, "inter_method": 10, "pad": 2}


@pytest.mark.parametrize("more", [{}, AUGMENTED])
def test_threads_change_nothing(path, more):
    found = [pixels(images(path, shuffle=True, preprocess_threads=n, prefetch_buffer=ahead, **more))
             for n, ahead in ((1, 1), (3, 4), (8, 2))]
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()
    if more:
        assert (found[0] != pixels(images(path, shuffle=True, **{**more, "seed": 1}))).any()


def test_passes_differ_by_chance_but_not_with_seed_aug(path):
    it = images(path, rand_crop=True, rand_mirror=True)
    first = pixels(it)
    it.reset()
    assert (first != pixels(it)).any()
    it = images(path, rand_crop=True, rand_mirror=True, seed_aug=3)
    first = pixels(it)
    it.reset()
    assert (first == pixels(it)).all()


def test_broken_records_lose_themselves_alone(path):
    places = write(path, [jpeg(KINDS[i % 4]) for i in range(20)])
    raw = bytearray(path.read_bytes())
    raw[places[7]] ^= 1                                                      # a record without its magic word
    raw[places[13] + 60:places[14]] = bytes(places[14] - places[13] - 60)    # an image of zeros
    path.write_bytes(raw[:places[19] + 100])                                 # a last record that is cut
    it, found, errors = images(path, round_batch=False), [], []
    for _ in range(2):
        while True:
            try:
                batch = it.next()
                found += batch.label[0].asnumpy()[:5 - batch.pad].astype(int).tolist()
            except StopIteration:
                break
            except mx.MXNetError as error:
                errors.append(str(error))
        it.reset()
    assert found == [i for i in range(19) if i not in (7, 13)] * 2
    assert len(errors) == 6
    assert f"a.rec: at byte {places[7]}: found the word" in errors[0]
    # Behind a record that cannot be read nobody can say which one the next is.
    assert f"a.rec: at byte {places[13]}, image 1013: [image] the JPEG file is broken" in errors[1]
    assert f"a.rec: at byte {places[19]}: " in errors[2] and "truncated" in errors[2]


def damaged(kind):
    """The bytes of an image file that cannot be decoded, and what the error says of them."""
    whole = jpeg("whole")
    return {"truncated": (whole[:len(whole) // 2], "the JPEG file is broken"),
            "garbage": (b"\xff\xd8\xff" + bytes(range(1, 200)), "the JPEG file is broken"),
            "empty": (b"", "the file is empty"),
            "magic": (b"GIF89a" + whole[6:], "begins with the bytes 47 49 46 38")}[kind]


def read_all(it, passes=1):
    """(labels of each batch but for what fills it up, texts of errors) in the order they came, of so many passes. Of boxes,
    the class of the first.
    """
    found, errors = [], []
    for _ in range(passes):
        while True:
            try:
                batch = it.next()
                label = batch.label[0].asnumpy()
                found.append((label[:, 6] if label.ndim > 1 else label).astype(int).tolist()[:len(label) - batch.pad])
            except StopIteration:
                break
            except mx.MXNetError as error:
                errors.append(str(error))
        it.reset()
    return found, errors


@pytest.mark.parametrize("kind", ["truncated", "garbage", "empty", "magic"])
@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("name", ["ImageRecordIter", "ImageRecordUInt8Iter", "ImageDetRecordIter"])
def test_images_that_cannot_be_decoded_lose_themselves_alone(tmp_path, kind, ahead, name):
    path, bad = tmp_path / "b.rec", (3, 4, 11, 15)
    file, text = damaged(kind)
    boxes = name == "ImageDetRecordIter"
    places = write(path, [file if i in bad else jpeg(KINDS[i % 4]) for i in range(16)],
                   [[2, 5, i, .1, .1, .9, .9] for i in range(16)] if boxes else None)
    good = [i for i in range(16) if i not in bad]
    batches, errors = read_all(getattr(mx.io, name)(path_imgrec=path, data_shape=(3, 16, 16), batch_size=5, prefetch_buffer=ahead))
    assert batches == [good[:5], good[5:10], good[10:]]
    # The last batch was filled up by the next pass, in which the same records are broken.
    assert len(errors) >= 4
    for error, i in zip(errors, bad):
        assert f"b.rec: record {i} at byte {places[i]}, image {1000 + i}: [image] " in error and text in error


@pytest.mark.parametrize("round_batch, shuffle", [(True, False), (True, True), (False, True)])
def test_batches_are_what_they_would_be_without_the_broken_images(tmp_path, round_batch, shuffle):
    """Order, chance and rounding: every image of a pass comes once, whatever is broken and wherever a pass ends."""
    path, bad = tmp_path / "b.rec", (0, 6, 7, 12)
    write(path, [b"" if i in bad else jpeg("whole") for i in range(13)])
    found, errors = read_all(images(path, batch_size=4, round_batch=round_batch, shuffle=shuffle, prefetch_buffer=3), passes=4)
    good = sorted(set(range(13)) - set(bad))
    flat = [v for batch in found for v in batch]
    passes = [flat[i:i + 9] for i in range(0, len(flat), 9)] if not round_batch else None
    if passes:
        assert len(passes) == 4 and all(sorted(p) == good for p in passes) and len(errors) == 16
    else:  # a pass begins behind what filled the last one up
        assert set(flat) == set(good) and [len(b) for b in found[:3]] == [4, 4, 1]
        assert not shuffle or flat[:9] != good
    it = images(path, batch_size=4, round_batch=round_batch, shuffle=shuffle, prefetch_buffer=1)
    assert read_all(it, passes=4) == (found, errors)


def test_files_whose_images_are_all_broken_end(tmp_path):
    path = tmp_path / "b.rec"
    write(path, [b"no image"] * 3)
    found, errors = read_all(images(path), passes=2)
    assert found == [] and len(errors) >= 6
    write(path, [b"no image", jpeg("whole"), b"no image"])
    it = images(path)
    found, errors = read_all(it, passes=1)
    assert found == [[1]] and len(errors) >= 2


def test_an_index_tells_which_record_is_broken(tmp_path):
    path = tmp_path / "b.rec"
    places = write(path, [b"no image" if i == 5 else jpeg("whole") for i in range(8)])
    (tmp_path / "b.idx").write_text("".join(f"{i}\t{at}\n" for i, at in enumerate(places)))
    found, errors = read_all(images(path, path_imgidx=tmp_path / "b.idx", shuffle=True, round_batch=False))
    assert sorted(found[0] + found[1]) == [0, 1, 2, 3, 4, 6, 7]
    assert len(errors) == 1 and f"b.rec: record 5 at byte {places[5]}, image 1005: " in errors[0]
    found, errors = read_all(images(f"{path};{path}", batch_size=7, part_index=1, num_parts=2))
    assert found == [[0, 1, 2, 3, 4, 6, 7]] and f"b.rec: record 5 at byte {places[5]}" in errors[0]


def test_errors_name_the_record(tmp_path):
    path = tmp_path / "a.rec"
    write(path, [jpeg("whole")], [[1, 2]])
    for more, text in (({"label_width": 3}, "record 0 at byte 0, image 1000: found 2 labels, expected label_width 3"),
                       ({"max_crop_size": 500}, "record 0 at byte 0, image 1000: found an image of 29 x 37")):
        with pytest.raises(mx.MXNetError, match=text):
            images(path, **more).next()
    writer = _core.RecordWriter(path)
    writer.write(b"short")
    writer.close()
    with pytest.raises(mx.MXNetError, match="a.rec: record 0 at byte 0: found a record of 5 bytes, expected at least 24"):
        images(path).next()


@pytest.mark.parametrize("more, text", [
    ({"data_shape": (2, 4, 4)}, "data_shape"), ({"path_imgrec": "/nowhere/a.rec"}, "/nowhere/a.rec: cannot be opened"),
    ({"part_index": 2, "num_parts": 2}, "part_index 2 of num_parts 2"), ({"inter_method": 7}, "inter_method 7"),
    ({"path_imgidx": "/nowhere/a.idx"}, "path_imgidx /nowhere/a.idx"), ({"aug_seq": "mine"}, "aug_seq mine"),
    ({"std_g": 0}, "std_r, std_g"), ({"batch_size": 0}, "batch_size"), ({"path_imglist": "/nowhere/a.lst"}, "path_imglist"),
])
def test_parameters_that_are_wrong(path, more, text):
    with pytest.raises(mx.MXNetError, match=text):
        images(path, **more)


def test_parts_have_every_record_once(path, tmp_path):
    assert sorted(sum((labels(images(path, num_parts=3, part_index=i, round_batch=False)) for i in range(3)), [])) == list(range(20))
    # Two files count as one.
    write(tmp_path / "b.rec", [jpeg("whole")] * 7, list(range(20, 27)))
    both = f"{path};{tmp_path / 'b.rec'}"
    parts = [labels(images(both, num_parts=4, part_index=i, round_batch=False)) for i in range(4)]
    assert sum(parts, []) == list(range(27)) and all(parts)


def test_shuffles(path, tmp_path):
    it = images(path, shuffle=True)
    orders = []
    for _ in range(3):
        orders.append(labels(it))
        it.reset()
    assert all(sorted(o) == list(range(20)) for o in orders) and len(set(map(tuple, orders))) == 3
    it.next()
    it.reset()  # within a pass: the next order, whatever was read ahead
    again = images(path, shuffle=True, prefetch_buffer=9)
    for _ in range(3):
        labels(again)
        again.reset()
    again.next(), again.next()
    again.reset()
    assert labels(it) == labels(again) != orders[0]
    # Blocks of a megabyte come in another order; within them records keep theirs.
    write(tmp_path / "b.rec", [jpeg("whole") + bytes(200_000)] * 20)
    found = labels(images(tmp_path / "b.rec", shuffle_chunk_size=1, shuffle_chunk_seed=5))
    assert sorted(found) == list(range(20)) and found != list(range(20))
    assert sum(b == a + 1 for a, b in zip(found, found[1:])) >= 15


def test_a_reset_at_any_time_starts_over(path):
    it = images(path, batch_size=3)
    for taken in (0, 1, 3, 6):
        for _ in range(taken):
            it.next()
        it.reset()
        assert labels(it)[:3] == [0, 1, 2]
        it.reset()  # after the last batch, filled from the next pass: that goes on behind it
        assert int(it.next().label[0].asnumpy()[0]) == 1
        it.reset()


def test_batches_are_their_own(path):
    it = images(path)
    first = it.next()
    kept = first.data[0].asnumpy()
    later = it.next()
    later.data[0][:] = -1
    it.next()
    assert (first.data[0].asnumpy() == kept).all() and first.index.tolist() == [1000, 1001, 1002, 1003, 1004]


def test_the_mean_image_is_made_and_read(path, tmp_path):
    mean = tmp_path / "mean.bin"
    plain = pixels(images(path))
    centred = pixels(images(path, mean_img=mean, scale=0.5))
    saved = mx.nd.load(str(mean))
    np.testing.assert_allclose(saved["mean_img"].asnumpy(), plain.mean(0), rtol=1e-5)
    np.testing.assert_allclose(centred, (plain - plain.mean(0)) / 2, atol=1e-4)
    np.testing.assert_array_equal(centred, pixels(images(path, mean_img=mean, scale=0.5)))
    with pytest.raises(mx.MXNetError, match="mean image of"):
        images(path, mean_img=mean, data_shape=(3, 8, 8))


def test_png_and_dtypes(tmp_path):
    picture = np.arange(4 * 5 * 3, dtype="uint8").reshape(4, 5, 3) * 4
    write(tmp_path / "a.rec", [png(picture)])
    for kind, dtype, expected in (("ImageRecordIter", "float32", picture), ("ImageRecordUInt8Iter", "uint8", picture),
                                  ("ImageRecordInt8Iter", "int8", np.minimum(picture, 127))):
        it = getattr(mx.io, kind)(path_imgrec=tmp_path / "a.rec", data_shape=(3, 4, 5), batch_size=1)
        data = it.next().data[0]
        assert data.dtype == dtype and it.provide_data[0].dtype == dtype
        np.testing.assert_array_equal(data.asnumpy()[0].transpose(1, 2, 0), expected)
    half = images(tmp_path / "a.rec", data_shape=(3, 4, 5), batch_size=1, dtype="float16").next().data[0]
    assert half.dtype == "float16" and (half.asnumpy()[0].transpose(1, 2, 0) == picture).all()


@pytest.mark.parametrize("file", [*(jpeg(k) for k in (*KINDS, "grey", "inks")), png(np.arange(1200).reshape(20, 20, 3) % 256),
                                  png(np.arange(1200).reshape(20, 20, 3) % 256, interlaced=True)])
def test_crops_are_windows_of_the_whole_picture(tmp_path, file):
    """Only what a crop leaves of a file is decoded: the same pixels."""
    write(tmp_path / "d.rec", [file] * 40)
    full = mx.image.imdecode(file).asnumpy().transpose(2, 0, 1)
    for shape in ((1, 1), (7, 5), (18, 9)):
        windows = np.lib.stride_tricks.sliding_window_view(full, shape, axis=(1, 2)).transpose(1, 2, 0, 3, 4)
        it = mx.io.ImageRecordUInt8Iter(path_imgrec=tmp_path / "d.rec", data_shape=(3, *shape), batch_size=40, rand_crop=True)
        for found in it.next().data[0].asnumpy():
            assert (windows == found).all(axis=(2, 3, 4)).any()


@pytest.mark.parametrize("method", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("edge", [12, 25, 60])
def test_crops_of_resized_pictures_are_windows_of_them(tmp_path, method, edge):
    write(tmp_path / "d.rec", [jpeg("halved")] * 40)
    full = mx.image.imdecode(jpeg("halved"))
    height, width = full.shape[:2]
    high, wide = (edge * height // width, edge) if height > width else (edge, edge * width // height)
    resized = mx.image.imresize(full, wide, high, interp=method).asnumpy().transpose(2, 0, 1)
    windows = np.lib.stride_tricks.sliding_window_view(resized, (11, 9), axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    it = mx.io.ImageRecordUInt8Iter(path_imgrec=tmp_path / "d.rec", data_shape=(3, 11, 9), batch_size=40, rand_crop=True, resize=edge,
                                    inter_method=method)
    for found in it.next().data[0].asnumpy():
        assert (windows == found).all(axis=(2, 3, 4)).any()


def test_damage_outside_the_crop_is_found(tmp_path):
    """Whether a picture is broken does not hang on chance."""
    file = jpeg("whole")
    write(tmp_path / "d.rec", [file[:len(file) * 9 // 10]])
    for _ in range(20):
        with pytest.raises(mx.MXNetError, match="the JPEG file is broken"):
            images(tmp_path / "d.rec", data_shape=(3, 4, 4), batch_size=1, rand_crop=True, seed=_).next()


OPAQUE = ("opacity", "grey with opacity", "palette with opacity", "sixteen bits")


def with_opacity(kind):
    """A PNG file with opacity, and its pixels, (12, 10, 4)."""
    a = np.random.RandomState(3).randint(0, 256, (12, 10, 4)).astype("uint8")
    if kind == "grey with opacity":
        return png(a[..., 2:]), a[..., [2, 2, 2, 3]]
    if kind == "palette with opacity":
        colours, opacity = np.random.RandomState(4).randint(0, 256, (4, 3)), np.array([0, 90, 255, 255])
        which = a[..., 0] % 4
        return png(which, palette=colours, transparent=bytes(opacity[:2].tolist())), np.dstack([colours[which], opacity[which]])
    if kind == "sixteen bits":
        return png(a.astype("uint16") * 257, depth=16), a
    return png(a), a


@pytest.mark.parametrize("kind", OPAQUE)
def test_opacity_is_the_fourth_channel(tmp_path, kind):
    path = tmp_path / "d.rec"
    file, want = with_opacity(kind)
    write(path, [file, file])
    shape = {"data_shape": (4, 12, 10), "batch_size": 2}
    planes = want.transpose(2, 0, 1)
    assert (pixels(images(path, **shape)) == planes).all()
    means, deviations = np.array([1, 2, 3, 4]), np.array([2, 4, 8, 16])
    more = {f"{what}_{c}": v for what, values in (("mean", means), ("std", deviations)) for c, v in zip("rgba", values)}
    normal = ((planes - means[:, None, None]) / deviations[:, None, None]).astype("float32")
    np.testing.assert_allclose(pixels(images(path, mirror=True, **more, **shape)), np.stack([normal[..., ::-1]] * 2), rtol=1e-6)
    assert (pixels(mx.io.ImageRecordUInt8Iter(path_imgrec=path, **shape)) == planes).all()
    # Three channels of it: opacity is left out.
    assert (pixels(images(path, **{**shape, "data_shape": (3, 12, 10)})) == planes[:3]).all()
    # Light and colours change none of it.
    lit = pixels(images(path, brightness=0.5, contrast=0.5, saturation=0.5, pca_noise=0.2, random_h=30, random_s=30, random_l=30, **shape))
    assert (lit[:, 3] == planes[3]).all() and (lit[:, :3] != planes[:3]).any()
    write(path, [file] * 2, [[2, 5, 0, .1, .1, .9, .9]] * 2)
    batch = mx.io.ImageDetRecordIter(path_imgrec=path, **more, **shape).next()
    np.testing.assert_allclose(batch.data[0].asnumpy(), np.stack([normal] * 2), rtol=1e-6)
    assert batch.label[0].asnumpy()[0, :3].tolist() == [4, 12, 10]


@pytest.mark.parametrize("file, found", [(jpeg("whole"), 3), (jpeg("grey"), 1), (png(np.zeros((9, 9, 3), int)), 3),
                                         (png(np.zeros((9, 9), int)), 1)])
def test_four_channels_want_files_with_opacity(tmp_path, file, found):
    write(tmp_path / "d.rec", [file])
    with pytest.raises(mx.MXNetError, match=f"record 0 at byte 0, image 1000: found an image of {found} channels, expected 4"):
        images(tmp_path / "d.rec", data_shape=(4, 9, 9)).next()


@pytest.mark.parametrize("more", [{"resize": 9}, {"resize": 20, "inter_method": 2}, {"max_rotate_angle": 30, "rand_crop": True}])
def test_opacity_is_resized_and_turned_as_colours_are(tmp_path, more):
    """A picture whose four channels are the same stays one."""
    grey = np.random.RandomState(5).randint(0, 256, (14, 14, 1)).repeat(4, -1)
    write(tmp_path / "d.rec", [png(grey)])
    found = pixels(images(tmp_path / "d.rec", data_shape=(4, 8, 8), batch_size=1, fill_value=9, **more))
    assert (found[:, :3] == found[:, 3:]).all()


def test_light_and_colours_stay_near_what_they_change(path):
    plain = pixels(images(path))
    for more in ({"brightness": 0.2}, {"contrast": 0.2}, {"saturation": 0.3}, {"pca_noise": 0.05}, {"random_h": 5}, {"random_l": 9},
                 {"random_s": 9}):
        changed = pixels(images(path, **more))
        assert (changed != plain).any() and abs(changed - plain).mean() < 26, more
    np.testing.assert_array_equal(pixels(images(path, random_l=1, random_h=0)).shape, plain.shape)
    crops = pixels(images(path, random_resized_crop=True, min_random_area=0.3, max_random_area=0.8, max_aspect_ratio=1.3,
                          min_aspect_ratio=0.8))
    assert crops.shape == plain.shape and (crops != plain).any()


# --- boxes ----------------------------------------------------------------------------------------
def boxes(path, **more):
    return mx.io.ImageDetRecordIter(**{"path_imgrec": path, "data_shape": (3, 32, 32), "batch_size": 4, "seed": 1, **more})


@pytest.fixture
def boxed(tmp_path):
    """Grey images with a white box, and the label of it."""
    rows, labels = [], []
    for i in range(8):
        picture = np.full((40, 48, 3), 60, "uint8")
        y, x = 4 + 2 * i, 6 + 3 * i
        picture[y:y + 12, x:x + 15] = 250
        rows.append(png(picture))
        labels.append([2, 5, i, x / 48, y / 40, (x + 15) / 48, (y + 12) / 40])
    write(tmp_path / "b.rec", rows, labels)
    return tmp_path / "b.rec"


@pytest.mark.parametrize("more", [
    {}, {"rand_mirror_prob": 0.5}, {"rand_pad_prob": 1, "max_pad_scale": 2}, {"resize": 20}, {"resize_mode": "fit"},
    {"rand_crop_prob": 1, "num_crop_sampler": 2, "min_crop_scales": (0.5, 0.6), "max_crop_scales": (0.9, 1.0),
     "min_crop_aspect_ratios": 0.7, "max_crop_aspect_ratios": 1.4, "min_crop_object_coverages": (0.9, 1.0), "max_crop_trials": 50},
    {"rand_crop_prob": 1, "min_crop_scales": 0.4, "crop_emit_mode": "overlap", "emit_overlap_thresh": 0.5},
], ids=str)
def test_boxes_follow_their_pixels(boxed, more):
    seen = []
    for batch in boxes(boxed, **more):
        for image, label in zip(batch.data[0].asnumpy(), batch.label[0].asnumpy()):
            channels, height, width, count = label[:4].astype(int)
            assert channels == 3 and label[4:6].tolist() == [2, 5] and count == 7
            number, x0, y0, x1, y1 = label[6:11]
            seen.append(int(number))
            white = image[:, :height, :width].mean(0) > 155
            ys, xs = np.nonzero(white)
            found = [xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height]
            np.testing.assert_allclose([x0, y0, x1, y1], found, atol=0.06)
    assert seen == list(range(8))


def test_labels_of_boxes(boxed, tmp_path):
    it = boxes(boxed, label_pad_width=10, label_pad_value=-3)
    assert it.provide_label[0].shape == (4, 14)
    assert it.next().label[0].asnumpy()[0, 11:].tolist() == [-3, -3, -3]
    with pytest.raises(mx.MXNetError, match="label_pad_width 3, expected at least 7"):
        boxes(boxed, label_pad_width=3)
    with pytest.raises(mx.MXNetError, match="found 3 numbers of a kind for 2 samplers"):
        boxes(boxed, num_crop_sampler=2, min_crop_scales=(0.1, 0.2, 0.3))
    write(tmp_path / "c.rec", [png(np.zeros((4, 4, 3), "uint8"))], [[2, 5, 0, 0.1, 0.1, 0.5]])
    with pytest.raises(mx.MXNetError, match="c.rec: record 0 at byte 0, image 1000: found 6 labels, expected at least 7"):
        boxes(tmp_path / "c.rec", batch_size=1).next()
