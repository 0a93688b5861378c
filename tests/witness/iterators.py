"""Iterators over files, with heddle and, run by the real MXNet, with that.

    MXNET_PYTHON tests/witness/iterators.py FOLDER

FOLDER holds what prepare() made; the batches go to FOLDER/batches.npz.
"""
import pathlib
import struct
import sys
import warnings

import numpy as np

COUNT = 10
IMAGE = {"path_imgrec": "a.rec", "data_shape": (3, 20, 24), "batch_size": 4}
CSV = {"data_csv": "d.csv", "data_shape": (2,), "batch_size": 4}
MNIST = {"image": "images", "label": "labels", "batch_size": 4, "silent": True, "shuffle": False}
SVM = {"data_libsvm": "a.svm", "data_shape": (3,), "batch_size": 2}
CASES = {
    "image": ("ImageRecordIter", IMAGE),
    "image, last batch alone": ("ImageRecordIter", {**IMAGE, "round_batch": False}),
    "image, shuffled": ("ImageRecordIter", {**IMAGE, "shuffle": True}),
    "image, shuffled by seed": ("ImageRecordIter", {**IMAGE, "shuffle": True, "seed": 7}),
    "image, shuffled by index": ("ImageRecordIter", {**IMAGE, "shuffle": True, "path_imgidx": "a.idx"}),
    "image, part": ("ImageRecordIter", {**IMAGE, "num_parts": 3, "part_index": 1, "batch_size": 2}),
    "image, last part": ("ImageRecordIter", {**IMAGE, "num_parts": 3, "part_index": 2, "batch_size": 2}),
    "image, part by index": ("ImageRecordIter", {**IMAGE, "num_parts": 3, "part_index": 2, "batch_size": 2, "path_imgidx": "a.idx"}),
    "image, labels": ("ImageRecordIter", {**IMAGE, "path_imgrec": "b.rec", "label_width": 3}),
    "image, listed": ("ImageRecordIter", {**IMAGE, "path_imglist": "a.lst", "label_width": 2}),
    "image, normalised": ("ImageRecordIter", {**IMAGE, "mean_r": 10, "mean_g": 20.5, "mean_b": 30, "std_r": 2, "std_g": 3,
                                              "std_b": 4, "scale": 0.5, "mirror": True}),
    "image, resized": ("ImageRecordIter", {**IMAGE, "resize": 30}),
    "image, resized cubic": ("ImageRecordIter", {**IMAGE, "resize": 25, "inter_method": 2}),
    "image, enlarged": ("ImageRecordIter", {**IMAGE, "data_shape": (3, 40, 44)}),
    "image, grey": ("ImageRecordIter", {**IMAGE, "data_shape": (1, 12, 12)}),
    "image, padded": ("ImageRecordIter", {**IMAGE, "pad": 5, "fill_value": 77, "data_shape": (3, 25, 30)}),
    "image, turned": ("ImageRecordIter", {**IMAGE, "rotate": 30}),
    "image, scaled": ("ImageRecordIter", {**IMAGE, "max_random_scale": 1.5, "min_random_scale": 1.5, "fill_value": 0}),
    "image, square crop": ("ImageRecordIter", {**IMAGE, "max_crop_size": 12, "min_crop_size": 12}),
    "image, bytes": ("ImageRecordUInt8Iter", IMAGE),
    "image, signed": ("ImageRecordInt8Iter", {**IMAGE, "mean_r": 100.6, "mean_g": 120, "mean_b": 140}),
    "image, old": ("ImageRecordIter_v1", {**IMAGE, "resize": 30}),
    "image, opacity": ("ImageRecordIter", {**IMAGE, "path_imgrec": "e.rec", "data_shape": (4, 12, 10), "mean_r": 1, "mean_a": 7,
                                           "std_g": 2, "std_a": 5}),
    "image, opacity, resized": ("ImageRecordUInt8Iter", {**IMAGE, "path_imgrec": "e.rec", "data_shape": (4, 9, 9), "resize": 11}),
    "image, opacity left out": ("ImageRecordIter", {**IMAGE, "path_imgrec": "e.rec", "data_shape": (3, 12, 10)}),
    "boxes, opacity": ("ImageDetRecordIter", {**IMAGE, "path_imgrec": "f.rec", "data_shape": (4, 16, 16), "mean_a": 7, "std_a": 5}),
    "boxes": ("ImageDetRecordIter", {**IMAGE, "path_imgrec": "c.rec"}),
    "boxes, mirrored": ("ImageDetRecordIter", {**IMAGE, "path_imgrec": "c.rec", "rand_mirror_prob": 1, "label_pad_width": 20,
                                               "label_pad_value": -2}),
    "csv": ("CSVIter", CSV),
    "csv, labels": ("CSVIter", {**CSV, "label_csv": "l.csv", "dtype": "int32"}),
    "csv, label rows": ("CSVIter", {**CSV, "label_csv": "d.csv", "label_shape": (2,)}),
    "csv, last batch alone": ("CSVIter", {**CSV, "label_csv": "l.csv", "round_batch": False}),
    "csv, larger batch": ("CSVIter", {**CSV, "batch_size": 12}),
    "mnist": ("MNISTIter", MNIST),
    "mnist, flat": ("MNISTIter", {**MNIST, "flat": True}),
    "mnist, shuffled": ("MNISTIter", {**MNIST, "shuffle": True, "seed": 5}),
    "svm": ("LibSVMIter", SVM),
}


def _record(bytes_, labels, number):
    """An image record: labels, or one label, and the file of an image."""
    if np.ndim(labels):
        return struct.pack("<IfQQ", len(labels), 0, number, 0) + np.asarray(labels, "<f4").tobytes() + bytes_
    return struct.pack("<IfQQ", 0, labels, number, 0) + bytes_


def prepare(folder, images, clear, write):
    """Makes the files. images: files of images; clear: those that have opacity; write(path, records) makes a RecordIO file and returns where they begin."""
    folder = pathlib.Path(folder)
    images = [images[i % len(images)] for i in range(COUNT)]
    places = write(folder / "a.rec", [_record(image, i, 100 + i) for i, image in enumerate(images)])
    (folder / "a.idx").write_text("".join(f"{i}\t{place}\n" for i, place in enumerate(places)))
    (folder / "a.lst").write_text("".join(f"{100 + i}\t{i + 0.5}\t{-i}\tsome/file.jpg\n" for i in range(COUNT)))
    write(folder / "b.rec", [_record(image, [i, 2 * i, 3 * i], i) for i, image in enumerate(images)])
    boxes = [[2, 5, *([i, 0.1, 0.2, 0.5, 0.75] * (1 + i % 3))] for i in range(COUNT)]
    write(folder / "c.rec", [_record(image, box, i) for i, (image, box) in enumerate(zip(images, boxes))])
    clear = [clear[i % len(clear)] for i in range(COUNT)]
    write(folder / "e.rec", [_record(image, i, i) for i, image in enumerate(clear)])
    write(folder / "f.rec", [_record(image, box, i) for i, (image, box) in enumerate(zip(clear, boxes))])
    (folder / "d.csv").write_text("".join(f"{i},{10 * i}\n" for i in range(COUNT)))
    (folder / "l.csv").write_text("".join(f"{i}\n" for i in range(COUNT)))
    (folder / "a.svm").write_text("1 0:1 2:3\n2 1:5.5\n3 0:7 1:8 2:9\n")
    (folder / "images").write_bytes(struct.pack(">4i", 2051, COUNT, 2, 3) + bytes(range(COUNT * 6)))
    (folder / "labels").write_bytes(struct.pack(">2i", 2049, COUNT) + bytes(range(COUNT)))


def batches(mx, folder, name):
    """Three passes of a case: data, labels, pads and sizes of the passes, for what is no padding."""
    kind, parameters = CASES[name]
    parameters = {k: str(pathlib.Path(folder) / v) if k.startswith(("path", "data_csv", "label_csv", "data_lib", "image", "label"))
                  and isinstance(v, str) else v for k, v in parameters.items()}
    it = getattr(mx.io, kind)(**parameters)
    data, labels, pads, ends = [], [], [], []
    for _ in range(3):
        for b in it:
            here = b.label[0].shape[0] - (b.pad if parameters.get("round_batch") is False else 0)
            data.append(b.data[0].asnumpy()[:here])
            labels.append(b.label[0].asnumpy()[:here])
            pads.append(b.pad)
        ends.append(len(pads))
        it.reset()
    described = str([(d.name, d.shape, np.dtype(d.dtype).name) for d in it.provide_data + it.provide_label])
    return {"data": np.concatenate(data), "label": np.concatenate(labels), "pad": np.array(pads), "ends": np.array(ends),
            "described": np.array(described)}


def main(folder):
    import mxnet as mx
    found = {}
    for name in CASES:
        found.update({f"{name}/{key}": value for key, value in batches(mx, folder, name).items()})
    np.savez(pathlib.Path(folder) / "batches.npz", **found)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(*sys.argv[1:])
