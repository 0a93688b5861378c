"""Recurrent layers and cells."""
import numpy as np
import pytest

import heddle as mx
from heddle import autograd, gluon
from heddle.gluon import rnn

LAYERS = {"rnn": lambda **k: rnn.RNN(4, 2, activation="tanh", **k), "lstm": lambda **k: rnn.LSTM(4, 2, **k),
          "gru": lambda **k: rnn.GRU(4, 2, **k)}
CELLS = {"rnn": lambda **k: rnn.RNNCell(5, input_size=5, **k), "lstm": lambda **k: rnn.LSTMCell(5, input_size=5, **k),
         "gru": lambda **k: rnn.GRUCell(5, input_size=5, **k)}


def data(*shape, seed=1):
    return mx.nd.array(np.random.RandomState(seed).uniform(-1, 1, shape).astype("float32"))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layout", ["TNC", "NTC"])
@pytest.mark.parametrize("kind", LAYERS)
def test_layers_are_the_cells_they_are_made_of(kind, layout, bidirectional):
    net = LAYERS[kind](layout=layout, bidirectional=bidirectional, prefix="net_")
    net.initialize(mx.init.Xavier())
    x = data(3, 2, 5) if layout == "TNC" else data(2, 3, 5)
    states = [data(*s["shape"], seed=i) for i, s in enumerate(net.state_info(2))]
    outputs, last = net(x, states)
    cells = net._unfuse()
    assert list(cells.collect_params()) == list(net.collect_params())
    # A layer's states are (layers * directions, batch, size) per kind; those of the stack go cell by cell.
    begin = [s[i] for i in range(4 if bidirectional else 2) for s in states]
    wanted, after = cells.unroll(3, x, begin, layout=layout, merge_outputs=True)
    assert np.allclose(outputs.asnumpy(), wanted.asnumpy(), atol=1e-6)
    for at, state in enumerate(after):
        assert np.allclose(last[at % len(states)][at // len(states)].asnumpy(), state.asnumpy(), atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_hybrid_layers_give_the_same_bits(kind):
    def run(hybrid):
        mx.random.seed(3)
        net = LAYERS[kind](input_size=5, dropout=0.4)
        net.initialize(mx.init.Xavier())
        net.hybridize(hybrid)
        x = data(3, 2, 5)
        x.attach_grad()
        mx.random.seed(4)
        with autograd.record():
            y = net(x)
        y.backward()
        return [y.asnumpy(), x.grad.asnumpy()] + [p.grad().asnumpy() for p in net.collect_params().values()]

    for one, other in zip(run(False), run(True)):
        assert np.array_equal(one, other)


def test_layers_without_and_with_states():
    net = rnn.LSTM(4, projection_size=3)
    net.initialize()
    x = data(5, 2, 6)
    for hybrid in (False, True):
        net.hybridize(hybrid)
        assert net(x).shape == (5, 2, 3)
        outputs, states = net(x, net.begin_state(2))
        assert outputs.shape == (5, 2, 3) and [s.shape for s in states] == [(1, 2, 3), (1, 2, 4)]
    net.hybridize(False)
    with pytest.raises(ValueError, match="Invalid recurrent state shape"):
        net(x, [data(1, 3, 3), data(1, 3, 4)])
    other = rnn.GRU(4)
    other.initialize()
    with pytest.raises(ValueError, match="rank-3"):
        other(data(5, 6))


def test_sequence_length():
    net = rnn.GRU(4, use_sequence_length=True)
    net.initialize()
    x = data(3, 2, 5)
    outputs, states = net(x, net.begin_state(2), mx.nd.array([2, 3]))
    assert float(outputs[2, 0].abs().sum().item()) == 0 and float(outputs[2, 1].abs().sum().item()) > 0
    assert np.allclose(states[0][0, 0].asnumpy(), outputs[1, 0].asnumpy())


@pytest.mark.parametrize("kind", CELLS)
def test_cells_unroll(kind):
    cell = CELLS[kind]()
    cell.initialize(mx.init.Xavier())
    x = data(2, 3, 5)
    outputs, states = cell.unroll(3, x)
    assert len(outputs) == 3 and [s.shape for s in states] == [s["shape"] for s in cell.state_info(2)]
    step, after = cell(x[:, 0], cell.begin_state(2))
    assert np.array_equal(step.asnumpy(), outputs[0].asnumpy())
    merged, _ = cell.unroll(3, [x[:, t] for t in range(3)], merge_outputs=True)
    assert np.array_equal(merged.asnumpy(), np.stack([o.asnumpy() for o in outputs], 1))
    short, last = cell.unroll(3, x, merge_outputs=True, valid_length=mx.nd.array([1, 3]))
    assert np.array_equal(short[0].asnumpy(), np.concatenate([merged[0, :1].asnumpy(), np.zeros((2, 5), "float32")]))
    assert np.array_equal(last[0][0].asnumpy(), merged[0, 0].asnumpy())
    with pytest.raises(ValueError, match="expected length 4"):
        cell.unroll(4, x)


@pytest.mark.parametrize("kind", CELLS)
def test_hybrid_cells(kind):
    cell = CELLS[kind]()
    cell.initialize(mx.init.Xavier())
    x = data(2, 3, 5)
    wanted = cell.unroll(3, x, merge_outputs=True)[0].asnumpy()
    cell.hybridize()
    assert np.allclose(cell.unroll(3, x, merge_outputs=True)[0].asnumpy(), wanted, atol=1e-6)


def test_stacks_and_modifiers():
    stack = rnn.SequentialRNNCell(prefix="net_")
    with stack.name_scope():
        stack.add(rnn.LSTMCell(5))
        stack.add(rnn.ResidualCell(rnn.GRUCell(5)))
        stack.add(rnn.DropoutCell(0.5))
        stack.add(rnn.ZoneoutCell(rnn.RNNCell(5), 0.3, 0.2))
    stack.initialize()
    x = data(2, 3, 5)
    outputs, states = stack.unroll(3, x)
    assert len(outputs) == 3 and len(states) == len(stack.state_info()) == 4 and len(stack) == 4
    assert stack.begin_state(2)[0].shape == (2, 5)
    step, after = stack(x[:, 0], stack.begin_state(2))
    assert np.array_equal(step.asnumpy(), outputs[0].asnumpy())
    assert sorted(n.split("_")[1] for n in stack.collect_params() if n.endswith("i2h_weight")) == ["gru0", "lstm0", "rnn0"]
    with pytest.raises(AssertionError, match="cannot be called directly"):
        stack[1].base_cell.begin_state(2)
    with pytest.raises(AssertionError, match="already modified"):
        rnn.ZoneoutCell(stack[1].base_cell)


def test_zoneout_keeps_parts_of_the_step_before():
    def run(hybrid):
        mx.random.seed(3)
        cell = rnn.ZoneoutCell(rnn.RNNCell(50, input_size=5), zoneout_outputs=0.5)
        cell.initialize(mx.init.Xavier())
        cell.hybridize(hybrid)
        with autograd.train_mode():
            return [o.asnumpy() for o in cell.unroll(3, data(2, 3, 5))[0]]

    outputs = run(False)
    kept = (outputs[1] == outputs[0]).mean()
    assert 0.3 < kept < 0.7
    for one, other in zip(outputs, run(True)):
        assert np.allclose(one, other, atol=1e-6)


def test_bidirectional_cells():
    cell = rnn.BidirectionalCell(rnn.GRUCell(3, prefix="l_"), rnn.GRUCell(3, prefix="r_"))
    cell.initialize(mx.init.Xavier())
    x = data(2, 4, 5)
    outputs, states = cell.unroll(4, x, merge_outputs=True)
    assert outputs.shape == (2, 4, 6) and len(states) == 2
    right = cell._children["r_cell"].unroll(4, x[:, ::-1], merge_outputs=True)[0]
    assert np.allclose(outputs[:, :, 3:].asnumpy(), right[:, ::-1].asnumpy(), atol=1e-6)
    short, _ = cell.unroll(4, x, merge_outputs=True, valid_length=mx.nd.array([2, 4]))
    first, _ = cell.unroll(2, x[:1, :2], merge_outputs=True)
    assert np.allclose(short[0, :2].asnumpy(), first[0].asnumpy(), atol=1e-6) and float(short[0, 2:].abs().sum().item()) == 0
    with pytest.raises(NotImplementedError, match="unroll"):
        cell(x[:, 0], cell.begin_state(2))


def test_cells_make_symbols():
    cell = rnn.LSTMCell(4, prefix="c_")
    outputs, states = cell.unroll(2, mx.sym.var("x"), merge_outputs=True)
    assert outputs.list_arguments() == ["x", "c_i2h_weight", "c_i2h_bias", "c_h2h_weight", "c_h2h_bias"]
    _, shapes, _ = outputs.infer_shape(x=(3, 2, 5))
    assert shapes == [(3, 2, 4)] and len(states) == 2


def test_a_network_with_a_layer_is_one_graph(tmp_path):
    class Net(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                self.embed = gluon.nn.Embedding(20, 6)
                self.lstm = rnn.LSTM(8, layout="NTC", input_size=6)
                self.out = gluon.nn.Dense(20, flatten=False)

        def hybrid_forward(self, F, x):
            return self.out(self.lstm(self.embed(x)))

    net = Net()
    net.initialize()
    x = mx.nd.array([[1, 2, 3], [4, 5, 6]])
    wanted = net(x).asnumpy()
    net.hybridize()
    assert np.allclose(net(x).asnumpy(), wanted, atol=1e-6) and net(x[:1]).shape == (1, 3, 20)
    net.export(str(tmp_path / "net"))
    block = gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    assert np.array_equal(block(x).asnumpy(), net(x).asnumpy())
