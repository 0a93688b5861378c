"""The predictor in one file inside other hosts: Java over JNI, as Android has it, and a module as Swift imports it."""
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from predictor_targets import needed
from test_predictor import SAVE, SHAPES

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/predictor"

MAIN = """
import heddle.Predictor;
import java.nio.*;
import java.nio.file.*;

public class Main {
  public static void main(String[] files) throws Exception {
    FloatBuffer numbers = ByteBuffer.wrap(Files.readAllBytes(Path.of(files[2]))).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    float[] values = new float[numbers.remaining()];
    numbers.get(values);
    try (Predictor p = new Predictor(files[0], files[1], "data", 4, 1, 28, 28)) {
      try {
        p.forward(new float[3]);
      } catch (IllegalArgumentException e) {
        System.out.println(e.getMessage());
      }
      float[] found = p.forward(values);
      ByteBuffer out = ByteBuffer.allocate(4 * found.length).order(ByteOrder.LITTLE_ENDIAN);
      out.asFloatBuffer().put(found);
      Files.write(Path.of(files[3]), out.array());
    }
    try (Predictor p = new Predictor("none.json", files[1], "data", 1)) {
    } catch (IllegalArgumentException e) {
      System.out.println(e.getMessage());
    }
  }
}
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A folder with saved networks and the two files for LeNet."""
    folder = tmp_path_factory.mktemp("hosts")
    subprocess.run([sys.executable, "-c", SAVE, folder], check=True, env={**os.environ, "HEDDLE_KERNELS": "portable"})
    subprocess.run([sys.executable, ROOT / "tools/amalgamate.py", folder, "--model", folder / "lenet-symbol.json"], check=True)
    return folder


def run(*command, **how):
    done = subprocess.run(command, capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_java_gives_the_library_s_answers(sources, tmp_path):
    """Built by the project for Android, here for this machine."""
    if missing := [p for p in ("javac", "java", "cmake") if not shutil.which(p)]:
        needed(", ".join(missing))
    assert SHAPES["lenet"] == "4 1 28 28"
    home = pathlib.Path(shutil.which("javac")).resolve().parents[1]
    run("cmake", "-S", EXAMPLES / "android", "-B", tmp_path / "build", f"-DPREDICTOR_DIR={sources}",
        "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror",
        env={**os.environ, "JAVA_HOME": str(home)})
    run("cmake", "--build", tmp_path / "build")
    (tmp_path / "Main.java").write_text(MAIN)
    run("javac", "-d", tmp_path / "classes", EXAMPLES / "java/Predictor.java", tmp_path / "Main.java")
    said = run("java", f"-Djava.library.path={tmp_path}/build", "-cp", tmp_path / "classes", "Main",
               sources / "lenet-symbol.json", sources / "lenet-0000.params", sources / "lenet.input", tmp_path / "out")
    assert "data has shape (4,1,28,28) and 12544 bytes, found 12" in said and "cannot read 'none.json'" in said
    np.testing.assert_allclose(np.fromfile(tmp_path / "out", "float32"), np.fromfile(sources / "lenet.expected", "float32"),
                               rtol=1e-5, atol=1e-7)


def test_the_header_is_a_module(sources, tmp_path):
    if not shutil.which("clang"):
        needed("clang")
    shutil.copy(sources / "heddle_predict.h", tmp_path)
    shutil.copy(EXAMPLES / "swift/module.modulemap", tmp_path)
    program = tmp_path / "uses.m"
    program.write_text("@import HeddlePredict;\nint main(void) { hd_model* model = 0; hd_model_free(model); return 0; }\n")
    run("clang", "-fmodules", f"-fmodules-cache-path={tmp_path}/cache", f"-I{tmp_path}", "-fsyntax-only", "-Werror", program)
