"""tools/check_imports.py passes on the package, and sees circles and late imports."""
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture()
def complaints(tmp_path, monkeypatch):
    """A function: what is said about a package made of the given files."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import check_imports

    def of(**files):
        package = tmp_path / "pack"
        for name, text in {"__init__": "", **files}.items():
            path = package / (name.replace("__in__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check_imports.complaints(package)

    return of


def test_the_package_has_no_circle():
    done = subprocess.run([sys.executable, ROOT / "tools/check_imports.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_circle_is_found(complaints):
    assert complaints(a="from . import b", b="from .c import x", c="import pack.a\nx = 1") == [
        "circle of imports: pack.a -> pack.b -> pack.c -> pack.a"]


def test_a_package_may_import_its_modules_and_they_each_other(complaints):
    assert not complaints(__init__="from . import a, b", a="from . import b", b="from . import _core")


def test_a_module_must_not_need_what_its_package_defines(complaints):
    assert complaints(__init__="from . import a\nx = 1", a="from . import x") == [
        "circle of imports: pack -> pack.a -> pack"]


def test_a_package_of_a_module_counts(complaints):
    """other needs part.x, hence part, which needs other."""
    said = complaints(part__in____init__="from ..other import y", part__in__x="", other="from .part.x import z")
    assert said == ["circle of imports: pack.other -> pack.part -> pack.other"]


def test_a_late_import_is_found(complaints):
    said = complaints(a="def f():\n    from .b import g", b="g = 1")
    assert len(said) == 1 and said[0].endswith("a.py:2: imports pack.b inside a function")


def test_types_and_other_packages_do_not_count(complaints):
    assert not complaints(a="TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from .b import g\ndef f():\n    import json",
                          b="from .a import f")
