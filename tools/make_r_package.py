#!/usr/bin/env python3
"""Makes the source package of heddle for R: R-package/ with the functions of all operators and their pages.

usage: make_r_package.py CATALOGUE FOLDER [--sources]

CATALOGUE is catalogue.json of a build. FOLDER becomes the package, ready for R CMD build. With --sources it carries the
sources of the library too, for machines that have no libheddle.
"""
from __future__ import annotations

import json
import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "R-package"
# Names that are other interfaces' or libraries' ways to say the same.
OTHERS = re.compile(r"_npx?_|_npi_|_npx__|_sparse_|_backward|_mkldnn|_sg_|_image_|_NDArray|_Native|_copyto$|_CrossDeviceCopy|_fused|_reorder")
TUPLES = ("Shape", "tuple of")
WORDS = {"True": "TRUE", "False": "FALSE", "None": "NULL", "nan": "NaN", "inf": "Inf", "": '""'}


def written_by_hand():
    """The functions that the package's own files define."""
    text = "\n".join(path.read_text() for path in sorted((PACKAGE / "R").glob("*.R")))
    return set(re.findall(r"^([\w.]+) <- ", text, re.M))


def dotted(name):
    return name.replace("_", ".")


def quoted(name):
    """A name of R, in backticks where it needs them."""
    return name if re.fullmatch(r"[A-Za-z.][\w.]*", name) and name not in ("repeat", "function", "if", "next", "in") else f"`{name}`"


def default(param):
    """A parameter's default as R writes it."""
    text = param["default"]
    if param["type"].startswith(TUPLES):
        inner = [x.strip() for x in text.strip("()[]").split(",") if x.strip()]
        if text in ("None", "") or not inner:
            return "NULL"
        return f"c({', '.join(WORDS.get(x, x) for x in reversed(inner))})" if len(inner) > 1 else inner[0]
    if param["type"] in ("string", "enum", "dtype", "enum or None", "dtype or None") and text != "None":
        return json.dumps(text)
    return WORDS.get(text, text)


def formals(op, last):
    """(name, default or None) of a function's arguments, inputs first."""
    inputs = [dotted(x["name"]) for x in op["inputs"]]
    taken, listed = set(inputs), [(name, None) for name in inputs]
    for param in op["params"]:
        name = dotted(param["name"])
        if name in taken or name in ("out", "name", "attr", "...") or param["name"] == op["variadic"]:
            continue
        taken.add(name)
        listed.append((name, None if param["required"] else default(param)))
    if op["variadic"]:
        listed = [("...", None), *listed]
    else:
        listed.append(("...", None))
    return listed + [argument for argument in last if argument[0] not in taken]


def function(name, op, call, last):
    """The text of one function."""
    arguments = formals(op, last)
    head = ", ".join(quoted(n) if d is None else f"{quoted(n)} = {d}" for n, d in arguments)
    inputs = ", ".join(f'"{dotted(x["name"])}"' for x in op["inputs"])
    names = {n for n, _ in arguments}
    given = {dotted(x["name"]) for x in op["inputs"]}
    params = ", ".join(f'"{dotted(p["name"])}"' for p in op["params"] if dotted(p["name"]) in names - given)
    lists = [f"c({x})" if x else "NULL" for x in (inputs, params)]
    return f'{name} <- function({head}) .Call({call}, "{op["name"]}", environment(), {", ".join(lists)})'


def names_of(op):
    """(of arrays, of symbols): the names of an operator's functions."""
    arrays, symbols = [], []
    for name in (op["name"], *op["aliases"]):
        if OTHERS.match(name):
            continue
        if name.startswith("_contrib_"):
            arrays.append("mx.nd.contrib." + dotted(name[9:]))
            symbols.append("mx.symbol.contrib." + name[9:])
        elif name.startswith("_"):
            arrays.append("mx.nd.internal." + dotted(name[1:]))
            symbols.append("mx.varg.symbol.internal." + name[1:])
        else:
            arrays.append("mx.nd." + dotted(name))
            symbols.append("mx.symbol." + name)
    return arrays, symbols


def escaped(text):
    """A text as Rd wants it."""
    return re.sub(r"([\\%{}])", r"\\\1", text).replace("`", "")


def usage(name, arguments):
    text = f"{name}({', '.join(quoted(n) if d is None else f'{quoted(n)} = {d}' for n, d in arguments)})"
    if len(text) <= 90:
        return text
    lines, line = [], f"{name}("
    for i, (n, d) in enumerate(arguments):
        piece = (quoted(n) if d is None else f"{quoted(n)} = {d}") + (", " if i + 1 < len(arguments) else ")")
        if len(line) + len(piece) > 90:
            lines.append(line.rstrip())
            line = "  "
        line += piece
    return "\n".join([*lines, line])


def describe(param):
    """What a parameter's item says."""
    parts = [param["doc"].rstrip(".") or "See the operator"]
    if param["choices"]:
        parts.append("one of " + ", ".join(param["choices"]))
    if param["type"].startswith(TUPLES):
        parts.append("in the order of R's dimensions")
    if param["required"]:
        parts.append("required")
    return escaped("; ".join(parts) + ".")


def page(op, arrays, symbols, array_formals, symbol_formals):
    """The Rd page of an operator."""
    known = {dotted(x["name"]): x for x in op["inputs"]}
    params = {dotted(p["name"]): p for p in op["params"]}
    items = []
    used = ([array_formals] if arrays else []) + ([symbol_formals] if symbols else [])
    for name in dict.fromkeys(name for formals in used for name, _ in formals):
        if name == "...":
            text = ("Arrays or symbols, or one list of them" if op["variadic"] else
                    "The arguments above as the library spells them, with underscores") + "."
            items.append(rf"\item{{\dots}}{{{text}}}")
            continue
        if name in known:
            doc = known[name]["doc"].rstrip(".")
            text = escaped("An array or a symbol" + (f": {doc}" if doc else "") + ".")
        elif name in params:
            text = describe(params[name])
        else:
            text = {"out": "Arrays to be written, in place of new ones.", "name": "The name of the node; NULL: one that no other has.",
                    "attr": "A named list of attributes of the node."}[name]
        items.append(rf"\item{{{name}}}{{{text}}}")
    title = arrays[0] if arrays else op["name"]
    aliases = "\n".join(rf"\alias{{{n}}}" for n in dict.fromkeys(arrays + symbols))
    uses = "\n\n".join([usage(n, array_formals) for n in arrays] + [usage(n, symbol_formals) for n in symbols])
    count = "one array or symbol" if len([o for o in op["outputs"] if not o["hidden"]]) == 1 and not op["outputs_vary"] else \
        "a list of arrays, or one where there is one output; a symbol"
    gradient = "It can be differentiated." if op["differentiable"] else "It has no gradient."
    return rf"""\name{{{title}}}
{aliases}
\title{{{escaped(op["name"])}}}
\description{{{escaped(op["doc"])} Shapes in this text are the library's: the last of its axes is the first of R's.}}
\usage{{
{uses.replace("%", chr(92) + "%")}
}}
\arguments{{
{chr(10).join(items)}
}}
\value{{The function of arrays gives {count.split(";")[0] if ";" in count else "one array"}; that of symbols a symbol. {gradient}}}
\keyword{{operator}}
"""


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--sources"]):
        sys.exit(__doc__)
    catalogue, folder = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("*.o", "*.so", "Makevars"))
    (folder / "man").mkdir(exist_ok=True)
    taken, pages = written_by_hand(), set()
    functions = ["# Made from the catalogue of operators by tools/make_r_package.py."]
    for op in catalogue["operators"]:
        arrays, symbols = ([n for n in dict.fromkeys(names) if n not in taken] for names in names_of(op))
        taken |= {*arrays, *symbols}
        if not arrays and not symbols:
            continue
        array_last, symbol_last = [("out", "NULL")], [("name", "NULL"), ("attr", "NULL")]
        functions += [function(n, op, "hdr_operator", array_last) for n in arrays]
        functions += [function(n, op, "hdr_symbol_operator", symbol_last) for n in symbols]
        title = (arrays or symbols)[0]
        file = folder / f"man/op_{title}.Rd"
        if file.name.lower() in pages:  # Crop and crop are two operators
            file = folder / f"man/op_{title}_of_{op['file']}.Rd"
        pages.add(file.name.lower())
        file.write_text(page(op, arrays, symbols, formals(op, array_last), formals(op, symbol_last)))
    (folder / "R/operators.R").write_text("\n".join(functions) + "\n")
    if "--sources" in sys.argv:
        import r_sources
        r_sources.gather(folder / "src/heddle")


if __name__ == "__main__":
    main()
