"""The C face from outside: what it shows, what compilers say of its headers, and programs in C that learn."""
import pathlib
import re
import shutil
import subprocess

import pytest

import heddle as mx
from debian_data import FASHION, needs_images

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(mx.__file__).parents[2]
SILENT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
LANGUAGES = {"gcc": ["gcc", "-std=c99", "-x", "c"], "gcc, C17": ["gcc", "-std=c17", "-x", "c"],
             "clang": ["clang", "-std=c99", "-x", "c"], "g++": ["g++", "-std=c++11", "-x", "c++"],
             "clang++": ["clang++", "-std=c++20", "-x", "c++"]}


HEADERS = ["c_api.h", "c_predict_api.h"]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def declared(header):
    """The functions that a header declares."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", (ROOT / "include/heddle" / header).read_text(), flags=re.S)
    return re.findall(r"^HD_API [^;(]*?\b(\w+)\(", text, re.M)


def test_functions_shown():
    """What libheddle shows to C is what stands in c_symbols.txt, and what the headers declare."""
    if not shutil.which("nm"):
        pytest.skip("nm is not installed: Debian has it in binutils")
    library = re.search(r"\S+/libheddle\.so\S*", pathlib.Path("/proc/self/maps").read_text())[0]
    shown = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()}
    of_c = sorted(name for name in shown if not name.startswith("_Z"))
    assert of_c == (ROOT / "tests/python/c_symbols.txt").read_text().split()
    assert len(declared("c_api.h")) <= 60
    headers = [name for header in HEADERS for name in declared(header)]
    assert sorted(set(headers)) == of_c


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("header", HEADERS)
def test_headers_are_silent(tmp_path, header, language):
    command = LANGUAGES[language]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed: ./dev test installs it")
    source = tmp_path / "source"
    source.write_text(f"#include <heddle/{header}>\n#include <heddle/{header}>\nint main(void) {{ return 0; }}\n")
    run(*command, *SILENT, "-fsyntax-only", f"-I{ROOT}/include", source)


def test_the_version_is_that_of_the_build():
    version = re.search(r"project\(heddle VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert f'#define HD_VERSION "{version}"' in (ROOT / "include/heddle/c_api.h").read_text()


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Where heddle is installed."""
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder, "--component", "core")
    return folder


def built(source, folder, prefix, *options):
    run("cmake", "-S", source, "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", *options)
    run("cmake", "--build", folder)
    return folder


@pytest.fixture(scope="module")
def examples(prefix, tmp_path_factory):
    """The programs of examples/c, compiled as C99 against the installed library."""
    return built(ROOT / "examples/c", tmp_path_factory.mktemp("c"), prefix, f"-DCMAKE_C_FLAGS={' '.join(SILENT)}")


@needs_images
@pytest.mark.parametrize("network, reached", [("perceptron", 0.75), ("lenet", 0.78)])
def test_programs_in_c_learn(examples, network, reached):
    lines = run(examples / "train", network, FASHION, 6).splitlines()  # a sixth of the data, twice
    accuracies = [float(re.search(r"accuracy ([\d.]+)", line)[1]) for line in lines]
    assert len(accuracies) == 2 and accuracies[-1] >= reached


def test_a_program_says_what_failed(examples, tmp_path):
    done = subprocess.run([examples / "train", "lenet", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"train\.c:\d+: hd_iterator_create.*train-images-idx3-ubyte: cannot be opened", done.stderr, re.S)


@pytest.mark.parametrize("page", ["c-api.md"])
def test_programs_of_the_documentation(prefix, tmp_path, page):
    programs = re.findall(r"^```c\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.M | re.S)
    assert programs
    for number, program in enumerate(programs):
        source = tmp_path / f"{number}.c"
        source.write_text(program)
        libraries = prefix / "lib"
        run("gcc", "-std=c99", *SILENT, f"-I{prefix}/include", source, "-o", tmp_path / str(number), f"-L{libraries}",
            f"-Wl,-rpath,{libraries}", "-lheddle")
        assert run(tmp_path / str(number)).strip() == re.search(r"/\* prints (.*?) \*/", program)[1]
