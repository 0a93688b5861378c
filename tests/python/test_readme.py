"""Every Python example of the README and of docs/ runs as it is printed."""
import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def examples():
    spec = importlib.util.spec_from_file_location("snippets", ROOT / "tools/snippets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for page, line, program in module.snippets():
        yield pytest.param(program, id=f"{page.name}:{line}")


@pytest.mark.parametrize("program", list(examples()))
def test_example(program, tmp_path):
    file = tmp_path / "example.py"
    file.write_text(program)
    done = subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_both_styles():
    shown = [p.values[0] for p in examples() if p.id.startswith("README")]
    assert any("autograd.record" in text for text in shown) and any("Module" in text for text in shown)
