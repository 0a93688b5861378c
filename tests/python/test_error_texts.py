"""What the most common mistakes say, word for word: what was called, what was found and what was expected.

Each function makes one mistake; above it stands the error that its user reads. FOLDER stands for a folder of the system's,
HERE for the line marked `# here`: errors of calls that fail later name the user's own line.
"""
import inspect
import os
import re
import tempfile

import pytest

import heddle as mx
from heddle import autograd, nd, sym

MISTAKES = []


def says(text):
    """The decorator of a mistake: "Type: text"."""
    def add(function):
        MISTAKES.append((function, text))
        return function
    return add


def network():
    net = sym.FullyConnected(sym.Variable("data"), num_hidden=4, name="hidden")
    net = sym.Activation(net, act_type="relu", name="act")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=2, name="top"), name="softmax")


def module():
    m = mx.mod.Module(network())
    m.bind([("data", (2, 3))], [("softmax_label", (2,))])
    return m


def rewritten(change):
    """Loads a file of one array of shape (3, 4) after a change of its bytes."""
    path = os.path.join(tempfile.mkdtemp(), "a.params")
    nd.save(path, {"w": nd.ones((3, 4))})
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))
    nd.load(path)


x = nd.ones((2, 3))


# --- Operators on arrays ---------------------------------------------------------------------------
@says("MXNetError: [dot] lhs has shape (2,3) and rhs (4,5): found 3 and 4 to sum over, expected equal extents")
def product_of_matrices_that_do_not_fit():
    nd.dot(x, nd.ones((4, 5)))


@says("MXNetError: [batch_dot] lhs has shape (2,3,4) and rhs (2,5,4): found 4 and 5 to sum over, expected equal "
      "extents")
def products_of_batches_that_do_not_fit():
    nd.batch_dot(nd.ones((2, 3, 4)), nd.ones((2, 5, 4)))


@says("MXNetError: [FullyConnected] weight has shape (5,4), expected (5,3)")
def weight_of_another_layer():
    nd.FullyConnected(x, nd.ones((5, 4)), nd.ones((5,)), num_hidden=5)


@says("MXNetError: [FullyConnected] found 2 inputs, expected 3: data, weight, bias")
def bias_left_out():
    nd.FullyConnected(x, nd.ones((5, 3)), num_hidden=5)


@says("MXNetError: [broadcast_add] operands could not be broadcast together with shapes (2,3) (4,)")
def sum_of_shapes_that_do_not_broadcast():
    x + nd.ones((4,))


@says("MXNetError: [elemwise_add] rhs has shape (2,1), expected (2,3)")
def elementwise_sum_of_other_shapes():
    nd.elemwise_add(x, nd.ones((2, 1)))


@says("MXNetError: [broadcast_add] rhs has dtype int32, expected float32")
def sum_of_two_dtypes():
    x + nd.ones((2, 3), dtype="int32")


@says("MXNetError: [softmax] data has dtype int32, expected a floating type")
def whole_numbers_for_a_softmax():
    nd.softmax(nd.array([1, 2], dtype="int32"))


@says("MXNetError: [FullyConnected] parameter 'num_hidden' is required, found none, expected int")
def required_parameter_left_out():
    nd.FullyConnected(x, nd.ones((5, 3)), nd.ones((5,)))


@says("MXNetError: [FullyConnected] parameter 'num_hiden' is unknown, expected num_hidden, no_bias, flatten")
def parameter_misspelt():
    nd.FullyConnected(x, nd.ones((5, 3)), nd.ones((5,)), num_hiden=5)


@says("MXNetError: [Activation] parameter act_type='rellu' is unknown, expected one of relu, sigmoid, tanh, "
      "softrelu, softsign")
def choice_misspelt():
    nd.Activation(x, act_type="rellu")


@says("MXNetError: [FullyConnected] parameter num_hidden='many' cannot be read, expected int")
def parameter_of_another_type():
    nd.FullyConnected(x, nd.ones((5, 3)), nd.ones((5,)), num_hidden="many")


@says("MXNetError: [Dropout] parameter p=1.5 is outside [0, 1], expected a number within")
def parameter_out_of_range():
    nd.Dropout(x, p=1.5)


@says("MXNetError: [relu] input 0 is a int, expected an NDArray")
def number_for_an_array():
    nd.relu(3)


@says("MXNetError: [relu] input 0 is a Symbol, expected an NDArray")
def symbol_for_an_array():
    nd.relu(sym.Variable("a"))


@says("MXNetError: [Convolution] kernel (5,5) is larger than the padded data (1,1,3,3)")
def kernel_larger_than_the_picture():
    nd.Convolution(nd.ones((1, 1, 3, 3)), nd.ones((2, 1, 5, 5)), nd.ones((2,)), kernel=(5, 5), num_filter=2)


@says("MXNetError: [Convolution] data has shape (1,3), expected 4 axes for kernel (5,5)")
def picture_without_axes():
    nd.Convolution(nd.ones((1, 3)), nd.ones((2, 1, 5, 5)), nd.ones((2,)), kernel=(5, 5), num_filter=2)


@says("MXNetError: [Convolution] weight has shape (2,1,3,3), expected (2,3,3,3)")
def filters_of_other_channels():
    nd.Convolution(nd.ones((1, 3, 8, 8)), nd.ones((2, 1, 3, 3)), nd.ones((2,)), kernel=(3, 3), num_filter=2)


@says("MXNetError: [Concat] arg1 has shape (3,3), expected (2,?)")
def join_of_other_shapes():
    nd.concat(x, nd.ones((3, 3)), dim=1)


@says("MXNetError: [sum] axis 2 is out of range for 2 dimensions, expected -2 to 1")
def axis_that_is_not_there():
    x.sum(axis=2)


@says("MXNetError: [SoftmaxOutput] label has shape (5,), expected (4,) for data of shape (4,10)")
def labels_of_another_batch():
    nd.SoftmaxOutput(nd.ones((4, 10)), nd.ones((5,)))


@says("MXNetError: [relu] output has shape (3,), expected (2,3)")
def result_into_another_shape():
    nd.relu(x, out=nd.ones((3,)))


@says("MXNetError: [broadcast_add] output has shape (3,), expected (2,3)")
def sum_in_place_that_grows():
    a = nd.ones((3,))
    a += nd.ones((2, 3))


# --- Arrays ----------------------------------------------------------------------------------------
@says("MXNetValueError: [reshape] found shape (4,2), expected 6 elements as in (2,3)")
def reshape_to_another_size():
    x.reshape((4, 2))


@says("ValueError: [reshape] cannot reshape array of size 6 into shape (-1, -1)")
def reshape_with_two_unknowns():
    x.reshape((-1, -1))


@says("IndexError: index 2 is out of bounds for axis 0 with size 2")
def index_out_of_range():
    x[2]


@says("IndexError: too many indices: found 3 for an array with 2 axes")
def too_many_indices():
    x[0, 0, 0]


@says("ValueError: NDArray does not support slicing with key 'a': found str, expected ints, slices, None, Ellipsis,"
      " lists or arrays")
def key_of_text():
    x["a"]


@says("ValueError: [NDArray[...] = value] found a value of shape (4,), expected one that broadcasts to (2, 3)")
def assignment_of_another_shape():
    x[:] = nd.ones((4,))


@says("ValueError: The truth value of an NDArray with multiple elements is ambiguous: found shape (2, 3), expected "
      "one element.")
def truth_of_many_elements():
    bool(x > 0)


@says("ValueError: The current array is not a scalar: found shape (2, 3), expected one element")
def scalar_of_many_elements():
    x.asscalar()


@says("MXNetError: [array] the nested list is ragged: axis 1 has 1 items, expected 2")
def lists_of_different_lengths():
    nd.array([[1, 2], [3]])


@says("ValueError: [array] found 'a' among the values, expected numbers")
def text_for_a_number():
    nd.array(["a"])


@says("TypeError: found dtype 'float31', expected one of float32, float64, float16, uint8, int32, int8, int64, "
      "bool, int16, uint16, uint32, uint64, bfloat16")
def dtype_misspelt():
    nd.zeros((2,), dtype="float31")


@says("ValueError: [copyto] found an array of shape (3, 2) to copy to, expected (2, 3)")
def copy_to_another_shape():
    x.copyto(nd.ones((3, 2)))


@says("SparseStorageError: [NDArray.tostype] found storage type 'csr', expected storage type 'default': arrays here"
      " are dense, sparse storage is not supported; convert the data to a dense array")
def sparse_storage():
    x.tostype("csr")


# --- What fails later says where it was asked for --------------------------------------------------
@says("MXNetIndexError: [take] indices holds 5, expected 0 to 2 [in task take, pushed at HERE]")
def row_that_is_not_there():
    nd.take(nd.ones((3, 2)), nd.array([5]), mode="raise").asnumpy()  # here


@says("MXNetIndexError: [take] indices holds 5, expected 0 to 2 [in task take, pushed at HERE]")
def row_that_is_not_there_read_two_calls_later():
    rows = nd.take(nd.ones((3, 2)), nd.array([5]), mode="raise")  # here
    more = rows + 1
    (more * 2).asnumpy()


@says("MXNetError: [random_randint] found low 5 and high 0, expected low < high [in task _random_randint, pushed at"
      " HERE]")
def random_numbers_between_bounds_that_crossed():
    nd.random.randint(5, 0, shape=(2,)).asnumpy()  # here


# --- Gradients -------------------------------------------------------------------------------------
@says("MXNetError: Cannot differentiate node because it is not in a computational graph. You need to set "
      "is_recording to true or use autograd.record() to save computational graphs for backward. If you want to "
      "differentiate the same graph twice, you need to pass retain_graph=True to backward. [backward] found an "
      "array that no recorded call has made from one with attach_grad(), or whose graph an earlier backward has "
      "freed.")
def backward_of_what_was_not_recorded():
    x.backward()


@says("MXNetError: Cannot differentiate node because it is not in a computational graph. You need to set "
      "is_recording to true or use autograd.record() to save computational graphs for backward. If you want to "
      "differentiate the same graph twice, you need to pass retain_graph=True to backward. [backward] found an "
      "array that no recorded call has made from one with attach_grad(), or whose graph an earlier backward has "
      "freed.")
def backward_twice():
    v = nd.ones((2,))
    v.attach_grad()
    with autograd.record():
        y = v * v
    y.backward()
    y.backward()


@says("MXNetError: Cannot differentiate node because it is not in a computational graph. You need to set "
      "is_recording to true or use autograd.record() to save computational graphs for backward. If you want to "
      "differentiate the same graph twice, you need to pass retain_graph=True to backward. [backward] found an "
      "array that no recorded call has made from one with attach_grad(), or whose graph an earlier backward has "
      "freed.")
def backward_without_attach_grad():
    v = nd.ones((2,))
    with autograd.record():
        y = v * 2
    y.backward()


@says("MXNetError: Inplace operations (+=, -=, x[:]=, etc) are not supported when recording with autograd. "
      "Assigning to NDArrays that are already in a computational graph will cause undefined behavior when "
      "evaluating gradients. Please call backward first to clear the graph or do this out side of a record section.")
def in_place_write_to_what_is_recorded():
    v = nd.ones((2,))
    v.attach_grad()
    with autograd.record():
        y = v * 2
        y += 1


@says("ValueError: [attach_grad] found grad_req 'wrote', expected one of null, write, add")
def grad_req_misspelt():
    x.attach_grad(grad_req="wrote")


@says("MXNetError: [backward] head gradient 0 has shape (3,) and dtype float32, expected (2,) and float32")
def head_gradient_of_another_shape():
    v = nd.ones((2,))
    v.attach_grad()
    with autograd.record():
        y = v * 2
    y.backward(nd.ones((3,)))


# --- Networks --------------------------------------------------------------------------------------
@says("ValueError: [bind] key `top_weight` is missing in `args`: found data, hidden_weight, hidden_bias, top_bias, "
      "softmax_label, expected data, hidden_weight, hidden_bias, top_weight, top_bias, softmax_label")
def bind_without_an_array():
    s = network()
    shapes, _, _ = s.infer_shape(data=(2, 3))
    s.bind(mx.cpu(), {n: nd.ones(z) for n, z in zip(s.list_arguments(), shapes) if n != "top_weight"})


@says("MXNetError: Error in operator hidden: [FullyConnected] weight has shape (4,9), expected (4,3)")
def bind_with_a_weight_of_another_shape():
    network().simple_bind(mx.cpu(), data=(2, 3), hidden_weight=(4, 9))


@says("MXNetError: InferShape pass cannot decide shapes for the following arguments (? means unknown dimensions). "
      "Please consider providing them as inputs:\n"
      "data: ?, hidden_weight: (4,?), top_weight: (2,?), softmax_label: ?, ")
def bind_without_shapes():
    network().simple_bind(mx.cpu())


@says("MXNetError: [simple_bind] Keyword argument name dta not found. Candidate arguments: data, hidden_weight, "
      "hidden_bias, top_weight, top_bias, softmax_label")
def bind_with_a_name_misspelt():
    network().simple_bind(mx.cpu(), dta=(2, 3))


@says("MXNetError: Error in operator softmax: [SoftmaxOutput] label has shape (5,), expected (2,) for data of shape"
      " (2,2)")
def bind_with_labels_of_another_batch():
    network().simple_bind(mx.cpu(), data=(2, 3), softmax_label=(5,))


@says("MXNetError: Error in operator total: [elemwise_add] rhs has shape (2,1), expected (2,3)")
def sum_of_symbols_of_other_shapes():
    sym.elemwise_add(sym.Variable("a"), sym.Variable("b"), name="total").simple_bind(mx.cpu(), a=(2, 3), b=(2, 1))


@says("TypeError: [forward] Unknown argument dta, expected one of data, hidden_weight, hidden_bias, top_weight, "
      "top_bias, softmax_label")
def forward_with_a_name_misspelt():
    network().simple_bind(mx.cpu(), data=(2, 3)).forward(dta=nd.ones((2, 3)))


@says("ValueError: [forward] Shape not match! Argument data, need: (2, 3), received: (5, 3)")
def forward_with_another_shape():
    network().simple_bind(mx.cpu(), data=(2, 3)).forward(data=nd.ones((5, 3)))


@says("NotImplementedForSymbol: [Symbol.__bool__] found a symbol, which has no value yet, expected an NDArray: bind"
      " it, or call its eval")
def truth_of_a_symbol():
    bool(sym.Variable("a"))


@says("TypeError: [relu] found NDArray as an input, expected a Symbol")
def array_for_a_symbol():
    sym.relu(x)


@says("NotImplementedForSymbol: [Symbol.asnumpy] found a symbol, which has no value yet, expected an NDArray: bind "
      "it, or call its eval")
def value_of_a_symbol():
    sym.Variable("a").asnumpy()


@says("MXNetError: Error in operator fc1: [FullyConnected] parameter 'num_hidden' is required, found none, expected"
      " int")
def layer_without_its_size():
    sym.FullyConnected(sym.Variable("a"), name="fc1")


@says("MXNetError: output 'nonsense_output' is unknown, expected one of softmax_output")
def output_that_is_not_there():
    network()["nonsense_output"]


@says("MXNetError: symbol file: unknown operators: FullyConected (nodes hidden, top)")
def file_with_an_unknown_operator():
    sym.load_json(network().tojson().replace("FullyConnected", "FullyConected"))


@says("RuntimeError: [Module] hidden_bias is not presented: found no array of that name, expected one for every "
      "parameter unless allow_missing=True")
def checkpoint_without_a_parameter():
    module().init_params(initializer=None, arg_params={"top_weight": nd.ones((2, 4))}, aux_params={})


@says("ValueError: hidden_weight has shape (9, 9), expected (4, 3)")
def checkpoint_with_another_shape():
    m = module()
    m.init_params()
    m.set_params({"hidden_weight": nd.ones((9, 9))}, {}, allow_missing=True)


@says("RuntimeError: Module.bind() must be called before this")
def forward_before_bind():
    mx.mod.Module(network()).forward(mx.io.DataBatch([x], [nd.zeros((2,))]))


# --- Files, iterators, names -----------------------------------------------------------------------
@says("MXNetError: [load] 'FOLDER/a.params': could not open it: No such file or directory")
def file_that_is_not_there():
    nd.load("/nowhere/a.params")


@says("MXNetError: [load] 'FOLDER/a.params' at byte 112: found 7 bytes to the end, expected 8 of the number of "
      "names")
def file_that_was_cut_off():
    rewritten(lambda data: data[:-10])


@says("MXNetError: [load] 'FOLDER/a.params' at byte 0: found magic number 8031924123371070824, expected 274 of a "
      ".params file")
def file_of_something_else():
    rewritten(lambda data: b"hello world, not params")


@says("ValueError: softmax_label has 7 rows, expected 6")
def labels_of_another_length():
    mx.io.NDArrayIter(nd.ones((6, 3)), nd.ones((7,)), 2)


@says("ValueError: [create] Cannot find optimizer sgdd, expected one of adadelta, adagrad, adam, adamax, adamw, ccsgd, "
      "dcasgd, ftml, ftrl, groupadagrad, lamb, lars, lbsgd, nadam, nag, rmsprop, sgd, sgld, signum, test")
def optimizer_misspelt():
    mx.optimizer.create("sgdd")


@says("ValueError: [create] xaviar is not registered as a initializer, expected one of bilinear, constant, "
      "fusedrnn, lstmbias, msraprelu, normal, one, ones, orthogonal, uniform, xavier, zero, zeros")
def initializer_misspelt():
    mx.init.create("xaviar")


@says("ValueError: found kvstore 'remote', expected one of local, local_update_cpu, local_allreduce_cpu, device, "
      "local_allreduce_device; stores over several machines are not supported")
def store_over_machines():
    mx.kv.create("remote")


@says("MXNetValueError: [KVStore] key 3 has not been inited, expected init(3, array) before")
def key_that_was_not_given():
    mx.kv.create("local").pull(3, out=nd.ones((2,)))


def plain(text, function):
    """The text without what differs from machine to machine."""
    lines, first = inspect.getsourcelines(function)
    marked = [first + i for i, line in enumerate(lines) if line.rstrip().endswith("# here")]
    for line in marked:
        text = text.replace(f"pushed at {__file__}:{line}]", "pushed at HERE]")
    return re.sub(r"'[^']*/(a\.params)'", r"'FOLDER/\1'", text)


@pytest.mark.parametrize("function, text", MISTAKES, ids=[f.__name__ for f, _ in MISTAKES])
def test_what_it_says(function, text):
    with pytest.raises(Exception) as caught:
        function()
        nd.waitall()
    try:
        nd.waitall()  # what else failed because of it
    except mx.MXNetError:
        pass
    assert f"{type(caught.value).__name__}: {plain(str(caught.value), function)}" == text


def test_texts_are_short():
    assert len(MISTAKES) >= 40
    for function, text in MISTAKES:
        assert text.count("\n") < 12, function.__name__
