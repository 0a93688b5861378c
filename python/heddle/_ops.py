"""The catalogue of operators, and the signatures and docstrings made from it.

An import needs the names only; what an operator's record says is read when the operator is first used.
"""
from __future__ import annotations

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from collections.abc import Mapping
    from typing import Any

_NO_DOC = "No description."


class _Required:
    """Shown in signatures for a required parameter that follows optional ones."""

    def __repr__(self) -> str:
        return "<required>"


_REQUIRED = _Required()


class Op:
    """What the record of one operator says, in Python's terms."""

    __slots__ = ("name", "doc", "hint", "variadic", "inputs", "params", "input_names", "param_names", "optional",
                 "outputs_vary", "precision", "full_when", "is_loss")

    _read: dict[str, Op] = {}

    @classmethod
    def of(cls, name: str) -> Op:
        """The one Op of that name."""
        return cls._read.get(name) or cls._read.setdefault(name, cls(_core.op(name)))

    def __init__(self, record: dict[str, Any]) -> None:
        self.name = record["name"]
        self.doc = record["doc"]
        self.hint = record["hint"] or self.name.lower()
        self.variadic = record["variadic"]
        self.outputs_vary = record["outputs_vary"]
        self.precision = record["precision"]
        self.full_when = record["full_when"]
        self.is_loss = record["loss"]
        self.params = record["params"]
        self.param_names = tuple(p["name"] for p in self.params)
        self.inputs = record["inputs"]
        self.optional = {i["name"] for i in self.inputs if i["optional"]}
        self.input_names = tuple(i["name"] for i in self.inputs)


def _default(param: dict[str, Any], empty: Any) -> Any:
    if param["required"]:
        return empty
    text = param["default"]
    if param["type"] == "bool":
        return text in ("1", "true", "True")
    import ast
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


# Types of parameters in Python, for annotations and for type stubs.
_TYPES = {"float": "float", "int": "int", "bool": "bool", "string": "str", "dtype": "DTypeLike", "Shape": "ShapeLike",
          "tuple of int": "ShapeLike", "tuple of float": "FloatsLike"}


def _type(param: dict[str, Any]) -> str:
    """The type that a parameter has in Python."""
    name, _, optional = param["type"].partition(" or ")
    if param["name"] == "ctx":
        kind = "Context | str"
    elif param["name"] == "dtype":
        kind = "DTypeLike"
    elif param["choices"]:
        kind = f"Literal[{', '.join(map(repr, param['choices']))}]"
    else:
        kind = _TYPES[name]
    return kind + (" | None" if optional or param["default"] == "None" else "")


def signature(op: Op, value: str, trailing: Mapping[str, str], symbolic: bool) -> inspect.Signature:
    """The annotated signature of an operator's function.

    value: the type of its inputs and outputs. trailing: its last keywords, which may be None, to their types. symbolic:
    whether missing inputs become variables, and any number of outputs is one value.
    """
    import inspect
    kinds = inspect.Parameter
    parameters: list[inspect.Parameter] = []

    def add(name: str, kind: Any, default: Any, annotation: str) -> None:
        annotation += " | None" if default is None and not annotation.endswith(" | None") else ""
        parameters.append(kinds(name, kind, default=default, annotation=annotation))

    if op.variadic:
        add("data", kinds.VAR_POSITIONAL, kinds.empty, f"{value} | Sequence[{value}]")
    else:
        for i in op.inputs:
            optional = symbolic or i["name"] in op.optional or parameters and parameters[-1].default is None
            add(i["name"], kinds.POSITIONAL_OR_KEYWORD, None if optional else kinds.empty, value)
    kind = kinds.KEYWORD_ONLY if op.variadic else kinds.POSITIONAL_OR_KEYWORD
    for p in op.params:
        default = _default(p, kinds.empty)
        if p["name"] == op.variadic or not p["name"].isidentifier():
            continue
        if default is kinds.empty and kind is kinds.POSITIONAL_OR_KEYWORD:
            if any(q.default is not kinds.empty for q in parameters):
                default = _REQUIRED
        add(p["name"], kind, default, _type(p))
    taken = {p.name for p in parameters}
    for name, annotation in trailing.items():
        if name not in taken:
            add(name, kinds.KEYWORD_ONLY, None, annotation)
    return inspect.Signature(parameters, return_annotation="Any" if op.outputs_vary and not symbolic else value)


def docstring(op: Op, value: str) -> str:
    """The documentation of an operator; `value` is the type of its inputs and outputs."""
    lines = [op.doc or _NO_DOC, "", "Parameters", "----------"]
    if op.variadic:
        lines.append(f"*data : {value}")
    for i in () if op.variadic else op.inputs:
        lines.append(f"{i['name']} : {value}" + (", optional" if i["name"] in op.optional else ""))
        if i["doc"]:
            lines.append("    " + i["doc"])
    for p in op.params:
        kind = "{" + ", ".join(repr(c) for c in p["choices"]) + "}" if p["choices"] else p["type"]
        note = "required" if p["required"] else f"optional, default={p['default']}"
        lines.append(f"{p['name']} : {kind}, {note}")
        if p["doc"]:
            lines.append("    " + p["doc"])
    return "\n".join(lines)
