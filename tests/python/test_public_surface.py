"""Every public name is documented and typed, and the stubs name what there is."""
import ast
import importlib
import inspect
import pathlib
import pkgutil
import types

import pytest

import heddle

BUILT = pathlib.Path(heddle.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages(heddle.__path__, "heddle.")
                 if not any(part.startswith("_") for part in m.name.split(".")))


def public(module):
    """(path, object) of the functions and classes that a module defines for users, and of their members."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or callable(value):
            yield f"{module.__name__}.{name}", value
        if inspect.isclass(value):
            ours = [base for base in value.__mro__ if base.__module__.startswith("heddle.")]
            for member in sorted({m for base in ours for m in vars(base) if not m.startswith("_")}):
                thing = getattr(value, member)
                if callable(thing) or isinstance(thing, property):
                    yield f"{module.__name__}.{name}.{member}", thing


def test_modules_are_found():
    assert len(MODULES) > 40 and {"heddle.ndarray.op", "heddle.symbol.random", "heddle.model"} <= set(MODULES)


@pytest.mark.parametrize("name", ["heddle", *MODULES])
def test_every_public_name_has_a_docstring(name):
    module = importlib.import_module(name)
    bare = [path for path, value in public(module) if not (inspect.getdoc(value) or "").strip()]
    assert module.__doc__ and not bare


@pytest.mark.parametrize("name", ["heddle", *MODULES])
def test_every_public_function_is_annotated(name):
    """Ruff sees what is written; this sees what is made while the package runs."""
    bare = []
    for path, value in public(importlib.import_module(name)):
        value = value.fget if isinstance(value, property) else value
        if not isinstance(value, (types.FunctionType, heddle._core.Function)):
            continue  # classes
        signature = inspect.signature(value)
        untyped = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
        if untyped or signature.return_annotation is signature.empty:
            bare.append(path)
    assert not bare


def names_in(stub):
    tree = ast.parse(stub.read_text())
    return {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


@pytest.mark.parametrize("namespace", ["ndarray", "symbol"])
@pytest.mark.parametrize("module", ["op", "_internal", "contrib", "image", "linalg", "random"])
def test_stubs_of_operators(namespace, module):
    """As many functions as there are, with the parameters that they have, each documented."""
    found = names_in(BUILT / namespace / f"{module}.pyi")
    real = importlib.import_module(f"heddle.{namespace}.{module}")
    assert set(found) == set(real.__all__)
    for name, node in found.items():
        arguments = node.args
        typed = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        wanted = {p.name for p in inspect.signature(getattr(real, name)).parameters.values()
                  if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        assert typed == wanted, name
        assert ast.get_docstring(node), name


@pytest.mark.parametrize("namespace, klass", [("ndarray", heddle.NDArray), ("symbol", heddle.Symbol)])
def test_stubs_of_methods(namespace, klass):
    methods = {n.name for n in names_in(BUILT / namespace / "_methods.pyi")["Methods"].body}
    of_operators = {n for n, value in vars(klass).items() if type(value).__name__ == "Function"}
    assert methods == of_operators and {"sum", "exp", "argmax"} <= methods


def test_the_stub_of_the_compiled_half():
    from heddle import _core
    stub = ast.parse((BUILT / "_core.pyi").read_text())
    named = {n.name for n in stub.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")}
    named |= {n.target.id for n in stub.body if isinstance(n, ast.AnnAssign) and not n.target.id.startswith("_")}
    assert named == {n for n in vars(_core) if not n.startswith("_")}
    for node in stub.body:
        if isinstance(node, ast.ClassDef) and hasattr(_core, node.name):
            members = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
            assert not {m for m in members - {"__buffer__", "__call__"} if not hasattr(getattr(_core, node.name), m)}


def test_the_package_says_it_is_typed():
    assert (BUILT / "py.typed").exists()


def test_the_package_exports_what_it_has():
    """Type checkers that are strict see nothing else."""
    public = {n for n in vars(heddle) if not n.startswith("_")} - heddle._LATER.keys() - {"TYPE_CHECKING", "annotations"}
    assert set(heddle.__all__) == public and len(heddle.__all__) == len(public)
