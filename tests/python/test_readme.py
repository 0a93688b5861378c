"""Every Python example of the README and of docs/ runs as it is printed."""
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def examples():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text()
        for m in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
            line = text[:m.start()].count("\n") + 1
            yield pytest.param(m[1], id=f"{page.name}:{line}")


@pytest.mark.parametrize("program", list(examples()))
def test_example(program, tmp_path):
    file = tmp_path / "example.py"
    file.write_text(program)
    done = subprocess.run([sys.executable, file], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_both_styles():
    shown = [p.values[0] for p in examples() if p.id.startswith("README")]
    assert any("autograd.record" in text for text in shown) and any("Module" in text for text in shown)
