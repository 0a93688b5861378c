"""Batches of JPEG files out of a .rec file: images/s on each core, beside decoding alone by turbojpeg, and MXNet's ImageRecordIter.

The pictures are made here: waves, edges and grain, compressed by turbojpeg at quality 90.
"""
import ctypes
import ctypes.util
import pathlib
import struct
import sys
import tempfile
import threading
import time

import harness

FOLDER = pathlib.Path(tempfile.gettempdir()) / "heddle-bench-io"
AHEAD, REST = 4, 0.7  # batches that iterators make ahead, and seconds in which all have made theirs
DIFFERENT, COUNT, BATCH = 128, 1024, 64  # pictures, records of a file, samples of a batch
SHAPE = (3, 224, 224)
PICTURES = {"256x256": (256, 256), "375x500": (375, 500)}  # height and width
CHANCE = {"rand_crop": True, "rand_mirror": True, "shuffle": True, "mean_r": 123.68, "mean_g": 116.28, "mean_b": 103.53, "std_r": 58.4,
          "std_g": 57.1, "std_b": 57.4}
CASES = {  # pictures, and parameters of the iterator
    "256x256: crop, mirror": ("256x256", {}),
    "375x500: crop, mirror": ("375x500", {}),
    "375x500: resize, crop": ("375x500", {"resize": 256}),
    "375x500: bytes": ("375x500", {"resize": 256, "uint8": True}),
}
RGB, HALVED = 0, 2  # of turbojpeg: the order of colours, and that they have half the resolution


def turbojpeg():
    name = ctypes.util.find_library("turbojpeg")
    if not name:
        raise SystemExit("libturbojpeg is missing: apt-get install libturbojpeg0")
    library = ctypes.CDLL(name)
    library.tjInitDecompress.restype = library.tjInitCompress.restype = ctypes.c_void_p
    return library


def picture(height, width, number):
    """Pixels that compress like a photograph: (height, width, 3) uint8."""
    import numpy as np
    random = np.random.RandomState(number)
    i, j = np.mgrid[:height, :width].astype("float32")
    planes = []
    for _ in range(3):
        plane = np.full((height, width), 128, "float32")
        for octave in range(6):
            a, b, c = random.uniform(-1, 1, 3)
            plane += 40 / (octave + 1) * np.sin((a * i + b * j) * 0.02 * 2 ** octave + 6 * c)
        y, x = random.randint(0, height // 2), random.randint(0, width // 2)
        plane[y:y + height // 3, x:x + width // 3] += 50
        planes.append(plane + random.normal(0, 6, plane.shape))
    return np.clip(np.stack(planes, -1), 0, 255).astype("uint8")


def compress(library, pixels):
    handle = ctypes.c_void_p(library.tjInitCompress())
    out, size = ctypes.c_void_p(), ctypes.c_ulong()
    height, width, _ = pixels.shape
    library.tjCompress2(handle, pixels.ctypes.data_as(ctypes.c_void_p), width, 0, height, RGB, ctypes.byref(out), ctypes.byref(size),
                        HALVED, 90, 0)
    jpeg = ctypes.string_at(out, size.value)
    library.tjFree(out)
    library.tjDestroy(handle)
    return jpeg


def prepare():
    """Writes a .rec file of each size, and the same JPEG files one behind the other."""
    import heddle as mx
    FOLDER.mkdir(exist_ok=True)
    library = turbojpeg()
    for name, (height, width) in PICTURES.items():
        jpegs = [compress(library, picture(height, width, i)) for i in range(DIFFERENT)]
        writer = mx._core.RecordWriter(FOLDER / f"{name}.rec")
        for i in range(COUNT):
            writer.write(struct.pack("<IfQQ", 0, i, i, 0) + jpegs[i % DIFFERENT])
        writer.close()
        (FOLDER / f"{name}.jpegs").write_bytes(b"".join(struct.pack("<Q", len(j)) + j for j in jpegs))


def iterator(io, case):
    name, more = CASES[case]
    more = {**CHANCE, **more}
    kind = "ImageRecordIter"
    if more.pop("uint8", False):
        kind, more = "ImageRecordUInt8Iter", {k: v for k, v in more.items() if not k.startswith(("mean", "std", "rand_mirror"))}
    return getattr(io, kind)(path_imgrec=str(FOLDER / f"{name}.rec"), data_shape=SHAPE, batch_size=BATCH, preprocess_threads=harness.THREADS,
                             prefetch_buffer=AHEAD, **more)


def batches(io, case):
    it = iterator(io, case)

    def step():
        try:
            batch = it.next()
        except StopIteration:
            it.reset()
            batch = it.next()
        batch.data[0].wait_to_read()

    def use_up():
        for _ in range(AHEAD + 1):
            step()

    return harness.Work(step, amount=BATCH / harness.THREADS, before=use_up, after=lambda: time.sleep(REST))


def heddle():
    import heddle as mx
    return {case: lambda case=case: batches(mx.io, case) for case in CASES}


def mxnet():
    import mxnet as mx
    return {case: lambda case=case: batches(mx.io, case) for case in CASES}


def decoding(case):
    """Every core decodes all files, again and again."""
    library = turbojpeg()
    name, _ = CASES[case]
    raw, jpegs = (FOLDER / f"{name}.jpegs").read_bytes(), []
    while raw:
        size, = struct.unpack_from("<Q", raw)
        jpegs.append(raw[8:8 + size])
        raw = raw[8 + size:]
    height, width = PICTURES[name]

    def run():
        handle, pixels = ctypes.c_void_p(library.tjInitDecompress()), ctypes.create_string_buffer(height * width * 3)
        for jpeg in jpegs[:BATCH]:
            assert library.tjDecompress2(handle, jpeg, ctypes.c_ulong(len(jpeg)), pixels, width, 0, height, RGB, 0) == 0
        library.tjDestroy(handle)

    def step():
        threads = [threading.Thread(target=run) for _ in range(harness.THREADS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    return harness.Work(step, amount=BATCH)


def bare():
    return {case: lambda case=case: decoding(case) for case in CASES}


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "turbojpeg": bare}[options.serve]())
    prepare()
    harness.two_cores()
    ours = harness.Contender(__file__, "heddle", sys.executable)
    peers = [(harness.Contender(__file__, "turbojpeg", sys.executable), "turbojpeg alone"),
             (harness.Contender(__file__, "mxnet", harness.peer_python("mxnet")), "MXNet 1.9.1")]
    found = harness.rates([(ours, CASES), *((peer, CASES) for peer, _ in peers)], options.windows, options.seconds)
    harness.report([{"case": case, "unit": "images/s", "ours": found["heddle", case], "peer": found[peer.name, case],
                     "peer_name": name} for case in CASES for peer, name in peers], options.json)
    for contender in (ours, *(peer for peer, _ in peers)):
        contender.close()


if __name__ == "__main__":
    main()
