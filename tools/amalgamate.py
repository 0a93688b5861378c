#!/usr/bin/env python3
"""Writes heddle_predict.h and heddle_predict.cc: the predictor in one header and one source file.

    tools/amalgamate.py FOLDER

They need a C++20 compiler and its standard library: serial loops, portable kernels, one
instruction-set level, the forward operators of FILES. Compile with -ffp-contract=off
-fno-math-errno -fno-trapping-math for the bits that heddle gives with HEDDLE_KERNELS=portable;
-fno-exceptions and -fno-rtti are allowed (heddle_predict.h says what errors do then).
"""
import argparse
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = "heddle/c_predict_api.h"
# Files without operators, by what they need; operators follow in the order of all_ops.def.
ROOMS = ["base/base.cc", "base/c_errors.cc", "base/json.cc", "base/layout.cc", "base/param.cc", "base/params_file.cc", "base/settings.cc", "device/host_memory.cc", "device/scratch.cc",
         "parallel/parallel.serial.cc", "operator/op.cc", "operator/linalg.cc", "operator/nn/epilogue.cc", "operator/simd/level.cc",
         "operator/elemwise/convert.cc", "operator/elemwise/family.cc", "operator/elemwise/map.cc",
         "operator/elemwise/reduction.cc",
         "operator/elemwise/symbolic.cc", "operator/random/philox.cc", "operator/tensor/rows.cc", "operator/tensor/view.cc"]
# Files of operators: those of LeNet and ResNet, and what their records call.
STEMS = ["activation", "batch_norm", "convolution", "fused_convolution", "fold", "dropout", "fully_connected", "fused_fully_connected", "leaky_relu", "pooling", "softmax",
         "softmax_output", "identity", "unary_arithmetic", "unary_math", "binary_arithmetic", "add_n", "broadcast", "reduce",
         "reshape", "transpose", "concat", "reorder"]
TAIL = ["operator/all_ops.cc", "symbol/walk.cc", "symbol/symbol.cc", "symbol/graph.cc", "symbol/infer.cc",
        "symbol/json.cc", "symbol/upgrade.cc", "symbol/pack.cc", "symbol/plan_memory.cc", "symbol/rewrite.cc", "symbol/expand.cc", "symbol/fuse.cc", "symbol/place.cc", "symbol/choose_kernels.cc",
        "symbol/gradient.cc", "symbol/checkpoint.cc", "symbol/replay.cc", "symbol/recompute.cc", "runtime/network.cc", "runtime/memory_use.cc", "runtime/plan.cc", "runtime/steps.cc", "runtime/params.cc", "runtime/session.cc",
        "predict/model.cc", "predict/predict.cc", "predict/mxnet.cc"]
INCLUDE = re.compile(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>|(HEDDLE_LOOPS))')
LOOPS = re.compile(r'\s*#\s*define\s+HEDDLE_LOOPS\s+"([^"]+)"')
OPS = re.compile(r"^(HEDDLE_OPS\w*)\((\w+)\)$")


def find(name):
    """The path of "room/file" or "heddle/file"."""
    return next(p for p in (ROOT / "src" / name, ROOT / "include" / name) if p.exists())


class Flattener:
    """One text out of many files: each header where it is first needed, the standard ones on top."""

    def __init__(self, stems):
        self.stems = stems
        self.seen = set()
        self.standard = set()
        self.loops = None

    def lines(self, name):
        """The lines of a file with its includes in place."""
        path = find(name)
        own = path.read_text().splitlines()
        once = not name.endswith((".def", "each_target.h"))
        if once and name in self.seen:
            return []
        if once:
            self.seen.add(name)
        out = []
        skipping = 0  # depth of the conditions around other systems' headers, which stay where they are
        for line in own:
            if line.strip() == "#pragma once" or re.match(r"\s*#\s*pragma omp simd", line):
                continue  # a hint that compilers take only where they are asked for OpenMP
            if re.match(r"\s*#\s*if", line):
                skipping += 1
            elif re.match(r"\s*#\s*endif", line):
                skipping -= 1
            if m := LOOPS.match(line):
                self.loops = m[1]
            elif m := INCLUDE.match(line):
                if m[1]:
                    out += self.lines(m[1])
                elif m[3]:
                    out += self.lines(self.loops)
                elif skipping:
                    out.append(line)
                else:
                    self.standard.add(m[2])
                continue
            elif name.endswith(".def") and (m := OPS.match(line)) and (m[1] != "HEDDLE_OPS" or m[2] not in self.stems):
                continue
            out.append(line)
        return out


def operator_files(stems):
    """The files of these operators, in the order of all_ops.def."""
    order = ops_in_order()
    missing = set(stems) - set(order)
    if missing:
        raise SystemExit(f"amalgamate: no operators in all_ops.def are called {sorted(missing)}")
    files = {p.stem: p for p in (ROOT / "src/operator").rglob("*.cc") if "." not in p.stem}
    return [str(files[s].relative_to(ROOT / "src")) for s in order if s in stems]


def ops_in_order():
    text = (ROOT / "src/operator/all_ops.def").read_text()
    return [m[2] for line in text.splitlines() if (m := OPS.match(line)) and m[1] == "HEDDLE_OPS"]


def amalgamate(folder):
    """Writes both files; returns the lines of the source."""
    version = re.search(r"project\(heddle VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    flat = Flattener(set(STEMS))
    flat.seen.add(HEADER)
    body = []
    for name in [*ROOMS, *operator_files(STEMS), *TAIL]:
        body += ["", f"// ===== src/{name}", *flat.lines(name)]
    includes = [f"#include <{name}>" for name in sorted(flat.standard)]
    head = ["// heddle's predictor, version " + version + ", written by tools/amalgamate.py: do not edit.",
            "// SPDX-License-Identifier: Apache-2.0", "#define HEDDLE_BASELINE_ONLY", '#include "heddle_predict.h"', "", *includes]
    folder.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(head + body) + "\n")
    (folder / "heddle_predict.cc").write_text(text)
    (folder / "heddle_predict.h").write_text(find(HEADER).read_text())
    return text.count("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    print(f"{folder}/heddle_predict.cc: {amalgamate(folder)} lines")


if __name__ == "__main__":
    main()
