"""The networks of gluon.model_zoo, asked of both sides: names and shapes of parameters, and outputs.

    MXNET_PYTHON tests/witness/zoo.py FOLDER
"""
import json
import pathlib
import sys
import warnings
import zlib

import numpy as np

warnings.filterwarnings("ignore")
MODELS = (["alexnet", "inceptionv3", "squeezenet1.0", "squeezenet1.1"] + [f"densenet{n}" for n in (121, 161, 169, 201)]
          + [f"mobilenet{v}{m}" for v in ("", "v2_") for m in ("0.25", "0.5", "0.75", "1.0")]
          + [f"resnet{n}_v{v}" for n in (18, 34, 50, 101, 152) for v in (1, 2)]
          + [f"vgg{n}{end}" for n in (11, 13, 16, 19) for end in ("", "_bn")])
# One of each kind computes, on images of the smallest size that it takes.
SIZES = {"alexnet": 63, "inceptionv3": 299, "squeezenet1.1": 224, "densenet121": 224, "mobilenet0.25": 64, "mobilenetv2_0.25": 64,
         "resnet18_v1": 64, "resnet50_v1": 64, "resnet18_v2": 64, "resnet50_v2": 64, "vgg11": 32, "vgg11_bn": 32}


def fill(net, mx):
    """Sets every parameter to numbers that its name decides."""
    for name, parameter in net.collect_params().items():
        random = np.random.RandomState(zlib.crc32(name.encode()))
        shape = parameter.shape
        if name.endswith(("gamma", "running_var")):
            value = random.uniform(0.5, 1.5, shape)
        elif name.endswith("weight"):
            value = random.randn(*shape) * np.sqrt(1.5 / np.prod(shape[1:]))
        else:
            value = random.randn(*shape) * 0.1
        parameter.set_data(mx.nd.array(value))


def picture(mx, size):
    return mx.nd.array(np.random.RandomState(size).randn(2, 3, size, size))


def described(net):
    return {"names": {name: list(p.shape) for name, p in net.collect_params().items()},
            "paths": list(net._collect_params_with_prefix()),
            "types": {name: np.dtype(p.dtype).name + " " + p.grad_req for name, p in net.collect_params().items()}}


def networks(mx):
    """Name to (network, size of images or None)."""
    vision = mx.gluon.model_zoo.vision
    for name in MODELS:
        yield name, vision.get_model(name, classes=10, prefix="net_"), SIZES.get(name)
    for version in (1, 2):
        make, basic, bottleneck = (getattr(vision, f"{kind}V{version}") for kind in ("ResNet", "BasicBlock", "Bottleneck"))
        for block in (basic, bottleneck):
            net = make(block, [1, 2], [8, 8, 16], classes=10, thumbnail=True, prefix="net_")
            yield f"small {block.__name__}", net, 16
            yield f"unit {block.__name__}", block(16, 2, True, in_channels=3, prefix="net_"), 16
    yield "dense with dropout", vision.DenseNet(8, 4, [2, 1], bn_size=2, dropout=0.5, classes=10, prefix="net_"), 224


def answers(mx, folder):
    """(what networks are, their outputs)."""
    facts, outputs = {}, {}
    for name, net, size in networks(mx):
        net.initialize()
        facts[name] = {"before": described(net)}
        x = picture(mx, size or (299 if name == "inceptionv3" else 224))
        if size is None:
            net.infer_shape(x)
        else:
            net(x)
            fill(net, mx)
            outputs[name] = net(x).asnumpy()
            net.hybridize()
            outputs[f"{name} hybridized"] = net(x).asnumpy()
            with mx.autograd.record():
                outputs[f"{name} in training"] = net(x).asnumpy() if name.startswith("resnet18") else np.zeros(1)
        facts[name]["after"] = described(net)
    return facts, outputs


def saved(mx, path):
    """Writes the parameters of a network."""
    net = mx.gluon.model_zoo.vision.mobilenet0_25(classes=10)
    net.initialize()
    net(picture(mx, 64))
    fill(net, mx)
    net.save_parameters(str(path))
    return net(picture(mx, 64)).asnumpy()


def loaded(mx, path):
    """The output of a network with the parameters that somebody wrote."""
    net = mx.gluon.model_zoo.vision.mobilenet0_25(classes=10)
    net.load_parameters(str(path))
    return net(picture(mx, 64)).asnumpy()


if __name__ == "__main__":
    import mxnet
    folder = pathlib.Path(sys.argv[1])
    facts, outputs = answers(mxnet, folder)
    outputs["saved"] = saved(mxnet, folder / "theirs.params")
    outputs["loaded"] = loaded(mxnet, folder / "ours.params")
    (folder / "facts.json").write_text(json.dumps(facts))
    np.savez(folder / "outputs.npz", **outputs)
