"""Datasets, samplers and loaders of gluon, asked of both sides.

    MXNET_PYTHON tests/witness/gluon_data.py ANSWERS.json FOLDER
"""
import json
import pathlib
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def plain(value):
    """Values as JSON has them, with dtypes and shapes of arrays."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "asnumpy"):
        return [np.dtype(value.dtype).name, list(value.shape), value.asnumpy().astype(float).ravel().tolist()]
    if isinstance(value, np.ndarray):
        return [value.dtype.name, list(value.shape), value.astype(float).ravel().tolist()]
    if isinstance(value, np.generic):
        return [value.dtype.name, value.item()]
    return value


def attempt(function):
    """What a function returns, or that it raised."""
    try:
        return plain(function())
    except Exception as error:
        return {"raised": [c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins"][0]}


def write_files(folder):
    """Small files in the forms of the known datasets. The checksums do not matter: MXNet's are taken off in answers()."""
    import gzip
    random = np.random.RandomState(3)
    for stem, count in (("train", 3), ("t10k", 2)):
        images, labels = random.randint(0, 256, (count, 28, 28), np.uint8), random.randint(0, 10, count, np.uint8)
        for name, magic, values in (("images-idx3", b"\0\0\x08\x03", images), ("labels-idx1", b"\0\0\x08\x01", labels)):
            shape = np.array(values.shape, ">u4").tobytes()
            with gzip.open(folder / f"{stem}-{name}-ubyte.gz", "wb") as file:
                file.write(magic + shape + values.tobytes())
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        (folder / f"{name}.bin").write_bytes(random.randint(0, 256, (2, 3073), np.uint8).tobytes())
    for name in ("train", "valid", "test"):
        (folder / f"wiki.{name}.tokens").write_text(" \n = A title = \n \n the cat sat <unk> on the mat . \n a dog and the cat \n"
                                                    f" and and so on it goes for {name} \n")
    for name in ("train", "test"):
        (folder / f"{name}.bin").write_bytes(random.randint(0, 256, (2, 3074), np.uint8).tobytes())


def answers(mx, folder):
    data = mx.gluon.data
    numbers = data.SimpleDataset(list(range(10)))
    found = {}

    for start, length in ((0, 4), (3, 5), (2, 0)):
        sampler = data.SequentialSampler(length, start)
        found[f"sequential {start} {length}"] = [list(sampler), len(sampler)]
    for last in ("keep", "discard", "rollover"):
        for size in (1, 3, 5, 12):
            sampler = data.BatchSampler(data.SequentialSampler(10), size, last)
            found[f"batches {last} {size}"] = [[list(sampler), len(sampler)] for _ in range(4)]
    for seed in range(3):
        np.random.seed(seed)
        sampler = data.RandomSampler(17)
        found[f"random {seed}"] = [[int(i) for i in sampler] for _ in range(2)]
        np.random.seed(seed)
        loader = data.DataLoader(numbers, 4, shuffle=True)
        found[f"shuffled loader {seed}"] = [plain(list(loader)) for _ in range(2)]
    found["filter sampler"] = list(data.FilterSampler(lambda v: v % 3, numbers))
    for rollover in (True, False):
        sampler = mx.gluon.contrib.data.IntervalSampler(13, 4, rollover)
        found[f"interval {rollover}"] = [list(sampler), len(sampler)]
    found["interval too long"] = attempt(lambda: mx.gluon.contrib.data.IntervalSampler(3, 4))

    for parts in (1, 2, 3, 4, 10):
        found[f"shards {parts}"] = [list(numbers.shard(parts, i)) for i in range(parts)]
    for parts, index in ((0, 0), (3, 3), (3, -1)):
        found[f"no shard {parts} {index}"] = attempt(lambda p=parts, i=index: list(numbers.shard(p, i)))
    for count in (None, 0, 4, 10, 20):
        found[f"take {count}"] = list(numbers.take(count))
    found["take -1"] = attempt(lambda: len(numbers.take(-1)))
    found["filter"] = list(numbers.filter(lambda v: v > 6))
    found["sample"] = list(numbers.sample(data.SequentialSampler(4, 3)))
    found["sample of a list"] = attempt(lambda: list(numbers.sample([1, 2])))
    pairs = data.ArrayDataset(mx.nd.array([[1, 2], [3, 4], [5, 6]]), mx.nd.array([7, 8, 9], dtype="int32"), [1, 2, 3],
                              np.arange(3.0))
    found["pairs"] = [plain(pairs[i]) for i in range(3)]
    found["one array"] = [data.ArrayDataset([5, 6])[1], len(data.ArrayDataset([5, 6]))]
    found["no arrays"] = attempt(data.ArrayDataset)
    found["other lengths"] = attempt(lambda: data.ArrayDataset([1], [1, 2]))
    for lazy in (True, False):
        found[f"transform {lazy}"] = [plain(v) for v in numbers.transform(lambda v: v * 2, lazy=lazy)]
        found[f"transform pairs {lazy}"] = plain(pairs.transform(lambda a, b, c, d: (a + 1, c), lazy=lazy)[1])
        found[f"transform first {lazy}"] = plain(pairs.transform_first(lambda a: a * 3, lazy=lazy)[2])
        found[f"transform first of one {lazy}"] = numbers.transform_first(lambda a: a * 3, lazy=lazy)[2]
    lists = data.SimpleDataset([[1, 2], [3, 4]])
    found["transform lists"] = lists.transform(lambda v: v[::-1])[1]

    samples = {"pairs": pairs, "numbers": numbers, "floats": data.SimpleDataset([0.5, 1.5, 2.5]),
               "bools": data.SimpleDataset([True, False]), "mixed": data.SimpleDataset([1, 2.5]), "lists": lists,
               "numpy": data.SimpleDataset([np.array([1, 2], "int16"), np.array([3, 4], "int16")][:0] + [np.array([1, 2], "u1")] * 3),
               "tuples in tuples": data.SimpleDataset([(1, (2, 3.0)), (4, (5, 6.0))]),
               "half": data.SimpleDataset([mx.nd.ones((2, 1), dtype="float16")] * 2)}
    for name, dataset in samples.items():
        for last in (None, "keep", "discard", "rollover"):
            loader = data.DataLoader(dataset, 2, last_batch=last)
            found[f"loader {name} {last}"] = [plain(list(loader)), len(loader), plain(list(loader))]
    for name, dataset in (("texts", ["a", "b"]), ("dicts", [{"a": 1}]), ("unequal", [mx.nd.ones(2), mx.nd.ones(3)])):
        found[f"loader {name}"] = "raised" in (attempt(lambda d=dataset: list(data.DataLoader(d, 2))) or {})
    found["loader of a list with sampler"] = plain(list(data.DataLoader([5, 6, 7], 2, sampler=[2, 0, 1])))
    found["loader with batches"] = plain(list(data.DataLoader([5, 6, 7], batch_sampler=[[0], [2, 1]])))
    for name, arguments in (("nothing", {}), ("shuffle and sampler", {"batch_size": 2, "shuffle": True, "sampler": [1]}),
                            ("two ways", {"batch_size": 2, "batch_sampler": [[1]]}), ("last", {"batch_size": 2, "last_batch": "x"}),
                            ("timeout", {"batch_size": 2, "timeout": -1}), ("workers", {"batch_size": 2, "num_workers": -2})):
        found[f"loader arguments {name}"] = attempt(lambda a=arguments: len(data.DataLoader(numbers, **a)))

    for name in ("MNIST", "FashionMNIST", "CIFAR10", "CIFAR100"):
        for train in (True, False):
            for fine in (False, True) if name == "CIFAR100" else (None,):
                more = {} if fine is None else {"fine_label": fine}
                dataset = getattr(data.vision, name)(root=str(folder), train=train, **more)
                found[f"{name} {train} {fine}"] = [len(dataset), plain([dataset[i] for i in range(len(dataset))])]
        dataset = getattr(data.vision, name)(root=str(folder), train=True, transform=lambda x, y: (x.shape, int(y)))
        found[f"{name} transformed"] = plain(dataset[1])
    for segment in ("train", "validation", "test"):
        words = mx.gluon.contrib.data.text.WikiText2(root=str(folder), segment=segment, seq_len=4)
        found[f"words {segment}"] = [plain([words[i] for i in range(len(words))]), words.vocabulary.token_to_idx,
                                     sorted(words.frequencies.items())]
    loader = data.DataLoader(data.vision.MNIST(root=str(folder)), 2)
    found["batches of MNIST"] = plain(list(loader))
    return found


if __name__ == "__main__":
    import mxnet
    from mxnet.gluon.data.vision import datasets
    from mxnet.gluon.contrib.data import text
    from mxnet.gluon import utils
    datasets.check_sha1 = text.check_sha1 = utils.check_sha1 = lambda *_: True
    pathlib.Path(sys.argv[1]).write_text(json.dumps(answers(mxnet, pathlib.Path(sys.argv[2]))))
