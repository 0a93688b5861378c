#!/usr/bin/env python3
"""Writes heddle_predict.h and heddle_predict.cc: the predictor in one header and one source file.

    tools/amalgamate.py FOLDER [--model SYMBOL_JSON ...]

They need a C++20 compiler and its standard library: serial loops, the operators, all of them or those
of some models, without gradients, rules and the functions hd_trainer_* unless HEDDLE_TRAIN is defined. Only the functions of the header are
visible. Compiled with -ffp-contract=off -fno-math-errno -fno-trapping-math they give the bits that
heddle gives, both with HEDDLE_KERNELS=portable in the environment; -fno-exceptions and -fno-rtti are
allowed (heddle_predict.h says what errors do then).
"""
from __future__ import annotations

import argparse
import json
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = "heddle/c_predict_api.h"
# What every predictor has, beside its operators and what the headers of all these name: rooms as wholes, in order.
ROOMS = ["symbol", "runtime", "predict"]
CATALOGUE = ["operator/op.cc", "operator/all_ops.cc"]
# Files of the rooms that only those who train need, and the files of rules that they find.
TRAINING = ["predict/trainer.cc", "predict/train.cc"]
RULES = ["descent", "adam"]
# Files of operators that no predictor has, and why.
LEFT_OUT = {
    "convolution_lanes": "convolves many images at once",
    "convolution_winograd": "keeps four times the weights in memory",
    "custom": "its operator is computed by the program that holds the library",
    "image_file": "reads files of images, by libjpeg and libpng",
    "update": "changes weights",
    "multi_update": "changes weights",
}
# Files of faster kernels, beside those of the operators that they serve; of these loops there is a version for each
# instruction-set level, of all others the first.
FASTER = {"convolution": "convolution_blocks", "fully_connected": "fully_connected_panels", "rnn": "rnn_lanes"}
PRODUCTS = ["linalg_panels"]
EACH_TARGET = "operator/simd/each_target.h"
LEVELLED = {f"operator/nn/{name}.inl.h" for name in ("panels", "blocks")}
# Operators that passes put into graphs.
OF_PASSES = ["identity", "reorder", "fold", "pointwise"]
OF_GRADIENTS = ["add_n", "unary_math", "binary_arithmetic"]
# Types that every predictor knows; those of floats beside float32 are left to networks that name them.
RARE = {"float64": ("double", 1), "float16": ("float16", 2), "bfloat16": ("bfloat16", 12)}  # in C++, in files
# Of headers whose functions are not in the file of that name: where they are.
DEFINED_IN = {"heddle/base.h": ["base/base.cc", "base/layout.cc"], "heddle/param.h": ["base/param.cc"],
              "heddle/device.h": ["device/host_memory.cc", "device/scratch.cc"],
              "heddle/parallel.h": ["parallel/parallel.serial.cc"],
              "device/system.h": ["device/host_memory.cc"],
              "operator/elemwise/reduce.h": [],  # formulas
              "operator/elemwise/reduction.h": ["operator/elemwise/reduction.cc", "operator/elemwise/sums.cc"],
              "operator/elemwise/formula.h": ["operator/elemwise/family.cc"],
              "operator/elemwise/unary.h": ["operator/elemwise/family.cc"],
              "operator/optimizer/rule.h": [f"operator/optimizer/{name}.cc" for name in ("rule", *RULES)]}
LEVEL = re.compile(r"\s*#\s*define\s+HEDDLE_LEVEL\s+(\d)")
INCLUDE = re.compile(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>|(HEDDLE_LOOPS))')
LOOPS = re.compile(r'\s*#\s*define\s+HEDDLE_LOOPS\s+"([^"]+)"')
OPS = re.compile(r"^(HEDDLE_OPS\w*|HEDDLE_RULES)\((\w+)\)$")
# What becomes an unnamed namespace: compilers then drop what nothing refers to, and say nothing to linkers.
OPENED = re.compile(r"^namespace heddle(?:::([\w:]+))? \{$")
CLOSED = re.compile(r"^\}  // namespace heddle(::[\w:]+)?$")
OF_DTYPE = re.compile(r"\s*return fn\((\w+)\{\}\);$")  # in with_dtype() and with_float()
RECORD = re.compile(r'^  ops\.define\(\{\s*\.name = "(\w+)",', re.MULTILINE)
ADDED = re.compile(r'^  ops\.(?:kernel|scratch|packing)\("(\w+)"', re.MULTILINE)  # to a record
QUOTED = re.compile(r'"(\w+)"')
CALLS = re.compile(r'\bb\.call(?:_all)?\("(\w+)"')  # in a Compose: its Builder is called b
WITH = re.compile(r'\.(?:fusing\.)?with = "(\w+)"')


def find(name: str) -> pathlib.Path:
    """The path of "room/file" or "heddle/file"."""
    return next(p for p in (ROOT / "src" / name, ROOT / "include" / name) if p.exists())


def included(name: str) -> list[str]:
    """What a file includes of this project."""
    lines = find(name).read_text().splitlines()
    return [m[1] for line in lines if (m := INCLUDE.match(line) or LOOPS.match(line)) and m[1]]


def statement(text: str, begin: int) -> str:
    """The call that begins there, with its lines' end."""
    depth, i = 0, begin
    while True:
        if text[i] == '"':
            i = re.compile(r'"(?:[^"\\]|\\.)*"').match(text, i).end()  # type: ignore[union-attr]
            continue
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        i += 1
        if depth == 0 and text[i - 1] == ")":
            return text[begin:text.index("\n", i) + 1]


class Records:
    """The records of operators that some networks need, of files that hold those of others too.

    Needed is what a network has, what passes find by its meaning, and what is named, in quotes, in anything else that
    is needed. Of a file that is there for its functions alone (`beside`) the records may all be left out.
    """

    def __init__(self, paths: Iterable[str], beside: Iterable[str], wanted: set[str], files_of: dict[str, str]) -> None:
        text = {path: find(path).read_text() for path in paths}
        stems = {path: pathlib.PurePath(path).stem for path in paths}
        optional: dict[tuple[str, str], list[str]] = {}  # statements by file and record
        for path in text:
            for m in [*RECORD.finditer(text[path]), *ADDED.finditer(text[path])]:
                if (path, m[1]) in optional or m.re is RECORD:
                    optional.setdefault((path, m[1]), []).append(statement(find(path).read_text(), m.start()))
        for (path, name), statements in list(optional.items()):
            if ".meaning = " in statements[0]:
                del optional[path, name]
                continue
            for one in statements:
                text[path] = text[path].replace(one, "")
        aside = {path for path in text if stems[path] in beside}
        of_file = {path: {name for name, stem in files_of.items() if stem == stems[path]} for path in text}
        names = {key: {key[1], *QUOTED.findall(statements[0].partition(".doc = ")[0])}
                 for key, statements in optional.items()}

        def said(but: str) -> set[str]:
            """What is named: anywhere in other files, and in this one as operators that it calls or hides."""
            found = set(wanted)
            for path in text.keys() - aside:
                quoted = QUOTED.findall(text[path])
                if path == but:
                    quoted = [q for q in quoted if q.startswith("_")] + CALLS.findall(text[path]) + WITH.findall(text[path])
                found |= set(quoted)
            return found

        while True:
            needed = [p for p in aside if of_file[p] & said(p)]
            aside -= set(needed)
            for key in [k for k in optional if k[0] not in aside and names[k] & said(k[0])]:
                text[key[0]] += "".join(optional.pop(key))
                needed.append(key[0])
            if not needed:
                break
        self.undefined = {stems[path] for path in aside}  # files none of whose records is needed
        self.left_out = {path: [one for (p, _), statements in optional.items() if p == path for one in statements]
                         for path in text}

    def without(self, path: str, text: str) -> str:
        for one in self.left_out.get(path, []):
            text = text.replace(one, f"#ifdef HEDDLE_TRAIN\n{one}#endif\n")
        return text


class Flattener:
    """One text out of many files: each header where it is first needed, the standard ones on top."""

    def __init__(self, stems: set[str], learning: set[str], unknown: set[str], records: Records | None) -> None:
        self.stems = stems
        self.records = records
        self.unknown = unknown  # types that no kernel is compiled for
        self.learning = learning  # those of them whose operators only gradients need
        self.seen = {HEADER, "heddle/api.h"}
        self.standard: set[str] = set()
        self.loops = ""
        self.level = "2"

    def lines(self, name: str) -> list[str]:
        """The lines of a file with its includes in place."""
        version = f"{name} {self.level}" if name.endswith(".inl.h") else name
        if not name.endswith((".def", EACH_TARGET)):
            if version in self.seen:
                return []
            self.seen.add(version)
        out = []
        skipping = 0  # depth of the conditions around other systems' headers, which stay where they are
        text = find(name).read_text()
        if self.records:
            text = self.records.without(name, text)
        if name == EACH_TARGET and self.loops not in LEVELLED:
            text = text[:text.index("#if HEDDLE_LEVELS >= 3\nHEDDLE_BEGIN")] + "#undef HEDDLE_LOOPS"
        for line in text.splitlines():
            if line.strip() == "#pragma once" or line.startswith("extern template "):
                continue
            if re.match(r"\s*#\s*pragma omp simd", line):
                continue  # a hint that compilers take only where they are asked for OpenMP
            if re.match(r"\s*#\s*if", line):
                skipping += 1
            elif re.match(r"\s*#\s*endif", line):
                skipping -= 1
            if m := LOOPS.match(line):
                self.loops = m[1]
            elif m := LEVEL.match(line):
                self.level = m[1]
                out.append(line)
            elif m := INCLUDE.match(line):
                if m[1]:
                    out += self.lines(m[1])
                elif m[3]:
                    out += self.lines(self.loops)
                    self.level = "2"
                elif skipping:
                    out.append(line)
                else:
                    self.standard.add(m[2])
            elif name == "heddle/base.h" and (m := OF_DTYPE.match(line)) and m[1] in self.unknown:
                out.append("break;")  # with_dtype() then says that it is not supported
            elif m := OPENED.match(line):
                out.append("namespace heddle { namespace {" + (f" namespace {m[1]} {{" if m[1] else ""))
            elif m := CLOSED.match(line):
                out.append("}}}" if m[1] else "}}")
            elif name.endswith(".def") and (m := OPS.match(line)):
                if m[1] in ("HEDDLE_OPS", "HEDDLE_RULES") and m[2] in self.stems:
                    out += ["#ifdef HEDDLE_TRAIN", line, "#endif"] if m[2] in self.learning else [line]
            else:
                out.append(line)
        return out


def stems_in_order() -> list[str]:
    """The files of portable operators in all_ops.def."""
    text = (ROOT / "src/operator/all_ops.def").read_text()
    return [m[2] for line in text.splitlines() if (m := OPS.match(line)) and m[1] == "HEDDLE_OPS"]


def paths() -> dict[str, str]:
    """The portable files of src/operator by their stems."""
    files = sorted((ROOT / "src/operator").rglob("*.cc"))
    return {p.stem: str(p.relative_to(ROOT / "src")) for p in files if "." not in p.stem}


def headers_of(name: str, seen: set[str]) -> set[str]:
    """The headers that a file includes, and those that they include."""
    for header in included(name):
        if header not in seen:
            seen.add(header)
            headers_of(header, seen)
    return seen


class Files:
    """The files of these operators: those that define them, and all others that these and the rooms call."""

    def __init__(self, stems: Iterable[str], learning: Iterable[str], files_of: dict[str, str]) -> None:
        self.path = paths()
        self.order = stems_in_order()
        self.files_of = files_of  # the stem by the name of an operator
        self.stems: set[str] = set()
        self.beside: set[str] = set()  # those of them that are there for what other files call
        self.fixed = [*CATALOGUE, *(f"{room}/{p.name}" for room in ROOMS
                                    for p in sorted((ROOT / "src" / room).glob("*.cc"))
                                    if f"{room}/{p.name}" not in TRAINING)]
        self.support: dict[str, None] = {}  # in the order in which they are found
        for path in self.fixed:
            self.add_headers(path)
        for stem in stems:
            self.add_operators(stem)
        predicts, predicting = len(self.support), set(self.stems)
        for stem in learning:
            self.add_operators(stem)
        for path in TRAINING:
            self.add_headers(path)
        self.learning = self.stems - predicting
        self.training = list(dict.fromkeys([*list(self.support)[predicts:], *self.paths_of(self.learning), *TRAINING]))
        for path in self.training:
            self.support.pop(path, None)

    def add_operators(self, stem: str) -> None:
        self.beside.discard(stem)
        if stem in self.stems:
            return
        self.stems.add(stem)
        path = self.path[stem]
        self.add_headers(path)
        if stem in FASTER:
            self.add_operators(FASTER[stem])
        text = find(path).read_text()
        for name in [*CALLS.findall(text), *WITH.findall(text)]:
            self.add_operators(self.files_of[name])

    def add_headers(self, path: str) -> None:
        for header in sorted(headers_of(path, set())):
            beside = header.removesuffix(".h") + ".cc"
            for other in DEFINED_IN.get(header, [beside]):
                if (ROOT / "src" / other).exists():
                    self.add_file(other)

    def add_file(self, path: str) -> None:
        stem = pathlib.PurePath(path).stem
        if stem in self.order and self.path[stem] == path:
            if stem not in self.stems:
                self.add_operators(stem)
                self.beside.add(stem)
        elif path not in self.fixed and path not in self.support:
            self.support[path] = None
            self.add_headers(path)

    def all(self) -> list[str]:
        return [*self.support, *self.paths_of(self.stems - self.learning), *self.fixed]

    def paths_of(self, stems: set[str]) -> list[str]:
        return [self.path[s] for s in self.order if s in stems]


def catalogue() -> dict[str, str]:
    """The file of each operator by all of its names, as the built library says."""
    from heddle import _core

    found = {}
    for name, _ in _core.op_names():
        record = _core.op(name)
        for known in {record["name"], record["json_name"], *record["aliases"]}:
            found[known] = record["file"]
    return found


def nodes_of(model: pathlib.Path) -> list[dict[str, Any]]:
    """The nodes of a network, their operators under today's names."""
    import heddle

    found: list[dict[str, Any]] = json.loads(heddle.sym.load(str(model)).tojson())["nodes"]
    return found


def dtypes_of(nodes: Iterable[dict[str, Any]]) -> set[str]:
    """The rare types that these nodes name: as they are called, and variables by their numbers."""
    attributes = [n.get("attrs", {}) for n in nodes]
    numbers = {str(a.get("__dtype__")) for a in attributes}
    return {name for name, (_, number) in RARE.items()
            if str(number) in numbers or any(name in a.values() for a in attributes)}


def amalgamate(folder: pathlib.Path, models: Sequence[pathlib.Path] = (), dtypes: Iterable[str] = ()) -> str:
    """Writes both files; returns what to say of them."""
    version = re.search(r"project\(heddle VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]  # type: ignore[index]
    left_out, records = {}, None
    if not models:
        left_out = LEFT_OUT
        files = Files([s for s in stems_in_order() if s not in LEFT_OUT], [], AnyFile())
        kept = set(RARE)
    else:
        files_of = catalogue()
        wanted, names = set(), set()
        kept = {*dtypes}
        for model in models:
            nodes = nodes_of(model)
            kept |= dtypes_of(nodes)
            for name in sorted({n["op"] for n in nodes} - {"null"}):
                if why := LEFT_OUT.get(files_of[name]):
                    raise SystemExit(f"amalgamate: {model} needs '{name}', which no predictor has: {why}")
                wanted.add(files_of[name])
                names.add(name)
        files = Files([*OF_PASSES, *PRODUCTS, *sorted(wanted)], OF_GRADIENTS, files_of)
        records = Records(files.all(), files.beside, names, files_of)
    flat = Flattener(files.stems | set(RULES), files.learning | (records.undefined if records else set()),
                     {RARE[name][0] for name in {*RARE} - kept}, records)
    body = []
    for name in files.all():
        body += ["", f"// ===== src/{name}", *flat.lines(name)]
    body += ["", "#ifdef HEDDLE_TRAIN"]
    for name in files.training:
        body += ["", f"// ===== src/{name}", *flat.lines(name)]
    body += ["", "#endif  // HEDDLE_TRAIN"]
    head = [f"// heddle's predictor, version {version}, written by tools/amalgamate.py: do not edit.",
            "// SPDX-License-Identifier: Apache-2.0", "#define HEDDLE_NO_DOCS", "#ifndef HEDDLE_TRAIN", "#define HEDDLE_NO_GRADIENTS", "#endif",
            "#if defined(__OPTIMIZE_SIZE__) && !defined(HEDDLE_LEVELS)",
            "#define HEDDLE_LEVELS 3  // -Os: on newer machines the loops for AVX2 do", "#endif",
            "#define HEDDLE_API  // only the functions of the header are visible", '#include "heddle_predict.h"', "",
            *(f"#include <{name}>" for name in sorted(flat.standard)), "",
            "// What this choice of operators leaves without a reader, or a gradient without its parts, is no mistake.",
            *(f'#pragma GCC diagnostic ignored "-W{name}"'
              for name in ("unused-function", "unused-variable", "unused-const-variable")),
            "#ifdef __clang__", '#pragma GCC diagnostic ignored "-Wundefined-internal"',
            "#else  // of members of records that are set in every case",
            '#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"', "#endif", "",
            "#ifndef __cpp_lib_bit_cast  // a compiler of C++20 with an older library",
            "namespace std {", "template <class To, class From>",
            "constexpr To bit_cast(const From& from) noexcept {", "  return __builtin_bit_cast(To, from);", "}", "}",
            "#endif", "", "namespace heddle { namespace {", "inline int threads() { return 1; }  // loops are serial",
            "// Loops of which there is one version are this one at every level.",
            "namespace ops {", "namespace v2 {}", "namespace v3 { using namespace v2; }",
            "namespace v4 { using namespace v2; }", "}}}"]
    folder.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join([*head, *body]) + "\n")
    (folder / "heddle_predict.cc").write_text(text)
    (folder / "heddle_predict.h").write_text(find(HEADER).read_text())
    count = text.count("\n")
    said = [f"{folder}/heddle_predict.cc: {count} lines, the operators of {len(files.stems)} files"]
    return "\n".join(said + [f"left out: {stem}: {why}" for stem, why in left_out.items()])


class AnyFile(dict[str, str]):
    """In the place of the catalogue where all operators are taken anyway."""

    def __missing__(self, name: str) -> str:
        return "identity"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, nargs="+", default=[], metavar="SYMBOL_JSON",
                        help="only the operators that these networks use")
    parser.add_argument("--dtype", nargs="+", default=[], choices=sorted(RARE), metavar="TYPE",
                        help="with --model: also these types of values, which are left out otherwise, unless a network "
                             "names them: float64, float16, bfloat16")
    given = parser.parse_args()
    print(amalgamate(given.folder, given.model, given.dtype))


if __name__ == "__main__":
    main()
