"""CTCLoss: names, shapes, long sequences, gradients of heads, and what it refuses."""
import numpy as np
import pytest

import heddle as mx


def test_names_and_shapes():
    for function in (mx.sym.CTCLoss, mx.sym.ctc_loss, mx.sym.contrib.CTCLoss, mx.sym.contrib.ctc_loss):
        loss = function(mx.sym.Variable("data"), mx.sym.Variable("label"), use_label_lengths=True, name="ctc")
        assert loss.list_arguments() == ["data", "label", "ctc_label_lengths"]
        assert loss.list_outputs() == ["ctc_output0"]
        inputs, outputs, _ = loss.infer_shape(data=(7, 2, 5), label=(2, 3))
        assert inputs == [(7, 2, 5), (2, 3), (2,)] and outputs == [(2,)]


@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 0, 3)])
def test_empty_extents(shape):
    data = mx.nd.ones(shape)
    data.attach_grad()
    with mx.autograd.record():
        loss = mx.nd.CTCLoss(data, mx.nd.ones((shape[1], 2)))
    loss.backward()
    assert loss.shape == shape[1:2] and data.grad.shape == shape
    np.testing.assert_array_equal(loss.asnumpy(), np.zeros(shape[1]))


def test_sequences_without_labels_are_blanks_throughout():
    data = mx.nd.array(np.random.default_rng(1).normal(size=(6, 2, 3)))
    wanted = -mx.nd.log_softmax(data).asnumpy()[:, :, 0].sum(0)
    np.testing.assert_allclose(mx.nd.CTCLoss(data, mx.nd.zeros((2, 4))).asnumpy(), wanted, rtol=1e-6)


def test_long_sequences_do_not_underflow():
    """Equal activations: the number of alignments of n labels in t steps is known, their probability tiny."""
    steps, labels, alphabet = 2000, 3, 50
    loss = mx.nd.CTCLoss(mx.nd.zeros((steps, 1, alphabet), dtype="float64"), mx.nd.array([[1, 2, 3]])).asscalar()
    ways = np.log([(steps + labels - i) / (2 * labels - i) for i in range(2 * labels)]).sum()  # binomial (t + n, 2 n)
    np.testing.assert_allclose(loss, steps * np.log(alphabet) - ways, rtol=1e-12)


def test_large_activations():
    data = mx.nd.array([[[0, 1000.0, 0]], [[0, 0, 1000.0]]])
    data.attach_grad()
    with mx.autograd.record():
        loss = mx.nd.CTCLoss(data, mx.nd.array([[1, 2]]))
    loss.backward()
    assert loss.asscalar() == 0 and np.abs(data.grad.asnumpy()).max() == 0


def test_heads_scale_gradients_and_labels_have_none():
    data, label = mx.nd.array(np.random.default_rng(2).normal(size=(5, 2, 4))), mx.nd.array([[1, 2], [3, 0]])
    data.attach_grad()
    label.attach_grad()
    found = []
    for heads in ([1, 1], [2, -3]):
        with mx.autograd.record():
            loss = mx.nd.CTCLoss(data, label)
        loss.backward(mx.nd.array(heads))
        found.append(data.grad.asnumpy())
    np.testing.assert_allclose(found[1], found[0] * np.array([2, -3]).reshape(1, 2, 1), rtol=1e-6)
    np.testing.assert_array_equal(label.grad.asnumpy(), np.zeros((2, 2)))


@pytest.mark.parametrize("label, options, text", [
    ([[1, 4], [1, 1]], {}, r"\[CTCLoss\] label has the value 4, expected 0 to 3"),
    ([[1, -1], [1, 1]], {}, r"\[CTCLoss\] label has the value -1, expected 0 to 3"),
    ([[1, 1, 1]], {}, r"\[CTCLoss\] label has shape \(1, ?3\)"),
    ([[1, 2], [1, 1]], {"data_lengths": [5, 6], "use_data_lengths": True}, "data_lengths has the value 6, expected 0 to 5"),
    ([[1, 2], [1, 1]], {"label_lengths": [-1, 2], "use_label_lengths": True}, "label_lengths has the value -1, expected 0 to 2"),
])
def test_bad_calls(label, options, text):
    options = {k: mx.nd.array(v) if k.endswith("lengths") and isinstance(v, list) else v for k, v in options.items()}
    with pytest.raises(mx.base.MXNetError, match=text):
        mx.nd.CTCLoss(mx.nd.ones((5, 2, 4)), mx.nd.array(label), **options).wait_to_read()
