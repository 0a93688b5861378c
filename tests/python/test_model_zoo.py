"""The model zoo beside what MXNet says of it (test_witness_zoo.py): files of parameters, and what is refused."""
import hashlib
import zipfile

import numpy as np
import pytest

import heddle as mx
from heddle.gluon.model_zoo import model_store, vision


def test_names_of_models():
    assert len(vision._NAMES) == 34 and set(vision._NAMES) == set(model_store._SHA1)
    assert isinstance(vision.get_model("ResNet18_V1", classes=3), vision.ResNetV1)
    with pytest.raises(ValueError, match="Model resnet19_v1 is not supported. Available options are\n\talexnet"):
        vision.get_model("resnet19_v1")


def test_what_is_refused():
    for call in (lambda: vision.get_vgg(12), lambda: vision.SqueezeNet("2.0"), lambda: vision.VGG([1], [2, 3]),
                 lambda: vision.ResNetV1(vision.BasicBlockV1, [1], [8]), lambda: vision.get_mobilenet(0.3, pretrained=True)):
        with pytest.raises(ValueError):
            call()
    for call in (lambda: vision.get_resnet(3, 18), lambda: vision.get_resnet(1, 19)):
        with pytest.raises(AssertionError):
            call()


def test_published_parameters_come_from_a_folder(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as error:
        vision.mobilenet0_25(pretrained=True, root=tmp_path)
    assert "mobilenet0.25-9f83e440.params" in str(error.value) and str(tmp_path) in str(error.value)
    net = vision.mobilenet0_25(classes=4)
    net.initialize()
    x = mx.nd.ones((1, 3, 32, 32))
    wanted = net(x).asnumpy()
    net.save_parameters(str(tmp_path / "own"))
    content = (tmp_path / "own").read_bytes()
    path = tmp_path / "mobilenet0.25-9f83e440.params"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="another SHA-1 than the 9f83e440"):
        vision.mobilenet0_25(pretrained=True, root=tmp_path, classes=4)
    # As if these had been published, in an archive.
    digest = hashlib.sha1(content).hexdigest()
    monkeypatch.setitem(model_store._SHA1, "mobilenet0.25", digest)
    path.unlink()
    with zipfile.ZipFile(tmp_path / f"mobilenet0.25-{digest[:8]}.zip", "w") as file:
        file.writestr(f"mobilenet0.25-{digest[:8]}.params", content)
    for _ in range(2):  # unpacked the first time
        loaded = vision.get_model("mobilenet0.25", pretrained=True, root=str(tmp_path), classes=4)
        assert np.array_equal(loaded(x).asnumpy(), wanted)
    model_store.purge(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"mobilenet0.25-{digest[:8]}.zip", "own"]
    with pytest.raises(ValueError, match="Pretrained model for lenet is not available"):
        model_store.get_model_file("lenet", tmp_path)
