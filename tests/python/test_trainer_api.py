"""Networks that learn behind the C interface of the predictor (hd_trainer_*), inside libheddle."""
import ctypes
import pathlib
import sys

import numpy as np
import pytest

import heddle as mx
from heddle import predict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from predictor_calls import Input, Output, Training  # noqa: E402

library = predict._load()
library.hd_last_error.restype = ctypes.c_char_p
FLOAT32 = 0


class TrainerError(Exception):
    pass


def expect(code):
    if code != 0:
        raise TrainerError(library.hd_last_error().decode())


def texts(words):
    return (ctypes.c_char_p * (len(words) + 1))(*[w.encode() for w in words], None)


class Trainer:
    def __init__(self, symbol, inputs, params=None, rule="sgd", parameters=None, fixed=(), **how):
        model, self.handle = ctypes.c_void_p(), ctypes.c_void_p()
        json = symbol.tojson().encode()
        saved = mx._core.save_bytes([mx.nd.array(v) for v in (params or {}).values()], list(params or {})) if params else b""
        expect(library.hd_model_create(json, saved or None, ctypes.c_size_t(len(saved)), ctypes.byref(model)))
        all_inputs = (Input * len(inputs))(*[
            Input(ctypes.sizeof(Input), name.encode(), (ctypes.c_int64 * len(shape))(*shape), len(shape), FLOAT32)
            for name, shape in inputs.items()])
        training = Training(ctypes.sizeof(Training), rule.encode(),
                            texts([word for pair in (parameters or {}).items() for word in pair]), fixed=texts(fixed), **how)
        try:
            expect(library.hd_trainer_create(model, all_inputs, len(inputs), ctypes.byref(training), ctypes.byref(self.handle)))
        finally:
            library.hd_model_free(model)

    def __del__(self):
        library.hd_trainer_free(self.handle)

    def set(self, name, values):
        values = np.ascontiguousarray(values, "float32")
        expect(library.hd_trainer_set(self.handle, name.encode(), values.ctypes.data_as(ctypes.c_void_p),
                                      ctypes.c_size_t(values.nbytes)))

    def step(self, rate):
        expect(library.hd_trainer_step(self.handle, ctypes.c_double(rate)))

    def forward(self):
        expect(library.hd_trainer_forward(self.handle))

    def _array(self, call, index):
        out = Output(ctypes.sizeof(Output))
        expect(call(self.handle, index, ctypes.byref(out)))
        data = ctypes.cast(out.data, ctypes.POINTER(ctypes.c_float))
        return out.name.decode(), np.ctypeslib.as_array(data, tuple(out.shape[:out.rank])).copy()

    def output(self, index=0):
        return self._array(library.hd_trainer_output, index)[1]

    def parameters(self):
        count = ctypes.c_int()
        expect(library.hd_trainer_parameter_count(self.handle, ctypes.byref(count)))
        return dict(self._array(library.hd_trainer_parameter, i) for i in range(count.value))

    def values(self):
        size = ctypes.c_size_t()
        expect(library.hd_trainer_bytes(self.handle, ctypes.byref(size)))
        values = np.empty(size.value // 4, "float32")
        expect(library.hd_trainer_get(self.handle, values.ctypes.data_as(ctypes.c_void_p), size))
        return values

    def put(self, values):
        expect(library.hd_trainer_put(self.handle, values.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(values.nbytes)))

    def _bytes(self, call):
        data, size = ctypes.c_void_p(), ctypes.c_size_t()
        expect(call(self.handle, ctypes.byref(data), ctypes.byref(size)))
        return ctypes.string_at(data, size.value)

    def save(self):
        return self._bytes(library.hd_trainer_save)

    def save_states(self):
        return self._bytes(library.hd_trainer_save_states)

    def load_states(self, states):
        expect(library.hd_trainer_load_states(self.handle, states, ctypes.c_size_t(len(states))))


def perceptron():
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc0")
    x = mx.sym.Activation(mx.sym.BatchNorm(x, fix_gamma=False, name="bn"), act_type="tanh")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=3, name="fc1"), name="softmax")


INPUTS = {"data": (12, 5), "softmax_label": (12,)}


def batch():
    rng = np.random.RandomState(5)
    label = np.arange(12) % 3
    return rng.randn(12, 5) + label[:, None], label


def learned(trainer, steps, rate=0.1):
    data, label = batch()
    trainer.set("data", data)
    trainer.set("softmax_label", label)
    losses = []
    for _ in range(steps):
        trainer.step(rate)
        losses.append(-np.log(trainer.output()[np.arange(12), label]).mean())
    return losses


@pytest.mark.parametrize("rule, rate, parameters", [
    ("sgd", 0.1, {}), ("sgd", 0.1, {"momentum": "0.9"}), ("nag", 0.1, {"momentum": "0.9"}), ("adam", 0.05, {"beta1": "0.8"}),
    ("nadam", 0.05, {}), ("adagrad", 0.1, {}), ("lars", 0.1, {"momentum": "0.9", "eta": "0.5"}), ("lamb", 0.05, {}), ("dcasgd", 0.1, {})])
def test_every_kind_of_rule_learns_as_module_does(rule, rate, parameters):
    """Rules with states of all forms, what they remember and norms of layers, beside Module on the same numbers."""
    symbol = perceptron()
    trainer = Trainer(symbol, INPUTS, rule=rule, parameters=parameters, wd=0.01, clip_gradient=0.5, seed=3)
    start = trainer.parameters()
    module = mx.mod.Module(symbol, context=mx.cpu())
    module.bind([("data", INPUTS["data"])], [("softmax_label", INPUTS["softmax_label"])])
    module.set_params({k: mx.nd.array(v) for k, v in start.items() if "moving" not in k},
                      {k: mx.nd.array(v) for k, v in start.items() if "moving" in k})
    module.init_optimizer(kvstore=None, optimizer=rule, optimizer_params={
        "learning_rate": rate, "wd": 0.01, "clip_gradient": 0.5, **{k: float(v) for k, v in parameters.items()}})
    data, label = batch()
    for _ in range(5):
        module.forward_backward(mx.io.DataBatch([mx.nd.array(data)], [mx.nd.array(label)]))
        module.update()
    losses = learned(trainer, 5, rate)
    assert losses[-1] < losses[0]
    arg, aux = module.get_params()
    assert list(trainer.parameters()) == [*[n for n in symbol.list_arguments() if n in arg], *symbol.list_auxiliary_states()]
    for name, found in trainer.parameters().items():
        np.testing.assert_allclose(found, {**arg, **aux}[name].asnumpy(), rtol=2e-5, atol=2e-6, err_msg=name)


def test_all_values_in_one_piece():
    """Two that take the mean of what they have learned go on as one."""
    one, other = Trainer(perceptron(), INPUTS, seed=1), Trainer(perceptron(), INPUTS, seed=2)
    learned(one, 3), learned(other, 3)
    assert not np.array_equal(one.values(), other.values())
    np.testing.assert_array_equal(one.values(), np.concatenate([v.ravel() for v in one.parameters().values()]))
    mean = (one.values() + other.values()) / 2
    one.put(mean), other.put(mean)
    np.testing.assert_array_equal(one.values(), mean)
    assert learned(one, 3) == learned(other, 3)
    with pytest.raises(TrainerError, match=f"found {mean.nbytes - 4} bytes, expected {mean.nbytes}"):
        one.put(mean[1:])


def test_saved_parameters_predict_and_go_on():
    trainer = Trainer(perceptron(), INPUTS)
    learned(trainer, 3)
    data, _ = batch()
    trainer.forward()
    expected = trainer.output()
    predictor = predict.Predictor(perceptron().tojson(), trainer.save(), {"data": (4, 5)})
    predictor.forward(data=data[:4].astype("float32"))
    np.testing.assert_allclose(predictor.get_output(0), expected[:4], rtol=1e-5)
    saved = predict.load_ndarray_file(trainer.save())
    assert list(saved) == [("aux:" if "moving" in name else "arg:") + name for name in trainer.parameters()]
    again = Trainer(perceptron(), INPUTS, params=saved)
    np.testing.assert_array_equal(again.values(), trainer.values())


@pytest.mark.parametrize("rule, parameters", [
    ("sgd", {}), ("sgd", {"momentum": "0.9"}), ("adam", {}), ("nadam", {}), ("adagrad", {}), ("dcasgd", {}), ("sgld", {})])
def test_states_go_on_where_they_were_saved(rule, parameters):
    """Ten steps, and five, a checkpoint, and five more: the same bytes. With dropout, whose draws go by the step."""
    symbol = mx.sym.SoftmaxOutput(mx.sym.Dropout(perceptron().get_internals()["fc1_output"], p=0.3), name="softmax")
    how = {"rule": rule, "parameters": parameters, "wd": 0.01, "seed": 4}
    whole, first = Trainer(symbol, INPUTS, **how), Trainer(symbol, INPUTS, **how)
    learned(whole, 10, 0.01), learned(first, 5, 0.01)
    then = Trainer(symbol, INPUTS, params=predict.load_ndarray_file(first.save()), **how)
    assert then.save_states() != first.save_states()
    then.load_states(first.save_states())
    assert then.save_states() == first.save_states()
    learned(then, 5, 0.01)
    assert then.save() == whole.save() and then.save_states() == whole.save_states()


def test_states_are_those_of_the_optimizers_of_arrays():
    """One file for hd_trainer_*, hd_optimizer_* and mx.nd.load."""
    trainer = Trainer(perceptron(), INPUTS, rule="adam")
    learned(trainer, 3)
    states = trainer.save_states()
    named = mx.nd.load_frombuffer(states)
    assert list(named)[:4] == ["rule:adam", "s:fc0_weight:count", "s:fc0_weight:mean", "s:fc0_weight:var"]
    assert named["s:fc0_weight:mean"].shape == (8, 5) and named["s:fc1_bias:count"].asscalar() == 3
    optimizer, data, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
    expect(library.hd_optimizer_create(b"adam", None, ctypes.byref(optimizer)))
    expect(library.hd_optimizer_states(optimizer, states, ctypes.c_size_t(len(states)), None, None))
    expect(library.hd_optimizer_states(optimizer, None, ctypes.c_size_t(0), ctypes.byref(data), ctypes.byref(size)))
    again = Trainer(perceptron(), INPUTS, rule="adam")
    again.load_states(ctypes.string_at(data, size.value))
    library.hd_free(optimizer)
    assert again.save_states() == states


@pytest.mark.parametrize("kvstore, devices", [(None, 1), ("local", 2)])
@pytest.mark.parametrize("rule, parameters", [("sgd", {}), ("sgd", {"momentum": 0.9}), ("adam", {}), ("nadam", {})])
def test_module_goes_on_from_states(tmp_path, rule, parameters, kvstore, devices):
    """What a program in C has begun goes on in Python as if it had gone on there."""
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc1"), name="softmax")
    trainer = Trainer(symbol, INPUTS, rule=rule, parameters={k: str(v) for k, v in parameters.items()})
    learned(trainer, 5, 0.05)
    (tmp_path / "net-0005.params").write_bytes(trainer.save())
    (tmp_path / "net-0005.states").write_bytes(trainer.save_states())
    symbol.save(str(tmp_path / "net-symbol.json"))
    module = mx.mod.Module.load(str(tmp_path / "net"), 5, load_optimizer_states=True, context=[mx.cpu(i) for i in range(devices)])
    module.bind([("data", INPUTS["data"])], [("softmax_label", INPUTS["softmax_label"])])
    module.init_optimizer(kvstore=kvstore, optimizer=rule, optimizer_params={"learning_rate": 0.05, **parameters})
    data, label = batch()
    for _ in range(5):
        module.forward_backward(mx.io.DataBatch([mx.nd.array(data)], [mx.nd.array(label)]))
        module.update()
    learned(trainer, 5, 0.05)
    for name, found in module.get_params()[0].items():
        np.testing.assert_allclose(found.asnumpy(), trainer.parameters()[name], rtol=2e-5, atol=2e-6, err_msg=name)


def test_module_refuses_states_of_others(tmp_path):
    trainer = Trainer(perceptron(), INPUTS, rule="adam")
    learned(trainer, 1)
    (tmp_path / "states").write_bytes(trainer.save_states())
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc1"), name="softmax")
    module = mx.mod.Module(symbol)
    module.bind([("data", INPUTS["data"])], [("softmax_label", INPUTS["softmax_label"])])
    module.init_params()
    for rule, text in (("sgd", "'rule:adam', expected .* 'rule:sgd'"), ("adam", "found states of bn_beta, .*, expected some of fc1_bias")):
        module.init_optimizer(kvstore=None, optimizer=rule, force_init=True)
        with pytest.raises(ValueError, match=text):
            module.load_optimizer_states(str(tmp_path / "states"))


@pytest.mark.parametrize("other, text", [
    ({"rule": "sgd"}, "begin with 'rule:sgd', expected 'rule:adam'"),
    ({"fixed": ["fc0_weight"]}, "have no 's:fc0_weight:count'"),
    ({"inputs": {"data": (12, 4), "softmax_label": (12,)}}, r"'s:fc0_weight:mean' has shape \(8,4\) and dtype float32, expected \(8,5\)"),
])
def test_states_of_another_trainer_are_refused(other, text):
    source = Trainer(perceptron(), **{"inputs": INPUTS, "rule": "adam", **other})
    trainer = Trainer(perceptron(), INPUTS, rule="adam")
    learned(trainer, 2)
    before = trainer.save_states()
    with pytest.raises(TrainerError, match=text):
        trainer.load_states(source.save_states())
    with pytest.raises(TrainerError, match="states|load"):
        trainer.load_states(before[:-30])
    assert trainer.save_states() == before
    fewer = Trainer(perceptron(), INPUTS, rule="adam", fixed=["fc0_weight"])
    with pytest.raises(TrainerError, match="found 19 arrays in the states, expected 16"):
        fewer.load_states(before)


def test_damaged_states_are_refused_or_taken_whole():
    trainer = Trainer(perceptron(), INPUTS, rule="adam")
    learned(trainer, 2)
    whole, rng, refused = trainer.save_states(), np.random.RandomState(6), 0
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at, what = rng.randint(len(damaged)), rng.randint(3)
            damaged[at:at + rng.randint(1, 9)] = b"" if what == 0 else rng.bytes(8) if what == 1 else damaged[:rng.randint(1, 64)]
        before = trainer.save_states()
        try:
            trainer.load_states(bytes(damaged))
        except TrainerError:
            refused += 1
            assert trainer.save_states() == before
    assert refused > 250


def test_fixed_parameters_stay():
    trainer = Trainer(perceptron(), INPUTS, fixed=["fc0_weight", "fc0_bias"], wd=0.1)
    before = trainer.parameters()
    learned(trainer, 2)
    changed = {name for name, value in trainer.parameters().items() if not np.array_equal(value, before[name])}
    assert changed == {"fc1_weight", "fc1_bias", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"}


def test_outputs_that_are_no_losses_are_summed():
    w = mx.sym.Variable("w_weight", shape=(3, 2))
    trainer = Trainer(mx.sym.square(w - mx.sym.Variable("to")), {"to": (3, 2)}, params={"w_weight": np.zeros((3, 2))},
                      rescale_grad=1)
    to = np.arange(6.0).reshape(3, 2)
    trainer.set("to", to)
    trainer.step(0.25)  # its gradient is 2 (w - to)
    np.testing.assert_allclose(trainer.parameters()["w_weight"], to / 2)
    np.testing.assert_allclose(trainer.output(), to ** 2)  # before the update


def test_initial_values():
    first, same, other = (Trainer(perceptron(), INPUTS, seed=s).parameters() for s in (1, 1, 2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, same[name])
    weight = first["fc0_weight"]
    assert not np.array_equal(weight, other["fc0_weight"])
    assert np.abs(weight).max() <= np.sqrt(6 / 13) and np.unique(weight).size == weight.size
    assert (first["bn_gamma"] == 1).all() and (first["bn_moving_var"] == 1).all() and (first["fc1_bias"] == 0).all()
    assert not np.array_equal(first["fc0_weight"].ravel()[:15], first["fc1_weight"].ravel()[:15] * np.sqrt(11 / 13))


@pytest.mark.parametrize("how, text", [
    ({"inputs": {"data": (12, 5)}}, "the label 'softmax_label' is missing"),
    ({"inputs": {**INPUTS, "date": (3,)}}, "found input 'date', expected a variable"),
    ({"rule": "sdg"}, "found rule 'sdg', expected one of"),
    ({"parameters": {"momentun": "0.9"}}, "momentun"),
    ({"parameters": {"momentum": "much"}}, "momentum"),
    ({"fixed": ["fc2_weight"]}, "found fixed parameter 'fc2_weight'"),
    ({"params": {"fc0_weight": np.zeros((8, 4))}}, "fc0"),
])
def test_what_is_wrong_is_said(how, text):
    with pytest.raises(TrainerError, match=text):
        Trainer(perceptron(), **{"inputs": INPUTS, **how})


def test_wrong_calls_are_refused():
    trainer = Trainer(perceptron(), INPUTS)
    with pytest.raises(TrainerError, match="found no input 'fc0_weight'"):
        trainer.set("fc0_weight", np.zeros((8, 5)))
    with pytest.raises(TrainerError, match=r"data has shape \(12,5\) and 240 bytes, found 200"):
        trainer.set("data", np.zeros((10, 5)))
    with pytest.raises(TrainerError, match="found output 1, expected 0 to 0"):
        trainer.output(1)
    with pytest.raises(TrainerError, match=r"'x' of shape \(3\) has no initial value|'x' of shape \(3,\) has no initial value"):
        Trainer(mx.sym.square(mx.sym.Variable("x", shape=(3,)) + mx.sym.Variable("data")), {"data": (3,)})
