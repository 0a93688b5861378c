#!/usr/bin/env python3
"""Writes docs/operators.md from the catalogue: which of MXNet's operators are there, and what they can do.

usage: make_operators.py CATALOGUE [--check]     CATALOGUE is catalogue.json of a build with oneDNN and BLAS

--check writes nothing and fails where the committed page says something else.
"""
from __future__ import annotations

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/operators.md"
GRADIENTS = {"kernel": "kernel", "composed": "composed", "derived": "of its parts", "zero": "zero", "none": "-"}
# Names of MXNet that heddle does not have on purpose, or not yet, and why.
ABSENT = [
    (r"_contrib_dgl_|_contrib_edge_id", "they sample graphs that are sparse matrices, for the library DGL"),
    (r"_contrib_intgemm_", "they wrap another library of 8-bit products, for x86; `_contrib_quantized_fully_connected` is there"),
    (r"_contrib_tvm_", "they are compiled by TVM, which MXNet's own packages are built without"),
    (r"_sg_mkldnn_|_FusedOp|_TensorRT", "MXNet's passes make them while it binds a network; no program names them"),
    (r"_CachedOp|_CustomFunction", "MXNet keeps Python's functions in them while it records; no file has them"),
    (r"_cond|_foreach|_while_loop", "loops and branches of graphs come later"),
    (r"_contrib_SparseEmbedding|_contrib_getnnz|_scatter_|_sparse_|_square_sum|cast_storage", "arrays are stored dense; sparse ones come later"),
    (r"_np", "`mx.np` comes later"),
]
HEAD = """# Operators

Made from the catalogue (`catalogue.json` in the build tree) by `tools/make_operators.py`: edit the records, not this page.

- dtypes: *any*; *numbers*, all but bool; *floating*, float16, bfloat16, float32 and float64.
- gradient: by a *kernel*, *composed* of other operators, *of its parts* (the operator itself is composed), *zero*, or none.
- 2nd: whether the gradient can be differentiated again (`autograd.grad(create_graph=True)`).
- kernels: *portable* runs on any CPU. *cuda* is in the second shared object; *composed* operators need no kernel.
- file: below `src/operator`, where the record is.
"""


def families(path):
    """MXNet's names by family, in the order of the file."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("# ") and not line.endswith("."):
            names = found.setdefault(line[2:], [])
        elif line and not line.startswith("#"):
            names.append(line)
    return found


def sources():
    """The stems of all_ops.def to the files they stand for."""
    folder = ROOT / "src/operator"
    return {path.name.removesuffix(".cc").replace(".", "_"): str(path.relative_to(folder)) for path in folder.rglob("*.cc")}


def cuda_files():
    """The stems of files whose operators all have CUDA kernels: x.cu serves x.cc and x_*.cc."""
    text = (ROOT / "src/operator/all_cuda.def").read_text()
    return re.findall(r"^HEDDLE_OPS\((\w+)_cuda\)", text, re.M)


def row(op, files, cuda):
    """One line of a table."""
    libraries = dict.fromkeys(k["library"] for k in reversed(op["kernels"] + op["gradient_kernels"]))
    libraries = [library for library in libraries if library != "cuda"]
    if any(op["file"] == stem or op["file"].startswith(stem + "_") for stem in cuda):
        libraries.append("cuda")
    if op["composed"]:
        libraries = ["composed"]
        second = "of its parts"
    second = "zero" if op["zero_gradient"] else "yes" if op["second_gradient"] else "-"
    cells = (f"`{op['name']}`", op["dtypes"], GRADIENTS[op["gradient"]], second, ", ".join(libraries), files[op["file"]])
    return f"| {' | '.join(cells)} |"


def absences(names):
    """What is not there: by reason, the rest as missing."""
    found = {}
    for name in names:
        reason = next((reason for pattern, reason in ABSENT if re.match(pattern, name)), "")
        found.setdefault(reason, []).append(f"`{name}`")
    return [f"{'Not there' if reason else 'Missing'}: {', '.join(listed)}{': ' if reason else ''}{reason}.\n" for reason, listed in found.items()]


def page(catalogue):
    """The text of docs/operators.md."""
    operators = {op["name"]: op for op in catalogue["operators"]}
    known = {name: op for op in catalogue["operators"] for name in (op["name"], *op["aliases"])}
    files, cuda = sources(), cuda_files()
    mxnet = families(ROOT / "tests/ops/names_1_9.txt")
    first = set((ROOT / "tests/ops/names_0_10.txt").read_text().split("\n", 1)[1].split())
    table = "| name | dtypes | gradient | 2nd | kernels | file |\n|---|---|---|---|---|---|\n"
    there = {f: [n for n in names if n in known] for f, names in mxnet.items()}
    lines = [HEAD, "## How many\n", "| family of MXNet 1.9 | there | of |", "|---|---|---|"]
    lines += [f"| {f} | {len(there[f])} | {len(names)} |" for f, names in mxnet.items()]
    total = sum(map(len, mxnet.values()))
    lines.append(f"| **all** | **{sum(map(len, there.values()))}** | **{total}** |\n")
    missing = sorted(first - known.keys())
    lines.append(f"Of the {len(first)} operators that MXNet 0.10 had, {len(first) - len(missing)} are there. "
                 f"Missing: {', '.join(f'`{n}`' for n in missing) or 'none'}.\n")
    shown = set()
    for family, names in mxnet.items():
        lines.append(f"## {family[0].upper()}{family[1:]}\n")
        present = dict.fromkeys(known[n]["name"] for n in there[family])
        shown |= present.keys()
        if present:
            lines.append(table + "\n".join(row(operators[n], files, cuda) for n in present) + "\n")
        lines += absences([n for n in names if n not in known])
    own = sorted(operators.keys() - shown)
    lines.append("## Not in MXNet's tables\n\nWhat gradients and programs of heddle use, and names of older versions.\n")
    lines.append(table + "\n".join(row(operators[n], files, cuda) for n in own))
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--check"]):
        sys.exit(__doc__)
    text = page(json.loads(pathlib.Path(sys.argv[1]).read_text()))
    if sys.argv[2:]:
        return sys.exit(PAGE.read_text() != text and "docs/operators.md is stale: ./dev build writes the catalogue, "
                        "tools/make_operators.py build/release/catalogue.json the page")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
