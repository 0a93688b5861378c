"""What the Python modules of MXNet 0.10 offered is here, under its name and with its parameters in their order."""
import importlib
import inspect
import pathlib

import pytest

import heddle as mx

LISTED = [line.partition(":") for line in
          (pathlib.Path(__file__).parent / "surface_0_10.txt").read_text().splitlines() if not line.startswith("#")]
# Names that are missing, and why. A module's name stands for all that it held.
ABSENT = {
    "a kernel for CUDA compiled while the program runs, for MXNet's own layout of memory": {"rtc"},
}
# Functions that take something else, and why.
DIFFERENT = {
    "executor Executor": "made by bind, not by users",
    "module.executor_group DataParallelExecutorGroup": "made by Module, not by users",
    "kvstore KVStore": "stores are made by create",
    "ndarray negative": "the operator, whose input is data", "symbol pow": "called by position",
    "test_utils check_consistency": "1.x has rtol and atol where 0.10 had tol, which goes by name",
    "metric check_label_shapes": "1.x has wrap before shape",
}


def found(path):
    """An object by its dotted path below the package, modules imported on the way."""
    place = mx
    for part in path.split("."):
        if inspect.ismodule(place) and not hasattr(place, part):
            importlib.import_module(f"{place.__name__}.{part}")
        place = getattr(place, part)
    return place


def is_absent(module, name):
    return any(w in names for names in ABSENT.values()
               for w in (module, f"{module} {name}", f"{module} {name.split('.')[0]}"))


def parameters(thing):
    try:
        return list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return None


@pytest.mark.parametrize("module", dict.fromkeys(head.split()[0] for head, _, _ in LISTED))
def test_names(module):
    missing = []
    for head, _, _ in LISTED:
        where, name = head.split()
        if where == module and not is_absent(where, name):
            try:
                found(f"{where}.{name}")
            except (AttributeError, ImportError):
                missing.append(name)
    assert not missing


@pytest.mark.parametrize("module", dict.fromkeys(head.split()[0] for head, _, _ in LISTED))
def test_parameters(module):
    wrong = []
    for head, colon, listed in LISTED:
        where, name = head.split()
        if where != module or not colon or "?" in listed or is_absent(where, name) or head in DIFFERENT:
            continue
        try:
            ours = parameters(found(f"{where}.{name}"))
        except (AttributeError, ImportError):
            continue  # test_names says so
        if ours is None:
            continue
        wanted = [p for p in listed.split() if not p.startswith("*")]
        have = [p.name for p in ours if p.name != "self"]
        rest = any(p.kind is p.VAR_KEYWORD for p in ours)
        both = [p for p in wanted if p in have]
        if both != [p for p in have if p in both] or (set(wanted) - set(have) and not rest):
            wrong.append(f"{name}: {have}, in MXNet {wanted}")
    assert not wrong


def test_what_is_absent_is_absent():
    """An entry that is no longer needed goes."""
    def is_there(name):
        try:
            return bool(found(name.replace(" ", ".")))
        except (AttributeError, ImportError):
            return False

    assert not [name for names in ABSENT.values() for name in names if is_there(name)]
