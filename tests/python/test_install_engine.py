"""The engine on its own: what `cmake --install` puts into a prefix builds programs that need nothing else of heddle."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_layers

PROGRAM = """cmake_minimum_required(VERSION 3.22)
project(program LANGUAGES CXX)
find_package(heddle 0.1 REQUIRED COMPONENTS ${COMPONENTS})
add_executable(program program.cc)
target_link_libraries(program PRIVATE ${LIBRARIES})
"""
ARRAYS = """#include <heddle/ndarray.h>

#include <cstdio>

int main() {
  float values[] = {1, 2, 3};
  heddle::NDArray::from_host(values, {3}, heddle::Dtype::kFloat32).slice(1, 3).copy_to(values);
  std::printf("%g %g\\n", values[0], values[1]);
}
"""

PLUGIN = """#include <heddle/engine.h>

// Leaves work, a failure and a variable behind.
static heddle::Var kept;

extern "C" int pushed() {
  using namespace heddle;
  kept = Var::make();
  for (int i = 0; i < 2000; ++i)
    Engine::get().push({{&kept, Access::kUpdate}}, [](RunContext&) {});
  Engine::get().push({{&kept, Access::kUpdate}}, [](RunContext&) { throw Error("nobody asks"); });
  return 2001;
}
"""
HOST = """#include <dlfcn.h>

#include <cstdio>
#include <thread>

int main(int, char** args) {
  for (int i = 0; i < 3; ++i) {
    std::thread user([&] {
      void* const plugin = dlopen(args[1], RTLD_NOW | RTLD_LOCAL);
      if (!plugin) return (void)std::fprintf(stderr, "%s", dlerror());
      std::printf("%d\\n", reinterpret_cast<int (*)()>(dlsym(plugin, "pushed"))());
      dlclose(plugin);
    });
    user.join();
  }
}
"""
PLUGIN_PROJECT = """cmake_minimum_required(VERSION 3.22)
project(plugin LANGUAGES CXX)
find_package(heddle REQUIRED COMPONENTS engine)
add_library(plugin MODULE plugin.cc)
target_link_libraries(plugin PRIVATE heddle::engine)
add_executable(host host.cc)
find_package(Threads REQUIRED)
target_link_libraries(host PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
"""


def run(*command, ok=True, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, **more)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout if ok else " ".join(done.stderr.split())


def build(source, binary, prefix, *options):
    run("cmake", "-S", source, "-B", binary, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", *options)
    run("cmake", "--build", binary, "-j", len(os.sched_getaffinity(0)))
    return binary


def project(folder, text):
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(PROGRAM)
    (folder / "program.cc").write_text(text)
    return folder


def configure(source, prefix, components, libraries):
    """The one error of a configuration that must fail."""
    return run("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
               f"-DCOMPONENTS={components}", f"-DLIBRARIES={libraries}", ok=False)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """A prefix with the engine only, built without any of the libraries, and moved after it was installed."""
    folder, binary = tmp_path_factory.mktemp("engine"), ROOT / "build/engine"  # as deep as build/release: ccache knows it
    shutil.rmtree(binary, ignore_errors=True)
    run("cmake", "-S", ROOT, "-B", binary, "-G", "Ninja", "-DHEDDLE_ENGINE_ONLY=ON")
    run("cmake", "--build", binary, "-j", len(os.sched_getaffinity(0)))
    run("cmake", "--install", binary, "--prefix", folder / "installed", "--component", "engine")
    shutil.rmtree(binary)
    return (folder / "installed").rename(folder / "moved")


@pytest.fixture(scope="module")
def examples(prefix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "examples/engine", folder / "source")
    return build(folder / "source", folder / "build", prefix)


@pytest.fixture(scope="module")
def plugin(prefix, tmp_path_factory):
    """A shared object with an engine inside, and a program that opens and closes it."""
    folder = tmp_path_factory.mktemp("plugin")
    for name, text in {"plugin.cc": PLUGIN, "host.cc": HOST, "CMakeLists.txt": PLUGIN_PROJECT}.items():
        (folder / name).write_text(text)
    return build(folder, folder / "build", prefix)


def needed(program):
    return set(re.findall(r"\(NEEDED\).*\[(.*?)\]", run("readelf", "-d", program)))


SYSTEM = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2",
          "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_the_prefix_holds_the_rooms_of_the_engine(prefix):
    headers = {p.name for p in (prefix / "include/heddle").iterdir()}
    assert headers == {p.name for p in (ROOT / "include/heddle").iterdir()
                       if check_layers.room_of(p) in ("base", "device", "engine")}
    for file in prefix.rglob("*"):
        if file.suffix in (".h", ".cmake"):
            text = file.read_text()
            assert str(ROOT) not in text and str(prefix.parent) not in text, file


def test_readme(prefix, tmp_path):
    shown = [m for m in re.findall(r"^```cpp\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
             if "heddle/engine.h" in m]
    assert len(shown) == 1 and len(re.findall(r"^.+", shown[0], re.M)) <= 15
    folder = project(tmp_path / "readme", shown[0])
    build(folder, folder / "build", prefix, "-DCOMPONENTS=engine", "-DLIBRARIES=heddle::engine")
    assert run(folder / "build/program") == re.search(r"// prints (.*)", shown[0])[1] + "\n"
    assert needed(folder / "build/program") <= SYSTEM

    # The same folder asks for what is not there.
    error = configure(folder, prefix, "engine;motor", "heddle::engine")
    assert "heddle has no component 'motor', only engine and core" in error
    assert "the component 'core' of heddle is not installed" in configure(folder, prefix, "", "heddle::heddle")
    (folder / "CMakeLists.txt").write_text(PROGRAM.replace("heddle 0.1", "heddle 7"))
    assert "requested version \"7\"" in configure(folder, prefix, "engine", "heddle::engine")


def test_pipeline(examples, tmp_path):
    out = run(examples / "pipeline")
    assert "201 files, 1 of them unreadable" in out and "same lines as" in out and "left out: cannot read" in out
    most, allowed = map(float, re.search(r"at most (.*) MiB of text in memory, (.*) MiB allowed", out).groups())
    assert 0.5 < most <= allowed == 1
    assert needed(examples / "pipeline") <= SYSTEM

    for name, text in {"b": "one two two", "a": "", "d": "end"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "c").symlink_to("nowhere")
    out = run(examples / "pipeline", tmp_path)
    assert "a: 0 words, 0 different\nb: 3 words, 2 different\nd: 1 words, 1 different\n" in out
    assert f"cannot read {tmp_path}/c" in out and "4 files, 1 of them unreadable" in out


@pytest.mark.parametrize("engine", ["naive", "threaded", "per_device"])
def test_a_plugin_may_be_closed_with_work_pending(plugin, engine):
    for _ in range(10):
        done = subprocess.run([plugin / "host", plugin / "libplugin.so"], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "HEDDLE_ENGINE": engine})
        assert (done.returncode, done.stdout, done.stderr) == (0, "2001\n" * 3, "")


@pytest.mark.parametrize("engine", ["naive", "threaded", "per_device"])
def test_life(examples, tmp_path, engine):
    out = run(examples / "life", "61", tmp_path / "life.pgm", env={**os.environ, "HEDDLE_ENGINE": engine})
    assert "same board as" in out and re.search(r"engine: [\d.]+ billion cells/s", out)
    picture = (tmp_path / "life.pgm").read_bytes()
    head = b"P5\n1024 1024\n1\n"
    assert picture.startswith(head) and len(picture) == len(head) + 1024 ** 2
    corner = "\n".join("".join(".#"[c] for c in picture[len(head) + row * 1024:][:64]) for row in range(16))
    assert corner in out and needed(examples / "life") <= SYSTEM


def test_the_whole_library(tmp_path):
    import heddle
    build_folder = pathlib.Path(heddle._core.__file__).parents[2]
    if not (build_folder / "lib/libheddle_engine.a").exists():
        pytest.skip("the tests do not run from a complete build folder")
    whole = tmp_path / "whole"
    run("cmake", "--install", build_folder, "--prefix", whole)
    assert {p.name for p in (whole / "include/heddle").iterdir()} == {"ops.h"} | {p.name for p in (ROOT / "include/heddle").iterdir()}
    assert (whole / "lib/libheddle_engine.a").exists()
    folder = project(tmp_path / "arrays", ARRAYS)
    build(folder, folder / "build", whole, "-DLIBRARIES=heddle::heddle")
    assert run(folder / "build/program") == "2 3\n"
    # Two engines in one program would know nothing of each other.
    error = configure(folder, whole, "engine;core", "heddle::engine;heddle::heddle")
    assert "HEDDLE_ENGINE_COMES_FROM" in error and "does not agree" in error
