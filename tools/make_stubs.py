#!/usr/bin/env python3
"""Writes type stubs of the operators, whose functions exist only while heddle runs, beside the modules that hold them.

usage: make_stubs.py PYTHON     PYTHON is the folder that holds a built package heddle, such as build/release/python

Everything comes from the catalogue: inputs, parameters with their types and defaults, and the descriptions.
"""
from __future__ import annotations

import importlib
import inspect
import pathlib
import re
import sys

TYPES = {"float": "float", "int": "int", "bool": "bool", "string": "str", "dtype": "DTypeLike", "Shape": "ShapeLike",
         "tuple of int": "ShapeLike"}
TRAILING = {"out": "NDArray | None", "name": "str | None", "attr": "Mapping[str, str] | None"}
HEAD = '''"""{doc}

Made from the catalogue by tools/make_stubs.py.
"""
from collections.abc import Mapping
from typing import Any, Literal

from heddle import _core
from heddle._typing import DTypeLike, ShapeLike
from heddle.base import _NullType
from heddle.context import Context
from heddle.{module} import {value}

'''


def type_of(parameter):
    """The type that an operator's parameter has in Python."""
    name, _, optional = parameter["type"].partition(" or ")
    if parameter["name"] == "ctx":
        kind = "Context | str"
    elif parameter["name"] == "dtype":
        kind = "DTypeLike"
    elif parameter["choices"]:
        kind = f"Literal[{', '.join(map(repr, parameter['choices']))}]"
    else:
        kind = TYPES[name]
    return kind + (" | None" if optional or parameter["default"] == "None" else "")


def arguments(op, face, signature):
    """The parts of an operator's signature as text."""
    parameters = {p["name"]: p for p in op.params}
    parts = []
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            parts.append(f"*{p.name}: Any")  # arrays, or one list of them
            continue
        if p.kind is p.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        if p.name in parameters:
            kind = type_of(parameters[p.name])
        else:
            kind = TRAILING.get(p.name, face.type_name) if p.kind is p.KEYWORD_ONLY else face.type_name
        if p.default is None and "None" not in kind:
            kind += " | None"
        if face.type_name == "Symbol" and p.name not in parameters and p.kind is not p.KEYWORD_ONLY:
            parts.append(f"{p.name}: {kind.removesuffix(' | None')} | None = None")  # missing inputs become variables
        elif p.default is p.empty and not any(" = " in part for part in parts):
            parts.append(f"{p.name}: {kind}")
        else:
            plain = p.default is None or p.default is not p.empty and isinstance(p.default, (bool, int, float, str))
            parts.append(f"{p.name}: {kind} = {p.default!r}" if plain else f"{p.name}: {kind} = ...")
    return parts


def stub(name, operator, face, method=False):
    """The stub of the function, or method, `name` of an operator."""
    from heddle import _core
    from heddle._ops import Op, signature
    op = Op.of(operator)
    parts = arguments(op, face, signature(op, face.trailing))
    parts = ["self", *parts[1:]] if method else parts
    result = "Any" if _core.op(operator)["outputs_vary"] else face.type_name
    if face.type_name == "Symbol":
        result, parts = "Symbol", [*parts, "**attributes: Any"]
    indent = "    " if method else ""
    doc = op.doc.replace("\\", "\\\\")
    return f'{indent}def {name}({", ".join(parts)}) -> {result}:\n{indent}    """{doc}"""\n'


def of_function(name, function, value):
    """The stub of a function that is annotated, but made while heddle runs, as those of random are."""
    def meant(annotation):
        return re.sub(r"\bOperand\b", f"{value} | float", re.sub(r"\bValue\b", value, annotation))

    signature = inspect.signature(function)
    parts = []
    for p in signature.parameters.values():
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if p.default is p.empty else " = ..." if repr(p.default) == "<default>" else f" = {p.default!r}"
        parts.append(f"{stars}{p.name}: {meant(p.annotation)}{default}")
    result = meant(signature.return_annotation)
    return f'def {name}({", ".join(parts)}) -> {result}:\n    """{function.__doc__}"""\n'


def write(folder, package, face):
    """The stubs of one namespace, in a package's folder."""
    from heddle import _core
    from heddle._namespaces import METHODS, places

    def head(doc):
        return HEAD.format(doc=doc, module=package.__name__.partition(".")[2], value=face.type_name)

    texts = {place: {} for place in ("op", "_internal", "contrib", "linalg")}
    for operator, aliases in _core.op_names():
        for name in (operator, *aliases):
            for place, called in places(name) if not name.startswith("_backward") else ():
                texts[place][called] = operator
    for place, functions in texts.items():
        module = importlib.import_module(f"{package.__name__}.{place}")
        stubs = [stub(name, operator, face) for name, operator in functions.items()]
        (folder / f"{place}.pyi").write_text(head(module.__doc__) + "\n".join(stubs))
    klass = getattr(package, face.type_name)
    base = "_core.NDArrayBase" if face.type_name == "NDArray" else "object"
    adopted = [n for n in METHODS if n in texts["op"] and vars(klass)[n] is getattr(package.op, n)]
    doc = f"What {face.type_name} has beside its own methods: those that are operators."
    stubs = [stub(n, texts["op"][n], face, True) for n in adopted]
    (folder / "_methods.pyi").write_text(head(doc) + f"class Methods({base}):\n" + "\n".join(stubs))
    stubs = [of_function(n, getattr(package.random, n), face.type_name) for n in package.random.__all__]
    names = f"__all__ = {package.random.__all__!r}\n\n"
    (folder / "random.pyi").write_text(head(package.random.__doc__) + names + "\n".join(stubs))


def main():
    root = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(root))
    from heddle import ndarray, symbol
    from heddle.ndarray._call import Arrays
    from heddle.symbol._call import Symbols
    write(root / "heddle/ndarray", ndarray, Arrays())
    write(root / "heddle/symbol", symbol, Symbols())


if __name__ == "__main__":
    main()
