"""Run by the real MXNet, and imported by its test: what mx.image makes of pictures, and of seeds.

    MXNET_PYTHON tests/witness/images.py FOLDER     reads FOLDER/*.png, FOLDER/ours.*; writes FOLDER/theirs.*

`cases(mx, folder)` gives name to array; those whose name begins with "exact" are numbers that must be the same, the others
pixels that may differ by one grey level.
"""
import pathlib
import random
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")

PICTURES = [(40, 52), (52, 40), (33, 33), (20, 64), (30, 47)]  # (height, width)


def seed(number):
    random.seed(number)
    np.random.seed(number)


def drawn():
    """Numbers that show how far both generators are."""
    return [random.random(), np.random.rand()]


def picture(i):
    """Uint8 (height, width, 3): a smooth one, with an edge and some noise."""
    height, width = PICTURES[i]
    y, x = np.mgrid[:height, :width]
    base = np.stack([127 + 90 * np.sin(0.13 * x + c + i) * np.cos(0.09 * y - c) for c in range(3)], -1)
    base[height // 3:, width // 2:] += 20
    return np.clip(base + np.random.RandomState(i).randint(-8, 9, base.shape), 0, 255).astype("uint8")


def boxes(i):
    """The label of a picture in a detection file: one object, or two."""
    some = [2, 5, i, 0.1, 0.2, 0.55, 0.7]
    return np.array(some + [i + 10, 0.3, 0.35, 0.9, 0.85] if i % 2 else some, "float32")


def functions(mx):
    """Windows and sizes."""
    image = mx.image
    x = mx.nd.array(picture(0), dtype="uint8")
    for interp in (0, 1, 2, 3, 4, 9):
        for size in (20, 40, 71):
            yield f"resize_short {size} {interp}", image.resize_short(x, size, interp).asnumpy()
        yield f"fixed_crop {interp}", image.fixed_crop(x, 3, 4, 21, 17, (30, 12), interp).asnumpy()
        yield f"center_crop {interp}", image.center_crop(x, (70, 60), interp)[0].asnumpy()
        yield f"exact center_crop {interp}", image.center_crop(x, (31, 22), interp)[1]
    sizes = [((480, 360), (480, 360)), ((360, 1000), (480, 500)), ((30, 40), (100, 10)), ((7, 5), (3, 9))]
    yield "exact scale_down", [image.scale_down(*pair) for pair in sizes]
    for i in range(25):
        x = mx.nd.array(picture(i % 5), dtype="uint8")
        seed(i)
        for name, (found, window) in (("random_crop", image.random_crop(x, (24, 30 + i))),
                                      ("random_size_crop", image.random_size_crop(x, (20, 16), (0.1, 1.4), (0.5, 2.0), 9)),
                                      ("area", image.random_size_crop(x, (20, 16), 0.3, (0.75, 4 / 3), 10))):
            yield f"{name} {i}", found.asnumpy()
            yield f"exact {name} {i}", [*window, *drawn()]
    x = mx.nd.array(picture(1), dtype="float32")
    yield "color_normalize", image.color_normalize(x.copy(), mx.nd.array([10, 20, 30]), mx.nd.array([1, 2, 3])).asnumpy()
    chw = mx.nd.transpose(x, (2, 0, 1))
    both = mx.nd.stack(chw, chw * 0.5)
    for angle in (0, 30, -77, 90, 200.5):
        for name, zoom in (("", {}), (" in", {"zoom_in": True}), (" out", {"zoom_out": True})):
            yield f"imrotate {angle}{name}", image.imrotate(chw, angle, **zoom).asnumpy()
    yield "imrotate both", image.imrotate(both, mx.nd.array([10, -20])).asnumpy()
    seed(5)
    yield "random_rotate", image.random_rotate(chw, (-40, 40)).asnumpy()
    yield "random_rotate both", image.random_rotate(both, (-40, 40), zoom_out=True).asnumpy()
    yield "exact random_rotate", drawn()


def augmenters(mx):
    """Each class, for some seeds, and the usual list with everything."""
    image = mx.image
    made = [image.ResizeAug(30), image.ForceResizeAug((25, 35), 9), image.RandomCropAug((20, 30)),
            image.RandomSizedCropAug((20, 30), (0.2, 0.9), (0.7, 1.4)), image.CenterCropAug((20, 30)),
            image.HorizontalFlipAug(0.5), image.CastAug(), image.BrightnessJitterAug(0.4), image.ContrastJitterAug(0.4),
            image.SaturationJitterAug(0.4), image.HueJitterAug(0.4), image.ColorJitterAug(0.3, 0.3, 0.3),
            image.LightingAug(0.3, np.array([55.46, 4.794, 1.148]), np.array([[0.5, 0.1, 0.2], [0.3, 0.9, 0.1], [0.2, 0.2, 0.8]])),
            image.ColorNormalizeAug(mx.nd.array([1, 2, 3]), mx.nd.array([2, 3, 4])), image.RandomGrayAug(0.5),
            image.RandomOrderAug([image.HorizontalFlipAug(0.5), image.BrightnessJitterAug(0.1)]),
            image.SequentialAug([image.HorizontalFlipAug(0.5), image.CenterCropAug((9, 9))])]
    for aug in made:
        name = type(aug).__name__
        yield f"exact dumps {name}", [str(aug.dumps())]
        for i in range(4):
            seed(i)
            yield f"{name} {i}", aug(mx.nd.array(picture(i), dtype="float32")).asnumpy()
            yield f"exact {name} {i}", drawn()
    everything = image.CreateAugmenter((3, 24, 20), resize=30, rand_crop=True, rand_resize=True, rand_mirror=True, mean=True,
                                       std=True, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, pca_noise=0.2, rand_gray=0.3)
    yield "exact CreateAugmenter", [str(aug.dumps()) for aug in everything]
    for i in range(8):
        seed(i)
        x = mx.nd.array(picture(i % 5), dtype="uint8")
        for aug in everything:
            x = aug(x)
        yield f"normal CreateAugmenter {i}", x.asnumpy()
        yield f"exact CreateAugmenter {i}", drawn()


def detection(mx):
    """Images with boxes."""
    image = mx.image
    several = image.CreateMultiRandCropAugmenter([0.1, 0.5, 0.9], [(0.5, 2.0), (0.7, 1.3), (1.0, 1.0)], (0.1, 0.9), skip_prob=0.2)
    made = [image.DetHorizontalFlipAug(0.5), image.DetRandomCropAug(), several, image.DetRandomPadAug(),
            image.DetRandomCropAug(0.7, (0.4, 2.5), (0.02, 0.6), 0.6, 10), image.DetRandomPadAug((0.3, 3.0), (1.0, 4.0), 5, (9, 8, 7)),
            image.DetRandomSelectAug([image.DetHorizontalFlipAug(1), image.DetRandomPadAug()], 0.3),
            image.DetBorrowAug(image.ForceResizeAug((19, 23)))]
    for kind, aug in enumerate(made):
        yield f"exact dumps det {kind}", [str(aug.dumps())]
        for i in range(16):
            seed(i)
            label = boxes(i % 5)[2:].reshape(-1, 5)
            found, label = aug(mx.nd.array(picture(i % 5), dtype="uint8"), label)
            yield f"det {kind} {i}", found.asnumpy()
            yield f"close det label {kind} {i}", label
            yield f"exact det {kind} {i}", drawn()
    everything = image.CreateDetAugmenter((3, 20, 24), resize=30, rand_crop=0.5, rand_pad=0.5, rand_gray=0.2, rand_mirror=True,
                                          mean=True, std=True, brightness=0.1, contrast=0.1, saturation=0.1, hue=0.1, pca_noise=0.1)
    yield "exact CreateDetAugmenter", [str(aug.dumps()) for aug in everything]


def batches(name, iterator, epochs=3):
    for epoch in range(epochs):
        for i, batch in enumerate(iterator):
            yield f"{name} data {epoch} {i}", batch.data[0].asnumpy()
            yield f"close {name} label {epoch} {i}", batch.label[0].asnumpy()
            yield f"exact {name} pad {epoch} {i}", [batch.pad]
        yield f"exact {name} epoch {epoch}", drawn()
        iterator.reset()


def iterators(mx, folder):
    """ImageIter and ImageDetIter over files, lists and records, for every way to end an epoch."""
    names = [f"{i}.png" for i in range(5)]
    for handle in ("pad", "discard", "roll_over"):
        for shuffle in (False, True):
            options = {"batch_size": 2, "data_shape": (3, 16, 18), "last_batch_handle": handle, "shuffle": shuffle}
            files = {"path_imgrec": f"{folder}/plain.rec", "path_imgidx": f"{folder}/plain.idx"}
            seed(1)
            yield from batches(f"rec {handle} {shuffle}", mx.image.ImageIter(rand_crop=True, rand_mirror=True, **files, **options))
            seed(2)
            boxed = {"path_imgrec": f"{folder}/boxes.rec", "path_imgidx": f"{folder}/boxes.idx"}
            yield from batches(f"det {handle} {shuffle}", mx.image.ImageDetIter(rand_crop=0.5, rand_pad=0.5, rand_mirror=True, **boxed, **options))
        seed(3)
        yield from batches(f"list {handle}", mx.image.ImageIter(3, (3, 16, 18), imglist=[[i, n] for i, n in enumerate(names)],
                                                                path_root=folder, last_batch_handle=handle))
        seed(4)
        yield from batches(f"file {handle}", mx.image.ImageIter(3, (3, 16, 18), path_imgrec=f"{folder}/plain.rec", last_batch_handle=handle))
    yield from batches("lst", mx.image.ImageIter(2, (3, 16, 18), label_width=2, path_imglist=f"{folder}/two.lst", path_root=folder), 1)
    yield from batches("labels", mx.image.ImageIter(2, (3, 16, 18), path_imglist=f"{folder}/one.lst", path_imgrec=f"{folder}/plain.rec",
                                                    path_imgidx=f"{folder}/plain.idx"), 1)
    yield from batches("part", mx.image.ImageIter(1, (3, 16, 18), path_imgrec=f"{folder}/plain.rec", path_imgidx=f"{folder}/plain.idx",
                                                  num_parts=2, part_index=1), 1)


def cases(mx, folder):
    """Name to array, of everything."""
    found = {}
    for some in (functions(mx), augmenters(mx), detection(mx), iterators(mx, folder)):
        found.update((name, np.asarray(value)) for name, value in some)
    return found


# --- records


PAYLOADS = [b"", b"a", b"\x0a\x23\xd7\xce" * 3, bytes(range(256)) * 9, b"abcd\x0a\x23\xd7\xceefg", b"ab\x0a\x23\xd7\xcecd"]
LABELS = [3, 2.5, [1.0, 2.0, 3.0], [7.0], [0.5] * 9, 0]


def write_records(mx, stem):
    """PAYLOADS in STEM.rec with an index, and one after another in STEM.plain."""
    recordio = mx.recordio
    writer = recordio.MXIndexedRecordIO(f"{stem}.idx", f"{stem}.rec", "w")
    plain = recordio.MXRecordIO(f"{stem}.plain", "w")
    for i, (payload, label) in enumerate(zip(PAYLOADS, LABELS)):
        record = recordio.pack(recordio.IRHeader(0, label, i, 2 * i), payload)
        writer.write_idx(3 * i, record)
        plain.write(record)
    writer.close()
    plain.close()


def read_records(mx, stem):
    """What write_records wrote: the headers as lists, and the payloads; backwards, and from the start."""
    recordio = mx.recordio
    reader = recordio.MXIndexedRecordIO(f"{stem}.idx", f"{stem}.rec", "r")
    records = [reader.read_idx(key) for key in reversed(reader.keys)][::-1]
    plain = recordio.MXRecordIO(f"{stem}.plain", "r")
    assert [plain.read() for _ in records] == records and plain.read() is None
    for header, payload in map(recordio.unpack, records):
        yield [header.flag, np.ravel(header.label).tolist(), header.id, header.id2], payload


if __name__ == "__main__":
    import mxnet
    place = pathlib.Path(sys.argv[1])
    assert [p for _, p in read_records(mxnet, place / "ours")] == PAYLOADS
    assert [h[1] for h, _ in read_records(mxnet, place / "ours")] == [np.ravel(label).tolist() for label in LABELS]
    write_records(mxnet, place / "theirs")
    np.savez(place / "theirs.npz", **cases(mxnet, str(place)))
