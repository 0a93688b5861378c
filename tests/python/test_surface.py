"""What the Python modules of MXNet 0.10 and 1.9 offered is here, under its name and with its parameters in their order."""
import importlib
import inspect
import pathlib

import pytest

import heddle as mx

# Names that are missing, and why. A module's name stands for all that it held, a class's for its members.
ABSENT = {
    "a kernel for CUDA compiled while the program runs, for MXNet's own layout of memory": {"rtc"},
    "MXNet's C library by ctypes, and what MXNet's own modules share": {
        "base register_error", "base c2pyerror", "base get_last_ffi_error", "base check_call", "base MXCallbackList",
        "base with_metaclass", "base classproperty", "base c_str", "base c_str_array", "base c_array", "base c_array_buf",
        "base c_handle_array", "base mx_float_p", "base ctypes2buffer", "base ctypes2numpy_shared", "base build_param_doc",
        "base add_fileline_to_docstring", "contrib.text.embedding GloVe.pretrained_archive_name_sha1",
        "contrib.text.embedding FastText.pretrained_archive_name_sha1", "libinfo find_conf_path"},
    "steps of a sum that ours does not take": {
        "metric PearsonCorrelation.reset_micro", "metric PearsonCorrelation.update_cov", "metric PearsonCorrelation.update_variance"},
    "sparse storage has not been made": {
        "operator CustomOpProp.infer_storage_type", "operator CustomOpProp.infer_storage_type_backward",
        "test_utils shuffle_csr_column_indices", "test_utils rand_sparse_ndarray", "test_utils create_sparse_array",
        "test_utils create_sparse_array_zd"},
    "what docs/operators.md and help() say": {"operator OperatorArguments", "operator get_operator_arguments"},
    "the driver of CUDA tells": {"util get_cuda_compute_capability"},
    "one set of features may be made as often as one likes": {"runtime Features.instance"},
}
# Functions that take something else, and why.
DIFFERENT = {
    "executor Executor": "made by bind, not by users",
    "module.executor_group DataParallelExecutorGroup": "made by Module, not by users",
    "kvstore KVStore": "stores are made by create", "kvstore.kvstore KVStore": "stores are made by create",
    "ndarray negative": "the operator, whose input is data", "symbol pow": "called by position",
    "test_utils check_consistency": "1.x has rtol and atol where 0.10 had tol, which goes by name",
    "metric check_label_shapes": "1.x has wrap before shape",
}
# Defaults that differ, and why.
OTHER_DEFAULTS = {
    "gluon.data.dataloader DataLoader thread_pool": "None stands for threads, False for processes",
    "rnn.rnn_cell ConvRNNCell prefix": "None stands for the same", "rnn.rnn_cell ConvLSTMCell prefix": "None stands for the same",
    "rnn.rnn_cell ConvGRUCell prefix": "None stands for the same", "libinfo find_lib_path prefix": "the library has another name",
}


def listed(name):
    """(module, name, parameters as texts or None) of a file of this folder."""
    for line in (pathlib.Path(__file__).parent / name).read_text().splitlines():
        if not line.startswith("#"):
            head, colon, parameters = line.partition(":")
            yield (*head.split(), parameters.split() if colon and "?" not in parameters else None)


LISTED = {name: list(listed(name)) for name in ("surface_0_10.txt", "surface_1_9.txt")}
CASES = [(name, module) for name, lines in LISTED.items() for module in dict.fromkeys(module for module, _, _ in lines)]
each_module = pytest.mark.parametrize("file, module", CASES, ids=lambda v: v)


def found(path):
    """An object by its dotted path below the package, modules imported on the way; one before what it holds of the same name."""
    place = mx
    *parts, last = path.split(".")
    for part in parts:
        try:
            place = importlib.import_module(f"{place.__name__}.{part}")
        except ModuleNotFoundError:  # it is a class
            place = getattr(place, part)
    return getattr(place, last) if hasattr(place, last) else importlib.import_module(f"{place.__name__}.{last}")


def is_absent(module, name):
    return any(w in names for names in ABSENT.values()
               for w in (module, f"{module} {name}", f"{module} {name.split('.')[0]}"))


def of_module(file, module):
    return [(name, parameters) for where, name, parameters in LISTED[file] if where == module and not is_absent(where, name)]


def both_sides(file, module):
    """(name, MXNet's parameters as {name: default or None}, ours) of what can be compared."""
    for name, wanted in of_module(file, module):
        try:
            ours = inspect.signature(found(f"{module}.{name}")).parameters.values()
        except (AttributeError, ImportError, TypeError, ValueError):
            continue  # test_names says so, or it has no signature
        if wanted is not None and f"{module} {name}" not in DIFFERENT:
            pairs = [p.partition("=") for p in wanted if not p.startswith("*")]
            yield name, {p: default if equals else None for p, equals, default in pairs}, [p for p in ours if p.name != "self"]


def shown(default):
    """As the files write a default: numbers, texts and None; ... for others."""
    if isinstance(default, (int, float, str, type(None))):
        return repr(default).replace(" ", "")
    if isinstance(default, (tuple, list)) and all(isinstance(v, (int, float, str)) for v in default):
        return repr(tuple(default)).replace(" ", "")
    return "..."


@each_module
def test_names(file, module):
    missing = []
    for name, _ in of_module(file, module):
        try:
            found(f"{module}.{name}")
        except (AttributeError, ImportError):
            missing.append(name)
    assert not missing


@each_module
def test_parameters(file, module):
    wrong = []
    for name, wanted, ours in both_sides(file, module):
        have = [p.name for p in ours]
        rest = any(p.kind is p.VAR_KEYWORD for p in ours)
        both = [p for p in wanted if p in have]
        if both != [p for p in have if p in both] or (set(wanted) - set(have) and not rest):
            wrong.append(f"{name}: {have}, in MXNet {list(wanted)}")
    assert not wrong


@pytest.mark.parametrize("module", [module for file, module in CASES if file == "surface_1_9.txt"])
def test_defaults(module):
    """What may be left out in MXNet may be left out, and means the same."""
    wrong = []
    for name, wanted, ours in both_sides("surface_1_9.txt", module):
        for p in ours:
            default = wanted.get(p.name)
            if default is None or f"{module} {name} {p.name}" in OTHER_DEFAULTS:
                continue
            if p.default is p.empty:
                wrong.append(f"{name}: {p.name} must be given, in MXNet it is {default}")
            elif "..." not in (default, shown(p.default)) and default != shown(p.default):
                wrong.append(f"{name}: {p.name} is {p.default!r}, in MXNet {default}")
    assert not wrong


def test_what_is_absent_is_absent():
    """An entry that is no longer needed goes."""
    def is_there(name):
        try:
            return bool(found(name.replace(" ", ".")))
        except (AttributeError, ImportError):
            return False

    assert not [name for names in ABSENT.values() for name in names if is_there(name)]
