"""Datasets, samplers, batchify functions, and the datasets that lie in files."""
import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

import heddle as mx
from heddle.gluon import data
from heddle.gluon.data import batchify, vision
from ops.images import png

NUMBERS = data.SimpleDataset(list(range(10)))


def double(value):
    return value * 2


# --- datasets


def test_transforms_are_lazy_unless_told_otherwise():
    calls = []
    lazy = NUMBERS.transform(lambda v: calls.append(v) or v + 1)
    assert not calls and lazy[4] == lazy[4] == 5 and calls == [4, 4]
    calls.clear()
    eager = NUMBERS.transform(lambda v: calls.append(v) or v + 1, lazy=False)
    assert calls == list(range(10)) and eager[4] == eager[4] == 5 and len(calls) == 10


def test_derived_datasets_of_derived_datasets():
    made = NUMBERS.filter(lambda v: v % 2).transform(double).shard(2, 1).take(1)
    assert list(made) == [14] and len(made) == 1


def test_filter_asks_once_per_sample():
    calls = []
    kept = NUMBERS.filter(lambda v: calls.append(v) or v > 7)
    assert list(kept) == list(kept) == [8, 9] and calls == list(range(10))


def test_a_sampled_dataset_has_one_order():
    np.random.seed(0)
    order = NUMBERS.sample(data.RandomSampler(10))
    assert list(order) == list(order) and sorted(order) == list(range(10))


def test_datasets_are_pickled():
    made = pickle.loads(pickle.dumps(NUMBERS.transform_first(double).take(3)))
    assert list(made) == [0, 2, 4]


def test_what_a_dataset_does_not_say():
    for call in (lambda: data.Dataset()[0], lambda: len(data.Dataset()), lambda: iter(data.Sampler()), lambda: len(data.Sampler())):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(ValueError, match="count is -1"):
        NUMBERS.take(-1)
    with pytest.raises(IndexError):
        NUMBERS.take(3)[3]


def test_samplers_refuse_nonsense():
    with pytest.raises(ValueError, match="last_batch must be one of"):
        data.BatchSampler(data.SequentialSampler(3), 2, "pad")
    with pytest.raises(ValueError, match="batch_size is 0"):
        data.BatchSampler(data.SequentialSampler(3), 0)


def test_rolled_over_indices_come_first_next_time():
    sampler = data.BatchSampler(data.SequentialSampler(5), 3, "rollover")
    assert [list(sampler), list(sampler), list(sampler)] == [[[0, 1, 2]], [[3, 4, 0], [1, 2, 3]], [[4, 0, 1], [2, 3, 4]]]


def test_the_seed_decides_orders(no_seed):
    def orders():
        mx.random.seed(11)
        return [list(data.RandomSampler(50)) for _ in range(2)]

    first = orders()
    assert first == orders() and first[0] != first[1] and sorted(first[0]) == list(range(50))


# --- batchify


def shown(value):
    return value.dtype.name, value.shape, value.tolist()


def test_stack():
    stack = batchify.Stack()
    assert shown(stack([1, 2])) == ("int64", (2,), [1, 2])
    assert shown(stack([1, 2.5])) == ("float64", (2,), [1, 2.5])
    assert shown(stack([True, False])) == ("bool", (2,), [True, False])
    assert shown(stack([np.float32(1), np.float32(3)])) == ("float32", (2,), [1, 3])
    assert shown(stack([mx.nd.ones(2, dtype="float16")] * 2)) == ("float16", (2, 2), [[1, 1], [1, 1]])
    assert shown(stack([[1, 2], [3, 4]])) == ("int64", (2, 2), [[1, 2], [3, 4]])
    for samples in ([mx.nd.ones(2), mx.nd.ones(3)], [np.ones(2), np.ones(3)]):
        with pytest.raises((mx.MXNetError, ValueError)):
            stack(samples).wait_to_read()
    for samples in (["a"], [{}], [None], [np.array(["a"])]):
        with pytest.raises(TypeError, match=r"\[Stack\] found samples"):
            stack(samples)


def test_pad():
    rows = [mx.nd.array([1, 2, 3]), mx.nd.array([4]), mx.nd.array([])]
    assert shown(batchify.Pad()(rows)) == ("float32", (3, 3), [[1, 2, 3], [4, 0, 0], [0, 0, 0]])
    padded, lengths = batchify.Pad(val=-1, ret_length=True, dtype="int32", round_to=2)([[1, 2, 3], [4]])
    assert shown(padded) == ("int32", (2, 4), [[1, 2, 3, -1], [4, -1, -1, -1]]) and shown(lengths) == ("int32", (2,), [3, 1])
    wide = batchify.Pad(axis=-1, val=9)([np.ones((2, 1), "float64"), np.zeros((2, 2), "float64")])
    assert shown(wide) == ("float64", (2, 2, 2), [[[1, 9], [1, 9]], [[0, 0], [0, 0]]])
    with pytest.raises(ValueError, match="differ along axis 0 only"):
        batchify.Pad()([np.ones((2, 1)), np.ones((2, 2))])
    with pytest.raises(ValueError, match="expected an axis 1"):
        batchify.Pad(axis=1)([[1], [2]])


def test_append_and_lists():
    samples = [np.ones(2, "float32"), np.zeros(3, "float32")]
    assert [a.shape for a in batchify.Append()(samples)] == [(1, 2), (1, 3)]
    assert [a.shape for a in batchify.Append(batch_axis=1)(samples)] == [(2, 1), (3, 1)]
    assert [a.shape for a in batchify.Append(expand=False)(samples)] == [(2,), (3,)]
    assert batchify.AsList()(["a", {}]) == ["a", {}]


@pytest.mark.parametrize("kind", [batchify.Tuple, batchify.Group])
def test_parts_of_tuples(kind):
    samples = [("a", 1), ("b", 2)]
    for made in (kind(batchify.AsList(), batchify.Stack()), kind([batchify.AsList(), batchify.Stack()])):
        names, numbers = made(samples)
        assert names == ["a", "b"] and numbers.tolist() == [1, 2]
    with pytest.raises(ValueError, match="a sample has 2 parts, expected one for each of 1 functions"):
        kind(batchify.AsList())(samples)
    with pytest.raises(TypeError, match="found a int, expected functions"):
        kind(3)


# --- files


def idx(values):
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


@pytest.mark.parametrize("kind", [vision.MNIST, vision.FashionMNIST])
def test_mnist_zipped_or_not(tmp_path, kind):
    images, labels = np.arange(24, dtype="uint8").reshape(2, 4, 3), np.array([7, 9], "uint8")
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(idx(images))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    found = kind(root=tmp_path)
    image, label = found[1]
    assert len(found) == 2 and shown(image) == ("uint8", (4, 3, 1), images[1, :, :, None].tolist())
    assert label == 9 and label.dtype == np.int32
    assert kind(tmp_path, transform=lambda x, y: (x.shape, int(y)))[0] == ((4, 3, 1), 7)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels[:1]))
    with pytest.raises(ValueError, match=rf"\[{kind.__name__}\] the files in .* have images of \(2, 4, 3\) and labels of \(1,\)"):
        kind(root=tmp_path)


def test_a_missing_file_says_where_it_belongs(tmp_path):
    for make, name in ((vision.MNIST, "train-images-idx3-ubyte"), (vision.CIFAR10, "cifar-10-binary.tar.gz"),
                       (vision.CIFAR100, "cifar-100-binary.tar.gz"), (mx.gluon.contrib.data.text.WikiText2, "wiki.train.tokens")):
        with pytest.raises(FileNotFoundError) as error:
            make(root=tmp_path / "nowhere")
        assert name in str(error.value) and str(tmp_path / "nowhere") in str(error.value) and "put " in str(error.value)


def test_cifar_from_the_archive_and_unpacked(tmp_path):
    rows = np.random.RandomState(0).randint(0, 256, (6, 2, 3073)).astype("uint8")
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    archive, unpacked = tmp_path / "archive", tmp_path / "unpacked"
    archive.mkdir(), unpacked.mkdir()
    with tarfile.open(archive / "cifar-10-binary.tar.gz", "w:gz") as file:
        for name, part in zip(names, rows):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = part.nbytes
            file.addfile(member, io.BytesIO(part.tobytes()))
            (unpacked / name).write_bytes(part.tobytes())
    for folder in (archive, unpacked):
        for train, wanted in ((True, rows[:5].reshape(-1, 3073)), (False, rows[5])):
            found = vision.CIFAR10(root=folder, train=train)
            assert len(found) == len(wanted)
            for (image, label), row in zip(found, wanted):
                assert label == row[0] and (image.asnumpy() == row[1:].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    (unpacked / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(ValueError, match="test_batch.bin in .* has 3 bytes, expected a multiple of 3073"):
        vision.CIFAR10(root=unpacked, train=False)


def test_labels_of_cifar100(tmp_path):
    row = np.arange(3074, dtype="int64").astype("uint8")
    row[:2] = 4, 77
    (tmp_path / "test.bin").write_bytes(row.tobytes())
    assert vision.CIFAR100(root=tmp_path, train=False)[0][1] == 4
    assert vision.CIFAR100(root=tmp_path, fine_label=True, train=False)[0][1] == 77


def picture(i):
    return np.random.RandomState(i).randint(0, 256, (5, 4, 3)).astype("uint8")


def test_images_in_records(tmp_path):
    with mx.recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w") as writer:
        for key, label in ((5, 2.0), (3, [1.0, 2.0]), (9, 4.0)):
            writer.write_idx(key, mx.recordio.pack(mx.recordio.IRHeader(0, label, key, 0), png(picture(key))))
    records = data.RecordFileDataset(tmp_path / "a.rec")
    assert len(records) == 3 and mx.recordio.unpack(records[1])[0].id == 3
    images = vision.ImageRecordDataset(tmp_path / "a.rec")
    for i, (key, label) in enumerate(((5, 2), (3, [1, 2]), (9, 4))):
        image, found = images[i]
        assert (image.asnumpy() == picture(key)).all() and np.array_equal(found, label)
    assert pickle.loads(pickle.dumps(images))[2][1] == 4
    grey = vision.ImageRecordDataset(tmp_path / "a.rec", flag=0, transform=lambda x, y: (x.shape, y))
    assert grey[0] == ((5, 4, 1), 2.0)
    (tmp_path / "a.idx").unlink()
    with pytest.raises(FileNotFoundError, match="a.idx"):
        data.RecordFileDataset(tmp_path / "a.rec")


def test_images_in_folders(tmp_path):
    for folder, name in (("cat", "b.PNG"), ("cat", "a.png"), ("ant", "z.png"), ("cat", "notes.txt")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(png(picture(ord(name[0]))))
    (tmp_path / "readme").write_text("")
    with pytest.warns(UserWarning) as seen:
        found = vision.ImageFolderDataset(tmp_path)
    assert sorted(str(w.message).split(" which")[0].split(" of type")[0].rpartition("/")[2].rstrip(",") for w in seen) == [
        "notes.txt", "readme"]
    assert found.synsets == ["ant", "cat"] and [(p.rpartition("/")[2], n) for p, n in found.items] == [
        ("z.png", 0), ("a.png", 1), ("b.PNG", 1)]
    image, label = found[1]
    assert label == 1 and (image.asnumpy() == picture(ord("a"))).all()


def test_images_of_a_list(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(png(picture(i)))
    (tmp_path / "a.lst").write_text("0\t3.5\t1.png\n1\t1\t2\t0.png\n")
    for entries in ("a.lst", [[3.5, "1.png"], [[1, 2], "0.png"]], [[3.5, "1.png"], [1, 2, "0.png"]]):
        found = vision.ImageListDataset(tmp_path, entries)
        assert len(found) == 2 and found[0][1] == 3.5 and found[1][1].tolist() == [1, 2]
        assert (found[1][0].asnumpy() == picture(0)).all()
    for entries, text in (([["1.png"]], "entry 0 is"), (3, "imglist is a int"), ([["x", "1.png"]], "entry 0 is")):
        with pytest.raises(ValueError, match=text):
            vision.ImageListDataset(tmp_path, entries)


def test_words(tmp_path):
    kind = mx.gluon.contrib.data.text.WikiText2
    with zipfile.ZipFile(tmp_path / "wikitext-2-v1.zip", "w") as file:
        file.writestr("wikitext-2/wiki.test.tokens", " a b \n \n b c d \n")
    words = kind(root=tmp_path, segment="test", seq_len=3)
    text = [words.vocabulary.idx_to_token[i] for pair in words for i in pair[0].tolist()]
    after = [words.vocabulary.idx_to_token[i] for pair in words for i in pair[1].tolist()]
    assert text == ["a", "b", "<eos>", "b", "c", "d"] and after == ["b", "<eos>", "b", "c", "d", "<eos>"]
    assert words.frequencies["b"] == 2 and words[0][0].dtype.name == "int32"
    shared = kind(root=tmp_path, segment="test", seq_len=2, vocab=words.vocabulary)
    assert shared.vocabulary is words.vocabulary
    with pytest.raises(ValueError, match="segment is 'all'"):
        kind(root=tmp_path, segment="all")
