"""heddle pack: weights of 8 and 16 bits, in ordinary networks."""
import numpy as np
import pytest

import heddle as mx
from heddle import __main__ as command
from heddle import predict
from heddle.tools import pack


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint of a small network that has learned which half of an image is bright, with examples."""
    folder = tmp_path_factory.mktemp("trained")
    random = np.random.RandomState(3)
    mx.random.seed(3)
    label = random.randint(0, 2, 64)
    data = random.rand(64, 1, 8, 8).astype("float32")
    for i, half in enumerate(label):
        data[i, 0, half * 4:half * 4 + 4] += 1
    x = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=8, name="conv")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="relu")
    x = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=2, name="fc"), name="softmax")
    module = mx.mod.Module(x, context=mx.cpu())
    module.fit(mx.io.NDArrayIter(data, label.astype("float32"), 16), num_epoch=5, initializer=mx.init.Xavier(),
               optimizer_params={"learning_rate": 0.1})
    module.save_checkpoint(str(folder / "net"), 0)
    np.save(folder / "data.npy", data)
    np.save(folder / "labels.npy", label)
    return folder


@pytest.mark.parametrize("bits, kind, near", [(8, "int8", 0.03), (16, "float16", 2e-3)])
def test_command_packs_and_measures(trained, tmp_path, capsys, bits, kind, near):
    out = tmp_path / "small"
    command.main(["pack", str(trained / "net"), "0", str(out), "--bits", str(bits), "--data", f"data={trained}/data.npy",
                  "--labels", str(trained / "labels.npy")])
    sizes, measured = capsys.readouterr().out.splitlines()
    assert measured.startswith("64 examples: ") and "accuracy 1.0000 before, 1.0000 after (+0.0000)" in measured
    net, arguments, auxiliary = mx.model.load_checkpoint(str(out), 0)
    assert {str(np.dtype(arguments[name].dtype)) for name in ("conv_weight", "fc_weight")} == {kind}
    assert arguments["conv_bias"].dtype == np.float32
    before, after = (int(word) for word in sizes.split() if word.isdigit())
    count = 8 * 9 + 2 * 8 * 36
    assert before - after == count * 4 - count * bits // 8 - (10 * 4 if bits == 8 else 0)
    # The predictor loads the same files.
    data = np.load(trained / "data.npy")
    answers = []
    for prefix in (trained / "net", out):
        predictor = predict.Predictor(open(f"{prefix}-symbol.json").read(), open(f"{prefix}-0000.params", "rb").read(),
                                      {"data": data.shape})
        predictor.forward(data=data)
        answers.append(predictor.get_output(0))
    difference = np.abs(answers[0] - answers[1]).max()
    assert 0 < difference < near
    assert f"differ by {difference:.3g} at most" in measured or difference < 1e-3


def test_a_filter_is_off_by_half_a_step_at_most():
    weight = np.random.RandomState(0).randn(5, 7).astype("float32")
    weight[2] = 0
    weight[3] *= 1000
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=5, no_bias=True, name="fc")
    packed = pack.pack(x, {"fc_weight": mx.nd.array(weight)}, {}, 8)
    factor = packed.arguments["fc_weight_factor"].asnumpy()
    unpacked = packed.arguments["fc_weight"].asnumpy() * factor
    assert factor.shape == (5, 1) and packed.arguments["fc_weight"].dtype == np.int8
    assert (np.abs(unpacked - weight) <= factor * 0.5001).all()
    assert (unpacked[2] == 0).all()
    value = packed.symbol.bind(mx.cpu(), {**packed.arguments, "data": mx.nd.array(np.eye(7))}).forward()[0].asnumpy()
    np.testing.assert_allclose(value, unpacked.T, rtol=1e-6)


def test_weights_that_are_also_read_otherwise_stay():
    weight = mx.sym.Variable("w")
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), weight, num_hidden=3, no_bias=True) + mx.sym.sum(weight)
    packed = pack.pack(x, {"w": mx.nd.ones((3, 4))}, {}, 8)
    assert packed.arguments["w"].dtype == np.float32 and packed.bytes_before == packed.bytes_after


def test_errors_say_what_was_found(trained, tmp_path):
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=1, no_bias=True, name="fc")
    with pytest.raises(mx.MXNetError, match="bits is 4, expected 8 or 16"):
        pack.pack(x, {}, {}, 4)
    for value, bits in ((1e6, 16), (np.nan, 8)):
        with pytest.raises(mx.MXNetError, match=f"'fc_weight' holds numbers that {bits} bits do not"):
            pack.pack(x, {"fc_weight": mx.nd.full((1, 2), value)}, {}, bits)
    np.save(tmp_path / "few.npy", np.zeros(3))
    with pytest.raises(SystemExit, match=r"\[3, 64\] examples"):
        command.main(["pack", str(trained / "net"), "0", str(tmp_path / "out"), "--bits", "16", "--data",
                      f"data={trained}/data.npy", "--labels", str(tmp_path / "few.npy")])
