"""Bound symbols."""
import numpy as np
import pytest

import heddle as mx


def product():
    return mx.sym.Variable("x") * mx.sym.Variable("y")


def test_bind_and_run():
    x, y = mx.nd.array([1, 2]), mx.nd.array([3, 4])
    gx, gy = mx.nd.zeros((2,)), mx.nd.zeros((2,))
    e = product().bind(mx.cpu(), [x, y], [gx, gy])
    assert e.forward(is_train=True)[0].tolist() == [3, 8]
    e.backward(mx.nd.array([1, 10]))
    assert gx.tolist() == [3, 40] and gy.tolist() == [1, 20]
    e.backward({e._symbol.list_outputs()[0]: mx.nd.array([1, 1])})
    assert gx.tolist() == [3, 4]
    x[:] = 10  # the bound array itself
    assert e.forward()[0].tolist() == [30, 40]
    assert e.forward(y=mx.nd.array([0, 1]))[0].tolist() == [0, 10] and y.tolist() == [0, 1]
    with pytest.raises(TypeError, match="Unknown argument z"):
        e.forward(z=x)
    with pytest.raises(ValueError, match="Shape not match"):
        e.forward(x=mx.nd.ones((3,)))


def test_dicts_and_gaps():
    s = product()
    e = s.bind(mx.cpu(), {"y": mx.nd.array([5]), "x": mx.nd.array([2])}, {"x": mx.nd.zeros((1,))})
    e.forward(is_train=True)
    e.backward(mx.nd.array([1]))
    assert e.grad_dict["x"].tolist() == [5] and e.grad_dict["y"] is None
    assert list(e.arg_dict) == ["x", "y"] and e.output_dict[s.list_outputs()[0]].tolist() == [10]
    with pytest.raises(ValueError, match="args"):
        s.bind(mx.cpu(), [mx.nd.ones((1,))])
    with pytest.raises(ValueError, match="`y` is missing"):
        s.bind(mx.cpu(), {"x": mx.nd.ones((1,))})
    with pytest.raises(ValueError, match="aux_states"):
        mx.sym.BatchNorm(mx.sym.Variable("x")).bind(mx.cpu(), [mx.nd.ones((1, 1))] + [mx.nd.ones((1,))] * 2)
    twice = mx.sym.Variable("x") + mx.sym.Variable("x")
    with pytest.raises(ValueError, match="Duplicate names detected"):
        twice.bind(mx.cpu(), [mx.nd.ones((1,)), mx.nd.ones((1,))]).arg_dict


def test_variables_of_one_name_in_a_list_are_several():
    s = 2 * mx.sym.Variable("a") + 3 * mx.sym.Variable("a")
    given = [mx.nd.array([1, 2]), mx.nd.array([10, 20])]
    for requests, wanted in (("write", [[2, 2], [3, 3]]), ("add", [[3, 3], [4, 4]]), (["null", "add"], [[1, 1], [4, 4]]),
                             ({"a": "add"}, [[3, 3], [4, 4]])):
        grads = [mx.nd.ones((2,)), mx.nd.ones((2,))]
        e = s.bind(mx.cpu(), given, grads, requests)
        assert e.forward(is_train=True)[0].tolist() == [32, 64] and len(e.arg_arrays) == 2
        e.backward(mx.nd.ones((2,)))
        assert [g.tolist() for g in grads] == wanted
    # By name they are one. Both may meet: arguments by name, and gradients in a list.
    e = s.bind(mx.cpu(), {"a": given[0]}, {"a": mx.nd.zeros((2,))})
    assert e.forward(is_train=True)[0].tolist() == [5, 10]
    e.backward(mx.nd.ones((2,)))
    assert e.grad_dict["a"].tolist() == [5, 5]
    e = s.bind(mx.cpu(), {"a": given[0]}, [mx.nd.zeros((2,)), mx.nd.zeros((2,))])
    e.forward(is_train=True)
    e.backward(mx.nd.ones((2,)))
    assert [g.tolist() for g in e.grad_arrays] == [[2, 2], [3, 3]]
    with pytest.raises(ValueError, match="gradients by name, and several variables"):
        s.bind(mx.cpu(), given, {"a": mx.nd.zeros((2,))})
    # Another shape goes to all of a name.
    e = s.bind(mx.cpu(), given).reshape(a=(3,), partial_shaping=True, allow_up_sizing=True)
    assert [a.shape for a in e.arg_arrays] == [(3,), (3,)] and e.forward()[0].shape == (3,)


def test_auxiliary_states_of_one_name_in_a_list_are_several():
    twice = mx.sym.BatchNorm(mx.sym.BatchNorm(mx.sym.Variable("x"), name="n", eps=0), name="n", eps=0)
    numbers = [mx.nd.array([v]) for v in (1, 0, 1, 5)]
    e = twice.bind(mx.cpu(), [mx.nd.array([[6.0]]), *numbers], aux_states=[mx.nd.array([v]) for v in (2, 4, 1, 0.25)])
    assert e.forward()[0].tolist() == [[7]]  # ((6 - 2) / 2 - 1) / 0.5 + 5


@pytest.mark.parametrize("req, first, second", [("write", [3], [3]), ("add", [3], [6]), ("null", None, None)])
def test_grad_req(req, first, second):
    e = product().simple_bind(mx.cpu(), grad_req={"x": req}, x=(1,), y=(1,))
    e.arg_dict["y"][:] = 3
    for want in (first, second):
        e.forward(is_train=True)
        e.backward(mx.nd.ones((1,)))
        assert (e.grad_dict["x"] and e.grad_dict["x"].tolist()) == want
    assert e.grad_dict["y"] is None
    with pytest.raises(ValueError, match="sometimes"):
        product().simple_bind(mx.cpu(), grad_req="sometimes", x=(1,), y=(1,))


def test_simple_bind():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    e = net.simple_bind(mx.cpu(), data=(2, 4), type_dict={"data": "float64"})
    assert e.arg_dict["fc_weight"].shape == (3, 4) and e.arg_dict["fc_weight"].dtype == "float64"
    assert e.arg_dict["data"].asnumpy().sum() == 0 and e.grad_dict["fc_bias"].shape == (3,)
    assert e.outputs[0].shape == (2, 3) and "MB allocated" in e.debug_str() and e.get_optimized_symbol() is net
    again = net.simple_bind(mx.cpu(), data=(5, 4), shared_exec=e, shared_arg_names=["fc_weight"],
                            type_dict={"data": "float64"})
    e.arg_dict["fc_weight"][:] = 2
    assert again.arg_dict["fc_weight"].asnumpy().min() == 2
    with pytest.raises(mx.MXNetError, match="data"):
        net.simple_bind(mx.cpu())


def test_outputs_stay_the_same_arrays():
    e = product().simple_bind(mx.cpu(), x=(2,), y=(2,))
    first = e.forward()[0]
    e.arg_dict["x"][:] = 2
    e.arg_dict["y"][:] = 3
    e.forward()
    assert first.tolist() == [6, 6] and e.outputs[0] is first


def test_losses_need_no_head_gradient_and_others_do():
    loss = mx.sym.SoftmaxOutput(mx.sym.Variable("data"), name="softmax")
    e = loss.simple_bind(mx.cpu(), data=(2, 3))
    e.forward(is_train=True)
    e.backward()
    np.testing.assert_allclose(e.grad_dict["data"].asnumpy(), [[-2 / 3, 1 / 3, 1 / 3]] * 2, rtol=1e-5)
    e = product().simple_bind(mx.cpu(), x=(1,), y=(1,))
    e.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match="head_grad"):
        e.backward()


def test_copy_params():
    net = mx.sym.BatchNorm(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc"), name="bn")
    e = net.simple_bind(mx.cpu(), data=(2, 4))
    weight = mx.nd.array(np.arange(12).reshape(3, 4), dtype="float64")
    e.copy_params_from({"fc_weight": weight}, {"bn_moving_var": mx.nd.ones((3,)) * 2})
    assert e.arg_dict["fc_weight"].asnumpy().tolist() == weight.asnumpy().tolist()
    assert e.aux_dict["bn_moving_var"].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="nothing"):
        e.copy_params_from({"nothing": weight})
    e.copy_params_from({"nothing": weight}, allow_extra_params=True)
    with pytest.raises(ValueError, match="shape"):
        e.copy_params_from({"fc_weight": mx.nd.zeros((3, 5))})


def test_reshape_shares_parameters():
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    e = net.simple_bind(mx.cpu(), data=(4, 3))
    smaller = e.reshape(data=(2, 3))
    e.arg_dict["fc_weight"][:] = 1
    assert smaller.forward(data=mx.nd.ones((2, 3)))[0].tolist() == [[3, 3], [3, 3]]
    bigger = e.reshape(allow_up_sizing=True, data=(8, 3))
    assert bigger.outputs[0].shape == (8, 2)
    with pytest.raises(mx.MXNetError):
        e.reshape(data=(8, 3))
    with pytest.raises(mx.MXNetError):
        e.reshape(data=(4, 5))


def test_monitor_callback():
    net = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc"), act_type="relu",
                            name="act")
    e = net.simple_bind(mx.cpu(), data=(1, 2))
    seen = {}
    e.set_monitor_callback(lambda name, array: seen.setdefault(name, array.shape))
    e.forward()
    assert seen == {"fc_output": (1, 2), "act_output": (1, 2)}
    seen.clear()
    e.set_monitor_callback(lambda name, array: seen.setdefault(name, array.shape), monitor_all=True)
    e.forward()
    assert seen["fc_weight"] == (2, 2) and "fc_output" in seen
    e.set_monitor_callback(None)
    seen.clear()
    e.forward()
    assert seen == {}


def test_groups_of_devices():
    with mx.AttrScope(ctx_group="a"):
        x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc1")
    with mx.AttrScope(ctx_group="b"):
        net = mx.sym.FullyConnected(x, num_hidden=2, name="fc2")
    e = net.simple_bind(mx.cpu(0), data=(1, 2), group2ctx={"a": mx.cpu(1), "b": mx.cpu(2)})
    assert e.arg_dict["fc1_weight"].context == mx.cpu(1) and e.arg_dict["fc2_weight"].context == mx.cpu(2)
    for array in e.arg_arrays:
        array[:] = 1
    assert e.forward(is_train=True)[0].tolist() == [[7, 7]]
    e.backward(mx.nd.ones((1, 2), ctx=mx.cpu(2)))
    assert e.grad_dict["fc1_weight"].tolist() == [[2, 2], [2, 2]]


def test_text_ends_as_programs_parse_it():
    text = mx.sym.FullyConnected(mx.sym.Variable("a"), num_hidden=2).simple_bind(mx.cpu(), a=(2, 3)).debug_str()
    assert text.split("\n")[-3].split()[0] == "Total" and int(text.split("\n")[-3].split()[1]) >= 0
    assert text.count("MB allocated") == 1


def test_shapes_of_what_is_no_input_are_ignored_unless_others_are_missing():
    net = mx.sym.FullyConnected(mx.sym.Variable("a"), num_hidden=2, name="f")
    assert net.simple_bind(mx.cpu(), a=(2, 3), softmax_label=(2,)).outputs[0].shape == (2, 2)
    with pytest.raises(mx.MXNetError, match="Keyword argument name b not found"):
        net.simple_bind(mx.cpu(), b=(2, 3))
    with pytest.raises(mx.MXNetError, match="Keyword argument name b not found"):
        net.simple_bind(mx.cpu(), a=(2, 3), type_dict={"b": "float16"})


def test_variables_of_one_name_share_what_is_given_by_name():
    x = mx.sym.Variable("w") * 3 + mx.sym.Variable("w", lr_mult=2)
    w, gradient = mx.nd.ones((2,)), mx.nd.zeros((2,))
    e = x.bind(mx.cpu(), {"w": w}, {"w": gradient})
    assert e.forward(is_train=True)[0].asnumpy().tolist() == [4, 4]
    e.backward(mx.nd.ones((2,)))
    assert gradient.asnumpy().tolist() == [4, 4]


def test_monitors_see_outputs_that_nobody_reads():
    x = mx.sym.Variable("x")
    first = mx.sym.exp(mx.sym.SliceChannel(x, num_outputs=2, name="cut")[0], name="e")
    dropped = mx.sym.Dropout(mx.sym.LRN(mx.sym.Reshape(first, shape=(1, 2, 1, 1), name="shaped"), nsize=1, name="n"), p=0.5, name="d")
    executor = dropped.simple_bind(mx.cpu(), grad_req="null", x=(2, 2))
    executor.arg_dict["x"][:] = [[0, 3], [0, 4]]
    for _ in range(2):  # the second run uses the plan of the first
        seen = {}
        executor.set_monitor_callback(lambda name, array, seen=seen: seen.update({name: array.asnumpy().ravel().tolist()}))
        executor.forward()
        assert list(seen) == ["cut_output0", "cut_output1", "e_output", "shaped_output", "n_output", "n_tmp_norm", "d_output", "d_mask"]
        assert seen["cut_output1"] == [3, 4] and seen["n_tmp_norm"] == pytest.approx([2.0001] * 2) and seen["d_mask"] == [1, 1]
    executor.set_monitor_callback(None)
    assert executor.forward()[0].asnumpy().ravel().tolist() == seen["d_output"]
