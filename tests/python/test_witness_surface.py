"""What the modules of the real MXNet have is here too, under its name and with its parameters."""
import functools
import importlib
import json

import pytest

import heddle as mx
from test_witness import ask
from witness.surface import MODULES, WRITTEN, parameters, surface

# Names that are missing, and why.
ABSENT = {
    "mx.np has not been made": {"as_np_ndarray"},
    "operators on graphs, and on sparse arrays": {
        "dgl_adjacency", "dgl_csr_neighbor_non_uniform_sample", "dgl_csr_neighbor_uniform_sample", "dgl_graph_compact",
        "dgl_subgraph", "edge_id", "getnnz", "SparseEmbedding", "cast_storage"},
    "loops in graphs": {"CachedOp", "foreach", "while_loop", "cond"},
    "gradients, which no program calls": {"backward_gradientmultiplier", "backward_hawkesll", "backward_index_copy",
                                          "backward_quadratic"},
    "operators that call other libraries": {"intgemm_fully_connected", "intgemm_maxabsolute", "intgemm_prepare_data",
                                            "intgemm_prepare_weight", "intgemm_take_weight", "tvm_dot", "tvm_dot_fallback",
                                            "tvm_vadd"},
    "partitions for other libraries": {"optimize_for", "get_backend_symbol"},
}
# Python's, ctypes' and NumPy's names that modules of MXNet happen to hold.
FOREIGN = {"AttrScope", "Context", "DLContext", "DLDataType", "DLManagedTensor", "DLPackHandle", "DLTensor", "DeleterFunc",
           "ExecutorHandle", "Features", "handle", "MXNetError", "NDArrayBase", "NDArrayHandle", "NotImplementedForSymbol", "Number",
           "PyCapsuleDestructor", "SymbolBase", "SymbolHandle", "array", "c_array", "c_array_buf", "c_handle_array", "c_str",
           "c_str_array", "check_boolean_array_dimension", "check_call", "ctypes2buffer", "current_context",
           "dl_managed_tensor_deleter", "integer_types", "is_np_array", "is_np_shape", "mx_int", "mx_int64", "mx_real_t",
           "mx_uint", "native_array", "numeric_types", "py_slice", "py_str", "reduce", "string_types", "NDArray", "Symbol",
           "uniform", "csr_matrix", "row_sparse_array", "NotSupportedForSparseNDArray", "gs_retain", "py_sum"}
# Functions that take something else, and what a program that calls MXNet's may meet.
DIFFERENT = {
    "BatchNorm_v1": "moving averages are inputs of the operator, as BatchNorm's",
    "IdentityAttachKLSparseReg": "its moving average is an input",
    "Custom": "parameters of the user's operator", "split_v2": "a function of its own in both",
}
COUNTED = {"name", "attr", "out", "kwargs", "self", "is_int"}


def missing(module, theirs, ours):
    known = set().union(*ABSENT.values()) | FOREIGN
    return sorted(n for n in theirs if n not in ours and n not in known)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("surface") / "names.json"
    ask("surface.py", str(path))
    return json.loads(path.read_text()), surface(mx)


@pytest.mark.parametrize("module", MODULES)
def test_names(module, found):
    theirs, ours = found
    assert not missing(module, theirs[module], ours[module])


@pytest.mark.parametrize("module", MODULES)
def test_parameters(module, found):
    """Those of theirs come in the same order: a call by position means the same."""
    theirs, ours = (side[module] for side in found)
    wrong = []
    for name in set(theirs) & set(ours) - set(DIFFERENT):
        wanted, have = theirs[name], ours[name]
        if wanted is None or have is None:
            continue
        both = [p for p in wanted if p in have and p not in COUNTED]
        if both != [p for p in have if p in both]:
            wrong.append(f"{name}: {have}, in MXNet {wanted}")
        elif module in ("nd.random", "nd.utils", "nd.ndarray", "random") and set(wanted) - set(have) - COUNTED:
            wrong.append(f"{name}: {have} lacks {set(wanted) - set(have)}")
    assert not wrong


def test_what_is_absent_is_absent(found):
    """An entry that is no longer needed goes."""
    theirs, ours = found
    gone = [n for names in ABSENT.values() for n in names
            if all(n in ours[m] for m in MODULES if n in theirs[m]) and any(n in theirs[m] for m in MODULES)]
    assert not gone


# --- modules that are written by hand
# Names of these that are missing, and why.
ABSENT_WRITTEN = {
    "MXNet's C library by ctypes, and what MXNet's own modules share": {
        "base": {"error_types", "register_error", "c2pyerror", "get_last_ffi_error", "check_call", "MXCallbackList", "with_metaclass",
                 "classproperty", "mx_float_p", "c_str", "c_str_array", "c_array", "c_array_buf", "c_handle_array", "ctypes2buffer",
                 "ctypes2numpy_shared", "build_param_doc", "add_fileline_to_docstring"},
        "contrib.text.embedding": {"GloVe.pretrained_archive_name_sha1", "FastText.pretrained_archive_name_sha1"}},
    "pictures are decoded without OpenCV": {"recordio": {"cv2"}, "image.image": {"cv2"}},
    "files of TVM": {"libinfo": {"find_conf_path"}},
    "steps of a sum that ours does not take": {
        "metric": {"PearsonCorrelation.reset_micro", "PearsonCorrelation.update_cov", "PearsonCorrelation.update_variance"}},
    "sparse storage has not been made": {
        "operator": {"CustomOpProp.infer_storage_type", "CustomOpProp.infer_storage_type_backward"},
        "test_utils": {"shuffle_csr_column_indices", "rand_sparse_ndarray", "create_sparse_array", "create_sparse_array_zd"}},
    "what docs/operators.md and help() say": {"operator": {"OperatorArguments", "get_operator_arguments"}},
    "the driver of CUDA tells": {"util": {"get_cuda_compute_capability"}},
    "one set of features may be made as often as one likes": {"runtime": {"Features.instance"}},
}


# Functions that take something else, and why.
DIFFERENT_WRITTEN = {"executor Executor": "made by bind, not by users", "kvstore.kvstore KVStore": "made by create"}
ABSENT_AT_THE_TOP = {
    "mx.np has not been made": {"np_symbol", "numpy_dispatch_protocol", "numpy_op_fallback", "numpy_op_signature"},
    "ONNX has not been made": {"onnx"},
    "MXNet's own machinery": {"api", "error", "tvmop"}, "charts in notebooks, by Bokeh": {"notebook"},
    "kernels for CUDA compiled while a program runs": {"rtc"}, "the Torch of Lua": {"th", "torch"},
}


def test_names_at_the_top(found):
    known = set().union(*ABSENT_AT_THE_TOP.values())
    assert {n for n in found[0]["top"] if not hasattr(mx, n)} == known


def absent(module):
    return set().union(*(names.get(module, set()) for names in ABSENT_WRITTEN.values()))


def lookup(module, name):
    """A name, or a member of a class, of a module of heddle; None where it is missing."""
    try:
        return functools.reduce(getattr, name.split("."), importlib.import_module(f"heddle.{module}")) or True
    except AttributeError:
        return None


@pytest.mark.parametrize("module", WRITTEN)
def test_names_of_written_modules(module, found):
    theirs, known = found[0]["written"][module], absent(module)
    ignored = {"bfloat16", "string_types", "numeric_types", "pi"}  # of other modules
    gone = [n for n in theirs if n not in known | ignored and n.split(".")[0] not in known and lookup(module, n) is None]
    assert not gone
    assert not [n for n in known if lookup(module, n) is not None]


@pytest.mark.parametrize("module", WRITTEN)
def test_parameters_of_written_modules(module, found):
    wrong = []
    for name, wanted in found[0]["written"][module].items():
        ours = lookup(module, name)
        have = parameters(ours) if callable(ours) else None
        if wanted is None or have is None or f"{module} {name}" in DIFFERENT_WRITTEN:
            continue
        both = [p for p in wanted if p in have]
        if both != [p for p in have if p in both] or set(wanted) - set(have) - COUNTED:
            wrong.append(f"{name}: {have}, in MXNet {wanted}")
    assert not wrong
