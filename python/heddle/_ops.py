"""The catalogue of operators, and the signatures and docstrings made from it."""
import ast
import inspect

from . import _core

_NO_DOC = "No description."


class _Required:
    """Shown in signatures for a required parameter that follows optional ones."""

    def __repr__(self):
        return "<required>"


_REQUIRED = _Required()


class Op:
    """What the record of one operator says, in Python's terms."""

    __slots__ = ("name", "aliases", "doc", "hint", "variadic", "inputs", "params", "input_names",
                 "param_names", "optional")

    def __init__(self, record):
        self.name = record["name"]
        self.aliases = record["aliases"]
        self.doc = record["doc"]
        self.hint = record["hint"] or self.name.lower()
        self.variadic = record["variadic"]
        self.params = record["params"]
        self.param_names = tuple(p["name"] for p in self.params)
        self.inputs = record["inputs"]
        self.optional = set()
        if record["inputs_vary"] and not self.variadic:
            self._collect_inputs()
        self.input_names = tuple(i["name"] for i in self.inputs)

    def _collect_inputs(self):
        """Where parameters decide what the inputs are: all there can be, and which may be missing."""
        required = {p["name"]: _some_value(p) for p in self.params if p["required"]}
        known = {i["name"]: i for i in self.inputs}
        for p in self.params:
            for value in p["choices"] or (("True", "False") if p["type"].startswith("bool") else ()):
                try:
                    call = _core.call_info(self.name, {**required, p["name"]: value})
                except _core.Error:
                    continue
                names = [name for name, _ in call["inputs"]]
                self.optional |= known.keys() ^ set(names) if known else set()
                for name in names:
                    known.setdefault(name, {"name": name, "doc": "", "role": "read"})
        self.inputs = list(known.values())


def _some_value(param):
    """A value that lets a required parameter parse."""
    if param["choices"]:
        return param["choices"][0]
    return {"dtype": "float32", "Shape": (1, 1)}.get(param["type"], 1)


def catalogue():
    """(name, Op) for every operator under each of its names; gradients' own operators left out."""
    for record in _core.ops():
        op = Op(record)
        for name in (op.name, *op.aliases):
            if not name.startswith("_backward"):
                yield name, op


def _default(param):
    if param["required"]:
        return inspect.Parameter.empty
    text = param["default"]
    if param["type"] == "bool":
        return text in ("1", "true", "True")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def signature(op, trailing):
    """The signature of an operator's function; `trailing` names its last keywords."""
    kinds = inspect.Parameter
    parameters = []
    if op.variadic:
        parameters.append(kinds("data", kinds.VAR_POSITIONAL))
    else:
        for i in op.inputs:
            default = None if i["name"] in op.optional or parameters and parameters[-1].default is None else kinds.empty
            parameters.append(kinds(i["name"], kinds.POSITIONAL_OR_KEYWORD, default=default))
    kind = kinds.KEYWORD_ONLY if op.variadic else kinds.POSITIONAL_OR_KEYWORD
    for p in op.params:
        default = _default(p)
        if p["name"] == op.variadic or not p["name"].isidentifier():
            continue
        if default is kinds.empty and kind is kinds.POSITIONAL_OR_KEYWORD:
            if any(q.default is not kinds.empty for q in parameters):
                default = _REQUIRED
        parameters.append(kinds(p["name"], kind, default=default))
    taken = {p.name for p in parameters}
    parameters += [kinds(t, kinds.KEYWORD_ONLY, default=None) for t in trailing if t not in taken]
    return inspect.Signature(parameters)


def docstring(op, value):
    """The documentation of an operator; `value` is the type of its inputs and outputs."""
    lines = [op.doc or _NO_DOC, "", "Parameters", "----------"]
    for i in op.inputs:
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


def finish(function, op, name, module, value, trailing):
    """Gives a generated function its name, signature and documentation."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__signature__ = signature(op, trailing)
    function.__doc__ = docstring(op, value)
    return function


_PLACES = (("_contrib_", "contrib"), ("_linalg_", "linalg"), ("linalg_", "linalg"))


def places(name):
    """(module, name) for each place where an operator called `name` is found."""
    if name.startswith("_"):
        yield "_internal", name
    else:
        yield "op", name
    for prefix, module in _PLACES:
        if name.startswith(prefix):
            yield module, name[len(prefix):]
