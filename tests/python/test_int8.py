"""Networks on numbers of 8 bits: as good as their steps, and the same however they are computed."""
import numpy as np
import pytest

import heddle as mx
from heddle import _core


@pytest.fixture
def network():
    rng = np.random.default_rng(5)
    draw = {"data": (4, 8, 14, 14), "conv_weight": (16, 8, 3, 3), "conv_bias": (16,), "fc_weight": (10, 16 * 49), "fc_bias": (10,)}
    arrays = {k: mx.nd.array(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)) for k, shape in draw.items()}
    arrays["data"] = mx.nd.array(rng.normal(size=draw["data"]))
    return arrays


def floats(F, data, conv_weight, conv_bias, fc_weight, fc_bias):
    y = F.Convolution(data, conv_weight, conv_bias, kernel=(3, 3), pad=(1, 1), num_filter=16)
    y = F.Pooling(F.relu(y), kernel=(2, 2), stride=(2, 2))
    return F.FullyConnected(y, fc_weight, fc_bias, num_hidden=10)


def eight_bits(F, data, conv_weight, conv_bias, fc_weight, fc_bias, kind="int8"):
    def quantized(x, kind="int8"):
        return list(F.contrib.quantize_v2(x, out_type=kind))

    (x, *x_ends), (w, *w_ends), (b, *b_ends) = quantized(data, kind), quantized(conv_weight), quantized(conv_bias)
    y, *ends = F.contrib.requantize(*F.contrib.quantized_conv(x, w, b, *x_ends, *w_ends, *b_ends, kernel=(3, 3), pad=(1, 1), num_filter=16))
    y, *ends = F.contrib.quantized_act(y, *ends, act_type="relu")
    y, *ends = F.contrib.quantized_pooling(y, *ends, kernel=(2, 2), stride=(2, 2))
    y, *ends = F.contrib.quantized_flatten(y, *ends)
    (w, *w_ends), (b, *b_ends) = quantized(fc_weight), quantized(fc_bias)
    y = F.contrib.quantized_fully_connected(y, w, b, *ends, *w_ends, *b_ends, num_hidden=10)
    return F.contrib.dequantize(*F.contrib.requantize(*y))


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_a_network_of_8_bits_is_the_one_of_floats_within_its_steps(network, kind):
    if kind == "uint8":  # has no negative numbers
        network["data"] = mx.nd.abs(network["data"])
    wanted = floats(mx.nd, **network).asnumpy()
    found = eight_bits(mx.nd, **network, kind=kind).asnumpy()
    # A step is 1/127 of the reach. There are five roundings on the way, whose errors add up like noise.
    step = np.abs(wanted).max() / 127
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 1.5 * step
    assert np.abs(found - wanted).max() < 5 * step


def test_a_bound_network_gives_the_same_bits(network):
    symbol = eight_bits(mx.sym, *(mx.sym.var(name) for name in network))
    bound = symbol.bind(mx.cpu(), network).forward()[0].asnumpy()
    assert bound.tobytes() == eight_bits(mx.nd, *network.values()).asnumpy().tobytes()


@pytest.mark.parametrize("shape, filters, groups", [((1, 64, 33, 31), 96, 1), ((9, 32, 17, 19), 64, 4), ((2, 8, 5, 70), 3, 1)])
@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_sums_are_the_same_for_every_kernel_and_number_of_threads(shape, filters, groups, kind):
    rng = np.random.default_rng(1)
    x = mx.nd.array(rng.integers(*((-128, 128) if kind == "int8" else (0, 256)), shape), dtype=kind)
    w = mx.nd.array(rng.integers(-128, 128, (filters, shape[1] // groups, 3, 3)), dtype="int8")
    ends = [mx.nd.array([v]) for v in (-1, 1, -1, 1)]
    flat = mx.nd.array(rng.integers(-128, 128, (77, int(np.prod(shape[1:])))), dtype="int8")
    results = []
    before = _core.threads()
    try:
        for library in ("portable", ""):
            for count in (1, 4):
                _core.prefer_kernels(library)
                _core.set_threads(count)
                results.append([mx.nd.contrib.quantized_conv(x, w, *ends, kernel=(3, 3), pad=(1, 1), num_filter=filters, num_group=groups,
                                                             no_bias=True)[0].asnumpy(),
                                mx.nd.contrib.quantized_fully_connected(x, flat, *ends, num_hidden=77, no_bias=True)[0].asnumpy()])
    finally:
        _core.prefer_kernels("")
        _core.set_threads(before)
    for found in results[1:]:
        for a, b in zip(found, results[0]):
            assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, True)])
def test_an_lstm_of_8_bits_is_the_one_of_floats_within_its_steps(layers, bidirectional):
    rng, hidden, directions = np.random.default_rng(7), 32, 1 + bidirectional
    x = mx.nd.array(rng.normal(size=(20, 5, 24)))
    count = directions * 4 * hidden * (24 + hidden + (layers - 1) * (directions + 1) * hidden + 2 * layers)
    parameters = mx.nd.array(rng.uniform(-0.2, 0.2, count))
    state, cell = (mx.nd.array(rng.uniform(-0.5, 0.5, (layers * directions, 5, hidden))) for _ in range(2))
    how = {"state_size": hidden, "num_layers": layers, "bidirectional": bidirectional, "mode": "lstm", "state_outputs": True}
    wanted = mx.nd.RNN(x, parameters, state, cell, **how)
    q, scale, shift = mx.nd.contrib.quantize_asym(x)
    found = mx.nd.contrib.quantized_rnn(q, parameters, state, cell, scale, shift, **how)
    for a, b in zip(found, wanted):
        assert a.dtype == np.float32 and np.abs((a - b).asnumpy()).max() < 0.01 and np.abs(b.asnumpy()).max() > 0.2


def test_counted_inputs_need_no_count():
    a, b = mx.nd.array([[1, 2]], dtype="int8"), mx.nd.array([[4]], dtype="int8")
    ends = [mx.nd.array([v]) for v in (-1, 1, -1, 1)]
    assert mx.nd.contrib.quantized_concat(a, b, *ends)[0].asnumpy().tolist() == [[1, 2, 4]]
    by_name = dict(zip(("arg_min0", "arg_max0", "arg_min1", "arg_max1"), ends))
    assert mx.nd.contrib.quantized_concat(arg1=b, arg0=a, **by_name)[0].asnumpy().tolist() == [[1, 2, 4]]
    weights, grads = [mx.nd.ones((2,)), mx.nd.ones((3,))], [mx.nd.ones((2,)), mx.nd.ones((3,))]
    mx.nd.multi_sgd_update(weights[0], grads[0], weights[1], grads[1], lrs=(0.5, 0.25), wds=(0, 0), out=weights)
    assert [w.asnumpy().tolist() for w in weights] == [[0.5] * 2, [0.75] * 3]
    rates = mx.nd.array([0.5]), mx.nd.array([0.0])
    assert mx.nd.preloaded_multi_sgd_update(mx.nd.ones((2,)), mx.nd.ones((2,)), *rates).asnumpy().tolist() == [0.5] * 2


@pytest.mark.parametrize("call, text", [
    (lambda c, q, e: c.quantized_act(q, *e, act_type="tanh"), "quantized_act.*expected 'relu'"),
    (lambda c, q, e: c.quantized_pooling(q.reshape((1, 1, 2, 2)), *e, kernel=(2, 2), pool_type="sum"), "quantized_pooling.*'max' or 'avg'"),
    (lambda c, q, e: c.quantized_flatten(q.astype("float32"), *e), r"quantized_flatten\] data has dtype float32, expected int8 or uint8"),
    (lambda c, q, e: c.quantized_batch_norm(q, *[mx.nd.ones((2,))] * 4, *e), "quantized_batch_norm.*min_calib_range"),
    (lambda c, q, e: c.quantized_concat(q, q.reshape((4, 1)), *e, *e), "quantized_concat.*arg1 has shape"),
    (lambda c, q, e: c.quantized_rnn(q, q, q, q, *e, state_size=1, num_layers=1, mode="gru"), "quantized_rnn.*expected 'lstm'"),
    (lambda c, q, e: c.quantized_conv(q, q, *e, *e, kernel=(3, 3), num_filter=1, no_bias=True), "quantized_conv.*data has shape"),
    (lambda c, q, e: c.quantized_fully_connected(q, q.astype("uint8"), *e, *e, num_hidden=2, no_bias=True), "weight.*expected int8"),
])
def test_errors_say_what_was_found(call, text):
    q = mx.nd.array([[1, 2], [3, 4]], dtype="int8")
    with pytest.raises(mx.base.MXNetError, match=text):
        call(mx.nd.contrib, q, [mx.nd.array([-1.0]), mx.nd.array([1.0])])
        mx.nd.waitall()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind, levels", [("int8", 127.5), ("uint8", 255.5)])
def test_numbers_become_the_nearest_level(kind, levels, dtype):
    x = np.concatenate([np.random.default_rng(4).normal(size=70_013), np.arange(-9, 9) / 2, [np.inf, -np.inf, np.nan]]).astype(dtype)
    data = mx.nd.array(x, dtype=dtype)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    q, least, largest = mx.nd.contrib.quantize_v2(data, out_type=kind, min_calib_range=-0.75, max_calib_range=1.5)
    with np.errstate(invalid="ignore"):
        scaled = np.rint(x.astype("float32") * np.float32(np.float32(levels) / np.float32(1.5)))
    wanted = np.where(np.isnan(scaled), low, np.clip(scaled, low, high))
    np.testing.assert_array_equal(q.asnumpy(), wanted)
    back = mx.nd.contrib.dequantize(q, least, largest).asnumpy()
    np.testing.assert_array_equal(back, np.float32(np.float32(largest.asscalar()) / np.float32(levels)) * wanted.astype("float32"))
    # Without a range, the least and largest number are found.
    few = mx.nd.array(x[:70_013], dtype=dtype)
    ends = mx.nd.contrib.quantize_v2(few, out_type=kind)[1:]
    reach = np.abs(x[:70_013].astype("float32")).max()
    assert ends[1].asscalar() == (reach if kind == "int8" else x[:70_013].astype("float32").max())
