"""tools/check_layers.py passes on the tree, and fails on every violation it is there for."""
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(root):
    done = subprocess.run([sys.executable, root / "tools/check_layers.py"], capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture()
def tree(tmp_path):
    """A copy of what the checker reads."""
    for folder in ("include", "src", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "CMakeLists.txt", tmp_path)
    return tmp_path


def test_the_tree_keeps_its_layers():
    code, said = check(ROOT)
    assert code == 0, said


def edit(path, change):
    path.write_text(change(path.read_text()))


def plant(line):
    return lambda text: text.replace("#include", f"{line}\n#include", 1)


@pytest.mark.parametrize("path, change, says", [
    ("src/symbol/passes.h", plant('#include "heddle/ndarray.h"'), "symbol must not include ndarray"),
    ("src/engine/workers/gate.cc", plant('#include "heddle/op.h"'), "engine must not include operator"),
    ("src/operator/op.cc", plant('#include "heddle/engine.h"'), "operator must not include engine"),
    ("src/operator/op.cc", plant("#include <dnnl.hpp>"), "<dnnl.hpp> belongs in a file"),
    ("src/operator/linalg.cc", plant("#include <cblas.h>"), "<cblas.h> belongs in a file"),
    ("src/operator/linalg.blas.cc", plant("#include <dnnl.h>"), "<dnnl.h> belongs in a file"),
    ("src/engine/workers/gate.cc", plant("#include <tbb/task_arena.h>"), "<tbb/task_arena.h> belongs in a file"),
    ("src/device/device.cc", plant("#include <tbb/task_arena.h>"), "<tbb/task_arena.h> belongs in a file"),
    ("src/operator/nn/pooling.cc", plant('#include "operator/nn/onednn.h"'), "belongs in a file that carries"),
    ("include/heddle/op.h", plant("#include <cuda_runtime.h>"), "<cuda_runtime.h> belongs in a file"),
    ("src/base/base.cc", plant("#include <zlib.h>"), "<zlib.h> belongs in a file"),
    ("src/base/base.cc", plant('#include "nowhere.h"'), "is not a path from include/ or src/"),
    ("src/base/base.cc", lambda text: text + "\nnamespace {\nint x;\n}\n", "no anonymous namespace"),
    ("src/base/base.cc", lambda text: "\n" + text, "first line does not say"),
    ("src/symbol/graph.h", lambda text: text.replace("#pragma once", ""), "no #pragma once"),
    ("src/operator/all_ops.def", lambda text: text.replace("HEDDLE_OPS(softmax)", ""), "not in src/operator/all_ops.def"),
    ("src/operator/nn/softmax.cc", lambda text: text.replace("namespace heddle::ops::softmax {", "namespace heddle::soft {"),
     "belong in namespace heddle::ops::softmax"),
    ("tools/layers.txt", lambda text: text.replace("engine:   base device", "engine:   base device executor"),
     "engine names executor"),
    ("CMakeLists.txt", lambda text: text.replace("heddle_room(engine    base device)",
                                                 "heddle_room(engine    base device operator)"),
     "CMakeLists.txt: engine is linked"),
], ids=lambda v: None if callable(v) else v)
def test_a_planted_violation_fails(tree, path, change, says):
    before = (tree / path).read_text()
    edit(tree / path, change)
    assert (tree / path).read_text() != before, "nothing was planted"
    code, said = check(tree)
    assert code == 1 and says in said, said
