"""Calls that must raise, and the words their messages must hold: what was named, found and expected.

Run as a program, it makes every call and prints a line of JSON for each, before and after, so that a call
that ends the process is known by name.
"""
import json
import os
import struct
import sys
import tempfile

import heddle as mx
from heddle import nd, sym

CALLS = {}  # name -> (function, words, exception)


def bad(*words, raises=None):
    def add(function):
        CALLS[function.__name__] = (function, words, raises)
        return function
    return add


# --- operators on arrays --------------------------------------------------------------------------
@bad("FullyConnected", "weight", "(5,4)", "(5,3)")
def wrong_weight_shape():
    nd.FullyConnected(nd.ones((2, 3)), nd.ones((5, 4)), nd.ones((5,)), num_hidden=5)


@bad("FullyConnected", "num_hidden")
def missing_parameter():
    nd.FullyConnected(nd.ones((2, 3)), nd.ones((5, 3)), nd.ones((5,)))


@bad("FullyConnected", "num_hidden", "many")
def parameter_of_wrong_type():
    nd.FullyConnected(nd.ones((2, 3)), nd.ones((5, 3)), nd.ones((5,)), num_hidden="many")


@bad("FullyConnected", "num_hidden", "0")
def parameter_out_of_range():
    nd.FullyConnected(nd.ones((2, 3)), nd.ones((5, 3)), nd.ones((5,)), num_hidden=0)


@bad("relu", "slope")
def unknown_parameter():
    nd.relu(nd.ones((2,)), slope=1)


@bad("Activation", "act_type", "rellu", "relu")
def unknown_choice():
    nd.Activation(nd.ones((2,)), act_type="rellu")


@bad("FullyConnected", "1", "3")
def missing_input():
    nd.FullyConnected(nd.ones((2, 3)), num_hidden=3)


@bad("relu")
def too_many_inputs():
    nd.relu(nd.ones((2,)), nd.ones((2,)), nd.ones((2,)))


@bad("relu", "int")
def number_for_an_array():
    nd.relu(3)


@bad("relu", "str")
def text_for_an_array():
    nd.relu("x")


@bad("float32", "float64")
def mixed_dtypes():
    nd.ones((3,)) + nd.ones((3,), dtype="float64")


@bad("broadcast_add", "(2,3)", "(4")
def shapes_that_do_not_broadcast():
    nd.ones((2, 3)) + nd.ones((4,))


@bad("elemwise_add", "(2,3)", "(2,1)")
def elementwise_shapes():
    nd.elemwise_add(nd.ones((2, 3)), nd.ones((2, 1)))


@bad("dot", "(2,3)", "(4,5)")
def matrices_that_do_not_fit():
    nd.dot(nd.ones((2, 3)), nd.ones((4, 5)))


@bad("Concat", "(3,3)", "(2,")
def concat_shapes():
    nd.concat(nd.ones((2, 3)), nd.ones((3, 3)), dim=1)


@bad("sum", "5")
def axis_out_of_range():
    nd.sum(nd.ones((2, 3)), axis=5)


@bad("diag", "5", "-2", "3")
def diagonal_that_is_not_there():
    nd.diag(nd.ones((2, 3)), k=5)


@bad("broadcast_like", "empty")
def broadcast_over_no_axes():
    nd.broadcast_like(nd.ones((1, 2)), nd.ones((3, 2)), lhs_axes=(), rhs_axes=())


@bad("Convolution", "kernel")
def kernel_larger_than_image():
    nd.Convolution(nd.ones((1, 1, 3, 3)), nd.ones((2, 1, 5, 5)), nd.ones((2,)), kernel=(5, 5), num_filter=2)


@bad("Convolution", "weight", "(2,1,3,3)", "(2,3,3,3)")
def convolution_weight():
    nd.Convolution(nd.ones((1, 3, 8, 8)), nd.ones((2, 1, 3, 3)), nd.ones((2,)), kernel=(3, 3), num_filter=2)


@bad("BatchNorm", "gamma")
def batch_norm_gamma():
    nd.BatchNorm(nd.ones((2, 3)), nd.ones((4,)), nd.ones((3,)), nd.ones((3,)), nd.ones((3,)))


@bad("(3,)", "(2,)")
def out_of_another_shape():
    nd.relu(nd.ones((2,)), out=nd.ones((3,)))


@bad("rellu", raises=AttributeError)
def unknown_function():
    nd.rellu(nd.ones((2,)))


@bad("rellu", "relu")
def unknown_operator():
    mx._core.invoke("rellu", (nd.ones((2,)),))


# --- arrays ---------------------------------------------------------------------------------------
@bad("(4,2)")
def reshape_to_another_size():
    nd.ones((2, 3)).reshape((4, 2))


@bad("5", raises=IndexError)
def index_out_of_range():
    nd.ones((2,))[5]


@bad(raises=ValueError)
def scalar_of_a_vector():
    nd.ones((2,)).asscalar()


@bad(raises=ValueError)
def truth_of_a_vector():
    bool(nd.ones((2,)))


@bad("float31")
def unknown_dtype():
    nd.zeros((2,), dtype="float31")


@bad("(2,")
def negative_extent():
    nd.zeros((2, -3)).wait_to_read()


@bad()
def more_memory_than_there_is():
    nd.zeros((1 << 46,)).wait_to_read()


@bad()
def more_elements_than_an_integer_counts():
    nd.zeros((1 << 40, 1 << 40)).wait_to_read()


@bad("gpu")
def no_such_device():
    nd.zeros((2,), ctx=mx.gpu(7)).wait_to_read()


@bad()
def array_of_text():
    nd.array(["a", "b"])


@bad()
def ragged_lists():
    nd.array([[1, 2], [3]])


@bad("(2,)")
def assignment_of_another_shape():
    a = nd.ones((2,))
    a[:] = nd.ones((3,))


@bad("(2,)", "(3,)")
def copy_to_another_shape():
    nd.ones((2,)).copyto(nd.ones((3,)))


# --- autograd -------------------------------------------------------------------------------------
@bad()
def backward_without_a_record():
    nd.ones((2,)).backward()


@bad("grad_req", "wrote")
def unknown_grad_req():
    nd.ones((2,)).attach_grad(grad_req="wrote")


@bad()
def writing_to_a_recorded_array():
    x = nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = x * 2
        y += 1
        y[:] = 3


@bad()
def backward_twice():
    x = nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = x * x
    y.backward()
    y.backward()


@bad("sgd_update")
def gradient_of_an_operator_without_one():
    x = nd.ones((2, 2))
    x.attach_grad()
    with mx.autograd.record():
        y = nd.sgd_update(x * 1, x, lr=0.1)
    y.backward()


# --- symbols --------------------------------------------------------------------------------------
def network():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="hidden")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=2, name="top"), name="softmax")


@bad("hidden", "(4,9)", "(4,3)")
def bound_weight_of_wrong_shape():
    network().simple_bind(mx.cpu(), data=(2, 3), hidden_weight=(4, 9))


@bad("data")
def bind_without_a_shape():
    network().simple_bind(mx.cpu())


@bad("top_weight")
def bind_without_an_array():
    s = network()
    shapes, _, _ = s.infer_shape(data=(2, 3))
    arrays = {n: nd.ones(z) for n, z in zip(s.list_arguments(), shapes) if n != "top_weight"}
    s.bind(mx.cpu(), arrays)


@bad("nonsense")
def forward_with_an_unknown_name():
    network().simple_bind(mx.cpu(), data=(2, 3)).forward(nonsense=nd.ones((2, 3)))


@bad("data", "(5,3)", "(2,3)")
def forward_with_another_shape():
    network().simple_bind(mx.cpu(), data=(2, 3)).forward(data=nd.ones((5, 3)))


@bad("head")
def backward_without_heads():
    e = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="hidden").simple_bind(mx.cpu(), data=(2, 3))
    e.forward(is_train=True)
    e.backward()


@bad("relu", "slope")
def unknown_parameter_of_a_symbol():
    sym.relu(sym.Variable("x"), slope=1)


@bad("nonsense")
def composing_an_unknown_name():
    network()(nonsense=sym.Variable("x"))


@bad()
def output_that_is_not_there():
    network()["nonsense_output"]


@bad("nonsense")
def variable_attribute_without_underscores():
    sym.Variable("x", nonsense="1")


@bad("same")
def two_variables_of_one_name():
    (sym.Variable("same") + sym.Variable("same")).simple_bind(mx.cpu(), same=(2,)).arg_dict


# --- JSON -----------------------------------------------------------------------------------------
def altered(change):
    graph = json.loads(network().tojson())
    change(graph)
    sym.load_json(json.dumps(graph))


@bad("Convolushun", "hidden")
def json_with_an_unknown_operator():
    altered(lambda g: next(n for n in g["nodes"] if n["name"] == "hidden").update(op="Convolushun"))


@bad("hidden", "num_hidden")
def json_with_a_bad_parameter():
    altered(lambda g: next(n for n in g["nodes"] if n["name"] == "hidden").update(attrs={"num_hidden": "many"}))


@bad()
def json_with_an_input_from_nowhere():
    altered(lambda g: next(n for n in g["nodes"] if n["name"] == "hidden").update(inputs=[[99, 0, 0]]))


@bad()
def json_with_a_cycle():
    altered(lambda g: next(n for n in g["nodes"] if n["name"] == "hidden")["inputs"][0].__setitem__(0, len(g["nodes"]) - 1))


@bad()
def json_with_a_head_from_nowhere():
    altered(lambda g: g.update(heads=[[77, 0, 0]]))


@bad()
def json_without_nodes():
    altered(lambda g: g.pop("nodes"))


@bad()
def json_with_words_for_numbers():
    altered(lambda g: g.update(heads=[["a", "b"]]))


@bad()
def json_that_is_none():
    sym.load_json("not json")


@bad()
def json_that_is_empty():
    sym.load_json("")


@bad()
def json_nested_beyond_reason():
    sym.load_json("[" * 200_000)


@bad()
def json_cut_everywhere():
    """Every prefix must raise; the first that does not is reported."""
    text = network().tojson()
    for n in range(len(text.rstrip()) - 1):
        try:
            sym.load_json(text[:n])
        except mx.base.MXNetError:
            continue
        return
    raise mx.base.MXNetError("every prefix was refused")


# --- files ----------------------------------------------------------------------------------------
def saved():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "a.params")
    nd.save(path, {"weight": nd.ones((3, 4)), "bias": nd.zeros((4,))})
    return path


def rewritten(change):
    path = saved()
    with open(path, "rb") as file:
        data = bytearray(file.read())
    changed = change(data)
    data = data if changed is None else changed
    with open(path, "wb") as file:
        file.write(data)
    nd.load(path)


@bad("/nowhere/a.params")
def file_that_is_not_there():
    nd.load("/nowhere/a.params")


@bad("/nowhere/a.params")
def folder_that_is_not_there():
    nd.save("/nowhere/a.params", {"a": nd.ones((1,))})


@bad("a.params")
def empty_file():
    rewritten(lambda data: bytearray())


@bad("a.params")
def truncated_file():
    rewritten(lambda data: data[:-10])


@bad("a.params")
def file_of_something_else():
    rewritten(lambda data: bytearray(b"PK\3\4" * 50))


@bad("a.params")
def file_with_an_enormous_count():
    rewritten(lambda data: data[:16] + struct.pack("<Q", 1 << 60) + data[24:])


@bad("a.params")
def file_with_an_enormous_shape():
    def change(data):
        at = data.index(struct.pack("<iqq", 2, 3, 4))
        data[at + 4:at + 12] = struct.pack("<q", 1 << 58)
        return data
    rewritten(change)


@bad("a.params")
def file_with_an_unknown_dtype():
    def change(data):
        at = data.index(struct.pack("<iqq", 2, 3, 4)) + 20 + 8
        data[at:at + 4] = struct.pack("<i", 99)
        return data
    rewritten(change)


@bad()
def file_cut_everywhere():
    path = saved()
    with open(path, "rb") as file:
        whole = file.read()
    for n in range(len(whole)):
        with open(path, "wb") as file:
            file.write(whole[:n])
        try:
            nd.load(path)
        except mx.base.MXNetError:
            continue
        return
    raise mx.base.MXNetError("every prefix was refused")


@bad("nowhere")
def checkpoint_that_is_not_there():
    mx.model.load_checkpoint("/nowhere/net", 3)


@bad()
def images_that_are_not_there():
    mx.io.MNISTIter(image="/nowhere/images", label="/nowhere/labels", batch_size=2)


@bad()
def images_that_are_cut():
    folder = tempfile.mkdtemp()
    for name, head in (("images", struct.pack(">IIII", 0x803, 10, 28, 28)), ("labels", struct.pack(">II", 0x801, 10))):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(head + bytes(5))
    mx.io.MNISTIter(image=f"{folder}/images", label=f"{folder}/labels", batch_size=2)


# --- modules and their parts ----------------------------------------------------------------------
def bound_module():
    m = mx.mod.Module(network())
    m.bind([("data", (2, 3))], [("softmax_label", (2,))])
    return m


@bad()
def forward_before_bind():
    mx.mod.Module(network()).forward(mx.io.DataBatch([nd.ones((2, 3))], [nd.zeros((2,))]))


@bad()
def update_before_init_optimizer():
    m = bound_module()
    m.init_params()
    m.update()


@bad("picture")
def data_name_that_is_not_there():
    mx.mod.Module(network(), data_names=("picture",))


@bad("sgdd")
def unknown_optimizer():
    mx.optimizer.create("sgdd")


@bad("accuraccy")
def unknown_metric():
    mx.metric.create("accuraccy")


@bad("xaviar")
def unknown_initializer():
    m = bound_module()
    m.init_params(mx.init.create("xaviar"))


@bad("remote")
def unknown_kvstore():
    mx.kv.create("remote")


@bad("hidden_")
def parameter_missing_from_a_checkpoint():
    m = bound_module()
    m.init_params(initializer=None, arg_params={"top_weight": nd.ones((2, 4))}, aux_params={}, allow_missing=False)


@bad("hidden_weight")
def parameter_of_another_shape():
    m = bound_module()
    m.init_params()
    m.set_params({"hidden_weight": nd.ones((9, 9))}, {}, allow_missing=True)


@bad("7")
def labels_of_another_length():
    mx.io.NDArrayIter(nd.ones((6, 3)), nd.ones((7,)), 2)


@bad()
def metric_of_another_shape():
    mx.metric.create("acc").update([nd.ones((3,))], [nd.ones((2, 4))])


def main():
    for name, (function, _, _) in CALLS.items():
        print(json.dumps({"name": name, "began": True}), flush=True)
        try:
            function()
            nd.waitall()
            found = {"type": None, "message": "nothing was raised"}
        except Exception as error:
            found = {"type": [t.__name__ for t in type(error).__mro__], "message": str(error)}
        print(json.dumps({"name": name, **found}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
