"""Transforms of images beside what NumPy says of them."""
import pickle
import random

import numpy as np
import pytest

import heddle as mx
from heddle.gluon import data, nn
from heddle.gluon.data.vision import transforms as T

PIXELS = np.random.RandomState(0).randint(0, 256, (6, 8, 3)).astype("uint8")
IMAGE = mx.nd.array(PIXELS, dtype="uint8")


def test_tensors():
    tensor = T.ToTensor()(IMAGE)
    wanted = PIXELS.transpose(2, 0, 1).astype("float32") / 255
    assert tensor.dtype.name == "float32" and np.allclose(tensor.asnumpy(), wanted, atol=1e-7)
    mean, std = np.array([0.1, 0.2, 0.3], "float32"), np.array([1, 2, 4], "float32")
    found = T.Normalize(tuple(mean), tuple(std))(tensor).asnumpy()
    assert np.allclose(found, (wanted - mean[:, None, None]) / std[:, None, None], atol=1e-6)
    assert np.allclose(T.Normalize(0.5, 2)(tensor).asnumpy(), (wanted - 0.5) / 2, atol=1e-6)
    assert T.Cast("float16")(IMAGE).dtype.name == "float16"


def test_sizes():
    assert T.Resize(4)(IMAGE).shape == (4, 4, 3) and T.Resize(3, keep_ratio=True)(IMAGE).shape == (3, 4, 3)
    assert T.Resize((4, 5))(IMAGE).shape == (5, 4, 3) and T.Resize((4, 5))(mx.nd.stack(IMAGE, IMAGE)).shape == (2, 5, 4, 3)
    assert (T.CenterCrop((4, 2))(IMAGE).asnumpy() == PIXELS[2:4, 2:6]).all()
    assert (T.CropResize(1, 2, 3, 4)(IMAGE).asnumpy() == PIXELS[2:6, 1:4]).all()
    assert T.CropResize(1, 2, 3, 4, 7)(IMAGE).shape == (7, 7, 3)
    assert T.RandomResizedCrop((4, 5))(IMAGE).shape == (5, 4, 3)
    with pytest.raises(ValueError, match=r"\[CenterCrop\] size is"):
        T.CenterCrop((1, 2, 3))


def test_random_crops_lie_in_the_bordered_image():
    whole = np.pad(PIXELS, ((2, 2), (2, 2), (0, 0)), constant_values=9)
    windows = {whole[y:y + 5, x:x + 5].tobytes() for y in range(6) for x in range(8)}
    random.seed(1)
    found = {T.RandomCrop(5, pad=2, pad_value=9)(IMAGE).asnumpy().tobytes() for _ in range(60)}
    assert found <= windows and len(found) > 20


@pytest.mark.parametrize("kind, axis", [(T.RandomFlipLeftRight, 1), (T.RandomFlipTopBottom, 0)])
def test_flips(kind, axis):
    mx.random.seed(3)
    found = [kind()(IMAGE).asnumpy() for _ in range(40)]
    turned = sum((f == np.flip(PIXELS, axis)).all() for f in found)
    assert 5 < turned < 35 and turned + sum((f == PIXELS).all() for f in found) == 40


def test_brightness_is_one_factor():
    mx.random.seed(4)
    ratios = [T.RandomBrightness(0.3)(IMAGE.astype("float32")).asnumpy()[PIXELS > 0] / PIXELS[PIXELS > 0] for _ in range(20)]
    assert all(np.allclose(r, r[0], rtol=1e-5) and 0.7 <= r[0] <= 1.3 for r in ratios) and len({float(r[0]) for r in ratios}) > 10


@pytest.mark.parametrize("made", [T.RandomContrast(0.3), T.RandomSaturation(0.3), T.RandomHue(0.3), T.RandomLighting(0.3),
                                  T.RandomColorJitter(0.1, 0.1, 0.1, 0.1)], ids=lambda b: type(b).__name__)
def test_colours_change(made):
    mx.random.seed(5)
    found = [made(IMAGE.astype("float32")).asnumpy() for _ in range(2)]
    assert found[0].shape == PIXELS.shape and not np.array_equal(*found)


def test_turning():
    tensor = T.ToTensor()(IMAGE)
    assert np.allclose(T.Rotate(360)(tensor).asnumpy(), tensor.asnumpy(), atol=1e-4)
    assert (T.RandomRotation((-30, 30), rotate_with_proba=0.0)(tensor).asnumpy() == tensor.asnumpy()).all()
    with pytest.raises(TypeError, match="only supports float32"):
        T.Rotate(90)(IMAGE)
    for wrong in (lambda: T.RandomRotation((30, -30)), lambda: T.RandomRotation((-1, 1), rotate_with_proba=2)):
        with pytest.raises(ValueError):
            wrong()


def test_compose_joins_hybrid_neighbours():
    made = T.Compose([T.Resize(5), T.CenterCrop(4), T.ToTensor(), T.Normalize(0.5, 1)])
    assert [type(b) for b in made] == [T.Resize, T.CenterCrop, nn.HybridSequential] and made(IMAGE).shape == (3, 4, 4)


def test_apply_to_some():
    random.seed(2)
    for made in (T.RandomApply(T.Cast(), 0.5), T.RandomApply([T.Cast()], 0.5)):
        kinds = [made(IMAGE).dtype.name for _ in range(40)]
        assert 5 < kinds.count("float32") < 35


@pytest.mark.parametrize("more", [{}, {"num_workers": 2}, {"num_workers": 2, "thread_pool": False}])
def test_in_a_loader(more):
    made = T.Compose([T.CenterCrop(4), T.ToTensor(), T.Normalize(0.5, 1)])
    images = data.ArrayDataset([IMAGE] * 5, list(range(5))).transform_first(made)
    found = [(x.shape, y.tolist()) for x, y in data.DataLoader(images, 2, **more)]
    assert found == [((2, 3, 4, 4), [0, 1]), ((2, 3, 4, 4), [2, 3]), ((1, 3, 4, 4), [4])]


def test_transforms_are_pickled():
    made = T.Compose([T.CenterCrop(4), T.ToTensor(), T.Normalize(0.5, 1)])
    assert np.array_equal(pickle.loads(pickle.dumps(made))(IMAGE).asnumpy(), made(IMAGE).asnumpy())
