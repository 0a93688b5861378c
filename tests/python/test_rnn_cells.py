"""mx.rnn: fused cells equal single ones, states go on, checkpoints cross over, and what is refused."""
import inspect
import random

import numpy as np
import pytest

import heddle as mx

MODES = ["rnn_relu", "rnn_tanh", "lstm", "gru"]


def run(symbol, args, **shapes):
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", **shapes)
    executor.copy_params_from(args, allow_extra_params=True)
    return [o.asnumpy() for o in executor.forward()]


def random_vector(cell, inputs):
    length = cell._shape.length(inputs)
    return {f"{cell._prefix}parameters": mx.nd.array(np.random.default_rng(5).uniform(-0.5, 0.5, length)),
            "data": mx.nd.array(np.random.default_rng(6).uniform(-1, 1, (2, 4, inputs)))}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_fused_equals_unfused(mode, bidirectional):
    cell = mx.rnn.FusedRNNCell(5, 2, mode, bidirectional, prefix="net_")
    args = random_vector(cell, 3)
    stack = cell.unfuse()
    single = stack.pack_weights(cell.unpack_weights(args))
    assert "net_l1_i2h_weight" in single
    fused, = run(cell.unroll(4, mx.sym.Variable("data"))[0], args, data=(2, 4, 3))
    apart, = run(stack.unroll(4, mx.sym.Variable("data"), merge_outputs=True)[0], single, data=(2, 4, 3))
    np.testing.assert_allclose(fused, apart, atol=1e-6)


def test_packing_takes_back_what_unpacking_made():
    cell = mx.rnn.FusedRNNCell(3, 2, "gru", True)
    args = random_vector(cell, 2)
    back = cell.pack_weights(cell.unpack_weights(args))
    np.testing.assert_array_equal(back["gru_parameters"].asnumpy(), args["gru_parameters"].asnumpy())
    assert back["data"] is args["data"]
    with pytest.raises(ValueError, match=r"gru of 2 layers with 3 hidden units has 100 numbers, expected \d+ \+ 18 times"):
        cell.unpack_weights({"gru_parameters": mx.nd.zeros((100,))})


@pytest.mark.parametrize("make", [lambda: mx.rnn.LSTMCell(3), lambda: mx.rnn.GRUCell(3),
                                  lambda: mx.rnn.FusedRNNCell(3, 1, "lstm", get_next_state=True)])
def test_states_carry_on(make):
    """Four steps are two and two more from the states of the first."""
    data = mx.sym.Variable("data")
    whole = make().unroll(4, data, layout="TNC", merge_outputs=True)[0]
    cell = make()
    first, states = cell.unroll(2, mx.sym.slice_axis(data, axis=0, begin=0, end=2), layout="TNC", merge_outputs=True)
    second, _ = cell.unroll(2, mx.sym.slice_axis(data, axis=0, begin=2, end=4), begin_state=states, layout="TNC", merge_outputs=True)
    halves = mx.sym.Concat(first, second, dim=0)
    shapes = dict(zip(whole.list_arguments(), whole.infer_shape(data=(4, 2, 3))[0]))
    args = {n: mx.nd.array(np.random.default_rng(len(n)).uniform(-1, 1, s)) for n, s in shapes.items()}
    np.testing.assert_allclose(run(whole, args, data=(4, 2, 3))[0], run(halves, args, data=(4, 2, 3))[0], atol=1e-6)


def test_states_of_both_directions_can_be_given_back():
    cell = mx.rnn.BidirectionalCell(mx.rnn.LSTMCell(3, "l_"), mx.rnn.GRUCell(3, "r_"))
    _, states = cell.unroll(2, mx.sym.Variable("data"))
    outputs, _ = cell.unroll(2, mx.sym.Variable("more"), begin_state=states, merge_outputs=True)
    assert outputs.infer_shape(data=(2, 2, 4), more=(2, 2, 4))[1] == [(2, 2, 6)]


def test_zoneout_of_everything_keeps_what_was():
    """Each step's states are the old ones: the last output is that of zeros."""
    cell = mx.rnn.ZoneoutCell(mx.rnn.RNNCell(3), zoneout_outputs=1.0, zoneout_states=1.0)
    outputs, states = cell.unroll(3, mx.sym.Variable("data"))
    executor = mx.sym.Group(outputs + states).simple_bind(mx.cpu(), data=(2, 3, 4))
    for array in executor.arg_dict.values():
        array[:] = 0.5
    assert all((o.asnumpy() == 0).all() for o in executor.forward(is_train=True))
    assert all((o.asnumpy() != 0).all() for o in executor.forward(is_train=False)[:1])


def test_checkpoints_of_fused_cells_are_read_by_single_ones(tmp_path):
    cell = mx.rnn.FusedRNNCell(3, 1, "lstm", prefix="net_")
    args = random_vector(cell, 2)
    symbol = cell.unroll(4, mx.sym.Variable("data"))[0]
    mx.rnn.save_rnn_checkpoint(cell, str(tmp_path / "n"), 1, symbol, {"net_parameters": args["net_parameters"]}, {})
    stack = cell.unfuse()
    _, single, _ = mx.rnn.load_rnn_checkpoint([stack], str(tmp_path / "n"), 1)
    apart, = run(stack.unroll(4, mx.sym.Variable("data"), merge_outputs=True)[0], {**single, "data": args["data"]}, data=(2, 4, 2))
    np.testing.assert_allclose(run(symbol, args, data=(2, 4, 2))[0], apart, atol=1e-6)


def test_a_module_initialises_the_parameters_of_fused_cells():
    cell = mx.rnn.FusedRNNCell(4, 2, forget_bias=2.5, prefix="net_")
    module = mx.mod.Module(cell.unroll(3, mx.sym.Variable("data"))[0], label_names=None)
    module.bind([("data", (2, 3, 5))])
    module.init_params(mx.init.Xavier())
    params = cell.unpack_weights(module.get_params()[0])
    assert (params["net_l1_h2h_f_bias"].asnumpy() == 2.5).all() and (params["net_l1_h2h_i_bias"].asnumpy() == 0).all()
    bound = np.sqrt(3 / ((4 + 5) / 2))
    assert 0 < np.abs(params["net_l0_i2h_o_weight"].asnumpy()).max() <= bound


def test_old_unroll_makes_its_inputs():
    with pytest.warns(UserWarning, match="rnn_unroll is deprecated"):
        outputs, _ = mx.rnn.rnn_unroll(mx.rnn.RNNCell(3), 2, input_prefix="p_")
    assert {"p_t0_data", "p_t1_data"} <= set(outputs[1].list_arguments())


@pytest.mark.parametrize("words, known", [(["a", "c"], {"a": 1, "b": 2}), (["c", "c"], {"a": 1})])
def test_unknown_words_share_the_number_of_the_unknown_token(words, known):
    numbers, vocabulary = mx.rnn.encode_sentences([words], dict(known), unknown_token="a")
    assert numbers == [[1, 1]] and vocabulary == known
    with pytest.raises(ValueError, match="Unknown token c"):
        mx.rnn.encode_sentences([words], dict(known))


def test_sentences_keep_their_words_when_shuffled():
    sentences = [[i, i + 1, i + 2][: 2 + i % 2] for i in range(40)]
    random.seed(1)
    np.random.seed(2)
    data = mx.rnn.BucketSentenceIter(sentences, 4, buckets=[2, 3, 9], invalid_label=-1)
    for _ in range(2):
        seen = [tuple(int(w) for w in row if w >= 0) for batch in data for row in batch.data[0].asnumpy()]
        assert sorted(seen) == sorted(map(tuple, sentences))
        data.reset()
    with pytest.raises(ValueError, match="found no length of which there are 50 sentences"):
        mx.rnn.BucketSentenceIter(sentences, 50)
    with pytest.raises(ValueError, match="Invalid layout XY"):
        mx.rnn.BucketSentenceIter(sentences, 2, layout="XY")


def wrong_cells():
    both = mx.rnn.BidirectionalCell(mx.rnn.RNNCell(3), mx.rnn.RNNCell(3, prefix="r_"))
    held = mx.rnn.RNNCell(3)
    mx.rnn.ResidualCell(held)
    shared = mx.rnn.RNNCell(3, params=mx.rnn.RNNParams("x_"))
    x = mx.sym.Variable("x")
    return [
        (NotImplementedError, "cannot be stepped", lambda: mx.rnn.FusedRNNCell(3)(x, [])),
        (NotImplementedError, "cannot be stepped", lambda: both(x, [])),
        (ValueError, "found dropout='a', expected a number", lambda: mx.rnn.DropoutCell("a")),
        (ValueError, "doesn't support zoneout", lambda: mx.rnn.ZoneoutCell(mx.rnn.FusedRNNCell(3))),
        (ValueError, "doesn't support zoneout", lambda: mx.rnn.ZoneoutCell(both)),
        (ValueError, "a modifier holds this cell", lambda: held(x, held.begin_state())),
        (ValueError, "found 1 inputs, expected length=3", lambda: mx.rnn.RNNCell(3).unroll(3, [x])),
        (ValueError, "found a group of 2 symbols", lambda: mx.rnn.RNNCell(3).unroll(2, mx.sym.Group([x, x]))),
        (ValueError, "found no inputs", lambda: mx.rnn.RNNCell(3).unroll(2, None)),
        (ValueError, "found layout='NC', expected one with an axis T", lambda: mx.rnn.RNNCell(3).unroll(2, x, layout="NC")),
        (ValueError, "Only support odd number", lambda: mx.rnn.ConvGRUCell((1, 3, 8, 8), 4, h2h_kernel=(2, 2))),
        (ValueError, "Either specify params", lambda: mx.rnn.SequentialRNNCell(mx.rnn.RNNParams("p_")).add(shared)),
        (KeyError, "lstm_i2h_weight", lambda: mx.rnn.LSTMCell(3).unpack_weights({})),
        (ValueError, "found mode 'elman'", lambda: mx.rnn.FusedRNNCell(3, mode="elman")),
    ]


@pytest.mark.parametrize("error, text, call", wrong_cells(), ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_refused(error, text, call):
    with pytest.raises(error, match=text):
        call()


def test_signatures_are_those_of_mxnet():
    def names(function):
        return [p for p in inspect.signature(function).parameters if p != "self"]

    assert names(mx.rnn.FusedRNNCell) == ["num_hidden", "num_layers", "mode", "bidirectional", "dropout", "get_next_state",
                                          "forget_bias", "prefix", "params"]
    assert names(mx.rnn.BucketSentenceIter) == ["sentences", "batch_size", "buckets", "invalid_label", "data_name", "label_name",
                                                "dtype", "layout"]
    assert names(mx.rnn.ConvLSTMCell)[:7] == ["input_shape", "num_hidden", "h2h_kernel", "h2h_dilate", "i2h_kernel", "i2h_stride",
                                              "i2h_pad"]


@pytest.mark.parametrize("layout", ["NHWC", "NWC", "NDHWC"])
@pytest.mark.parametrize("kind", ["ConvRNNCell", "ConvLSTMCell", "ConvGRUCell"])
def test_channels_may_come_last_in_cells_of_convolutions(kind, layout):
    axes = len(layout) - 2
    first = "NC" + layout[1:-1]
    there = [layout.index(axis) for axis in first]  # an array of channels last, transposed: of channels first
    back = [first.index(axis) for axis in layout]

    def unrolled(layout, shape):
        kernels = {f"{part}_kernel": (3,) * axes for part in ("h2h", "i2h")}
        ones = dict.fromkeys(["h2h_dilate", "i2h_dilate", "i2h_stride", "i2h_pad"], (1,) * axes)
        cell = getattr(mx.rnn, kind)(shape, 4, conv_layout=layout, prefix="c_", **kernels, **ones)
        return mx.sym.Group(cell.unroll(2, [mx.sym.Variable("x0"), mx.sym.Variable("x1")])[0])

    def gradients(symbol, args):
        executor = symbol.simple_bind(mx.cpu(), **{n: a.shape for n, a in args.items() if n in ("x0", "x1")})
        for name, array in args.items():
            assert executor.arg_dict[name].shape == array.shape
            executor.arg_dict[name][:] = array
        outputs = executor.forward(is_train=True)
        executor.backward([o * o for o in outputs])
        return ([o.asnumpy() for o in outputs], {n: a.asnumpy() for n, a in executor.grad_dict.items()})

    draw = np.random.default_rng(7)
    picture = (2, 3, 5, 4, 3)[:axes + 2]
    before = unrolled(first, picture)
    shapes, _, _ = before.infer_shape(x0=picture, x1=picture)
    args = {n: draw.uniform(-1, 1, s).astype(np.float32) for n, s in zip(before.list_arguments(), shapes)}
    moved = {n: a.transpose(back) if a.ndim > 1 else a for n, a in args.items()}
    outputs, grads = gradients(before, args)
    ours, our_grads = gradients(unrolled(layout, moved["x0"].shape), moved)
    for a, b in zip(ours, outputs):
        np.testing.assert_allclose(a.transpose(there), b, rtol=1e-5, atol=1e-6)
    for name, b in grads.items():
        a = our_grads[name]
        np.testing.assert_allclose(a.transpose(there) if a.ndim > 1 else a, b, rtol=1e-4, atol=1e-5)
