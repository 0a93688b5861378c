#!/usr/bin/env python3
"""Writes type stubs of the functions that exist only while heddle runs, beside the modules that hold them.

usage: make_stubs.py PYTHON     PYTHON is the folder that holds a built package heddle, such as build/release/python

Signatures and descriptions are those that the functions have at run time: python/heddle/_ops.py makes them from the
catalogue.
"""
from __future__ import annotations

import importlib
import inspect
import pathlib
import re
import sys

HEAD = '''"""{doc}

Made from the catalogue by tools/make_stubs.py.
"""
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from heddle import _core
from heddle._typing import DTypeLike, FloatsLike, ShapeLike
from heddle.base import _NullType
from heddle.context import Context
from heddle.{namespace} import {value}

'''


def stub(name, function, value, method=False):
    """The stub of a function, or of a method whose first argument is the object."""
    def meant(annotation):
        return re.sub(r"\bOperand\b", f"{value} | float", re.sub(r"\bValue\b", value, annotation))

    signature = inspect.signature(function)
    parts = []
    for p in list(signature.parameters.values())[method:]:
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.kind is p.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        plain = isinstance(p.default, (bool, int, float, str, tuple, type(None)))
        default = "" if p.default is p.empty else f" = {p.default!r}" if plain else " = ..."
        parts.append(f"{stars}{p.name}: {meant(p.annotation)}{default}")
    if value == "Symbol" and not any(part.startswith("**") for part in parts):
        parts.append("**attributes: Any")
    parts = ["self", *parts] if method else parts
    indent = "    " * method
    doc = function.__doc__.partition("\n\n")[0].replace("\\", "\\\\")
    return f'{indent}def {name}({", ".join(parts)}) -> {meant(signature.return_annotation)}:\n{indent}    """{doc}"""\n'


def write(folder, namespace, value, base):
    """The stubs of one namespace, in a package's folder; base is what the class of its values has by itself."""
    def put(file, doc, text):
        (folder / file).write_text(HEAD.format(doc=doc, namespace=namespace, value=value) + text)

    for name in ("op", "_internal", "contrib", "image", "linalg", "random"):
        module = importlib.import_module(f"heddle.{namespace}.{name}")
        stubs = [stub(n, getattr(module, n), value) for n in module.__all__]
        put(f"{name}.pyi", module.__doc__, f"__all__ = {module.__all__!r}\n\n" + "\n".join(stubs))
    package = importlib.import_module(f"heddle.{namespace}")
    methods = {n: f for n, f in vars(getattr(package, value)).items()
               if n in package.op.__all__ and f is getattr(package.op, n)}
    put("_methods.pyi", f"What {value} has beside its own methods: those that are operators.",
        f"class Methods({base}):\n" + "\n".join(stub(n, f, value, method=True) for n, f in methods.items()))


def main():
    root = pathlib.Path(sys.argv[1])
    sys.path.insert(0, str(root))
    write(root / "heddle/ndarray", "ndarray", "NDArray", "_core.NDArrayBase")
    write(root / "heddle/symbol", "symbol", "Symbol", "object")


if __name__ == "__main__":
    main()
