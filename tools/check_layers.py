#!/usr/bin/env python3
"""Fails when the sources leave the layers of tools/layers.txt or break a rule that the single-file
predictor needs. Takes no options; prints one line per offence.

- A room includes only the rooms its line in layers.txt names, and CMakeLists.txt links the same.
- Headers of libraries appear only in files that carry the library's name (x.onednn.cc, onednn.h, x.blas.cc,
  x.tbb.cc, x.jpeg.cc, x.cu ...), in device/ and in io/; other files include the standard library, POSIX and our own headers.
- No anonymous namespace, no `using namespace std`; headers have #pragma once; a loop body (x.inl.h)
  is included by another or through each_target.h; an operator file x.cc keeps to namespace heddle::ops::x and all_ops.def names it.
- The first line of a file says what the file is.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Public headers whose room is not called like the header.
ROOM_OF_HEADER = {"api": "base", "function_ref": "base", "half": "base", "layout": "base", "param": "base", "profiler": "engine", "task_body": "engine", "op": "operator", "custom": "operator", "library": "operator",
                  "cached_op": "executor", "imperative": "executor", "op_calls": "executor",
                  "c_api": "capi", "c_predict_api": "predict"}
# Headers of libraries, and the file names that may include them.
LIBRARIES = [(r"dnnl|oneapi/dnnl|omp\.h", r"(\.|^)onednn\.(cc|h)$"), (r"cblas|openblas", r"(\.|^)blas\.(cc|h)$"),
             (r"tbb/|oneapi/tbb", r"(\.|^)tbb\.(cc|h)$"),
             (r"jpeglib|jerror|jconfig|turbojpeg", r"(\.|^)jpeg\.(cc|h)$"), (r"png", r"(\.|^)png\.(cc|h)$"),
             (r"cublas", r"\.cu$|\.cublas\.cc$"), (r"cudnn", r"\.cudnn\.cc$"), (r"cuda|cub/|nvrtc|nccl|curand", r"\.cuh?$|\.(cuda|cublas|cudnn)\.cc$")]
FREE_ROOMS = {"device", "io"}  # these may speak to drivers and decoders
POSIX = re.compile(r"(sys/\w+|pthread|sched|unistd|fcntl|dirent|dlfcn|signal|errno|time|stdbool|stddef|stdint|immintrin|cpuid|arm_neon|linux/\w+)\.h$")
SOURCES = (".h", ".cc", ".cu", ".cuh", ".def")


def layers():
    """room -> the rooms it may include; complaints about the table itself."""
    may, bad = {}, []
    for line in (ROOT / "tools/layers.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            room, allowed = line.split(":")
            may[room] = set(allowed.split())
            bad += [f"tools/layers.txt: {room} names {below}, which is not above it"
                    for below in sorted(may[room] - (set(may) - {room}))]
    return may, bad


def linked():
    """room -> the rooms that CMakeLists.txt links it with."""
    text = (ROOT / "CMakeLists.txt").read_text()
    return {m[1]: set(m[2].split()) for m in re.finditer(r"^ *heddle_room\((\w+)([^)]*)\)", text, re.M)}


def room_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "include":
        return ROOM_OF_HEADER.get(path.stem, path.stem)
    return parts[1]


def may_include(header, path):
    """Whether a file may name <header>."""
    for headers, files in LIBRARIES:
        if re.match(headers, header):
            return re.search(files, path.name) is not None
    return "." not in header or POSIX.match(header) is not None


def check_includes(path, text, may):
    here = room_of(path)
    for n, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not m:
            continue
        where, name = f"{path.relative_to(ROOT)}:{n}", m[2]
        if m[1] == "<":
            if here not in FREE_ROOMS and not may_include(name, path):
                yield f"{where}: <{name}> belongs in a file that carries its library's name (.onednn.cc, .blas.cc, .tbb.cc, .cu)"
            elif here in FREE_ROOMS and re.match("tbb/|dnnl|cblas", name) and not may_include(name, path):
                yield f"{where}: <{name}> belongs in a file that carries its library's name"
            continue
        target = next((p for p in (ROOT / "include" / name, ROOT / "src" / name) if p.exists()), None)
        if target is None:
            yield f'{where}: "{name}" is not a path from include/ or src/'
        elif name.endswith(".inl.h") and not path.name.startswith("each_") and not path.name.endswith(".inl.h"):
            yield f"{where}: {name} is included by simd/each_target.h and other loop bodies only"
        elif (library := re.search(r"(?:\.|^)(onednn|blas|tbb)\.h$", target.name)) and library[1] not in path.name:
            yield f"{where}: {name} belongs in a file that carries its library's name"
        elif room_of(target) not in may[here] | {here}:
            yield f"{where}: {here} must not include {room_of(target)} ({name})"


def check_rules(path, text, all_ops):
    where = path.relative_to(ROOT)
    if re.search(r"^\s*namespace\s*\{|^\s*using namespace std\b", text, re.M):
        yield f"{where}: no anonymous namespace, no using namespace std"
    if path.suffix == ".h" and "#pragma once" not in text and not re.search(r"\.inl\.h$|each_", path.name):
        yield f"{where}: no #pragma once"
    if not text.startswith(("//", "/*")):
        yield f"{where}: the first line does not say what the file is"
    if path.suffix == ".cc" and "src/operator" in str(where) and re.search(r"^void define\(OpTable&", text, re.M):
        stem = path.name[:-3].replace(".", "_")
        if not re.search(rf"^namespace heddle::ops::{stem} {{", text, re.M):
            yield f"{where}: its operators belong in namespace heddle::ops::{stem}"
        if not re.search(rf"HEDDLE_OPS\w*\({stem}\)", all_ops):
            yield f"{where}: not in src/operator/all_ops.def (or all_cuda.def)"


def main():
    may, bad = layers()
    for room, edges in linked().items():
        if may.get(room) != edges:
            bad.append(f"CMakeLists.txt: {room} is linked with {sorted(edges)}, layers.txt says {sorted(may.get(room, ()))}")
    all_ops = "".join(p.read_text() for p in (ROOT / "src/operator").glob("all_*.def"))
    for path in sorted(p for top in ("include", "src") for p in (ROOT / top).rglob("*") if p.suffix in SOURCES):
        if room_of(path) not in may:
            bad.append(f"{path.relative_to(ROOT)}: no room of that name in tools/layers.txt")
            continue
        text = path.read_text()
        bad += [*check_includes(path, text, may), *check_rules(path, text, all_ops)]
    print("\n".join(bad) or "layers ok")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
