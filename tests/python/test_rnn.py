"""RNN: shapes from whatever is known, dropout between layers, empty extents, and what it refuses."""
import numpy as np
import pytest

import heddle as mx

LSTM = {"mode": "lstm", "state_size": 4, "num_layers": 2}
COUNT = 4 * 4 * (3 + 4 + 2) + 4 * 4 * (4 + 4 + 2)


def arrays(steps=5, batch=2, features=3, count=COUNT):
    rng = np.random.default_rng(2)
    shapes = [(steps, batch, features), (count,), (2, batch, 4), (2, batch, 4)]
    return [mx.nd.array(rng.uniform(-0.5, 0.5, shape)) for shape in shapes]


@pytest.mark.parametrize("known", [{"data": (5, 2, 3)}, {"data": (5, 0, 0), "parameters": (COUNT,), "state": (2, 2, 4)}])
def test_shapes_follow_from_data_or_from_parameters_and_state(known):
    symbol = mx.sym.RNN(mx.sym.Variable("data"), mx.sym.Variable("parameters"), mx.sym.Variable("state"),
                        mx.sym.Variable("state_cell"), state_outputs=True, name="rnn", **LSTM)
    assert symbol.list_outputs() == ["rnn_output", "rnn_state_output", "rnn_statecell_output"]
    inputs, outputs, _ = symbol.infer_shape(**known)
    assert dict(zip(symbol.list_arguments(), inputs)) == {
        "data": (5, 2, 3), "parameters": (COUNT,), "state": (2, 2, 4), "state_cell": (2, 2, 4)}
    assert outputs == [(5, 2, 4), (2, 2, 4), (2, 2, 4)]


def test_inputs_are_created_with_mxnets_names():
    symbol = mx.sym.RNN(mx.sym.Variable("data"), use_sequence_length=True, name="rnn", **LSTM)
    assert symbol.list_arguments() == ["data", "rnn_parameters", "rnn_state", "rnn_state_cell", "rnn_sequence_length"]


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_relu", "rnn_tanh"])
def test_dropout_is_between_layers_in_training_only(mode):
    """With p = 1 the upper layer sees zeros, whatever data is; without training, p changes nothing."""
    features, gates = 3, {"lstm": 4, "gru": 3}.get(mode, 1)
    count = gates * 4 * (features + 4 + 2) + gates * 4 * 10
    data, parameters, *states = arrays(count=count)
    states = states[:2 if mode == "lstm" else 1]
    params = {**LSTM, "mode": mode}
    plain = mx.nd.RNN(data, parameters, *states, **params).asnumpy()
    np.testing.assert_array_equal(mx.nd.RNN(data, parameters, *states, p=0.5, **params).asnumpy(), plain)
    with mx.autograd.train_mode():
        once = mx.nd.RNN(data, parameters, *states, p=1, **params).asnumpy()
        other = mx.nd.RNN(data + 1, parameters, *states, p=1, **params).asnumpy()
        half = mx.nd.RNN(data, parameters, *states, p=0.5, **params).asnumpy()
    np.testing.assert_array_equal(once, other)
    assert not np.allclose(once, plain) and not np.allclose(half, plain) and not np.allclose(half, once)


def test_gradients_pass_dropout_where_values_did():
    """The same seed drops the same elements, so finite differences see the mask."""
    ins = [a.astype("float64") for a in arrays()]

    def total(*values):
        mx.random.seed(7)
        with mx.autograd.record():
            return (mx.nd.RNN(*values, p=0.4, **LSTM) ** 2).sum()

    for a in ins:
        a.attach_grad()
    total(*ins).backward()
    for i in (0, 1):
        found = ins[i].grad.asnumpy().reshape(-1)
        for at in np.linspace(0, found.size - 1, 12).astype(int):
            ends = []
            for step in (1e-6, -1e-6):
                moved = ins[i].asnumpy()
                moved.reshape(-1)[at] += step
                given = [*ins[:i], mx.nd.array(moved, dtype="float64"), *ins[i + 1:]]
                ends.append(total(*given).asscalar())
            np.testing.assert_allclose(found[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("steps, batch", [(0, 2), (5, 0), (0, 0)])
def test_empty_extents(steps, batch):
    ins = arrays(steps, batch)
    for a in ins:
        a.attach_grad()
    with mx.autograd.record():
        outs = mx.nd.RNN(*ins, state_outputs=True, **LSTM)
    mx.autograd.backward(outs)
    assert [o.shape for o in outs] == [(steps, batch, 4), (2, batch, 4), (2, batch, 4)]
    np.testing.assert_array_equal(outs[1].asnumpy(), ins[2].asnumpy())
    np.testing.assert_array_equal(ins[1].grad.asnumpy(), np.zeros(COUNT))
    np.testing.assert_array_equal(ins[3].grad.asnumpy(), np.ones((2, batch, 4)))


def test_memory_can_be_clipped_where_it_is_nan():
    data, parameters, state, memory = arrays()
    memory[:] = np.nan
    clip = {"lstm_state_clip_min": -0.1, "lstm_state_clip_max": 0.1}
    assert np.isnan(mx.nd.RNN(data, parameters, state, memory, **LSTM, **clip).asnumpy()).all()
    found = mx.nd.RNN(data, parameters, state, memory, lstm_state_clip_nan=True, **LSTM, **clip).asnumpy()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("changed, options, text", [
    ({1: (COUNT - 1,)}, {}, r"\[RNN\] parameters has shape \(303,\), expected 256 \+ 16 elements for each feature"),
    ({2: (2, 3, 4)}, {}, r"\[RNN\] state has shape \(2, ?3, ?4\), expected \(2, ?2, ?4\)"),
    ({}, {"lstm_state_clip_min": -1.0}, "lstm_state_clip_min alone"),
    ({}, {"projection_size": 0}, "projection_size has the value 0"),
    ({}, {"p": 1.5}, r"\[RNN\] p"),
])
def test_bad_calls(changed, options, text):
    ins = arrays()
    for i, shape in changed.items():
        ins[i] = mx.nd.ones(shape)
    with pytest.raises(mx.base.MXNetError, match=text):
        mx.nd.RNN(*ins, **LSTM, **options)


def test_projections_are_for_lstm():
    data, _, state, _ = arrays()
    with pytest.raises(mx.base.MXNetError, match="None unless mode is lstm"):
        mx.nd.RNN(data, mx.nd.ones((3,)), state, mode="gru", state_size=4, num_layers=2, projection_size=2)


def test_integers_are_refused_with_the_dtype():
    with pytest.raises(mx.base.MXNetError, match=r"\[RNN\] data has dtype int32, expected a floating type"):
        mx.nd.RNN(*[a.astype("int32") for a in arrays()], **LSTM).wait_to_read()


@pytest.mark.parametrize("dtype, tolerance", [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_halves_are_computed_in_float(dtype, tolerance):
    """So that many steps do not add rounding errors up: gradients too."""
    wide = [a.astype(dtype).astype("float32") for a in arrays(steps=40)]
    found = []
    for ins in (wide, [a.astype(dtype) for a in wide]):
        for a in ins:
            a.attach_grad()
        with mx.autograd.record():
            y = mx.nd.RNN(*ins, **LSTM)
        y.backward()
        found.append([v.astype("float32").asnumpy() for v in (y, *(a.grad for a in ins))])
    for half, single in zip(*found):
        np.testing.assert_allclose(half, single, atol=tolerance * np.abs(single).max())


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_is_kept_for_the_gradient_changes_no_bit(mode, bidirectional):
    """A call that nobody differentiates keeps the gates of a few steps at a time."""
    steps, batch, features, width, layers, gates = 21, 5, 7, 40, 3, {"lstm": 4, "gru": 3}.get(mode, 1)
    sides = 1 + bidirectional
    count = sum(sides * gates * width * ((width * sides if i else features) + width + 2) for i in range(layers))
    rng = np.random.default_rng(5)
    shapes = [(steps, batch, features), (count,)] + [(layers * sides, batch, width)] * (1 + (mode == "lstm"))
    ins = [mx.nd.array(rng.uniform(-0.4, 0.4, shape)) for shape in shapes]
    ins[1].attach_grad()
    found = []
    for scope in (mx.autograd.train_mode, mx.autograd.record):
        mx.random.seed(9)
        with scope():
            outputs = mx.nd.RNN(*ins, mode=mode, state_size=width, num_layers=layers, bidirectional=bidirectional, p=0.3,
                                state_outputs=True)
        found.append([o.asnumpy() for o in outputs])
    for one, other in zip(*found):
        assert one.tobytes() == other.tobytes()
