"""heddle/ops.h: a function for every operator, and programs in C++ that learn with them."""
import pathlib
import re
import subprocess

import pytest

import heddle as mx
from debian_data import FASHION, needs_images

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(mx.__file__).parents[2]
PROGRAM = """#include <heddle/ops.h>

#include <cstdio>

using namespace heddle;

void show(const char* what, const NDArray& a) {
  std::vector<float> v(size_t(a.size()));
  a.copy_to(v.data());
  std::printf("%s", what);
  for (const float x : v) std::printf(" %g", x);
  std::printf("\\n");
}

int main() {
  const float values[] = {1, 2, 3, 4, 5, 6};
  NDArray a = NDArray::from_host(values, {2, 3}, Dtype::kFloat32);
  show("sum", op::sum(a, {.axis = {1}}));
  show("arithmetic", 2 * a - a / 2 + 1);
  op::_mul_scalar(a, {.scalar = 10}, a);
  show("in place", a);
  show("several", op::topk(a, {.k = 1, .ret_typ = "both"})[1]);
  show("none", op::_arange({.start = 3, .stop = 6}));
  show("many", op::Concat({a, a}, {.dim = 0}));
  show("none or", op::clip(op::slice(a, {.begin = {0, std::nullopt}, .end = {1, 2}}), {.a_min = 15, .a_max = 99}));
  const Symbol x = Symbol::variable("x"), w = Symbol::variable("w");
  const Symbol y = op::FullyConnected({{"data", x}, {"weight", w}}, {.num_hidden = 3, .no_bias = true}, "fc");
  for (const std::string& name : op::Activation(y + 1, {.act_type = "relu"}).arguments()) std::printf("%s ", name.c_str());
  std::printf("%s\\n", op::Flatten(x).name() == op::Flatten(x).name() ? "same" : "each its own");
  try {
    op::Activation(a, {.act_type = "rellu"});
  } catch (const Error& e) {
    std::printf("%s\\n", e.what());
  }
}
"""
PROJECT = """cmake_minimum_required(VERSION 3.22)
project(program LANGUAGES CXX)
find_package(heddle 0.1 REQUIRED COMPONENTS core)
add_executable(program program.cc)
target_link_libraries(program PRIVATE heddle::heddle)
"""


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(source, folder, prefix):
    run("cmake", "-S", source, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
        "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -Wall -Wextra -Werror", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", folder)
    return folder


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where heddle is installed."""
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder, "--component", "core")
    return folder


@pytest.fixture(scope="module")
def examples(prefix, tmp_path_factory):
    return built(ROOT / "examples/cpp", tmp_path_factory.mktemp("cpp"), prefix)


def test_every_operator_has_its_function(prefix):
    text = (prefix / "include/heddle/ops.h").read_text()
    functions = set(re.findall(r"^inline Symbol (\w+)\(", text, re.M))
    names = {name for name, _ in mx._core.op_names()}
    assert names - functions == {name for name in names if re.match("_[A-Z]", name)}  # C++ keeps those names to itself
    assert functions <= names
    arrays = re.findall(r"^inline (?:NDArray|std::vector<NDArray>) (\w+)\(", text, re.M)
    assert sorted(arrays) == sorted(functions)


def test_calls(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "program.cc").write_text(PROGRAM)
    lines = run(built(tmp_path, tmp_path / "build", prefix) / "program").splitlines()
    assert lines[:-1] == ["sum 6 15", "arithmetic 2.5 4 5.5 7 8.5 10", "in place 10 20 30 40 50 60", "several 2 2", "none 3 4 5",
                          "many 10 20 30 40 50 60 10 20 30 40 50 60", "none or 15 20", "x w each its own"]
    assert lines[-1].startswith("[Activation] ") and "'rellu'" in lines[-1]


@needs_images
@pytest.mark.parametrize("network, reached", [("mlp", 0.75), ("lenet", 0.78)])
def test_networks_learn(examples, network, reached):
    lines = run(examples / network, FASHION, 6).splitlines()  # a sixth of the data, twice
    accuracies = [float(re.search(r"accuracy ([\d.]+)", line)[1]) for line in lines]
    assert len(accuracies) == 2 and accuracies[-1] >= reached


def test_a_text_is_learnt(examples):
    out = run(examples / "char_rnn", ROOT / "LICENSE", 200)
    perplexities = [float(p) for p in re.findall(r"perplexity ([\d.]+)", out)]
    assert len(perplexities) == 4 and perplexities[-1] < 8 and perplexities[-1] < perplexities[0]
    assert len(re.search(r"wrote: (.*)", out, re.S)[1].rstrip("\n")) > 40
