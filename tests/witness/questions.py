"""Small questions about symbols and executors, asked of both sides.

    MXNET_PYTHON tests/witness/questions.py ANSWERS.json

An answer is a value of JSON; where a side raises, {"raised": true}.
"""
import copy
import json
import pathlib
import pickle
import sys
import tempfile
import warnings

import numpy as np

warnings.filterwarnings("ignore")
QUESTIONS = {}


def ask(function):
    """Makes a function of (mx, v) a question: v makes a variable."""
    QUESTIONS[function.__name__] = function
    return function


def short(name, code):
    """A question that is one expression."""
    def question(mx, v):
        return eval(code, {"mx": mx, "v": v, "np": np, "S": mx.sym, "net": net, "plain": plain, "json": json, "copy": copy,
                           "pickle": pickle, "attrs": attrs, "infer": infer, "names": names, "bound": bound})
    assert name not in QUESTIONS, name
    QUESTIONS[name] = question


def plain(value):
    """Arrays, shapes, dtypes and symbols as JSON has them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, type) or isinstance(value, np.dtype):
        return np.dtype(value).name
    if hasattr(value, "list_outputs"):
        return {"outputs": value.list_outputs(), "arguments": value.list_arguments()}
    if hasattr(value, "asnumpy"):
        return np.round(value.asnumpy().astype(float), 5).tolist()
    if isinstance(value, (np.integer, np.floating)):
        return value.item()
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)


def net(mx, **kwargs):
    """Two layers with a batch norm and a loss."""
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=4, name="fc1", **kwargs)
    x = mx.sym.Activation(mx.sym.BatchNorm(x, name="bn"), act_type="relu", name="relu")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=3, name="fc2"), name="softmax")


def attrs(symbol):
    return {k: dict(sorted(d.items())) for k, d in sorted(symbol.attr_dict().items())}


def infer(symbol, *args, partial=False, **kwargs):
    return plain((symbol.infer_shape_partial if partial else symbol.infer_shape)(*args, **kwargs))


def names(symbol):
    return [symbol.name, symbol.list_arguments(), symbol.list_outputs(), symbol.list_auxiliary_states()]


def bound(mx, symbol, shapes, **kwargs):
    """An executor whose arguments hold numbers that their names decide."""
    e = symbol.simple_bind(mx.cpu(), **kwargs, **shapes)
    for name, a in e.arg_dict.items():
        a[:] = np.random.RandomState(sum(map(ord, name))).uniform(-1, 1, a.shape)
    return e


# --- names
for i, code in enumerate([
        "names(net(mx))", "names(v('a') + v('b'))", "names(S.Group([v('a'), v('b') * 2]))", "(v('a') ** 2).name", "(2 ** v('a')).name",
        "(v('a') > 1).name", "(-v('a')).name", "abs(v('a')).name", "S.Convolution(v('a'), kernel=(1, 1), num_filter=1).name",
        "S.split(v('a'), num_outputs=2).list_outputs()", "S.SliceChannel(v('a'), num_outputs=2, name='s')[1].name",
        "S.SliceChannel(v('a'), num_outputs=2, name='s')[1].list_outputs()", "S.max(v('a')).name", "S.sum_axis(v('a')).name",
        "S.BatchNorm(v('a'), name='bn').list_outputs()", "S.BatchNorm(v('a'), name='bn', output_mean_var=True).list_outputs()",
        "S.Dropout(v('a'), name='d').list_outputs()", "S.Dropout(v('a'), name='d').get_internals().list_outputs()",
        "net(mx).get_internals().list_outputs()", "S.zeros((2,)).name", "S.ones((2,), name='o').list_outputs()", "S.arange(3).name",
        "repr(v('a'))", "repr(S.Group([v('a'), v('b')]))", "str(v('a') + 1)", "S.Group([v('a'), v('b')]).name",
        "(v('a') + v('a')).list_arguments()", "(v('a') + v('a')).list_inputs()", "(v('x') + v('x')).list_arguments()",
        "S.FullyConnected(v('x'), v('x'), v('x'), num_hidden=1, name='x').list_arguments()",
        "S.Group([S.exp(v('a'), name='n'), S.log(v('a'), name='n')]).list_outputs()", "S.Custom.__name__", "S.var('q').name",
        "S.LeakyReLU(v('a'), act_type='prelu', name='p').list_arguments()", "S.RNN(v('a'), state_size=2, num_layers=1, mode='lstm').list_arguments()",
        "S.Concat(v('a'), v('b'), v('c')).list_arguments()", "S.add_n(v('a'), v('b')).name", "S.ElementWiseSum(v('a'), v('b')).name",
        "S.maximum(v('a'), v('b')).name", "S.maximum(v('a'), 1).name", "S.maximum(1, 2)", "S.hypot(v('a'), 3).name", "S.pow(v('a'), 2).name",
        "S.pow(2, v('a')).name", "S.Embedding(v('a'), input_dim=2, output_dim=2).list_arguments()"]):
    short(f"name {i}: {code}", code)

# --- indexing, internals, children
for i, code in enumerate([
        "len(net(mx).get_internals())", "net(mx).get_internals()['fc1_output'].list_outputs()", "net(mx).get_internals()['data'].name",
        "net(mx).get_internals()[['fc1_output', 'relu_output']].list_outputs()", "net(mx).get_internals()[0].name",
        "net(mx).get_internals()[-1].name", "net(mx).get_internals()[1:4].list_outputs()", "net(mx).get_internals()[::2].list_outputs()",
        "net(mx).get_internals()['fc1']", "net(mx).get_internals()['nothing']", "net(mx)[0].name", "net(mx)[1].name",
        "[s.name for s in S.split(v('a'), num_outputs=3)]", "net(mx).get_children().list_outputs()", "v('a').get_children()",
        "net(mx).get_internals()['bn_output'].get_children().list_outputs()", "S.Group([v('a') + 1, v('b') * 2]).get_children().list_outputs()",
        "S.Group([v('a'), v('b')])[0].name", "S.Group([v('a'), v('b')])['b'].name", "S.Group([v('a'), v('a')])['a'].name",
        "S.Group([S.exp(v('a'), name='n'), S.log(v('a'), name='n')])['n_output']", "len(S.Group([v('a'), v('b')]))", "S.Group([])",
        "S.Group((v('a'), v('b'))).list_outputs()", "S.Group(s for s in [v('a')]).list_outputs()", "v('a')['a'].name", "v('a')[1.5]",
        "net(mx).get_internals()['bn_moving_mean'].name", "v('a') in [1]", "bool(v('a'))", "iter(v('a')).__next__().name",
        "S.Group([v('a'), S.split(v('b'), num_outputs=2, name='s')]).list_outputs()", "S.Group([v('a'), v('b')])[0:2].list_outputs()",
        "S.Group([v('a'), v('b')])[2:5].list_outputs()", "S.Group([v('a'), v('b')])[5]"]):
    short(f"index {i}: {code}", code)

# --- attributes
for i, code in enumerate([
        "attrs(net(mx))", "attrs(net(mx, lr_mult=2))", "attrs(net(mx, attr={'lr_mult': '2', 'ctx_group': 'a', 'mine': 'x'}))",
        "attrs(net(mx, attr={'__lr_mult__': '2', '__mine__': 'x'}))", "attrs(net(mx, wd_mult='0.5', ctx_group='g'))",
        "attrs(net(mx, force_mirroring='True', mirror_stage='1'))", "attrs(net(mx, __lr_mult__=3))", "attrs(net(mx, unknown=3))",
        "attrs(net(mx, __mine__='q'))", "attrs(v('a', lr_mult=2, wd_mult=0.1, shape=(2, 3), dtype='float16', init=mx.init.One()))",
        "attrs(v('a', __x__='1'))", "attrs(v('a', x='1'))", "attrs(v('a', attr={'x': '1'}))", "attrs(v('a', attr={'x': 1}))",
        "attrs(v('a', stype='default'))", "attrs(v('a', profiler_scope='p'))", "v('a', lr_mult=2).attr('lr_mult')",
        "v('a', lr_mult=2).attr('__lr_mult__')", "v('a').attr('x')", "net(mx).attr('num_hidden')", "net(mx).get_internals()['fc1_output'].attr('num_hidden')",
        "net(mx).get_internals()['fc1_output'].list_attr()", "v('a', lr_mult=2).list_attr()", "net(mx).list_attr(recursive=True)",
        "v('a', attr={'__mood__': 'so'}).list_attr()", "S.Group([v('a', attr={'x': '1'}), v('b')]).list_attr()",
        "S.Group([v('a', attr={'x': '1'}), v('b')]).attr('x')", "S.exp(v('a'), attr={'x': '1'}).list_attr()",
        "S.exp(v('a'), attr={'x': '1'}, lr_mult='3').attr_dict()", "S.exp(v('a'), lr_mult=3.0).attr_dict()", "(lambda s: (s._set_attr(x='1'), attrs(s)))(v('a'))[1]",
        "(lambda s: (s._set_attr(lr_mult='1'), attrs(s)))(v('a'))[1]", "(lambda s: (s._set_attr(x=1), attrs(s)))(v('a'))[1]",
        "(lambda s: (s._set_attr(num_hidden='9'), attrs(s)))(S.FullyConnected(v('a'), num_hidden=2, name='f'))[1]",
        "attrs(S.Convolution(v('a'), kernel=3, num_filter=2, name='c'))", "attrs(S.Convolution(v('a'), kernel=(3, 3), num_filter=2, name='c', lr_mult=2.5))",
        "attrs(S.BatchNorm(v('a'), name='b', lr_mult=2))", "attrs(S.Dropout(v('a'), name='b', p='0.25'))", "attrs(v('a') * 2.5)",
        "S.FullyConnected(v('a'), num_hidden=2, name='f', lr_mult=2).list_attr()", "attrs(S.Group([v('a', lr_mult=1), v('b', lr_mult=2)]))"]):
    short(f"attribute {i}: {code}", code)


@ask
def scopes(mx, v):
    with mx.AttrScope(ctx_group="stage1", __mine__="y", lr_mult="2"):
        a = mx.sym.FullyConnected(v("x"), num_hidden=2, name="f")
        with mx.AttrScope(ctx_group="stage2"):
            b = mx.sym.exp(a + 1, name="e", attr={"__mine__": "q"})
    return attrs(b)


@ask
def scope_of_numbers(mx, v):
    with mx.AttrScope(lr_mult=2):
        return attrs(v("x"))


@ask
def prefixes(mx, v):
    with mx.name.Prefix("p_"):
        a = mx.sym.exp(v("x"), name="e")
        b = mx.sym.exp(mx.sym.Variable("y"))
        with mx.name.Prefix("q_"):
            c = mx.sym.FullyConnected(v("z"), num_hidden=1)
    return [s.list_outputs() + s.list_arguments() for s in (a, b, c)]


# --- inference
for i, code in enumerate([
        "infer(net(mx), data=(5, 7))", "infer(net(mx))", "infer(net(mx), partial=True)", "infer(net(mx), partial=True, data=(0, 7))",
        "infer(net(mx), data=(0, 7))", "infer(net(mx), (5, 7))", "infer(net(mx), softmax_label=(5,))", "infer(net(mx), partial=True, softmax_label=(5,))",
        "infer(net(mx), nothing=(5,))", "infer(net(mx), (5, 7), data=(5, 7))", "infer(net(mx), data=(5, 7), fc1_weight=(4, 8))",
        "infer(net(mx), fc1_weight=(4, 8), partial=True)", "infer(v('a') + v('b'), a=(2, 3))", "infer(v('a') + v('b'), a=(2, 0), b=(0, 3))",
        "infer(v('a') + v('b'), a=(2, 3), b=(3, 2))", "infer(v('a', shape=(2, 3)) + v('b'))", "infer(v('a', shape=(2, 0)) + v('b', shape=(0, 3)))",
        "infer(v('a', shape=(2, 3)) + v('b'), a=(3, 3))", "infer(S.exp(v('a')), a=4)", "infer(S.exp(v('a')), partial=True)", "infer(S.exp(v('a')), None)",
        "infer(S.exp(v('a')), partial=True, a=None)", "infer(S.Reshape(v('a'), shape=(0, -1)), a=(2, 3, 4))", "infer(S.Reshape(v('a'), shape=(-2,)), a=(2, 3))",
        "infer(S.Reshape(v('a'), shape=(-3, 0)), a=(2, 3, 4))", "infer(S.Reshape(v('a'), shape=(-4, 1, 2, -2)), a=(2, 3, 4))",
        "infer(S.Reshape(v('a'), shape=(-4, -1, 2, 0)), a=(4, 3))", "infer(S.Reshape(v('a'), shape=(4, 2)), a=(2, 3))",
        "infer(S.Reshape(v('a'), shape=(0, -1), reverse=True), a=(2, 3, 4))", "infer(S.Reshape(v('a'), target_shape=(0, 6)), a=(2, 3, 2))",
        "infer(S.Reshape(v('a'), target_shape=(2, 0)), a=(2, 3, 2))", "infer(v('a').reshape((3, 2)), a=(2, 3))", "infer(v('a').reshape(3, 2), a=(2, 3))",
        "infer(v('a').reshape(shape=(3, 2)), a=(2, 3))", "infer(S.Reshape(v('a'), shape=(2, 3)) + v('b'))", "infer(S.Reshape(v('a'), shape=(2, 3)) + v('b'), partial=True)",
        "infer(S.Flatten(v('a')), a=(2, 3, 4))", "infer(S.Flatten(v('a')), a=(0, 3, 4), partial=True)", "infer(S.transpose(v('a')), a=(2, 3))",
        "infer(S.Concat(v('a'), v('b'), dim=1), a=(2, 3), b=(2, 4))", "infer(S.Concat(v('a'), v('b'), dim=1), a=(2, 3))", "infer(S.Concat(v('a'), v('b'), dim=1), a=(2, 3), partial=True)",
        "infer(S.Convolution(v('a'), kernel=(3, 3), num_filter=2, name='c'), a=(1, 3, 8, 8))", "infer(S.Convolution(v('a'), kernel=(3, 3), num_filter=2, name='c'), partial=True, a=(0, 3, 0, 0))",
        "infer(S.Convolution(v('a'), kernel=(3, 3), num_filter=2, name='c') + v('b'), a=(0, 3, 8, 8), b=(4, 2, 6, 6))", "infer(S.dot(v('a'), v('b')), a=(2, 3), b=(3, 4))",
        "infer(S.sum(v('a')), a=(2, 3))", "infer(S.sum(v('a'), axis=1, keepdims=True), a=(2, 3))", "infer(S.SliceChannel(v('a'), num_outputs=2, squeeze_axis=True), a=(3, 2))",
        "infer(S.Embedding(v('a'), input_dim=5, output_dim=4, name='e'), a=(2, 3))", "infer(S.SoftmaxOutput(v('a'), name='s'), a=(2, 3))", "infer(S.SoftmaxOutput(v('a'), multi_output=True, name='s'), a=(2, 3, 4))",
        "infer(S.LinearRegressionOutput(v('a'), v('b')), a=(2, 3))", "infer(S.zeros((0, 3)) + v('a'), a=(2, 3))", "infer(S.zeros((0, 3)))", "infer(S.zeros((0, 3)), partial=True)",
        "infer(S.Group([v('a'), v('b')]), a=(2,), b=(3,))", "infer(S.Group([v('a'), v('b')]), a=(2,))", "infer(v('a'), a=())", "infer(v('a'))", "infer(v('a'), partial=True)",
        "infer(S.where(v('c'), v('a'), v('b')), a=(2, 3))", "infer(S.broadcast_add(v('a'), v('b')), a=(2, 1), b=(1, 3))", "infer(S.Pooling(v('a'), global_pool=True, kernel=(1, 1), pool_type='max'), a=(2, 3, 4, 4))",
        "infer(S.Deconvolution(v('a'), kernel=(2, 2), num_filter=3, name='d'), a=(1, 2, 4, 4))", "infer(S.expand_dims(v('a'), axis=1), a=(2, 3))", "infer(net(mx), data=(5, 7), bn_moving_mean=(4,))",
        "infer(net(mx), data=(5, 7), bn_moving_mean=(5,))", "infer(net(mx), [5, 7])", "infer(net(mx), data=[5, 7])", "infer(net(mx), data=np.array([5, 7]))", "infer(net(mx), data='57')"]):
    short(f"shape {i}: {code}", code)
for i, code in enumerate([
        "net(mx).infer_type()", "net(mx).infer_type(data='float16')", "net(mx).infer_type(data=np.float64)", "net(mx).infer_type('float64')", "net(mx).infer_type_partial()",
        "net(mx).infer_type_partial(data='float64')", "(v('a') + v('b')).infer_type(a='int32')", "(v('a') + v('b')).infer_type(a='int32', b='float32')", "v('a').infer_type()",
        "v('a').infer_type_partial()", "v('a', dtype='int32').infer_type()", "(v('a', dtype='int32') + v('b')).infer_type()", "(v('a', dtype='int32') + v('b')).infer_type(b='float32')",
        "S.cast(v('a'), dtype='float16').infer_type()", "S.cast(v('a'), dtype='float16').infer_type_partial()", "S.cast(v('a'), dtype='float16').infer_type(a='int8')", "S.Embedding(v('a'), input_dim=2, output_dim=2).infer_type(a='int32')",
        "S.Embedding(v('a'), input_dim=2, output_dim=2).infer_type()", "S.argmax(v('a'), axis=0).infer_type(a='float64')", "S.zeros((2,), dtype='int32').infer_type()", "S.zeros((2,)).infer_type()",
        "S.one_hot(v('a'), depth=3).infer_type(a='int32')", "S.take(v('a'), v('b')).infer_type(a='float16')", "S.take(v('a'), v('b')).infer_type(a='float16', b='int32')", "net(mx).infer_type(nothing='float32')", "net(mx).infer_type(data=None)",
        "(v('a') > v('b')).infer_type(a='float64')", "S.BatchNorm(v('a'), name='b').infer_type(a='float16')", "S.Group([v('a'), v('b')]).infer_type(a='float32')", "S.Group([v('a'), v('b')]).infer_type_partial(a='float32')"]):
    short(f"type {i}: {code}", f"plain({code})")

# --- composition, copies, files
for i, code in enumerate([
        "names(S.exp(v('a'), name='e')(a=v('z')))", "names(S.exp(v('a'), name='e')(v('z')))", "names(net(mx)(data=S.exp(v('q'), name='ex')))", "names(net(mx)(S.exp(v('q'), name='ex')))",
        "names(net(mx)(v('q'), data=v('r')))", "names(net(mx)(nothing=v('q')))", "names(net(mx)(data=3))", "names(net(mx)(data=v('q'), name='new'))", "names(v('a')(v('b')))", "names(v('a')(a=v('b')))",
        "names((v('a') + v('b'))(v('c'), v('d')))", "names((v('a') + v('b'))(v('c')))", "names((v('a') + v('b'))(b=v('c'), a=v('d')))", "names(copy.copy(net(mx)))", "names(copy.deepcopy(net(mx)))",
        "names(pickle.loads(pickle.dumps(net(mx))))", "attrs(pickle.loads(pickle.dumps(net(mx, lr_mult=2))))", "attrs(S.load_json(net(mx, lr_mult=2).tojson()))", "names(S.load_json(net(mx).tojson()))", "S.load_json('{}')", "S.load_json('nonsense')", "S.load_json(3)",
        "names(S.FullyConnected(data=v('a'), weight=v('w'), num_hidden=2, name='f'))", "names(S.FullyConnected(v('a'), bias=v('w'), num_hidden=2, name='f'))", "names(S.FullyConnected(num_hidden=2, name='f'))", "names(S.FullyConnected(v('a'), num_hidden=2, no_bias=True, name='f'))",
        "names(S.FullyConnected(v('a'), v('b'), v('c'), v('d'), num_hidden=2, name='f'))", "names(S.FullyConnected(v('a'), name='f'))", "names(S.FullyConnected(3, num_hidden=1, name='f'))", "names(S.exp(data=v('a'), name='e'))", "names(S.exp(v('a'), data=v('b'), name='e'))", "names(S.exp(name='e'))",
        "names(S.Concat(v('a'), v('b'), name='c', num_args=2))", "names(S.Concat(*[v('a'), v('b')], dim=0, name='c'))", "names(S.Concat(v('a'), name='c'))", "names(S.Activation(v('a'), act_type='nope', name='c'))", "v('a') + 'x'", "v('a') + None", "names(v('a') + np.float32(2))",
        "names(True + v('a'))", "v('a') == None", "(v('a') == v('b')).name", "(v('a') != 1).name", "hash(v('a')) != 0", "S.Variable(3)", "S.Variable('a', shape=3).attr('__shape__')", "S.Variable('').name", "v('a').asnumpy()", "v('a').wait_to_read()", "v('a').copy()", "v('a').grad('x')", "v('a').gradient(['a'])",
        "v('a').sum().name", "v('a').exp().list_arguments()", "v('a').astype('float16').infer_type(a='float32')[1][0].__name__", "v('a').slice_axis(axis=0, begin=0, end=1).name", "v('a').T", "v('a').shape", "v('a').debug_str()", "net(mx).debug_str()", "net(mx).get_internals()[1:4].debug_str()"]):
    short(f"compose {i}: {code}", f"plain({code})")


@ask
def files(mx, v):
    with tempfile.TemporaryDirectory() as folder:
        net(mx, lr_mult=2).save(f"{folder}/n.json")
        same = pathlib.Path(f"{folder}/n.json").read_text() == net(mx, lr_mult=2).tojson()
        return names(mx.sym.load(f"{folder}/n.json")), same


OLD = {"nodes": [{"op": "null", "param": {}, "name": "data", "inputs": [], "backward_source_id": -1},
                 {"op": "null", "param": {}, "name": "fc_weight", "inputs": [], "backward_source_id": -1, "attr": {"lr_mult": "2.0"}},
                 {"op": "null", "param": {}, "name": "fc_bias", "inputs": [], "backward_source_id": -1},
                 {"op": "FullyConnected", "param": {"no_bias": "False", "num_hidden": "3"}, "name": "fc",
                  "inputs": [[0, 0], [1, 0], [2, 0]], "backward_source_id": -1,
                  "attr": {"ctx_group": "stage", "lr_mult": "0.1", "weight_lr_mult": "1.2", "wd_mult": "0.3", "force_mirroring": "True"}}],
       "arg_nodes": [0, 1, 2], "heads": [[3, 0]]}


@ask
def old_json(mx, v):
    s = mx.sym.load_json(json.dumps(OLD))
    return names(s), attrs(s), infer(s, data=(2, 5))


# --- executors
@ask
def requests(mx, v):
    s, found = v("a") * v("b") + v("c"), []
    for request in ("write", "add", "null", ["write", "null", "write"], {"a": "write", "c": "null"}, "wrong", ["write"], {"z": "write"}):
        try:
            e = bound(mx, s, {"a": (2,), "b": (2,), "c": (2,)}, grad_req=request)
            for _ in range(2):
                e.forward(is_train=True)
                e.backward([mx.nd.ones((2,))])
            found.append(plain([e.grad_dict, [g is None for g in e.grad_arrays]]))
        except Exception:
            found.append("raised")
    return found


@ask
def head_gradients(mx, v):
    s = mx.sym.Group([v("a") * 2, v("a") * 3])
    e = bound(mx, s, {"a": (2,)})
    found = []
    for heads in ([mx.nd.ones((2,)), mx.nd.ones((2,)) * 10], mx.nd.ones((2,)), [mx.nd.ones((2,))], None, [None, mx.nd.ones((2,))],
                  {"_mulscalar0_output": mx.nd.ones((2,)), "_mulscalar1_output": mx.nd.zeros((2,))}, [mx.nd.ones((3,))] * 2):
        try:
            e.forward(is_train=True)
            e.backward(heads)
            found.append(plain(e.grad_arrays))
        except Exception:
            found.append("raised")
    return found


@ask
def losses_beside_outputs(mx, v):
    """A head gradient for the output that is no loss; BlockGrad needs none."""
    s = mx.sym.Group([mx.sym.MakeLoss(v("a") * 2), mx.sym.BlockGrad(v("a"))])
    e = bound(mx, s, {"a": (2,)})
    e.forward(is_train=True)
    e.backward()
    return plain(e.grad_arrays)


@ask
def lists_and_dicts(mx, v):
    e = bound(mx, net(mx), {"data": (2, 3)})
    return plain([sorted(e.arg_dict), sorted(e.grad_dict), sorted(e.aux_dict), sorted(e.output_dict), len(e.arg_arrays), len(e.grad_arrays),
                  len(e.aux_arrays), len(e.outputs), e.arg_dict["softmax_label"].shape, e.outputs[0].shape, e.aux_dict])


@ask
def forward_arguments(mx, v):
    e = bound(mx, v("a") * 2, {"a": (2,)})
    found = [plain(e.forward(a=mx.nd.array([1, 2]))), plain(e.forward(False, a=mx.nd.array([3, 4]))), plain(e.arg_dict)]
    for kwargs in ({"z": mx.nd.ones((2,))}, {"a": mx.nd.ones((3,))}, {"a": np.ones(2)}, {"a": [1, 2]}):
        try:
            found.append(plain(e.forward(**kwargs)))
        except Exception:
            found.append("raised")
    return found


@ask
def bindings(mx, v):
    s, found = v("a") + v("b"), []
    one, two = mx.nd.ones((2,)), mx.nd.ones((2,)) * 2
    for args, kwargs in (([one, two], {}), ({"a": one, "b": two}, {}), ({"a": one}, {}), ([one], {}), ({"a": one, "b": two, "z": one}, {}),
                         ([one, two], {"args_grad": [one.copy(), two.copy()]}), ([one, two], {"args_grad": {"b": one.copy()}}),
                         ([one, two], {"args_grad": [one.copy()]}), ([one, two], {"args_grad": [one.copy(), None]}), ([one, mx.nd.ones((3,))], {}),
                         ([one, one], {}), ([one, 3], {}), ([one, two], {"grad_req": "wrong"}), ([one, two], {"aux_states": []}), ([one, two], {"aux_states": {}}),
                         ([one, two], {"args_grad": {}, "grad_req": {"a": "write"}})):
        try:
            e = s.bind(mx.cpu(), args, **kwargs)
            e.forward(is_train=bool(kwargs.get("args_grad")))
            if kwargs.get("args_grad"):
                e.backward([mx.nd.ones((2,))])
            found.append(plain([e.outputs, e.grad_dict if kwargs.get("args_grad") else {}]))
        except Exception:
            found.append("raised")
    return found


@ask
def evaluations(mx, v):
    found = []
    for call in (lambda: (v("a") + 1).eval(a=mx.nd.ones((2,))), lambda: (v("a") + 1).eval(ctx=mx.cpu(), a=mx.nd.ones((2,))), lambda: (v("a") + 1).eval(),
                 lambda: mx.sym.Group([v("a"), v("a") * 2]).eval(a=mx.nd.ones((2,))), lambda: mx.sym.zeros((2,)).eval(), lambda: (v("a") + 1).eval(b=mx.nd.ones((2,)))):
        try:
            found.append(plain(call()))
        except Exception:
            found.append("raised")
    return found


@ask
def reshaping(mx, v):
    e, found = bound(mx, net(mx), {"data": (4, 3)}), []
    for kwargs in ({"data": (4, 3)}, {"data": (2, 3)}, {"data": (8, 3)}, {"data": (8, 3), "allow_up_sizing": True}, {"data": (4, 5)},
                   {"data": (2, 3), "softmax_label": (2,)}, {"data": (2, 5), "partial_shaping": True}, {"data": (8, 5), "partial_shaping": True, "allow_up_sizing": True},
                   {"nothing": (2,)}):
        try:
            r = e.reshape(**kwargs)
            found.append(plain([[a.shape for a in r.arg_arrays], r.forward()[0].shape, float(r.arg_dict["fc2_weight"].asnumpy()[0, 0]) == float(e.arg_dict["fc2_weight"].asnumpy()[0, 0])]))
        except Exception:
            found.append("raised")
    return found


@ask
def copied_parameters(mx, v):
    e, found = bound(mx, net(mx), {"data": (2, 3)}), []
    one = mx.nd.ones((4,))
    for call in (lambda: e.copy_params_from({"fc1_bias": one}), lambda: e.copy_params_from({"fc1_bias": one, "z": one}),
                 lambda: e.copy_params_from({"z": one}, allow_extra_params=True), lambda: e.copy_params_from({}, {"bn_moving_mean": one}),
                 lambda: e.copy_params_from({}, {"z": one}), lambda: e.copy_params_from({}, {"z": one}, True), lambda: e.copy_params_from({"fc1_bias": mx.nd.ones((5,))}),
                 lambda: e.copy_params_from({"fc1_bias": mx.nd.ones((4,), dtype="float64") * 3})):
        try:
            call()
            found.append(plain([e.arg_dict["fc1_bias"], e.aux_dict["bn_moving_mean"]]))
        except Exception:
            found.append("raised")
    return found


@ask
def monitors(mx, v):
    seen = []
    e = bound(mx, mx.sym.exp(mx.sym.FullyConnected(v("a"), num_hidden=2, name="f") + 1, name="e"), {"a": (1, 2)})
    e.set_monitor_callback(lambda name, array: seen.append(name if isinstance(name, str) else name.decode()))
    e.forward(is_train=True)
    return seen


@ask
def types_of_arrays(mx, v):
    e = (v("a", dtype="float64") * v("b")).simple_bind(mx.cpu(), a=(2,))
    f = mx.sym.Embedding(v("a"), input_dim=3, output_dim=2, name="e").simple_bind(mx.cpu(), a=(2,), type_dict={"a": "int32"})
    g = (v("a") * v("b")).simple_bind(mx.cpu(), a=(2,), type_dict={"b": np.float16})
    return plain([[a.dtype for a in x.arg_arrays + x.outputs] for x in (e, f, g)])


@ask
def groups_of_devices(mx, v):
    with mx.AttrScope(ctx_group="one"):
        a = mx.sym.FullyConnected(v("x"), num_hidden=2, name="f")
    with mx.AttrScope(ctx_group="two"):
        b = mx.sym.exp(a, name="e")
    e = b.simple_bind(mx.cpu(0), x=(1, 2), group2ctx={"one": mx.cpu(1), "two": mx.cpu(2)})
    return [str(e.arg_dict["f_weight"].context), str(e.outputs[0].context), str(e.grad_dict["f_bias"].context)]


@ask
def shared_arrays(mx, v):
    e = bound(mx, net(mx), {"data": (4, 3)})
    g = net(mx).bind(mx.cpu(), e.arg_dict, aux_states=e.aux_dict, shared_exec=e)
    return plain(g.forward()[0].shape)


@ask
def text_of_executors(mx, v):
    text = bound(mx, net(mx), {"data": (2, 3)}).debug_str()
    last = [line for line in text.split("\n") if line.endswith("MB allocated")]
    return [len(last), last[0].split()[0], int(text.split("\n")[-3].split()[1]) >= 0]


@ask
def what_executors_are(mx, v):
    e = bound(mx, net(mx), {"data": (2, 3)})
    return [str(type(e).__name__), plain(e.outputs) == plain(e.forward()) or True, e._symbol.name if hasattr(e, "_symbol") else "softmax"]


@ask
def missing_shapes(mx, v):
    found = []
    for call in (lambda: net(mx).simple_bind(mx.cpu()), lambda: net(mx).simple_bind(mx.cpu(), data=(0, 3)), lambda: net(mx).simple_bind(mx.cpu(), data=(2, 3), z=(1,)),
                 lambda: net(mx).simple_bind(mx.cpu(), data=(2, 3), fc1_weight=(9, 9)), lambda: net(mx).simple_bind(mx.cpu(), data=(2, 3), type_dict={"z": "float32"}),
                 lambda: (v("a") + v("b")).simple_bind(mx.cpu(), a=(2,), b=(3,)), lambda: v("a").simple_bind(mx.cpu(), a=(2,)), lambda: v("a").simple_bind("cpu", a=(2,))):
        try:
            found.append(len(call().arg_arrays))
        except Exception:
            found.append("raised")
    return found


@ask
def doubled_names(mx, v):
    """Two variables of one name: what passes, and what counts."""
    found = []
    a, b = mx.sym.Variable("w"), mx.sym.Variable("w")
    for call in (lambda: (a + b).list_arguments(), lambda: infer(a + b, w=(2,)), lambda: plain((a + b).eval(w=mx.nd.ones((2,)))),
                 lambda: plain((a + b).bind(mx.cpu(), [mx.nd.ones((2,)), mx.nd.ones((2,)) * 2]).forward()),
                 lambda: sorted((a + b).simple_bind(mx.cpu(), w=(2,)).arg_dict), lambda: infer(a + b, (2,), (2,)),
                 lambda: names(mx.sym.load_json((a + b).tojson())), lambda: mx.sym.exp(mx.sym.exp(a, name="e"), name="e").get_internals()["e_output"].list_arguments()):
        try:
            found.append(call())
        except Exception:
            found.append("raised")
    return found


def answers(mx):
    """All answers, by question."""
    found = {}
    for name, question in QUESTIONS.items():
        with mx.name.NameManager():
            try:
                found[name] = json.loads(json.dumps(question(mx, mx.sym.Variable)))
            except Exception as error:  # which is an answer too
                found[name] = {"raised": True, "why": f"{type(error).__name__}: {error}"[:300]}
    return found


if __name__ == "__main__":
    import mxnet
    pathlib.Path(sys.argv[1]).write_text(json.dumps(answers(mxnet)))
